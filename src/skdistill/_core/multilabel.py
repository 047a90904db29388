"""Several labels per text, treated as one yes-or-no question per label.

Each label then has two columns, so functions for class probabilities also work for labels.
"""

from typing import Any

import numpy as np

from skdistill._core.label_columns import are_reordered, columns_in_order, label_names


class LabelTable:
    """Labels with one named column per label, which are read as a data frame is.

    Parameters
    ----------
    labels : ndarray of shape (n_rows, n_labels)
        Ones and zeros.
    names : ndarray of shape (n_labels,)
        The names of the columns.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._core.label_columns import as_labels, label_names
    >>> from skdistill._core.multilabel import LabelTable
    >>> table = LabelTable(np.array([[1, 0]]), np.array(["food", "travel"]))
    >>> label_names(table).tolist(), as_labels(table).tolist()
    (['food', 'travel'], [[1, 0]])
    """

    ndim = 2

    def __init__(self, labels: np.ndarray, names: np.ndarray):
        self.columns = names.tolist()
        self._labels = labels

    def __getitem__(self, name: str) -> np.ndarray:
        return self._labels[:, self.columns.index(name)]


def as_questions(proba: np.ndarray) -> np.ndarray:
    """Turn label probabilities into probabilities of the two classes no and yes.

    Parameters
    ----------
    proba : ndarray of shape (n_texts, n_labels)
        The probability of each label.

    Returns
    -------
    ndarray of shape (n_texts * n_labels, 2)
        The probabilities of no and yes, with the labels of a text in consecutive rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._core.multilabel import as_questions
    >>> as_questions(np.array([[0.25, 1.0]])).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    yes = proba.reshape(-1)
    return np.column_stack([1 - yes, yes])


def as_one_question(labels: np.ndarray, proba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn each label into a question if a text may have several; else return the input.

    Parameters
    ----------
    labels : ndarray of shape (n_texts,) or (n_texts, n_labels), dtype int
        Columns of the classes, or ones and zeros.
    proba : ndarray of shape (n_texts, n_classes)
        Probabilities of the classes or labels.

    Returns
    -------
    answers : ndarray of shape (n_texts,) or (n_texts * n_labels,), dtype int
        For each row of `proba`, the column of the correct answer.
    proba : ndarray of shape (n_texts, n_classes) or (n_texts * n_labels, 2)
        Probabilities of the answers.
    """
    return (labels.ravel(), as_questions(proba)) if labels.ndim == 2 else (labels, proba)


