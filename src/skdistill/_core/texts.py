"""Check columns of texts from any container; only NumPy is imported."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_texts(
    X: Any, *, name: str = "X", allow_empty: bool = False, first_row: int = 0
) -> list[str]:
    """Return a column of texts from any container as a list of ``str``.

    Parameters
    ----------
    X : iterable of str
        A list, tuple, NumPy array, pandas / polars / pyarrow / datasets column, or any other
        iterable of texts.
    name : str, default="X"
        The name of the column in error messages.
    allow_empty : bool, default=False
        Whether a column without rows is allowed.
    first_row : int, default=0
        The number of the first row in error messages.

    Returns
    -------
    list of str, of length n_texts

    Raises
    ------
    ValueError
        If `X` is a single string or a table, has no rows, or contains a missing value.
    TypeError
        If `X` is not iterable or contains anything other than text.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._core.texts import check_texts
    >>> check_texts(np.array(["a text", "another"]))
    ['a text', 'another']
    >>> check_texts(["a text", None])
    Traceback (most recent call last):
    ...
    ValueError: X[1] is missing (None); drop such rows or replace them with an empty string.
    """
    texts = _read_column(X, name)
    if not texts and not allow_empty:
        raise ValueError(
            f"Found array with 0 sample(s) in {name}, while a minimum of 1 is required."
        )
    # One fast pass over the types; the slow loop runs only to find the row of an error.
    kinds = set(map(type, texts))
    if kinds <= {str}:
        return texts
    for row, text in enumerate(texts, first_row):
        if not isinstance(text, str):
            raise _not_a_text(text, f"{name}[{row}]")
    return [*map(plain, texts)]


def _read_column(X: Any, name: str) -> list[Any]:
    if isinstance(X, str):
        raise ValueError(
            f"{name} is a single string; pass an iterable of texts, such as a list with one text."
        )
    if hasattr(X, "tocsr"):
        raise ValueError(
            f"{name} is a sparse matrix of shape {X.shape}, such as a vectorizer returns; pass the "
            "texts themselves, and leave the vectorizer out."
        )
    shape = getattr(X, "shape", None)
    if hasattr(X, "column_names") or (isinstance(shape, tuple) and len(shape) != 1):
        size = f" of shape {shape}" if shape is not None else ""
        column = f"{name}[:, 0]" if isinstance(X, np.ndarray) else f'{name}["text"]'
        raise ValueError(
            f"{name} is a table{size}, not a column of texts; select one column, as in {column}. "
            "In a pipeline, put a FunctionTransformer that does so before this step."
        )
    if isinstance(X, bytes | dict) or not isinstance(X, Iterable):
        raise TypeError(f"{name} must be an iterable of texts, not {type(X).__name__}.")
    return as_list(X)


def as_list(column: Any) -> list[Any]:
    """Return the values of any column as Python objects."""
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(column, method):
            return list(getattr(column, method)())
    return list(column if isinstance(column, Iterable) else np.asarray(column).tolist())


def from_tensors(values: Any) -> Any:
    """Return a torch tensor as an array, and an iterator or list, also one of tensors, as a list.

    Anything else is returned as it is. Numbers of low precision, which NumPy lacks, become float64.
    """
    if hasattr(values, "detach"):
        tensor = values.detach().cpu()
        return (tensor.double() if tensor.is_floating_point() else tensor).numpy()[()]
    if isinstance(values, list | tuple | Iterator):
        return [from_tensors(row) if hasattr(row, "detach") else row for row in values]
    return values


def plain(value: Any) -> str:
    """Return a value as a string; a member of a string enumeration is the string it equals."""
    return str.__str__(value) if isinstance(value, str) else str(value)


def half_of_pair(text: str) -> str:
    r"""Return what is wrong with a text that no file can contain; an empty string if nothing is.

    Examples
    --------
    >>> from skdistill._core.texts import half_of_pair
    >>> half_of_pair("caf\udce9")
    'half of a surrogate pair (\\udce9)'
    """
    if text.isascii() or (found := _SURROGATE.search(text)) is None:
        return ""
    return f"half of a surrogate pair (\\u{ord(found[0]):04x})"


def check_storable(labels: list[str], name: str) -> None:
    """Refuse labels that NumPy would shorten, so that two might become one, or no file can hold."""
    joined = "".join(labels)
    if joined.isascii() and "\0" not in joined:
        return
    for row, label in enumerate(labels):
        if label.endswith("\0"):
            raise ValueError(
                f"{name}[{row}] is {label!r:.60}, which ends in a NUL character; remove it, "
                "because NumPy does not keep it."
            )
        if fault := half_of_pair(label):
            raise ValueError(
                f"{name}[{row}] is {label!r:.60}, with {fault}, which files cannot contain. It is "
                "a byte of another encoding: decode the labels with theirs, or rename this one."
            )


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, or the missing value of pandas."""
    return (
        value is None
        or type(value).__name__ in {"NAType", "NaTType"}
        or (isinstance(value, float | np.floating) and bool(value != value))
    )


def _not_a_text(value: Any, where: str) -> Exception:
    if isinstance(value, list | tuple | np.ndarray):
        return ValueError(
            f"{where} is a {type(value).__name__}; pass one text per row, not a table or tokens."
        )
    if is_missing(value):
        return ValueError(
            f"{where} is missing ({value}); drop such rows or replace them with an empty string."
        )
    if isinstance(value, bytes):
        return TypeError(
            f'{where} is bytes, not text; decode it first, as in value.decode("utf-8").'
        )
    return TypeError(f"{where} is {type(value).__name__}, not text: {value!r:.80}")


def as_floats(values: Any, *, name: str) -> np.ndarray:
    """Return numbers as an array of floats, in which missing values of any kind are NaN.

    Raises
    ------
    ValueError
        If `values`, whose name is `name`, has anything but numbers, or rows of different lengths.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdistill._core.texts import as_floats
    >>> as_floats([[0.5, pd.NA], [None, 1]], name="teacher_proba")
    array([[0.5, nan],
           [nan, 1. ]])
    """
    try:
        array = np.asarray(values)
        if array.dtype == object:
            numbers = [np.nan if is_missing(value) else value for value in array.flat]
            return np.array(numbers, dtype=np.float64).reshape(array.shape)
        return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        _refuse_odd_row(values, name)
        raise ValueError(f"{name} must be a table of numbers: {error!s:.100}.") from None


def _refuse_odd_row(values: Any, name: str) -> None:
    """Name the first row that has not as many numbers as most others."""
    if not isinstance(values, list | tuple) or not values:
        return
    lengths = [len(row) if hasattr(row, "__len__") else -1 for row in values]
    length = Counter(lengths).most_common(1)[0][0]
    for number, row in enumerate(values):
        if lengths[number] != length >= 0:
            raise ValueError(
                f"{name}[{number}] is {row!r:.60}, not a row of {length} numbers like others."
            )
