import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score

from several_labels import make_texts
from skdistill import (
    DistilledMLPClassifier,
    TextPool,
    compare,
    distillation_report,
    make_tfidf_baseline,
)
from skdistill.labelling._pool import as_pool, check_unlabeled


def test_equal_lengths_warn_because_cross_validation_cuts():
    with pytest.warns(UserWarning, match="exactly as many rows as X"):
        check_unlabeled(["a", "b"], n_labeled=2)
    assert check_unlabeled(TextPool(["a", "b"]), n_labeled=2) == ["a", "b"]
    assert check_unlabeled(["a", "b"], n_labeled=3) == ["a", "b"]
    assert check_unlabeled(None, n_labeled=0) == []
    assert check_unlabeled([], n_labeled=3) == check_unlabeled(TextPool([]), n_labeled=3) == []


def test_an_iterator_at_its_end_is_refused_because_searches_fit_more_than_once(data):
    texts = iter(["a", "b"])
    assert check_unlabeled(texts, n_labeled=3) == ["a", "b"]
    with pytest.raises(ValueError, match=r"read once.* Pass skdistill\.TextPool\(list"):
        check_unlabeled(texts, n_labeled=3)
    X, y = data[:2]
    search = GridSearchCV(
        DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=1),
        {"lr": [0.1, 0.2]},
        cv=2,
        error_score="raise",
    )
    with pytest.raises(ValueError, match="X_unlabeled is an iterator"):
        search.fit(X, y, X_unlabeled=(text for text in X))


def test_pool_has_no_length_and_can_be_read_twice():
    pool = TextPool(["a", "b"])
    assert not hasattr(pool, "__len__")
    assert list(pool) == list(pool) == ["a", "b"]
    with pytest.raises(TypeError, match="read more than once"):
        TextPool(text for text in ["a"])


def test_what_is_no_pool_becomes_one():
    pool = TextPool(["one", "two"])
    assert as_pool(None) is None
    assert as_pool(pool) is pool
    assert list(as_pool(iter(["one", "two"]))) == ["one", "two"]
    with pytest.raises(ValueError, match=r"X_unlabeled\[1\] is missing"):
        as_pool(["one", None])


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["a", "b"], "TextPool(list of 2 texts)"),
        (("a",), "TextPool(tuple of 1 text)"),
        (np.array(["a"] * 1234), "TextPool(ndarray of 1,234 texts)"),
        ({"a": 0}.keys(), "TextPool(dict_keys of 1 text)"),
        (TextPool(["a", "b"]), "TextPool(TextPool)"),
    ],
)
def test_a_pool_shows_how_many_texts_it_has(texts, shown):
    assert repr(TextPool(texts)) == shown


# ---- the pool as a parameter of a student


SMALL = {"max_epochs": 2, "random_state": 0, "vocabulary_size": 60}


@pytest.fixture
def data(topics):
    X, y = topics
    return X[:60], y[:60], TextPool(X[60:100])


def make_student(pool=None, **params):
    params = {"teacher": make_tfidf_baseline(), "unlabeled": pool} | SMALL | params
    return DistilledMLPClassifier(**params)


def test_a_pool_as_parameter_is_one_as_argument(data):
    X, y, pool = data
    student = make_student(pool).fit(X, y)
    expected = make_student().fit(X, y, X_unlabeled=pool)
    np.testing.assert_array_equal(student.predict_proba(X), expected.predict_proba(X))
    assert student.transfer_size_ == 100
    assert student.fit(X, y, X_unlabeled=TextPool(["a bus"])).transfer_size_ == 61
    proba = np.full((40, 3), 1 / 3)
    assert make_student(pool).fit(X, y, unlabeled_proba=proba)._record["sources"] == [
        "given",
        "teacher",
    ]


