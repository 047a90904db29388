"""How close a student is to its teacher, and how far its probabilities can be trusted."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.utils import check_random_state

from skdistill._core.labels import check_probabilities, check_same_length
from skdistill._core.texts import check_texts

# Smaller probabilities count as this, so that they have a logarithm.
_PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)
_TEMPERATURE_RANGE = (0.05, 20.0)
# Numbers that a bootstrap holds at a time.
_CHUNK = 2**20


def fidelity(teacher: ArrayLike, student: ArrayLike, *, multilabel: bool = False) -> float:
    """Compute the share of texts on which student and teacher predict the same class.

    Parameters
    ----------
    teacher, student : array-like of shape (n_texts,) or (n_texts, n_classes)
        Predicted labels, or class probabilities, of which the highest counts. The two may differ
        in kind only if the labels are column numbers.
    multilabel : bool, default=False
        Whether a text may have several labels: columns are then labels, which a text has if its
        number is above 0.5, and two predictions are the same if all labels are.

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
    >>> fidelity([[0.9, 0.8]], [[0.6, 0.7]], multilabel=True)
    1.0
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
    if multilabel:
        return float(np.mean(((teacher > 0.5) == (student > 0.5)).all(axis=1)))
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
    return CalibrationBins.of(y_true, proba, classes, n_bins=n_bins).calibration_error


@dataclass(frozen=True)
class CalibrationBins:
    """Texts sorted by the probability of their predicted class into bins of equal width.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        From 0 to 1; a bin includes its upper end.
    n_texts : ndarray of shape (n_bins,)
        How many texts lie in each bin.
    n_right : ndarray of shape (n_bins,)
        Of how many of them the predicted class is the true one.
    confidence_sum : ndarray of shape (n_bins,)
        The sum of the predicted classes' probabilities.
    """

    edges: np.ndarray
    n_texts: np.ndarray
    n_right: np.ndarray
    confidence_sum: np.ndarray

    @classmethod
    def of(
        cls, y_true: ArrayLike, proba: ArrayLike, classes: ArrayLike, *, n_bins: int
    ) -> "CalibrationBins":
        """Sort texts into bins: see :func:`expected_calibration_error`."""
        y_true, classes = np.asarray(y_true), np.asarray(classes)
        if n_bins < 1:
            raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
        if not len(y_true):
            raise ValueError("y_true has no rows; the calibration error needs at least one.")
        proba = check_probabilities(
            proba, n_rows=len(y_true), n_classes=len(classes), name="proba", rows="y_true"
        ).astype(np.float64)
        confidence = proba.max(axis=1)
        right = classes[proba.argmax(axis=1)] == y_true
        edges = np.linspace(0, 1, n_bins + 1)
        # The inner edges: a confidence of a rounding error above 1 stays in the last bin.
        bins = np.searchsorted(edges[1:-1], confidence, side="left")
        return cls(
            edges,
            n_texts=np.bincount(bins, minlength=n_bins),
            n_right=np.bincount(bins[right], minlength=n_bins),
            confidence_sum=np.bincount(bins, weights=confidence, minlength=n_bins),
        )

    @property
    def confidence(self) -> np.ndarray:
        """The mean probability of the predicted class in each bin; NaN in an empty one."""
        return self._means(self.confidence_sum)

    @property
    def accuracy(self) -> np.ndarray:
        """The share of right predictions in each bin; NaN in an empty one."""
        return self._means(self.n_right)

    def _means(self, sums: np.ndarray) -> np.ndarray:
        means = np.full(len(sums), np.nan)
        np.divide(sums, self.n_texts, out=means, where=self.n_texts > 0)
        return means

    @property
    def calibration_error(self) -> float:
        """The mean distance of confidence and accuracy, weighted by the bins' texts."""
        return float(np.abs(self.confidence_sum - self.n_right).sum() / self.n_texts.sum())


