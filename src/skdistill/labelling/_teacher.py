"""Helpers for teachers: their requirements and classes, fitting and cloning."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skdistill._core.multilabel import gives_several_labels, knows_labels

# Takes texts; yields positions in them, with the probabilities of these texts.
PredictInParts = Callable[[list[str]], Iterator[tuple[np.ndarray, np.ndarray]]]


def needs_no_labels(teacher: BaseEstimator | None) -> bool:
    """Return whether a teacher can predict probabilities without labels in `fit`.

    This holds for a fitted classifier in a `FrozenEstimator`, and for a classifier with the tag
    ``target_tags.required=False``. scikit-learn's meta-estimators do not forward this tag, so we
    check that every classifier inside them has it.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.labelling._teacher import needs_no_labels
    >>> teacher = make_tfidf_baseline().fit(["good", "bad"], ["+", "-"])
    >>> needs_no_labels(FrozenEstimator(teacher)), needs_no_labels(teacher)
    (True, False)
    """
    if teacher is None:
        return False
    if isinstance(teacher, FrozenEstimator):
        return hasattr(teacher, "classes_")
    parts = [teacher, *teacher.get_params().values()]
    classifiers = [
        part for part in parts if isinstance(part, BaseEstimator) and is_classifier(part)
    ]
    required = [get_tags(classifier).target_tags.required for classifier in classifiers]
    return bool(required) and not any(required)


def learns_nothing(teacher: BaseEstimator) -> bool:
    """Return whether a teacher's predictions do not depend on its training rows."""
    return getattr(teacher, "_learns_nothing", False)


def answers_in_parts(teacher: Any) -> PredictInParts | None:
    """Return the method of a teacher that yields answers as they come, or None.

    It takes texts and yields positions in them, with the probabilities of these texts. Teachers
    that are asked in this way are asked in this process.
    """
    if isinstance(teacher, FrozenEstimator):
        teacher = teacher.estimator
    return getattr(teacher, "_predict_in_parts", None)


def has_frozen_part(teacher: BaseEstimator) -> bool:
    """Return whether a teacher, or an estimator inside it, is frozen."""
    parts = teacher.get_params().values()
    return isinstance(teacher, FrozenEstimator) or any(
        isinstance(part, FrozenEstimator) for part in parts
    )


def own_classes(teacher: Any, text: str) -> tuple[np.ndarray, bool]:
    """Return the classes of a fitted teacher, and whether a text may have several labels."""
    if gives_several_labels(teacher, text):
        return np.arange(len(teacher.classes_)), True
    classes = np.asarray(teacher.classes_)
    if len(classes) < 2 or not np.array_equal(np.unique(classes), classes):
        raise ValueError(
            f"The teacher's classes {classes.tolist()} must be sorted, and at least two, to train "
            "a student without y; pass y, or use another teacher."
        )
    return classes, False


def check_classes(teacher: BaseEstimator, classes: np.ndarray, multilabel: bool) -> None:
    """Raise an error if the classes of a fitted teacher differ from those of `y`."""
    if multilabel and not knows_labels(teacher, len(classes)):
        raise ValueError(
            f"The teacher's classes {teacher.classes_!r} differ from those of y, which is "
            f"multilabel with {len(classes)} labels; fit the teacher on labels of that form."
        )
    if not multilabel and not np.array_equal(teacher.classes_, classes):
        raise ValueError(
            f"The teacher's classes {np.asarray(teacher.classes_).tolist()} differ from those of "
            f"y, {classes.tolist()}; fit the teacher on labels from the same classes."
        )


def fit_teacher(
    teacher: BaseEstimator, X: list[str], y: np.ndarray | None, sample_weight: np.ndarray | None
) -> BaseEstimator:
    """Clone a teacher and fit it, with sample weights if it supports them."""
    teacher = clone(teacher)
    if sample_weight is None or isinstance(teacher, FrozenEstimator) or learns_nothing(teacher):
        return teacher.fit(X, y)
    if has_fit_parameter(teacher, "sample_weight"):
        return teacher.fit(X, y, sample_weight=sample_weight)
    warnings.warn(
        f"The teacher {type(teacher).__name__} does not accept sample_weight in fit; the weights "
        "only affect the student.",
        stacklevel=2,
    )
    return teacher.fit(X, y)


def release_memory(teacher: BaseEstimator) -> None:
    """Free the GPU memory of a transformer, so that the student can use it."""
    if isinstance(teacher, FrozenEstimator):
        teacher = teacher.estimator
    if hasattr(teacher, "release_memory"):
        teacher.release_memory()


def unfitted(teacher: BaseEstimator) -> BaseEstimator:
    """Clone a teacher without its fitted state, including that inside a `FrozenEstimator`.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdistill.labelling._teacher import unfitted
    >>> frozen = FrozenEstimator(LogisticRegression().fit([[0], [1]], [0, 1]))
    >>> hasattr(unfitted(frozen), "coef_")
    False
    """
    if isinstance(teacher, FrozenEstimator):
        return FrozenEstimator(clone(teacher.estimator))
    copy = clone(teacher)
    for name, param in copy.get_params().items():
        if isinstance(param, FrozenEstimator):
            copy.set_params(**{name: FrozenEstimator(clone(param.estimator))})
    return copy
