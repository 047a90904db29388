from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from skdistill import (
    DistilledMLPClassifier,
    TextAugmenter,
    distillation_report,
    make_tfidf_baseline,
)
from skdistill.augment._automatic import AutomaticAugmenter
from skdistill.labelling._transfer_set import HELD_OUT, LEFT_OUT, TRAINING
from skdistill.students.training import _selection
from skdistill.students.training._batches import TransferDataset
from skdistill.students.training._loop import Recipe
from skdistill.students.training._mlp import MLPNetwork
from skdistill.students.training._selection import (
    Choice,
    choose_network,
    split_by_parts,
    split_often,
)
from skdistill.text._ragged import Ragged

# As it is before a fixture of all tests raises it.
LEAST = _selection._LEAST

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


def split(n_texts):
    return split_often(make_dataset(n_texts), 0)


@pytest.fixture(autouse=True)
def choose_by_splits(monkeypatch):
    monkeypatch.setattr(_selection, "_LEAST", LEAST)


@pytest.mark.parametrize(("networks", "best"), [([BAG, CONSTANT], 0), ([CONSTANT, BAG], 1)])
def test_the_network_that_learns_is_chosen(recipe, networks, best):
    assert choose_network(networks, make_dataset(600), recipe).position == best


def test_equally_good_networks_keep_their_order(recipe):
    assert choose_network([BAG, BAG], make_dataset(600), recipe).position == 0


def test_few_texts_decide_nothing(recipe):
    assert [*split(49)] == []
    assert choose_network([BAG, CONSTANT], make_dataset(49), recipe) == Choice(1)


@pytest.mark.parametrize(
    ("n_texts", "sizes"),
    [
        (50, [(40, 10)] * 5),
        (1_000, [(800, 200)] * 3),
        (3_000, [(2_400, 600)]),
        (30_000, [(16_000, 4_000)]),
    ],
)
def test_texts_are_held_out_once_or_several_times(n_texts, sizes):
    splits = [*split(n_texts)]
    assert [(len(training), len(held_out)) for training, (held_out,) in splits] == sizes
    seen = [row for _, (held_out,) in splits for row in held_out.rows.tolist()]
    assert len(seen) == len({*seen})
    assert not any({*training.rows} & {*held_out.rows} for training, (held_out,) in splits)


def test_copies_of_texts_held_out_are_not_trained_on():
    parts = np.array([TRAINING, HELD_OUT, TRAINING, HELD_OUT, LEFT_OUT, TRAINING])
    dataset = make_dataset(6).take(np.array([0, 1, 2, 4, 5]))  # row 3 has no known features
    ((training, unseen),) = split_by_parts(dataset, parts)
    assert training.rows.tolist() == [0, 2, 5]
    assert [texts.rows.tolist() for texts in unseen] == [[1], [4]]
    ((_, unseen),) = split_by_parts(dataset, np.where(parts == LEFT_OUT, TRAINING, parts))
    assert [texts.rows.tolist() for texts in unseen] == [[1]]
    assert [*split_by_parts(dataset, np.full(6, TRAINING))] == []


def test_parts_decide_on_the_sides(recipe):
    parts = np.repeat([TRAINING, HELD_OUT, LEFT_OUT], 40)
    networks, dataset = [CONSTANT, BAG], make_dataset(120)
    assert choose_network(networks, dataset, recipe, parts).position == 1
    # Nothing is held out: the last one.
    assert choose_network(networks[::-1], dataset, recipe, np.full(120, TRAINING)) == Choice(1)


def test_agreement_is_measured_on_texts_held_out(recipe):
    found = choose_network([CONSTANT, BAG], make_dataset(600), recipe)
    assert (found.position, found.fidelity) == (1, 1.0)
    assert 0.5 <= found.constant < 0.55
    dataset = make_dataset(120)
    dataset.targets["sample_weight"][:] = torch.tensor([1.0, 3.0] * 60)
    parts = np.repeat([TRAINING, HELD_OUT], 60)
    assert choose_network([BAG], dataset, recipe, parts).constant == 0.75
    dataset.targets["sample_weight"][60:] = 0
    assert choose_network([BAG], dataset, recipe, parts) == Choice(0, 0.0, 1.0)


def test_agreement_on_several_labels(recipe):
    dataset = make_dataset(600)
    dataset.targets["proba"] = torch.tensor([[0.9, 0.2], [0.8, 0.7], [0.5, 0.1]]).repeat(200, 1)
    several = replace(recipe, multilabel=True)
    found = choose_network([BAG], dataset, several, np.repeat([TRAINING, HELD_OUT], 300))
    assert found.constant == pytest.approx(2 / 3)


@pytest.fixture
def untrained(monkeypatch):
    """Return networks as they are built, and tell the recipes."""
    recipes = []

    def train(make_network, training, recipe):
        recipes.append(recipe)
        return {name: value.numpy() for name, value in make_network().state_dict().items()}, []

    monkeypatch.setattr(_selection, "train", train)
    return recipes


def test_training_is_quiet_and_takes_all_its_epochs(untrained, recipe):
    loud = replace(recipe, callbacks=("one",), verbose=1)
    choose_network([BAG], make_dataset(3_000), loud)
    assert untrained == [recipe]


