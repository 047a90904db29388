"""Labelling in the workers of joblib's backends, with real clusters and real deaths."""

import os
import signal
import sys
from collections import Counter
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from _faults import hashed_proba, needs_posix
from skdistill import DistilledMLPClassifier, TextPool, TransformerTeacherClassifier
from skdistill._core.threads import at_most
from skdistill.labelling import _workers
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._pace import Pace
from skdistill.labelling._workers import _read_teacher, _signs_of_death, count_workers
from skdistill.storage._store import SoftLabelStore

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])
TEXTS = [f"text {i}" for i in range(3000)]


class NotingTeacher(ClassifierMixin, BaseEstimator):
    """A teacher that writes down which process it is in and what it is asked.

    It kills its process when it meets the text `fatal`: once, or each time.
    """

    def __init__(self, log, fatal=None, always=False):
        self.log = log
        self.fatal = fatal
        self.always = always

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "classes_"):
            self._note(["loaded"])

    def _note(self, lines):
        # In one call, which other processes cannot cut in two.
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, "".join(f"{os.getpid()} {line}\n" for line in lines).encode())
        os.close(file)

    def predict_proba(self, X):
        self._note(X)
        died = Path(f"{self.log}-died")
        if self.fatal in X and (self.always or not died.exists()):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return hashed_proba(X)


def read_log(log):
    """Return the processes that loaded the teacher, one entry a load, and the texts asked for."""
    lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
    loads = [pid for pid, text in lines if text == "loaded"]
    return loads, Counter(text for _, text in lines if text != "loaded")


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed")
    import dask

    # A death is told at once, instead of after the fourth of the same shard.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ray_cluster():
    ray = pytest.importorskip("ray", reason="needs Ray: pip install ray")
    from ray.util.joblib import register_ray

    register_ray()
    # Its workers must find the classes of this module.
    paths = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=paths)
    yield
    ray.shutdown()


@pytest.fixture(params=["loky", "dask", pytest.param("ray", marks=pytest.mark.slow)])
def backend(request):
    if request.param != "loky":
        request.getfixturevalue({"dask": "dask_client", "ray": "ray_cluster"}[request.param])
    return joblib.parallel_config(request.param, n_jobs=2)


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr("skdistill.labelling._pace.FEW", 100)
    monkeypatch.setattr("skdistill.labelling._pace.MANY", 100)


def test_deaths_of_rays_workers_are_known(monkeypatch):
    class Crash(Exception):  # noqa: N818
        pass

    class ActorDeath(Exception):  # noqa: N818
        pass

    exceptions = SimpleNamespace(WorkerCrashedError=Crash, RayActorError=ActorDeath)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(exceptions=exceptions))
    assert {Crash, ActorDeath, BrokenExecutor} <= {*_signs_of_death()}


def check_labels(proba, texts=TEXTS):
    np.testing.assert_array_equal(proba, hashed_proba(texts).astype(np.float32))


def test_workers_label_each_text_once(backend, tmp_path):
    log, memory = tmp_path / "log", tmp_path / "memory"
    with backend:
        proba = SoftLabeler(NotingTeacher(log), X, Y, memory=memory).label(TEXTS + TEXTS[:5])
    check_labels(proba, TEXTS + TEXTS[:5])
    loads, asked = read_log(log)
    assert asked == Counter(TEXTS)
    assert len(loads) == len({*loads}) <= 2
    assert str(os.getpid()) not in loads
    (teacher,) = SoftLabelStore(memory).teachers()
    assert teacher.n_texts == len(TEXTS)
    assert not [*memory.rglob("teacher.pickle")]


def test_workers_need_no_memory(backend, tmp_path):
    with backend:
        check_labels(SoftLabeler(NotingTeacher(tmp_path / "log"), X, Y).label(TEXTS))


def test_a_backend_without_a_stream_of_answers_labels_in_rounds(
    tmp_path, small_shards, monkeypatch
):
    log, texts, rounds, run = tmp_path / "log", TEXTS[:400], [], _workers._run
    monkeypatch.setattr(_workers, "_run", lambda *args: rounds.append(args) or run(*args))
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        proba = SoftLabeler(NotingTeacher(log), X, Y, memory=tmp_path).label(texts)
    check_labels(proba, texts)
    _, asked = read_log(log)
    assert asked == Counter(texts)
    assert len(rounds) == 2  # of two shards with 100 texts


@needs_posix
@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs:UserWarning")
def test_a_worker_that_dies_costs_no_finished_shard(
    backend, tmp_path, small_shards, monkeypatch, caplog
):
    log, kept = tmp_path / "log", []
    append = SoftLabelStore.append

    def note_what_is_kept(self, key, labelled, fit):
        append(self, key, labelled, fit)
        if not Path(f"{log}-died").exists():
            kept.extend(labelled)

    monkeypatch.setattr(SoftLabelStore, "append", note_what_is_kept)
    teacher = NotingTeacher(log, fatal=TEXTS[1500])
    with backend:
        proba = SoftLabeler(teacher, X, Y, memory=tmp_path / "memory").label(TEXTS)
    check_labels(proba)
    _, asked = read_log(log)
    assert asked.keys() == {*TEXTS}
    assert asked[TEXTS[1500]] == 2
    assert kept
    assert "a worker died; " in caplog.text
    assert {asked[text] for text in kept} == {1}
    (stored,) = SoftLabelStore(tmp_path / "memory").teachers()
    assert stored.n_texts == len(TEXTS)


