"""What tells one teacher's probabilities from another's."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skdistill import FunctionTeacherClassifier, make_tfidf_baseline
from skdistill.labelling._fingerprint import teacher_fingerprint

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])


def test_fingerprints_are_the_same_in_another_process():
    code = (
        "import numpy as np; from sklearn.frozen import FrozenEstimator; "
        "from skdistill import make_tfidf_baseline as make; "
        "from skdistill.labelling._fingerprint import teacher_fingerprint as f; "
        f"X, y = {X!r}, np.array({Y.tolist()!r}); "
        "print(f(make(), X, y), f(FrozenEstimator(make().fit(X, y)), X, y))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    fitted = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    expected = [teacher_fingerprint(teacher, X, Y) for teacher in (make_tfidf_baseline(), fitted)]
    assert done.stdout.split() == expected


def test_fingerprint_of_a_frozen_teacher_is_what_it_learned():
    one = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    same = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    other = FrozenEstimator(make_tfidf_baseline().fit(X, Y[::-1]))
    assert teacher_fingerprint(one, X, Y) == teacher_fingerprint(same, X[:2], Y[:2])
    assert teacher_fingerprint(one, X, Y) != teacher_fingerprint(other, X, Y)


@pytest.mark.parametrize(
    ("classes", "y"),
    [(None, Y), (["pos", "neg"], Y), (None, np.eye(2, dtype=int)[[0, 1, 0, 1]])],
    ids=["labels of y", "given labels", "several labels"],
)
def test_a_teacher_that_learns_nothing_has_one_fingerprint_frozen_or_not(classes, y):
    teacher = FunctionTeacherClassifier(len, classes=classes)
    key = teacher_fingerprint(teacher, X, y)
    assert teacher_fingerprint(FrozenEstimator(teacher.fit(X, y)), X, None) == key
    assert teacher_fingerprint(FrozenEstimator(teacher.fit(X, y)), X[:2], y[:2]) == key
    other = FunctionTeacherClassifier(sum, classes=classes)
    assert teacher_fingerprint(FrozenEstimator(other.fit(X, y)), X, y) != key


def test_a_function_of_a_fitted_model_counts_by_what_the_model_has_learned():
    models = [make_tfidf_baseline().fit(X, y) for y in (Y, Y, Y[::-1])]
    keys = [
        teacher_fingerprint(FunctionTeacherClassifier(model.predict_proba), X, Y)
        for model in models
    ]
    assert keys[0] == keys[1] != keys[2]
