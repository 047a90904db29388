"""Cut streams into parts."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")


def in_parts(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield lists of `size` consecutive items; the last may be shorter.

    Examples
    --------
    >>> from skdistill.datasets._streams import in_parts
    >>> [*in_parts("abcde", 2)]
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
