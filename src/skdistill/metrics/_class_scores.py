"""What a classifier scores on each class, and which classes it takes for which others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

_N_CONFUSIONS = 5


@dataclass(frozen=True)
class ClassScores:
    """What a classifier scores on one class; shares lie between 0 and 1.

    Attributes
    ----------
    label : str
    precision, recall, f1 : float
        0 where they are not defined.
    n_texts : int
        Texts of the class.
    """

    label: str
    precision: float
    recall: float
    f1: float
    n_texts: int


@dataclass(frozen=True)
class Confusion:
    """How many texts of a class are taken for another one.

    Attributes
    ----------
    label, predicted : str
    n_texts : int
    """

    label: str
    predicted: str
    n_texts: int


def score_classes(
    y: np.ndarray, predicted: np.ndarray, classes: Sequence[Any] | np.ndarray
) -> list[ClassScores]:
    """Score each class.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_texts,) or (n_texts, n_classes), dtype int
        Columns of the classes; ones and zeros where a text may have several labels.
    classes : sequence, of length n_classes
        What each column is called.

    Returns
    -------
    list of ClassScores

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.metrics._class_scores import score_classes
    >>> score_classes(np.array([0, 0, 1]), np.array([0, 1, 1]), ["joy", "fear"])[1]
    ClassScores(label='fear', precision=0.5, recall=1.0, f1=0.666..., n_texts=1)
    """
    figures = precision_recall_fscore_support(
        y, predicted, labels=np.arange(len(classes)), zero_division=0
    )
    return [
        ClassScores(str(name), float(precision), float(recall), float(f1), int(n_texts))
        for name, precision, recall, f1, n_texts in zip(classes, *figures, strict=True)
    ]


def most_confused(matrix: np.ndarray, classes: Sequence[Any]) -> list[Confusion]:
    """List the most frequent errors, five at most.

    Parameters
    ----------
    matrix : ndarray of shape (n_classes, n_classes)
        Texts by true class (rows) and predicted class (columns).
    classes : sequence, of length n_classes
        What they are called.

    Returns
    -------
    list of Confusion

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.metrics._class_scores import most_confused
    >>> most_confused(np.array([[7, 2], [0, 5]]), ["joy", "fear"])
    [Confusion(label='joy', predicted='fear', n_texts=2)]
    """
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_N_CONFUSIONS]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [
        Confusion(str(classes[row]), str(classes[column]), int(wrong[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if wrong[row, column]
    ]
