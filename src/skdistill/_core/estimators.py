"""Base classes and decorators for the package's estimators."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn import base
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import _param_validation

import skdistill
from skdistill._core.exceptions import warn
from skdistill._core.label_columns import as_labels
from skdistill._core.multilabel import decide

# scikit-learn fills in `{estimator_name}`.
API_PAGE = "https://skdistill.readthedocs.io/en/stable/generated/skdistill.{estimator_name}.html"
# The key of the package versions in a pickle's state.
_VERSIONS = "_saved_with"
# Characters of a wrong value in an error message.
_LONGEST_VALUE = 200

_Function = TypeVar("_Function", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Function], _Function]:
    """Decorate a `fit` so that it checks parameters against `_parameter_constraints` first."""
    decorator: Callable[[_Function], _Function] = base._fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return decorator


def validate_params(
    constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
) -> Callable[[_Function], _Function]:
    """Decorate a function so that it checks its parameters against constraints first."""
    decorator: Callable[[_Function], _Function] = _param_validation.validate_params(
        constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )

    def decorate(function: _Function) -> _Function:
        return _short_errors()(decorator(function))

    return decorate


@contextmanager
def _short_errors() -> Iterator[None]:
    """Cut the value in scikit-learn's errors about parameters, which may be all texts."""
    try:
        yield
    except _param_validation.InvalidParameterError as error:
        rule, got, value = str(error).partition(" Got ")
        if len(value) > _LONGEST_VALUE:
            raise type(error)(f"{rule}{got}{value[:_LONGEST_VALUE]}... instead.") from None
        raise


def all_or_nothing(fit: _Function) -> _Function:
    """Decorate a `fit` so that an error or Ctrl-C restores the estimator's previous state.

    A `KeyboardInterrupt` also gets a note about this, which Python shows with the traceback.

    Examples
    --------
    >>> from skdistill._core.estimators import all_or_nothing
    >>> class Estimator:
    ...     @all_or_nothing
    ...     def fit(self, X):
    ...         self.half_ = X
    ...         raise KeyboardInterrupt
    >>> estimator = Estimator()
    >>> try:
    ...     estimator.fit(1)
    ... except KeyboardInterrupt as interrupt:
    ...     print(*interrupt.__notes__)
    Estimator.fit was interrupted: the estimator is not fitted, as before.
    >>> vars(estimator)
    {}
    """

    @wraps(fit)
    def guarded(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(estimator))
        try:
            return fit(estimator, *args, **kwargs)
        except BaseException as error:
            vars(estimator).clear()
            vars(estimator).update(before)
            if isinstance(error, KeyboardInterrupt):
                was_fitted = any(name.endswith("_") for name in before if name[0] != "_")
                state = "keeps what it had learned" if was_fitted else "is not fitted, as"
                error.add_note(
                    f"{type(estimator).__name__}.fit was interrupted: the estimator {state} before."
                )
            raise

    return cast(_Function, guarded)


class DocumentationLinkMixin:
    """A mixin that links the HTML display of an estimator to its API page, and cuts long errors.

    It must come before `sklearn.base.BaseEstimator` in the list of bases. Subclasses in other
    packages get no link, because scikit-learn checks the module of the class.

    Examples
    --------
    >>> from skdistill import TextAugmenter
    >>> TextAugmenter()._get_doc_link()
    'https://skdistill.readthedocs.io/en/stable/generated/skdistill.TextAugmenter.html'
    """

    _doc_link_module = "skdistill"
    _doc_link_template = API_PAGE

    @_short_errors()
    def _validate_params(self) -> None:
        super()._validate_params()  # type: ignore[misc]


