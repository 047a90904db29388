"""Cut texts to n-grams, and exchange the ends of texts."""

from collections.abc import Sequence

import numpy as np

from skdistill.text._ragged import Ragged
from skdistill.text._units import kept_offsets


def inside_ngrams(
    texts: Ragged, kept: np.ndarray, p: float, ngram_range: Sequence[int], rng: np.random.Generator
) -> np.ndarray:
    """Cut each text with probability `p` to an n-gram of its kept units.

    Returns
    -------
    ndarray of shape (n_units,), dtype bool
        Which units are inside the n-gram. In texts that are not cut, all units are inside.
    """
    ranks = np.cumsum(kept) - 1
    offsets = kept_offsets(texts, kept)
    lengths = np.diff(offsets)
    min_n, max_n = ngram_range
    sizes = np.minimum(rng.integers(min_n, max_n + 1, len(texts)), lengths)
    sizes = np.where(rng.random(len(texts)) < p, sizes, lengths)
    starts = offsets[:-1] + rng.integers(0, lengths - sizes + 1)
    first, end = (np.repeat(x, texts.lengths) for x in (starts, starts + sizes))
    return (ranks >= first) & (ranks < end)


def splice(texts: Ragged, p: float, rng: np.random.Generator) -> Ragged:
    """Cut each text at a random position and exchange its end for the end of another text.

    This happens with probability `p` if both texts have at least two units. The other text is cut
    at the same fraction of its length, so that the length stays about the same on average.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.augment._cuts import splice
    >>> from skdistill.text._ragged import Ragged
    >>> texts = Ragged(np.array([*"abcdefgh"]), np.array([0, 4, 8]))
    >>> spliced = splice(texts, 1.0, np.random.default_rng(2))
    >>> ["".join(text) for text in np.split(spliced.values, spliced.offsets[1:-1])]
    ['abgh', 'ebcd']
    """
    others = rng.integers(0, len(texts), len(texts))
    own, other = texts.lengths, texts.lengths[others]
    chosen = (rng.random(len(texts)) < p) & (own > 1) & (other > 1)
    heads = rng.integers(1, np.maximum(own, 2))
    skipped = np.clip(np.round(heads / np.maximum(own, 1) * other), 1, other - 1).astype(np.int64)
    heads, tails = np.where(chosen, heads, own), np.where(chosen, other - skipped, 0)
    starts = np.column_stack([texts.offsets[:-1], texts.offsets[1:][others] - tails]).ravel()
    lengths = np.column_stack([heads, tails]).ravel()
    offsets = np.append(0, np.cumsum(lengths))
    places = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Ragged(texts.values[places], offsets[::2])
