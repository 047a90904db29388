"""The folder that contains a fitted cascade."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

import skdistill
from skdistill._core.exceptions import ModelFileError
from skdistill._core.files import filling
from skdistill.runtime._model_file import read_model

_FORMAT = 1
_STUDENT, _TEACHER, _FIGURES = "student.skd", "teacher", "cascade.json"
# Parameters of the teacher that change its probabilities after training.
_READING = ("max_length", "precision")


def write_cascade(
    folder: Path, student: Any, teacher: Any, figures: dict[str, Any], curve: pd.DataFrame
) -> None:
    """Write a student, its teacher if it is a transformer, and the figures of a cascade.

    Raises
    ------
    TypeError
        If the student cannot be saved without a pickle.
    """
    if not hasattr(student, "save"):
        raise TypeError(
            f"The cascade's student, {type(student).__name__}, has no method save. Use one of "
            "skdistill's students, or save the cascade with joblib."
        )
    described: dict[str, Any] = {"class": type(teacher).__name__}
    with filling(folder) as draft:
        student.save(draft / _STUDENT)
        if _is_transformer(teacher):
            described |= {name: getattr(teacher, name) for name in _READING}
            # In the order of the model's outputs; its configuration may have other names.
            described["labels"] = teacher.classes_[np.argsort(teacher._columns)].tolist()
            teacher.save_pretrained(draft / _TEACHER)
        content = {
            "format": _FORMAT,
            "skdistill": skdistill.__version__,
            **figures,
            "teacher": described,
            "curve": {name: [*map(_as_json, column)] for name, column in curve.items()},
        }
        (draft / _FIGURES).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _is_transformer(teacher: Any) -> bool:
    # The class is loaded, with torch, only for teachers that may be of it.
    return hasattr(teacher, "save_pretrained") and isinstance(
        teacher, skdistill.TransformerTeacherClassifier
    )


def _as_json(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True)
class StoredCascade:
    """A cascade as read from its folder; `parameters` are those of the constructor."""

    student: Any
    teacher: Any
    threshold: float
    teacher_rate: float
    parameters: dict[str, Any]
    curve: pd.DataFrame


def read_cascade(folder: Path, teacher: Any, names: Collection[str]) -> StoredCascade:
    """Read what `write_cascade` wrote.

    `teacher` replaces the stored one. `names` are the parameters that the file must contain.

    Raises
    ------
    ModelFileError
        If a file is missing or damaged.
    ValueError
        If the folder contains no teacher and none is passed.
    """
    path = folder / _FIGURES
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ModelFileError(f"{path} was written by a newer skdistill; update skdistill.")
        curve = pd.DataFrame(content["curve"], dtype=np.float64)
        curve["threshold"] = curve["threshold"].fillna(inf)
        threshold = inf if content["threshold"] is None else float(content["threshold"])
        teacher_rate = float(content["teacher_rate"])
        parameters = {name: float(content["parameters"][name]) for name in names}
        described = dict(content["teacher"])
    except FileNotFoundError:
        message = f"{folder} is not the folder of a cascade: it has no {_FIGURES}."
        raise ModelFileError(message) from None
    except ModelFileError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {error!r}. Save the cascade again.") from error
    student = _read_student(folder / _STUDENT)
    if teacher is None:
        teacher = _read_teacher(folder / _TEACHER, described)
    return StoredCascade(student, teacher, threshold, teacher_rate, parameters, curve)


def _read_student(path: Path) -> Any:
    name = f"Distilled{read_model(path).kind.upper()}Classifier"
    return getattr(skdistill, name).load(path)


def _read_teacher(folder: Path, described: dict[str, Any]) -> Any:
    # Without labels, a folder of that name is left from another cascade.
    if "labels" not in described:
        raise ValueError(
            f"The folder does not contain the cascade's teacher, a {described['class']}. Pass the "
            "fitted teacher: CascadeClassifier.load(folder, teacher=...)."
        )
    reading = {name: described[name] for name in _READING}
    return skdistill.TransformerTeacherClassifier.from_finetuned(
        folder, described["labels"], **reading
    )


def unwrapped(estimator: Any) -> Any:
    """Return the estimator inside a `FrozenEstimator`."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
