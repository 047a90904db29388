"""Words to ids by vector operations over bytes: no Python step a word."""

from collections.abc import Iterator

import numpy as np

from skdistill.ragged import Ragged

END = "\0"
_SPACE, _MARK, _WORD = range(3)
# A word of up to so many bytes is compared as two integers.
_KEY_BYTES = 16
# Slots for each word, and in any case: collisions cost more than sparse tables.
_SPARSITY = 8
_MIN_BITS = 16
# Hashes to choose from for each table.
_DRAFTS = 10


def is_word_character(character: str) -> bool:
    """Tell whether an ASCII character belongs into words."""
    return character.isalnum() or character == "_"


def _classify(character: str) -> int:
    if is_word_character(character):
        return _WORD
    return _SPACE if character.isspace() or character == END else _MARK


# Every byte beyond ASCII is a part of a word: see `WordTable.encode`.
_CLASSES = bytes([*map(_classify, map(chr, range(128))), *[_WORD] * 128])
# The first bytes of a little-endian integer, by their number.
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)


class WordTable:
    r"""Hash tables from words to ids.

    A word of up to 16 bytes is a key of two 64-bit integers. Its hash points to an id, and that
    id's key is compared, so that ids are exact. Words whose hashes coincide go on to a next,
    smaller table with a hash of its own. Longer words are looked up one by one.

    Parameters
    ----------
    ids : dict of str to int
        The words' ids, all positive; 0 stands for every other word.

    Examples
    --------
    >>> from skdistill._word_table import WordTable
    >>> table = WordTable({"a": 1, "rose": 2, ".": 3})
    >>> table.encode(b"a rose is a rose.\0\0a\0")
    Ragged(values=array([1, 2, 0, 1, 2, 3, 1], dtype=int32), offsets=array([0, 6, 6, 7]))
    """

    def __init__(self, ids: dict[str, int]):
        encoded = {word.encode("utf-8", "surrogatepass"): number for word, number in ids.items()}
        short = [word for word in encoded if len(word) <= _KEY_BYTES and b"\0" not in word]
        self._long = {word: number for word, number in encoded.items() if len(word) > _KEY_BYTES}
        keys = np.zeros((1 + max(ids.values(), default=0), 2), dtype="<u8")
        pending = np.array([encoded[word] for word in short], dtype=np.int64)
        keys[pending] = np.array(short, dtype=f"S{_KEY_BYTES}").view("<u8").reshape(-1, 2)
        self._low, self._high = keys.T.copy()
        self._levels = []
        multipliers = _draw_multipliers()
        while len(pending):
            drafts = [self._draft_level(pending, multipliers) for _ in range(_DRAFTS)]
            level, pending = min(drafts, key=lambda draft: len(draft[1]))
            self._levels.append(level)

    def _draft_level(
        self, numbers: np.ndarray, multipliers: Iterator[np.uint64]
    ) -> tuple[tuple["_Hashing", np.ndarray], np.ndarray]:
        """Make a hash table of some words, and return those that found no place in it too."""
        n_bits = max(_MIN_BITS, (_SPARSITY * len(numbers)).bit_length())
        hashing = _Hashing(next(multipliers), next(multipliers), n_bits)
        slots = hashing(self._low[numbers], self._high[numbers])
        table = np.zeros(1 << n_bits, dtype=np.min_scalar_type(len(self._low)))
        table[slots] = numbers
        return (hashing, table), numbers[table[slots] != numbers]

    def encode(self, data: bytes) -> Ragged:
        """Cut texts into words and single ASCII punctuation marks, and look them up.

        Parameters
        ----------
        data : bytes
            Texts in UTF-8, each with a NUL behind it. Characters beyond ASCII are taken for
            letters: white space and punctuation among them must have been dealt with.

        Returns
        -------
        Ragged of int32
        """
        # Zeros behind the last text, so that a key can be read at each place.
        n_bytes = len(data)
        data += bytes(3 * 8 - n_bytes % 8)
        classes = np.frombuffer(data.translate(_CLASSES), dtype=np.uint8)
        in_word, is_mark = classes == _WORD, classes == _MARK
        is_first, is_last = is_mark.copy(), is_mark
        is_first[1:] |= in_word[1:] > in_word[:-1]
        is_first[0] |= in_word[0]
        is_last[:-1] |= in_word[:-1] > in_word[1:]
        starts = np.flatnonzero(is_first)
        lengths = np.flatnonzero(is_last)
        lengths -= starts - 1
        low, high = _read_keys(np.frombuffer(data, dtype="<u8"), starts, lengths)
        ids = self._look_up(low, high)
        long = np.flatnonzero(lengths > _KEY_BYTES)
        if len(long):
            ends = (starts[long] + lengths[long]).tolist()
            words = [data[a:b] for a, b in zip(starts[long].tolist(), ends, strict=True)]
            ids[long] = [self._long.get(word, 0) for word in words]
        ends_of_texts = np.flatnonzero(np.frombuffer(data, np.uint8, count=n_bytes) == 0)
        offsets = np.zeros(len(ends_of_texts) + 1, dtype=np.int64)
        offsets[1:] = np.searchsorted(starts, ends_of_texts)
        return Ragged(ids.astype(np.int32), offsets)

    def _look_up(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        ids = np.zeros(len(low), dtype=np.int64)
        pending = None
        for hashing, table in self._levels:
            found = table[hashing(low, high)].astype(np.int64)
            is_same = self._low[found] == low
            is_same &= self._high[found] == high
            if pending is None:
                ids = found * is_same
                pending = np.flatnonzero(ids != found)
                low, high = low[pending], high[pending]
            else:
                ids[pending] = found * is_same
                others = np.flatnonzero((found > 0) & ~is_same)
                pending, low, high = pending[others], low[others], high[others]
        return ids


class _Hashing:
    """A hash of two integers to so many bits.

    Parameters
    ----------
    for_low, for_high : uint64
        Odd multipliers.
    n_bits : int
    """

    def __init__(self, for_low: np.uint64, for_high: np.uint64, n_bits: int):
        self.for_low, self.for_high = for_low, for_high
        self.shift = np.uint64(64 - n_bits)

    def __call__(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        mixed = low * self.for_low
        mixed ^= high * self.for_high
        mixed ^= mixed >> np.uint64(32)
        mixed *= self.for_low
        mixed >>= self.shift
        return mixed.view(np.int64)


def _draw_multipliers() -> Iterator[np.uint64]:
    """Draw odd numbers of 64 bits, by Knuth's linear congruential generator (MMIX)."""
    # NumPy's generators would take longer to import than a model to load.
    state = 0
    while True:
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        yield np.uint64(state | 1)


def _read_keys(
    data: np.ndarray, starts: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Read up to 16 bytes from each start, which lie in up to three aligned integers."""
    number, shift = starts >> 3, ((starts & 7) << 3).view(np.uint64)
    # A shift by all 64 bits gives 0 in NumPy.
    rest = np.uint64(64) - shift
    second = data[number + 1]
    low = data[number] >> shift
    low |= second << rest
    low &= _MASKS[np.minimum(lengths, 8)]
    high = np.zeros_like(low)
    rows = np.flatnonzero(lengths > 8)
    part = second[rows] >> shift[rows]
    part |= data[number[rows] + 2] << rest[rows]
    high[rows] = part & _MASKS[np.minimum(lengths[rows] - 8, 8)]
    return low, high
