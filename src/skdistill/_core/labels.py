"""Checks of labels and probabilities; their messages name the row and say how to fix it."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, is_multilabel


def check_labels(y: Any, *, n_rows: int, multilabel: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes, and the number of each row's class.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_labels)
        Class labels of any sortable type. If a text may have several labels, an array, lists or a
        sparse matrix with one column per label and the values 0 and 1.
    n_rows : int
        Number of texts.
    multilabel : bool, default=False
        Whether several labels per text are allowed.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The sorted distinct labels; if a text may have several, the column numbers of `y`.
    codes : ndarray of shape (n_rows,) or (n_rows, n_labels), dtype int64
        Positions in `classes`; if a text may have several labels, `y`.

    Raises
    ------
    ValueError
        If `y` is None, has another length, a missing value, continuous values or a single class.
        Also if it has several labels per text that are not allowed or not ones and zeros.

    Examples
    --------
    >>> from skdistill._core.labels import check_labels
    >>> check_labels(["no", "yes", "no"], n_rows=3)
    (array(['no', 'yes'], dtype='<U3'), array([0, 1, 0]))
    """
    if y is None:
        raise ValueError("This classifier requires y to be passed, but the target y is None.")
    if multilabel and is_multilabel(y):
        indicators = np.asarray(y.toarray() if issparse(y) else y)
        check_same_length(n_rows, len(indicators), names=("X", "y"))
        if not np.isin(indicators, (0, 1)).all():
            raise ValueError(
                "y has one column per label, so its values must be ones and zeros, but they are "
                f"{np.unique(indicators).tolist()}."
            )
        return np.arange(indicators.shape[1]), indicators.astype(np.int64)
    y = check_label_column(y, n_rows=n_rows)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"A classifier needs at least 2 classes, but y has only one class: {classes[0]!r}."
        )
    return classes, codes


def check_label_column(y: Any, *, n_rows: int) -> np.ndarray:
    """Return class labels, one per text, as an array.

    Raises
    ------
    ValueError
        If `y` has another shape, a missing value, or continuous values.
    """
    y = column_or_1d(y, warn=True)
    check_same_length(n_rows, len(y), names=("X", "y"))
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    return y


def check_known_labels(labels: np.ndarray, known: np.ndarray, *, names: tuple[str, str]) -> None:
    """Refuse labels that are not among the known ones; `names` are the names of the two arrays.

    Raises
    ------
    ValueError
        If there is an unknown label. The message names its row.
    """
    # Without np.isin, which may treat the number 1 and the string "1" as equal.
    found = set(known.tolist())
    unknown = np.array([label not in found for label in labels.tolist()], dtype=bool)
    if unknown.any():
        row = int(unknown.argmax())
        raise ValueError(
            f"{names[0]}[{row}] is {labels.tolist()[row]!r}, a label that is not in {names[1]}."
        )


def check_same_length(n_expected: int, n_found: int, *, names: tuple[str, str]) -> None:
    """Refuse two row-aligned inputs of different length."""
    if n_expected != n_found:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same number of rows, "
            f"but have {n_expected} and {n_found}."
        )


def check_probabilities(
    proba: Any,
    *,
    n_rows: int,
    n_classes: int,
    name: str,
    rows: str = "X",
    atol: float = 1e-3,
    multilabel: bool = False,
) -> np.ndarray:
    """Return class probabilities as a float32 array with rows that sum to 1.

    Parameters
    ----------
    proba : array-like of shape (n_rows, n_classes)
        Class probabilities. Rows are normalised if their sum differs from 1 by at most `atol`.
    n_rows, n_classes : int
        The required shape.
    name : str
        The name of the array in error messages.
    rows : str, default="X"
        The name of the texts that the rows belong to in error messages.
    atol : float, default=1e-3
        Maximum difference between a row's sum and 1; float16 probabilities differ by about 1e-4.
    multilabel : bool, default=False
        Whether a text may have several labels. Rows may then have any sum, but no number may exceed
        1.

    Returns
    -------
    ndarray of shape (n_rows, n_classes), dtype float32

    Raises
    ------
    ValueError
        If the shape is wrong, or if a row has a negative or non-finite number or does not sum to 1.

    Examples
    --------
    >>> from skdistill._core.labels import check_probabilities
    >>> check_probabilities([[0.25, 0.75]], n_rows=1, n_classes=2, name="teacher_proba")
    array([[0.25, 0.75]], dtype=float32)
    """
    values = np.asarray(proba, dtype=np.float64)
    if values.shape != (n_rows, n_classes):
        raise ValueError(
            f"{name} must have shape ({n_rows}, {n_classes}), one row per text of {rows} and one "
            f"column per class in sorted order, but has shape {values.shape}."
        )
    wrong = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{name}[{row}] contains a negative or non-finite number: {values[row]}.")
    if multilabel:
        wrong = (values > 1).any(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"{name}[{row}] contains a number above 1: {values[row]}.")
        return values.astype(np.float32)
    totals = values.sum(axis=1)
    wrong = np.abs(totals - 1) > atol
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name}[{row}] sums to {totals[row]:.6g}, not to 1; pass probabilities, not logits "
            "or votes."
        )
    return (values / totals[:, None]).astype(np.float32)
