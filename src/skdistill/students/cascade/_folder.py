"""The folder that contains a fitted cascade."""

import json
from dataclasses import dataclass
from math import inf, nan
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
# The cascade's parameters in the file, and those of them that old files lack.
SAVED = (
    "max_teacher_rate",
    "validation_fraction",
    "teacher_cost",
    "target_agreement",
    "confidence",
    "reject",
)
_LATER: dict[str, Any] = {"target_agreement": None, "confidence": 0.95, "reject": None}
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
    described: dict[str, Any] = {"class": None if teacher is None else type(teacher).__name__}
    with filling(folder) as draft:
        student.save(draft / _STUDENT)
        if _is_transformer(teacher):
            described |= {name: getattr(teacher, name) for name in _READING}
            # In the order of the model's outputs; its configuration may have other names.
            described["labels"] = teacher.classes_[np.argsort(teacher._columns)].tolist()
            if teacher.classes_.dtype.kind != "U":
                described["dtype"] = teacher.classes_.dtype.name
            teacher.save_pretrained(draft / _TEACHER)
        content = {
            "format": _FORMAT,
            "skdistill": skdistill.__version__,
            **figures,
            "teacher": described,
            "curve": {name: [*map(_as_json, column)] for name, column in curve.items()},
        }
        text = json.dumps(content, indent=1, default=lambda number: number.item())
        (draft / _FIGURES).write_text(text, encoding="utf-8")


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
    figures: dict[str, float]
    parameters: dict[str, Any]
    curve: pd.DataFrame


def read_cascade(folder: Path, teacher: Any = None, reject: Any = None) -> StoredCascade:
    """Read what `write_cascade` wrote.

    `teacher` or `reject` replaces the stored teacher.

    Raises
    ------
    ModelFileError
        If a file is missing or damaged.
    ValueError
        If the folder contains no teacher, and neither it nor `reject` is there instead.
    """
    path = folder / _FIGURES
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ModelFileError(f"{path} was written by a newer skdistill; update skdistill.")
        curve = pd.DataFrame(content["curve"], dtype=np.float64)
        curve["threshold"] = curve["threshold"].fillna(inf)
        figures = {
            "threshold": inf if content["threshold"] is None else float(content["threshold"]),
            "teacher_rate": float(content["teacher_rate"]),
            "agreement": float(content.get("agreement", nan)),
        }
        stored = _LATER | content["parameters"]
        parameters = {
            name: stored[name] if stored[name] is None or name == "reject" else float(stored[name])
            for name in SAVED
        }
        described = dict(content["teacher"])
    except NotADirectoryError:
        raise ModelFileError(
            f"{folder} is a file, not the folder of a cascade; load a student with its own class, "
            "or with CompiledClassifier."
        ) from None
    except FileNotFoundError:
        message = f"{folder} is not the folder of a cascade: it has no {_FIGURES}."
        raise ModelFileError(message) from None
    except ModelFileError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {error!r}. Save the cascade again.") from error
    student = _read_student(folder / _STUDENT)
    if teacher is None and reject is None:
        teacher = _read_teacher(
            folder / _TEACHER, described, is_needed=parameters["reject"] is None
        )
    if reject is not None:
        parameters["reject"] = reject
    return StoredCascade(student, teacher, figures, parameters, curve)


def _read_student(path: Path) -> Any:
    try:
        name = f"Distilled{read_model(path).kind.upper()}Classifier"
    except FileNotFoundError:
        message = f"{path.parent} lacks the file {path.name} of the student; copy it there again."
        raise ModelFileError(message) from None
    return getattr(skdistill, name).load(path)


def _read_teacher(folder: Path, described: dict[str, Any], *, is_needed: bool) -> Any:
    # Without labels, a folder of that name is left from another cascade.
    if "labels" not in described and not is_needed:
        return None
    if "labels" not in described:
        raise ValueError(
            f"The folder does not contain the cascade's teacher, a {described['class']}. Pass the "
            "fitted teacher: CascadeClassifier.load(folder, teacher=...). Without it, pass a label "
            "for the texts that the student is unsure of, as in reject='none of these'."
        )
    reading = {name: described[name] for name in _READING}
    labels = np.asarray(described["labels"], dtype=described.get("dtype"))  # old files lack it
    return skdistill.TransformerTeacherClassifier.from_finetuned(folder, [*labels], **reading)


def unwrapped(estimator: Any) -> Any:
    """Return the estimator inside a `FrozenEstimator`."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
