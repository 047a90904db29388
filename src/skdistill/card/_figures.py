"""Measure the figures that a model card shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skdistill._core.label_columns import find_labels
from skdistill._core.labels import check_probabilities
from skdistill._core.multilabel import has_labels, join_columns
from skdistill._core.texts import check_texts
from skdistill.metrics._fidelity import fidelity
from skdistill.metrics._scores import ClassScores, Measurement
from skdistill.runtime._model_file import StoredModel
from skdistill.text._vocabulary import UNKNOWN, Vocabulary

_N_BINS = 10


@dataclass(frozen=True)
class Answers:
    """Precomputed probabilities of a model, of shape (n_texts, n_classes)."""

    proba: Any
    n_parameters: int | None = None


@dataclass(frozen=True)
class ModelFigures:
    """One row of the table. Shares are between 0 and 1, or None if not measured."""

    name: str
    n_parameters: int | None
    accuracy: float | None = None
    macro_f1: float | None = None
    fidelity: float | None = None
    calibration_error: float | None = None


@dataclass(frozen=True)
class Figures:
    """All figures measured on some texts.

    Attributes
    ----------
    n_texts : int
    models : list of ModelFigures
        The student, its 8-bit version on the page, its teacher and the controls.
    largest_difference : float
        The largest difference between a probability of the student and of its 8-bit version.
    unknown_share : float
        The share of the texts' features that are not in the vocabulary.
    classes : list of ClassScores
        The scores of the 8-bit student; empty without labels.
    confusion : ndarray of shape (n_classes, n_classes) or None
        None without labels and for multilabel data.
    reliability : tuple of ndarray (confidence, share, counts) or None
        None without labels.
    """

    n_texts: int
    models: list[ModelFigures]
    largest_difference: float
    unknown_share: float
    classes: list[ClassScores] = field(default_factory=list)
    confusion: np.ndarray | None = None
    reliability: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


def measure(
    model: StoredModel,
    X: Any,
    y: ArrayLike | None,
    teacher: Any,
    controls: Mapping[str, Any],
    proba: np.ndarray | None = None,
) -> Figures:
    """Measure a student and the models it is compared with.

    Teacher and controls are fitted classifiers, their probabilities for `X`, or :class:`Answers`.
    `proba` are the student's probabilities; None computes them. A ValueError says which lengths,
    classes or shapes do not match.
    """
    texts = check_texts(X)
    labels = None
    if y is not None:
        labels = find_labels(y, model.classes, n_rows=len(texts), multilabel=model.multilabel)
    rounded = model.rounded("int8").compile()
    if proba is None:
        proba = model.compile().predict_proba(texts)
    rounded_proba = rounded.predict_proba(texts)
    rows: list[tuple[str, int | None, np.ndarray]] = [
        ("this student", model.n_parameters, proba),
        ("8-bit student", model.n_parameters, rounded_proba),
    ]
    teacher_proba = None
    if teacher is not None:
        n_parameters, teacher_proba = _ask(model, teacher, texts, "teacher")
        rows.append(("its teacher", n_parameters, teacher_proba))
    rows += [
        (name, *_ask(model, control, texts, f"controls[{name!r}]"))
        for name, control in controls.items()
    ]
    figures = Figures(
        len(texts),
        [_score(model, *row, labels, teacher_proba) for row in rows],
        float(np.abs(proba - rounded_proba).max()),
        _unknown_share(model.vocabulary, texts),
    )
    if labels is None:
        return figures
    found = Measurement.of(labels, rounded_proba)
    bins = found.bins(_N_BINS)
    used = bins.n_texts > 0
    return replace(
        figures,
        classes=found.per_class(model.classes),
        confusion=found.confusion,
        reliability=(bins.confidence[used], bins.accuracy[used], bins.n_texts[used]),
    )


def _ask(
    model: StoredModel, asked: Any, texts: list[str], name: str
) -> tuple[int | None, np.ndarray]:
    """Return a model's number of parameters, if known, and its probabilities."""
    if not isinstance(asked, Answers):
        asked = _answers(model, asked, texts, name)
    proba = check_probabilities(
        asked.proba,
        n_rows=len(texts),
        n_classes=len(model.classes),
        classes=model.classes,
        name=name,
        multilabel=model.multilabel,
    )
    return asked.n_parameters, proba


def _answers(model: StoredModel, asked: Any, texts: list[str], name: str) -> Answers:
    if not hasattr(asked, "predict_proba"):
        return Answers(asked)
    if model.multilabel:
        has_same_classes = has_labels(asked, model.classes)
    else:
        has_same_classes = np.array_equal(asked.classes_, model.classes)
    if not has_same_classes:
        classes = np.asarray(asked.classes_, dtype=object).tolist()
        raise ValueError(
            f"{name} must have the student's classes {model.classes.tolist()!s:.200}, but has "
            f"{classes!s:.200}."
        )
    proba = join_columns(asked.predict_proba(texts))
    return Answers(proba, getattr(asked, "n_parameters_", None))


def _score(
    model: StoredModel,
    name: str,
    n_parameters: int | None,
    proba: np.ndarray,
    labels: np.ndarray | None,
    teacher_proba: np.ndarray | None,
) -> ModelFigures:
    if labels is None:
        agreement = None
        if teacher_proba is not None:
            agreement = fidelity(teacher_proba, proba, multilabel=model.multilabel)
        return ModelFigures(name, n_parameters, fidelity=agreement)
    found = Measurement.of(labels, proba, teacher_proba)
    return ModelFigures(
        name,
        n_parameters,
        found.accuracy,
        found.macro_f1,
        found.fidelity,
        found.calibration_error,
    )


def _unknown_share(vocabulary: Vocabulary, texts: Sequence[str]) -> float:
    ids = vocabulary.encode(texts).values
    # Leave out hashed n-grams, which are never unknown.
    ids = ids[ids <= len(vocabulary.features)]
    return float(np.mean(ids == UNKNOWN)) if len(ids) else 0.0
