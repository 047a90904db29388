"""Features and their places agree with what the vocabulary reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdistill.text._spans import locate_features
from skdistill.text._vocabulary import Vocabulary

TEXTS = [
    "",
    "   ",
    "A rose, a ROSE.",
    "don't\tstop\n 🙂🙂 naïve x",
    "İstanbul'da İİ \0 ΣΑΣ ΣΑΣ.",
    "שלום עולם e\u0301te\u200dx \ud800 \x1c\x85\u2003end ",
]
VOCABULARIES = {
    "words": {},
    "cased": {"lowercase": False},
    "listed n-grams": {"ngram_range": (1, 3)},
    "pairs alone": {"ngram_range": (2, 2)},
    "hashed n-grams": {"ngram_range": (1, 3), "hash_buckets": 50},
    "characters": {"analyzer": "char", "ngram_range": (1, 2)},
    "hashed characters": {"analyzer": "char", "ngram_range": (1, 3), "hash_buckets": 50},
}


def make_vocabulary(name):
    return Vocabulary.build([*TEXTS, "a rose"], 12, **VOCABULARIES[name])


def read(vocabulary, text):
    """Write a part of a text as the vocabulary writes features."""
    text = (text.lower() if vocabulary.lowercase else text).replace("\0", " ")
    if vocabulary.analyzer == "char":
        return " ".join(text.split()) or " "
    return " ".join(Vocabulary([], lowercase=False)._words_of_all([text]))


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("text", TEXTS)
def test_names_lead_to_the_ids(name, text):
    vocabulary = make_vocabulary(name)
    found = locate_features(vocabulary, text)
    np.testing.assert_array_equal(found.ids, vocabulary.encode([text]).values)
    assert len(found.names) == len(found.ids) == len(found.spans)
    listed = [vocabulary.ids.get(feature, 0) for feature in found.names]
    hashed = found.ids > len(vocabulary.features)
    np.testing.assert_array_equal(np.where(hashed, found.ids, listed), found.ids)


@pytest.mark.parametrize("name", ["words", "cased", "listed n-grams", "hashed n-grams"])
@settings(deadline=None, max_examples=50, derandomize=True)
@given(text=st.text(st.sampled_from("aB ,é\u0301🙂\t\0\u2003'_1"), max_size=20))
def test_spans_hold_what_the_names_say(name, text):
    vocabulary = make_vocabulary(name)
    found = locate_features(vocabulary, text)
    for feature, (start, stop) in zip(found.names, found.spans.tolist(), strict=True):
        assert read(vocabulary, text[start:stop]) == feature


def test_characters_stand_where_they_were_written():
    found = locate_features(Vocabulary([], analyzer="char"), "  Aé \t\n🙂 ")
    assert found.names == ["a", "é", " ", "🙂"]
    assert found.spans.tolist() == [[2, 3], [3, 4], [4, 7], [7, 8]]


def test_a_character_that_becomes_two_moves_no_span():
    found = locate_features(Vocabulary([]), "İİ x İ")
    assert found.names == ["i̇i̇", "x", "i̇"]
    assert found.spans.tolist() == [[0, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("analyzer", [str.split, lambda text: iter(text.split())])
def test_a_functions_features_have_no_place(analyzer):
    vocabulary = Vocabulary(["a", "b"], analyzer=analyzer, ngram_range=(1, 2), hash_buckets=5)
    found = locate_features(vocabulary, "a b zz")
    assert found.names == ["a", "a b", "b", "b zz", "zz"]
    assert (found.spans == -1).all()
