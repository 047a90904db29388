"""Small classifiers over raw texts, trained on a teacher's soft labels."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skdistill._student_base import DistilledClassifier
from skdistill.runtime import CompiledMLP

POOLINGS = ("mean", "max", "attention")


class DistilledMLPClassifier(DistilledClassifier):
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
        **DistilledClassifier._parameter_constraints,
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
