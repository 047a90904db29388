"""The teacher in front of real servers, with tiny models made here; ``make test-llm-server``.

The models answer each prompt with a character of known probability, so that what comes out can be
compared with what went in.
"""

import logging
import os
import pickle
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from skdistill import DistilledMLPClassifier, LLMTeacherClassifier

pytestmark = pytest.mark.llm_server

SCRIPT = Path(__file__).parents[2] / "llm_servers.py"
KEY = "sk-secret-9012"
TEXTS = [f"text {number}" for number in range(24)]
LABELS = ["ham", "spam", "other"]
# The probabilities of the keys A, B, C, and of an answer that is no label.
USUAL = {"A": 0.6, "B": 0.3, "C": 0.07, "x": 0.03}
# llama.cpp's own settings would never sample C, because A and B have more than 0.95.
SKEWED = {"A": 0.5, "B": 0.452, "C": 0.045, "x": 0.003}
NONSENSE = {"x": 0.6, "y": 0.4}
# Three in ten answers are empty.
SILENT = {"A": 0.4, "B": 0.2, "C": 0.1, "<|end|>": 0.3}
# Seconds to wait for a server. On a busy machine, importing transformers takes half a minute.
PATIENCE = 240


class Server:
    """A server in a process of its own, inside a ``with`` block."""

    def __init__(self, kind, log, *options):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self.log = log
        python = Path(os.environ["SKDISTILL_LLM_SERVER"]).absolute()
        hidden = {"OPENAI_API_KEY", "PYTHONPATH"}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        with open(log, "w") as output:
            self.process = subprocess.Popen(
                [python, SCRIPT, kind, str(port), *options],
                env=environment | {"OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )

    def __enter__(self):
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def _wait(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url.replace("/v1", "/health"), timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        pytest.fail(f"no server: {self.log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of models."""
    from tiny_chat_model import make_chat_model

    folder = tmp_path_factory.mktemp("models")
    return {
        "usual": make_chat_model(folder / "usual", USUAL),
        "greedy": make_chat_model(folder / "greedy", USUAL, do_sample=None),
        "skewed": make_chat_model(folder / "skewed", SKEWED),
        "nonsense": make_chat_model(folder / "nonsense", NONSENSE),
        "silent": make_chat_model(folder / "silent", SILENT),
    }


@pytest.fixture(scope="module")
def start(models, tmp_path_factory):
    """Return a function that starts a server for one of the models."""
    logs = tmp_path_factory.mktemp("logs")

    def start(kind, name, *keys):
        options = () if kind == "transformers" else (models[name], *keys)
        return Server(kind, logs / f"{len([*logs.iterdir()])}.log", *options)

    return start


@pytest.fixture(scope="module")
def transformers(start):
    """`transformers serve`, which loads any model that a request names."""
    with start("transformers", None) as server:
        yield server


@pytest.fixture(scope="module")
def llama_cpp(start):
    """The server of llama.cpp with the usual model."""
    with start("llama.cpp", "usual") as server:
        yield server


@pytest.fixture(params=["transformers", "llama_cpp"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def teacher(server, models):
    return make(server, models["usual"])


def make(server, model, **options):
    given = {"classes": LABELS, "max_retries": 0, "max_concurrency": 4} | options
    return LLMTeacherClassifier(model, base_url=server.url, **given).fit(["a"])


def expected(first, classes):
    """Return the probabilities of the labels, in the order of `classes`."""
    shares = np.array([first[key] for key in "ABC"])
    return (shares / shares.sum())[[LABELS.index(label) for label in classes]]


def check_samples(proba, first, classes, n_samples=5):
    """Check that rows are shares of samples, and their mean is that of the model."""
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(proba * n_samples, np.round(proba * n_samples), atol=1e-5)
    wanted = expected(first, classes)
    error = np.sqrt(wanted * (1 - wanted) / (n_samples * len(proba)))
    assert (abs(proba.mean(axis=0) - wanted) < 5 * error).all()


def test_llama_cpp_gives_logprobs(caplog, llama_cpp, models):
    caplog.set_level(logging.INFO, "skdistill")
    teacher = make(llama_cpp, models["usual"])
    proba = teacher.predict_proba(TEXTS)
    np.testing.assert_allclose(proba, [expected(USUAL, teacher.classes_)] * len(TEXTS), atol=1e-3)
    assert teacher.method_ == "logprobs"
    assert f"the server at {llama_cpp.url}/ gives logprobs" in caplog.text
    assert "24 answers; paid so far" in caplog.text
    assert "none of the labels" not in caplog.text


def test_empty_answers_have_logprobs_too(start, models):
    with start("llama.cpp", "silent") as server:
        teacher = make(server, models["silent"])
        proba = teacher.predict_proba(TEXTS)
    assert teacher.method_ == "logprobs"
    np.testing.assert_allclose(proba, [expected(SILENT, teacher.classes_)] * len(TEXTS), atol=1e-3)


def test_transformers_gives_samples_one_by_one(caplog, transformers, models):
    caplog.set_level(logging.INFO, "skdistill")
    teacher = make(transformers, models["usual"])
    check_samples(teacher.predict_proba(TEXTS), USUAL, teacher.classes_)
    assert teacher.method_ == "samples"
    assert f"{transformers.url}/ gives no logprobs, so method='samples'" in caplog.text
    assert "the server gives one answer at a time, so each sample is a request" in caplog.text
    with pytest.raises(ValueError, match="gives no logprobs for the model"):
        clone(teacher).set_params(method="logprobs").fit(["a"]).predict(TEXTS)


def test_llama_cpp_has_as_many_samples_as_slots_in_a_request(caplog, llama_cpp, models):
    caplog.set_level(logging.INFO, "skdistill")
    teacher = make(llama_cpp, models["usual"], method="samples", n_samples=2)
    check_samples(teacher.predict_proba(TEXTS), USUAL, teacher.classes_, n_samples=2)
    assert "Asking without it" not in caplog.text
    assert "each sample is a request" not in caplog.text
    teacher = make(llama_cpp, models["usual"], method="samples")
    check_samples(teacher.predict_proba(TEXTS), USUAL, teacher.classes_)
    assert "Field 'n'" in caplog.text
    # The schema leaves no other answers.
    assert "none of the labels" not in caplog.text


def test_rare_labels_are_sampled(start, models):
    with start("llama.cpp", "skewed") as server:
        teacher = make(server, models["skewed"], method="samples")
        proba = teacher.predict_proba([f"text {number}" for number in range(70)])
    check_samples(proba, SKEWED, teacher.classes_)
    assert proba[:, [*teacher.classes_].index("other")].any()


def test_samples_that_always_agree_are_warned_of(transformers, models):
    teacher = make(transformers, models["greedy"], method="samples", n_samples=2)
    with pytest.warns(UserWarning, match=r"each of 50 texts, all 2 samples agree.* transformers"):
        proba = teacher.predict_proba([f"text {number}" for number in range(50)])
    assert (proba[:, [*teacher.classes_].index("ham")] == 1).all()


def test_candidates(teacher):
    proba = teacher.set_params(method="candidates").fit(["a"]).predict_proba(TEXTS)
    np.testing.assert_array_equal(proba, [teacher.classes_ == "ham"] * len(TEXTS))


def test_nothing_is_read_into_nonsense(caplog, tmp_path, transformers, start, models):
    caplog.set_level(logging.INFO, "skdistill")
    with start("llama.cpp", "nonsense") as llama_cpp:
        for server in (transformers, llama_cpp):
            memory = tmp_path / server.log.name
            teacher = make(server, models["nonsense"], memory=memory)
            message = r"no usable answer for 1\d of 1\d texts.*texts\[0\], 'text 0': '[xy]' is none"
            with pytest.raises(ValueError, match=message):
                teacher.predict(TEXTS)
            assert "0 answers; paid so far" in caplog.text
            assert "answers were none of the labels" in caplog.text
            assert teacher.estimate(TEXTS).n_requests == len(TEXTS)
            caplog.clear()
        # With a schema, the same model can say nothing but labels.
        teacher = make(llama_cpp, models["nonsense"], method="samples")
        np.testing.assert_allclose(teacher.predict_proba(TEXTS).sum(axis=1), 1, atol=1e-6)


def test_a_text_that_is_too_long_is_named_and_the_others_are_kept(tmp_path, llama_cpp, models):
    teacher = make(llama_cpp, models["usual"], memory=tmp_path)
    with pytest.raises(ValueError, match=r"for 1 of 4 texts.*texts\[2\], 'long.* context size"):
        teacher.predict_proba([*TEXTS[:2], "long" * 2000, TEXTS[2]])
    assert teacher.estimate(TEXTS[:3]).n_requests == 0


def test_a_model_that_is_not_there_is_one_clear_line(transformers, models):
    teacher = make(transformers, f"{models['usual']}-2", max_retries=8)
    with pytest.raises(
        ConnectionError, match=r"\(500: .*\)\. Its log .* no model '.*-2'"
    ) as raised:
        teacher.predict(TEXTS)
    assert "\n" not in str(raised.value)


def test_llama_cpp_has_one_model_under_any_name(caplog, llama_cpp):
    caplog.set_level(logging.INFO, "skdistill")
    make(llama_cpp, "another").predict(TEXTS)
    assert "gguf', not 'another'" in caplog.text


def test_a_key_is_sent_and_nowhere_else(monkeypatch, tmp_path, caplog, start, models):
    caplog.set_level(logging.DEBUG)
    with start("llama.cpp", "usual", KEY) as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        teacher = make(server, models["usual"], memory=tmp_path)
        teacher.predict(TEXTS)
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}-wrong")
        with pytest.raises(PermissionError, match="refuses the key") as raised:
            teacher.predict(["another"])
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    kept += [pickle.dumps(teacher), caplog.text.encode(), f"{raised.value!r}".encode()]
    assert len(kept) > 3
    assert not any(KEY.encode() in content for content in kept)


@pytest.mark.parametrize("kind", ["transformers", "llama.cpp"])
def test_a_killed_server_costs_no_answers(tmp_path, kind, start, models):
    texts = [f"text {number}" for number in range(600)]
    with start(kind, "usual") as server:
        teacher = make(server, models["usual"], memory=tmp_path, method="candidates")
        killer = threading.Thread(target=kill_after, args=(server, teacher, 20))
        killer.start()
        with pytest.raises(ConnectionError, match=r"did not answer after 1 attempts \(.*Repeat"):
            teacher.predict(texts)
        killer.join()
    n_kept, _ = teacher._open_memory().totals()
    assert 20 <= n_kept < len(texts)
    assert teacher.estimate(texts).n_requests == len(texts) - n_kept
    # Without a server, only what is known is answered.
    known = [text for text in texts if not teacher.estimate([text]).n_requests]
    assert len(known) == n_kept
    proba = teacher.predict_proba(known)
    np.testing.assert_array_equal(proba, [teacher.classes_ == "ham"] * len(known))
    with pytest.raises(ConnectionError):
        teacher.predict(texts)


def kill_after(server, teacher, n_answers):
    """Kill a server when the memory has some answers, or after a minute."""
    end = time.monotonic() + 60
    while teacher._open_memory().totals()[0] < n_answers and time.monotonic() < end:
        time.sleep(0.01)
    server.process.kill()


def test_a_student_learns_from_it(server, teacher):
    student = DistilledMLPClassifier(teacher, max_epochs=2, augmenter=None, random_state=0)
    assert {*student.fit(TEXTS).predict(TEXTS)} <= {*LABELS}
