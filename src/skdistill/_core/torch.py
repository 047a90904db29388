"""Devices, seeds and memory for all modules that use torch."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Random generators, log levels and accelerate's state are global, so only one thread at a time may
# load or train a model.
ONE_AT_A_TIME = threading.RLock()


def resolve_device(device: str) -> torch.device:
    """Return the torch device for a name.

    Parameters
    ----------
    device : str
        The name of a torch device. ``"auto"`` takes an accelerator if there is one, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If the name is not a torch device, or if this machine has no CUDA device.

    Examples
    --------
    >>> from skdistill._core.torch import resolve_device
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        found = (
            torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        )
        return found or torch.device("cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is not a torch device: {error}") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r} was requested, but torch finds no CUDA device on this machine; "
            'use device="auto" or device="cpu".'
        )
    return resolved


@contextmanager
def torch_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside the block and restore its global generators afterwards.

    Other threads wait, because numbers drawn from shared generators depend on the order of threads.
    """
    devices = [device] if device.type == "cuda" else []
    with ONE_AT_A_TIME, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def free_memory(device: torch.device) -> None:
    """Release the unused memory that torch has reserved on an accelerator."""
    if device.type != "cpu":
        gc.collect()
        torch.get_device_module(device).empty_cache()
