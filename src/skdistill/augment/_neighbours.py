"""Replace words by nearest neighbours in the token embeddings of a transformer."""

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from skdistill.teachers.huggingface._inference import mean_token_vectors
from skdistill.teachers.huggingface._loading import load_token_embeddings, quiet
from skdistill.text._units import Units

# The number of neighbours that a replacement is drawn from.
N_NEIGHBOURS = 15
# The number of words to search neighbours for at a time.
CHUNK = 1_000


class NeighbourWords:
    """Draws replacements from the nearest neighbours of words."""

    def __init__(self, name: str, analyzer: str):
        with quiet():
            self._table, self._tokenizer = load_token_embeddings(name)
        drawable = drawable_words(self._tokenizer, analyzer)
        self._words = np.array([*drawable.values()], dtype=object)
        self._spellings: dict[str, list[int]] = {}
        for place, word in enumerate(self._words):
            self._spellings.setdefault(word.lower(), []).append(place)
        if len(self._spellings) < 2:
            raise ValueError(
                f"word_vectors={name!r} has fewer than two whole words to choose from."
            )
        self._n_near = min(N_NEIGHBOURS, len(self._words) - max(map(len, self._spellings.values())))
        # Subtracted because all embeddings share one large component, which hides differences.
        self._centre = self._table[[*drawable]].mean(axis=0)
        self._vectors = unit_vectors(self._table[[*drawable]] - self._centre)
        self._near: dict[str, np.ndarray] = {}

    def read(self, units: Units) -> np.ndarray:
        """Find the neighbours of all words and return which units can be replaced."""
        lower = [word.lower() for word in units.core]
        words = [word for word in dict.fromkeys(lower) if any(map(str.isalnum, word))]
        new = [word for word in words if word not in self._near]
        for start in range(0, len(new), CHUNK):
            self._find(new[start : start + CHUNK])
        nothing = np.zeros(self._n_near, dtype=np.int64)
        self._ids = units.ids.values
        self._choices = np.array([self._near.get(word, nothing) for word in lower])
        return np.array([word in self._near for word in lower], dtype=bool)[self._ids]

    def _find(self, words: list[str]) -> None:
        vectors = mean_token_vectors(self._tokenizer, self._table, words)
        # In one thread, because the last digits, and so the neighbours, would vary with several.
        with threadpool_limits(limits=1):
            similarity = unit_vectors(vectors - self._centre) @ self._vectors.T
        for row, word in enumerate(words):
            similarity[row, self._spellings.get(word, [])] = -np.inf
        nearest = np.argpartition(-similarity, self._n_near - 1, axis=1)[:, : self._n_near]
        has_tokens = np.any(vectors, axis=1).tolist()
        self._near |= {
            word: row for word, row, known in zip(words, nearest, has_tokens, strict=True) if known
        }

    def draw(self, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a replacement for the unit at each position."""
        units = self._ids[positions]
        return self._words[self._choices[units, rng.integers(0, self._n_near, len(units))]]


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Scale each nonzero vector to length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(vectors.dtype).tiny)


def drawable_words(tokenizer: Any, analyzer: str) -> dict[int, str]:
    """Map the tokens that are whole words, or single characters, to their texts."""
    vocabulary = tokenizer.get_vocab()
    # BERT's vocabularies mark the tokens that continue a word; others mark those that begin one.
    marks_pieces = any(token.startswith("##") for token in vocabulary)
    marks_words = not marks_pieces and any(token.startswith(("Ġ", "▁")) for token in vocabulary)
    words = {}
    for token, number in sorted(vocabulary.items(), key=lambda item: item[1]):
        if token.startswith(("##", "[unused")) or number in tokenizer.all_special_ids:
            continue
        if analyzer == "word" and marks_words and not token.startswith(("Ġ", "▁")):
            continue
        word = tokenizer.convert_tokens_to_string([token]).strip()
        # Byte-level tokens may end inside a character.
        is_whole = any(map(str.isalnum, word)) and "\ufffd" not in word
        if is_whole and (analyzer == "word" or len(word) == 1):
            words[number] = word
    return words
