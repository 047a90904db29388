"""Make new texts: mask or replace words, cut out n-grams, exchange the ends of texts."""

import os
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skdistill._core.estimators import (
    DocumentationLinkMixin,
    all_or_nothing,
    fit_context,
    stamp,
    unstamp,
)
from skdistill._core.exceptions import warn
from skdistill._core.progress import progress_bar
from skdistill._core.texts import check_texts
from skdistill.augment._cuts import inside_ngrams, splice
from skdistill.augment._roles import RoleWords, learn_roles, roles_of_tags
from skdistill.text._masks import free_mask
from skdistill.text._ragged import Ragged
from skdistill.text._units import Units, kept_offsets, single_spaced

if TYPE_CHECKING:
    from skdistill.augment._neighbours import NeighbourWords

# With n_copies="auto": the number of copies in all, and the maximum per text.
_N_AUGMENTED = 150_000
_MAX_COPIES = 20

# Number of characters of the copies that are made at a time.
_CHUNK = 1_000_000

# Mean number of characters per word above which white space hardly separates words.
_LONG_WORDS = 20


def auto_n_copies(n_texts: int) -> int:
    """Return the number of copies per text, 1 to 20, for about 150,000 copies in all.

    >>> from skdistill.augment._augmenter import auto_n_copies
    >>> [auto_n_copies(n_texts) for n_texts in (500, 16_000, 1_000_000)]
    [20, 9, 1]
    """
    return int(np.clip(round(_N_AUGMENTED / n_texts), 1, _MAX_COPIES))


