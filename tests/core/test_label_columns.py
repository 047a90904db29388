from collections import namedtuple
from enum import Enum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from datasets import Dataset
from skdistill._core.label_columns import (
    are_sorted,
    as_label_column,
    as_labels,
    check_known_labels,
    check_same_kind,
    columns_in_order,
    find_labels,
    label_names,
)

WORDS = ["no", "yes", "no"]
NUMBERS = [3, -1, 3]
FLAGS = [True, False, True]
Answer = Enum("Answer", {"NO": "no", "YES": "yes"}, type=str)


@pytest.mark.parametrize(
    ("labels", "kind"), [(WORDS, "U"), (NUMBERS, "i"), (FLAGS, "b")], ids=["str", "int", "bool"]
)
@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        np.array,
        lambda labels: np.array(labels, dtype=object),
        pd.Series,
        lambda labels: pd.Series(labels, dtype=object),
        lambda labels: pd.Series(labels).convert_dtypes(),
        lambda labels: pd.Series(labels, index=[7, 5, 3]),
        lambda labels: pd.Series(labels, dtype="category"),
        lambda labels: pd.Series(labels).to_frame("label"),
        lambda labels: pd.Series(labels).convert_dtypes(dtype_backend="pyarrow"),
        pd.Index,
        pl.Series,
        lambda labels: pl.DataFrame({"label": labels}),
        pa.array,
        lambda labels: pa.chunked_array([labels[:1], labels[1:]]),
        lambda labels: pa.array(labels).dictionary_encode(),
        lambda labels: pa.table({"label": labels}),
        lambda labels: [np.asarray(labels)[row] for row in range(3)],
        iter,
    ],
)
def test_labels_keep_their_type_in_every_container(container, labels, kind):
    found = as_labels(container(labels))
    assert found.tolist() == labels
    assert found.dtype.kind == kind


@pytest.mark.parametrize(
    "container",
    [
        list,
        lambda labels: np.array(labels, dtype=object),
        lambda labels: np.array(labels, dtype=object)[:, np.newaxis],
        pd.Series,
        pd.Categorical,
        lambda labels: pd.DataFrame({"label": labels}),
    ],
)
def test_a_member_of_an_enumeration_of_strings_is_the_string(container):
    found = as_labels(container([Answer.NO, Answer.YES, "no"]))
    assert found.ravel().tolist() == WORDS
    rows = [{Answer.YES: 0.9, Answer.NO: 0.1}]
    assert columns_in_order(rows, np.array(["no", "yes"]), name="p").tolist() == [[0.1, 0.9]]


@pytest.mark.parametrize(
    "missing",
    [
        ["a", None, "b"],
        ["a", np.nan, "b"],
        [1, None, 2],
        [1.0, np.nan, 2.0],
        np.array([1.0, np.nan, 2.0]),
        np.array(["a", None, "b"], dtype=object),
        np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        pd.Series(["a", None, "b"]),
        pd.Series(["a", None, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series([1, None, 2]),
        pd.Series([1, None, 2], dtype="Int64"),
        pd.Series([True, None, False], dtype="boolean"),
        pl.Series(["a", None, "b"]),
        pa.array([1, None, 2]),
        ["a", pd.NaT, "b"],
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_a_missing_label_is_named_by_its_row(missing):
    with pytest.raises(ValueError, match=r"^y\[1\] is missing \(.*\); drop rows"):
        as_labels(missing)


def test_a_missing_label_among_several_is_named_by_row_and_column():
    for y in ([[0, 1], [1, None]], np.array([[0, 1], [1, np.nan]])):
        with pytest.raises(ValueError, match=r"y\[1, 1\] is missing"):
            as_labels(y)
    with pytest.raises(ValueError, match=r"y\['b'\]\[1\] is missing"):
        as_labels(pd.DataFrame({"a": [0, 1], "b": [1, None]}))


@pytest.mark.parametrize("y", ["yes", b"yes", {"a": 1}, {"a", "b"}, 3])
def test_what_is_no_column_is_named(y):
    with pytest.raises(TypeError, match="y must be a column of labels, not"):
        as_labels(y)


def test_tables_need_one_name_for_each_label():
    table = pd.DataFrame([[0, 1], [1, 0]], columns=["a", "a"])
    with pytest.raises(ValueError, match="y has two columns named 'a'"):
        as_labels(table)
    with pytest.raises(ValueError, match="y has no columns"):
        as_labels(pd.DataFrame(index=[0, 1]))


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"b": [1, 0], "a": [0, 1]}),
        pd.DataFrame({"b": [True, False], "a": [False, True]}, dtype="boolean"),
        pl.DataFrame({"b": [1, 0], "a": [0, 1]}),
        pa.table({"b": [1, 0], "a": [0, 1]}),
        pd.DataFrame({"b": [1, 0], "a": [0, 1]}).to_records(index=False),
    ],
    ids=lambda table: type(table).__module__,
)
def test_a_table_of_several_labels_has_names(table):
    assert as_labels(table).tolist() == [[1, 0], [0, 1]]
    assert label_names(table).tolist() == ["b", "a"]


