"""The student over a bag, or windows, of features."""

from collections.abc import Sequence
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from joblib import Memory
from sklearn.utils._param_validation import Interval

from skdistill.students._base import DistilledClassifier
from skdistill.students._docs import document
from skdistill.text._vocabulary import Analyzer

if TYPE_CHECKING:
    from torch import nn


@document(
    """
    pooling : {"mean", "max", "attention"} or tuple of them, default=("mean", "attention")
        How a text's embeddings become one vector. ``"mean"`` is the article's; ``"attention"``
        weighs each position by a score of the window around it; several stand side by side.
    context_window : int, default=13
        Features that an attention score sees; odd.
    """,
    embedding_dim=16,
)
class DistilledMLPClassifier(DistilledClassifier):
    """A tiny text classifier that learns from a big one's class probabilities.

    An embedding of words or n-grams, pooled to one vector a text, and a perceptron behind it: with
    default sizes about 80,000 parameters. It is trained on the teacher's probabilities for
    labelled and unlabelled texts alike [1]_, [2]_. Without a teacher it is trained on the gold
    labels: the control that tells what distillation gained.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    DistilledRNNClassifier : Reads words in their order; more accurate and slower.
    TransformerTeacherClassifier : A teacher.
    make_tfidf_baseline : What a student must beat.

    Notes
    -----
    A fitted student is pickled without what its teacher has learned.

    Callbacks of scikit-learn, given to :meth:`set_callbacks` or passed on by a search or a
    pipeline, are told of each epoch, with a student of that epoch's weights and with the labelled
    texts. They hear nothing of the teacher, which has a :meth:`set_callbacks` of its own.

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

    _kind = "mlp"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DistilledClassifier._parameter_constraints,
        "context_window": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        teacher: Any = None,
        *,
        vocabulary_size: int = 5000,
        n_parameters: int | None = None,
        analyzer: Analyzer = "word",
        ngram_range: Sequence[int] = (1, 1),
        hash_buckets: int = 0,
        lowercase: bool = True,
        embedding_dim: int = 16,
        embedding_init: Literal["random", "teacher"] = "random",
        pooling: str | Sequence[str] = ("mean", "attention"),
        context_window: int = 13,
        hidden_layer_sizes: Sequence[int] = (),
        dropout: float | Literal["auto"] = "auto",
        word_dropout: float | Literal["auto"] = "auto",
        loss: Literal["kl", "mse", "standardized_kl"] = "kl",
        temperature: float = 1.0,
        hard_label_weight: float = 0.0,
        augmenter: Any = None,
        teacher_cv: Any = None,
        calibrate_teacher: bool = False,
        memory: str | PathLike[str] | Memory | None = None,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        max_epochs: int | Literal["auto"] = "auto",
        gold_epochs: int = 0,
        batch_size: int | Literal["auto"] = "auto",
        lr: float | Literal["auto"] = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        n_jobs: int | None = None,
        callbacks: Sequence[Any] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            teacher,
            vocabulary_size=vocabulary_size,
            n_parameters=n_parameters,
            analyzer=analyzer,
            ngram_range=ngram_range,
            hash_buckets=hash_buckets,
            lowercase=lowercase,
            embedding_dim=embedding_dim,
            embedding_init=embedding_init,
            pooling=pooling,
            hidden_layer_sizes=hidden_layer_sizes,
            dropout=dropout,
            word_dropout=word_dropout,
            loss=loss,
            temperature=temperature,
            hard_label_weight=hard_label_weight,
            augmenter=augmenter,
            teacher_cv=teacher_cv,
            calibrate_teacher=calibrate_teacher,
            memory=memory,
            class_weight=class_weight,
            max_epochs=max_epochs,
            gold_epochs=gold_epochs,
            batch_size=batch_size,
            lr=lr,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            random_state=random_state,
            device=device,
            n_jobs=n_jobs,
            callbacks=callbacks,
            verbose=verbose,
        )
        self.context_window = context_window

    @staticmethod
    def _network_class() -> "type[nn.Module]":
        from skdistill.students.training._mlp import MLPNetwork

        return MLPNetwork

    def _architecture(self) -> dict[str, Any]:
        return {
            "embedding_dim": self.embedding_dim,
            "pooling": self._poolings(("mean", "max", "attention")),
            "context_window": self._odd_window(),
            "hidden_layer_sizes": self._positive_integers("hidden_layer_sizes", at_least=0),
        }

    def _odd_window(self) -> int:
        if self.context_window % 2 == 0:
            raise ValueError(
                f"context_window={self.context_window} must be odd: a position and as many "
                "features to its left as to its right."
            )
        return self.context_window
