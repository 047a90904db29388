import math
import platform
import subprocess
import sys

import alone
import numpy as np
import pytest
import torch

from skdistill.runtime._cnn import CompiledCNN
from skdistill.runtime._mlp import CompiledMLP
from skdistill.runtime._network import expit
from skdistill.runtime._rnn import CompiledRNN
from skdistill.students.training._cnn import CNNNetwork
from skdistill.students.training._mlp import MLPNetwork
from skdistill.students.training._rnn import RNNNetwork
from skdistill.text._vocabulary import Vocabulary

WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", "and", "ran", ",", ".", "up"]
LOG_PRIOR = torch.tensor([0.5, 0.3, 0.2]).log()


def random_texts(n, seed=0):
    rng = np.random.default_rng(seed)
    words = [*WORDS, "unheard", "of"]
    return [" ".join(rng.choice(words, size=rng.integers(0, 30))) for _ in range(n)]


def make_network(pooling, hidden_layer_sizes=(), *, dim=6, scale=1.0, window=5):
    torch.manual_seed(0)
    network = MLPNetwork(
        LOG_PRIOR,
        len(WORDS) + 1,
        embedding_dim=dim,
        pooling=pooling,
        context_window=window,
        hidden_layer_sizes=hidden_layer_sizes,
    )
    torch.nn.init.normal_(network.embedding.weight, std=scale)
    return network.eval()


def compile_network(network, vocabulary=None, **architecture):
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    compiled_class = {
        MLPNetwork: CompiledMLP,
        CNNNetwork: CompiledCNN,
        RNNNetwork: CompiledRNN,
    }[type(network)]
    architecture = {"pooling": network.pooling, **architecture}
    return compiled_class(vocabulary or Vocabulary(WORDS), weights, architecture)


def make_pair(network_class, *, scale=0.6, **options):
    """Make a network of random weights, and its tables."""
    torch.manual_seed(0)
    network = network_class(LOG_PRIOR, len(WORDS) + 1, embedding_dim=5, **options).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    architecture = {"cell": "gru", "bidirectional": True, "kernel_sizes": (3,), **options}
    return network, compile_network(network, **architecture)


