"""Predict with an MLP over a bag, or windows, of features."""

import platform
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from skdistill.runtime._kernel import Kernel, Pooling, make_words
from skdistill.runtime._network import CompiledNetwork, Graph
from skdistill.runtime._products import RowProduct, multiply_exactly
from skdistill.runtime._windows import WindowScores, add_convolution, are_small, window_table
from skdistill.text._ragged import Ragged
from skdistill.text._vocabulary import Vocabulary

# SciPy's sparse product multiplies and adds one entry at a time. A compiler may fuse both steps and
# skip a rounding, except in generic x86-64 builds. Only there does NumPy produce the same bits.
_SCIPY_ROUNDS_TWICE = platform.machine().lower() in ("x86_64", "amd64")

# Tokens whose sum in single precision is precise; sums of pieces are added in double precision.
_PIECE = 512


class CompiledMLP(CompiledNetwork):
    """A trained `MLPNetwork`.

    The network is a bag of embeddings followed by a linear layer [1]_, with optional attention.
    The embedding and the first layer's matrix fold into one table with a row per feature. The
    attention's convolution folds into one scalar per feature and place in the window. A prediction
    is then look-ups, an exponential and one sparse product.

    References
    ----------
    .. [1] Joulin et al. (2017), "Bag of Tricks for Efficient Text Classification", EACL.
    """

    poolings = frozenset({"mean", "max", "attention"})
    own_architecture: ClassVar = {"context_window": int}
    multiplied = ("window",)
    adds_up = True

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        multilabel: bool = False,
    ) -> None:
        super().__init__(vocabulary, weights, architecture, multilabel)
        self.weights = weights

    @cached_property
    def parts(self) -> list[tuple[str, np.ndarray, RowProduct | None]]:
        """The table of each pooling, and the product that follows it."""
        return self._make_parts()

    def _make_parts(self) -> list[tuple[str, np.ndarray, RowProduct | None]]:
        embedding = self.weights["embedding.weight"]
        blocks = np.split(self.layers[0][0].matrix, len(self.pooling))
        return [
            _fold(how, embedding, block) for how, block in zip(self.pooling, blocks, strict=True)
        ]

    def _make_window(self) -> np.ndarray:
        return window_table(self.weights["embedding.weight"], self.weights["window"])

    @cached_property
    def scores(self) -> WindowScores:
        """The attention scores."""
        return WindowScores(self._make_window())

    @cached_property
    def kernel(self) -> Kernel | None:
        """What predicts in place of the tables above, which then are never made."""
        words = make_words(self.vocabulary)
        if words is None:
            return None
        window = self._make_window() if "attention" in self.pooling else None
        parts = self._make_parts()
        poolings = [
            Pooling(how, number, table.shape[1], None if product is None else product.matrix)
            for number, (how, table, product) in enumerate(parts)
        ]
        return Kernel(
            words,
            window,
            window is not None and not are_small(window),
            [table for _, table, _ in parts],
            poolings,
            self.layers,
            self.log_prior,
            self.multilabel,
        )

    @staticmethod
    def own_shapes(
        embedding_dim: int, pooling: tuple[str, ...], own: dict[str, Any]
    ) -> tuple[int, dict[str, tuple[int, ...]]]:
        if "attention" not in pooling:
            return embedding_dim, {}
        if own["context_window"] % 2 == 0:
            raise ValueError("the attention window is even")
        return embedding_dim, {"window": (own["context_window"], embedding_dim)}

    @staticmethod
    def describe(architecture: dict[str, Any]) -> str:
        pooling = architecture["pooling"]
        reading = f"{' and '.join(pooling)} pooling"
        if "attention" in pooling:
            reading += f" with a window of {architecture['context_window']}"
        return reading

    @staticmethod
    def describe_order(architecture: dict[str, Any], features: str, longest: int) -> str:
        if "attention" in architecture["pooling"]:
            span = architecture["context_window"] + longest - 1
            return (
                f"It sees the order of {features} only within windows of {span}, and only to "
                "decide how much each one counts. A negated word still counts for its usual class."
            )
        if longest > 1:
            return f"It sees the order of {features} only within n-grams of up to {longest}."
        return f"It ignores the order of {features}: it treats a text as a bag."

    @staticmethod
    def add_to_graph(
        graph: Graph,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        vectors: str,
        inside: str,
    ) -> tuple[str, str | None]:
        if "attention" not in architecture["pooling"]:
            return vectors, None
        channels_first = graph.add("Transpose", vectors, perm=[0, 2, 1])
        scores = add_convolution(graph, channels_first, weights["window"][None])
        return vectors, graph.add("Squeeze", scores, [1])

    def _first_layer(self, ids: Ragged) -> np.ndarray:
        # Imported here, because predicting single texts does not need it.
        from scipy.sparse import csr_array

        values, starts = ids.values, ids.offsets[:-1]
        pieces, firsts = _cut_long(ids.offsets)
        hidden = self.layers[0][1]
        for how, table, product in self.parts:
            if how == "max":
                pooled = np.maximum.reduceat(table[values], starts)
            else:
                if how == "mean":
                    weights, totals = np.ones(len(values), dtype=np.float32), np.diff(pieces)
                else:
                    weights = self.scores.exponentials(ids)
                    totals = np.add.reduceat(weights, pieces[:-1])
                bags = csr_array((weights, values, pieces), shape=(len(pieces) - 1, len(table)))
                pooled = bags @ table
                if len(pieces) > len(starts) + 1:
                    pooled = np.add.reduceat(pooled, firsts, dtype=np.float64).astype(np.float32)
                    totals = np.add.reduceat(totals, firsts, dtype=np.float64)
                pooled /= totals[:, None].astype(np.float32)
            hidden = hidden + (pooled if product is None else product(pooled))
        return hidden

    def _first_layer_of_one(self, ids: np.ndarray) -> np.ndarray:
        """Do the same in the same order and with as few calls as possible."""
        if not _SCIPY_ROUNDS_TWICE or len(ids) > _PIECE:
            return super()._first_layer_of_one(ids)
        hidden = self.layers[0][1]
        for how, table, product in self.parts:
            rows = table[ids]
            if how == "max":
                pooled = rows.max(axis=0)
            elif how == "mean":
                pooled = np.add.reduce(rows) / np.float32(len(rows))
            else:
                weights = self.scores.exponentials_of_one(ids)
                rows *= weights[:, None]
                pooled = np.add.reduce(rows) / np.add.reduceat(weights, [0])
            hidden = hidden + (pooled if product is None else product(pooled[None])[0])
        return hidden

    def contributions(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each feature's contribution to a text's logits, and the rest of the logits.

        With max pooling, each dimension belongs to the first feature that reaches the maximum.
        """
        total = np.zeros((len(ids), len(self.log_prior)))
        if not ids.any():
            return total, self.log_prior.astype(np.float64)
        for how, table, product in self.parts:
            rows = table[ids].astype(np.float64)
            if how == "max":
                rows *= np.arange(len(ids))[:, None] == rows.argmax(axis=0)
            elif how == "mean":
                rows /= len(ids)
            else:
                weights = self.scores.exponentials_of_one(ids).astype(np.float64)
                rows *= (weights / weights.sum())[:, None]
            total += rows if product is None else rows @ product.matrix.astype(np.float64)
        return total, self.layers[0][1].astype(np.float64)


def _cut_long(offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut texts into pieces that single precision can sum; return their offsets.

    The second array contains the number of each text's first piece.
    """
    lengths = np.diff(offsets)
    n_pieces = -(-lengths // _PIECE)
    firsts = np.cumsum(n_pieces) - n_pieces
    if n_pieces.max() > 1:
        numbers = np.arange(n_pieces.sum()) - np.repeat(firsts, n_pieces)
        starts = np.repeat(offsets[:-1], n_pieces) + _PIECE * numbers
        offsets = np.append(starts, offsets[-1])
    return offsets.astype(np.int32), firsts


def _fold(
    how: str, embedding: np.ndarray, block: np.ndarray
) -> tuple[str, np.ndarray, RowProduct | None]:
    """Return the pooling, its table, and the product that follows, or None if it was folded in.

    A product cannot be folded past a maximum, and folding one that widens would cost more.
    """
    if how == "max" or block.shape[1] > embedding.shape[1]:
        return how, embedding, RowProduct(block)
    return how, multiply_exactly(embedding, block), None
