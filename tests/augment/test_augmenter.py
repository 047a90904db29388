import pickle
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom, chisquare
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import get_tags

from skdistill.augment import _augmenter as module
from skdistill.augment import _masked_lm as _masked_lm
from skdistill.augment import _neighbours as _word_neighbours
from skdistill.augment import _roles as _word_roles
from skdistill.augment._augmenter import TextAugmenter, auto_n_copies, splice
from skdistill.text._ragged import Ragged

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


def one_role(words):
    return ["word"] * len(words)


def numbered_texts(n_texts, n_words):
    """Make texts whose words occur once in all: each tells its row and place."""
    return [" ".join(f"{row}_{place}" for place in range(n_words)) for row in range(n_texts)]


def make(texts, **params):
    return TextAugmenter(**params).fit(texts).augment(texts)


@pytest.fixture(scope="module")
def sentences():
    """300 sentences of a grammar with five roles."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(GRAMMAR[role]) for role in SENTENCE) for _ in range(300)]


def assert_binomial(count, n, p):
    assert abs(count - n * p) < 4 * binom.std(n, p)


def test_words_are_masked_and_replaced_at_the_given_rates():
    texts = numbered_texts(400, 60)
    rules = {"mask_p": 0.1, "replace_p": 0.2, "ngram_p": 0}
    copies = make(texts, **rules, tagger=one_role, n_copies=2)
    assert len(copies) == 800
    masked = replaced = 0
    for row, copy in enumerate(copies):
        words = copy.split()
        own = texts[row // 2].split()
        assert len(words) == len(own)
        masked += words.count("[MASK]")
        replaced += sum(a not in ("[MASK]", b) for a, b in zip(words, own, strict=True))
    n_words = 800 * 60
    assert_binomial(masked, n_words, 0.1)
    assert_binomial(replaced, n_words, 0.2)


def test_rates_may_add_up_to_one():
    texts = numbered_texts(20, 20)
    copies = make(texts, mask_p=0.3, replace_p=0.7, ngram_p=0, tagger=one_role, n_copies=1)
    for copy, text in zip(copies, texts, strict=True):
        assert all(a != b for a, b in zip(copy.split(), text.split(), strict=True))


def test_ngrams_are_contiguous_and_their_lengths_uniform():
    texts = numbered_texts(4000, 8)
    # What is not cut is no new text.
    copies = make(texts, mask_p=0, replace_p=0, ngram_p=0.25, n_copies=1)
    assert_binomial(len(copies), 4000, 0.25)
    lengths, places = Counter(), Counter()
    for copy in copies:
        words = [tuple(map(int, word.split("_"))) for word in copy.split()]
        (row, first), length = words[0], len(words)
        assert words == [(row, first + i) for i in range(length)]
        lengths[length] += 1
        if length == 3:
            places[first] += 1
    assert set(lengths) == {1, 2, 3, 4, 5}
    assert set(places) == {0, 1, 2, 3, 4, 5}
    assert chisquare([*lengths.values()]).pvalue > 1e-4
    assert chisquare([*places.values()]).pvalue > 1e-4


def test_ngrams_are_no_longer_than_their_text():
    copies = make(["one two three"], mask_p=0.4, replace_p=0, ngram_p=1, ngram_range=(4, 9))
    assert copies
    assert all(len(copy.split()) == 3 for copy in copies)


def test_an_empty_mask_token_deletes_and_ngrams_are_cut_after():
    texts = numbered_texts(300, 12)
    rules = {"mask_p": 0.3, "replace_p": 0, "mask_token": "", "n_copies": 1}
    copies = [copy.split() for copy in make(texts, **rules, ngram_p=0)]
    assert_binomial(300 * 12 - sum(map(len, copies)), 300 * 12, 0.3)
    for words in copies:
        places = [int(word.split("_")[1]) for word in words]
        assert places == sorted(places)
    ngrams = [copy.split() for copy in make(texts, **rules, ngram_p=1, ngram_range=(4, 4))]
    long_enough = [words for words in ngrams if len(words) == 4]
    assert len(long_enough) > 290
    # Some reach over a gap.
    assert any(int(w[3].split("_")[1]) - int(w[0].split("_")[1]) > 3 for w in long_enough)


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
    copies = make(sentences, **rules)
    assert len(copies) > 500
    for copy in copies:
        for word, role in zip(copy.split(), SENTENCE, strict=True):
            assert word in GRAMMAR[role]


def test_rare_words_are_neither_replaced_nor_drawn(sentences):
    rare = "gnu"
    texts = [*sentences, *[f"the red {rare} sees a cat today"] * (_word_roles.MIN_OCCURRENCES - 1)]
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


def test_masks_leave_the_punctuation_around_them():
    rules = {"mask_p": 1, "replace_p": 0, "ngram_p": 0, "n_copies": 1}
    texts = ["(don't), stop ... हिन्दी!"]
    assert make(texts, **rules) == ["([MASK]), [MASK] [MASK] [MASK]!"]
    assert make(texts, **rules, mask_token="<mask>") == ["(<mask>), <mask> <mask> <mask>!"]
    assert make(texts, **rules, mask_token="") == []


def test_untouched_words_stay_as_they_were():
    texts = ["Ärger  über\tNaïve 🙂 CAFÉ\n", "日本語 テキスト", "\ud800 lone"]
    copies = make(texts, mask_p=0.5, replace_p=0, ngram_p=0, n_copies=20)
    words = {word for copy in copies for word in copy.split()}
    assert words == {"[MASK]", *" ".join(texts).split()}


def test_white_space_alone_makes_no_new_text():
    texts = ["two  words", " and\ttwo "]
    assert make(texts, mask_p=0, replace_p=0, ngram_p=0, n_copies=1) == []
    rules = {"mask_p": 0, "replace_p": 0, "ngram_p": 1, "n_copies": 20}
    ngrams = make(["a b c"], **rules, ngram_range=(2, 2), analyzer="char")
    assert set(ngrams) == {"a", "b", "c"}


def test_characters_as_units():
    rng = np.random.default_rng(0)
    subjects, verbs, objects = "我你他", "看吃买", "书饭花"
    texts = ["".join(map(rng.choice, map(list, (subjects, verbs, objects)))) for _ in range(200)]
    rules = {"analyzer": "char", "n_roles": 3, "ngram_p": 0}
    augmenter = TextAugmenter(mask_p=0, replace_p=0.9, n_copies=9, **rules).fit(texts)
    assert sorted("".join(sorted(r)) for r in augmenter.roles_.values()) == sorted(
        "".join(sorted(r)) for r in (subjects, verbs, objects)
    )
    copies = augmenter.augment(["我看 书"])
    assert copies
    for a, b, blank, c in copies:
        assert a in subjects
        assert b in verbs
        assert blank == " "
        assert c in objects
    masked = make(["我看书"], analyzer="char", mask_p=0.5, replace_p=0, ngram_p=0, n_copies=20)
    assert "我[MASK]书" in masked


def test_long_words_hint_at_characters():
    texts = [
        "これは日本語で書かれた空白のない長い文章です",
        "空白のない文章はここにももう一つありますよね",
    ]
    with pytest.warns(UserWarning, match='use analyzer="char"') as caught:
        TextAugmenter().fit(texts)
    assert caught[0].filename == __file__
    TextAugmenter(analyzer="char").fit(texts)


def test_copies_are_new_and_in_the_order_of_their_rows(sentences, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 2000)
    texts = [f"row{row} {sentence}" for row, sentence in enumerate(sentences)]
    copies = make([*texts, *sentences], mask_p=0.05, n_copies=7)
    assert len(set(copies)) == len(copies)
    assert not set(copies) & {*texts, *sentences, ""}
    rows = [int(copy.split()[0][3:]) for copy in copies if copy.startswith("row")]
    assert rows == sorted(rows)
    counts = Counter(rows)
    assert max(counts.values()) <= 7
    assert len(counts) > 290


def test_the_seed_decides(sentences):
    def copies(random_state):
        return make(sentences[:50], random_state=random_state, n_copies=2)

    assert copies(1) == copies(1) != copies(2)
    assert copies(np.random.RandomState(1)) == copies(1)
    augmenter = TextAugmenter(random_state=None, n_copies=2).fit(sentences[:50])
    assert augmenter.augment(sentences) == augmenter.augment(sentences)


def test_clone_and_pickle_give_the_same_copies(sentences):
    augmenter = TextAugmenter(mask_p=0.2, n_roles=5, n_copies=2, random_state=3).fit(sentences)
    copies = augmenter.augment(sentences)
    assert pickle.loads(pickle.dumps(augmenter)).augment(sentences) == copies
    twin = clone(augmenter)
    assert twin.get_params() == augmenter.get_params()
    with pytest.raises(NotFittedError):
        twin.augment(sentences)
    assert twin.fit(sentences).augment(sentences) == copies
    tagging = TextAugmenter(tagger=by_first_letter, n_copies=1).fit(sentences)
    assert pickle.loads(pickle.dumps(tagging)).augment(["a cat"]) == tagging.augment(["a cat"])


@pytest.mark.parametrize(
    ("n_texts", "n_copies"),
    [(1, 20), (7_500, 20), (10_000, 15), (16_000, 9), (75_000, 2), (10**7, 1)],
)
def test_auto_copies(n_texts, n_copies):
    assert auto_n_copies(n_texts) == n_copies


def test_auto_copies_is_the_default(monkeypatch):
    texts = numbered_texts(10, 20)
    assert len(make(texts, mask_p=0.3)) == pytest.approx(200, abs=10)
    monkeypatch.setattr(module, "auto_n_copies", lambda n_texts: n_texts // 5)
    assert len(make(texts, mask_p=0.3)) == pytest.approx(20, abs=2)


@pytest.mark.parametrize("analyzer", ["word", "char"])
def test_short_and_empty_texts(analyzer):
    copies = make(["", "  ", "x", "x", "y z"], analyzer=analyzer, mask_p=0.5)
    assert {"[MASK]"} < set(copies)
    assert "" not in copies
    assert make(["", " "], analyzer=analyzer) == []
    assert make(["x"], analyzer=analyzer, mask_p=1, replace_p=0, mask_token="") == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"mask_p": 0.6, "replace_p": 0.5}, "mask_p=0.6 and replace_p=0.5 add up to more than 1"),
        ({"mask_p": -0.1}, "'mask_p' parameter"),
        ({"ngram_range": (0, 5)}, r"ngram_range=\(0, 5\) must hold two lengths"),
        ({"ngram_range": (3, 2)}, "ngram_range"),
        ({"ngram_range": (3,)}, "ngram_range"),
        ({"ngram_range": (1, 2.5)}, "ngram_range"),
        ({"ngram_range": 3}, "'ngram_range' parameter"),
        ({"n_copies": 0}, "'n_copies' parameter"),
        ({"n_copies": "many"}, "'n_copies' parameter"),
        ({"mask_token": None}, "'mask_token' parameter"),
        ({"tagger": one_role, "masked_lm": "x"}, "tagger and masked_lm"),
        ({"word_vectors": "x", "masked_lm": "x"}, "masked_lm and word_vectors"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        TextAugmenter(**params).fit(["a text"])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("one text", ValueError, "single string"),
        (["a", None], ValueError, r"X\[1\] is missing"),
        (["a", 3], TypeError, r"X\[1\] is int"),
        ([], ValueError, "0 sample"),
    ],
)
def test_bad_texts(X, error, message):
    with pytest.raises(error, match=message):
        TextAugmenter().fit(X)
    with pytest.raises(error, match=message):
        TextAugmenter().fit(["a text"]).augment(X)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        TextAugmenter().augment(["a text"])


def test_a_tagger_that_miscounts_is_named_with_the_row(monkeypatch):
    def miscounting(words):
        return [0] * min(len(words), 3)

    with pytest.raises(ValueError, match=r"returned 3 tags for the 4 units of X\[2\], \['some'"):
        TextAugmenter(tagger=miscounting).fit(["", "two words", "some words too many"])
    monkeypatch.setattr(module, "_CHUNK", 1)
    augmenter = TextAugmenter(tagger=miscounting).fit(["two words"])
    with pytest.raises(ValueError, match=r"4 units of X\[2\]"):
        augmenter.augment(["", "two words", "some words too many"])


def test_progress(capsys):
    make(["some words"])
    assert capsys.readouterr().err == ""
    make(["some words"], verbose=1)
    assert "augmenting: 100%" in capsys.readouterr().err


def test_tags_say_text():
    tags = get_tags(TextAugmenter()).input_tags
    assert tags.string
    assert not tags.two_d_array


def test_importing_loads_neither_torch_nor_transformers():
    heavy = "{'torch', 'transformers'} & set(sys.modules)"
    code = f"import sys; from skdistill import TextAugmenter; print({heavy})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


WORDS = [f"w{i}" for i in range(20)]
# In this order, the vocabulary of the tiny model.
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


def make_masked_lm(folder, logits=None, *, head=True):
    """Write a tiny BERT; with `logits` (token to number), one that gives these everywhere."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizer

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
        model = BertForMaskedLM(config) if head else BertModel(config)
    if logits is not None:
        with torch.no_grad():
            for weight in model.parameters():
                weight.zero_()
            for token, number in logits.items():
                model.cls.predictions.bias[TOKENS.index(token)] = number
    model.save_pretrained(folder)
    BertTokenizer({token: i for i, token in enumerate(TOKENS)}).save_pretrained(folder)
    return str(folder)


