"""Calibration error, and temperature scaling to reduce it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from skdistill._core.label_columns import (
    as_label_column,
    check_known_labels,
    check_same_kind,
)
from skdistill._core.labels import check_probabilities, check_same_length

# Smaller probabilities are raised to this value, so that their logarithm is finite.
_PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)
TEMPERATURE_RANGE = (0.05, 20.0)
# How close to an end of its range a temperature counts as outside.
_NEAR = 1.01


def expected_calibration_error(
    y_true: ArrayLike, proba: ArrayLike, classes: ArrayLike | None = None, *, n_bins: int = 15
) -> float:
    """Compute the expected calibration error (ECE) of predicted probabilities.

    Texts are grouped into bins by the probability of their predicted class. In each bin, the mean
    of these probabilities is compared with the share of correct predictions. The result is the
    mean of the absolute differences, weighted by the number of texts per bin [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_texts,)
        True labels.
    proba : array-like of shape (n_texts, n_classes)
        Class probabilities. Rows sum to 1.
    classes : array-like of shape (n_classes,) or None, default=None
        The label of each column, as in ``classes_``. If None, the sorted labels in `y_true`, as in
        :func:`sklearn.metrics.log_loss`.
    n_bins : int, default=15
        Number of bins of equal width between 0 and 1. Bins include their upper edge.

    Returns
    -------
    float
        The error, between 0 (perfectly calibrated) and 1.

    Raises
    ------
    ValueError
        If the shapes do not match, rows do not sum to 1, there are no rows, a label is not in
        `classes`, or `n_bins` is less than 1.

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
    >>> expected_calibration_error(["a", "a", "b", "b"], proba)
    0.25
    """
    y_true = as_label_column(y_true, name="y_true")
    classes = np.unique(y_true) if classes is None else as_label_column(classes, name="classes")
    bins = CalibrationBins.of(y_true, proba, classes, n_bins=n_bins)
    check_known_labels(y_true, classes, names=("y_true", "classes"))
    return bins.calibration_error


@dataclass(frozen=True)
class CalibrationBins:
    """Texts grouped into bins of equal width by the probability of their predicted class.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Edges of the bins, from 0 to 1. A bin includes its upper edge.
    n_texts : ndarray of shape (n_bins,)
        Number of texts in each bin.
    n_right : ndarray of shape (n_bins,)
        Number of correct predictions in each bin.
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
        """Group texts into bins: see :func:`expected_calibration_error`."""
        y_true = as_label_column(y_true, name="y_true")
        classes = as_label_column(classes, name="classes")
        if n_bins < 1:
            raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
        if not len(y_true):
            raise ValueError("y_true has no rows; the calibration error needs at least one.")
        check_same_kind(y_true, classes, names=("y_true", "classes"))
        proba = check_probabilities(
            proba,
            n_rows=len(y_true),
            n_classes=len(classes),
            name="proba",
            classes=classes,
            rows="y_true",
        ).astype(np.float64)
        confidence = proba.max(axis=1)
        right = classes[proba.argmax(axis=1)] == y_true
        edges = np.linspace(0, 1, n_bins + 1)
        # Inner edges only, so that a confidence slightly above 1 by rounding is in the last bin.
        bins = np.searchsorted(edges[1:-1], confidence, side="left")
        return cls(
            edges,
            n_texts=np.bincount(bins, minlength=n_bins),
            n_right=np.bincount(bins[right], minlength=n_bins),
            confidence_sum=np.bincount(bins, weights=confidence, minlength=n_bins),
        )

    @property
    def confidence(self) -> np.ndarray:
        """The mean probability of the predicted class in each bin; NaN in empty bins."""
        return self._means(self.confidence_sum)

    @property
    def accuracy(self) -> np.ndarray:
        """The share of correct predictions in each bin; NaN in empty bins."""
        return self._means(self.n_right)

    def _means(self, sums: np.ndarray) -> np.ndarray:
        means = np.full(len(sums), np.nan)
        np.divide(sums, self.n_texts, out=means, where=self.n_texts > 0)
        return means

    @property
    def calibration_error(self) -> float:
        """The mean distance between confidence and accuracy, weighted by texts per bin."""
        return float(np.abs(self.confidence_sum - self.n_right).sum() / self.n_texts.sum())


def fit_temperature(proba: ArrayLike, codes: ArrayLike) -> float:
    """Find the temperature that calibrates probabilities best.

    It minimises the negative log-likelihood of ``softmax(log(proba) / temperature)`` [1]_. A
    temperature above 1 means that the probabilities were overconfident, below 1 underconfident.

    Parameters
    ----------
    proba : array-like of shape (n_texts, n_classes)
        Class probabilities of texts that the model was not trained on. Rows sum to 1.
    codes : array-like of shape (n_texts,)
        Column of the true class of each text.

    Returns
    -------
    float
        The temperature, between 0.05 and 20.

    Raises
    ------
    ValueError
        If the shapes do not match, rows do not sum to 1, there are no rows, or `codes` are not
        column numbers.

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
            f"codes must be column numbers from 0 to {n_classes - 1}; compute them with "
            "np.unique(y, return_inverse=True)."
        )
    return temperature_of(log_proba, codes)


def temperature_of(logits: np.ndarray, codes: np.ndarray) -> float:
    """Find the temperature that makes the true classes most likely, given the logits.

    Parameters
    ----------
    logits : ndarray of shape (n_texts, n_classes)
        Logits, or logarithms of probabilities.
    codes : ndarray of shape (n_texts,)
        Column of the true class of each text.

    Returns
    -------
    float
        The temperature, within `TEMPERATURE_RANGE`.
    """
    rows = np.arange(len(codes))

    def loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(log_probabilities[rows, codes].mean())

    bounds = tuple(np.log(TEMPERATURE_RANGE))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def end_of_range(temperature: float) -> Literal["low", "high"] | None:
    """Return the end of its range at which a temperature lies, because no other fits better.

    Examples
    --------
    >>> from skdistill.metrics._calibration import end_of_range, fit_temperature
    >>> end_of_range(fit_temperature([[0.8, 0.2], [0.3, 0.7]], [0, 1]))  # right in all texts
    'low'
    """
    low, high = TEMPERATURE_RANGE
    if temperature < low * _NEAR:
        return "low"
    return "high" if temperature > high / _NEAR else None


def apply_temperature(proba: ArrayLike, temperature: float) -> np.ndarray:
    """Apply a temperature to probabilities.

    Parameters
    ----------
    proba : array-like of shape (n_texts, n_classes)
        Class probabilities. Rows sum to 1.
    temperature : float
        A positive number. Values above 1 soften the probabilities, values below 1 sharpen them.

    Returns
    -------
    ndarray of shape (n_texts, n_classes)
        ``softmax(log(proba) / temperature)``, with the dtype of `proba`. Probabilities below the
        epsilon of float32 are first raised to it.

    Raises
    ------
    ValueError
        If `temperature` is not positive, `proba` is not two-dimensional, or rows do not sum to 1.

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
        raise ValueError(
            f"proba must be of shape (n_texts, n_classes), but has shape {proba.shape}."
        )
    n_rows, n_classes = proba.shape
    checked = check_probabilities(proba, n_rows=n_rows, n_classes=n_classes, name="proba")
    return np.log(np.maximum(checked.astype(np.float64), _PROBABILITY_FLOOR))
