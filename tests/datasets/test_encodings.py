import os
import threading
from io import BytesIO

import pytest

from skdistill.datasets._encodings import ArrivingLines, decoded, find_encoding, undecodable


def read(content):
    return [line for lines in ArrivingLines(BytesIO(content)) for line in lines]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"one", ["one"]),
        (b"one\n", ["one"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"\n\none\n\n", ["", "", "one", ""]),
        (b"a\rb\n", ["a\rb"]),
        ("x\u2028y\x0bz\n".encode(), ["x\u2028y\x0bz"]),
        (b"\xef\xbb\xbfone\ntwo", ["one", "two"]),
        (b"one\n\xef\xbb\xbftwo", ["one", "\ufefftwo"]),
    ],
)
def test_lines_end_at_line_feeds_alone(content, lines):
    assert read(content) == lines


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_blocks_may_end_anywhere(size):
    class Trickle(BytesIO):
        def read1(self, n=-1):
            return super().read1(min(n, size))

    content = "naïve\r\n\n🙂 bus\nlast".encode()
    batches = list(ArrivingLines(Trickle(content)))
    assert [line for lines in batches for line in lines] == ["naïve", "", "🙂 bus", "last"]


def test_a_line_is_there_before_the_next_is_written():
    reader, writer = os.pipe()
    with open(reader, "rb") as stream:
        batches = iter(ArrivingLines(stream))
        os.write(writer, b"one\ntwo\nthr")
        assert next(batches) == ["one", "two"]
        os.write(writer, b"ee\n")
        assert next(batches) == ["three"]
        threading.Timer(0.05, os.close, [writer]).start()
        assert list(batches) == []


def bad_lines(lines):
    return {number: undecodable(line) for number, line in lines if undecodable(line) is not None}


def test_bytes_in_another_encoding_are_marked_in_their_lines():
    lines = read(b"one\ntwo\nna\xefve\nlast\n")
    assert (lines[:2], lines[3:]) == (["one", "two"], ["last"])
    assert bad_lines(enumerate(lines, 1)) == {3: 0xEF}


def test_a_cut_character_is_marked_at_the_end():
    assert bad_lines(enumerate(read(b"one\n\xc3"), 1)) == {2: 0xC3}


@pytest.mark.parametrize("size", [1, 2, 3, 9])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_tell_the_encoding(encoding, size):
    class Trickle(BytesIO):
        def read1(self, n=-1):
            return super().read1(min(n, size))

    lines = ArrivingLines(Trickle("naïve\r\n🙂\n".encode(encoding)))
    assert [line for part in lines for line in part] == ["naïve", "🙂"]
    text, found = decoded(BytesIO("naïve\r\n🙂\n".encode(encoding)), None, "\n")
    assert (text.read(), found) == ("naïve\r\n🙂\n", encoding)


def test_a_given_encoding_is_used():
    lines = ArrivingLines(BytesIO("naïve €\n".encode("cp1252")), "windows-1252")
    assert [*lines] == [["naïve €"]]
    assert find_encoding(b"\xff\xfea\0", "utf-16-le") == "utf-16"
    text, _ = decoded(BytesIO(b"a\n\x81\n"), "cp1252", "\n")
    assert bad_lines(enumerate(text, 1)) == {2: 0x81}


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        ("one\ntwo\n".encode("utf-16-le"), None, r"UTF-16 without a byte-order mark \(utf-16-le\)"),
        ("one\ntwo\n".encode("utf-16-be"), None, r"UTF-16 without a byte-order mark \(utf-16-be\)"),
        (b"one", "utf16", "has no byte-order mark and seems to be in utf-8, not in UTF-16"),
        (b"na\xefve", "utf-32", "seems to be in cp1252, not in UTF-32"),
        (b"o\0n\0e\0", "utf-16", "seems to be in utf-16-le, not in UTF-16"),
        (b"\xef\xbb\xbfone", "cp1252", "byte-order mark of UTF-8, so it is not in cp1252"),
    ],
)
def test_first_bytes_may_contradict_the_encoding(content, given, message):
    for read_some in (
        lambda: [*ArrivingLines(BytesIO(content), given)],
        lambda: decoded(BytesIO(content), given, "\n"),
    ):
        with pytest.raises(ValueError, match=message):
            read_some()
