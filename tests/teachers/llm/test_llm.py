import inspect
import json
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.utils import get_tags

from _faults import needs_posix
from chat_server import ChatServer, error, text_of
from skdistill import CascadeClassifier, DistilledMLPClassifier, LLMTeacherClassifier
from skdistill.labelling._fingerprint import teacher_fingerprint
from skdistill.metrics import apply_temperature
from skdistill.teachers.llm import _client

KEY = "sk-secret-5678"
TEXTS = [f"text {i} {'!' * (i % 2)}" for i in range(40)]
Y = np.array(["calm", "loud"] * 20)


def answer(text):
    """A is loud, B is calm."""
    return {"A": 0.75, "B": 0.25} if "!" in text else {"A": 0.125, "B": 0.875}


@pytest.fixture
def server():
    with ChatServer(answer) as running:
        yield running


def make(server, **options):
    given = {"classes": ["loud", "calm"], "base_url": server.url, "timeout": 5} | options
    return LLMTeacherClassifier("m", **given)


def saying(content, *texts):
    """Give another answer to some texts."""

    def trouble(number, body, given):
        if text_of(body) in texts:
            for choice in given["choices"]:
                choice["message"]["content"] = content
                choice["logprobs"] = {
                    "content": [
                        {"token": content, "top_logprobs": [{"token": content, "logprob": 0.0}]}
                    ]
                }
        return given

    return trouble  # fmt: skip


def test_probabilities_are_those_of_the_labels(server):
    teacher = make(server).fit(["no labels are needed"])
    np.testing.assert_array_equal(teacher.classes_, ["calm", "loud"])
    proba = teacher.predict_proba(["so what", "wow !"])
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba, [[0.875, 0.125], [0.25, 0.75]], rtol=1e-6)
    np.testing.assert_array_equal(teacher.predict(TEXTS), Y)
    assert teacher.method_ == "logprobs"
    assert server.most_at_once <= 8


def test_labels_may_come_from_y(server):
    teacher = make(server, classes=None, instructions="1 is calm.").fit(TEXTS, 1 * (Y == "calm"))
    np.testing.assert_array_equal(teacher.classes_, [0, 1])
    assert server.n_requests == 0
    assert "0: 0\n1: 1" in teacher._prompt.messages("")[0]["content"]
    teacher = make(server, classes=None).fit(TEXTS, Y)
    assert teacher.classes_.tolist() == ["calm", "loud"]
    assert "A: calm\nB: loud" in teacher._prompt.messages("")[0]["content"]


def test_equal_texts_are_asked_once(server):
    teacher = make(server, max_concurrency=3).fit(["a"])
    proba = teacher.predict_proba(["a", "b !", "a", "b !", "a"])
    np.testing.assert_array_equal(proba[[0, 1]][[0, 1, 0, 1, 0]], proba)
    assert server.texts == {"a": 1, "b !": 1}
    teacher.predict(["b !", "c"])
    assert server.texts == {"a": 1, "b !": 1, "c": 1}


@pytest.mark.parametrize("method", ["logprobs", "samples", "candidates"])
def test_memory_keeps_answers_by_prompt_labels_model_and_method(tmp_path, server, method):
    first = make(server, memory=tmp_path, method=method).fit(["a"])
    proba = first.predict_proba(TEXTS)
    assert server.n_requests == 40
    for options in ({}, {"max_concurrency": 1, "timeout": 9}, {"method": "auto"}):
        again = clone(first).set_params(**options).fit(["b"])
        np.testing.assert_array_equal(again.predict_proba(TEXTS[::-1]), proba[::-1])
    assert server.n_requests == 40
    other_method = "samples" if method == "candidates" else "candidates"
    for options in (
        {"classes": ["calm", "loud"]},
        {"classes": ["loud", "calm", "odd"]},
        {"instructions": "Be nice."},
        {"model": "another"},
        {"method": other_method},
    ):
        n_before = server.n_requests
        clone(first).set_params(**options).fit(["b"]).predict(["a"])
        assert server.n_requests == n_before + 1


