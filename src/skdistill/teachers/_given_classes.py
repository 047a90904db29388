"""Labels that are a parameter of a teacher."""

from typing import Any

import numpy as np
from sklearn.utils.multiclass import is_multilabel

from skdistill._core.label_columns import as_label_column, as_labels, check_known_labels
from skdistill._core.labels import check_label_column, check_labels

_NUMBERED = (
    "If scikit-learn has numbered the labels, as cross_val_predict and VotingClassifier do, pass "
    "classes in sorted order."
)


def check_given_classes(classes: Any) -> np.ndarray:
    """Return the labels of a parameter `classes`, in the given order."""
    labels = as_label_column(classes, name="classes")
    if len(labels) < 2 or len(np.unique(labels)) < len(labels):
        raise ValueError(
            "classes must contain at least two labels, without repeats, but is "
            f"{labels.tolist()!s:.200}."
        )
    return labels


def check_known(y: Any, classes: np.ndarray, n_rows: int, remedy: str) -> np.ndarray:
    """Return labels, one per text, that are all among given classes.

    `remedy` says what to do if an ensemble has numbered the labels.
    """
    if is_multilabel(as_labels(y)):
        raise ValueError(
            "y has one column per label, but classes is for texts with one label each; leave "
            "classes out."
        )
    labels = check_label_column(y, n_rows=n_rows)
    if labels.dtype.kind in "iu" and classes.dtype.kind == "U":
        raise ValueError(
            f"y[0] is {labels.tolist()[0]!r}, a number, but classes contains strings. {remedy}"
        )
    check_known_labels(labels, classes, names=("y", "classes"))
    return labels


def read_labels(y: Any, classes: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes, sorted or as given, and the number of each text's class.

    Without `y`, there are no numbers. Numbers in `y` are places of given strings that are sorted.

    Examples
    --------
    >>> from skdistill.teachers._given_classes import read_labels
    >>> read_labels(["no", "yes"], ["yes", "no"], 2)
    (array(['yes', 'no'], dtype='<U3'), array([1, 0]))
    >>> read_labels([0, 1], ["no", "yes"], 2)
    (array([0, 1]), array([0, 1]))
    """
    if classes is None:
        return check_labels(y, n_rows=n_rows)
    columns = check_given_classes(classes)
    if y is None:
        return columns, np.empty(0, dtype=np.int64)
    is_sorted = np.array_equal(columns, np.sort(columns))
    if is_sorted and columns.dtype.kind == "U" and as_labels(y).dtype.kind in "iu":
        columns = np.arange(len(columns))
    labels = check_known(y, columns, n_rows, _NUMBERED).tolist()
    places = {label: place for place, label in enumerate(columns.tolist())}
    return columns, np.array([places[label] for label in labels])
