"""Fingerprints of teachers: hashes of everything that their probabilities depend on."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator

from skdistill._core.label_columns import as_labels
from skdistill.labelling._description import PROTOCOL, describe
from skdistill.labelling._shared_teacher import SharedTeacher
from skdistill.labelling._teacher import learns_nothing

# Fingerprints that a teacher has after it was asked, and those it had before. They differ if it
# counts its calls, for example.
_aliases: dict[str, str] = {}


def teacher_fingerprint(
    teacher: BaseEstimator,
    X: list[str],
    y: Any,
    sample_weight: np.ndarray | None = None,
) -> str:
    """Hash everything that a teacher's probabilities depend on, to 32 hexadecimal digits.

    For a `FrozenEstimator`, that is its fitted state. For an unfitted teacher, it is the class, the
    parameters and the training rows, or what its method ``__skdistill_fingerprint__`` returns. A
    teacher that learns nothing has one fingerprint, frozen or not.

    Raises
    ------
    TypeError
        If a part of the teacher cannot be described. The message names it.
    """
    key = _current_fingerprint(teacher, X, y, sample_weight)
    return _aliases.get(key, key)


def note_changes(
    fingerprint: str,
    teacher: BaseEstimator,
    X: list[str],
    y: Any,
    sample_weight: np.ndarray | None = None,
) -> None:
    """Keep a teacher's fingerprint although answering has changed something that it refers to."""
    key = _current_fingerprint(teacher, X, y, sample_weight)
    if key != fingerprint:
        _aliases[key] = fingerprint


def fitted_fingerprint(teacher: BaseEstimator) -> str | None:
    """Hash a fitted teacher's state, to 16 hexadecimal digits; None if it cannot be described.

    Two fits with equal parameters and rows differ in it if the teacher is random. If each fit gives
    the same, because the teacher is frozen or learns nothing, the result is "".
    """
    if isinstance(teacher, SharedTeacher):
        teacher = teacher.estimator
    if isinstance(teacher, FrozenEstimator) or learns_nothing(teacher):
        return ""
    try:
        return describe(teacher, by_code=False)[:16]
    except TypeError:
        return None


def _current_fingerprint(
    teacher: BaseEstimator,
    X: list[str],
    y: Any,
    sample_weight: np.ndarray | None,
) -> str:
    if isinstance(teacher, SharedTeacher):
        teacher = teacher.estimator
    if isinstance(teacher, FrozenEstimator):
        if not learns_nothing(teacher.estimator):
            return describe(teacher)
        return describe(getattr(teacher.estimator, PROTOCOL)(None, None, None))
    recipe = clone(teacher)
    if hasattr(recipe, PROTOCOL):
        labels = y if learns_nothing(recipe) else _plain(y)  # with the names of columns, or plain
        parts = getattr(recipe, PROTOCOL)(X, labels, sample_weight)
        return describe(parts, is_fitted=learns_nothing(recipe))
    return describe((recipe, X, _plain(y), sample_weight), is_fitted=False)


def _plain(y: np.ndarray | None) -> Any:
    """Return labels as Python values, whatever the container and the width of the type."""
    return None if y is None else as_labels(y).tolist()
