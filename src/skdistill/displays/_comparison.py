"""Draw a comparison as one figure: accuracy against size and speed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from skdistill.displays._base import PanelsDisplay
from skdistill.displays._pareto import ParetoDisplay
from skdistill.displays._retention import RetentionDisplay
from skdistill.displays._tradeoff import CostColumn

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ComparisonDisplay(PanelsDisplay):
    """Overview of a comparison: accuracy against size and speed, side by side.

    It is recommended to use :func:`~skdistill.ComparisonDisplay.from_comparison` to create this
    display.

    Parameters
    ----------
    table : DataFrame
        The table returned by :func:`~skdistill.compare`.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes
        Axes of the panels.
    figure_ : matplotlib Figure
        Figure containing the panels.
    displays_ : list of RetentionDisplay and ParetoDisplay
        The displays drawn in the panels.

    See Also
    --------
    RetentionDisplay : The first panel; only with a reference.
    ParetoDisplay : The other panels: size on disk and speed.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdistill import ComparisonDisplay
    >>> table = pd.DataFrame({
    ...     "name": ["big", "small"], "kind": ["teacher", "distilled"], "accuracy": [0.93, 0.92],
    ...     "retention": [1.0, 0.989], "n_parameters": [22_700_000, 80_406],
    ...     "n_bytes": [91_600_000, 371_000], "texts_per_second": [260, 188_000]})
    >>> len(ComparisonDisplay(table).plot().displays_)
    3
    """

    def __init__(self, table: pd.DataFrame):
        self.table = table

    def plot(self, *, ax: "Sequence[Axes] | np.ndarray | None" = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : array-like of matplotlib Axes, default=None
            Axes to draw on: three with a reference, two without, and one fewer for each cost that
            is unknown for all models. None creates a new figure.

        Returns
        -------
        self : ComparisonDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong length.
        """
        panels: list[tuple[type[ParetoDisplay | RetentionDisplay], CostColumn]] = [
            (ParetoDisplay, "n_bytes"),
            (ParetoDisplay, "texts_per_second"),
        ]
        if "retention" in self.table:
            panels.insert(0, (RetentionDisplay, "n_parameters"))
        # Leave out panels whose cost is unknown for all models.
        panels = [panel for panel in panels if (self.table[panel[1]] > 0).any()]
        axes = self._take_axes(ax, lambda: _make_axes(len(panels)), panels, "the panels")
        self.displays_ = [
            display.from_comparison(self.table, against=against, ax=axis)
            for (display, against), axis in zip(panels, axes, strict=True)
        ]
        return self

    @classmethod
    def from_comparison(
        cls, table: pd.DataFrame, *, ax: "Sequence[Axes] | np.ndarray | None" = None
    ) -> Self:
        """Draw the overview of a table.

        Parameters
        ----------
        table : DataFrame
            The table returned by :func:`~skdistill.compare`.
        ax : array-like of matplotlib Axes, default=None
            Axes to draw on: three with a reference, two without, and one fewer for each cost that
            is unknown for all models. None creates a new figure.

        Returns
        -------
        display : ComparisonDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` has the wrong length.

        Examples
        --------
        >>> from skdistill import ComparisonDisplay, compare, make_tfidf_baseline
        >>> models = {"C=1": make_tfidf_baseline(), "C=10": make_tfidf_baseline(10)}
        >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
        >>> display = ComparisonDisplay.from_comparison(compare(models, X, y, X, y))
        >>> len(display.ax_)
        2
        """
        return cls(table).plot(ax=ax)


def _make_axes(n_panels: int) -> np.ndarray:
    import matplotlib.pyplot as plt

    size = (6.2 * n_panels, 5.2)
    return plt.subplots(1, n_panels, figsize=size, layout="constrained", squeeze=False)[1]
