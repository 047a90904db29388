"""Which values are labels, in lists and columns of any kind."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdistill._core.label_columns import as_labels


@pytest.mark.parametrize(
    "y",
    [
        [["a"], ["b", "a"]],
        [["a"], ["b"]],
        [{"a"}, {"b"}],
        [("a", "b"), ()],
        ["a", ["b"]],
        [["a", 1], ["b", 0]],
    ],
)
def test_lists_of_names_are_refused_with_the_tool_to_use(y):
    row = 1 if y[0] == "a" else 0
    with pytest.raises(ValueError, match=rf"y\[{row}\] is .*MultiLabelBinarizer"):
        as_labels(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", 1], r"y\[1\] is 1, but an earlier row is 'a'"),
        ([1, "a"], r"y\[1\] is 'a', but an earlier row is 1"),
        ([2**64, 1], "64 bits"),
        ([2**63, -1], "64 bits"),
        ([1.0, 2**53 + 1], r"y\[1\] is 9007199254740993, which floats cannot represent"),
        ([np.int64(2**53 + 1), np.float32(0.5)], r"y\[0\] is 9007199254740993, which floats"),
        (pd.Series([0.5, 10**400], dtype=object), r"y\[1\] is 1000000.*, which floats cannot"),
        ([datetime(2020, 1, 1)], r"y\[0\] is of type datetime"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), r"y\[0\] is of type Timestamp"),
        (np.array(["2020-01-01"], dtype="M8[ns]"), r"y\[0\] is of type datetime64"),
        (np.array([b"a"]), r"y\[0\] is of type bytes"),
        ([b"a"], r"y\[0\] is of type bytes"),
        ([1, Decimal(2)], r"y\[1\] is of type Decimal"),
        (["a", "b\0"], r"y\[1\] is 'b\\x00', which ends in a NUL"),
        (
            ["a", "caf\udce9"],
            r"y\[1\] is 'caf\\udce9', with half of a surrogate pair \(.udce9\), which ",
        ),
        (np.array(["é", "\ud83d"]), r"y\[1\] is '\\ud83d', with half of a surrogate pair"),
        (pd.Series(["\ud83d", "é"], dtype=object), r"y\[0\] is '\\ud83d', with half of a surrog"),
        (np.array(["a\0", 1j], dtype=object)[1:], r"y\[0\] is of type complex"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_label_is_named(y, message):
    with pytest.raises(ValueError, match=message):
        as_labels(y)


def test_advice_fits_what_was_passed():
    with pytest.raises(ValueError, match=r"^classes\[1\] is missing \(None\); leave it out\.$"):
        as_labels(["a", None], name="classes")
    for container in (list, pd.Series):
        with pytest.raises(ValueError, match=r"as in \[row\['label'\] for row in y\]\.$"):
            as_labels(container([{"label": "a"}, {"label": "b"}]))


def test_numbers_beyond_the_signed_range_are_exact():
    for large in (2**63, 2**63 + 1):
        assert as_labels([large, 5]).tolist() == [large, 5]
    for large in (2**63 + 1, 7):
        found = as_labels([np.int64(3), np.uint64(large)])
        assert found.dtype.kind in "iu"
        assert found.tolist() == [3, large]
    assert as_labels([np.int64(-3), np.uint64(7)]).tolist() == [-3, 7]
    for large in (np.int64(2**53 + 1), 2**63 + 1):
        assert as_labels([np.bool_(True), large]).tolist() == [1, large]
    with pytest.raises(ValueError, match="64 bits"):
        as_labels([np.int64(-3), np.uint64(2**63)])


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize(
    "container", [list, np.array, pd.Series, pl.Series, lambda labels: np.array(labels, np.float32)]
)
def test_the_row_of_an_infinite_label_is_named(container, value):
    with pytest.raises(ValueError, match=rf"^y\[2\] is {value}; labels must be strings, integers"):
        as_labels(container([1.0, 0.0, value, value]))


@pytest.mark.parametrize("container", [list, np.array, pd.Series])
def test_long_doubles_become_float64(container):
    found = as_labels(container(np.array([1, 2.5, 1], dtype=np.longdouble)))
    assert found.dtype == np.float64
    assert found.tolist() == [1, 2.5, 1]
    if np.finfo(np.longdouble).eps < np.finfo(float).eps:
        for value in (np.longdouble(1) + np.finfo(np.longdouble).eps, np.longdouble(10) ** 400):
            with pytest.raises(ValueError, match="y has numbers that do not fit in float64; conv"):
                as_labels(container(np.array([1, value], dtype=np.longdouble)))


def test_the_row_and_column_of_an_infinite_label_are_named():
    for rows in ([[0.0, 1.0], [1.0, np.inf]], np.array([[0.0, 1.0], [1.0, np.inf]])):
        with pytest.raises(ValueError, match=r"^y\[1, 1\] is inf"):
            as_labels(rows)
    with pytest.raises(ValueError, match=r"^y\['b'\]\[1\] is inf"):
        as_labels(pd.DataFrame([[0.0, 1.0], [1.0, np.inf]], columns=["a", "b"]))


def test_integers_among_floats_are_exact():
    labels = [0.5, 2**53, -(2**60), np.uint64(2**63), True]
    assert as_labels(labels).tolist() == labels
    for large in (2**64, 10**20):
        found = as_labels([0.5, large])
        assert found.dtype == np.float64
        assert found.tolist() == [0.5, large]


@pytest.mark.parametrize("row", [list, tuple, np.array])
def test_rows_of_one_label_are_exact(row):
    labels = as_labels([row([2**62 + 1]), row([np.uint64(5)]), row([2**62])])
    assert labels.tolist() == [[2**62 + 1], [5], [2**62]]
    with pytest.raises(ValueError, match=r"y\[1\] is 9007199254740993, which floats"):
        as_labels([row([0.5]), row([2**53 + 1])])


def test_arrays_without_dimensions_are_their_values():
    assert as_labels([np.array(3), np.array(2)]).tolist() == [3, 2]
    assert as_labels([np.array("a"), "b"]).tolist() == ["a", "b"]


def test_a_single_row_may_have_several_labels():
    assert as_labels([[1, 0, 1]]).tolist() == [[1, 0, 1]]