class Answers(torch.nn.Module):
    """Knows the class of the rows below a number, and is wrong about the others."""

    def __init__(self, n_right):
        super().__init__()
        self.right = torch.nn.Parameter(torch.arange(12) < n_right, requires_grad=False)

    def forward(self, ids, offsets):
        rows, classes = (ids - 1) // 2, (ids - 1) % 2
        says = torch.where(self.right[rows], classes, 1 - classes)
        return torch.nn.functional.one_hot(says, 2).double()


def test_copies_count_as_much_as_their_texts(untrained, recipe):
    # Each text is a word; two are held out, and ten are copies of them.
    classes = np.arange(12) % 2
    targets = make_dataset(12).targets
    targets = {name: values.numpy() for name, values in targets.items()}
    dataset = TransferDataset(Ragged(2 * np.arange(12) + 1 + classes, np.arange(13)), targets)
    parts = np.repeat([HELD_OUT, LEFT_OUT], [2, 10])

    def choose(*n_right):
        return choose_network([partial(Answers, n) for n in n_right], dataset, recipe, parts)

    # (1/2 + 0) / 2, (1 + 0) / 2 and (1 + 3/10) / 2
    assert choose(1, 2, 5) == Choice(2, 1.0, 0.5)
    assert choose(1, 0) == Choice(0, 0.5, 0.5)
    with torch.no_grad():
        dataset.targets["sample_weight"][2:] = 0
    assert choose(1, 2, 5) == Choice(1, 1.0, 0.5)


def test_choosing_keeps_the_random_generator(recipe):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    choose_network([BAG, CONSTANT], make_dataset(600), recipe)
    np.testing.assert_array_equal(torch.rand(2), expected)


@pytest.fixture
def asked(monkeypatch):
    """Choose the first network, and tell what was asked."""
    asked = []

    def choose(networks, dataset, recipe, parts):
        poolings = [network().pooling for network in networks]
        counts = None if parts is None else Counter(parts.tolist())
        asked.append((poolings, len(dataset), counts))
        return Choice(0)

    monkeypatch.setattr(_selection, "choose_network", choose)
    return asked


POOLINGS = [("mean",), ("mean", "max"), ("mean", "max", "attention")]


def fit(data, n_texts, **options):
    X, y = data[0][:n_texts], data[1][:n_texts]
    student = DistilledMLPClassifier(max_epochs=1, random_state=0, **options).fit(X, y)
    assert student.network_.pooling == student._fitted_architecture["pooling"]
    return student.network_.pooling


def test_pooling_is_chosen_if_nobody_chose_it(asked, topics):
    assert fit(topics, 40) == ("mean",)
    assert fit(topics, 40, n_parameters=2_000) == ("mean",)
    assert fit(topics, 40, teacher=make_tfidf_baseline()) == ("mean",)
    assert asked == [(POOLINGS, 40, None)] * 3
    assert fit(topics, 40, pooling="max") == ("max",)
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("choice", "warns"),
    [
        (Choice(0, 0.79, 0.5), True),
        (Choice(0, 0.81, 0.5), False),
        (Choice(0), False),
        (Choice(0, 0.9, 1.0), False),
    ],
)
def test_a_student_that_stays_far_behind_is_warned_of(monkeypatch, topics, choice, warns):
    monkeypatch.setattr(_selection, "choose_network", lambda *_: choice)
    given = {"teacher": make_tfidf_baseline()}
    if warns:
        with pytest.warns(UserWarning, match=r"79% of the texts held out, .* for 50%.*X_unlabeled"):
            fit(topics, 40, **given)
    else:
        fit(topics, 40, **given)
    fit(topics, 40)  # without a teacher
    student = DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=1, random_state=0)
    student.fit(topics[0][:40], topics[1][:40], X_unlabeled=topics[0][40:60])
    fit(topics, 40, pooling="mean", **given)
    teacher = make_tfidf_baseline().fit(*topics)
    student = DistilledMLPClassifier(teacher, max_epochs=1, random_state=0)
    student.fit(topics[0][:40], topics[1][:40], teacher_proba=teacher.predict_proba(topics[0][:40]))


def test_pooling_is_chosen_by_texts_of_which_no_copies_are_seen(asked, topics):
    augmenter = AutomaticAugmenter(1, [])
    assert fit(topics, 120, teacher=make_tfidf_baseline(), augmenter=augmenter) == ("mean",)
    ((poolings, n_texts, counts),) = asked
    assert (poolings, n_texts, counts[HELD_OUT]) == (POOLINGS, counts.total(), 30)
    assert counts[TRAINING] > 90
    assert counts[LEFT_OUT] > 0


def test_an_augmenter_of_the_user_holds_no_texts_out(asked, topics):
    augmenter = TextAugmenter(n_copies=1)
    fit(topics, 40, teacher=make_tfidf_baseline(), augmenter=augmenter)
    ((_, n_texts, counts),) = asked
    assert counts == {TRAINING: n_texts}


def test_a_report_chooses_as_the_student_does(asked, topics):
    X, y = topics[0][:120], topics[1][:120]
    student = DistilledMLPClassifier(
        make_tfidf_baseline(), augmenter=AutomaticAugmenter(1, []), max_epochs=1, random_state=0
    )
    student.fit(X, y)
    distillation_report(
        student, X, y, X_test=topics[0][120:140], y_test=topics[1][120:140], n_seeds=1
    )
    alone, in_report, twin = asked
    assert alone == in_report
    assert twin == (POOLINGS, 120, None)
