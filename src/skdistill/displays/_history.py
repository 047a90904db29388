"""Draw a student's loss during training."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skdistill._core.labels import check_same_length
from skdistill.card._facts import count_gold_epochs
from skdistill.displays._base import Display
from skdistill.displays._style import (
    REFERENCE_LINE,
    draw_curve,
    legend_below,
    soften,
)
from skdistill.metrics._losses import LOSSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_PARTS = {"train_loss": "training texts", "valid_loss": "held-out texts"}


class TrainingHistoryDisplay(Display):
    """A student's loss against epochs.

    It is recommended to use :func:`~skdistill.TrainingHistoryDisplay.from_estimator` to create this
    display. To compare several students, pass the `ax_` of one display to the next.

    Parameters
    ----------
    losses : dict of str to array-like of shape (n_epochs,)
        The mean loss of each epoch, by the kind of texts on which it was computed.
    n_gold_epochs : int, default=0
        Number of epochs on gold labels at the end. They have a different loss, so the curves are
        interrupted before them.
    loss_name : str, default="loss"
        Label of the y-axis.
    name : str, default=None
        Name of the student in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure containing the curves.
    lines_ : list of matplotlib Line2D
        The curves, one for each entry of `losses`.
    gold_line_ : matplotlib Line2D or None
        The line where the epochs on gold labels begin.

    See Also
    --------
    LearningCurvesDisplay : Scores against the number of texts.

    Examples
    --------
    >>> from skdistill import TrainingHistoryDisplay
    >>> display = TrainingHistoryDisplay({"training texts": [0.9, 0.5, 0.4]}, name="MLP").plot()
    >>> display.lines_[0].get_label()
    'MLP, training texts'
    """

    def __init__(
        self,
        losses: Mapping[str, Sequence[float] | np.ndarray],
        *,
        n_gold_epochs: int = 0,
        loss_name: str = "loss",
        name: str | None = None,
    ):
        self.losses = losses
        self.n_gold_epochs = n_gold_epochs
        self.loss_name = loss_name
        self.name = name

    def plot(
        self,
        *,
        ax: "Axes | None" = None,
        name: str | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, such as the `ax_` of another student's display; None creates a new
            figure.
        name : str, default=None
            Name of the student in the legend; None uses the display's `name`.
        line_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        self : TrainingHistoryDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are no losses, or the curves differ in length.
        """
        if not self.losses:
            raise ValueError("losses is empty; pass at least one curve.")
        n_epochs = len(next(iter(self.losses.values())))
        for what, values in self.losses.items():
            check_same_length(n_epochs, len(values), names=("the first losses", what))
        ax = self._take_axes(ax, (6.0, 4.2))
        name = self.name if name is None else name
        n_soft = n_epochs - self.n_gold_epochs
        epochs = [*range(1, n_soft + 1), n_soft + 0.5, *range(n_soft + 1, n_epochs + 1)]
        self.lines_: list[Line2D] = []
        for what, values in self.losses.items():
            broken = [*values[:n_soft], nan, *values[n_soft:]]
            label = what if name is None else f"{name}, {what}"
            self.lines_.append(draw_curve(ax, epochs, broken, label, line_kw))
        self.gold_line_: Line2D | None = None
        if self.n_gold_epochs:
            self.gold_line_ = ax.axvline(
                n_soft + 0.5, label="start of gold labels", **REFERENCE_LINE
            )
        _label_axes(ax, self.loss_name)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the training history of a fitted student or transformer teacher.

        Parameters
        ----------
        estimator : DistilledClassifier or TransformerTeacherClassifier
            A fitted student or teacher.
        name : str, default=None
            Name in the legend; None uses the class name.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.
        line_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the estimator has no history of losses.

        Examples
        --------
        >>> from skdistill import DistilledMLPClassifier, TrainingHistoryDisplay
        >>> student = DistilledMLPClassifier(max_epochs=3, random_state=0)
        >>> student = student.fit(["warm soup", "fast train"], ["food", "travel"])
        >>> display = TrainingHistoryDisplay.from_estimator(student)
        >>> len(display.losses["training texts"])
        3
        """
        history = getattr(estimator, "history_", None)
        if not history or "train_loss" not in history[0]:
            raise ValueError(
                f"This {type(estimator).__name__} has no history of losses; pass a fitted student."
            )
        losses = {
            what: [epoch.get(key, nan) for epoch in history]
            for key, what in _PARTS.items()
            if any(key in epoch for epoch in history)
        }
        # A teacher has a history, but its loss is always cross-entropy.
        loss = LOSSES.get(getattr(estimator, "loss", ""))
        display = cls(
            losses,
            n_gold_epochs=count_gold_epochs(history),
            loss_name=f"loss: {loss.axis_label if loss else 'cross-entropy, nats'}",
            name=type(estimator).__name__ if name is None else name,
        )
        return display.plot(ax=ax, line_kw=line_kw)


def _label_axes(ax: "Axes", loss_name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    soften(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel=loss_name)
    legend_below(ax, n_columns=2)
