"""The classes of a student's texts, where labels are known and where they are not."""

import numpy as np
import pytest
from scipy.special import logit

from skdistill.students._gold_labels import Labels


def test_gold_labels():
    labels = Labels.gold(["no", "yes", "no", "no"], n_rows=4)
    assert labels.known
    assert not labels.multilabel
    assert labels.y.tolist() == ["no", "yes", "no", "no"]
    other = np.full((4, 2), 0.5)
    np.testing.assert_allclose(labels.log_prior(other, None), np.log([0.75, 0.25]), rtol=1e-6)
    weighted = labels.log_prior(other, np.array([1.0, 3.0, 0.0, 0.0]))
    np.testing.assert_allclose(weighted, np.log([0.25, 0.75]), rtol=1e-6)


def test_several_gold_labels():
    indicators = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 1, 0]])
    labels = Labels.gold(indicators, n_rows=4)
    assert labels.multilabel
    assert labels.classes.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(labels.y, indicators)
    floor = np.finfo(np.float32).eps
    prior = labels.log_prior(np.zeros((4, 3)), None)
    np.testing.assert_allclose(prior, logit([0.75, 0.75, floor]), rtol=1e-5)


@pytest.mark.parametrize("multilabel", [False, True])
def test_probabilities_stand_in_for_unknown_labels(multilabel):
    labels = Labels.unknown(np.array([3, 7]), multilabel, n_rows=2)
    assert not labels.known
    assert labels.multilabel == multilabel
    assert labels.codes.shape == ((2, 2) if multilabel else (2,))
    proba = np.array([[0.5, 0.5], [0.9, 0.1]])
    expected = np.array([0.8, 0.2])
    prior = labels.log_prior(proba, np.array([1.0, 3.0]))
    np.testing.assert_allclose(prior, (logit if multilabel else np.log)(expected), rtol=1e-6)
    assert prior.dtype == np.float32


def test_a_teacher_at_chance_is_warned_of_from_fifty_texts_on():
    labels = Labels.gold(["a", "a", "b"] * 20, n_rows=60)
    always_a = np.tile([0.9, 0.1], (60, 1))
    with pytest.warns(UserWarning, match=r"little better than by chance \(Cohen's kappa 0\.00\)"):
        labels.warn_of_chance(always_a, None)
    almost = always_a[:48] + np.linspace(0, 0.01, 96).reshape(48, 2)
    few = Labels.gold(["a", "a", "b"] * 16, n_rows=48)
    few.warn_of_chance(almost, None)
    with pytest.warns(UserWarning, match=r"little better than by chance \(Cohen's kappa 0\.00\)"):
        Labels.gold(["a", "a", "b"] * 20, n_rows=60).warn_of_chance(
            np.tile(almost[:30], (2, 1)), None
        )


def test_a_teacher_that_says_the_contrary_is_warned_of_from_ten_texts_on():
    proba = np.array([[0.1, 0.9], [0.8, 0.2]] * 5)
    with pytest.warns(UserWarning, match=r"Cohen's kappa -1\.00"):
        Labels.gold(["a", "b"] * 5, n_rows=10).warn_of_chance(proba, None)
    Labels.gold(["a", "b"] * 4, n_rows=8).warn_of_chance(proba[:8], None)
    # Half of one class and a quarter of the other right: no more than luck.
    Labels.gold(["a", "a", "b", "b", "b"] * 2, n_rows=10).warn_of_chance(proba, None)


@pytest.mark.parametrize("y", [["a", "b"], np.eye(2, dtype=int)], ids=["one", "several"])
def test_a_teacher_that_answers_all_texts_alike_is_warned_of(y):
    labels = Labels.gold(y, n_rows=2)
    with pytest.warns(UserWarning, match="little better than by chance"):
        labels.warn_of_chance(np.tile([0.9, 0.1], (2, 1)), None)
    labels.warn_of_chance(np.array([[0.9, 0.1], [0.8, 0.2]]), None)


def test_weights_decide_whether_a_teacher_is_at_chance():
    labels = Labels.gold([0, 1] * 50, n_rows=100)
    proba = np.eye(2)[np.r_[[0, 1] * 25, [1, 0] * 25]]  # wrong in the second half
    with pytest.warns(UserWarning, match="in the order of classes_"):
        labels.warn_of_chance(proba, None)
    labels.warn_of_chance(proba, np.repeat([1.0, 0.5], 50))
    with pytest.warns(UserWarning, match=r"kappa -0\.33"):
        labels.warn_of_chance(proba, np.repeat([0.5, 1.0], 50))


def test_unknown_labels_have_no_chance_to_compare_with():
    proba = np.tile([0.1, 0.9], (100, 1))
    Labels.unknown(np.array([0, 1]), False, n_rows=100).warn_of_chance(proba, None)


def test_several_labels_are_compared_by_rank():
    codes = np.array([[1, 0, 1], [0, 1, 1]] * 50)  # all have the last
    labels = Labels.gold(codes, n_rows=100)
    low = codes / 10  # all below one half, and yet in the right order
    labels.warn_of_chance(low, None)
    for proba in (np.full((100, 3), 0.9), low[:, [1, 0, 2]]):
        with pytest.warns(UserWarning, match=r"mean ROC AUC 0\.[05]0\)"):
            labels.warn_of_chance(proba, None)
    turned = np.where(np.arange(100)[:, None] < 50, low, low[:, [1, 0, 2]])
    labels.warn_of_chance(turned, np.repeat([1.0, 0.0], 50))
    with pytest.warns(UserWarning, match="little better than by chance"):
        labels.warn_of_chance(turned, np.repeat([0.0, 1.0], 50))
    Labels.gold(np.ones((60, 2), int), n_rows=60).warn_of_chance(np.full((60, 2), 0.5), None)
