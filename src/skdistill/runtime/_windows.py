"""Sum look-up table entries over the window around each position of a text."""

import numpy as np

from skdistill.runtime._network import Graph
from skdistill.runtime._products import multiply_exactly
from skdistill.text._ragged import Ragged

# exp(x), and a sum of many such terms, is finite in float32.
_SAFE_EXPONENT = 60


def by_place(embedding: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Compute a convolution's look-up tables, with a row of zeros for positions outside the text.

    Parameters
    ----------
    embedding : ndarray of shape (n_features, width)
    kernel : ndarray of shape (n_outputs, size, width)

    Returns
    -------
    ndarray of shape (size, n_features + 1, n_outputs)
    """
    tables = [multiply_exactly(embedding, kernel[:, place].T) for place in range(kernel.shape[1])]
    return np.pad(np.stack(tables), ((0, 0), (0, 1), (0, 0)))


def convolve(tables: np.ndarray, ids: Ragged) -> np.ndarray:
    """Sum the table entries of the features in each position's window.

    Parameters
    ----------
    tables : ndarray of shape (size, n_features + 1, n_outputs)
    ids : Ragged

    Returns
    -------
    ndarray of shape (n_values, n_outputs)
    """
    size, beyond_text = len(tables), tables.shape[1] - 1
    padded, positions = pad_between(ids, size, beyond_text)
    n_centres = len(padded) - size
    total = np.zeros((n_centres, tables.shape[2]), dtype=np.float32)
    for place, table in enumerate(tables):
        total += table[padded[place : place + n_centres]]
    return total[positions - size // 2]


def pad_between(ids: Ragged, size: int, filler: int) -> tuple[np.ndarray, np.ndarray]:
    """Pad non-empty texts so that no window of the given size overlaps two of them.

    Returns
    -------
    padded : ndarray of int64
        The ids, with `filler` before, between and after the texts.
    positions : ndarray of shape (n_values,)
        The positions of the ids in `padded`.
    """
    gap = size // 2
    # A cumulative sum, because `repeat` holds the GIL.
    positions = np.ones(len(ids.values), dtype=np.int64)
    positions[ids.offsets[:-1]] += gap
    positions[0] -= 1
    np.cumsum(positions, out=positions)
    padded = np.full(len(ids.values) + gap * (len(ids) + 1) + 1, filler)
    padded[positions] = ids.values
    return padded, positions


def window_table(embedding: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Compute what each feature adds to an attention score, by its place in the window.

    Parameters
    ----------
    embedding : ndarray of shape (n_features, width)
    window : ndarray of shape (size, width)
        A vector for each place. `size` is odd.

    Returns
    -------
    ndarray of shape (size, n_features)
    """
    return multiply_exactly(embedding, window.T).T


def are_small(scalars: np.ndarray) -> bool:
    """Return whether no sum over a window is too large for its exponential."""
    return float(np.abs(scalars).max(axis=1).sum()) < _SAFE_EXPONENT


class WindowScores:
    """Attention scores that depend on a window around each position.

    A score is the sum of one table entry for each feature in the window, which depends on the
    feature and its place. Two consecutive places share a look-up: their scalars are the real and
    imaginary parts of one complex number.

    Parameters
    ----------
    scalars : ndarray of shape (size, n_features)
        The result of `window_table`.
    """

    def __init__(self, scalars: np.ndarray):
        self.size, self.beyond_text = scalars.shape
        self.pairs = np.zeros(((self.size + 1) // 2, self.beyond_text + 1), dtype=np.complex64)
        self.pairs.real[:, :-1] = scalars[::2]
        self.pairs.imag[: self.size // 2, :-1] = scalars[1::2]
        self.are_small = are_small(scalars)

    def exponentials(self, ids: Ragged) -> np.ndarray:
        """Compute the exponentials of the scores, up to a factor per text.

        Parameters
        ----------
        ids : Ragged
            No row may be empty.

        Returns
        -------
        ndarray of shape (n_values,), dtype float32
        """
        padded, positions = pad_between(ids, self.size, self.beyond_text)
        n_centres = len(padded) - self.size
        total = np.zeros(n_centres + 1, dtype=np.complex64)
        looked_up = np.empty_like(total)
        for pair, table in enumerate(self.pairs):
            seen = padded[2 * pair : 2 * pair + n_centres + 1]
            # No index is out of bounds; "clip" avoids a copy.
            total += np.take(table, seen, out=looked_up, mode="clip")
        scores = (total.real[:-1] + total.imag[1:])[positions - self.size // 2]
        if not self.are_small:
            tops = np.maximum.reduceat(scores, ids.offsets[:-1])
            scores -= np.repeat(tops, ids.lengths)
        return np.exp(scores, out=scores)

    def exponentials_of_one(self, ids: np.ndarray) -> np.ndarray:
        """Compute the same for one text, in the same order and with as few calls as possible."""
        gap = [self.beyond_text] * (self.size // 2)
        looked_up = self.pairs.take([*gap, *ids.tolist(), *gap, self.beyond_text], axis=1)
        n_pairs, n_seen = looked_up.shape
        # The first axis holds the look-ups of the pairs of places in one window.
        shape, strides = (n_pairs, len(ids) + 1), (8 * n_seen + 16, 8)
        total = np.add.reduce(np.ndarray(shape, np.complex64, looked_up, strides=strides))
        scores = total.real[:-1] + total.imag[1:]
        if not self.are_small:
            scores -= scores.max()
        return np.exp(scores)


def add_convolution(
    graph: Graph, channels_first: str, kernel: np.ndarray, bias: np.ndarray | None = None
) -> str:
    """Add an ONNX node for a kernel of shape (n_outputs, size, width) and return its output's name.

    An even kernel reaches one place further to the left than to the right.
    """
    size = kernel.shape[1]
    pads = [size // 2, (size - 1) // 2]
    node: str = graph.add("Conv", channels_first, kernel.transpose(0, 2, 1), bias, pads=pads)
    return node
