"""Predict with the C extension `_native`, where it is installed and knows the network.

The variable ``SKDISTILL_NATIVE`` chooses: ``0`` never uses the extension, ``1`` demands it, and
``auto``, the default, takes NumPy where the extension is not installed.
"""

import os
import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from skdistill.text._characters import word_kind
from skdistill.text._ragged import Ragged
from skdistill.text._streams import Texts, batches
from skdistill.text._vocabulary import Vocabulary

# What the extension returns, by the method of a network, and the order of its poolings and steps.
_ANSWERS = {"decision_function": 0, "predict_proba": 1, "predict": 2}
_POOLINGS = {"mean": 0, "max": 1, "attention": 2}
_LAYER = 3
_PAGE = 256
# Floats of a row are filled up to a whole cache line, and tables start at one.
_LINE = 16
# A thread takes at least this number of texts at a time, and several times.
_LEAST_TEXTS = 1024
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
    return _find(os.environ.get("SKDISTILL_NATIVE", "auto"))


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
            warnings.warn(
                f"The C extension of skdistill does not load, so NumPy predicts: {error}. "
                "Reinstall skdistill, or set SKDISTILL_NATIVE=0 to hide this warning.",
                RuntimeWarning,
                stacklevel=2,
            )
        return None


def _kinds_of(first: int) -> bytes:
    """Return the kinds of 256 characters as the extension numbers them."""
    return bytes(1 + word_kind(chr(code)) for code in range(first, first + _PAGE))


def make_words(vocabulary: Vocabulary) -> Any:
    """Return an object of the extension that looks words up, or None if NumPy does it."""
    native = find_native()
    if native is None or not vocabulary.is_of_words:
        return None
    seed = int.from_bytes(os.urandom(8), "little")
    try:
        return native.Kernel(vocabulary.features, vocabulary.lowercase, seed, _kinds_of)
    except ValueError:  # no hash function spreads these words
        return None


def encode(vocabulary: Vocabulary, texts: Texts) -> Ragged:
    """Convert texts to ids as `Vocabulary.encode` does."""
    words = make_words(vocabulary)
    if words is None:
        return vocabulary.encode(texts)
    return Ragged.concatenate([encode_list(words, batch) for batch in batches(texts)])


def encode_list(words: Any, texts: list[str]) -> Ragged:
    """Convert texts to ids with the result of `make_words`."""
    lengths = np.empty(len(texts), dtype=np.int64)
    values = np.frombuffer(words.encode(texts, lengths), dtype=np.int32)
    return Ragged.from_lengths(values, lengths)


class Kernel:
    """An MLP in the extension: from texts to answers in one pass, without the GIL.

    Parameters
    ----------
    native : object
        The result of `make_words`.
    window : ndarray of shape (size, n_features) or None
        What each feature adds to the attention score of a word, by its place around that word.
    may_overflow : bool
        Whether exponentials of scores may be too large for float32.
    poolings : list of (name, table, matrix or None)
        The tables to pool, and the matrices to multiply by.
    layers : list of (matrix, bias)
        The layers. The first one's matrix is part of the poolings.
    log_prior : ndarray of shape (n_classes,)
    multilabel : bool
    """

    def __init__(
        self,
        native: Any,
        window: np.ndarray | None,
        may_overflow: bool,
        poolings: list[tuple[str, np.ndarray, np.ndarray | None]],
        layers: list[tuple[np.ndarray, np.ndarray]],
        log_prior: np.ndarray,
        multilabel: bool,
    ) -> None:
        # The extension adds up a word's scalars from the other side.
        parts = [] if window is None else [window[::-1].T]
        parts += [table for _, table, _ in poolings]
        edges = np.cumsum([0, *(_padded(part.shape[1]) for part in parts)]).tolist()
        table = _aligned(len(parts[0]) + 1, _padded(edges[-1], _LINE))
        for (start, stop), part in zip(pairwise(edges), parts, strict=True):
            table[:-1, start : min(stop, start + part.shape[1])] = part
        numbers = [_filled(layers[0][1][None]), _filled(log_prior[None])]
        n_hidden = numbers[0].size
        steps = []

        def add(array: np.ndarray) -> int:
            numbers.append(_filled(array))
            return sum(part.size for part in numbers[:-1])

        for (how, pooled, matrix), column in zip(
            poolings, edges[-1 - len(poolings) :], strict=False
        ):
            place = -1 if matrix is None else add(matrix)
            steps.append(
                [
                    _POOLINGS[how],
                    column,
                    _padded(pooled.shape[1]),
                    pooled.shape[1],
                    n_hidden,
                    place,
                    -1,
                ]
            )
        for matrix, bias in layers[1:]:
            n_outputs = _padded(matrix.shape[1])
            steps.append([_LAYER, 0, 0, len(matrix), n_outputs, add(matrix), add(bias[None])])
        native.set_network(
            table,
            0 if window is None else len(window),
            may_overflow,
            np.array(steps, dtype=np.int64),
            np.concatenate([part.ravel() for part in numbers]),
            n_hidden,
            len(log_prior),
            multilabel,
        )
        self._predict = native.predict
        self._n_classes = len(log_prior)
        self._multilabel = multilabel

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
        if wanted < 2:
            out = np.empty((n_texts, self._n_classes), np.float32)
        elif self._multilabel:
            out = np.empty((n_texts, self._n_classes), np.int64)
        else:
            out = np.empty(n_texts, np.int64)
        if n_jobs in (None, 1) or n_texts < 2 * _LEAST_TEXTS:
            self._predict(texts, 0, n_texts, out, wanted)
        else:
            _in_threads(self._predict, texts, out, wanted, n_jobs)
        return out


def _in_threads(
    predict: Callable[..., None], texts: list[str], out: np.ndarray, wanted: int, n_jobs: int | None
) -> None:
    from joblib import Parallel, delayed, effective_n_jobs

    n_pieces = _PIECES_A_THREAD * effective_n_jobs(n_jobs)
    n_pieces = max(1, min(n_pieces, len(texts) // _LEAST_TEXTS))
    edges = np.linspace(0, len(texts), n_pieces + 1).astype(int).tolist()
    work = (delayed(predict)(texts, *rows, out, wanted) for rows in pairwise(edges))
    Parallel(n_jobs=n_jobs, require="sharedmem")(work)


def _padded(width: int, unit: int = 4) -> int:
    return -(-width // unit) * unit


def _filled(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix with columns of zeros up to a multiple of 4."""
    return np.pad(matrix, ((0, 0), (0, _padded(matrix.shape[1]) - matrix.shape[1])))


def _aligned(n_rows: int, n_columns: int) -> np.ndarray:
    """Return a matrix of zeros that starts at a cache line."""
    memory = np.zeros(n_rows * n_columns + _LINE, dtype=np.float32)
    start = -memory.ctypes.data // memory.itemsize % _LINE
    return memory[start : start + n_rows * n_columns].reshape(n_rows, n_columns)
