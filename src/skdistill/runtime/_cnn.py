"""Predict with a convolutional network."""

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from typing import Any, ClassVar

import numpy as np

from skdistill.runtime._kernel import Kernel, Pooling, make_words, padded
from skdistill.runtime._network import CompiledNetwork, Graph
from skdistill.runtime._windows import add_convolution, by_place, convolve
from skdistill.text._ragged import Ragged
from skdistill.text._vocabulary import Vocabulary


class CompiledCNN(CompiledNetwork):
    """A trained `CNNNetwork`, with each feature's part in each convolution as a look-up table."""

    poolings = frozenset({"mean", "max"})
    own_architecture: ClassVar = {"kernel_sizes": (int,), "n_filters": int}
    multiplied = ("kernels.",)

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        multilabel: bool = False,
    ) -> None:
        super().__init__(vocabulary, weights, architecture, multilabel)
        self.weights = weights
        self.n_convolutions = len(architecture["kernel_sizes"])

    @cached_property
    def convolutions(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The tables of each convolution, and its biases."""
        return [*self._make_convolutions()]

    def _make_convolutions(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        embedding = self.weights["embedding.weight"]
        for number in range(self.n_convolutions):
            tables = by_place(embedding, self.weights[f"kernels.{number}"])
            yield tables, self.weights[f"biases.{number}"]

    @cached_property
    def kernel(self) -> Kernel | None:
        """What predicts in place of the tables above, which then are never made."""
        words = make_words(self.vocabulary)
        if words is None:
            return None
        convolutions = [*self._make_convolutions()]
        kinds = [*product(self.pooling, enumerate(convolutions))]
        blocks = np.split(self.layers[0][0].matrix, len(kinds))
        poolings = [
            Pooling(how, number, len(bias), block, len(tables), bias)
            for (how, (number, (tables, bias))), block in zip(kinds, blocks, strict=True)
        ]
        tables = [_side_by_side(tables) for tables, _ in convolutions]
        return Kernel(
            words, None, False, tables, poolings, self.layers, self.log_prior, self.multilabel
        )

    @staticmethod
    def own_shapes(
        embedding_dim: int, pooling: tuple[str, ...], own: dict[str, Any]
    ) -> tuple[int, dict[str, tuple[int, ...]]]:
        n_filters = own["n_filters"]
        shapes: dict[str, tuple[int, ...]] = {}
        for number, size in enumerate(own["kernel_sizes"]):
            shapes[f"kernels.{number}"] = (n_filters, size, embedding_dim)
            shapes[f"biases.{number}"] = (n_filters,)
        return len(own["kernel_sizes"]) * n_filters, shapes

    @staticmethod
    def describe(architecture: dict[str, Any]) -> str:
        sizes = " and ".join(map(str, architecture["kernel_sizes"]))
        pooling = " and ".join(architecture["pooling"])
        return f"{architecture['n_filters']} filters per kernel size ({sizes}), {pooling} pooling"

    @staticmethod
    def describe_order(architecture: dict[str, Any], features: str, longest: int) -> str:
        span = max(architecture["kernel_sizes"]) + longest - 1
        return f"It sees the order of {features} only within windows of {span}."

    @staticmethod
    def add_to_graph(
        graph: Graph,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        vectors: str,
        inside: str,
    ) -> tuple[str, str | None]:
        channels_first = graph.add("Transpose", vectors, perm=[0, 2, 1])
        outputs = [
            add_convolution(graph, channels_first, weights[f"kernels.{i}"], weights[f"biases.{i}"])
            for i in range(len(architecture["kernel_sizes"]))
        ]
        together = graph.add("Relu", graph.add("Concat", *outputs, axis=1))
        return graph.add("Transpose", together, perm=[0, 2, 1]), None

    def _first_layer(self, ids: Ragged) -> np.ndarray:
        outputs = [np.maximum(convolve(table, ids) + bias, 0) for table, bias in self.convolutions]
        starts = ids.offsets[:-1]
        pooled = []
        for how in self.pooling:
            for output in outputs:
                if how == "max":
                    pooled.append(np.maximum.reduceat(output, starts))
                else:
                    pooled.append(
                        np.add.reduceat(output, starts) / ids.lengths[:, None].astype(np.float32)
                    )
        multiply, bias = self.layers[0]
        return multiply(np.hstack(pooled)) + bias


def _side_by_side(tables: np.ndarray) -> np.ndarray:
    """Join a convolution's tables, without the last row, and each padded, into one wide table."""
    n_places, n_rows, n_filters = tables.shape
    joined = np.zeros((n_rows - 1, n_places, padded(n_filters)), dtype=np.float32)
    joined[..., :n_filters] = tables[:, :-1].transpose(1, 0, 2)
    return joined.reshape(n_rows - 1, -1)
