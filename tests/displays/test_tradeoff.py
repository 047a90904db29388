import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from skdistill import ParetoDisplay, RetentionDisplay
from skdistill.displays._style import KINDS as KIND_STYLES
from skdistill.displays._tradeoff import COSTS, pareto_front

NAMES = [
    "TF-IDF + LR, defaults",
    "TF-IDF + LR, C=10",
    "MLP, hard labels, mean pooling",
    "teacher: MiniLM-L6, fine-tuned",
    "distilled MLP, mean pooling",
    "distilled MLP, mean + attention pooling",
]
KINDS = ["baseline", "baseline", "hard labels", "teacher", "distilled", "distilled"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def table():
    accuracy = np.array([0.600, 0.601, 0.599, 0.690, 0.688, 0.697])
    return pd.DataFrame(
        {
            "name": NAMES,
            "kind": KINDS,
            "accuracy": accuracy,
            "retention": accuracy / 0.690,
            "macro_f1": accuracy - 0.05,
            "n_parameters": [70_000, 70_000, 80_102, 22_700_000, 80_102, 80_400],
            "n_bytes": [512e3, 512e3, 397e3, 91.6e6, 394e3, 395e3],
            "texts_per_second": [141e3, 141e3, 565e3, 398, 537e3, 422e3],
            "fit_seconds": [1, 1, 5, np.nan, 9, 9],
        }
    )


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


# ---- the front

models = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12)


@given(models, st.booleans())
def test_the_front_is_what_brute_force_finds(models, larger_is_better):
    sign = -1 if larger_is_better else 1
    found = pareto_front(*zip(*models, strict=True), larger_is_better=larger_is_better)
    for (cost, score), is_on_front in zip(models, found, strict=True):
        beaten = False
        for other_cost, other_score in models:
            as_good = sign * other_cost <= sign * cost and other_score >= score
            beaten |= as_good and (other_cost, other_score) != (cost, score)
        assert is_on_front == (not beaten)


def test_the_front_refuses_missing_numbers_and_other_lengths():
    with pytest.raises(ValueError, match="must not hold missing numbers"):
        pareto_front([1, np.nan], [0.5, 0.6])
    with pytest.raises(ValueError, match="costs and scores must have the same number"):
        pareto_front([1, 2], [0.5])


def test_the_fronts_line_separates_what_is_beaten(table):
    for against in ("n_bytes", "texts_per_second"):
        display = ParetoDisplay.from_comparison(table, against=against)
        expected = pareto_front(
            table[against], table["accuracy"], larger_is_better=COSTS[against].larger_is_better
        )
        np.testing.assert_array_equal(display.on_front_, expected)
        corners = display.line_.get_xydata()
        front = table.loc[expected, [against, "accuracy"]].to_numpy()
        assert {*map(tuple, front)} <= {*map(tuple, corners)}
        pieces = np.diff(corners, axis=0)
        assert ((pieces == 0).sum(axis=1) >= 1).all()  # steps: level or upright
        # It goes on to the edge where costs are higher.
        edge = display.ax_.get_xlim()[0 if COSTS[against].larger_is_better else 1]
        assert corners[-1].tolist() == [edge, table["accuracy"].max()]


# ---- grammar


def test_retention_keeps_what_it_was_given_and_returns_itself(table):
    display = RetentionDisplay(NAMES, table["n_bytes"], table["retention"], against="n_bytes")
    assert display.names is NAMES
    assert display.kinds is None
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_xscale() == "log"
    assert "bytes" in display.ax_.get_xlabel()
    assert "%" in display.ax_.get_ylabel()
    assert [text.get_text() for text in display.text_] == NAMES
    # What the models are was not said.
    legend = display.ax_.get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["teacher's accuracy"]


def test_retention_shows_the_numbers_of_the_table(table):
    figure = Figure()
    axes = figure.add_subplot()
    display = RetentionDisplay.from_comparison(table, ax=axes)
    assert display.ax_ is axes
    assert plt.get_fignums() == []
    drawn = np.concatenate([artist.get_offsets() for artist in display.points_])
    expected = table[["n_parameters", "retention"]].to_numpy()
    np.testing.assert_allclose(sorted(drawn.tolist()), sorted(expected.tolist()))
    assert [text.get_text()[-4:] for text in display.text_] == [
        *("60.0", "60.1", "59.9", "69.0", "68.8", "69.7")
    ]
    low, high = axes.get_ylim()
    assert low < display.line_.get_ydata()[0] == 1 < high
    figure.draw_without_rendering()
    ticks = [text.get_text() for text in axes.get_yticklabels()]
    assert "100" in ticks
    assert "100k" in [text.get_text() for text in axes.get_xticklabels()]


