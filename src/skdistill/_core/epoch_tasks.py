"""Report the epochs of a fit to scikit-learn's callbacks as tasks."""

from collections.abc import Callable
from typing import Any


class EpochTasks:
    """The task tree of a fit, with one task per epoch.

    Use it only inside `fit`: the decorator of `fit` closes the callbacks.

    Parameters
    ----------
    estimator : CallbackSupportMixin
        The estimator that is being fitted.
    n_epochs : int or None
        The maximum number of epochs; None if it is unknown.
    learned : callable
        Returns the attributes of a fitted estimator, given the arguments that `state` returns in
        `end`.
    X : list of str, of length n_texts
        The labelled texts, which callbacks may use.
    y : ndarray of shape (n_texts,)
        Their labels.
    sample_weight : ndarray of shape (n_texts,) or None, default=None
        Their weights.

    Attributes
    ----------
    stopped : bool
        Whether a callback requested to stop.

    References
    ----------
    .. [1] https://scikit-learn.org/stable/developers/develop_callbacks.html

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from sklearn.callback import CallbackSupportMixin, ScoringMonitor, with_callbacks
    >>> from skdistill._core.epoch_tasks import EpochTasks
    >>> class Constant(CallbackSupportMixin, BaseEstimator):
    ...     @with_callbacks
    ...     def fit(self, X, y):
    ...         tasks = EpochTasks(self, 3, lambda label: {"label_": label}, X=X, y=y)
    ...         for self.label_ in range(3):
    ...             tasks.begin()
    ...             tasks.end(lambda: (self.label_,))
    ...         tasks.close()
    ...         return self
    ...
    ...     def predict(self, X):
    ...         return [self.label_] * len(X)
    >>> monitor = ScoringMonitor(scoring="accuracy")
    >>> _ = Constant().set_callbacks(monitor).fit(["one", "two"], [2, 2])
    >>> [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    [0.0, 0.0, 1.0]
    """

    def __init__(
        self,
        estimator: Any,
        n_epochs: int | None,
        learned: Callable[..., dict[str, Any]],
        *,
        X: list[str],
        y: Any,
        sample_weight: Any = None,
    ) -> None:
        self.stopped = False
        self._learned = learned
        self._shown = {
            "estimator": estimator,
            "X": X,
            "y": y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }
        self._fit = estimator._init_callback_context(max_subtasks=n_epochs)
        self._fit.call_on_fit_task_begin(**self._shown)

    def begin(self) -> None:
        """Begin the next epoch."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._shown)

    def end(self, state: Callable[[], tuple[Any, ...]]) -> None:
        """End the epoch.

        Parameters
        ----------
        state : callable
            Returns the arguments of `learned`. It is called only if a callback needs an estimator
            that predicts as if the fit had ended now.
        """
        self.stopped |= self._epoch.call_on_fit_task_end(
            **self._shown, reconstruction_attributes=lambda: self._learned(*state())
        )

    def close(self) -> None:
        """End the fit; the estimator must have all its fitted attributes."""
        self._fit.call_on_fit_task_end(**self._shown, reconstruction_attributes={})
