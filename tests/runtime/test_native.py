"""The C extension against the NumPy path: ids, scores, bits, and files that mean harm."""

import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native_build import compile_or_skip, load_extension, load_hook
from skdistill.runtime import _kernel
from skdistill.runtime._cnn import CompiledCNN
from skdistill.runtime._kernel import encode, encode_list, make_words
from skdistill.runtime._mlp import CompiledMLP
from skdistill.runtime._model_file import StoredModel
from skdistill.serving import CompiledClassifier
from skdistill.text._vocabulary import Vocabulary, split_words

native = pytest.importorskip("skdistill.runtime._native", reason="the extension is not built")

WORDS = [
    "the",
    "a",
    "cat",
    "sat",
    "eightlet",
    "nineletter",
    "responsibilities",
    ",",
    "'",
    "über",
    "σς",
    "ﷺ",
    "🙂",
]


@pytest.fixture(autouse=True)
def _demand_the_extension(monkeypatch):
    monkeypatch.setenv("SKDISTILL_NATIVE", "1")


def make_model(
    pooling=("mean", "attention"),
    *,
    n_classes=3,
    window=13,
    dim=6,
    hidden=(),
    scale=0.5,
    multilabel=False,
    words=WORDS,
    lowercase=True,
):
    """Make a model of random weights."""
    architecture = {
        "embedding_dim": dim,
        "pooling": pooling,
        "context_window": window,
        "hidden_layer_sizes": hidden,
    }
    vocabulary, rng = Vocabulary(words, lowercase=lowercase), np.random.default_rng(0)
    shapes = CompiledMLP.weight_shapes(
        n_features=len(vocabulary), n_classes=n_classes, **architecture
    )
    weights = {
        name: (scale * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()
    }
    classes = np.arange(n_classes)
    return StoredModel("mlp", classes, vocabulary, weights, architecture, multilabel=multilabel)


def make_cnn(
    pooling=("max",), *, sizes=(3,), n_filters=6, hidden=(), n_classes=3, multilabel=False
):
    """Make a convolutional model of random weights."""
    architecture = {
        "embedding_dim": 5,
        "pooling": pooling,
        "kernel_sizes": sizes,
        "n_filters": n_filters,
        "hidden_layer_sizes": hidden,
    }
    vocabulary, rng = Vocabulary(WORDS), np.random.default_rng(0)
    shapes = CompiledCNN.weight_shapes(
        n_features=len(vocabulary), n_classes=n_classes, **architecture
    )
    weights = {
        name: (0.5 * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()
    }
    classes = np.arange(n_classes)
    return StoredModel("cnn", classes, vocabulary, weights, architecture, multilabel=multilabel)


def make_pair(*args, make=make_model, **options):
    """Make a network twice: one in C, one in NumPy."""
    fast, reference = (make(*args, **options).compile() for _ in range(2))
    assert fast.engine == "native"
    reference.kernel = None
    return fast, reference


def random_texts(n_texts=150, seed=0, words=(*WORDS, "unknown", "é", "...", "\0")):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, size=n % 70)) for n in range(n_texts)]


def assert_same_ids(vocabulary, texts):
    found, expected = encode_list(make_words(vocabulary), texts), vocabulary.encode(texts)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.offsets, expected.offsets)


def assert_same_answers(pair, texts):
    fast, reference = pair
    proba = fast.predict_proba(texts)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba, reference.predict_proba(texts), rtol=0, atol=1e-5)
    logits, expected = fast.decision_function(texts), reference.decision_function(texts)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-4)
    labels = fast.predict(texts)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(
        labels, logits > 0 if reference.multilabel else logits.argmax(axis=1)
    )


def test_the_extension_is_that_of_the_source():
    assert native.source_hash == load_hook().source_hash(), "run `make native`"


# ---- ids

# All but most of those above, which are unassigned or private.
ALL_CHARACTERS = [*range(0x32400), *range(0x32400, 0xE0000, 61), *range(0xE0000, 0xE0200), 0x10FFFF]


