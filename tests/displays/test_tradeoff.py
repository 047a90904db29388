import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

from skdistill import ParetoDisplay, RetentionDisplay
from skdistill.displays._style import KINDS as KIND_STYLES


def check_labels(display):
    """Check that no label lies on another, on a point or the line, or out of the axes."""
    display.figure_.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in display.text_]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    axes = display.ax_
    points = [axes.transData.transform(p) for c in display.points_ for p in c.get_offsets()]
    assert len(points) == len(boxes)
    assert not any(box.contains(*point) for box in boxes for point in points)
    assert all(axes.bbox.padded(1).contains(*c) for box in boxes for c in box.corners())
    line = display.line_.get_transform().transform(display.line_.get_xydata())
    for start, end in itertools.pairwise(line):
        on_it = start + np.linspace(0, 1, 200)[:, None] * (end - start)
        assert not any(box.contains(*place) for box in boxes for place in on_it)
    legend = axes.get_legend().get_window_extent()
    assert not legend.overlaps(axes.bbox)
    assert not legend.overlaps(axes.xaxis.label.get_window_extent())
    assert all(display.figure_.bbox.contains(*corner) for corner in legend.corners())


# ---- markers


def test_kinds_differ_in_more_than_colour(demo_table):
    display = ParetoDisplay.from_comparison(demo_table, against="n_bytes", score="macro_f1")
    assert display.ax_.get_ylabel() == "macro F1, %"
    outlines = [artist.get_paths()[0].vertices.round(3).tolist() for artist in display.points_]
    colors = {to_hex(artist.get_edgecolor()[0]) for artist in display.points_}
    assert len(display.points_) == len(colors) == 4
    assert all(a != b for a, b in itertools.combinations(outlines, 2))
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["baseline", "hard labels", "teacher", "distilled", "Pareto front"]


def pixels_of(color, display):
    """Tell which pixels of a figure have a colour."""
    display.figure_.canvas.draw()
    drawn = np.asarray(display.figure_.canvas.buffer_rgba())[..., :3].astype(float)
    return np.abs(drawn - 255 * np.array(to_rgb(color))).max(axis=2) < 16


@pytest.mark.parametrize("n_models", [1, 2, 5])
def test_markers_of_equal_models_can_be_counted(n_models):
    names = [f"seed {seed}" for seed in range(n_models)]
    display = ParetoDisplay(names, [100] * n_models, [0.9] * n_models, against="n_bytes").plot()
    is_green = pixels_of(KIND_STYLES["distilled"][0], display)
    column, row = display.ax_.transData.transform((100, 0.9)).round().astype(int)
    upwards = is_green[::-1][row:, column]
    assert upwards[0]
    assert np.count_nonzero(np.diff(upwards.astype(int)) == -1) == n_models


def test_markers_of_equal_models_are_seen_whatever_their_kinds():
    kinds = ["distilled", "teacher", "hard labels", "baseline"]
    display = RetentionDisplay(kinds, [100] * 4, [0.9] * 4, kinds=kinds).plot()
    display.ax_.get_legend().remove()
    display.line_.remove()
    for kind in kinds:
        assert pixels_of(KIND_STYLES[kind][0], display).sum() > 20


def test_markers_apart_have_one_size(demo_table):
    display = RetentionDisplay.from_comparison(demo_table.iloc[[0, 3, 5]])
    sizes = [size for artist in display.points_ for size in artist.get_sizes()]
    assert sizes == [55, 3 * 55, 55]


# ---- labels


def test_labels_of_the_demo(demo_table):
    check_labels(RetentionDisplay.from_comparison(demo_table))
    check_labels(ParetoDisplay.from_comparison(demo_table))
    check_labels(ParetoDisplay.from_comparison(demo_table, against="n_bytes"))


@pytest.mark.parametrize("n_models", [1, 2, 12])
def test_labels_of_equal_models(n_models):
    names = [f"distilled MLP, mean + attention pooling, seed {seed}" for seed in range(n_models)]
    check_labels(RetentionDisplay(names, [80_000] * n_models, [0.99] * n_models).plot())


@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("abm ", min_size=1, max_size=32), st.floats(4, 8), st.floats(0.5, 1)),
        min_size=1,
        max_size=12,
    )
)
def test_labels_of_any_models(models):
    names, sizes, scores = zip(*models, strict=True)
    names = [f"m{name}" for name in names]
    check_labels(ParetoDisplay(names, 10 ** np.array(sizes), scores, against="n_bytes").plot())
    plt.close("all")


def test_labels_follow_the_size_of_the_figure(demo_table):
    display = RetentionDisplay.from_comparison(demo_table)
    display.figure_.set_size_inches(12, 7)
    check_labels(display)
    display.figure_.set_dpi(50)
    check_labels(display)


# ---- refused


def test_models_of_unknown_cost_are_left_out_and_named(demo_table):
    with pytest.warns(UserWarning, match="leaves out teacher: MiniLM-L6, fine-tuned: fit_seconds"):
        display = ParetoDisplay.from_comparison(demo_table, against="fit_seconds")
    assert display.names == demo_table["name"].drop(3).tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": []}, "no models to draw"),
        ({"costs": [1]}, "names and n_bytes must have the same number"),
        ({"scores": [1]}, "names and scores must have the same number"),
        ({"kinds": ["distilled"]}, "names and kinds must have the same number"),
        ({"kinds": ["student", "teacher"]}, r"got \['student'\]"),
        ({"costs": [1, 0]}, "n_bytes of 'B' is 0, but a logarithmic axis"),
        ({"costs": [1, np.inf]}, "n_bytes of 'B' is inf, but a logarithmic axis"),
        ({"scores": [np.nan, 1]}, "The score of 'A' is nan"),
        ({"against": "carbon"}, "against must be one of .*'n_bytes'.*, got 'carbon'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes, message):
    given = {"names": ["A", "B"], "costs": [1, 2], "scores": [0.5, 0.6], "against": "n_bytes"}
    with pytest.raises(ValueError, match=message):
        ParetoDisplay(**{**given, **changes}).plot()
    assert plt.get_fignums() == []


def test_unknown_columns_are_refused(demo_table):
    with pytest.raises(ValueError, match="score must be one of"):
        ParetoDisplay.from_comparison(demo_table, score="fidelity")
    with pytest.raises(ValueError, match="against must be one of"):
        RetentionDisplay.from_comparison(demo_table, against="accuracy")
