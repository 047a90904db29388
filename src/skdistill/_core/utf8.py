"""Read UTF-8 lines as soon as they arrive, and name lines in other encodings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

# Bytes to read at a time: about ten thousand lines.
_BLOCK = 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def lines_at_hand(stream: Any, name: str) -> Iterator[list[str]]:
    r"""Yield the lines of a stream as soon as they are available.

    A program that writes one line and waits for the answer gets it at once. A stream without
    pauses is read in large blocks.

    Parameters
    ----------
    stream : file, open for reading bytes, with `read1`
        The stream.
    name : str
        The name of the stream in error messages.

    Yields
    ------
    list of str
        The lines that are available, without line ends (``\n`` or ``\r\n``). Text after the last
        line end is a line, unless it is empty.

    Raises
    ------
    ValueError
        If a line is not in UTF-8. The lines before it are yielded first.

    Examples
    --------
    >>> from io import BytesIO
    >>> from skdistill._core.utf8 import lines_at_hand
    >>> list(lines_at_hand(BytesIO(b"one\r\n\nthree"), "the stream"))
    [['one', ''], ['three']]
    """
    n_read, begun = 0, [b""]
    while block := stream.read1(_BLOCK):
        if not n_read and begun == [b""]:
            block = block.removeprefix(_BYTE_ORDER_MARK)
        whole, end, rest = block.rpartition(b"\n")
        if end:
            lines = b"".join([*begun, whole])
            yield from _decode(lines, n_read, name)
            n_read += 1 + lines.count(b"\n")
            begun = []
        begun.append(rest)
    if last := b"".join(begun):
        yield from _decode(last, n_read, name)


def _decode(lines: bytes, n_read: int, name: str) -> Iterator[list[str]]:
    try:
        yield _split(lines.decode())
    except UnicodeDecodeError as error:
        good, end, _ = lines[: error.start].rpartition(b"\n")
        if end:
            yield _split(good.decode())
        n_read += 1 + lines.count(b"\n", 0, error.start)
        raise _not_in_utf8(f"{name}, line {n_read}", error) from error


def _split(lines: str) -> list[str]:
    return [line.removesuffix("\r") for line in lines.split("\n")]


@contextmanager
def naming_lines(name: str, reopen: Callable[[], BinaryIO]) -> Iterator[None]:
    """Make a decoding error inside the block name the file and the line.

    Parameters
    ----------
    name : str
        The name of the file in the error message.
    reopen : callable
        Opens the file for reading bytes, to search for the line.

    Raises
    ------
    ValueError
        If the file is not in UTF-8.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        with reopen() as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError as in_line:
                    raise _not_in_utf8(f"{name}, line {number}", in_line) from error
        raise


def _not_in_utf8(where: str, error: UnicodeDecodeError) -> ValueError:
    byte = error.object[error.start]
    return ValueError(
        f"{where} is not in UTF-8 (byte 0x{byte:02x}); convert the text first, for example with "
        "`iconv -f LATIN1 -t UTF-8`."
    )
