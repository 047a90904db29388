"""What a model card tells of a student's training."""

from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

# What says nothing of the trained model, or is told by itself.
_OTHER = ("teacher", "memory", "callbacks", "n_jobs", "verbose")


def describe_training(student: BaseEstimator) -> dict[str, str]:
    """Name a student's teacher, and the parameters that are not at their defaults.

    Parameters
    ----------
    student : a student
        Of folders only the names are told.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, make_tfidf_baseline
    >>> from skdistill._training_facts import describe_training
    >>> describe_training(DistilledMLPClassifier(make_tfidf_baseline(), lr=0.01, memory="a/b"))
    {'Teacher': 'Pipeline', 'Parameters': 'lr=0.01'}
    """
    facts = {"Teacher": _name_teacher(student.teacher)}
    defaults = {name: given.default for name, given in signature(type(student)).parameters.items()}
    given = {name: _as_plain(value) for name, value in student.get_params(deep=False).items()}
    changed = {
        name: value
        for name, value in given.items()
        if name not in _OTHER and not _is_same(value, defaults[name])
    }
    if changed:
        facts["Parameters"] = ", ".join(
            f"{name}={_name_value(value)}" for name, value in changed.items()
        )
    return facts


def _name_teacher(teacher: Any) -> str:
    if teacher is None:
        return "none: it learned from gold labels"
    while hasattr(teacher, "estimator"):
        teacher = teacher.estimator
    name = type(teacher).__name__
    model = getattr(teacher, "model_name", None)
    if model is None:
        return name
    path = Path(model)
    return f"{name} ({path.name if path.is_absolute() else model})"


def _as_plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _is_same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and value == default)


def _name_value(value: Any) -> str:
    is_plain = isinstance(value, str | int | float | bool | tuple | list | dict)
    return repr(value) if value is None or is_plain else type(value).__name__
