"""What a teacher's probabilities depend on, as one name: the key under which they are kept."""

from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator

# Parameters that tell how a teacher works, not what it learns.
_WITHOUT_EFFECT = frozenset({"verbose", "n_jobs", "memory"})


def learns_nothing(teacher: BaseEstimator) -> bool:
    """Tell whether a teacher answers the same whatever rows it is fitted on."""
    return getattr(teacher, "_learns_nothing", False)


def teacher_fingerprint(
    teacher: BaseEstimator,
    X: list[str],
    y: np.ndarray | None,
    sample_weight: np.ndarray | None = None,
) -> str:
    """Name what a teacher's probabilities depend on.

    Parameters
    ----------
    teacher : estimator
        For an unfitted one its class, parameters and training rows count, for a `FrozenEstimator`
        what it has learned. The rows do not count for one that learns nothing from them.
    X : list of str, of length n_labeled
    y : ndarray of shape (n_labeled,) or (n_labeled, n_labels), or None
    sample_weight : ndarray of shape (n_labeled,) or None, default=None

    Returns
    -------
    str, 32 hexadecimal digits
    """
    if isinstance(teacher, FrozenEstimator):
        return joblib.hash(_identity(teacher))
    identity = _identity(clone(teacher))
    if learns_nothing(teacher):
        return joblib.hash(identity)
    return joblib.hash((identity, X, y, sample_weight))


def _identity(value: Any) -> Any:
    """Describe a parameter so that equal descriptions mean equal behaviour."""
    if isinstance(value, FrozenEstimator):
        return "frozen", _fitted_identity(value.estimator)
    if hasattr(value, "_fingerprint"):
        return value._fingerprint()
    if isinstance(value, BaseEstimator):
        params = value.get_params(deep=False)
        return (
            type(value).__module__,
            type(value).__qualname__,
            {
                name: _identity(param)
                for name, param in params.items()
                if name not in _WITHOUT_EFFECT
            },
        )
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    return value


def _fitted_identity(value: Any) -> Any:
    """Describe what has been learned, alike in all processes."""
    if hasattr(value, "_fingerprint"):
        return value._fingerprint()
    if isinstance(value, BaseEstimator):
        state = dict(value.__getstate__())
        state.pop("_stop_words_id", None)  # of vectorizers: an address in memory
        return type(value).__module__, type(value).__qualname__, _fitted_identity(state)
    if isinstance(value, dict):
        return {name: _fitted_identity(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_fitted_identity, value)]
    return value
