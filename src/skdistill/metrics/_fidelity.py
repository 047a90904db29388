"""Metrics of the agreement between student and teacher."""

import numpy as np
from numpy.typing import ArrayLike

from skdistill._core.label_columns import as_labels, check_same_kind
from skdistill._core.labels import align_tables, check_same_length


def fidelity(teacher: ArrayLike, student: ArrayLike, *, multilabel: bool = False) -> float:
    """Compute the share of texts on which student and teacher predict the same class.

    Parameters
    ----------
    teacher, student : array-like of shape (n_texts,) or (n_texts, n_classes)
        Predicted labels, or class probabilities. You can mix the two only if the labels are column
        numbers. If both have names for their columns, as tables and dicts have, they are aligned
        by these. If only one has, its columns must be in the sorted order of the classes, which
        is that of `predict_proba`; with `multilabel`, in the order of the other's.
    multilabel : bool, default=False
        Whether a text may have several labels. If True, each column is a label, predicted if its
        value is above 0.5, and two predictions are equal if all labels are.

    Returns
    -------
    float
        The fidelity, between 0 and 1. It does not depend on true labels, so you can measure it on
        unlabelled texts.

    Raises
    ------
    ValueError
        If the numbers of rows or classes or the names of columns differ, if only one side has
        names, in another order than the sorted one, or if there are no rows.

    Examples
    --------
    >>> from skdistill.metrics import fidelity
    >>> fidelity(["joy", "anger", "joy", "fear"], ["joy", "anger", "love", "fear"])
    0.75
    >>> fidelity([[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.7, 0.3]])
    0.5
    >>> fidelity([[0.9, 0.8]], [[0.6, 0.7]], multilabel=True)
    1.0
    """
    names = ("teacher", "student")
    aligned = align_tables(teacher, student, names=names, multilabel=multilabel)
    teacher, student = (as_labels(y, name=name) for y, name in zip(aligned, names, strict=True))
    check_same_length(len(teacher), len(student), names=names)
    if not len(teacher):
        raise ValueError("teacher and student have no rows; fidelity needs at least one.")
    if teacher.ndim == student.ndim == 2 and teacher.shape != student.shape:
        raise ValueError(
            "teacher and student must have the same classes, but have "
            f"{teacher.shape[1]} and {student.shape[1]} columns."
        )
    if multilabel:
        return float(np.mean(((teacher > 0.5) == (student > 0.5)).all(axis=1)))
    predictions = _predictions(teacher, "teacher"), _predictions(student, "student")
    check_same_kind(*predictions, names=names)
    return float(np.mean(predictions[0] == predictions[1]))


def _predictions(labels_or_proba: np.ndarray, name: str) -> np.ndarray:
    if labels_or_proba.ndim > 2:
        raise ValueError(
            f"{name} must contain labels (one dimension) or probabilities (two dimensions), but "
            f"has shape {labels_or_proba.shape}."
        )
    if labels_or_proba.ndim == 2 and labels_or_proba.shape[1] > 1:
        return labels_or_proba.argmax(axis=1)
    return labels_or_proba.ravel()


def retention(teacher_score: float, student_score: float) -> float:
    """Compute the share of the teacher's score that the student keeps.

    Parameters
    ----------
    teacher_score, student_score : float
        The score of each on the same texts, such as the accuracy. Higher must be better.

    Returns
    -------
    float
        ``student_score / teacher_score``. Above 1, the student is better than the teacher.

    Raises
    ------
    ValueError
        If `teacher_score` is not positive.

    Examples
    --------
    >>> from skdistill.metrics import retention
    >>> retention(0.8, 0.76)
    0.95
    """
    if not teacher_score > 0:
        raise ValueError(f"teacher_score must be positive, got {teacher_score}.")
    return student_score / teacher_score


def cohens_kappa(targets: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Compute Cohen's kappa, the agreement of labels with targets beyond that by chance.

    Parameters
    ----------
    targets, labels : ndarray of shape (n_texts, n_columns), dtype int64
        Codes from 0; several columns if a text may have several labels.
    weights : ndarray of shape (n_texts,)
        Weights of the texts, with a positive sum.

    Returns
    -------
    float
        1 if all agree, and 0 for labels that are random, or always the same. If there are several
        columns, the agreement by chance is that of each. NaN if all targets are the same, but for
        texts of weight 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.metrics._fidelity import cohens_kappa
    >>> targets = np.array([[0], [0], [1], [1]])
    >>> cohens_kappa(targets, np.array([[0], [0], [1], [0]]), np.ones(4))
    0.5
    """
    counted = weights > 0
    targets, labels, weights = targets[counted], labels[counted], weights[counted]
    if (targets == targets[0]).all():
        return np.nan
    weights = weights / weights.sum()
    n_codes = 1 + max(targets.max(), labels.max())
    by_chance = np.mean(
        [
            np.bincount(target, weights, n_codes) @ np.bincount(label, weights, n_codes)
            for target, label in zip(targets.T, labels.T, strict=True)
        ]
    )
    agreed = weights @ (targets == labels).mean(axis=1)
    return float((agreed - by_chance) / (1 - by_chance))
