"""How the student and the teacher of a cascade are checked, fitted and asked."""

from math import ceil
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.multiclass import is_multilabel
from sklearn.utils.validation import (
    _check_method_params,
    _num_samples,
    check_is_fitted,
    has_fit_parameter,
)

from skdistill._core.label_columns import as_labels, columns_in_order
from skdistill._core.labels import check_labels, check_same_length
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._teacher import (
    explain_errors,
    fit_teacher,
    gives_probabilities,
    needs_no_labels,
)
from skdistill.students.cascade._folder import unwrapped

# Parameters of `fit` with a row per text.
_ALIGNED = {"sample_weight", "teacher_proba"}


def read_labels(y: Any, n_texts: int, teacher: Any, *, by_agreement: bool) -> tuple[Any, Any]:
    """Return the classes and the number of each text's class; None if they are not needed."""
    if y is None and by_agreement and needs_no_labels(teacher):
        return None, None
    if y is not None and is_multilabel(as_labels(y)):
        raise ValueError(
            f"A cascade takes one label per text, but y has shape {np.shape(y)}. Use the student "
            "without a cascade, or a cascade for each column."
        )
    return check_labels(y, n_rows=n_texts)


def split_rows(
    n_texts: int, codes: np.ndarray | None, fraction: float, random_state: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and those to hold out, with each class among both."""
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
    return training, validation


def params_of_parts(
    cascade: Any, student: Any, params: dict[str, Any], texts: list[str], training: np.ndarray
) -> dict[str, Any]:
    """Return the parameters of `fit` that student or teacher take, cut to the training rows.

    A frozen student takes none, but its teacher may still want the weights. Any other student that
    has weights gets them: without metadata routing, it cannot request them.

    Raises
    ------
    ValueError
        If weights or probabilities have another number of rows than the texts. Those of the
        training rows alone would pass for cut ones.
    UnsetMetadataPassedError
        scikit-learn's, if no part takes a parameter.
    """
    for name, values in params.items():
        if name.rpartition("__")[2] in _ALIGNED and values is not None:
            check_same_length(len(texts), _num_samples(values), names=("X", name))
    weights = {}
    if isinstance(student, FrozenEstimator) or (
        not get_config()["enable_metadata_routing"] and has_fit_parameter(student, "sample_weight")
    ):
        weights = {name: value for name, value in params.items() if name == "sample_weight"}
    others = {name: value for name, value in params.items() if name not in weights}
    taken = {**process_routing(cascade, "fit", **others).student.fit, **weights}
    cut: dict[str, Any] = _check_method_params(texts, taken, indices=training)
    return cut


def fit_parts(
    student: Any,
    teacher: Any,
    texts: list[str],
    labels: Any,
    params: dict[str, Any],
    *,
    share: bool,
) -> Any:
    """Fit a student, and a clone of the teacher, which is returned.

    With `share`, the student learns from this teacher, unless it fits teachers of its own.
    """
    if teacher is not None:
        teacher = fit_teacher(teacher, texts, labels, params.get("sample_weight"))
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


def check_classes(name: str, part: Any, classes: np.ndarray, other: str) -> None:
    """Refuse a student or a teacher that has other classes than `other`; None passes."""
    if part is None:
        return
    check_is_fitted(part)
    if not np.array_equal(part.classes_, classes):
        raise ValueError(
            f"The {name}'s classes {np.asarray(part.classes_).tolist()} differ from those of "
            f"{other}, {classes.tolist()}; fit it on labels from the same classes."
        )


def check_reject(reject: Any, classes: np.ndarray) -> None:
    """Refuse a label that cannot be in one array with the classes."""
    label = classes.tolist()[0]
    if reject is not None and isinstance(reject, str) != isinstance(label, str):
        raise TypeError(
            f"reject={reject!r} and the label {label!r} must be both strings or both numbers, "
            "because they are in one array of predictions."
        )


def make_labeler(teacher: Any, texts: list[str], labels: Any, *, memory: Any) -> SoftLabeler:
    """Return what asks the fitted teacher, but not for what the memory knows."""
    frozen = teacher if isinstance(teacher, FrozenEstimator) else FrozenEstimator(teacher)
    return SoftLabeler(frozen, texts, labels, memory=memory)


def ask(teacher: Any, texts: list[str], classes: np.ndarray, *, memory: Any = None) -> Any:
    """Return the teacher's probabilities; those in a table with names are aligned by them."""
    if memory is not None:
        return make_labeler(teacher, texts, None, memory=memory).label(texts)
    with explain_errors(teacher):
        answers = teacher.predict_proba(texts)
    return columns_in_order(answers, classes, name="teacher.predict_proba(texts)")
