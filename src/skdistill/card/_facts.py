"""Describe a student's training for a model card."""

import os.path
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

# Parameters that do not affect the trained model, and the teacher, which has its own row.
_OTHER = ("teacher", "memory", "callbacks", "n_jobs", "verbose")


def describe_training(student: BaseEstimator) -> dict[str, str]:
    """Return a student's teacher and the parameters that are not at their defaults.

    Only the name of a folder is returned, not its path.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, make_tfidf_baseline
    >>> from skdistill.card._facts import describe_training
    >>> describe_training(DistilledMLPClassifier(make_tfidf_baseline(), lr=0.01, memory="a/b"))
    {'Teacher': 'Pipeline', 'Parameters': 'lr=0.01'}
    """
    facts = {"Teacher": _name_teacher(student.teacher)}
    defaults = {name: given.default for name, given in signature(type(student)).parameters.items()}
    given = {name: as_plain(value) for name, value in student.get_params(deep=False).items()}
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
        return "none (trained on gold labels)"
    while getattr(teacher, "estimator", None) is not None:
        teacher = teacher.estimator
    name = type(teacher).__name__
    model = getattr(teacher, "model_name", None)
    if model is None:
        return name
    return f"{name} ({Path(os.path.abspath(model)).name if _is_folder(model) else model})"


def _is_folder(model: str | os.PathLike[str]) -> bool:
    """Return whether a name is a folder, which may be gone by now, rather than a Hub name."""
    path = Path(model)
    return os.path.isdir(path) or path.is_absolute() or len(path.parts) > 2 or ".." in path.parts


def as_plain(value: Any) -> Any:
    """Convert NumPy scalars, such as those of a grid search, to Python's, also in containers.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.card._facts import as_plain
    >>> as_plain({np.str_("joy"): (np.float64(2), None)})
    {'joy': (2.0, None)}
    """
    if isinstance(value, list | tuple):
        return type(value)(map(as_plain, value))
    if isinstance(value, dict):
        return {as_plain(key): as_plain(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def count_gold_epochs(history: Sequence[Mapping[str, float]]) -> int:
    """Count the epochs on gold labels at the end of a history, which start again at 1.

    Examples
    --------
    >>> from skdistill.card._facts import count_gold_epochs
    >>> count_gold_epochs([{"epoch": 1}, {"epoch": 2}, {"epoch": 1}])
    1
    """
    starts = [place for place, epoch in enumerate(history) if epoch["epoch"] == 1]
    return len(history) - starts[-1] if len(starts) > 1 else 0


def _is_same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and value == default)


def _name_value(value: Any) -> str:
    is_plain = isinstance(value, str | int | float | bool | tuple | list | dict)
    return repr(value) if value is None or is_plain else type(value).__name__
