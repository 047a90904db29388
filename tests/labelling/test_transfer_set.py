from itertools import chain

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
)

from skdistill import TextAugmenter, make_tfidf_baseline
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._transfer_set import make_transfer_set

X = ["good", "bad", "good film"]
CLASSES = np.array(["neg", "pos"])
CODES = np.array([1, 0, 1])
PROBA = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
POOL = ["a", "b"]
POOL_PROBA = np.array([[0.6, 0.4], [0.5, 0.5]])


def make(teacher=None, **options):
    labeler = None if teacher is None else SoftLabeler(teacher, X, CLASSES[CODES])
    return make_transfer_set(X, CLASSES, CODES, labeler=labeler, **options)


def test_gold_labels_stand_in_for_a_missing_teacher():
    transfer = make()
    np.testing.assert_array_equal(transfer.proba, [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(transfer.sample_weight, 1)
    assert [*transfer.texts] == X


def test_given_probabilities_are_joined_in_order():
    transfer = make(
        X_unlabeled=POOL, teacher_proba=PROBA, unlabeled_proba=POOL_PROBA, hard_label_weight=0.25
    )
    assert [*transfer.texts] == X + POOL
    np.testing.assert_allclose(transfer.proba, np.vstack([PROBA, POOL_PROBA]), rtol=1e-6)
    np.testing.assert_array_equal(transfer.label[:3], CODES)
    np.testing.assert_array_equal(transfer.hard_weight, np.float32([0.25, 0.25, 0.25, 0, 0]))
    assert {values.dtype.name for values in transfer.targets.values()} == {"float32", "int64"}


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"class_weight": {"neg": 0, "pos": 0}}, "0"),
        ({"sample_weight": np.full(3, 1e308)}, "infinity"),
    ],
)
def test_weights_need_a_finite_positive_sum(options, total):
    with pytest.raises(ValueError, match=f"weights of all texts, .* add up to {total}; pass"):
        make(**options)


@pytest.mark.parametrize("given", [(), ("teacher_proba",), ("unlabeled_proba",)])
def test_teacher_fills_in_what_is_not_given(given):
    teacher = make_tfidf_baseline().fit(X, CLASSES[CODES])
    options = {"teacher_proba": PROBA, "unlabeled_proba": POOL_PROBA}
    transfer = make(
        teacher=FrozenEstimator(teacher),
        X_unlabeled=POOL,
        **{name: value for name, value in options.items() if name in given},
    )
    labelled = PROBA if "teacher_proba" in given else teacher.predict_proba(X)
    pool = POOL_PROBA if "unlabeled_proba" in given else teacher.predict_proba(POOL)
    np.testing.assert_allclose(transfer.proba, np.vstack([labelled, pool]), rtol=1e-6)


def test_weights_have_mean_one_and_keep_their_ratios():
    transfer = make(
        X_unlabeled=POOL,
        unlabeled_proba=POOL_PROBA,
        class_weight={"neg": 1.0, "pos": 3.0},
        sample_weight=np.array([1.0, 2.0, 0.0]),
    )
    expected = np.array([3.0, 2.0, 0.0, 0.6 * 1 + 0.4 * 3, 0.5 * 1 + 0.5 * 3])
    np.testing.assert_allclose(transfer.sample_weight, expected / expected.mean(), rtol=1e-6)


def test_balanced_class_weight_is_scikit_learns():
    transfer = make(class_weight="balanced")
    expected = np.array([3 / (2 * 2), 3 / (2 * 1), 3 / (2 * 2)])
    np.testing.assert_allclose(transfer.sample_weight, expected / expected.mean(), rtol=1e-6)


def test_balanced_classes_have_equal_weight_whatever_the_rows_weigh():
    weights = np.array([1.0, 2.0, 3.0])
    transfer = make(class_weight="balanced", sample_weight=weights)
    codes = transfer.label
    totals = [transfer.sample_weight[codes == code].sum() for code in (0, 1)]
    np.testing.assert_allclose(totals, 1.5, rtol=1e-6)
    without = make(class_weight="balanced", sample_weight=weights * (codes == 0))
    assert (without.sample_weight > 0).tolist() == (codes == 0).tolist()


def test_unlabelled_texts_that_nothing_can_label():
    with pytest.raises(ValueError, match="no teacher to label it"):
        make(X_unlabeled=POOL)
    with pytest.raises(ValueError, match="no teacher to label it"):
        make(X_unlabeled=POOL, teacher_proba=PROBA)


def test_probabilities_without_texts():
    with pytest.raises(ValueError, match=r"unlabeled_proba must have shape \(0, 2\)"):
        make(unlabeled_proba=POOL_PROBA)


def overconfident(model, X):
    return softmax(2 * model.predict_log_proba(X), axis=1)


