"""Notice texts whose words hardly ever recur, as in scripts that write no spaces."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain, islice
from math import ceil

import numpy as np

from skdistill.text._streams import Texts
from skdistill.text._vocabulary import split_words

# In samples of 50 to 300 texts, the share of words that occur once was at most 0.67 over eight
# English data sets, and at least 0.79 for generated text like Chinese, Japanese and Thai.
MOSTLY_SINGLE = 0.73
# Words in so large a share of the texts tell nothing, such as the ends of file names. They do not
# count if so many texts have no other word that recurs.
_EVERYWHERE, _BARE = 0.99, 0.9
_N_TEXTS = 300
_MIN_TEXTS = 50
# A text consists of such scripts if more than one in so many of its characters is of them.
_MANY = 5
# Scripts that write no spaces between words: Thai to Tibetan, Myanmar, Khmer, kana, Han.
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u3041-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)


def share_of_single_words(
    *parts: Texts, split: Callable[[str], Iterable[str]] | None = None
) -> float:
    """Compute the share of words that occur once in up to 300 texts, spread over all.

    Of texts on disk, which are slow to read, the first are taken.

    Parameters
    ----------
    *parts : collection of str
        The texts. Fewer than 50 in all are too few to judge.
    split : callable, default=None
        Maps a text to its features. It is judged by scripts without spaces alone: elsewhere, its
        features may be meant to be rare, such as pairs of words.

    Returns
    -------
    float
        The share among all occurrences of words, without punctuation; 0 if it cannot be judged. In
        texts such as file names, what all of them contain does not count. If most texts contain
        scripts without spaces, or 50 in the sample consist of them to a fifth, only words in these
        count: not what else recurs in each text, such as the head of a log line, nor texts in
        another language.

    Examples
    --------
    >>> from skdistill.text._repetition import share_of_single_words
    >>> texts = [f"the {'late' if i % 2 else 'new'} order {i}" for i in range(60)]
    >>> share_of_single_words(texts)
    0.25
    >>> share_of_single_words(texts[:49]), share_of_single_words(texts[:30], texts[30:])
    (0.0, 0.25)
    >>> share_of_single_words([f"order_{i}.pdf" for i in range(60)])
    1.0
    """
    n_texts = sum(map(len, parts))
    if n_texts < _MIN_TEXTS:
        return 0.0
    step = ceil(n_texts / _N_TEXTS)
    rng = np.random.default_rng(0)
    samples = [
        [texts[row] for row in _spread(len(texts), step, rng)]
        if isinstance(texts, list)
        else islice(texts, ceil(len(texts) / step))
        for texts in parts
    ]
    sample = [*chain.from_iterable(samples)]
    rows = [_count_words(text, split) for text in sample]
    counts = Counter[str]()
    for row in rows:
        counts.update(row)
    n_containing = Counter(chain.from_iterable(rows))
    everywhere = {w for w, n in n_containing.items() if n >= _EVERYWHERE * len(sample)}
    n_bare = sum(all(counts[w] == 1 or w in everywhere for w in row) for row in rows)
    if n_bare >= _BARE * len(sample):
        counts = Counter({w: n for w, n in counts.items() if w not in everywhere})
    found = [len(_WITHOUT_SPACES.findall(text)) for text in sample]
    n_mostly = sum(_MANY * n > len(text) for n, text in zip(found, sample, strict=True))
    if 2 * sum(map(bool, found)) > len(sample) or n_mostly >= _MIN_TEXTS:
        counts = Counter({word: n for word, n in counts.items() if _WITHOUT_SPACES.search(word)})
    elif split is not None:
        return 0.0
    n_words = counts.total()
    return sum(n == 1 for n in counts.values()) / n_words if n_words else 0.0


def _count_words(text: str, split: Callable[[str], Iterable[str]] | None) -> Counter[str]:
    words = split_words(text.lower()) if split is None else map(str, split(text))
    return Counter(word for word in words if any(map(str.isalnum, word)))


def _spread(n_texts: int, step: int, rng: np.random.Generator) -> list[int]:
    """Draw one of each `step` rows: at equal distances, all might be of one of two languages."""
    first = np.arange(0, n_texts, step)
    rows: list[int] = np.minimum(first + rng.integers(step, size=len(first)), n_texts - 1).tolist()
    return rows
