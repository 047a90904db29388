"""Predict with the C extension `_native`, where it is installed and knows the network.

The variable ``SKDISTILL_NATIVE`` chooses: ``0`` never uses the extension, ``1`` demands it, and
``auto``, the default, takes NumPy where the extension is not installed.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from skdistill._core.exceptions import warn
from skdistill.runtime._products import RowProduct
from skdistill.text._characters import word_kind
from skdistill.text._ragged import Ragged
from skdistill.text._streams import Texts, batches
from skdistill.text._vocabulary import Vocabulary

# What the extension returns, by the method of a network, and the order of its poolings and steps.
_ANSWERS = {"decision_function": 0, "predict_proba": 1, "predict": 2}
# As objects, because finding the dtype of a type takes longer than allocating a small array.
_INT64, _FLOAT32 = np.dtype(np.int64), np.dtype(np.float32)
_POOLINGS = {"mean": 0, "max": 1, "attention": 2}
_LAYER = 3
# The kinds of characters that texts have contained: see `_native.h`.
_KINDS = np.zeros(0x110000, dtype=np.uint8)
_PAGE = 256
# Bytes behind the words that may be read.
_SPARE = 64
# Floats of a row are filled up to a whole cache line, and tables start at one.
_LINE = 16
# A thread takes at least this number of texts at a time, and several times.
_LEAST_TEXTS = 4096
_PIECES_A_THREAD = 4


def find_native() -> Any:
    """Return the extension, or None if NumPy serves.

    Raises
    ------
    ImportError
        If ``SKDISTILL_NATIVE`` is 1 and the extension is missing or does not load.

    Warns
    -----
    RuntimeWarning
        If the extension is installed, but does not load.
    """
    return _find(_wish())


def _wish() -> str:
    return os.environ.get("SKDISTILL_NATIVE", "auto")


@lru_cache
def _find(wish: str) -> Any:
    if wish not in ("auto", "0", "1"):
        raise ValueError(f"SKDISTILL_NATIVE={wish!r} must be auto, 0 or 1.")
    name = "skdistill.runtime._native"
    try:
        return None if wish == "0" else import_module(name)
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError) and error.name == name
        if wish == "1" and is_missing:
            raise ImportError(
                "SKDISTILL_NATIVE=1 demands the C extension of skdistill, which is not installed. "
                "Reinstall skdistill where there is a C compiler, with SKDISTILL_BUILD_NATIVE=1 to "
                "see what is missing, or set SKDISTILL_NATIVE=0 to predict with NumPy."
            ) from None
        if wish == "1":
            raise
        if not is_missing:
            warn(
                f"The C extension of skdistill does not load, so NumPy predicts: {error}. "
                "Reinstall skdistill, or set SKDISTILL_NATIVE=0 to hide this warning.",
                RuntimeWarning,
            )
        return None


def _learn(code: int) -> None:
    """Fill in the kinds of 256 characters, of which one has a given code."""
    first = code - code % _PAGE
    # 0 is for characters that were never asked for.
    _KINDS[first : first + _PAGE] = [1 + word_kind(chr(first + i)) for i in range(_PAGE)]


def make_words(vocabulary: Vocabulary) -> Any:
    """Return an object of the extension that looks words up, or None if NumPy does it."""
    native = find_native()
    if native is None or not vocabulary.is_of_words:
        return None
    if not _KINDS[0]:
        _learn(0)
    joined = "".join(vocabulary.features).encode("utf-8", "surrogatepass") + bytes(_SPARE)
    starts = _word_starts(joined, vocabulary.features)
    if starts[-1] >= 2**32:
        return None
    seed = int.from_bytes(os.urandom(8), "little")
    try:
        return native.Kernel(
            joined,
            starts.astype(np.uint32),
            vocabulary.lowercase,
            seed,
            _KINDS,
            _learn,
        )
    except ValueError:  # no hash function spreads these words
        if _wish() == "1":
            raise
        return None


def _word_starts(joined: bytes, words: list[str]) -> np.ndarray:
    """Return the byte at which each of the joined words begins, and the one behind the last."""
    n_before = np.fromiter(accumulate(map(len, words), initial=0), np.int64, len(words) + 1)
    # All but the first byte of a character begin with the bits 10. The spare bytes do not.
    characters = np.flatnonzero(np.frombuffer(joined, dtype=np.uint8) & 0xC0 != 0x80)
    return characters[n_before]


def encode(vocabulary: Vocabulary, texts: Texts) -> Ragged:
    """Convert texts to ids as `Vocabulary.encode` does."""
    words = make_words(vocabulary)
    if words is None:
        return vocabulary.encode(texts)
    return Ragged.concatenate([encode_list(words, batch) for batch in batches(texts)])


def encode_list(words: Any, texts: list[str]) -> Ragged:
    """Convert texts to ids with the result of `make_words`."""
    lengths = np.empty(len(texts), dtype=np.int64)
    # A character is a token at most, also the two that lower-casing makes of a dotted capital I.
    ids = np.empty(sum(map(len, texts)), dtype=np.int32)
    n_ids = words.encode(texts, lengths, ids)
    return Ragged.from_lengths(ids[:n_ids].copy(), lengths)


class Pooling(NamedTuple):
    """How to pool a table's rows, or the outputs of a convolution."""

    how: str
    # The number of the table, its columns or the convolution's filters, and the matrix that they
    # are multiplied by, if there is one.
    table: int
    width: int
    matrix: np.ndarray | None
    # Of a convolution: the table has `n_places` times `width` columns, padded to a multiple of 4.
    n_places: int = 0
    bias: np.ndarray | None = None


