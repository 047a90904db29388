import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

from skdistill import DistilledMLPClassifier, FunctionTeacherClassifier
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
        ([[0.5, 0.5]], r"func\(texts\) must have shape \(2, 2\).* has shape \(1, 2\)"),
        ([[0.2, 0.3, 0.5]] * 2, r"must have shape \(2, 2\).* has shape \(2, 3\)"),
        ([0.5, 0.5], r"must have shape \(2, 2\).* has shape \(2,\)"),
        ([[0.5, 0.5], [3.0, 1.0]], r"func\(texts\)\[1\] sums to 4, not to 1"),
        ([[1.5, -0.5]] * 2, r"func\(texts\)\[0\] contains a negative or non-finite number"),
        ([[0.5, 0.5], [np.nan, 1.0]], r"func\(texts\)\[1\] contains a negative or non-finite"),
        (None, r"must have shape \(2, 2\)"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(answer, message):
    teacher = FunctionTeacherClassifier(lambda texts: answer).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        teacher.predict_proba(["a", "b"])


def test_sums_are_rounded_away():
    teacher = FunctionTeacherClassifier(lambda texts: [[0.3333, 0.6666]] * len(texts)).fit(X, Y)
    np.testing.assert_allclose(teacher.predict_proba(["a"]).sum(axis=1), 1, atol=1e-6)


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
    assert clone(teacher).get_params() == {"func": ask}
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