class TextAugmenter(DocumentationLinkMixin, BaseEstimator):
    """Make new texts from existing ones, for a teacher to label.

    The rules are those of Tang et al. [1]_. In each copy of a text, every word is masked with
    probability `mask_p`, or replaced with probability `replace_p` by another word of the same role.
    Frequent words are drawn more often. With probability `ngram_p`, the copy is then cut to one of
    its n-grams. Copies that equal an input text or another copy are dropped.

    The augmenter learns the roles from the texts: words with the same neighbours have the same role
    [2]_. You do not need a part-of-speech tagger, but you can pass one as `tagger`. With
    `word_vectors`, words are replaced by their neighbours in the embeddings of a transformer
    instead [3]_. This adds words that do not occur in the texts.

    Parameters
    ----------
    mask_p : float, default=0.1
        Probability that a word is masked.
    replace_p : float, default=0.1
        Probability that a word is replaced, if there is a word to replace it with. `mask_p` plus
        `replace_p` must not exceed 1.
    ngram_p : float, default=0.25
        Probability that a copy is cut to an n-gram.
    ngram_range : tuple (min_n, max_n), default=(1, 5)
        Range of n-gram lengths; all are equally probable. Shorter texts are not cut.
    splice_p : float, default=0.0
        Probability that a copy is cut at a random position and its end is exchanged for the end of
        another copy. This adds variety if you have few texts [5]_.
    n_copies : int or "auto", default="auto"
        Copies per text. ``"auto"`` makes about 150,000 copies in all, but at most 20 per text,
        because small data sets gain more from copies than large ones. For comparison, [4]_ makes
        16, 8 and 4 copies per text for 500, 2,000 and 5,000 texts; [1]_ makes 20.
    mask_token : str, default="auto"
        The text that replaces a masked word. ``"auto"`` is ``"[MASK]"``, which the tokenizers of
        BERT and similar models recognise. Most other models, and all students, read it as the word
        "mask". If this word occurs in the texts, alone or in another such as "masked", ``"auto"``
        is therefore a symbol that does not, such as ``"▢"``; with ``analyzer="char"``, if one of
        its letters does. If only made texts contain it, because `word_vectors` put it into them,
        students read such a symbol where the teacher reads the mask. For other teachers, pass their
        ``tokenizer.mask_token``, such as ``"<mask>"``. An empty string deletes the word.
    analyzer : {"word", "char"}, default="word"
        With ``"word"``, units are separated by white space. Punctuation around a word is kept when
        the word is masked or replaced. With ``"char"``, units are characters, and white space
        becomes a single space; use it for scripts without spaces between words.
    n_roles : int or "auto", default="auto"
        Number of roles to learn. ``"auto"`` is the square root of the number of words that occur at
        least 5 times. Rarer words have no role and are neither replaced nor used as replacements.
    tagger : callable, default=None
        Maps the list of a text's units, without surrounding punctuation, to a list with one tag per
        unit. The tags are then the roles, so one word can have several roles.
    word_vectors : str, path-like or transformer teacher, default=None
        A `TransformerTeacherClassifier`; or the folder of a transformer, or its name on the Hugging
        Face Hub. A word is then replaced by one of its 15 nearest neighbours, each equally
        probable. The neighbours are whole words of the transformer's vocabulary, compared by the
        cosine of their token embeddings. Each call of `augment` loads the embeddings, except from a
        fitted teacher. Pickles store the name, or the teacher.
    random_state : int, RandomState instance or None, default=0
        Seeds the roles and the copies. The seed is drawn in `fit`, so `augment` always returns the
        same copies for the same texts.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    mask_token_ : str
        The text that replaces a masked word.
    roles_ : dict of dict
        For each role, its words and how often they occur in it. Words are in their most frequent
        spelling. Roles are numbers, or the tagger's tags; with `word_vectors`, the dict is empty.

    See Also
    --------
    DistilledMLPClassifier : Takes an `augmenter`, and its teacher labels the new texts.

    Notes
    -----
    Roles are k-means clusters of words, ignoring case. The features of a word are the relative
    frequencies of its left and right neighbours. We take their square roots and reduce them to 50
    dimensions. The neighbours counted are the 500 most frequent words, all other words as one, and
    the beginning or end of the text.

    With `word_vectors`, the vector of a word is the mean of its tokens' embeddings, minus the mean
    embedding of all words. The replacement is never a special token, punctuation, a piece of a
    word, or the word itself. Punctuation is never replaced. Jiao et al. [3]_ use such neighbours
    for words of several tokens, and a masked language model for all other words.

    References
    ----------
    .. [1] R. Tang, Y. Lu, L. Liu, L. Mou, O. Vechtomova and J. Lin, "Distilling Task-Specific
       Knowledge from BERT into Simple Neural Networks", 2019, section 3.2.
       https://arxiv.org/abs/1903.12136
    .. [2] H. Schütze, "Distributional Part-of-Speech Tagging", EACL 1995.
       https://aclanthology.org/E95-1020
    .. [3] X. Jiao et al., "TinyBERT: Distilling BERT for Natural Language Understanding", Findings
       of EMNLP 2020. https://arxiv.org/abs/1909.10351
    .. [4] J. Wei and K. Zou, "EDA: Easy Data Augmentation Techniques for Boosting Performance on
       Text Classification Tasks", EMNLP 2019. https://arxiv.org/abs/1901.11196
    .. [5] K. J. Liang et al., "MixKD: Towards Efficient Distillation of Large-scale Language
       Models", ICLR 2021. It mixes texts for a teacher to label by interpolating their embeddings.
       https://arxiv.org/abs/2011.00593

    Examples
    --------
    >>> from skdistill.augment._augmenter import TextAugmenter
    >>> texts = ["the cat sleeps", "a dog barks", "the dog sleeps", "a cat barks"] * 5
    >>> augmenter = TextAugmenter(n_roles=3, replace_p=0.5, ngram_p=0, n_copies=2).fit(texts)
    >>> sorted(sorted(words) for words in augmenter.roles_.values())
    [['a', 'the'], ['barks', 'sleeps'], ['cat', 'dog']]
    >>> augmenter.augment(["The cat barks!"])
    ['a dog barks!', 'a cat sleeps!']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "mask_p": [Interval(Real, 0, 1, closed="both")],
        "replace_p": [Interval(Real, 0, 1, closed="both")],
        "ngram_p": [Interval(Real, 0, 1, closed="both")],
        "ngram_range": [tuple, list],
        "splice_p": [Interval(Real, 0, 1, closed="both")],
        "n_copies": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "mask_token": [str],
        "analyzer": [StrOptions({"word", "char"})],
        "n_roles": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "tagger": [callable, None],
        "word_vectors": [str, os.PathLike, HasMethods(["known_words", "word_vectors"]), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        mask_p: float = 0.1,
        replace_p: float = 0.1,
        ngram_p: float = 0.25,
        ngram_range: Sequence[int] = (1, 5),
        splice_p: float = 0.0,
        n_copies: int | Literal["auto"] = "auto",
        mask_token: str = "auto",
        analyzer: Literal["word", "char"] = "word",
        n_roles: int | Literal["auto"] = "auto",
        tagger: Callable[[list[str]], Sequence[Any]] | None = None,
        word_vectors: str | os.PathLike[str] | BaseEstimator | None = None,
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
    ) -> None:
        self.mask_p = mask_p
        self.replace_p = replace_p
        self.ngram_p = ngram_p
        self.ngram_range = ngram_range
        self.splice_p = splice_p
        self.n_copies = n_copies
        self.mask_token = mask_token
        self.analyzer = analyzer
        self.n_roles = n_roles
        self.tagger = tagger
        self.word_vectors = word_vectors
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Learn the roles of words.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Labelled or unlabelled texts.
        y : object, default=None
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted augmenter.

        Raises
        ------
        ValueError
            If a text is missing, or if a parameter is invalid or conflicts with another one.
        TypeError
            If a row of `X` is not text.

        Warns
        -----
        UserWarning
            If the words are so long that the script seems to have no spaces between words.
        """
        self._check_parameters()
        units = Units.read(check_texts(X), self.analyzer)
        self._warn_of_long_words(units)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        if self.word_vectors is not None:
            self.roles_ = {}
        elif self.tagger is not None:
            self.roles_ = roles_of_tags(units, self.tagger)
        else:
            self.roles_ = learn_roles(units, self.n_roles, seed)
        self.mask_token_ = free_mask(units) if self.mask_token == "auto" else self.mask_token
        self._seed = seed
        return self

    def _check_parameters(self) -> None:
        lengths = tuple(self.ngram_range)
        if (
            len(lengths) != 2
            or not all(isinstance(n, Integral) for n in lengths)
            or not 1 <= lengths[0] <= lengths[1]
        ):
            raise ValueError(
                f"ngram_range={self.ngram_range!r:.60} must be a pair of lengths with "
                "1 <= min_n <= max_n."
            )
        if self.mask_p + self.replace_p > 1:
            raise ValueError(
                f"mask_p={self.mask_p} and replace_p={self.replace_p} add up to more than 1, but a "
                "word is either masked or replaced."
            )
        if self.tagger is not None and self.word_vectors is not None:
            raise ValueError(
                "tagger and word_vectors are two ways of choosing replacements; pass only one of "
                "them."
            )

    def _warn_of_long_words(self, units: Units) -> None:
        n_characters = sum(map(len, units.write()))
        if n_characters > _LONG_WORDS * len(units.ids.values) and self.analyzer == "word":
            warn(
                f"The words of X have more than {_LONG_WORDS} characters on average. For a script "
                'without spaces between words, use analyzer="char".',
            )

    def augment(self, X: Iterable[str]) -> list[str]:
        """Make new texts from the given ones.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts to copy. They may differ from those passed to `fit`.

        Returns
        -------
        list of str
            The copies, in the order of `X`, at most `n_copies` per text. None is empty, equals
            another copy or equals a text of `X`.

        Raises
        ------
        ValueError
            If a text is missing, if the tagger does not return one tag per unit, or if the
            vocabulary of `word_vectors` has fewer than two whole words.
        TypeError
            If a row of `X` is not text.
        OSError
            If `word_vectors` cannot be found.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        n_copies = auto_n_copies(len(texts)) if self.n_copies == "auto" else self.n_copies
        replacer = self._make_replacer()
        rng = np.random.default_rng(self._seed)
        # A dict drops duplicates and keeps the order of the rows.
        known = dict.fromkeys([*texts, *map(single_spaced, texts), ""])
        n_known = len(known)
        step = max(1, _CHUNK * len(texts) // (n_copies * (1 + sum(map(len, texts)))))
        with progress_bar(
            total=len(texts), desc="augmenting", unit="text", disable=not self.verbose
        ) as bar:
            for start in range(0, len(texts), step):
                units = Units.read(texts[start : start + step], self.analyzer, start)
                known |= dict.fromkeys(self._copy(units, n_copies, replacer, rng))
                bar.update(len(units.ids))
        return list(known)[n_known:]

    def _make_replacer(self) -> "RoleWords | NeighbourWords":
        if self.word_vectors is None:
            return RoleWords(self.roles_, self.tagger)
        from skdistill.augment._neighbours import NeighbourWords  # imports torch and transformers

        return NeighbourWords(self.word_vectors, self.analyzer)

    def _copy(
        self,
        units: Units,
        n_copies: int,
        replacer: "RoleWords | NeighbourWords",
        rng: np.random.Generator,
    ) -> list[str]:
        """Make all copies of a chunk of texts at once."""
        replaceable = replacer.read(units)
        positions = Ragged(np.arange(len(units.ids.values)), units.ids.offsets)
        copies = positions.take(np.repeat(np.arange(len(units.ids)), n_copies))
        draws = rng.random(len(copies.values))
        masked = draws < self.mask_p
        replaced = ~masked & (draws < self.mask_p + self.replace_p) & replaceable[copies.values]
        kept = ~masked if self.mask_token_ == "" else np.ones_like(masked)
        kept &= inside_ngrams(copies, kept, self.ngram_p, self.ngram_range, rng)
        replaced &= kept

        words = units.write(copies.values)
        words[masked] = units.write(copies.values[masked], self.mask_token_)
        positions = copies.values[replaced]
        words[replaced] = units.write(positions, replacer.draw(positions, rng))
        texts = Ragged(words[kept], kept_offsets(copies, kept))
        if self.splice_p:
            texts = splice(texts, self.splice_p, rng)
        return units.join(texts.values, texts.offsets)

    def __getstate__(self) -> dict[str, Any]:
        return stamp(dict(super().__getstate__()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(unstamp(state, type(self).__name__))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
