"""Several labels a text: each label is a question of its own, with the answers no and yes.

What is done with the probabilities of classes of which a text has one, can thus be done with those
of labels of which it has any number, two columns a label.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np


def as_questions(proba: np.ndarray) -> np.ndarray:
    """Write the probabilities of labels as those of two classes.

    Parameters
    ----------
    proba : ndarray of shape (n_texts, n_labels)
        The probability of each label.

    Returns
    -------
    ndarray of shape (n_texts * n_labels, 2)
        The probabilities of no and of yes; the labels of a text stand one after the other.

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
    """Make a question of each label, where a text may have several.

    Parameters
    ----------
    labels : ndarray of shape (n_texts,) or (n_texts, n_labels), dtype int
        Columns of the classes, or ones and zeros.
    proba : ndarray of shape (n_texts, n_classes)

    Returns
    -------
    answers : ndarray of shape (n_texts,) or (n_texts * n_labels,), dtype int
        Columns of the probabilities.
    proba : ndarray of shape (n_texts, n_classes) or (n_texts * n_labels, 2)
    """
    return (labels.ravel(), as_questions(proba)) if labels.ndim == 2 else (labels, proba)


def decide(proba: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Predict by probabilities.

    Parameters
    ----------
    proba : ndarray of shape (n_texts, n_classes)
    multilabel : bool
        Whether a text may have several labels.

    Returns
    -------
    ndarray of shape (n_texts,) or (n_texts, n_labels), dtype int64
        The column of the most probable class; of several labels, ones for all that are more likely
        than not.

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
    """Return the share of texts with the same label, or with all labels the same.

    Parameters
    ----------
    labels, others : ndarray of shape (n_texts,) or (n_texts, n_labels)

    Returns
    -------
    float
    """
    return float((labels == others).reshape(len(labels), -1).all(axis=1).mean())


def write_numbers(indicators: np.ndarray) -> list[str]:
    """Write the labels of each text as their numbers, with blanks between them.

    Parameters
    ----------
    indicators : ndarray of shape (n_texts, n_labels)
        Ones and zeros.

    Returns
    -------
    list of str, of length n_texts

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._core.multilabel import read_numbers, write_numbers
    >>> write_numbers(np.array([[1, 0, 1], [0, 0, 0]]))
    ['0 2', '']
    >>> read_numbers(["0 2", ""], n_labels=3, name="label").tolist()
    [[1, 0, 1], [0, 0, 0]]
    """
    return [" ".join(map(str, np.flatnonzero(row))) for row in indicators]


def read_numbers(rows: Iterable[Any], *, n_labels: int, name: str) -> np.ndarray:
    """Undo `write_numbers`.

    Parameters
    ----------
    rows : iterable of str or int
        An empty one for a text without labels.
    n_labels : int
    name : str
        How error messages call the column.

    Returns
    -------
    ndarray of shape (n_texts, n_labels), dtype int64

    Raises
    ------
    ValueError
        If a row holds something else, or a number twice; the message names it, counted from 0.
    """
    columns = {str(number): number for number in range(n_labels)}
    texts = [*map(str, rows)]
    indicators = np.zeros((len(texts), n_labels), dtype=np.int64)
    for row, text in enumerate(texts):
        numbers = text.split()
        if len({*numbers} & columns.keys()) < len(numbers):
            raise ValueError(
                f"{name}[{row}] is {text!r:.80}; where a text may have several labels, write their "
                f"numbers, each once, with blanks between them, out of 0 to {n_labels - 1}."
            )
        indicators[row, [columns[number] for number in numbers]] = 1
    return indicators


def refuse_class_weight(class_weight: Any) -> None:
    """Refuse weights of classes where a text may have several labels.

    Raises
    ------
    ValueError
        If there are any.
    """
    if class_weight is not None:
        raise ValueError(
            "class_weight weighs classes of which a text has exactly one; y has several labels "
            "a text. Use sample_weight instead."
        )


def knows_labels(classifier: Any, n_labels: int) -> bool:
    """Tell whether the `classes_` of a fitted classifier are those of so many labels.

    Parameters
    ----------
    classifier : fitted classifier
        scikit-learn's have either the labels' numbers or, for each label, the classes 0 and 1.
    n_labels : int

    Returns
    -------
    bool
    """
    classes = classifier.classes_
    if isinstance(classes, list):
        return len(classes) == n_labels and all(np.array_equal(pair, [0, 1]) for pair in classes)
    return np.array_equal(classes, np.arange(n_labels))


def gives_several_labels(classifier: Any, text: str) -> bool:
    """Tell whether a fitted classifier gives any number of labels to a text.

    Parameters
    ----------
    classifier : fitted classifier
        One that does not say it, by an attribute `multilabel_`, is asked to classify a text.
    text : str
    """
    known = getattr(classifier, "multilabel_", None)
    return np.ndim(classifier.predict([text])) == 2 if known is None else bool(known)


def join_columns(proba: Any) -> Any:
    """Bring what `predict_proba` gives for several labels into one array.

    Parameters
    ----------
    proba : array-like of shape (n_texts, n_labels), or list of arrays of shape (n_texts, 2)
        scikit-learn's forests, trees and neighbours give a list.

    Returns
    -------
    array-like of shape (n_texts, n_labels)
    """
    if isinstance(proba, list) and all(np.ndim(answers) == 2 for answers in proba):
        return np.column_stack([np.asarray(answers)[:, 1] for answers in proba])
    return proba
