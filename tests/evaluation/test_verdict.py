import dataclasses

import pytest

from skdistill.evaluation._verdict import DistillationReport, Scores


def make_report(low, high, **changes):
    scores = Scores(0.9, 0.85, 1.0, 0.05, 0.01)
    values = {
        "teacher": scores,
        "student": dataclasses.replace(scores, accuracy_std=0.01, macro_f1_std=0.02, n_epochs=4),
        "twin": dataclasses.replace(scores, accuracy_std=0.01, macro_f1_std=0.02, n_epochs=7.5),
        "baseline": dataclasses.replace(scores, accuracy=0.7, macro_f1=0.6, fidelity=0.75),
        "retention": 0.9876,
        "difference": (low + high) / 2,
        "interval": (low, high),
        "confidence_level": 0.95,
        "n_seeds": 3,
        "n_labeled": 1000,
        "n_transfer": 12000,
        "n_test": 500,
    }
    return DistillationReport(**values | changes)


@pytest.mark.parametrize(
    ("low", "high", "helped", "words"),
    [
        (
            0.01,
            0.02,
            True,
            ["Distillation helped", "1.50 points more", "(+1.00 to +2.00) is above 0"],
        ),
        (
            -0.02,
            -0.01,
            False,
            ["Distillation hurt", "1.50 points less", "(-2.00 to -1.00) is below 0"],
        ),
        (
            -0.01,
            0.03,
            None,
            ["Cannot tell with 500 test texts:", "1.00 points more", "(-1.00 to +3.00) contains 0"],
        ),
        (
            -0.03,
            0.01,
            None,
            ["Cannot tell with 500 test texts:", "1.00 points less", "(-3.00 to +1.00) contains 0"],
        ),
        (0.0, 0.02, None, ["Cannot tell with 500 test texts:", "(+0.00 to +2.00) contains 0"]),
        (-0.02, 0.0, None, ["Cannot tell with 500 test texts:", "(-2.00 to +0.00) contains 0"]),
    ],
)
def test_verdict_follows_the_interval(low, high, helped, words):
    report = make_report(low, high)
    assert report.helped is helped
    for word in words:
        assert word in report.verdict
    assert report.verdict in str(report)


def test_report_is_printed_as_a_table():
    assert str(make_report(0.01, 0.02)) == repr(make_report(0.01, 0.02))
    lines = str(make_report(0.01, 0.02)).splitlines()
    assert lines[0] == (
        "Scores on 500 test texts in per cent, mean ± standard deviation over 3 seeds"
    )
    assert lines[2].split("  ")[-1] == "scaled"
    assert [line.split()[0] for line in lines[4:8]] == ["teacher", "student,", "twin,", "TF-IDF"]
    assert lines[4].split() == ["teacher", "1,000", "90.00", "85.00", "100.00", "5.00", "1.00"]
    assert lines[5].split("  ")[:2] == ["student, distilled", "12,000"]
    assert "90.00 ± 1.00" in lines[5]
    assert lines[6].split()[3:5] == ["1,000", "7.5"]
    assert "85.00 ± 2.00" in lines[6]
    assert lines[7].split()[-6:] == ["1,000", "70.00", "60.00", "75.00", "5.00", "1.00"]
    assert lines[-2] == "Retention: the student keeps 98.76 % of the teacher's accuracy."
    assert len({line.index("0.00") for line in lines[4:7]}) == 1
    assert "1 seed\n" in str(make_report(0.01, 0.02, n_seeds=1))


@pytest.mark.parametrize(
    ("teacher", "student", "words"),
    [
        (0.95, 0.91, None),
        (0.95, 0.9, "The student is no better than TF-IDF + LR"),
        (0.9, 0.89, "Teacher and student are no better than TF-IDF + LR"),
        (0.89, 0.91, None),
    ],
)
def test_a_model_below_the_baseline_is_named(teacher, student, words):
    scores = Scores(0.9, 0.85, 1.0, 0.05, 0.01)
    report = make_report(
        0.01,
        0.02,
        teacher=dataclasses.replace(scores, accuracy=teacher),
        student=dataclasses.replace(scores, accuracy=student),
        baseline=scores,
    )
    last = str(report).splitlines()[-1]
    assert last == report.verdict if words is None else last.startswith(words)
