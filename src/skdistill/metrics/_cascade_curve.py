"""Accuracy, agreement and cost of a cascade at each threshold."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import _check_sample_weight

from skdistill._core.labels import align_tables, check_probabilities


def cascade_curve(
    student_proba: ArrayLike,
    teacher_proba: ArrayLike,
    codes: ArrayLike,
    *,
    teacher_cost: float = 100.0,
    sample_weight: ArrayLike | None = None,
) -> pd.DataFrame:
    """Compute the accuracy and the cost of a cascade at each threshold.

    The texts are sorted by the student's confidence, its highest probability, in ascending order.
    In each row of the curve, the teacher classifies one more of them. Texts with equal confidence
    share a row.

    Parameters
    ----------
    student_proba, teacher_proba : array-like of shape (n_texts, n_classes)
        Class probabilities. If both have names for their columns, the teacher's are put in the
        student's order. Columns with the names 0, 1, 2, ... are put in this order. Other names of
        only one of the two must be in sorted order.
    codes : array-like of shape (n_texts,)
        Column of the true class of each text.
    teacher_cost : float, default=100.0
        Cost of a prediction by the teacher, relative to one by the student.
    sample_weight : array-like of shape (n_texts,), default=None
        Weights of the texts in all shares. None gives all texts the same weight.

    Returns
    -------
    DataFrame
        One row per threshold, sorted by ``"teacher_rate"`` from 0 to 1. The columns are
        ``"threshold"`` (the teacher classifies texts with a confidence below it),
        ``"teacher_rate"`` (the share of texts that the teacher classifies), ``"coverage"`` (the
        share that the student classifies), ``"accuracy"`` (of the cascade),
        ``"student_accuracy"`` (on the texts that the student classifies; missing if there are
        none), ``"agreement"`` (the share of all texts for which the cascade predicts the teacher's
        class) and ``"cost"`` (the mean per text, ``1 + teacher_rate * teacher_cost``).

    Raises
    ------
    ValueError
        If the shapes or the names of columns do not match, rows do not sum to 1, there are no
        rows, or weights are negative or all 0.

    Examples
    --------
    >>> from skdistill.students import cascade_curve
    >>> student = [[0.9, 0.1], [0.6, 0.4]]  # sure and right, unsure and wrong
    >>> curve = cascade_curve(student, [[0.7, 0.3], [0.2, 0.8]], [0, 1])
    >>> curve[["teacher_rate", "accuracy", "cost"]].values.tolist()
    [[0.0, 0.5, 1.0], [0.5, 1.0, 51.0], [1.0, 1.0, 101.0]]
    """
    codes = np.asarray(codes)
    if not len(codes):
        raise ValueError("codes is empty; cascade_curve needs at least one text.")
    names = ("student_proba", "teacher_proba")
    student_proba, teacher_proba = align_tables(student_proba, teacher_proba, names=names)
    n_classes = np.asarray(student_proba).shape[-1]
    student, teacher = (
        check_probabilities(proba, n_rows=len(codes), n_classes=n_classes, name=name, rows="codes")
        for proba, name in zip((student_proba, teacher_proba), names, strict=True)
    )
    confidence = np.asarray(student_proba).max(axis=1)
    order = np.argsort(confidence, kind="stable")
    confidence = confidence[order]
    student_class, teacher_class = student.argmax(axis=1), teacher.argmax(axis=1)
    student_right, teacher_right = (student_class == codes)[order], (teacher_class == codes)[order]
    differs = (student_class != teacher_class)[order]
    if sample_weight is None:
        weight = np.ones(len(codes))
    else:
        weight = _check_sample_weight(
            sample_weight, codes, dtype=np.float64, ensure_non_negative=True
        )[order]
    # Totals of the texts passed to the teacher, which come first, and of the others.
    asked, by_teacher = _totals(weight), _totals(weight * teacher_right)
    kept, by_student, different = (
        _totals((weight * what)[::-1])[::-1] for what in (1, student_right, differs)
    )
    total = asked[-1]
    # Numbers of texts passed to the teacher. Only a change of confidence allows a threshold.
    n_asked = np.flatnonzero(np.concatenate([[True], np.diff(confidence) > 0, [True]]))
    rate = asked[n_asked] / total
    with np.errstate(invalid="ignore"):
        student_accuracy = by_student[n_asked] / kept[n_asked]
    return pd.DataFrame(
        {
            # A threshold of 0 passes no text to the teacher.
            "threshold": np.append(confidence, np.inf)[n_asked] * (n_asked > 0),
            "teacher_rate": rate,
            "coverage": 1 - rate,
            "accuracy": (by_teacher + by_student)[n_asked] / total,
            "student_accuracy": student_accuracy,
            "agreement": 1 - different[n_asked] / total,
            "cost": 1 + rate * teacher_cost,
        }
    )


def _totals(values: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0, 1, ... values."""
    return np.concatenate([[0.0], np.cumsum(values)])
