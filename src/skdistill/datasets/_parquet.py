"""parquet files, which need pyarrow."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from skdistill.datasets._source import Rows, Source, TableFile, check_columns
from skdistill.datasets._streams import LONGEST_PART

if TYPE_CHECKING:
    from pyarrow import Array, NativeFile
    from pyarrow.parquet import ParquetFile

# Rows in memory at a time, when the texts of a file are iterated over.
_PART = 2**14


class Parquet(TableFile):
    """A table in Apache's columnar format."""

    def read(
        self, source: Source, columns: Mapping[str, str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        """Yield the rows of a file, `size` at a time."""
        n_read = 0
        with _opened(source, columns) as file:
            wanted = None if whole else [*columns]
            size = min(size, max(1, LONGEST_PART // _row_size(file)))
            for batch in file.iter_batches(size, columns=wanted, use_threads=False):
                values = {name: _to_list(batch.column(name)) for name in columns}
                numbers = range(n_read + 1, n_read + 1 + batch.num_rows)
                yield Rows(file.schema_arrow.names, values, numbers, batch)
                n_read += batch.num_rows
            if n_read != file.metadata.num_rows:
                raise ValueError(
                    f"{source.name} is not a readable parquet file: it has {n_read} rows instead "
                    f"of {file.metadata.num_rows}."
                )

    def select(self, rows: Rows, places: list[int]) -> Rows:
        """Return the rows at some places."""
        return rows.select(places, rows.whole.take(places))

    def write(self, file: BinaryIO, rows: Rows, added: dict[str, list[Any]], header: bool) -> None:
        """Write whole rows with added columns."""
        pa, pq = _import_arrow()
        table = pa.Table.from_batches([rows.whole])
        for name, values in added.items():
            table = table.append_column(name, _to_column(pa, name, values))
        pq.write_table(table, file)

    def from_texts(self, column: str, texts: list[str]) -> Rows:
        """Return rows that contain only texts."""
        pa, _ = _import_arrow()
        batch = pa.record_batch({column: texts})
        return Rows([column], {column: texts}, range(len(texts)), batch)

    def join(self, parts: list[Path], file: BinaryIO) -> None:
        """Concatenate parts into one file."""
        pa, pq = _import_arrow()
        schemas = [pq.read_schema(part) for part in parts]
        large = {field.name for own in schemas for field in own if field.type == pa.uint64()}
        for number, own in enumerate(schemas):
            for place, field in enumerate(own):
                if field.name in large and field.type == pa.int64():
                    own = own.set(place, field.with_type(pa.uint64()))
            schemas[number] = own
        # A column that is empty throughout a part has no type there.
        schema = pa.unify_schemas(schemas)
        with pq.ParquetWriter(file, schema) as writer:
            for part in parts:
                with pq.ParquetFile(part) as table:
                    rows = table.read()
                try:
                    writer.write_table(rows.cast(schema))
                except pa.ArrowInvalid:
                    if not large:
                        raise
                    raise _no_common_type(" or ".join(sorted(large))) from None


def _to_column(pa: Any, name: str, values: list[Any]) -> Any:
    """Return an Arrow column; whole numbers are int64 or, if that is too small, uint64."""
    try:
        return pa.array(values)
    except OverflowError:
        try:
            return pa.array(values, pa.uint64())
        except (OverflowError, pa.ArrowInvalid):
            raise _no_common_type(name) from None


def _no_common_type(name: str) -> ValueError:
    return ValueError(
        f"The column {name} contains negative numbers and others of 2**63 or more, which have no "
        "common type in parquet; write a csv or jsonl file."
    )


def _row_size(file: "ParquetFile") -> int:
    """Return the mean number of bytes of a row."""
    groups = range(file.metadata.num_row_groups)
    n_bytes = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    return 1 + max(0, n_bytes) // max(1, file.metadata.num_rows)


def _import_arrow() -> tuple[Any, Any]:
    """Return the modules pyarrow and pyarrow.parquet."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "parquet files need pyarrow; run 'pip install pyarrow', or use csv or jsonl files."
        ) from error
    return pyarrow, pyarrow.parquet


def _to_list(column: "Array") -> list[Any]:
    """Return the values of a column; a value that is not in UTF-8 stays bytes."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        pa, _ = _import_arrow()
        return [*map(_decode, column.cast(pa.large_binary()).to_pylist())]


def _decode(value: bytes | None) -> bytes | str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


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
        self._wanted = {column: "column"}
        self._sources = [
            Source(str(path), ".parquet", partial(_open, path))
            for path in _parquet_files(Path(location))
        ]
        self._n_texts = 0
        for source in self._sources:
            with _opened(source, self._wanted) as file:
                self._n_texts += file.metadata.num_rows

    def __len__(self) -> int:
        return self._n_texts

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.batches(_PART))

    def batches(self, size: int) -> Iterator[list[Any]]:
        """Yield the texts, `size` at a time."""
        for source in self._sources:
            for rows in Parquet().read(source, self._wanted, size):
                yield rows.columns[self.column]


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _parquet_files(location: Path) -> list[Path]:
    if location.is_file():
        return [location]
    paths = sorted(location.glob("*.parquet"))
    if not paths:
        raise FileNotFoundError(
            f"{location} is neither a parquet file nor a folder with *.parquet files."
        )
    return paths


def _as_arrows(file: BinaryIO) -> "NativeFile":
    """Return a file of Arrow with the same content, to be closed by the caller.

    Arrow's threads may still hold the file when Python ends. For a file of Python, they would then
    need an interpreter that is gone, and the process would abort.
    """
    pa, _ = _import_arrow()
    if isinstance(file, BufferedReader):
        return pa.OSFile(os.fsencode(file.name))
    content = file.read()
    memory = pa.allocate_buffer(len(content))
    with pa.FixedSizeBufferWriter(memory) as writer:
        writer.write(content)
    return pa.BufferReader(memory)


@contextmanager
def _opened(source: Source, columns: Mapping[str, str]) -> Iterator["ParquetFile"]:
    pa, pq = _import_arrow()
    with source.open() as file:
        try:
            with (
                _as_arrows(file) as own,
                pq.ParquetFile(own, page_checksum_verification=True) as table,
            ):
                check_columns(source, table.schema_arrow.names, columns)
                yield table
        # Arrow raises any of these if the bytes are damaged.
        except (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{source.name} is not a readable parquet file: {reason:.200}"
            ) from error
