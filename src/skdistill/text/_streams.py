"""Handle texts that stay on disk and are read in batches each time they are needed."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Protocol, TypeGuard, runtime_checkable

from skdistill._core.texts import check_texts

# Number of texts in memory at a time.
_BATCH = 2**14


class Texts(Protocol):
    """Texts in memory or on disk, with a known length and repeatable iteration."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[str]: ...


@runtime_checkable
class BatchedTexts(Protocol):
    """Texts on disk that are read in batches, for example from parquet files."""

    def __len__(self) -> int: ...

    def batches(self, size: int) -> Iterator[list[Any]]:
        """Yield lists of `size` rows, without checking that they are texts."""


class CheckedTexts:
    """Texts on disk that `check_texts` checks while they are read.

    A sequence, such as a column of a ``datasets.Dataset``, is read in slices. Error messages refer
    to the texts as `name`.
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
                f"{self.name} yielded {n_read} texts, but its length is {len(self)}. Do not change "
                "it while it is in use."
            )

    def _batches(self) -> Iterable[Sequence[Any]]:
        if isinstance(self.source, BatchedTexts):
            return self.source.batches(_BATCH)
        return (self.source[start : start + _BATCH] for start in range(0, len(self.source), _BATCH))


class JoinedTexts:
    """Concatenated collections of texts.

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
    """Return whether texts can be read without holding all of them in memory.

    This is so if they come in batches, or in a sequence that is not a Python built-in, such as a
    column of ``datasets``.
    """
    in_memory = isinstance(texts, list | tuple | deque | str | bytes | range)
    return isinstance(texts, BatchedTexts) or (isinstance(texts, Sequence) and not in_memory)


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in lists of up to 16,384.

    Examples
    --------
    >>> from skdistill.text._streams import batches
    >>> [len(batch) for batch in batches(str(i) for i in range(20_000))]
    [16384, 3616]
    """
    rows = iter(texts)
    while batch := list(islice(rows, _BATCH)):
        yield batch
