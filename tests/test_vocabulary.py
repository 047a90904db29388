import pickle
import re
import sys
import unicodedata
from collections import Counter

import numpy as np
import pytest

from skdistill import vocabulary as module
from skdistill.vocabulary import UNKNOWN, Vocabulary, split_words

TRICKY = [
    "",
    "   ",
    "I don't know, do you?",
    "snake_case x2 3.14",
    "naïve café — “quoted”…",
    "हिन्दी में लिखा",  # combining vowel signs belong to their word
    "می‌خواهم",  # a zero-width non-joiner inside a word
    "🙂🙂 ok 👩‍💻",
    "日本語。テキスト",
    "ΌΣΟΣ İstanbul ẞ",
    "a\0b",
    "\ud800 lone surrogate",
    "tab\tnew\nline\x1cfile\x1funit\x85next\u2028line",
    "\x01\x02 control",
]


def split_slowly(text):
    """Split one character at a time, straight from the definition."""
    tokens, word = [], ""
    for character in text:
        in_word = (
            character.isalnum()
            or character in "_\u200c\u200d"
            or (character > "\x7f" and unicodedata.category(character)[0] == "M")
        )
        if in_word:
            word += character
            continue
        if word:
            tokens.append(word)
        word = ""
        if not character.isspace() and character != "\0":
            tokens.append(character)
    return [*tokens, word] if word else tokens


@pytest.mark.parametrize("text", TRICKY)
def test_words_follow_the_definition(text):
    assert split_words(text) == split_slowly(text)


def test_words_follow_the_definition_on_all_of_unicode():
    for start in range(0, sys.maxunicode + 1, 4096):
        text = "a".join(map(chr, range(start, start + 4096)))
        assert split_words(text) == split_slowly(text)


def test_ascii_words_equal_a_regular_expression():
    text = "".join(np.random.default_rng(0).choice([*map(chr, range(128))], 5000))
    assert split_words(text) == re.findall(r"\w+|[^\w\s]", text)


@pytest.mark.parametrize(
    "options", [{}, {"lowercase": False}, {"ngram_range": (1, 2)}, {"analyzer": "char"}]
)
def test_a_text_is_encoded_alike_alone_and_among_others(options):
    vocabulary = Vocabulary.build(TRICKY, 50, **options)
    together = vocabulary.encode(TRICKY)
    for row, text in enumerate(TRICKY):
        alone = vocabulary.encode([text])
        assert together.take(np.array([row])).values.tolist() == alone.values.tolist()


def test_chunks_change_nothing(monkeypatch):
    texts = TRICKY * 3
    whole = Vocabulary.build(texts, 50)
    encoded = whole.encode(texts)
    monkeypatch.setattr(module, "_CHUNK", 4)
    parts = Vocabulary.build(texts, 50)
    assert parts.features == whole.features
    np.testing.assert_array_equal(parts.encode(texts).values, encoded.values)
    np.testing.assert_array_equal(parts.encode(texts).offsets, encoded.offsets)


def test_build_takes_the_most_frequent_and_breaks_ties_by_name():
    texts = ["b a c", "c a", "c d"]
    counts = Counter(" ".join(texts).split())
    expected = sorted(counts, key=lambda word: (-counts[word], word))
    assert Vocabulary.build(texts, 4).features == expected[:3] == ["c", "a", "b"]
    assert len(Vocabulary.build(texts, 4)) == 4
    assert len(Vocabulary.build(texts, 400)) == 5


def test_encode_finds_each_word_or_says_unknown():
    vocabulary = Vocabulary.build(["one two two"], 3)
    assert vocabulary.encode(["ONE two three", "", "two"]).values.tolist() == [2, 1, UNKNOWN, 1]
    assert vocabulary.encode(["ONE two three", "", "two"]).offsets.tolist() == [0, 3, 3, 4]


def test_encode_nothing():
    assert len(Vocabulary.build(["a"], 3).encode([])) == 0


def test_ngrams_are_ordered_by_position_then_length():
    seen = Vocabulary([], ngram_range=(1, 2))._features_of_one("a b c")
    assert seen == ["a", "a b", "b", "b c", "c"]
    seen = Vocabulary([], analyzer="char", ngram_range=(2, 3))._features_of_one("Ab  c")
    assert seen == ["ab", "ab ", "b ", "b c", " c"]


def test_a_callable_sees_the_raw_text_and_may_return_any_string():
    vocabulary = Vocabulary.build(["A\0B", "A"], 10, analyzer=list)
    assert vocabulary.features == ["A", "B"]
    assert vocabulary.encode(["B\0Z"]).values.tolist() == [2, UNKNOWN, UNKNOWN]


def test_lowercase_off_tells_cases_apart():
    assert set(Vocabulary.build(["Us us"], 9, lowercase=False).features) == {"Us", "us"}


def test_pickle_keeps_the_ids_and_stores_features_once():
    vocabulary = Vocabulary.build(TRICKY, 50)
    data = pickle.dumps(vocabulary)
    assert data.count(b"quoted") == 1
    copy = pickle.loads(data)
    np.testing.assert_array_equal(copy.encode(TRICKY).values, vocabulary.encode(TRICKY).values)


def test_many_different_marks_take_the_other_path_to_the_same_end():
    text = " ".join(f"a{chr(0x2190 + i)}b" for i in range(500))
    assert split_words(text) == split_slowly(text)
