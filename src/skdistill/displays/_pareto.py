"""Accuracy against size or speed, and which models no other one beats in both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skdistill._core.labels import check_same_length
from skdistill.displays._base import Display
from skdistill.displays._style import set_percent_axis, with_style
from skdistill.displays._tradeoff import COSTS, FIGURE_SIZE, CostColumn, Points, known_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SCORES = {"accuracy": "accuracy, %", "macro_f1": "macro F1, %"}


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


class ParetoDisplay(Display):
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
        points = Points.of(self.names, self.costs, self.scores, self.kinds, self.against)
        ax = self._take_axes(ax, FIGURE_SIZE)
        faster = COSTS[self.against].larger_is_better
        self.on_front_ = pareto_front(points.x, points.y, larger_is_better=faster)
        set_percent_axis(ax, points.y)
        style = with_style({"color": "#777777", "linewidth": 1.2, "zorder": 1}, line_kw)
        (self.line_,) = ax.plot(*self._steps(points), label="Pareto front", **style)
        self.points_, self.text_ = points.draw(
            ax, list(points.names), self.line_, scatter_kw, text_kw, filled=self.on_front_
        )
        ax.set_ylabel(self.score_name)
        return self

    def _steps(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
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
        known = known_rows(table, against)
        display = cls(
            known["name"].tolist(),
            known[against].to_numpy(float),
            known[score].to_numpy(float),
            kinds=known["kind"].tolist(),
            against=against,
            score_name=_SCORES[score],
        )
        return display.plot(ax=ax, scatter_kw=scatter_kw, line_kw=line_kw, text_kw=text_kw)
