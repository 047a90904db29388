"""A journal of answers, torn and damaged at any byte."""

import errno

import numpy as np
import pytest

from skdistill.storage import _journal
from skdistill.storage._journal import append_block, read_blocks

DIGESTS = np.arange(80, dtype=np.uint8).reshape(5, 16)
PROBA = np.linspace(0, 1, 15, dtype=np.float32).reshape(5, 3)


@pytest.fixture
def path(tmp_path):
    """A journal of two blocks, of two answers and of three."""
    path = tmp_path / "a.journal"
    append_block(path, DIGESTS[:2], PROBA[:2])
    append_block(path, DIGESTS[2:], PROBA[2:])
    return path


def test_all_blocks_are_read(path):
    digests, proba = read_blocks(path)
    np.testing.assert_array_equal(digests, DIGESTS)
    np.testing.assert_array_equal(proba, PROBA)
    assert proba.dtype == np.float32


def test_a_journal_cut_at_any_byte_holds_its_complete_blocks(path):
    content = path.read_bytes()
    first = len(content) - 16 - 3 * (16 + 12)
    for n_bytes in range(len(content)):
        path.write_bytes(content[:n_bytes])
        n_answers = 2 * (n_bytes >= first)
        digests, proba = read_blocks(path)
        np.testing.assert_array_equal(digests, DIGESTS[:n_answers])
        np.testing.assert_array_equal(proba.reshape(-1, 3), PROBA[:n_answers])


@pytest.mark.parametrize("n_more", [0, 4096])
def test_zeros_from_any_byte_on_cost_the_blocks_they_are_in(path, n_more):
    content = path.read_bytes()
    first = len(content) - 16 - 3 * (16 + 12)
    for n_bytes in range(len(content)):
        path.write_bytes(content[:n_bytes].ljust(len(content) + n_more, b"\0"))
        digests, proba = read_blocks(path)
        # The last bytes of both blocks are no zeros.
        n_answers = 2 * (n_bytes >= first)
        np.testing.assert_array_equal(digests, DIGESTS[:n_answers])
        np.testing.assert_array_equal(proba.reshape(-1, 3), PROBA[:n_answers])


def test_a_changed_byte_of_the_content_is_noticed(path):
    content = path.read_bytes()
    for position in [*range(16, 16 + 2 * 28), len(content) - 1]:
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="checksum"):
            read_blocks(path)
    path.write_bytes(b"x" + content[1:])
    with pytest.raises(ValueError, match="does not begin with its mark"):
        read_blocks(path)


def test_a_full_disk_leaves_earlier_blocks(path, monkeypatch):
    before, write = path.read_bytes(), _journal.os.write

    def write_some(number, content):
        if len(content) < 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(number, content[:20])

    monkeypatch.setattr(_journal.os, "write", write_some)
    with pytest.raises(OSError, match=r"a\.journal' could not be written: No space left"):
        append_block(path, DIGESTS, PROBA)
    assert path.read_bytes() == before
