import os
import threading
from io import BytesIO

import pytest

from skdistill._core.utf8 import lines_at_hand, naming_lines


def read(content):
    return [line for lines in lines_at_hand(BytesIO(content), "input") for line in lines]


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
    batches = list(lines_at_hand(Trickle(content), "input"))
    assert [line for lines in batches for line in lines] == ["naïve", "", "🙂 bus", "last"]


def test_a_line_is_there_before_the_next_is_written():
    reader, writer = os.pipe()
    with open(reader, "rb") as stream:
        batches = lines_at_hand(stream, "input")
        os.write(writer, b"one\ntwo\nthr")
        assert next(batches) == ["one", "two"]
        os.write(writer, b"ee\n")
        assert next(batches) == ["three"]
        threading.Timer(0.05, os.close, [writer]).start()
        assert list(batches) == []


def test_lines_before_one_in_another_encoding_are_yielded():
    batches = lines_at_hand(BytesIO(b"one\ntwo\nna\xefve\nlast\n"), "input")
    assert next(batches) == ["one", "two"]
    with pytest.raises(ValueError, match=r"^input, line 3 is not in UTF-8 \(byte 0xef\).*iconv"):
        next(batches)


def test_line_numbers_go_on_over_blocks():
    class Trickle(BytesIO):
        def read1(self, n=-1):
            return super().read1(4)

    with pytest.raises(ValueError, match="line 5 is"):
        list(lines_at_hand(Trickle(b"a\nb\nc\nd\n\xff\n"), "input"))


def test_a_cut_character_is_an_error_at_the_end():
    with pytest.raises(ValueError, match="line 2 is"):
        read(b"one\n\xc3")


def test_an_error_of_decoding_gets_the_line():
    content = b"one\nna\xefve\n"
    with (
        pytest.raises(ValueError, match=r"^the file, line 2 is not in UTF-8 \(byte 0xef\)"),
        naming_lines("the file", lambda: BytesIO(content)),
    ):
        content.decode()