@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_are_equal_for_every_character(lowercase):
    characters = [chr(code) for code in ALL_CHARACTERS]
    letters = [c for c in characters[::13] if split_words(c) == [c]]
    words = dict.fromkeys(["a", "b", *letters, *(f"a{c}" for c in letters[::5])])
    vocabulary = Vocabulary([*words], lowercase=lowercase)
    texts = [
        " ".join(f"{c} a{c} {c}a a{c}b" for c in characters[start : start + 512])
        for start in range(0, len(characters), 512)
    ]
    assert_same_ids(vocabulary, texts)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\0", "a\0b", "\0a\0", "a" * 64, "a" * 65, "a " * 32 + "b",
        ("a" * 63) + ",", "," * 64, "a" * 1000, "THE\x1cA\x1d,\x85A\u2003a", "\ud800",
        "a\udfffb a", "ΣΑΣ ΣΣ", "İstanbul ﬁ ŉ",
        "e\u0301 \u0301", "a\u200db a\u200c", "🙂🙂 👩‍👧", "x" * 8, "eightlet nineletter eightletX",
        "responsibilities responsibilitieS responsibilitie", "É" * 100, "\U0010ffff\U000e0001",
    ],
)  # fmt: skip
@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_of_odd_texts(text, lowercase):
    vocabulary = Vocabulary([*WORDS, "x" * 8, "a" * 64, "a" * 65, "b"], lowercase=lowercase)
    assert_same_ids(vocabulary, [text, f"{text} the", text * 3])


TEXTS = st.text(max_size=200) | st.text(
    alphabet=[*"aAbBcCtThHeE  ..,'_19\n\0\x1c", *"ΣσςİßéÉ\xa0\u2028\u200d\u0301\ud800🙂ﷺ"],
    max_size=200,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_ids_of_any_texts(texts):
    words = sorted({word for text in texts for word in split_words(text.lower())})
    assert_same_ids(Vocabulary([*dict.fromkeys([*words[::2], "a", "the"])]), texts)


@pytest.fixture(scope="module")
def pair():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKDISTILL_NATIVE", "1")
        return make_pair(("mean", "max", "attention"))


@pytest.fixture(scope="module")
def cnn_pair():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKDISTILL_NATIVE", "1")
        return make_pair(("mean", "max"), make=make_cnn, sizes=(2, 5))


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_answers_to_any_texts(pair, texts):
    assert_same_answers(pair, texts)


@pytest.mark.parametrize("n_words", [1, 2, 30_000])
def test_ids_with_many_words(n_words):
    words = [f"{'prefix' * (n % 4)}{n}" for n in range(n_words)]
    assert_same_ids(Vocabulary(words), [" ".join(words[start::7]) for start in range(7)])


def test_texts_on_disk_are_encoded_in_batches():
    texts = [f"{number} the cat" for number in range(20_000)]
    found = encode(Vocabulary(WORDS), iter(texts))
    np.testing.assert_array_equal(found.values, Vocabulary(WORDS).encode(texts).values)
    assert found.values.flags.writeable
    assert len(encode(Vocabulary(WORDS), [])) == 0


# ---- scores


@pytest.mark.parametrize(
    "pooling",
    [
        ("mean",), ("max",), ("attention",), ("mean", "max"), ("attention", "mean"),
        ("mean", "max", "attention"),
    ],
    ids="+".join,
)  # fmt: skip
@pytest.mark.parametrize("hidden", [(), (5,), (20, 3)], ids=str)
@pytest.mark.parametrize(("n_classes", "dim", "multilabel"), [(2, 6, False), (21, 35, True)])
def test_every_pooling(pooling, hidden, n_classes, dim, multilabel):
    pair = make_pair(
        pooling, hidden=hidden, n_classes=n_classes, dim=dim, multilabel=multilabel, scale=0.4
    )
    assert_same_answers(pair, random_texts())


@pytest.mark.parametrize("window", [1, 3, 5, 7, 11, 13, 15, 17, 41])
@pytest.mark.parametrize("scale", [0.5, 10.0], ids=["small", "large"])
def test_every_window(window, scale):
    fast, reference = make_pair(("attention",), window=window, scale=scale, dim=10)
    texts = random_texts()
    np.testing.assert_allclose(
        fast.predict_proba(texts), reference.predict_proba(texts), rtol=0, atol=1e-5 * scale**2
    )


@pytest.mark.parametrize("pooling", [("max",), ("mean",), ("mean", "max")], ids="+".join)
@pytest.mark.parametrize("sizes", [(1,), (2,), (3,), (4, 1), (9, 2, 3)], ids=str)
@pytest.mark.parametrize(
    ("n_filters", "hidden", "multilabel"), [(1, (), True), (6, (5,), False), (37, (), False)]
)
def test_every_convolution(pooling, sizes, n_filters, hidden, multilabel):
    pair = make_pair(
        pooling,
        make=make_cnn,
        sizes=sizes,
        n_filters=n_filters,
        hidden=hidden,
        multilabel=multilabel,
    )
    assert_same_answers(pair, random_texts())


@settings(max_examples=50, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_answers_of_convolutions_to_any_texts(cnn_pair, texts):
    assert_same_answers(cnn_pair, texts)


@pytest.mark.parametrize("make", [make_model, make_cnn])
def test_texts_without_known_words_get_the_prior(make):
    texts = ["", "nothing known", "\0"]
    fast, reference = make_pair(make=make)
    np.testing.assert_array_equal(
        fast.decision_function(texts), np.tile(reference.log_prior, (3, 1))
    )


@pytest.mark.parametrize("piece", ["the cat, ", "THE CAT sat über 🙂 "], ids=["ascii", "unicode"])
def test_texts_of_megabytes(piece):
    rng = np.random.default_rng(0)
    text = "".join(rng.choice([piece, "a mat ", "on responsibilities "], size=4 * 10**5))
    assert len(text) > 4_000_000
    assert_same_ids(Vocabulary(WORDS), [text])
    pair = make_pair(("mean", "max", "attention"))
    assert_same_answers(pair, [text, "the cat", text[:100_000], text[:5_000]])


# ---- bits


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": ("mean", "max", "attention"), "hidden": (7,)},
        {"pooling": ("mean", "max"), "make": make_cnn, "sizes": (4, 7)},
    ],
    ids=["mlp", "cnn"],
)
def test_scores_are_the_same_to_the_bit_in_any_company(options):
    network, _ = make_pair(**options)
    texts = [*random_texts(700), "the " * 5000, "É the " * 3000, "," * 9000]
    expected = network.predict_proba(texts)
    for order in (np.arange(len(texts))[::-1], np.random.default_rng(1).permutation(len(texts))):
        found = network.predict_proba([texts[row] for row in order])
        np.testing.assert_array_equal(found, expected[order])
    for row in range(0, len(texts), 13):
        np.testing.assert_array_equal(network.predict_proba([texts[row]])[0], expected[row])


