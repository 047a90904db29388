import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skdistill import (
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    make_tfidf_baseline,
    recommend_student,
    word_order_sensitivity,
)
from skdistill.evaluation._recommendation import _LOSS, Recommendation

PAIRS = [("dog", "cat"), ("man", "wolf"), ("bird", "fish"), ("king", "knight")]
ORDERED = [f"{a} sees {b}" for a, b in PAIRS] + [f"{b} sees {a}" for a, b in PAIRS]
WHO = [0, 0, 0, 0, 1, 1, 1, 1]


class FirstWord:
    """Knows which of two words comes first: nothing is left of that in shuffled texts."""

    classes_ = np.array([0, 1])

    def predict(self, X):
        first = {pair[0] for pair in PAIRS}
        return np.array([0 if text.split()[0] in first else 1 for text in X])


class Bag:
    """Knows which word occurs; a share of the rows is right by the order alone."""

    classes_ = np.array([0, 1])

    def __init__(self, word="yes"):
        self.word = word

    def predict(self, X):
        return np.array([int(self.word in text.split()) for text in X])


def test_what_ignores_the_order_becomes_a_bag():
    X, y = ["yes it is", "no it is not", "oh yes", "oh no", "never so"], [1, 0, 1, 0, 0]
    recommendation = recommend_student(Bag(), X, y)
    assert recommendation.kind == "bag"
    assert recommendation.word_order_sensitivity == 0
    assert recommendation.accuracy == 1
    assert recommendation.lead == pytest.approx(1 - 3 / 5)
    assert recommendation.predicted_gap == 0
    student = recommendation.make_student(vocabulary_size=100)
    assert isinstance(student, DistilledMLPClassifier)
    assert (student.pooling, student.vocabulary_size, student.teacher) == ("mean", 100, None)


def test_what_lives_on_the_order_keeps_its_teacher():
    recommendation = recommend_student(FirstWord(), ORDERED, WHO, max_loss=0)
    assert recommendation.kind == "teacher"
    assert recommendation.make_student() is None
    assert recommendation.predicted_gap == min(recommendation.gaps.values()) > 0
    assert repr(recommendation).startswith("Keep the teacher.")


class Partly(Bag):
    """Knows the word; of texts with "then", only those in which "then" comes second."""

    def predict(self, X):
        words = [text.split() for text in X]
        return np.array([int("yes" in w and ("then" not in w or w[1] == "then")) for w in words])


def recommend_for(share, **options):
    """Recommend for a teacher that depends on the order of a share of the texts of one class."""
    n_ordered = round(200 * share)
    X = ["yes a b"] * (200 - n_ordered) + ["yes then b"] * n_ordered + ["no a b"] * 200
    return recommend_student(Partly(), X, [1] * 200 + [0] * 200, n_shuffles=20, **options)


# The share of its lead that a student loses at a sensitivity of 1, as measured on four data sets.
LOSS = {"bag": 2.2, "window": 1.5, "recurrent": 1.0}


def test_gaps_follow_from_sensitivity_and_lead():
    recommendation = recommend_student(FirstWord(), ORDERED, WHO, n_shuffles=20, random_state=3)
    sensitivity = word_order_sensitivity(FirstWord(), ORDERED, WHO, n_shuffles=20, random_state=3)
    assert recommendation.word_order_sensitivity == sensitivity
    assert recommendation.lead == 0.5
    for found in (recommendation, recommend_for(0.3)):
        square = found.word_order_sensitivity**2
        gaps = {kind: 0.5 * min(1, loss * square) for kind, loss in LOSS.items()}
        assert found.gaps == pytest.approx(gaps)
    assert max(gaps.values()) < 0.5  # no gap of the latter is cut


