"""Texts and labels of a table, with one label per text or several, read without scikit-learn."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdistill._core.texts import is_missing
from skdistill.datasets._files import no_rows, read_rows
from skdistill.datasets._source import Rows, Source
from skdistill.datasets._values import (
    AS_TEXT,
    BINARY,
    IN_LABEL,
    NO_LABEL,
    LabelKinds,
    label_fault,
    listed,
    read_mark,
)

# Rows in memory at a time, beside the texts and labels.
_PART = 2**14
# What files write between the labels of a text, in addition to white space.
LABEL_SEPARATORS = "|;,/"
# How many unknown labels an error lists.
_SHOWN = 5


@dataclass(frozen=True)
class LabelColumns:
    """The label columns of a table.

    A single column holds one label per text, or several if `is_list`. Then `separator` separates
    them; None means white space. Several columns hold ones and zeros. `known` are the only labels
    allowed, for `y` in their order.
    """

    names: tuple[str, ...] = ("label",)
    is_list: bool = False
    separator: str | None = None
    known: np.ndarray | None = None


@dataclass(frozen=True)
class Labelled:
    """Texts and labels: an array of str, or a 0/1 matrix whose columns `names` names."""

    texts: list[str]
    y: np.ndarray
    names: np.ndarray | None = None

    def take(self, places: np.ndarray) -> "Labelled":
        """Return some of the texts."""
        return Labelled([self.texts[place] for place in places], self.y[places], self.names)


def read_unlabelled(source: Source, text_column: str) -> list[str]:
    """Return the texts of a file; raise an error if there are none."""
    texts: list[str] = []
    wanted = {text_column: "text_column"}
    for rows in read_rows(source, wanted, text_column, _PART, allow_empty=False):
        texts += rows.columns[text_column]
    _check_rows(texts, source)
    return texts


def read_labelled(source: Source, text_column: str, labels: LabelColumns | None = None) -> Labelled:
    """Return the texts and labels of a file; raise an error if there are none."""
    labels = labels or LabelColumns()
    if source.kind == ".txt":
        raise ValueError(
            f"{source.name}: a .txt file has no labels; if it has columns, rename it to .csv or "
            ".tsv."
        )
    wanted = {text_column: "text_column"} | dict.fromkeys(labels.names, "label_column")
    reader = _LabelReader(source, labels)
    texts: list[str] = []
    for rows in read_rows(source, wanted, text_column, _PART, allow_empty=False):
        bad = reader.add(rows)
        column = rows.columns[text_column]
        texts += [column[i] for i in range(len(column)) if i not in bad] if bad else column
    _check_rows(texts, source)
    return Labelled(texts, *reader.result())


def _check_rows(texts: list[str], source: Source) -> None:
    if not texts:
        raise no_rows(source)


class _UnknownLabels:
    """The labels of a file that are not among the known ones."""

    def __init__(self, known: Iterable[Any]):
        self.known = {*map(str, known)}
        self.counts: Counter[str] = Counter()
        self.n_rows = 0
        self.first = ""

    def add(self, labels: Iterable[str], place: str) -> None:
        """Take note of the unknown labels of a row."""
        unknown = [label for label in labels if label not in self.known]
        if unknown:
            self.first = self.first or f"{place} has the label {unknown[0]!r:.60}"
            self.counts.update(unknown)
            self.n_rows += 1

    def error(self, n_rows: int, advice: str) -> ValueError:
        """Return the error about unknown labels among some rows."""
        rows = ""
        if self.n_rows > 1:
            shown = [f"{label!r:.60} ({n:,})" for label, n in self.counts.most_common(_SHOWN)]
            n_others = len(self.counts) - len(shown)
            others = f" and {n_others:,} other{'s' if n_others > 1 else ''}" if n_others else ""
            rows = (
                f"; {self.n_rows:,} of {n_rows:,} rows have such labels: {', '.join(shown)}{others}"
            )
        classes = listed(sorted(self.known))
        return ValueError(
            f"{self.first}, which is not one of the classes {classes}{rows}. {advice}."
        )

    def separator(self) -> str:
        """Return what separates known labels in an unknown one; an empty string if nothing does."""
        for label in self.counts:
            for separator in LABEL_SEPARATORS + " ":
                parts = {part.strip() for part in label.split(separator)} - {""}
                if len(parts) > 1 and parts <= self.known:
                    return separator
        return ""

    def are_numbers(self) -> bool:
        """Return whether an unknown label is a known one with or without a decimal point."""
        return any(
            label.removesuffix(".0") in self.known or f"{label}.0" in self.known
            for label in self.counts
        )


class _LabelReader:
    """Collects the labels of rows."""

    def __init__(self, source: Source, labels: LabelColumns):
        self.source = source
        self.labels = labels
        self._kinds = LabelKinds()
        self._last_type: type | None = None
        self._found: list[Any] = []
        self._unknown = None if labels.known is None else _UnknownLabels(labels.known.tolist())
        self._known = None if self._unknown is None else self._unknown.known

    def add(self, rows: Rows) -> set[int]:
        """Add the labels of some rows; refuse bad ones, and return their places."""
        bad: set[int] = set()
        columns = [self._trimmed(rows.columns[name]) for name in self.labels.names]
        if not self.labels.is_list and len(columns) == 1 and self._are_plain(columns[0]):
            self._found += columns[0]
            return bad
        read: Callable[[tuple[Any, ...], int], tuple[Any, str]] = self._read_label
        if self.labels.is_list:
            read = self._read_list
        elif len(columns) > 1:
            read = self._read_marks
        for place, values in enumerate(zip(*columns, strict=True)):
            found, fault = read(values, rows.numbers[place])
            if fault:
                self.source.refuse_row(rows.numbers[place], f"has {fault}", self._advice(fault))
                bad.add(place)
            else:
                self._found.append(found)
        return bad

    def _trimmed(self, column: list[Any]) -> list[Any]:
        """Return labels without white space around them, unless a known label has some."""
        kept = self._known or ()
        return [
            value.strip() if type(value) is str and value not in kept else value for value in column
        ]

    def _are_plain(self, column: list[Any]) -> bool:
        """Return whether a column, not the first, has only strings that are right as labels."""
        if self._last_type is not str or {*map(type, column)} != {str}:
            return False
        found = {*column}
        return not any(map(label_fault, found)) and (self._known is None or found <= self._known)

    def _advice(self, fault: str) -> str:
        if fault.endswith(IN_LABEL):
            return "remove it"
        if len(self.labels.names) > 1:
            return "write 1 or 0 in each label column"
        if fault == NO_LABEL:
            none = ", or write an empty string if no label applies" if self.labels.is_list else ""
            return f"add it, drop the row, or move it to a file of unlabelled texts{none}"
        if fault.startswith(BINARY):
            return "convert the column to strings"
        if self.labels.is_list:
            return "write the labels of a text with separators between them"
        if AS_TEXT in fault:
            return "write the label alone, without brackets and quotes"
        several = self.source.options.named("label_separator", "'|'")
        more = f"as a list with {several}" if fault.startswith("a dict") else f"pass {several}"
        # A student with known labels, of which a text has one, learns no more.
        may_have = self.source.options.shell and self.labels.known is None
        hint = f", or {more} for several" if may_have else ""
        return f"write one label per text, as a string or a number{hint}"

    def _read_label(self, values: tuple[Any, ...], number: int) -> tuple[str, str]:
        (label,) = values
        if fault := label_fault(label):
            return "", fault
        if type(label) is not self._last_type:
            self._kinds.add(label, self._place(number))
            self._last_type = type(label)
        self._note_unknown([str(label)], number)
        return str(label), ""

    def _read_marks(self, values: tuple[Any, ...], number: int) -> tuple[list[int], str]:
        marks = []
        for name, value in zip(self.labels.names, values, strict=True):
            mark = read_mark(value)
            if mark is None:
                return [], f"{str(value)!r:.60} in the label column {name!r}"
            marks.append(mark)
        return marks, ""

    def _read_list(self, values: tuple[Any, ...], number: int) -> tuple[list[str], str]:
        (cell,) = values
        for part in cell if isinstance(cell, list) else [cell]:
            if (fault := label_fault(part)) not in ("", NO_LABEL):
                return [], fault
        if isinstance(cell, list):
            names = self._trimmed(cell)
        elif is_missing(cell):
            return [], NO_LABEL
        else:
            names = [name.strip() for name in str(cell).split(self.labels.separator)]
        labels = [str(name) for name in names if not isinstance(name, str) or name]
        if any(map(is_missing, names)):
            return [], NO_LABEL
        if len({*labels}) < len(labels):
            return [], f"a label twice, {str(cell)!r:.60}"
        self._note_unknown(labels, number)
        return labels, ""

    def _place(self, number: int) -> str:
        return f"{self.source.name}, {self.source.unit} {number}"

    def _note_unknown(self, labels: Iterable[str], number: int) -> None:
        if self._unknown is not None:
            self._unknown.add(labels, self._place(number))

    def _advice_on_unknown(self, unknown: _UnknownLabels) -> str:
        separator = unknown.separator()
        option = self.source.options.named("label_separator", repr(separator) if separator else "")
        if separator and self.labels.is_list:
            return f"Pass {option}, which separates the labels"
        if separator:
            return (
                "Such rows have several labels, but there is one per text; drop these rows, or "
                f"train with {option} for several"
            )
        if unknown.are_numbers():
            kind = "float" if any(label.endswith(".0") for label in unknown.known) else "Int64"
            return (
                "Such labels look like classes written with or without a decimal point, which "
                "pandas adds to whole numbers if a value of the column is missing; write them as "
                f'the classes are, for example with df["{self.labels.names[0]}"].astype("{kind}")'
            )
        other = f", or name what separates labels with {option}" if self.labels.is_list else ""
        return f"Drop or rename such rows{other}"

    def result(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the labels, and the names of the columns if there are several per text."""
        if self._unknown is not None and self._unknown.n_rows:
            raise self._unknown.error(len(self._found), self._advice_on_unknown(self._unknown))
        labels, known = self.labels, self.labels.known
        if labels.is_list:
            names = sorted({name for row in self._found for name in row}) if known is None else []
            columns = np.array(names, dtype=str) if known is None else known
            place = {str(name): i for i, name in enumerate(columns.tolist())}
            y = np.zeros((len(self._found), len(columns)), dtype=np.int64)
            for row, found in enumerate(self._found):
                y[row, [place[name] for name in found]] = 1
            return y, columns
        if len(labels.names) > 1:
            return self._in_order(np.array(self._found, dtype=np.int64))
        return np.array(self._found), None

    def _in_order(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return marks with their columns in the order of the known labels, if there are any."""
        names, known = [*self.labels.names], self.labels.known
        if known is None:
            return y, np.array(names)
        order = [*map(str, known.tolist())]
        if sorted(order) != sorted(names):
            raise ValueError(
                f"The label columns {', '.join(names):.200} are not the labels of the student, "
                f"{', '.join(order):.200}; pass one {self.source.options.named('label_column')} "
                "for each of them."
            )
        return y[:, [names.index(name) for name in order]], known