def test_arrays_of_several_labels_have_no_names():
    for y in ([[1, 0], [0, 1]], np.eye(2), csr_array(np.eye(2)), pd.DataFrame(np.eye(2))):
        assert as_labels(y).tolist() == [[1, 0], [0, 1]]
        assert label_names(y) is None
    assert label_names(pd.DataFrame({"label": ["a", "b"]})) is None


def test_columns_follow_the_classes_by_name():
    classes = np.array(["a", "b"])
    swapped = pd.DataFrame({"b": [0.9], "a": [0.1]})
    assert columns_in_order(swapped, classes, name="p").tolist() == [[0.1, 0.9]]
    numbered = pd.DataFrame({1: [0.9], 0: [0.1]})
    assert columns_in_order(numbered, np.array([0, 1]), name="p").tolist() == [[0.1, 0.9]]
    for table in (np.array([[0.9, 0.1]]), pd.DataFrame([[0.9, 0.1]])):
        assert columns_in_order(table, classes, name="p") is table
    for names in (["a", "c"], ["a", "a"], ["a", "b", "c"]):
        table = pd.DataFrame([[0.5] * len(names)], columns=names)
        with pytest.raises(ValueError, match=r"p has the columns \['a', .*, which are not the cl"):
            columns_in_order(table, classes, name="p")


@pytest.mark.filterwarnings("error")
def test_lazy_tables_are_refused():
    table = pl.DataFrame({"a": [1.0], "b": [0.0]}).lazy()
    message = "p is a LazyFrame, whose rows are not computed yet; pass the result of its method col"
    with pytest.raises(TypeError, match=message):
        columns_in_order(table, np.array(["a", "b"]), name="p")
    with pytest.raises(TypeError, match=message):
        as_labels(table, name="p")
    assert label_names(table) is None


def test_columns_numbered_in_order_are_not_taken_for_names():
    table = pd.DataFrame([[0.1, 0.9]])
    rows = [row for _, row in table.iterrows()]
    for classes in (np.array([0, 1]), np.array(["no", "yes"]), np.array([True, False])):
        assert columns_in_order(table, classes, name="p") is table
        assert columns_in_order(rows, classes, name="p") is rows
    as_strings = np.unique([*map(str, range(11))])  # "10" before "2"
    with pytest.raises(
        ValueError, match="columns of p are numbered from 0, so they may be in order"
    ):
        columns_in_order(pd.DataFrame([np.arange(11)]), as_strings, name="p")
    for classes in (np.array([1, 0]), np.array(["1", "0"]), np.array([1.0, 0.0])):
        with pytest.raises(ValueError, match=r"columns of p are numbered from 0, .* name the col"):
            columns_in_order(table, classes, name="p")
        for named in (table.set_axis(["0", "1"], axis=1), table.set_axis([0, 1], axis=1)[[1, 0]]):
            assert columns_in_order(named, classes, name="p").tolist() == [[0.9, 0.1]]
        assert as_labels(table, classes=classes).tolist() == [[0.9, 0.1]]
    named = table.set_axis([False, True], axis=1)
    assert columns_in_order(named, np.array([True, False]), name="p").tolist() == [[0.9, 0.1]]


def test_the_number_1_is_not_the_string_1():
    with pytest.raises(ValueError, match=r"y\[0\] is '1', a label that is not in the classes"):
        check_known_labels(np.array(["1"]), np.array([0, 1]), names=("y", "the classes"))


