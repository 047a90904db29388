"""Checks of labels and probabilities; their messages name the row and say how to fix it."""

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from skdistill._core.label_columns import (
    are_sorted,
    as_labels,
    check_ones_and_zeros,
    column_name,
    columns_in_order,
    names_of_columns,
    names_or_numbers,
)
from skdistill._core.texts import as_floats, from_tensors

# Rows of probabilities to check at a time.
_BLOCK = 4_096
# By how much a probability may exceed 1: a sum of float32 numbers, or of rounded ones, may.
ROUNDING = 1e-3
# In the words of scikit-learn's checks.
_NO_LABELS = "This classifier requires y to be passed, but the target y is None."


def check_labels(
    y: Any, *, n_rows: int, multilabel: bool = False, names: tuple[str, str] = ("X", "y")
) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes, and the number of each row's class.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_labels)
        Class labels from any container: strings, integers or booleans. If a text may have several
        labels, a table, an array, lists or a sparse matrix with one column per label and the values
        0 and 1.
    n_rows : int
        Number of texts.
    multilabel : bool, default=False
        Whether several labels per text are allowed.
    names : tuple of (str, str), default=("X", "y")
        The names of the texts and of the labels in error messages.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The sorted distinct labels. If a text may have several, the names of the columns of `y`, or
        their numbers if `y` has no names.
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
        raise ValueError(_NO_LABELS)
    table, name = y, names[1]
    y = as_labels(y, name=name)
    _refuse_probabilities(y, name)
    if multilabel and y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "biuf":
        check_same_length(n_rows, len(y), names=names)
        check_ones_and_zeros(y, name=name)
        return names_or_numbers(table, y.shape[1]), y.astype(np.int64)
    y = check_label_column(y, n_rows=n_rows, names=names)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"A classifier needs at least 2 classes, but {name} has only one class: "
            f"{classes.tolist()[0]!r:.200}."
        )
    return classes, codes


def check_label_column(y: Any, *, n_rows: int, names: tuple[str, str] = ("X", "y")) -> np.ndarray:
    """Return class labels, one per text, as an array; `names` are those of texts and labels.

    Raises
    ------
    ValueError
        If `y` has another shape, a missing value, or continuous values.
    """
    if y is None:
        raise ValueError(_NO_LABELS)
    name = names[1]
    y = as_labels(y, name=name)
    _refuse_probabilities(y, name)
    if y.ndim == 2 and y.shape[1] > 1:
        # The first words are those of scikit-learn.
        raise ValueError(
            f"{name} should be a 1d array with one label per text, but has shape {y.shape}; pass "
            "one of its columns."
        )
    y = column_or_1d(y, warn=True)
    check_same_length(n_rows, len(y), names=names)
    check_classification_targets(y)
    return y


def weigh_classes(
    class_weight: dict[Any, float] | str | None,
    classes: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray,
) -> np.ndarray:
    """Return the weight of each class; ``"balanced"`` counts rows by their weights.

    It leaves the weight of a class at 1 if no row of it has a positive weight.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._core.labels import weigh_classes
    >>> weigh_classes("balanced", np.array(["a", "b"]), np.array([0, 0, 1]), np.array([1, 1, 6]))
    array([2.        , 0.66666667])
    """
    if class_weight != "balanced":
        weights: np.ndarray = compute_class_weight(class_weight, classes=classes, y=classes[codes])
        if not (weights >= 0).all() or not np.isfinite(weights).all():
            raise ValueError(
                f"class_weight={class_weight!r:.200} must contain only finite weights that are not "
                "negative."
            )
        return weights
    rows = sample_weight > 0
    present = np.unique(codes[rows])
    weights = np.ones(len(classes))
    weights[present] = compute_class_weight(
        class_weight,
        classes=classes[present],
        y=classes[codes[rows]],
        sample_weight=sample_weight[rows],
    )
    return weights


def _refuse_probabilities(y: np.ndarray, name: str) -> None:
    """Refuse a matrix of numbers between 0 and 1 that are not just ones and zeros."""
    is_matrix = y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind == "f"
    if is_matrix and ((y >= 0) & (y <= 1 + ROUNDING)).all() and (y % 1 != 0).any():
        raise ValueError(
            f"{name} contains probabilities; pass labels as {name}, and a teacher's probabilities "
            "as teacher_proba."
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
    classes: np.ndarray | None = None,
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
    classes : ndarray of shape (n_classes,) or None, default=None
        The classes. If `proba` is a table with named columns, they are aligned by these names.
    rows : str, default="X"
        The name of the texts that the rows belong to in error messages.
    atol : float, default=1e-3
        Maximum difference between a row's sum and 1; float16 probabilities differ by about 1e-4. It
        is at least 0.004 for tensors of bfloat16.
    multilabel : bool, default=False
        Whether a text may have several labels. Rows may then have any sum, but no number may exceed
        1 by more than `atol`.

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
    if classes is not None:
        proba = columns_in_order(proba, classes, name=name)
    if str(getattr(proba, "dtype", "")) == "torch.bfloat16":
        atol = max(atol, 4e-3)
    proba = from_tensors(proba)
    values = as_floats(proba, name=name)
    if values.shape != (n_rows, n_classes):
        raise ValueError(
            f"{name} must have shape ({n_rows}, {n_classes}), one row per text of {rows} and one "
            f"column per class in sorted order, but has shape {values.shape}."
        )
    checked = np.empty(values.shape, dtype=np.float32)
    # In blocks, because float64 copies of all rows can exceed the memory.
    for start in range(0, n_rows, _BLOCK):
        block = values[start : start + _BLOCK].astype(np.float64)
        _check_values(block, start, name, atol, multilabel)
        checked[start : start + _BLOCK] = (
            block.clip(max=1) if multilabel else block / block.sum(axis=1, keepdims=True)
        )
    return checked


def align_tables(
    first: Any,
    second: Any,
    *,
    names: tuple[str, str],
    multilabel: bool = False,
) -> tuple[Any, Any]:
    """Put the columns of two tables of probabilities in the same order; `names` are theirs.

    Columns of an array are in the order of the sorted classes. If one of the tables has names in
    another order, and the other has none, their order is unknown, unless a text may have several
    labels: these may come in any order, and the array's is the table's.
    """
    tables = dict(zip(names, (first, second), strict=True))
    named = {
        name: known
        for name, proba in tables.items()
        if (known := names_of_columns(proba)) is not None
    }
    if not named:
        return first, second
    name, columns = next(iter(named.items()))
    classes, numbers = np.array([*map(column_name, columns)]), np.arange(len(columns))
    if {*classes} == {*map(str, numbers)}:
        classes = numbers
    elif len(named) == 1 and not multilabel and not are_sorted(columns):
        (other,) = {*names} - {name}
        raise ValueError(
            f"{name} has the columns {columns!s:.200}, which are not in sorted order, but {other} "
            "has no names for its columns. Name the columns of both, or of neither."
        )
    return tuple(columns_in_order(proba, classes, name=name) for name, proba in tables.items())


def _check_values(values: np.ndarray, start: int, name: str, atol: float, multilabel: bool) -> None:
    """Refuse rows that are no probabilities; `start` is the number of the first."""
    wrong = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name}[{start + row}] contains a negative or non-finite number: {values[row]}."
        )
    if multilabel:
        wrong = (values > 1 + atol).any(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"{name}[{start + row}] contains a number above 1: {values[row]}.")
        return
    totals = values.sum(axis=1)
    wrong = np.abs(totals - 1) > atol
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name}[{start + row}] sums to {totals[row]:.6g}, not to 1; pass probabilities, not "
            "logits or votes."
        )
