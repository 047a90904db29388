"""What the package's estimators have in common, beyond scikit-learn's base classes."""

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn import base
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import _param_validation

import skdistill
from skdistill._core.multilabel import decide

# `{estimator_name}` is filled in by scikit-learn.
API_PAGE = "https://skdistill.readthedocs.io/en/stable/generated/skdistill.{estimator_name}.html"
# Under this key, a pickle's state holds the versions that it was made with.
_VERSIONS = "_saved_with"

_Function = TypeVar("_Function", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Function], _Function]:
    """Decorate a `fit`: parameters are checked against `_parameter_constraints` before it runs."""
    decorator: Callable[[_Function], _Function] = base._fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return decorator


def validate_params(
    constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
) -> Callable[[_Function], _Function]:
    """Decorate a function: its parameters are checked against constraints before it runs."""
    decorator: Callable[[_Function], _Function] = _param_validation.validate_params(
        constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return decorator


def all_or_nothing(fit: _Function) -> _Function:
    """Decorate a `fit` so that an error or Ctrl-C undoes what it has set on its estimator.

    A `KeyboardInterrupt` also gets a note that says so, which Python shows with the traceback.

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
    """Links the HTML display of the package's own estimators to their pages.

    It stands before `sklearn.base.BaseEstimator` among the bases. Classes that others derive get
    no link, as scikit-learn looks at the module that a class is defined in.

    Examples
    --------
    >>> from skdistill import TextAugmenter
    >>> TextAugmenter()._get_doc_link()
    'https://skdistill.readthedocs.io/en/stable/generated/skdistill.TextAugmenter.html'
    """

    _doc_link_module = "skdistill"
    _doc_link_template = API_PAGE


class TextClassifier(
    DocumentationLinkMixin, base.ClassifierMixin, base.BaseEstimator, metaclass=ABCMeta
):
    """Base class of classifiers over raw texts that give probabilities."""

    classes_: np.ndarray
    multilabel_: bool

    @abstractmethod
    def predict_proba(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Predict class probabilities, of shape (n_texts, n_classes)."""

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """Predict the most probable class of each text, or all labels more likely than not.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        y : ndarray of shape (n_texts,) or (n_texts, n_labels)
            Labels out of `classes_`; ones and zeros where a text may have several.
        """
        winners = self._winners(X)
        return winners if self.multilabel_ else self.classes_[winners]

    def _winners(self, X: Iterable[str]) -> np.ndarray:
        """Return the column of each text's class; of several labels, ones and zeros."""
        return decide(self.predict_proba(X), multilabel=self.multilabel_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


class LogitClassifier(TextClassifier):
    """Base class of classifiers over raw texts that compute logits."""

    @abstractmethod
    def _logits(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Check the texts and compute their logits, of shape (n_texts, n_classes)."""

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Predict class probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes)
            Columns follow `classes_`. Rows sum to 1 unless a text may have several labels.
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
            Natural logarithms; columns follow `classes_`.
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
            Columns follow `classes_`; for two classes, as in scikit-learn, the second's logit
            minus the first's. Where a text may have several labels, it has those above 0.
        """
        logits = self._logits(X)
        if logits.shape[1] == 2 and not self.multilabel_:
            return logits[:, 1] - logits[:, 0]
        return logits

    def _winners(self, X: Iterable[str]) -> np.ndarray:
        logits = self._logits(X)
        return (logits > 0).astype(np.int64) if self.multilabel_ else logits.argmax(axis=1)


def stamp(state: dict[str, Any]) -> dict[str, Any]:
    """Return a pickle's state with the versions of this package and of scikit-learn in it."""
    return {**state, _VERSIONS: _versions()}


def unstamp(state: dict[str, Any], estimator_name: str) -> dict[str, Any]:
    """Return the state without its stamp, and warn if it was made with other versions.

    Warns
    -----
    InconsistentVersionWarning
        As scikit-learn does for its own estimators.
    """
    state = dict(state)
    saved = state.pop(_VERSIONS, {})
    for package, version in saved.items():
        if version != _versions()[package]:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=f"{estimator_name} ({package})",
                    current_sklearn_version=_versions()[package],
                    original_sklearn_version=version,
                ),
                stacklevel=3,
            )
    return state


def _versions() -> dict[str, str]:
    return {"skdistill": skdistill.__version__, "scikit-learn": sklearn.__version__}