class Kernel:
    """An MLP or CNN in the extension: from texts to answers in one pass, without the GIL.

    Parameters
    ----------
    words : object
        The result of `make_words`, which becomes part of the kernel.
    window : ndarray of shape (size, n_features) or None
        What each feature adds to an attention score, by its place in the window.
    may_overflow : bool
        Whether the exponential of a score may be too large for float32.
    tables : list of ndarray of shape (n_features, width)
    poolings : list of Pooling
    layers : list of (RowProduct, bias)
        The layers. The first one's product is part of the poolings.
    log_prior : ndarray of shape (n_classes,)
    multilabel : bool
    """

    def __init__(
        self,
        words: Any,
        window: np.ndarray | None,
        may_overflow: bool,
        tables: list[np.ndarray],
        poolings: list[Pooling],
        layers: list[tuple[RowProduct, np.ndarray]],
        log_prior: np.ndarray,
        multilabel: bool,
    ) -> None:
        self._n_classes = len(log_prior)
        self._multilabel = multilabel
        # A word adds its scalars to the places around it, so they come from the other side.
        windows = [] if window is None else [window[::-1].T]
        table, columns = _side_by_side([*windows, *tables])
        numbers = _Numbers()
        # The extension expects these two first.
        numbers.add(layers[0][1])
        n_hidden = numbers.size
        numbers.add(log_prior)
        # See `Step` in `_native.h`.
        steps = []
        for how, table_number, width, matrix, n_places, bias in poolings:
            column = columns[len(windows) + table_number]
            starts = [-1 if array is None else numbers.add(array) for array in (matrix, bias)]
            steps.append(
                [_POOLINGS[how], column, padded(width), width, n_hidden, *starts, n_places]
            )
        for product, bias in layers[1:]:
            n_inputs, n_outputs = product.matrix.shape
            starts = [numbers.add(product.matrix), numbers.add(bias)]
            steps.append([_LAYER, 0, 0, n_inputs, padded(n_outputs), *starts, 0])
        words.set_network(
            table,
            0 if window is None else len(window),
            may_overflow,
            np.array(steps, dtype=np.int64),
            np.concatenate(numbers.parts),
            n_hidden,
            self._n_classes,
            multilabel,
        )
        self._predict = words.predict

    def answer(self, method: str, texts: list[str], n_jobs: int | None = None) -> np.ndarray:
        """Return what a network's method returns.

        Parameters
        ----------
        method : {"decision_function", "predict_proba", "predict"}
        texts : list of str, of length n_texts
        n_jobs : int or None, default=None
            Number of threads. Each fills in its own rows of one array.

        Returns
        -------
        ndarray of shape (n_texts,) or (n_texts, n_classes)

        Raises
        ------
        TypeError
            If a text is not exactly of type ``str``.
        """
        n_texts, wanted = len(texts), _ANSWERS[method]
        out: np.ndarray
        if method == "predict":
            shape = (n_texts, self._n_classes) if self._multilabel else n_texts
            out = np.empty(shape, _INT64)
        else:
            out = np.empty((n_texts, self._n_classes), _FLOAT32)
        if n_jobs in (None, 1) or n_texts < 2 * _LEAST_TEXTS:
            self._predict(texts, 0, n_texts, out, wanted)
        else:
            _in_threads(self._predict, texts, out, wanted, n_jobs)
        return out


def _in_threads(
    predict: Callable[..., None], texts: list[str], out: np.ndarray, wanted: int, n_jobs: int | None
) -> None:
    # Imported here, because predicting single texts does not need them. joblib's own threads look
    # for results every 10 ms, in which one thread predicts 10,000 texts.
    from concurrent.futures import ThreadPoolExecutor

    from joblib import effective_n_jobs

    n_threads = effective_n_jobs(n_jobs)
    n_pieces = max(1, min(_PIECES_A_THREAD * n_threads, len(texts) // _LEAST_TEXTS))
    edges = np.linspace(0, len(texts), n_pieces + 1).astype(int).tolist()
    with ThreadPoolExecutor(n_threads) as pool:
        pieces = [pool.submit(predict, texts, *rows, out, wanted) for rows in pairwise(edges)]
        for piece in pieces:
            piece.result()


def padded(width: int, unit: int = 4) -> int:
    """Return the number of columns that a row takes, with zeros at its end."""
    return -(-width // unit) * unit


class _Numbers:
    """Matrices one behind the other, their rows filled with zeros up to a multiple of 4."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.size = 0

    def add(self, array: np.ndarray) -> int:
        """Add a matrix or a row, and return the place where it begins."""
        rows, start = np.atleast_2d(array), self.size
        n_filled = padded(rows.shape[1]) - rows.shape[1]
        self.parts.append(np.pad(rows, ((0, 0), (0, n_filled))).ravel())
        self.size += self.parts[-1].size
        return start


def _side_by_side(tables: list[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """Join tables of the same number of rows, and return the column at which each begins.

    Each begins at a multiple of 4. The result begins at a cache line, so does each row, and there
    is one more row of zeros.
    """
    edges = [0, *accumulate(padded(table.shape[1]) for table in tables)]
    shape = len(tables[0]) + 1, padded(edges[-1], _LINE)
    memory = np.zeros(shape[0] * shape[1] + _LINE, dtype=np.float32)
    start = -memory.ctypes.data // memory.itemsize % _LINE
    joined = memory[start : start + shape[0] * shape[1]].reshape(shape)
    for table, column in zip(tables, edges, strict=False):
        joined[:-1, column : column + table.shape[1]] = table
    return joined, edges[:-1]
