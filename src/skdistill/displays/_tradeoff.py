"""Draw models as points: a score against size or speed."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skdistill._core.exceptions import warn
from skdistill._core.format import format_bytes, format_count
from skdistill._core.labels import check_same_length
from skdistill.displays._style import (
    KINDS,
    legend_below,
    set_log_axis,
    soften,
    with_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

CostColumn = Literal["n_parameters", "n_bytes", "texts_per_second", "fit_seconds"]


class Cost(NamedTuple):
    """A cost column of a comparison: its axis label, number format and better direction."""

    label: str
    show: Callable[[float], str]
    larger_is_better: bool


COSTS: dict[CostColumn, Cost] = {
    "n_parameters": Cost("size, parameters (log scale)", format_count, False),
    "n_bytes": Cost("size on disk, bytes (log scale)", format_bytes, False),
    "texts_per_second": Cost("speed, texts per second (log scale)", format_count, True),
    "fit_seconds": Cost("training time, seconds (log scale)", format_count, False),
}
FIGURE_SIZE = (7.5, 5.0)
_MARKER_SIZE = 55
# Markers closer than `_CLOSE`, a share of the axes, hide each other, so each is wider by `_WIDER`
# than the one above it.
_CLOSE, _WIDER = 0.025, 0.6


def _check_cost(against: str) -> None:
    if against not in COSTS:
        raise ValueError(f"against must be one of {list(COSTS)}, got {against!r:.200}.")


def known_rows(table: pd.DataFrame, against: CostColumn) -> pd.DataFrame:
    """Return the rows with a positive cost, and warn about the others."""
    _check_cost(against)
    is_known = table[against].to_numpy(float) > 0
    if not is_known.all():
        left_out = ", ".join(table["name"][~is_known])
        warn(
            f"The figure leaves out {left_out}: {against} is unknown or 0.",
        )
    return table[is_known]


class Points(NamedTuple):
    """Models in the plane of cost and score."""

    names: Sequence[str]
    x: np.ndarray
    y: np.ndarray
    kinds: Sequence[str] | None
    against: CostColumn

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        x: ArrayLike,
        y: ArrayLike,
        kinds: Sequence[str] | None,
        against: CostColumn,
    ) -> "Points":
        _check_cost(against)
        x, y = np.asarray(x, float), np.asarray(y, float)
        if not len(names):
            raise ValueError("There are no models to draw; pass at least one with a known cost.")
        check_same_length(len(names), len(x), names=("names", against))
        check_same_length(len(names), len(y), names=("names", "scores"))
        fits = (x > 0) & np.isfinite(x)
        if not fits.all():
            row = int(fits.argmin())
            raise ValueError(
                f"{against} of {names[row]!r} is {x[row]:g}, but a logarithmic axis needs "
                "positive, finite numbers. Leave such models out."
            )
        if not np.isfinite(y).all():
            row = int(np.isfinite(y).argmin())
            raise ValueError(f"The score of {names[row]!r} is {y[row]:g}; leave such models out.")
        if kinds is not None:
            check_same_length(len(names), len(kinds), names=("names", "kinds"))
            unknown = sorted(set(kinds) - set(KINDS))
            if unknown:
                raise ValueError(f"kinds must be among {list(KINDS)}, got {unknown}.")
        return cls(names, x, y, kinds, against)

    @property
    def x_limits(self) -> tuple[float, float]:
        """The limits of the x-axis, with room around the points."""
        low, high = self.x.min(), self.x.max()
        # Leave a fifth of the axis free on the left, where small models crowd.
        return low / max(2.0, (high / low) ** 0.25), high * 2

    def draw(
        self,
        ax: "Axes",
        labels: list[str],
        line: "Line2D",
        scatter_kw: dict[str, Any] | None,
        text_kw: dict[str, Any] | None,
        filled: np.ndarray | None = None,
    ) -> "tuple[list[PathCollection], list[Text]]":
        """Draw points, labels and axes; return the artists of the points and the labels."""
        from skdistill.displays._point_labels import PointLabels

        cost = COSTS[self.against]
        set_log_axis(ax, self.x_limits, cost.show)
        soften(ax)
        ax.set_xlabel(cost.label)
        kinds = ["distilled"] * len(self.names) if self.kinds is None else self.kinds
        widths = self._widths(ax, kinds)
        if filled is None:
            filled = np.ones(len(self.names), bool)
        artists, handles = self._scatter(ax, kinds, widths, filled, scatter_kw)
        legend_below(ax, [line] if self.kinds is None else [*handles, line], n_columns=3)
        clearance = 6 * widths.max()
        names = PointLabels(
            ax, self.x, self.y, labels, clearance=clearance, avoid=line, **(text_kw or {})
        )
        return artists, names.texts

    def _scatter(
        self,
        ax: "Axes",
        kinds: Sequence[str],
        widths: np.ndarray,
        filled: np.ndarray,
        scatter_kw: dict[str, Any] | None,
    ) -> "tuple[list[PathCollection], list[Line2D]]":
        """Draw the points, one artist per kind; return the artists and legend handles."""
        from matplotlib.lines import Line2D
        from matplotlib.patheffects import withStroke

        artists, handles = [], []
        halo = [withStroke(linewidth=3.1, foreground="white")]
        for kind, (color, marker) in KINDS.items():
            rows = np.array([own == kind for own in kinds])
            if not rows.any():
                continue
            # A star has thin arms, so it needs three times the area to look as large.
            size = 3 * _MARKER_SIZE if marker == "*" else _MARKER_SIZE
            style: dict[str, Any] = {"s": size, "marker": marker, "color": color, "linewidth": 1.3}
            style = with_style({**style, "path_effects": halo, "zorder": 4}, scatter_kw)
            style["s"] = style["s"] * widths[rows] ** 2
            points = ax.scatter(self.x[rows], self.y[rows], **style)
            # Hollow markers are white.
            faces = np.where(filled[rows][:, None], points.get_facecolor(), 1.0)
            points.set_facecolor(faces.tolist())
            artists.append(points)
            handles.append(Line2D([], [], color=color, marker=marker, linestyle="none", label=kind))
        return artists, handles

    def _widths(self, ax: "Axes", kinds: Sequence[str]) -> np.ndarray:
        """Return the factor by which each marker is widened to be visible below others."""
        places = (ax.transData - ax.transAxes).transform(np.column_stack([self.x, self.y]))
        is_close = np.abs(places[:, None] - places).max(axis=2) < _CLOSE
        # The order in which points are drawn: by kind, then by row.
        turns = len(kinds) * np.array([[*KINDS].index(kind) for kind in kinds])
        turns += np.arange(len(kinds))
        widths: np.ndarray = 1 + _WIDER * (is_close & (turns[:, None] < turns)).sum(axis=1)
        return widths
