import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from skdistill.metrics._losses import kl_divergence, logits_mse
from skdistill.students.training._criterion import DistillationLoss


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