def test_stacking_learns_from_a_pool_in_searches_and_folds(data):
    X, y, pool = data
    stack = StackingClassifier(
        [("student", make_student(pool)), ("baseline", make_tfidf_baseline())], cv=2
    )
    assert clone(stack).estimators[0][1].unlabeled is pool
    fitted = clone(stack).fit(X, y)
    assert fitted.named_estimators_["student"].transfer_size_ == 100
    assert (cross_val_score(stack, X, y, cv=2) > 0.3).all()
    search = GridSearchCV(stack, {"student__embedding_dim": [2, 3]}, cv=2).fit(X, y)
    assert search.best_estimator_.named_estimators_["student"].transfer_size_ == 100
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert again.fit(X, y).named_estimators_["student"].transfer_size_ == 100


def test_compare_gives_the_pool_to_students_in_a_stack(data):
    X, y, pool = data
    stack = StackingClassifier([("a", make_student()), ("b", make_tfidf_baseline())], cv=2)
    _, models = compare(
        {"stack": stack, "student": make_student()},
        X[:40],
        y[:40],
        X[40:],
        y[40:],
        X_unlabeled=[*pool],
        return_estimators=True,
    )
    assert models["stack"].named_estimators_["a"].transfer_size_ == 80
    assert models["student"].transfer_size_ == 80


def test_a_report_takes_the_students_pool(data):
    X, y, pool = data
    reports = [
        distillation_report(make_student(pool), X, y, n_seeds=1),
        distillation_report(make_student(), X, y, X_unlabeled=pool, n_seeds=1),
    ]
    assert reports[0].n_transfer == 48 + 40
    assert reports[0] == reports[1]


def test_a_fitted_students_pickle_leaves_the_texts_out_and_says_so(data):
    X, y, _ = data
    texts = [f"a very long text, {'page' if i % 2 else 'line'} {i}" for i in range(2000)]
    student = make_student(TextPool(texts), max_epochs=1).fit(X, y)
    assert len(pickle.dumps(student)) < 20_000
    again = pickle.loads(pickle.dumps(student))
    np.testing.assert_array_equal(again.predict_proba(X), student.predict_proba(X))
    assert repr(again.unlabeled) == "TextPool(missing texts)"
    for other in (again, clone(again), pickle.loads(pickle.dumps(again))):
        with pytest.raises(ValueError, match="pickled student does not contain its unlabelled te"):
            other.fit(X, y)
    assert again.set_params(unlabeled=None).fit(X, y).transfer_size_ == 60
    assert copy.deepcopy(student).fit(X, y).transfer_size_ == 2060
    # An unfitted one needs them, as in the workers of a search.
    assert pickle.loads(pickle.dumps(clone(student))).fit(X, y).transfer_size_ == 2060


def test_a_pool_on_disk_stays_in_the_pickle(data, tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y, pool = data
    pandas.DataFrame({"text": [*pool]}).to_parquet(tmp_path / "pool.parquet")
    pool = TextPool.from_parquet(tmp_path / "pool.parquet")
    assert repr(pool) == "TextPool(ParquetTexts of 40 texts)"
    student = pickle.loads(pickle.dumps(make_student(pool).fit(X, y)))
    assert student.fit(X, y).transfer_size_ == 100


def test_texts_that_are_no_pool_are_refused_as_a_parameter(data):
    X, y, pool = data
    for fit in (
        lambda student: student.fit(X, y),
        lambda student: distillation_report(student, X, y),
    ):
        with pytest.raises(TypeError, match=r"TextPool or None, not list; pass TextPool\(texts\)"):
            fit(make_student([*pool]))
    with pytest.raises(ValueError, match="no teacher to label it"):
        make_student(pool, teacher=None).fit(X, y)


def test_a_pool_serves_several_labels():
    X, Y = make_texts(40)
    teacher = DummyClassifier()
    student = DistilledMLPClassifier(teacher, unlabeled=TextPool(["a bus"]), **SMALL)
    assert student.fit(X, Y).transfer_size_ == 41
