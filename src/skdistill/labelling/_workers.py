"""Labelling with a fitted teacher, in this process or in the workers of joblib's backend."""

import hashlib
import logging
import pickle
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing
from itertools import compress, islice
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from joblib import (
    Parallel,
    cpu_count,
    delayed,
    effective_n_jobs,
    wrap_non_picklable_objects,
)
from joblib.parallel import get_active_backend

from skdistill._core.files import replacing
from skdistill._core.multilabel import join_columns
from skdistill._core.threads import at_most
from skdistill.labelling._pace import Pace
from skdistill.labelling._parts import answers_in_parts
from skdistill.labelling._teacher import pickle_teacher

_logger = logging.getLogger(__name__)

# Number of consecutive worker deaths, with no finished shard in between, that raise an error.
_DEATHS = 3
# Number of shards per worker if there are few texts, and the minimum size of a shard.
_SHARDS_EACH, _SMALLEST_SHARD = 4, 256

# Row numbers of the texts, the texts, and the teacher's probabilities.
Shard = tuple[np.ndarray, list[str], Any]

# In a worker: the teacher it used last, by the hash of its file.
_loaded: dict[str, Any] = {}
_one_at_a_time = threading.Lock()


def count_workers() -> int:
    """Return the number of worker processes of joblib's active backend.

    It is 1 by default, for threading backends, and inside a worker.

    Examples
    --------
    >>> import joblib
    >>> from skdistill.labelling._workers import count_workers
    >>> count_workers()
    1
    >>> with joblib.parallel_config("loky", n_jobs=2):
    ...     count_workers()
    2
    """
    backend, _ = get_active_backend()
    if getattr(backend, "uses_threads", False) or backend.nesting_level or _is_dask_worker():
        return 1
    return effective_n_jobs(None)


def _is_dask_worker() -> bool:
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def label_here(
    teacher: Any, texts: Iterable[str], wanted: np.ndarray, pace: Pace
) -> Iterator[Shard]:
    """Label the wanted texts in this process; yield answers as they come."""
    predict_in_parts = answers_in_parts(teacher)
    if predict_in_parts is not None:
        rows, chosen = np.flatnonzero(wanted), [*compress(texts, wanted.tolist())]
        for part, proba in predict_in_parts(chosen):
            yield rows[part], [chosen[row] for row in part], proba
        return
    for rows, shard in _cut(texts, wanted, lambda: pace.size):
        start = perf_counter()
        proba = join_columns(teacher.predict_proba(shard))
        pace.note(len(rows), perf_counter() - start)
        yield rows, shard, proba


def label_in_workers(
    teacher: Any, texts: Iterable[str], wanted: np.ndarray, pace: Pace, n_workers: int, folder: Path
) -> Iterator[Shard]:
    """Label texts in the workers of joblib's active backend; yield shards as they finish.

    Each worker loads the teacher once, from a `folder` that all of them can access. If a worker
    dies, another one labels its shard, and `texts` are read again.

    Raises
    ------
    RuntimeError
        If workers die three times without finishing a shard in between.
    """
    missing, deaths = wanted.copy(), 0
    even = ceil(np.count_nonzero(wanted) / (_SHARDS_EACH * n_workers))
    most = max(even, _SMALLEST_SHARD)
    path = folder / "teacher.pickle"
    key = _write_teacher(teacher, path)
    try:
        while missing.any():
            shards = _cut(texts, missing.copy(), lambda: min(pace.size, most))
            try:
                for rows, shard, (proba, seconds) in _run(path, key, shards, n_workers):
                    yield rows, shard, proba
                    pace.note(len(rows), seconds)
                    missing[rows], deaths = False, 0
            except _signs_of_death() as error:
                deaths += 1
                n_missing = np.count_nonzero(missing)
                _logger.warning("a worker died; %d texts remain to be labelled", n_missing)
                if deaths == _DEATHS:
                    raise RuntimeError(
                        f"Workers died {deaths} times in a row, and "
                        f"{n_missing} texts are not labelled. If they ran out of "
                        "memory, use fewer workers or reduce the teacher's batch_size."
                    ) from error
    finally:
        path.unlink(missing_ok=True)


def _cut(
    texts: Iterable[str], wanted: np.ndarray, size: Callable[[], int]
) -> Iterator[tuple[np.ndarray, list[str]]]:
    rows, chosen = np.flatnonzero(wanted), compress(texts, wanted.tolist())
    start = 0
    while start < len(rows):
        shard = [*islice(chosen, size())]
        yield rows[start : start + len(shard)], shard
        start += len(shard)


