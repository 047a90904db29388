"""Transformers whose matrix products run in 8-bit integers, for prediction on a CPU."""

import copy
import platform
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

# Weights are rounded to -64, ..., 64 and inputs to 1, ..., 255: a processor without VNNI adds two
# products in 16 bits, and this is as far as they go without overflow.
_LARGEST_WEIGHT = 64
_LARGEST_INPUT = 127
_ZERO_INPUT = 128

_PROCESSORS = {"amd64", "x86_64"}

# They go when the models they were made from go, and no pickle ever sees them.
_QUANTISED: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()


class Int8Linear(nn.Module):
    """A linear layer that multiplies 8-bit integers and adds them up in 32 bits.

    Each output has a scale of its own, found once, and so has each token, found as it comes: what
    becomes of a text does not depend on the texts around it.

    Parameters
    ----------
    linear : torch.nn.Linear
        The layer in float32; it is left as it is.

    Examples
    --------
    >>> import torch
    >>> from skdistill.teachers.huggingface._int8 import Int8Linear
    >>> linear = torch.nn.Linear(3, 2)
    >>> inputs = torch.tensor([[0.5, -1.0, 2.0]])
    >>> bool((Int8Linear(linear)(inputs) - linear(inputs)).abs().max() < 0.05)
    True
    """

    bias: torch.Tensor | None

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach()
        scales = _scales(weight, _LARGEST_WEIGHT)
        integers = (weight / scales).round_().to(torch.int8)
        # Under the name that it has in `linear`, because some models ask for its type.
        self.register_buffer("weight", torch.ops.onednn.qlinear_prepack(integers, None))
        self.register_buffer("scales", scales.flatten())
        self.register_buffer("zeros", torch.zeros(len(weight), dtype=torch.int32))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the layer in float32 would, but for the rounding."""
        scales = _scales(inputs, _LARGEST_INPUT)
        # Half a step more, because the conversion cuts off what follows the point.
        integers = (inputs / scales).add_(_ZERO_INPUT + 0.5).to(torch.uint8)
        products = torch.ops.onednn.qlinear_pointwise(
            integers,
            1.0,  # its scale, which differs between tokens and is therefore left for later
            _ZERO_INPUT,
            self.weight,
            self.scales,
            self.zeros,
            None,  # the bias, which comes after the scale
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        if self.bias is None:
            return products.mul_(scales)
        return torch.addcmul(self.bias, products, scales, out=products)


def _scales(values: torch.Tensor, largest: int) -> torch.Tensor:
    """Return what one step of each row's integers is worth, 0 excepted."""
    highest, lowest = values.amax(-1, keepdim=True), values.amin(-1, keepdim=True)
    magnitude = torch.maximum(highest, lowest.neg_())
    return magnitude.div_(largest).clamp_(min=torch.finfo(values.dtype).tiny)


def check_int8_device(device: torch.device) -> None:
    """Refuse a device that has no fast products of 8-bit integers in torch.

    Raises
    ------
    ValueError
        If it is not a CPU of the x86 family with oneDNN.
    """
    if device.type != "cpu":
        raise ValueError(
            f'precision="int8" predicts on the CPU alone, but the device is {str(device)!r}; use '
            'device="cpu", or another precision: "bf16" is the fast one of accelerators.'
        )
    if not torch.backends.mkldnn.is_available() or platform.machine().lower() not in _PROCESSORS:
        raise ValueError(
            'precision="int8" needs an x86 processor and a torch with oneDNN, but this machine '
            f'({platform.machine()}) lacks one of them; use precision="auto".'
        )


def quantised(model: Any) -> Any:
    """Return a model's copy whose encoder multiplies 8-bit integers; it is made once a model.

    The two share all weights but those of the encoder's linear layers, a decoder's among them, in
    which the copy does not follow if the model is changed in place. The last layer, which gives
    the logits, stays as it is: its rounding would show at once.

    Parameters
    ----------
    model : PreTrainedModel
        In float32, on the CPU.

    Returns
    -------
    PreTrainedModel
        For prediction alone.

    Raises
    ------
    ValueError
        If the encoder has no linear layers, such as GPT-2's, which has others in their place.
    """
    if model not in _QUANTISED:
        shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        twin = copy.deepcopy(model, shared)
        encoder = twin.base_model
        layers = {
            name: layer
            for name, layer in encoder.named_modules()
            if type(layer) is nn.Linear and layer is not twin.get_output_embeddings()
        }
        if not layers:
            raise ValueError(
                f'precision="int8" rounds linear layers, but {type(encoder).__name__} has none; '
                'use precision="auto" or "bf16".'
            )
        for name, layer in layers.items():
            encoder.set_submodule(name, Int8Linear(layer))
        _QUANTISED[model] = twin
    return _QUANTISED[model]
