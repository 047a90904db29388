import os
import pickle
import signal
import threading
import time
from collections import namedtuple
from itertools import cycle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from _faults import call_in_process, hashed_proba, needs_posix
from skdistill import (
    CascadeClassifier,
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    TextPool,
    make_tfidf_baseline,
)
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._transfer_set import make_transfer_set

X = ["so what", "wow !", "oh", "yes !", "well", "go !"]
Y = np.array(["calm", "loud"] * 3)
CALLS = []


def ask(texts):
    CALLS.append(texts)
    return [[0.1, 0.9] if "!" in text else [0.8, 0.2] for text in texts]


def ask_backwards(texts):
    return np.array(ask(texts))[:, ::-1]


def ask_length(texts):
    shares = np.array([len(text) / 10 for text in texts])
    return np.column_stack([1 - shares, shares])


def test_the_answer_is_the_prediction():
    teacher = FunctionTeacherClassifier(ask).fit(X, Y)
    np.testing.assert_array_equal(teacher.classes_, ["calm", "loud"])
    proba = teacher.predict_proba(["a", "!"])
    np.testing.assert_array_equal(proba, np.float32([[0.8, 0.2], [0.1, 0.9]]))
    np.testing.assert_array_equal(teacher.predict(X), Y)
    assert teacher.score(X, Y) == 1
    assert FunctionTeacherClassifier(ask_backwards).fit(X, Y).score(X, Y) == 0


