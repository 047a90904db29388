"""What copies, pickles and loaded files of a student can do: predict, and be refitted."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from several_labels import make_texts
from skdistill import (
    CascadeClassifier,
    DistilledMLPClassifier,
    TextAugmenter,
    TextPool,
    make_tfidf_baseline,
)

SMALL = {"max_epochs": 3, "random_state": 0, "vocabulary_size": 60}


@pytest.fixture(scope="module")
def split(topics):
    X, y = topics
    return X[:100], y[:100], X[100:200]


@pytest.fixture
def load(split, tmp_path):
    def save_and_load(teacher, X=split[0], y=split[1], **params):
        student = DistilledMLPClassifier(teacher, **SMALL | params).fit(X, y)
        student.save(tmp_path / "student.skd")
        return DistilledMLPClassifier.load(tmp_path / "student.skd")

    return save_and_load


def test_a_loaded_student_does_not_learn_from_gold_labels_silently(load, split, tmp_path):
    X, y, _ = split
    loaded = load(make_tfidf_baseline())
    loaded.save(tmp_path / "again.skd")
    again = DistilledMLPClassifier.load(tmp_path / "again.skd")
    cascade = CascadeClassifier(again)
    for student in (loaded, again, clone(loaded), copy.deepcopy(loaded), cascade):
        with pytest.raises(ValueError, match=r"does not contain its teacher \(Pipeline\)"):
            student.fit(X, y)
    with pytest.raises(ValueError, match="does not contain its teacher"):
        loaded.fit(X)
    # A fit that failed leaves the student as it was.
    np.testing.assert_array_equal(loaded.predict_proba(X), again.predict_proba(X))
    expected = DistilledMLPClassifier(**SMALL).fit(X, y)
    loaded.set_params(teacher=None).fit(X, y)
    np.testing.assert_array_equal(loaded.predict_proba(X), expected.predict_proba(X))
    again.set_params(teacher=make_tfidf_baseline()).fit(X, y)
    expected = DistilledMLPClassifier(make_tfidf_baseline(), **SMALL).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), expected.predict_proba(X))


def test_a_loaded_student_without_a_teacher_is_refitted_as_before(load, split):
    X, y, _ = split
    loaded = load(None)
    assert loaded.teacher is None
    expected = DistilledMLPClassifier(**SMALL).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(loaded.fit(X, y).predict_proba(X), expected)


def test_a_loaded_student_of_several_labels_says_the_same(load):
    X, Y = make_texts(50)
    loaded = load(None, X, Y)
    assert loaded.fit(X, Y).multilabel_
    teacher = FrozenEstimator(loaded)
    with pytest.raises(ValueError, match="does not contain its teacher"):
        load(teacher, X, Y).fit(X, Y)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_student_of_a_frozen_teacher_can_be_refitted(copied, split):
    X, y, others = split
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X, y))
    student = DistilledMLPClassifier(teacher, **SMALL).fit(X, y)
    before = student.predict_proba(X)
    other = copied(student)
    np.testing.assert_array_equal(other.predict_proba(X), before)
    other.fit(others)
    assert other.transfer_size_ == 100
    np.testing.assert_array_equal(student.predict_proba(X), before)
    assert np.abs(other.predict_proba(X) - before).max() > 1e-3


def test_a_pickled_student_of_a_frozen_teacher_says_why_it_cannot_be(split):
    X, y, _ = split
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X, y))
    student = pickle.loads(pickle.dumps(DistilledMLPClassifier(teacher, **SMALL).fit(X, y)))
    for labels in (y, None):
        with pytest.raises(NotFittedError, match="a pickled student does not contain what its te"):
            student.fit(X, labels)
    assert student.set_params(teacher=teacher).fit(X, y).transfer_size_ == 100


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_of_a_frozen_student_is_frozen(copied, split):
    X, y, _ = split
    frozen = FrozenEstimator(DistilledMLPClassifier(**SMALL).fit(X, y))
    other = copied(frozen)
    assert type(other) is FrozenEstimator
    np.testing.assert_array_equal(other.predict_proba(X), frozen.predict_proba(X))
    others_student = copied(DistilledMLPClassifier(frozen, **SMALL).fit(X))
    assert type(others_student.teacher) is FrozenEstimator


def test_a_deep_copy_of_a_student_of_a_frozen_student_labels_as_before(split, tmp_path):
    X, y, _ = split
    frozen = FrozenEstimator(DistilledMLPClassifier(make_tfidf_baseline(), **SMALL).fit(X, y))
    student = DistilledMLPClassifier(frozen, memory=tmp_path, **SMALL).fit(X)
    copied = copy.deepcopy(student)
    assert copied.teacher.estimator is not frozen.estimator
    stored = sorted(tmp_path.rglob("*.npz"))
    np.testing.assert_array_equal(copied.fit(X).predict_proba(X), student.predict_proba(X))
    assert sorted(tmp_path.rglob("*.npz")) == stored


def test_a_deep_copy_keeps_what_is_shared(split):
    X, y, _ = split
    frozen = FrozenEstimator(make_tfidf_baseline().fit(X, y))
    student = DistilledMLPClassifier(frozen, **SMALL).fit(X, y)
    copied, teacher = copy.deepcopy([student, frozen])
    assert copied.teacher is teacher is not frozen


def made_by(student, folder, X):
    """Return what a student says of itself: its file, its card, a copy's card, explanations."""
    student.save(folder / "model.skd")
    student.to_html(folder / "card.html")
    pickle.loads(pickle.dumps(student)).to_html(folder / "copy.html")
    files = [(folder / name).read_bytes() for name in ("model.skd", "card.html", "copy.html")]
    return *files, repr(student.explain(X[:2]))


