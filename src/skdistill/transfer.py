"""The transfer set: every text a student learns from, with soft labels and weights."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.class_weight import compute_class_weight

from skdistill._validation import check_probabilities, check_texts
from skdistill.soft_labels import label_texts


class TextPool:
    """Unlabelled texts that no cross-validation may cut.

    scikit-learn slices every `fit` argument that has as many rows as `X` to the fold at hand, and
    with it, silently, a list of unlabelled texts that happens to be of that length. A pool has no
    length, so it always arrives whole.

    Parameters
    ----------
    texts : iterable of str
        The texts; read anew at each fit, so not a generator.

    References
    ----------
    .. [1] https://github.com/scikit-learn/scikit-learn/issues/30739

    Examples
    --------
    >>> from skdistill import TextPool
    >>> pool = TextPool(["an unlabelled text", "another"])
    >>> [text for text in pool]
    ['an unlabelled text', 'another']
    """

    def __init__(self, texts: Iterable[str]):
        if isinstance(texts, Iterator):
            raise TypeError(
                "TextPool needs texts that can be read more than once; pass a list, not a "
                f"{type(texts).__name__}."
            )
        self.texts = texts

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __repr__(self) -> str:
        return f"TextPool({type(self.texts).__name__})"


@dataclass(frozen=True)
class TransferSet:
    """Texts with the targets of `skdistill.losses.DistillationLoss`.

    Parameters
    ----------
    texts : list of str, of length n_texts
        The labelled texts, then the unlabelled ones.
    proba : ndarray of shape (n_texts, n_classes), dtype float32
        The teacher's probabilities, or gold labels as ones and zeros.
    label : ndarray of shape (n_texts,), dtype int64
        The gold class; 0 where there is none.
    hard_weight : ndarray of shape (n_texts,), dtype float32
        The share of the hard loss; 0 where there is no gold label.
    sample_weight : ndarray of shape (n_texts,), dtype float32
        Weights of mean 1.
    """

    texts: list[str]
    proba: np.ndarray
    label: np.ndarray
    hard_weight: np.ndarray
    sample_weight: np.ndarray

    @property
    def targets(self) -> dict[str, np.ndarray]:
        """What the loss takes."""
        return {
            "proba": self.proba,
            "label": self.label,
            "hard_weight": self.hard_weight,
            "sample_weight": self.sample_weight,
        }


def make_transfer_set(
    X: list[str],
    classes: np.ndarray,
    codes: np.ndarray,
    *,
    teacher: BaseEstimator | None = None,
    X_unlabeled: Iterable[str] | None = None,
    teacher_proba: Any = None,
    unlabeled_proba: Any = None,
    hard_label_weight: float = 0.0,
    class_weight: dict[Any, float] | str | None = None,
    sample_weight: np.ndarray | None = None,
    memory: Any = None,
    verbose: int = 0,
) -> TransferSet:
    """Join labelled and unlabelled texts into one set with one loss.

    Probabilities that are given are taken; the teacher is asked for the others. Without a teacher,
    gold labels stand in for the probabilities of `X`.

    Parameters
    ----------
    X : list of str, of length n_labeled
    classes : ndarray of shape (n_classes,)
        The sorted labels.
    codes : ndarray of shape (n_labeled,)
        The gold classes as positions in `classes`.
    teacher : classifier or None, default=None
        Fitted here, on `X` and the gold labels, unless it is frozen.
    X_unlabeled : iterable of str, TextPool or None, default=None
    teacher_proba : array-like of shape (n_labeled, n_classes) or None, default=None
    unlabeled_proba : array-like of shape (n_unlabeled, n_classes) or None, default=None
    hard_label_weight : float, default=0.0
        Share of the loss against the gold labels, on labelled rows.
    class_weight : dict, "balanced" or None, default=None
        A labelled row takes the weight of its class, an unlabelled one the mean of the classes'
        weights under its probabilities.
    sample_weight : ndarray of shape (n_labeled,) or None, default=None
        An unlabelled row weighs 1.
    memory, verbose
        See `skdistill.soft_labels.label_texts`.

    Returns
    -------
    TransferSet

    Raises
    ------
    ValueError
        If probabilities do not fit their rows, or nothing can label `X_unlabeled`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.transfer import TextPool, make_transfer_set
    >>> transfer = make_transfer_set(
    ...     ["gold"],
    ...     np.array(["no", "yes"]),
    ...     np.array([1]),
    ...     X_unlabeled=TextPool(["none"]),
    ...     unlabeled_proba=[[0.5, 0.5]],
    ...     class_weight={"no": 1, "yes": 3},
    ... )
    >>> transfer.proba.tolist(), transfer.sample_weight
    ([[0.0, 1.0], [0.5, 0.5]], array([1.2, 0.8], dtype=float32))
    """
    pool = check_unlabeled(X_unlabeled, n_labeled=len(X))
    n_classes = len(classes)
    proba = pool_proba = None
    if teacher_proba is not None:
        proba = check_probabilities(
            teacher_proba, n_rows=len(X), n_classes=n_classes, name="teacher_proba"
        )
    if unlabeled_proba is not None:
        pool_proba = check_probabilities(
            unlabeled_proba,
            n_rows=len(pool),
            n_classes=n_classes,
            name="unlabeled_proba",
            rows="X_unlabeled",
        )
    if teacher is not None:
        to_label = (X if proba is None else []) + (pool if pool_proba is None else [])
        labelled = label_texts(
            teacher,
            X,
            classes[codes],
            to_label,
            sample_weight=sample_weight,
            memory=memory,
            verbose=verbose,
        )
        if proba is None:
            proba, labelled = labelled[: len(X)], labelled[len(X) :]
        if pool_proba is None:
            pool_proba = labelled
    if pool and pool_proba is None:
        raise ValueError(
            "X_unlabeled was given, but nothing can label it: pass a teacher to the constructor or "
            "unlabeled_proba to fit."
        )
    if proba is None:
        proba = np.eye(n_classes, dtype=np.float32)[codes]
    if pool_proba is None:
        pool_proba = np.empty((0, n_classes), dtype=np.float32)
    weights = _weights(classes, codes, pool_proba, class_weight, sample_weight)
    return TransferSet(
        texts=X + pool,
        proba=np.concatenate([proba, pool_proba]),
        label=np.concatenate([codes, np.zeros(len(pool), dtype=np.int64)]),
        hard_weight=np.repeat([hard_label_weight, 0.0], [len(X), len(pool)]).astype(np.float32),
        sample_weight=(weights / weights.mean()).astype(np.float32),
    )


def check_unlabeled(X_unlabeled: Iterable[str] | None, *, n_labeled: int) -> list[str]:
    """Return unlabelled texts as a list, and warn where cross-validation may have cut them.

    Parameters
    ----------
    X_unlabeled : iterable of str, TextPool or None
    n_labeled : int
        Number of labelled texts.

    Returns
    -------
    list of str, of length n_unlabeled

    Warns
    -----
    UserWarning
        If there are as many unlabelled as labelled texts, and no pool protects them.
    """
    if X_unlabeled is None:
        return []
    if isinstance(X_unlabeled, TextPool):
        return check_texts(X_unlabeled.texts, name="X_unlabeled", allow_empty=True)
    texts = check_texts(X_unlabeled, name="X_unlabeled", allow_empty=True)
    if len(texts) == n_labeled:
        warnings.warn(
            f"X_unlabeled has exactly as many rows as X ({n_labeled}). Inside cross-validation "
            "scikit-learn then cuts it to the fold without a word; pass "
            "skdistill.TextPool(X_unlabeled) to keep it whole, there and here.",
            stacklevel=2,
        )
    return texts


def _weights(
    classes: np.ndarray,
    codes: np.ndarray,
    pool_proba: np.ndarray,
    class_weight: dict[Any, float] | str | None,
    sample_weight: np.ndarray | None,
) -> np.ndarray:
    labelled = np.ones(len(codes)) if sample_weight is None else sample_weight
    by_class = compute_class_weight(class_weight, classes=classes, y=classes[codes])
    return np.concatenate([labelled * by_class[codes], pool_proba @ by_class])