def _write_teacher(teacher: Any, path: Path) -> str:
    # Wrapped as joblib does, to include classes that are defined in a notebook.
    content = pickle_teacher(
        teacher,
        lambda value: pickle.dumps(wrap_non_picklable_objects(value, keep_wrapper=False)),
    )
    with replacing(path) as file:
        file.write(content)
    return hashlib.blake2b(content).hexdigest()


def _run(
    path: Path, key: str, shards: Iterator[tuple[np.ndarray, list[str]]], n_workers: int
) -> Iterator[Shard]:
    """Label shards in workers; yield their answers with the seconds that each took."""
    given: dict[int, tuple[np.ndarray, list[str]]] = {}
    backend, _ = get_active_backend()
    client = getattr(backend, "client", None)
    is_ray = type(backend).__module__.partition(".")[0] == "ray"

    def tasks() -> Iterator[tuple[Any, ...]]:
        for number, (rows, shard) in enumerate(shards):
            given[number] = rows, shard
            yield delayed(_label_in_worker)(number, shard, str(path), key, n_workers)

    answers: Generator[tuple[int, Any], None, None]
    if client is not None:
        answers = _run_on_dask(client, tasks(), 2 * n_workers)
    elif is_ray:
        answers = _run_on_ray(tasks(), 2 * n_workers)
    elif backend.supports_return_generator:
        answers = Parallel(return_as="generator_unordered", batch_size=1)(tasks())
    else:  # answers come all at once; the caller labels the other texts in further rounds
        answers = (answer for answer in Parallel(batch_size=1)(islice(tasks(), n_workers)))
    with closing(answers):
        for number, proba in answers:
            yield *given.pop(number), proba


def _run_on_dask(
    client: Any, tasks: Iterator[tuple[Any, ...]], n_ahead: int
) -> Generator[tuple[int, Any], None, None]:
    """Run tasks like joblib's backend, which however waits forever if workers die; this raises."""
    from distributed import as_completed

    def submit(n_tasks: int) -> list[Any]:
        return [
            client.submit(function, *args, pure=False, **options)
            for function, args, options in islice(tasks, n_tasks)
        ]

    running = submit(n_ahead)
    finished = as_completed(running)
    try:
        for future in finished:
            yield future.result()
            running.remove(future)
            added = submit(1)
            running += added
            finished.update(added)
    finally:
        client.cancel(running)


def _run_on_ray(
    tasks: Iterator[tuple[Any, ...]], n_ahead: int
) -> Generator[tuple[int, Any], None, None]:
    """Run tasks without joblib's backend, which starts new processes for each call."""
    import ray

    def submit(n_tasks: int) -> list[Any]:
        return [
            ray.remote(max_retries=0)(function).remote(*args, **options)
            for function, args, options in islice(tasks, n_tasks)
        ]

    running, failure = submit(n_ahead), None
    while running:
        (finished,), running = ray.wait(running)
        try:
            answer = ray.get(finished)
        except Exception as error:
            # What is under way is waited for: cancelled, it could leave a worker half imported.
            failure = failure or error
            continue
        yield answer
        if failure is None:
            running += submit(1)
    if failure is not None:
        raise failure


def _label_in_worker(
    number: int, texts: list[str], path: str, key: str, n_workers: int
) -> tuple[int, Any]:
    with _one_at_a_time:
        if key not in _loaded:
            _loaded.clear()
            _loaded[key] = _read_teacher(path, key)
        with at_most(max(1, cpu_count() // n_workers)):
            start = perf_counter()
            proba = join_columns(_loaded[key].predict_proba(texts))
            return number, (proba, perf_counter() - start)


def _read_teacher(path: str, key: str) -> Any:
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"A worker cannot read the teacher's file {path!r}; set memory to a folder that all "
            "machines share."
        ) from None
    if hashlib.blake2b(content).hexdigest() != key:
        raise OSError(f"{path!r} was changed while workers were labelling; call fit again.")
    return pickle.loads(content)


def _signs_of_death() -> tuple[type[BaseException], ...]:
    signs: list[type[BaseException]] = [BrokenExecutor, CancelledError]
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        signs += [distributed.KilledWorker, distributed.comm.CommClosedError]
    ray = sys.modules.get("ray")
    if ray is not None:
        signs += [ray.exceptions.WorkerCrashedError, ray.exceptions.RayActorError]
    return tuple(signs)