def test_an_answer_is_the_same_when_it_comes_and_when_it_is_read(tmp_path):
    def odd(text):
        return {"A": (share := 0.01 + int(text) % 97 / 100), "B": 0.99 - share}

    with ChatServer(odd) as server:
        texts = [str(number) for number in range(60)]
        first = make(server, memory=tmp_path).fit(["a"]).predict_proba(texts)
        again = make(server, memory=tmp_path).fit(["a"]).predict_proba(texts)
        assert server.n_requests == 60
    np.testing.assert_array_equal(first, again)


def test_a_file_that_another_process_has_begun_counts_nothing(tmp_path, server):
    teacher = make(server, method="logprobs", memory=tmp_path).fit(["a"])
    teacher.predict(TEXTS)
    (answers,) = tmp_path.rglob("*.npz")
    (answers.parent / "logprobs-1.journal").touch()
    (answers.parent / "logprobs-2.journal").write_bytes(b"SKJ1")  # and another one, that was killed
    assert teacher.write_requests(tmp_path / "requests.jsonl", [*TEXTS, "new"]) == 1
    teacher.predict([*TEXTS, "new"])
    assert server.n_requests == 41


def test_the_folder_contains_no_text(tmp_path, server):
    make(server, memory=tmp_path, instructions="secret plan").fit(["a"]).predict(["secret text"])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(b"secret" in path.read_bytes() for path in files)


def test_missing_logprobs_are_noticed_with_one_request():
    with ChatServer(answer, has_logprobs=False) as server:
        teacher = make(server).fit(["a"])
        proba = teacher.predict_proba(TEXTS[:10])
    assert teacher.method_ == "samples"
    assert ["logprobs" in body for body in server.bodies].count(True) == 1
    np.testing.assert_allclose(proba * 5, np.round(proba * 5), atol=1e-6)
    # One text had one answer in its first request, four in the second.
    assert sorted(server.texts.values()) == [1] * 9 + [2]


def test_unusable_answers_are_reported_when_all_others_are_kept(tmp_path):
    with ChatServer(answer, saying("happy", TEXTS[3], TEXTS[8])) as server:
        teacher = make(server, memory=tmp_path).fit(["a"])
        with pytest.raises(ValueError, match="no usable answer for 2 of 40 texts") as raised:
            teacher.predict(TEXTS)
        assert server.n_requests == 42  # each of the two was asked for once more
        assert f"texts[3], {TEXTS[3]!r}: 'happy' is none of the labels" in str(raised.value)
        teacher.predict([text for i, text in enumerate(TEXTS) if i not in (3, 8)])
        assert server.n_requests == 42


def test_if_no_answer_is_usable_few_are_paid_for():
    with ChatServer(answer, saying("happy", *TEXTS)) as server:
        teacher = make(server, max_concurrency=2).fit(["a"])
        with pytest.raises(ValueError, match=r"no usable answer for 1[0-2] of 1[0-2] texts"):
            teacher.predict(TEXTS)
        assert server.n_requests <= 28


def test_bounds_of_missing_labels_are_warned_of():
    many = {chr(65 + i): 1 / 26 for i in range(26)}
    with ChatServer(lambda text: many) as server:
        teacher = make(server, classes=[f"class {i}" for i in range(26)]).fit(["a"])
        with pytest.warns(UserWarning, match="logprobs of 3 of 3 answers lacked some .* to 0.23 t"):
            teacher.predict_proba(["a", "b", "c"])


@pytest.mark.parametrize(
    ("n_texts", "odd", "warned"), [(50, "", True), (49, "", False), (50, "!", False)]
)
def test_samples_that_always_agree_are_warned_of(n_texts, odd, warned):
    def sure(text):
        return {"A": 0.5, "B": 0.5} if odd and odd in text else {"A": 1.0, "B": 0.0}

    message = f"For each of {n_texts} texts, all 5 samples agree"
    expected = pytest.warns(UserWarning, match=message) if warned else nullcontext()
    texts = [f"text {number}" for number in range(n_texts - 1)]
    with ChatServer(sure) as server, expected:
        make(server, method="samples").fit(["a"]).predict([*texts, "wow !"])


