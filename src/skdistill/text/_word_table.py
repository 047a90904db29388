"""Convert words to ids with vectorized operations over bytes, without a Python step per word."""

from collections.abc import Iterator, Sequence

import numpy as np

from skdistill.text._ragged import Ragged

END = "\0"
_WORD_BYTES = 8
# Slots per key, and a minimum size: collisions cost more than sparse tables.
_SPARSITY = 8
_MIN_BITS = 16
# Number of hash functions to choose from for each table.
_DRAFTS = 10
_ONES = np.uint64(0x0101010101010101)
_TOPS = np.uint64(0x8080808080808080)


def is_word_character(character: str) -> bool:
    """Return whether an ASCII character is part of a word."""
    return character.isalnum() or character == "_"


def _is_mark(character: str) -> bool:
    return not (is_word_character(character) or character.isspace() or character == END)


_ASCII = [*map(chr, range(128))]
# Every non-ASCII byte is part of a word: see `WordTable.encode`.
_KEPT = bytes([ord(c) if is_word_character(c) else 0 for c in _ASCII] + [*range(128, 256)])
_MARKS = bytes([_is_mark(c) for c in _ASCII] + [False] * 128)


class WordTable:
    r"""Hash tables from words to ids.

    A word of up to 7 bytes is one integer, a word of up to 15 bytes two. These keys are hashed and
    compared with vectorized operations, so that ids are exact. Longer words are looked up one by
    one.

    Parameters
    ----------
    ids : dict of str to int
        The words' ids, all positive. Every other word has id 0.
    lowercase : bool, default=False
        Whether to lower-case ASCII letters first.

    Examples
    --------
    >>> from skdistill.text._word_table import WordTable
    >>> table = WordTable({"a": 1, "rose": 2, ".": 3}, lowercase=True)
    >>> table.encode(b"A rose is a rose.\0\0a\0")
    Ragged(values=array([1, 2, 0, 1, 2, 3, 1], dtype=int32), offsets=array([0, 6, 6, 7]))
    """

    def __init__(self, ids: dict[str, int], *, lowercase: bool = False):
        self._kept = _KEPT.lower() if lowercase else _KEPT
        self._marks = np.zeros(256, dtype=np.int64)
        words: dict[bytes, int] = {}
        for word, number in ids.items():
            if len(word) == 1 and word.isascii() and _is_mark(word):
                self._marks[ord(word)] = number
            elif END not in word:
                words[word.encode("utf-8", "surrogatepass")] = number
        by_size: list[dict[bytes, int]] = [{}, {}, {}]
        for encoded, number in words.items():
            by_size[min(len(encoded) // _WORD_BYTES, 2)][encoded] = number
        self._short, self._middle = (_HashTable(by_size[n], n + 1) for n in range(2))
        self._long = by_size[2]

    def encode(self, data: bytes) -> Ragged:
        """Split texts into words and single ASCII punctuation marks, and look up their ids.

        Parameters
        ----------
        data : bytes
            Texts in UTF-8, each followed by a NUL. Non-ASCII characters count as letters, so the
            caller must replace or set apart non-ASCII white space and punctuation.

        Returns
        -------
        Ragged of int32
        """
        n_bytes = len(data)
        # Zeros after the last text allow reading a key at every position.
        data += bytes(3 * _WORD_BYTES - n_bytes % _WORD_BYTES)
        words = data.translate(self._kept)
        raw = np.frombuffer(data, dtype=np.uint8)
        in_word = np.frombuffer(words, dtype=np.uint8) != 0
        is_end = raw == 0
        is_first = np.empty_like(in_word)
        is_first[0] = in_word[0]
        np.greater(in_word[1:], in_word[:-1], out=is_first[1:])
        n_blank = np.count_nonzero(raw == ord(" ")) + np.count_nonzero(is_end)
        has_marks = n_blank + np.count_nonzero(in_word) < len(raw)
        if has_marks:
            is_first |= np.frombuffer(data.translate(_MARKS), dtype=np.bool_)
        starts = np.flatnonzero(is_first)
        ids = self._look_up(words, starts)
        if has_marks:
            marks = np.flatnonzero(~in_word[starts])
            ids[marks] = self._marks[raw[starts[marks]]]
        offsets = np.zeros(np.count_nonzero(is_end[:n_bytes]) + 1, dtype=np.int64)
        offsets[1:] = np.searchsorted(starts, np.flatnonzero(is_end[:n_bytes]))
        return Ragged(ids.astype(np.int32), offsets)

    def _look_up(self, words: bytes, starts: np.ndarray) -> np.ndarray:
        """Look up the words that start at the given positions and end at the next zero."""
        data = np.frombuffer(words, dtype="<u8")
        number, shift = starts >> 3, ((starts & 7) << 3).view(np.uint64)
        # NumPy returns 0 for a shift by 64 bits.
        rest = np.uint64(64) - shift
        low, number = data[number] >> shift, number + 1
        second = data[number]
        low |= second << rest
        low, has_ended = _cut_at_zero(low)
        ids = self._short(low)
        rows = np.flatnonzero(~has_ended)
        if len(rows):
            high = second[rows] >> shift[rows]
            high |= data[number[rows] + 1] << rest[rows]
            high, has_ended = _cut_at_zero(high)
            ids[rows] = self._middle(low[rows], high)
            rows = rows[~has_ended]
            firsts = starts[rows].tolist()
            ids[rows] = [self._long.get(words[i : words.index(0, i)], 0) for i in firsts]
        return ids


class _HashTable:
    """Ids of words that fit into `n_parts` integers, including a zero at the end.

    Keys whose hashes collide go into another, smaller table with a different hash.

    Parameters
    ----------
    ids : dict of bytes to int
    n_parts : int
        Number of integers per key.
    """

    def __init__(self, ids: dict[bytes, int], n_parts: int):
        n_ids = 1 + max(ids.values(), default=0)
        keys = np.zeros((n_ids, n_parts), dtype="<u8")
        numbers = np.fromiter(ids.values(), dtype=np.int64, count=len(ids))
        if ids:
            packed = np.array([*ids], dtype=f"S{_WORD_BYTES * n_parts}")
            keys[numbers] = packed.view("<u8").reshape(-1, n_parts)
        self._keys = keys.T.copy()
        self._levels: list[tuple[_Hashing, np.ndarray]] = []
        multipliers = _draw_multipliers()
        while len(numbers):
            drafts = [self._draft_level(numbers, multipliers) for _ in range(_DRAFTS)]
            level, numbers = min(drafts, key=lambda draft: len(draft[1]))
            self._levels.append(level)

    def _draft_level(
        self, numbers: np.ndarray, multipliers: Iterator[np.uint64]
    ) -> tuple[tuple["_Hashing", np.ndarray], np.ndarray]:
        """Put keys into a table; return the table and the keys that did not fit."""
        n_bits = max(_MIN_BITS, (_SPARSITY * len(numbers)).bit_length())
        hashing = _Hashing([next(multipliers) for _ in self._keys], n_bits)
        slots = hashing([part[numbers] for part in self._keys])
        table = np.zeros(1 << n_bits, dtype=np.min_scalar_type(self._keys.shape[1]))
        # Backwards, so that the most frequent word wins a shared slot.
        table[slots[::-1]] = numbers[::-1]
        return (hashing, table), numbers[table[slots] != numbers]

    def __call__(self, *parts: np.ndarray) -> np.ndarray:
        """Return the keys' ids, or 0 for unknown keys; `parts` are arrays of equal length."""
        ids = np.zeros(len(parts[0]), dtype=np.int64)
        pending = None
        for hashing, table in self._levels:
            found = table[hashing(parts)].astype(np.int64)
            differs = self._keys[0][found] != parts[0]
            for known, part in zip(self._keys[1:], parts[1:], strict=True):
                differs |= known[found] != part
            wrong = np.flatnonzero(differs)
            # If a slot is empty, no later table contains the key.
            others = wrong[found[wrong] > 0]
            found[wrong] = 0
            if pending is None:
                ids, pending = found, others
            else:
                ids[pending] = found
                pending = pending[others]
            if not len(pending):
                break
            parts = tuple(part[others] for part in parts)
        return ids


class _Hashing:
    """A multiplicative hash of several integers to `n_bits` bits."""

    def __init__(self, multipliers: list[np.uint64], n_bits: int):
        self.multipliers = multipliers
        self.shift = np.uint64(64 - n_bits)

    def __call__(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        mixed = parts[0] * self.multipliers[0]
        for part, multiplier in zip(parts[1:], self.multipliers[1:], strict=True):
            mixed ^= part * multiplier
        mixed >>= self.shift
        return mixed.view(np.int64)


def _cut_at_zero(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes before an integer's first zero byte, and whether it has one.

    References
    ----------
    .. [1] Warren (2012), "Hacker's Delight", 2nd edition, section 6-1: find the first 0-byte.
    """
    zeros = values - _ONES
    zeros &= ~values
    zeros &= _TOPS
    # The mask covers all bits up to the lowest set bit of `zeros`, or all bits if none is set.
    return values & (zeros ^ (zeros - np.uint64(1))), zeros != 0


def _draw_multipliers() -> Iterator[np.uint64]:
    """Yield odd 64-bit numbers from Knuth's linear congruential generator (MMIX)."""
    # Importing NumPy's generators would take longer than loading a model.
    state = 0
    while True:
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        yield np.uint64(state | 1)
