"""Read and write arrays in the safetensors layout, with NumPy only.

The layout [1]_ is eight bytes with the length of a JSON header, the header, and the arrays' bytes.
Its metadata contain a checksum of the header and the arrays, without which a changed byte of a
weight would go unnoticed.

.. [1] https://huggingface.co/docs/safetensors
"""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from skdistill._core.exceptions import ModelFileError
from skdistill._core.files import replacing

_DTYPES: dict[str, np.dtype] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER = 2**24
# How the header contains the checksum, which is that of a file with zeros in its place. Quotation
# marks inside of other texts are escaped, so that nothing else looks like it.
_CHECKSUM = '"crc32":"{:08x}"'
_ALIGNMENT = 8


def write_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write arrays to a file, which is either complete or absent.

    Parameters
    ----------
    path : Path
        An existing file is replaced once the new one is complete.
    tensors : dict of ndarray
        Arrays of dtype float32, float16, int8 or uint8.
    metadata : dict of str

    Raises
    ------
    OSError
        If the folder does not exist, the disk is full, or writing is not permitted.
    """
    header: dict[str, Any] = {"__metadata__": metadata | {"crc32": f"{0:08x}"}}
    end = 0
    for name, array in tensors.items():
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _MAX_HEADER:
        raise ValueError(
            f"The header of {path} would take {len(text)} bytes, more than {_MAX_HEADER}: there "
            "are too many labels."
        )
    body = b"".join(
        array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        for array in tensors.values()
    )
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(_with_checksum(text, 0, _checksum(text, body)))
        file.write(body)


def _checksum(header: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(header))


def _with_checksum(header: bytes, old: int, new: int) -> bytes:
    return header.replace(_CHECKSUM.format(old).encode(), _CHECKSUM.format(new).encode(), 1)


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read arrays, after checking every size against the size of the file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    tensors : dict of ndarray
        Read-only arrays.
    metadata : dict of str

    Raises
    ------
    ModelFileError
        If the file does not have the layout, or not the bytes that were written.
    """
    data = path.read_bytes()
    try:
        return _parse(data)
    except _DamageError as damage:
        raise ModelFileError(f"{path} is damaged or not a model file: {damage}.") from None


class _DamageError(Exception):
    """Describes the damage in a file."""


def _parse(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(_MAX_HEADER, len(data) - 8):
        raise _DamageError("its header is longer than the file")
    try:
        header = json.loads(data[8 : 8 + length].decode("utf-8"))
    except (ValueError, RecursionError):
        raise _DamageError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise _DamageError("its header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise _DamageError("its metadata are not text")
    body = data[8 + length :]
    tensors, end = {}, 0
    for name, entry in header.items():
        dtype, shape, end = _check_entry(name, entry, end)
        if end > len(body):
            raise _DamageError(f"the array {name!r} ends after the end of the file")
        start = end - dtype.itemsize * math.prod(shape)
        tensors[name] = np.frombuffer(body[start:end], dtype=dtype).reshape(shape)
    if end != len(body):
        raise _DamageError(f"its arrays should take {end} bytes, but take {len(body)}")
    _check_bytes(data[8 : 8 + length], body, metadata.pop("crc32", None))
    return tensors, metadata


def _check_bytes(header: bytes, body: bytes, stored: str | None) -> None:
    """Check the checksum, which other writers of the layout leave out."""
    if stored is None:
        return
    try:
        expected = int(stored, 16)
    except ValueError:
        raise _DamageError(f"its checksum is {stored!r:.40}") from None
    if _checksum(_with_checksum(header, expected, 0), body) != expected:
        raise _DamageError("its checksum does not match its bytes")


def _check_entry(name: str, entry: Any, start: int) -> tuple[np.dtype, tuple[int, ...], int]:
    """Check one array's header entry; arrays must follow each other without gaps."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _DamageError(f"the header entry of the array {name!r} is not valid")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise _DamageError(f"the array {name!r} has the unknown type {dtype!r:.40}")
    if (
        not isinstance(shape, list)
        or len(shape) > 4
        or not all(type(size) is int and 0 <= size < 2**40 for size in shape)
    ):
        raise _DamageError(f"the shape of the array {name!r} is not valid")
    end = start + _DTYPES[dtype].itemsize * math.prod(shape)
    if offsets != [start, end]:
        raise _DamageError(f"the offsets of the array {name!r} do not match its shape")
    return _DTYPES[dtype], tuple(shape), end
