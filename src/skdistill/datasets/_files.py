"""Readers and writers for tables of texts in csv, jsonl, parquet and txt files.

All readers read a file in parts and make the same checks. Their errors name the file and the line
or row. pandas is not needed; pyarrow is needed only for parquet files.
"""

import csv
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, TypeVar

import numpy as np

from skdistill._core.utf8 import naming_lines

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_Item = TypeVar("_Item")

# Rows in memory at a time, when only some columns are kept.
_PART = 2**14


@dataclass(frozen=True)
class Source:
    """A table that can be opened several times.

    `name` is for error messages, `kind` is a file extension such as ``.csv``, and `open` returns
    the bytes.
    """

    name: str
    kind: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Rows:
    """Some consecutive rows of a table.

    `names` are the names of all columns, `columns` maps the requested columns to their values, and
    `whole` holds the rows in the form of their file type.
    """

    names: list[str]
    columns: dict[str, list[Any]]
    whole: Any


class TextFile(ABC):
    """A file type that can be read."""

    @abstractmethod
    def read(
        self, source: Source, columns: Sequence[str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        """Yield the rows of a file, `size` at a time, with all columns if `whole`."""


class TableFile(TextFile):
    """A file type that can be read and written."""

    @abstractmethod
    def write(self, file: BinaryIO, rows: Rows, added: dict[str, list[Any]], header: bool) -> None:
        """Write whole rows with added columns, after a header if `header`."""

    @abstractmethod
    def from_texts(self, column: str, texts: list[str]) -> Rows:
        """Return rows that contain only texts."""

    def join(self, parts: list[Path], file: BinaryIO) -> None:
        """Concatenate parts into one file."""
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(2**20):
                    file.write(block)


class _Csv(TableFile):
    def read(
        self, source: Source, columns: Sequence[str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        with _opened(source, newline="") as file:
            # Without strict, a quote that is never closed swallows all rows after it.
            reader = csv.reader(file, strict=True)
            numbered = _numbered(reader)
            try:
                _, names = next(numbered, (1, []))
                if not names:
                    raise ValueError(
                        f"{source.name} has no header; add a first line with the column names."
                    )
                _check_columns(source.name, names, columns)
                places = {name: names.index(name) for name in columns}
                for rows in _in_parts(self._full_rows(numbered, len(names), source.name), size):
                    values = {name: [row[i] for row in rows] for name, i in places.items()}
                    yield Rows(names, values, rows)
            except csv.Error as error:
                raise ValueError(
                    f"{source.name} is not a readable csv file: line {reader.line_num}: "
                    f"{error}. Close each quote and double the quotes inside a field, or use jsonl "
                    "or parquet."
                ) from error

    def _full_rows(
        self, rows: Iterable[tuple[int, list[str]]], n_fields: int, name: str
    ) -> Iterator[list[str]]:
        for number, row in _until_blank(rows, name):
            if len(row) != n_fields:
                raise ValueError(
                    f"{name}, line {number} has {len(row)} fields, but the header has {n_fields}; "
                    "quote fields that contain a comma."
                )
            yield row

    def write(self, file: BinaryIO, rows: Rows, added: dict[str, list[Any]], header: bool) -> None:
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        if header:
            writer.writerow([*rows.names, *added])
        cells = zip(*added.values(), strict=True)
        writer.writerows([*row, *more] for row, more in zip(rows.whole, cells, strict=True))
        text.detach()

    def from_texts(self, column: str, texts: list[str]) -> Rows:
        return Rows([column], {column: texts}, [[text] for text in texts])


class _Jsonl(TableFile):
    def read(
        self, source: Source, columns: Sequence[str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        with _opened(source, newline="\n") as file:
            lines = _until_blank(
                enumerate((line.strip(" \t\r\n") for line in file), 1), source.name
            )
            parsed = (self._parse(line, f"{source.name}, line {n}", columns) for n, line in lines)
            for rows in _in_parts(parsed, size):
                names = [*dict.fromkeys(name for row in rows for name in row)]
                yield Rows(names, {name: [row[name] for row in rows] for name in columns}, rows)

    def _parse(self, line: str, where: str, columns: Sequence[str]) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where} is not valid JSON: {error}") from error
        for name in columns:
            if not isinstance(row, dict) or name not in row:
                raise ValueError(f"{where} is not a JSON object with the key {name!r}.")
        return row

    def write(self, file: BinaryIO, rows: Rows, added: dict[str, list[Any]], header: bool) -> None:
        cells = zip(*added.values(), strict=True)
        for row, more in zip(rows.whole, cells, strict=True):
            line = json.dumps(row | dict(zip(added, more, strict=True)), ensure_ascii=False)
            # A lone surrogate has no UTF-8 encoding, so it is written as a JSON escape.
            file.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def from_texts(self, column: str, texts: list[str]) -> Rows:
        return Rows([column], {column: texts}, [{column: text} for text in texts])


class _Parquet(TableFile):
    def read(
        self, source: Source, columns: Sequence[str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        with _opened_parquet(source, columns) as file:
            wanted = None if whole else [*columns]
            for batch in file.iter_batches(size, columns=wanted, use_threads=False):
                values = {name: batch.column(name).to_pylist() for name in columns}
                yield Rows(file.schema_arrow.names, values, batch)

    def write(self, file: BinaryIO, rows: Rows, added: dict[str, list[Any]], header: bool) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_batches([rows.whole])
        for name, values in added.items():
            table = table.append_column(name, pa.array(values))
        pq.write_table(table, file)

    def from_texts(self, column: str, texts: list[str]) -> Rows:
        import pyarrow as pa

        return Rows([column], {column: texts}, pa.record_batch({column: texts}))

    def join(self, parts: list[Path], file: BinaryIO) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetFile(parts[0]) as first:
            schema = first.schema_arrow
        with pq.ParquetWriter(file, schema) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part, schema=schema))


class _Txt(TextFile):
    """One stripped text per line; blank lines are skipped."""

    def read(
        self, source: Source, columns: Sequence[str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        (name,) = columns
        with _opened(source, newline="\n") as file:
            for texts in _in_parts(filter(None, map(str.strip, file)), size):
                yield Rows([name], {name: texts}, texts)


TABLES: dict[str, TableFile] = {".csv": _Csv(), ".jsonl": _Jsonl(), ".parquet": _Parquet()}
FILES: dict[str, TextFile] = {**TABLES, ".txt": _Txt()}


def kind_of(path: Path, known: Collection[str], alternative: str = "") -> str:
    """Return the extension of a file; raise an error if it is not among the known ones."""
    kind = path.suffix.lower()
    if kind not in known:
        raise ValueError(
            f"{path} has the unknown file type {path.suffix!r}; use one of "
            f"{', '.join(known)}{alternative}."
        )
    return kind


def file_source(
    path: str | os.PathLike[str], known: Collection[str] = FILES.keys(), alternative: str = ""
) -> Source:
    """Return the source for an existing file of a known type."""
    path = Path(path)
    kind = kind_of(path, known, alternative)
    if not path.is_file():
        raise FileNotFoundError(f"the file {path} does not exist.")
    return Source(str(path), kind, partial(_open, path))


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def read_whole(source: Source, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of some columns; raise an error if there are no rows."""
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for rows in FILES[source.kind].read(source, columns, _PART):
        for name, part in rows.columns.items():
            values[name] += part
    if not values[columns[0]]:
        raise ValueError(f"{source.name} has no rows.")
    return values


def label_array(labels: Iterable[Any], name: str) -> np.ndarray:
    """Return labels as an array of str; raise an error if one is missing."""
    texts = []
    for row, label in enumerate(labels):
        if label is None or label != label:
            raise ValueError(
                f"{name}[{row}] is missing; drop rows without a label or move them to a file of "
                "unlabelled texts."
            )
        texts.append(str(label))
    return np.array(texts)


class ParquetTexts:
    """A column of a parquet file, or of all ``*.parquet`` files in a folder, sorted by name.

    The texts stay on disk. Each iteration reads them in batches.

    Raises
    ------
    FileNotFoundError
        If the file or folder does not exist, or the folder contains no parquet file.
    ValueError
        If a file lacks the column or is not a parquet file.
    """

    def __init__(self, location: str | os.PathLike[str], column: str):
        self.column = column
        self._sources = [
            Source(str(path), ".parquet", partial(_open, path))
            for path in _parquet_files(Path(location))
        ]
        self._n_texts = 0
        for source in self._sources:
            with _opened_parquet(source, [column]) as file:
                self._n_texts += file.metadata.num_rows

    def __len__(self) -> int:
        return self._n_texts

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.batches(_PART))

    def batches(self, size: int) -> Iterator[list[Any]]:
        """Yield the texts, `size` at a time."""
        for source in self._sources:
            for rows in TABLES[source.kind].read(source, [self.column], size):
                yield rows.columns[self.column]


def _parquet_files(location: Path) -> list[Path]:
    if location.is_file():
        return [location]
    paths = sorted(location.glob("*.parquet"))
    if not paths:
        raise FileNotFoundError(
            f"{location} is neither a parquet file nor a folder with *.parquet files."
        )
    return paths


@contextmanager
def _opened(source: Source, newline: str) -> Iterator[TextIO]:
    with (
        naming_lines(source.name, source.open),
        source.open() as file,
        TextIOWrapper(file, encoding="utf-8-sig", newline=newline) as text,
    ):
        yield text


@contextmanager
def _opened_parquet(source: Source, columns: Sequence[str]) -> Iterator["ParquetFile"]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with source.open() as file, pq.ParquetFile(file) as table:
            _check_columns(source.name, table.schema_arrow.names, columns)
            yield table
    except pa.ArrowInvalid as error:
        raise ValueError(f"{source.name} is not a readable parquet file: {error}") from error


def _check_columns(name: str, there: Sequence[str], wanted: Iterable[str]) -> None:
    for column in wanted:
        if column not in there:
            raise ValueError(
                f"{name} has no column {column!r}; its columns are {', '.join(there)}."
            )


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a csv reader with the line on which each starts."""
    line = 1
    for row in reader:
        yield line, row
        line = reader.line_num + 1


def _until_blank(lines: Iterable[tuple[int, _Item]], name: str) -> Iterator[tuple[int, _Item]]:
    """Skip blank lines at the end; reject others, because they may be meant as empty texts."""
    blank = 0
    for number, line in lines:
        if not line:
            blank = blank or number
        elif blank:
            raise ValueError(f"{name}, line {blank} is blank; remove it.")
        else:
            yield number, line


def _in_parts(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
