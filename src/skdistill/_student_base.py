"""What all students share: the transfer set, training, prediction and pickling.

torch loads with `fit` alone: a fitted student predicts without it.
"""

import sys
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from inspect import cleandoc
from math import ceil
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import log_expit, log_softmax, logit
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdistill._epoch_tasks import EpochTasks, check_no_fit_callbacks
from skdistill._interruption import all_or_nothing
from skdistill._tensor_file import ModelFileError
from skdistill._texts import check_texts
from skdistill._validation import check_labels
from skdistill._versions import stamp, unstamp
from skdistill.embedding_init import find_embedding_source, initial_embedding
from skdistill.model_file import StoredModel, read_model, write_model
from skdistill.quantization import Precision
from skdistill.ragged import Ragged
from skdistill.schedule import TrainingSchedule, fit_budget, make_schedule
from skdistill.serving import CompiledClassifier, compute, iterate_proba
from skdistill.soft_labels import SoftLabeler, check_memory_location, unfitted
from skdistill.transfer import TransferSet, make_transfer_set
from skdistill.vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from torch import nn


_SHARED_PARAMETERS = """\
teacher : classifier with `predict_proba` over texts, or None, default=None
    Cloned and fitted in `fit`. A :class:`~sklearn.frozen.FrozenEstimator` is used as it is; it
    must not have seen the rows that a cross-validation holds out. A
    :class:`~sklearn.ensemble.VotingClassifier` averages several, and
    :class:`~skdistill.FunctionTeacherClassifier` wraps any function. None trains on gold labels.
vocabulary_size : int, default=5000
    Rows of the embedding: the most frequent features of the transfer set, and one row for all
    others.
n_parameters : int or None, default=None
    Trained parameters at most. `vocabulary_size` and `embedding_dim` then follow from it, the
    width first; what they are set to has no effect.
analyzer : {{"word", "char"}} or callable, default="word"
    What a feature is: Unicode words and single punctuation marks; characters, for scripts that
    write no spaces (with an `ngram_range` such as ``(1, 3)``); or what a callable returns for a
    text, a list of ``str``.
ngram_range : tuple (min_n, max_n), default=(1, 1)
    Lengths of the n-grams of words or characters.
hash_buckets : int, default=0
    Further rows of the embedding, into which n-grams of two and more features are hashed instead
    of being listed in the vocabulary; `ngram_range` is then ``(1, n)``.
lowercase : bool, default=True
    Whether texts are lower-cased first.
embedding_dim : int, default={embedding_dim}
    Width of the embedding.
embedding_init : {{"random", "teacher"}}, default="random"
    Where the embedding starts: ``"teacher"`` reduces the token embeddings of a
    :class:`~skdistill.TransformerTeacherClassifier` to their principal components.
{own_parameters}
hidden_layer_sizes : tuple of int, default=()
    Widths of hidden layers, with ReLU, in front of the output.
dropout : float or "auto", default="auto"
    Share of the text's vector, and of hidden units, set to zero in training. ``"auto"``, here and
    below, depends on the size of the transfer set: see `skdistill.schedule.make_schedule`.
word_dropout : float or "auto", default="auto"
    Share of the features taken for unknown in training.
loss : {{"kl", "mse", "standardized_kl"}}, default="kl"
    Kullback-Leibler divergence of the probabilities, mean squared difference of the logits, or
    divergence after both sides' logits are standardised: see `skdistill.losses`.
temperature : float, default=1.0
    Softens both sides of the divergences; the loss is multiplied by its square.
hard_label_weight : float, default=0.0
    Share of cross-entropy against gold labels in the loss of labelled texts; 0 is pure
    distillation.
augmenter : estimator with `fit` and `augment`, or None, default=None
    Makes more texts for the teacher to label, such as :class:`~skdistill.TextAugmenter`.
teacher_cv : int, cross-validation generator or None, default=None
    Folds in which the labelled texts get their probabilities from teachers that were fitted on
    the other folds. None asks the teacher that was fitted on all of them.
calibrate_teacher : bool, default=False
    Whether the teacher's probabilities are softened, or sharpened, by the temperature that fits
    held-out rows best: those of `teacher_cv`, or a tenth that one more teacher does not see.
memory : str, path-like, joblib.Memory or None, default=None
    Folder in which the teacher's probabilities are kept: a search over student sizes fits the
    teacher once a fold, a second search not at all. ``skdistill cache info FOLDER`` lists them.
class_weight : dict, "balanced" or None, default=None
    Weights of the classes in the student's loss. They weigh texts, and leave a teacher's
    probabilities as they are: a teacher has to be weighted itself.
max_epochs : int or "auto", default="auto"
    Passes over the transfer set.
gold_epochs : int, default=0
    Passes over the labelled texts at the end, on their gold labels and at a tenth of `lr`.
batch_size : int or "auto", default="auto"
    Texts in a training step.
lr : float or "auto", default="auto"
    Adam's learning rate at the first step; it falls linearly to 0.
early_stopping : bool, default=False
    Whether to hold texts out, stop when the student's agreement with the teacher on them no
    longer grows, and keep the weights that agreed most.
validation_fraction : float, default=0.1
    Share of the transfer set held out for early stopping.
n_iter_no_change : int, default=3
    Epochs without a better agreement after which training stops.
random_state : int, RandomState instance or None, default=None
    Seed of initial weights, batches and dropout. Teacher and augmenter have their own.
device : str, default="auto"
    Where the student is trained: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
n_jobs : int or None, default=None
    Threads among which `predict` divides many texts, through joblib; -1 takes all processors.
callbacks : list of skorch callbacks or None, default=None
    Added to the training's own: they see the torch network. Callbacks of scikit-learn
    (:mod:`sklearn.callback`) go to :meth:`set_callbacks` instead; both work side by side.
verbose : int, default=0
    0 is silent; 1 shows progress bars for labelling, with what `memory` held (hits) and what not
    (misses), and for training."""