REPLACE_ALL = {"mask_p": 0, "replace_p": 1, "ngram_p": 0, "n_copies": 1, "device": "cpu"}


def marks(number):
    """Write a number in punctuation, which no model replaces."""
    return format(number, "010b").replace("0", ",").replace("1", "!")


def test_a_model_draws_whole_words_by_their_probabilities(tmp_path):
    # Specials, pieces and punctuation are the most probable, but only words are drawn: 15 of them.
    logits = dict.fromkeys(TOKENS[:10], 9.0) | dict.fromkeys(WORDS[:15], 1.0)
    logits["w0"] = 1 + np.log(4)
    augmenter = TextAugmenter(**REPLACE_ALL, masked_lm=make_masked_lm(tmp_path, logits))
    assert augmenter.fit(["a text"]).roles_ == {}
    n_texts = 900
    texts = [f"(unknown) {marks(n)}" for n in range(n_texts)]
    copies = augmenter.augment(texts)
    assert [copy.split()[1] for copy in copies] == [marks(n) for n in range(n_texts)]
    drawn = Counter(copy.split()[0] for copy in copies)
    assert set(drawn) == {f"({word})" for word in WORDS[:15]}
    shares = [n_texts * (4 if word == "w0" else 1) / 18 for word in WORDS[:15]]
    assert chisquare([drawn[f"({word})"] for word in WORDS[:15]], shares).pvalue > 1e-4
    # Never the word itself, whatever its case.
    copies = augmenter.augment([f"{'W0' if n % 2 else 'w0'} {marks(n)}" for n in range(200)])
    assert len(copies) == 200
    assert {copy.split()[0] for copy in copies} >= set(WORDS[1:15])
    assert not any(copy.startswith("w0") for copy in copies)


