"""Prediction with NumPy and SciPy alone, from tables that stand for the trained network."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from skdistill.ragged import Ragged
from skdistill.vocabulary import UNKNOWN, Vocabulary

_CHUNK = 4096


class CompiledNetwork(ABC):
    """Base class: a trained network as look-up tables.

    Nothing is padded, and no text's result depends on those beside it.

    Parameters
    ----------
    vocabulary : Vocabulary
    weights : dict of ndarray
        The network's state.
    architecture : dict
        The network's keyword arguments.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
    ):
        self.vocabulary = vocabulary
        self.pooling = architecture["pooling"]
        self.log_prior = weights["log_prior"]
        n_layers = sum(name.startswith("layers.") for name in weights) // 2
        self.layers = [
            (weights[f"layers.{i}.weight"].T, weights[f"layers.{i}.bias"]) for i in range(n_layers)
        ]

    def decision_function(self, texts: list[str]) -> np.ndarray:
        """Compute the logits.

        Parameters
        ----------
        texts : list of str, of length n_texts

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
        """
        logits = np.empty((len(texts), len(self.log_prior)), dtype=np.float32)
        for rows in _slices(len(texts)):
            logits[rows] = self._logits(self.vocabulary.encode(texts[rows]))
        return logits

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        """Compute class probabilities.

        Parameters
        ----------
        texts : list of str, of length n_texts

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
        """
        logits = self.decision_function(texts)
        np.exp(logits - logits.max(axis=1, keepdims=True), out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits

    def _logits(self, ids: Ragged) -> np.ndarray:
        rows = np.repeat(np.arange(len(ids)), ids.lengths)
        known = np.zeros(len(ids), dtype=bool)
        known[rows[ids.values != UNKNOWN]] = True
        logits = np.tile(self.log_prior, (len(ids), 1))
        if known.all():
            return self._logits_of_known(ids)
        if known.any():
            logits[known] = self._logits_of_known(ids.take(np.flatnonzero(known)))
        return logits

    def _logits_of_known(self, ids: Ragged) -> np.ndarray:
        hidden = self._first_layer(ids)
        for matrix, bias in self.layers[1:]:
            hidden = np.maximum(hidden, 0) @ matrix + bias
        return hidden

    @abstractmethod
    def _first_layer(self, ids: Ragged) -> np.ndarray:
        """Compute what the first layer behind the texts' vectors gives; no text is empty."""


class CompiledMLP(CompiledNetwork):
    """A trained `BagNetwork`.

    The embedding and the matrix behind it fold into one table with a row for each feature, and the
    attention's convolution into one scalar for each feature and place in the window. A prediction
    is then look-ups, an exponential and one sparse product.

    References
    ----------
    .. [1] Joulin et al. (2017), "Bag of Tricks for Efficient Text Classification", EACL: the bag
       of embeddings that a linear layer follows.
    """

    def __init__(self, vocabulary, weights, architecture):
        super().__init__(vocabulary, weights, architecture)
        embedding = weights["embedding.weight"]
        blocks = np.split(self.layers[0][0], len(self.pooling))
        self.parts = [
            _fold(how, embedding, block) for how, block in zip(self.pooling, blocks, strict=True)
        ]
        if "attention" in self.pooling:
            self.scores = _by_place(embedding, weights["window"][None])[..., 0].copy()

    def _first_layer(self, ids):
        return self.layers[0][1] + sum(
            self._pool(how, table, ids) if matrix is None else self._pool(how, table, ids) @ matrix
            for how, (table, matrix) in zip(self.pooling, self.parts, strict=True)
        )

    def _pool(self, how: str, table: np.ndarray, ids: Ragged) -> np.ndarray:
        starts = ids.offsets[:-1]
        if how == "max":
            return np.maximum.reduceat(table[ids.values], starts)
        if how == "mean":
            weights = np.ones(len(ids.values), dtype=np.float32)
            totals = ids.lengths.astype(np.float32)
        else:
            scores = _convolve(self.scores, ids)
            # The largest exponential of each row is 1, so that none overflows.
            tops = np.maximum.reduceat(scores, starts)
            weights = np.exp(scores - np.repeat(tops, ids.lengths))
            totals = np.add.reduceat(weights, starts)
        bags = csr_array((weights, ids.values, ids.offsets), shape=(len(ids), len(table)))
        return (bags @ table) / totals[:, None]


class CompiledCNN(CompiledNetwork):
    """A trained `ConvolutionalNetwork`: each feature's part in each convolution is looked up."""

    def __init__(self, vocabulary, weights, architecture):
        super().__init__(vocabulary, weights, architecture)
        embedding = weights["embedding.weight"]
        self.convolutions = [
            (_by_place(embedding, weights[f"kernels.{i}"]), weights[f"biases.{i}"])
            for i in range(len(architecture["kernel_sizes"]))
        ]

    def _first_layer(self, ids):
        outputs = [np.maximum(_convolve(table, ids) + bias, 0) for table, bias in self.convolutions]
        starts = ids.offsets[:-1]
        pooled = []
        for how in self.pooling:
            for output in outputs:
                if how == "max":
                    pooled.append(np.maximum.reduceat(output, starts))
                else:
                    pooled.append(np.add.reduceat(output, starts) / _lengths_as_column(ids))
        matrix, bias = self.layers[0]
        return np.hstack(pooled) @ matrix + bias


class CompiledRNN(CompiledNetwork):
    """A trained `RecurrentNetwork`: each feature's part in each gate is looked up.

    Texts are read side by side from the longest to the shortest, so that those that have ended
    drop out at the end of the block.
    """

    def __init__(self, vocabulary, weights, architecture):
        super().__init__(vocabulary, weights, architecture)
        self.step = {"gru": _gru_step, "lstm": _lstm_step}[architecture["cell"]]
        self.directions = []
        for number in range(1 + architecture["bidirectional"]):
            layer = f"directions.{number}"
            into, between = (weights[f"{layer}.weight_{k}h_l0"] for k in "ih")
            table = _matmul(weights["embedding.weight"], into.T)
            table += weights[f"{layer}.bias_ih_l0"]
            bias = weights[f"{layer}.bias_hh_l0"]
            self.directions.append((table, np.ascontiguousarray(between.T), bias))

    def _first_layer(self, ids):
        order = np.argsort(-ids.lengths, kind="stable")
        lengths = ids.lengths[order]
        n_active = np.searchsorted(-lengths, -np.arange(lengths[0]), side="left")
        pooled: dict[str, list[np.ndarray]] = {how: [] for how in self.pooling}
        for backwards, direction in enumerate(self.directions):
            first = (ids.offsets[1:] - 1 if backwards else ids.offsets[:-1])[order]
            states = self._read(ids.values, first, -1 if backwards else 1, n_active, direction)
            for how, parts in pooled.items():
                parts.append(states[how] if how == "max" else states[how] / lengths[:, None])
        matrix, bias = self.layers[0]
        result = np.empty((len(ids), len(bias)), dtype=np.float32)
        result[order] = np.hstack([part for how in pooled for part in pooled[how]]) @ matrix + bias
        return result

    def _read(
        self,
        values: np.ndarray,
        first: np.ndarray,
        stride: int,
        n_active: np.ndarray,
        direction: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """Run one direction, and reduce the states of all steps to maximum and sum."""
        table, between, bias = direction
        shape = (len(first), len(between))
        state, cell = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        reduced = {"max": np.full(shape, -np.inf, np.float32), "mean": np.zeros(shape, np.float32)}
        for t, n in enumerate(n_active):
            inputs = table[values[first[:n] + stride * t]]
            state, cell = self.step(inputs, state[:n] @ between + bias, state[:n], cell[:n])
            if "max" in self.pooling:
                np.maximum(reduced["max"][:n], state, out=reduced["max"][:n])
            if "mean" in self.pooling:
                reduced["mean"][:n] += state
        return reduced


def _gru_step(
    inputs: np.ndarray, recurrent: np.ndarray, state: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    width = state.shape[1]
    gates = _sigmoid(inputs[:, : 2 * width] + recurrent[:, : 2 * width])
    reset, update = gates[:, :width], gates[:, width:]
    candidate = np.tanh(inputs[:, 2 * width :] + reset * recurrent[:, 2 * width :])
    return candidate + update * (state - candidate), cell


def _lstm_step(
    inputs: np.ndarray, recurrent: np.ndarray, state: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    into, forget, candidate, out = np.split(inputs + recurrent, 4, axis=1)
    cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(candidate)
    return _sigmoid(out) * np.tanh(cell), cell


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """Compute 1 / (1 + exp(-x)) without an overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _by_place(embedding: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Look-up tables of a convolution, with a row of zeros for what lies beyond the text.

    Parameters
    ----------
    embedding : ndarray of shape (n_features, width)
    kernel : ndarray of shape (n_outputs, size, width)

    Returns
    -------
    ndarray of shape (size, n_features + 1, n_outputs)
    """
    tables = [_matmul(embedding, kernel[:, place].T) for place in range(kernel.shape[1])]
    return np.pad(np.stack(tables), ((0, 0), (0, 1), (0, 0)))


def _convolve(tables: np.ndarray, ids: Ragged) -> np.ndarray:
    """Add up, at each position, what the features in its window look up.

    Parameters
    ----------
    tables : ndarray of shape (size, n_features + 1) or (size, n_features + 1, n_outputs)
    ids : Ragged

    Returns
    -------
    ndarray of shape (n_values,) or (n_values, n_outputs)
    """
    size, beyond_text = len(tables), tables.shape[1] - 1
    positions = np.arange(len(ids.values)) + size // 2
    positions += (size - 1) * np.repeat(np.arange(len(ids)), ids.lengths)
    padded = np.full(len(ids.values) + (size - 1) * (len(ids) + 1), beyond_text)
    padded[positions] = ids.values
    n_centres = len(padded) - (size - 1)
    total = np.zeros((n_centres, *tables.shape[2:]), dtype=np.float32)
    for place, table in enumerate(tables):
        total += table[padded[place : place + n_centres]]
    return total[positions - size // 2]


def _lengths_as_column(ids: Ragged) -> np.ndarray:
    return ids.lengths[:, None].astype(np.float32)


def _matmul(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply in float64, so that the rounded result is the same on every machine."""
    return (left.astype(np.float64) @ right.astype(np.float64)).astype(np.float32)


def _fold(
    how: str, embedding: np.ndarray, block: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Give the table to pool, and the matrix to apply behind it unless it folds into the table.

    A maximum does not commute with a matrix; and a matrix that widens would cost more folded.
    """
    if how == "max" or block.shape[1] > embedding.shape[1]:
        return embedding, block
    return _matmul(embedding, block), None


def _slices(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, _CHUNK):
        yield slice(start, start + _CHUNK)
