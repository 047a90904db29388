"""Small classifiers over raw texts, trained on a teacher's soft labels.

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
from skdistill.runtime import CompiledMLP
from skdistill.soft_labels import check_memory_location, unfitted
from skdistill.transfer import TransferSet, make_transfer_set
from skdistill.vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from torch import nn

POOLINGS = ("mean", "max", "attention")


class _DistilledClassifier(ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
    """What all students share: the transfer set, training, prediction and pickling.

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


class DistilledMLPClassifier(_DistilledClassifier):
    """A tiny text classifier that learns from a big one's class probabilities.

    An embedding of words or n-grams, pooled to one vector a text, and a perceptron behind it: with
    default sizes about 80,000 parameters. It is trained on the teacher's probabilities for
    labelled and unlabelled texts alike [1]_, [2]_. Without a teacher it is trained on the gold
    labels: the control that tells what distillation gained.

    Parameters
    ----------
    teacher : classifier with `predict_proba` over texts, or None, default=None
        Cloned and fitted in `fit`. A :class:`~sklearn.frozen.FrozenEstimator` is used as it is; it
        must not have seen the rows that a cross-validation holds out. None trains on gold labels.
    vocabulary_size : int, default=5000
        Rows of the embedding: the most frequent features of the transfer set, and one row for all
        others.
    analyzer : {"word", "char"} or callable, default="word"
        What a feature is: Unicode words and single punctuation marks; characters, for scripts
        that write no spaces (with an `ngram_range` such as ``(1, 3)``); or what a callable returns
        for a text, a list of ``str``.
    ngram_range : tuple (min_n, max_n), default=(1, 1)
        Lengths of the n-grams of words or characters.
    lowercase : bool, default=True
        Whether texts are lower-cased first.
    embedding_dim : int, default=16
        Width of the embedding.
    pooling : {"mean", "max", "attention"} or tuple of them, default=("mean", "attention")
        How a text's embeddings become one vector. ``"mean"`` is the article's; ``"attention"``
        weighs each position by a score of the window around it; several stand side by side.
    context_window : int, default=13
        Features that an attention score sees; odd.
    hidden_layer_sizes : tuple of int, default=()
        Widths of hidden layers, with ReLU.
    dropout : float, default=0.0
        Share of the pooled vector, and of hidden units, set to zero in training.
    word_dropout : float, default=0.15
        Share of the features taken for unknown in training.
    loss : {"kl", "mse"}, default="kl"
        Kullback-Leibler divergence of the probabilities, or mean squared difference of the logits.
    temperature : float, default=1.0
        Softens both sides of ``"kl"``; the loss is multiplied by its square.
    hard_label_weight : float, default=0.0
        Share of cross-entropy against gold labels in the loss of labelled texts; 0 is pure
        distillation.
    memory : str, path-like, joblib.Memory or None, default=None
        Folder in which the teacher's probabilities are kept: a search over student sizes fits the
        teacher once a fold, a second search not at all.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the student's loss.
    max_epochs : int, default=10
        Passes over the transfer set.
    batch_size : int, default=64
        Texts in a training step.
    lr : float, default=0.01
        Adam's learning rate at the first step; it falls linearly to 0.
    early_stopping : bool, default=False
        Whether to hold texts out, stop when the student's agreement with the teacher on them no
        longer grows, and keep the weights that agreed most.
    validation_fraction : float, default=0.1
        Share of the transfer set held out for early stopping.
    n_iter_no_change : int, default=3
        Epochs without a better agreement after which training stops.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, batches and dropout. The teacher has its own.
    device : str, default="auto"
        Where the student is trained: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    callbacks : list of skorch callbacks or None, default=None
        Added to the training's own.
    verbose : int, default=0
        0 is silent; 1 shows progress bars for labelling and training.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels.
    vocabulary_ : dict of str to int
        The known features and their rows of the embedding.
    network_ : torch.nn.Module
        The trained network.
    n_parameters_ : int
        Trained parameters.
    history_ : list of dict
        Losses of each epoch, and its duration in seconds.
    n_iter_ : int
        Epochs trained.
    transfer_size_ : int
        Texts in the transfer set.

    See Also
    --------
    TransformerTeacherClassifier : A teacher.
    make_tfidf_baseline : What a student must beat.

    Notes
    -----
    A fitted student is pickled without what its teacher has learned.

    References
    ----------
    .. [1] Wasserblat (2021), "Best Practices for Text Classification with Distillation", parts 1
       to 4, Intel Labs.
    .. [2] Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network",
       arXiv:1503.02531.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, make_tfidf_baseline
    >>> X = ["a warm soup", "fresh bread", "warm bread", "a fast train", "late train", "fast bus"]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"]
    >>> student = DistilledMLPClassifier(make_tfidf_baseline(C=10), max_epochs=50, random_state=0)
    >>> student.fit(X, y, X_unlabeled=["the soup", "a bus", "slow train", "good bread"])
    DistilledMLPClassifier(...)
    >>> student.predict(["hot soup", "my bus"])
    array(['food', 'travel'], dtype='<U6')
    """

    _parameter_constraints: dict = {
        **_DistilledClassifier._parameter_constraints,
        "pooling": [StrOptions(set(POOLINGS)), tuple, list],
        "context_window": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": [tuple, list],
    }

    def __init__(
        self,
        teacher=None,
        *,
        vocabulary_size=5000,
        analyzer="word",
        ngram_range=(1, 1),
        lowercase=True,
        embedding_dim=16,
        pooling=("mean", "attention"),
        context_window=13,
        hidden_layer_sizes=(),
        dropout=0.0,
        word_dropout=0.15,
        loss="kl",
        temperature=1.0,
        hard_label_weight=0.0,
        memory=None,
        class_weight=None,
        max_epochs=10,
        batch_size=64,
        lr=0.01,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=3,
        random_state=None,
        device="auto",
        callbacks=None,
        verbose=0,
    ):
        super().__init__(
            teacher,
            vocabulary_size=vocabulary_size,
            analyzer=analyzer,
            ngram_range=ngram_range,
            lowercase=lowercase,
            embedding_dim=embedding_dim,
            dropout=dropout,
            word_dropout=word_dropout,
            loss=loss,
            temperature=temperature,
            hard_label_weight=hard_label_weight,
            memory=memory,
            class_weight=class_weight,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            random_state=random_state,
            device=device,
            callbacks=callbacks,
            verbose=verbose,
        )
        self.pooling = pooling
        self.context_window = context_window
        self.hidden_layer_sizes = hidden_layer_sizes

    def _architecture(self):
        pooling = (self.pooling,) if isinstance(self.pooling, str) else tuple(self.pooling)
        if not pooling or len(set(pooling)) < len(pooling) or not set(pooling) <= set(POOLINGS):
            raise ValueError(
                f"pooling={self.pooling!r} must be one or several different ones of {POOLINGS}."
            )
        if self.context_window % 2 == 0:
            raise ValueError(
                f"context_window={self.context_window} must be odd: a position and as many "
                "features to its left as to its right."
            )
        sizes = tuple(self.hidden_layer_sizes)
        if not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} must hold positive integers."
            )
        return {
            "embedding_dim": self.embedding_dim,
            "pooling": pooling,
            "context_window": self.context_window,
            "hidden_layer_sizes": sizes,
            "dropout": self.dropout,
            "word_dropout": self.word_dropout,
        }

    @staticmethod
    def _make_network(log_prior, n_features, **architecture):
        import torch

        from skdistill.networks import BagNetwork

        return BagNetwork(torch.from_numpy(log_prior), n_features, **architecture)

    def _compile(self):
        pooling = self._fitted_architecture["pooling"]
        self._runtime = CompiledMLP(self._vocabulary, self._weights, pooling)
