"""Turn labels from any container into an array, and find them among known ones, with NumPy only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from skdistill._core.label_values import PLAIN, check_finite, from_values, not_a_label
from skdistill._core.texts import as_floats, as_list, check_storable, is_missing, plain


def as_labels(y: Any, *, name: str = "y", classes: np.ndarray | None = None) -> np.ndarray:
    """Return labels from any container as an array whose type is that of the labels.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_labels)
        A list, a NumPy array, a pandas, polars or pyarrow column, or a table with one column per
        label. A table with a single column is that column.
    name : str, default="y"
        The name of the labels in error messages.
    classes : ndarray of shape (n_labels,) or None, default=None
        The known labels. If they are names and `y` is a table with one named column per label, or
        if they are the numbers of its columns, the columns are put in their order.

    Returns
    -------
    ndarray of shape (n_rows,) or (n_rows, n_labels)
        Strings become ``str``, nullable integers ``int64`` and nullable booleans ``bool``.

    Raises
    ------
    ValueError
        If a label is missing, is a list of names, is of no type for labels, or contains half of a
        surrogate pair; if some labels are strings and others are not; or if the columns have the
        same name or are not the known labels. The message names the row or the columns.
    TypeError
        If `y` is not iterable, is a single string, or is a lazy table.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdistill._core.label_columns import as_labels
    >>> as_labels(pd.Series([1, 0], dtype="Int64"))
    array([1, 0])
    >>> as_labels(["no", None])
    Traceback (most recent call last):
    ...
    ValueError: y[1] is missing (None); drop rows without a label, or pass them as unlabelled texts.
    """
    if y is None:
        raise ValueError(f"{name} is None, but must contain labels.")
    _refuse_lazy(y, name)
    if hasattr(y, "toarray"):
        return np.asarray(y.toarray())
    columns = columns_of(y)
    if columns is not None:
        names = [*map(column_name, columns)]
        twice = [name for name in names if names.count(name) > 1]
        if twice or not columns:
            fault = f"two columns named {twice[0]!r}" if twice else "no columns"
            raise ValueError(f"{name} has {fault}; pass a table with one column for each label.")
        if classes is not None and len(columns) > 1:
            # Classes that are numbers have had no names.
            is_named = classes.dtype.kind == "U" and _have_names(columns)
            if is_named or _are_same(columns, classes):
                columns = _in_order(columns, classes, name)
        arrays = [as_labels(y[column], name=f"{name}[{column!r}]") for column in columns]
        return arrays[0] if len(arrays) == 1 else np.column_stack(arrays)
    # A pandas column may have a dtype of NumPy, too.
    dtype = getattr(y, "dtype", None)
    if isinstance(dtype, np.dtype) and not isinstance(y, np.ma.MaskedArray | np.generic):
        if dtype.kind in PLAIN:
            if dtype.kind == "U":
                check_storable(np.ravel(y).tolist(), name)
            return check_finite(np.asarray(y), name)
        if isinstance(y, np.ndarray) and dtype.kind in "mMS" and y.size:
            raise not_a_label(y.flat[0], name, 0)
        if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1:
            return from_values(y[:, 0].tolist(), name)[:, np.newaxis]
    if isinstance(y, str | bytes | dict | set | frozenset) or (
        not isinstance(y, Iterable) and not hasattr(y, "__array__")
    ):
        raise TypeError(f"{name} must be a column of labels, not {type(y).__name__}.")
    return from_values(as_list(y), name)


def label_names(y: Any) -> np.ndarray | None:
    """Return the column names of a table with several labels; None if it has no names.

    The numbers 0, 1, 2, ... in order are no names. Other numbers become strings.

    Raises
    ------
    ValueError
        If a name is missing, is bytes, ends in a NUL character, or contains half of a surrogate
        pair.
    """
    columns = columns_of(y)
    if columns is None or len(columns) < 2 or not _have_names(columns):
        return None
    for number, column in enumerate(columns):
        if is_missing(column) or isinstance(column, bytes):
            raise ValueError(f"y.columns[{number}] is {column}; name it with a string or a number.")
    names = [*map(column_name, columns)]
    check_storable(names, "y.columns")
    return np.array(names)


def names_or_numbers(y: Any, n_labels: int) -> np.ndarray:
    """Return the column names of a table with several labels, or numbers if it has no names."""
    names = label_names(y)
    return np.arange(n_labels) if names is None else names


def column_name(column: Any) -> str:
    """Return the name of a column or class as a string; equal numbers have the same one."""
    is_whole = isinstance(column, float | np.floating) and column == column // 1
    return plain(int(column) if is_whole else column)


def _have_names(columns: list[Any]) -> bool:
    """Return whether columns are anything but the numbers 0, 1, 2, ... in order."""
    return any(
        isinstance(name, str) or column_name(name) != str(i) for i, name in enumerate(columns)
    )


def _are_same(columns: list[Any], classes: Iterable[Any]) -> bool:
    """Return whether the names of columns, even if they are numbers in order, are the classes."""
    return {*map(column_name, columns)} == {*map(column_name, classes)}


def are_reordered(columns: Iterable[Any], classes: Iterable[Any]) -> bool:
    """Return whether columns have the names of the classes, even if they are numbers, reordered."""
    names, known = [*map(column_name, columns)], [*map(column_name, classes)]
    return names != known and {*names} == {*known}


def _refuse_ambiguous(columns: Iterable[Any], classes: np.ndarray, name: str) -> None:
    """Refuse columns 0, 1, 2, ... if the classes are these numbers, or digits, in another order."""
    known = classes.tolist()
    if are_reordered(columns, known):
        raise ValueError(
            f"The columns of {name} are numbered from 0, so they may be in order or be named after "
            f"the classes {known!s:.200}. Pass an array with its columns in the order of the "
            "classes, or name the columns by strings."
        )


def columns_in_order(table: Any, classes: np.ndarray, *, name: str) -> Any:
    """Return a table with one column per class, with its columns in the order of the classes.

    A list or column of rows with names is such a table, too. Arrays, and tables whose columns are
    numbered in order, are returned as they are.

    Raises
    ------
    ValueError
        If the columns have names that are not the classes, or numbers that may be places or
        classes. `name` is the table's name.
    TypeError
        If the table is lazy.
    """
    _refuse_lazy(table, name)
    table = as_rows(table)
    if isinstance(table, list | tuple) and table and by_name(table[0], classes) is not None:
        return _rows_in_order(table, classes, name)
    columns = columns_of(table)
    if columns is None:
        return table
    if not _have_names(columns):
        _refuse_ambiguous(columns, classes, name)
        return table
    columns = _in_order(columns, classes, name)
    return np.column_stack([as_floats(table[column], name=name) for column in columns])


def as_rows(column: Any) -> Any:
    """Return a column of rows, such as dicts in a pandas column, as a list; else the input."""
    is_plain = isinstance(column, str | bytes | Mapping | Iterator | list | tuple)
    kind = getattr(getattr(column, "dtype", None), "kind", "O")
    if is_plain or not isinstance(column, Iterable) or columns_of(column) is not None:
        return column
    return as_list(column) if getattr(column, "ndim", 1) == 1 and kind == "O" else column


def by_name(row: Any, classes: Iterable[Any]) -> Mapping[Any, Any] | None:
    """Return a row as a mapping if its numbers have names: a dict, a Series or a named tuple.

    A named tuple of which no field is a class is a plain tuple.
    """
    if isinstance(row, Mapping):
        return row
    if isinstance(row, tuple) and hasattr(row, "_asdict"):
        named: dict[str, Any] = row._asdict()
        return named if named.keys() & {*map(str, classes)} else None
    if isinstance(getattr(row, "index", None), Iterable) and hasattr(row, "to_dict"):
        return dict(row.to_dict()) if _have_names([*row.index]) else None
    return None


def names_of_columns(proba: Any) -> list[Any] | None:
    """Return the names of a table's columns or, in a list of rows with names, those of the first.

    None means that the columns have no names, or are numbered in order.
    """
    proba = as_rows(proba)
    first = proba[0] if isinstance(proba, list | tuple) and len(proba) else None
    row = by_name(first, getattr(first, "_fields", ()))
    if row is not None:
        return [*row]
    return None if label_names(proba) is None else columns_of(proba)


def are_sorted(columns: list[Any]) -> bool:
    """Return whether columns are in the order of sorted classes, which may be numbers or strings.

    Strings that are numbers must be in the order of both.
    """
    words = [*map(plain, columns)]
    try:
        numbers = [*map(float, columns)]
    except (TypeError, ValueError):
        return words == sorted(words)
    has_strings = any(isinstance(name, str) for name in columns)
    return numbers == sorted(numbers) and (words == sorted(words) or not has_strings)


def _rows_in_order(rows: Sequence[Any], classes: np.ndarray, name: str) -> np.ndarray:
    values = []
    for number, row in enumerate(rows):
        named = by_name(row, classes)
        if named is None:
            raise ValueError(f"{name}[0] has names, but {name}[{number}] has none.")
        columns = _in_order([*named], classes, f"{name}[{number}]")
        values.append([named[column] for column in columns])
    return as_floats(values, name=name)


def _in_order(columns: list[Any], classes: np.ndarray, name: str) -> list[Any]:
    """Return the names of columns in the order of the classes, which they must equal."""
    # Where all names are strings, as in polars, the class 1.0 is "1.0".
    names = {str(label): column_name(label) for label in classes.tolist()}
    place = {names.get(found := column_name(column), found): column for column in columns}
    wanted = [*map(column_name, classes.tolist())]
    if len(place) < len(columns) or place.keys() != {*wanted}:
        raise ValueError(
            f"{name} has the columns {columns!s:.200}, which are not the classes "
            f"{classes.tolist()!s:.200}. Name the columns after the classes, or pass an array with "
            "its columns in their order."
        )
    return [place[label] for label in wanted]


def as_label_column(y: Any, *, name: str = "y") -> np.ndarray:
    """Return labels, one per text, as an array of shape (n_rows,): see `as_labels`.

    Raises
    ------
    ValueError
        If there are several columns.
    """
    labels = as_labels(y, name=name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{name} must contain one label per text, but has shape {labels.shape}.")
    return labels


def find_labels(
    y: Any,
    classes: np.ndarray,
    *,
    n_rows: int,
    multilabel: bool,
    names: tuple[str, str, str] = ("X", "y", "the student's classes"),
) -> np.ndarray:
    """Return the column of each text's class, or ones and zeros if a text may have several labels.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_labels)
        Labels from any container.
    classes : ndarray of shape (n_classes,)
        The known labels.
    n_rows : int
        Number of texts.
    multilabel : bool
        Whether a text may have several labels.
    names : tuple of (str, str, str), default=("X", "y", "the student's classes")
        The names of the texts, `y` and `classes` in error messages.

    Returns
    -------
    codes : ndarray of shape (n_rows,) or (n_rows, n_labels), dtype int64
        Positions in `classes`; if a text may have several labels, `y`, with the columns of a table
        in the order of `classes`.

    Raises
    ------
    ValueError
        If `y` has another shape, an unknown or missing label, or columns that are not the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._core.label_columns import find_labels
    >>> find_labels(["yes", "no"], np.array(["no", "yes"]), n_rows=2, multilabel=False)
    array([1, 0])
    """
    rows, name, known = names
    labels = as_labels(y, name=name, classes=classes)
    if labels.ndim == 2 and labels.shape[1] == 1 and not multilabel:
        labels = labels[:, 0]
    if len(labels) != n_rows:
        raise ValueError(
            f"{rows} and {name} must have the same number of rows, but have {n_rows} and "
            f"{len(labels)}."
        )
    shape = (n_rows, len(classes)) if multilabel else (n_rows,)
    if labels.shape != shape:
        content = (
            "one row per text and one column per label" if multilabel else "one label per text"
        )
        raise ValueError(
            f"{name} must have shape {shape}, {content}, but has shape {labels.shape}."
        )
    if multilabel:
        check_ones_and_zeros(labels, name=name)
        return labels.astype(np.int64)
    check_known_labels(labels, classes, names=(name, known))
    place = {label: column for column, label in enumerate(classes.tolist())}
    return np.array([place[label] for label in labels.tolist()], dtype=np.int64)


def check_ones_and_zeros(labels: np.ndarray, *, name: str = "y") -> None:
    """Refuse other values in a matrix with one column per label."""
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"{name} has one column per label, so its values must be ones and zeros, but they are "
            f"{np.unique(labels).tolist()!s:.200}."
        )


def check_same_kind(labels: np.ndarray, others: np.ndarray, *, names: tuple[str, str]) -> None:
    """Refuse to compare strings with other labels; `names` are the names of the two arrays."""
    kinds = ["strings" if array.dtype.kind == "U" else "numbers" for array in (labels, others)]
    if kinds[0] != kinds[1] and len(labels) and len(others):
        raise ValueError(
            f"{names[0]} contains {kinds[0]}, such as {labels.tolist()[0]!r:.40}, but {names[1]} "
            f"contains {kinds[1]}, such as {others.tolist()[0]!r:.40}; convert one of them."
        )


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
            f"{names[0]}[{row}] is {labels.tolist()[row]!r:.99}, a label that is not in {names[1]}."
        )


def _refuse_lazy(table: Any, name: str) -> None:
    """Refuse a table whose rows are not computed yet, such as a polars LazyFrame."""
    if hasattr(table, "collect"):
        raise TypeError(
            f"{name} is a {type(table).__name__}, whose rows are not computed yet; pass the result "
            "of its method collect()."
        )


def columns_of(y: Any) -> list[Any] | None:
    """Return the names of a table's columns, or of a record array's fields; None otherwise."""
    if hasattr(y, "collect"):  # a lazy table, which is refused where it is read
        return None
    names = getattr(y, "column_names", None)
    if isinstance(y, np.ndarray) and y.ndim == 1:
        names = y.dtype.names
    if names is None and getattr(y, "ndim", 2) == 2:
        names = getattr(y, "columns", None)
    return None if names is None or callable(names) else list(names)
