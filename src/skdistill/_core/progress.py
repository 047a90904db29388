"""Progress bars for terminals and notebooks, and progress lines for log files."""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Never, TypeVar, overload

from tqdm import tqdm as plain_tqdm
from tqdm.auto import tqdm

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    _PlainBar = plain_tqdm[Any]
    _AutoBar = tqdm[Any]
else:  # tqdm's classes take type arguments only in their stubs
    _PlainBar, _AutoBar = plain_tqdm, tqdm

_Item = TypeVar("_Item")

# Seconds between two lines in a log.
_LOG_INTERVAL = 10.0


@overload
def progress_bar(iterable: None = None, **options: Any) -> "plain_tqdm[Never]": ...


@overload
def progress_bar(iterable: Iterable[_Item], **options: Any) -> "plain_tqdm[_Item]": ...


def progress_bar(iterable: Iterable[_Item] | None = None, **options: Any) -> "plain_tqdm[_Item]":
    """Open a progress bar on standard error, with the rate and the remaining time.

    In a terminal or a notebook, the bar moves. Elsewhere, as in a pipe or a file, it writes a line
    at the beginning, every ten seconds, and at the end. In a process without standard error, it
    only counts.

    Parameters
    ----------
    iterable : iterable or None, default=None
        The items to iterate over and count.
    **options
        Options of ``tqdm``, such as ``total``, ``desc``, ``unit`` and ``disable``.

    Returns
    -------
    tqdm
        The bar, a context manager that closes itself.

    Examples
    --------
    >>> from skdistill._core.progress import progress_bar
    >>> with progress_bar(total=2, desc="labelling", unit="text", disable=True) as bar:
    ...     _ = bar.update(2)
    """
    if sys.stderr is None:
        options["disable"] = True
    is_watched = _is_notebook_bar(MovingBar) or (sys.stderr and sys.stderr.isatty())
    return (MovingBar if is_watched else LogLines)(iterable, **{"miniters": 1, **options})


def _is_notebook_bar(bar: type) -> bool:
    return any(base.__module__ == "tqdm.notebook" for base in bar.__mro__)


class _Bar(_PlainBar):
    """A bar that starts no thread and always releases tqdm's lock, even after Ctrl-C."""

    # tqdm's monitor thread serves bars that skip updates; with miniters=1, none is skipped.
    monitor_interval = 0

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> None:
        """Show the state and release the lock; tqdm's own method keeps the lock after an error."""
        if nolock or lock_args:
            super().refresh(nolock, lock_args)
            return
        with self.get_lock():  # type: ignore[no-untyped-call]
            super().refresh(nolock=True)


class MovingBar(_Bar, _AutoBar):
    """A bar for a terminal or a notebook."""


class LogLines(_Bar):
    """A bar for pipes and files, which writes whole lines without control characters."""

    def __init__(self, iterable: Iterable[Any] | None = None, **options: Any):
        super().__init__(
            iterable,
            **{"mininterval": _LOG_INTERVAL, "maxinterval": _LOG_INTERVAL, "ncols": 0, **options},
        )

    @staticmethod
    def status_printer(file: "SupportsWrite[str]") -> Callable[[str], None]:
        """Return the function that writes a state."""
        flush: Callable[[], None] = getattr(file, "flush", lambda: None)  # as tqdm does

        def print_line(status: str) -> None:
            file.write(f"{status}\n")
            flush()

        return print_line

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write the state, unless nothing has been counted and the total is unknown."""
        if self.n or self.total is not None:
            super().display(msg, pos)

    def moveto(self, n: int) -> None:
        """Do nothing, because the lines of all bars follow each other in a log."""

    def set_postfix(
        self,
        ordered_dict: Mapping[str, object] | None = None,
        refresh: bool | None = False,
        **kwargs: object,
    ) -> None:
        """Set the end of the next line."""
        super().set_postfix(ordered_dict, refresh=False, **kwargs)

    def close(self) -> None:
        """Write the last line, with the overall rate, unless it has been written."""
        if not hasattr(self, "start_t"):
            self.disable = True  # interrupted while opening
        if not self.disable:
            if self.n > self.last_print_n:
                self._ema_dt = lambda: None  # as tqdm does
                self.display()
            self.sp = None  # otherwise tqdm ends the line again
        super().close()
