"""Unlabelled texts for those estimators, of any kind, that can learn from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn import config_context
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skdistill.labelling._transfer_set import TextPool
from skdistill.students._fitted import FittedStudent


@contextmanager
def unlabeled_for(estimator: Any, X_unlabeled: TextPool | None) -> Iterator[dict[str, Any]]:
    """Give the keyword arguments that bring unlabelled texts into an estimator's `fit`.

    Into a meta-estimator around a student, such as a pipeline or a search, they go by metadata
    routing, which is on inside the context. There are none if nothing in the estimator takes
    them: a student without a teacher has nobody to label them.
    """
    students = students_in(estimator)
    if X_unlabeled is None or (students and not any(map(has_teacher, students))):
        yield {}
    elif has_fit_parameter(estimator, "X_unlabeled"):
        yield {"X_unlabeled": X_unlabeled}
    elif _routes_unlabeled(estimator):
        with config_context(enable_metadata_routing=True):
            yield {"X_unlabeled": X_unlabeled}
    else:
        yield {}


def students_in(estimator: Any) -> list[FittedStudent]:
    """Return the students that an estimator is or has among its parameters, at any depth."""
    parts = [estimator]
    if hasattr(estimator, "get_params"):
        parts += estimator.get_params(deep=True).values()
    return [part for part in parts if isinstance(part, FittedStudent)]


def has_teacher(student: FittedStudent) -> bool:
    """Tell whether a student has somebody to label texts."""
    return getattr(student, "teacher", None) is not None


def _routes_unlabeled(estimator: Any) -> bool:
    try:
        routing = get_routing_for_object(estimator)
    except NotImplementedError:  # scikit-learn's way to say that it routes nothing
        return False
    return bool(routing.consumes("fit", ["X_unlabeled"]))
