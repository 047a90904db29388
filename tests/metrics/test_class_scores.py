import numpy as np
import pytest
from sklearn.metrics import classification_report, confusion_matrix

from skdistill.metrics._class_scores import Confusion, most_confused, score_classes

CLASSES = ["a", "b", "c", "never"]


@pytest.mark.parametrize("multilabel", [False, True])
def test_scores_are_those_of_scikit_learn(multilabel):
    rng = np.random.default_rng(0)
    if multilabel:
        y, predicted = rng.integers(0, 2, (2, 200, 4)) * [1, 1, 1, 0]
    else:
        y, predicted = rng.integers(0, 3, (2, 200))
    found = score_classes(y, predicted, CLASSES)
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