def decide(proba: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Return the classes or labels that the probabilities predict.

    Parameters
    ----------
    proba : ndarray of shape (n_texts, n_classes)
        Class or label probabilities.
    multilabel : bool
        Whether a text may have several labels.

    Returns
    -------
    ndarray of shape (n_texts,) or (n_texts, n_labels), dtype int64
        The column of the most probable class. If a text may have several labels, ones for labels
        with a probability above 0.5, else zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._core.multilabel import decide
    >>> proba = np.array([[0.1, 0.9], [0.6, 0.7]])
    >>> decide(proba, multilabel=False).tolist(), decide(proba, multilabel=True).tolist()
    ([1, 1], [[0, 1], [1, 1]])
    """
    return (proba > 0.5).astype(np.int64) if multilabel else proba.argmax(axis=1)


def share_of_equal(labels: np.ndarray, others: np.ndarray) -> float:
    """Return the share of texts with equal labels; for several labels, all must be equal."""
    return float((labels == others).reshape(len(labels), -1).all(axis=1).mean())


def write_labels(indicators: np.ndarray, labels: np.ndarray) -> list[str]:
    """Write the labels of each text as numbers separated by spaces, or as names separated by |.

    Parameters
    ----------
    indicators : ndarray of shape (n_texts, n_labels)
        Ones and zeros.
    labels : ndarray of shape (n_labels,)
        The names or numbers of the labels.

    Returns
    -------
    list of str, of length n_texts

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._core.multilabel import write_labels
    >>> write_labels(np.array([[1, 0, 1], [0, 0, 0]]), np.arange(3))
    ['0 2', '']
    >>> write_labels(np.array([[1, 1]]), np.array(["sci fi", "new"]))
    ['sci fi|new']
    """
    written = [*map(str, labels.tolist())]
    separator = _separator(labels)
    return [separator.join(written[label] for label in np.flatnonzero(row)) for row in indicators]


def _separator(labels: np.ndarray) -> str:
    """Return what separates labels in a row; refuse names that could not be told apart in it."""
    if labels.dtype.kind != "U":
        return " "
    for label in labels.tolist():
        if not label or "|" in label or label != label.strip():
            raise ValueError(
                f"The label {label!r:.200} cannot be listed in a column, where | separates labels; "
                "train the student on columns whose names have no | and no space at either end."
            )
    return "|"


def refuse_class_weight(class_weight: Any) -> None:
    """Refuse class weights, which are not defined if a text may have several labels.

    Raises
    ------
    ValueError
        If `class_weight` is not None.
    """
    if class_weight is not None:
        raise ValueError(
            "class_weight is not available because y has several labels per text. Use "
            "sample_weight instead."
        )


def has_labels(classifier: Any, labels: np.ndarray, *, by_place: bool = False) -> bool:
    """Return whether a fitted classifier predicts these labels, of which a text may have several.

    Names must be equal; labels without names, which are numbered, need only be as many. If the
    names are the same numbers in another order, numbers may be names or places: they are accepted
    only if the classifier's are known to be places.
    """
    # scikit-learn's are the numbers of the labels or, for each label, the classes 0 and 1.
    classes = classifier.classes_
    if isinstance(classes, list):
        if not all(np.array_equal(pair, [0, 1]) for pair in classes):
            return False
        classes = np.arange(len(classes))
    if np.array_equal(classes, labels):
        return True
    numbers = np.arange(len(labels))
    unnamed = np.array_equal(classes, numbers) or np.array_equal(labels, numbers)
    is_clear = by_place or not are_reordered(classes.tolist(), labels.tolist())
    return len(classes) == len(labels) and unnamed and is_clear


def gives_several_labels(classifier: Any, text: str) -> bool:
    """Return whether a fitted classifier may predict several labels per text.

    If it has no attribute `multilabel_`, it is called on `text` to find out. If it has no `predict`
    either, it predicts one.
    """
    known = getattr(classifier, "multilabel_", None if hasattr(classifier, "predict") else False)
    return np.ndim(classifier.predict([text])) == 2 if known is None else bool(known)


def class_names(classifier: Any, names: np.ndarray | None, *, by_place: bool = False) -> np.ndarray:
    """Return the classes of a fitted classifier in the order of its columns.

    If a text may have several labels and the classifier has no names for them, these are `names`,
    the columns of the labels that it is tested on, or numbers if these have no names. Names that
    are these numbers in another order are refused, unless the classifier is known to number its
    labels by place, or keeps names.
    """
    classes = classifier.classes_
    if isinstance(classes, list) and np.ndim(classes[0]) == 1:
        classes = np.arange(len(classes))
    if names is None or not np.array_equal(classes, np.arange(len(names))):
        return np.asarray(classes)
    if by_place or not are_reordered(names.tolist(), classes.tolist()):
        return names
    if getattr(classifier, "_keeps_names", False):
        return np.asarray(classes)
    raise ValueError(
        f"{type(classifier).__name__} numbers its labels from 0, and y has the columns "
        f"{names.tolist()!s:.200}, so these may be places or names. Pass y as an array with its "
        "columns in the order of the training labels, or name the columns by words."
    )


def predict_columns(classifier: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    """Return a fitted classifier's probabilities of the classes, in their order."""
    proba = join_columns(classifier.predict_proba(X))
    name = f"{type(classifier).__name__}.predict_proba(X)"
    return np.asarray(columns_in_order(proba, classes, name=name))


def join_columns(proba: Any) -> Any:
    """Join the result of `predict_proba` for several labels into one array.

    Parameters
    ----------
    proba : array-like of shape (n_texts, n_labels), or list of arrays of shape (n_texts, 2)
        The probabilities; scikit-learn's forests, trees and neighbours return a list. The columns
        of tables are found by the names 0 and 1, or False and True.

    Returns
    -------
    array-like of shape (n_texts, n_labels)

    Examples
    --------
    >>> import pandas as pd
    >>> from skdistill._core.multilabel import join_columns
    >>> join_columns([pd.DataFrame([[0.9, 0.1]], columns=[1, 0])]).tolist()
    [[0.9]]
    """
    if isinstance(proba, list) and all(np.ndim(answers) == 2 for answers in proba):
        return np.column_stack([_column_of_yes(answers) for answers in proba])
    return proba


def _column_of_yes(answers: Any) -> np.ndarray:
    """Return the probabilities of class 1 or True, in a table those of the column of that name."""
    names = label_names(answers)
    is_boolean = names is not None and "True" in names
    classes = np.array([False, True]) if is_boolean else np.arange(2)
    named = columns_in_order(answers, classes, name="A table of probabilities for one label")
    return np.asarray(named)[:, 1]
