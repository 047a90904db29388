"""The parameters that all students share, and the checks on their values."""

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Literal

import numpy as np
from joblib import Memory
from sklearn.callback import FitCallback
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skdistill.labelling._pool import TextPool
from skdistill.labelling._teacher import GivesProbabilities
from skdistill.metrics._losses import LOSSES
from skdistill.text._vocabulary import Analyzer

# Parameters that require gold labels, and what they use them for.
_FOR_GOLD_LABELS = {
    "hard_label_weight": "mixes gold labels into the loss",
    "teacher_cv": "fits teachers on the gold labels of other folds",
    "class_weight": "weights texts by their gold labels",
    "gold_epochs": "trains on gold labels",
}


class StudentParameters:
    """The shared parameters; each student's `__init__` lists them with its own defaults."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "teacher": [GivesProbabilities(), None],
        "vocabulary_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "n_parameters": [Interval(Integral, 1, None, closed="left"), None],
        "analyzer": [StrOptions({"word", "char"}), callable],
        "ngram_range": [tuple, list],
        "hash_buckets": [Interval(Integral, 0, None, closed="left")],
        "lowercase": ["boolean"],
        "embedding_dim": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "embedding_init": [StrOptions({"random", "teacher"})],
        "pooling": [str, tuple, list],
        "hidden_layer_sizes": [tuple, list],
        "dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "word_dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "loss": [StrOptions(LOSSES.keys())],
        "temperature": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "hard_label_weight": [Interval(Real, 0, 1, closed="both")],
        "unlabeled": "no_validation",
        "augmenter": [HasMethods(["fit", "augment"]), StrOptions({"auto"}), None],
        "teacher_cv": ["cv_object"],
        "memory": "no_validation",
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "gold_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "lr": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "device": [str],
        "n_jobs": [Integral, None],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
    }

    vocabulary_size: int | Literal["auto"]
    n_parameters: int | None
    analyzer: Analyzer
    ngram_range: Sequence[int]
    hash_buckets: int
    lowercase: bool
    embedding_dim: int | Literal["auto"]
    embedding_init: Literal["random", "teacher"]
    pooling: str | Sequence[str]
    hidden_layer_sizes: Sequence[int]
    dropout: float | Literal["auto"]
    word_dropout: float | Literal["auto"]
    loss: str
    temperature: float | Literal["auto"]
    hard_label_weight: float
    unlabeled: TextPool | None
    augmenter: Any
    teacher_cv: Any
    memory: str | PathLike[str] | Memory | None
    class_weight: dict[Any, float] | Literal["balanced"] | None
    max_epochs: int | Literal["auto"]
    gold_epochs: int
    batch_size: int | Literal["auto"]
    lr: float | Literal["auto"]
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    random_state: int | np.random.RandomState | None
    device: str
    callbacks: Sequence[Any] | None

    def _store_parameters(self, given: dict[str, Any]) -> None:
        """Store the arguments of `__init__`, passed as its `locals()`."""
        self.__dict__.update((name, value) for name, value in given.items() if name != "self")

    def _refuse_gold_parameters(self) -> None:
        for name, reason in _FOR_GOLD_LABELS.items():
            value = getattr(self, name)
            if value:
                raise ValueError(
                    f"{name}={value!r:.60} {reason}, but y is None; pass y, or leave {name} at its "
                    "default."
                )

    def _unlabeled_or(self, X_unlabeled: Iterable[str] | None) -> Iterable[str] | None:
        """Return the argument of `fit` or, if it is None, the parameter `unlabeled`."""
        if not isinstance(self.unlabeled, TextPool | None):
            raise TypeError(
                f"unlabeled must be a TextPool or None, not {type(self.unlabeled).__name__}; pass "
                "TextPool(texts)."
            )
        return self.unlabeled if X_unlabeled is None else X_unlabeled

    def _check_callbacks(self) -> None:
        for item in self.callbacks or ():
            callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
            if isinstance(callback, FitCallback):
                name = type(callback).__name__
                raise TypeError(
                    f"callbacks contains a {name}, a scikit-learn callback, but the parameter "
                    "takes skorch callbacks. Pass it to set_callbacks instead, as in "
                    f"student.set_callbacks({name}(...))."
                )
            if not hasattr(callback, "on_epoch_end"):
                raise TypeError(
                    f"callbacks contains {item!r:.60}, which is not a skorch callback, nor a pair "
                    "of a name and one."
                )

    def _poolings(self, known: tuple[str, ...]) -> tuple[str, ...]:
        pooling = (self.pooling,) if isinstance(self.pooling, str) else tuple(self.pooling)
        if not pooling or len(set(pooling)) < len(pooling) or not set(pooling) <= set(known):
            raise ValueError(
                f"pooling={self.pooling!r:.60} must be one of {known}, or a tuple of different "
                "ones."
            )
        return pooling

    def _positive_integers(self, name: str, *, at_least: int) -> tuple[int, ...]:
        values = tuple(getattr(self, name))
        if len(values) < at_least or not all(
            isinstance(value, int | np.integer) and value > 0 for value in values
        ):
            raise ValueError(
                f"{name}={getattr(self, name)!r:.60} must contain only positive integers."
            )
        return values

    def _vocabulary_options(self) -> dict[str, Any]:
        sizes = tuple(self.ngram_range)
        if len(sizes) != 2 or not all(isinstance(size, Integral) for size in sizes):
            raise ValueError(
                f"ngram_range={self.ngram_range!r:.60} must be a pair of integers, such as (1, 2)."
            )
        min_n, max_n = sizes
        if not 1 <= min_n <= max_n:
            raise ValueError(
                f"ngram_range={self.ngram_range!r:.60} must be a pair with 1 <= min_n <= max_n."
            )
        if self.hash_buckets and not (min_n == 1 < max_n):
            raise ValueError(
                f"hash_buckets={self.hash_buckets} needs an ngram_range of (1, n) with n >= 2, "
                f"because it hashes n-grams of two or more features; got {self.ngram_range!r}."
            )
        # A search may set NumPy's scalars, which JSON does not know.
        return {
            "analyzer": self.analyzer,
            "ngram_range": (int(min_n), int(max_n)),
            "lowercase": bool(self.lowercase),
            "hash_buckets": int(self.hash_buckets),
        }
