"""A confidence interval of the difference between two models."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

# Numbers that a bootstrap holds at a time.
_CHUNK = 2**20


def paired_bootstrap(
    differences: ArrayLike,
    *,
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    random_state: Any = 0,
) -> tuple[float, float]:
    """Compute a confidence interval of the mean difference between two models.

    Both the texts and the seeds are drawn anew, with replacement and independently of each other
    [1]_: the interval covers other test texts and other runs of the training.

    Parameters
    ----------
    differences : array-like of shape (n_seeds, n_rows)
        What one model scores on each text minus what the other scores on it, such as 1, 0 or -1
        for right and wrong answers; one row for each seed of the training.
    confidence_level : float, default=0.95
        Between 0 and 1.
    n_resamples : int, default=9999
        Number of bootstrap samples.
    random_state : int, RandomState instance or None, default=0
        Determines the samples.

    Returns
    -------
    low, high : float
        The percentile interval.

    Raises
    ------
    ValueError
        If `differences` has not two dimensions, is empty or not finite, `confidence_level` is not
        between 0 and 1, or `n_resamples` is less than 1.

    Notes
    -----
    The variance over seeds is underestimated by a factor of ``1 - 1 / n_seeds``; a single seed
    leaves it out.

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
            "differences must hold one row a seed and one column a text, not be of shape "
            f"{differences.shape}."
        )
    if not np.isfinite(differences).all():
        raise ValueError("differences holds a missing or infinite number.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie between 0 and 1, got {confidence_level}.")
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
    """Count how often each item is drawn: one bootstrap sample a row."""
    drawn = rng.randint(n_items, size=(n_samples, n_items))
    drawn += n_items * np.arange(n_samples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_samples * n_items)
    return counts.reshape(n_samples, n_items).astype(np.float64)
