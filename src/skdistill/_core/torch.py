"""What every module that runs torch shares: devices and seeds."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Generators, log levels and accelerate's state are global: threads load and train one by one.
ONE_AT_A_TIME = threading.RLock()


def resolve_device(device: str) -> torch.device:
    """Turn ``"auto"`` or a torch device name into a device that this machine has.

    Parameters
    ----------
    device : str
        ``"auto"`` takes the first accelerator there is, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If the name is no torch device or names hardware that is not there.

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
            f"device={device!r} was asked for, but torch finds no CUDA device on this machine; "
            'use device="auto" or device="cpu".'
        )
    return resolved


@contextmanager
def torch_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside the block and give its global generators back untouched.

    Other threads wait: what they drew from the same generators would depend on who comes first.
    """
    devices = [device] if device.type == "cuda" else []
    with ONE_AT_A_TIME, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def free_memory(device: torch.device) -> None:
    """Give memory that a device no longer uses back to other processes; a CPU's needs no help."""
    if device.type != "cpu":
        gc.collect()
        torch.get_device_module(device).empty_cache()
