"""Fingerprints of teachers: hashes of everything that their probabilities depend on."""

from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator

from skdistill.labelling._teacher import learns_nothing

# Parameters that do not change a teacher's predictions.
_WITHOUT_EFFECT = frozenset({"verbose", "n_jobs", "memory"})


def teacher_fingerprint(
    teacher: BaseEstimator,
    X: list[str],
    y: np.ndarray | None,
    sample_weight: np.ndarray | None = None,
) -> str:
    """Hash everything that a teacher's probabilities depend on, to 32 hexadecimal digits.

    For a `FrozenEstimator`, that is its fitted state. For an unfitted teacher, it is the class, the
    parameters and, unless the teacher learns nothing from them, the training rows.
    """
    if isinstance(teacher, FrozenEstimator):
        return joblib.hash(identity(teacher))
    recipe = identity(clone(teacher))
    if learns_nothing(teacher):
        return joblib.hash(recipe)
    return joblib.hash((recipe, X, y, sample_weight))


def identity(value: Any) -> Any:
    """Describe a parameter such that equal descriptions imply equal behaviour."""
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
                name: identity(param)
                for name, param in params.items()
                if name not in _WITHOUT_EFFECT
            },
        )
    if isinstance(value, list | tuple):
        return [identity(item) for item in value]
    return value


def _fitted_identity(value: Any) -> Any:
    """Describe a fitted state, in the same way in all processes."""
    if hasattr(value, "_fingerprint"):
        return value._fingerprint()
    if isinstance(value, BaseEstimator):
        state = dict(value.__getstate__())
        state.pop("_stop_words_id", None)  # a memory address, in vectorizers
        return type(value).__module__, type(value).__qualname__, _fitted_identity(state)
    if isinstance(value, dict):
        return {name: _fitted_identity(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_fitted_identity, value)]
    return value
