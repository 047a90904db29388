"""What a `fit` that does not come to its end leaves: the estimator as it was."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def all_or_nothing(fit: _Function) -> _Function:
    """Decorate a `fit` so that an error or Ctrl-C undoes what it has set on its estimator.

    A `KeyboardInterrupt` also gets a note that says so, which Python shows with the traceback.

    Examples
    --------
    >>> from skdistill._interruption import all_or_nothing
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