class TextClassifier(
    DocumentationLinkMixin, base.ClassifierMixin, base.BaseEstimator, metaclass=ABCMeta
):
    """Base class for classifiers over raw texts with `predict_proba`."""

    classes_: np.ndarray
    multilabel_: bool
    # The numbers 0, 1, ... of several labels are names of columns, if there were names in `fit`.
    _keeps_names = True

    @abstractmethod
    def predict_proba(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Return class probabilities, of shape (n_texts, n_classes)."""

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """Predict the class of each text, or all its labels if it may have several.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        y : ndarray of shape (n_texts,) or (n_texts, n_labels)
            The most probable class of each text. If a text may have several labels, ones for all
            labels with a probability above 0.5, else zeros.
        """
        winners = self._winners(X)
        return winners if self.multilabel_ else self.classes_[winners]

    def score(self, X: Iterable[str], y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy: the share of texts with the right label, or with all labels right.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.
        y : array-like of shape (n_texts,) or (n_texts, n_labels)
            Their labels, in any container that `fit` accepts. The columns of a table are read
            by their names.
        sample_weight : array-like of shape (n_texts,), default=None
            Weights of the texts.

        Returns
        -------
        score : float
            The accuracy, between 0 and 1.

        Raises
        ------
        ValueError
            If a label is missing, or labels are of another type or shape than the predicted ones.
        """
        from sklearn.metrics import accuracy_score  # takes a while

        labels = as_labels(y, classes=getattr(self, "classes_", None))
        return float(accuracy_score(labels, self.predict(X), sample_weight=sample_weight))

    def _winners(self, X: Iterable[str]) -> np.ndarray:
        """Return the column of each text's class; ones and zeros for several labels."""
        return decide(self.predict_proba(X), multilabel=self.multilabel_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


class LogitClassifier(TextClassifier):
    """Base class for classifiers over raw texts that compute logits."""

    @abstractmethod
    def _logits(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Check the texts and return their logits, of shape (n_texts, n_classes)."""

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Predict class probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes)
            Class probabilities; columns follow `classes_`. Rows sum to 1 unless a text may have
            several labels.
        """
        logits = self._logits(X)
        return expit(logits) if self.multilabel_ else softmax(logits, axis=1)

    def predict_log_proba(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Predict the logarithms of class probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        log_proba : ndarray of shape (n_texts, n_classes)
            Natural logarithms of the probabilities; columns follow `classes_`.
        """
        logits = self._logits(X)
        return log_expit(logits) if self.multilabel_ else log_softmax(logits, axis=1)

    def decision_function(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Compute the logits: the logarithms of class probabilities, up to a constant per text.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        logits : ndarray of shape (n_texts, n_classes), or (n_texts,) for two classes
            Columns follow `classes_`. For two classes, as in scikit-learn, the second class's logit
            minus the first's. If a text may have several labels, those above 0 are predicted.
        """
        logits = self._logits(X)
        if logits.shape[1] == 2 and not self.multilabel_:
            return logits[:, 1] - logits[:, 0]
        return logits

    def _winners(self, X: Iterable[str]) -> np.ndarray:
        logits = self._logits(X)
        return (logits > 0).astype(np.int64) if self.multilabel_ else logits.argmax(axis=1)


def stamp(state: dict[str, Any]) -> dict[str, Any]:
    """Add the versions of this package and of scikit-learn to a pickle's state."""
    return {**state, _VERSIONS: _versions()}


def unstamp(state: dict[str, Any], estimator_name: str) -> dict[str, Any]:
    """Remove the versions from a pickle's state and warn if they differ from the current ones.

    Warns
    -----
    InconsistentVersionWarning
        The warning that scikit-learn raises for its own estimators.
    """
    state = dict(state)
    saved = state.pop(_VERSIONS, {})
    for package, version in saved.items():
        if version != _versions()[package]:
            warn(
                InconsistentVersionWarning(
                    estimator_name=f"{estimator_name} ({package})",
                    current_sklearn_version=_versions()[package],
                    original_sklearn_version=version,
                ),
            )
    return state


def _versions() -> dict[str, str]:
    return {"skdistill": skdistill.__version__, "scikit-learn": sklearn.__version__}
