"""Does a text get the same bits alone, in any batch, order, chunk and thread?"""

from unittest.mock import patch

import numpy as np

from skdistill import serving
from skdistill.runtime import _kernel
from skdistill.runtime._kinds import KINDS
from skdistill.runtime._model_file import StoredModel
from skdistill.text._vocabulary import Vocabulary

WORDS = [f"w{i}" for i in range(40)]
ARCHITECTURES = {
    "mean": ("mlp", {"pooling": ("mean",), "context_window": 1}),
    "attention": ("mlp", {"pooling": ("mean", "attention"), "context_window": 13}),
    "one wide window": ("mlp", {"pooling": ("attention",), "context_window": 41}),
    "large scores": ("mlp", {"pooling": ("attention",), "context_window": 5, "scale": 30.0}),
    "all poolings": (
        "mlp",
        {"pooling": ("max", "mean", "attention"), "context_window": 3, "hidden_layer_sizes": (9,)},
    ),
    "hidden": ("mlp", {"pooling": ("mean",), "context_window": 1, "hidden_layer_sizes": (70, 1)}),
    "cnn": ("cnn", {"pooling": ("max", "mean"), "kernel_sizes": (2, 3), "n_filters": 13}),
    "gru": (
        "rnn",
        {"pooling": ("max", "mean"), "cell": "gru", "hidden_dim": 32, "bidirectional": True},
    ),
    "lstm": (
        "rnn",
        {"pooling": ("max",), "cell": "lstm", "hidden_dim": 7, "bidirectional": False},
    ),
}


def make_network(name, n_classes=3, multilabel=False):
    """Make a network of random weights."""
    kind, architecture = ARCHITECTURES[name]
    architecture = {"embedding_dim": 15, "hidden_layer_sizes": (), **architecture}
    scale = architecture.pop("scale", 0.5)
    vocabulary, rng = Vocabulary(WORDS), np.random.default_rng(0)
    shapes = KINDS[kind].weight_shapes(
        n_features=len(vocabulary), n_classes=n_classes, **architecture
    )
    weights = {
        name: (scale * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()
    }
    classes = np.arange(n_classes)
    return StoredModel(
        kind, classes, vocabulary, weights, architecture, multilabel=multilabel
    ).compile()


def make_texts(n_texts=61, seed=0):
    """Make texts of 0 to 59 words, one of them long and some without any known word."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice([*WORDS, "new"], size=n)) for n in range(n_texts - 1)]
    return [*texts, " ".join(rng.choice(WORDS, size=700))]


def in_threads(network, texts):
    """Predict with two threads that take a few texts at a time."""
    with patch.object(serving, "_CHARACTERS_A_JOB", 500), patch.object(_kernel, "_LEAST_TEXTS", 5):
        return serving.compute(network, "predict_proba", texts, n_jobs=2)


def differing_texts(name, n_classes=3, multilabel=False):
    """Return the texts whose probabilities depend on how they are asked for."""
    network, texts = make_network(name, n_classes, multilabel), make_texts()
    expected = network.predict_proba(texts)
    rng = np.random.default_rng(1)
    order = rng.permutation(len(texts))
    shuffled = np.empty_like(expected)
    shuffled[order] = network.predict_proba([texts[row] for row in order])
    ways = {
        "alone": np.concatenate([network.predict_proba([text]) for text in texts]),
        "in pairs": np.concatenate(
            [network.predict_proba(texts[row : row + 2]) for row in range(0, len(texts), 2)]
        ),
        "in another order": shuffled,
        "in chunks": network.predict_proba(texts, n_characters=300),
        "in threads": in_threads(network, texts),
        "twice": network.predict_proba([*texts, *texts])[len(texts) :],
    }
    return {
        way: np.flatnonzero((found != expected).any(axis=1)).tolist()
        for way, found in ways.items()
        if not np.array_equal(found, expected)
    }


if __name__ == "__main__":
    for name in ARCHITECTURES:
        differing = differing_texts(name, n_classes=6)
        assert not differing, (name, differing)
