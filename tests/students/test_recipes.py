"""CONTRIBUTING's recipes, followed: a fourth kind of student, and one more loss."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import skdistill
from skdistill import CompiledClassifier, DistilledMLPClassifier, export_onnx
from skdistill.runtime._kinds import KINDS
from skdistill.runtime._network import CompiledNetwork
from skdistill.students._base import DistilledClassifier
from skdistill.students.training._network import TextNetwork, pool

ROOT = Path(__file__).parents[2]


# ---- runtime/_toy.py


class CompiledTOY(CompiledNetwork):
    """The mean of squashed embeddings."""

    poolings = frozenset({"mean"})
    own_architecture = {"sharpness": float}
    multiplied = ()

    def __init__(self, vocabulary, weights, architecture, multilabel=False):
        super().__init__(vocabulary, weights, architecture, multilabel)
        self.table = np.tanh(np.float32(architecture["sharpness"]) * weights["embedding.weight"])

    @staticmethod
    def own_shapes(embedding_dim, pooling, own):
        return embedding_dim, {}

    @staticmethod
    def describe(architecture):
        return f"squashed {architecture['sharpness']} times and averaged"

    @staticmethod
    def describe_order(architecture, features, longest):
        return f"The order of {features} makes no difference to it."

    @staticmethod
    def add_to_graph(graph, weights, architecture, vectors, inside):
        return graph.add(
            "Tanh", graph.add("Mul", vectors, np.float32(architecture["sharpness"]))
        ), None

    def _first_layer(self, ids):
        product, bias = self.layers[0]
        sums = np.add.reduceat(self.table[ids.values], ids.offsets[:-1])
        return product(sums / ids.lengths[:, None].astype(np.float32)) + bias


# ---- students/training/_toy.py


class TOYNetwork(TextNetwork):
    """The same, as a torch module."""

    def __init__(self, log_prior, n_features, *, embedding_dim, pooling, sharpness, **options):
        super().__init__(
            log_prior, n_features, embedding_dim=embedding_dim, text_dim=embedding_dim, **options
        )
        self.pooling, self.sharpness = pooling, sharpness

    def represent(self, vectors, rows, offsets):
        return pool("mean", torch.tanh(self.sharpness * vectors), rows, offsets)


# ---- students/_toy.py


class DistilledTOYClassifier(DistilledMLPClassifier):
    """The estimator; a real one lists its own parameters instead of an MLP's."""

    _kind = "toy"

    @staticmethod
    def _network_class():
        return TOYNetwork

    def _architecture(self):
        return {
            "pooling": ("mean",),
            "sharpness": 2.0,
            "hidden_layer_sizes": self._positive_integers("hidden_layer_sizes", at_least=0),
        }


@pytest.fixture
def student(monkeypatch, topics):
    # runtime/_kinds.py, and the public name.
    monkeypatch.setitem(KINDS, "toy", CompiledTOY)
    monkeypatch.setitem(vars(skdistill), "DistilledTOYClassifier", DistilledTOYClassifier)
    texts, labels = topics
    student = DistilledTOYClassifier(pooling="mean", max_epochs=15, random_state=0)
    return student.fit(texts[:300], labels[:300])


def test_a_fourth_kind_learns_and_predicts_as_its_torch_network(student, topics):
    texts, labels = topics[0][300:], topics[1][300:]
    assert isinstance(student, DistilledClassifier)
    assert student.score(texts, labels) > 0.9
    ids = student._vocabulary.encode(texts)
    with torch.no_grad():
        logits = student.network_(torch.from_numpy(ids.values), torch.from_numpy(ids.offsets))
    np.testing.assert_allclose(student.decision_function(texts), logits, atol=1e-4)
    alone = np.concatenate([student.predict_proba([text]) for text in texts])
    np.testing.assert_array_equal(alone, student.predict_proba(texts))


def test_a_fourth_kind_goes_through_files_and_graphs(student, topics, tmp_path):
    texts = topics[0][300:]
    expected = student.predict_proba(texts)
    student.save(tmp_path / "toy.skd")
    for read in (DistilledTOYClassifier.load, CompiledClassifier.load):
        np.testing.assert_array_equal(read(tmp_path / "toy.skd").predict_proba(texts), expected)
    graph = export_onnx(student, tmp_path / "toy.onnx", texts=texts)
    assert graph["largest_difference"] < 1e-5


def test_the_recipes_name_files_that_are_there():
    recipes = (ROOT / "CONTRIBUTING.md").read_text().split("## Recipes")[1]
    student_recipe, *_ = re.split(r"^### ", recipes, flags=re.MULTILINE)[1:]
    named = re.findall(r"`((?:src|tests|docs)/[\w./]+)`", recipes)
    assert named
    for name in named:
        existing = name.replace("_KIND", "_mlp").replace("KIND.js", "mlp.js")
        assert (ROOT / existing).exists(), name
    source = {*re.findall(r"`(src/[\w./]+)`", student_recipe)}
    assert len(source - {"src/skdistill/card/static/KIND.js"}) <= 6
