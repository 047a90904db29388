"""The table `LOSSES` of the losses that a student can be trained with.

To add a loss, add a function and a row here. Parameters, docstrings, figures and cards read the
table. torch is only imported when a loss is computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)
# Of students that learn from made texts. Accuracy on unseen texts, 200 labels, at 1 and at this
# temperature (means of two MLPs and a CNN): Emotion 59.8 and 62.6, HWU64 59.5 and 60.9, SST-2 67.6
# and 68.3, TREC-6 77.2 and 77.5. At 4: 63.0, 59.8, 69.1, 77.3. Without made texts, they lose 0.2
# points at this and gain 0.3 at 4 (means over these sets and five students), which is chance.
_TEMPERATURE_OF_MADE_TEXTS = 2.0


@dataclass(frozen=True)
class Loss:
    """A measure of the distance between a student's logits and its teacher's probabilities.

    Attributes
    ----------
    name : str
        Value of the parameter `loss`.
    function : callable
        Takes logits (n_rows, n_classes), the teacher's probabilities (n_rows, n_classes) and the
        temperature. Returns one value per row.
    words : str
        Name in documentation and cards.
    axis_label : str
        Name in figures, with the unit.
    uses_temperature : bool, default=False
        Whether the loss depends on the temperature.
    min_classes : int, default=2
        Minimum number of classes. In the multilabel case, each label has two classes.
    """

    name: str
    function: "Callable[[Tensor, Tensor, float], Tensor]"
    words: str
    axis_label: str
    uses_temperature: bool = False
    min_classes: int = 2

    def describe(self, temperature: float) -> str:
        """Return the name of the loss, with its temperature if it depends on one."""
        return self.words + (f" at temperature {temperature:g}" if self.uses_temperature else "")


def choose_temperature(temperature: float | Literal["auto"], *, made_texts: bool) -> float:
    """Return a student's temperature; ``"auto"`` depends on whether any of its texts were made.

    Examples
    --------
    >>> from skdistill.metrics._losses import choose_temperature
    >>> choose_temperature("auto", made_texts=False), choose_temperature(4, made_texts=True)
    (1.0, 4)
    """
    if temperature == "auto":
        return _TEMPERATURE_OF_MADE_TEXTS if made_texts else 1.0
    return temperature


def soften(proba: "Tensor", temperature: float) -> "Tensor":
    """Flatten (T > 1) or sharpen (T < 1) class probabilities (n_rows, n_classes).

    The softmax of logits divided by T equals the probabilities to the power 1/T, normalised.
    Therefore a teacher does not need to provide logits.

    Examples
    --------
    >>> import torch
    >>> from skdistill.metrics._losses import soften
    >>> soften(torch.tensor([[0.8, 0.2]]), temperature=2.0)
    tensor([[0.6667, 0.3333]])
    """
    if temperature == 1:
        return proba
    powers = proba.pow(1 / temperature)
    return powers / powers.sum(dim=1, keepdim=True)


def kl_divergence(logits: "Tensor", proba: "Tensor", temperature: float = 1.0) -> "Tensor":
    """Compute the Kullback-Leibler divergence of each row, in nats, after softening both sides.

    It is multiplied by the square of the temperature, which keeps the size of the gradients [1]_.

    References
    ----------
    .. [1] Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network",
       arXiv:1503.02531.

    Examples
    --------
    >>> import torch
    >>> from skdistill.metrics._losses import kl_divergence
    >>> kl_divergence(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item()  # log(2)
    0.693147...
    """
    from torch.nn import functional

    targets = soften(proba, temperature)
    log_student = functional.log_softmax(logits / temperature, dim=1)
    divergence = functional.kl_div(log_student, targets, reduction="none")
    return divergence.sum(dim=1) * temperature**2


def logits_mse(logits: "Tensor", proba: "Tensor", temperature: float = 1.0) -> "Tensor":
    """Compute the mean squared difference of each row's logits [1]_, ignoring the temperature.

    Probabilities determine logits up to a constant per row, so both sides are centred.
    Probabilities below the epsilon of float32 are raised to it.

    References
    ----------
    .. [1] Ba and Caruana (2014), "Do Deep Nets Really Need to be Deep?", NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from skdistill.metrics._losses import logits_mse
    >>> logits_mse(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.5, 0.5]]))
    tensor([1.])
    """
    targets = proba.clamp(min=PROBABILITY_FLOOR).log()
    difference = logits - targets
    return (difference - difference.mean(dim=1, keepdim=True)).square().mean(dim=1)


LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            "kl",
            kl_divergence,
            words="Kullback-Leibler divergence",
            axis_label="KL divergence, nats per text",
            uses_temperature=True,
        ),
        Loss(
            "mse",
            logits_mse,
            words="mean squared difference of logits",
            axis_label="mean squared error of the logits",
        ),
    )
}
