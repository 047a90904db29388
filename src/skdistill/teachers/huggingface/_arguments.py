"""Arguments and precision of the Hugging Face Trainer."""

import dataclasses
from typing import Any

import numpy as np
import torch
from transformers import TrainingArguments

from skdistill.teachers.huggingface._int8 import check_int8_device

# Two, so that the previous one exists until the newest is complete.
_CHECKPOINTS_KEPT = 2

_KNOWN = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}


def training_precision(precision: str, device: torch.device) -> str:
    """Return the precision to train in: ``"fp32"``, ``"bf16"`` or ``"fp16"``.

    Integers are only for prediction: ``"int8"`` trains as ``"auto"`` does.

    Raises
    ------
    ValueError
        If the device does not support the requested precision.
    """
    if precision == "int8":
        check_int8_device(device)  # fail before training, not at the first prediction
        precision = "auto"
    has_bf16 = _has_bf16_units(device)
    if precision == "auto":
        return "bf16" if has_bf16 else "fp32"
    if precision == "bf16":
        check_bf16_device(device)
    lacks_bf16 = precision == "bf16" and device.type == "cuda" and not has_bf16
    if lacks_bf16 or (precision == "fp16" and device.type == "cpu"):
        raise ValueError(
            f'precision="{precision}" is not available on the device {str(device)!r}; '
            'use precision="auto" or "fp32".'
        )
    return precision


def check_bf16_device(device: torch.device) -> None:
    """Raise an error if PyTorch's attention fails in bfloat16 on the device.

    It packs matrices for the tiles of a processor that has AMX, which a PyTorch that is limited to
    AVX2 cannot.
    """
    if device.type == "cpu" and _is_limited() and _cpu_units().get("amx_bf16"):
        raise ValueError(
            'precision="bf16" needs all of this processor, but PyTorch is limited to '
            f"{torch.backends.cpu.get_cpu_capability()}. Unset the environment variable "
            'ATEN_CPU_CAPABILITY, or use precision="fp32".'
        )


def _has_bf16_units(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware, faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        able = _cpu_units()
        # A torch that is limited to AVX2 emulates bfloat16, 30 times as slowly.
        return not _is_limited() and bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


def _cpu_units() -> dict[str, Any]:
    """Return what the processor has, whether PyTorch may use it or not."""
    units: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict[str, Any])()
    return units


def _is_limited() -> bool:
    """Return whether PyTorch uses less than AVX-512."""
    return torch.backends.cpu.get_cpu_capability() != "AVX512"


def training_arguments(
    chosen: dict[str, Any], folder: str, device: torch.device, *, save: bool
) -> TrainingArguments:
    """Return the chosen arguments, completed with our defaults.

    Raises
    ------
    ValueError
        If an argument is unknown, or if the Trainer cannot use the device.
    """
    by_length: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}
    if not by_length.keys() <= _KNOWN:
        by_length = {"group_by_length": True}  # transformers 5.0
    # A search may set NumPy's scalars, which a data loader and JSON refuse.
    chosen = {k: v.item() if isinstance(v, np.generic) else v for k, v in chosen.items()}
    unknown = sorted(chosen.keys() - _KNOWN)
    if unknown:
        raise ValueError(
            f"trainer_args contains {unknown}, which transformers.TrainingArguments does not "
            "accept."
        )
    settings = {
        "output_dir": folder,
        "use_cpu": device.type == "cpu",
        "save_strategy": "epoch" if save else "no",
        "save_total_limit": _CHECKPOINTS_KEPT,
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        **by_length,
        **chosen,
    }
    arguments = TrainingArguments(**settings)
    if device.index is not None:
        arguments._n_gpu = min(arguments.n_gpu, 1)
    if arguments.device.type != device.type or device.index not in (None, arguments.device.index):
        raise ValueError(
            f"You requested device={str(device)!r}, but the Trainer uses "
            f"{str(arguments.device)!r}. To choose one of several accelerators, set an environment "
            'variable, such as CUDA_VISIBLE_DEVICES=1, and leave device="auto".'
        )
    return arguments
