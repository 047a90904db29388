"""New texts made from given ones: words masked or replaced, n-grams cut out, ends exchanged."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skdistill._core.estimators import (
    DocumentationLinkMixin,
    all_or_nothing,
    fit_context,
    stamp,
    unstamp,
)
from skdistill._core.progress import progress_bar
from skdistill._core.texts import check_texts
from skdistill.augment._cuts import inside_ngrams, splice
from skdistill.augment._roles import RoleWords, learn_roles, roles_of_tags
from skdistill.text._ragged import Ragged
from skdistill.text._units import Units, kept_offsets, single_spaced

if TYPE_CHECKING:
    from skdistill.augment._neighbours import NeighbourWords

# n_copies="auto" aims at this number of copies in all, and makes this many of one text at most.
_N_AUGMENTED = 150_000
_MAX_COPIES = 20

# Characters of the copies that are made at a time.
_CHUNK = 1_000_000

# Mean length of words, in characters, from which on white space hardly separates words.
_LONG_WORDS = 20


def auto_n_copies(n_texts: int) -> int:
    """Choose the copies per text so that they are about 150,000 in all; at least 1, at most 20.

    >>> from skdistill.augment._augmenter import auto_n_copies
    >>> [auto_n_copies(n_texts) for n_texts in (500, 16_000, 1_000_000)]
    [20, 9, 1]
    """
    return int(np.clip(round(_N_AUGMENTED / n_texts), 1, _MAX_COPIES))


class TextAugmenter(DocumentationLinkMixin, BaseEstimator):
    """Make new texts out of given ones, for a teacher to label.

    The rules are those of Tang et al. [1]_. In each copy of a text, every word is masked with
    probability `mask_p`, or replaced with probability `replace_p` by another word of the same role,
    drawn by the frequency of the words in that role. With probability `ngram_p` the copy is then
    cut to one of its n-grams. Copies that equal a given text, or each other, are dropped.

    The roles of words are learned from the texts: words between the same neighbours have the same
    role [2]_. So no part-of-speech tagger is needed, but `tagger` takes one. With `word_vectors`,
    words are replaced by their neighbours in the embeddings of a transformer instead [3]_, which
    brings in words that the texts lack.

    Parameters
    ----------
    mask_p : float, default=0.1
        Probability that a word is masked.
    replace_p : float, default=0.1
        Probability that a word is replaced, if there is another word for it. `mask_p` and
        `replace_p` add up to 1 at most.
    ngram_p : float, default=0.25
        Probability that a copy is cut to an n-gram.
    ngram_range : tuple (min_n, max_n), default=(1, 5)
        Lengths of n-grams, all equally probable; a text of fewer units is left whole.
    splice_p : float, default=0.0
        Probability that the end of a copy, from a random place on, is exchanged for the end of
        another copy. This adds variety where there are few texts [5]_.
    n_copies : int or "auto", default="auto"
        Copies per text. ``"auto"`` makes about 150,000 in all, but 20 per text at most: small sets
        gain from many copies, large ones from few. For 500, 2,000 and 5,000 texts, [4]_ makes 16, 8
        and 4 copies per text; [1]_ makes 20.
    mask_token : str, default="[MASK]"
        Text that takes the place of a masked word. The default is the mask symbol of BERT's
        family, whose tokenizers recognise it in any text; for other teachers pass their
        ``tokenizer.mask_token``, such as ``"<mask>"``. An empty string deletes the word.
    analyzer : {"word", "char"}, default="word"
        ``"word"``: units are separated by white space. Punctuation at both ends of a word stays
        when the word is masked or replaced. ``"char"``: units are characters, with runs of white
        space as one blank, for scripts that write no spaces.
    n_roles : int or "auto", default="auto"
        Number of learned roles. ``"auto"`` is the square root of the number of words that occur at
        least 5 times; rarer words have no role, are never replaced and replace none.
    tagger : callable, default=None
        Maps the list of a text's units, without punctuation at their ends, to a list of one tag
        per unit. Tags are then the roles, so a word can have another role at each occurrence.
    word_vectors : str or path-like, default=None
        Folder of a transformer, such as the teacher's, or its name on the Hugging Face Hub. A
        replaced word then becomes one of the 15 nearest among the transformer's whole words, by
        the cosine of their token embeddings, each with the same probability. The embeddings are
        loaded at each call of `augment`; pickles hold the name alone.
    random_state : int, RandomState instance or None, default=0
        Seeds roles and copies when `fit` is called: `augment` returns the same copies for the same
        texts.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    roles_ : dict of dict
        The words of each role and how often they occur in it, each in its most frequent spelling.
        Roles are numbers, or the tagger's tags; with `word_vectors` there are none.

    See Also
    --------
    DistilledMLPClassifier : Its teacher labels the texts that its `augmenter` makes.

    Notes
    -----
    Roles are clusters (k-means) of words, regardless of case. A word is described by the square
    roots of the shares that each left and right neighbour has among its own, reduced to 50
    dimensions; neighbours are the 500 most frequent words, all others as one, and the text's ends.

    For `word_vectors`, a word of several pieces has the mean of their embeddings, and the mean of
    all words' embeddings is subtracted first. Special symbols, punctuation, pieces of words and the
    word itself are never drawn; punctuation is never replaced. [3]_ uses such neighbours for words
    of several pieces, and a masked language model for all others.

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
       Models", ICLR 2021, which mixes texts for a teacher to label, though by interpolation of
       their embeddings. https://arxiv.org/abs/2011.00593

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
        "word_vectors": [str, os.PathLike, None],
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
        mask_token: str = "[MASK]",
        analyzer: Literal["word", "char"] = "word",
        n_roles: int | Literal["auto"] = "auto",
        tagger: Callable[[list[str]], Sequence[Any]] | None = None,
        word_vectors: str | os.PathLike[str] | None = None,
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
            Texts, labelled or not.
        y : object, default=None
            Not used; for scikit-learn's sake.

        Returns
        -------
        self : object
            The fitted augmenter.

        Raises
        ------
        ValueError
            If a text is missing, or a parameter is wrong or contradicts another one.
        TypeError
            If a row of `X` is no text.

        Warns
        -----
        UserWarning
            If the words are so long that the texts seem to be in a script without spaces.
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
                f"ngram_range={self.ngram_range!r} must hold two lengths, 1 <= min_n <= max_n."
            )
        if self.mask_p + self.replace_p > 1:
            raise ValueError(
                f"mask_p={self.mask_p} and replace_p={self.replace_p} add up to more than 1, but a "
                "word is either masked or replaced."
            )
        if self.tagger is not None and self.word_vectors is not None:
            raise ValueError(
                "tagger and word_vectors are two ways of replacing words; pass only one of them."
            )

    def _warn_of_long_words(self, units: Units) -> None:
        n_characters = sum(map(len, units.write()))
        if n_characters > _LONG_WORDS * len(units.ids.values) and self.analyzer == "word":
            warnings.warn(
                f"The words of X are more than {_LONG_WORDS} characters long on average. For a "
                'script that writes no spaces, use analyzer="char".',
                stacklevel=5,  # past fit and the wrappers around it
            )

    def augment(self, X: Iterable[str]) -> list[str]:
        """Make new texts.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts to copy, not necessarily those of `fit`.

        Returns
        -------
        list of str
            The copies that differ from each other and from all of `X`, in the order of the rows
            of `X`; `n_copies` of each text at most, none empty.

        Raises
        ------
        ValueError
            If a text is missing, the tagger does not return one tag per unit, or the vocabulary of
            `word_vectors` has no whole words.
        TypeError
            If a row of `X` is no text.
        OSError
            If `word_vectors` cannot be found.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        n_copies = auto_n_copies(len(texts)) if self.n_copies == "auto" else self.n_copies
        replacer = self._make_replacer()
        rng = np.random.default_rng(self._seed)
        # A dict keeps the order of its keys, which is that of the rows.
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
        from skdistill.augment._neighbours import NeighbourWords  # loads torch and transformers

        return NeighbourWords(os.fspath(self.word_vectors), self.analyzer)

    def _copy(
        self,
        units: Units,
        n_copies: int,
        replacer: "RoleWords | NeighbourWords",
        rng: np.random.Generator,
    ) -> list[str]:
        """Make all copies of some texts at once."""
        replaceable = replacer.read(units)
        positions = Ragged(np.arange(len(units.ids.values)), units.ids.offsets)
        copies = positions.take(np.repeat(np.arange(len(units.ids)), n_copies))
        draws = rng.random(len(copies.values))
        masked = draws < self.mask_p
        replaced = ~masked & (draws < self.mask_p + self.replace_p) & replaceable[copies.values]
        kept = ~masked if self.mask_token == "" else np.ones_like(masked)
        kept &= inside_ngrams(copies, kept, self.ngram_p, self.ngram_range, rng)
        replaced &= kept

        words = units.write(copies.values)
        words[masked] = units.write(copies.values[masked], self.mask_token)
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