class Recorded(ClassifierMixin, BaseEstimator):
    """An over-confident teacher that writes down what it was fitted on and asked for."""

    fitted = []
    asked = []

    def fit(self, X, y):
        self.fitted.append(X)
        self.model_ = make_tfidf_baseline(C=10).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        self.asked.append(X)
        return overconfident(self.model_, X)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Twice(BaseEstimator):
    """An augmenter that repeats each of the first three texts, in capitals."""

    def fit(self, X):
        self.seen_ = X
        return self

    def augment(self, X):
        assert self.seen_ == X
        return [f"{text} {text.upper()} the" for text in X[:3]]


AUGMENTER = Twice()


@pytest.fixture
def noisy(topics):
    """60 texts, every third with a label that may be wrong; nothing is recorded yet."""
    texts, labels = topics[0][:60], topics[1][:60].copy()
    labels[::3] = np.roll(labels, 1)[::3]
    Recorded.fitted.clear()
    Recorded.asked.clear()
    return texts, labels


def make_noisy(noisy, teacher=None, *, memory=None, **options):
    X, y = noisy
    classes, codes = np.unique(y, return_inverse=True)
    labeler = SoftLabeler(teacher or Recorded(), X, y, memory=memory)
    return make_transfer_set(X, classes, codes, labeler=labeler, **options)


FOLDS = [
    3,
    StratifiedKFold(4, shuffle=True, random_state=1),
    KFold(5),
    [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))],
]


@pytest.mark.parametrize("cv", FOLDS, ids=str)
def test_teacher_cv_equals_cross_val_predict(noisy, cv):
    X, y = noisy
    teacher = make_tfidf_baseline(C=10)
    transfer = make_noisy(noisy, teacher, teacher_cv=cv, X_unlabeled=POOL)
    held_out = cross_val_predict(teacher, X, y, cv=cv, method="predict_proba")
    of_all = teacher.fit(X, y).predict_proba(X + POOL)
    np.testing.assert_allclose(transfer.proba[:60], held_out, rtol=1e-5)
    np.testing.assert_allclose(transfer.proba[60:], of_all[60:], rtol=1e-5)
    assert not np.allclose(held_out, of_all[:60], atol=0.1)


def test_teacher_cv_fits_no_further_teacher_unless_one_is_needed(noisy):
    make_noisy(noisy, teacher_cv=3)
    assert len(Recorded.fitted) == 3
    Recorded.fitted.clear()
    make_noisy(noisy, teacher_cv=3, X_unlabeled=POOL, augmenter=AUGMENTER)
    assert [len(X) for X in Recorded.fitted] == [40, 40, 40, 60]


def test_given_probabilities_are_not_made_again_by_teacher_cv(noisy):
    proba = np.tile([0.2, 0.3, 0.5], (60, 1))
    transfer = make_noisy(noisy, teacher_cv=3, teacher_proba=proba, X_unlabeled=POOL)
    assert not transfer.hard_weight.any()
    np.testing.assert_array_equal(transfer.proba[:60], np.float32(proba))
    assert [len(X) for X in Recorded.fitted] == [60]


def test_frozen_teachers_cannot_be_held_back_from_rows(noisy):
    teacher = FrozenEstimator(make_tfidf_baseline().fit(*noisy))
    with pytest.raises(ValueError, match="the teacher is frozen"):
        make_noisy(noisy, teacher, teacher_cv=3)


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (ShuffleSplit(1, test_size=0.5, random_state=0), "holds out only 30 of the 60 rows"),
        (ShuffleSplit(4, test_size=0.5, random_state=0), "holds out a row twice"),
    ],
)
def test_splits_that_are_no_folds_are_refused(noisy, cv, message):
    with pytest.raises(ValueError, match=message):
        make_noisy(noisy, teacher_cv=cv)


def test_folds_without_one_of_the_classes_are_refused(noisy):
    _, y = noisy
    one_class_each = [(np.flatnonzero(y != label), np.flatnonzero(y == label)) for label in set(y)]
    with pytest.raises(ValueError, match="class"):
        make_noisy(noisy, teacher_cv=one_class_each)


def test_augmented_texts_come_last_and_get_the_teachers_probabilities(noisy):
    X, y = noisy
    transfer = make_noisy(
        noisy,
        X_unlabeled=POOL,
        augmenter=AUGMENTER,
        unlabeled_proba=[[0.5, 0.2, 0.3]] * 2,
        hard_label_weight=1.0,
    )
    texts = X + POOL
    assert [*transfer.texts] == texts + Twice().fit(texts).augment(texts)
    expected = overconfident(make_tfidf_baseline(C=10).fit(X, y), [*transfer.texts][-3:])
    np.testing.assert_allclose(transfer.proba[-3:], expected, rtol=1e-5)
    np.testing.assert_array_equal(transfer.proba[60:62], np.float32([[0.5, 0.2, 0.3]] * 2))
    assert not hasattr(AUGMENTER, "seen_")
    assert {len(values) for values in transfer.targets.values()} == {65}


class Echo(Twice):
    """An augmenter whose texts are labelled ones."""

    def augment(self, X):
        return X[:6]


