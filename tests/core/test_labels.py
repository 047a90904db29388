import re
import tracemalloc
from enum import Enum
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_array

from datasets import Dataset
from skdistill._core.labels import (
    check_label_column,
    check_labels,
    check_probabilities,
    weigh_classes,
)
from skdistill._core.texts import check_texts

TEXTS = ["one", "", "zwei 🙂"]


@pytest.mark.parametrize(
    "column",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS, dtype=np.dtypes.StringDType()),
        [np.str_(text) for text in TEXTS],
        [*Enum("Member", {"A": "one", "B": "", "C": "zwei 🙂"}, type=str)],
        pd.Series(TEXTS),
        pd.Series(TEXTS, dtype="string[pyarrow]"),
        pd.Series(TEXTS, dtype="category"),
        pd.Index(TEXTS),
        pl.Series(TEXTS),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
        Dataset.from_dict({"text": TEXTS})["text"],
        dict.fromkeys(TEXTS).keys(),
    ],
    ids=lambda column: f"{type(column).__module__}.{type(column).__name__}",
)
def test_all_containers_give_the_same_list(column):
    texts = check_texts(column)
    assert texts == TEXTS
    assert {type(text) for text in texts} == {str}


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("a text", ValueError, "X is a single string"),
        (b"bytes", TypeError, "X must be an iterable of texts, not bytes"),
        (3, TypeError, "X must be an iterable of texts, not int"),
        (None, TypeError, "X must be an iterable of texts, not NoneType"),
        ({"a": "b"}, TypeError, "not dict"),
        (["a", None], ValueError, r"X\[1\] is missing \(None\)"),
        (["a", float("nan")], ValueError, r"X\[1\] is missing \(nan\)"),
        (pd.Series(["a", None, "b"]), ValueError, r"X\[1\] is missing"),
        (pd.Series(["a", None], dtype="string"), ValueError, r"X\[1\] is missing"),
        (pa.array(["a", None]), ValueError, r"X\[1\] is missing"),
        (["a", b"b"], TypeError, r"X\[1\] is bytes.*decode"),
        (["a", 3], TypeError, r"X\[1\] is int"),
        ([["a", "b"]], ValueError, r"X\[0\] is a list; pass one text per row"),
        (pd.DataFrame({"a": TEXTS, "b": TEXTS}), ValueError, r"X is a table of shape \(3, 2\)"),
        (pd.DataFrame({"a": TEXTS}), ValueError, r"X is a table of shape \(3, 1\)"),
        (np.array([TEXTS, TEXTS]).T, ValueError, r"X is a table of shape \(3, 2\)"),
        (np.array("a"), ValueError, r"X is a table of shape \(\)"),
        (csr_array(np.eye(3)), ValueError, r"X is a sparse .*\(3, 3\).* leave the vectorizer out"),
        (pa.table({"a": TEXTS}), ValueError, "X is a table"),
        (Dataset.from_dict({"text": TEXTS}), ValueError, "X is a table"),
        ([], ValueError, r"0 sample\(s\)"),
    ],
)
def test_bad_texts_are_refused_with_the_row(column, error, message):
    with pytest.raises(error, match=message):
        check_texts(column)


def test_name_and_empty_columns():
    assert check_texts([], allow_empty=True) == []
    with pytest.raises(ValueError, match=r"X_unlabeled\[0\] is missing"):
        check_texts([None], name="X_unlabeled")


@pytest.mark.parametrize(
    "y", [[2, 0, 2], ["b", "a", "b"], [True, False, True], np.array(["b", "a", "b"], dtype=object)]
)
def test_labels_of_any_type(y):
    classes, codes = check_labels(y, n_rows=3)
    assert codes.tolist() == [1, 0, 1]
    assert classes[codes].tolist() == list(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (["a", "b"], "X and y must have the same number of rows, but have 3 and 2"),
        (["a", "a", "a"], "only one class: .*a"),
        ([0.5, 1.5, 2.5], "Unknown label type"),
        ([0.0, 1.0, np.nan], r"y\[2\] is missing"),
        ([[0, 1], [1, 0], [1, 1]], "y should be a 1d array"),
    ],
)
def test_bad_labels(y, message):
    with pytest.raises(ValueError, match=message):
        check_labels(y, n_rows=3)


