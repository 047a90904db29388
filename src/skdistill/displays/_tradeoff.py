"""What accuracy costs: models as points, against their size or speed."""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skdistill._core.format import format_bytes, format_count
from skdistill._core.labels import check_same_length
from skdistill.displays._style import (
    KINDS,
    get_axes,
    legend_below,
    set_log_axis,
    set_percent_axis,
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
    """A column of a comparison to set accuracy against: its axis, and which end is the better."""

    label: str
    show: Callable[[float], str]
    larger_is_better: bool


COSTS: dict[CostColumn, Cost] = {
    "n_parameters": Cost("size, parameters (log scale)", format_count, False),
    "n_bytes": Cost("size on disk, bytes (log scale)", format_bytes, False),
    "texts_per_second": Cost("speed, texts per second (log scale)", format_count, True),
    "fit_seconds": Cost("training time, seconds (log scale)", format_count, False),
}
_SCORES = {"accuracy": "accuracy, %", "macro_f1": "macro F1, %"}
_SINGLE = (7.5, 5.0)
_MARKER_SIZE = 55
# Markers closer than this share of the axes hide each other: each is so much wider than the one
# upon it.
_CLOSE, _WIDER = 0.025, 0.6


def pareto_front(
    costs: ArrayLike, scores: ArrayLike, *, larger_is_better: bool = False
) -> np.ndarray:
    """Tell which models no other one beats in both cost and score.

    A model is beaten by one that is at least as good in both and better in one of them. Of models
    that are equal in both, all are on the front, or none.

    Parameters
    ----------
    costs : array-like of shape (n_models,)
        Such as bytes, or texts per second.
    scores : array-like of shape (n_models,)
        Higher is better.
    larger_is_better : bool, default=False
        Whether `costs` are rather gains, as texts per second are.

    Returns
    -------
    ndarray of shape (n_models,), dtype bool

    Raises
    ------
    ValueError
        If the lengths differ, or a number is missing.

    Examples
    --------
    >>> from skdistill.displays import pareto_front
    >>> pareto_front([10, 20, 20, 40], [0.8, 0.9, 0.7, 0.9])
    array([ True,  True, False, False])
    """
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    check_same_length(len(costs), len(scores), names=("costs", "scores"))
    if np.isnan(costs).any() or np.isnan(scores).any():
        raise ValueError("costs and scores must not hold missing numbers; leave such models out.")
    if larger_is_better:
        costs = -costs
    no_worse = (costs[:, None] <= costs) & (scores[:, None] >= scores)
    better = (costs[:, None] < costs) | (scores[:, None] > scores)
    beaten: np.ndarray = np.any(no_worse & better, axis=0)
    return ~beaten


class RetentionDisplay:
    """Accuracy as % of the teacher's against model size: the article's figure [1]_.

    Each model is a labelled point; markers and colours tell teacher, students and baselines
    apart. Models at the same point have markers of different sizes, one in the other. It is
    recommended to make it by :func:`~skdistill.RetentionDisplay.from_comparison`.

    Parameters
    ----------
    names : sequence of str, of length n_models
        What the models are called.
    sizes : array-like of shape (n_models,)
        Their sizes, positive.
    retention : array-like of shape (n_models,)
        Their accuracies as shares of the teacher's; 1 is as good.
    accuracy : array-like of shape (n_models,), default=None
        The accuracies themselves, as shares of the test texts, for the labels.
    kinds : sequence of str, of length n_models, default=None
        ``"teacher"``, ``"distilled"``, ``"hard labels"`` or ``"baseline"``; None draws all alike.
    against : {"n_parameters", "n_bytes", "texts_per_second", "fit_seconds"}, \
default="n_parameters"
        What `sizes` are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure containing them.
    points_ : list of matplotlib PathCollection
        The points, one artist a kind.
    line_ : matplotlib Line2D
        The teacher's level, 100 %.
    text_ : list of matplotlib Text, of length n_models
        The labels.

    See Also
    --------
    ParetoDisplay : Which models are worth considering.
    compare : Makes the table.

    References
    ----------
    .. [1] M. Wasserblat. "Best practice for text classification with distillation". Intel Labs,
       2021.

    Examples
    --------
    >>> from skdistill import RetentionDisplay
    >>> display = RetentionDisplay(["teacher", "student"], [22_700_000, 80_406], [1.0, 0.98])
    >>> display.plot()
    <...RetentionDisplay object at ...>
    >>> [text.get_text() for text in display.text_]
    ['teacher', 'student']
    """

    def __init__(
        self,
        names: Sequence[str],
        sizes: ArrayLike,
        retention: ArrayLike,
        *,
        accuracy: ArrayLike | None = None,
        kinds: Sequence[str] | None = None,
        against: CostColumn = "n_parameters",
    ):
        self.names = names
        self.sizes = sizes
        self.retention = retention
        self.accuracy = accuracy
        self.kinds = kinds
        self.against = against

    def plot(
        self,
        *,
        ax: "Axes | None" = None,
        scatter_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        scatter_kw : dict, default=None
            Keyword arguments for `matplotlib.axes.Axes.scatter`.
        text_kw : dict, default=None
            Keyword arguments for the labels' `matplotlib.text.Text`.

        Returns
        -------
        self : RetentionDisplay
            This one, whose attributes hold what is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If lengths differ, there is no model, a size is not positive, or a number not finite.
        """
        points = _Points.of(self.names, self.sizes, self.retention, self.kinds, self.against)
        labels = list(points.names)
        if self.accuracy is not None:
            shares = np.asarray(self.accuracy, float)
            check_same_length(len(labels), len(shares), names=("names", "accuracy"))
            labels = [f"{name}  {100 * shares[row]:.1f}" for row, name in enumerate(labels)]
        ax = get_axes(ax, f"{type(self).__name__}.plot", _SINGLE)
        style: dict[str, Any] = {
            "color": KINDS["teacher"][0],
            "linewidth": 1,
            "linestyle": "--",
            "zorder": 1,
        }
        self.line_ = ax.axhline(1, label="teacher's accuracy", **style)
        set_percent_axis(ax, np.append(points.y, 1))
        self.points_, self.text_ = points.draw(ax, labels, self.line_, scatter_kw, text_kw)
        remark = "" if self.accuracy is None else "\n(beside the names: accuracy, %)"
        ax.set_ylabel(f"accuracy, % of the teacher's{remark}")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @classmethod
    def from_comparison(
        cls,
        table: pd.DataFrame,
        *,
        against: CostColumn = "n_parameters",
        ax: "Axes | None" = None,
        scatter_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the figure of a table.

        Parameters
        ----------
        table : DataFrame
            As :func:`~skdistill.compare` gives it, with a reference. Models whose size is not
            known are left out, with a warning.
        against : {"n_parameters", "n_bytes", "texts_per_second", "fit_seconds"}, \
default="n_parameters"
            The column that is the x-axis.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        scatter_kw, text_kw : dict, default=None
            See :func:`~skdistill.RetentionDisplay.plot`.

        Returns
        -------
        display : RetentionDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the table has no reference, or no model of known size.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdistill import RetentionDisplay
        >>> table = pd.DataFrame({
        ...     "name": ["big", "small"], "kind": ["teacher", "distilled"],
        ...     "accuracy": [0.93, 0.92], "retention": [1.0, 0.989],
        ...     "n_parameters": [22_700_000, 80_406]})
        >>> RetentionDisplay.from_comparison(table).text_[1].get_text()
        'small  92.0'
        """
        if "retention" not in table:
            raise ValueError(
                "the figure compares with a teacher, but no row of the table is one: name it, as "
                'in compare(..., reference="teacher").'
            )
        known = _known(table, against)
        display = cls(
            known["name"].tolist(),
            known[against].to_numpy(float),
            known["retention"].to_numpy(float),
            accuracy=known["accuracy"].to_numpy(float),
            kinds=known["kind"].tolist(),
            against=against,
        )
        return display.plot(ax=ax, scatter_kw=scatter_kw, text_kw=text_kw)


class ParetoDisplay:
    """Accuracy against size or speed, and the models that no other one beats in both.

    Those are filled, and joined by a line of steps: what lies under it can be had more accurate at
    no higher cost, or as accurate for less. Models at the same point have markers of different
    sizes, one in the other. It is recommended to make it by
    :func:`~skdistill.ParetoDisplay.from_comparison`.

    Parameters
    ----------
    names : sequence of str, of length n_models
        What the models are called.
    costs : array-like of shape (n_models,)
        Their sizes or speeds, positive.
    scores : array-like of shape (n_models,)
        Their accuracies, between 0 and 1.
    kinds : sequence of str, of length n_models, default=None
        ``"teacher"``, ``"distilled"``, ``"hard labels"`` or ``"baseline"``; None draws all alike.
    against : {"n_parameters", "n_bytes", "texts_per_second", "fit_seconds"}, \
default="texts_per_second"
        What `costs` are. Of speed, more is better.
    score_name : str, default="accuracy, %"
        Label of the y-axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure containing them.
    points_ : list of matplotlib PathCollection
        The points, one artist a kind.
    line_ : matplotlib Line2D
        The front.
    text_ : list of matplotlib Text, of length n_models
        The labels.
    on_front_ : ndarray of shape (n_models,), dtype bool
        Which models are on the front.

    See Also
    --------
    RetentionDisplay : The article's figure.
    skdistill.displays.pareto_front : The front alone.

    Examples
    --------
    >>> from skdistill import ParetoDisplay
    >>> display = ParetoDisplay(["A", "B", "C"], [100, 1_000, 500], [0.93, 0.92, 0.91]).plot()
    >>> display.on_front_
    array([ True,  True, False])
    """

    def __init__(
        self,
        names: Sequence[str],
        costs: ArrayLike,
        scores: ArrayLike,
        *,
        kinds: Sequence[str] | None = None,
        against: CostColumn = "texts_per_second",
        score_name: str = "accuracy, %",
    ):
        self.names = names
        self.costs = costs
        self.scores = scores
        self.kinds = kinds
        self.against = against
        self.score_name = score_name

    def plot(
        self,
        *,
        ax: "Axes | None" = None,
        scatter_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        scatter_kw : dict, default=None
            Keyword arguments for `matplotlib.axes.Axes.scatter`.
        line_kw : dict, default=None
            Keyword arguments for the front's `matplotlib.axes.Axes.plot`.
        text_kw : dict, default=None
            Keyword arguments for the labels' `matplotlib.text.Text`.

        Returns
        -------
        self : ParetoDisplay
            This one, whose attributes hold what is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If lengths differ, there is no model, a cost is not positive, or a number not finite.
        """
        points = _Points.of(self.names, self.costs, self.scores, self.kinds, self.against)
        ax = get_axes(ax, f"{type(self).__name__}.plot", _SINGLE)
        faster = COSTS[self.against].larger_is_better
        self.on_front_ = pareto_front(points.x, points.y, larger_is_better=faster)
        set_percent_axis(ax, points.y)
        style = with_style({"color": "#777777", "linewidth": 1.2, "zorder": 1}, line_kw)
        (self.line_,) = ax.plot(*self._steps(points), label="Pareto front", **style)
        self.points_, self.text_ = points.draw(
            ax, list(points.names), self.line_, scatter_kw, text_kw, filled=self.on_front_
        )
        ax.set_ylabel(self.score_name)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _steps(self, points: "_Points") -> tuple[np.ndarray, np.ndarray]:
        """Return the corners of the front, which goes on to the edge where costs are higher."""
        x, y = points.x[self.on_front_], points.y[self.on_front_]
        order = np.argsort(-x if COSTS[self.against].larger_is_better else x, kind="stable")
        x, y = x[order], y[order]
        edge = points.x_limits[0 if COSTS[self.against].larger_is_better else 1]
        return np.append(x.repeat(2)[1:], edge), y.repeat(2)

    @classmethod
    def from_comparison(
        cls,
        table: pd.DataFrame,
        *,
        against: CostColumn = "texts_per_second",
        score: Literal["accuracy", "macro_f1"] = "accuracy",
        ax: "Axes | None" = None,
        scatter_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the figure of a table.

        Parameters
        ----------
        table : DataFrame
            As :func:`~skdistill.compare` gives it. Models whose cost is not known are left out,
            with a warning.
        against : {"n_parameters", "n_bytes", "texts_per_second", "fit_seconds"}, \
default="texts_per_second"
            The column that is the x-axis.
        score : {"accuracy", "macro_f1"}, default="accuracy"
            The column that is the y-axis.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        scatter_kw, line_kw, text_kw : dict, default=None
            See :func:`~skdistill.ParetoDisplay.plot`.

        Returns
        -------
        display : ParetoDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `against` or `score` is no such column, or no model's cost is known.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdistill import ParetoDisplay
        >>> table = pd.DataFrame({
        ...     "name": ["big", "small"], "kind": ["teacher", "distilled"],
        ...     "accuracy": [0.93, 0.92], "n_bytes": [91_600_000, 371_000]})
        >>> ParetoDisplay.from_comparison(table, against="n_bytes").on_front_
        array([ True,  True])
        """
        if score not in _SCORES:
            raise ValueError(f"score must be one of {list(_SCORES)}, got {score!r}.")
        known = _known(table, against)
        display = cls(
            known["name"].tolist(),
            known[against].to_numpy(float),
            known[score].to_numpy(float),
            kinds=known["kind"].tolist(),
            against=against,
            score_name=_SCORES[score],
        )
        return display.plot(ax=ax, scatter_kw=scatter_kw, line_kw=line_kw, text_kw=text_kw)


def _check_cost(against: str) -> None:
    if against not in COSTS:
        raise ValueError(f"against must be one of {list(COSTS)}, got {against!r}.")


def _known(table: pd.DataFrame, against: CostColumn) -> pd.DataFrame:
    """Return the rows whose cost is a positive number, and warn of the others."""
    _check_cost(against)
    is_known = table[against].to_numpy(float) > 0
    if not is_known.all():
        left_out = ", ".join(table["name"][~is_known])
        warnings.warn(
            f"The figure leaves out {left_out}: {against} is not known, or 0.",
            UserWarning,
            stacklevel=3,
        )
    return table[is_known]


class _Points(NamedTuple):
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
    ) -> "_Points":
        _check_cost(against)
        x, y = np.asarray(x, float), np.asarray(y, float)
        if not len(names):
            raise ValueError("there is no model to draw.")
        check_same_length(len(names), len(x), names=("names", against))
        check_same_length(len(names), len(y), names=("names", "scores"))
        fits = (x > 0) & np.isfinite(x)
        if not fits.all():
            row = int(fits.argmin())
            raise ValueError(
                f"{against} of {names[row]!r} is {x[row]:g}; a logarithmic axis needs positive, "
                "finite numbers."
            )
        if not np.isfinite(y).all():
            row = int(np.isfinite(y).argmin())
            raise ValueError(f"the score of {names[row]!r} is {y[row]:g}; leave such models out.")
        if kinds is not None:
            check_same_length(len(names), len(kinds), names=("names", "kinds"))
            unknown = sorted(set(kinds) - set(KINDS))
            if unknown:
                raise ValueError(f"kinds must be of {list(KINDS)}, but hold {unknown}.")
        return cls(names, x, y, kinds, against)

    @property
    def x_limits(self) -> tuple[float, float]:
        """The ends of the x-axis, which leave room around the points."""
        low, high = self.x.min(), self.x.max()
        # A fifth of the axis on the left, where small models crowd.
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
        """Draw points, labels and axes; return the artists of the points, and the labels."""
        from matplotlib.lines import Line2D
        from matplotlib.patheffects import withStroke

        from skdistill.displays._point_labels import PointLabels

        cost = COSTS[self.against]
        set_log_axis(ax, self.x_limits, cost.show)
        soften(ax)
        artists, handles = [], []
        kinds = ["distilled"] * len(self.names) if self.kinds is None else self.kinds
        widths = self._widths(ax, kinds)
        halo = [withStroke(linewidth=3.1, foreground="white")]
        for kind, (color, marker) in KINDS.items():
            rows = np.array([own == kind for own in kinds])
            if not rows.any():
                continue
            is_filled = np.ones(rows.sum(), bool) if filled is None else filled[rows]
            # A star's arms are thin: it is as heavy as the others at three times their area.
            size = 3 * _MARKER_SIZE if marker == "*" else _MARKER_SIZE
            style: dict[str, Any] = {"s": size, "marker": marker, "color": color, "linewidth": 1.3}
            style = with_style({**style, "path_effects": halo, "zorder": 4}, scatter_kw)
            style["s"] = style["s"] * widths[rows] ** 2
            points = ax.scatter(self.x[rows], self.y[rows], **style)
            # White, where it is hollow.
            faces = np.where(is_filled[:, None], points.get_facecolor(), 1.0)
            points.set_facecolor(faces.tolist())
            artists.append(points)
            handles.append(Line2D([], [], color=color, marker=marker, linestyle="none", label=kind))
        ax.set_xlabel(cost.label)
        legend_below(ax, [line] if self.kinds is None else [*handles, line], n_columns=3)
        clearance = 6 * widths.max()
        names = PointLabels(
            ax, self.x, self.y, labels, clearance=clearance, avoid=line, **(text_kw or {})
        )
        return artists, names.texts

    def _widths(self, ax: "Axes", kinds: Sequence[str]) -> np.ndarray:
        """Tell how many times as wide as alone each marker is, to be seen under those upon it."""
        places = (ax.transData - ax.transAxes).transform(np.column_stack([self.x, self.y]))
        is_close = np.abs(places[:, None] - places).max(axis=2) < _CLOSE
        # Kinds are drawn one after the other.
        turns = len(kinds) * np.array([[*KINDS].index(kind) for kind in kinds])
        turns += np.arange(len(kinds))
        widths: np.ndarray = 1 + _WIDER * (is_close & (turns[:, None] < turns)).sum(axis=1)
        return widths