def test_a_random_model_draws_words_reproducibly(tmp_path):
    masked_lm = make_masked_lm(tmp_path)
    rules = {"mask_p": 0.2, "replace_p": 0.5, "ngram_p": 0.3, "n_copies": 5, "device": "cpu"}
    texts = [" ".join(WORDS[i:]) + ", w1s! \ud800 ..." for i in range(19)]
    augmenter = TextAugmenter(**rules, masked_lm=masked_lm).fit(texts)
    copies = augmenter.augment(texts)
    units = [*WORDS, "花", "我", "[MASK]"]
    found = {unit for copy in copies for unit in copy.split()}
    assert {"w1s!", "\ud800", "...", *units} < found
    assert found <= {
        *units, *(f"{unit}{mark}" for unit in units for mark in ",!"), "w1s!", "\ud800", "...",
    }  # fmt: skip
    assert copies == augmenter.augment(texts)
    assert copies == pickle.loads(pickle.dumps(augmenter)).augment(texts)
    assert copies != make(texts, **rules, masked_lm=masked_lm, random_state=1)
    # What lies beyond the model's 16 positions is not replaced.
    beyond = make(["w0 " * 30 + "w1"], **(rules | {"mask_p": 0}), masked_lm=masked_lm)
    assert all(copy.split()[14:] == ["w0"] * 16 + ["w1"] for copy in beyond if len(copy) > 80)


