from functools import partial

import numpy as np
import pytest
import torch

from skdistill import DistilledMLPClassifier, TextAugmenter, make_tfidf_baseline
from skdistill.students.training import _selection
from skdistill.students.training._batches import TransferDataset
from skdistill.students.training._loop import Recipe
from skdistill.students.training._mlp import MLPNetwork
from skdistill.students.training._selection import choose_network
from skdistill.text._ragged import Ragged

PRIOR = torch.log(torch.tensor([0.5, 0.5]))
BAG = partial(MLPNetwork, PRIOR, 4, embedding_dim=2, pooling=("mean",))
# It gives every text the prior.
CONSTANT = partial(MLPNetwork, PRIOR, 4, embedding_dim=1, pooling=("mean",), dropout=0.999)


def make_dataset(n_texts):
    """Make texts of one word, which says the class."""
    classes = np.arange(n_texts) % 2
    targets = {
        "proba": np.eye(2, dtype=np.float32)[classes],
        "label": classes,
        "hard_weight": np.zeros(n_texts, dtype=np.float32),
        "sample_weight": np.ones(n_texts, dtype=np.float32),
    }
    return TransferDataset(Ragged(classes + 1, np.arange(n_texts + 1)), targets)


@pytest.fixture
def recipe():
    return Recipe(max_epochs=3, batch_size=16, lr=0.1, seed=0, device=torch.device("cpu"))


@pytest.mark.parametrize(("networks", "best"), [([BAG, CONSTANT], 0), ([CONSTANT, BAG], 1)])
def test_the_network_that_learns_is_chosen(recipe, networks, best):
    assert choose_network(networks, make_dataset(600), recipe) == best


def test_equally_good_networks_keep_their_order(recipe):
    assert choose_network([BAG, BAG], make_dataset(600), recipe) == 0


def test_few_texts_decide_nothing(recipe):
    assert choose_network([CONSTANT, BAG], make_dataset(499), recipe) == 0
    assert choose_network([CONSTANT, BAG], make_dataset(500), recipe) == 1


@pytest.mark.parametrize(
    ("n_texts", "splits"),
    [
        (500, [(400, 100)] * 5),
        (1_000, [(800, 200)] * 3),
        (3_000, [(2_400, 600)]),
        (30_000, [(16_000, 4_000)]),
    ],
)
def test_texts_are_held_out_once_or_several_times(monkeypatch, recipe, n_texts, splits):
    seen = []

    def train(make_network, training, recipe, *, held_out):
        assert not {*training.rows} & {*held_out.rows}
        assert recipe.verbose == 0
        assert recipe.patience == recipe.max_epochs
        seen.append((len(training), len(held_out)))
        return {}, [{"valid_fidelity": 0.5}]

    monkeypatch.setattr(_selection, "train", train)
    choose_network([BAG], make_dataset(n_texts), recipe)
    assert seen == splits


def test_pooling_is_chosen_if_nobody_chose_it_and_no_texts_were_made(monkeypatch, topics):
    X, y = topics[0][:40], topics[1][:40]
    asked = []

    def choose(networks, dataset, recipe):
        asked.append([network().pooling for network in networks])
        return 1

    monkeypatch.setattr(_selection, "choose_network", choose)

    def pooling(**options):
        student = DistilledMLPClassifier(max_epochs=1, random_state=0, **options).fit(X, y)
        assert student.network_.pooling == student._fitted_architecture["pooling"]
        return student.network_.pooling

    both = [("mean", "max", "attention"), ("mean", "max")]
    assert pooling() == both[1]
    assert pooling(n_parameters=2_000) == both[1]
    assert asked == [both, both]
    assert pooling(pooling="mean") == ("mean",)
    teacher = make_tfidf_baseline()
    assert pooling(teacher=teacher, augmenter=TextAugmenter(n_copies=1)) == both[0]
    assert len(asked) == 2
