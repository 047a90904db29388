"""Progress bars: a moving one for who watches, and a line now and then for a log file."""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Never, TypeVar, overload

from tqdm import tqdm as plain_tqdm
from tqdm.auto import tqdm

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    _PlainBar = plain_tqdm[Any]
    _AutoBar = tqdm[Any]
else:  # tqdm's classes take type arguments in their stubs alone
    _PlainBar, _AutoBar = plain_tqdm, tqdm

_Item = TypeVar("_Item")

# Seconds between two lines of a log.
_LOG_INTERVAL = 10.0


@overload
def progress_bar(iterable: None = None, **options: Any) -> "plain_tqdm[Never]": ...


@overload
def progress_bar(iterable: Iterable[_Item], **options: Any) -> "plain_tqdm[_Item]": ...


def progress_bar(iterable: Iterable[_Item] | None = None, **options: Any) -> "plain_tqdm[_Item]":
    """Open a bar on standard error that tells rate and time left.

    In a terminal and in a notebook it moves; anywhere else, such as in a pipe or a file, it
    writes a line at its beginning, at its end and every ten seconds between them. Where there is no
    standard error, as in a process without a console, it only counts.

    Parameters
    ----------
    iterable : iterable or None, default=None
        What to count, while it is gone through.
    **options
        Those of ``tqdm``, such as ``total``, ``desc``, ``unit`` and ``disable``.

    Returns
    -------
    tqdm
        A context manager, which closes the bar whatever ends the block.

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
    """A bar that starts no thread, and leaves tqdm's lock to others wherever Ctrl-C hits it."""

    # tqdm's thread looks after bars that skip updates; with miniters=1 none is skipped.
    monitor_interval = 0

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> None:
        """Show the state; tqdm's own method keeps the lock if that fails, and threads hang."""
        if nolock or lock_args:
            super().refresh(nolock, lock_args)
            return
        with self.get_lock():  # type: ignore[no-untyped-call]
            super().refresh(nolock=True)


class MovingBar(_Bar, _AutoBar):
    """A bar for a terminal or a notebook."""


class LogLines(_Bar):
    """A bar for what is no terminal: whole lines, without carriage returns or escapes."""

    def __init__(self, iterable: Iterable[Any] | None = None, **options: Any):
        super().__init__(
            iterable,
            **{"mininterval": _LOG_INTERVAL, "maxinterval": _LOG_INTERVAL, "ncols": 0, **options},
        )

    @staticmethod
    def status_printer(file: "SupportsWrite[str]") -> Callable[[str], None]:
        """Return the function that shows a state."""
        flush: Callable[[], None] = getattr(file, "flush", lambda: None)  # as tqdm does

        def print_line(status: str) -> None:
            file.write(f"{status}\n")
            flush()

        return print_line

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write the state, once there is something to tell."""
        if self.n or self.total is not None:
            super().display(msg, pos)

    def moveto(self, n: int) -> None:
        """Stay: a line in a log follows the one before, whichever bar it is from."""

    def set_postfix(
        self,
        ordered_dict: Mapping[str, object] | None = None,
        refresh: bool | None = False,
        **kwargs: object,
    ) -> None:
        """Set what stands behind the figures, for the next line that is due."""
        super().set_postfix(ordered_dict, refresh=False, **kwargs)

    def close(self) -> None:
        """Write the last line, with the rate of the whole, unless it stands there already."""
        if not hasattr(self, "start_t"):
            self.disable = True  # interrupted while it opened
        if not self.disable:
            if self.n > self.last_print_n:
                self._ema_dt = lambda: None  # as tqdm does
                self.display()
            self.sp = None  # else tqdm ends the line once more
        super().close()
