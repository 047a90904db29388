import json
from collections import UserList
from itertools import count

import numpy as np
import pytest

from conftest import make_topics
from skdistill.text._repetition import MOSTLY_SINGLE, share_of_single_words

# First character of the words, number of characters, frequent particles, end of a phrase.
SCRIPTS = {
    "Chinese": (0x4E00, 2500, ["的", "了", "是", "不"], "，"),
    "Japanese": (0x3041, 83, ["は", "が", "を", "です", "ました"], "、"),
    "Thai": (0x0E01, 46, ["ที่", "และ", "ไม่", "เป็น"], " "),
}


def write_without_spaces(script, n_texts, *, phrases=(1, 4), words=(3, 9), seed=0):
    """Make texts of words that are as frequent as Zipf says, with nothing between them."""
    first, n_characters, particles, end = SCRIPTS[script]
    rng = np.random.default_rng(seed)
    characters = first + rng.integers(n_characters, size=(5000, 3))
    lengths = rng.choice([1, 2, 2, 3], 5000)
    lexicon = ["".join(map(chr, row[:n])) for row, n in zip(characters, lengths, strict=True)]
    frequency = 1 / np.arange(1, 5001)
    drawn = iter(rng.choice(5000, n_texts * phrases[1] * words[1], p=frequency / frequency.sum()))
    added = iter(rng.integers(2 * len(particles), size=n_texts * phrases[1] * words[1]).tolist())
    sizes = iter(rng.integers(*words, size=n_texts * phrases[1]).tolist())

    def phrase():
        parts = [(lexicon[next(drawn)], next(added)) for _ in range(next(sizes))]
        return "".join(word + "".join(particles[n : n + 1]) for word, n in parts)

    return [end.join(phrase() for _ in range(n)) for n in rng.integers(*phrases, size=n_texts)]


@pytest.mark.parametrize("n_texts", [50, 300, 1000, 5000])
@pytest.mark.parametrize("script", SCRIPTS)
def test_words_of_scripts_without_spaces_hardly_recur(script, n_texts):
    assert share_of_single_words(write_without_spaces(script, n_texts)) > 0.95
    short = write_without_spaces(script, n_texts, phrases=(1, 3), words=(1, 3))
    assert share_of_single_words(short) > MOSTLY_SINGLE


@pytest.mark.parametrize(
    "head", ["RT @user https://t.co/x ", "2026-11-28 10:{:02} INFO ", "RT @user ", "Q1 . A : "]
)
@pytest.mark.parametrize("script", SCRIPTS)
def test_what_recurs_before_words_without_spaces_does_not_hide_them(script, head):
    texts = write_without_spaces(script, 200)
    headed = [head.format(i % 60) + text for i, text in enumerate(texts)]
    assert share_of_single_words(headed) == pytest.approx(share_of_single_words(texts))


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(("n_such", "is_noticed"), [(48, False), (50, True), (120, True)])
def test_texts_in_a_script_without_spaces_are_noticed_among_others(script, n_such, is_noticed):
    others = make_topics(300 - n_such)[0]
    mixed = [*write_without_spaces(script, n_such), *others]
    assert (share_of_single_words(mixed) > MOSTLY_SINGLE) is is_noticed


