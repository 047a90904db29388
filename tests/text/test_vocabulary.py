import pickle
import re
import sys
import unicodedata
from collections import Counter
from zlib import crc32

import numpy as np
import pytest
from scipy.stats import chisquare

from skdistill.text import _vocabulary as module
from skdistill.text._vocabulary import UNKNOWN, Vocabulary, split_words

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


def test_both_ways_to_look_words_up_agree_on_all_scripts(monkeypatch):
    characters = [*map(chr, range(0x32400))]  # those above are unassigned or private
    texts = [
        "a".join(characters[i : i + 30]) + " " + "".join(characters[i : i + 5])
        for i in range(0, len(characters), 30)
    ]
    vocabulary = Vocabulary.build(texts[::20], 10**5)
    by_table = vocabulary.encode(texts)
    assert "_table" in vars(vocabulary)
    monkeypatch.setattr(module, "_MANY", len(texts) + 1)
    by_dictionary = vocabulary.encode(texts)
    np.testing.assert_array_equal(by_table.values, by_dictionary.values)
    np.testing.assert_array_equal(by_table.offsets, by_dictionary.offsets)
    for row in range(0, len(texts), 97):
        np.testing.assert_array_equal(
            vocabulary.encode_one(texts[row]), by_table.take(np.array([row])).values
        )


def test_ascii_words_equal_a_regular_expression():
    text = "".join(np.random.default_rng(0).choice([*map(chr, range(128))], 5000))
    assert split_words(text) == re.findall(r"\w+|[^\w\s]", text)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lowercase": False},
        {"ngram_range": (1, 2)},
        {"analyzer": "char"},
        {"ngram_range": (1, 3), "hash_buckets": 40},
    ],
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


def test_a_callable_may_be_a_generator():
    def words(text):
        yield from text.split("-")

    vocabulary = Vocabulary.build(["b-a-b"], 10, analyzer=words)
    assert vocabulary.features == ["b", "a"]
    assert vocabulary.encode(["a-c"]).values.tolist() == [2, UNKNOWN]


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


def hash_slowly(ids, codes, *, max_n, n_buckets):
    """Put the n-grams' buckets behind each feature, with Python's integers."""
    encoded = []
    for start, feature in enumerate(ids):
        encoded.append(feature)
        code = codes[feature]
        for end in range(start + 2, min(start + max_n, len(ids)) + 1):
            code = ((code + 1) * 0x9E3779B97F4A7C15 + codes[ids[end - 1]]) % 2**64
            mixed = (code ^ (code >> 32)) * 0xD6E8FEB86659FD93 % 2**64
            if any(ids[start:end]):
                encoded.append(len(codes) + (mixed >> 32) % n_buckets)
    return encoded


def words_backwards(text):
    return text.split()[::-1]


@pytest.mark.parametrize("analyzer", ["word", "char", words_backwards])
@pytest.mark.parametrize(("max_n", "n_buckets"), [(2, 1000), (3, 7), (5, 2**31 - 200), (2, 1)])
def test_hashed_ngrams_equal_a_loop_over_pythons_integers(analyzer, max_n, n_buckets):
    vocabulary = Vocabulary.build(
        TRICKY, 20, analyzer=analyzer, ngram_range=(1, max_n), hash_buckets=n_buckets
    )
    single = Vocabulary(vocabulary.features, analyzer=analyzer)
    n_listed = len(vocabulary.features) + 1
    assert len(vocabulary) == n_listed + n_buckets
    encoded, plain = vocabulary.encode(TRICKY), single.encode(TRICKY)
    assert len(encoded) == len(TRICKY)
    assert encoded.values.dtype == np.int32
    assert UNKNOWN in plain.values
    codes = [0, *(crc32(f.encode("utf-8", "surrogatepass")) for f in vocabulary.features)]
    for row in range(len(TRICKY)):
        ids = plain.take(np.array([row])).values.tolist()
        expected = hash_slowly(ids, codes, max_n=max_n, n_buckets=n_buckets)
        assert encoded.take(np.array([row])).values.tolist() == expected
    assert encoded.values.min() >= 0
    assert encoded.values.max() < len(vocabulary)


def test_ngrams_of_unknown_features_alone_are_left_out():
    vocabulary = Vocabulary(["a"], ngram_range=(1, 2), hash_buckets=1)
    assert vocabulary.encode(["x y a z", "", "x y"]).values.tolist() == [0, 0, 2, 1, 2, 0, 0, 0]
    assert vocabulary.encode(["x y a z", "", "x y"]).lengths.tolist() == [6, 0, 2]
    assert len(vocabulary.encode([])) == 0


def test_only_single_features_are_listed_beside_buckets():
    texts = ["new york", "new york", "old york"]
    assert Vocabulary.build(texts, 9, ngram_range=(1, 2), hash_buckets=5).features == [
        "york",
        "new",
        "old",
    ]


def test_buckets_fill_evenly():
    words = [f"w{i}" for i in range(100)]
    vocabulary = Vocabulary(words, ngram_range=(1, 2), hash_buckets=500)
    pairs = [f"{one} {other}" for one in words for other in words]
    buckets = vocabulary.encode(pairs).values[1::3] - 101
    assert len(buckets) == 10_000
    assert chisquare(np.bincount(buckets, minlength=500)).pvalue > 1e-4


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"analyzer": "char", "ngram_range": (1, 2)},
        {"ngram_range": (1, 2), "hash_buckets": 9},
        {"analyzer": list},
    ],
    ids=str,
)
def test_weights_count_texts_more_than_once_or_not_at_all(options):
    weights = np.arange(len(TRICKY)) % 3
    repeated = [text for text, n in zip(TRICKY, weights, strict=True) for _ in range(n)]
    expected = Vocabulary.build(repeated, 10**6, **options)
    assert Vocabulary.build(TRICKY, 10**6, weights=weights, **options).features == expected.features
    halves = Vocabulary.build(TRICKY, 10**6, weights=weights / 2, **options)
    assert halves.features == expected.features
    assert len(Vocabulary.build(TRICKY, 10**6, **options).features) > len(expected.features)


def test_no_text_of_weight_leaves_no_feature():
    assert Vocabulary.build(["a b", "c"], 9, weights=np.zeros(2)).features == []
    assert Vocabulary.build(["a b"], 9, weights=np.array([0.5])).features == ["a", "b"]


@pytest.mark.parametrize(
    "options", [{"analyzer": "char", "ngram_range": (1, 2)}, {"lowercase": False}], ids=str
)
def test_select_keeps_the_given_ids_in_their_order(options):
    whole = Vocabulary.build(TRICKY, 30, **options)
    kept = np.array([7, 2, 20, 11])
    part = whole.select(kept)
    assert part.features == [whole.features[i - 1] for i in kept]
    new_ids = np.zeros(30, dtype=int)
    new_ids[kept] = [1, 2, 3, 4]
    encoded = part.encode(TRICKY)
    np.testing.assert_array_equal(encoded.values, new_ids[whole.encode(TRICKY).values])
    assert UNKNOWN < encoded.values.max() == 4
    assert len(whole.features) == 29


def test_select_keeps_buckets_and_the_ngrams_in_them():
    whole = Vocabulary(["a", "b", "c", "d"], ngram_range=(1, 3), hash_buckets=1000)
    part = whole.select(np.array([2, 4]))
    assert len(part) == 3 + 1000
    texts = ["b d", "d b", "b d b b"]
    before, after = whole.encode(texts).values, part.encode(texts).values
    np.testing.assert_array_equal(after[after >= 3] - 3, before[before >= 5] - 5)
    assert (after >= 3).sum() == 7
