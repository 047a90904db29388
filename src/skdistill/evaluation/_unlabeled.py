"""Pass unlabelled texts to the estimators that can use them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn import config_context
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skdistill.labelling._pool import TextPool
from skdistill.students._fitted import FittedStudent


@contextmanager
def unlabeled_for(estimator: Any, X_unlabeled: TextPool | None) -> Iterator[dict[str, Any]]:
    """Return the keyword arguments that pass unlabelled texts to an estimator's `fit`.

    Metadata routing, which the context enables, passes them to students inside a meta-estimator
    such as a pipeline or a search. The arguments are empty if nothing in the estimator uses
    unlabelled texts, as for a student without a teacher.
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
    """Return the estimator, if it is a student, and all students among its parameters."""
    parts = [estimator]
    if hasattr(estimator, "get_params"):
        parts += estimator.get_params(deep=True).values()
    return [part for part in parts if isinstance(part, FittedStudent)]


def has_teacher(student: FittedStudent) -> bool:
    """Return whether a student has a teacher."""
    return getattr(student, "teacher", None) is not None


def _routes_unlabeled(estimator: Any) -> bool:
    try:
        routing = get_routing_for_object(estimator)
    except NotImplementedError:  # scikit-learn raises this if the estimator routes nothing
        return False
    return bool(routing.consumes("fit", ["X_unlabeled"]))
