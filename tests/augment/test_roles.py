from collections import Counter

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import chisquare
from sklearn.metrics import adjusted_rand_score

from skdistill.augment import _augmenter, _roles
from skdistill.augment._augmenter import TextAugmenter

GRAMMAR = {
    "determiner": ["the", "a", "this", "every"],
    "adjective": ["red", "old", "happy", "loud", "small"],
    "noun": ["cat", "dog", "train", "cook", "sailor", "storm"],
    "verb": ["sees", "likes", "hears", "follows", "paints"],
    "adverb": ["today", "again", "twice"],
}
SENTENCE = ["determiner", "adjective", "noun", "verb", "determiner", "noun", "adverb"]


def by_first_letter(words):
    return [word[0] for word in words]


@pytest.fixture(scope="module")
def sentences():
    """300 sentences of a grammar with five roles."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(GRAMMAR[role]) for role in SENTENCE) for _ in range(300)]


def test_replacements_have_the_same_tag_and_follow_its_frequencies():
    corpus = ["a0"] * 10 + ["a1"] * 40 + ["a2"] * 20 + ["a3"] * 30 + ["b0", "b1"]
    texts = [f"{i} a1" for i in range(3000)]
    augmenter = TextAugmenter(
        mask_p=0, replace_p=1, ngram_p=0, n_copies=1, tagger=by_first_letter
    ).fit(corpus)
    assert augmenter.roles_ == {
        "a": {"a1": 40, "a3": 30, "a2": 20, "a0": 10},
        "b": {"b0": 1, "b1": 1},
    }
    copies = augmenter.augment(texts)
    assert [copy.split()[0] for copy in copies] == [text.split()[0] for text in texts]
    drawn = Counter(copy.split()[1] for copy in copies)
    assert set(drawn) == {"a0", "a2", "a3"}
    expected = [3000 * share for share in (1 / 6, 2 / 6, 3 / 6)]
    assert chisquare([drawn["a0"], drawn["a2"], drawn["a3"]], expected).pvalue > 1e-4
    # A word that fit did not see is replaced by its tag; a tag that it did not see, not at all.
    assert augmenter.augment(["b9"])[0] in {"b0", "b1"}
    assert augmenter.augment(["c0"]) == []
    # Case makes no other word.
    assert "a1" not in augmenter.augment([" ".join(["a1", "A1"] * 50)])[0].split()


def test_a_word_has_the_tag_of_each_occurrence():
    def by_place(words):
        _first, *later = words
        return ["first", *["later"] * len(later)]

    # Such a tagger is not asked about texts without a word.
    texts = ["fly south", "", "run fly"]
    augmenter = TextAugmenter(mask_p=0, replace_p=1, ngram_p=0, tagger=by_place).fit(texts)
    assert augmenter.roles_ == {"first": {"fly": 1, "run": 1}, "later": {"fly": 1, "south": 1}}
    assert augmenter.augment(["fly fly"]) == ["run south"]


def test_roles_of_a_grammar_are_found(sentences):
    augmenter = TextAugmenter(n_roles=5).fit(sentences)
    found = {word: role for role, words in augmenter.roles_.items() for word in words}
    true = {word: role for role, words in GRAMMAR.items() for word in words}
    assert set(found) == set(true)
    assert adjusted_rand_score([*true.values()], [found[word] for word in true]) > 0.99
    counts = Counter(" ".join(sentences).split())
    assert {w: n for words in augmenter.roles_.values() for w, n in words.items()} == counts


def test_replacements_keep_the_learned_role(sentences):
    rules = {"mask_p": 0, "replace_p": 0.5, "ngram_p": 0, "n_roles": 5, "n_copies": 3}
    copies = TextAugmenter(**rules).fit(sentences).augment(sentences)
    assert len(copies) > 500
    for copy in copies:
        for word, role in zip(copy.split(), SENTENCE, strict=True):
            assert word in GRAMMAR[role]


def test_rare_words_are_neither_replaced_nor_drawn(sentences):
    rare = "gnu"
    texts = [*sentences, *[f"the red {rare} sees a cat today"] * (_roles.MIN_OCCURRENCES - 1)]
    augmenter = TextAugmenter(mask_p=0, replace_p=1, ngram_p=0, n_roles=5).fit(texts)
    assert all(rare not in words for words in augmenter.roles_.values())
    copies = augmenter.augment([f"the red {rare} sees a dog again"])
    assert len(copies) > 10
    assert all(copy.split()[2] == rare for copy in copies)
    assert all(rare not in copy for copy in augmenter.augment(sentences[:20]))


def test_auto_roles_grow_with_the_square_root_of_the_words(sentences):
    n_words = sum(map(len, GRAMMAR.values()))
    assert len(TextAugmenter().fit(sentences).roles_) == round(n_words**0.5)
    # There are no more roles than different words.
    assert len(TextAugmenter(n_roles=1000).fit(sentences).roles_) <= n_words


def test_many_words_are_reduced_to_few_dimensions():
    rng = np.random.default_rng(0)
    words = [f"{role}{i}" for role in "ab" for i in range(40)]
    texts = [f"{rng.choice(words[:40])} {rng.choice(words[40:])}" for _ in range(2000)]
    roles = TextAugmenter(n_roles=2).fit(texts).roles_
    assert sorted(map(sorted, roles.values())) == [sorted(words[:40]), sorted(words[40:])]


def test_many_words_cost_one_start_of_few_iterations(monkeypatch):
    efforts = []

    class Recorder(_roles.KMeans):
        def fit_predict(self, points):
            efforts.append((len(points), self.n_init, self.max_iter))
            return super().fit_predict(points)

    monkeypatch.setattr(_roles, "KMeans", Recorder)
    monkeypatch.setattr(_roles, "MANY_WORDS", 500)
    true = np.repeat(np.arange(10), 60)
    points = np.eye(10)[true] + 0.3 * np.random.default_rng(0).random((600, 10))
    for n_words in (500, 501, 600):
        found = _roles.cluster(csr_array(points[:n_words]), 10, 0)
        assert adjusted_rand_score(true[:n_words], found) > 0.8
    assert efforts == [(500, 3, 300), (501, 1, 30), (600, 1, 30)]


def test_the_seed_decides_about_roles():
    words = np.array([f"w{i}" for i in range(120)])
    texts = [" ".join(row) for row in np.random.default_rng(0).choice(words, (300, 8))]
    roles = [TextAugmenter(random_state=seed).fit(texts).roles_ for seed in (1, 1, 2)]
    assert roles[0] == roles[1] != roles[2]


def test_case_and_punctuation_stay_outside_roles():
    texts = ["Cats, dogs!", "Dogs, (cats)", "cats DOGS..."] * 3
    augmenter = TextAugmenter(mask_p=0, replace_p=1, ngram_p=0, n_roles=1, n_copies=20)
    augmenter.fit(texts)
    assert augmenter.roles_ == {0: {"cats": 9, "DOGS": 9}}
    assert augmenter.augment(["cats, dogs!?", '"Dogs" birds']) == ["DOGS, cats!?", '"cats" birds']


def test_a_tagger_that_miscounts_is_named_with_the_row(monkeypatch):
    def miscounting(words):
        return [0] * min(len(words), 3)

    with pytest.raises(ValueError, match=r"returned 3 tags for the 4 units of X\[2\], \['some'"):
        TextAugmenter(tagger=miscounting).fit(["", "two words", "some words too many"])
    monkeypatch.setattr(_augmenter, "_CHUNK", 1)
    augmenter = TextAugmenter(tagger=miscounting).fit(["two words"])
    with pytest.raises(ValueError, match=r"4 units of X\[2\]"):
        augmenter.augment(["", "two words", "some words too many"])