def test_a_model_replaces_characters_by_characters(tmp_path):
    masked_lm = make_masked_lm(tmp_path, {"花": 50.0, "w0": 99.0})
    copies = make(["我w!", "花 w"], **REPLACE_ALL, analyzer="char", masked_lm=masked_lm)
    assert copies == ["花花!", "我 花"]


@pytest.fixture
def seen(monkeypatch):
    """A list that collects the texts which the model sees."""
    texts = []
    with_masks = _masked_lm.ModelWords._with_masks

    def spy(self, copies, replaced):
        tokens = with_masks(self, copies, replaced)
        for row in range(len(tokens)):
            ids = tokens.take(np.array([row])).fields["input_ids"].values
            texts.append(" ".join(self._tokenizer.convert_ids_to_tokens(ids)))
        return tokens

    monkeypatch.setattr(_masked_lm.ModelWords, "_with_masks", spy)
    return texts


def test_a_model_sees_one_mask_for_each_replaced_word(tmp_path, seen):
    masked_lm = make_masked_lm(tmp_path)
    # The first is two tokens, the second a word and a mark, the third three unknown marks.
    texts = ["w1s w1, ... w2", "", "w3 [MASK]"]
    make(texts, **REPLACE_ALL | {"n_copies": 2}, masked_lm=masked_lm)
    assert seen == [
        *["[CLS] [MASK] [MASK] , [UNK] [UNK] [UNK] [MASK] [SEP]"] * 2,
        *["[CLS] [MASK] [MASK] [SEP]"] * 2,
    ]
    seen.clear()
    make(texts, **REPLACE_ALL | {"n_copies": 100, "replace_p": 0.5}, masked_lm=masked_lm)
    some_masked = {
        f"[CLS] {a} {b} , [UNK] [UNK] [UNK] {c} [SEP]"
        for a in ("w1 ##s", "[MASK]")
        for b in ("w1", "[MASK]")
        for c in ("w2", "[MASK]")
    }
    some_masked.remove("[CLS] w1 ##s w1 , [UNK] [UNK] [UNK] w2 [SEP]")
    assert set(seen) == some_masked | {"[CLS] [MASK] [MASK] [SEP]"}


