"""How many texts a teacher is asked for at once."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from _faults import hashed_proba
from skdistill.labelling import _workers
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._pace import Pace


class Timed(ClassifierMixin, BaseEstimator):
    """A fitted teacher of a certain speed, by a clock that stands still otherwise."""

    now = 0.0
    sizes = []

    def __init__(self, speed):
        self.speed = speed

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        self.sizes.append(len(X))
        Timed.now += len(X) / self.speed
        return hashed_proba(X)


@pytest.mark.parametrize(
    ("speed", "is_kept", "expected"),
    [
        (1000, True, [256] * 39 + [16]),
        (1, True, [256] * 39 + [16]),
        (1024, True, [256, 8192, 1552]),
        (1100, True, [256, 8192, 1552]),
        (1, False, [8192, 1808]),
        (1100, False, [8192, 1808]),
    ],
)
def test_slow_teachers_are_asked_for_few_texts(tmp_path, monkeypatch, speed, is_kept, expected):
    monkeypatch.setattr(_workers, "perf_counter", lambda: Timed.now)
    Timed.sizes.clear()
    texts = [f"text {number}" for number in range(10_000)]
    memory = tmp_path if is_kept else None
    SoftLabeler(Timed(speed), ["a", "b"], np.array(["a", "b"]), memory=memory).label(texts)
    assert Timed.sizes == expected


def test_a_teacher_that_becomes_slow_is_asked_for_few_texts():
    pace = Pace(is_kept=True)
    sizes = [pace.size]
    for speed in (2000, 500, 1025):
        pace.note(pace.size, pace.size / speed)
        sizes.append(pace.size)
    assert sizes == [256, 8192, 256, 8192]
