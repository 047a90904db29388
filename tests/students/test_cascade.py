"""A student with a teacher behind it: threshold, curve, parameters, errors."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from named_answers import NamedAnswers
from skdistill import (
    CascadeClassifier,
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    TextPool,
    make_tfidf_baseline,
)
from skdistill.students.cascade._parts import split_rows


def make_student(teacher=None, **params):
    params = {"max_epochs": 6, "random_state": 0, "vocabulary_size": 60} | params
    return DistilledMLPClassifier(teacher, **params)


def says_all_right(texts):
    return [[float("a" in text), float("a" not in text)] for text in texts]


def says_all_wrong(texts):
    return [row[::-1] for row in says_all_right(texts)]


def test_answers_of_both_parts_are_found_by_the_names_of_their_columns(topics):
    texts, labels = topics[0][:200], topics[1][:200]
    student, teacher = (make_tfidf_baseline().fit(texts[:n], labels[:n]) for n in (20, 200))
    plain, named = (
        CascadeClassifier(FrozenEstimator(wrap(student)), FrozenEstimator(wrap(teacher))).fit(
            texts, labels
        )
        for wrap in (lambda model: model, NamedAnswers)
    )
    assert 0 < plain.asks_teacher(texts).sum() < len(texts)
    np.testing.assert_array_equal(named.asks_teacher(texts), plain.asks_teacher(texts))
    np.testing.assert_array_equal(named.predict_proba(texts), plain.predict_proba(texts))
    pd.testing.assert_frame_equal(named.curve(texts, labels), plain.curve(texts, labels))


def says_half_right(texts):
    """Know short texts for sure; guess long ones, and be wrong."""
    return [
        [float("a" in text), float("a" not in text)] if len(text) < 3 else [0.55, 0.45]
        for text in texts
    ]


@pytest.fixture
def frozen_pair():
    texts = ["a", "b"] * 40 + ["bbbb"] * 20
    y = ["has a" if "a" in text else "no a" for text in texts]
    functions = (says_half_right, says_all_right)
    student, teacher = (FunctionTeacherClassifier(func).fit(texts, y) for func in functions)
    return FrozenEstimator(student), FrozenEstimator(teacher), texts, y


@pytest.mark.parametrize(
    ("max_rate", "rate", "accuracy"),
    [(0.3, 0.2, 1.0), (0.2, 0.2, 1.0), (0.199, 0.0, 0.8), (0.1, 0.0, 0.8), (0.0, 0.0, 0.8)],
)
def test_the_best_threshold_within_the_rate_is_taken(frozen_pair, max_rate, rate, accuracy):
    student, teacher, texts, y = frozen_pair
    cascade = CascadeClassifier(student, teacher, max_teacher_rate=max_rate).fit(texts, y)
    assert cascade.teacher_rate_ == rate
    assert cascade.score(texts, y) == pytest.approx(accuracy)
    assert cascade.asks_teacher(texts).mean() == rate
    curve = cascade.curve(texts, y)
    assert curve.equals(cascade.curve_)
    assert curve["accuracy"].max() == 1


def test_by_default_at_most_a_tenth_of_the_texts_goes_to_the_teacher(frozen_pair):
    student, teacher, texts, y = frozen_pair
    assert CascadeClassifier(student, teacher).fit(texts, y).teacher_rate_ == 0
    sure = [text for text in texts if len(text) < 3]
    mostly_sure = sure * 3 + ["bbbb"] * 20
    cascade = CascadeClassifier(student, teacher).fit(
        mostly_sure, [y[texts.index(text)] for text in mostly_sure]
    )
    assert cascade.teacher_rate_ == pytest.approx(20 / len(mostly_sure))


def test_the_teacher_of_a_frozen_student_is_used(frozen_pair):
    _, teacher, texts, y = frozen_pair
    fitted = make_student(teacher).fit(texts, y)
    cascade = CascadeClassifier(FrozenEstimator(fitted)).fit(texts, y)
    assert cascade.student_.estimator is fitted
    np.testing.assert_array_equal(cascade.teacher_.predict(texts), y)


def test_a_rate_of_one_allows_every_text(frozen_pair):
    _, teacher, texts, y = frozen_pair
    wrong = FunctionTeacherClassifier(says_all_wrong).fit(texts, y)
    cascade = CascadeClassifier(FrozenEstimator(wrong), teacher, max_teacher_rate=1.0)
    assert cascade.fit(texts, y).teacher_rate_ == 1
    assert cascade.threshold_ == np.inf
    assert cascade.asks_teacher(texts).all()
    assert cascade.score(texts, y) == 1
    assert cascade.set_params(max_teacher_rate=0.999).fit(texts, y).teacher_rate_ == 0


def test_a_teacher_that_is_no_better_is_never_asked(frozen_pair):
    student, teacher, texts, y = frozen_pair
    cascade = CascadeClassifier(teacher, student, max_teacher_rate=1.0).fit(texts, y)
    assert cascade.teacher_rate_ == 0
    assert cascade.threshold_ == 0
    assert not cascade.asks_teacher(texts).any()


def test_the_teacher_sees_no_other_texts_than_those_it_is_asked_for(frozen_pair, monkeypatch):
    student, teacher, texts, y = frozen_pair
    cascade = CascadeClassifier(student, teacher, max_teacher_rate=0.3).fit(texts, y)
    seen = []
    monkeypatch.setattr(
        cascade.teacher_,
        "predict_proba",
        lambda texts: seen.extend(texts) or says_all_right(texts),
        raising=False,
    )
    cascade.predict(["a", "bbbb", "b"])
    assert seen == ["bbbb"]


class CountedTeacher(DummyClassifier):
    """A teacher that counts its fits and their rows."""

    sizes: list = []

    def fit(self, X, y, sample_weight=None):
        CountedTeacher.sizes.append(len(X))
        return super().fit(X, y, sample_weight)


def test_the_students_own_teacher_is_fitted_once_on_training_rows(topics):
    X, y = topics
    CountedTeacher.sizes = []
    cascade = CascadeClassifier(make_student(CountedTeacher()), random_state=0).fit(X, y)
    assert CountedTeacher.sizes == [540]
    assert isinstance(cascade.student_.teacher, FrozenEstimator)
    assert len(cascade.curve_) <= 61


class WeighedTeacher(DummyClassifier):
    """A teacher that keeps the weights of its last fit."""

    weights: list = []

    def fit(self, X, y, sample_weight=None):
        WeighedTeacher.weights.append(sample_weight)
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("routing", [False, True])
def test_weights_reach_the_teacher_cut_to_its_rows(topics, routing):
    X, y = topics
    weights, WeighedTeacher.weights = np.arange(600.0), []
    for cascade in (
        CascadeClassifier(make_student(WeighedTeacher()), random_state=0),
        CascadeClassifier(make_student(max_epochs=1), WeighedTeacher(), random_state=0),
    ):
        with sklearn.config_context(enable_metadata_routing=routing):
            cascade.fit(X, y, sample_weight=weights)
    assert len(WeighedTeacher.weights) == 2
    training, _ = split_rows(600, np.unique(y, return_inverse=True)[1], 0.1, 0)
    for found in WeighedTeacher.weights:
        np.testing.assert_array_equal(found, weights[training])


def test_a_student_with_teachers_of_folds_cascades(topics):
    X, y = topics
    CountedTeacher.sizes = []
    student = make_student(CountedTeacher(), teacher_cv=3)
    cascade = CascadeClassifier(student, random_state=0).fit(X, y)
    assert sorted(CountedTeacher.sizes) == [360, 360, 360, 540]
    alone = make_student(CountedTeacher(), teacher_cv=3)
    training, _ = split_rows(600, np.unique(y, return_inverse=True)[1], 0.1, 0)
    alone.fit([X[row] for row in training], y[training])
    np.testing.assert_array_equal(cascade.student_.predict_proba(X), alone.predict_proba(X))


def test_another_seed_holds_other_rows_out(topics):
    X, y = topics
    codes = np.unique(y, return_inverse=True)[1]
    first, again, other = (split_rows(600, codes, 0.1, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len({*first} & {*other}) < 20
    curves = [
        CascadeClassifier(make_student(make_tfidf_baseline()), random_state=seed).fit(X, y).curve_
        for seed in (0, 1)
    ]
    assert not curves[0].equals(curves[1])


@pytest.mark.parametrize("routing", [False, True])
def test_parameters_reach_the_student_cut_to_its_rows(topics, routing):
    X, y = topics
    proba = make_tfidf_baseline().fit(X, y).predict_proba(X)
    pool = {"X_unlabeled": TextPool(X[:500]), "unlabeled_proba": proba[:500]}
    with sklearn.config_context(enable_metadata_routing=routing):
        cascade = CascadeClassifier(make_student(), make_tfidf_baseline(), random_state=0)
        cascade.fit(X, y, teacher_proba=proba, **pool)
    assert cascade.student_.transfer_size_ == 540 + 500
    assert cascade.student_.teacher is None
    assert cascade.score(X, y) > 0.95


def test_same_seed_same_result_and_pickles(topics):
    X, y = topics
    cascade = CascadeClassifier(make_student(make_tfidf_baseline()), random_state=3)
    first, second = clone(cascade).fit(X, y), clone(cascade).fit(X, y)
    again = pickle.loads(pickle.dumps(first))
    for other in (second, again):
        np.testing.assert_array_equal(other.predict_proba(X), first.predict_proba(X))
        assert other.threshold_ == first.threshold_


def test_rates_and_sizes_are_searched(topics):
    X, y = topics
    cascade = CascadeClassifier(make_student(make_tfidf_baseline()), random_state=0)
    grid = {"max_teacher_rate": [0, 0.5], "student__embedding_dim": [2, 4]}
    search = GridSearchCV(cascade, grid, cv=2).fit(X[:200], y[:200])
    assert search.best_score_ > 0.8


def test_what_cannot_be_says_why(topics, frozen_pair):
    X, y = topics
    with pytest.raises(ValueError, match="The cascade has no teacher"):
        CascadeClassifier(make_student()).fit(X, y)
    student, teacher, texts, labels = frozen_pair
    with pytest.raises(ValueError, match=r"student's classes .* differ from those of y"):
        CascadeClassifier(student, teacher).fit(X, y)
    with pytest.raises(ValueError, match="too few to have each of the 2 classes"):
        CascadeClassifier(make_student(make_tfidf_baseline())).fit(["a", "b", "c"], [0, 0, 1])
    cascade = CascadeClassifier(student, teacher).fit(texts, labels)
    with pytest.raises(ValueError, match=r"y\[1\] is 'maybe', a label that is not in the casc"):
        cascade.curve(["a", "b"], ["has a", "maybe"])
    with pytest.raises(ValueError, match="X and y must have the same number of rows"):
        cascade.curve(["a", "b"], ["has a"])


@pytest.mark.parametrize(("n_texts", "n_held_out"), [(4, 2), (20, 2), (60, 3)])
def test_each_class_is_held_out_and_learned_from_few_texts_too(n_texts, n_held_out):
    codes = np.tile([0, 1], n_texts // 2)
    training, held_out = split_rows(n_texts, codes, 0.05, 0)
    assert len(held_out) == n_held_out
    assert sorted([*training, *held_out]) == [*range(n_texts)]
    for rows in (training, held_out):
        assert set(codes[rows]) == {0, 1}
    with pytest.raises(ValueError, match="Holding out 2 of 3 texts"):
        split_rows(3, np.array([0, 1, 1]), 0.05, 0)


class NamesColumns(ClassifierMixin, BaseEstimator):
    """A teacher whose probabilities are a table with its columns in another order."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        fast = np.array(["train" in text for text in X], dtype=float)
        return pd.DataFrame({"travel": fast, "food": 1 - fast})


