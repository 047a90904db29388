import tracemalloc

import numpy as np
import pytest
from scipy.stats import norm

from skdistill.metrics._bootstrap import paired_bootstrap


def make_differences(n_seeds, n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 0.0, 1.0], p=[0.08, 0.8, 0.12], size=(n_seeds, n_rows))


@pytest.mark.parametrize("confidence_level", [0.5, 0.9, 0.95])
def test_interval_of_one_seed_is_the_normal_one(confidence_level):
    differences = make_differences(1, 4000)
    half = norm.ppf(0.5 + confidence_level / 2) * differences.std() / np.sqrt(4000)
    expected = differences.mean() + half * np.array([-1, 1])
    found = paired_bootstrap(differences, confidence_level=confidence_level)
    np.testing.assert_allclose(found, expected, atol=0.07 * half)


def test_variance_is_that_of_the_crossed_bootstrap():
    rng = np.random.default_rng(0)
    differences = rng.normal(size=(20, 1)) + rng.normal(size=(1, 300)) + rng.normal(size=(20, 300))
    draws = [
        differences[rng.integers(20, size=20)][:, rng.integers(300, size=300)].mean()
        for _ in range(4000)
    ]
    expected = np.quantile(draws, [0.025, 0.975])
    np.testing.assert_allclose(paired_bootstrap(differences), expected, atol=0.05)


def test_interval_covers_the_mean_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        low, high = paired_bootstrap(
            make_differences(1, 400, seed=seed), confidence_level=0.9, n_resamples=499
        )
        covered += low <= 0.04 <= high
    # 200 trials at 90 %: a standard error of 2 points.
    assert 0.84 <= covered / 200 <= 0.96


def test_differences_between_seeds_widen_the_interval():
    same = np.tile(make_differences(1, 500), (8, 1))
    shifts = np.linspace(-0.2, 0.2, 8)[:, None]
    narrow, wide = (np.ptp(paired_bootstrap(values)) for values in (same, same + shifts))
    assert narrow == pytest.approx(np.ptp(paired_bootstrap(same[:1])), rel=0.1)
    assert wide > 2 * narrow


def test_bootstrap_is_deterministic_and_its_memory_bounded(monkeypatch):
    differences = make_differences(3, 1500)
    found = paired_bootstrap(differences)
    assert found == paired_bootstrap(differences, random_state=0)
    assert found != paired_bootstrap(differences, random_state=1)
    assert paired_bootstrap(np.ones((2, 3))) == (1.0, 1.0)
    monkeypatch.setattr("skdistill.metrics._bootstrap._CHUNK", 2**16)
    tracemalloc.start()
    np.testing.assert_allclose(paired_bootstrap(differences), found, atol=0.002)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6  # all samples at once would take 120 MB


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"differences": [0.0, 1.0]}, r"one row per seed.*\(2,\)"),
        ({"differences": [[]]}, r"one row per seed.*\(1, 0\)"),
        ({"differences": [[0.0, np.nan]]}, "NaN or infinity"),
        ({"confidence_level": 95}, "confidence_level must be between 0 and 1, got 95"),
        ({"n_resamples": 0}, "n_resamples must be at least 1, got 0"),
    ],
    ids=str,
)
def test_bootstrap_says_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(**{"differences": [[0.0, 1.0]], **changes})


def test_the_least_that_is_allowed():
    low, high = paired_bootstrap([[0.0, 1.0]], n_resamples=1)
    assert low == high
    for confidence_level in (0, 1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            paired_bootstrap([[0.0, 1.0]], confidence_level=confidence_level)
