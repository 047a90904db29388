"""Tables of Python's character properties, for readers that must agree with Python."""

import unicodedata
from functools import lru_cache

import numpy as np

from skdistill.text._vocabulary import is_mark
from skdistill.text._word_table import END

MARK, WORD, BLANK = range(3)
_N_KINDS = 3
_UNCASED, _CASED, _CASE_IGNORABLE = range(3)
_N_CODES = 0x110000
# Most codes are unassigned, private or surrogates. Python treats all of them alike.
_NO_LETTERS = frozenset({"Cn", "Co", "Cs"})


@lru_cache
def _assigned() -> str:
    """Return all characters that have a meaning in Unicode."""
    codes = np.arange(_N_CODES, dtype="<u4").tobytes()
    return "".join(
        character
        for character in codes.decode("utf-32-le", "surrogatepass")
        if unicodedata.category(character) not in _NO_LETTERS
    )


@lru_cache
def character_kinds() -> tuple[int, ...]:
    """Return the kind of every character, in run-length encoding.

    Returns
    -------
    tuple of int
        Alternating kinds and run lengths, from U+0000 to U+10FFFF. A kind is 0 for a mark, 1 for a
        word character and 2 for white space or NUL, plus 3 for cased letters or 6 for characters
        that Unicode ignores when it looks for the end of a cased word.

    Examples
    --------
    >>> from skdistill.text._characters import character_kinds
    >>> character_kinds()[:6]  # NUL, eight control characters, tabulator to carriage return
    (2, 1, 0, 8, 2, 5)
    """
    characters = _assigned()
    kinds = np.full(_N_CODES, MARK, dtype=np.int64)
    kinds[[*map(ord, characters)]] = [
        word_kind(character) + _N_KINDS * case
        for character, case in zip(characters, _cases(characters), strict=True)
    ]
    starts = np.append(0, np.flatnonzero(np.diff(kinds)) + 1)
    lengths = np.diff(np.append(starts, _N_CODES))
    return tuple(np.stack([kinds[starts], lengths], axis=1).ravel().tolist())


def word_kind(character: str) -> int:
    """Return whether a character is a mark (0), part of a word (1), or blank (2)."""
    if character == END or character.isspace():
        return BLANK
    return MARK if is_mark(character) else WORD


def _cases(characters: str) -> list[int]:
    """Return each character's case, found by lower-casing a capital sigma that follows it."""
    behind_letter = "".join(f"A{character}Σ " for character in characters).lower()
    alone = "".join(f" {character}Σ " for character in characters).lower()
    cases, place = [], 2
    for character in characters:
        place += len(character.lower()) - 1
        if behind_letter[place] != "ς":
            cases.append(_UNCASED)
        else:
            cases.append(_CASED if alone[place] == "ς" else _CASE_IGNORABLE)
        place += 4
    return cases


@lru_cache
def lowercase_shifts() -> tuple[tuple[int, int, int, int], ...]:
    """Return how lower-casing shifts each character's code, for characters that stay single.

    Returns
    -------
    tuple of (first, count, step, shift)
        `count` characters start at `first`, `step` codes apart. Lower-casing adds `shift` to each.

    Examples
    --------
    >>> from skdistill.text._characters import lowercase_shifts
    >>> lowercase_shifts()[0]  # A to Z
    (65, 26, 1, 32)
    """
    shifts = {
        ord(character): ord(lower) - ord(character)
        for character in _assigned()
        if len(lower := character.lower()) == 1 and lower != character
    }
    runs: list[tuple[int, int, int, int]] = []
    for code, shift in shifts.items():
        if runs:
            first, count, step, previous = runs[-1]
            last = first + (count - 1) * step
            gap = code - last
            if shift == previous and gap in ((1, 2) if count == 1 else (step,)):
                runs[-1] = (first, count + 1, gap, shift)
                continue
        runs.append((code, 1, 1, shift))
    return tuple(runs)


@lru_cache
def lowercase_expansions() -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return the characters that lower-casing turns into several, with the results."""
    return tuple(
        (ord(character), tuple(map(ord, lower)))
        for character in _assigned()
        if len(lower := character.lower()) > 1
    )
