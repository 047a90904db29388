"""Predict with a recurrent network."""

from typing import Any, ClassVar

import numpy as np

from skdistill.runtime._network import CompiledNetwork, Graph
from skdistill.runtime._products import N_ROWS, RowProduct, multiply_exactly
from skdistill.text._ragged import Ragged
from skdistill.text._vocabulary import Vocabulary, slices

# Positions of ONNX's gates in torch's order. ONNX: update, reset, new; input, output, forget, cell.
_ONNX_GATES = {"gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}
# How the states of all steps are reduced, and from where.
_REDUCE = {"max": np.maximum, "mean": np.add}
_STARTS = {"max": -np.inf, "mean": 0}
# Number of characters whose ids are kept at a time, and number of texts that are read in parallel.
_CHARACTERS_TOGETHER = 2**24
_TEXTS_TOGETHER = 2**11
# An element type in the numbering of ONNX's `TensorProto`.
_INT32 = 6


class CompiledRNN(CompiledNetwork):
    """A trained `RNNNetwork`, with each feature's part in each gate as a look-up table.

    Texts are read in parallel, sorted from longest to shortest, so that finished texts drop out at
    the end of the block.
    """

    poolings = frozenset({"mean", "max"})
    own_architecture: ClassVar = {"bidirectional": bool, "cell": str, "hidden_dim": int}
    multiplied = ("directions.0.weight_ih", "directions.1.weight_ih")
    # Each step may multiply the rounding errors of those before. Of 80 small students, 5 differed
    # by more than 1e-5 on one of 1,000 texts, by up to 4.6e-5, on short and on long ones. Graphs
    # with wrong gates differed by at least 9e-3.
    graph_tolerance = 1e-3

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        multilabel: bool = False,
    ) -> None:
        super().__init__(vocabulary, weights, architecture, multilabel)
        self.step = {"gru": _gru_step, "lstm": _lstm_step}[architecture["cell"]]
        self.directions = []
        for number in range(1 + architecture["bidirectional"]):
            layer = f"directions.{number}"
            into, between = (weights[f"{layer}.weight_{k}h_l0"] for k in "ih")
            table = multiply_exactly(weights["embedding.weight"], into.T)
            table += weights[f"{layer}.bias_ih_l0"]
            bias = weights[f"{layer}.bias_hh_l0"]
            self.directions.append((table, RowProduct(between.T), bias))

    @staticmethod
    def own_shapes(
        embedding_dim: int, pooling: tuple[str, ...], own: dict[str, Any]
    ) -> tuple[int, dict[str, tuple[int, ...]]]:
        hidden_dim, n_directions = own["hidden_dim"], 1 + own["bidirectional"]
        width = {"gru": 3, "lstm": 4}[own["cell"]] * hidden_dim
        shapes: dict[str, tuple[int, ...]] = {}
        for number in range(n_directions):
            layer = f"directions.{number}"
            shapes[f"{layer}.weight_ih_l0"] = (width, embedding_dim)
            shapes[f"{layer}.weight_hh_l0"] = (width, hidden_dim)
            shapes[f"{layer}.bias_ih_l0"] = shapes[f"{layer}.bias_hh_l0"] = (width,)
        return n_directions * hidden_dim, shapes

    @staticmethod
    def describe(architecture: dict[str, Any]) -> str:
        ways = "bidirectional" if architecture["bidirectional"] else "unidirectional"
        pooling = " and ".join(architecture["pooling"])
        return (
            f"a {ways} {architecture['cell'].upper()} of width {architecture['hidden_dim']}, "
            f"{pooling} pooling"
        )

    @staticmethod
    def describe_order(architecture: dict[str, Any], features: str, longest: int) -> str:
        return f"It reads {features} in order, but uses no context outside the text."

    @staticmethod
    def add_to_graph(
        graph: Graph,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        vectors: str,
        inside: str,
    ) -> tuple[str, str | None]:
        cell, hidden_dim = architecture["cell"], architecture["hidden_dim"]
        n_directions = 1 + architecture["bidirectional"]

        def gather(name: str) -> np.ndarray:
            """Stack a weight over all directions, with gates in ONNX's order."""
            stacked = []
            for number in range(n_directions):
                array = weights[f"directions.{number}.{name}_l0"]
                gates = array.reshape(len(_ONNX_GATES[cell]), hidden_dim, *array.shape[1:])
                stacked.append(gates[_ONNX_GATES[cell]].reshape(array.shape))
            return np.stack(stacked)

        counts = graph.add("ReduceSum", graph.add("Cast", inside, to=_INT32), [1], keepdims=0)
        options: dict[str, Any] = {"linear_before_reset": 1} if cell == "gru" else {}
        states = graph.add(
            cell.upper(),
            graph.add("Transpose", vectors, perm=[1, 0, 2]),
            gather("weight_ih"),
            gather("weight_hh"),
            np.concatenate([gather("bias_ih"), gather("bias_hh")], axis=1),
            # The operator needs at least one step. Texts without tokens get the prior anyway.
            graph.add("Max", counts, np.int32(1)),
            hidden_size=hidden_dim,
            direction="bidirectional" if n_directions == 2 else "forward",
            **options,
        )
        # The input has shape (n_tokens, n_directions, n_texts, hidden_dim).
        by_text = graph.add("Transpose", states, perm=[2, 0, 1, 3])
        return graph.add("Reshape", by_text, [0, 0, n_directions * hidden_dim]), None

    def decision_function(self, texts: list[str], n_characters: int | None = None) -> np.ndarray:
        # A step costs nearly the same for one text as for hundreds, so texts of similar length are
        # read together, wherever they are.
        if len(texts) == 1:
            return super().decision_function(texts)
        logits = np.empty((len(texts), len(self.log_prior)), dtype=np.float32)
        for together in slices(texts, _CHARACTERS_TOGETHER):
            some = texts[together]
            ids = Ragged.concatenate(
                [self.vocabulary.encode_run(some[run]) for run in slices(some, n_characters)]
            )
            order = np.argsort(-ids.lengths, kind="stable")
            for start in range(0, len(some), _TEXTS_TOGETHER):
                rows = order[start : start + _TEXTS_TOGETHER]
                logits[together.start + rows] = self._logits(ids.take(rows))
        return logits

    def _first_layer(self, ids: Ragged) -> np.ndarray:
        order = np.argsort(-ids.lengths, kind="stable")
        lengths = ids.lengths[order]
        n_active = np.searchsorted(-lengths, -np.arange(lengths[0]), side="left")
        divisors = lengths[:, None].astype(np.float32)
        pooled: dict[str, list[np.ndarray]] = {how: [] for how in self.pooling}
        for backwards, direction in enumerate(self.directions):
            first = (ids.offsets[1:] - 1 if backwards else ids.offsets[:-1])[order]
            states = self._read(ids.values, first, -1 if backwards else 1, n_active, direction)
            for how, parts in pooled.items():
                parts.append(states[how] if how == "max" else states[how] / divisors)
        product, bias = self.layers[0]
        result = np.empty((len(ids), len(bias)), dtype=np.float32)
        vectors = np.hstack([part for how in pooled for part in pooled[how]])
        result[order] = product(vectors) + bias
        return result

    def _read(
        self,
        values: np.ndarray,
        first: np.ndarray,
        stride: int,
        n_active: np.ndarray,
        direction: tuple[np.ndarray, RowProduct, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """Run one direction and return the maximum and the sum of the states of all steps."""
        table, product, bias = direction
        n_texts, width = len(first), len(product.matrix)
        # Whole blocks of rows save the product a copy. The extra rows stay zero.
        state, cell = np.zeros((2, n_texts + -n_texts % N_ROWS, width), np.float32)
        reduced = {how: np.full((n_texts, width), _STARTS[how], np.float32) for how in self.pooling}
        for t, n in enumerate(n_active):
            inputs = table[values[first[:n] + stride * t]]
            recurrent = product(state[: n + -n % N_ROWS])[:n]
            recurrent += bias
            self.step(inputs, recurrent, state[:n], cell[:n])
            for how, total in reduced.items():
                _REDUCE[how](total[:n], state[:n], out=total[:n])
        return reduced


def _gru_step(
    inputs: np.ndarray, recurrent: np.ndarray, state: np.ndarray, cell: np.ndarray
) -> None:
    """Replace the states by the next ones, in place."""
    width = state.shape[1]
    gates = _sigmoid(inputs[:, : 2 * width] + recurrent[:, : 2 * width])
    reset, update = gates[:, :width], gates[:, width:]
    candidate = np.tanh(inputs[:, 2 * width :] + reset * recurrent[:, 2 * width :])
    np.add(candidate, update * (state - candidate), out=state)


def _lstm_step(
    inputs: np.ndarray, recurrent: np.ndarray, state: np.ndarray, cell: np.ndarray
) -> None:
    """Replace states and cells by the next ones, in place."""
    into, forget, candidate, out = np.split(inputs + recurrent, 4, axis=1)
    np.add(_sigmoid(forget) * cell, _sigmoid(into) * np.tanh(candidate), out=cell)
    np.multiply(_sigmoid(out), np.tanh(cell), out=state)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """Compute 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5
