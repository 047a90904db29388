"""Convert characters to ids with one table of code points, without a Python step per character."""

import numpy as np

from skdistill.text._ragged import Ragged
from skdistill.text._word_table import END

# All white space of Unicode is below this code point.
_SPACES_BELOW = 0x3001
_END, _SPACE = -1, -2


class CharacterTable:
    r"""The ids of characters by code point.

    Parameters
    ----------
    ids : dict of str to int
        The characters' ids, all positive. Every other character has id 0. All white space has the
        id of the space.

    Examples
    --------
    >>> from skdistill.text._character_table import CharacterTable
    >>> CharacterTable({"a": 1, " ": 2}).encode(["ab \t a ", "", "a"])
    Ragged(values=array([1, 0, 2, 1, 1], dtype=int32), offsets=array([0, 4, 4, 5]))
    """

    def __init__(self, ids: dict[str, int]):
        self._space = ids.get(" ", 0)
        by_code = {ord(feature): number for feature, number in ids.items() if len(feature) == 1}
        # The last entry is for all characters beyond the table.
        self._ids = np.zeros(max([_SPACES_BELOW, *by_code]) + 2, dtype=np.int32)
        self._ids[[*by_code]] = [*by_code.values()]
        self._ids[[code for code in range(_SPACES_BELOW) if chr(code).isspace()]] = _SPACE
        self._ids[ord(END)] = _END

    def encode(self, texts: list[str], *, lowercase: bool = False) -> Ragged:
        """Look up the characters of texts, with each run of white space or NULs as one space.

        Parameters
        ----------
        texts : list of str
            White space at the start and the end of a text is left out.
        lowercase : bool, default=False
            Whether to lower-case the texts first.

        Returns
        -------
        Ragged of int32
        """
        joined = END.join([*map(str.strip, texts), ""])
        if joined.count(END) != len(texts):
            joined = END.join([*(text.replace(END, " ").strip() for text in texts), ""])
        if lowercase:
            joined = joined.lower()
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        ids = self._ids.take(codes, mode="clip")
        is_space = ids == _SPACE
        ids[is_space] = self._space
        # No text starts or ends with white space, so the first character is none.
        is_repeated = is_space[1:] & is_space[:-1]
        if is_repeated.any():
            ids = ids[~np.append(False, is_repeated)]
        ends = np.flatnonzero(ids == _END)
        offsets = np.concatenate(([0], ends - np.arange(len(ends))))
        return Ragged(ids[ids != _END], offsets)