def test_a_model_sees_one_mask_for_each_replaced_character(tmp_path, seen):
    rules = REPLACE_ALL | {"replace_p": 0.5, "n_copies": 100, "analyzer": "char"}
    make(["我花", "w,我"], **rules, masked_lm=make_masked_lm(tmp_path))
    assert set(seen) == {
        *("[CLS] [MASK] 花 [SEP]", "[CLS] 我 [MASK] [SEP]", "[CLS] [MASK] [MASK] [SEP]"),
        *("[CLS] [MASK] , 我 [SEP]", "[CLS] [UNK] , [MASK] [SEP]", "[CLS] [MASK] , [MASK] [SEP]"),
    }


def test_a_model_need_not_see_what_an_ngram_leaves_out(tmp_path, seen):
    rules = REPLACE_ALL | {"replace_p": 0.5, "ngram_p": 1, "ngram_range": (1, 1)}
    make([f"w0 w1 w2 {marks(n)}" for n in range(40)], **rules, masked_lm=make_masked_lm(tmp_path))
    assert 5 < len(seen) < 30
    assert all(text.count("[MASK]") == 1 for text in seen)


def test_drawn_words_stand_where_the_model_saw_them(tmp_path, monkeypatch):
    import torch
    from transformers import BertTokenizer

    class Successor(torch.nn.Module):
        """Propose, of a word w<i>, w<i+1> behind it."""

        config = SimpleNamespace(max_position_embeddings=64)

        def forward(self, input_ids, attention_mask):
            before = input_ids.roll(1, dims=1)
            return SimpleNamespace(logits=99 * torch.nn.functional.one_hot(before + 1, 40).float())

    tokenizer = BertTokenizer({token: i for i, token in enumerate(TOKENS)})
    monkeypatch.setattr(_masked_lm, "load_masked_lm", lambda name: (Successor(), tokenizer))
    monkeypatch.setattr(_masked_lm, "BATCH_TOKENS", {"cpu": 50})
    rng = np.random.default_rng(0)
    texts = [
        " ".join([marks(n), "w1s", *rng.choice(WORDS[:19], rng.integers(2, 12))]) for n in range(90)
    ]
    augmenter = TextAugmenter(**REPLACE_ALL | {"replace_p": 0.2}, masked_lm="stub").fit(texts)
    source = {text.split()[0]: text.split() for text in texts}
    n_checked = 0
    for copy in augmenter.augment(texts):
        words = copy.split()
        own = source[words[0]]
        changed = [a != b for a, b in zip(own, words, strict=True)]
        for i in range(3, len(words)):
            successor = f"w{int(own[i - 1][1:]) + 1}"
            if changed[i] and not changed[i - 1] and own[i] != successor:
                assert words[i] == successor
                n_checked += 1
    assert n_checked > 30


