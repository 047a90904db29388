import numpy as np

from skdistill.augment import _new_words
from skdistill.augment._new_words import place_words


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
