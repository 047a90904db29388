"""The training loss: a loss against the teacher, mixed with one against gold labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from skdistill.metrics._losses import LOSSES


def as_questions(logits: Tensor) -> Tensor:
    """Turn logits of labels (n_rows, n_labels) into binary ones (n_rows * n_labels, 2).

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._criterion import as_questions
    >>> as_questions(torch.tensor([[2.0, -1.0]])).tolist()
    [[0.0, 2.0], [0.0, -1.0]]
    """
    yes = logits.flatten()
    return torch.stack([torch.zeros_like(yes), yes], dim=1)


def agreement(logits: Tensor, proba: Tensor, multilabel: bool) -> Tensor:
    """Return 1 for each text with the teacher's answer and 0 for others, or the share of labels.

    Parameters
    ----------
    logits, proba : Tensor of shape (n_rows, n_classes)
        The student's logits and the teacher's probabilities.
    multilabel : bool
        Whether a text may have several labels, which are then counted one by one.

    Returns
    -------
    Tensor of shape (n_rows,), dtype float64

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._criterion import agreement
    >>> logits, proba = torch.tensor([[2.0, -1.0]]), torch.tensor([[0.7, 0.6]])
    >>> agreement(logits, proba, False).tolist(), agreement(logits, proba, True).tolist()
    ([1.0], [0.5])
    """
    if multilabel:
        agreed = (logits > 0) == (proba > 0.5)
    else:
        agreed = logits.argmax(dim=1) == proba.argmax(dim=1)
    return agreed.view(len(proba), -1).double().mean(dim=1)


class DistillationLoss(torch.nn.Module):
    """Soft loss against the teacher mixed with cross-entropy against the gold labels.

    Parameters
    ----------
    loss : str, default="kl"
        A name in `skdistill.metrics._losses.LOSSES`.
    temperature : float, default=1.0
    multilabel : bool, default=False
        Whether a text may have several labels. Each label is then a binary problem, and the loss
        of a text is the sum over its labels.

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._criterion import DistillationLoss
    >>> targets = {
    ...     "proba": torch.tensor([[0.5, 0.5]]),
    ...     "label": torch.tensor([0]),
    ...     "hard_weight": torch.tensor([0.0]),
    ...     "sample_weight": torch.tensor([1.0]),
    ... }
    >>> DistillationLoss()(torch.zeros(1, 2), targets).item()
    0.0
    """

    def __init__(self, loss: str = "kl", temperature: float = 1.0, multilabel: bool = False):
        super().__init__()
        self.soft_loss = LOSSES[loss].function
        self.temperature = temperature
        self.multilabel = multilabel

    def forward(self, logits: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """Return the mean of the weighted losses of all rows.

        Parameters
        ----------
        logits : Tensor of shape (n_rows, n_classes)
        targets : dict of Tensor
            ``proba`` (n_rows, n_classes), the teacher's probabilities; ``label`` (n_rows,), the
            gold class, or (n_rows, n_labels), ones and zeros; ``hard_weight`` (n_rows,), the share
            of the hard loss, 0 without a gold label; ``sample_weight`` (n_rows,), with a mean of 1
            over the transfer set.

        Returns
        -------
        Tensor, a scalar
        """
        proba, label, n_rows = targets["proba"], targets["label"], len(logits)
        if self.multilabel:
            logits, label = as_questions(logits), label.flatten()
            proba = torch.stack([1 - proba.flatten(), proba.flatten()], dim=1)
        loss = self.soft_loss(logits, proba, self.temperature)
        share = targets["hard_weight"]
        if share.any():
            share = share.repeat_interleave(len(loss) // n_rows)
            loss = (1 - share) * loss + share * F.cross_entropy(logits, label, reduction="none")
        if self.multilabel:
            loss = loss.view(n_rows, -1).sum(dim=1)
        return (targets["sample_weight"] * loss).mean()
