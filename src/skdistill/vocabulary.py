"""Words and n-grams of texts as flat ids: NumPy and the standard library only."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice, repeat
from typing import Literal

import numpy as np

from skdistill.ragged import Ragged

Analyzer = Literal["word", "char"] | Callable[[str], list[str]]

UNKNOWN = 0
_SEPARATOR = "\0"
_CHUNK = 2048
_ASCII_MARKS = [c for c in map(chr, range(1, 128)) if not (c.isalnum() or c == "_" or c.isspace())]
_JOINERS = "\u200c\u200d"


def _is_mark(character: str) -> bool:
    """Tell whether a non-ASCII character stands as a token of its own."""
    return not (
        character.isalnum()
        or character.isspace()
        or character in _JOINERS
        or unicodedata.category(character).startswith("M")
    )


def split_words(text: str) -> list[str]:
    """Split a text into words and single punctuation marks.

    A word is a run of Unicode letters, digits, underscores, combining marks and zero-width
    joiners; every other character that is not white space (or NUL) is a token of its own.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str

    Examples
    --------
    >>> from skdistill.vocabulary import split_words
    >>> split_words("don't stop: snake_case, naïve 🙂🙂")
    ['don', "'", 't', 'stop', ':', 'snake_case', ',', 'naïve', '🙂', '🙂']
    """
    return _split(text.replace(_SEPARATOR, " "))


def _split(text: str) -> list[str]:
    """Split without a Python step a token, leaving separators that stand free."""
    marks = [mark for mark in _ASCII_MARKS if mark in text]
    if not text.isascii():
        marks += [c for c in set(text) if c > "\x7f" and _is_mark(c)]
    # Above some dozens of different marks one slow pass beats many fast ones.
    if len(marks) > 100:
        text = text.translate({ord(mark): f" {mark} " for mark in marks})
    else:
        for mark in marks:
            text = text.replace(mark, f" {mark} ")
    return text.split()


class Vocabulary:
    """The features a student knows, and the translation of texts into their ids.

    Id 0 stands for every unknown feature; ids follow falling frequency.

    Parameters
    ----------
    features : list of str
        The known features, in the order of their ids, which start at 1.
    analyzer : {"word", "char"} or callable, default="word"
        ``"word"``: words and single punctuation marks (see `split_words`). ``"char"``: characters,
        with runs of white space as one blank, for scripts that write no spaces. A callable maps a
        raw text to a list of ``str`` features.
    ngram_range : tuple (min_n, max_n), default=(1, 1)
        Lengths of the n-grams of words or characters, ordered by position, then by length. A
        callable analyzer makes its own.
    lowercase : bool, default=True
        Whether texts are lower-cased first. A callable analyzer sees the text as it is.

    Examples
    --------
    >>> from skdistill.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.build(["a rose is a rose.", "a daisy"], size=4)
    >>> vocabulary.features
    ['a', 'rose', '.']
    >>> vocabulary.encode(["A rose!", ""])
    Ragged(values=array([1, 2, 0], dtype=int32), offsets=array([0, 3, 3]))
    """

    def __init__(
        self,
        features: list[str],
        *,
        analyzer: Analyzer = "word",
        ngram_range: tuple[int, int] = (1, 1),
        lowercase: bool = True,
    ):
        self.features = features
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.lowercase = lowercase
        self._number()

    def _number(self) -> None:
        self.ids = {feature: number for number, feature in enumerate(self.features, start=1)}
        self.ids[_SEPARATOR] = -1

    @classmethod
    def build(cls, texts: list[str], size: int, **options) -> "Vocabulary":
        """Take the most frequent features of some texts.

        Parameters
        ----------
        texts : list of str
        size : int
            Number of ids, with the one for unknown features; equally frequent features are taken
            in alphabetical order.
        **options
            The constructor's `analyzer`, `ngram_range` and `lowercase`.

        Returns
        -------
        Vocabulary
        """
        draft = cls([], **options)
        counts: Counter[str] = Counter()
        for chunk in _chunks(texts):
            counts.update(draft._flat_features(chunk)[0])
        del counts[_SEPARATOR]
        ranked = sorted(counts, key=lambda feature: (-counts[feature], feature))
        return cls(ranked[: size - 1], **options)

    def __len__(self) -> int:
        return len(self.features) + 1

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "ids"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._number()

    def encode(self, texts: list[str]) -> Ragged:
        """Translate texts into ids.

        Parameters
        ----------
        texts : list of str, of length n_texts

        Returns
        -------
        Ragged of int32, with n_texts rows
        """
        chunks = [self._encode_chunk(chunk) for chunk in _chunks(texts)]
        if len(chunks) == 1:
            return chunks[0]
        return Ragged.concatenate(chunks or [Ragged(np.empty(0, np.int32), np.zeros(1, np.int64))])

    def _encode_chunk(self, texts: list[str]) -> Ragged:
        features, lengths = self._flat_features(texts)
        ids = np.fromiter(
            map(self.ids.get, features, repeat(UNKNOWN)), dtype=np.int32, count=len(features)
        )
        if lengths is not None:
            return Ragged.from_lengths(np.maximum(ids, UNKNOWN), lengths)
        ends = np.flatnonzero(ids < 0)
        offsets = np.concatenate(([0], ends - np.arange(len(ends)), [len(ids) - len(ends)]))
        return Ragged(ids[ids >= 0], offsets)

    def _flat_features(self, texts: list[str]) -> tuple[list[str], np.ndarray | None]:
        """List the features of all texts, and the texts' lengths unless separators tell them."""
        if self.analyzer == "word" and self.ngram_range == (1, 1):
            return self._words_of_all(texts), None
        rows = [self._features_of_one(text) for text in texts]
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        return list(chain.from_iterable(rows)), lengths

    def _words_of_all(self, texts: list[str]) -> list[str]:
        joined = f" {_SEPARATOR} ".join(texts)
        if joined.count(_SEPARATOR) != len(texts) - 1:
            joined = f" {_SEPARATOR} ".join([text.replace(_SEPARATOR, " ") for text in texts])
        return _split(joined.lower() if self.lowercase else joined)

    def _features_of_one(self, text: str) -> list[str]:
        if callable(self.analyzer):
            return self.analyzer(text)
        if self.lowercase:
            text = text.lower()
        if self.analyzer == "word":
            return list(_ngrams(split_words(text), *self.ngram_range, " ".join))
        characters = " ".join(text.replace(_SEPARATOR, " ").split())
        return list(_ngrams(characters, *self.ngram_range, str))


def _ngrams(units, min_n: int, max_n: int, make: Callable) -> Iterator[str]:
    for start in range(len(units)):
        for end in range(start + min_n, min(start + max_n, len(units)) + 1):
            yield make(units[start:end])


def _chunks(texts: list[str]) -> Iterator[list[str]]:
    rows = iter(texts)
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk
