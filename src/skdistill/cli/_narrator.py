"""Progress messages of a command on standard error."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Seconds without a line, after which a sign of life is printed.
_LONG = 30


class Narrator:
    """Print progress in `n_steps` steps to standard error, with the elapsed seconds.

    A silent narrator prints nothing.
    """

    def __init__(
        self, n_steps: int, clock: Callable[[], float] = time.monotonic, *, silent: bool = False
    ):
        self.n_steps = n_steps
        self.clock = clock
        self.silent = silent
        self.start = self.last = clock()
        self.n_told = 0

    def step(self, heading: str) -> None:
        """Print a numbered heading."""
        self.n_told += 1
        self._print(f"{self.n_told}/{self.n_steps}  {heading}")

    def note(self, text: str) -> None:
        """Print a line below the last heading."""
        self._print(f"     {text}")

    def sign_of_life(self, text: str) -> None:
        """Print a line if the last one is a while ago."""
        if self.clock() - self.last >= _LONG:
            self.note(text)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Print the package's log messages inside the block as notes."""
        logger, handler = logging.getLogger("skdistill"), _Notes(self)
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)

    def _print(self, text: str) -> None:
        # Without a console, sys.stderr is None and print would write to standard output.
        if not self.silent and sys.stderr is not None:
            self.last = self.clock()
            print(f"[{self.last - self.start:4.0f} s]  {text}", file=sys.stderr, flush=True)


class _Notes(logging.Handler):
    """Pass log messages to a narrator."""

    def __init__(self, tell: Narrator):
        super().__init__()
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.tell.note(record.getMessage())
