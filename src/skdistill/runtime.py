"""Prediction with NumPy and SciPy alone, from tables that stand for the trained network."""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array

from skdistill.ragged import Ragged
from skdistill.vocabulary import UNKNOWN, Vocabulary

_CHUNK = 4096


class CompiledMLP:
    """A trained `BagNetwork` as look-up tables.

    The embedding and the matrix behind it fold into one table with a row for each feature, and the
    attention's convolution into one scalar for each feature and place in the window. A prediction
    is then look-ups, an exponential and one sparse product: nothing is padded, and no text depends
    on those beside it.

    Parameters
    ----------
    vocabulary : Vocabulary
    weights : dict of ndarray
        The network's state.
    pooling : tuple of {"mean", "max", "attention"}
        The network's, in its order.

    References
    ----------
    .. [1] Joulin et al. (2017), "Bag of Tricks for Efficient Text Classification", EACL: the bag
       of embeddings that a linear layer follows.
    """

    def __init__(
        self, vocabulary: Vocabulary, weights: dict[str, np.ndarray], pooling: tuple[str, ...]
    ):
        self.vocabulary = vocabulary
        self.pooling = pooling
        self.log_prior = weights["log_prior"]
        embedding = weights["embedding.weight"]
        n_layers = sum(name.startswith("layers.") for name in weights) // 2
        self.layers = [
            (weights[f"layers.{i}.weight"].T, weights[f"layers.{i}.bias"]) for i in range(n_layers)
        ]
        blocks = np.split(self.layers[0][0], len(pooling))
        self.parts = [
            _fold(how, embedding, block) for how, block in zip(pooling, blocks, strict=True)
        ]
        if "attention" in pooling:
            beyond_text = np.zeros((len(weights["window"]), 1), dtype=np.float32)
            self.places = np.hstack([_matmul(weights["window"], embedding.T), beyond_text])

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
        hidden = self.layers[0][1] + sum(
            self._pool(how, table, ids) if matrix is None else self._pool(how, table, ids) @ matrix
            for how, (table, matrix) in zip(self.pooling, self.parts, strict=True)
        )
        for matrix, bias in self.layers[1:]:
            hidden = np.maximum(hidden, 0) @ matrix + bias
        return hidden

    def _pool(self, how: str, table: np.ndarray, ids: Ragged) -> np.ndarray:
        starts = ids.offsets[:-1]
        if how == "max":
            return np.maximum.reduceat(table[ids.values], starts)
        if how == "mean":
            weights = np.ones(len(ids.values), dtype=np.float32)
            totals = ids.lengths.astype(np.float32)
        else:
            scores = self._window_scores(ids)
            # The largest exponential of each row is 1, so that none overflows.
            tops = np.maximum.reduceat(scores, starts)
            weights = np.exp(scores - np.repeat(tops, ids.lengths))
            totals = np.add.reduceat(weights, starts)
        bags = csr_array((weights, ids.values, ids.offsets), shape=(len(ids), len(table)))
        return (bags @ table) / totals[:, None]

    def _window_scores(self, ids: Ragged) -> np.ndarray:
        """Add up each position's scalars over its window, which ends where the text ends."""
        half, beyond_text = len(self.places) // 2, self.places.shape[1] - 1
        gaps = half * (1 + np.repeat(np.arange(len(ids)), ids.lengths))
        positions = np.arange(len(ids.values)) + gaps
        padded = np.full(len(ids.values) + half * (len(ids) + 1), beyond_text)
        padded[positions] = ids.values
        n_centres = len(padded) - 2 * half
        scores = np.zeros(n_centres, dtype=np.float32)
        for place, table in enumerate(self.places):
            scores += table[padded[place : place + n_centres]]
        return scores[positions - half]


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