@pytest.mark.parametrize("labels", [["a", "b", "c"], [0, 1, 2], [True, False]])
def test_weights_of_classes_are_saved(split, tmp_path, labels):
    X, y, _ = split
    y = np.array(labels)[np.unique(y, return_inverse=True)[1] % len(labels)]
    weights = {label: 1.5 * number + 1 for number, label in enumerate(np.unique(y))}
    student = DistilledMLPClassifier(class_weight=weights, **SMALL).fit(X, y)
    student.save(tmp_path / "model.skd")
    loaded = DistilledMLPClassifier.load(tmp_path / "model.skd")
    assert loaded.class_weight == weights
    again = loaded.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(again, student.predict_proba(X))


def test_parameters_that_are_set_after_fit_do_not_change_the_account_of_it(split, tmp_path):
    X, y, _ = split
    student = DistilledMLPClassifier(class_weight=dict.fromkeys(set(y), 2.0), **SMALL)
    before = made_by(student.fit(X, y), tmp_path, X)
    student.class_weight.clear()
    student.set_params(max_epochs=777, loss="mse", hidden_layer_sizes=(3,), analyzer="char")
    student.set_params(augmenter=TextAugmenter())
    assert made_by(student, tmp_path, X) == before
    assert made_by(student.set_params(unlabeled=TextPool(["one"])), tmp_path, X)[1:] == before[1:]
    loaded = DistilledMLPClassifier.load(tmp_path / "model.skd")
    assert loaded.max_epochs == 3
    refitted = loaded.set_params(lr=0.5).fit(X, y)
    refitted.to_html(tmp_path / "card.html")
    assert "lr=0.5" in (tmp_path / "card.html").read_text()


def test_a_file_has_the_current_parameters_that_no_training_depends_on(split, tmp_path):
    X, y, _ = split
    student = DistilledMLPClassifier(make_tfidf_baseline(), n_jobs=1, **SMALL).fit(X, y)
    student.set_params(n_jobs=2, teacher=None).save(tmp_path / "model.skd")
    loaded = DistilledMLPClassifier.load(tmp_path / "model.skd")
    assert (loaded.n_jobs, loaded.teacher) == (2, None)


def test_pickles_without_the_parameters_of_fit_state_the_current_ones(split, tmp_path):
    student = DistilledMLPClassifier(**SMALL).fit(*split[:2])
    before = made_by(student, tmp_path, split[0])
    del student._trained_with
    assert made_by(pickle.loads(pickle.dumps(student)), tmp_path, split[0]) == before


@pytest.mark.parametrize(
    "params",
    [
        {"lowercase": np.bool_(False)},
        {"ngram_range": (np.int64(1), np.int64(2)), "hash_buckets": np.int64(50)},
    ],
    ids=["lowercase", "n-grams"],
)
def test_parameters_that_a_search_took_from_an_array_are_saved(split, tmp_path, params):
    X, y = split[0], split[1]
    student = DistilledMLPClassifier(max_epochs=1, random_state=0, **params).fit(X, y)
    student.save(tmp_path / "a.skd")
    loaded = DistilledMLPClassifier.load(tmp_path / "a.skd")
    np.testing.assert_array_equal(loaded.predict_proba(X), student.predict_proba(X))
    for name, value in params.items():
        assert tuple(np.ravel(getattr(loaded, name))) == tuple(np.ravel(value))
