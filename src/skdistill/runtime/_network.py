"""Predict with NumPy and SciPy only, from look-up tables computed from the trained network."""

from abc import ABC, abstractmethod
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import numpy as np

from skdistill.runtime._kernel import Kernel, find_native
from skdistill.runtime._products import RowProduct
from skdistill.text._ragged import Ragged
from skdistill.text._vocabulary import UNKNOWN, Vocabulary, slices

# A run of texts needs about 4 MB of arrays at a time.
_KEPT_BYTES = 2**24


class Graph(Protocol):
    """An ONNX graph under construction; see `skdistill.onnx`."""

    def add(self, operator: str, *inputs: Any, n_outputs: int = 1, **attributes: Any) -> Any:
        """Add a node, and return the name of its output."""


class CompiledNetwork(ABC):
    """Base class of one kind of student: a trained network as look-up tables.

    A subclass contains everything that model files, cards and ONNX graphs need to know about its
    kind. Texts are not padded. A text gets bitwise the same result alone and in any batch, order,
    chunk or thread.

    Parameters
    ----------
    vocabulary : Vocabulary
    weights : dict of ndarray
        The network's state.
    architecture : dict
        The network's keyword arguments.
    multilabel : bool, default=False
        Whether a text may have several labels.
    """

    # The valid poolings of this kind, and the types of its own keyword arguments. A tuple means any
    # number of values of one type.
    poolings: ClassVar[frozenset[str]]
    own_architecture: ClassVar[dict[str, type | tuple[type]]]
    # Prefixes of the names of the weights that the embedding is multiplied by.
    multiplied: ClassVar[tuple[str, ...]]
    # Whether the first layer's output is a sum over a text's features.
    adds_up: ClassVar[bool] = False
    # By how much the probabilities of an ONNX graph may differ, because it rounds in another order.
    graph_tolerance: ClassVar[float] = 1e-5

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        multilabel: bool = False,
    ):
        _keep_freed_memory()
        find_native()
        self.vocabulary = vocabulary
        self.multilabel = multilabel
        self.pooling = architecture["pooling"]
        self.log_prior = weights["log_prior"]
        n_layers = sum(name.startswith("layers.") for name in weights) // 2
        self.layers = [
            (RowProduct(weights[f"layers.{i}.weight"].T), weights[f"layers.{i}.bias"])
            for i in range(n_layers)
        ]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "kernel"}

    @cached_property
    def kernel(self) -> Kernel | None:
        """What predicts in NumPy's place, or None; most networks are unknown to the extension."""
        return None

    @property
    def engine(self) -> str:
        """What predicts: ``"native"``, the C extension, or ``"NumPy"``."""
        return "NumPy" if self.kernel is None else "native"

    @classmethod
    def architecture_types(cls) -> dict[str, type | tuple[type]]:
        """Return the type of each of the network's keyword arguments."""
        return {
            "embedding_dim": int,
            "pooling": (str,),
            "hidden_layer_sizes": (int,),
            "dropout": float,
            "word_dropout": float,
            **cls.own_architecture,
        }

    @classmethod
    def weight_shapes(
        cls,
        *,
        n_features: int,
        n_classes: int,
        embedding_dim: int,
        pooling: tuple[str, ...],
        hidden_layer_sizes: tuple[int, ...] = (),
        **own: Any,
    ) -> dict[str, tuple[int, ...]]:
        """Return the names and shapes of an architecture's weights.

        Raises a ValueError if a pooling is repeated or not valid for this kind.
        """
        if not pooling or len({*pooling}) < len(pooling) or not {*pooling} <= cls.poolings:
            raise ValueError(f"the poolings {pooling!r:.40} are not valid")
        width, shapes = cls.own_shapes(embedding_dim, pooling, own)
        widths = [len(pooling) * width, *hidden_layer_sizes, n_classes]
        for number, (n_inputs, n_outputs) in enumerate(pairwise(widths)):
            shapes[f"layers.{number}.weight"] = (n_outputs, n_inputs)
            shapes[f"layers.{number}.bias"] = (n_outputs,)
        return {
            "embedding.weight": (n_features, embedding_dim),
            "log_prior": (n_classes,),
            **shapes,
        }

    @classmethod
    def count_table_entries(cls, weights: dict[str, np.ndarray]) -> int:
        """Return the total number of entries in the look-up tables."""
        n_features, width = weights["embedding.weight"].shape
        multiplied = [
            array.size // width
            for name, array in weights.items()
            if name.startswith(cls.multiplied)
        ]
        return int(n_features * sum(multiplied))

    @staticmethod
    @abstractmethod
    def own_shapes(
        embedding_dim: int, pooling: tuple[str, ...], own: dict[str, Any]
    ) -> tuple[int, dict[str, tuple[int, ...]]]:
        """Return the width of the pooled vectors, and the weight shapes before the pooling."""

    @staticmethod
    @abstractmethod
    def describe(architecture: dict[str, Any]) -> str:
        """Describe in a few words how a text is read, such as "pooled by mean"."""

    @staticmethod
    @abstractmethod
    def describe_order(architecture: dict[str, Any], features: str, longest: int) -> str:
        """Describe in a sentence the effect of the order of `features`, n-grams up to `longest`."""

    @staticmethod
    @abstractmethod
    def add_to_graph(
        graph: Graph,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        vectors: str,
        inside: str,
    ) -> tuple[str, str | None]:
        """Add the ONNX nodes between the embedding and the pooling.

        Parameters
        ----------
        graph : Graph
        weights, architecture : dict
        vectors : str
            The name of a tensor of shape (n_texts, n_tokens, embedding_dim).
        inside : str
            The name of a mask of shape (n_texts, n_tokens), true for tokens and false for padding.

        Returns
        -------
        vectors : str
            The name of the tensor to pool, of shape (n_texts, n_tokens, width).
        scores : str or None
            The name of the attention scores, of shape (n_texts, n_tokens).
        """

    @property
    def is_additive(self) -> bool:
        """Whether logits are sums over a text's features."""
        return self.adds_up and len(self.layers) == 1

    def contributions(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each feature's contribution to a text's logits, and the rest of the logits.

        The network must be additive. The float64 arrays have shapes (n_features, n_classes) and
        (n_classes,).
        """
        raise NotImplementedError(
            f"the logits of a {type(self).__name__} are not sums over features"
        )

    def decision_function(self, texts: list[str], n_characters: int | None = None) -> np.ndarray:
        """Compute the logits.

        Parameters
        ----------
        texts : list of str, of length n_texts
        n_characters : int or None, default=None
            Characters to process at a time; see `skdistill.text._vocabulary.slices`.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
        """
        if self.kernel is not None:
            return self.kernel.answer("decision_function", texts)
        logits = np.empty((len(texts), len(self.log_prior)), dtype=np.float32)
        if len(texts) == 1:
            logits[0] = self._logits_of_one(self.vocabulary.encode_one(texts[0]))
            return logits
        for rows in slices(texts, n_characters):
            logits[rows] = self._logits(self.vocabulary.encode_run(texts[rows]))
        return logits

    def predict_proba(self, texts: list[str], n_characters: int | None = None) -> np.ndarray:
        """Compute class probabilities.

        Parameters
        ----------
        texts : list of str, of length n_texts
        n_characters : int or None, default=None

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
        """
        if self.kernel is not None:
            return self.kernel.answer("predict_proba", texts)
        logits = self.decision_function(texts, n_characters)
        return expit(logits) if self.multilabel else softmax(logits)

    def predict(self, texts: list[str], n_characters: int | None = None) -> np.ndarray:
        """Compute the indices of the most probable classes, or all labels more likely than not.

        Parameters
        ----------
        texts : list of str, of length n_texts
        n_characters : int or None, default=None

        Returns
        -------
        ndarray of shape (n_texts,), or (n_texts, n_labels) of ones and zeros, dtype int64
        """
        if self.kernel is not None:
            return self.kernel.answer("predict", texts)
        logits = self.decision_function(texts, n_characters)
        return (logits > 0).astype(np.int64) if self.multilabel else logits.argmax(axis=1)

    def _logits(self, ids: Ragged) -> np.ndarray:
        rows = ids.rows_with(ids.values != UNKNOWN)
        if len(rows) == len(ids):
            return self._later_layers(self._first_layer(ids))
        logits = np.tile(self.log_prior, (len(ids), 1))
        if len(rows):
            logits[rows] = self._later_layers(self._first_layer(ids.take(rows)))
        return logits

    def _logits_of_one(self, ids: np.ndarray) -> np.ndarray:
        if not ids.any():
            return self.log_prior
        return self._later_layers(self._first_layer_of_one(ids)[None])[0]

    def _later_layers(self, hidden: np.ndarray) -> np.ndarray:
        for product, bias in self.layers[1:]:
            hidden = product(np.maximum(hidden, 0)) + bias
        return hidden

    @abstractmethod
    def _first_layer(self, ids: Ragged) -> np.ndarray:
        """Compute the output of the first layer after pooling, for non-empty texts."""

    def _first_layer_of_one(self, ids: np.ndarray) -> np.ndarray:
        return self._first_layer(Ragged(ids, np.array([0, len(ids)])))[0]


def _keep_freed_memory() -> None:
    """Let malloc reuse the memory of arrays, which makes prediction up to twice as fast.

    glibc returns large blocks to the system when they are freed, and the system clears new ones.
    After a program frees a block of up to 32 MB, glibc keeps twice as much for later arrays [1]_.

    References
    ----------
    .. [1] https://man7.org/linux/man-pages/man3/mallopt.3.html, M_MMAP_THRESHOLD
    """
    np.empty(_KEPT_BYTES, dtype=np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Convert logits to probabilities, in place.

    Parameters
    ----------
    logits : ndarray of shape (n_texts, n_classes)

    Returns
    -------
    ndarray of shape (n_texts, n_classes)
        The same array.
    """
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def expit(logits: np.ndarray) -> np.ndarray:
    """Convert each label's logit to its probability, precisely for small probabilities too.

    Parameters
    ----------
    logits : ndarray of shape (n_texts, n_labels)

    Returns
    -------
    ndarray of shape (n_texts, n_labels)
    """
    return np.exp(np.minimum(logits, 0)) / (1 + np.exp(-np.abs(logits)))
