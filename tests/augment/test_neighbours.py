import pickle
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from skdistill import TransformerTeacherClassifier, make_tfidf_baseline
from skdistill.augment import _neighbours
from skdistill.augment._augmenter import TextAugmenter
from skdistill.augment._neighbours import NeighbourWords
from skdistill.text._units import Units

WORDS = [f"w{i}" for i in range(20)]
# The vocabulary of the tiny model, in this order.
TOKENS = [
    *(
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "[unused1]",
        "##s",
        "##w1",
        ",",
        "!",
        "花",
        "我",
    ),
    *WORDS,
]
REPLACE_ALL = {"mask_p": 0, "replace_p": 1, "ngram_p": 0, "n_copies": 1}


def make(texts, **params):
    return TextAugmenter(**params).fit(texts).augment(texts)


def marks(number):
    """Write a number in punctuation, which is never replaced."""
    return format(number, "010b").replace("0", ",").replace("1", "!")


def make_embeddings(folder):
    """Write a tiny BERT with random embeddings."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    config = BertConfig(
        vocab_size=len(TOKENS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    BertTokenizer({token: i for i, token in enumerate(TOKENS)}).save_pretrained(folder)
    return str(folder)


def nearest_words(folder, word_tokens, n_near):
    """Sort the whole words by their cosine to the mean of some tokens' embeddings."""
    from transformers import BertModel

    table = BertModel.from_pretrained(folder).get_input_embeddings().weight.detach().numpy()
    words = [token for token in TOKENS if token in WORDS or token in "花我"]
    vectors = np.array([table[TOKENS.index(word)] for word in words])
    vector = np.mean([table[TOKENS.index(token)] for token in word_tokens], axis=0)
    centre = vectors.mean(axis=0)
    cosines = [(v - centre) @ (vector - centre) / np.linalg.norm(v - centre) for v in vectors]
    falling = np.argsort(cosines)[::-1]
    return [words[i] for i in falling if [words[i]] != word_tokens][:n_near]


def test_words_are_replaced_by_the_nearest_ones(tmp_path):
    folder = make_embeddings(tmp_path)
    augmenter = TextAugmenter(**REPLACE_ALL, word_vectors=folder)
    assert augmenter.fit(["a text"]).roles_ == {}
    n_texts = 900
    for word, tokens in (("W3", ["w3"]), ("w1s", ["w1", "##s"])):
        copies = augmenter.augment([f"({word}) {marks(n)}" for n in range(n_texts)])
        assert [copy.split()[1] for copy in copies] == [marks(n) for n in range(n_texts)]
        drawn = Counter(copy.split()[0].strip("()") for copy in copies)
        assert set(drawn) == set(nearest_words(folder, tokens, 15))
        assert chisquare([*drawn.values()]).pvalue > 1e-4


def test_near_words_are_drawn_reproducibly(tmp_path, monkeypatch):
    rules = {"mask_p": 0.2, "replace_p": 0.5, "ngram_p": 0.3, "n_copies": 5}
    rules["word_vectors"] = make_embeddings(tmp_path)
    texts = [" ".join(WORDS[i:]) + ", w1s! \ud800 ..." for i in range(19)]
    augmenter = TextAugmenter(**rules).fit(texts)
    copies = augmenter.augment(texts)
    assert copies == augmenter.augment(texts)
    assert copies == pickle.loads(pickle.dumps(augmenter)).augment(texts)
    assert copies != make(texts, **rules, random_state=1)
    monkeypatch.setattr(_neighbours, "CHUNK", 3)
    assert copies == augmenter.augment(texts)


def test_characters_are_replaced_by_near_characters(tmp_path):
    folder = make_embeddings(tmp_path)
    rules = REPLACE_ALL | {"analyzer": "char", "word_vectors": folder}
    assert make(["我w!", "花 "], **rules) == ["花花!", "我"]


def test_a_teachers_words_are_those_of_its_checkpoint(tmp_path, monkeypatch):
    folder = make_embeddings(tmp_path)
    rules = {"replace_p": 0.5, "n_copies": 3}
    texts = [" ".join(WORDS[i:]) + " w1s" for i in range(9)]
    teacher = TransformerTeacherClassifier(folder)
    for analyzer, rows in (("word", texts), ("char", ["我花w", "花"])):
        named = make(rows, **rules, analyzer=analyzer, word_vectors=folder)
        assert make(rows, **rules, analyzer=analyzer, word_vectors=teacher) == named
    # Loading a checkpoint takes seconds if it is large.
    n_loads = []
    load = TransformerTeacherClassifier._pretrained_embeddings
    monkeypatch.setattr(
        TransformerTeacherClassifier,
        "_pretrained_embeddings",
        lambda self: n_loads.append(1) or load(self),
    )
    monkeypatch.setattr(_neighbours, "CHUNK", 3)
    make(texts, **rules, word_vectors=teacher)
    assert len(n_loads) == 2


def test_only_neighbours_are_kept_in_the_order_of_the_vocabulary(tmp_path, monkeypatch):
    monkeypatch.setattr(_neighbours, "CHUNK", 3)
    replacer = NeighbourWords(make_embeddings(tmp_path), "word")
    replacer.read(Units.read([" ".join(WORDS)], "word"))
    owners = [row if row.base is None else row.base for row in replacer._near.values()]
    assert {owner.size for owner in owners} <= {15, 3 * 15, 2 * 15}
    assert all((np.diff(row) > 0).all() for row in replacer._near.values())


def test_vectors_of_words_come_from_a_transformer():
    with pytest.raises(ValueError, match=r"'word_vectors' parameter of TextAugmenter must be"):
        make(["a text"], word_vectors=make_tfidf_baseline())


def test_words_with_marks_inside_are_replaced(tmp_path):
    (copy,) = make(["w1-w2"], **REPLACE_ALL, word_vectors=make_embeddings(tmp_path))
    assert copy in [*WORDS, "花", "我"]


def test_no_words_to_draw(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="'no/such-model' could not be loaded"):
        make(["a text"], word_vectors="no/such-model")
    folder = make_embeddings(tmp_path)
    monkeypatch.setattr(_neighbours, "whole_words", lambda *args: {19: "one"})
    with pytest.raises(ValueError, match=r"word_vectors=.* has fewer than two whole words"):
        make(["a text"], word_vectors=folder)
