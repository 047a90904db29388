"""A placeholder for the teacher of a student that was loaded from a file."""

from collections.abc import Iterable
from typing import Any, NoReturn

from sklearn.base import BaseEstimator, ClassifierMixin


class MissingTeacher(ClassifierMixin, BaseEstimator):
    """Stands for a teacher that a model file does not contain.

    Without it, refitting the student would silently train it on gold labels.

    Examples
    --------
    >>> from skdistill.labelling._missing_teacher import MissingTeacher
    >>> MissingTeacher("Pipeline").fit(["a text"], ["a label"])
    Traceback (most recent call last):
    ...
    ValueError: This student was loaded from a file, which does not contain its teacher (Pipel...
    """

    def __init__(self, name: str | None = None):
        self.name = name

    def fit(self, X: Iterable[str], y: Any = None) -> NoReturn:
        """Raise an error that says how to refit the student."""
        named = "" if self.name is None else f" ({self.name})"
        raise ValueError(
            f"This student was loaded from a file, which does not contain its teacher{named}. "
            "Pass one with set_params(teacher=...), or set teacher=None to train on the gold "
            "labels; or wrap the student in FrozenEstimator to use it as it is."
        )

    def predict_proba(self, X: Iterable[str]) -> NoReturn:
        """Raise the same error."""
        self.fit(X)

    def word_vectors(self, words: Iterable[str]) -> NoReturn:
        """Raise the same error."""
        self.fit(words)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # The error should come first, also without labels.
        tags.target_tags.required = False
        tags.classifier_tags.multi_label = True
        return tags
