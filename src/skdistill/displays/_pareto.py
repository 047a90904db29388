"""Draw accuracy against size or speed, with the Pareto front."""

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
    """Return which models are on the Pareto front of cost and score.

    A model is on the front unless another model is at least as good in both and better in one.
    Models with equal cost and score are either all on the front or none of them is.

    Parameters
    ----------
    costs : array-like of shape (n_models,)
        The cost of each model, such as bytes or texts per second.
    scores : array-like of shape (n_models,)
        The score of each model; higher is better.
    larger_is_better : bool, default=False
        Whether larger `costs` are better, as for texts per second.

    Returns
    -------
    ndarray of shape (n_models,), dtype bool
        True for the models on the front.

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
        raise ValueError("costs and scores must not contain NaN; leave such models out.")
    if larger_is_better:
        costs = -costs
    no_worse = (costs[:, None] <= costs) & (scores[:, None] >= scores)
    better = (costs[:, None] < costs) | (scores[:, None] > scores)
    beaten: np.ndarray = np.any(no_worse & better, axis=0)
    return ~beaten


class ParetoDisplay(Display):
    """Accuracy against size or speed, with the Pareto front.

    Models on the front have filled markers, joined by a step line. For a model below the line,
    another one is more accurate at no higher cost, or as accurate at a lower cost. Models at the
    same point have nested markers of different sizes. It is recommended to use
    :func:`~skdistill.ParetoDisplay.from_comparison` to create this display.

    Parameters
    ----------
    names : sequence of str, of length n_models
        Names of the models.
    costs : array-like of shape (n_models,)
        Their sizes or speeds, positive.
    scores : array-like of shape (n_models,)
        Their accuracies, between 0 and 1.
    kinds : sequence of str, of length n_models, default=None
        ``"teacher"``, ``"distilled"``, ``"hard labels"`` or ``"baseline"`` for each model; None
        draws all models alike.
    against : {"n_parameters", "n_bytes", "texts_per_second", "fit_seconds"}, \
default="texts_per_second"
        What `costs` are. For speed, larger is better.
    score_name : str, default="accuracy, %"
        Label of the y-axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure containing the points.
    points_ : list of matplotlib PathCollection
        The points, one artist per kind.
    line_ : matplotlib Line2D
        The front.
    text_ : list of matplotlib Text, of length n_models
        The labels.
    on_front_ : ndarray of shape (n_models,), dtype bool
        Which models are on the front.

    See Also
    --------
    RetentionDisplay : Accuracy relative to the teacher's.
    skdistill.displays.pareto_front : Compute the front only.

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
            Axes to draw on; None creates a new figure.
        scatter_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.scatter`.
        line_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.plot` for the front.
        text_kw : dict, default=None
            Keyword arguments passed to `matplotlib.text.Text` for the labels.

        Returns
        -------
        self : ParetoDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If lengths differ, there are no models, a cost is not positive, or a number is not
            finite.
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
        """Return the corners of the front, which extends to the edge with the highest costs."""
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
            The table returned by :func:`~skdistill.compare`. Models with an unknown cost are left
            out, with a warning.
        against : {"n_parameters", "n_bytes", "texts_per_second", "fit_seconds"}, \
default="texts_per_second"
            The column for the x-axis.
        score : {"accuracy", "macro_f1"}, default="accuracy"
            The column for the y-axis.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.
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
            If `against` or `score` is not one of these columns, or no model has a known cost.

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
            raise ValueError(f"score must be one of {list(_SCORES)}, got {score!r:.200}.")
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
