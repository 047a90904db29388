"""Texts that stay on disk: read anew, some thousands at a time, each time they are needed."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from skdistill._core.texts import check_texts

# Texts in memory at a time.
_BATCH = 2**14


class Texts(Protocol):
    """Texts, whether in memory or not: a number of them, which can be gone through repeatedly."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[str]: ...


class ParquetTexts:
    """A column of one or several parquet files, in batches.

    Parameters
    ----------
    location : str or path-like
        A file, or a folder whose files ``*.parquet`` are read in the order of their names.
    column : str
        The column of texts.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or the folder holds no parquet file.
    ValueError
        If a file lacks the column, or is no parquet file.
    """

    def __init__(self, location: str | os.PathLike[str], column: str):
        self.column = column
        self._paths = _parquet_files(Path(location))
        self._n_texts = sum(map(self._count, self._paths))

    def _count(self, path: Path) -> int:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                names, n_rows = file.schema_arrow.names, file.metadata.num_rows
        except pa.ArrowInvalid as error:
            raise ValueError(f"{path} is no readable parquet file: {error}") from error
        if self.column not in names:
            raise ValueError(
                f"{path} has no column {self.column!r}; its columns are {', '.join(names)}."
            )
        return n_rows

    def __len__(self) -> int:
        return self._n_texts

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[Any]]:
        """Yield the texts, some thousands at a time."""
        import pyarrow.parquet as pq

        for path in self._paths:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_BATCH, columns=[self.column], use_threads=False):
                    yield batch.column(0).to_pylist()


def _parquet_files(location: Path) -> list[Path]:
    if location.is_file():
        return [location]
    paths = sorted(location.glob("*.parquet"))
    if not paths:
        raise FileNotFoundError(
            f"{location} is no parquet file, and no folder that holds files *.parquet."
        )
    return paths


class CheckedTexts:
    """Texts on disk, checked while they are read: see `check_texts`.

    Parameters
    ----------
    source : ParquetTexts or Sequence
        A sequence is read by slices, such as a column of a ``datasets.Dataset``.
    name : str
        How error messages call it.
    """

    def __init__(self, source: ParquetTexts | Sequence[Any], name: str):
        self.source = source
        self.name = name

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[str]:
        n_read = 0
        for batch in self._batches():
            yield from check_texts(batch, name=self.name, allow_empty=True, first_row=n_read)
            n_read += len(batch)
        if n_read != len(self):
            raise ValueError(
                f"{self.name} gave {n_read} texts, but said that it holds {len(self)}; it must "
                "stay as it is while it is used."
            )

    def _batches(self) -> Iterable[Sequence[Any]]:
        if isinstance(self.source, ParquetTexts):
            return self.source.batches()
        return (self.source[start : start + _BATCH] for start in range(0, len(self.source), _BATCH))


class JoinedTexts:
    """Several collections of texts, one after the other.

    Examples
    --------
    >>> from skdistill.text._streams import JoinedTexts
    >>> texts = JoinedTexts([["one", "two"], ["three"]])
    >>> len(texts), list(texts)
    (3, ['one', 'two', 'three'])
    """

    def __init__(self, blocks: Sequence[Texts]):
        self.blocks = blocks

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self.blocks)


def is_on_disk(texts: Any) -> TypeGuard[ParquetTexts | Sequence[Any]]:
    """Tell whether texts are such as need not be in memory at once.

    Parameters
    ----------
    texts : object

    Returns
    -------
    bool
        True for `ParquetTexts` and for sequences that are not Python's own, such as columns of
        ``datasets``.
    """
    in_memory = isinstance(texts, list | tuple | deque | str | bytes | range)
    return isinstance(texts, ParquetTexts) or (isinstance(texts, Sequence) and not in_memory)


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Cut texts into lists of some thousands.

    Parameters
    ----------
    texts : iterable of str

    Yields
    ------
    list of str

    Examples
    --------
    >>> from skdistill.text._streams import batches
    >>> [len(batch) for batch in batches(str(i) for i in range(20_000))]
    [16384, 3616]
    """
    rows = iter(texts)
    while batch := list(islice(rows, _BATCH)):
        yield batch
