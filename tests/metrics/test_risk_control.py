"""The agreement that a cascade guarantees: bounds, the choice of a threshold, and simulations."""

import warnings

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from conftest import make_topics
from skdistill import DistilledMLPClassifier, make_tfidf_baseline
from skdistill.metrics._cascade_curve import cascade_curve
from skdistill.metrics._risk_control import agreement_bounds, choose_by_agreement, fewest_texts


@pytest.mark.parametrize("n_texts", [1, 20, 333])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_bounds_are_those_of_clopper_and_pearson(n_texts, confidence):
    bounds = agreement_bounds(np.arange(n_texts + 1) / n_texts, n_texts, confidence)
    expected = [
        binomtest(k, n_texts, alternative="greater").proportion_ci(confidence, "exact").low
        for k in range(n_texts + 1)
    ]
    np.testing.assert_allclose(bounds, expected, rtol=1e-9)


@pytest.mark.parametrize(("target", "confidence"), [(0.97, 0.95), (0.9, 0.9), (0.5, 0.5)])
def test_from_the_fewest_texts_on_a_bound_reaches_the_target(target, confidence):
    n = fewest_texts(target, confidence)
    bounds = [agreement_bounds(np.ones(1), size, confidence)[0] for size in (n - 1, n)]
    assert bounds[0] < target <= bounds[1] + 1e-12


def test_the_lowest_threshold_is_taken_above_which_all_are_safe():
    agreement = np.array([0.9, 0.95, 0.99, 0.995, 1.0])
    assert choose_by_agreement(agreement, 1000, 0.97, 0.95) == 2
    assert choose_by_agreement(agreement, 1000, 0.8, 0.95) == 0
    with pytest.warns(UserWarning, match="even where it is most confident"):
        assert choose_by_agreement(np.array([0.9, 0.96, 1.0]), 1000, 0.97, 0.95) == 2
    with pytest.warns(UserWarning, match="needs at least 99 validation texts, but there are 98"):
        assert choose_by_agreement(np.ones(2), 98, 0.97, 0.95) == 1


def share_broken(agrees, confidence, *, target, n_texts, n_repeats=1000, level=0.95):
    """Return how often the agreement of all rows is below the target, with and without a bound."""
    rng = np.random.default_rng(0)
    order = np.argsort(confidence)
    agrees, confidence = agrees[order], 0.5 + confidence[order].astype(np.float64) / 2
    # For each number of rows that the teacher answers, the agreement of all rows.
    of_all = 1 - np.append(np.cumsum(~agrees[::-1])[::-1], 0) / len(agrees)
    broken = np.zeros((n_repeats, 2), dtype=bool)
    for repeat in range(n_repeats):
        drawn = np.sort(rng.integers(len(agrees), size=n_texts))
        proba = np.column_stack([confidence[drawn], 1 - confidence[drawn]])
        teacher = np.where(agrees[drawn, None], [1.0, 0.0], [0.0, 1.0])
        curve = cascade_curve(proba, teacher, np.zeros(n_texts, dtype=int))
        agreement = curve["agreement"].to_numpy()
        rows = choose_by_agreement(agreement, n_texts, target, level), np.argmax(agreement > target)
        n_asked = np.searchsorted(confidence, curve["threshold"].to_numpy()[[*rows]])
        broken[repeat] = of_all[n_asked] < target
    return broken.mean(axis=0)


@pytest.mark.parametrize(("target", "n_texts"), [(0.97, 500), (0.9, 200)])
def test_the_promise_is_broken_in_at_most_five_of_a_hundred_samples(target, n_texts):
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, size=50_000)
    agrees = rng.random(50_000) < confidence
    with_bound, without = share_broken(agrees, confidence, target=target, n_texts=n_texts)
    assert 0.01 < with_bound <= 0.05
    assert without > 0.4


def test_the_promise_holds_for_a_small_student():
    texts, labels = make_topics(300)
    teacher = make_tfidf_baseline(C=30).fit(texts, labels)
    student = DistilledMLPClassifier(max_epochs=40, vocabulary_size=40, random_state=0)
    student.fit(texts[:30], teacher.predict(texts[:30]))
    others, _ = make_topics(4000, random_state=1)
    proba = student.predict_proba(others)
    agrees = student.predict(others) == teacher.predict(others)
    assert 0.5 < agrees.mean() < 0.95
    with_bound, without = share_broken(agrees, proba.max(axis=1), target=0.95, n_texts=300)
    assert with_bound <= 0.05
    assert without > 0.2


def test_a_sample_without_differences_is_as_rare_as_the_bound_says():
    n, target = fewest_texts(0.97, 0.95), 0.97
    assert binom.cdf(0, n, 1 - target) <= 0.05 < binom.cdf(0, n - 1, 1 - target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_by_agreement(np.ones(3), n, target, 0.95) == 0
