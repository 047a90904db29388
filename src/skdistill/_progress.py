"""Progress bars: a moving one for who watches, and a line now and then for a log file."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm as plain_tqdm
from tqdm.auto import tqdm

# Seconds between two lines of a log.
_LOG_INTERVAL = 10.0


def progress_bar(iterable: Iterable | None = None, **options: Any) -> plain_tqdm:
    """Open a bar on standard error that tells rate and time left.

    In a terminal and in a notebook it moves; anywhere else, such as in a pipe or a file, it
    writes a line at its beginning, at its end and every ten seconds between them.

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
    >>> from skdistill._progress import progress_bar
    >>> with progress_bar(total=2, desc="labelling", unit="text", disable=True) as bar:
    ...     _ = bar.update(2)
    """
    is_watched = _is_notebook_bar(tqdm) or sys.stderr.isatty()
    return (tqdm if is_watched else LogLines)(iterable, **options)


def _is_notebook_bar(bar: type) -> bool:
    return any(base.__module__ == "tqdm.notebook" for base in bar.__mro__)


class LogLines(plain_tqdm):
    """A bar for what is no terminal: whole lines, without carriage returns or escapes."""

    def __init__(self, iterable: Iterable | None = None, **options: Any):
        super().__init__(
            iterable,
            **{"mininterval": _LOG_INTERVAL, "maxinterval": _LOG_INTERVAL, "ncols": 0, **options},
        )

    @staticmethod
    def status_printer(file):
        """Return the function that shows a state."""

        def print_line(status: str) -> None:
            file.write(f"{status}\n")
            file.flush()

        return print_line

    def display(self, msg=None, pos=None):
        """Write the state, once there is something to tell."""
        if self.n or self.total is not None:
            super().display(msg, pos)

    def moveto(self, n):
        """Stay: a line in a log follows the one before, whichever bar it is from."""

    def set_postfix(self, ordered_dict=None, refresh=False, **kwargs):
        """Set what stands behind the figures, for the next line that is due."""
        super().set_postfix(ordered_dict, refresh=False, **kwargs)

    def close(self):
        """Write the last line, with the rate of the whole, unless it stands there already."""
        if not self.disable:
            if self.n > self.last_print_n:
                self._ema_dt = lambda: None  # as tqdm does
                self.display()
            self.sp = None  # else tqdm ends the line once more
        super().close()
