import numpy as np
import pytest

from skdistill.text._ragged import Ragged


def as_lists(ragged):
    return [
        ragged.values[start:end].tolist()
        for start, end in zip(ragged.offsets[:-1], ragged.offsets[1:], strict=True)
    ]


def from_lists(rows):
    values = np.array([value for row in rows for value in row], dtype=np.int32)
    return Ragged.from_lengths(values, np.array([len(row) for row in rows], dtype=np.int64))


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 99, rng.integers(0, 6)).tolist() for _ in range(50)]


def test_take_equals_indexing_a_list_of_lists(rows):
    order = np.random.default_rng(1).integers(0, len(rows), 200)
    assert as_lists(from_lists(rows).take(order)) == [rows[i] for i in order]


def test_take_nothing(rows):
    assert as_lists(from_lists(rows).take(np.array([], dtype=np.int64))) == []


def test_concatenate_puts_rows_below_each_other(rows):
    parts = [from_lists(rows[:7]), from_lists([]), from_lists(rows[7:])]
    assert as_lists(Ragged.concatenate(parts)) == rows


def test_lengths(rows):
    assert from_lists(rows).lengths.tolist() == [len(row) for row in rows]


def test_counts_are_those_of_all_values(monkeypatch):
    monkeypatch.setattr("skdistill.text._ragged._PIECE", 3)
    values = np.array([4, 0, 1, 1, 4, 4, 2], dtype=np.int32)
    ragged = Ragged(values, np.array([0, 3, 7]))
    assert ragged.count_values(6).tolist() == [1, 2, 1, 0, 3, 0]


def test_rows_with_a_true_value():
    ragged = Ragged(np.arange(5), np.array([0, 0, 2, 3, 3, 5, 5]))
    assert ragged.rows_with(ragged.values % 2 == 1).tolist() == [1, 4]
    assert ragged.rows_with(ragged.values < 0).tolist() == []
    assert Ragged(np.arange(0), np.array([0, 0, 0])).rows_with(np.zeros(0, bool)).tolist() == []