def fit_temperature(proba: ArrayLike, codes: ArrayLike) -> float:
    """Find the temperature at which probabilities make the true classes most likely.

    It minimises the negative log-likelihood of ``softmax(log(proba) / temperature)`` [1]_. Above 1
    the probabilities were over-confident, below 1 too timid.

    Parameters
    ----------
    proba : array-like of shape (n_texts, n_classes)
        Class probabilities of texts that the model was not trained on; rows sum to 1.
    codes : array-like of shape (n_texts,)
        The column of each text's true class.

    Returns
    -------
    float
        Between 0.05 and 20.

    Raises
    ------
    ValueError
        If the shapes do not fit, rows do not sum to 1, there are no rows, or `codes` are no
        columns.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. "On Calibration of Modern Neural
       Networks". ICML 2017.

    Examples
    --------
    >>> from skdistill.metrics import apply_temperature, fit_temperature
    >>> proba = [[0.9, 0.1]] * 4
    >>> temperature = fit_temperature(proba, [0, 0, 0, 1])  # right in 3 of 4 texts
    >>> round(temperature, 3)
    2.0
    >>> apply_temperature(proba, temperature)[0].round(3)
    array([0.75, 0.25])
    """
    log_proba, codes = _log_probabilities(proba), np.asarray(codes)
    n_classes = log_proba.shape[1]
    check_same_length(len(log_proba), len(codes), names=("proba", "codes"))
    if not len(codes):
        raise ValueError("proba has no rows; a temperature needs at least one.")
    if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= n_classes:
        raise ValueError(
            f"codes must be column numbers from 0 to {n_classes - 1}, as np.unique(y, "
            "return_inverse=True) gives them."
        )
    rows = np.arange(len(codes))

    def loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(log_proba / np.exp(log_temperature), axis=1)
        return -float(log_probabilities[rows, codes].mean())

    bounds = tuple(np.log(_TEMPERATURE_RANGE))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def apply_temperature(proba: ArrayLike, temperature: float) -> np.ndarray:
    """Soften (above 1) or sharpen (below 1) probabilities.

    Parameters
    ----------
    proba : array-like of shape (n_texts, n_classes)
        Class probabilities; rows sum to 1.
    temperature : float
        Positive; 1 changes nothing.

    Returns
    -------
    ndarray of shape (n_texts, n_classes)
        ``softmax(log(proba) / temperature)``, of the type of `proba`. Probabilities below
        float32's epsilon count as that.

    Raises
    ------
    ValueError
        If `temperature` is not positive, `proba` has not two dimensions, or rows do not sum to 1.

    Examples
    --------
    >>> from skdistill.metrics import apply_temperature
    >>> apply_temperature([[0.8, 0.2]], 2.0).round(4)
    array([[0.6667, 0.3333]])
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}.")
    log_proba = _log_probabilities(proba)
    proba = np.asarray(proba)
    if temperature == 1:
        return proba
    dtype = proba.dtype if proba.dtype.kind == "f" else np.float64
    scaled: np.ndarray = softmax(log_proba / temperature, axis=1)
    return scaled.astype(dtype)


def _log_probabilities(proba: ArrayLike) -> np.ndarray:
    proba = np.asarray(proba)
    if proba.ndim != 2:
        raise ValueError(f"proba must have two dimensions, not shape {proba.shape}.")
    n_rows, n_classes = proba.shape
    checked = check_probabilities(proba, n_rows=n_rows, n_classes=n_classes, name="proba")
    return np.log(np.maximum(checked.astype(np.float64), _PROBABILITY_FLOOR))


def word_order_sensitivity(
    estimator: Any,
    X: Iterable[str],
    y: ArrayLike,
    *,
    n_shuffles: int = 5,
    window: int | None = None,
    random_state: Any = 0,
) -> float:
    """Measure how far a classifier depends on the order of words.

    The texts that it classifies correctly have their words shuffled. If ``p`` is the share of them
    that it still classifies correctly, averaged over the classes as if each had as many texts, the
    sensitivity is ``(1 - p) / (1 - 1 / n_classes)``; for two classes that is
    ``(100 - p) / 50`` with `p` in per cent [1]_. Where a teacher's sensitivity is low, a small
    student that hardly sees the order can hope to match it [2]_.

    Parameters
    ----------
    estimator : classifier
        A fitted one over texts, with ``predict`` and ``classes_``.
    X : iterable of str, of length n_texts
        Texts that the classifier was not trained on.
    y : array-like of shape (n_texts,)
        Their labels.
    n_shuffles : int, default=5
        How often each text is shuffled.
    window : int or None, default=None
        If an int, words are shuffled inside consecutive blocks of so many words only: the order
        nearby is destroyed, that of the whole is kept. A sensitivity that is as high as without a
        window comes from short phrases.
    random_state : int, RandomState instance or None, default=0
        Determines the shuffles.

    Returns
    -------
    float
        0 if no prediction depends on the order of words; 1 if shuffled texts are classified no
        better than by chance. It can exceed 1.

    Raises
    ------
    ValueError
        If the lengths differ, `n_shuffles` or `window` is too small, the classifier knows a single
        class, or no text that can be shuffled is classified correctly.

    See Also
    --------
    skdistill.recommend_student : What follows from it for the choice of a student.

    Notes
    -----
    Words are what white space separates, punctuation included; the white space itself stays. A
    shuffle that changes nothing is drawn again; texts that no shuffle can change, for lack of two
    different words, are left out. Averaging over the classes stands for the equally many texts of
    each class that are drawn in [1]_.

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
    texts, labels = check_texts(X), np.asarray(y)
    check_same_length(len(texts), len(labels), names=("X", "y"))
    if n_shuffles < 1:
        raise ValueError(f"n_shuffles must be at least 1, got {n_shuffles}.")
    if window is not None and window < 2:
        raise ValueError(f"window must be at least 2 words, or None, got {window}.")
    n_classes = len(estimator.classes_)
    if n_classes < 2:
        raise ValueError("estimator knows a single class; its sensitivity is not defined.")
    correct = np.asarray(estimator.predict(texts)) == labels
    rows = [row for row in np.flatnonzero(correct) if _can_be_shuffled(texts[row], window)]
    if not rows:
        raise ValueError(
            "No text with two different words is classified correctly; the sensitivity needs one."
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
    """Put the words of a text into another order; the text must allow one."""
    words = text.split()
    shuffled = words
    while shuffled == words:
        shuffled = [
            block[i] for block in _blocks(words, window) for i in rng.permutation(len(block))
        ]
    remaining = iter(shuffled)
    return re.sub(r"\S+", lambda _: next(remaining), text)


def paired_bootstrap(
    differences: ArrayLike,
    *,
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    random_state: Any = 0,
) -> tuple[float, float]:
    """Compute a confidence interval of the mean difference between two models.

    Both the texts and the seeds are drawn anew, with replacement and independently of each other
    [1]_: the interval covers other test texts and other runs of the training.

    Parameters
    ----------
    differences : array-like of shape (n_seeds, n_rows)
        What one model scores on each text minus what the other scores on it, such as 1, 0 or -1
        for right and wrong answers; one row for each seed of the training.
    confidence_level : float, default=0.95
        Between 0 and 1.
    n_resamples : int, default=9999
        Number of bootstrap samples.
    random_state : int, RandomState instance or None, default=0
        Determines the samples.

    Returns
    -------
    low, high : float
        The percentile interval.

    Raises
    ------
    ValueError
        If `differences` has not two dimensions, is empty or not finite, `confidence_level` is not
        between 0 and 1, or `n_resamples` is less than 1.

    Notes
    -----
    The variance over seeds is underestimated by a factor of ``1 - 1 / n_seeds``; a single seed
    leaves it out.

    References
    ----------
    .. [1] A. B. Owen. "The pigeonhole bootstrap". Annals of Applied Statistics 1 (2007).

    Examples
    --------
    >>> from skdistill.metrics import paired_bootstrap
    >>> paired_bootstrap([[1, 0, 0, 1, 0, 1, 0, 0], [1, 0, 1, 1, 0, 0, 0, 0]])
    (0.125, 0.75)
    """
    differences = np.asarray(differences, dtype=np.float64)
    if differences.ndim != 2 or not differences.size:
        raise ValueError(
            "differences must hold one row a seed and one column a text, not be of shape "
            f"{differences.shape}."
        )
    if not np.isfinite(differences).all():
        raise ValueError("differences holds a missing or infinite number.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie between 0 and 1, got {confidence_level}.")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    rng = check_random_state(random_state)
    n_seeds, n_rows = differences.shape
    chunk = max(1, _CHUNK // max(n_seeds, n_rows))
    means = np.empty(n_resamples)
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        by_seed = _draw_counts(rng, size, n_rows) @ differences.T
        total = (_draw_counts(rng, size, n_seeds) * by_seed).sum(axis=1)
        means[start : start + size] = total / differences.size
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _draw_counts(rng: np.random.RandomState, n_samples: int, n_items: int) -> np.ndarray:
    """Count how often each item is drawn: one bootstrap sample a row."""
    drawn = rng.randint(n_items, size=(n_samples, n_items))
    drawn += n_items * np.arange(n_samples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_samples * n_items)
    return counts.reshape(n_samples, n_items).astype(np.float64)
