"""Limit the threads of numerical libraries."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_info, threadpool_limits


@contextmanager
def at_most(n_threads: int) -> Iterator[None]:
    """Limit the threads of NumPy and, if it is imported, of torch inside the block.

    Examples
    --------
    >>> import torch
    >>> from skdistill._core.threads import at_most
    >>> with at_most(1):
    ...     torch.get_num_threads()
    1
    """
    torch = sys.modules.get("torch")
    before = n_threads if torch is None else torch.get_num_threads()
    with threadpool_limits(
        {pool["prefix"]: min(pool["num_threads"], n_threads) for pool in threadpool_info()}
    ):
        if torch is not None:
            torch.set_num_threads(min(before, n_threads))
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)
