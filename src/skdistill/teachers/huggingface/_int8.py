"""Transformers with 8-bit integer matrix products, for prediction on a CPU."""

import copy
import platform
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

# Weights are rounded to -64, ..., 64 and inputs to 1, ..., 255. Without VNNI, a processor adds two
# products in 16 bits; larger values would overflow.
_LARGEST_WEIGHT = 64
_LARGEST_INPUT = 127
_ZERO_INPUT = 128

_PROCESSORS = {"amd64", "x86_64"}

# Weak keys, so that a copy is freed with its model; copies are never pickled.
_QUANTISED: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()


class Int8Linear(nn.Module):
    """A linear layer that multiplies 8-bit integers and adds the products in 32 bits.

    Each output has its own scale, computed once. Each token also has its own scale, computed when
    the layer runs, so the result for a text does not depend on the other texts.

    Parameters
    ----------
    linear : torch.nn.Linear
        The layer in float32, which is left unchanged.

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
        # Named as in `linear`, because some models look at the type of this attribute.
        self.register_buffer("weight", torch.ops.onednn.qlinear_prepack(integers, None))
        self.register_buffer("scales", scales.flatten())
        self.register_buffer("zeros", torch.zeros(len(weight), dtype=torch.int32))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the output of the float32 layer, up to rounding."""
        scales = _scales(inputs, _LARGEST_INPUT)
        # Plus one half, because the conversion truncates.
        integers = (inputs / scales).add_(_ZERO_INPUT + 0.5).to(torch.uint8)
        products = torch.ops.onednn.qlinear_pointwise(
            integers,
            1.0,  # the scale; it differs between tokens and is applied below
            _ZERO_INPUT,
            self.weight,
            self.scales,
            self.zeros,
            None,  # the bias; it is added after the scale is applied
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
    """Return the value of one integer step in each row, which is never 0."""
    highest, lowest = values.amax(-1, keepdim=True), values.amin(-1, keepdim=True)
    magnitude = torch.maximum(highest, lowest.neg_())
    return magnitude.div_(largest).clamp_(min=torch.finfo(values.dtype).tiny)


def check_int8_device(device: torch.device) -> None:
    """Refuse a device for which torch has no fast 8-bit integer products.

    Raises
    ------
    ValueError
        If the device is not an x86 CPU with oneDNN.
    """
    if device.type != "cpu":
        raise ValueError(
            f'precision="int8" runs only on the CPU, but the device is {str(device)!r}. Use '
            'device="cpu" or another precision; "bf16" is fast on accelerators.'
        )
    if not torch.backends.mkldnn.is_available() or platform.machine().lower() not in _PROCESSORS:
        raise ValueError(
            'precision="int8" needs an x86 processor and a torch build with oneDNN, but this '
            f'machine ({platform.machine()}) lacks one of them; use precision="auto".'
        )


def quantised(model: Any) -> Any:
    """Return a copy of a model with 8-bit integer linear layers; later calls return the same copy.

    The model is in float32, on the CPU. The copy is for prediction only. It shares all weights with
    the model except those of the linear layers in the encoder and decoder, which do not follow
    later in-place changes. The layer that computes the logits stays in float32, because its
    rounding errors would appear directly in the result.

    Raises
    ------
    ValueError
        If the encoder has no linear layers, as in GPT-2.
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
                f'precision="int8" quantizes linear layers, but {type(encoder).__name__} has none; '
                'use precision="auto" or "bf16".'
            )
        for name, layer in layers.items():
            encoder.set_submodule(name, Int8Linear(layer))
        _QUANTISED[model] = twin
    return _QUANTISED[model]
