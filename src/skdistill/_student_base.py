"""What all students share: the transfer set, training, prediction and pickling.

torch loads with `fit` alone: a fitted student predicts without it.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from math import ceil
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdistill._validation import check_labels, check_texts
from skdistill._versions import stamp, unstamp
from skdistill.ragged import Ragged
from skdistill.soft_labels import check_memory_location, unfitted
from skdistill.transfer import TransferSet, make_transfer_set
from skdistill.vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from torch import nn


class DistilledClassifier(ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
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
        "analyzer": [StrOptions({"word", "char"}), callable],
        "ngram_range": [tuple, list],
        "lowercase": ["boolean"],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "word_dropout": [Interval(Real, 0, 1, closed="left")],
        "loss": [StrOptions({"kl", "mse"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "hard_label_weight": [Interval(Real, 0, 1, closed="both")],
        "memory": "no_validation",
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "device": [str],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        teacher,
        *,
        vocabulary_size,
        analyzer,
        ngram_range,
        lowercase,
        embedding_dim,
        dropout,
        word_dropout,
        loss,
        temperature,
        hard_label_weight,
        memory,
        class_weight,
        max_epochs,
        batch_size,
        lr,
        early_stopping,
        validation_fraction,
        n_iter_no_change,
        random_state,
        device,
        callbacks,
        verbose,
    ):
        self.teacher = teacher
        self.vocabulary_size = vocabulary_size
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.lowercase = lowercase
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.loss = loss
        self.temperature = temperature
        self.hard_label_weight = hard_label_weight
        self.memory = memory
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose

    @abstractmethod
    def _architecture(self) -> dict[str, Any]:
        """Return the checked keyword arguments of the network."""

    @staticmethod
    @abstractmethod
    def _make_network(log_prior: np.ndarray, n_features: int, **architecture) -> "nn.Module":
        """Build the torch module."""

    @abstractmethod
    def _compile(self) -> None:
        """Build what predicts without torch."""

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
        y : array-like of shape (n_labeled,)
            Gold labels: the teacher is fitted on them.
        X_unlabeled : iterable of str, of length n_unlabeled, or TextPool, default=None
            Texts without gold labels. Inside cross-validation pass a
            :class:`~skdistill.TextPool`, which is never cut to a fold.
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
            If a text is missing, `y` has another length or a single class, probabilities have the
            wrong shape or do not sum to 1, the teacher's classes are not those of `y`, or nothing
            can label `X_unlabeled`.
        TypeError
            If a row of `X` or `X_unlabeled` is no text.
        """
        texts = check_texts(X)
        classes, codes = check_labels(y, n_rows=len(texts))
        check_memory_location(self.memory)
        architecture = self._architecture()
        vocabulary_options = self._vocabulary_options()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, codes, ensure_non_negative=True)
        transfer = make_transfer_set(
            texts,
            classes,
            codes,
            teacher=self.teacher,
            X_unlabeled=X_unlabeled,
            teacher_proba=teacher_proba,
            unlabeled_proba=unlabeled_proba,
            hard_label_weight=self.hard_label_weight,
            class_weight=self.class_weight,
            sample_weight=sample_weight,
            memory=self.memory,
            verbose=self.verbose,
        )
        vocabulary = Vocabulary.build(transfer.texts, self.vocabulary_size, **vocabulary_options)
        if not vocabulary.features:
            raise ValueError("The texts hold no feature to learn from: every one of them is empty.")
        log_prior = _log_prior(codes, len(classes), sample_weight)
        make_network = partial(
            self._make_network, log_prior, n_features=len(vocabulary), **architecture
        )
        ids = vocabulary.encode(transfer.texts)
        weights, history = self._train(make_network, ids, transfer, seed)

        # Only now, so that an interrupted fit leaves the estimator as it was.
        self.classes_ = classes
        self.history_ = history
        self.n_iter_ = len(history)
        self.transfer_size_ = len(transfer.texts)
        self.n_parameters_ = sum(w.size for name, w in weights.items() if name != "log_prior")
        self._vocabulary = vocabulary
        self._weights = weights
        self._fitted_architecture = architecture
        self._compile()
        return self

    def _vocabulary_options(self) -> dict[str, Any]:
        min_n, max_n = self.ngram_range
        if not 1 <= min_n <= max_n:
            raise ValueError(
                f"ngram_range={self.ngram_range!r} must hold two lengths, 1 <= min_n <= max_n."
            )
        return {
            "analyzer": self.analyzer,
            "ngram_range": (min_n, max_n),
            "lowercase": self.lowercase,
        }

    def _train(
        self, make_network: Callable, ids: Ragged, transfer: TransferSet, seed: int
    ) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        from skdistill._torch import resolve_device
        from skdistill.training import TransferDataset, train

        # A text without a known feature has nothing to teach: its prediction is the prior.
        rows = np.repeat(np.arange(len(ids)), ids.lengths)
        known = np.unique(rows[ids.values != UNKNOWN])
        dataset = TransferDataset(ids, transfer.targets).take(known)
        held_out = None
        if self.early_stopping:
            rows = np.random.default_rng(seed).permutation(len(dataset))
            n_held_out = ceil(self.validation_fraction * len(dataset))
            held_out, dataset = dataset.take(rows[:n_held_out]), dataset.take(rows[n_held_out:])
        return train(
            make_network,
            dataset,
            held_out=held_out,
            loss=self.loss,
            temperature=self.temperature,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            patience=self.n_iter_no_change,
            seed=seed,
            device=resolve_device(self.device),
            callbacks=deepcopy(self.callbacks),
            verbose=self.verbose,
        )

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
            Probabilities; columns follow `classes_`.
        """
        check_is_fitted(self)
        return self._runtime.predict_proba(check_texts(X))

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
        check_is_fitted(self)
        return log_softmax(self._runtime.decision_function(check_texts(X)), axis=1)

    def predict(self, X):
        """Predict the most probable class of each text.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        y : ndarray of shape (n_texts,)
            Labels out of `classes_`.
        """
        check_is_fitted(self)
        return self.classes_[self._runtime.decision_function(check_texts(X)).argmax(axis=1)]

    @property
    def vocabulary_(self) -> dict[str, int]:
        """The known features and their rows of the embedding; row 0 is for unknown ones."""
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
        return tags


def _log_prior(codes: np.ndarray, n_classes: int, sample_weight: np.ndarray | None) -> np.ndarray:
    counts = np.bincount(codes, weights=sample_weight, minlength=n_classes)
    shares = counts / counts.sum()
    return np.log(np.maximum(shares, np.finfo(np.float32).eps)).astype(np.float32)
