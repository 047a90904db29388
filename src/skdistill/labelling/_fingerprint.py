"""Fingerprints of teachers: hashes of everything that their probabilities depend on."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from skdistill._core.label_columns import as_labels, names_or_numbers
from skdistill.labelling._description import PROTOCOL, describe
from skdistill.labelling._shared_teacher import SharedTeacher
from skdistill.labelling._teacher import clone_teacher, last_step, learns_nothing

# Fingerprints that a teacher has after it was asked, and those it had before, which differ if it
# counts its calls, for example. They are those of its objects only: another one that starts in this
# state may give other answers.
_aliases: dict[str, tuple[str, list[Callable[[], Any]]]] = {}


def teacher_fingerprint(
    teacher: BaseEstimator,
    X: list[str],
    y: Any,
    sample_weight: np.ndarray | None = None,
) -> str:
    """Hash everything that a teacher's probabilities depend on, to 32 hexadecimal digits.

    For a `FrozenEstimator`, that is its fitted state. For an unfitted teacher, it is the class, the
    parameters and the training rows, or what its method ``__skdistill_fingerprint__`` returns. A
    teacher that learns nothing has one fingerprint, frozen or not. Of rows that it ignores, only
    the labels that occur count.

    Raises
    ------
    TypeError
        If a part of the teacher cannot be described. The message names it.
    """
    key = _current_fingerprint(teacher, X, y, sample_weight)
    before, objects = _aliases.get(key, (key, []))
    own = {*map(id, _objects_of(teacher))}
    return before if any(id(find()) in own for find in objects) else key


def note_changes(
    fingerprint: str,
    teacher: BaseEstimator,
    X: list[str],
    y: Any,
    sample_weight: np.ndarray | None = None,
) -> None:
    """Keep a teacher's fingerprint although answering has changed something that it refers to."""
    try:
        key = _current_fingerprint(teacher, X, y, sample_weight)
    except TypeError:
        return  # the answers are kept; a next fit says what cannot be described before it asks
    if key != fingerprint:
        _aliases[key] = fingerprint, [*map(_reference, _objects_of(teacher))]


def _objects_of(teacher: BaseEstimator) -> list[Any]:
    """Return a teacher and the functions and other objects among its parameters.

    A method counts as its object.
    """
    values = [teacher, *teacher.get_params(deep=True).values()]
    owners = [getattr(value, "__self__", value) for value in values]
    return [owner for owner in owners if hasattr(owner, "__dict__") or hasattr(owner, "__slots__")]


def _reference(value: Any) -> Callable[[], Any]:
    """Return a function that finds an object as long as it exists."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


def fitted_fingerprint(teacher: BaseEstimator) -> str | None:
    """Hash a fitted teacher's state, to 16 hexadecimal digits; None if it cannot be described.

    Two fits with equal parameters and rows differ in it if the teacher is random. If each fit gives
    the same, because the teacher is frozen or learns nothing, the result is "".
    """
    if isinstance(teacher, SharedTeacher):
        teacher = teacher.estimator
    inner = _thawed(teacher)
    if hasattr(inner, PROTOCOL) and not learns_nothing(inner):
        teacher = inner  # has one fingerprint, frozen or not, if its own does not depend on rows
    if ignores_rows(teacher):
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
        inner = _thawed(teacher)
        if learns_nothing(inner):
            return describe(getattr(inner, PROTOCOL)(None, None, None))
        if hasattr(inner, PROTOCOL) and ignores_rows(inner, X, _plain(y), sample_weight):
            return describe(getattr(inner, PROTOCOL)(None, None, None), is_fitted=False)
        if not ignores_rows(inner) or not hasattr(inner, "classes_"):
            return describe(FrozenEstimator(inner))
        is_table = bool(getattr(last_step(inner), "multilabel_", False))
        labels = as_labels(inner.classes_).tolist(), is_table
        return describe((clone_teacher(inner), labels), is_fitted=False)
    recipe = clone_teacher(teacher)
    if hasattr(recipe, PROTOCOL):
        labels = y if learns_nothing(recipe) else _plain(y)  # with the names of columns, or plain
        parts = getattr(recipe, PROTOCOL)(X, labels, sample_weight)
        return describe(parts, is_fitted=learns_nothing(recipe))
    if ignores_rows(recipe, X, _plain(y), sample_weight):
        return describe((recipe, _labels(y)), is_fitted=False)
    return describe((recipe, X, _plain(y), sample_weight), is_fitted=False)


def _thawed(teacher: Any) -> Any:
    """Return what is frozen, also twice, as a cascade freezes a frozen teacher."""
    while isinstance(teacher, FrozenEstimator):
        teacher = teacher.estimator
    return teacher


def ignores_rows(teacher: Any, *rows: Any) -> bool:
    """Return whether a teacher, if all its parts are fitted, does not depend on its training rows.

    This holds for a teacher that learns nothing or is frozen, for an ensemble of such teachers that
    vote, and for a pipeline that ends with one, after transformers that need no `fit`. An unfitted
    teacher with a fingerprint of its own learns nothing if that is the same with its rows, ``X``,
    ``y`` and ``sample_weight``, as without.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skdistill import FunctionTeacherClassifier, make_tfidf_baseline
    >>> from skdistill.labelling._fingerprint import ignores_rows
    >>> ignores_rows(make_pipeline(FunctionTransformer(), FunctionTeacherClassifier(len)))
    True
    >>> ignores_rows(make_pipeline(FunctionTransformer(), make_tfidf_baseline()))
    False
    """
    if isinstance(teacher, VotingClassifier):
        return all(part == "drop" or ignores_rows(part, *rows) for _, part in teacher.estimators)
    if isinstance(teacher, Pipeline):
        *transformers, (_, classifier) = teacher.steps
        return ignores_rows(classifier, *rows) and all(
            part in (None, "passthrough")
            or isinstance(part, FrozenEstimator)
            or not get_tags(part).requires_fit
            for _, part in transformers
        )
    if isinstance(teacher, FrozenEstimator) or learns_nothing(teacher):
        return True
    if not rows or not hasattr(teacher, PROTOCOL):
        return False
    with_rows, without = (getattr(teacher, PROTOCOL)(*given) for given in (rows, [None] * 3))
    return describe(with_rows) == describe(without)


def _labels(y: Any) -> Any:
    """Return the labels that occur, or the names or numbers of the columns."""
    if y is None:
        return None
    labels = as_labels(y)
    is_table = labels.ndim == 2
    columns = names_or_numbers(y, labels.shape[1]) if is_table else np.unique(labels)
    return columns.tolist(), is_table


def _plain(y: np.ndarray | None) -> Any:
    """Return labels as Python values, whatever the container and the width of the type."""
    return None if y is None else as_labels(y).tolist()
