"""csv and tsv files."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from typing import Any, BinaryIO, TextIO

from skdistill.datasets._source import Rows, Source, TableFile, check_columns, opened
from skdistill.datasets._streams import in_parts
from skdistill.datasets._values import damage_of

# A field with more characters is taken for one whose quote is never closed.
_LONGEST_FIELD = 2**26
# Lines that may be read again to find the next row after bad ones.
_MOST_READ_AGAIN = 1_000_000
# Characters to read at a time.
_BLOCK = 2**16
_SEPARATORS = ",;\t|"
# The first line of some files for Excel.
_NAMED_SEPARATOR = re.compile('"?sep=([^"])"?', re.IGNORECASE)
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


class Delimited(TableFile):
    """A table with a header and one row per record, with quoted fields where needed.

    `sep` is what separates the fields when the file is written. If `is_fixed`, it also does when
    the file is read. Otherwise that is the one among comma, semicolon, tab and bar that splits the
    header into most columns.
    """

    def __init__(self, sep: str, *, is_fixed: bool = False):
        self.sep = sep
        self.is_fixed = is_fixed

    def read(
        self, source: Source, columns: Mapping[str, str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        """Yield the rows of a file, `size` at a time."""
        # The limit is one of the module, so it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
        with opened(source, newline="") as (file, encoding):
            lines = _Lines(file, source, encoding)
            sep, names = self._read_header(lines, source)
            check_columns(source, names, columns)
            places = {name: names.index(name) for name in columns}
            rows = _full_rows(lines, sep, names, source)
            for part in in_parts(rows, size, _length):
                numbers, found = [number for number, _ in part], [row for _, row in part]
                values = {name: [row[i] for row in found] for name, i in places.items()}
                yield Rows(names, values, numbers, found)

    def _read_header(self, lines: "_Lines", source: Source) -> tuple[str, list[str]]:
        """Return the separator and the names of the columns."""
        named = lines.skip_start()
        given = source.options.sep or named or (self.sep if self.is_fixed else None)
        found: list[tuple[str, list[str]]] = []
        fault: Exception | None = None
        for sep in [given] if given else _SEPARATORS:
            try:
                found += [(sep, row) for row in [next(_parse(lines, sep), [])] if row]
            except csv.Error as error:
                fault = fault or error
            lines.rewind()
        if fault is not None and not found:
            advice = "close each quote and double the quotes inside a name"
            raise source.bad_row(
                lines.first, f"is not a readable header ({fault})", advice
            ) from fault
        if not found:
            raise ValueError(f"{source.name} is empty; it needs a header and rows.")
        sep, names = max(found, key=lambda pair: len(pair[1]))  # the first of equals
        next(_parse(lines, sep))
        lines.end_header()
        return sep, names

    def write(self, file: BinaryIO, rows: Rows, added: dict[str, list[Any]], header: bool) -> None:
        """Write whole rows with added columns, in UTF-8."""
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        # Fields that contain a character of the line end are quoted, so it has both.
        writer = csv.writer(_UnixLines(text), delimiter=self.sep, lineterminator="\r\n")
        if header:
            writer.writerow([*rows.names, *added])
        cells = zip(*added.values(), strict=True)
        writer.writerows([*row, *more] for row, more in zip(rows.whole, cells, strict=True))
        text.detach()

    def from_texts(self, column: str, texts: list[str]) -> Rows:
        """Return rows that contain only texts."""
        return Rows([column], {column: texts}, range(len(texts)), [[text] for text in texts])


class _UnixLines:
    """Write rows, which end with a carriage return and a line feed, with a line feed only."""

    def __init__(self, file: TextIO):
        self._file = file

    def write(self, row: str) -> int:
        """Write a row."""
        return self._file.write(f"{row[:-2]}\n")


class _Lines:
    """The lines of a file, of which those since the start of a row can be read again."""

    def __init__(self, file: TextIO, source: Source, encoding: str):
        self._file = file
        self._next: deque[str] = deque()
        self._source = source
        self._encoding = encoding
        self._n_read_again = 0
        self._is_strict = False
        self._has_faults = False
        self._taken: list[str] = []
        # The number of the line on which the row starts.
        self.first = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._next:
            self._read_more()
        line = self._next.popleft()
        self._taken.append(line)
        if (
            self._has_faults
            and self._is_strict
            and (fault := self._source.fault_of(line, self._encoding))
        ):
            raise self._source.bad_row(self.first + len(self._taken) - 1, *fault)
        return line

    def _read_more(self) -> None:
        """Read some lines; from the first fault in any, each line is checked."""
        lines = self._file.readlines(_BLOCK)
        if not lines:
            raise StopIteration
        self._has_faults = self._has_faults or bool(damage_of("".join(lines)))
        self._next.extend(lines)

    def accept(self) -> None:
        """Go on to the next row."""
        self.first += len(self._taken)
        self._taken.clear()

    def rewind(self) -> None:
        """Read the row again."""
        self._next.extendleft(reversed(self._taken))
        self._taken.clear()

    def end_header(self) -> None:
        """Go on to the first row after the header, which must not be damaged."""
        for number, line in enumerate(self._taken, self.first):
            if fault := self._source.fault_of(line, self._encoding):
                raise self._source.bad_row(number, *fault)
        self.accept()
        self._is_strict = not self._source.options.skip_bad_rows

    def skip_start(self) -> str | None:
        """Skip blank lines and, before the header, a line such as ``sep=;``, as Excel reads it.

        Return the separator that the line names; None if there is no such line.
        """
        named = None
        for line in self:
            if found := _NAMED_SEPARATOR.fullmatch(line.strip("\r\n")):
                named = found[1]
            elif line.strip():
                self.rewind()
                break
            self.accept()
        return named

    def is_damaged(self) -> bool:
        """Refuse the row if one of its lines cannot be decoded; return whether that is so."""
        if not self._has_faults:
            return False
        for number, line in enumerate(self._taken, self.first):
            if fault := self._source.fault_of(line, self._encoding):
                self._source.refuse_row(number, *fault)
                return True
        return False

    def leave_first(self) -> bool:
        """Go on to the line after the first one of a bad row; return whether that is possible."""
        self._n_read_again += len(self._taken)
        self._next.extendleft(reversed(self._taken[1:]))
        self._taken.clear()
        self.first += 1
        return self._n_read_again <= _MOST_READ_AGAIN


def _parse(lines: _Lines, sep: str) -> Iterator[list[str]]:
    # Without strict, a quote that is never closed swallows all rows after it.
    return csv.reader(lines, delimiter=sep, strict=True)


def _full_rows(
    lines: _Lines, sep: str, names: list[str], source: Source
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows and the lines on which they start; refuse bad rows, skip blank ones."""
    n_blank, is_lenient = 0, source.options.skip_bad_rows
    n_fields, n_named = len(names), 1 + max(i for i, name in enumerate(names) if name or not i)
    while True:
        try:
            for row in _parse(lines, sep):
                if is_lenient and lines.is_damaged():
                    pass
                elif (len(row) < 2 or not row[0]) and _is_blank(row, n_fields):
                    n_blank += 1
                elif len(row) != n_fields:
                    n_found = "1 field" if len(row) == 1 else f"{len(row)} fields"
                    name = _NAMES.get(sep, repr(sep))
                    source.refuse_row(
                        lines.first,
                        f"has {n_found}, but the header has {n_fields}",
                        f"quote fields that contain {name}",
                    )
                elif any(map(str.strip, row[n_named:])):
                    # As if a field contained the separator, and the header ended in one.
                    value = next(filter(str.strip, row[n_named:]))
                    source.refuse_row(
                        lines.first,
                        f"has {value!r:.60} in a last column without a name",
                        f"name it, or quote fields that contain {_NAMES.get(sep, repr(sep))}",
                    )
                else:
                    source.left_out.n_blank += n_blank
                    n_blank = 0
                    yield lines.first, row
                lines.accept()
            return
        except csv.Error as error:
            advice = "close each quote and double the quotes inside a field"
            is_open = "end of data" in str(error)
            what = "a quote that is never closed" if is_open else f"a fault: {error}"
            source.refuse_row(lines.first, f"starts a row with {what}", advice)
            if not lines.leave_first():
                raise ValueError(
                    f"{source.name} has too many quotes that are not closed, in line "
                    f"{lines.first} and later; close them."
                ) from error


def _length(item: tuple[int, list[str]]) -> int:
    return sum(map(len, item[1]))


def _is_blank(row: list[str], n_fields: int) -> bool:
    """Return whether a row is a blank line, or one of empty fields as spreadsheets write it."""
    return not any(map(str.strip, row)) and not len(row) == n_fields == 1
