"""How close a student is to its teacher, and how far its probabilities can be trusted."""

import numpy as np
from numpy.typing import ArrayLike

from skdistill._validation import check_probabilities, check_same_length


def fidelity(teacher: ArrayLike, student: ArrayLike) -> float:
    """Compute the share of texts on which student and teacher predict the same class.

    Parameters
    ----------
    teacher, student : array-like of shape (n_texts,) or (n_texts, n_classes)
        Predicted labels, or class probabilities, of which the highest counts. The two may differ
        in kind only if the labels are column numbers.

    Returns
    -------
    float
        Between 0 and 1. It needs no true labels, so it can be measured on unlabelled texts.

    Raises
    ------
    ValueError
        If the numbers of rows or of classes differ, or there are no rows.

    Examples
    --------
    >>> from skdistill.metrics import fidelity
    >>> fidelity(["joy", "anger", "joy", "fear"], ["joy", "anger", "love", "fear"])
    0.75
    >>> fidelity([[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.7, 0.3]])
    0.5
    """
    teacher, student = np.asarray(teacher), np.asarray(student)
    check_same_length(len(teacher), len(student), names=("teacher", "student"))
    if not len(teacher):
        raise ValueError("teacher and student have no rows; fidelity needs at least one.")
    if teacher.ndim == student.ndim == 2 and teacher.shape != student.shape:
        raise ValueError(
            "teacher and student must have the same classes, but have "
            f"{teacher.shape[1]} and {student.shape[1]} columns."
        )
    return float(np.mean(_predictions(teacher, "teacher") == _predictions(student, "student")))


def _predictions(labels_or_proba: np.ndarray, name: str) -> np.ndarray:
    if labels_or_proba.ndim > 2:
        raise ValueError(
            f"{name} must be labels (one dimension) or probabilities (two), not an array of shape "
            f"{labels_or_proba.shape}."
        )
    return labels_or_proba if labels_or_proba.ndim == 1 else labels_or_proba.argmax(axis=1)


def retention(teacher_score: float, student_score: float) -> float:
    """Compute the share of the teacher's score that the student keeps.

    Parameters
    ----------
    teacher_score, student_score : float
        The same score of both on the same texts, such as the accuracy; higher is better.

    Returns
    -------
    float
        ``student_score / teacher_score``; above 1 the student is the better one.

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


def expected_calibration_error(
    y_true: ArrayLike, proba: ArrayLike, classes: ArrayLike, *, n_bins: int = 15
) -> float:
    """Compute how far the confidence of predictions is from their accuracy.

    Texts are sorted into bins by the probability of their predicted class. In each bin the mean
    of these is compared with the share of right predictions; the result is the mean of the
    absolute differences, weighted by the number of texts in the bin.

    Parameters
    ----------
    y_true : array-like of shape (n_texts,)
        True labels.
    proba : array-like of shape (n_texts, n_classes)
        Class probabilities; rows sum to 1.
    classes : array-like of shape (n_classes,)
        The label of each column, as in ``classes_``.
    n_bins : int, default=15
        Number of bins of equal width between 0 and 1. The bins include their upper end.

    Returns
    -------
    float
        Between 0 (calibrated) and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, rows do not sum to 1, there are no rows, or `n_bins` is less
        than 1.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. "On Calibration of Modern Neural
       Networks". ICML 2017.

    Examples
    --------
    >>> from skdistill.metrics import expected_calibration_error
    >>> proba = [[0.75, 0.25]] * 4
    >>> expected_calibration_error(["a", "a", "a", "b"], proba, ["a", "b"])
    0.0
    >>> expected_calibration_error(["a", "a", "b", "b"], proba, ["a", "b"])
    0.25
    """
    y_true, classes = np.asarray(y_true), np.asarray(classes)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
    if not len(y_true):
        raise ValueError("y_true has no rows; the calibration error needs at least one.")
    proba = check_probabilities(
        proba, n_rows=len(y_true), n_classes=len(classes), name="proba", rows="y_true"
    ).astype(np.float64)
    confidence = proba.max(axis=1)
    correct = classes[proba.argmax(axis=1)] == y_true
    edges = np.linspace(0, 1, n_bins + 1)
    # The inner edges: a confidence of a rounding error above 1 stays in the last bin.
    bins = np.searchsorted(edges[1:-1], confidence, side="left")
    surplus = np.bincount(bins, weights=confidence - correct, minlength=n_bins)
    return float(np.abs(surplus).sum() / len(y_true))
