"""A confidence interval for the difference between two models."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

# Size of the arrays that a bootstrap keeps in memory.
_CHUNK = 2**20


def paired_bootstrap(
    differences: ArrayLike,
    *,
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    random_state: Any = 0,
) -> tuple[float, float]:
    """Compute a confidence interval for the mean difference between two models.

    The bootstrap resamples both texts and seeds, with replacement and independently of each other
    [1]_. The interval therefore accounts for other test texts and for other training runs.

    Parameters
    ----------
    differences : array-like of shape (n_seeds, n_rows)
        The first model's score on each text minus the second model's, such as 1, 0 or -1 if scores
        are 1 for correct predictions and 0 for others. There is one row per training seed.
    confidence_level : float, default=0.95
        Confidence level, between 0 and 1.
    n_resamples : int, default=9999
        Number of bootstrap samples.
    random_state : int, RandomState instance or None, default=0
        Seed for the samples.

    Returns
    -------
    low, high : float
        The percentile interval.

    Raises
    ------
    ValueError
        If `differences` is not two-dimensional, is empty or not finite, `confidence_level` is not
        between 0 and 1, or `n_resamples` is less than 1.

    Notes
    -----
    The bootstrap underestimates the variance over seeds by a factor of ``1 - 1 / n_seeds``. With a
    single seed, the interval ignores this variance.

    References
    ----------
    .. [1] A. B. Owen. "The pigeonhole bootstrap". Annals of Applied Statistics 1 (2007).

    Examples
    --------
    >>> from skdistill.metrics import paired_bootstrap
    >>> paired_bootstrap([[1, 0, 0, 1, 0, 1, 0, 0], [1, 0, 1, 1, 0, 0, 0, 0]])
    (0.125, 0.75)
    """
    differences = np.asarray(differences, dtype=np.float64)
    if differences.ndim != 2 or not differences.size:
        raise ValueError(
            "differences must have one row per seed and one column per text, but has shape "
            f"{differences.shape}."
        )
    if not np.isfinite(differences).all():
        raise ValueError("differences contains NaN or infinity; remove or replace these values.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must be between 0 and 1, got {confidence_level}.")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    rng = check_random_state(random_state)
    n_seeds, n_rows = differences.shape
    chunk = max(1, _CHUNK // max(n_seeds, n_rows))
    means = np.empty(n_resamples)
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        by_seed = _draw_counts(rng, size, n_rows) @ differences.T
        total = (_draw_counts(rng, size, n_seeds) * by_seed).sum(axis=1)
        means[start : start + size] = total / differences.size
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _draw_counts(rng: np.random.RandomState, n_samples: int, n_items: int) -> np.ndarray:
    """Count how often each item is drawn; each row is a bootstrap sample."""
    drawn = rng.randint(n_items, size=(n_samples, n_items))
    drawn += n_items * np.arange(n_samples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_samples * n_items)
    return counts.reshape(n_samples, n_items).astype(np.float64)
