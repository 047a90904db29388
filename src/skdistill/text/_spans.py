"""Locate a vocabulary's features in the original text."""

import re
from dataclasses import dataclass

import numpy as np

from skdistill.text._vocabulary import UNKNOWN, Vocabulary, split_words
from skdistill.text._word_table import END

_CHARACTER_OR_BLANKS = re.compile(r"\s+|\S")


@dataclass(frozen=True)
class LocatedFeatures:
    """The features of one text, in the order in which a student sees them.

    Attributes
    ----------
    names : list of str, of length n_features
        Names in the vocabulary's spelling: lower-cased, if the vocabulary lower-cases texts.
    ids : ndarray of shape (n_features,)
    spans : ndarray of shape (n_features, 2), dtype int64
        Start and end of each feature in the original text, in characters. -1 if the analyzer is a
        function, because a function does not return positions.
    """

    names: list[str]
    ids: np.ndarray
    spans: np.ndarray


def locate_features(vocabulary: Vocabulary, text: str) -> LocatedFeatures:
    """Find the features of a text and their positions.

    Examples
    --------
    >>> from skdistill.text._spans import locate_features
    >>> from skdistill.text._vocabulary import Vocabulary
    >>> found = locate_features(Vocabulary(["a", "rose"]), "A  ROSE!")
    >>> found.names, found.ids.tolist(), found.spans.tolist()
    (['a', 'rose', '!'], [1, 2, 0], [[0, 1], [3, 7], [7, 8]])
    """
    units, spans = _locate_units(vocabulary, text)
    min_n, max_n = vocabulary.ngram_range
    if vocabulary.hash_buckets:
        min_n = 1
    elif callable(vocabulary.analyzer):
        min_n = max_n = 1
    between = "" if vocabulary.analyzer == "char" else " "
    known = [vocabulary.ids.get(unit, UNKNOWN) != UNKNOWN for unit in units]
    names, places = [], []
    for start in range(len(units)):
        for stop in range(start + min_n, min(start + max_n, len(units)) + 1):
            # The vocabulary skips n-grams of unknown features only.
            if vocabulary.hash_buckets and stop > start + 1 and not any(known[start:stop]):
                continue
            names.append(between.join(units[start:stop]))
            places.append((spans[start][0], spans[stop - 1][1]))
    ids = vocabulary.encode_one(text)
    return LocatedFeatures(names, ids, np.array(places, dtype=np.int64).reshape(len(ids), 2))


def _locate_units(vocabulary: Vocabulary, text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Find words, characters or a function's features, before n-grams are formed."""
    if callable(vocabulary.analyzer):
        features = list(vocabulary.analyzer(text))
        return features, [(-1, -1)] * len(features)
    read = text.lower() if vocabulary.lowercase else text
    read = read.replace(END, " ")
    units, spans = (_locate_words if vocabulary.analyzer == "word" else _locate_characters)(read)
    if len(read) != len(text):
        # Lower-casing turns a few characters into several.
        origins = [place for place, character in enumerate(text) for _ in character.lower()]
        spans = [(origins[start], origins[stop - 1] + 1) for start, stop in spans]
    return units, spans


def _locate_words(read: str) -> tuple[list[str], list[tuple[int, int]]]:
    words, spans, end = split_words(read), [], 0
    for word in words:
        # Only white space precedes the word.
        start = read.index(word, end)
        end = start + len(word)
        spans.append((start, end))
    return words, spans


def _locate_characters(read: str) -> tuple[list[str], list[tuple[int, int]]]:
    first, last = len(read) - len(read.lstrip()), len(read.rstrip())
    found = [*_CHARACTER_OR_BLANKS.finditer(read, first, last)]
    return [" " if run[0].isspace() else run[0] for run in found], [run.span() for run in found]
