"""Threads that work on items one by one, without a list of all that is to be done."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

from skdistill.teachers.llm._client import StoppedError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_END = object()
# Seconds in which results gather: one by one, they cost the threads a tenth of their time. So many
# are handed on at once before, because they may tell that nothing more should be asked.
_PAUSE, _AT_ONCE = 0.02, 100


def work_in_threads(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    n_threads: int,
    stop: threading.Event,
) -> Iterator[list[_Result]]:
    """Yield lists of results, as they come.

    After an error or Ctrl-C, no new work begins; the results of work under way still come, then the
    error. A second Ctrl-C does not wait for them. `stop` is set at the end.

    Examples
    --------
    >>> from threading import Event
    >>> from skdistill.teachers.llm._crew import work_in_threads
    >>> results = work_in_threads(str.upper, iter("abc"), 2, Event())
    >>> sorted(result for some in results for result in some)
    ['A', 'B', 'C']
    """
    items, lock = iter(items), threading.Lock()
    results: SimpleQueue[Any] = SimpleQueue()

    def run() -> None:
        try:
            while not stop.is_set():
                with lock:
                    item: Any = next(items, _END)
                if item is _END:
                    break
                results.put(work(item))
        except StoppedError:
            pass
        except BaseException as error:
            results.put(_Error(error))
            stop.set()
        finally:
            results.put(_END)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    n_running, n_done, waits = n_threads, 0, True
    failure: BaseException | None = None
    try:
        while n_running:
            found = []
            try:
                found.append(results.get())
                if n_done >= _AT_ONCE:
                    time.sleep(_PAUSE)
            except KeyboardInterrupt as interrupt:
                if isinstance(failure, KeyboardInterrupt):
                    waits = False
                    raise
                failure = failure or interrupt
                stop.set()
            while not results.empty():
                found.append(results.get())
            n_running -= sum(result is _END for result in found)
            errors = [result.error for result in found if isinstance(result, _Error)]
            failure = failure or next(iter(errors), None)
            done = [r for r in found if r is not _END and not isinstance(r, _Error)]
            if done:
                n_done += len(done)
                yield done
        if failure is not None:
            raise failure
    finally:
        stop.set()
        for thread in threads if waits else ():
            thread.join()


class _Error:
    def __init__(self, error: BaseException):
        self.error = error
