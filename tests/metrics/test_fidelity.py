import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from skdistill.metrics._fidelity import cohens_kappa, fidelity, retention

TABLE = pd.DataFrame({"a": [0.9, 0.2], "b": [0.1, 0.8]})
PROBA = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]])


def test_fidelity_is_the_share_of_equal_labels():
    assert fidelity(["a", "b", "c", "a"], np.array(["a", "c", "c", "b"])) == 0.5


def test_fidelity_of_probabilities_compares_the_likeliest_classes():
    student = np.array([[0.4, 0.3, 0.3], [0.6, 0.3, 0.1], [0.0, 0.1, 0.9], [0.2, 0.7, 0.1]])
    assert fidelity(PROBA, student) == 0.5
    assert fidelity(PROBA, [0, 1, 2, 0]) == 1.0


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        (["a", "b"], ["a"], "teacher and student must have the same number of rows.* 2 and 1"),
        (PROBA, PROBA[:, :2], "same classes, but have 3 and 2 columns"),
        ([], [], "no rows"),
        (PROBA[None], PROBA[None], "teacher must contain labels"),
        ([1, 0], ["1", "0"], "teacher contains numbers, such as 1, but student contains strings"),
        ([1, None], [1, 0], r"teacher\[1\] is missing"),
        (TABLE, TABLE.rename(columns={"a": "c"}), "student has the columns"),
    ],
)
def test_fidelity_says_what_does_not_fit(teacher, student, message):
    with pytest.raises(ValueError, match=message):
        fidelity(teacher, student)


def test_retention():
    assert retention(0.9, 0.45) == 0.5
    assert retention(0.5, 0.6) == pytest.approx(1.2)
    with pytest.raises(ValueError, match="teacher_score must be positive, got 0"):
        retention(0.0, 0.5)


def test_a_label_is_predicted_above_one_half():
    teacher = [[0.5, 0.6], [0.5, 0.9], [0.5, 0.1]]
    student = [[0.4, 0.7], [0.51, 0.9], [0.4, 0.2]]
    assert fidelity(teacher, student, multilabel=True) == pytest.approx(2 / 3)
    assert fidelity(student, teacher, multilabel=True) == pytest.approx(2 / 3)


def test_columns_of_labels_or_of_named_probabilities_in_any_container():
    assert fidelity(pd.DataFrame({"label": ["a", "b"]}), pd.Series(["a", "c"])) == 0.5
    assert fidelity(np.array([[1], [2]]), [1, 3]) == 0.5
    assert fidelity(TABLE, TABLE[["b", "a"]]) == 1.0


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("columns", [[0, 1], [False, True], [0.0, 1.0], [0.5, 1.5], [3, 20]])
def test_numbers_of_columns_are_aligned(columns, multilabel):
    table = TABLE.set_axis(columns, axis=1)
    turned = table.iloc[:, ::-1]
    for other in (turned, turned.to_dict("records"), table.to_numpy()):
        assert fidelity(table, other, multilabel=multilabel) == 1.0
        assert fidelity(other, table, multilabel=multilabel) == 1.0


@pytest.mark.parametrize("columns", [["a", "b"], [False, True], [0.5, 1.5], [3, 20], ["3", "20"]])
def test_an_array_is_not_compared_with_a_table_in_another_order(columns):
    turned = TABLE.set_axis(columns, axis=1).iloc[:, ::-1]
    message = r"{} has the columns .* which are not in sorted order, but {} has no names"
    for other in (TABLE.to_numpy(), pd.DataFrame(TABLE.to_numpy()), [0, 1]):
        with pytest.raises(ValueError, match=message.format("student", "teacher")):
            fidelity(other, turned)
        with pytest.raises(ValueError, match=message.format("teacher", "student")):
            fidelity(turned.to_dict("records"), other)


def test_columns_numbered_in_another_order_are_put_in_that_of_an_array():
    turned = TABLE.set_axis([0, 1], axis=1)[[1, 0]]
    for given in (turned, turned.to_dict("records")):
        assert fidelity(TABLE.to_numpy(), given) == fidelity(given, [0, 1]) == 1.0


def test_several_labels_may_come_in_any_order():
    turned = TABLE[["b", "a"]]
    assert fidelity(turned, turned.to_numpy(), multilabel=True) == 1.0
    assert fidelity(turned.to_numpy(), turned.to_dict("records"), multilabel=True) == 1.0


def test_rows_with_names_are_probabilities():
    rows = TABLE[["b", "a"]].to_dict("records")
    for given in (rows, pl.DataFrame(rows).to_struct()):
        assert fidelity(TABLE, given) == fidelity(given, TABLE) == 1.0
    with pytest.raises(ValueError, match=r"student\[1\] has the columns \['c', 'a'\]"):
        fidelity(TABLE, [rows[0], {"c": 0.5, "a": 0.5}])


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    targets, weights = rng.integers(0, 3, 60), rng.random(60)
    labels = np.where(rng.random(60) < 0.5, targets, 2)
    expected = cohen_kappa_score(targets, labels, sample_weight=weights)
    assert cohens_kappa(targets[:, None], labels[:, None], weights) == pytest.approx(expected)


def test_kappa_is_not_known_if_all_targets_that_count_are_the_same():
    targets, labels = np.array([[0], [0], [1]]), np.array([[0], [0], [0]])
    assert np.isnan(cohens_kappa(targets, labels, np.array([1.0, 2.0, 0.0])))
    assert cohens_kappa(targets, labels, np.array([1.0, 2.0, 0.1])) == 0
