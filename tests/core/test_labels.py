import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from datasets import Dataset
from skdistill._core.labels import check_labels, check_probabilities
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
