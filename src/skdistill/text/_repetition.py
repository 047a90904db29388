"""Notice texts whose words hardly ever recur, as in scripts that write no spaces."""

from collections import Counter
from itertools import chain, islice
from math import ceil

from skdistill.text._streams import Texts
from skdistill.text._vocabulary import split_words

# In samples of 50 to 300 texts, the share of words that occur once was at most 0.67 over seven
# English data sets, and at least 0.79 for generated text like Chinese, Japanese and Thai.
MOSTLY_SINGLE = 0.73
_N_TEXTS = 300
_MIN_TEXTS = 50


def share_of_single_words(*parts: Texts) -> float:
    """Compute the share of words that occur once in up to 300 evenly spaced texts.

    Of texts on disk, which are slow to read, the first are taken.

    Parameters
    ----------
    *parts : collection of str
        The texts. Fewer than 50 in all are too few to judge.

    Returns
    -------
    float
        The share among all occurrences of words, without punctuation; 0 if it cannot be judged.

    Examples
    --------
    >>> from skdistill.text._repetition import share_of_single_words
    >>> texts = [f"the number {i} recurs" for i in range(60)]
    >>> share_of_single_words(texts)
    0.25
    >>> share_of_single_words(texts[:49]), share_of_single_words(texts[:30], texts[30:])
    (0.0, 0.25)
    """
    n_texts = sum(map(len, parts))
    if n_texts < _MIN_TEXTS:
        return 0.0
    step = ceil(n_texts / _N_TEXTS)
    samples = [
        texts[::step] if isinstance(texts, list) else islice(texts, ceil(len(texts) / step))
        for texts in parts
    ]
    words = split_words(" ".join(chain.from_iterable(samples)).lower())
    counts = Counter(word for word in words if any(map(str.isalnum, word)))
    n_words = sum(counts.values())
    return sum(n == 1 for n in counts.values()) / n_words if n_words else 0.0
