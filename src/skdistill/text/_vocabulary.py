"""Convert words and n-grams to flat ids, with NumPy and the standard library only."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, pairwise, repeat
from typing import Any, Literal
from zlib import crc32

import numpy as np

from skdistill.text._character_table import CharacterTable
from skdistill.text._ragged import Ragged
from skdistill.text._streams import Texts, batches
from skdistill.text._word_table import END, WordTable, is_word_character

Analyzer = Literal["word", "char"] | Callable[[str], Iterable[str]]

UNKNOWN = 0
_DERIVED = ("ids", "codes", "_table", "_character_table")
# Characters to process at a time. The intermediate arrays fit into a processor's cache.
_CHUNK = 2**18
# For fewer texts, a dictionary is faster than vectorized operations.
_MANY = 16
_ASCII_MARKS = [
    mark for mark in map(chr, range(1, 128)) if not (is_word_character(mark) or mark.isspace())
]
_JOINERS = "\u200c\u200d"
# Odd 64-bit multipliers: one advances the rolling hash, the other mixes its upper bits down.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


def is_mark(character: str) -> bool:
    """Return whether a character is always a separate token."""
    if character.isascii():
        return character in _ASCII_MARKS
    return not (
        character.isalnum()
        or character.isspace()
        or character in _JOINERS
        or unicodedata.category(character).startswith("M")
    )


def split_words(text: str) -> list[str]:
    """Split a text into words and single punctuation marks.

    A word is a run of Unicode letters, digits, underscores, combining marks and zero-width
    joiners. White space and NUL separate tokens. Every other character is a separate token.

    Examples
    --------
    >>> from skdistill.text._vocabulary import split_words
    >>> split_words("don't stop: snake_case, naïve 🙂🙂")
    ['don', "'", 't', 'stop', ':', 'snake_case', ',', 'naïve', '🙂', '🙂']
    """
    return _split(text.replace(END, " "))


def _split(text: str) -> list[str]:
    """Split without a Python step per token; free-standing NULs stay as separators."""
    marks = [mark for mark in _ASCII_MARKS if mark in text]
    marks += filter(is_mark, _characters_beyond_ascii(text))
    return _set_apart(marks, text).split()


def _characters_beyond_ascii(text: str) -> list[str]:
    """Return the distinct non-ASCII characters of a text."""
    if text.isascii():
        return []
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return [chr(code) for code in np.unique(codes[codes > 127])]


def _set_apart(marks: list[str], text: str) -> str:
    """Put spaces around the given characters."""
    # With very many distinct marks, one slow pass beats many fast ones.
    if len(marks) > 100:
        return text.translate({ord(mark): f" {mark} " for mark in marks})
    for mark in marks:
        text = text.replace(mark, f" {mark} ")
    return text


def slices(texts: list[str], n_characters: int | None = None) -> Iterator[slice]:
    """Cut texts into runs that are processed one at a time.

    Parameters
    ----------
    texts : list of str
    n_characters : int or None, default=None
        Approximate number of characters per run. None chooses a size that fits into a processor's
        cache.

    Yields
    ------
    slice
        The rows of consecutive texts.
    """
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
    if not texts:
        return
    cuts = [
        0,
        *(np.flatnonzero(np.diff(ends // (n_characters or _CHUNK))) + 1).tolist(),
        len(texts),
    ]
    for start, stop in pairwise(cuts):
        yield slice(start, stop)


def _runs(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in runs from `slices`, without holding all texts in memory."""
    for batch in batches(texts):
        for rows in slices(batch):
            yield batch[rows]


