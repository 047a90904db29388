import numpy as np
import pytest

from skdistill.augment import _new_words
from skdistill.augment._augmenter import TextAugmenter
from skdistill.augment._new_words import place_words

NO_COPIES = {"n_copies": 0}


def test_each_word_takes_the_place_of_one_word():
    texts = ["a (b) c.", "d e", "f"]
    words = [f"new{i}" for i in range(300)]
    placed = place_words(words, texts, np.random.default_rng(0))
    assert len(placed) == len(words)
    frames = {
        *("{} (b) c.", "a ({}) c.", "a (b) {}."),
        *("{} e", "d {}"),
        "{}",
    }
    found = [text.replace(word, "{}") for word, text in zip(words, placed, strict=True)]
    assert {*found} == frames
    # Each text is drawn as often as the others, and each place as often as the others of its text.
    assert 70 < found.count("{}") < 130
    assert 30 < found.count("{} e") < 70
    assert 18 < found.count("a (b) {}.") < 50


def test_texts_without_words_get_none(monkeypatch):
    monkeypatch.setattr(_new_words, "_CHUNK", 3)
    placed = place_words(["x", "y", "z", "u"] * 5, ["", "  ", "a b"], np.random.default_rng(0))
    assert 0 < len(placed) < 20
    assert {text.replace("a", "").replace("b", "").strip() for text in placed} <= {*"xyzu"}
    assert place_words(["x"], [""], np.random.default_rng(0)) == []


def test_the_augmenter_adds_the_words_in_texts_and_alone():
    texts = ["a b", "c d e"]
    augmenter = TextAugmenter(new_words=["snow", "rain", "a b"], random_state=0, **NO_COPIES)
    made = augmenter.fit(texts).augment(texts)
    assert made == augmenter.augment(texts)
    assert len(made) == 5  # the text "a b" is there already
    assert made[-2:] == ["snow", "rain"]
    assert [len(text.split()) in (2, 3, 4) for text in made[:3]] == [True] * 3
    assert ["snow" in made[0], "rain" in made[1], "a b" in made[2]] == [True] * 3


def test_copies_do_not_depend_on_new_words(topics):
    texts = topics[0][:20]
    few = TextAugmenter(n_copies=2).fit(texts)
    more = TextAugmenter(n_copies=2, new_words=np.array(["snow", "rain"])).fit(texts)
    copies = few.augment(texts)
    assert more.augment(texts)[: len(copies)] == copies


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (["a", None], {}, r"new_words\[1\] is missing"),
        (["a"], {"analyzer": "char"}, r'new_words need analyzer="word"'),
    ],
)
def test_words_that_cannot_be_placed(words, options, message):
    with pytest.raises(ValueError, match=message):
        TextAugmenter(new_words=words, **options).fit(["a text"])


def test_no_copies_and_no_words_make_nothing():
    assert TextAugmenter(n_copies=0).fit(["a b"]).augment(["a b"]) == []