_SHARED_ATTRIBUTES = """\
classes_ : ndarray of shape (n_classes,)
    The sorted labels; for several labels a text, the columns' numbers.
multilabel_ : bool
    Whether a text may have several labels.
vocabulary_ : dict of str to int
    The listed features and their rows of the embedding.
network_ : torch.nn.Module
    The trained network.
n_parameters_ : int
    Trained parameters.
history_ : list of dict
    Losses of each epoch, and its duration in seconds.
n_iter_ : int
    Epochs trained, those on gold labels included.
transfer_size_ : int
    Texts in the transfer set."""


def document(own_parameters: str, embedding_dim: int) -> Callable[[type], type]:
    """Complete a student's docstring by the parameters and attributes that all students share.

    Parameters
    ----------
    own_parameters : str
        The descriptions of the student's own parameters.
    embedding_dim : int
        Its default.

    Returns
    -------
    callable
        A class decorator that fills in ``{parameters}`` and ``{attributes}``.
    """
    parameters = _SHARED_PARAMETERS.format(
        own_parameters=cleandoc(own_parameters), embedding_dim=embedding_dim
    )

    def complete(cls: type) -> type:
        if cls.__doc__:
            cls.__doc__ = (
                cleandoc(cls.__doc__)
                .replace("{parameters}", parameters)
                .replace("{attributes}", _SHARED_ATTRIBUTES)
            )
        return cls

    return complete


class DistilledClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
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

    _parameter_constraints: dict = {
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

    _network_name: ClassVar[str]
    # What `skdistill.runtime.COMPILED` and model files call it.
    _kind: ClassVar[str]
    # Whether texts of like length share a batch: pays where time grows with the longest.
    _batches_by_length = False

    _vocabulary: Vocabulary
    _counts: np.ndarray | None
    _weights: dict[str, np.ndarray]

    def __init__(
        self,
        teacher,
        *,
        vocabulary_size,
        n_parameters,
        analyzer,
        ngram_range,
        hash_buckets,
        lowercase,
        embedding_dim,
        embedding_init,
        pooling,
        hidden_layer_sizes,
        dropout,
        word_dropout,
        loss,
        temperature,
        hard_label_weight,
        augmenter,
        teacher_cv,
        calibrate_teacher,
        memory,
        class_weight,
        max_epochs,
        gold_epochs,
        batch_size,
        lr,
        early_stopping,
        validation_fraction,
        n_iter_no_change,
        random_state,
        device,
        n_jobs,
        callbacks,
        verbose,
    ):
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

    @classmethod
    def _make_network(cls, log_prior: np.ndarray, n_features: int, **architecture) -> "nn.Module":
        import torch

        from skdistill import networks

        network = getattr(networks, cls._network_name)
        return network(torch.from_numpy(log_prior), n_features, **architecture)

    def _compile(self) -> None:
        self._runtime = self._stored().compile()

    def _stored(self) -> StoredModel:
        return StoredModel(
            self._kind,
            self.classes_,
            self._vocabulary,
            self._weights,
            self._fitted_architecture,
            multilabel=self.multilabel_,
        )

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X,
        y,
        *,
        X_unlabeled=None,
        teacher_proba=None,
        unlabeled_proba=None,
        sample_weight=None,
    ):
        """Let the teacher label all texts, and train the student on its probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_labeled
            Texts with gold labels.
        y : array-like of shape (n_labeled,) or (n_labeled, n_labels)
            Gold labels: the teacher is fitted on them. Ones and zeros in several columns say of
            each label whether a text has it; probabilities are then those of each label.
        X_unlabeled : iterable of str, of length n_unlabeled, or TextPool, default=None
            Texts without gold labels. Inside cross-validation pass a
            :class:`~skdistill.TextPool`, which is never cut to a fold, and may lie on disk.
        teacher_proba : array-like of shape (n_labeled, n_classes), default=None
            Class probabilities of `X`, columns in sorted order of the classes; spares the teacher.
        unlabeled_proba : array-like of shape (n_unlabeled, n_classes), default=None
            The same for `X_unlabeled`.
        sample_weight : array-like of shape (n_labeled,), default=None
            Weights of the labelled rows, for teacher and student; unlabelled rows weigh 1.

        Returns
        -------
        self : object
            The fitted student.

        Raises
        ------
        ValueError
            If a text is missing, `y` has another length or a single class, parameters contradict
            each other, probabilities have the wrong shape or do not sum to 1, the teacher's
            classes are not those of `y`, or nothing can label `X_unlabeled`.
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
        classes, codes = check_labels(y, n_rows=len(texts), multilabel=True)
        multilabel = codes.ndim == 2
        labels = codes if multilabel else classes[codes]
        check_memory_location(self.memory)
        check_no_fit_callbacks(self.callbacks)
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
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, codes, ensure_non_negative=True)
        labeler = None
        if self.teacher is not None:
            labeler = SoftLabeler(
                self.teacher,
                texts,
                labels,
                sample_weight=sample_weight,
                memory=self.memory,
                verbose=self.verbose,
            )
        transfer = make_transfer_set(
            texts,
            classes,
            codes,
            labeler=labeler,
            X_unlabeled=X_unlabeled,
            augmenter=self.augmenter,
            teacher_proba=teacher_proba,
            unlabeled_proba=unlabeled_proba,
            teacher_cv=self.teacher_cv,
            calibrate_teacher=self.calibrate_teacher,
            hard_label_weight=self.hard_label_weight,
            class_weight=self.class_weight,
            sample_weight=sample_weight,
        )
        log_prior = _log_prior(codes, len(classes), sample_weight)
        schedule = make_schedule(
            n_texts=len(transfer.texts),
            dropout=self.dropout,
            word_dropout=self.word_dropout,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
        )
        architecture |= {"dropout": schedule.dropout, "word_dropout": schedule.word_dropout}
        vocabulary = self._build_vocabulary(transfer, sample_weight, vocabulary_options)
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
                "n_parameters_": _count_weights(weights),
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
            y=labels,
            sample_weight=sample_weight,
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
    def _count_parameters(cls, log_prior: np.ndarray, n_features: int, **architecture) -> int:
        import torch

        with torch.device("meta"):
            network = cls._make_network(log_prior, n_features, **architecture)
        return sum(parameter.numel() for parameter in network.parameters())

    def _train(
        self,
        make_network: Callable,
        ids: Ragged,
        transfer: TransferSet,
        n_labeled: int,
        schedule: TrainingSchedule,
        initial_weights: dict[str, np.ndarray],
        seed: int,
        multilabel: bool,
        tasks: EpochTasks,
    ) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        from skdistill._torch import resolve_device
        from skdistill.training import TransferDataset, train

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

    def decision_function(self, X):
        """Compute the logits: the logarithms of class probabilities, up to a constant a text.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        logits : ndarray of shape (n_texts, n_classes), or (n_texts,) for two classes, float32
            Columns follow `classes_`; for two classes, as in scikit-learn, the second's logit
            minus the first's. Where a text may have several labels, it has those above 0.
        """
        logits = self._compute("decision_function", X)
        if logits.shape[1] == 2 and not self.multilabel_:
            return logits[:, 1] - logits[:, 0]
        return logits

    def predict_proba(self, X):
        """Predict class probabilities, with NumPy and SciPy alone.

        A text without any known feature gets the classes' shares among the training labels.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes), dtype float32
            Probabilities; columns follow `classes_`. Rows sum to 1 unless a text may have several
            labels.
        """
        return self._compute("predict_proba", X)

    def predict_log_proba(self, X):
        """Predict the logarithms of class probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        log_proba : ndarray of shape (n_texts, n_classes), dtype float32
            Natural logarithms; columns follow `classes_`.
        """
        logits = self._compute("decision_function", X)
        return log_expit(logits) if self.multilabel_ else log_softmax(logits, axis=1)

    def predict(self, X):
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
        winners = self._compute("predict", X)
        return winners if self.multilabel_ else self.classes_[winners]

    def _compute(self, method: str, X) -> np.ndarray:
        self._check_is_fitted()
        return compute(getattr(self._runtime, method), check_texts(X), self.n_jobs)

    def _check_is_fitted(self) -> None:
        # The long way round takes half of the time in which one text is predicted.
        if "_runtime" not in vars(self):
            check_is_fitted(self)

    def predict_proba_iter(self, X, *, chunk_size=10_000):
        """Predict class probabilities of a stream of texts, some thousands at a time.

        Parameters
        ----------
        X : iterable of str
            The texts, such as the lines of a file; read only as far as predictions are asked for.
        chunk_size : int, default=10_000
            Texts in memory at a time.

        Returns
        -------
        iterator of ndarray of shape (chunk_size, n_classes), dtype float32
            Probabilities of the next texts; the last array may be shorter. With `verbose`, a
            progress bar counts texts.

        Raises
        ------
        ValueError, TypeError
            If `X` is a bare string, or a row is no text: the message gives its number.
        """
        self._check_is_fitted()
        return iterate_proba(self._runtime, X, chunk_size, self.n_jobs, self.verbose)

    def compile(self, precision: Precision = "float32") -> CompiledClassifier:
        """Return an object that does nothing but predict, faster for single texts.

        Parameters
        ----------
        precision : {"float32", "float16", "int8"}, default="float32"
            What the weights are rounded to, as they are in a file of that precision. Predictions
            are computed in float32 in any case.

        Returns
        -------
        CompiledClassifier
        """
        check_is_fitted(self)
        return CompiledClassifier(self._stored().rounded(precision))

    def save(self, path, *, precision: Precision = "float32") -> None:
        """Write the fitted student into one file, with no pickle and no teacher in it.

        :meth:`load` makes an estimator of it again, and :meth:`CompiledClassifier.load` what
        predicts without scikit-learn.

        Parameters
        ----------
        path : path-like
            An earlier file is replaced once the new one is complete.
        precision : {"float32", "float16", "int8"}, default="float32"
            How weights are stored; :func:`~skdistill.parity_report` tells what rounding changes.
            A student loaded from an ``"int8"`` file cannot be pruned.

        Raises
        ------
        TypeError
            If the analyzer is a function, or the labels are objects.
        """
        check_is_fitted(self)
        figures = {
            "history": self.history_,
            "n_iter": self.n_iter_,
            "transfer_size": self.transfer_size_,
        }
        given = {name: _as_plain(value) for name, value in self.get_params(deep=False).items()}
        parameters = {name: value for name, value in given.items() if _is_plain(value)}
        model = replace(
            self._stored(),
            # What an int8 file is for is size; without them the vocabulary can no longer be pruned.
            counts=None if precision == "int8" else self._counts,
            estimator={"parameters": parameters, "figures": figures},
        )
        write_model(model, Path(path), precision)

    @classmethod
    def load(cls, path):
        """Read a fitted student from a file that :meth:`save` wrote; nothing in it is run.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        student : object
            Fitted. Parameters that are objects (teacher, augmenter, callbacks) have their defaults.

        Raises
        ------
        ModelFileError
            If the file is damaged, no model of this package, or of another kind of student.
        """
        model = read_model(Path(path))
        if model.kind != cls._kind:
            raise ModelFileError(
                f"{path} holds a student of kind {model.kind!r}, but {cls.__name__} is of kind "
                f"{cls._kind!r}."
            )
        if not {"parameters", "figures"} <= model.estimator.keys():
            raise ModelFileError(
                f"{path} was saved for prediction alone; read it with CompiledClassifier.load."
            )
        try:
            parameters, figures = model.estimator["parameters"], model.estimator["figures"]
            student = cls(**{name: _as_tuple(value) for name, value in parameters.items()})
            student._validate_params()
            student.history_ = [dict(epoch) for epoch in figures["history"]]
            student.n_iter_ = int(figures["n_iter"])
            student.transfer_size_ = int(figures["transfer_size"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path} is damaged: {error!s:.200}") from error
        student.classes_ = model.classes
        student.multilabel_ = model.multilabel
        student.n_parameters_ = _count_weights(model.weights)
        student._vocabulary = model.vocabulary
        student._counts = model.counts
        student._weights = model.weights
        student._fitted_architecture = model.architecture
        student._compile()
        return student

    def prune_vocabulary(self, n_features):
        """Keep the features that matter most; the others become unknown ones.

        A feature matters by how often it occurred in the transfer set, times how far its
        embedding is from that of unknown features: roughly, how much is lost without it.

        Parameters
        ----------
        n_features : int
            Rows that the embedding keeps, with the one for unknown features; rows of
            `hash_buckets` are kept in any case and do not count.

        Returns
        -------
        self : object
            The student, which is smaller now.

        Raises
        ------
        ValueError
            If `n_features` is below 2 or above what there is, or the student was loaded from a
            file of int8 weights.
        """
        check_is_fitted(self)
        if self._counts is None:
            raise ValueError(
                "This student was loaded from a file of int8 weights, which does not hold how "
                "often each feature occurred; prune before saving, or save in another precision."
            )
        n_listed = len(self._vocabulary.features) + 1
        if not isinstance(n_features, int | np.integer) or not 2 <= n_features <= n_listed:
            raise ValueError(
                f"n_features={n_features!r} must be an integer from 2 to {n_listed}, the rows of "
                "the embedding that stand for listed features."
            )
        embedding = self._weights["embedding.weight"]
        distances = np.linalg.norm(embedding[1:n_listed] - embedding[UNKNOWN], axis=1)
        importance = distances * self._counts[1:n_listed]
        kept = 1 + np.sort(np.argsort(-importance, kind="stable")[: n_features - 1])
        rows = np.concatenate([[UNKNOWN], kept, np.arange(n_listed, len(embedding))])
        self._vocabulary = self._vocabulary.select(kept)
        self._counts = self._counts[rows]
        self._weights = {**self._weights, "embedding.weight": embedding[rows]}
        self.n_parameters_ -= (n_listed - n_features) * embedding.shape[1]
        self._compile()
        return self

    @property
    def vocabulary_(self) -> dict[str, int]:
        """The listed features and their rows of the embedding; row 0 is for unknown ones."""
        check_is_fitted(self)
        return {feature: row for row, feature in enumerate(self._vocabulary.features, start=1)}

    @property
    def network_(self) -> "nn.Module":
        """The trained torch module, in evaluation mode; built anew at each access."""
        check_is_fitted(self)
        import torch

        weights = {name: torch.from_numpy(array.copy()) for name, array in self._weights.items()}
        network = self._make_network(
            self._weights["log_prior"],
            n_features=len(self._vocabulary),
            **self._fitted_architecture,
        )
        network.load_state_dict(weights)
        return network.eval()

    def __dir__(self):
        # scikit-learn's own reads each attribute, and its HTML shows what is listed: `network_`
        # would load torch only to be looked at.
        names = set(object.__dir__(self))
        if "torch" not in sys.modules:
            names.remove("network_")
        return [name for name in names if hasattr(self, name)]

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "_runtime" in state:
            del state["_runtime"]
            state["teacher"] = None if self.teacher is None else unfitted(self.teacher)
        return stamp(state)

    def __setstate__(self, state):
        super().__setstate__(unstamp(state, type(self).__name__))
        if hasattr(self, "_weights"):
            self._compile()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        teacher = self.teacher
        tags.classifier_tags.multi_label = (
            teacher is None or get_tags(teacher).classifier_tags.multi_label
        )
        return tags


def _log_prior(codes: np.ndarray, n_classes: int, sample_weight: np.ndarray | None) -> np.ndarray:
    """Compute the logits of the classes' shares, or of the share of texts that has each label."""
    floor = np.finfo(np.float32).eps
    if codes.ndim == 2:
        shares = np.clip(np.average(codes, axis=0, weights=sample_weight), floor, 1 - floor)
        return logit(shares).astype(np.float32)
    counts = np.bincount(codes, weights=sample_weight, minlength=n_classes)
    return np.log(np.maximum(counts / counts.sum(), floor)).astype(np.float32)


def _count_weights(weights: dict[str, np.ndarray]) -> int:
    return sum(array.size for name, array in weights.items() if name != "log_prior")


def _as_plain(value: Any) -> Any:
    """Make NumPy's scalars, such as a search tries, Python's own."""
    if isinstance(value, list | tuple):
        return [*map(_as_plain, value)]
    return value.item() if isinstance(value, np.generic) else value


def _is_plain(value: Any) -> bool:
    """Tell whether JSON can hold a parameter."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
