"""Any function that gives class probabilities, as a teacher."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdistill._core.estimators import TextClassifier, fit_context
from skdistill._core.labels import check_labels, check_probabilities
from skdistill._core.texts import check_texts


class FunctionTeacherClassifier(TextClassifier):
    """A teacher made of a function, such as a call to a service or a prompt to a language model.

    Parameters
    ----------
    func : callable
        Maps a list of ``str`` to class probabilities of shape (n_texts, n_classes), with columns
        in the sorted order of the labels; or to the probability of each label, where a text may
        have several. It learns nothing from `fit`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels that `fit` has seen; for several labels a text, the columns' numbers.
    multilabel_ : bool
        Whether a text may have several labels.

    See Also
    --------
    sklearn.preprocessing.FunctionTransformer : The same idea for transformers.

    Notes
    -----
    For `memory`, and in pickles, a function is known by its module and name: define it with
    ``def`` in a module, and give it another name, or empty `memory`, when its answers change.

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
        """Take note of the labels.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,) or (n_texts, n_labels)
            Their labels; ones and zeros where a text may have several.
        sample_weight : array-like of shape (n_texts,), default=None
            Checked, but without effect: nothing is learned.

        Returns
        -------
        self : object
            The teacher.
        """
        classes, codes = check_labels(y, n_rows=len(check_texts(X)), multilabel=True)
        if sample_weight is not None:
            _check_sample_weight(sample_weight, codes)
        self.classes_ = classes
        self.multilabel_ = codes.ndim == 2
        return self

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Ask the function.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes), dtype float32
            Probabilities; columns follow `classes_`.

        Raises
        ------
        ValueError
            If the function's answer has another shape or does not sum to 1 in each row.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        return check_probabilities(
            self.func(texts),
            n_rows=len(texts),
            n_classes=len(self.classes_),
            name="func(texts)",
            rows="texts",
            multilabel=self.multilabel_,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # it learns nothing
        tags.classifier_tags.multi_label = True
        return tags
