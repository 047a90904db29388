import itertools
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from skdistill import ConfusionMatricesDisplay, LearningCurvesDisplay, ReliabilityDisplay
from skdistill.displays._style import KINDS, LINE_STYLES, require_matplotlib


def test_without_matplotlib_errors_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"It needs .*pip install skdistill\[plot\]', or not\.$"):
        require_matplotlib("It", ", or not")
    with pytest.raises(ImportError, match=r"ReliabilityDisplay\.plot needs matplotlib"):
        ReliabilityDisplay([0.5], [0.5], [1], [0, 1]).plot()
    with pytest.raises(ImportError, match=r"ConfusionMatricesDisplay\.plot needs matplotlib"):
        ConfusionMatricesDisplay({"a": np.eye(2)}).plot()


@pytest.mark.parametrize("length", [0, 5, 40, 200])
def test_legends_stay_inside_the_figure(length):
    names = [f"{letter * length}" for letter in "abcde"[: max(1, 250 // (length + 1))]]
    display = LearningCurvesDisplay([1, 2], {name: [[0.1], [0.2]] for name in names}).plot()
    display.figure_.draw_without_rendering()
    legend = display.ax_.get_legend().get_window_extent()
    assert all(display.figure_.bbox.contains(*corner) for corner in legend.corners())
    assert not legend.overlaps(display.ax_.xaxis.label.get_window_extent())
    label = display.ax_.yaxis.label.get_window_extent()
    assert all(display.figure_.bbox.contains(*corner) for corner in label.corners())


def test_curves_without_a_name_have_no_legend():
    display = ReliabilityDisplay([0.6], [0.5], [4], [0, 1]).plot(ref_line=False)
    assert display.counts_ax_.get_legend() is None


def test_aliases_of_styles_are_heard():
    curves = LearningCurvesDisplay([1, 2], {"a": [[0.1], [0.2]]})
    line = curves.plot(errorbar_kw={"lw": 3, "c": "red"}).errorbar_[0][0]
    assert (line.get_linewidth(), line.get_color()) == (3, "red")
    matrices = ConfusionMatricesDisplay({"a": np.eye(2)})
    number = matrices.plot(text_kw={"size": 3, "ha": "left"}).text_[0][0, 0]
    assert (number.get_fontsize(), number.get_horizontalalignment()) == (3, "left")


def luminance(color):
    return np.dot(to_rgb(color), [0.2126, 0.7152, 0.0722])


def test_styles_differ_in_grey():
    for one, other in itertools.combinations(LINE_STYLES, 2):
        assert one.marker != other.marker
        assert one.linestyle != other.linestyle
    for (_, one), (_, other) in itertools.combinations(KINDS.values(), 2):
        assert one != other
    # Dark enough to be seen on white.
    assert all(luminance(color) < 0.7 for color, *_ in (*LINE_STYLES, *KINDS.values()))
