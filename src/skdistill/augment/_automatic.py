"""The texts that a student makes for its teacher to label."""

from collections.abc import Iterable, Sequence
from itertools import chain
from math import ceil
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import FunctionTransformer

from skdistill.augment._augmenter import TextAugmenter
from skdistill.augment._new_words import place_words
from skdistill.labelling._teacher import voters
from skdistill.labelling._transfer_set import HELD_OUT, LEFT_OUT, TRAINING
from skdistill.text._streams import Texts

# Words that the teacher reads in all, in original and new texts. Accuracy of MLPs on unseen texts,
# 3,000 labels, with half as many and with about this: Emotion 88.6 and 89.6 (mean of two seeds),
# TREC-6 86.2 and 87.8, SST-2 77.9 and 80.2, HWU64 88.5 and 88.1. CNNs gain half as much.
_N_WORDS = 1_200_000
# Copies take what new words leave, and half of what the originals leave at least. Accuracy on
# unseen questions of TREC-6 with ten copies of each at most and with as many as this (means over
# seeds): 44.4 and 46.6 with 8 labels a class, 69.9 and 73.5 with 200 labels, 82.5 and 83.3 with
# 1,000.
_MAX_COPIES = 100
# Accuracy on unseen questions of TREC-6, 1,000 labels: 76.3 with gold labels alone, 77.4 with ten
# copies, 79.6 if these exchange ends, 81.9 with new words.
_SPLICE_P = 0.5
# So many words are replaced by their neighbours in the teacher's embeddings. Accuracy on unseen
# texts of TREC-6 and SST-2, 200 labels, with a tenth of the words replaced by words of the same
# role in the texts, and with this (means over MLPs and CNNs): 73.6 and 77.0, 67.6 and 70.1.
_REPLACE_P = 0.3
# Long texts, of twice this number of words or more in the mean, are cut into pieces of it, for each
# of which the teacher has an opinion. Accuracy on unseen posts of 20 Newsgroups, without pieces and
# with them: 26.8 and 44.3 with 200 labels, 57.9 and 59.4 with 1,000.
_PIECE = 32
# The packages of transformers that cost nothing.
_PACKAGES = ("sklearn.", "skdistill.")
# One in so many texts is held out; with fewer than a hundred, none, as they would decide by chance.
_SHARE = 4
_LEAST = 100


class AutomaticAugmenter(BaseEstimator):
    """Makes pieces and copies of texts, and texts with new words; holds some texts out.

    A model that is trained on `TRAINING` texts alone has seen nothing of those held out, a quarter
    of a hundred or more, and so can be judged by them.

    Parameters
    ----------
    n_copies : int
        Copies per text.
    new_words : sequence of str
        Words that the texts may lack, such as a teacher's vocabulary. Each is put in the place of a
        random word of a random text, and is also a text by itself.
    n_cut : int, default=0
        Number of texts to cut into pieces. If there are any, copies and texts with new words are
        made of the pieces.
    word_vectors : str, path-like, transformer teacher or None, default=None
        Where copies take words from: see `TextAugmenter`. A teacher must be frozen, so that it is
        not copied with this augmenter.

    Attributes
    ----------
    mask_token_ : str
        The text that replaces a masked word; empty if there are no copies.
    parts_ : ndarray of shape (n_texts + n_made,)
        Of the texts passed to `augment` and those it made, in this order: `TRAINING`, `HELD_OUT` or
        `LEFT_OUT`, which is made of texts held out.

    Examples
    --------
    >>> from skdistill.augment._automatic import AutomaticAugmenter
    >>> texts = ["a warm soup", "a late bus"]
    >>> AutomaticAugmenter(0, ["snow", "rain"]).fit(texts).augment(texts)
    ['snow late bus', 'rain late bus', 'snow', 'rain']
    """

    def __init__(
        self, n_copies: int, new_words: Sequence[str], n_cut: int = 0, word_vectors: Any = None
    ) -> None:
        self.n_copies = n_copies
        self.new_words = new_words
        self.n_cut = n_cut
        self.word_vectors = word_vectors

    def fit(self, X: list[str]) -> Self:
        """Prepare to copy texts."""
        self.copier_ = None
        if self.n_copies:
            copier = TextAugmenter(n_copies=self.n_copies, splice_p=_SPLICE_P)
            if self.word_vectors is not None:
                copier.set_params(word_vectors=self.word_vectors, replace_p=_REPLACE_P)
            self.copier_ = copier.fit(X)
        self.mask_token_ = "" if self.copier_ is None else self.copier_.mask_token_
        return self

    def augment(self, X: list[str]) -> list[str]:
        """Make texts; none is in `X`, and none is made twice."""
        rng = np.random.default_rng(0)
        n_held_out = len(X) // _SHARE if len(X) >= _LEAST else 0
        parts = np.where(rng.permutation(len(X)) < n_held_out, HELD_OUT, TRAINING)
        rows = rng.permutation(len(X))[: self.n_cut] if self.n_cut else np.arange(len(X))
        groups = [[X[row] for row in rows if parts[row] == p] for p in (TRAINING, HELD_OUT)]
        pieces = [_cut(texts) if self.n_cut else [] for texts in groups]
        seen, unseen = pieces if self.n_cut else groups
        made = [*pieces[0], *self._copy(seen), *self._place_words(seen, rng), *self.new_words]
        left_out = [*pieces[1], *self._copy(unseen)]
        parts_of_made = dict.fromkeys(left_out, LEFT_OUT) | dict.fromkeys(made, TRAINING)
        for text in X:
            parts_of_made.pop(text, None)
        self.parts_ = np.array([*parts, *parts_of_made.values()])
        return [*parts_of_made]

    def _copy(self, texts: list[str]) -> list[str]:
        return self.copier_.augment(texts) if self.copier_ is not None and texts else []

    def _place_words(self, texts: list[str], rng: np.random.Generator) -> list[str]:
        return place_words(self.new_words, texts, rng) if texts else []


