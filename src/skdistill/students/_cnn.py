"""The convolutional student."""

from collections.abc import Sequence
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from joblib import Memory
from sklearn.utils._param_validation import Interval

from skdistill.labelling._pool import TextPool
from skdistill.students._base import DistilledClassifier
from skdistill.students._docs import document
from skdistill.text._vocabulary import Analyzer

if TYPE_CHECKING:
    from skdistill.students.training._network import TextNetwork


@document(
    """
    kernel_sizes : tuple of int, default=(3,)
        Number of features that the filters span; each size has its own filters.
    n_filters : int, default=64
        Number of filters per size.
    pooling : {"max", "mean"} or tuple of them, default="max"
        How to pool the outputs of the filters over all positions. Several results are concatenated.
    """,
    embedding_dim=15,
)
class DistilledCNNClassifier(DistilledClassifier):
    """A small convolutional text classifier, trained on the class probabilities of a large one.

    The network embeds features, applies convolutions and ReLU, takes the maximum over the text
    [1]_, and applies a multi-layer perceptron. With default sizes it has about 78,000 parameters.
    It detects short phrases anywhere in the text.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    DistilledMLPClassifier : The fastest student. Its notes apply to all students.

    References
    ----------
    .. [1] Kim (2014), "Convolutional Neural Networks for Sentence Classification", EMNLP.

    Examples
    --------
    >>> from skdistill import DistilledCNNClassifier, make_tfidf_baseline
    >>> X = ["a warm soup", "fresh bread", "warm bread", "a fast train", "late train", "fast bus"]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"]
    >>> student = DistilledCNNClassifier(make_tfidf_baseline(C=10), max_epochs=50, random_state=0)
    >>> student.fit(X, y).predict(["hot soup", "my bus"])
    array(['food', 'travel'], dtype='<U6')
    """

    _kind = "cnn"
    _narrow_embedding = 15

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DistilledClassifier._parameter_constraints,
        "kernel_sizes": [tuple, list],
        "n_filters": [Interval(Integral, 1, None, closed="left")],
    }

    kernel_sizes: Sequence[int]
    n_filters: int

    def __init__(
        self,
        teacher: Any = None,
        *,
        vocabulary_size: int | Literal["auto"] = "auto",
        n_parameters: int | None = None,
        analyzer: Analyzer = "word",
        ngram_range: Sequence[int] = (1, 1),
        hash_buckets: int = 0,
        lowercase: bool = True,
        embedding_dim: int | Literal["auto"] = "auto",
        embedding_init: Literal["random", "teacher"] = "random",
        kernel_sizes: Sequence[int] = (3,),
        n_filters: int = 64,
        pooling: str | Sequence[str] = "max",
        hidden_layer_sizes: Sequence[int] = (),
        dropout: float | Literal["auto"] = "auto",
        word_dropout: float | Literal["auto"] = "auto",
        loss: str = "kl",
        temperature: float | Literal["auto"] = "auto",
        hard_label_weight: float = 0.0,
        unlabeled: TextPool | None = None,
        augmenter: Any = "auto",
        teacher_cv: Any = None,
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
        self._store_parameters(locals())

    @staticmethod
    def _network_class() -> "type[TextNetwork]":
        from skdistill.students.training._cnn import CNNNetwork

        return CNNNetwork

    def _architecture(self) -> dict[str, Any]:
        return {
            "kernel_sizes": self._positive_integers("kernel_sizes", at_least=1),
            "n_filters": self.n_filters,
            "pooling": self._poolings(("mean", "max")),
            "hidden_layer_sizes": self._positive_integers("hidden_layer_sizes", at_least=0),
        }
