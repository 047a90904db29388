import numpy as np
import pytest
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score

from skdistill.metrics._calibration import expected_calibration_error
from skdistill.metrics._scores import (
    Confusion,
    Measurement,
    TeacherComparison,
    as_percent,
    evaluate,
    most_confused,
)

CLASSES = ["a", "b", "c", "never"]


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    y = rng.choice(CLASSES[:3], 200)
    proba, other = rng.dirichlet(np.ones(3), (2, 200))
    return y, *(np.column_stack([p, np.zeros(200)]) for p in (proba, other))


def test_figures_are_those_of_scikit_learn(answers):
    y, proba, teacher_proba = answers
    found = evaluate(y, proba, CLASSES, teacher_proba)
    predicted = np.array(CLASSES)[proba.argmax(axis=1)]
    expected = classification_report(
        y, predicted, labels=CLASSES, output_dict=True, zero_division=0
    )
    for scores in found.classes:
        assert {
            "precision": scores.precision,
            "recall": scores.recall,
            "f1-score": scores.f1,
            "support": scores.n_texts,
        } == expected[scores.label]
    assert [scores.label for scores in found.classes] == CLASSES
    matrix = confusion_matrix(y, predicted, labels=CLASSES)
    for pair in found.confusions:
        place = CLASSES.index(pair.label), CLASSES.index(pair.predicted)
        assert pair.n_texts == matrix[place]
    assert len(found.confusions) == 5
    assert found.accuracy == np.mean(y == predicted)
    assert found.macro_f1 == f1_score(y, predicted, average="macro")
    assert found.calibration_error == expected_calibration_error(y, proba, CLASSES)
    said = np.array(CLASSES)[teacher_proba.argmax(axis=1)]
    assert found.teacher.accuracy == np.mean(said == y)
    assert found.teacher.macro_f1 == f1_score(y, said, average="macro")
    assert found.teacher.fidelity == np.mean(said == predicted)
    assert found.teacher.retention == found.accuracy / found.teacher.accuracy


def test_figures_of_several_labels_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (200, 3)) * [1, 1, 0]
    proba, teacher_proba = rng.uniform(0, [1, 1, 0.4], (2, 200, 3))
    found = evaluate(y, proba, ["0", "1", "2"], teacher_proba)
    predicted, said = (proba > 0.5) * 1, (teacher_proba > 0.5) * 1
    assert found.accuracy == accuracy_score(y, predicted)
    for average, score in [("macro", found.macro_f1), ("micro", found.micro_f1)]:
        assert score == f1_score(y, predicted, average=average, zero_division=0)
    yes = proba.ravel()
    assert found.calibration_error == pytest.approx(
        expected_calibration_error(y.ravel(), np.column_stack([1 - yes, yes]), [0, 1])
    )
    assert found.classes == Measurement(y, predicted).per_class(["0", "1", "2"])
    assert found.confusions == []
    assert found.teacher == TeacherComparison(
        accuracy_score(y, said),
        f1_score(y, said, average="macro", zero_division=0),
        accuracy_score(said, predicted),
        accuracy_score(y, predicted) / accuracy_score(y, said),
    )
    assert [*as_percent(found)][:3] == ["subset accuracy", "macro F1", "micro F1"]


def test_nothing_is_retained_of_a_teacher_that_is_never_right():
    y = np.array(["a", "a"])
    found = evaluate(y, np.eye(2), ["a", "b"], np.array([[0, 1.0], [0, 1]]))
    assert (found.teacher.accuracy, found.teacher.retention) == (0, None)
    assert "retention" not in as_percent(found)


def test_figures_for_readers_are_per_cent(answers):
    y, proba, teacher_proba = answers
    found = evaluate(y, proba, CLASSES, teacher_proba)
    shown = as_percent(found)
    assert shown["accuracy"] == f"{100 * found.accuracy:.2f}"
    assert [*shown][3:] == ["teacher's accuracy", "teacher's macro F1", "fidelity", "retention"]
    alone = evaluate(y, proba, CLASSES)
    assert alone.teacher is None
    assert len(as_percent(alone)) == 3


@pytest.mark.parametrize("multilabel", [False, True])
def test_scores_of_classes_are_those_of_scikit_learn(multilabel):
    rng = np.random.default_rng(0)
    if multilabel:
        y, predicted = rng.integers(0, 2, (2, 200, 4)) * [1, 1, 1, 0]
    else:
        y, predicted = rng.integers(0, 3, (2, 200))
    found = Measurement(y, predicted).per_class(CLASSES)
    expected = classification_report(
        y, predicted, labels=range(4), target_names=CLASSES, output_dict=True, zero_division=0
    )
    for name, scores in zip(CLASSES, found, strict=True):
        assert scores.label == name
        assert {
            "precision": scores.precision,
            "recall": scores.recall,
            "f1-score": scores.f1,
            "support": scores.n_texts,
        } == expected[name]


def test_the_most_confused_pairs_come_first():
    matrix = np.array([[9, 3, 0], [1, 7, 0], [2, 0, 1]])
    before = matrix.copy()
    assert most_confused(matrix, CLASSES[:3]) == [
        Confusion("a", "b", 3),
        Confusion("c", "a", 2),
        Confusion("b", "a", 1),
    ]
    np.testing.assert_array_equal(matrix, before)


def test_five_pairs_are_enough():
    matrix = confusion_matrix([0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1])
    assert len(most_confused(matrix, CLASSES[:3])) == 5


def test_a_measurement_has_the_figures_that_its_answers_allow(answers):
    y, proba, _ = answers
    predicted = np.array(CLASSES)[proba.argmax(axis=1)]
    bare = Measurement(y, predicted)
    assert (bare.fidelity, bare.calibration_error, bare.micro_f1) == (None, None, None)
    np.testing.assert_array_equal(bare.right, y == predicted)
    full = Measurement(y, predicted, proba, np.array(CLASSES), teacher=y)
    assert full.fidelity == full.accuracy == bare.accuracy
    assert full.calibration_error == expected_calibration_error(y, proba, CLASSES)
    assert full.bins(4).n_texts.sum() == 200
    np.testing.assert_array_equal(full.confusion, confusion_matrix(y, predicted, labels=CLASSES))


def test_calibration_error_of_several_labels_by_hand():
    y = np.array([[1, 0], [0, 1]])
    proba = np.array([[0.9, 0.4], [0.3, 0.2]])
    # As questions: yes with 0.9 (right), no with 0.6 (right), no with 0.7 (right), no with 0.8
    # (wrong). Each is in a bin of its own.
    expected = (abs(0.9 - 1) + abs(0.6 - 1) + abs(0.7 - 1) + abs(0.8 - 0)) / 4
    assert Measurement.of(y, proba).calibration_error == pytest.approx(expected, abs=1e-6)
    bins = Measurement.of(y, proba).bins(n_bins=2)  # all four are in the upper one
    assert bins.calibration_error == pytest.approx(abs(3.0 - 3) / 4, abs=1e-6)
