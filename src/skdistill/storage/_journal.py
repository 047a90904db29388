"""A file to which answers are appended as they come, and that a killed process leaves readable."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np

from skdistill._core.files import explaining_writes

# Before each block: a mark, the numbers of rows and classes, and a checksum of the block.
_HEADER = struct.Struct("<4sIII")
_MARK = b"SKJ1"
_DIGEST_BYTES = 16
_O_BINARY = getattr(os, "O_BINARY", 0)  # Windows alone has it


def append_block(path: Path, digests: np.ndarray, proba: np.ndarray) -> None:
    """Append some answers to a journal, which is created if it does not exist.

    After this call, the answers survive the death of the process.

    Parameters
    ----------
    path : Path
        The file.
    digests : ndarray of shape (n_texts, 16), dtype uint8
        Digests of the texts.
    proba : ndarray of shape (n_texts, n_classes), dtype float32
        Their probabilities.

    Raises
    ------
    OSError
        If the disk is full. Earlier blocks are unchanged.
    """
    content = digests.tobytes() + proba.astype("<f4").tobytes()
    header = _HEADER.pack(_MARK, *proba.shape, zlib.crc32(content))
    # Without a file object, whose additional calls to the system cost as much as the block itself.
    with explaining_writes(path):
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _O_BINARY, 0o666)
        n_bytes = os.fstat(number).st_size
        try:
            _write_all(number, header + content)
        except BaseException:
            os.truncate(path, n_bytes)
            raise
        finally:
            os.close(number)


def _write_all(number: int, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(number, remaining) :]


def read_blocks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the digests and probabilities of all complete blocks of a journal.

    A block at the end that a killed process did not complete is ignored, and so are blocks at the
    end of which a power cut has left zeros.

    Raises
    ------
    ValueError
        If the content of a block is not what was written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from skdistill.storage._journal import append_block, read_blocks
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "journal")
    ...     append_block(path, np.zeros((1, 16), np.uint8), np.float32([[0.25, 0.75]]))
    ...     read_blocks(path)[1]
    array([[0.25, 0.75]], dtype=float32)
    """
    content, start = path.read_bytes(), 0
    n_written = len(content.rstrip(b"\0"))
    digests, proba = [np.empty((0, _DIGEST_BYTES), np.uint8)], []
    while start + _HEADER.size <= n_written:
        mark, n_rows, n_classes, checksum = _HEADER.unpack_from(content, start)
        if mark != _MARK:
            raise ValueError("a block does not begin with its mark")
        middle = start + _HEADER.size + n_rows * _DIGEST_BYTES
        end = middle + 4 * n_rows * n_classes
        if end > len(content):
            break
        if zlib.crc32(content[start + _HEADER.size : end]) != checksum:
            if end > n_written:
                break
            raise ValueError("a block does not have its checksum")
        block = np.frombuffer(content, np.uint8, n_rows * _DIGEST_BYTES, start + _HEADER.size)
        digests.append(block.reshape(n_rows, _DIGEST_BYTES))
        numbers = np.frombuffer(content, "<f4", n_rows * n_classes, middle)
        proba.append(numbers.reshape(n_rows, n_classes).astype(np.float32))
        start = end
    return np.concatenate(digests), np.concatenate(proba or [np.empty((0, 0), np.float32)])
