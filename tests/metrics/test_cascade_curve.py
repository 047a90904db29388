"""The accuracy, agreement and cost of a cascade at each threshold."""

import numpy as np
import pandas as pd
import pytest

from skdistill.students import cascade_curve


def random_case(n_texts=200, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    student = rng.dirichlet(np.ones(n_classes), size=n_texts).round(2) + 1e-3
    student /= student.sum(axis=1, keepdims=True)
    teacher = rng.dirichlet(np.ones(n_classes), size=n_texts)
    return student, teacher, rng.integers(n_classes, size=n_texts)


def test_curve_is_what_each_threshold_gives():
    student, teacher, codes = random_case()
    curve = cascade_curve(student, teacher, codes, teacher_cost=30)
    assert curve["teacher_rate"].iloc[[0, -1]].tolist() == [0, 1]
    assert (np.diff(curve["teacher_rate"]) > 0).all()
    for row in curve.itertuples():
        asked = student.max(axis=1) < row.threshold
        predicted = np.where(asked, teacher.argmax(axis=1), student.argmax(axis=1))
        assert row.teacher_rate == pytest.approx(asked.mean())
        assert row.coverage == pytest.approx(1 - asked.mean())
        assert row.accuracy == pytest.approx((predicted == codes).mean())
        assert row.agreement == pytest.approx((predicted == teacher.argmax(axis=1)).mean())
        assert row.cost == pytest.approx(1 + 30 * asked.mean())
        if not asked.all():
            right = student.argmax(axis=1)[~asked] == codes[~asked]
            assert row.student_accuracy == pytest.approx(right.mean())
    assert np.isnan(curve["student_accuracy"].iloc[-1])


def test_a_weight_is_the_number_of_times_that_a_text_counts():
    student, teacher, codes = random_case()
    weights = np.random.default_rng(1).integers(4, size=len(codes))
    rows = np.repeat(np.arange(len(codes)), weights)
    expected = cascade_curve(student[rows], teacher[rows], codes[rows], teacher_cost=30)
    found = cascade_curve(student, teacher, codes, teacher_cost=30, sample_weight=weights)
    # A text of weight 0 may still have a threshold of its own.
    found = found[found["threshold"].isin(expected["threshold"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)
    third = cascade_curve(student, teacher, codes, teacher_cost=30, sample_weight=weights / 3)
    pd.testing.assert_frame_equal(
        third[third["threshold"].isin(found["threshold"])].reset_index(drop=True), found
    )


@pytest.mark.parametrize(
    ("weight", "message"),
    [(np.zeros(200), "at least one non-zero"), (-np.ones(200), "Negative values")],
)
def test_weights_that_say_nothing_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        cascade_curve(*random_case(), sample_weight=weight)


def test_a_curve_aligns_named_columns():
    student, teacher, codes = random_case()
    expected = cascade_curve(student, teacher, codes)
    tables = [pd.DataFrame(proba, columns=["a", "b", "c"]) for proba in (student, teacher)]
    found = cascade_curve(tables[0], tables[1][["c", "a", "b"]], codes)
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("names", [["a", "b", "c"], [0, 1, 2]])
@pytest.mark.parametrize("rows", [pd.DataFrame.copy, lambda table: table.to_dict("records")])
def test_a_curve_aligns_a_table_with_an_array(names, rows):
    student, teacher, codes = random_case()
    expected = cascade_curve(student, teacher, codes)
    named = pd.DataFrame(teacher, columns=names)
    for given in (student, pd.DataFrame(student)):
        found = cascade_curve(given, rows(named), codes)
        pd.testing.assert_frame_equal(found, expected)
    shuffled = rows(named[[names[2], *names[:2]]])
    if names == [0, 1, 2]:  # the names say which column a code means
        pd.testing.assert_frame_equal(cascade_curve(student, shuffled, codes), expected)
        turned = cascade_curve(rows(pd.DataFrame(student)[[2, 0, 1]]), teacher, codes)
        pd.testing.assert_frame_equal(turned, expected)
        return
    message = r"{}_proba has the columns \['c', 'a', 'b'\], which are not in sorted order"
    with pytest.raises(ValueError, match=message.format("teacher")):
        cascade_curve(student, shuffled, codes)
    with pytest.raises(ValueError, match=message.format("student")):
        cascade_curve(shuffled, teacher, codes)


def test_a_curve_needs_texts():
    with pytest.raises(ValueError, match="at least one text"):
        cascade_curve(np.empty((0, 2)), np.empty((0, 2)), [])
