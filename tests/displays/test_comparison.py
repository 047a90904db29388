import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from skdistill import ComparisonDisplay, ParetoDisplay, RetentionDisplay


def test_the_overview_is_made_of_displays(demo_table):
    axes = Figure(figsize=(18, 5)).subplots(1, 3)
    display = ComparisonDisplay(demo_table)
    assert display.plot(ax=axes) is display
    assert display.table is demo_table
    assert display.ax_.tolist() == axes.tolist()
    assert display.figure_ is axes[0].figure
    assert plt.get_fignums() == []
    kinds = [type(part) for part in display.displays_]
    assert kinds == [RetentionDisplay, ParetoDisplay, ParetoDisplay]
    two = ComparisonDisplay.from_comparison(demo_table.drop(columns="retention"))
    assert len(two.ax_) == 2
    unknown = ComparisonDisplay.from_comparison(demo_table.assign(n_parameters=np.nan))
    assert len(unknown.ax_) == 2
    with pytest.raises(ValueError, match="the panels and ax must have the same number"):
        display.plot(ax=axes[:2])
