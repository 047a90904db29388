"""Losses of a text classifier in training and validation."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skdistill.teachers.huggingface._examples import Examples
from skdistill.teachers.huggingface._inference import compute_logits


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
