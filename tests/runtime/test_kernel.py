"""Which path predicts, and what happens where the extension is missing or broken."""

import copy
import pickle

import numpy as np
import pytest

from skdistill.runtime import _kernel
from skdistill.runtime._kernel import _word_starts, find_native, make_words
from skdistill.runtime._mlp import CompiledMLP
from skdistill.runtime._model_file import StoredModel
from skdistill.serving import CompiledClassifier
from skdistill.text._vocabulary import Vocabulary

NAME = "skdistill.runtime._native"


class FakeModule:
    """An extension that was compiled; nothing calls it."""

    @staticmethod
    def Kernel(*_):  # noqa: N802
        return "a kernel"


@pytest.fixture(autouse=True)
def _no_memory():
    _kernel._find.cache_clear()
    yield
    _kernel._find.cache_clear()


def load(monkeypatch, wish, outcome):
    """Look for an extension whose import has an outcome: a module or an error."""

    def import_module(name):
        assert name == NAME
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(_kernel, "import_module", import_module)
    if wish is None:
        monkeypatch.delenv("SKDISTILL_NATIVE", raising=False)
    else:
        monkeypatch.setenv("SKDISTILL_NATIVE", wish)
    return find_native()


MISSING = ModuleNotFoundError(f"No module named {NAME!r}", name=NAME)
BROKEN = ImportError("undefined symbol: PyFoo")
NEEDS_ANOTHER = ModuleNotFoundError("No module named 'other'", name="other")


@pytest.mark.parametrize("wish", [None, "auto", "1"])
def test_the_extension_serves_where_it_is_installed(monkeypatch, wish):
    assert load(monkeypatch, wish, FakeModule) is FakeModule


@pytest.mark.parametrize("outcome", [FakeModule, MISSING, BROKEN])
def test_0_never_imports_it(monkeypatch, outcome):
    assert load(monkeypatch, "0", outcome) is None


@pytest.mark.parametrize("wish", [None, "auto"])
def test_a_missing_extension_is_silent(monkeypatch, wish):
    assert load(monkeypatch, wish, MISSING) is None


@pytest.mark.parametrize("outcome", [BROKEN, NEEDS_ANOTHER])
def test_a_broken_extension_is_not(monkeypatch, outcome):
    with pytest.warns(RuntimeWarning, match=f"does not load, so NumPy predicts: {outcome}"):
        assert load(monkeypatch, "auto", outcome) is None
    with pytest.raises(ImportError, match=str(outcome)):
        load(monkeypatch, "1", outcome)


def test_1_demands_it(monkeypatch):
    with pytest.raises(ImportError, match="SKDISTILL_NATIVE=1 demands the C extension") as info:
        load(monkeypatch, "1", MISSING)
    assert "SKDISTILL_BUILD_NATIVE=1" in str(info.value)
    with pytest.raises(ImportError, match="SKDISTILL_NATIVE=1 demands"):
        make_model().compile()


def test_other_values_are_errors(monkeypatch):
    with pytest.raises(ValueError, match="SKDISTILL_NATIVE='yes' must be auto, 0 or 1"):
        load(monkeypatch, "yes", FakeModule)


@pytest.mark.parametrize(
    "options",
    [
        {"analyzer": "char"},
        {"analyzer": str.split},
        {"ngram_range": (1, 2)},
        {"ngram_range": (1, 2), "hash_buckets": 10},
        {"hash_buckets": 10},
    ],
    ids=str,
)
def test_numpy_reads_all_but_single_words(monkeypatch, options):
    load(monkeypatch, "1", FakeModule)
    assert make_words(Vocabulary(["a", "b"], **options)) is None
    assert make_words(Vocabulary(["a", "b"])) == "a kernel"


@pytest.mark.parametrize(("end", "expected"), [(2**32 - 1, "a kernel"), (2**32, None)])
def test_numpy_reads_more_than_4_gigabytes_of_words(monkeypatch, end, expected):
    load(monkeypatch, "1", FakeModule)
    monkeypatch.setattr(_kernel, "_word_starts", lambda *_: np.array([0, end]))
    assert make_words(Vocabulary(["a"])) == expected


def test_words_begin_where_the_ones_before_end():
    words = ["a", "über", "日本", "", "🙂x", "\ud800", "\udc00", "z"]
    encoded = [word.encode("utf-8", "surrogatepass") for word in words]
    expected = [sum(map(len, encoded[:i])) for i in range(len(words) + 1)]
    assert _word_starts(b"".join(encoded) + b"\0", words).tolist() == expected


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def make_model():
    shapes = CompiledMLP.weight_shapes(
        n_features=3, n_classes=2, embedding_dim=4, pooling=("mean", "attention"), context_window=3
    )
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    architecture = {"embedding_dim": 4, "pooling": ("mean", "attention"), "context_window": 3}
    vocabulary = Vocabulary(["warm", "bread"])
    return StoredModel("mlp", np.array(["bus", "food"]), vocabulary, weights, architecture)


@pytest.mark.parametrize("wish", ["0", "auto"])
def test_the_classifier_shows_what_predicts(monkeypatch, wish):
    monkeypatch.setenv("SKDISTILL_NATIVE", wish)
    engine = "NumPy" if find_native() is None else "native"
    assert repr(CompiledClassifier(make_model())).endswith(f" parameters, {engine})")


@pytest.mark.parametrize("wish", ["0", "auto"])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, through_pickle])
def test_copies_predict_the_same(monkeypatch, wish, duplicate):
    monkeypatch.setenv("SKDISTILL_NATIVE", wish)
    served, texts = CompiledClassifier(make_model()), ["warm bread", "BREAD, warm!"]
    expected = served.predict_proba(texts)
    np.testing.assert_array_equal(duplicate(served).predict_proba(texts), expected)


def test_tables_that_the_extension_replaces_are_not_made(monkeypatch):
    pytest.importorskip(NAME, reason="the extension is not built")
    monkeypatch.setenv("SKDISTILL_NATIVE", "1")
    network = make_model().compile()
    network.predict(["warm bread"])
    assert not {"parts", "scores"} & vars(network).keys()
    assert "_table" not in vars(network.vocabulary)