def test_a_table_from_the_teacher_is_read_by_its_names():
    X, y = ["a warm soup", "fresh bread", "a fast train", "late train"] * 10, ["food"] * 2
    y = np.array((y + ["travel"] * 2) * 10)
    cascade = CascadeClassifier(make_tfidf_baseline(), NamesColumns(), random_state=0).fit(X, y)
    assert cascade.curve(X, y)["accuracy"].iloc[-1] == 1
    cascade.threshold_ = np.inf  # asks the teacher for every text
    assert cascade.score(X, y) == 1


@pytest.mark.parametrize("container", [list, np.array, pd.DataFrame])
def test_several_labels_a_text_are_refused(container):
    cascade = CascadeClassifier(make_student(make_tfidf_baseline()))
    y = container([[0, 1], [1, 1]] * 20)
    with pytest.raises(ValueError, match=r"takes one label per text, but y has shape \(40, 2\)"):
        cascade.fit(["a", "b"] * 20, y)
    with pytest.raises(ValueError, match="y contains probabilities"):
        cascade.fit(["a", "b"] * 20, [[0.5, 0.5], [0.9, 0.1]] * 20)


def test_held_out_texts_are_taken_from_memory(tmp_path):
    asked = []

    def ask(texts):
        asked.extend(texts)
        return ["travel" if "bus" in text else "food" for text in texts]

    X = [f"{kind} number {i}" for i in range(30) for kind in ("bus", "soup")]
    y = ["travel", "food"] * 30
    teacher = FunctionTeacherClassifier(ask, classes=["food", "travel"])
    student = make_student(teacher, memory=tmp_path)
    student.fit(X)
    assert sorted(asked) == sorted(X)
    cascade = CascadeClassifier(student, random_state=0).fit(X, y)
    assert len(asked) == len(X)
    assert cascade.curve_["accuracy"].iloc[-1] == 1
    # What is not in memory is kept there.
    CascadeClassifier(student, random_state=0).fit([*X, "bus line", "soup dish"], [*y, *y[:2]])
    assert sorted(asked) == sorted([*X, "bus line", "soup dish"])


