"""Losses and scores of a text classifier in training and validation."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skdistill.metrics._fidelity import cohens_kappa
from skdistill.teachers.huggingface._examples import Examples
from skdistill.teachers.huggingface._inference import compute_logits

# Number of training texts that a fitted model is tried on.
_N_TRIED = 256


def cross_entropies(
    logits: torch.Tensor, targets: torch.Tensor, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Return each text's cross-entropy in nats; for several labels, the mean over them.

    `targets` are class numbers, of shape (n_texts,); or ones and zeros, of shape
    (n_texts, n_labels). `label_smoothing` is the share of the target that is spread over the
    classes, or over the two values of a label.

    Examples
    --------
    >>> import torch
    >>> from skdistill.teachers.huggingface._losses import cross_entropies
    >>> cross_entropies(torch.zeros(1, 4), torch.tensor([[1, 0, 0, 1]]))  # the logarithm of 2
    tensor([0.6931])
    """
    if targets.ndim == 1:
        return F.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)
    shares = targets.to(logits.dtype) * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(logits, shares, reduction="none").mean(dim=1)


def validate(model: nn.Module, examples: Examples, device: torch.device) -> dict[str, float]:
    """Return the weighted loss and accuracy on validation rows."""
    with torch.no_grad():
        logits = compute_logits(
            model, examples.tokens, device=device, label_texts=examples.label_texts
        )
    targets = examples.targets
    losses = cross_entropies(torch.from_numpy(logits).double(), torch.from_numpy(targets)).numpy()
    if targets.ndim == 1:
        correct = logits.argmax(axis=1) == targets
    else:
        correct = ((logits > 0) == targets).mean(axis=1)
    return {
        "valid_loss": float(np.average(losses, weights=examples.weights)),
        "valid_accuracy": float(np.average(correct, weights=examples.weights)),
    }


def agreement(model: nn.Module, examples: Examples, device: torch.device) -> float:
    """Return Cohen's kappa between a model's labels and the targets, on at most 256 examples.

    It is 0 for a model that answers at random, or always the same. It is NaN if all targets are the
    same. If a text may have several labels, agreement by chance is that of each label.
    """
    rows = np.unique(np.linspace(0, len(examples) - 1, _N_TRIED).astype(np.intp))
    with torch.no_grad():
        logits = compute_logits(
            model.to(device),
            examples.tokens.take(rows),
            device=device,
            label_texts=examples.label_texts,
        )
    several = examples.targets.ndim == 2
    labels = (logits > 0).astype(np.int64) if several else logits.argmax(axis=1)[:, None]
    return cohens_kappa(
        examples.targets[rows].reshape(labels.shape),
        labels,
        examples.weights[rows].astype(np.float64),
    )