def test_no_masked_language_model(tmp_path):
    headless = make_masked_lm(tmp_path, head=False)
    with pytest.raises(ValueError, match=r"lacks weights of a masked language model.*predictions"):
        make(["a text"], masked_lm=headless)
    with pytest.raises(OSError, match="'no/such-model' could not be loaded"):
        make(["a text"], masked_lm="no/such-model")


def test_a_model_without_whole_words(tmp_path, monkeypatch):
    masked_lm = make_masked_lm(tmp_path)
    monkeypatch.setattr(_masked_lm, "drawable_words", lambda tokenizer, analyzer: {19: "one"})
    with pytest.raises(ValueError, match="knows no whole words that could be drawn"):
        make(["a text"], masked_lm=masked_lm)


@pytest.mark.parametrize(
    ("tokens", "analyzer", "drawn"),
    [
        (["[MASK]", "a", "##b", "[unused7]", ",", "Ġc"], "word", {"a", "Ġc"}),
        (["[MASK]", "Ġa", "b", "Ġ,", "Ġcd", "Ġna\ufffd"], "word", {"a", "cd"}),
        (["[MASK]", "▁a", "b", "▁", "▁cd"], "word", {"a", "cd"}),
        (["[MASK]", "▁a", "b", "cd", "▁"], "char", {"a", "b"}),
    ],
)
def test_drawable_words(tokens, analyzer, drawn):
    tokenizer = SimpleNamespace(
        get_vocab=lambda: {token: i for i, token in enumerate(tokens)},
        all_special_ids=[0],
        convert_tokens_to_string=lambda t: t[0] if "##b" in tokens else t[0].strip("Ġ▁"),
    )
    words = _masked_lm.drawable_words(tokenizer, analyzer)
    assert set(words.values()) == drawn
    assert len(words) == len(drawn)


