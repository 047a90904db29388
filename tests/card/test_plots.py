import xml.etree.ElementTree as ET

import numpy as np
import pytest

from skdistill.card._plots import _round_ticks, plot_confusion, plot_reliability, plot_training


def parts(markup, tag):
    return [*ET.fromstring(markup).iter(tag)]


def attributes(markup, tag):
    return [part.attrib for part in parts(markup, tag)]


def test_reliability_puts_what_is_calibrated_on_the_diagonal():
    share = np.array([0.0, 0.5, 1.0])
    plot = plot_reliability(share, share, np.array([1, 2, 7]))
    (diagonal,) = (a for a in attributes(plot, "line") if "stroke-dasharray" in a)
    circles = attributes(plot, "circle")
    assert (circles[0]["cx"], circles[0]["cy"]) == (
        f"{float(diagonal['x1']):.1f}",
        f"{float(diagonal['y1']):.1f}",
    )
    assert (circles[2]["cx"], circles[2]["cy"]) == (
        f"{float(diagonal['x2']):.1f}",
        f"{float(diagonal['y2']):.1f}",
    )
    assert float(circles[0]["r"]) < float(circles[1]["r"]) < float(circles[2]["r"])
    assert parts(plot, "title")[1].text == "confidence 50%, accuracy 50%, 2 predictions"


def test_everything_is_inside_the_picture():
    one = np.array([1.0])
    for plot in (plot_reliability(one, one, np.array([5])), plot_training([2.0, 1.0, 0.5])):
        width, height = map(float, ET.fromstring(plot).attrib["viewBox"].split()[2:])
        for circle in parts(plot, "circle"):
            x, y, r = (float(circle.attrib[name]) for name in ("cx", "cy", "r"))
            assert r <= x <= width - r
            assert r <= y <= height - r


def test_the_curve_falls_as_the_loss_does():
    plot = plot_training([2.0, 1.0, 0.5])
    (curve,) = parts(plot, "polyline")
    points = np.array([point.split(",") for point in curve.attrib["points"].split()], dtype=float)
    heights = points[:, 1].max() - points[:, 1]
    assert (np.diff(points[:, 0]) > 0).all()
    np.testing.assert_allclose(heights / heights[0], [1, 1 / 3, 0], atol=0.01)
    assert "from 2 in the first to 0.5 in the last of 3 epochs" in plot
    assert "epoch 2: 1" in plot


def test_the_loss_on_gold_labels_is_not_joined_to_the_other():
    plot = plot_training([0.4, 0.2, 0.1, 0.7, 0.6], n_gold_epochs=2)
    curves = [a["points"].split() for a in attributes(plot, "polyline")]
    assert [*map(len, curves)] == [3, 2]
    assert "from 0.4 in the first to 0.1 in the last of 3 epochs, then 2 on gold labels" in plot


@pytest.mark.parametrize(
    ("top", "ticks"),
    [
        (0.0, [0, 1]),
        (0.93, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (1.3, [0, 0.5, 1.0, 1.5]),
        (0.031, [0, 0.01, 0.02, 0.03, 0.04]),
        (740.0, [0, 200, 400, 600, 800]),
    ],
)
def test_ticks_are_round_numbers(top, ticks):
    assert _round_ticks(top) == ticks


def test_a_loss_of_nothing_can_be_drawn():
    assert len(parts(plot_training([0.0, 0.0]), "circle")) == 2


@pytest.mark.parametrize("n", [2, 20])
def test_confusion_shades_cells_by_the_share_of_their_row(n):
    matrix = np.arange(n * n).reshape(n, n)
    matrix[0] = 0
    names = [f"<{number}> with a long name" for number in range(n)]
    plot = plot_confusion(matrix, names)
    cells = parts(plot, "rect")
    shades = np.array([float(cell.attrib["fill-opacity"]) for cell in cells]).reshape(n, n)
    assert not shades[0].any()
    np.testing.assert_allclose(shades[1], 0.35 * matrix[1] / matrix[1].sum(), atol=6e-4)
    titles = [title.text for title in parts(plot, "title")]
    assert titles[n] == f"{names[1]} predicted as {names[0]}: {n:,}"
    assert f"{np.trace(matrix):,} of {matrix.sum():,} texts classified correctly" in plot


def test_the_colour_is_that_of_the_text_around():
    for plot in (
        plot_confusion(np.eye(2, dtype=int), ["a", "b"]),
        plot_training([1.0, 2.0]),
    ):
        root = ET.fromstring(plot)
        assert root.attrib["fill"] == "currentColor"
        colours = {e.attrib.get(name) for e in root.iter() for name in ("fill", "stroke")}
        assert colours <= {None, "none", "currentColor"}
