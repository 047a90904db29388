"""Which single values are labels, and what array a list of them is."""

from numbers import Integral
from typing import Any

import numpy as np

from skdistill._core.texts import check_storable, is_missing, plain

# Arrays of booleans, integers, floats and strings are labels already.
PLAIN = "biufU"
# A row of one of these types holds several labels, or none.
_SEVERAL = (list, tuple, set, frozenset, dict, np.ndarray)


def from_values(values: list[Any], name: str) -> np.ndarray:
    """Return a list of labels, or of rows of ones and zeros, as an array of their type.

    Parameters
    ----------
    values : list of length n_rows
    name : str
        The name of the labels in error messages.

    Returns
    -------
    ndarray of shape (n_rows,) or (n_rows, n_labels)

    Raises
    ------
    ValueError
        If a value is missing, is no label, is of another type than the others, or would be rounded.
        The message names its row.

    Examples
    --------
    >>> from skdistill._core.label_values import from_values
    >>> from_values([1, 2**62], "y").tolist()
    [1, 4611686018427387904]
    """
    values = [value[()] if isinstance(value, np.ndarray) else value for value in values]
    kinds = set(map(type, values))
    if kinds <= {str}:
        check_storable(values, name)
        return np.array(values, dtype=str)
    if any(issubclass(kind, _SEVERAL) for kind in kinds):
        return _from_rows(values, name)
    first = next((value for value in values if not is_missing(value)), None)
    for row, value in enumerate(values):
        if is_missing(value):
            raise _missing(value, f"{name}[{row}]")
        if not _is_label(value):
            raise not_a_label(value, name, row)
        if isinstance(value, str) != isinstance(first, str):
            raise ValueError(
                f"{name} mixes strings and other labels: {name}[{row}] is {value!r:.40}, but an "
                f"earlier row is {first!r:.40}. Make all labels strings, or all numbers."
            )
    if isinstance(first, str):
        values = [*map(plain, values)]
        check_storable(values, name)
        return np.array(values)
    if not all(isinstance(value, Integral | np.bool_) for value in values):
        return check_finite(_as_floats(values, name), name)
    array = np.asarray(values)
    if array.dtype.kind in "biu":
        return array
    # NumPy makes floats of small and of very large integers, or of its signed and unsigned ones.
    integers = [*map(int, values)]
    try:
        return np.array(integers, dtype=np.int64 if max(integers) < 2**63 else np.uint64)
    except OverflowError:
        raise ValueError(
            f"{name} has integers that do not fit in 64 bits; convert them to strings."
        ) from None


def _as_floats(values: list[Any], name: str) -> np.ndarray:
    """Return floats and integers as floats; raise an error for an integer that would be rounded."""
    for row, value in enumerate(values):
        if isinstance(value, Integral) and not _is_float(int(value)):
            raise ValueError(
                f"{name}[{row}] is {value!s:.40}, which floats cannot represent, but other labels "
                "are floats. Make all labels integers, or strings."
            )
    # NumPy makes objects of floats and of integers that do not fit in 64 bits.
    array = np.asarray(values)
    return array if array.dtype.kind in "biuf" else array.astype(np.longdouble)


def _is_float(number: int) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


def _from_rows(values: list[Any], name: str) -> np.ndarray:
    """Return rows of numbers, one for each label, as an array."""
    first = next(row for row, value in enumerate(values) if isinstance(value, _SEVERAL))
    for row, value in enumerate(values):
        if is_missing(value):
            raise _missing(value, f"{name}[{row}]")
        is_row = isinstance(value, list | tuple | np.ndarray)
        if not is_row or len(value) != len(values[0]) or any(map(_is_text, value)):
            if isinstance(values[first], dict):
                raise ValueError(
                    f"{name}[{first}] is {values[first]!r:.60}, not a label; pass the value alone, "
                    f"as in [row[{next(iter(values[first]), 'label')!r:.40}] for row in {name}]."
                )
            raise ValueError(
                f"{name}[{first}] is {values[first]!r:.60}. For texts with several labels, pass "
                "ones and zeros with one column per label, such as "
                "sklearn.preprocessing.MultiLabelBinarizer returns."
            )
        for column, item in enumerate(value):
            if is_missing(item):
                raise _missing(item, f"{name}[{row}, {column}]")
    if len(values[0]) == 1:
        return from_values([row[0] for row in values], name)[:, np.newaxis]
    return check_finite(np.asarray(values), name)


def _is_label(value: Any) -> bool:
    if isinstance(value, np.generic):
        return value.dtype.kind in PLAIN
    return isinstance(value, str | int | float)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def check_finite(y: np.ndarray, name: str) -> np.ndarray:
    """Return labels, none of which may be NaN or infinite; long doubles become float64."""
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = np.argwhere(~np.isfinite(y))[0]
        value, where = y[tuple(row)], f"{name}[{', '.join(map(str, row))}]"
        if np.isnan(value):
            raise _missing(np.nan, where)
        raise ValueError(f"{where} is {value}; labels must be strings, integers or booleans.")
    if y.dtype != np.longdouble:
        return y
    with np.errstate(over="ignore"):
        narrow = y.astype(np.float64)
    if (narrow != y).any():
        raise ValueError(f"{name} has numbers that do not fit in float64; convert them to strings.")
    return narrow


def _missing(value: Any, where: str) -> ValueError:
    advice = "drop rows without a label, or pass them as unlabelled texts"
    if where.startswith("classes["):
        advice = "leave it out"
    return ValueError(f"{where} is missing ({value}); {advice}.")


def not_a_label(value: Any, name: str, row: int) -> ValueError:
    """Return an error that names a value of no type for labels and its row."""
    return ValueError(
        f"{name}[{row}] is of type {type(value).__name__}: {value!r:.60}. Unknown label type: "
        "labels must be strings, integers or booleans."
    )
