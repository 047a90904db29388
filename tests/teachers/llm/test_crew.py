import threading
import time
from itertools import chain

import pytest

from skdistill.teachers.llm import _crew
from skdistill.teachers.llm._client import StoppedError
from skdistill.teachers.llm._crew import work_in_threads


def test_all_items_are_worked_on_by_so_many_threads():
    names = set()

    def work(item):
        names.add(threading.current_thread().name)
        time.sleep(0.001)
        return item + 1

    results = work_in_threads(work, iter(range(50)), 4, threading.Event())
    assert sorted(result for some in results for result in some) == [*range(1, 51)]
    assert len(names) == 4


def test_items_are_taken_only_when_a_thread_is_free():
    taken = []

    def items():
        for item in range(20):
            taken.append(item)
            yield item

    free = threading.Event()
    results = work_in_threads(lambda _: free.wait(5), items(), 3, threading.Event())
    threading.Timer(0.05, lambda: (seen.append(len(taken)), free.set())).start()
    seen = []
    assert len([result for some in results for result in some]) == 20
    assert seen == [3]


def test_after_an_error_results_under_way_still_come():
    both, stop = threading.Barrier(2), threading.Event()

    def work(item):
        both.wait(5)
        if item == 0:
            raise OSError("broken")
        stop.wait(5)
        return item

    results = work_in_threads(work, iter(range(9)), 2, stop)
    assert next(results) == [1]
    with pytest.raises(OSError, match="broken"):
        next(results)
    assert stop.is_set()


def test_work_that_was_given_up_is_no_error_of_its_own():
    stop = threading.Event()

    def work(item):
        if item == 0:
            raise OSError("broken")
        stop.wait(5)
        raise StoppedError

    with pytest.raises(OSError, match="broken"):
        [*work_in_threads(work, iter(range(9)), 3, stop)]


def test_nothing_begins_when_nobody_reads_on():
    done, stop = [], threading.Event()
    results = work_in_threads(done.append, iter(range(10**6)), 2, stop)
    next(results)
    results.close()
    n_done = len(done)
    time.sleep(0.02)
    assert stop.is_set()
    assert len(done) == n_done < 10**6


def test_results_that_come_fast_are_handed_on_together():
    results = list(work_in_threads(str, iter(range(2_000)), 2, threading.Event()))
    assert sum(map(len, results)) == 2_000
    assert len(results) < 1_000


def test_results_that_gather_when_ctrl_c_comes_are_handed_on(monkeypatch):
    interrupts = iter([KeyboardInterrupt("first")])

    def sleep(_):
        for interrupt in interrupts:
            raise interrupt

    monkeypatch.setattr(_crew.time, "sleep", sleep)
    taken, stop = [], threading.Event()

    def work(item):
        taken.append(item)
        return item

    # So many that a busy machine does not finish them before the main thread looks.
    n_items = 10_000_000
    results, found = work_in_threads(work, iter(range(n_items)), 2, stop), []
    with pytest.raises(KeyboardInterrupt, match="first"):
        found.extend(chain.from_iterable(results))
    assert stop.is_set()
    assert sorted(found) == sorted(taken)
    assert len(taken) < n_items
