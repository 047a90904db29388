"""Texts that stay on disk: read anew, some thousands at a time, each time they are needed."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Protocol, TypeGuard, runtime_checkable

from skdistill._core.texts import check_texts

# Texts in memory at a time.
_BATCH = 2**14


class Texts(Protocol):
    """Texts, whether in memory or not: a number of them, which can be gone through repeatedly."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[str]: ...


@runtime_checkable
class BatchedTexts(Protocol):
    """Texts on disk that are read in batches, such as those of parquet files."""

    def __len__(self) -> int: ...

    def batches(self, size: int) -> Iterator[list[Any]]:
        """Yield the texts, `size` at a time; not checked to be such."""


class CheckedTexts:
    """Texts on disk, checked while they are read: see `check_texts`.

    A sequence, such as a column of a ``datasets.Dataset``, is read by slices. Error messages call
    the texts by `name`.
    """

    def __init__(self, source: BatchedTexts | Sequence[Any], name: str):
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
        if isinstance(self.source, BatchedTexts):
            return self.source.batches(_BATCH)
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


def is_on_disk(texts: Any) -> TypeGuard[BatchedTexts | Sequence[Any]]:
    """Tell whether texts need not be in memory at once.

    They need not if they come in batches, or are a sequence that is not Python's own, such as a
    column of ``datasets``.
    """
    in_memory = isinstance(texts, list | tuple | deque | str | bytes | range)
    return isinstance(texts, BatchedTexts) or (isinstance(texts, Sequence) and not in_memory)


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Cut texts into lists of some thousands.

    Examples
    --------
    >>> from skdistill.text._streams import batches
    >>> [len(batch) for batch in batches(str(i) for i in range(20_000))]
    [16384, 3616]
    """
    rows = iter(texts)
    while batch := list(islice(rows, _BATCH)):
        yield batch
