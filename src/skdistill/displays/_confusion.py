"""Draw the confusion matrices of several models."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import confusion_matrix
from sklearn.utils.multiclass import is_multilabel

from skdistill._core.label_columns import as_label_column, as_labels
from skdistill._core.labels import check_same_length
from skdistill.displays._base import PanelsDisplay
from skdistill.displays._style import require_matplotlib, with_style, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage

# With more classes than this, cells are too small for numbers.
_MOST_CLASSES_WITH_NUMBERS = 20
# In inches: the side of a cell, and the smallest and largest side of a matrix.
_CELL, _SMALLEST, _LARGEST = 0.36, 2.6, 10.0
# Approximate width in inches of a letter in a class name and in a model name.
_LETTER, _TITLE_LETTER = 0.075, 0.1


class ConfusionMatricesDisplay(PanelsDisplay):
    """Confusion matrices of several models, such as teacher and student, on the same scale.

    Colours and numbers are shares of each true class, so rows sum to 100 %. It is recommended to
    use :func:`~skdistill.ConfusionMatricesDisplay.from_estimators` or
    :func:`~skdistill.ConfusionMatricesDisplay.from_predictions` to create this display.

    Parameters
    ----------
    confusion_matrices : dict of str to ndarray of shape (n_classes, n_classes)
        For each model, the number of texts by true class (rows) and predicted class (columns).
    display_labels : array-like of shape (n_classes,), default=None
        The names of the classes; None numbers them.

    Attributes
    ----------
    ax_ : ndarray of shape (n_models,) of matplotlib Axes
        Axes with the matrices.
    figure_ : matplotlib Figure
        Figure containing the matrices.
    im_ : list of matplotlib AxesImage
        The matrices.
    text_ : list of ndarray of shape (n_classes, n_classes) of matplotlib Text, or None
        The numbers in the cells; None if no numbers are drawn.
    colorbar_ : matplotlib Colorbar
        The color bar.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : Confusion matrix of a single model, in texts.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill import ConfusionMatricesDisplay
    >>> matrices = {"teacher": np.array([[9, 1], [0, 5]]), "student": np.array([[8, 2], [1, 4]])}
    >>> display = ConfusionMatricesDisplay(matrices, display_labels=["joy", "fear"]).plot()
    >>> display.text_[1][0, 1].get_text()
    '20'
    """

    def __init__(
        self,
        confusion_matrices: Mapping[str, ArrayLike],
        *,
        display_labels: ArrayLike | None = None,
    ):
        self.confusion_matrices = confusion_matrices
        self.display_labels = display_labels

    def plot(
        self,
        *,
        ax: "Sequence[Axes] | np.ndarray | None" = None,
        include_values: bool | Literal["auto"] = "auto",
        cmap: "str | Colormap" = "cividis",
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the matrices.

        Parameters
        ----------
        ax : array-like of shape (n_models,) of matplotlib Axes, default=None
            Axes to draw on, one per model. None creates a new figure, whose size depends on the
            number of classes.
        include_values : bool or "auto", default="auto"
            Whether to write numbers into the cells; "auto" writes them for up to 20 classes. Zeros
            are not written.
        cmap : str or matplotlib Colormap, default="cividis"
            The colormap. The default is suitable for colour-blind readers; lighter is larger.
        im_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.text` for the numbers.

        Returns
        -------
        self : ConfusionMatricesDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are no matrices, their shapes differ, or `ax` has the wrong length.
        """
        matrices, labels = self._check()
        axes = self._take_axes(
            ax, lambda: _make_axes(len(matrices), labels), matrices, "confusion_matrices"
        )
        if include_values == "auto":
            include_values = len(labels) <= _MOST_CLASSES_WITH_NUMBERS
        style = {"interpolation": "nearest", "cmap": cmap, "vmin": 0, "vmax": 100}
        self.im_: list[AxesImage] = []
        texts = []
        for axis, (name, own) in zip(axes, matrices.items(), strict=True):
            shares = _shares_of_rows(own)
            self.im_.append(axis.imshow(shares, **{**style, **(im_kw or {})}))
            _label_axes(axis, str(name), labels, is_first=axis is axes[0])
            if include_values:
                texts.append(_write_shares(axis, shares, self.im_[-1], text_kw))
        self.text_ = texts if include_values else None
        axes[0].set_ylabel("true class")
        self.colorbar_ = self.figure_.colorbar(
            self.im_[0], ax=list(axes), label="share of the true class, %", pad=0.02
        )
        return self

    def _check(self) -> tuple[dict[str, np.ndarray], list[str]]:
        """Return the matrices and the names of the classes, after checking their shapes."""
        matrices = {name: np.asarray(own) for name, own in self.confusion_matrices.items()}
        if not matrices:
            raise ValueError("confusion_matrices is empty; pass at least one matrix.")
        n_classes = len(next(iter(matrices.values())))
        for name, own in matrices.items():
            if own.shape != (n_classes, n_classes):
                raise ValueError(
                    f"confusion_matrices[{name!r}] has shape {own.shape}, but the first matrix "
                    f"has {n_classes} rows; all models need the same classes."
                )
        names = range(n_classes) if self.display_labels is None else self.display_labels
        labels = [str(label) for label in np.asarray(names, dtype=object).tolist()]
        check_same_length(n_classes, len(labels), names=("classes", "display_labels"))
        return matrices, labels

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Sequence[str] | np.ndarray,
        y: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        ax: "Sequence[Axes] | np.ndarray | None" = None,
        include_values: bool | Literal["auto"] = "auto",
        cmap: "str | Colormap" = "cividis",
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the matrices of fitted classifiers.

        Parameters
        ----------
        estimators : dict of str to classifier
            Fitted classifiers over raw texts, by name, such as
            ``{"teacher": ..., "student": ...}``.
        X : sequence of str, of length n_texts
            Texts that the classifiers were not trained on.
        y : array-like of shape (n_texts,)
            Their labels.
        labels : array-like of shape (n_classes,), default=None
            The classes, in the order to draw them; None sorts the classes that occur. Texts whose
            true or predicted class is not listed are not counted.
        ax : array-like of shape (n_models,) of matplotlib Axes, default=None
            Axes to draw on, one per model. None creates a new figure, whose size depends on the
            number of classes.
        include_values : bool or "auto", default="auto"
            Whether to write numbers into the cells; "auto" writes them for up to 20 classes.
        cmap : str or matplotlib Colormap, default="cividis"
            The colormap.
        im_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.text` for the numbers.

        Returns
        -------
        display : ConfusionMatricesDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are no classifiers, lengths differ, or the labels are multilabel.

        Examples
        --------
        >>> from skdistill import ConfusionMatricesDisplay, make_tfidf_baseline
        >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
        >>> models = {f"C={C}": make_tfidf_baseline(C).fit(X, y) for C in (1, 9)}
        >>> display = ConfusionMatricesDisplay.from_estimators(models, X, y)
        >>> display.confusion_matrices["C=9"]
        array([[2, 0],
               [0, 1]])
        """
        return cls.from_predictions(
            y,
            {name: estimator.predict(X) for name, estimator in estimators.items()},
            labels=labels,
            ax=ax,
            include_values=include_values,
            cmap=cmap,
            im_kw=im_kw,
            text_kw=text_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        predictions: Mapping[str, ArrayLike],
        *,
        labels: ArrayLike | None = None,
        ax: "Sequence[Axes] | np.ndarray | None" = None,
        include_values: bool | Literal["auto"] = "auto",
        cmap: "str | Colormap" = "cividis",
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the matrices of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_texts,)
            True labels.
        predictions : dict of str to array-like of shape (n_texts,)
            Predicted labels of each model, by name.
        labels : array-like of shape (n_classes,), default=None
            The classes, in the order to draw them; None sorts the classes that occur. Texts whose
            true or predicted class is not listed are not counted.
        ax : array-like of shape (n_models,) of matplotlib Axes, default=None
            Axes to draw on, one per model. None creates a new figure, whose size depends on the
            number of classes.
        include_values : bool or "auto", default="auto"
            Whether to write numbers into the cells; "auto" writes them for up to 20 classes.
        cmap : str or matplotlib Colormap, default="cividis"
            The colormap.
        im_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.text` for the numbers.

        Returns
        -------
        display : ConfusionMatricesDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are no predictions, lengths differ, or the labels are multilabel.

        Examples
        --------
        >>> from skdistill import ConfusionMatricesDisplay
        >>> display = ConfusionMatricesDisplay.from_predictions(
        ...     ["joy", "joy", "fear"], {"student": ["joy", "fear", "fear"]})
        >>> display.display_labels.tolist()
        ['fear', 'joy']
        """
        require_matplotlib(f"{cls.__name__}.from_predictions")
        if not isinstance(predictions, Mapping) or not predictions:
            raise ValueError(
                "predictions must be a dict with at least one model, such as "
                '{"teacher": ..., "student": ...}.'
            )
        y_true = as_labels(y_true, name="y_true")
        if is_multilabel(y_true):
            raise ValueError(
                "y_true is multilabel, but a confusion matrix needs one label per text. Pass one "
                "column at a time, as in y_true[:, 0]."
            )
        true = as_label_column(y_true, name="y_true")
        predicted = {
            name: as_label_column(own, name=f"predictions[{name!r}]")
            for name, own in predictions.items()
        }
        for name, own in predicted.items():
            check_same_length(len(true), len(own), names=("y_true", f"predictions[{name!r}]"))
        if labels is None:
            labels = np.unique(np.concatenate([true, *predicted.values()]))
        matrices = {
            name: confusion_matrix(true, own, labels=labels) for name, own in predicted.items()
        }
        display = cls(matrices, display_labels=labels)
        return display.plot(
            ax=ax, include_values=include_values, cmap=cmap, im_kw=im_kw, text_kw=text_kw
        )


def _make_axes(n_models: int, labels: list[str]) -> np.ndarray:
    """Return the axes of a new figure with room for the matrices and the class names."""
    import matplotlib.pyplot as plt

    side = float(np.clip(_CELL * len(labels), _SMALLEST, _LARGEST))
    names = _LETTER * max(map(len, labels))
    size = (n_models * side + names + 1.6, side + names + 0.9)
    return plt.subplots(1, n_models, figsize=size, layout="compressed", squeeze=False)[1]


def _label_axes(axis: "Axes", name: str, labels: list[str], *, is_first: bool) -> None:
    """Write the model name and the class names; only the first matrix gets row names."""
    # The background shows in the rows of classes without texts.
    axis.set_facecolor("#EEEEEE")
    ticks, inches = np.arange(len(labels)), axis.get_window_extent().width / axis.figure.dpi
    # Names are data, so a dollar sign does not start a formula.
    style: dict[str, Any] = {"fontsize": min(9, 72 * inches / len(labels)), "parse_math": False}
    axis.set_xticks(ticks, labels, rotation=_rotation(inches, labels), **style)
    axis.set_yticks(ticks, labels if is_first else [], **style)
    axis.set(title=wrapped(name, int(inches / _TITLE_LETTER)), xlabel="predicted class")


def _rotation(inches: float, labels: list[str]) -> int:
    """Return the rotation at which class names under a matrix do not overlap."""
    return 0 if _LETTER * max(map(len, labels)) < 0.8 * inches / len(labels) else 90


def _shares_of_rows(matrix: np.ndarray) -> np.ndarray:
    """Return percentages of each true class; NaN for classes without texts."""
    totals = matrix.sum(axis=1, keepdims=True).astype(float)
    totals[totals == 0] = np.nan
    shares: np.ndarray = 100 * matrix / totals
    return shares


def _write_shares(
    axis: "Axes", shares: np.ndarray, image: "AxesImage", text_kw: dict[str, Any] | None
) -> np.ndarray:
    """Write the shares into their cells, in black or white for contrast."""
    texts = np.empty(shares.shape, dtype=object)
    for (row, column), share in np.ndenumerate(shares):
        red, green, blue, _ = image.cmap(image.norm(share))
        is_light = 0.3 * red + 0.6 * green + 0.1 * blue > 0.5
        style: dict[str, Any] = {"horizontalalignment": "center", "verticalalignment": "center"}
        style |= {"fontsize": 8, "color": "black" if is_light else "white"}
        shown = f"{share:.0f}" if share >= 0.5 else "<1" if share > 0 else ""
        texts[row, column] = axis.text(column, row, shown, **with_style(style, text_kw))
    return texts
