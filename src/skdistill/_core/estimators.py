"""What the package's estimators have in common, beyond scikit-learn's base classes."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import sklearn
from sklearn import base
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import _param_validation

import skdistill

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