@pytest.mark.parametrize("module", [pd, pl], ids=["pandas", "polars"])
def test_named_columns_of_labels_follow_the_classes(module):
    y = module.DataFrame({"b": [1, 0], "a": [0, 0]})
    classes = np.array(["a", "b"])
    assert as_labels(y, classes=classes).tolist() == [[0, 1], [0, 0]]
    # Numbered classes have no names to go by.
    assert as_labels(y, classes=np.array([0, 1])).tolist() == [[1, 0], [0, 0]]
    with pytest.raises(ValueError, match=r"y has the columns \['b', 'a'\], which are not the cl"):
        as_labels(y, classes=np.array(["a", "c"]))


def test_a_column_of_labels_has_one_dimension():
    for y in (["a", "b"], pd.DataFrame({"y": ["a", "b"]}), np.array([["a"], ["b"]])):
        assert as_label_column(y).tolist() == ["a", "b"]
    with pytest.raises(ValueError, match=r"y must contain one label per text, but has shape \(2, "):
        as_label_column(np.eye(2))


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame({"y": WORDS}), pl.DataFrame({"y": WORDS}), pd.DataFrame({"y": NUMBERS})],
    ids=["pandas", "polars", "numbers"],
)
def test_an_array_of_objects_with_one_column_is_one_of_labels(table):
    y = table.to_numpy().astype(object)
    assert as_labels(y).tolist() == table.to_numpy().tolist()
    assert as_labels(y).dtype.kind in "Ui"
    y[1, 0] = None
    with pytest.raises(ValueError, match=r"y\[1\] is missing"):
        as_labels(y)


def test_labels_are_found_among_the_classes():
    classes = np.array(["a", "b", "c"])
    found = find_labels(pd.Series(["c", "a"]), classes, n_rows=2, multilabel=False)
    assert found.tolist() == [2, 0]
    table = pd.DataFrame({"c": [1], "a": [0], "b": [0]}, dtype="boolean")
    found = find_labels(table, classes, n_rows=1, multilabel=True)
    assert found.tolist() == [[0, 0, 1]]
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("y", "multilabel", "message"),
    [
        (["a"], False, "T and y must have the same number of rows, but have 2 and 1"),
        (["a", "d"], False, r"y\[1\] is 'd', a label that is not in the classes"),
        ([0, 1], False, r"y\[0\] is 0, a label that is not in the classes"),
        (["a", None], False, r"y\[1\] is missing"),
        (np.eye(2), False, r"y must have shape \(2,\), one label per text, but has .*\(2, 2\)"),
        (np.eye(2), True, r"y must have shape \(2, 3\), .* but has shape \(2, 2\)"),
        ([[0, 1, 2]] * 2, True, r"ones and zeros, but they are \[0, 1, 2\]"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_labels_that_are_not_found_are_named(y, multilabel, message):
    with pytest.raises(ValueError, match=message):
        find_labels(
            y,
            np.array(["a", "b", "c"]),
            n_rows=2,
            multilabel=multilabel,
            names=("T", "y", "the classes"),
        )


def test_strings_are_not_compared_with_numbers():
    words, numbers = np.array(["1", "0"]), np.array([1, 0])
    check_same_kind(numbers, np.array([True]), names=("a", "b"))
    check_same_kind(words, words, names=("a", "b"))
    with pytest.raises(ValueError, match="a contains strings, such as '1', but b contains numbers"):
        check_same_kind(words, numbers, names=("a", "b"))


Pair = namedtuple("Pair", ["travel", "food"])
Plain = namedtuple("Plain", ["first", "second"])


@pytest.mark.parametrize(
    "rows",
    [
        [pd.Series([0.9, 0.1], index=["travel", "food"])] * 2,
        [Pair(0.9, 0.1)] * 2,
        [{"travel": 0.9, "food": 0.1}, {"food": 0.1, "travel": 0.9}],
        pl.DataFrame({"travel": [0.9, 0.9], "food": [0.1, 0.1]}).to_struct(),
        pd.Series([{"travel": 0.9, "food": 0.1}] * 2),
        np.array([{"travel": 0.9, "food": 0.1}] * 2, dtype=object),
        pa.array([{"travel": 0.9, "food": 0.1}] * 2),
        Dataset.from_dict({"p": [{"travel": 0.9, "food": 0.1}] * 2})["p"],
        pd.DataFrame({"travel": [0.9, 0.9], "food": [0.1, 0.1]}).to_records(index=False),
        [Plain(0.1, 0.9)] * 2,
        [pd.Series([0.1, 0.9])] * 2,
    ],
    ids=[
        *("series", "named tuples", "dicts", "structs", "column of dicts", "array of dicts"),
        *("Arrow", "datasets", "records", "tuples of other names", "without names"),
    ],
)
def test_rows_with_names_are_read_by_them(rows):
    table = columns_in_order(rows, np.array(["food", "travel"]), name="proba")
    np.testing.assert_allclose(np.asarray(table), [[0.1, 0.9]] * 2)


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"1.0": [0.9], "0.0": [0.1], "2.5": [0.0]}),
        pl.DataFrame({"1": [0.9], "0": [0.1], "2.5": [0.0]}),
        pd.DataFrame({1.0: [0.9], 0.0: [0.1], 2.5: [0.0]}),
        [{"2.5": 0.0, "1.0": 0.9, "0.0": 0.1}],
    ],
    ids=["floats", "integers", "numbers", "rows"],
)
def test_columns_named_after_classes_that_are_floats_are_found(table):
    found = columns_in_order(table, np.array([0.0, 1.0, 2.5]), name="p")
    assert found.tolist() == [[0.1, 0.9, 0.0]]