# ---- ends of other texts


def test_spliced_copies_are_a_beginning_and_an_end():
    n_texts, n_words = 500, 8
    texts = numbered_texts(n_texts, n_words)
    rules = {"mask_p": 0, "replace_p": 0, "ngram_p": 0, "n_copies": 1}
    copies = make(texts, **rules, splice_p=0.6)
    # One that met its own text, or was not chosen, equals a given text.
    assert_binomial(len(copies), n_texts, 0.6 * (1 - 1 / n_texts))
    cuts = Counter()
    for copy in copies:
        rows, places = zip(*(map(int, word.split("_")) for word in copy.split()), strict=True)
        assert places == tuple(range(n_words))
        assert len(set(rows)) == 2
        cut = rows.index(rows[-1])
        assert rows == (rows[0],) * cut + (rows[-1],) * (n_words - cut)
        cuts[cut] += 1
    assert sorted(cuts) == [*range(1, n_words)]
    assert chisquare([*cuts.values()]).pvalue > 1e-4


def test_texts_are_cut_at_the_same_share_of_their_lengths():
    lengths = np.array([4, 12, 1, 0])
    texts = Ragged.from_lengths(np.arange(lengths.sum()), lengths)
    for seed in range(50):
        spliced = splice(texts, 1.0, np.random.default_rng(seed))
        for row, (start, end) in enumerate(zip(spliced.offsets, spliced.offsets[1:], strict=False)):
            words = spliced.values[start:end]
            head = words[np.isin(words, texts.values[slice(*texts.offsets[row : row + 2])])]
            if len(head) == len(words):
                assert len(words) == lengths[row]
            else:
                other = {0: 1, 1: 0}[row]
                share = len(head) / lengths[row]
                assert len(words) - len(head) == pytest.approx((1 - share) * lengths[other], abs=1)
                assert words[-1] == texts.offsets[other + 1] - 1


@pytest.mark.parametrize("lengths", [[], [0], [1, 1], [0, 3]])
def test_too_short_texts_stay_whole(lengths):
    texts = Ragged.from_lengths(np.arange(sum(lengths)), np.array(lengths, dtype=np.int64))
    spliced = splice(texts, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(spliced.offsets, texts.offsets)


# ---- words that are near in a transformer's embeddings


def make_embeddings(folder, **vectors):
    """Write a tiny BERT; `vectors` maps tokens to their embeddings, in few dimensions."""
    from transformers import BertModel

    make_masked_lm(folder, head=False)
    model = BertModel.from_pretrained(folder)
    table = model.get_input_embeddings().weight.data
    for token, vector in vectors.items():
        table[TOKENS.index(token)] = table.new_tensor([*vector, *[0] * (16 - len(vector))])
    model.save_pretrained(folder)
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
    monkeypatch.setattr(_word_neighbours, "CHUNK", 3)
    assert copies == augmenter.augment(texts)


def test_characters_are_replaced_by_near_characters(tmp_path):
    folder = make_embeddings(tmp_path)
    rules = REPLACE_ALL | {"analyzer": "char", "word_vectors": folder}
    assert make(["我w!", "花 "], **rules) == ["花花!", "我"]


def test_no_words_to_draw(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="'no/such-model' could not be loaded"):
        make(["a text"], word_vectors="no/such-model")
    folder = make_embeddings(tmp_path)
    monkeypatch.setattr(_word_neighbours, "drawable_words", lambda *args: {19: "one"})
    with pytest.raises(ValueError, match=r"word_vectors=.* knows no whole words"):
        make(["a text"], word_vectors=folder)