def torch_proba(network, texts, vocabulary=None):
    ids = (vocabulary or Vocabulary(WORDS)).encode(texts)
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
    np.testing.assert_array_equal(compiled.predict_proba(texts[17:60]), together[17:60])


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("window", [1, 5])
@pytest.mark.parametrize("hidden_layer_sizes", [(), (4,)])
def test_a_text_alone_takes_another_way_to_the_same_end(window, hidden_layer_sizes, scale):
    network = make_network(
        ("mean", "max", "attention"), hidden_layer_sizes, window=window, scale=scale
    )
    compiled = compile_network(network)
    texts = random_texts(50)
    alone = np.concatenate([compiled.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(alone, torch_proba(network, texts), atol=1e-5)


def test_chunks_change_nothing(monkeypatch):
    compiled = compile_network(make_network(("mean", "attention")))
    texts = random_texts(100)
    whole = compiled.predict_proba(texts)
    monkeypatch.setattr("skdistill.text._vocabulary._CHUNK", 200)
    np.testing.assert_array_equal(compiled.predict_proba(texts), whole)


@pytest.mark.parametrize("hidden_layer_sizes", [(), (5, 3)])
@pytest.mark.parametrize("pooling", [("max",), ("mean",), ("mean", "max")])
@pytest.mark.parametrize("kernel_sizes", [(1,), (3,), (2, 5), (41, 4, 3)])
def test_convolution_tables_equal_the_network(kernel_sizes, pooling, hidden_layer_sizes):
    network, compiled = make_pair(
        CNNNetwork,
        kernel_sizes=kernel_sizes,
        n_filters=4,
        pooling=pooling,
        hidden_layer_sizes=hidden_layer_sizes,
    )
    check_equal(network, compiled, random_texts(100))


@pytest.mark.parametrize("hidden_layer_sizes", [(), (5, 3)])
@pytest.mark.parametrize("pooling", [("max",), ("mean",), ("mean", "max")])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_recurrent_tables_equal_the_network(cell, bidirectional, pooling, hidden_layer_sizes):
    network, compiled = make_pair(
        RNNNetwork,
        cell=cell,
        hidden_dim=4,
        bidirectional=bidirectional,
        pooling=pooling,
        hidden_layer_sizes=hidden_layer_sizes,
    )
    check_equal(network, compiled, random_texts(100))


def test_long_texts_are_read_in_parallel_wherever_they_are():
    _, compiled = make_pair(RNNNetwork)
    texts = random_texts(60)
    texts[5::20] = ["cat dog " * 200] * 3
    step, n_steps = compiled.step, []
    compiled.step = lambda inputs, *rest: n_steps.append(len(inputs)) or step(inputs, *rest)
    compiled.predict_proba(texts, n_characters=1000)
    assert len(n_steps) == 2 * 400  # for both directions, the words of one long text


def check_equal(network, compiled, texts):
    proba = compiled.predict_proba(texts)
    expected = torch_proba(network, texts)
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.05
    assert proba.dtype == np.float32


OTHERS = [
    (CNNNetwork, {"kernel_sizes": (3, 2), "pooling": ("max", "mean")}),
    (RNNNetwork, {"cell": "gru", "pooling": ("max", "mean")}),
    (RNNNetwork, {"cell": "lstm"}),
]


@pytest.mark.parametrize(("network_class", "options"), OTHERS, ids=str)
def test_large_weights_do_not_overflow(network_class, options):
    # Warnings are errors: one of NumPy's would end the test.
    network, compiled = make_pair(network_class, scale=1000.0, **options)
    texts = random_texts(50)
    agreed = compiled.predict_proba(texts).argmax(axis=1) == torch_proba(network, texts).argmax(1)
    assert agreed.mean() > 0.95


@pytest.mark.parametrize(("network_class", "options"), OTHERS, ids=str)
def test_neither_order_nor_neighbours_nor_chunks_matter(network_class, options, monkeypatch):
    _, compiled = make_pair(network_class, **options)
    texts = random_texts(60)
    together = compiled.predict_proba(texts)
    order = np.random.default_rng(1).permutation(60)
    shuffled = compiled.predict_proba([texts[i] for i in order])
    np.testing.assert_allclose(shuffled, together[order], atol=1e-6)
    alone = np.concatenate([compiled.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(alone, together, atol=1e-6)
    monkeypatch.setattr("skdistill.text._vocabulary._CHUNK", 200)
    np.testing.assert_allclose(compiled.predict_proba(texts), together, atol=1e-6)


@pytest.mark.parametrize(("network_class", "options"), OTHERS, ids=str)
def test_convolutions_and_recurrent_layers_know_the_prior_too(network_class, options):
    _, compiled = make_pair(network_class, **options)
    proba = compiled.predict_proba(["", "unheard of", "\n", "cat unheard"])
    np.testing.assert_allclose(proba[:3], [[0.5, 0.3, 0.2]] * 3, rtol=1e-6)
    assert not np.allclose(proba[3], [0.5, 0.3, 0.2], atol=1e-3)
    np.testing.assert_array_equal(compiled.predict_proba(["", "unheard"]), proba[:2])
    assert compiled.predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize("pooling", [("mean", "attention"), ("max",)])
def test_hashed_ngrams_have_rows_of_their_own(pooling):
    torch.manual_seed(0)
    vocabulary = Vocabulary(WORDS, ngram_range=(1, 3), hash_buckets=20)
    network = MLPNetwork(LOG_PRIOR, len(vocabulary), embedding_dim=5, pooling=pooling).eval()
    torch.nn.init.normal_(network.embedding.weight)
    compiled = compile_network(network, vocabulary)
    texts = random_texts(100)
    expected = torch_proba(network, texts, vocabulary)
    np.testing.assert_allclose(compiled.predict_proba(texts), expected, atol=1e-5)
    forwards, backwards = compiled.predict_proba(["the cat sat", "sat cat the"])
    assert not np.allclose(forwards, backwards, atol=1e-3)


@pytest.mark.parametrize("texts", [[""], ["unheard of"], ["", "unheard"], ["\n\t"]])
def test_texts_without_a_known_word_get_the_prior(texts):
    proba = compile_network(make_network(("mean", "max", "attention"))).predict_proba(texts)
    np.testing.assert_allclose(proba, [[0.5, 0.3, 0.2]] * len(texts), rtol=1e-6)


def test_no_texts():
    assert compile_network(make_network(("mean",))).predict_proba([]).shape == (0, 3)


def test_import_needs_neither_torch_nor_sklearn():
    code = (
        "import sys, skdistill.runtime._network; "
        "print([m for m in ('torch', 'sklearn', 'transformers', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_expit_is_exact_at_its_ends():
    logits = np.array([[-200.0, -100.0, -20.0, 0.0, 20.0, 200.0]], dtype=np.float32)
    with np.errstate(all="raise", under="ignore"):
        found = expit(logits)
    assert found.dtype == np.float32
    assert found[0, 0] == 0
    assert found[0, 5] == 1
    exact = [math.exp(z) / (1 + math.exp(z)) for z in (-100.0, -20.0, 0.0, 20.0)]
    np.testing.assert_allclose(found[0, 1:5], np.array(exact), rtol=1e-5, atol=1e-44)
    doubles = expit(logits.astype(np.float64))
    np.testing.assert_allclose(doubles[0, 0], math.exp(-200), rtol=1e-12)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators keep memory")
def test_predictions_reuse_the_memory_of_earlier_ones():
    code = (
        "import resource, alone\n"
        "network, texts = alone.make_network('attention'), alone.make_texts(50) * 200\n"
        "for _ in range(3): network.predict_proba(texts)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(5): network.predict_proba(texts)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=alone.__file__.removesuffix("alone.py"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    # Each page of 4 kB that is new to the process counts as one.
    assert int(done.stdout) < 500


@pytest.mark.parametrize("n_texts", [1, 3])
def test_labels_are_predicted_above_a_logit_of_zero(n_texts):
    weights = {
        "embedding.weight": np.array([[0], [1]], np.float32),
        "log_prior": np.array([0.1, -0.1, 0], np.float32),
        "layers.0.weight": np.array([[0.25], [-0.25], [0]], np.float32),
        "layers.0.bias": np.zeros(3, np.float32),
    }
    compiled = CompiledMLP(Vocabulary(["a"]), weights, {"pooling": ("mean",)}, multilabel=True)
    found = compiled.predict(["a"] * n_texts)
    assert (found.tolist(), found.dtype) == ([[1, 0, 0]] * n_texts, np.int64)
    proba = compiled.predict_proba(["a"] * n_texts)
    expected = [1 / (1 + math.exp(-0.25)), 1 / (1 + math.exp(0.25)), 0.5]
    np.testing.assert_allclose(proba, [expected] * n_texts, rtol=1e-6)
    assert compiled.predict(["b"] * n_texts).tolist() == [[1, 0, 0]] * n_texts


ONLY = "It sees the order of words only within "
DESCRIPTIONS = [
    (
        CompiledMLP,
        {"pooling": ("mean",), "context_window": 5},
        "mean pooling",
        "It ignores the order of words: it treats a text as a bag.",
        f"{ONLY}n-grams of up to 2.",
    ),
    (
        CompiledMLP,
        {"pooling": ("mean", "attention"), "context_window": 5},
        "mean and attention pooling with a window of 5",
        f"{ONLY}windows of 5, and only to decide how much each one counts. "
        "A negated word still counts for its usual class.",
        f"{ONLY}windows of 6, and only to decide how much each one counts. "
        "A negated word still counts for its usual class.",
    ),
    (
        CompiledCNN,
        {"pooling": ("max", "mean"), "kernel_sizes": (2, 4), "n_filters": 7},
        "7 filters per kernel size (2 and 4), max and mean pooling",
        f"{ONLY}windows of 4.",
        f"{ONLY}windows of 5.",
    ),
]


@pytest.mark.parametrize(("kind", "architecture", "reading", "words", "pairs"), DESCRIPTIONS)
def test_networks_say_what_they_see(kind, architecture, reading, words, pairs):
    assert kind.describe(architecture) == reading
    assert kind.describe_order(architecture, "words", 1) == words
    assert kind.describe_order(architecture, "words", 2) == pairs


@pytest.mark.parametrize(
    ("cell", "bidirectional", "n_gates"), [("gru", False, 3), ("lstm", True, 4)]
)
def test_recurrent_networks_say_what_they_see(cell, bidirectional, n_gates):
    architecture = {"cell": cell, "bidirectional": bidirectional, "hidden_dim": 6}
    way = "bidirectional" if bidirectional else "unidirectional"
    reading = CompiledRNN.describe({**architecture, "pooling": ("max", "mean")})
    assert reading == f"a {way} {cell.upper()} of width 6, max and mean pooling"
    order = "It reads words in order, but uses no context outside the text."
    assert CompiledRNN.describe_order(architecture, "words", 2) == order
    shapes = CompiledRNN.weight_shapes(
        n_features=9, n_classes=2, embedding_dim=5, pooling=("max",), **architecture
    )
    for name, shape in shapes.items():
        if "_l0" in name:
            assert shape[0] == n_gates * 6


def test_long_texts_are_pooled_precisely():
    network = make_network(("mean", "attention"))
    text = "the cat sat on the mat, up up " * 30_000
    expected = torch_proba(network.double(), [text])
    network.float()
    compiled = compile_network(network)
    proba = compiled.predict_proba([text, "the cat"])
    np.testing.assert_allclose(proba[:1], expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(compiled.predict_proba([text]), proba[:1])
