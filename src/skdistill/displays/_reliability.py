"""Draw accuracy against the probability of the predicted class."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import is_multilabel

from skdistill._core.label_columns import as_labels, label_names
from skdistill._core.labels import align_tables, check_same_length
from skdistill._core.multilabel import as_questions, class_names, predict_columns
from skdistill.displays._base import Display
from skdistill.displays._style import (
    REFERENCE_LINE,
    draw_curve,
    legend_below,
    soften,
    write_percent,
)
from skdistill.metrics._calibration import CalibrationBins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Label of the small axes with counts, so that the next model's display finds it.
_COUNTS = "skdistill-counts"


class ReliabilityDisplay(Display):
    """Reliability diagram of a classifier with any number of classes [1]_.

    Texts are binned by the probability of their predicted class. The diagram plots the share of
    correct predictions in each bin against the bin's mean probability. A calibrated model follows
    the diagonal; below it, a model is overconfident. A second diagram below shows the number of
    texts in each bin.

    It is recommended to use :func:`~skdistill.ReliabilityDisplay.from_estimator` or
    :func:`~skdistill.ReliabilityDisplay.from_predictions` to create this display. To compare
    several models, pass the `ax_` of one display to the next.

    Parameters
    ----------
    confidence : array-like of shape (n_bins,)
        The mean probability of the predicted class in each bin; ignored for empty bins.
    accuracy : array-like of shape (n_bins,)
        The share of correct predictions in each bin; ignored for empty bins.
    counts : array-like of shape (n_bins,)
        Number of texts in each bin.
    bin_edges : array-like of shape (n_bins + 1,)
        The edges of the bins, from 0 to 1.
    name : str, default=None
        Name of the model in the legend.
    calibration_error : float, default=None
        Calibration error to show in the legend, in percentage points.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the diagram.
    counts_ax_ : matplotlib Axes
        Axes with the counts, below the diagram.
    figure_ : matplotlib Figure
        Figure containing both.
    line_ : matplotlib Line2D
        The curve.
    counts_ : matplotlib StepPatch
        The counts.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : Calibration curve of a binary classifier.
    skdistill.metrics.expected_calibration_error : The calibration error as one number.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. "On Calibration of Modern Neural
       Networks". ICML 2017.

    Examples
    --------
    >>> from skdistill import ReliabilityDisplay
    >>> display = ReliabilityDisplay([0.6, 0.9], [0.5, 0.95], [20, 80], [0, 0.8, 1], name="student")
    >>> display.plot().line_.get_label()
    'student'
    """

    def __init__(
        self,
        confidence: ArrayLike,
        accuracy: ArrayLike,
        counts: ArrayLike,
        bin_edges: ArrayLike,
        *,
        name: str | None = None,
        calibration_error: float | None = None,
    ):
        self.confidence = confidence
        self.accuracy = accuracy
        self.counts = counts
        self.bin_edges = bin_edges
        self.name = name
        self.calibration_error = calibration_error

    def plot(
        self,
        *,
        ax: "Axes | None" = None,
        name: str | None = None,
        ref_line: bool = True,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, such as the `ax_` of another model's display; None creates a new
            figure.
        name : str, default=None
            Name of the model in the legend; None uses the display's `name`.
        ref_line : bool, default=True
            Whether to draw the diagonal.
        line_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.plot` for the curve.

        Returns
        -------
        self : ReliabilityDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the lengths do not match.
        """
        counts, edges = np.asarray(self.counts), np.asarray(self.bin_edges, float)
        for what in ("confidence", "accuracy"):
            check_same_length(len(counts), len(getattr(self, what)), names=("counts", what))
        check_same_length(len(counts) + 1, len(edges), names=("the edges of counts", "bin_edges"))
        ax = self._take_axes(ax, (5.4, 6.0))
        name = self.name if name is None else name
        label = name
        if self.calibration_error is not None:
            error = f"calibration error {100 * self.calibration_error:.1f} points"
            label = error if name is None else f"{name} ({error})"
        is_first = not any(child.get_label() == _COUNTS for child in ax.child_axes)
        if is_first:
            self._prepare(ax, ref_line)
        counts_ax = next(child for child in ax.child_axes if child.get_label() == _COUNTS)
        self.counts_ax_ = cast("Axes", counts_ax)
        filled = counts > 0
        confidence = np.asarray(self.confidence, float)[filled]
        accuracy = np.asarray(self.accuracy, float)[filled]
        self.line_ = draw_curve(ax, confidence, accuracy, label, line_kw)
        self.counts_ = self.counts_ax_.stairs(
            counts,
            edges,
            baseline=None,
            color=self.line_.get_color(),
            linestyle=self.line_.get_linestyle(),
            linewidth=1.4,
        )
        legend_below(self.counts_ax_, ax.get_legend_handles_labels()[0], n_columns=1)
        return self

    @staticmethod
    def _prepare(ax: "Axes", ref_line: bool) -> None:
        """Set up both axes for the first model."""
        from matplotlib.transforms import (
            BboxTransformTo,
            ScaledTranslation,
            blended_transform_factory,
        )

        if ref_line:
            ax.plot([0, 1], [0, 1], label="calibrated", **REFERENCE_LINE)
        ax.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy, % of the bin's texts")
        write_percent(ax)
        # As wide as the diagram, but placed in inches: the layout changes the diagram's height.
        up = ax.figure.dpi_scale_trans + ScaledTranslation(0, 0, BboxTransformTo(ax.bbox))
        place = blended_transform_factory(ax.transAxes, up)
        counts_ax = ax.inset_axes((0, -1.0, 1, 0.85), transform=place, sharex=ax, label=_COUNTS)
        ax.tick_params(labelbottom=False)
        for own in (ax, counts_ax):
            soften(own)
        counts_ax.set_yscale("symlog", linthresh=1)
        counts_ax.set(xlabel="confidence: probability of the predicted class", ylabel="texts (log)")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Iterable[str],
        y: ArrayLike,
        *,
        n_bins: int = 15,
        name: str | None = None,
        ax: "Axes | None" = None,
        ref_line: bool = True,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the diagram of a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier over raw texts, with ``predict_proba``.
        X : sequence of str, of length n_texts
            Texts that the classifier was not trained on.
        y : array-like of shape (n_texts,) or (n_texts, n_labels)
            Their labels. In multilabel data, each label counts as a separate yes/no prediction.
        n_bins : int, default=15
            Number of bins of equal width.
        name : str, default=None
            Name in the legend; None uses the class name.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.
        ref_line : bool, default=True
            Whether to draw the diagonal.
        line_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.plot` for the curve.

        Returns
        -------
        display : ReliabilityDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the shapes do not match, or there are no texts.

        Examples
        --------
        >>> from skdistill import ReliabilityDisplay, make_tfidf_baseline
        >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
        >>> model = make_tfidf_baseline().fit(X, y)
        >>> ReliabilityDisplay.from_estimator(model, X, y, name="LR").counts.sum()
        np.int64(3)
        """
        classes = class_names(estimator, label_names(y))
        proba = predict_columns(estimator, X, classes)
        y = as_labels(y, classes=classes)
        name = type(estimator).__name__ if name is None else name
        return cls.from_predictions(
            y, proba, classes, n_bins=n_bins, name=name, ax=ax, ref_line=ref_line, line_kw=line_kw
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        classes: ArrayLike | None = None,
        *,
        n_bins: int = 15,
        name: str | None = None,
        ax: "Axes | None" = None,
        ref_line: bool = True,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the diagram of class probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_texts,) or (n_texts, n_labels)
            True labels. In multilabel data, each label counts as a separate yes/no prediction.
        y_proba : array-like of shape (n_texts, n_classes)
            Class probabilities. Named columns are aligned with `classes` or, in multilabel data,
            with the columns of `y_true`.
        classes : array-like of shape (n_classes,), default=None
            The label of each column. None uses the sorted labels of `y_true`, which must then
            contain every class.
        n_bins : int, default=15
            Number of bins of equal width.
        name : str, default=None
            Name of the model in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.
        ref_line : bool, default=True
            Whether to draw the diagonal.
        line_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.plot` for the curve.

        Returns
        -------
        display : ReliabilityDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the shapes do not match, rows do not sum to 1, or there are no rows.

        Examples
        --------
        >>> from skdistill import ReliabilityDisplay
        >>> proba = [[0.75, 0.25]] * 4
        >>> display = ReliabilityDisplay.from_predictions(["a", "a", "a", "b"], proba)
        >>> display.calibration_error
        0.0
        """
        table, y_true = y_true, as_labels(y_true, name="y_true")
        if is_multilabel(y_true):
            names = ("y_true", "y_proba")
            tables = align_tables(table, y_proba, names=names, multilabel=True)
            y_true, proba = (as_labels(y, name=name) for y, name in zip(tables, names, strict=True))
            y_true, y_proba, classes = y_true.ravel(), as_questions(proba.astype(float)), [0, 1]
        else:
            classes = np.unique(y_true) if classes is None else classes
        bins = CalibrationBins.of(y_true, y_proba, classes, n_bins=n_bins)
        display = cls(
            bins.confidence,
            bins.accuracy,
            bins.n_texts,
            bins.edges,
            name=name,
            calibration_error=bins.calibration_error,
        )
        return display.plot(ax=ax, ref_line=ref_line, line_kw=line_kw)