def test_storms_of_refusals_are_survived(monkeypatch):
    monkeypatch.setattr(_client, "_FIRST_WAIT", 0.001)

    def storm(number, body, given):
        busy = error(429, headers={"Retry-After": "0.05"})
        return busy if 5 <= number < 15 else error(500) if number % 7 == 3 else given

    with ChatServer(answer, storm) as server:
        assert make(server, max_concurrency=6).fit(["a"]).score(TEXTS, Y) == 1
        assert {*server.texts.values()} == {1}


def test_an_error_ends_all_at_once_and_keeps_the_rest(tmp_path):
    def broken(number, body, given):
        return error(401) if number >= 20 else given

    with ChatServer(answer, broken) as server:
        teacher = make(server, memory=tmp_path, max_concurrency=4).fit(["a"])
        with pytest.raises(PermissionError, match="refuses the key"):
            teacher.predict(TEXTS)
        assert server.n_requests <= 24
    with ChatServer(answer) as server:
        teacher.set_params(base_url=server.url).predict(TEXTS)
        assert server.n_requests == 20


def test_max_texts_stops_before_the_first_request(tmp_path, server):
    teacher = make(server, memory=tmp_path, max_texts=30).fit(["a"])
    with pytest.raises(ValueError, match=r"^40 more have no answer, but max_texts=30;"):
        teacher.predict(TEXTS)
    assert server.n_requests == 0
    teacher.predict(TEXTS[:25] * 2)
    with pytest.raises(ValueError, match=r"^25 texts were asked before, and 6 more have no answer"):
        clone(teacher).fit(["a"]).predict(TEXTS[:31])
    clone(teacher).fit(["a"]).predict(TEXTS[:30])
    assert server.n_requests == 30


def test_max_cost_stops_before_it_is_exceeded(tmp_path, server):
    options = {"memory": tmp_path, "prices": (1e3, 2e3), "max_concurrency": 4}
    teacher = make(server, **options, max_cost=1.5).fit(["a"])
    with pytest.raises(ValueError, match=r"max_cost=1.5 is nearly spent.* of 40 texts have their"):
        teacher.predict(TEXTS)
    n_first = server.n_requests

    def cost():
        return sum((29 + (i % 2)) * 1e-3 + 2e-3 for i in range(server.n_requests))

    one = (sum(len(m["content"].split()) for m in server.bodies[0]["messages"]) + 2) / 1e3
    assert 0 < n_first < 40
    assert n_first * one <= 1.5 + 0.1
    with pytest.raises(ValueError, match=rf"{n_first} of 40 texts"):
        clone(teacher).fit(["a"]).predict(TEXTS)  # what earlier calls have spent counts
    assert server.n_requests == n_first
    clone(teacher).set_params(max_cost=9).fit(["a"]).predict(TEXTS)
    assert server.n_requests == 40


def test_any_error_says_how_many_answers_are_kept(tmp_path):
    def trouble(number, body, given):
        return error(402, "Insufficient Balance") if number >= 20 else given

    with ChatServer(answer, trouble) as server:
        teacher = make(server, memory=tmp_path, max_concurrency=1).fit(["a"])
        with pytest.raises(ConnectionError, match="check the account") as caught:
            teacher.predict(TEXTS)
        [note] = caught.value.__notes__
        n_kept = int(note.split(" of 40 texts have their answers; repeat the call")[0])
        assert 15 <= n_kept <= 20


def test_an_estimate_asks_nothing(tmp_path, server):
    teacher = make(server, memory=tmp_path, prices=(1.0, 2.0)).fit(["a"])
    found = teacher.estimate(TEXTS * 2)
    assert found.n_requests == found.n_output_tokens == 40
    assert found.cost == pytest.approx((found.n_input_tokens + 2 * 40) / 1e6)
    n_bytes = sum(
        len(message["content"]) for text in TEXTS for message in teacher._prompt.messages(text)
    )
    assert found.n_input_tokens == pytest.approx(n_bytes / 4 + 8 * 40, abs=40)
    assert server.n_requests == 0
    teacher.predict(TEXTS)
    assert teacher.estimate(TEXTS) == dict.fromkeys(found, 0)
    samples = clone(teacher).set_params(method="samples", prices=None).fit(["a"])
    assert samples.estimate(TEXTS).n_output_tokens == 40 * 5 * 8
    assert samples.estimate(TEXTS).cost is None


