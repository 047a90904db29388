"""How the student and the teacher of a cascade are checked, fitted and asked."""

from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.multiclass import is_multilabel
from sklearn.utils.validation import (
    _check_method_params,
    _check_sample_weight,
    _num_samples,
    check_is_fitted,
)

from skdistill._core.exceptions import warn
from skdistill._core.label_columns import as_labels, columns_in_order
from skdistill._core.labels import check_labels, check_same_length
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._missing_teacher import MissingTeacher
from skdistill.labelling._pool import as_pool
from skdistill.labelling._teacher import (
    clone_teacher,
    explain_errors,
    fit_teacher,
    gives_probabilities,
    is_numbered,
    last_step,
    needs_no_labels,
    weight_parameter,
)
from skdistill.metrics._risk_control import choose_by_agreement
from skdistill.students.cascade._folder import unwrapped

# Parameters of `fit` with a row per text.
_ALIGNED = {"sample_weight", "teacher_proba"}
# Those with rows of their own, even where there are as many as texts.
_SEPARATE = {"X_unlabeled", "unlabeled_proba"}
_ADVICE_ON_PLACES = (
    " If scikit-learn has numbered the labels, as VotingClassifier and StackingClassifier do, pass "
    "FrozenEstimator(fitted_cascade), whose columns belong to the labels by place."
)


def make_pair(student: Any, teacher: Any, reject: Any) -> tuple[Any, Any]:
    """Return clones of the student and the teacher, which may be the student's own or None."""
    student = clone(student)
    if teacher is None:
        teacher = getattr(student, "teacher", None)
    if isinstance(teacher, MissingTeacher | None) and reject is not None:
        return student, None
    if teacher is None:
        raise ValueError(
            "The cascade has no teacher. Pass one, or a student with a teacher: "
            "CascadeClassifier(DistilledMLPClassifier(teacher)). Without a teacher, it needs a "
            "label for the texts that the student is unsure of, as in reject='none of these'."
        )
    check_predict_proba("teacher", teacher)
    return student, clone_teacher(teacher)


def read_labels(y: Any, n_texts: int, teacher: Any, *, by_agreement: bool) -> tuple[Any, Any]:
    """Return the classes and the number of each text's class; None if they are not needed."""
    if y is None and by_agreement and needs_no_labels(teacher):
        return None, None
    if y is not None and is_multilabel(labels := as_labels(y)):
        raise ValueError(
            f"A cascade takes one label per text, but y has shape {labels.shape}. Use the student "
            "without a cascade, or a cascade for each column."
        )
    return check_labels(y, n_rows=n_texts)


