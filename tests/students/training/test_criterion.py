import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from skdistill.metrics._losses import kl_divergence, logits_mse
from skdistill.students.training._criterion import DistillationLoss, agreement


@pytest.mark.parametrize(("name", "temperature"), [("kl", 1.0), ("kl", 2.0), ("mse", 1.0)])
def test_mix_of_soft_and_hard_loss(name, temperature):
    teacher_logits, logits = np.random.default_rng(0).normal(scale=3, size=(2, 40, 5))
    proba = softmax(teacher_logits, axis=1)
    labels = np.arange(40) % 5
    share = np.where(np.arange(40) < 25, 0.3, 0.0)
    weight = np.linspace(0, 2, 40)
    soft = {
        "kl": lambda *sides: kl_divergence(*sides, temperature),
        "mse": logits_mse,
    }[name](torch.from_numpy(logits), torch.from_numpy(proba)).numpy()
    hard = -log_softmax(logits, axis=1)[np.arange(40), labels]
    expected = (weight * ((1 - share) * soft + share * hard)).mean()
    targets = {"proba": proba, "label": labels, "hard_weight": share, "sample_weight": weight}
    loss = DistillationLoss(name, temperature)(
        torch.from_numpy(logits), {key: torch.from_numpy(v) for key, v in targets.items()}
    )
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_the_loss_of_several_labels_is_a_sum_over_them():
    logits = np.array([[2.0, -1.0, 0.5], [-3.0, 0.0, 1.0]])
    teacher = np.array([[0.9, 0.2, 0.5], [0.1, 0.5, 0.7]])
    gold = np.array([[1, 0, 1], [0, 0, 1]])
    share, weight = np.array([0.25, 0.0]), np.array([0.5, 1.5])
    student = 1 / (1 + np.exp(-logits))

    def cross_entropy(target):
        return -target * np.log(student) - (1 - target) * np.log(1 - student)

    soft = cross_entropy(teacher) + teacher * np.log(teacher) + (1 - teacher) * np.log(1 - teacher)
    mixed = (1 - share[:, None]) * soft + share[:, None] * cross_entropy(gold)
    targets = {"proba": teacher, "label": gold, "hard_weight": share, "sample_weight": weight}
    loss = DistillationLoss(multilabel=True)(
        torch.from_numpy(logits), {key: torch.from_numpy(v) for key, v in targets.items()}
    )
    assert loss.item() == pytest.approx((weight * mixed.sum(axis=1)).mean(), rel=1e-6)


def test_agreement_with_the_teacher():
    rng = np.random.default_rng(0)
    logits, proba = rng.normal(size=(50, 4)), softmax(rng.normal(size=(50, 4)), axis=1)
    given = torch.from_numpy(logits), torch.from_numpy(proba)
    same = logits.argmax(axis=1) == proba.argmax(axis=1)
    np.testing.assert_array_equal(agreement(*given, multilabel=False), same)
    shares = ((softmax(np.stack([0 * logits, logits]), axis=0)[1] > 0.5) == (proba > 0.5)).mean(
        axis=1
    )
    np.testing.assert_array_equal(agreement(*given, multilabel=True), shares)
    # An even chance is no label.
    even = torch.tensor([[0.0]]), torch.tensor([[0.5]])
    assert agreement(*even, multilabel=True).tolist() == [1.0]
    assert agreement(even[0] + 1, even[1], multilabel=True).tolist() == [0.0]
