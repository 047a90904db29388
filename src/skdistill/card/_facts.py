"""Describe a student's training for a model card."""

import os.path
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

# Parameters that do not affect the trained model, and those that the training record describes.
_OTHER = ("teacher", "unlabeled", "memory", "callbacks", "n_jobs", "verbose")
_UNKNOWN = "unknown (not recorded)"


def training_parameters(student: BaseEstimator) -> dict[str, Any]:
    """Return the parameters that the trained model depends on, for later model files and cards.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier
    >>> from skdistill.card._facts import training_parameters
    >>> parameters = training_parameters(DistilledMLPClassifier(lr=0.01, memory="a/b"))
    >>> parameters["lr"], "memory" in parameters
    (0.01, False)
    """
    given = student.get_params(deep=False)
    return {name: as_plain(value) for name, value in given.items() if name not in _OTHER}


def describe_parameters(kind: type[BaseEstimator], parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a student that are not at the defaults of its class.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier
    >>> from skdistill.card._facts import describe_parameters
    >>> describe_parameters(DistilledMLPClassifier, {"lr": 0.01, "loss": "kl"})
    {'Parameters': 'lr=0.01'}
    """
    defaults = {name: given.default for name, given in signature(kind).parameters.items()}
    values = [
        f"{name}={_name_value(value)}"
        for name, value in parameters.items()
        if not _is_same(value, defaults[name])
    ]
    return {"Parameters": ", ".join(values)} if values else {}


def describe_record(
    record: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Describe the training record and the calibration in a model file.

    Files of earlier versions have neither.

    Examples
    --------
    >>> from skdistill.card._facts import describe_record
    >>> describe_record({
    ...     "teacher": "Pipeline", "sources": ["teacher"], "date": "2026-11-27",
    ...     "n_by_origin": {"labelled": 1000, "unlabelled": 500, "augmented": 0}})
    {'Teacher': 'Pipeline', 'Training texts': '1,500 (1,000 labelled, 500 unlabelled)', 'Date of ...
    >>> describe_record({})
    {'Teacher': 'unknown (not recorded)', 'Date of training': 'unknown (not recorded)'}
    """
    facts = {"Teacher": _UNKNOWN, "Date of training": _UNKNOWN}
    if record:
        counts = record["n_by_origin"]
        parts = [f"{count:,} {origin}" for origin, count in counts.items() if count]
        facts = {
            "Teacher": _describe_sources(record["teacher"], record["sources"]),
            "Training texts": parts[0]
            if len(parts) == 1
            else f"{sum(counts.values()):,} ({', '.join(parts)})",
            "Date of training": str(record["date"]),
        }
    if calibration:
        before, after = (
            f"{100 * calibration[name]:.2f} %" for name in ("error_before", "error_after")
        )
        facts["Calibration"] = (
            f"temperature {calibration['temperature']:.3g}, fitted on "
            f"{calibration['n_texts']:,} texts; their calibration error was {before} before and "
            f"{after} after"
        )
    return facts


def _describe_sources(teacher: str | None, sources: Sequence[str]) -> str:
    """Describe what the training probabilities come from."""
    if [*sources] == ["gold"]:
        return "none (trained on gold labels)"
    parts = {
        "teacher": str(teacher),
        "gold": "gold labels",
        "given": "probabilities passed to fit, whose origin is not recorded",
    }
    return " and ".join(parts[name] for name in parts if name in sources)


def name_teacher(teacher: Any) -> str | None:
    """Return the class of a teacher and the model it runs; only the name of a folder, not its path.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.card._facts import name_teacher
    >>> name_teacher(FrozenEstimator(make_tfidf_baseline()))
    'Pipeline'
    """
    if teacher is None:
        return None
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
