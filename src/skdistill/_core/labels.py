"""Checks of labels and probabilities whose messages name the row and the way out."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, is_multilabel


def check_labels(y: Any, *, n_rows: int, multilabel: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes and each row's class as a number.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_labels)
        Class labels of any type that can be sorted; or ones and zeros (an array, lists or a sparse
        matrix), which say of each label whether a text has it.
    n_rows : int
        Number of texts.
    multilabel : bool, default=False
        Whether several labels a text are allowed.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The distinct labels, sorted; for several labels a text, the numbers of the columns.
    codes : ndarray of shape (n_rows,) or (n_rows, n_labels), dtype int64
        Positions in `classes`; for several labels a text, `y`.

    Raises
    ------
    ValueError
        If `y` is None, has another length, a missing value, continuous values or a single class;
        or has several labels a text, and these are not allowed or not ones and zeros.

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
                "y has several columns, one for each label, and must then hold ones and zeros, but "
                f"holds {np.unique(indicators).tolist()}."
            )
        return np.arange(indicators.shape[1]), indicators.astype(np.int64)
    y = check_label_column(y, n_rows=n_rows)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"A classifier needs at least 2 classes, but y holds only one class: {classes[0]!r}."
        )
    return classes, codes


def check_label_column(y: Any, *, n_rows: int) -> np.ndarray:
    """Return class labels, one a text, as an array.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
    n_rows : int
        Number of texts.

    Returns
    -------
    ndarray of shape (n_rows,)

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
    """Refuse labels that do not occur among others.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,)
    known : ndarray
    names : tuple of str
        How the message calls the two.

    Raises
    ------
    ValueError
        If there is one; the message names its row.
    """
    # Not by np.isin, for which the number 1 may be the text "1".
    found = set(known.tolist())
    unknown = np.array([label not in found for label in labels.tolist()], dtype=bool)
    if unknown.any():
        row = int(unknown.argmax())
        raise ValueError(
            f"{names[0]}[{row}] is {labels.tolist()[row]!r}, a label that {names[1]} does not hold."
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
    """Return class probabilities as a float32 array whose rows sum to one.

    Parameters
    ----------
    proba : array-like of shape (n_rows, n_classes)
        Class probabilities; each row may miss a sum of 1 by `atol` and is normalised.
    n_rows, n_classes : int
        The shape asked for.
    name : str
        How error messages call the array.
    rows : str, default="X"
        How error messages call what the rows must match.
    atol : float, default=1e-3
        How far a row's sum may lie from 1 (float16 probabilities do miss it by some 1e-4).
    multilabel : bool, default=False
        Whether a text may have several labels: the rows may then have any sum, and no number may
        be above 1.

    Returns
    -------
    ndarray of shape (n_rows, n_classes), dtype float32

    Raises
    ------
    ValueError
        If the shape is another, or a row holds a negative or non-finite number or does not sum
        to 1.

    Examples
    --------
    >>> from skdistill._core.labels import check_probabilities
    >>> check_probabilities([[0.25, 0.75]], n_rows=1, n_classes=2, name="teacher_proba")
    array([[0.25, 0.75]], dtype=float32)
    """
    values = np.asarray(proba, dtype=np.float64)
    if values.shape != (n_rows, n_classes):
        raise ValueError(
            f"{name} must have shape ({n_rows}, {n_classes}), one row for each text of {rows} and "
            f"one column for each class in sorted order, but has shape {values.shape}."
        )
    wrong = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{name}[{row}] holds a negative or non-finite number: {values[row]}.")
    if multilabel:
        wrong = (values > 1).any(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"{name}[{row}] holds a number above 1: {values[row]}.")
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
