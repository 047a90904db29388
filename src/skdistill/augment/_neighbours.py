"""Replace words by nearest neighbours in the token embeddings of a transformer."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from skdistill.teachers.huggingface._inference import mean_token_vectors, whole_words
from skdistill.teachers.huggingface._loading import load_token_embeddings, quiet
from skdistill.text._units import Units

# The number of neighbours that a replacement is drawn from.
N_NEIGHBOURS = 15
# The number of words to search neighbours for at a time. A word takes 16 bytes for each word that
# could be its neighbour.
CHUNK = 250


class NeighbourWords:
    """Draws replacements from the nearest neighbours of words.

    Parameters
    ----------
    source : str, path-like or transformer teacher
        The `word_vectors` of a `TextAugmenter`.
    analyzer : {"word", "char"}

    Raises
    ------
    ValueError
        If there are fewer than two words to draw.
    """

    def __init__(self, source: Any, analyzer: str):
        words, self._vectors_of = _read(source, analyzer)
        self._words = np.array(words, dtype=object)
        self._spellings: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            self._spellings.setdefault(word.lower(), []).append(place)
        if len(self._spellings) < 2:
            raise ValueError(
                f"word_vectors={source!r:.200} has fewer than two whole words to choose from."
            )
        self._n_near = min(N_NEIGHBOURS, len(words) - max(map(len, self._spellings.values())))
        vectors = self._vectors_of(words)
        # Subtracted because all embeddings share one large component, which hides differences.
        self._centre = vectors.mean(axis=0)
        self._vectors = unit_vectors(vectors - self._centre)
        self._near: dict[str, np.ndarray] = {}

    def read(self, units: Units) -> np.ndarray:
        """Find the neighbours of all words and return which units can be replaced."""
        lower = [word.lower() for word in units.core]
        words = [word for word in dict.fromkeys(lower) if any(map(str.isalnum, word))]
        new = [word for word in words if word not in self._near]
        if new:
            self._find(new, self._vectors_of(new))
        nothing = np.zeros(self._n_near, dtype=np.int64)
        self._ids = units.ids.values
        self._choices = np.array([self._near.get(word, nothing) for word in lower])
        return np.array([word in self._near for word in lower], dtype=bool)[self._ids]

    def _find(self, words: Sequence[str], vectors: np.ndarray) -> None:
        n_near, known = self._n_near, np.any(vectors, axis=1).tolist()
        directions = unit_vectors(vectors - self._centre)
        for start in range(0, len(words), CHUNK):
            chunk = slice(start, start + CHUNK)
            # In one thread: with several, the last digits vary, and with them the neighbours.
            with threadpool_limits(limits=1):
                similarity = directions[chunk] @ self._vectors.T
            for row, word in enumerate(words[chunk]):
                similarity[row, self._spellings.get(word, [])] = -np.inf
            # Sorted, because their order depends on last digits, which differ between processors.
            # This also copies them; a view would keep a number for each word of the vocabulary.
            nearest = np.sort(np.argpartition(-similarity, n_near - 1, axis=1)[:, :n_near], axis=1)
            self._near |= {
                word: row
                for word, row, is_known in zip(words[chunk], nearest, known[chunk], strict=True)
                if is_known
            }

    def draw(self, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a replacement for the unit at each position."""
        units = self._ids[positions]
        return self._words[self._choices[units, rng.integers(0, self._n_near, len(units))]]


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Scale each nonzero vector to length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(vectors.dtype).tiny)


def _read(source: Any, analyzer: str) -> tuple[list[str], Callable[[list[str]], np.ndarray]]:
    """Return the words that can be drawn, and the function that computes vectors of words."""
    if hasattr(source, "known_words"):
        words = source.known_words()
        one_character = analyzer == "char"
        return [word for word in words if len(word) == 1 or not one_character], source.word_vectors
    with quiet():
        table, tokenizer = load_token_embeddings(os.fspath(source))
    drawable = dict.fromkeys(whole_words(tokenizer, analyzer).values())
    return [*drawable], partial(mean_token_vectors, tokenizer, table)
