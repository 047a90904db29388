import subprocess
import sys

import numpy as np
import pytest
import torch

from skdistill.networks import BagNetwork
from skdistill.runtime import CompiledMLP
from skdistill.vocabulary import Vocabulary

WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", "and", "ran", ",", ".", "up"]
LOG_PRIOR = torch.tensor([0.5, 0.3, 0.2]).log()


def random_texts(n, seed=0):
    rng = np.random.default_rng(seed)
    words = [*WORDS, "unheard", "of"]
    return [" ".join(rng.choice(words, size=rng.integers(0, 30))) for _ in range(n)]


def make_network(pooling, hidden_layer_sizes=(), *, dim=6, scale=1.0, window=5):
    torch.manual_seed(0)
    network = BagNetwork(
        LOG_PRIOR,
        len(WORDS) + 1,
        embedding_dim=dim,
        pooling=pooling,
        context_window=window,
        hidden_layer_sizes=hidden_layer_sizes,
    )
    torch.nn.init.normal_(network.embedding.weight, std=scale)
    return network.eval()


def compile_network(network):
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return CompiledMLP(Vocabulary(WORDS), weights, network.pooling)


def torch_proba(network, texts):
    ids = Vocabulary(WORDS).encode(texts)
    with torch.no_grad():
        logits = network(torch.from_numpy(ids.values), torch.from_numpy(ids.offsets))
    return logits.softmax(dim=1).numpy()


@pytest.mark.parametrize(
    "pooling",
    [("mean",), ("max",), ("attention",), ("mean", "attention"), ("max", "mean", "attention")],
)
@pytest.mark.parametrize("hidden_layer_sizes", [(), (4,), (50, 3)])
@pytest.mark.parametrize("dim", [2, 6])
def test_tables_equal_the_network(pooling, hidden_layer_sizes, dim):
    network = make_network(pooling, hidden_layer_sizes, dim=dim)
    texts = random_texts(300)
    proba = compile_network(network).predict_proba(texts)
    np.testing.assert_allclose(proba, torch_proba(network, texts), atol=1e-5)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert proba.dtype == np.float32


def test_scores_too_large_for_an_exponential_do_not_overflow():
    network = make_network(("attention",), scale=100.0)
    texts = random_texts(50)
    np.testing.assert_allclose(
        compile_network(network).predict_proba(texts), torch_proba(network, texts), atol=1e-5
    )


@pytest.mark.parametrize("window", [1, 3, 41])
def test_windows_wider_than_texts(window):
    network = make_network(("attention",), window=window)
    texts = random_texts(50)
    np.testing.assert_allclose(
        compile_network(network).predict_proba(texts), torch_proba(network, texts), atol=1e-5
    )


def test_no_text_depends_on_its_neighbours():
    compiled = compile_network(make_network(("mean", "attention")))
    texts = random_texts(200)
    together = compiled.predict_proba(texts)
    order = np.random.default_rng(1).permutation(200)
    shuffled = compiled.predict_proba([texts[i] for i in order])
    np.testing.assert_array_equal(shuffled, together[order])
    for row in (0, 17, 199):
        np.testing.assert_array_equal(compiled.predict_proba([texts[row]])[0], together[row])


def test_chunks_change_nothing(monkeypatch):
    compiled = compile_network(make_network(("mean", "attention")))
    texts = random_texts(100)
    whole = compiled.predict_proba(texts)
    monkeypatch.setattr("skdistill.runtime._CHUNK", 7)
    np.testing.assert_array_equal(compiled.predict_proba(texts), whole)


@pytest.mark.parametrize("texts", [[""], ["unheard of"], ["", "unheard"], ["\n\t"]])
def test_texts_without_a_known_word_get_the_prior(texts):
    proba = compile_network(make_network(("mean", "max", "attention"))).predict_proba(texts)
    np.testing.assert_allclose(proba, [[0.5, 0.3, 0.2]] * len(texts), rtol=1e-6)


def test_no_texts():
    assert compile_network(make_network(("mean",))).predict_proba([]).shape == (0, 3)


def test_import_needs_neither_torch_nor_sklearn():
    code = (
        "import sys, skdistill.runtime; "
        "print([m for m in ('torch', 'sklearn', 'transformers', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
