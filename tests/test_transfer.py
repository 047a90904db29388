import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skdistill import TextPool, make_tfidf_baseline
from skdistill.transfer import check_unlabeled, make_transfer_set

X = ["good", "bad", "good film"]
CLASSES = np.array(["neg", "pos"])
CODES = np.array([1, 0, 1])
PROBA = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
POOL = ["a", "b"]
POOL_PROBA = np.array([[0.6, 0.4], [0.5, 0.5]])


def make(**options):
    return make_transfer_set(X, CLASSES, CODES, **options)


def test_gold_labels_stand_in_for_a_missing_teacher():
    transfer = make()
    np.testing.assert_array_equal(transfer.proba, [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(transfer.sample_weight, 1)
    assert transfer.texts == X


def test_given_probabilities_are_joined_in_order():
    transfer = make(
        X_unlabeled=POOL, teacher_proba=PROBA, unlabeled_proba=POOL_PROBA, hard_label_weight=0.25
    )
    assert transfer.texts == X + POOL
    np.testing.assert_allclose(transfer.proba, np.vstack([PROBA, POOL_PROBA]), rtol=1e-6)
    np.testing.assert_array_equal(transfer.label[:3], CODES)
    np.testing.assert_array_equal(transfer.hard_weight, np.float32([0.25, 0.25, 0.25, 0, 0]))
    assert {values.dtype.name for values in transfer.targets.values()} == {"float32", "int64"}


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


def test_unlabelled_texts_that_nothing_can_label():
    with pytest.raises(ValueError, match="nothing can label it"):
        make(X_unlabeled=POOL)
    with pytest.raises(ValueError, match="nothing can label it"):
        make(X_unlabeled=POOL, teacher_proba=PROBA)


def test_probabilities_without_texts():
    with pytest.raises(ValueError, match=r"unlabeled_proba must have shape \(0, 2\)"):
        make(unlabeled_proba=POOL_PROBA)


def test_equal_lengths_warn_because_cross_validation_cuts():
    with pytest.warns(UserWarning, match="exactly as many rows as X"):
        check_unlabeled(["a", "b"], n_labeled=2)
    assert check_unlabeled(TextPool(["a", "b"]), n_labeled=2) == ["a", "b"]
    assert check_unlabeled(["a", "b"], n_labeled=3) == ["a", "b"]
    assert check_unlabeled(None, n_labeled=0) == []


def test_pool_has_no_length_and_can_be_read_twice():
    pool = TextPool(["a", "b"])
    assert not hasattr(pool, "__len__")
    assert list(pool) == list(pool) == ["a", "b"]
    with pytest.raises(TypeError, match="read more than once"):
        TextPool(text for text in ["a"])
