import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from skdistill import ParetoDisplay
from skdistill.displays._pareto import pareto_front
from skdistill.displays._tradeoff import COSTS

MODELS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12)


@given(MODELS, st.booleans())
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
    with pytest.raises(ValueError, match="must not contain NaN"):
        pareto_front([1, np.nan], [0.5, 0.6])
    with pytest.raises(ValueError, match="costs and scores must have the same number"):
        pareto_front([1, 2], [0.5])


def test_the_fronts_line_separates_what_is_beaten(demo_table):
    for against in ("n_bytes", "texts_per_second"):
        display = ParetoDisplay.from_comparison(demo_table, against=against)
        expected = pareto_front(
            demo_table[against],
            demo_table["accuracy"],
            larger_is_better=COSTS[against].larger_is_better,
        )
        np.testing.assert_array_equal(display.on_front_, expected)
        corners = display.line_.get_xydata()
        front = demo_table.loc[expected, [against, "accuracy"]].to_numpy()
        assert {*map(tuple, front)} <= {*map(tuple, corners)}
        pieces = np.diff(corners, axis=0)
        assert ((pieces == 0).sum(axis=1) >= 1).all()  # steps: level or upright
        # It goes on to the edge where costs are higher.
        edge = display.ax_.get_xlim()[0 if COSTS[against].larger_is_better else 1]
        assert corners[-1].tolist() == [edge, demo_table["accuracy"].max()]


def test_pareto_keeps_what_it_was_given_and_passes_on_styles(demo_table):
    costs = demo_table["n_bytes"].to_numpy()
    display = ParetoDisplay(
        demo_table["name"].tolist(), costs, demo_table["accuracy"], against="n_bytes"
    )
    found = display.plot(scatter_kw={"s": 7}, line_kw={"color": "red"}, text_kw={"fontsize": 5})
    assert found is display
    assert display.costs is costs
    assert min(display.points_[0].get_sizes()) == 7
    assert display.line_.get_color() == "red"
    assert display.text_[0].get_fontsize() == 5


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