def test_probabilities_are_normalised():
    proba = np.array([[0.1, 0.9], [0.50004, 0.5]])
    checked = check_probabilities(proba, n_rows=2, n_classes=2, name="p")
    assert checked.dtype == np.float32
    np.testing.assert_allclose(checked, proba / proba.sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        ([[0.5, 0.5]], r"p must have shape \(2, 2\).*but has shape \(1, 2\)"),
        ([[0.2, 0.3, 0.5]] * 2, r"but has shape \(2, 3\)"),
        ([[0.5, 0.5], [0.5, 0.6]], r"p\[1\] sums to 1.1, not to 1"),
        ([[0.5, 0.5], [1.5, -0.5]], r"p\[1\] contains a negative"),
        ([[np.nan, 0.5], [0.5, 0.5]], r"p\[0\] contains a negative or non-finite"),
        ([[0.5, 0.5], [pd.NA, 0.5]], r"p\[1\] contains a negative or non-finite"),
        ([[0.5, 0.5], [None, 0.5]], r"p\[1\] contains a negative or non-finite"),
        ([[0.5, 0.5], [0.3, 0.3]], r"p\[1\] sums to 0.6, not to 1"),
        ([[0.0, 0.0], [0.5, 0.5]], r"p\[0\] sums to 0, not to 1"),
        ([[0.5, 0.5], [0.5, 0.502]], r"p\[1\] sums to 1.002, not to 1"),
        ([[0.5, 0.5], [0.5, 0.498]], r"p\[1\] sums to 0.998, not to 1"),
    ],
)
def test_bad_probabilities(proba, message):
    with pytest.raises(ValueError, match=message):
        check_probabilities(proba, n_rows=2, n_classes=2, name="p")


def test_many_probabilities_are_checked_in_blocks_without_copies_of_all():
    proba = np.random.default_rng(0).dirichlet(np.ones(50), 20_000)
    check = partial(check_probabilities, n_rows=20_000, n_classes=50, name="proba")
    check(proba)
    tracemalloc.start()
    checked = check(proba * 0.9995)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(checked, proba, rtol=1e-6)
    assert peak < 2 * checked.nbytes + proba.nbytes  # the scaled copy is the test's own
    proba[13_000, 0] += 0.1
    with pytest.raises(ValueError, match=r"proba\[13000\] sums to 1\.1, not to 1"):
        check(proba)
    proba[12_000, 0] = -1
    with pytest.raises(ValueError, match=r"proba\[12000\] contains a negative"):
        check(proba)
    proba[3_000, 0] = 1.5
    with pytest.raises(ValueError, match=r"proba\[3000\] contains a number above 1"):
        check(proba, multilabel=True)
    single = proba.astype(np.float32)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"\[3000\] contains a number above 1"):
        check(np.abs(single), multilabel=True)
    assert tracemalloc.get_traced_memory()[1] < 3 * single.nbytes
    tracemalloc.stop()


def test_rows_that_nearly_sum_to_one_are_normalised():
    proba = np.array([[0.5, 0.5005], [0.5, 0.4995]])
    checked = check_probabilities(proba, n_rows=2, n_classes=2, name="p")
    np.testing.assert_allclose(checked.sum(axis=1), 1, rtol=1e-6)
    proba = np.array([[1.0, 1.03], [1.0, 0.97]])
    wide = check_probabilities(proba, n_rows=2, n_classes=2, name="p", atol=1.5)
    np.testing.assert_allclose(wide[:, 0], [1 / 2.03, 1 / 1.97], rtol=1e-6)


def test_probabilities_of_several_labels_have_any_sum_up_to_one_each():
    check = partial(check_probabilities, n_rows=2, n_classes=2, name="p", multilabel=True)
    np.testing.assert_array_equal(check([[0, 0], [1, 1]]), [[0, 0], [1, 1]])
    # A sum of float32 numbers may be larger by rounding.
    np.testing.assert_array_equal(check([[1.0009, 0], [0.25, 1.0000001]]), [[1, 0], [0.25, 1]])
    with pytest.raises(ValueError, match=r"p\[1\] contains a number above 1"):
        check([[0.3, 0.3], [0.2, 1.002]])
    with pytest.raises(ValueError, match=r"p\[0\] contains a negative"):
        check([[0.3, -0.3], [0.2, 0.2]])


def test_classes_weigh_as_scikit_learn_weighs_them():
    classes, codes = np.array(["a", "b", "c"]), np.array([0, 0, 0, 1, 2, 2])
    ones = np.ones(6)
    np.testing.assert_array_equal(weigh_classes(None, classes, codes, ones), 1)
    given = weigh_classes({"b": 5.0}, classes, codes, ones)
    np.testing.assert_array_equal(given, [1, 5, 1])
    np.testing.assert_array_equal(weigh_classes({"b": 0}, classes, codes, ones)[1], 0)
    for odd in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="only finite weights that are not negative"):
            weigh_classes({"b": odd}, classes, codes, ones)
    np.testing.assert_allclose(weigh_classes("balanced", classes, codes, ones), [2 / 3, 2, 1])
    # By weight: 6 of 9 for a, and none for b, which does not count as a class.
    weights = np.array([2.0, 2, 2, 0, 1.5, 1.5])
    found = weigh_classes("balanced", classes, codes, weights)
    np.testing.assert_allclose(found, [9 / (2 * 6), 1, 9 / (2 * 3)])


