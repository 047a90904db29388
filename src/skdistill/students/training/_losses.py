"""Distillation losses, one value a row."""

import torch
import torch.nn.functional as F
from torch import Tensor

PROBABILITY_FLOOR = float(torch.finfo(torch.float32).eps)


def soften(proba: Tensor, temperature: float) -> Tensor:
    """Flatten (T > 1) or sharpen (T < 1) class probabilities.

    The softmax of logits divided by T equals the probabilities to the power 1/T, normalised, so
    that no teacher has to tell its logits.

    Parameters
    ----------
    proba : Tensor of shape (n_rows, n_classes)
    temperature : float

    Returns
    -------
    Tensor of shape (n_rows, n_classes)

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._losses import soften
    >>> soften(torch.tensor([[0.8, 0.2]]), temperature=2.0)
    tensor([[0.6667, 0.3333]])
    """
    if temperature == 1:
        return proba
    powers = proba.pow(1 / temperature)
    return powers / powers.sum(dim=1, keepdim=True)


def kl_divergence(logits: Tensor, proba: Tensor, temperature: float = 1.0) -> Tensor:
    """Kullback-Leibler divergence from the teacher's to the student's softened probabilities.

    It is multiplied by the square of the temperature, so that its gradients keep their size [1]_.

    Parameters
    ----------
    logits : Tensor of shape (n_rows, n_classes)
        The student's outputs.
    proba : Tensor of shape (n_rows, n_classes)
        The teacher's probabilities.
    temperature : float, default=1.0

    Returns
    -------
    Tensor of shape (n_rows,), in nats

    References
    ----------
    .. [1] Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network",
       arXiv:1503.02531.

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._losses import kl_divergence
    >>> kl_divergence(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item()  # log(2)
    0.693147...
    """
    targets = soften(proba, temperature)
    log_student = F.log_softmax(logits / temperature, dim=1)
    return F.kl_div(log_student, targets, reduction="none").sum(dim=1) * temperature**2


def logits_mse(logits: Tensor, proba: Tensor) -> Tensor:
    """Mean squared difference of the student's and the teacher's logits.

    Logits are known from probabilities up to a constant a row, so both sides are centred;
    probabilities below float32's epsilon count as that.

    Parameters
    ----------
    logits : Tensor of shape (n_rows, n_classes)
    proba : Tensor of shape (n_rows, n_classes)

    Returns
    -------
    Tensor of shape (n_rows,)

    References
    ----------
    .. [1] Ba and Caruana (2014), "Do Deep Nets Really Need to be Deep?", NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._losses import logits_mse
    >>> logits_mse(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.5, 0.5]]))
    tensor([1.])
    """
    targets = proba.clamp(min=PROBABILITY_FLOOR).log()
    difference = logits - targets
    return (difference - difference.mean(dim=1, keepdim=True)).square().mean(dim=1)


def as_questions(logits: Tensor) -> Tensor:
    """Write the logits of labels, of which a text may have several, as those of no and yes.

    Parameters
    ----------
    logits : Tensor of shape (n_rows, n_labels)

    Returns
    -------
    Tensor of shape (n_rows * n_labels, 2)

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._losses import as_questions
    >>> as_questions(torch.tensor([[2.0, -1.0]])).tolist()
    [[0.0, 2.0], [0.0, -1.0]]
    """
    yes = logits.flatten()
    return torch.stack([torch.zeros_like(yes), yes], dim=1)


class DistillationLoss(torch.nn.Module):
    """Soft loss against the teacher mixed with cross-entropy against the gold labels.

    Parameters
    ----------
    loss : {"kl", "mse"}, default="kl"
    temperature : float, default=1.0
        Not for ``"mse"``.
    multilabel : bool, default=False
        Whether a text may have several labels. Each label is then a question with two answers,
        and a text's loss the sum of its labels' losses.

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._losses import DistillationLoss
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
        self.loss = loss
        self.temperature = temperature
        self.multilabel = multilabel

    def forward(self, logits: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """Average the rows' weighted losses.

        Parameters
        ----------
        logits : Tensor of shape (n_rows, n_classes)
        targets : dict of Tensor
            ``proba`` (n_rows, n_classes), the teacher's; ``label`` (n_rows,), the gold class, or
            (n_rows, n_labels), ones and zeros; ``hard_weight`` (n_rows,), the share of the hard
            loss, 0 where there is no gold label;
            ``sample_weight`` (n_rows,), of mean 1 over the transfer set.

        Returns
        -------
        Tensor, a scalar
        """
        proba, label, n_rows = targets["proba"], targets["label"], len(logits)
        if self.multilabel:
            logits, label = as_questions(logits), label.flatten()
            proba = torch.stack([1 - proba.flatten(), proba.flatten()], dim=1)
        if self.loss == "kl":
            loss = kl_divergence(logits, proba, self.temperature)
        else:
            loss = logits_mse(logits, proba)
        share = targets["hard_weight"]
        if share.any():
            share = share.repeat_interleave(len(loss) // n_rows)
            loss = (1 - share) * loss + share * F.cross_entropy(logits, label, reduction="none")
        if self.multilabel:
            loss = loss.view(n_rows, -1).sum(dim=1)
        return (targets["sample_weight"] * loss).mean()
