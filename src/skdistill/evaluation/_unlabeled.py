"""Pass unlabelled texts to the estimators that can use them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skdistill.labelling._pool import TextPool
from skdistill.students._fitted import FittedStudent


@contextmanager
def unlabeled_for(
    estimator: Any, X_unlabeled: TextPool | None
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Return an estimator and keyword arguments of its `fit` that give it unlabelled texts.

    Metadata routing, which the context enables, passes them to students inside a meta-estimator
    such as a pipeline or a search. Where it cannot, the estimator is a clone whose students have
    them as a parameter. Without anything that uses unlabelled texts, such as a student with a
    teacher, estimator and arguments are unchanged and empty.
    """
    students = students_in(estimator)
    if X_unlabeled is None or (students and not any(map(has_teacher, students))):
        yield estimator, {}
    elif has_fit_parameter(estimator, "X_unlabeled"):
        yield estimator, {"X_unlabeled": X_unlabeled}
    elif _routes_unlabeled(estimator):
        with config_context(enable_metadata_routing=True):
            yield estimator, {"X_unlabeled": X_unlabeled}
    elif students:
        yield _with_pool(estimator, X_unlabeled), {}
    else:
        yield estimator, {}


def students_in(estimator: Any) -> list[FittedStudent]:
    """Return the estimator, if it is a student, and all students among its parameters."""
    return [part for part in _parts(estimator).values() if isinstance(part, FittedStudent)]


def has_teacher(student: FittedStudent) -> bool:
    """Return whether a student has a teacher."""
    return getattr(student, "teacher", None) is not None


def _parts(estimator: Any) -> dict[str, Any]:
    """Return an estimator and its parameters by name."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    return {"": estimator, **params}


def _routes_unlabeled(estimator: Any) -> bool:
    # A stacking classifier also passes all arguments to its final estimator.
    if any(isinstance(part, StackingClassifier) for part in _parts(estimator).values()):
        return False
    try:
        routing = get_routing_for_object(estimator)
    except NotImplementedError:  # scikit-learn raises this if the estimator routes nothing
        return False
    return bool(routing.consumes("fit", ["X_unlabeled"]))


def _with_pool(estimator: Any, pool: TextPool) -> Any:
    """Return a clone whose students with a teacher have the pool as their parameter."""
    estimator = clone(estimator)
    parts = _parts(estimator)
    # What is inside of these gets no texts: a frozen model is not fitted, and a student's teacher
    # is fitted on labelled texts.
    closed = [
        f"{name}__"
        for name, part in parts.items()
        if name and isinstance(part, FittedStudent | FrozenEstimator)
    ]
    for name, part in parts.items():
        is_inside = name.startswith(tuple(closed))
        if isinstance(part, FittedStudent) and has_teacher(part) and not is_inside:
            part.set_params(unlabeled=pool)
    return estimator
