"""Base classes of the figures."""

from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Any

import numpy as np

from skdistill._core.labels import check_same_length
from skdistill.displays._style import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


class Display:
    """A figure on one axes; its `plot` must call `_take_axes` first."""

    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def _take_axes(self, ax: "Axes | None", figsize: tuple[float, float]) -> "Axes":
        """Return the axes to draw on: the given ones, or those of a new figure."""
        require_matplotlib(f"{type(self).__name__}.plot")
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


class PanelsDisplay:
    """A figure on several axes; its `plot` must call `_take_axes` first."""

    ax_: np.ndarray
    figure_: "Figure | SubFigure"

    def _take_axes(
        self, ax: Any, make: Callable[[], np.ndarray], panels: Sized, name: str
    ) -> np.ndarray:
        """Return one axes per panel: the given ones, or those that `make` returns."""
        require_matplotlib(f"{type(self).__name__}.plot")
        axes = np.asarray(make() if ax is None else ax, dtype=object).ravel()
        check_same_length(len(panels), len(axes), names=(name, "ax"))
        self.ax_, self.figure_ = axes, axes[0].figure
        return axes
