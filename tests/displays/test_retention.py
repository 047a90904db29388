import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from skdistill import RetentionDisplay


def test_retention_keeps_what_it_was_given_and_returns_itself(demo_table):
    names = demo_table["name"].tolist()
    display = RetentionDisplay(
        names, demo_table["n_bytes"], demo_table["retention"], against="n_bytes"
    )
    assert display.names is names
    assert display.kinds is None
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_xscale() == "log"
    assert "bytes" in display.ax_.get_xlabel()
    assert "%" in display.ax_.get_ylabel()
    assert [text.get_text() for text in display.text_] == names
    # What the models are was not said.
    legend = display.ax_.get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["teacher's accuracy"]


def test_retention_shows_the_numbers_of_the_table(demo_table):
    figure = Figure()
    axes = figure.add_subplot()
    display = RetentionDisplay.from_comparison(demo_table, ax=axes)
    assert display.ax_ is axes
    assert plt.get_fignums() == []
    drawn = np.concatenate([artist.get_offsets() for artist in display.points_])
    expected = demo_table[["n_parameters", "retention"]].to_numpy()
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


def test_the_figure_needs_a_teacher(demo_table):
    with pytest.raises(ValueError, match=r"no teacher to compare with.*reference="):
        RetentionDisplay.from_comparison(demo_table.drop(columns="retention"))


def test_accuracies_of_other_length_are_refused():
    with pytest.raises(ValueError, match="names and accuracy must have the same number"):
        RetentionDisplay(["A", "B"], [1, 2], [0.5, 0.6], accuracy=[0.5]).plot()
    assert plt.get_fignums() == []