def test_examples_are_drawn_with_a_seed(server):
    teacher = make(server, examples_per_class=3, random_state=1).fit(TEXTS, Y)
    assert sorted(label for _, label in teacher.examples_) == ["calm"] * 3 + ["loud"] * 3
    assert all(("!" in text) == (label == "loud") for text, label in teacher.examples_)
    teacher.predict(["a"])
    sent = server.bodies[0]["messages"]
    assert len(sent) == 2 + 12
    assert [m["content"] for m in sent[1:-1:2]] == [
        f"Text: {t}\nLabel:" for t, _ in teacher.examples_
    ]
    assert {m["content"] for m in sent[2:-1:2]} == {"A", "B"}
    assert clone(teacher).fit(TEXTS, Y).examples_ == teacher.examples_
    assert clone(teacher).set_params(random_state=2).fit(TEXTS, Y).examples_ != teacher.examples_


def test_probabilities_can_be_calibrated(tmp_path, server):
    options = {"n_calibration": 30, "random_state": 0, "memory": tmp_path}
    other = {"calm": "loud", "loud": "calm"}
    # The model is right about seven of eight, as it says, but for the draw, and two of three.
    y, worse = ([other[Y[i]] if i % n == 0 else Y[i] for i in range(len(Y))] for n in (8, 3))
    teacher = make(server, **options, examples_per_class=1).fit(TEXTS, y)
    assert server.n_requests == 30
    assert not {*server.texts} & {text for text, _ in teacher.examples_}
    assert 0.5 < teacher.temperature_ < 2
    assert teacher.temperature_ != 1
    plain = np.float32([[0.875, 0.125]])
    np.testing.assert_allclose(
        teacher.predict_proba(["a"]), apply_temperature(plain, teacher.temperature_), rtol=1e-5
    )
    assert make(server, n_calibration=30, random_state=0).fit(TEXTS, worse).temperature_ > 1.3


def test_a_calibration_that_fails_leaves_no_teacher_and_loses_no_answer():
    broken = [True]

    def refuse(number, body, sent):
        return error(401) if broken and number >= 15 else sent

    with ChatServer(answer, refuse) as server:
        teacher = make(server, n_calibration=30, random_state=0, max_concurrency=1)
        with pytest.raises(PermissionError):
            teacher.fit(TEXTS, Y)
        with pytest.raises(NotFittedError):
            teacher.predict_proba(["a"])
        broken.clear()
        n_asked = server.n_requests
        for _ in range(2):
            with pytest.warns(UserWarning, match="right about 30 of the 30 texts"):
                teacher.fit(TEXTS, Y)
        assert server.n_requests - n_asked == 15


@pytest.mark.parametrize(("y", "n_right"), [(Y, 20), (Y[::-1], 0)])
def test_a_model_that_is_always_right_or_wrong_keeps_its_probabilities(server, y, n_right):
    with pytest.warns(UserWarning, match=f"right about {n_right} of the 20 texts of n_calibration"):
        teacher = make(server, n_calibration=20, random_state=0).fit(TEXTS, y)
    assert teacher.temperature_ == 1
    np.testing.assert_allclose(teacher.predict_proba(["a"]), [[0.875, 0.125]])


@pytest.mark.parametrize(
    ("options", "y", "message"),
    [
        ({"classes": None}, None, "requires y to be passed"),
        ({"classes": None}, [0, 1] * 20, r"The labels \[0, 1\] mean nothing to a model"),
        ({"examples_per_class": 1}, None, "need labelled texts, but y is None"),
        ({"n_calibration": 1}, None, "need labelled texts, but y is None"),
        ({"examples_per_class": 99, "n_calibration": 1}, Y, "none is left to calibrate with"),
        ({}, ["calm", "odd"] * 20, r"y\[1\] is 'odd'"),
        ({}, [0, 1] * 20, "pass classes in sorted order"),
        ({}, np.eye(40, 2, dtype=int), "classes is for texts with one label each"),
        ({"classes": None}, np.ones((40, 2), int), "should be a 1d array"),
        ({"classes": ["a"]}, None, "at least two labels"),
        ({"classes": ["a", " "]}, None, "is blank"),
        ({"classes": range(63, 130), "method": "logprobs"}, None, "too many for method"),
        ({"max_cost": 1}, None, "max_cost needs prices"),
        ({"prices": (1, 2, 3)}, None, "prices must be two numbers"),
        ({"method": "best"}, None, "'method' parameter"),
        ({"timeout": 0}, None, "'timeout' parameter"),
    ],
)
def test_what_cannot_be_fitted_is_explained(server, options, y, message):
    with pytest.raises(ValueError, match=message):
        make(server, **options).fit(TEXTS, y)
    assert server.n_requests == 0


