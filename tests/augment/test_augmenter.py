import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom, chisquare
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skdistill import DistilledMLPClassifier, make_tfidf_baseline
from skdistill.augment import _augmenter as module
from skdistill.augment._augmenter import TextAugmenter, auto_n_copies


def one_role(words):
    return ["word"] * len(words)


def numbered_texts(n_texts, n_words):
    """Make texts whose words occur once in all: each tells its row and place."""
    return [" ".join(f"{row}_{place}" for place in range(n_words)) for row in range(n_texts)]


def make(texts, **params):
    return TextAugmenter(**params).fit(texts).augment(texts)


@pytest.fixture(scope="module")
def sentences():
    """300 sentences of seven words out of 23."""
    words = [f"w{i}" for i in range(23)]
    return [" ".join(row) for row in np.random.default_rng(0).choice(words, (300, 7))]


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


def test_masks_leave_the_punctuation_around_them():
    rules = {"mask_p": 1, "replace_p": 0, "ngram_p": 0, "n_copies": 1}
    texts = ["(don't), stop ... हिन्दी!"]
    assert make(texts, **rules) == ["([MASK]), [MASK] [MASK] [MASK]!"]
    assert make(texts, **rules, mask_token="<mask>") == ["(<mask>), <mask> <mask> <mask>!"]
    assert make(texts, **rules, mask_token="") == []


@pytest.mark.parametrize(
    ("texts", "analyzer", "mask_token"),
    [
        (["unmade", "mass"], "word", "[MASK]"),
        (["Masks"], "word", "▢"),  # a student may reduce it to its stem
        (["unmask"], "word", "▢"),
        (["a face-mask"], "word", "▢"),
        (['"Mask!"', "a ▢▣"], "word", "▤"),
        (["我看书"], "char", "[MASK]"),
        (["我看K书"], "char", "▢"),
    ],
)
def test_the_mask_is_no_word_of_the_texts(texts, analyzer, mask_token):
    augmenter = TextAugmenter(mask_p=1, replace_p=0, ngram_p=0, n_copies=1, analyzer=analyzer)
    augmenter.fit(texts)
    assert augmenter.mask_token_ == mask_token
    assert augmenter.augment(["x"]) == [mask_token]
    chosen = clone(augmenter).set_params(mask_token="[MASK]").fit(texts)
    assert chosen.augment(["x"]) == ["[MASK]"]


def test_a_student_tells_texts_about_masks_from_masked_ones():
    rng = np.random.default_rng(0)
    others = [f"w{i}" for i in range(60)]
    y = rng.random(300) < 0.3
    texts = [" ".join([*rng.choice(others, 6), "mask" if about else "hat"]) for about in y]
    augmenter = TextAugmenter(mask_p=0.5, replace_p=0, ngram_p=0, n_copies=6)
    teacher = make_tfidf_baseline(C=10)
    student = DistilledMLPClassifier(teacher, augmenter=augmenter, pooling="mean", random_state=0)
    new = [" ".join([*rng.choice(others, 6), "mask"]) for _ in range(100)]
    assert student.fit(texts, y).predict(new).all()  # 90 of 100 if the mask is "[MASK]"


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
    tagging = TextAugmenter(tagger=one_role, n_copies=1).fit(sentences)
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
        ({"ngram_range": (0, 5)}, r"ngram_range=\(0, 5\) must be a pair of lengths"),
        ({"ngram_range": (3, 2)}, "ngram_range"),
        ({"ngram_range": (3,)}, "ngram_range"),
        ({"ngram_range": (1, 2.5)}, "ngram_range"),
        ({"ngram_range": 3}, "'ngram_range' parameter"),
        ({"n_copies": 0}, "'n_copies' parameter"),
        ({"n_copies": "many"}, "'n_copies' parameter"),
        ({"mask_token": None}, "'mask_token' parameter"),
        ({"tagger": one_role, "word_vectors": "x"}, "pass only one of them"),
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
