"""Cut streams into parts."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")

# Characters after which a part ends, so that long texts do not fill the memory.
LONGEST_PART = 2**25


def in_parts(
    items: Iterable[_Item], size: int, length: Callable[[_Item], int]
) -> Iterator[list[_Item]]:
    """Yield lists of `size` consecutive items, or fewer if these are long.

    Examples
    --------
    >>> from skdistill.datasets._streams import in_parts
    >>> [*in_parts(["a", "b", "c"], 2, len)]
    [['a', 'b'], ['c']]
    """
    part: list[_Item] = []
    total = 0
    for item in items:
        part.append(item)
        total += length(item)
        if len(part) >= size or total >= LONGEST_PART:
            yield part
            part, total = [], 0
    if part:
        yield part
