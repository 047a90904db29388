"""A teacher made from any function that returns class probabilities."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdistill._core.estimators import TextClassifier, fit_context
from skdistill._core.labels import check_labels, check_probabilities
from skdistill._core.texts import check_texts


class FunctionTeacherClassifier(TextClassifier):
    """A teacher made from a function, such as a call to a web service or to a language model.

    Parameters
    ----------
    func : callable
        Maps a list of ``str`` to class probabilities of shape (n_texts, n_classes), with columns
        in the sorted order of the labels. If a text may have several labels, the function returns
        the probability of each label. It is never trained.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels passed to `fit`; if a text may have several, the column numbers of `y`.
    multilabel_ : bool
        Whether a text may have several labels.

    See Also
    --------
    sklearn.preprocessing.FunctionTransformer : The same idea for transformers.

    Notes
    -----
    `memory` and pickles identify the function by its module and name, so define it with ``def`` in
    a module. If its answers change, rename it or clear `memory`.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, FunctionTeacherClassifier
    >>> def ask(texts):
    ...     scores = [0.9 if "!" in text else 0.2 for text in texts]
    ...     return [[1 - score, score] for score in scores]
    >>> teacher = FunctionTeacherClassifier(ask)
    >>> student = DistilledMLPClassifier(teacher, max_epochs=50, random_state=0)
    >>> _ = student.fit(["so what", "wow !"], ["calm", "loud"], X_unlabeled=["yes !", "oh", "no"])
    >>> student.predict(["what !"])
    array(['loud'], dtype='<U4')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"func": [callable]}

    def __init__(self, func: Callable[[list[str]], ArrayLike]) -> None:
        self.func = func

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Iterable[str], y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Store the labels, without calling the function.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,) or (n_texts, n_labels)
            Their labels. If a text may have several, an array with one column per label and the
            values 0 and 1.
        sample_weight : array-like of shape (n_texts,), default=None
            Checked but not used, because nothing is trained.

        Returns
        -------
        self : object
            The fitted teacher.
        """
        classes, codes = check_labels(y, n_rows=len(check_texts(X)), multilabel=True)
        if sample_weight is not None:
            _check_sample_weight(sample_weight, codes)
        self.classes_ = classes
        self.multilabel_ = codes.ndim == 2
        return self

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Call the function and check the probabilities that it returns.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes), dtype float32
            Class probabilities; columns follow `classes_`.

        Raises
        ------
        ValueError
            If the function returns another shape or rows that do not sum to 1.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        return check_probabilities(
            self.func(texts),
            n_rows=len(texts),
            n_classes=len(self.classes_),
            classes=self.classes_,
            name="func(texts)",
            rows="texts",
            multilabel=self.multilabel_,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # nothing is trained
        tags.classifier_tags.multi_label = True
        return tags