def test_a_class_has_one_column_even_if_it_has_two_names():
    for names, classes in ((["1", "1.0", "0"], [0.0, 1.0]), (["0.0", "1.0"], ["0", "1"])):
        with pytest.raises(ValueError, match="which are not the classes"):
            columns_in_order(
                pl.DataFrame([[0.5]] * len(names), schema=names), np.array(classes), name="p"
            )


def test_a_row_without_names_among_others_is_named():
    rows = [{"travel": 0.9, "food": 0.1}, [0.1, 0.9]]
    with pytest.raises(ValueError, match=r"proba\[0\] has names, but proba\[1\] has none"):
        columns_in_order(rows, np.array(["food", "travel"]), name="proba")


@pytest.mark.parametrize(
    "columns",
    [[3, 5, 7], [2, 0, 1], ["a", 5, 7], [0.5, 1.5, 2.5], [("a", 1), ("a", 2), ("b", 1)]],
)
def test_numbers_of_columns_are_names_unless_they_count(columns):
    table = pd.DataFrame([[1, 0, 0], [0, 1, 1]], columns=pd.Index(columns))
    names = label_names(table)
    assert names.tolist() == [*map(str, columns)]
    permuted = table.iloc[:, [2, 0, 1]]
    np.testing.assert_array_equal(as_labels(permuted, classes=names), table.to_numpy())


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["a", "b"], True),
        (["b", "a"], False),
        ([2, 10], True),
        ([10, 2], False),
        (["1", "2"], True),
        # Classes that are numbers come in one order, and strings in the other.
        (["10", "2"], False),
        (["2", "10"], False),
        (["10", "a"], True),
        ([("a", 1), ("a", 2)], True),
    ],
)
def test_columns_are_sorted_as_classes_are(columns, expected):
    assert are_sorted(columns) == expected


def test_columns_that_count_are_no_names_but_may_come_in_another_order():
    for columns in ([0, 1, 2], [0.0, 1.0, 2.0]):
        table = pd.DataFrame([[1, 0, 0], [0, 1, 1]], columns=columns)
        assert label_names(table) is None
        found = as_labels(table[[2, 0, 1]], classes=np.arange(3))
        np.testing.assert_array_equal(found, table.to_numpy())


@pytest.mark.parametrize(("name", "shown"), [(b"b", "b'b'"), (None, "(None|nan)"), (np.nan, "nan")])
def test_columns_without_a_name_or_with_bytes_as_name_are_refused(name, shown):
    table = pd.DataFrame(np.eye(2, dtype=int), columns=pd.Index(["a", name], dtype=object))
    with pytest.raises(ValueError, match=rf"^y\.columns\[1\] is {shown}; name it with a string or"):
        label_names(table)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("a\0", r"'a\\x00', which ends in a NUL"), ("\udce9", r"'\\udce9', with half of a surrog")],
)
def test_names_that_cannot_be_kept_are_refused(name, fault):
    table = pd.DataFrame(np.eye(2, dtype=int), columns=pd.Index(["a", name], dtype=object))
    with pytest.raises(ValueError, match=rf"y\.columns\[1\] is {fault}"):
        label_names(table)
    assert label_names(table.set_axis(["a", "é🙂"], axis=1)).tolist() == ["a", "é🙂"]