def test_pareto_keeps_what_it_was_given_and_passes_on_styles(table):
    costs = table["n_bytes"].to_numpy()
    display = ParetoDisplay(NAMES, costs, table["accuracy"], against="n_bytes")
    found = display.plot(scatter_kw={"s": 7}, line_kw={"color": "red"}, text_kw={"fontsize": 5})
    assert found is display
    assert display.costs is costs
    assert min(display.points_[0].get_sizes()) == 7
    assert display.line_.get_color() == "red"
    assert display.text_[0].get_fontsize() == 5


def test_kinds_differ_in_more_than_colour(table):
    display = ParetoDisplay.from_comparison(table, against="n_bytes", score="macro_f1")
    assert display.ax_.get_ylabel() == "macro F1, %"
    outlines = [artist.get_paths()[0].vertices.round(3).tolist() for artist in display.points_]
    colors = {to_hex(artist.get_edgecolor()[0]) for artist in display.points_}
    assert len(display.points_) == len(colors) == 4
    assert all(a != b for a, b in itertools.combinations(outlines, 2))
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["baseline", "hard labels", "teacher", "distilled", "Pareto front"]


def test_beaten_models_are_hollow():
    display = ParetoDisplay(["A", "B"], [1, 2], [0.9, 0.8], against="n_bytes").plot()
    full, hollow = (to_hex(color) for color in display.points_[0].get_facecolor())
    assert (full == "#ffffff", hollow == "#ffffff") == (False, True)


def test_aliases_of_styles_are_heard():
    display = ParetoDisplay(["A", "B"], [1, 2], [0.9, 0.8], against="n_bytes")
    display.plot(scatter_kw={"c": "red", "lw": 3}, line_kw={"lw": 4}, text_kw={"size": 5})
    (points,) = display.points_
    assert [to_hex(color) for color in points.get_edgecolor()] == ["#ff0000"]
    assert [to_hex(color) for color in points.get_facecolor()] == ["#ff0000", "#ffffff"]
    assert points.get_linewidth() == 3
    assert display.line_.get_linewidth() == 4
    assert display.text_[0].get_fontsize() == 5


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


def test_markers_apart_have_one_size(table):
    display = RetentionDisplay.from_comparison(table.iloc[[0, 3, 5]])
    sizes = [size for artist in display.points_ for size in artist.get_sizes()]
    assert sizes == [55, 3 * 55, 55]


# ---- labels


def test_labels_of_the_demo(table):
    check_labels(RetentionDisplay.from_comparison(table))
    check_labels(ParetoDisplay.from_comparison(table))
    check_labels(ParetoDisplay.from_comparison(table, against="n_bytes"))


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


def test_labels_follow_the_size_of_the_figure(table):
    display = RetentionDisplay.from_comparison(table)
    display.figure_.set_size_inches(12, 7)
    check_labels(display)
    display.figure_.set_dpi(50)
    check_labels(display)


# ---- refused


def test_the_figure_needs_a_teacher(table):
    with pytest.raises(ValueError, match=r"no row of the table is one: .*reference="):
        RetentionDisplay.from_comparison(table.drop(columns="retention"))


def test_models_of_unknown_cost_are_left_out_and_named(table):
    with pytest.warns(UserWarning, match="leaves out teacher: MiniLM-L6, fine-tuned: fit_seconds"):
        display = ParetoDisplay.from_comparison(table, against="fit_seconds")
    assert display.names == NAMES[:3] + NAMES[4:]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": []}, "no model to draw"),
        ({"costs": [1]}, "names and n_bytes must have the same number"),
        ({"scores": [1]}, "names and scores must have the same number"),
        ({"kinds": ["distilled"]}, "names and kinds must have the same number"),
        ({"kinds": ["student", "teacher"]}, r"hold \['student'\]"),
        ({"costs": [1, 0]}, "n_bytes of 'B' is 0; a logarithmic axis"),
        ({"costs": [1, np.inf]}, "n_bytes of 'B' is inf; a logarithmic axis"),
        ({"scores": [np.nan, 1]}, "the score of 'A' is nan"),
        ({"against": "carbon"}, "against must be one of .*'n_bytes'.*, got 'carbon'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes, message):
    given = {"names": ["A", "B"], "costs": [1, 2], "scores": [0.5, 0.6], "against": "n_bytes"}
    with pytest.raises(ValueError, match=message):
        ParetoDisplay(**{**given, **changes}).plot()
    assert plt.get_fignums() == []


def test_accuracies_of_other_length_are_refused():
    with pytest.raises(ValueError, match="names and accuracy must have the same number"):
        RetentionDisplay(["A", "B"], [1, 2], [0.5, 0.6], accuracy=[0.5]).plot()
    assert plt.get_fignums() == []


def test_unknown_columns_are_refused(table):
    with pytest.raises(ValueError, match="score must be one of"):
        ParetoDisplay.from_comparison(table, score="fidelity")
    with pytest.raises(ValueError, match="against must be one of"):
        RetentionDisplay.from_comparison(table, against="accuracy")