@pytest.mark.parametrize("n_texts", [301, 600, 900, 1200])
def test_texts_and_their_translations_in_turns_are_noticed(n_texts):
    period = max(2, n_texts // 300)
    written, others = write_without_spaces("Chinese", n_texts), make_topics(n_texts)[0]
    pairs = enumerate(zip(written, others, strict=True))
    mixed = [one if row % period else other for row, (other, one) in pairs]
    assert share_of_single_words(mixed) > MOSTLY_SINGLE


def test_scripts_that_write_spaces_and_names_in_those_that_do_not_are_no_alarm():
    texts = make_topics(300)[0]
    hangul = {ord("a") + i: chr(0xAC00 + 28 * i) for i in range(26)}
    assert share_of_single_words([text.translate(hangul) for text in texts]) < 0.2
    han = {ord("a") + i: chr(0x4E00 + i) for i in range(26)}
    assert share_of_single_words([text.translate(han) for text in texts]) < 0.2
    named = [f"{text} {chr(0x4E00 + i)}" if i % 3 == 0 else text for i, text in enumerate(texts)]
    assert share_of_single_words(named) < 0.2


@pytest.mark.parametrize(
    "form", ["photo_{}.pdf", "user{}@mail.example.com", "GET /item{}.html 200"]
)
def test_what_nearly_all_texts_contain_does_not_hide_names_that_never_recur(form):
    names = [form.format(f"{i * 7919 % 10**6:06d}") for i in range(200)]
    assert share_of_single_words(names) == 1
    # A word that most texts contain, but not all, may tell the class.
    classes = [f"{name} {'late' if i % 10 else 'new'}" for i, name in enumerate(names)]
    assert share_of_single_words(classes) < MOSTLY_SINGLE


@pytest.mark.parametrize(("n_others", "share"), [(20, 200 / 220), (22, 200 / 422), (100, 0.4)])
def test_what_all_texts_contain_counts_unless_nine_tenths_are_nothing_else(n_others, share):
    texts = [f"photo_{i}.pdf {'soup' if i < n_others else ''}" for i in range(200)]
    assert share_of_single_words(texts) == pytest.approx(share)


def test_numbers_beside_words_that_recur_are_no_alarm():
    paid, refused = "payment {} received from {}", "payment {} refused by {}"
    texts = [(paid if i % 10 else refused).format(3 * i, 3 * i + 1) for i in range(300)]
    assert share_of_single_words(texts) < MOSTLY_SINGLE
    texts = [f"order {i} item {2 * i}a price {i}b {'soup' if i % 2 else 'bus'}" for i in range(300)]
    assert share_of_single_words(texts) < MOSTLY_SINGLE


@pytest.mark.parametrize("n_texts", [50, 300, 1000])
def test_words_between_spaces_recur(n_texts):
    assert share_of_single_words(make_topics(n_texts)[0]) < 0.2


@pytest.mark.data
@pytest.mark.parametrize("n_texts", [50, 100, 1000])
@pytest.mark.parametrize(
    "name", ["agnews", "cola", "emotion", "hwu64", "newsgroups", "sst2", "trec6"]
)
def test_words_of_real_texts_recur(name, n_texts, data_folder):
    lines = (data_folder / name / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rng = np.random.default_rng(0)
    for _ in range(10):
        start = rng.integers(len(lines) - n_texts)
        drawn = rng.choice(len(lines), n_texts, replace=False)
        for rows in (drawn, range(start, start + n_texts)):
            texts = [json.loads(lines[row])["text"] for row in rows]
            assert share_of_single_words(texts) < MOSTLY_SINGLE


def test_the_share_counts_occurrences_without_case_or_punctuation():
    number = count()
    texts = [f"Once{next(number)}, twice{i}! TWICE{i}" for i in range(60)]
    assert share_of_single_words(texts) == 1 / 3


def test_few_texts_and_texts_without_words_are_not_judged():
    assert share_of_single_words([f"word{i}" for i in range(49)]) == 0
    assert share_of_single_words([f"word{i}" for i in range(50)]) == 1
    assert share_of_single_words(["", "...", "🙂"] * 50) == 0


def test_texts_in_several_parts_are_judged_together():
    labelled = [f"word{i}" for i in range(30)]
    assert share_of_single_words(labelled, ["the same words"] * 10) == 0
    assert share_of_single_words(labelled, ["the same words"] * 30) == 0.25
    # Of 1,500 texts, one in five is taken; of those on disk, the first 294.
    on_disk = UserList([f"other{i}" for i in range(294)] + ["again"] * 1176)
    assert share_of_single_words(labelled, on_disk) == 1
    assert share_of_single_words(labelled, [*on_disk]) == pytest.approx(65 / 300, abs=0.01)


def test_a_sample_spans_all_texts():
    texts = ["the same words"] * 1500 + [f"word{i} other{i} third{i}" for i in range(1500)]
    assert share_of_single_words(texts) == 0.5
    assert share_of_single_words(texts[:1200]) == 0


def test_features_of_a_function_are_judged_in_scripts_without_spaces_alone():
    texts = write_without_spaces("Chinese", 100)
    assert share_of_single_words(texts, split=str.split) > 0.95
    assert share_of_single_words(texts, split=list) < 0.2
    english = [f"all of word{i} is new{i}" for i in range(100)]
    pairs = [[i, i + 1] for i in range(100)]
    assert share_of_single_words(english, split=lambda text: [text]) == 0
    assert share_of_single_words(texts, split=lambda text: pairs[texts.index(text)]) == 0