@pytest.mark.parametrize(
    ("y", "are_probabilities"),
    [
        ([[0.5, 0.5], [0.9, 0.1]], True),
        ([[0.5, 0.46], [0.9, 0.14]], True),
        ([[0.5, 0.44], [0.9, 0.1]], True),
        ([[0.9, 0.9], [0.1, 0.2]], True),
        (np.array([[1 + 1e-6, 1e-6], [0.1, 0.9]], dtype=np.float32), True),
        ([[1.0, 0.0], [0.0, 1.0]], False),
        ([[1.5, -0.5], [0.5, 0.5]], False),
        ([[0.5, 0.5], [0.5, 1.7]], False),
        ([[0, 1], [1, 0]], False),
    ],
)
def test_probabilities_as_labels_are_noticed(y, are_probabilities):
    message = "y contains probabilities" if are_probabilities else "y should be a 1d array"
    with pytest.raises(ValueError, match=message):
        check_label_column(np.array(y), n_rows=2)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[0.9, 0.9], [0.1, 0.2]], "y contains probabilities; .* teacher's probabilities as teach"),
        ([[0.0, 1.0], [1.0, 0.5]], "y contains probabilities"),
        ([[-3.5, 2.0], [1.5, 0.0]], r"ones and zeros, but they are \[-3.5, 0.0, 1.5, 2.0\]"),
        ([[1, 2], [0, 1]], r"ones and zeros, but they are \[0, 1, 2\]"),
        (np.array([["a", "b"], ["b", "a"]]), "y should be a 1d array"),
    ],
)
def test_several_labels_are_ones_and_zeros(y, message):
    with pytest.raises(ValueError, match=message):
        check_labels(y, n_rows=2, multilabel=True)
    classes, codes = check_labels([[0.0, 1.0], [1.0, 1.0]], n_rows=2, multilabel=True)
    assert (classes.tolist(), codes.tolist()) == ([0, 1], [[0, 1], [1, 1]])


PROBA = [[0.9, 0.1], [0.2, 0.8]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor(PROBA, dtype=torch.bfloat16),
        lambda: [torch.tensor(row, requires_grad=True) for row in PROBA],
        lambda: iter(PROBA),
    ],
    ids=["bfloat16", "list of tensors", "iterator"],
)
def test_probabilities_may_be_tensors_and_iterators(make):
    checked = check_probabilities(make(), n_rows=2, n_classes=2, name="p")
    np.testing.assert_allclose(checked, PROBA, atol=1e-3)


def test_the_rounding_of_bfloat16_is_no_excuse_for_a_larger_error():
    row = torch.tensor([[0.50390625, 0.50390625]], dtype=torch.bfloat16)
    with pytest.raises(ValueError, match="sum"):
        check_probabilities(row, n_rows=1, n_classes=2, name="p")


def test_what_is_no_table_of_numbers_is_named():
    with pytest.raises(ValueError, match="p must be a table of numbers: "):
        check_probabilities([{"a": 1.0}, {"b": 1.0}], n_rows=2, n_classes=2, name="p")


@pytest.mark.parametrize("row", [None, [], 0.5, [1.0], (0.2, 0.3, 0.5)])
@pytest.mark.parametrize("number", [0, 2])
def test_a_row_of_another_length_is_named(row, number):
    table = [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    table[number] = row
    message = rf"^p\[{number}\] is {re.escape(str(row))}, not a row of 2 numbers like others"
    with pytest.raises(ValueError, match=message):
        check_probabilities(table, n_rows=3, n_classes=2, name="p")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (pd.NA, r"p\[1\] contains a negative or non-finite number: \[nan 0.5\]"),
        (None, r"p\[1\] contains a negative or non-finite number: \[nan 0.5\]"),
        ("half", "p must be a table of numbers: could not convert string to float: .*half"),
    ],
)
@pytest.mark.parametrize(
    "rows", [pd.DataFrame, lambda table: pd.DataFrame(table).to_dict("records")]
)
def test_what_is_no_number_in_a_table_with_names_is_told(rows, missing, message):
    table = rows({"a": [0.5, missing], "b": [0.5, 0.5]})
    with pytest.raises(ValueError, match=message):
        check_probabilities(table, n_rows=2, n_classes=2, name="p", classes=np.array(["a", "b"]))