def test_threads_do_not_disturb_each_other():
    network, _ = make_pair(("mean", "attention"))
    lists = [random_texts(400, seed) for seed in range(8)]
    expected = [*map(network.predict_proba, lists)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, wanted in zip(pool.map(network.predict_proba, lists), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_jobs_share_one_list(n_jobs):
    network, _ = make_pair()
    texts = random_texts(200) * 60
    for method in ("predict", "predict_proba", "decision_function"):
        found = network.kernel.answer(method, texts, n_jobs)
        np.testing.assert_array_equal(found, network.kernel.answer(method, texts))
    texts[-1] = b"no text"
    with pytest.raises(TypeError, match="every text must be a str"):
        network.kernel.answer("predict", texts, n_jobs)


@pytest.mark.parametrize(("n_jobs", "n_texts"), [(None, 8192), (1, 8192), (2, 8191)])
def test_one_job_and_few_texts_start_no_threads(monkeypatch, n_jobs, n_texts):
    monkeypatch.setattr(_kernel, "_in_threads", pytest.fail)
    network, _ = make_pair()
    assert len(network.kernel.answer("predict", ["the"] * n_texts, n_jobs)) == n_texts


@pytest.mark.parametrize(("n_texts", "pieces"), [(12_287, [6_143, 6_144]), (100_000, [12_500] * 8)])
def test_pieces_are_few_and_large(monkeypatch, n_texts, pieces):
    kernel, taken = make_pair()[0].kernel, []
    predict = kernel._predict

    def note(texts, start, stop, *rest):
        taken.append(stop - start)
        predict(texts, start, stop, *rest)

    monkeypatch.setattr(kernel, "_predict", note)
    kernel.answer("predict", ["the"] * n_texts, 2)
    assert sorted(taken) == pieces


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return load_extension(compile_or_skip(tmp_path_factory.mktemp("plain"), "-DPLAIN_C"))


def test_plain_c_gives_the_same_bits_as_vectors(plain, monkeypatch):
    texts = random_texts(300)
    for options in (
        {},
        {"window": 41},
        {"pooling": ("max", "mean"), "hidden": (9,), "dim": 33},
        {"pooling": ("max", "mean"), "make": make_cnn, "sizes": (3, 4), "n_filters": 21},
    ):
        expected = make_pair(**options)[0].predict_proba(texts)
        with monkeypatch.context() as patch:
            patch.setattr(_kernel, "find_native", lambda: plain)
            found = make_pair(**options)[0].predict_proba(texts)
        np.testing.assert_array_equal(found, expected)


# ---- what callers may do


class Shouting(str):
    """A str whose `str()` differs from its characters."""

    def __str__(self):
        return "".join(self).upper()


def test_rows_that_are_not_exactly_str():
    served = CompiledClassifier(make_model(lowercase=False))
    texts = ["the cat", Shouting("the cat"), np.str_("the cat")]
    # A str is the characters that it consists of, whatever `str()` makes of it.
    expected = served.predict_proba(["the cat"] * 3)
    np.testing.assert_array_equal(served.predict_proba(texts), expected)
    assert not np.array_equal(served.predict_proba(["THE CAT"]), expected[:1])
    with pytest.raises(ValueError, match=r"X\[1\] is missing"):
        served.predict(["the", None])
    with pytest.raises(TypeError, match=r"X\[1\] is int"):
        served.predict(["the", 3])
    with pytest.raises(ValueError, match="minimum of 1"):
        served.predict([])


def test_a_list_that_shrinks_while_it_is_read():
    network, _ = make_pair()
    for _ in range(20):
        texts = [f"the {number} cat" for number in range(5000)]
        clearing = threading.Thread(target=texts.clear)
        clearing.start()
        with suppress(IndexError):
            network.predict(texts)
        clearing.join()


def test_texts_are_not_kept():
    network, _ = make_pair()
    text = "é" * 1000
    size, count = sys.getsizeof(text), sys.getrefcount(text)
    network.predict([text] * 10)
    assert (sys.getsizeof(text), sys.getrefcount(text)) == (size, count)


# ---- files that mean harm


@pytest.mark.parametrize(
    "words",
    [
        ["", "a", "a\0", "\0", "the"], ["a b", "the", ",,", "A"], ["\ud800", "the"],
        ["x" * 100_000, "the"],
        [f"{n:016}"[:8] + "same" * 4 + str(n) for n in range(3000)],
        [chr(97 + n // 26) + "\x01" * 6 + chr(97 + n % 26) for n in range(676)],
    ],
    ids=["empty", "several tokens", "surrogate", "long", "same ends", "same middles"],
)  # fmt: skip
def test_odd_vocabularies(words):
    texts = [*words[:50], "a the x b A", "the a\0"]
    assert_same_ids(Vocabulary(words), texts)


def test_no_words_collide_whatever_is_drawn():
    # A number's top bit is that of its product with any odd number, and the second half undoes it.
    halves = b"aaaaaaaAaaaaaaaA", b"aaaaaaa\xc1aaaaeaa\xc1"
    words = [b"".join(blocks) + b"." for blocks in product(halves, repeat=6)]
    starts = np.arange(len(words) + 1, dtype=np.uint32) * len(words[0])
    make_words_by_hand(bytes=b"".join(words) + bytes(64), starts=starts)


def test_words_that_no_hash_function_spreads_fall_back_to_numpy(monkeypatch):
    class Refusing:
        def Kernel(*_):  # noqa: N802
            raise ValueError("no hash table holds these words")

    monkeypatch.setattr(_kernel, "find_native", Refusing)
    monkeypatch.setenv("SKDISTILL_NATIVE", "auto")
    assert make_words(Vocabulary(WORDS)) is None
    assert len(encode(Vocabulary(WORDS), ["the cat"]).values) == 2
    monkeypatch.setenv("SKDISTILL_NATIVE", "1")
    with pytest.raises(ValueError, match="no hash table"):
        make_words(Vocabulary(WORDS))


def network_arguments():
    return {
        "table": np.zeros((len(WORDS) + 2, 32), np.float32),
        "window": 13,
        "may_overflow": False,
        "steps": np.array(
            [
                [0, 16, 4, 3, 4, -1, -1, 0],
                [2, 20, 8, 6, 4, 8, -1, 0],
                [1, 16, 4, 4, 4, 32, 48, 4],
                [3, 0, 0, 4, 4, 32, 48, 0],
            ],
            np.int64,
        ),
        "numbers": np.zeros(52, np.float32),
        "n_hidden": 4,
        "n_classes": 3,
        "multilabel": False,
    }


def set_network(**changed):
    kernel = make_words(Vocabulary(WORDS))
    kernel.set_network(*(network_arguments() | changed).values())
    return kernel


def changed_table(row, column):
    table = network_arguments()["table"]
    table[row, column] = 1
    return table


def changed_step(row, column, value):
    steps = network_arguments()["steps"]
    steps[row, column] = value
    return steps


def test_a_network_is_set_once():
    kernel = set_network()
    out = np.zeros(2, np.int64)
    kernel.predict(["the", "a cat"], 0, 2, out, 2)
    with pytest.raises(ValueError, match="set already"):
        kernel.set_network(*network_arguments().values())


BIG = 2**62
# Fields that are places or sizes, by the step's number.
FIELDS = {
    0: (0, 1, 2, 4, 7),
    1: (1, 2, 3, 4, 5, 7),
    2: (1, 2, 3, 4, 5, 6, 7),
    3: (3, 4, 5, 6, 7),
}
BAD = {
    "table": [
        np.zeros((3, 32), np.float32),
        np.zeros((len(WORDS) + 2, 30), np.float32),
        # Behind the window, and in the row between texts.
        changed_table(5, 13),
        changed_table(-1, 20),
    ],
    "window": [12, -1, 35, 2**40 + 1],
    "numbers": [np.zeros(51, np.float32), np.zeros(0, np.float32)],
    "n_hidden": [0, 3, 8, -4, BIG],
    "n_classes": [0, 5, -1, BIG],
    "steps": [
        np.zeros((1, 7), np.int64),
        changed_step(0, 0, 4),
        changed_step(1, 7, 1),
        changed_step(2, 7, 5),
        changed_step(3, 5, -1),
        changed_step(3, 3, 5),
        changed_step(3, 7, 1),
        network_arguments()["steps"][[3, 0, 1, 2]],
        *(
            changed_step(row, field, value)
            for row, fields in FIELDS.items()
            for field in fields
            for value in (-2, 1001, BIG, -BIG)
        ),
    ],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_every_number_of_a_network_is_checked(name, value):
    with pytest.raises((ValueError, OverflowError)):
        set_network(**{name: value})


def test_a_network_that_was_refused_changes_nothing():
    kernel, arguments = make_words(Vocabulary(WORDS)), network_arguments()
    with pytest.raises(ValueError, match="steps do not fit"):
        kernel.set_network(*(arguments | {"steps": BAD["steps"][1]}).values())
    kernel.set_network(*arguments.values())
    # Steps stay as they were checked.
    arguments["steps"][:] = BIG
    out = np.ones((1, 3), np.float32)
    kernel.predict(["the cat"], 0, 1, out, 0)
    assert not out.any()


def test_without_a_window_nothing_overflows():
    steps, out = network_arguments()["steps"][[0, 2, 3]], np.ones((1, 3), np.float32)
    kernel = set_network(window=0, may_overflow=True, steps=steps)
    kernel.predict(["the cat"], 0, 1, out, 0)
    assert not out.any()


@pytest.mark.parametrize(
    "out",
    [
        np.zeros(6, np.int32),
        np.zeros(6, ">f4"),
        np.frombuffer(bytearray(28), np.float32, 6, offset=1),
    ],
    ids=["integers", "other byte order", "not aligned"],
)
def test_items_of_arrays_are_checked(out):
    with pytest.raises((TypeError, ValueError)):
        set_network().predict(["the", "a"], 0, 2, out, 0)


def test_arrays_must_fit():
    kernel, texts = set_network(), ["the", "a"]
    with pytest.raises(ValueError, match="no network"):
        make_words(Vocabulary(WORDS)).predict(texts, 0, 2, np.zeros(2, np.int64), 2)
    for start, stop in [(0, 3), (-1, 1), (2, 1)]:
        with pytest.raises(ValueError, match="rows"):
            kernel.predict(texts, start, stop, np.zeros(2, np.int64), 2)
    with pytest.raises(IndexError):
        kernel.predict(texts, 0, 3, np.zeros(3, np.int64), 2)
    with pytest.raises(TypeError, match="another type"):
        kernel.predict(texts, 0, 2, np.zeros(2, np.float32), 2)
    with pytest.raises((ValueError, BufferError)):
        kernel.predict(texts, 0, 2, np.zeros((2, 6), np.float32)[:, ::2], 0)
    with pytest.raises(TypeError, match="a list and four more"):
        kernel.predict(tuple(texts), 0, 2, np.zeros(2, np.int64), 2)
    with pytest.raises(TypeError, match="a list and four more"):
        kernel.predict(texts, 0, 2, np.zeros(2, np.int64))
    with pytest.raises(TypeError):
        kernel.predict(texts, 0.0, 2, np.zeros(2, np.int64), 2)
    with pytest.raises(OverflowError):
        kernel.predict(texts, 0, 2**64, np.zeros(2, np.int64), 2)
    with pytest.raises(TypeError, match="every text must be a str"):
        kernel.predict(["the", b"a"], 0, 2, np.zeros(2, np.int64), 2)
    with pytest.raises(TypeError):
        kernel.encode(texts, np.zeros(2, np.int32), np.zeros(2, np.int32))
    with pytest.raises(TypeError):
        kernel.encode(texts, np.zeros(2, np.int64), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="no such answer"):
        kernel.predict(texts, 0, 2, np.zeros((2, 3), np.float32), 7)
    with pytest.raises(TypeError):
        kernel.encode(texts, np.zeros(2, np.int64), None)
    with pytest.raises(ValueError, match="too short"):
        kernel.encode(texts, np.zeros(2, np.int64), np.zeros(1, np.int32))


def make_words_by_hand(learn=lambda code: None, **changed):
    arguments = {
        "bytes": b"the" + bytes(64),
        "starts": np.array([0, 3], np.uint32),
        "lowercase": True,
        "seed": 1,
        "kinds": np.zeros(0x110000, np.uint8),
        "learn": learn,
    }
    return native.Kernel(**(arguments | changed))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bytes", b"the" + bytes(63), "the words do not fit"),
        ("bytes", b"", "the words do not fit"),
        ("starts", np.array([0, 4], np.uint32), "the words do not fit"),
        ("starts", np.array([3, 0], np.uint32), "the words do not fit"),
        ("starts", np.array([], np.uint32), "the words do not fit"),
        ("starts", np.array([0, 3], np.uint64), "items of another type"),
        ("starts", np.array([0, 3], np.int32), "items of another type"),
        ("kinds", np.zeros(0x10FFFF, np.uint8), "every character must have a kind"),
        ("more", 1, "7 given"),
    ],
)
def test_words_are_checked(name, value, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make_words_by_hand(**{name: value})


@pytest.mark.parametrize("kind", range(4))
def test_ascii_needs_no_kinds(plain, monkeypatch, kind):
    monkeypatch.setattr(f"{__name__}.native", plain)
    kernel = make_words_by_hand(kinds=np.full(0x110000, kind, np.uint8))
    lengths, ids = np.zeros(2, np.int64), np.ones(5, np.int32)
    assert kernel.encode(["the, THE", "_ the\n\0"], lengths, ids) == 5
    np.testing.assert_array_equal(lengths, [3, 2])
    np.testing.assert_array_equal(ids, [1, 0, 1, 0, 1])


def test_kinds_that_are_not_filled_in_and_errors():
    lengths, ids = np.zeros(1, np.int64), np.zeros(9, np.int32)
    assert make_words_by_hand().encode(["é the"], lengths, ids) == 0
    with pytest.raises(ZeroDivisionError):
        make_words_by_hand(lambda code: 1 / 0).encode(["é"], lengths, ids)


def test_kernels_are_freed():
    class Learn:
        def __call__(self, code):
            pass

    learn = Learn()
    gone = weakref.ref(learn)
    for _ in range(10):
        make_words_by_hand(learn)
    del learn
    gc.collect()
    assert gone() is None
