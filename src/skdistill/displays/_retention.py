"""Draw accuracy relative to the teacher's against size: the article's figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skdistill._core.labels import check_same_length
from skdistill.displays._base import Display
from skdistill.displays._style import KINDS, set_percent_axis
from skdistill.displays._tradeoff import FIGURE_SIZE, CostColumn, Points, known_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RetentionDisplay(Display):
    """Accuracy relative to the teacher's, in %, against model size: the article's figure [1]_.

    Each model is a labelled point. Markers and colours distinguish teacher, students and baselines.
    Models at the same point have nested markers of different sizes. It is recommended to use
    :func:`~skdistill.RetentionDisplay.from_comparison` to create this display.

    Parameters
    ----------
    names : sequence of str, of length n_models
        Names of the models.
    sizes : array-like of shape (n_models,)
        Their sizes, positive.
    retention : array-like of shape (n_models,)
        Their accuracies divided by the teacher's.
    accuracy : array-like of shape (n_models,), default=None
        Their accuracies, between 0 and 1, to show in the labels.
    kinds : sequence of str, of length n_models, default=None
        ``"teacher"``, ``"distilled"``, ``"hard labels"`` or ``"baseline"`` for each model; None
        draws all models alike.
    against : {"n_parameters", "n_bytes", "texts_per_second", "fit_seconds"}, \
default="n_parameters"
        What `sizes` are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure containing the points.
    points_ : list of matplotlib PathCollection
        The points, one artist per kind.
    line_ : matplotlib Line2D
        The line of the teacher's accuracy, 100 %.
    text_ : list of matplotlib Text, of length n_models
        The labels.

    See Also
    --------
    ParetoDisplay : Accuracy against cost, with the Pareto front.
    compare : Make the table.

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
            Axes to draw on; None creates a new figure.
        scatter_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.scatter`.
        text_kw : dict, default=None
            Keyword arguments passed to `matplotlib.text.Text` for the labels.

        Returns
        -------
        self : RetentionDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If lengths differ, there are no models, a size is not positive, or a number is not
            finite.
        """
        points = Points.of(self.names, self.sizes, self.retention, self.kinds, self.against)
        labels = list(points.names)
        if self.accuracy is not None:
            shares = np.asarray(self.accuracy, float)
            check_same_length(len(labels), len(shares), names=("names", "accuracy"))
            labels = [f"{name}  {100 * shares[row]:.1f}" for row, name in enumerate(labels)]
        ax = self._take_axes(ax, FIGURE_SIZE)
        style: dict[str, Any] = {
            "color": KINDS["teacher"][0],
            "linewidth": 1,
            "linestyle": "--",
            "zorder": 1,
        }
        self.line_ = ax.axhline(1, label="teacher's accuracy", **style)
        set_percent_axis(ax, np.append(points.y, 1))
        self.points_, self.text_ = points.draw(ax, labels, self.line_, scatter_kw, text_kw)
        remark = "" if self.accuracy is None else "\n(next to the names: accuracy, %)"
        ax.set_ylabel(f"accuracy, % of the teacher's{remark}")
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
            The table returned by :func:`~skdistill.compare` with a reference. Models with an
            unknown size are left out, with a warning.
        against : {"n_parameters", "n_bytes", "texts_per_second", "fit_seconds"}, \
default="n_parameters"
            The column for the x-axis.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.
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
            If the table has no reference, or no model has a known size.

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
                "The table has no teacher to compare with. Name it, as in "
                'compare(..., reference="teacher").'
            )
        known = known_rows(table, against)
        display = cls(
            known["name"].tolist(),
            known[against].to_numpy(float),
            known["retention"].to_numpy(float),
            accuracy=known["accuracy"].to_numpy(float),
            kinds=known["kind"].tolist(),
            against=against,
        )
        return display.plot(ax=ax, scatter_kw=scatter_kw, text_kw=text_kw)
