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
