"""scikit-learn's decorators for parameters, typed: what they decorate keeps its signature."""

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn import base
from sklearn.utils import _param_validation

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
