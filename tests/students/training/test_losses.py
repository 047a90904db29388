import numpy as np
import pytest
import torch
from scipy.special import log_softmax, rel_entr, softmax
from sklearn.metrics import log_loss

from skdistill.students.training._losses import (
    PROBABILITY_FLOOR,
    DistillationLoss,
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


@pytest.mark.parametrize(
    ("name", "temperature"),
    [("kl", 1.0), ("kl", 2.0), ("mse", 1.0)],
)
def test_mix_of_soft_and_hard_loss(batch, name, temperature):
    teacher_logits, logits = batch
    proba = softmax(teacher_logits, axis=1)
    labels = np.arange(40) % 5
    share = np.where(np.arange(40) < 25, 0.3, 0.0)
    weight = np.linspace(0, 2, 40)
    soft = {
        "kl": lambda *sides: kl_divergence(*sides, temperature),
        "mse": logits_mse,
    }[name](tensor(logits), tensor(proba)).numpy()
    hard = -log_softmax(logits, axis=1)[np.arange(40), labels]
    expected = (weight * ((1 - share) * soft + share * hard)).mean()
    targets = {"proba": proba, "label": labels, "hard_weight": share, "sample_weight": weight}
    loss = DistillationLoss(name, temperature)(
        tensor(logits), {key: tensor(value) for key, value in targets.items()}
    )
    assert loss.item() == pytest.approx(expected, rel=1e-6)
