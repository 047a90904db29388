"""Decode text line by line, find lines in another encoding, and yield lines as they arrive.

A byte that cannot be decoded becomes a lone surrogate, which no encoding here decodes to. So the
line that contains it can be named, or left out, without reading the file again.
"""

import codecs
import re
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any, BinaryIO

# The name of the error handler that marks undecodable bytes.
_MARKING = "skdistill.mark"
_MARK = re.compile("[\udc00-\udcff]")
# Bytes to read at a time: about ten thousand lines.
_BLOCK = 2**20
# How much of a file shows its encoding.
_HEAD = 4096
# Longer marks first: that of UTF-32 starts with that of UTF-16.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LONGEST_MARK = 4
# The first bytes of files that are no text, and what to do about them.
_NO_TEXT = {
    b"\x1f\x8b": "is compressed with gzip; unpack it or, if it is a file, end its name in .gz",
    b"PK\x03\x04": "is a zip file or a spreadsheet such as .xlsx; unpack it, or save the sheet as "
    "CSV UTF-8",
    b"PAR1": "is a parquet file; end its name in .parquet",
}


class NotTextError(ValueError):
    """A file is no text; the message starts with a verb and says what to do."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Replace bytes that cannot be decoded by a lone surrogate that tells the first of them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return chr(0xDC00 + error.object[error.start]), error.end


codecs.register_error(_MARKING, _mark)


def find_encoding(head: bytes, given: str | None = None) -> str:
    r"""Return the name of an encoding for Python, from the first bytes of a text.

    Parameters
    ----------
    head : bytes
        The first bytes. A byte-order mark tells the encoding.
    given : str or None, default=None
        The encoding that somebody named. None means UTF-8, unless there is a byte-order mark.

    Returns
    -------
    str
        The encoding, which also removes the byte-order mark.

    Raises
    ------
    NotTextError
        If the file is compressed or of another type.
    ValueError
        If the byte-order mark contradicts the given encoding or is needed for it, or if there is
        none and the text seems to be in UTF-16. The message starts with a verb.

    Examples
    --------
    >>> from skdistill.datasets._encodings import find_encoding
    >>> find_encoding(b"\xff\xfea\0"), find_encoding(b"a", "latin-1")
    ('utf-16', 'iso8859-1')
    """
    for start, fault in _NO_TEXT.items():
        if head.startswith(start):
            raise NotTextError(fault)
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    if given is None:
        if marked is None:
            _refuse_utf16(head)
        return marked or "utf-8"
    encoding = codecs.lookup(given).name
    if marked is None:
        if encoding in _BYTE_ORDER_MARKS.values():  # two encodings, told apart by the mark
            raise ValueError(
                f"has no byte-order mark and seems to be in {_likely_encoding(head)}, not in "
                f"{encoding_title(encoding)}"
            )
        return encoding
    if not encoding.startswith(marked.removesuffix("-sig")):
        raise ValueError(
            f"starts with a byte-order mark of {encoding_title(marked)}, so it is not in "
            f"{encoding_title(encoding)}"
        )
    return marked


def _refuse_utf16(head: bytes) -> None:
    """Raise an error if every second byte of a text is often zero."""
    if name := _unmarked_utf16(head):
        raise ValueError(f"seems to be in UTF-16 without a byte-order mark ({name}), not in UTF-8")


def _unmarked_utf16(head: bytes) -> str:
    """Return the kind of UTF-16 in which every second byte would be zero, or an empty string."""
    pairs = len(head) // 2
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if pairs > 1 and head[first : 2 * pairs : 2].count(0) > pairs // 2:
            return name
    return ""


def _likely_encoding(head: bytes) -> str:
    """Return an encoding of a text without a byte-order mark."""
    if name := _unmarked_utf16(head):
        return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def encoding_title(encoding: str) -> str:
    """Return the name of an encoding as people write it."""
    return encoding.removesuffix("-sig").upper() if encoding.startswith("utf") else encoding


def undecodable(line: str) -> int | None:
    """Return the first byte of a line that could not be decoded; None if there is none."""
    if line.isascii():
        return None
    found = _MARK.search(line)
    return None if found is None else ord(found[0]) - 0xDC00


def decoded(file: BinaryIO, encoding: str | None, newline: str) -> tuple[TextIOWrapper, str]:
    r"""Open a file of bytes as text in which undecodable bytes are marked.

    Parameters
    ----------
    file : file, open for reading bytes, at its start
        The file, which must support `seek`.
    encoding : str or None
        The given encoding; see `find_encoding`.
    newline : str
        What ends a line, as for :func:`open`.

    Returns
    -------
    text : file, open for reading text
        The text. `undecodable` finds marks in its lines.
    encoding : str
        The encoding of the text.

    Raises
    ------
    ValueError
        See `find_encoding`.

    Examples
    --------
    >>> from io import BytesIO
    >>> from skdistill.datasets._encodings import decoded, undecodable
    >>> text, encoding = decoded(BytesIO(b"one\nna\xefve\n"), None, "\n")
    >>> encoding, [undecodable(line) for line in text] == [None, 0xef]
    ('utf-8', True)
    """
    encoding = find_encoding(file.read(_HEAD), encoding)
    file.seek(0)
    return TextIOWrapper(file, encoding=encoding, errors=_MARKING, newline=newline), encoding


class ArrivingLines:
    r"""The lines of a stream, as soon as they are available.

    A program that writes one line and waits for the answer gets it at once. A stream without
    pauses is read in large blocks. Iterating yields lists of the lines that are available, without
    line ends (``\n`` or ``\r\n``). Text after the last line end is a line, unless it is empty.

    Parameters
    ----------
    stream : file, open for reading bytes, with `read1`
        The stream.
    encoding : str or None, default=None
        The given encoding; see `find_encoding`.

    Attributes
    ----------
    encoding : str or None
        The encoding, which is known after the first lines.

    Examples
    --------
    >>> from io import BytesIO
    >>> from skdistill.datasets._encodings import ArrivingLines
    >>> list(ArrivingLines(BytesIO(b"one\r\n\nthree")))
    [['one', ''], ['three']]
    """

    def __init__(self, stream: Any, encoding: str | None = None):
        self._stream = stream
        self.encoding = encoding

    def __iter__(self) -> Iterator[list[str]]:
        first = self._first_block()
        if not first:
            return
        self.encoding = find_encoding(first[:_HEAD], self.encoding)
        decoder = codecs.getincrementaldecoder(self.encoding)(_MARKING)
        begun: list[str] = []
        block = first
        while block:
            whole, end, rest = decoder.decode(block).rpartition("\n")
            if end:
                yield _split("".join([*begun, whole]))
                begun = []
            begun.append(rest)
            block = self._stream.read1(_BLOCK)
        if last := "".join([*begun, decoder.decode(b"", final=True)]):
            yield _split(last)

    def _first_block(self) -> bytes:
        """Read until a byte-order mark would be complete, if one has begun."""
        block: bytes = self._stream.read1(_BLOCK)
        while block and len(block) < _LONGEST_MARK:
            if not any(mark.startswith(block) for mark in _BYTE_ORDER_MARKS):
                break
            more = self._stream.read1(_BLOCK)
            if not more:
                break
            block += more
        return block


def _split(lines: str) -> list[str]:
    return [line.removesuffix("\r") for line in lines.split("\n")]
