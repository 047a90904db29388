"""The recurrent student."""

from collections.abc import Sequence
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from joblib import Memory
from sklearn.utils._param_validation import Interval, StrOptions

from skdistill.labelling._pool import TextPool
from skdistill.students._base import DistilledClassifier
from skdistill.students._docs import document
from skdistill.text._vocabulary import Analyzer

if TYPE_CHECKING:
    from skdistill.students.training._network import TextNetwork


@document(
    """
    cell : {"gru", "lstm"}, default="gru"
        Type of the recurrent layer.
    hidden_dim : int, default=32
        Width of the hidden state in each direction.
    bidirectional : bool, default=True
        Whether to add a second layer that reads the text backwards.
    pooling : {"max", "mean"} or tuple of them, default="max"
        How to pool the hidden states over all positions. Several results are concatenated.
    """,
    embedding_dim=14,
)
class DistilledRNNClassifier(DistilledClassifier):
    """A small recurrent text classifier, trained on the class probabilities of a large one.

    The network embeds features, reads them with a GRU [1]_ or LSTM [2]_ in one or both directions,
    takes the maximum of the hidden states, and applies a multi-layer perceptron. With default
    sizes it has about 80,000 parameters. Use it if the classes depend on word order [3]_.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    DistilledMLPClassifier : The fastest student. Its notes apply to all students.
    word_order_sensitivity : Measure how much a classifier depends on word order.

    References
    ----------
    .. [1] Cho et al. (2014), "Learning Phrase Representations using RNN Encoder-Decoder for
       Statistical Machine Translation", EMNLP.
    .. [2] Hochreiter and Schmidhuber (1997), "Long Short-Term Memory", Neural Computation 9(8).
    .. [3] Wasserblat (2021), "Best Practices for Text Classification with Distillation", part 2,
       Intel Labs: a bidirectional LSTM of 0.66 million parameters on SST-2.

    Examples
    --------
    >>> from skdistill import DistilledRNNClassifier, make_tfidf_baseline
    >>> X = ["a warm soup", "fresh bread", "warm bread", "a fast train", "late train", "fast bus"]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"]
    >>> student = DistilledRNNClassifier(make_tfidf_baseline(C=10), max_epochs=50, random_state=0)
    >>> student.fit(X, y).predict(["hot soup", "my bus"])
    array(['food', 'travel'], dtype='<U6')
    """

    _kind = "rnn"
    _narrow_embedding = 14
    _batches_by_length = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DistilledClassifier._parameter_constraints,
        "cell": [StrOptions({"gru", "lstm"})],
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
    }

    cell: Literal["gru", "lstm"]
    hidden_dim: int
    bidirectional: bool

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
        cell: Literal["gru", "lstm"] = "gru",
        hidden_dim: int = 32,
        bidirectional: bool = True,
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
        from skdistill.students.training._rnn import RNNNetwork

        return RNNNetwork

    def _architecture(self) -> dict[str, Any]:
        return {
            "cell": self.cell,
            "hidden_dim": self.hidden_dim,
            "bidirectional": self.bidirectional,
            "pooling": self._poolings(("mean", "max")),
            "hidden_layer_sizes": self._positive_integers("hidden_layer_sizes", at_least=0),
        }
