"""Put words that the texts lack into them."""

from collections.abc import Sequence

import numpy as np

from skdistill.text._ragged import Ragged
from skdistill.text._units import Units

# Number of words that are placed at a time.
_CHUNK = 1_000


def place_words(words: Sequence[str], texts: list[str], rng: np.random.Generator) -> list[str]:
    """Put each word in the place of a random word of a random text.

    Parameters
    ----------
    words : sequence of str
    texts : list of str
        Punctuation around the replaced word is kept.
    rng : Generator

    Returns
    -------
    list of str, of length len(words) or shorter
        Where a text without words was drawn, there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.augment._new_words import place_words
    >>> place_words(["zebra", "snows"], ["A cat sleeps.", "It rains!"], np.random.default_rng(0))
    ['It zebra!', 'snows rains!']
    """
    rows = rng.integers(0, len(texts), len(words))
    placed = []
    for start in range(0, len(words), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        units = Units.read([texts[row] for row in rows[chunk]], "word")
        filled = np.flatnonzero(units.ids.lengths)
        new = np.array(words[chunk], dtype=object)[filled]
        positions = Ragged(np.arange(len(units.ids.values)), units.ids.offsets).take(filled)
        written = units.write(positions.values)
        changed = positions.offsets[:-1] + rng.integers(0, positions.lengths)
        written[changed] = units.write(positions.values[changed], new)
        placed += units.join(written, positions.offsets)
    return placed
