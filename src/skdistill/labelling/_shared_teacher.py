"""A teacher that is fitted once and shared."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.metaestimators import available_if

from skdistill.labelling._teacher import learns_nothing


class SharedTeacher(ClassifierMixin, BaseEstimator):
    """A teacher that is fitted at the first call to `fit`, for one set of training rows.

    A student fits a clone of its teacher and discards it. `clone` returns a shared teacher itself,
    so the teacher that the student has fitted can also label other texts, or be saved. Its
    probabilities are cached under the fingerprint of the wrapped teacher.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, make_tfidf_baseline
    >>> from skdistill.labelling._shared_teacher import SharedTeacher
    >>> teacher = SharedTeacher(make_tfidf_baseline())
    >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
    >>> student = DistilledMLPClassifier(teacher, max_epochs=1, random_state=0).fit(X, y)
    >>> teacher.predict(["warm bread"])
    array(['food'], dtype='<U6')
    """

    def __init__(self, estimator: Any):
        self.estimator = estimator

    def __sklearn_clone__(self) -> Self:
        return self

    @property
    def _learns_nothing(self) -> bool:
        return learns_nothing(self.estimator)

    def fit(self, X: list[str], y: Any) -> Self:
        """Fit the teacher, unless it is fitted already."""
        if not hasattr(self, "classes_"):
            self.estimator.fit(X, y)
            self.classes_ = self.estimator.classes_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict labels."""
        return self.estimator.predict(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities."""
        return self.estimator.predict_proba(X)

    @available_if(lambda self: hasattr(self.estimator, "known_words"))
    def known_words(self) -> list[str]:
        """Return the words of a transformer's vocabulary."""
        words: list[str] = self.estimator.known_words()
        return words

    @available_if(lambda self: hasattr(self.estimator, "word_vectors"))
    def word_vectors(self, words: list[str]) -> np.ndarray:
        """Return vectors of words from the token embeddings that a transformer starts from.

        With those that it has learned, texts made of similar words would depend on whether it had
        to be fitted or all its answers were kept.
        """
        vectors: np.ndarray = clone(self.estimator).word_vectors(words)
        return vectors

    def release_memory(self) -> None:
        """Free the GPU memory of a transformer."""
        if hasattr(self.estimator, "release_memory"):
            self.estimator.release_memory()