def split_rows(
    texts: list[str], codes: np.ndarray | None, fraction: float, random_state: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and those to hold out, with each class among both.

    Rows whose text is held out in another row are in neither, because a student would know it; if
    then too few are left, they are trained on, with a warning.
    """
    n_texts = len(texts)
    n_classes = 1 if codes is None else int(codes.max()) + 1
    n_held_out = max(ceil(fraction * n_texts), n_classes)
    rarest = 2 if codes is None else np.bincount(codes).min()
    if rarest < 2 or n_texts - n_held_out < n_classes:
        raise ValueError(
            f"Holding out {n_held_out} of {n_texts} texts to choose the threshold leaves too few "
            f"to have each of the {n_classes} classes in both parts. Pass more texts, or wrap the "
            "fitted student and teacher in FrozenEstimator."
        )
    training, validation = train_test_split(
        np.arange(n_texts),
        test_size=n_held_out,
        stratify=codes,
        random_state=check_random_state(random_state),
    )
    held_out = {texts[row] for row in validation}
    new = training[[texts[row] not in held_out for row in training]]
    if len(new) >= n_classes and (codes is None or len({*codes[new]}) == n_classes):
        return new, validation
    warn(
        "X repeats so many texts that the student is trained on those that are held out to choose "
        "the threshold, so neither it nor a guarantee by target_agreement holds for new texts."
    )
    return training, validation


def calibration_of(student: Any) -> Any:
    """Return how a student was calibrated, or None."""
    return getattr(last_step(student), "calibration_", None)


def check_unchanged(cascade: Any) -> None:
    """Refuse a cascade that is not fitted, or whose student has been calibrated since.

    The threshold is one of the probabilities before.
    """
    check_is_fitted(cascade)
    now = calibration_of(cascade.student_)
    if getattr(cascade, "_calibration", now) != now:  # old pickles lack it
        raise ValueError(
            "The student was calibrated after the cascade was fitted, so its threshold does not "
            "hold for the new probabilities; fit the cascade again."
        )


def check_rows(params: dict[str, Any], texts: list[str]) -> np.ndarray | None:
    """Return the weights of the texts, also those for a step of a pipeline, or None without.

    Raises
    ------
    ValueError
        If weights or probabilities have another number of rows than the texts (those of the
        training rows alone would pass for cut ones), or if weights are missing or negative.
    """
    weights = None
    for name, values in params.items():
        parameter = _parameter(name)
        if parameter in _ALIGNED and values is not None:
            check_same_length(len(texts), _num_samples(values), names=("X", name))
            if parameter == "sample_weight":
                weights = _check_sample_weight(
                    values, texts, dtype=np.float64, ensure_non_negative=True
                )
    return weights


def rows_with_weight(validation: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the validation rows that count."""
    if weights is None:
        return validation
    rows = validation[weights[validation] > 0]
    if not len(rows):
        raise ValueError(
            f"The sample_weight of all {len(validation):,} validation texts is 0, so that no "
            "threshold can be chosen. Raise validation_fraction, or leave texts of weight 0 out."
        )
    return rows


def params_of_student(
    cascade: Any, student: Any, params: dict[str, Any], texts: list[str], training: np.ndarray
) -> dict[str, Any]:
    """Return the parameters of the student's `fit`, cut to the training rows.

    A frozen student ignores weights, which are for its teacher and the threshold, and takes nothing
    else. Without metadata routing, any other student that has weights gets them, because it cannot
    request them, and the steps of a pipeline get their parameters by ``step__parameter``.

    Raises
    ------
    TypeError, UnsetMetadataPassedError
        scikit-learn's, if no part takes a parameter.
    """
    others, taken = dict(params), {}
    if isinstance(student, FrozenEstimator) or not get_config()["enable_metadata_routing"]:
        if "sample_weight" in params and (name := weight_parameter(student)) is not None:
            taken[name] = others.pop("sample_weight")
        if isinstance(student, Pipeline):
            taken |= {name: others.pop(name) for name in params if "__" in name}
    taken |= process_routing(cascade, "fit", **others).student.fit
    separate = {name: taken.pop(name) for name in [*taken] if _parameter(name) in _SEPARATE}
    if not isinstance(student, FrozenEstimator):
        for name in separate:
            if _parameter(name) == "X_unlabeled":
                separate[name] = as_pool(separate[name])
        _warn_of_known_texts({*texts} - {texts[row] for row in training}, student, separate)
    return _check_method_params(texts, taken, indices=training) | separate


def _warn_of_known_texts(held_out: set[str], student: Any, params: dict[str, Any]) -> None:
    """Warn if texts on which to choose the threshold are in the student's pool, too."""
    pools = [pool for name, pool in params.items() if _parameter(name) == "X_unlabeled"]
    pool = next((p for p in pools if p is not None), getattr(last_step(student), "unlabeled", None))
    n_known = 0 if pool is None else len(held_out.intersection(pool))
    if n_known:
        warn(
            f"{n_known:,} of the {len(held_out):,} texts that are held out to choose the threshold "
            "are also in X_unlabeled. The student learns them, so the threshold, and a guarantee "
            "by target_agreement, do not hold for new texts; leave the texts of X out of it."
        )


def _parameter(name: str) -> str:
    """Return a parameter of a pipeline's step without the step's name."""
    return name.rpartition("__")[2]


def fit_parts(
    student: Any,
    teacher: Any,
    texts: list[str],
    labels: np.ndarray | None,
    weights: np.ndarray | None,
    training: np.ndarray,
    params: dict[str, Any],
    *,
    share: bool,
) -> Any:
    """Fit a student on the training rows, and a clone of the teacher, which is returned.

    With `share`, the student learns from this teacher, unless it fits teachers of its own.
    """
    texts = [texts[row] for row in training]
    labels, weights = (None if rows is None else rows[training] for rows in (labels, weights))
    if teacher is not None:
        teacher = fit_teacher(teacher, texts, labels, weights)
        is_ready = isinstance(student, FrozenEstimator)
        if share and not is_ready and getattr(student, "teacher_cv", None) is None:
            student.set_params(teacher=FrozenEstimator(teacher))
    student.fit(texts, labels, **params)
    return teacher


def classes_of(labeler: SoftLabeler) -> np.ndarray:
    """Return the classes of a teacher that needs no labels."""
    if labeler.multilabel:
        raise ValueError(
            "A cascade takes one label per text, but the teacher gives several. Use the student "
            "without a cascade."
        )
    return labeler.classes


def check_predict_proba(name: str, part: Any) -> None:
    """Refuse a student or a teacher without probabilities."""
    if not gives_probabilities(part):
        raise TypeError(
            f"The {name} {type(unwrapped(part)).__name__} has no method predict_proba, which a "
            "cascade needs. Use a classifier that has it, or wrap this one in "
            "sklearn.calibration.CalibratedClassifierCV."
        )


def choose_row(cascade: Any, curve: pd.DataFrame, n_texts: int) -> int:
    """Return the row of a cascade's curve that its parameters ask for."""
    if cascade.target_agreement is not None:
        agreement = curve["agreement"].to_numpy()
        return choose_by_agreement(agreement, n_texts, cascade.target_agreement, cascade.confidence)
    allowed = curve[curve["teacher_rate"] <= cascade.max_teacher_rate]
    return int(allowed["accuracy"].to_numpy().argmax())


def check_classes(name: str, part: Any, classes: np.ndarray, other: str) -> None:
    """Refuse a student or a teacher that has other classes than `other`; None passes."""
    if part is None:
        return
    check_is_fitted(part)
    if not np.array_equal(part.classes_, classes):
        raise ValueError(
            f"The {name}'s classes {np.asarray(part.classes_).tolist()} differ from those of "
            f"{other}, {classes.tolist()}; fit it on labels from the same classes."
            f"{_ADVICE_ON_PLACES if is_numbered(classes, len(part.classes_)) else ''}"
        )


def check_reject(reject: Any, classes: np.ndarray | None) -> None:
    """Refuse a label that cannot be in one array with the classes, as far as these are known."""
    if reject is None or classes is None:
        return
    label = classes.tolist()[0]
    if isinstance(reject, str) != isinstance(label, str):
        raise TypeError(
            f"reject={reject!r} and the label {label!r} must be both strings or both numbers, "
            "because they are in one array of predictions."
        )
    alone = np.append(np.zeros(len(classes), dtype=bool), True)
    known = [*classes.tolist(), reject]
    predicted = with_rejected(np.append(classes, classes[:1]), alone, reject)
    for before, after in zip(known, predicted.tolist(), strict=True):
        if before != after and before == before:  # NaN stays NaN
            raise ValueError(
                f"reject={reject!r} and labels such as {known[0]} are in one array of predictions, "
                f"of type {predicted.dtype}, which makes {after} of {before}; pass another number "
                f"of the labels' type, {classes.dtype}."
            )


def with_rejected(labels: np.ndarray, is_unsure: np.ndarray, reject: Any) -> np.ndarray:
    """Return labels with `reject` in the place of the unsure ones; whole numbers stay whole."""
    label = np.array(reject)
    if labels.dtype.kind == "u" and label.dtype.kind == "i":  # NumPy would make floats of both
        label = label.astype(np.uint64) if label >= 0 else label
        labels = labels if label >= 0 else labels.astype(np.int64)
    return np.where(is_unsure, label, labels)


def make_labeler(
    teacher: Any, texts: list[str], labels: Any, *, memory: Any, classes: np.ndarray | None = None
) -> SoftLabeler:
    """Return what asks the fitted teacher, but not for what the memory knows."""
    frozen = teacher if isinstance(teacher, FrozenEstimator) else FrozenEstimator(teacher)
    return SoftLabeler(frozen, texts, labels, classes=classes, memory=memory)


def ask(teacher: Any, texts: list[str], classes: np.ndarray, *, memory: Any = None) -> Any:
    """Return the teacher's probabilities; those in a table with names are aligned by them."""
    if memory is not None:
        labeler = make_labeler(teacher, texts, None, memory=memory, classes=classes)
        return labeler.label(texts)
    with explain_errors(teacher):
        answers = teacher.predict_proba(texts)
    return columns_in_order(answers, classes, name="teacher.predict_proba(texts)")
