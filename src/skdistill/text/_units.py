"""Split texts into units: words with the punctuation around them, or characters."""

import unicodedata
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np

from skdistill.text._ragged import Ragged


@dataclass(frozen=True)
class Units:
    """Texts as ids of units, with each distinct unit split into a core and punctuation around it.

    Attributes
    ----------
    before, core, after : ndarray of str, each of shape (n_distinct_units,)
        The three parts of each unit. Replacing a word changes only its core.
    ids : Ragged of n_texts rows
        The units of each text, as indices into the parts.
    separator : str
        The string between two units of a text.
    first_row : int
        The first text's row number in the whole input, for error messages.
    """

    before: np.ndarray
    core: np.ndarray
    after: np.ndarray
    ids: Ragged
    separator: str
    first_row: int

    @classmethod
    def read(cls, texts: list[str], analyzer: str, first_row: int = 0) -> "Units":
        """Split texts into words or characters."""
        as_words = analyzer == "word"
        rows = [text.split() if as_words else list(single_spaced(text)) for text in texts]
        numbers: dict[str, int] = {}
        ids = [numbers.setdefault(unit, len(numbers)) for unit in chain.from_iterable(rows)]
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        # The last row keeps the array two-dimensional if there are no units.
        before, core, after = np.array([*map(parts_of, numbers), ("", "", "")], dtype=object).T
        return cls(
            before=before,
            core=core,
            after=after,
            ids=Ragged.from_lengths(np.array(ids, dtype=np.int64), lengths),
            separator=" " if as_words else "",
            first_row=first_row,
        )

    def write(self, positions: Any = slice(None), cores: Any = None) -> np.ndarray:
        """Return the units at some positions; `cores` replaces the parts between punctuation."""
        ids = self.ids.values[positions]
        return self.before[ids] + (self.core[ids] if cores is None else cores) + self.after[ids]

    def join(self, words: np.ndarray, offsets: np.ndarray) -> list[str]:
        """Join words into texts."""
        flat = words.tolist()
        return [self.separator.join(flat[a:b]).strip() for a, b in pairwise(offsets.tolist())]


def parts_of(unit: str) -> tuple[str, str, str]:
    """Split a unit into the punctuation before the word, the word, and the punctuation after it."""
    if not any(map(str.isalnum, unit)):
        return "", unit, ""
    # Test for punctuation and symbols only: a vowel sign at the end belongs to its word.
    inner = [i for i, char in enumerate(unit) if unicodedata.category(char)[0] not in "PS"]
    start, end = inner[0], inner[-1] + 1
    return unit[:start], unit[start:end], unit[end:]


def single_spaced(text: str) -> str:
    return " ".join(text.split())


def kept_offsets(rows: Ragged, kept: np.ndarray) -> np.ndarray:
    """Return the rows' offsets after dropping the values that are not kept."""
    return np.append(0, np.cumsum(kept))[rows.offsets]