class Vocabulary:
    """The features that a student knows, and the conversion of texts to their ids.

    All unknown features have id 0. The other ids are sorted by decreasing frequency.

    Parameters
    ----------
    features : list of str
        The known features, in the order of their ids, which start at 1.
    analyzer : {"word", "char"} or callable, default="word"
        ``"word"`` yields words and single punctuation marks (see `split_words`). ``"char"`` yields
        characters, with each run of white space as one space, for scripts without spaces. A
        callable maps a raw text to a list of ``str`` features.
    ngram_range : tuple (min_n, max_n), default=(1, 1)
        Lengths of the n-grams of words or characters. N-grams are ordered by position, then by
        length. Ignored if the analyzer is a callable and `hash_buckets` is 0.
    lowercase : bool, default=True
        Whether to lower-case texts first. A callable analyzer gets the original text.
    hash_buckets : int, default=0
        If positive, n-grams are hashed into this number of ids, which follow the ids of `features`
        [1]_. `features` then contains only single words, characters or the callable's features.
        N-grams that consist of unknown features only are left out.

    References
    ----------
    .. [1] Joulin et al. (2017), "Bag of Tricks for Efficient Text Classification", EACL.

    Examples
    --------
    >>> from skdistill.text._vocabulary import Vocabulary
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
        hash_buckets: int = 0,
    ):
        self.features = features
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.lowercase = lowercase
        self.hash_buckets = hash_buckets
        self._number()

    def _number(self) -> None:
        self.ids = {feature: number for number, feature in enumerate(self.features, start=1)}
        self.ids[END] = -1
        if self.hash_buckets:
            # Hash names, not ids, so that n-grams keep their buckets after pruning.
            codes = [0, *(crc32(name.encode("utf-8", "surrogatepass")) for name in self.features)]
            self.codes = np.array(codes, dtype=np.uint64)

    @classmethod
    def build(
        cls, texts: Texts, size: int, *, weights: np.ndarray | None = None, **options: Any
    ) -> "Vocabulary":
        """Build a vocabulary of the most frequent features of texts.

        Parameters
        ----------
        texts : collection of str, of length n_texts
            The texts, which need not be in memory.
        size : int
            Number of ids, including the one for unknown features but not `hash_buckets`. Ties are
            broken in alphabetical order.
        weights : ndarray of shape (n_texts,) or None, default=None
            Weight of each text; None counts each text once.
        **options
            The constructor's `analyzer`, `ngram_range`, `lowercase` and `hash_buckets`.

        Returns
        -------
        Vocabulary
        """
        draft = cls([], **options)
        counts: Counter[str] = Counter()
        for run in _runs(texts):
            counts.update(draft._flat_features(run)[0])
        del counts[END]
        if weights is not None:
            everything = cls(list(counts), **options)
            ids = everything.encode(texts)
            totals = np.bincount(
                ids.values, np.repeat(weights, ids.lengths), minlength=len(counts) + 1
            )
            counts = Counter(
                dict(zip(everything.features, totals[1 : len(counts) + 1], strict=True))
            )
            counts = +counts
        ranked = sorted(counts, key=lambda feature: (-counts[feature], feature))
        return cls(ranked[: size - 1], **options)

    def select(self, ids: np.ndarray) -> "Vocabulary":
        """Return a vocabulary of the given ids only, in their order.

        Parameters
        ----------
        ids : ndarray of int
            Ids of listed features, from 1 to ``len(features)``.

        Returns
        -------
        Vocabulary
        """
        return Vocabulary(
            [self.features[i - 1] for i in ids],
            analyzer=self.analyzer,
            ngram_range=self.ngram_range,
            lowercase=self.lowercase,
            hash_buckets=self.hash_buckets,
        )

    def __len__(self) -> int:
        return len(self.features) + 1 + self.hash_buckets

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _DERIVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._number()

    def encode(self, texts: Iterable[str]) -> Ragged:
        """Convert texts to ids.

        Parameters
        ----------
        texts : iterable of str, of length n_texts

        Returns
        -------
        Ragged of int32, with n_texts rows
        """
        runs = [*map(self.encode_run, _runs(texts))]
        return runs[0] if len(runs) == 1 else Ragged.concatenate(runs)

    def encode_run(self, texts: list[str]) -> Ragged:
        """Convert the texts of one run from `slices` to ids."""
        ids = self._encode_listed(texts)
        return self._with_hashed_ngrams(ids) if self.hash_buckets else ids

    def encode_one(self, text: str) -> np.ndarray:
        """Convert one text to ids, with as few calls as possible."""
        if not self.is_of_words:
            return self.encode_run([text]).values
        words = split_words(text.lower() if self.lowercase else text)
        return np.array([*map(self.ids.get, words, repeat(UNKNOWN))], dtype=np.int32)

    def _with_hashed_ngrams(self, ids: Ragged) -> Ragged:
        """Insert after each feature the hashed n-grams that start with it, shortest first."""
        n_listed = len(self.features) + 1
        last = np.repeat(ids.offsets[1:], ids.lengths) - 1
        starts = np.arange(len(ids.values))
        codes = hashes = self.codes[ids.values]
        known = ids.values != UNKNOWN
        values, positions = [ids.values], [starts]
        for length in range(2, self.ngram_range[1] + 1):
            inside = starts + length - 1 <= last[starts]
            starts, hashes, known = starts[inside], hashes[inside], known[inside]
            added = starts + length - 1
            hashes = (hashes + np.uint64(1)) * _STEP + codes[added]
            known = known | (ids.values[added] != UNKNOWN)
            mixed = (hashes ^ (hashes >> np.uint64(32))) * _MIX
            buckets = (mixed >> np.uint64(32)) % np.uint64(self.hash_buckets)
            values.append((n_listed + buckets[known].astype(np.int64)).astype(np.int32))
            positions.append(starts[known])
        where = np.concatenate(positions)
        rows = np.repeat(np.arange(len(ids)), ids.lengths)[where]
        return Ragged.from_lengths(
            np.concatenate(values)[np.argsort(where, kind="stable")],
            np.bincount(rows, minlength=len(ids)),
        )

    @cached_property
    def _table(self) -> WordTable:
        words = {word: number for word, number in self.ids.items() if number > UNKNOWN}
        return WordTable(words, lowercase=self.lowercase)

    @cached_property
    def _character_table(self) -> CharacterTable:
        return CharacterTable({c: number for c, number in self.ids.items() if number > UNKNOWN})

    def _encode_listed(self, texts: list[str]) -> Ragged:
        if len(texts) >= _MANY and self._is_of_characters:
            return self._character_table.encode(texts, lowercase=self.lowercase)
        if len(texts) >= _MANY and self._is_of_words:
            rows = self._table.encode(self._as_bytes(texts))
            if len(rows) == len(texts):
                return rows
            return self._table.encode(self._as_bytes([text.replace(END, " ") for text in texts]))
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
        """Return the features of all texts, and the texts' lengths unless separators mark them."""
        if self._is_of_words:
            return self._words_of_all(texts), None
        rows = [self._features_of_one(text) for text in texts]
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        return list(chain.from_iterable(rows)), lengths

    def _words_of_all(self, texts: list[str]) -> list[str]:
        joined = f" {END} ".join(texts)
        if joined.count(END) != len(texts) - 1:
            joined = f" {END} ".join([text.replace(END, " ") for text in texts])
        return _split(joined.lower() if self.lowercase else joined)

    def _as_bytes(self, texts: list[str]) -> bytes:
        """Encode texts for a `WordTable`."""
        joined = END.join([*texts, ""])
        if joined.isascii():
            return joined.encode("ascii")
        if self.lowercase:
            joined = joined.lower()
        others = _characters_beyond_ascii(joined)
        for space in filter(str.isspace, others):
            joined = joined.replace(space, " ")
        return _set_apart([*filter(is_mark, others)], joined).encode("utf-8", "surrogatepass")

    def _features_of_one(self, text: str) -> list[str]:
        if callable(self.analyzer):
            return list(self.analyzer(text))
        if self.lowercase:
            text = text.lower()
        if self.analyzer == "word":
            return list(_ngrams(split_words(text), *self._listed_range, " ".join))
        characters = " ".join(text.replace(END, " ").split())
        if self._is_of_characters:
            return list(characters)
        return list(_ngrams(characters, *self._listed_range, str))

    @property
    def is_of_words(self) -> bool:
        """Whether all features are single words."""
        return self._is_of_words and not self.hash_buckets

    @property
    def _is_of_words(self) -> bool:
        return self.analyzer == "word" and self._listed_range == (1, 1)

    @property
    def _is_of_characters(self) -> bool:
        return self.analyzer == "char" and self._listed_range == (1, 1)

    @property
    def _listed_range(self) -> tuple[int, int]:
        return (1, 1) if self.hash_buckets else self.ngram_range


def _ngrams(
    units: Sequence[str], min_n: int, max_n: int, make: Callable[..., str]
) -> Iterator[str]:
    for start in range(len(units)):
        for end in range(start + min_n, min(start + max_n, len(units)) + 1):
            yield make(units[start:end])
