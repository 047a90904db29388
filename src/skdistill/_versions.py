"""The versions a pickle was made with, and a warning where they differ on loading."""

import warnings
from typing import Any

import sklearn
from sklearn.exceptions import InconsistentVersionWarning

import skdistill

_KEY = "_saved_with"


def stamp(state: dict[str, Any]) -> dict[str, Any]:
    """Return a pickle's state with the versions of this package and of scikit-learn in it."""
    return {**state, _KEY: _versions()}


def unstamp(state: dict[str, Any], estimator_name: str) -> dict[str, Any]:
    """Return the state without its stamp, and warn if it was made with other versions.

    Warns
    -----
    InconsistentVersionWarning
        As scikit-learn does for its own estimators.
    """
    state = dict(state)
    saved = state.pop(_KEY, {})
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