def test_the_function_is_given_a_list_whatever_the_container():
    CALLS.clear()
    FunctionTeacherClassifier(ask).fit(np.array(X), Y).predict_proba(np.array(["a", "b"]))
    assert CALLS == [["a", "b"]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([[0.5, 0.5]], r"2 of the 2 texts .*'b': func returned 1 rows for 2 texts\)"),
        ([[0.2, 0.3, 0.5]] * 2, r"'b': \[0.2, 0.3, 0.5\] has 3 numbers for 2 classes\)"),
        ([0.5, 0.7], r"texts\[0\], 'a': 0.5 is one number; return the probability of each class"),
        ([[0.5, 0.5], [3.0, 1.0]], r"texts\[1\], 'b': \[3.0, 1.0\] sums to 4, not to 1"),
        ([[0.5, 0.5], [0.5, 0.44]], r"texts\[1\], 'b': \[0.5, 0.44\] sums to 0.94, not to 1"),
        ([[1.5, -0.5]] * 2, r"'b': \[1.5, -0.5\] contains a negative or non-finite number\)"),
        ([[0.5, 0.5], [np.nan, 1.0]], r"texts\[1\], 'b': .* contains a negative or non-finite"),
        (None, r"func returned an object None for 2 texts"),
        ("calm", r"func returned an object 'calm' for 2 texts"),
        ({"calm": 1}, r"func returned an object {'calm': 1} for 2 texts"),
        (["calm", "CALM"], r"texts\[1\], 'b': 'CALM' is none of the classes"),
        ([{"loud": 0.5, "calm": "half"}] * 2, r"contains 'half', not a number"),
        ([{"loud": 0.5, "quiet": 0.5}] * 2, r"has the key 'quiet', which is none of the classes"),
        ([["calm"], "calm"], r"texts\[0\], 'a': \['calm'\] is neither a label nor probabilities"),
        ([None, "calm"], r"texts\[0\], 'a': None is neither a label nor probabilities"),
        ([{"calm": 0.3}, "calm"], r"texts\[0\], 'a': {'calm': 0.3} sums to 0.3, not to 1"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(answer, message):
    teacher = FunctionTeacherClassifier(lambda texts: answer).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        teacher.predict_proba(["a", "b"])


@pytest.mark.parametrize(
    ("answer", "fault"),
    [(["loud"], r"\['loud'\] is no sequence of probabilities"), ("loud", "'loud' is one label")],
)
def test_answers_of_several_labels_are_never_labels(answer, fault):
    teacher = FunctionTeacherClassifier(lambda texts: [answer] * len(texts))
    teacher.fit(X, pd.DataFrame({"loud": [0, 1] * 3, "short": [1, 0] * 3}))
    advice = "For each text, return the probability of each label, or a dict of labels and prob"
    with pytest.raises(ValueError, match=f"{fault}.*{advice}"):
        teacher.predict_proba(["a"])


@pytest.mark.parametrize("kind", ["Int64", "int64[pyarrow]", "object", "float64", "list"])
def test_a_missing_label_does_not_spoil_the_others(kind):
    """pandas makes floats of a column of integers of which one is missing."""
    answers = [3, None, 11]
    if kind != "list":
        answers = pd.Series(answers, dtype=kind)
    teacher = FunctionTeacherClassifier(lambda texts: answers, classes=[3, 11]).fit(X)
    message = r"for 1 of the 3 texts .*texts\[1\], 'b': (None|nan|<NA>) is neither a label nor prob"
    with pytest.raises(ValueError, match=message):
        teacher.predict_proba([*"abc"])


@pytest.mark.parametrize("column", [[0.5, np.nan], [np.inf, np.nan], [1.0, 3.0]])
def test_floats_are_no_integers_without_a_reason(column):
    teacher = FunctionTeacherClassifier(lambda texts: pd.Series(column), classes=[1, 3]).fit(X)
    with pytest.raises(ValueError, match=rf"{column[0]} is one number; return the probability of"):
        teacher.predict_proba([*"ab"])


@pytest.mark.parametrize("as_given", [list, np.array])
def test_rounded_answers_are_normalised(as_given):
    rows = [[0.33, 0.66], [0.3, 0.65], [0.55, 0.5], [0.5, 0.5]]
    teacher = FunctionTeacherClassifier(lambda texts: as_given(rows)).fit(X, Y)
    proba = teacher.predict_proba([*"abcd"])
    np.testing.assert_allclose(proba, [[p / (p + q), q / (p + q)] for p, q in rows], rtol=1e-6)


@pytest.mark.parametrize("labels", [["calm", "loud"], [3, 1], [True, False], np.array([2, 5])])
def test_a_label_is_an_answer(labels):
    first, second = labels
    answers = [first, {second: 0.25, first: 0.75}, second, {second: 1}]
    teacher = FunctionTeacherClassifier(lambda texts: answers, classes=labels).fit(X)
    np.testing.assert_array_equal(teacher.classes_, sorted(labels))
    column = teacher.classes_.tolist().index(first)
    np.testing.assert_array_equal(teacher.predict_proba([*"abcd"])[:, column], [1, 0.75, 0, 0])
    table = FunctionTeacherClassifier(lambda texts: np.array([first, second]), classes=labels)
    np.testing.assert_array_equal(table.fit(X).predict(["a", "b"]), [first, second])


def test_columns_follow_the_given_classes():
    teacher = FunctionTeacherClassifier(lambda texts: [[0.9, 0.1]], classes=["loud", "calm"])
    assert teacher.fit(X).predict(["a"]) == ["loud"]
    np.testing.assert_array_equal(teacher.predict_proba(["a"]), np.float32([[0.1, 0.9]]))
    teacher.fit(X, Y)
    assert teacher.predict(["a"]) == ["loud"]


def test_labels_must_be_among_the_given_classes():
    teacher = FunctionTeacherClassifier(ask, classes=["calm", "wild"])
    with pytest.raises(ValueError, match=r"y\[1\] is 'loud', a label that is not in classes"):
        teacher.fit(X, Y)
    with pytest.raises(ValueError, match="at least two labels, without repeats"):
        teacher.set_params(classes=["calm", "calm"]).fit(X)
    with pytest.raises(ValueError, match="y has one column per label, but classes is for"):
        teacher.set_params(classes=[0, 1]).fit(X, np.eye(6, 2, dtype=int))
    with pytest.raises(ValueError, match="requires y"):
        FunctionTeacherClassifier(ask).fit(X)


def test_several_labels_are_read_from_arrays_and_dicts():
    y = np.eye(6, 3, dtype=int) + np.eye(6, 3, k=1, dtype=int)
    answers = [[0.25, 1, 0.5], {0: 0.25, 2: 1}]
    teacher = FunctionTeacherClassifier(lambda texts: answers).fit(X, y)
    np.testing.assert_array_equal(teacher.predict_proba(["a", "b"]), [[0.25, 1, 0.5], [0.25, 0, 1]])
    for first in ([0.25, 1.0009, 0.5], {0: 0.25, 1: 1.0000001, 2: 0.5}, np.float32([0.25, 1, 0.5])):
        for answers[:] in ([first, first], np.array([[0.25, 1.0009, 0.5]] * 2)):
            np.testing.assert_array_equal(teacher.predict_proba(["a", "b"])[0], [0.25, 1, 0.5])
    for odd, message in [([0.2, 1.1, 0], "a number above 1"), (1, "the probability of each label")]:
        answers[1] = odd
        with pytest.raises(ValueError, match=message):
            teacher.predict_proba(["a", "b"])


def test_names_of_several_labels_reach_the_end_of_a_pipeline():
    y = pd.DataFrame(np.eye(6, 2, dtype=int), columns=["calm", "loud"])

    def ask_by_name(texts):
        return [{"loud": 0.9, "calm": 0.2} for _ in texts]

    pipeline = make_pipeline(FunctionTransformer(), FunctionTeacherClassifier(ask_by_name))
    for teacher in (FunctionTeacherClassifier(ask_by_name), pipeline):
        student = DistilledMLPClassifier(teacher, max_epochs=1, random_state=0).fit(X, y)
        assert student.classes_.tolist() == ["calm", "loud"]


POOL = [f"text {number}" for number in range(500)]


def make_service(fault=None):
    """Make a function that notes what it is asked for, and fails at a text while it has a fault."""
    asked, faults = [], [fault]

    def answer(texts):
        if POOL[400] in texts and faults[0] is not None:
            faults[0]()
        asked.extend(texts)
        return hashed_proba(texts)

    answer.asked, answer.faults = asked, faults
    return answer


def lose_connection():
    raise OSError("no route")


def press_ctrl_c():
    raise KeyboardInterrupt


def send_ctrl_c():
    """Interrupt the main thread, from any thread."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)


def make_service_teacher(service, **params):
    # A version, because the function changes when its fault is mended.
    return FunctionTeacherClassifier(service, classes=["calm", "loud"], version=1, **params)


@pytest.mark.parametrize(
    "wrap",
    [
        FrozenEstimator,
        lambda teacher: make_pipeline(FunctionTransformer(), teacher),
        lambda teacher: VotingClassifier([("one", teacher), ("cheap", teacher)], voting="soft"),
        lambda teacher: FrozenEstimator(make_pipeline("passthrough", FrozenEstimator(teacher))),
    ],
)
def test_a_teacher_around_a_function_loses_no_more(tmp_path, wrap):
    service = make_service(lose_connection)
    inner = FunctionTeacherClassifier(service, version=1, batch_size=10).fit(X, Y)
    teacher = wrap(inner)
    with pytest.raises(OSError, match="no route") as failure:
        SoftLabeler(teacher, X, Y, memory=tmp_path).label(POOL)
    n_members = 1 + isinstance(teacher, VotingClassifier)
    n_kept = int(failure.value.__notes__[0].partition(" ")[0])
    assert 0 <= len(service.asked) - n_members * n_kept <= 10 * n_members
    assert n_kept >= 190


def test_a_pipeline_that_drops_texts_is_refused():
    teacher = make_service_teacher(make_service(None), batch_size=10)
    dropping = make_pipeline(FunctionTransformer(lambda texts: texts[:10]), teacher)
    with pytest.raises(ValueError, match="texts after the pipeline must have the same number"):
        SoftLabeler(dropping, X, None).label(POOL)


# Ctrl-C may come between opening a file and the statement that would close it.
MAY_LEAVE_OPEN = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.mark.parametrize("n_jobs", [1, 4])
@pytest.mark.parametrize(
    "fault",
    [
        lose_connection,
        press_ctrl_c,
        pytest.param(send_ctrl_c, marks=[needs_posix, MAY_LEAVE_OPEN]),
    ],
)
def test_an_error_costs_one_batch(tmp_path, fault, n_jobs):
    # A shell that starts Python in the background has it ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        check_an_error_costs_one_batch(tmp_path, fault, n_jobs)
    finally:
        signal.signal(signal.SIGINT, before)


def check_an_error_costs_one_batch(tmp_path, fault, n_jobs):
    service = make_service(fault)
    teacher = make_service_teacher(service, n_jobs=n_jobs, batch_size=10)
    with pytest.raises((OSError, KeyboardInterrupt)) as failure:
        SoftLabeler(teacher, X, None, memory=tmp_path).label(POOL)
    (note,) = failure.value.__notes__
    n_kept = int(note.partition(" ")[0])
    assert note == (
        f"{n_kept} of 500 answers are kept in {str(tmp_path)!r}; repeat the call to request only "
        "the rest."
    )
    # Ctrl-C may reach the main thread anywhere, and then costs the batches under way.
    n_lost = 10 * n_jobs if fault is send_ctrl_c and n_jobs > 1 else 0
    n_asked = len(service.asked)
    assert n_asked >= 400
    assert n_asked - n_lost <= n_kept <= n_asked
    service.faults[0] = None
    proba = SoftLabeler(teacher, X, None, memory=tmp_path).label(POOL)
    assert set(service.asked) == set(POOL)
    # Batches under way may also end after the interruption, and be kept after the note was written.
    assert abs(len(service.asked) - (len(POOL) + n_asked - n_kept)) <= n_lost
    np.testing.assert_array_equal(proba, hashed_proba(POOL).astype(np.float32))


def ask_until_killed(folder):
    service = make_service(lambda: os.kill(os.getpid(), signal.SIGKILL))
    SoftLabeler(make_service_teacher(service), X, None, memory=folder).label(POOL)


@needs_posix
def test_a_killed_process_costs_one_batch(tmp_path):
    assert call_in_process(ask_until_killed, tmp_path) == signal.SIGKILL
    service = make_service()
    proba = SoftLabeler(make_service_teacher(service), X, None, memory=tmp_path).label(POOL)
    assert len(service.asked) <= 500 - 399 + 32
    np.testing.assert_array_equal(proba, hashed_proba(POOL).astype(np.float32))


def test_odd_answers_are_named_and_the_others_kept(tmp_path):
    asked = []
    odd = {"text 7", "text 8", "text 100", "text 499"}

    def answer(texts):
        asked.extend(texts)
        return [
            None if text in odd else row
            for text, row in zip(texts, hashed_proba(texts), strict=True)
        ]

    teacher = FunctionTeacherClassifier(answer, version="a", batch_size=50)
    with pytest.raises(
        ValueError, match=r"4 of the 500 texts .*\(texts\[7\], 'text 7'; "
    ) as failure:
        SoftLabeler(teacher, X, Y, memory=tmp_path).label(POOL)
    assert "496 of 500 answers are kept" in failure.value.__notes__[0]
    asked.clear()
    kept = odd.copy()
    odd.clear()
    SoftLabeler(teacher, X, Y, memory=tmp_path).label(POOL)
    assert {*asked} == kept


def test_a_function_without_a_usable_answer_is_not_asked_for_everything():
    asked = []

    def answer(texts):
        asked.extend(texts)
        return [[0.5, 0.2, 0.3]] * len(texts)

    with pytest.raises(ValueError, match=r"32 of the 32 texts .* has 3 numbers for 2 classes"):
        FunctionTeacherClassifier(answer).fit(X, Y).predict_proba(POOL)
    assert asked == POOL[:32]


def test_failures_and_odd_answers_are_asked_again_after_increasing_times(monkeypatch):
    asked, waited = [], []
    monkeypatch.setattr("time.sleep", waited.append)
    outcomes = [OSError("busy"), [[0.2, 0.8], None, None], [[0.3, 0.7], "nonsense"], ["loud"]]

    def answer(texts):
        asked.append(texts)
        outcome = outcomes[len(asked) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    teacher = FunctionTeacherClassifier(answer, max_retries=3).fit(X, Y)
    proba = teacher.predict_proba(["a", "b", "c"])
    np.testing.assert_array_equal(proba, np.float32([[0.2, 0.8], [0.3, 0.7], [0, 1]]))
    assert asked == [["a", "b", "c"], ["a", "b", "c"], ["b", "c"], ["c"]]
    assert waited == [1, 2, 4]


def test_nothing_is_asked_again_by_default():
    service = make_service(lose_connection)
    with pytest.raises(OSError, match="no route"):
        make_service_teacher(service).fit(X).predict_proba(POOL)
    assert len(service.asked) == 384


def test_batches_are_asked_for_in_threads():
    barrier, sizes = threading.Barrier(3, timeout=30), []

    def answer(texts):
        barrier.wait()  # until three calls are under way
        sizes.append(len(texts))
        return hashed_proba(texts)

    teacher = FunctionTeacherClassifier(answer, batch_size=5, n_jobs=3).fit(X, Y)
    proba = teacher.predict_proba(POOL[:45])
    np.testing.assert_array_equal(proba, hashed_proba(POOL[:45]).astype(np.float32))
    assert sizes == [5] * 9


@pytest.mark.parametrize("params", [{}, {"classes": ["no", "yes"]}], ids=["y", "classes"])
def test_cross_validation_asks_for_each_text_once(tmp_path, params):
    asked = []

    def answer(texts):
        asked.extend(texts)
        return hashed_proba(texts)

    teacher = FunctionTeacherClassifier(answer, **params)
    student = DistilledMLPClassifier(teacher, memory=tmp_path, max_epochs=1, random_state=0)
    labels = np.array(["no", "yes"] * 180)
    texts = [f"{word} {text}" for word, text in zip(cycle(labels), POOL, strict=False)]
    pool = TextPool(texts[360:])
    cross_validate(student, texts[:360], labels, cv=3, params={"X_unlabeled": pool})
    assert sorted(asked) == sorted(texts)


def test_an_edited_function_is_asked_again_and_a_version_prevents_it(tmp_path):
    asked = []

    def label(func, **params):
        teacher = FunctionTeacherClassifier(func, **params)
        asked.clear()
        proba = SoftLabeler(teacher, X, Y, memory=tmp_path).label(["a", "b"])
        return proba[0, 0], len(asked)

    def make(share):
        def answer(texts):
            asked.extend(texts)
            return [[share, 1 - share]] * len(texts)

        return answer

    assert label(make(0.25)) == (0.25, 2)
    assert label(make(0.25)) == (0.25, 0)
    assert label(make(0.5)) == (0.5, 2)
    assert label(make(0.25), version=1) == (0.25, 2)
    assert label(make(0.5), version=1) == (0.25, 0)
    assert label(make(0.5), version=2) == (0.5, 2)


def test_a_client_needs_a_version(tmp_path):
    client = open(os.devnull)  # noqa: SIM115

    def answer(texts):
        assert client
        return hashed_proba(texts)

    with pytest.raises(TypeError, match=r"closure 'client' of .*answer.* version=") as failure:
        SoftLabeler(FunctionTeacherClassifier(answer), X, Y, memory=tmp_path).label(["a"])
    assert len(str(failure.value)) < 500
    teacher = FunctionTeacherClassifier(answer, version=1)
    assert SoftLabeler(teacher, X, Y, memory=tmp_path).label(["a"]).shape == (1, 2)
    client.close()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="'func' parameter"):
        FunctionTeacherClassifier("ask").fit(X, Y)
    with pytest.raises(ValueError, match="X and y must have the same number of rows"):
        FunctionTeacherClassifier(ask).fit(X, Y[:3])
    with pytest.raises(ValueError, match="only one class"):
        FunctionTeacherClassifier(ask).fit(X, ["calm"] * 6)
    with pytest.raises(ValueError, match=r"X\[1\] is missing"):
        FunctionTeacherClassifier(ask).fit(X, Y).predict(["a", None])


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predicting_needs_a_fit(method):
    with pytest.raises(NotFittedError):
        getattr(FunctionTeacherClassifier(ask), method)(X)


def test_clone_pickle_and_tags():
    teacher = FunctionTeacherClassifier(ask)
    assert clone(teacher).get_params() == teacher.get_params()
    copy = pickle.loads(pickle.dumps(teacher.fit(X, Y)))
    np.testing.assert_array_equal(copy.predict_proba(X), teacher.predict_proba(X))
    assert get_tags(teacher).input_tags.string
    student = DistilledMLPClassifier(teacher, max_epochs=2, random_state=0).fit(X, Y)
    copy = pickle.loads(pickle.dumps(student))
    assert copy.teacher.func is ask
    np.testing.assert_array_equal(copy.predict_proba(X), student.predict_proba(X))


def test_functions_can_be_searched_over():
    search = GridSearchCV(FunctionTeacherClassifier(ask), {"func": [ask_backwards, ask]}, cv=3)
    np.testing.assert_array_equal(search.fit(X, Y).cv_results_["mean_test_score"], [0, 1])
    student = DistilledMLPClassifier(
        FunctionTeacherClassifier(ask), max_epochs=60, lr=0.02, random_state=0
    )
    search = GridSearchCV(student, {"teacher__func": [ask_backwards, ask]}, cv=3)
    assert search.fit(X * 4, np.tile(Y, 4)).best_params_ == {"teacher__func": ask}


@pytest.mark.parametrize("freeze", [False, True])
def test_memory_spares_the_function(tmp_path, freeze):
    CALLS.clear()
    teacher = FunctionTeacherClassifier(ask)
    if freeze:
        teacher = FrozenEstimator(teacher.fit(X, Y))
    first = SoftLabeler(teacher, X, Y, memory=tmp_path).label(X)
    again = SoftLabeler(teacher, X, Y, memory=tmp_path).label(X[::-1])
    assert CALLS == [X]
    np.testing.assert_array_equal(again[::-1], first)
    other = FunctionTeacherClassifier(ask_backwards)
    np.testing.assert_array_equal(
        SoftLabeler(other, X, Y, memory=tmp_path).label(X), first[:, ::-1]
    )


@pytest.mark.parametrize("weights", [None, [3, 1]])
def test_voting_teachers_are_averaged(weights):
    ensemble = VotingClassifier(
        [("a", FunctionTeacherClassifier(ask)), ("b", FunctionTeacherClassifier(ask_length))],
        voting="soft",
        weights=weights,
    )
    pool = ["what !", "no"]
    transfer = make_transfer_set(
        X,
        np.unique(Y),
        np.unique(Y, return_inverse=True)[1],
        labeler=SoftLabeler(ensemble, X, Y),
        X_unlabeled=pool,
    )
    parts = [ask(X + pool), ask_length(X + pool)]
    expected = np.average(parts, axis=0, weights=weights)
    np.testing.assert_allclose(transfer.proba, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (pd.Series(["loud", "calm"]), str),
        (pa.array(["loud", "calm"]), str),
        (pd.array([1, 0], dtype="Int64"), int),
    ],
    ids=["pandas", "pyarrow", "nullable"],
)
def test_classes_keep_their_type(classes, kind):
    teacher = FunctionTeacherClassifier(lambda texts: [[0.2, 0.8]] * len(texts), classes=classes)
    predicted = teacher.fit(["so what"]).predict(["wow !"]).tolist()
    assert predicted == [list(classes)[1] if kind is int else "calm"]
    assert type(predicted[0]) is kind


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["calm", None], r"classes\[1\] is missing"),
        (["calm", float("nan")], r"classes\[1\] is missing"),
        (["calm", 1], "classes mixes strings and other labels"),
    ],
)
def test_classes_are_checked_as_labels_are(classes, message):
    with pytest.raises(ValueError, match=message):
        FunctionTeacherClassifier(len, classes=classes).fit(["so what"])


def test_a_table_of_answers_is_read_by_its_names():
    def ask(texts):
        loud = np.array(["!" in text for text in texts], dtype=float)
        return pd.DataFrame({"loud": loud, "calm": 1 - loud})

    teacher = FunctionTeacherClassifier(ask, classes=["calm", "loud"]).fit(["so what"])
    assert teacher.predict(["wow !", "oh"]).tolist() == ["loud", "calm"]
    teacher.set_params(func=lambda texts: ask(texts).rename(columns={"loud": "noisy"}))
    with pytest.raises(ValueError, match=r"func\(texts\) has the columns \['noisy', 'calm'\]"):
        teacher.predict(["wow !"])


class Client:
    """Something that cannot be copied, and counts its calls."""

    def __init__(self):
        self.lock = threading.Lock()
        self.n_calls = 0

    def __call__(self, texts):
        with self.lock:
            self.n_calls += 1
        return ["calm"] * len(texts)


def test_a_clone_shares_the_client_of_a_service():
    client = Client()
    teacher = FunctionTeacherClassifier(client, classes=["calm", "loud"])
    clone(teacher).fit(["so what"]).predict(["oh"])
    assert client.n_calls == 1


def yield_answers(texts):
    yield from ask(texts)


ANSWERS = {
    "bfloat16": lambda texts: torch.tensor(ask(texts), dtype=torch.bfloat16),
    "rows of bfloat16": lambda texts: [*torch.tensor(ask(texts), dtype=torch.bfloat16)],
    "float16": lambda texts: torch.tensor(ask(texts), dtype=torch.float16),
    "generator function": yield_answers,
    "generator": lambda texts: (tuple(row) for row in ask(texts)),
    "dicts of tensors": lambda texts: [
        dict(zip(["calm", "loud"], torch.tensor(row, dtype=torch.bfloat16), strict=True))
        for row in ask(texts)
    ],
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_tensors_and_generators_are_answers(kind):
    teacher = FunctionTeacherClassifier(ANSWERS[kind], classes=["calm", "loud"]).fit(X)
    np.testing.assert_allclose(teacher.predict_proba(["a", "!"]), ask(["a", "!"]), atol=2e-3)


@pytest.mark.parametrize("as_list", [False, True])
def test_tensors_of_labels_are_answers(as_list):
    def answer(texts):
        labels = torch.tensor(["!" in text for text in texts]).int()
        return [*labels] if as_list else labels

    teacher = FunctionTeacherClassifier(answer, classes=[0, 1]).fit(X)
    assert teacher.predict_proba(["a", "!"]).tolist() == [[1, 0], [0, 1]]


def draw(texts):
    return [next(iter([])) for _ in texts]


def draw_rows(texts):
    for _ in texts:
        yield next(iter([]))


@pytest.mark.parametrize("func", [draw, draw_rows])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_iterator_at_its_end_is_explained(func, n_jobs):
    teacher = FunctionTeacherClassifier(func, classes=["calm", "loud"], n_jobs=n_jobs).fit(X)
    with pytest.raises(RuntimeError, match="func raised StopIteration, because an iterator"):
        teacher.predict_proba(X)


def test_a_generator_that_fails_is_asked_again(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    failures = [OSError("no connection")]

    def answer(texts):
        if failures:
            raise failures.pop()
        yield from ask(texts)

    teacher = FunctionTeacherClassifier(answer, classes=["calm", "loud"], max_retries=1).fit(X)
    assert teacher.predict(X).tolist() == Y.tolist()


@pytest.mark.parametrize("meta", [VotingClassifier, StackingClassifier])
def test_a_meta_estimator_that_numbers_the_labels_is_explained(meta):
    def make(teacher):
        params = {"voting": "soft"} if meta is VotingClassifier else {"cv": 2}
        return meta([("a", teacher), ("b", make_tfidf_baseline())], **params)

    # As the message says: without classes, and with probabilities.
    assert make(FunctionTeacherClassifier(ask)).fit(X, Y).predict(["oh !"]).tolist() == ["loud"]
    given = FunctionTeacherClassifier(ask, classes=["calm", "loud"])
    with pytest.raises(ValueError, match=r"y\[0\] is 0, a number, but .* leave classes out"):
        make(given).fit(X, Y)
    labels = FunctionTeacherClassifier(lambda texts: ["calm"] * len(texts))
    with pytest.raises(ValueError, match=r"'calm' is none of the classes \[0, 1\]"):
        make(labels).fit(X, Y).predict_proba(X)


TABLE = pd.DataFrame({"loud": [0, 1] * 3, "brief": [1, 0] * 3})


def ask_by_name(texts):
    return [{"brief": 0.25, "loud": 0.75 if "!" in text else 0.125} for text in texts]


@pytest.mark.parametrize(
    "func",
    [
        ask_by_name,
        lambda texts: pd.DataFrame(ask_by_name(texts)),
        lambda texts: pd.DataFrame(ask_by_name(texts)).to_records(index=False),
    ],
    ids=["dicts", "table", "records"],
)
def test_several_labels_are_answered_by_name(tmp_path, func):
    expected = np.float32([[0.125, 0.25], [0.75, 0.25]])
    teacher = FunctionTeacherClassifier(func).fit(X, TABLE)
    assert teacher.classes_.tolist() == ["loud", "brief"]  # not sorted
    np.testing.assert_array_equal(teacher.predict_proba(["a", "!"]), expected)
    asked = []

    def count(texts):
        asked.extend(texts)
        return func(texts)

    def fit(teacher, **params):
        return DistilledMLPClassifier(
            teacher, memory=tmp_path, max_epochs=1, random_state=0, **params
        ).fit(X, TABLE)

    student = fit(FunctionTeacherClassifier(count, version=1))
    assert student.classes_.tolist() == ["loud", "brief"]
    fit(FunctionTeacherClassifier(count, version=1), teacher_cv=2)
    fit(FrozenEstimator(FunctionTeacherClassifier(count, version=1).fit(X, TABLE)))
    assert sorted(asked) == sorted(X)
    # Labels of other names are other labels.
    other = TABLE.rename(columns={"loud": "noisy"})
    with pytest.raises(ValueError, match="loud"):
        DistilledMLPClassifier(
            FunctionTeacherClassifier(count, version=1), memory=tmp_path, max_epochs=1
        ).fit(X, other)


def test_arrays_of_several_labels_follow_the_columns_of_y():
    teacher = FunctionTeacherClassifier(lambda texts: [[0.125, 0.25]] * len(texts)).fit(X, TABLE)
    assert teacher.predict_proba(["a"]).tolist() == [[0.125, 0.25]]


def test_a_frozen_teacher_is_not_paid_again(tmp_path):
    asked = []

    def count(texts):
        asked.extend(texts)
        return ask(texts)

    texts, labels = [f"{text} {number}" for number in range(4) for text in X], [*Y] * 4
    for teacher in (
        FunctionTeacherClassifier(count, version=1),
        FrozenEstimator(FunctionTeacherClassifier(count, version=1).fit(texts, labels)),
    ):
        student = DistilledMLPClassifier(teacher, memory=tmp_path, max_epochs=1, random_state=0)
        student.fit(texts, labels)
    # Some texts are new, so the others are looked up one by one.
    student.fit([*texts, "new !"], [*labels, "loud"])
    assert sorted(asked) == sorted([*texts, "new !"])
    # A cascade's held-out texts are in memory, too.
    CascadeClassifier(student, max_teacher_rate=0.5).fit(texts, labels)
    assert len(asked) == len(texts) + 1


def test_columns_that_may_be_places_or_classes_are_refused():
    counted = pd.DataFrame([[0.25, 0.75]])
    teacher = FunctionTeacherClassifier(lambda texts: counted, classes=[1, 0]).fit(["a"])
    with pytest.raises(ValueError, match=r"are numbered from 0, so they may be in order or be nam"):
        teacher.predict_proba(["b"])
    named = counted.set_axis(["0", "1"], axis=1)
    teacher = FunctionTeacherClassifier(lambda texts: named, classes=[1, 0]).fit(["a"])
    assert teacher.predict_proba(["b"]).tolist() == [[0.25, 0.75]]


@pytest.mark.parametrize("kind", ["series", "named tuples", "structs", "arrow"])
def test_rows_with_names_are_not_taken_by_position(kind):
    pair = namedtuple("pair", ["loud", "calm"])

    def answer(texts):
        if kind == "series":
            return [pd.Series([0.75, 0.25], index=["loud", "calm"]) for _ in texts]
        if kind == "named tuples":
            return (pair(0.75, 0.25) for _ in texts)
        if kind == "structs":
            return pl.Series([{"loud": 0.75, "calm": 0.25} for _ in texts])
        return pa.array(["loud" for _ in texts])

    teacher = FunctionTeacherClassifier(answer, classes=["calm", "loud"]).fit(["a"])
    expected = [0, 1] if kind == "arrow" else [0.25, 0.75]
    assert teacher.predict_proba(["a", "b"]).tolist() == [expected] * 2
