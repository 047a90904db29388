"""Calibration of a fitted student: one temperature, folded into its last layer."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax
from sklearn.utils.validation import check_is_fitted

from skdistill._core.estimators import LogitClassifier
from skdistill._core.label_columns import find_labels
from skdistill._core.texts import check_texts
from skdistill.metrics._calibration import TEMPERATURE_RANGE, end_of_range, temperature_of
from skdistill.metrics._scores import Measurement
from skdistill.text._vocabulary import UNKNOWN, Vocabulary

# With fewer texts, chance would determine the temperature.
_MIN_TEXTS = 10

# The type of each entry of `calibration_`.
_ENTRIES = {"temperature": float, "n_texts": int, "error_before": float, "error_after": float}


class CalibratableStudent(LogitClassifier):
    """A fitted student whose logits can be divided by a temperature."""

    calibration_: dict[str, Any] | None
    _vocabulary: Vocabulary
    _weights: dict[str, np.ndarray]

    @abstractmethod
    def _compile(self) -> None:
        """Rebuild the look-up tables from the weights."""

    def calibrate(self, X: Iterable[str], y: ArrayLike) -> Self:
        """Make the probabilities agree with the share of correct predictions.

        This finds the temperature that makes the labels of held-out texts most likely [1]_, and
        divides the weights and the bias of the last layer by it. Predicted labels stay the same;
        only probabilities change. Every later use of the student contains the calibration: files of
        all precisions, pickles, compiled students, ONNX graphs and model cards. :meth:`fit` removes
        it.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts that neither the student nor its teacher was trained on; some hundreds are enough.
            Do not use the texts on which you report the accuracy either.
        y : array-like of shape (n_texts,) or (n_texts, n_labels)
            Gold labels of `X`.

        Returns
        -------
        self : object
            The calibrated student. `calibration_` describes the calibration.

        Raises
        ------
        NotFittedError
            If the student is not fitted.
        ValueError
            If `y` has a single class or contains labels that the student does not know; if fewer
            than 10 texts contain a feature that the student knows; or if no temperature between
            0.05 and 20 fits, as when all texts are classified correctly.

        See Also
        --------
        sklearn.calibration.CalibratedClassifierCV : With ``method="temperature"``, an estimator
            around the student that does the same.
        skdistill.metrics.expected_calibration_error : Measure calibration.

        Notes
        -----
        A student classifies nearly all of its training texts correctly. A temperature that is
        fitted on them only learns that the student is always right, and makes it more confident
        instead of less.

        If a text may have several labels, one temperature divides the logits of all labels. For a
        text without known features, the student predicts the class frequencies of its training
        labels, which need no calibration: such texts are ignored here.

        Calibrate before you fit a :class:`~skdistill.CascadeClassifier` of the student, because its
        threshold is one of probabilities.

        A second call starts again from the logits before the first, so the result depends only on
        its own texts.

        References
        ----------
        .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. "On Calibration of Modern Neural
           Networks". ICML 2017.

        Examples
        --------
        >>> from skdistill import DistilledMLPClassifier
        >>> X = ["warm soup", "fresh bread", "warm bread", "fast train", "late train", "fast bus"]
        >>> y = ["food", "food", "food", "travel", "travel", "travel"]
        >>> student = DistilledMLPClassifier(max_epochs=50, random_state=0).fit(X, y)
        >>> X_held_out = ["a soup", "hot bread", "fast food", "bread on a train", "soup"] * 2
        >>> X_held_out += ["a bus", "late bus", "warm train", "my train", "fast"] * 2
        >>> y_held_out = ["food"] * 10 + ["travel"] * 10
        >>> before = student.predict(X_held_out)
        >>> bool((student.calibrate(X_held_out, y_held_out).predict(X_held_out) == before).all())
        True
        >>> [*student.calibration_]
        ['temperature', 'n_texts', 'error_before', 'error_after']
        """
        check_is_fitted(self)
        texts = check_texts(X)
        codes = self._read_codes(y, n_rows=len(texts))
        ids = self._vocabulary.encode(texts)
        known = ids.rows_with(ids.values != UNKNOWN)
        if len(known) < _MIN_TEXTS:
            raise ValueError(
                f"Calibration needs at least {_MIN_TEXTS} texts with known features, but X has "
                f"{len(known)}; pass more held-out texts."
            )
        earlier = self.calibration_["temperature"] if self.calibration_ else 1.0
        codes, logits = codes[known], self._logits(texts).astype(np.float64)[known] * earlier
        temperature = self._find_temperature(logits, codes)
        last = max(int(name.split(".")[1]) for name in self._weights if name.startswith("layers."))
        scale = np.float32(earlier / temperature)
        self._weights = self._weights | {
            name: self._weights[name] * scale
            for name in (f"layers.{last}.weight", f"layers.{last}.bias")
        }
        self.calibration_ = {
            "temperature": temperature,
            "n_texts": len(known),
            "error_before": self._calibration_error(logits, codes),
            "error_after": self._calibration_error(logits / temperature, codes),
        }
        self._compile()
        return self

    def _read_codes(self, y: Any, *, n_rows: int) -> np.ndarray:
        """Return the column of each text's class; ones and zeros for several labels."""
        codes = find_labels(y, self.classes_, n_rows=n_rows, multilabel=self.multilabel_)
        if not self.multilabel_:
            if len(np.unique(codes)) < 2:
                raise ValueError(
                    f"y has only one class: {self.classes_.tolist()[codes[0]]!r}; calibration "
                    "needs texts of several classes."
                )
            return codes
        if codes.all() or not codes.any():
            raise ValueError(
                f"All values of y are {codes.flat[0]}; calibration needs ones and zeros."
            )
        return codes

    def _find_temperature(self, logits: np.ndarray, codes: np.ndarray) -> float:
        if self.multilabel_:  # a label's logit is the difference between the logits of yes and no
            yes = logits.ravel()
            temperature = temperature_of(np.column_stack([np.zeros_like(yes), yes]), codes.ravel())
        else:
            temperature = temperature_of(logits, codes)
        end = end_of_range(temperature)
        is_right = np.all((logits > 0) == codes if self.multilabel_ else logits.argmax(1) == codes)
        if end == "low" and not is_right:
            raise ValueError(
                "No temperature fits, because the student's probabilities are too even. It was "
                "trained for too few epochs: raise max_epochs and fit it again."
            )
        if end == "low":
            raise ValueError(
                f"No temperature fits, because the student makes no errors on the {len(codes)} "
                "texts; pass more texts that neither it nor its teacher was trained on."
            )
        if end == "high":
            raise ValueError(
                "No temperature fits, because the student's probabilities do not agree with y at "
                "all; check that y contains the labels of X, in the same order."
            )
        return temperature

    def _calibration_error(self, logits: np.ndarray, codes: np.ndarray) -> float:
        proba = expit(logits) if self.multilabel_ else softmax(logits, axis=1)
        error = Measurement.of(codes, proba).calibration_error
        return 0.0 if error is None else error


def read_calibration(stored: Any) -> dict[str, Any] | None:
    """Check a calibration from a model file; raise a ValueError if it is malformed."""
    if stored is None:
        return None
    if {name: type(value) for name, value in stored.items()} != _ENTRIES:
        raise ValueError("the calibration does not have the right entries")
    if not TEMPERATURE_RANGE[0] <= stored["temperature"] <= TEMPERATURE_RANGE[1]:
        raise ValueError("the temperature of the calibration is not valid")
    return dict(stored)
