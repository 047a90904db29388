"""What stands for a masked word: a token that teachers know, or a symbol."""

import re
from collections.abc import Iterable

from skdistill.text._units import Units

_TOKEN = "[MASK]"  # of BERT and similar models
# Symbols that are no part of a word: geometric shapes, then characters for private use.
_SYMBOLS = [*map(chr, range(0x25A2, 0x2600)), *map(chr, range(0xE000, 0xF900))]


def free_mask(units: Units) -> str:
    """Return ``"[MASK]"`` or, if the texts contain the word in it, a symbol that they do not.

    A student's analyzer may reduce words such as "masked" to their stem, or read parts of words.

    >>> from skdistill.text._masks import free_mask
    >>> from skdistill.text._units import Units
    >>> free_mask(Units.read(["No word is hidden"], "word"))
    '[MASK]'
    >>> free_mask(Units.read(["A face-mask"], "word"))
    '▢'
    """
    distinct = "\n".join(units.before + units.core + units.after)
    word = "mask" if units.separator else "[mask]"
    if re.search(word, distinct, re.IGNORECASE) is None:
        return _TOKEN
    return _free_symbol(distinct)


def mask_for_students(made: list[str], originals: Iterable[str], mask: str) -> list[str]:
    """Return texts that a teacher has labelled as a student should read them.

    Students read ``"[MASK]"`` as the word "mask". If texts contain it elsewhere, such as words that
    were put into them, the student gets a symbol instead.

    Parameters
    ----------
    made : list of str
        The texts with masks.
    originals : iterable of str
        The texts that they were made of.
    mask : str
        If it is a plain word, it cannot be told from the same word in the texts, and stays.

    Examples
    --------
    >>> from skdistill.text._masks import mask_for_students
    >>> mask_for_students(["a [MASK] soup", "a mask"], ["a warm soup"], "[MASK]")
    ['a ▢ soup', 'a mask']
    >>> mask_for_students(["a [MASK] soup", "a bus"], ["a warm soup"], "[MASK]")
    ['a [MASK] soup', 'a bus']
    """
    word = re.sub(r"[\W_]", "", mask)
    if word in ("", mask):
        return made
    others = "\n".join([*originals, *made]).replace(mask, "")
    if re.search(re.escape(word), others, re.IGNORECASE) is None:
        return made
    symbol = _free_symbol(others)
    return [text.replace(mask, symbol) for text in made]


def _free_symbol(text: str) -> str:
    return next(symbol for symbol in _SYMBOLS if symbol not in text)
