import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from sklearn.metrics import log_loss

from skdistill import DistilledMLPClassifier, TrainingHistoryDisplay, make_tfidf_baseline
from skdistill.metrics._losses import (
    LOSSES,
    PROBABILITY_FLOOR,
    Loss,
    choose_temperature,
    kl_divergence,
    logits_mse,
    soften,
)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    teacher_logits, logits = rng.normal(scale=3, size=(2, 40, 5))
    return teacher_logits, logits


def tensor(array):
    return torch.from_numpy(np.asarray(array))


@pytest.mark.parametrize(
    ("temperature", "made_texts", "chosen"),
    [("auto", False, 1.0), ("auto", True, 2.0), (1.0, True, 1.0), (0.5, False, 0.5)],
)
def test_made_texts_ask_for_softer_labels(temperature, made_texts, chosen):
    assert choose_temperature(temperature, made_texts=made_texts) == chosen


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])
def test_soften_equals_dividing_logits(batch, temperature):
    teacher_logits, _ = batch
    softened = soften(tensor(softmax(teacher_logits, axis=1)), temperature)
    np.testing.assert_allclose(softened, softmax(teacher_logits / temperature, axis=1), rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_kl_equals_scipy(batch, temperature):
    teacher_logits, logits = batch
    p = softmax(teacher_logits / temperature, axis=1)
    q = softmax(logits / temperature, axis=1)
    loss = kl_divergence(tensor(logits), tensor(softmax(teacher_logits, axis=1)), temperature)
    np.testing.assert_allclose(loss, rel_entr(p, q).sum(axis=1) * temperature**2, rtol=1e-6)


def test_kl_of_a_hard_label_is_cross_entropy(batch):
    _, logits = batch
    labels = np.arange(40) % 5
    loss = kl_divergence(tensor(logits), tensor(np.eye(5)[labels])).mean().item()
    assert loss == pytest.approx(log_loss(labels, softmax(logits, axis=1)))


def test_mse_compares_logits_up_to_a_constant(batch):
    teacher_logits, logits = batch
    loss = logits_mse(tensor(logits), tensor(softmax(teacher_logits, axis=1)))
    difference = (logits - logits.mean(1, keepdims=True)) - (
        teacher_logits - teacher_logits.mean(1, keepdims=True)
    )
    np.testing.assert_allclose(loss, (difference**2).mean(axis=1), rtol=1e-6)


def test_mse_of_impossible_classes_is_finite():
    loss = logits_mse(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx((np.log(PROBABILITY_FLOOR) / 2) ** 2, rel=1e-5)


def test_rows_bear_their_own_names_and_docstrings_list_them():
    assert all(loss.name == name for name, loss in LOSSES.items())
    documented = " ".join(DistilledMLPClassifier.__doc__.split())
    for loss in LOSSES.values():
        assert f'{loss.words} (``"{loss.name}"``)' in documented


def absolute_difference(logits, proba, temperature):
    return ((logits / temperature).softmax(dim=1) - proba).abs().sum(dim=1)


@pytest.fixture
def toy(monkeypatch):
    loss = Loss(
        "toy",
        absolute_difference,
        words="absolute difference",
        axis_label="difference, probability",
        uses_temperature=True,
        min_classes=3,
    )
    monkeypatch.setitem(LOSSES, "toy", loss)
    return {"loss": "toy", "temperature": 0.5, "max_epochs": 8, "random_state": 0}


def test_a_row_of_the_table_is_all_that_a_loss_needs(toy, topics, tmp_path):
    X, y = topics[0][:200], topics[1][:200]
    student = DistilledMLPClassifier(make_tfidf_baseline(10), lr=0.02, **toy).fit(X, y)
    losses = [epoch["train_loss"] for epoch in student.history_]
    assert losses[-1] < 0.5 * losses[0]
    assert student.score(topics[0][400:], topics[1][400:]) > 0.9
    student.to_html(tmp_path / "card.html")
    card = (tmp_path / "card.html").read_text(encoding="utf-8")
    assert "absolute difference at temperature 0.5" in card
    display = TrainingHistoryDisplay.from_estimator(student)
    assert display.loss_name == "loss: difference, probability"


@pytest.mark.parametrize("y", [[0, 1] * 2, np.eye(4, 3)], ids=["two classes", "several labels"])
def test_a_loss_says_how_many_classes_it_needs(toy, y):
    message = "loss='toy' needs at least 3 classes, but there are 2"
    with pytest.raises(ValueError, match=message):
        DistilledMLPClassifier(**toy).fit(["a", "b", "c", "d"], y)


def test_losses_need_two_classes_and_floor_probabilities_at_float32s_epsilon():
    assert {name: loss.min_classes for name, loss in LOSSES.items()} == {"kl": 2, "mse": 2}
    assert {name: loss.uses_temperature for name, loss in LOSSES.items()} == {
        "kl": True,
        "mse": False,
    }
    assert PROBABILITY_FLOOR == 2**-23
