"""Read what a function answers: probabilities, labels, or dicts of labels and probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skdistill._core.label_columns import as_rows, by_name, columns_in_order, columns_of
from skdistill._core.labels import ROUNDING
from skdistill._core.texts import as_list, from_tensors, is_missing

# Rows are normalised if their sum differs from 1 by no more: two digits per class are enough.
_TOLERANCE = 0.05


class AnswerReader:
    """Read the answers to a list of texts, row by row.

    Parameters
    ----------
    columns : list
        The labels, in the order of the columns of an answer.
    multilabel : bool
        Whether a text may have several labels.

    Examples
    --------
    >>> from skdistill.teachers._answers import AnswerReader
    >>> reader = AnswerReader(["spam", "ham"], multilabel=False)
    >>> proba, odd = reader.read([[0.33, 0.66], "spam", {"ham": 0.9, "spam": 0.1}, None], 4)
    >>> proba.round(2).tolist()[:3]
    [[0.33, 0.67], [1.0, 0.0], [0.1, 0.9]]
    >>> odd
    {3: 'None is neither a label nor probabilities'}
    """

    def __init__(self, columns: list[Any], *, multilabel: bool):
        self._columns = columns
        self._position = {label: position for position, label in enumerate(columns)}
        self._multilabel = multilabel

    def read(self, answers: Any, n_texts: int) -> tuple[np.ndarray, dict[int, str]]:
        """Return the probabilities of each row, and what is wrong with the odd rows.

        Parameters
        ----------
        answers : array-like of shape (n_texts, n_classes), or sequence of labels or dicts
            What the function returned.
        n_texts : int
            Number of texts passed to it.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes)
            Columns are in the given order. Odd rows contain zeros.
        odd : dict of int to str
            For each odd row, what is wrong with it. If the number of answers is wrong, every row.
        """
        if len(columns_of(answers) or ()) > 1:
            answers = columns_in_order(answers, np.asarray(self._columns), name="func(texts)")
        rows = _as_rows(answers)
        if rows is None or len(rows) != n_texts:
            found = f"{len(rows)} rows" if rows is not None else f"an object {_short(answers)}"
            reason = f"func returned {found} for {n_texts} texts"
            return np.zeros((n_texts, len(self._columns))), dict.fromkeys(range(n_texts), reason)
        if isinstance(rows, list):
            rows = [
                row if (named := by_name(row, self._columns)) is None else named for row in rows
            ]
        odd: dict[int, str] = {}
        proba, wrong = self._read_table(rows)
        for position in np.flatnonzero(wrong).tolist():
            row = rows[position]
            try:
                proba[position] = self._read_row(row)
            except ValueError as error:
                odd[position] = str(error)
        return proba, odd

    def _read_table(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """Read a table of probabilities; return also which rows are anything else."""
        proba = np.zeros((len(rows), len(self._columns)))
        try:
            table = np.asarray(rows)
        except ValueError:  # rows of different lengths
            return proba, np.ones(len(rows), dtype=bool)
        if table.shape != proba.shape or table.dtype.kind not in "fiu":
            return proba, np.ones(len(rows), dtype=bool)
        totals = np.ones(len(table)) if self._multilabel else table.sum(axis=1, dtype=np.float64)
        highest = 1 + (ROUNDING if self._multilabel else _TOLERANCE)
        right = np.logical_and.reduce((table >= 0) & (table <= highest), axis=1)
        right &= np.abs(totals - 1) <= _TOLERANCE
        proba[right] = np.minimum(table[right] / totals[right, None], 1)
        return proba, ~right

    def _read_row(self, row: Any) -> np.ndarray:
        if isinstance(row, Mapping):
            return self._checked(self._from_dict(row), row)
        if isinstance(row, str | bool | int | np.integer) or row is None or np.ndim(row) == 0:
            return self._from_label(row)
        try:
            values = np.asarray(row, dtype=np.float64)
        except (TypeError, ValueError):
            kind = "no sequence of" if self._multilabel else "neither a label nor"
            raise ValueError(f"{_short(row)} is {kind} probabilities") from None
        if values.shape != (len(self._columns),):
            raise ValueError(
                f"{_short(row)} has {values.size} numbers for {len(self._columns)} classes"
            )
        return self._checked(values, row)

    def _from_label(self, label: Any) -> np.ndarray:
        label = label.item() if isinstance(label, np.generic) else label
        if is_missing(label):
            raise ValueError(f"{_short(label)} is neither a label nor probabilities")
        if isinstance(label, float) and not any(isinstance(c, float) for c in self._columns):
            raise ValueError(f"{_short(label)} is one number; return the probability of each class")
        if self._multilabel:
            raise ValueError(f"{_short(label)} is one label; return the probability of each label")
        try:
            known = label in self._position
        except TypeError:
            known = False
        if not known:
            raise ValueError(f"{_short(label)} is {self._no_class()}")
        values = np.zeros(len(self._columns))
        values[self._position[label]] = 1
        return values

    def _no_class(self) -> str:
        return f"none of the classes {self._columns!s:.100}"

    def _from_dict(self, row: Mapping[Any, Any]) -> np.ndarray:
        values = np.zeros(len(self._columns))
        for label, share in row.items():
            if label not in self._position:
                raise ValueError(
                    f"{_short(row)} has the key {_short(label)}, which is {self._no_class()}"
                )
            try:
                values[self._position[label]] = float(share)
            except (TypeError, ValueError):
                raise ValueError(f"{_short(row)} contains {_short(share)}, not a number") from None
        return values

    def _checked(self, values: np.ndarray, row: Any) -> np.ndarray:
        """Return probabilities, normalised if the sum is nearly 1."""
        if not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"{_short(row)} contains a negative or non-finite number")
        if self._multilabel:
            if (values > 1 + ROUNDING).any():
                raise ValueError(f"{_short(row)} contains a number above 1")
            return np.minimum(values, 1)
        total = values.sum()
        if abs(total - 1) > _TOLERANCE + 1e-9:
            raise ValueError(f"{_short(row)} sums to {total:.6g}, not to 1")
        return values / total


def _as_rows(answers: Any) -> Any:
    """Return answers as a sequence of rows, or None."""
    if isinstance(answers, str | bytes | Mapping):
        return None
    answers = as_rows(answers)
    if hasattr(answers, "to_numpy"):
        # NumPy would make floats of a nullable column of integers of which one is missing.
        is_nullable = columns_of(answers) is None and not isinstance(answers.dtype, np.dtype)
        answers = as_list(answers) if is_nullable else np.asarray(answers)
    answers = from_tensors(answers)
    if isinstance(answers, np.ndarray) and answers.ndim == 1 and answers.dtype.kind == "f":
        return _integers(answers)
    if isinstance(answers, np.ndarray):
        return answers if answers.ndim in (1, 2) else None
    try:
        return [*answers]
    except TypeError:
        return None


def _integers(column: np.ndarray) -> Any:
    """Return the integers, and None, of which pandas made floats; any other floats as they are."""
    missing = np.isnan(column)
    known = column[~missing]
    if not missing.any() or not (np.isfinite(known) & (known == np.floor(known))).all():
        return column
    return [None if value != value else int(value) for value in column.tolist()]


def _short(value: Any) -> str:
    text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
