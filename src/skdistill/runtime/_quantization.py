"""Convert weights to half precision or eight bits and back, with NumPy only."""

from typing import Literal, get_args

import numpy as np

Precision = Literal["float32", "float16", "int8"]

# Smaller arrays stay unchanged: rounding them would save little space.
_MIN_SIZE = 1024
_SCALE = ".scale"


def check_precision(precision: str) -> None:
    """Check that a precision exists."""
    if precision not in get_args(Precision):
        raise ValueError(f"precision={precision!r:.60} must be one of {get_args(Precision)}.")


def quantize(weights: dict[str, np.ndarray], precision: Precision) -> dict[str, np.ndarray]:
    """Round large matrices to fewer bits.

    Parameters
    ----------
    weights : dict of ndarray, dtype float32
    precision : {"float32", "float16", "int8"}
        ``"int8"`` stores each row as integers from -127 to 127 and a scale in half precision
        [1]_. The scales are stored under the array's name with the suffix ``.scale``.

    Returns
    -------
    dict of ndarray

    Raises
    ------
    ValueError
        If a weight is too large for half precision.

    References
    ----------
    .. [1] Jacob et al. (2018), "Quantization and Training of Neural Networks for Efficient
       Integer-Arithmetic-Only Inference", CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.runtime._quantization import dequantize, quantize
    >>> weights = {"table": np.linspace(-1, 1, 2048, dtype=np.float32).reshape(-1, 2)}
    >>> stored = quantize(weights, "int8")
    >>> {name: array.dtype.name for name, array in stored.items()}
    {'table': 'int8', 'table.scale': 'float16'}
    >>> bool(np.abs(dequantize(stored)["table"] - weights["table"]).max() < 1 / 127)
    True
    """
    check_precision(precision)
    stored = {}
    for name, array in weights.items():
        if precision == "float32" or array.ndim < 2 or array.size < _MIN_SIZE:
            stored[name] = array
        elif precision == "float16":
            stored[name] = _as_half(name, array)
        else:
            scales = _as_half(name, np.abs(array.reshape(len(array), -1)).max(axis=1) / 127)
            # Rounding may make a scale slightly too small, or zero.
            divisors = np.where(scales, scales, 1).astype(np.float32)
            steps = array / divisors.reshape(-1, *[1] * (array.ndim - 1))
            stored[name] = np.clip(np.rint(steps), -127, 127).astype(np.int8)
            stored[name + _SCALE] = scales
    return stored


def dequantize(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the output of `quantize` in float32.

    Parameters
    ----------
    stored : dict of ndarray

    Returns
    -------
    dict of ndarray, dtype float32

    Raises
    ------
    ValueError
        If an integer array does not have one scale per row.
    """
    weights = {}
    for name, array in stored.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored:
            continue
        values = array.astype(np.float32)
        if array.dtype == np.int8:
            scales = stored.get(name + _SCALE)
            if scales is None or array.ndim < 2 or scales.shape != array.shape[:1]:
                raise ValueError(f"the array {name!r} does not have one scale per row")
            values *= scales.astype(np.float32).reshape(-1, *[1] * (array.ndim - 1))
        weights[name] = values
    return weights


def _as_half(name: str, array: np.ndarray) -> np.ndarray:
    if np.abs(array).max() > np.finfo(np.float16).max:
        raise ValueError(
            f"The weights {name!r} are too large for half precision: use precision='float32'."
        )
    return array.astype(np.float16)
