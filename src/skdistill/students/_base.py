"""What all students share: their parameters, the transfer set and training.

torch loads with `fit` alone: a fitted student predicts without it.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import partial
from math import ceil
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from skdistill._core.epoch_tasks import EpochTasks, check_no_fit_callbacks
from skdistill._core.estimators import all_or_nothing, fit_context
from skdistill._core.texts import check_texts
from skdistill.labelling._soft_labels import (
    SoftLabeler,
    check_memory_location,
    needs_no_labels,
)
from skdistill.labelling._transfer_set import TextPool, TransferSet, make_transfer_set
from skdistill.runtime._model_file import StoredModel
from skdistill.students._fitted import FittedStudent
from skdistill.students._gold_labels import Labels
from skdistill.students.training._embedding_init import find_embedding_source, initial_embedding
from skdistill.students.training._schedule import TrainingSchedule, fit_budget, make_schedule
from skdistill.text._ragged import Ragged
from skdistill.text._vocabulary import UNKNOWN, Analyzer, Vocabulary

if TYPE_CHECKING:
    from torch import nn

# Parameters that mean nothing without gold labels, and what for they take them.
_FOR_GOLD_LABELS = {
    "hard_label_weight": "mixes gold labels into the loss",
    "teacher_cv": "fits teachers on the gold labels of other folds",
    "calibrate_teacher": "fits a temperature to gold labels",
    "class_weight": "weighs texts by their gold labels",
    "gold_epochs": "trains on gold labels",
}


class DistilledClassifier(CallbackSupportMixin, FittedStudent, metaclass=ABCMeta):
    """Base class of the students.

    A subclass lists its parameters in an `__init__` of its own, as scikit-learn asks, and says
    which network they describe.
    """

    # These reach `fit` through meta-estimators without a request for each.
    __metadata_request__fit = {
        "X_unlabeled": True,
        "teacher_proba": True,
        "unlabeled_proba": True,
        "sample_weight": True,
    }

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "teacher": [HasMethods(["fit", "predict_proba"]), None],
        "vocabulary_size": [Interval(Integral, 2, None, closed="left")],
        "n_parameters": [Interval(Integral, 1, None, closed="left"), None],
        "analyzer": [StrOptions({"word", "char"}), callable],
        "ngram_range": [tuple, list],
        "hash_buckets": [Interval(Integral, 0, None, closed="left")],
        "lowercase": ["boolean"],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "embedding_init": [StrOptions({"random", "teacher"})],
        "pooling": [str, tuple, list],
        "hidden_layer_sizes": [tuple, list],
        "dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "word_dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "loss": [StrOptions({"kl", "mse", "standardized_kl"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "hard_label_weight": [Interval(Real, 0, 1, closed="both")],
        "augmenter": [HasMethods(["fit", "augment"]), None],
        "teacher_cv": ["cv_object"],
        "calibrate_teacher": ["boolean"],
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

    # Whether texts of like length share a batch: pays where time grows with the longest.
    _batches_by_length = False

    _vocabulary: Vocabulary
    _counts: np.ndarray | None
    _weights: dict[str, np.ndarray]

    def __init__(
        self,
        teacher: Any,
        *,
        vocabulary_size: int,
        n_parameters: int | None,
        analyzer: Analyzer,
        ngram_range: Sequence[int],
        hash_buckets: int,
        lowercase: bool,
        embedding_dim: int,
        embedding_init: Literal["random", "teacher"],
        pooling: str | Sequence[str],
        hidden_layer_sizes: Sequence[int],
        dropout: float | Literal["auto"],
        word_dropout: float | Literal["auto"],
        loss: Literal["kl", "mse", "standardized_kl"],
        temperature: float,
        hard_label_weight: float,
        augmenter: Any,
        teacher_cv: Any,
        calibrate_teacher: bool,
        memory: str | PathLike[str] | Memory | None,
        class_weight: dict[Any, float] | Literal["balanced"] | None,
        max_epochs: int | Literal["auto"],
        gold_epochs: int,
        batch_size: int | Literal["auto"],
        lr: float | Literal["auto"],
        early_stopping: bool,
        validation_fraction: float,
        n_iter_no_change: int,
        random_state: int | np.random.RandomState | None,
        device: str,
        n_jobs: int | None,
        callbacks: Sequence[Any] | None,
        verbose: int,
    ) -> None:
        self.teacher = teacher
        self.vocabulary_size = vocabulary_size
        self.n_parameters = n_parameters
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.hash_buckets = hash_buckets
        self.lowercase = lowercase
        self.embedding_dim = embedding_dim
        self.embedding_init = embedding_init
        self.pooling = pooling
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.loss = loss
        self.temperature = temperature
        self.hard_label_weight = hard_label_weight
        self.augmenter = augmenter
        self.teacher_cv = teacher_cv
        self.calibrate_teacher = calibrate_teacher
        self.memory = memory
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.gold_epochs = gold_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.device = device
        self.n_jobs = n_jobs
        self.callbacks = callbacks
        self.verbose = verbose

    @abstractmethod
    def _architecture(self) -> dict[str, Any]:
        """Return the checked keyword arguments of the network."""

    @staticmethod
    @abstractmethod
    def _network_class() -> "type[nn.Module]":
        """Return the torch module of this kind of student, whose import loads torch."""

    @classmethod
    def _make_network(
        cls, log_prior: np.ndarray, n_features: int, **architecture: Any
    ) -> "nn.Module":
        import torch

        return cls._network_class()(torch.from_numpy(log_prior), n_features, **architecture)

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Iterable[str],
        y: ArrayLike | None = None,
        *,
        X_unlabeled: Iterable[str] | TextPool | None = None,
        teacher_proba: ArrayLike | None = None,
        unlabeled_proba: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Let the teacher label all texts, and train the student on its probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_labeled
            Texts, with gold labels unless `y` is None.
        y : array-like of shape (n_labeled,) or (n_labeled, n_labels), default=None
            Gold labels: the teacher is fitted on them. Ones and zeros in several columns say of
            each label whether a text has it; probabilities are then those of each label. None is
            for a teacher that is fitted already, in a :class:`~sklearn.frozen.FrozenEstimator`, or
            needs no labels, such as a :class:`~skdistill.ZeroShotTeacherClassifier`: the classes
            are the teacher's, and no text has a gold label.
        X_unlabeled : iterable of str, of length n_unlabeled, or TextPool, default=None
            Texts without gold labels. Inside cross-validation pass a
            :class:`~skdistill.TextPool`, which is never cut to a fold, and may lie on disk.
        teacher_proba : array-like of shape (n_labeled, n_classes), default=None
            Class probabilities of `X`, columns in sorted order of the classes; spares the teacher.
        unlabeled_proba : array-like of shape (n_unlabeled, n_classes), default=None
            The same for `X_unlabeled`.
        sample_weight : array-like of shape (n_labeled,), default=None
            Weights of the rows of `X`, for teacher and student; those of `X_unlabeled` weigh 1.

        Returns
        -------
        self : object
            The fitted student.

        Raises
        ------
        ValueError
            If a text is missing, `y` has another length or a single class, parameters contradict
            each other, probabilities have the wrong shape or do not sum to 1, the teacher's
            classes are not those of `y`, nothing can label `X_unlabeled`, `y` is None and the
            teacher, or a parameter, needs it, or the training diverges.
        TypeError
            If a row of `X` or `X_unlabeled` is no text.
        RuntimeError
            If workers that label die again and again.

        Notes
        -----
        Where joblib's active backend has several worker processes, they label side by side::

            with joblib.parallel_config("dask"):  # or ("loky", n_jobs=4)
                student.fit(X, y, X_unlabeled=pool)

        Each loads the fitted teacher once. With `memory` every finished shard of texts is kept, and
        if a worker dies only unfinished ones are labelled again. Workers on several machines need
        a `memory` that all of them see. Inside a search whose candidates are fitted by workers,
        each labels for itself. Loky and Dask are tested, Ray is not.
        """
        texts = check_texts(X)
        check_memory_location(self.memory)
        check_no_fit_callbacks(self.callbacks)
        row_weights = None
        if sample_weight is not None:
            row_weights = _check_sample_weight(sample_weight, texts, ensure_non_negative=True)
        labels, labeler = self._read_labels(texts, y, row_weights)
        classes, multilabel = labels.classes, labels.multilabel
        if self.loss == "standardized_kl" and (multilabel or len(classes) < 3):
            raise ValueError(
                'loss="standardized_kl" needs at least three classes, of which a text has one: of '
                'two, standardised logits are always 1 and -1. Use "kl" or "mse".'
            )
        if self.embedding_init == "teacher":
            find_embedding_source(self.teacher)
        architecture = self._architecture()
        vocabulary_options = self._vocabulary_options()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        transfer = make_transfer_set(
            texts,
            classes,
            labels.codes,
            labeler=labeler,
            X_unlabeled=X_unlabeled,
            augmenter=self.augmenter,
            teacher_proba=teacher_proba,
            unlabeled_proba=unlabeled_proba,
            teacher_cv=self.teacher_cv,
            calibrate_teacher=self.calibrate_teacher,
            hard_label_weight=self.hard_label_weight,
            class_weight=self.class_weight,
            sample_weight=row_weights,
        )
        log_prior = labels.log_prior(transfer.proba[: len(texts)], row_weights)
        schedule = make_schedule(
            n_texts=len(transfer.texts),
            dropout=self.dropout,
            word_dropout=self.word_dropout,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
        )
        architecture |= {"dropout": schedule.dropout, "word_dropout": schedule.word_dropout}
        vocabulary = self._build_vocabulary(transfer, row_weights, vocabulary_options)
        if self.n_parameters is not None:
            n_listed, architecture["embedding_dim"] = fit_budget(
                self.n_parameters,
                lambda size, dim: self._count_parameters(
                    log_prior, size, **{**architecture, "embedding_dim": dim}
                ),
                n_available=len(vocabulary) - self.hash_buckets,
                hash_buckets=self.hash_buckets,
            )
            vocabulary = vocabulary.select(np.arange(1, n_listed))
        make_network = partial(
            self._make_network, log_prior, n_features=len(vocabulary), **architecture
        )
        ids = vocabulary.encode(transfer.texts)
        initial_weights = {}
        if self.embedding_init == "teacher":
            initial_weights["embedding.weight"] = initial_embedding(
                self.teacher, vocabulary, architecture["embedding_dim"], seed
            )

        def learned(
            weights: dict[str, np.ndarray], history: list[dict[str, float]]
        ) -> dict[str, Any]:
            model = StoredModel(
                self._kind, classes, vocabulary, weights, architecture, multilabel=multilabel
            )
            return {
                "classes_": classes,
                "multilabel_": multilabel,
                "history_": history,
                "n_iter_": len(history),
                "transfer_size_": len(transfer.texts),
                "n_parameters_": model.n_parameters,
                "_vocabulary": vocabulary,
                "_counts": ids.count_values(len(vocabulary)).astype(np.float32),
                "_weights": weights,
                "_fitted_architecture": architecture,
                "_runtime": model.compile(),
            }

        tasks = EpochTasks(
            self,
            schedule.max_epochs + self.gold_epochs,
            learned,
            X=texts,
            y=labels.y,
            sample_weight=row_weights,
        )
        weights, history = self._train(
            make_network,
            ids,
            transfer,
            len(texts),
            schedule,
            initial_weights,
            seed,
            multilabel,
            tasks,
        )
        # Only now, so that an interrupted fit leaves the estimator as it was.
        self.__dict__.update(learned(weights, history))
        tasks.close()
        return self

    def _read_labels(
        self, texts: list[str], y: Any, sample_weight: np.ndarray | None
    ) -> tuple[Labels, SoftLabeler | None]:
        """Return gold labels, or else the classes that the teacher knows, and the teacher."""
        labeler_for = partial(
            SoftLabeler,
            self.teacher,
            texts,
            sample_weight=sample_weight,
            memory=self.memory,
            verbose=self.verbose,
        )
        if y is None and needs_no_labels(self.teacher):
            self._refuse_gold_parameters()
            labeler = labeler_for(None)
            return Labels.unknown(labeler.classes, labeler.multilabel, n_rows=len(texts)), labeler
        labels = Labels.gold(y, n_rows=len(texts))
        return labels, None if self.teacher is None else labeler_for(labels.y)

    def _refuse_gold_parameters(self) -> None:
        for name, reason in _FOR_GOLD_LABELS.items():
            value = getattr(self, name)
            if value:
                raise ValueError(
                    f"{name}={value!r} {reason}, but y is None; pass y, or leave {name} at its "
                    "default."
                )

    def _poolings(self, known: tuple[str, ...]) -> tuple[str, ...]:
        pooling = (self.pooling,) if isinstance(self.pooling, str) else tuple(self.pooling)
        if not pooling or len(set(pooling)) < len(pooling) or not set(pooling) <= set(known):
            raise ValueError(
                f"pooling={self.pooling!r} must be one or several different ones of {known}."
            )
        return pooling

    def _positive_integers(self, name: str, *, at_least: int) -> tuple[int, ...]:
        values = tuple(getattr(self, name))
        if len(values) < at_least or not all(
            isinstance(value, int | np.integer) and value > 0 for value in values
        ):
            raise ValueError(f"{name}={getattr(self, name)!r} must hold positive integers.")
        return values

    def _vocabulary_options(self) -> dict[str, Any]:
        min_n, max_n = self.ngram_range
        if not 1 <= min_n <= max_n:
            raise ValueError(
                f"ngram_range={self.ngram_range!r} must hold two lengths, 1 <= min_n <= max_n."
            )
        if self.hash_buckets and not (min_n == 1 < max_n):
            raise ValueError(
                f"hash_buckets={self.hash_buckets} hashes n-grams of two and more features beside "
                f"the listed single ones: ngram_range must be (1, n) with n of at least 2, not "
                f"{self.ngram_range!r}."
            )
        return {
            "analyzer": self.analyzer,
            "ngram_range": (min_n, max_n),
            "lowercase": self.lowercase,
            "hash_buckets": self.hash_buckets,
        }

    def _build_vocabulary(
        self, transfer: TransferSet, sample_weight: np.ndarray | None, options: dict[str, Any]
    ) -> Vocabulary:
        size = self.vocabulary_size if self.n_parameters is None else max(2, self.n_parameters)
        counts = None
        if sample_weight is not None:
            n_others = len(transfer.texts) - len(sample_weight)
            counts = np.concatenate([sample_weight, np.ones(n_others)])
        vocabulary = Vocabulary.build(transfer.texts, size, weights=counts, **options)
        if not vocabulary.features:
            raise ValueError("The texts hold no feature to learn from: every one of them is empty.")
        return vocabulary

    @classmethod
    def _count_parameters(cls, log_prior: np.ndarray, n_features: int, **architecture: Any) -> int:
        import torch

        with torch.device("meta"):
            network = cls._make_network(log_prior, n_features, **architecture)
        return sum(parameter.numel() for parameter in network.parameters())

    def _train(
        self,
        make_network: Callable[..., Any],
        ids: Ragged,
        transfer: TransferSet,
        n_labeled: int,
        schedule: TrainingSchedule,
        initial_weights: dict[str, np.ndarray],
        seed: int,
        multilabel: bool,
        tasks: EpochTasks,
    ) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        from skdistill._core.torch import resolve_device
        from skdistill.students.training._loop import TransferDataset, train

        # A text without a known feature has nothing to teach: its prediction is the prior.
        known = ids.rows_with(ids.values != UNKNOWN)
        weight = transfer.sample_weight
        targets = {**transfer.targets, "sample_weight": weight / weight[known].mean()}
        dataset = TransferDataset(ids, targets)
        if len(known) < len(dataset):
            dataset = dataset.take(known)
        gold = dataset.take(np.flatnonzero(known < n_labeled))
        held_out = None
        if self.early_stopping:
            rows = np.random.default_rng(seed).permutation(len(dataset))
            n_held_out = ceil(self.validation_fraction * len(dataset))
            if n_held_out == len(dataset):
                raise ValueError(
                    f"early_stopping holds out {n_held_out} of {len(dataset)} texts that have a "
                    "known feature, which leaves none to train on; pass more texts, or turn it off."
                )
            held_out, dataset = dataset.take(rows[:n_held_out]), dataset.take(rows[n_held_out:])
        run = partial(
            train,
            make_network,
            multilabel=multilabel,
            batch_size=schedule.batch_size,
            seed=seed,
            device=resolve_device(self.device),
            callbacks=deepcopy(self.callbacks),
            verbose=self.verbose,
            by_length=self._batches_by_length,
            tasks=tasks,
        )
        weights, history = run(
            dataset,
            held_out=held_out,
            loss=self.loss,
            temperature=self.temperature,
            max_epochs=schedule.max_epochs,
            lr=schedule.lr,
            patience=self.n_iter_no_change,
            initial_weights=initial_weights,
        )
        if tasks.stopped or not self.gold_epochs or not len(gold):
            return weights, history
        return run(
            gold.with_gold_labels(),
            max_epochs=self.gold_epochs,
            lr=schedule.gold_lr,
            initial_weights=weights,
            earlier_history=history,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        teacher = self.teacher
        tags.target_tags.required = not needs_no_labels(teacher)
        tags.classifier_tags.multi_label = (
            teacher is None or get_tags(teacher).classifier_tags.multi_label
        )
        return tags