def test_more_labels_than_characters_are_sampled(server):
    teacher = make(server, classes=range(63)).fit(["a"])
    assert teacher.method_ == "samples"


def test_it_must_be_fitted_first(server):
    for use in ("predict_proba", "estimate"):
        with pytest.raises(NotFittedError):
            getattr(make(server), use)(TEXTS)


def test_tags_tell_whether_labels_are_needed(server):
    def needed(**options):
        return get_tags(make(server, **options)).target_tags.required

    assert not needed()
    assert needed(classes=None)
    assert needed(examples_per_class=1)
    assert needed(n_calibration=1)


def test_the_fingerprint_is_what_answers_depend_on(server):
    def key(y=None, **options):
        return teacher_fingerprint(make(server, **options), TEXTS, y)

    same = {key(), key(Y), key(memory="x"), key(verbose=1), key(max_cost=1, prices=(1, 1)),
            teacher_fingerprint(FrozenEstimator(make(server).fit(TEXTS)), TEXTS, Y)}  # fmt: skip
    assert len(same) == 1
    assert key(Y, classes=None) == key(Y[::-1], classes=None)
    others = [key(classes=["calm", "loud"]), key(instructions="Be nice."), key(method="samples"),
              key(n_samples=4), key(Y, examples_per_class=1), key(Y[::-1], examples_per_class=1),
              key(Y, examples_per_class=1, random_state=0)]  # fmt: skip
    assert len(same.union(others)) == 8


def test_a_student_learns_without_labels(server):
    student = DistilledMLPClassifier(make(server), max_epochs=100, augmenter=None, random_state=0)
    assert student.fit(TEXTS).score(TEXTS, Y) == 1
    assert server.n_requests == 40


def test_a_text_costs_one_request_in_a_whole_search(tmp_path, server):
    """5 folds, 12 sizes and a refit; the teacher has no memory, the student has one."""
    student = DistilledMLPClassifier(
        make(server), memory=tmp_path, max_epochs=1, augmenter=None, random_state=0
    )
    sizes = {"n_parameters": [*range(200, 1400, 100)]}
    search = GridSearchCV(student, sizes, cv=5).fit(TEXTS, Y)
    assert len(search.cv_results_["params"]) == 12
    assert server.n_requests == 40
    assert {*server.texts.values()} == {1}


def test_folds_share_the_memory_of_a_teacher(tmp_path, server):
    teacher = make(server, classes=["calm", "loud"], memory=tmp_path)
    # scikit-learn numbers the labels for the first of the two.
    proba = cross_val_predict(teacher, TEXTS, Y, method="predict_proba", cv=4)
    np.testing.assert_array_equal(proba.argmax(axis=1), Y == "calm")  # A is calm here
    cross_val_predict(teacher, TEXTS, Y, cv=5)
    assert server.n_requests == 40


def test_it_answers_what_a_cascade_does_not_know(server):
    student = DistilledMLPClassifier(max_epochs=1, augmenter=None, random_state=0)
    cascade = CascadeClassifier(student, make(server), max_teacher_rate=1.0, random_state=0)
    np.testing.assert_array_equal(cascade.fit(TEXTS, Y).predict(TEXTS), Y)


def test_a_pickle_predicts_but_keeps_no_answers(server):
    teacher = make(server).fit(["a"])
    proba = teacher.predict_proba(TEXTS)
    loaded = pickle.loads(pickle.dumps(teacher))
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), proba)
    assert server.n_requests == 80


