"""Rows of texts in csv, jsonl and parquet files, and in lines: read and written in parts."""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from skdistill._core.utf8 import naming_lines


@dataclass(frozen=True)
class Rows:
    """Some consecutive rows of a file.

    Parameters
    ----------
    names : list of str
        Their columns.
    texts : list
        The column of texts; not checked to be such.
    whole : object
        The rows with all columns, as their kind of file holds them.
    """

    names: list[str]
    texts: list[Any]
    whole: Any


class RowFile(ABC):
    """A kind of file that holds a column of texts.

    Parameters
    ----------
    text_column : str
    """

    def __init__(self, text_column: str):
        self.text_column = text_column

    @abstractmethod
    def read(self, path: Path, size: int) -> Iterator[Rows]:
        """Yield all rows of a file, so many at a time."""

    @abstractmethod
    def write(
        self, file: BinaryIO, rows: Rows, columns: dict[str, list[Any]], header: bool
    ) -> None:
        """Write rows with further columns; the first part of a file has the header."""

    @abstractmethod
    def from_texts(self, texts: list[str]) -> Rows:
        """Make rows of texts alone."""

    def join(self, parts: list[Path], file: BinaryIO) -> None:
        """Put parts together."""
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(2**20):
                    file.write(block)

    def _lacks_column(self, path: Path, names: Iterable[str]) -> ValueError:
        return ValueError(
            f"{path} has no column {self.text_column!r}; its columns are {', '.join(names)}."
        )


@contextmanager
def _opened(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    with (
        naming_lines(str(path), lambda: path.open("rb")),
        path.open(encoding="utf-8-sig", newline=newline) as file,
    ):
        yield file


class _Csv(RowFile):
    def read(self, path: Path, size: int) -> Iterator[Rows]:
        try:
            yield from self._read(path, size)
        except csv.Error as error:
            raise ValueError(f"{path} is no readable csv file: {error}") from error

    def _read(self, path: Path, size: int) -> Iterator[Rows]:
        with _opened(path, newline="") as file:
            rows = csv.reader(file)
            names = next(rows, [])
            if self.text_column not in names:
                raise self._lacks_column(path, names)
            column = names.index(self.text_column)
            while part := list(islice(rows, size)):
                for row in part:
                    if len(row) != len(names):
                        raise ValueError(
                            f"{path}, line {rows.line_num} or before: a row of {len(row)} fields "
                            f"under {len(names)} names; quote fields that hold a comma."
                        )
                yield Rows(names, [row[column] for row in part], part)

    def write(
        self, file: BinaryIO, rows: Rows, columns: dict[str, list[Any]], header: bool
    ) -> None:
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        if header:
            writer.writerow([*rows.names, *columns])
        added = zip(*columns.values(), strict=True)
        writer.writerows([*row, *cells] for row, cells in zip(rows.whole, added, strict=True))
        text.detach()

    def from_texts(self, texts: list[str]) -> Rows:
        return Rows([self.text_column], texts, [[text] for text in texts])


class _Jsonl(RowFile):
    def read(self, path: Path, size: int) -> Iterator[Rows]:
        n_read = 0
        with _opened(path) as file:
            while lines := list(islice(file, size)):
                part = [self._parse(path, line, row) for row, line in enumerate(lines, n_read + 1)]
                n_read += len(lines)
                names = [*dict.fromkeys(name for row in part for name in row)]
                yield Rows(names, [row[self.text_column] for row in part], part)

    def _parse(self, path: Path, line: str, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number} is no JSON: {error}") from error
        if not isinstance(row, dict) or self.text_column not in row:
            raise ValueError(f"{path}, line {number} is no object with {self.text_column!r} in it.")
        return row

    def write(
        self, file: BinaryIO, rows: Rows, columns: dict[str, list[Any]], header: bool
    ) -> None:
        added = zip(*columns.values(), strict=True)
        for row, cells in zip(rows.whole, added, strict=True):
            line = json.dumps(row | dict(zip(columns, cells, strict=True)), ensure_ascii=False)
            # Half a character of UTF-16 has no UTF-8: written as JSON's escape.
            file.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def from_texts(self, texts: list[str]) -> Rows:
        return Rows([self.text_column], texts, [{self.text_column: text} for text in texts])


class _Parquet(RowFile):
    def read(self, path: Path, size: int) -> Iterator[Rows]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            source = pq.ParquetFile(path)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{path} is no readable parquet file: {error}") from error
        with source:
            names = source.schema_arrow.names
            if self.text_column not in names:
                raise self._lacks_column(path, names)
            for batch in source.iter_batches(size, use_threads=False):
                yield Rows(names, batch.column(self.text_column).to_pylist(), batch)

    def write(
        self, file: BinaryIO, rows: Rows, columns: dict[str, list[Any]], header: bool
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_batches([rows.whole])
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values))
        pq.write_table(table, file)

    def from_texts(self, texts: list[str]) -> Rows:
        import pyarrow as pa

        return Rows([self.text_column], texts, pa.record_batch({self.text_column: texts}))

    def join(self, parts: list[Path], file: BinaryIO) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetFile(parts[0]) as first:
            schema = first.schema_arrow
        with pq.ParquetWriter(file, schema) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part, schema=schema))


_KINDS: dict[str, Callable[[str], RowFile]] = {".parquet": _Parquet, ".csv": _Csv, ".jsonl": _Jsonl}


def row_file(path: Path, text_column: str) -> RowFile:
    """Return how a file is read or written, by the end of its name.

    Parameters
    ----------
    path : Path
    text_column : str

    Returns
    -------
    RowFile

    Raises
    ------
    ValueError
        If the name has another end.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(
            f"{path}: files that end in {path.suffix!r} are not known; use one of "
            f"{', '.join(_KINDS)}, or - for lines."
        )
    return kind(text_column)
