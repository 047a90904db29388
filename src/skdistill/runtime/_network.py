"""Prediction with NumPy and SciPy alone, from tables that stand for the trained network."""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from skdistill.text._ragged import Ragged
from skdistill.text._vocabulary import UNKNOWN, Vocabulary, slices

# exp(x) and sums of many of it are finite in float32.
_SAFE_EXPONENT = 60


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
    multilabel : bool, default=False
        Whether a text may have several labels.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        multilabel: bool = False,
    ):
        self.vocabulary = vocabulary
        self.multilabel = multilabel
        self.pooling = architecture["pooling"]
        self.log_prior = weights["log_prior"]
        n_layers = sum(name.startswith("layers.") for name in weights) // 2
        self.layers = [
            (weights[f"layers.{i}.weight"].T, weights[f"layers.{i}.bias"]) for i in range(n_layers)
        ]

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
        """Tell the names and shapes of the weights that an architecture has.

        Parameters
        ----------
        n_features, n_classes : int
        embedding_dim, pooling, hidden_layer_sizes, **own
            The network's keyword arguments; those that shape no weight are passed over.

        Returns
        -------
        dict of tuple of int

        Raises
        ------
        ValueError
            If the poolings are not different ones that this network has.
        """
        if not pooling or len({*pooling}) < len(pooling) or not {*pooling} <= cls._poolings:
            raise ValueError(f"the poolings {pooling!r:.40} are not valid")
        width, shapes = cls._own_shapes(embedding_dim, pooling, own)
        widths = [len(pooling) * width, *hidden_layer_sizes, n_classes]
        for number, (n_inputs, n_outputs) in enumerate(pairwise(widths)):
            shapes[f"layers.{number}.weight"] = (n_outputs, n_inputs)
            shapes[f"layers.{number}.bias"] = (n_outputs,)
        return {
            "embedding.weight": (n_features, embedding_dim),
            "log_prior": (n_classes,),
            **shapes,
        }

    # How this kind of network may pool.
    _poolings: ClassVar[set[str]]

    @staticmethod
    @abstractmethod
    def _own_shapes(
        embedding_dim: int, pooling: tuple[str, ...], own: dict[str, Any]
    ) -> tuple[int, dict[str, tuple[int, ...]]]:
        """Give the width of what is pooled, and the shapes between the embedding and that."""

    def decision_function(self, texts: list[str], n_characters: int | None = None) -> np.ndarray:
        """Compute the logits.

        Parameters
        ----------
        texts : list of str, of length n_texts
        n_characters : int or None, default=None
            How much is worked on at a time: see `skdistill.text._vocabulary.slices`.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
        """
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
        logits = self.decision_function(texts, n_characters)
        return expit(logits) if self.multilabel else softmax(logits)

    def predict(self, texts: list[str], n_characters: int | None = None) -> np.ndarray:
        """Compute the numbers of the most probable classes, or which labels are likely.

        Parameters
        ----------
        texts : list of str, of length n_texts
        n_characters : int or None, default=None

        Returns
        -------
        ndarray of shape (n_texts,), or (n_texts, n_labels) of ones and zeros, dtype int64
        """
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
        return self._later_layers(self._first_layer_of_one(ids))

    def _later_layers(self, hidden: np.ndarray) -> np.ndarray:
        for matrix, bias in self.layers[1:]:
            hidden = np.maximum(hidden, 0) @ matrix + bias
        return hidden

    @abstractmethod
    def _first_layer(self, ids: Ragged) -> np.ndarray:
        """Compute what the first layer behind the texts' vectors gives; no text is empty."""

    def _first_layer_of_one(self, ids: np.ndarray) -> np.ndarray:
        return self._first_layer(Ragged(ids, np.array([0, len(ids)])))[0]


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

    _poolings = {"mean", "max", "attention"}

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        multilabel: bool = False,
    ) -> None:
        super().__init__(vocabulary, weights, architecture, multilabel)
        embedding = weights["embedding.weight"]
        blocks = np.split(self.layers[0][0], len(self.pooling))
        self.parts = [
            _fold(how, embedding, block) for how, block in zip(self.pooling, blocks, strict=True)
        ]
        if "attention" in self.pooling:
            self.scores = WindowScores(embedding, weights["window"])

    @staticmethod
    def _own_shapes(
        embedding_dim: int, pooling: tuple[str, ...], own: dict[str, Any]
    ) -> tuple[int, dict[str, tuple[int, ...]]]:
        if "attention" not in pooling:
            return embedding_dim, {}
        if own["context_window"] % 2 == 0:
            raise ValueError("the attention's window is even")
        return embedding_dim, {"window": (own["context_window"], embedding_dim)}

    def _first_layer(self, ids: Ragged) -> np.ndarray:
        # Here, so that a process that predicts single texts starts without it.
        from scipy.sparse import csr_array

        values, offsets = ids.values, ids.offsets.astype(np.int32)
        starts = offsets[:-1]
        hidden = self.layers[0][1]
        for how, table, matrix in self.parts:
            if how == "max":
                pooled = np.maximum.reduceat(table[values], starts)
            else:
                if how == "mean":
                    weights, totals = np.ones(len(values), dtype=np.float32), np.diff(offsets)
                else:
                    weights = self.scores.exponentials(ids)
                    totals = np.add.reduceat(weights, starts)
                bags = csr_array((weights, values, offsets), shape=(len(ids), len(table)))
                pooled = bags @ table
                pooled /= totals[:, None].astype(np.float32)
            hidden = hidden + (pooled if matrix is None else pooled @ matrix)
        return hidden

    def _first_layer_of_one(self, ids: np.ndarray) -> np.ndarray:
        hidden = self.layers[0][1]
        for how, table, matrix in self.parts:
            rows = table[ids]
            if how == "max":
                pooled = rows.max(axis=0)
            elif how == "mean":
                pooled = np.add.reduce(rows) / len(rows)
            else:
                weights = self.scores.exponentials_of_one(ids)
                pooled = (weights @ rows) / weights.sum()
            hidden = hidden + (pooled if matrix is None else pooled @ matrix)
        return hidden

    @property
    def is_additive(self) -> bool:
        """Whether logits are sums over a text's features, once their attention is known."""
        return len(self.layers) == 1

    def contributions(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the logits of one text apart; only where the network `is_additive`.

        What a maximum gives belongs, in each dimension, to the first feature that has it.

        Parameters
        ----------
        ids : ndarray of shape (n_features,)

        Returns
        -------
        contributions : ndarray of shape (n_features, n_classes), dtype float64
            What each feature adds.
        bias : ndarray of shape (n_classes,), dtype float64
            The rest of the logits.
        """
        total = np.zeros((len(ids), len(self.log_prior)))
        if not ids.any():
            return total, self.log_prior.astype(np.float64)
        for how, table, matrix in self.parts:
            rows = table[ids].astype(np.float64)
            if how == "max":
                rows *= np.arange(len(ids))[:, None] == rows.argmax(axis=0)
            elif how == "mean":
                rows /= len(ids)
            else:
                weights = self.scores.exponentials_of_one(ids).astype(np.float64)
                rows *= (weights / weights.sum())[:, None]
            total += rows if matrix is None else rows @ matrix.astype(np.float64)
        return total, self.layers[0][1].astype(np.float64)


class WindowScores:
    """The scores of an attention that sees a window around each position.

    A score is the sum of what the features in the window look up, each at its place. Two places
    that follow each other share a look-up: their scalars are the halves of one complex number.

    Parameters
    ----------
    embedding : ndarray of shape (n_features, width)
    window : ndarray of shape (size, width)
        With a vector for each place; `size` is odd.
    """

    def __init__(self, embedding: np.ndarray, window: np.ndarray):
        self.size = len(window)
        scalars = _by_place(embedding, window[None])[..., 0]
        self.beyond_text = scalars.shape[1] - 1
        self.pairs = np.zeros(((self.size + 1) // 2, scalars.shape[1]), dtype=np.complex64)
        self.pairs.real = scalars[::2]
        self.pairs.imag[: self.size // 2] = scalars[1::2]
        bound = float(np.abs(scalars).max(axis=1).sum())
        self.are_small = bound < _SAFE_EXPONENT

    def exponentials(self, ids: Ragged) -> np.ndarray:
        """Compute the exponentials of the scores, each text's up to a factor of its own.

        Parameters
        ----------
        ids : Ragged
            Without an empty row.

        Returns
        -------
        ndarray of shape (n_values,), dtype float32
        """
        padded, positions = _pad_between(ids, self.size, self.beyond_text)
        n_centres = len(padded) - self.size
        total = np.zeros(n_centres + 1, dtype=np.complex64)
        looked_up = np.empty_like(total)
        for pair, table in enumerate(self.pairs):
            seen = padded[2 * pair : 2 * pair + n_centres + 1]
            # No index is out of bounds; "clip" is what spares a copy.
            total += np.take(table, seen, out=looked_up, mode="clip")
        scores = (total.real[:-1] + total.imag[1:])[positions - self.size // 2]
        if not self.are_small:
            tops = np.maximum.reduceat(scores, ids.offsets[:-1])
            scores -= np.repeat(tops, ids.lengths)
        return np.exp(scores, out=scores)

    def exponentials_of_one(self, ids: np.ndarray) -> np.ndarray:
        """Compute the same for a single text, with as few calls as possible."""
        gap = [self.beyond_text] * (self.size // 2)
        looked_up = self.pairs.take([*gap, *ids.tolist(), *gap, self.beyond_text], axis=1)
        n_pairs, n_seen = looked_up.shape
        # Along the first two axes: what the places of one window look up.
        scalars = np.ndarray(
            (n_pairs, 2, len(ids)), np.float32, looked_up, strides=(8 * n_seen + 16, 12, 8)
        )
        scores = scalars.sum(axis=(0, 1))
        if not self.are_small:
            scores -= scores.max()
        return np.exp(scores)


class CompiledCNN(CompiledNetwork):
    """A trained `ConvolutionalNetwork`: each feature's part in each convolution is looked up."""

    _poolings = {"mean", "max"}

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: dict[str, np.ndarray],
        architecture: dict[str, Any],
        multilabel: bool = False,
    ) -> None:
        super().__init__(vocabulary, weights, architecture, multilabel)
        embedding = weights["embedding.weight"]
        self.convolutions = [
            (_by_place(embedding, weights[f"kernels.{i}"]), weights[f"biases.{i}"])
            for i in range(len(architecture["kernel_sizes"]))
        ]

    @staticmethod
    def _own_shapes(
        embedding_dim: int, pooling: tuple[str, ...], own: dict[str, Any]
    ) -> tuple[int, dict[str, tuple[int, ...]]]:
        n_filters = own["n_filters"]
        shapes: dict[str, tuple[int, ...]] = {}
        for number, size in enumerate(own["kernel_sizes"]):
            shapes[f"kernels.{number}"] = (n_filters, size, embedding_dim)
            shapes[f"biases.{number}"] = (n_filters,)
        return len(own["kernel_sizes"]) * n_filters, shapes

    def _first_layer(self, ids: Ragged) -> np.ndarray:
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

    _poolings = {"mean", "max"}

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
            table = _matmul(weights["embedding.weight"], into.T)
            table += weights[f"{layer}.bias_ih_l0"]
            bias = weights[f"{layer}.bias_hh_l0"]
            self.directions.append((table, np.ascontiguousarray(between.T), bias))

    @staticmethod
    def _own_shapes(
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

    def _first_layer(self, ids: Ragged) -> np.ndarray:
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
    tables : ndarray of shape (size, n_features + 1, n_outputs)
    ids : Ragged

    Returns
    -------
    ndarray of shape (n_values, n_outputs)
    """
    size, beyond_text = len(tables), tables.shape[1] - 1
    padded, positions = _pad_between(ids, size, beyond_text)
    n_centres = len(padded) - size
    total = np.zeros((n_centres, tables.shape[2]), dtype=np.float32)
    for place, table in enumerate(tables):
        total += table[padded[place : place + n_centres]]
    return total[positions - size // 2]


def _pad_between(ids: Ragged, size: int, filler: int) -> tuple[np.ndarray, np.ndarray]:
    """Part texts, none of them empty, so far that no window of a size sees two of them.

    Returns
    -------
    padded : ndarray of int64
        The ids, with `filler` before, between and behind the texts.
    positions : ndarray of shape (n_values,)
        Where the ids are in it.
    """
    gap = size // 2
    # Summed up from steps: unlike `repeat`, that does not hold Python's lock.
    positions = np.ones(len(ids.values), dtype=np.int64)
    positions[ids.offsets[:-1]] += gap
    positions[0] -= 1
    np.cumsum(positions, out=positions)
    padded = np.full(len(ids.values) + gap * (len(ids) + 1) + 1, filler)
    padded[positions] = ids.values
    return padded, positions


def _lengths_as_column(ids: Ragged) -> np.ndarray:
    return ids.lengths[:, None].astype(np.float32)


def _matmul(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply in float64, so that the rounded result is the same on every machine."""
    return (left.astype(np.float64) @ right.astype(np.float64)).astype(np.float32)


def _fold(
    how: str, embedding: np.ndarray, block: np.ndarray
) -> tuple[str, np.ndarray, np.ndarray | None]:
    """Give the pooling, its table, and the matrix behind it unless that folds into the table.

    A maximum does not commute with a matrix; and a matrix that widens would cost more folded.
    """
    if how == "max" or block.shape[1] > embedding.shape[1]:
        return how, embedding, block
    return how, _matmul(embedding, block), None


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities, in place.

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
    """Turn the logit of each label into its probability, precisely where that is small, too.

    Parameters
    ----------
    logits : ndarray of shape (n_texts, n_labels)

    Returns
    -------
    ndarray of shape (n_texts, n_labels)
    """
    return np.exp(np.minimum(logits, 0)) / (1 + np.exp(-np.abs(logits)))


# The networks by the name that a model file gives them.
COMPILED: dict[str, type[CompiledNetwork]] = {
    "mlp": CompiledMLP,
    "cnn": CompiledCNN,
    "rnn": CompiledRNN,
}


def count_table_entries(weights: dict[str, np.ndarray]) -> int:
    """Tell how many numbers the tables will hold that the embedding is multiplied out to.

    Parameters
    ----------
    weights : dict of ndarray
        A network's state.

    Returns
    -------
    int
    """
    n_features, width = weights["embedding.weight"].shape
    multiplied = [
        array.size // width
        for name, array in weights.items()
        if name == "window" or name.startswith("kernels") or "weight_ih" in name
    ]
    return n_features * sum(multiplied)