def make_votes():
    return make_pipeline(TfidfVectorizer(), LinearSVC())


def test_a_teacher_without_probabilities_is_refused_before_anything_is_fitted(monkeypatch):
    X, y = ["a", "b"] * 20, ["a", "b"] * 20
    for cascade, part in (
        (CascadeClassifier(make_votes(), make_tfidf_baseline()), "student"),
        (CascadeClassifier(make_student(), FrozenEstimator(make_votes())), "teacher"),
    ):
        with pytest.raises(ValueError, match=f"'{part}' parameter .* and 'predict_proba'"):
            cascade.fit(X, y)
    cascade = CascadeClassifier(make_student(make_votes()))
    monkeypatch.setattr(LinearSVC, "fit", None)
    message = r"teacher Pipeline has no method predict_proba, .*CalibratedClassifierCV"
    with pytest.raises(TypeError, match=message):
        cascade.fit(X, y)


def test_a_teacher_without_probabilities_is_not_loaded(tmp_path):
    X, y = ["soup", "train"] * 20, ["a", "b"] * 20
    CascadeClassifier(make_student(make_tfidf_baseline())).fit(X, y).save(tmp_path)
    votes = make_votes().fit(X, y)
    for teacher, name in ((votes, "Pipeline"), (FrozenEstimator(votes), "Pipeline"), ("a", "str")):
        with pytest.raises(TypeError, match=f"teacher {name} has no method predict_proba"):
            CascadeClassifier.load(tmp_path, teacher)
