"""A measure of how much a classifier depends on word order."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from skdistill._core.label_columns import as_label_column, check_same_kind
from skdistill._core.labels import check_same_length
from skdistill._core.texts import check_texts


def word_order_sensitivity(
    estimator: Any,
    X: Iterable[str],
    y: ArrayLike,
    *,
    n_shuffles: int = 5,
    window: int | None = None,
    random_state: Any = 0,
) -> float:
    """Measure how much a classifier depends on word order.

    The words of the correctly classified texts are shuffled. Let ``p`` be the share of these texts
    that are still classified correctly, averaged over classes. The sensitivity is
    ``(1 - p) / (1 - 1 / n_classes)``. With two classes and `p` in percent, this equals
    ``(100 - p) / 50`` [1]_. If a teacher's sensitivity is low, a small student that ignores word
    order may match it [2]_.

    Parameters
    ----------
    estimator : classifier
        A fitted text classifier with ``predict`` and ``classes_``.
    X : iterable of str, of length n_texts
        Texts that the classifier was not trained on.
    y : array-like of shape (n_texts,)
        Labels of `X`.
    n_shuffles : int, default=5
        Number of times to shuffle each text.
    window : int or None, default=None
        If an int, words are only shuffled within consecutive blocks of this size. This destroys
        local word order but keeps the global order. If the sensitivity is as high as without a
        window, the classifier depends on short phrases.
    random_state : int, RandomState instance or None, default=0
        Seed for the shuffles.

    Returns
    -------
    float
        The sensitivity. It is 0 if predictions do not depend on word order, and 1 if shuffled texts
        are classified no better than by chance. It can exceed 1.

    Raises
    ------
    ValueError
        If the lengths differ, `n_shuffles` or `window` is too small, the classifier has a single
        class, or no text that can be shuffled is classified correctly.

    See Also
    --------
    skdistill.distillation_report : Measure how much of its teacher a student keeps.

    Notes
    -----
    Words are separated by white space and include punctuation. White space is kept. If a shuffle
    does not change a text, it is repeated. Texts without two different words are left out. The
    original method [1]_ samples the same number of texts from each class; averaging over classes
    replaces this.

    References
    ----------
    .. [1] T. M. Pham, T. Bui, L. Mai, A. Nguyen. "Out of Order: How Important Is The Sequential
       Order of Words in a Sentence in Natural Language Understanding Tasks?". Findings of ACL
       2021, arXiv:2012.15180.
    .. [2] M. Wasserblat. "Best Practices for Text Classification with Distillation", part 3.
       Intel Labs, 2021.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.metrics import word_order_sensitivity
    >>> texts = ["dog bites man", "cat bites man", "man bites dog", "man bites cat"]
    >>> y = ["news", "news", "rare", "rare"]
    >>> bigrams = make_tfidf_baseline(C=100).set_params(tfidfvectorizer__ngram_range=(1, 2))
    >>> word_order_sensitivity(bigrams.fit(texts, y), texts, y) > 0.5
    True
    >>> y = ["dogs", "cats", "dogs", "cats"]
    >>> word_order_sensitivity(bigrams.fit(texts, y), texts, y)
    0.0
    """
    texts, labels = check_texts(X), as_label_column(y)
    check_same_length(len(texts), len(labels), names=("X", "y"))
    if n_shuffles < 1:
        raise ValueError(f"n_shuffles must be at least 1, got {n_shuffles}.")
    if window is not None and window < 2:
        raise ValueError(f"window must be at least 2 words, or None, got {window}.")
    n_classes = len(estimator.classes_)
    if n_classes < 2:
        raise ValueError("estimator has a single class; the sensitivity needs at least two.")
    predicted = as_label_column(estimator.predict(texts), name="estimator.predict(X)")
    check_same_kind(labels, predicted, names=("y", "estimator.predict(X)"))
    correct = predicted == labels
    rows = [row for row in np.flatnonzero(correct) if _can_be_shuffled(texts[row], window)]
    if not rows:
        raise ValueError(
            "The sensitivity needs at least one correctly classified text with two different "
            "words, but estimator classifies none correctly."
        )
    rng = check_random_state(random_state)
    still_correct = np.zeros(len(rows))
    for _ in range(n_shuffles):
        shuffled = [_shuffle_words(texts[row], window, rng) for row in rows]
        still_correct += np.asarray(estimator.predict(shuffled)) == labels[rows]
    _, codes = np.unique(labels[rows], return_inverse=True)
    share_by_class = np.bincount(codes, weights=still_correct / n_shuffles) / np.bincount(codes)
    return float((1 - share_by_class.mean()) / (1 - 1 / n_classes))


def _blocks(words: list[str], window: int | None) -> list[list[str]]:
    size = window or max(1, len(words))
    return [words[start : start + size] for start in range(0, len(words), size)]


def _can_be_shuffled(text: str, window: int | None) -> bool:
    return any(len(set(block)) > 1 for block in _blocks(text.split(), window))


def _shuffle_words(text: str, window: int | None, rng: np.random.RandomState) -> str:
    """Return a text with its words in a different order; the text must have one."""
    words = text.split()
    shuffled = words
    while shuffled == words:
        shuffled = [
            block[i] for block in _blocks(words, window) for i in rng.permutation(len(block))
        ]
    remaining = iter(shuffled)
    return re.sub(r"\S+", lambda _: next(remaining), text)