def test_the_key_is_in_nothing_that_is_kept(monkeypatch, tmp_path, caplog, server):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    teacher = make(server, memory=tmp_path).fit(["a"])
    teacher.predict(TEXTS)
    assert all(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)
    teacher.write_requests(tmp_path / "requests.jsonl", [*TEXTS, "new"])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    kept = [path.read_bytes() for path in files] + [pickle.dumps(teacher), caplog.text.encode()]
    kept += [
        repr(teacher).encode(),
        repr(vars(teacher)).encode(),
        repr(teacher.get_params()).encode(),
    ]
    assert len(kept) > 7
    assert not any(KEY.encode() in content for content in kept)


def test_progress_shows_the_method_and_the_cost(capsys, server):
    make(server, verbose=1, prices=(1e3, 0)).fit(["a"]).predict(TEXTS)
    shown = capsys.readouterr().err
    assert re.search(r"asking \(logprobs\): 100% 40/40 .*cost=\d\.\d{4}", shown)
    make(server).fit(["a"]).predict(TEXTS)
    assert capsys.readouterr() == ("", "")


def test_no_client_is_loaded_before_the_first_request():
    code = (
        "import sys; from skdistill import LLMTeacherClassifier as Teacher;"
        "Teacher('m', classes=['a', 'b'], base_url='http://127.0.0.1:1').fit(['x']).estimate(['y']);"
        "print({'openai', 'httpx', 'torch'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def respond(server, requests, answers):
    """Do what a batch interface does."""
    with open(requests) as read, open(answers, "w") as write:
        for line in read:
            request = json.loads(line)
            assert (request["method"], request["url"]) == ("POST", "/v1/chat/completions")
            body = server.make(request["body"])
            answered = {"custom_id": request["custom_id"], "error": None}
            write.write(json.dumps(answered | {"response": {"status_code": 200, "body": body}}))
            write.write("\n")


@pytest.mark.parametrize("method", ["logprobs", "samples", "candidates"])
def test_batches_give_the_same_answers(tmp_path, server, method):
    requests, answers = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    asked = make(server, method=method).fit(["a"]).predict_proba(TEXTS)
    n_asked = server.n_requests
    server.texts.clear()
    teacher = make(server, method=method, memory=tmp_path / "memory").fit(["a"])
    assert teacher.write_requests(requests, TEXTS + TEXTS) == 40
    respond(server, requests, answers)
    assert teacher.read_answers(answers) == 40
    assert teacher.read_answers(answers) == 0
    np.testing.assert_array_equal(teacher.predict_proba(TEXTS), asked)
    assert server.n_requests == n_asked
    assert teacher.write_requests(requests, [*TEXTS, "another"]) == 1


def test_lines_without_an_answer_are_reported(tmp_path, server):
    requests, answers = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    teacher = make(server, method="candidates").fit(["a"])
    teacher.write_requests(requests, TEXTS[:6])
    respond(server, requests, answers)
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    lines[0]["custom_id"] = "another"
    lines[1] |= {"response": None, "error": {"message": "expired"}}
    lines[2]["response"]["body"]["choices"][0]["message"]["content"] = "happy"
    written = [*map(json.dumps, lines), '{"custom_id": "cut', "[]", ""]
    answers.write_text("\n".join(written))
    with pytest.raises(ValueError, match=r"unusable answers in 5 lines .*; and 2 more") as raised:
        teacher.read_answers(answers)
    for part in (
        "line 1: custom_id 'another' is of another prompt",
        "line 2: {'message': 'expired",
        "line 3: 'happy' is none of the labels",
        "The usable answers, to 3 texts, are kept",
    ):
        assert part in str(raised.value)
    assert teacher.write_requests(requests, TEXTS[:6]) == 3


def test_usable_samples_of_a_line_are_kept(tmp_path, server):
    requests, answers = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    teacher = make(server, method="samples", n_samples=4).fit(["a"])
    teacher.write_requests(requests, TEXTS[:2])
    respond(server, requests, answers)
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    choices = lines[0]["response"]["body"]["choices"]
    choices[0]["message"]["content"], choices[1] = "happy", "no choice"
    answers.write_text("\n".join(map(json.dumps, lines)))
    for n_texts in (2, 0):  # reading the file twice changes nothing
        with pytest.raises(ValueError, match=rf"in 1 lines .* to {n_texts} texts, are kept"):
            teacher.read_answers(answers)
        assert teacher.write_requests(requests, TEXTS[:2]) == 1
    assert json.loads(requests.read_text())["body"]["n"] == 2
    respond(server, requests, answers)
    assert teacher.read_answers(answers) == 1
    assert set(np.unique(4 * teacher.predict_proba(TEXTS[:2]))) <= {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    "response", ["x", {"body": "x"}, {"body": {"choices": "x"}}, {"body": {"choices": ["x"]}}]
)
def test_answers_of_an_odd_form_are_reported(tmp_path, server, response):
    path = tmp_path / "batch.jsonl"
    teacher = make(server, method="samples").fit(["a"])
    teacher.write_requests(path, ["one"])
    custom_id = json.loads(path.read_text())["custom_id"]
    path.write_text(json.dumps({"custom_id": custom_id, "response": response}))
    with pytest.raises(ValueError, match=r"unusable answers in 1 lines \(line 1: "):
        teacher.read_answers(path)


def test_batches_have_a_budget_and_a_method(tmp_path, server):
    path = tmp_path / "requests.jsonl"
    with pytest.raises(ValueError, match='for batches, set method to "logprobs"'):
        make(server).fit(["a"]).write_requests(path, TEXTS)
    teacher = make(server, method="logprobs", max_texts=39, max_cost=0.01, prices=(1, 1))
    with pytest.raises(ValueError, match="max_texts=39"):
        teacher.fit(["a"]).write_requests(path, TEXTS)
    assert teacher.fit(["a"]).write_requests(path, TEXTS[:39]) == 39
    teacher.set_params(max_cost=0.0001)
    with pytest.raises(ValueError, match=r"would cost about 0\.\d+, but max_cost=0\.0001"):
        teacher.fit(["a"]).write_requests(path, TEXTS[:39])


def ask_many(url, memory, n_texts):
    from skdistill import LLMTeacherClassifier

    teacher = LLMTeacherClassifier(
        "m", classes=["loud", "calm"], base_url=url, memory=memory, max_concurrency=4
    )
    return teacher.fit(["a"]).predict_proba([f"text {i}" for i in range(n_texts)]).sum()


def ask_elsewhere(url, memory, n_texts):
    """Do the same in another process."""
    code = f"{inspect.getsource(ask_many)}\nask_many({url!r}, {str(memory)!r}, {n_texts})"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def test_a_kill_repeats_only_what_was_under_way(tmp_path):
    with ChatServer(answer, delay=0.005) as server:
        for n_killed in (1, 2):
            process = ask_elsewhere(server.url, tmp_path, 400)
            while server.n_requests < 120 * n_killed:
                time.sleep(0.002)
            process.kill()
            process.wait()
            time.sleep(0.05)
        assert ask_many(server.url, tmp_path, 400) == pytest.approx(400)
        assert len(server.texts) == 400
        assert server.n_requests <= 400 + 2 * 4
        n_requests = server.n_requests
        ask_many(server.url, tmp_path, 400)
        assert server.n_requests == n_requests


def test_two_processes_pay_once(tmp_path):
    with ChatServer(answer, delay=0.01) as server:
        process = ask_elsewhere(server.url, tmp_path, 200)
        while not server.n_requests:
            time.sleep(0.002)
        assert ask_many(server.url, tmp_path, 220) == pytest.approx(220)
        assert process.wait() == 0
        assert server.n_requests == 220


@needs_posix
def test_ctrl_c_keeps_what_is_under_way(tmp_path):
    def interrupt(number, body, given):
        if number == 20:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.05)
        return given

    with ChatServer(answer, interrupt, delay=0.002) as server:
        with pytest.raises(KeyboardInterrupt):
            ask_many(server.url, tmp_path, 400)
        n_first = server.n_requests
        assert n_first < 60
        ask_many(server.url, tmp_path, 400)
        assert server.n_requests == 400