@pytest.mark.parametrize(
    ("share", "options", "kind"),
    [
        (0.0, {}, "bag"),  # the order does not matter
        (0.15, {}, "bag"),  # gaps of 1.5, 1.0 and 0.7 points
        (0.2, {}, "window"),  # 2.7, 1.9 and 1.2
        (0.3, {}, "recurrent"),  # 6.2, 4.2 and 2.8
        (0.8, {}, "recurrent"),  # which loses 41 % of the lead
        (1.0, {}, "teacher"),  # every student loses more than half of it
        (1.0, {"max_loss": 1.0}, "recurrent"),
        (0.3, {"max_loss": 0.05}, "teacher"),
    ],
)
def test_the_kind_follows_from_the_gaps(share, options, kind):
    recommendation = recommend_for(share, **options)
    gaps, best = recommendation.gaps, min(recommendation.gaps.values())
    assert recommendation.kind == kind, recommendation
    if kind != "teacher":
        cheaper = [*LOSS][: [*LOSS].index(kind)]
        assert gaps[kind] <= best + 0.01
        assert all(gaps[other] > best + 0.01 for other in cheaper)


def test_dearer_students_lose_less():
    losses = list(_LOSS.values())
    assert list(_LOSS) == ["bag", "window", "recurrent"]
    assert losses == sorted(losses, reverse=True)


def test_the_cheapest_student_within_a_point_is_taken():
    class Half(Bag):
        """Of 400 texts, those with "then" are right only in their given order."""

        def predict(self, X):
            return np.array([int("yes" in t.split() and not t.startswith("then")) for t in X])

    X = ["yes a b"] * 190 + ["yes then b"] * 10 + ["no a b"] * 200
    y = [1] * 200 + [0] * 200
    recommendation = recommend_student(Half(), X, y)
    assert 0 < recommendation.word_order_sensitivity < 0.05
    assert recommendation.gaps["bag"] < recommendation.gaps["recurrent"] + 0.01
    assert recommendation.kind == "bag"


@pytest.mark.parametrize(
    ("kind", "student_class"),
    [("window", DistilledMLPClassifier), ("recurrent", DistilledRNNClassifier)],
)
def test_students_get_teacher_and_parameters(kind, student_class):
    gaps = {"bag": 0.3, "window": 0.2, "recurrent": 0.1}
    recommendation = Recommendation(kind, 0.5, 0.9, 0.4, gaps)
    teacher = FrozenEstimator(make_tfidf_baseline())
    student = recommendation.make_student(teacher, n_parameters=5_000)
    assert type(student) is student_class
    assert student.teacher is teacher
    assert student.n_parameters == 5_000
    assert student.pooling == student_class().pooling
    assert recommendation.predicted_gap == gaps[kind]
    assert student_class.__name__ in repr(recommendation)
    assert "bag 30.0, window 20.0, recurrent 10.0" in repr(recommendation)


def test_same_seed_same_recommendation():
    one, same = (recommend_student(FirstWord(), ORDERED, WHO, random_state=5) for _ in range(2))
    assert one == same


def test_a_teacher_that_knows_nothing_is_refused():
    with pytest.raises(ValueError, match=r"50\.0 % is no better than .* 50\.0 %"):
        recommend_student(Bag("never"), ORDERED, WHO)


@pytest.mark.parametrize(
    ("X", "y", "options", "error", "message"),
    [
        ("one text", [0], {}, ValueError, "single string"),
        (["a b", None], [0, 1], {}, ValueError, r"X\[1\]"),
        (["a b", "b a"], [0], {}, ValueError, "2"),
        (["a b", "b a"], np.array(["x", np.nan], object), {}, ValueError, r"y\[1\] is miss"),
        (ORDERED, WHO, {"max_loss": 2}, ValueError, "max_loss"),
        (ORDERED, WHO, {"n_shuffles": 0}, ValueError, "n_shuffles"),
    ],
)
def test_bad_input_is_refused(X, y, options, error, message):
    with pytest.raises(error, match=message):
        recommend_student(FirstWord(), X, y, **options)