@pytest.mark.slow
@needs_posix
@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs:UserWarning")
def test_a_text_that_kills_every_worker_is_an_error(backend, tmp_path, small_shards):
    log, memory = tmp_path / "log", tmp_path / "memory"
    teacher = NotingTeacher(log, fatal=TEXTS[0], always=True)
    with (
        backend,
        pytest.raises(RuntimeError, match=r"Workers died 3 times .* texts are not labelled"),
    ):
        SoftLabeler(teacher, X, Y, memory=memory).label(TEXTS[:600])
    assert not [*memory.rglob("teacher.pickle")]


@pytest.mark.slow
def test_workers_label_as_a_transformer_does_here(backend, tiny_checkpoint, topics, tmp_path):
    texts, labels = topics
    teacher = TransformerTeacherClassifier(
        tiny_checkpoint, max_epochs=1, random_state=0, device="cpu", precision="fp32"
    ).fit(texts[:60], labels[:60])
    with backend:
        labeler = SoftLabeler(FrozenEstimator(teacher), texts[:60], labels[:60], memory=tmp_path)
        proba = labeler.label(texts)
    distinct = [*dict.fromkeys(texts)]
    expected = dict(zip(distinct, teacher.predict_proba(distinct), strict=True))
    np.testing.assert_allclose(proba, [expected[text] for text in texts], atol=1e-6)


@pytest.mark.slow
def test_a_search_labels_inside_its_workers(backend, tmp_path):
    log = tmp_path / "log"
    student = DistilledMLPClassifier(
        NotingTeacher(log),
        analyzer="char",
        pooling="mean",
        max_epochs=1,
        memory=tmp_path / "memory",
        random_state=0,
    )
    rows = [f"{text} {number}" for number, text in enumerate(X * 4)]
    search = GridSearchCV(student, {"embedding_dim": [2, 4]}, cv=2)
    with backend:
        search.fit(rows, [*Y] * 4, X_unlabeled=TextPool(TEXTS))
    _, asked = read_log(log)
    assert asked.keys() == {*TEXTS, *rows}
    # A teacher a fold, and one for the refit, whatever the sizes of students.
    assert {asked[text] for text in TEXTS} == {3}


def test_no_workers_unless_processes_are_configured():
    assert count_workers() == 1
    with joblib.parallel_config("threading", n_jobs=2):
        assert count_workers() == 1
    with joblib.parallel_config("loky", n_jobs=2):
        assert count_workers() == 2
        inside = joblib.Parallel()(joblib.delayed(count_workers)() for _ in range(2))
        assert inside == [1, 1]


def test_threads_are_limited_for_a_while():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with at_most(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_workers_share_the_processors(tmp_path, monkeypatch):
    limits = []

    @contextmanager
    def noted(n_threads):
        limits.append(n_threads)
        yield

    monkeypatch.setattr(_workers, "at_most", noted)
    monkeypatch.setattr(_workers, "cpu_count", lambda: 8)
    path = tmp_path / "teacher.pickle"
    key = _workers._write_teacher(NotingTeacher(tmp_path / "log").fit(X, Y), path)
    for n_workers in (2, 8, 16):
        _workers._label_in_worker(0, X, str(path), key, n_workers)
    assert limits == [4, 1, 1]


@pytest.mark.parametrize(("n_texts", "sizes"), [(3000, [375] * 8), (600, [256, 256, 88])])
def test_each_worker_gets_four_shards_unless_they_were_small(n_texts, sizes, tmp_path, monkeypatch):
    def run(path, key, shards, n_workers):
        for rows, shard in shards:
            yield rows, shard, (hashed_proba(shard), 0.01)

    monkeypatch.setattr(_workers, "_run", run)
    wanted = np.arange(3000) < n_texts
    teacher, pace = NotingTeacher(tmp_path / "log"), Pace(is_kept=False)
    shards = _workers.label_in_workers(teacher, TEXTS, wanted, pace, 2, tmp_path)
    assert [len(rows) for rows, _, _ in shards] == sizes


class FakeRay:
    """Ray's functions, run when they are waited for; `log` lists what was submitted."""

    def __init__(self):
        self.log = []

    def remote(self, **options):
        def decorate(function):
            def submit(*args):
                self.log.append(args)
                return partial(function, *args)

            return SimpleNamespace(remote=submit)

        return decorate

    def wait(self, running):
        return running[:1], running[1:]

    def get(self, finished):
        return finished()


def test_ray_gets_a_new_task_for_each_finished_one(monkeypatch):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    tasks = ((lambda n: n * n, (number,), {}) for number in range(7))
    answers = _workers._run_on_ray(tasks, 3)
    assert next(answers) == 0
    assert len(ray.log) == 3
    assert [*answers] == [1, 4, 9, 16, 25, 36]
    assert ray.log == [(number,) for number in range(7)]


def test_after_a_failure_ray_gets_no_new_task_and_answers_are_kept(monkeypatch):
    def fail_at_one(number):
        if number == 1:
            raise OverflowError(number)
        return number

    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    answers = _workers._run_on_ray(((fail_at_one, (number,), {}) for number in range(9)), 3)
    assert [next(answers) for _ in range(3)] == [0, 2, 3]
    with pytest.raises(OverflowError):
        next(answers)
    assert len(ray.log) == 4


def test_a_worker_loads_nothing_but_the_teacher_it_was_sent(tmp_path):
    path = tmp_path / "teacher.pickle"
    with pytest.raises(FileNotFoundError, match="a folder that all machines share"):
        _read_teacher(str(path), "0")
    path.write_bytes(b"something else")
    with pytest.raises(OSError, match="was changed while workers were labelling"):
        _read_teacher(str(path), "0")