def test_gold_labels_and_their_weights_stay_with_labelled_rows(noisy):
    X, y = noisy
    classes, codes = np.unique(y, return_inverse=True)
    teacher = Recorded()
    transfer = make_transfer_set(
        X,
        classes,
        codes,
        labeler=SoftLabeler(teacher, X, y),
        augmenter=Echo(),
        teacher_proba=np.eye(3)[codes],
        hard_label_weight=0.7,
        class_weight={"cooking": 3.0},
        sample_weight=np.full(60, 9.0),
    )
    np.testing.assert_array_equal(transfer.hard_weight, np.float32([0.7] * 60 + [0] * 6))
    np.testing.assert_array_equal(transfer.label[60:], 0)
    proba = teacher.fit(X, y).predict_proba(X[:6])
    np.testing.assert_allclose(transfer.proba[60:], proba, rtol=1e-5)
    by_class = np.array([3.0, 1.0, 1.0])
    expected = np.concatenate([9 * by_class[codes], proba @ by_class])
    np.testing.assert_allclose(transfer.sample_weight, expected / expected.mean(), rtol=1e-5)


def test_memory_asks_for_each_text_once_augmented_ones_too(noisy, tmp_path):
    options = {"X_unlabeled": [*POOL, noisy[0][0]], "augmenter": AUGMENTER, "memory": tmp_path}
    first = make_noisy(noisy, **options)
    assert len(Recorded.fitted) == 1
    assert sorted(chain.from_iterable(Recorded.asked)) == sorted({*first.texts})
    second = make_noisy(noisy, **options)
    # Once for the user's texts, and once for those that were made of them.
    assert (len(Recorded.fitted), len(Recorded.asked)) == (1, 2)
    np.testing.assert_array_equal(second.proba, first.proba)
    for _ in range(2):
        make_noisy(noisy, teacher_cv=3, memory=tmp_path)
    assert len(Recorded.fitted) == 1 + 3


def test_augmented_texts_that_nothing_can_label():
    for options in ({}, {"teacher_proba": PROBA}):
        with pytest.raises(ValueError, match="no teacher to label its texts; pass a teacher"):
            make(augmenter=AUGMENTER, **options)


@pytest.mark.parametrize(
    ("options", "sources"),
    [
        ({}, ["gold"]),
        ({"teacher_proba": PROBA}, ["given"]),
        ({"X_unlabeled": ["new"], "unlabeled_proba": POOL_PROBA[:1]}, ["given", "gold"]),
        ({"teacher": make_tfidf_baseline()}, ["teacher"]),
        ({"teacher": make_tfidf_baseline(), "teacher_proba": PROBA}, ["given"]),
        (
            {"teacher": make_tfidf_baseline(), "teacher_proba": PROBA, "X_unlabeled": ["new"]},
            ["given", "teacher"],
        ),
        (
            {
                "teacher": make_tfidf_baseline(),
                "teacher_proba": PROBA,
                "X_unlabeled": ["new"],
                "unlabeled_proba": POOL_PROBA[:1],
            },
            ["given"],
        ),
        (
            {
                "teacher": make_tfidf_baseline(),
                "teacher_proba": PROBA,
                "augmenter": TextAugmenter(random_state=0),
            },
            ["given", "teacher"],
        ),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_the_probabilities_come_from_is_kept(options, sources):
    transfer = make(**options)
    assert transfer.sources == sources
    counts = transfer.n_by_origin
    assert sum(counts.values()) == len(transfer.texts)
    assert counts["labelled"] == len(X)
    assert counts["unlabelled"] == len(options.get("X_unlabeled", []))
    assert (counts["augmented"] > 0) == ("augmenter" in options)


class Makes(BaseEstimator):
    def __init__(self, made):
        self.made = made

    def fit(self, X):
        return self

    def augment(self, X):
        return self.made


@pytest.mark.parametrize("container", [list, np.array, pd.Series, iter])
def test_made_texts_may_be_in_any_container(noisy, container):
    transfer = make_noisy(noisy, augmenter=Makes(["one", "two"]))
    again = make_noisy(noisy, augmenter=Holds(container))
    assert list(transfer.texts) == list(again.texts)
    np.testing.assert_array_equal(transfer.proba, again.proba)


class Holds(Makes):
    def augment(self, X):
        return self.made(["one", "two"])


def test_made_texts_that_are_none_are_refused_before_the_teacher_is_asked(noisy):
    Recorded.fitted.clear()
    with pytest.raises(ValueError, match=r"Makes\.augment\(X\)\[1\]"):
        make_noisy(noisy, augmenter=Makes(["one", None]))
    assert Recorded.fitted == []


@pytest.mark.parametrize(
    "options",
    [
        {"class_weight": {"no class": 1}},
        {"class_weight": {0: -1}},
        {"teacher_cv": ShuffleSplit(3, random_state=0)},
        {"teacher_cv": TimeSeriesSplit(3)},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_the_teacher_is_asked(noisy, options):
    Recorded.fitted.clear()
    with pytest.raises(ValueError, match=r"class_weight|holds out"):
        make_noisy(noisy, **options)
    assert Recorded.fitted == []