def _cut(texts: list[str]) -> list[str]:
    """Cut texts into pieces, of which none is returned twice."""
    rows = map(str.split, texts)
    return [
        *dict.fromkeys(
            " ".join(words[start : start + _PIECE])
            for words in rows
            for start in range(0, len(words), _PIECE)
        )
    ]


def choose_augmenter(
    augmenter: Any, teacher: Any, X: Sequence[str], X_unlabeled: Texts, *, analyzer: Any
) -> Any:
    """Return a student's augmenter; ``"auto"`` depends on its teacher and its texts.

    Only a transformer that reads each text once and runs on this machine is asked for more labels
    than its user has asked for, also in a vote with others that cost nothing. For other teachers
    and for characters, ``"auto"`` is None. So it is with more unlabelled than labelled texts: real
    texts teach more than made ones. On docstrings, with 1,000 labelled and 6,000 unlabelled texts,
    the accuracy is 62.8 without made texts and 61.8 with them.

    Parameters
    ----------
    augmenter, analyzer, teacher
        Parameters of the student.
    X, X_unlabeled : sequence of str
    """
    if not isinstance(augmenter, str):
        return augmenter
    sources = [*voters(teacher)]
    source = next((part for part in sources if hasattr(part, "known_words")), None)
    if source is None or not all(map(_costs_nothing, sources)):
        return None
    if analyzer != "word" or len(X_unlabeled) > len(X):
        return None
    words = source.known_words()
    # Bytes and characters are no words to replace others by.
    has_words = len({*map(str.lower, words)}) > 1
    return fill_up(chain(X, X_unlabeled), words, FrozenEstimator(source) if has_words else None)


def _costs_nothing(classifier: Any) -> bool:
    """Return whether a classifier is a transformer, a student or made of scikit-learn's parts.

    Functions and classes of the user's may ask services that have to be paid.
    """
    if hasattr(classifier, "known_words") or hasattr(classifier, "predict_proba_iter"):
        return True
    parts = [classifier, *classifier.get_params().values()]
    return all(
        type(part).__module__.startswith("sklearn." if is_classifier(part) else _PACKAGES)
        and not isinstance(part, FrozenEstimator | FunctionTransformer)
        for part in parts
        if isinstance(part, BaseEstimator)
    )


def fill_up(
    texts: Iterable[str], new_words: Sequence[str], word_vectors: Any = None
) -> AutomaticAugmenter | None:
    """Return an augmenter that fills up the transfer set, or None if it is large enough.

    Parameters
    ----------
    texts : iterable of str
        The labelled and unlabelled texts.
    new_words : sequence of str
        The whole words of the teacher's vocabulary. If there are too many, those at the end are
        left out.
    word_vectors : frozen transformer teacher or None, default=None
        See `AutomaticAugmenter`.

    Examples
    --------
    >>> from skdistill.augment._automatic import fill_up
    >>> fill_up(["a warm soup", "a late bus"], ["snow", "rain"])
    AutomaticAugmenter(n_copies=100, new_words=['snow', 'rain'])
    """
    n_texts = n_words = 0
    for text in texts:
        n_texts += 1
        n_words += len(text.split())
        if n_words >= _N_WORDS:
            return None
    room, mean, n_cut = _N_WORDS - n_words, n_words / n_texts, 0
    if mean >= 2 * _PIECE:
        n_cut = min(n_texts, int(room / mean))
        room, mean = room - ceil(n_cut * mean), _PIECE
    # A new word is read twice: in the place of another word in a text, and alone.
    cost = mean + 1
    for_words = min(len(new_words), int(room / 2 / cost)) * cost
    n_copies = min(_MAX_COPIES, int((room - for_words) / max(1, n_words)))
    n_new_words = int((room - n_copies * n_words) / cost)
    return AutomaticAugmenter(n_copies, list(new_words[:n_new_words]), n_cut, word_vectors)
