"""A student with a teacher behind it: threshold, curve, parameters, errors."""

import pickle
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
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


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_teacher_rate", [-0.01, 1.01]),
        ("target_agreement", [0, 1]),
        ("confidence", [0, 1]),
        ("validation_fraction", [0, 1, 1.5]),
        ("teacher_cost", [-1]),
    ],
)
def test_shares_and_costs_outside_their_range_are_refused(frozen_pair, name, values):
    student, teacher, texts, y = frozen_pair
    for value in values:
        with pytest.raises(ValueError, match=f"The '{name}' parameter .* Got {value}"):
            CascadeClassifier(student, teacher, **{name: value}).fit(texts, y)


@pytest.mark.parametrize(
    ("name", "values"), [("max_teacher_rate", [0, 1]), ("teacher_cost", [0, 0.5, 10**6])]
)
def test_the_limits_of_rates_and_costs_are_allowed(frozen_pair, name, values):
    student, teacher, texts, y = frozen_pair
    for value in values:
        cascade = CascadeClassifier(student, teacher, **{name: value}).fit(texts, y)
        assert cascade.teacher_rate_ <= (value if name == "max_teacher_rate" else 0.1)


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
        CascadeClassifier(
            FrozenEstimator(make_student(max_epochs=1).fit(X, y)), WeighedTeacher(), random_state=0
        ),
    ):
        with sklearn.config_context(enable_metadata_routing=routing):
            cascade.fit(X, y, sample_weight=weights)
    with pytest.raises(TypeError, match="X_unlabeled"):  # a frozen student learns from nothing
        cascade.fit(X, y, sample_weight=weights, X_unlabeled=["a text"])
    assert len(WeighedTeacher.weights) == 3
    training, _ = split_rows(X, np.unique(y, return_inverse=True)[1], 0.1, 0)
    for found in WeighedTeacher.weights:
        np.testing.assert_array_equal(found, weights[training])


@pytest.mark.parametrize("routing", [False, True])
def test_weights_reach_meta_estimators(topics, routing):
    texts, y = topics[0][:120], topics[1][:120]
    WeighedTeacher.weights = []
    with sklearn.config_context(enable_metadata_routing=routing):
        student = CalibratedClassifierCV(WeighedTeacher(), cv=2)
        if routing:
            student.estimator.set_fit_request(sample_weight=True)
            student.set_fit_request(sample_weight=True)
        cascade = CascadeClassifier(student, make_tfidf_baseline(), random_state=0)
        cascade.fit(texts, y, sample_weight=np.arange(1.0, 121.0))
    training, _ = split_rows(texts, np.unique(y, return_inverse=True)[1], 0.1, 0)
    halves = np.concatenate(WeighedTeacher.weights)
    assert sorted(halves.tolist()) == sorted((training + 1.0).tolist())


@pytest.mark.parametrize("name", ["sample_weight", "teacher_proba"])
def test_rows_of_the_training_part_alone_are_refused(topics, name):
    texts, y = topics[0][:40], topics[1][:40]
    rows = {"sample_weight": np.ones(36), "teacher_proba": pd.DataFrame(np.full((36, 3), 1 / 3))}
    cascade = CascadeClassifier(make_student(), make_tfidf_baseline(), random_state=0)
    with pytest.raises(ValueError, match=f"X and {name} must have the same number of rows, but"):
        cascade.fit(texts, y, **{name: rows[name]})


@pytest.mark.parametrize("name", ["sample_weight", "weighedteacher__sample_weight"])
def test_weights_reach_the_last_step_of_the_student_and_the_teacher(topics, name):
    texts, y = topics[0][:120], topics[1][:120]
    weights, WeighedTeacher.weights = np.arange(120.0), []
    student = make_pipeline(TfidfVectorizer(), WeighedTeacher())
    CascadeClassifier(student, WeighedTeacher(), random_state=0).fit(texts, y, **{name: weights})
    training, _ = split_rows(texts, np.unique(y, return_inverse=True)[1], 0.1, 0)
    assert len(WeighedTeacher.weights) == 2
    for found in WeighedTeacher.weights:
        np.testing.assert_array_equal(found, weights[training])


def unsure_pair():
    """Return texts whose long ones a student gets wrong, and whose last third is mislabelled."""
    starts = ["a", "b", "a b c", "b b c"] * 30 + ["a b c", "b b c"] * 30
    texts = [f"{start} #{number}" for number, start in enumerate(starts)]
    labels = ["left", "right"] * 60 + ["right", "left"] * 30
    student, teacher = (
        FunctionTeacherClassifier(func, classes=["left", "right"], batch_size=1000)
        for func in (
            lambda texts: [
                [0.45 + 0.1 * (text[0] == "b"), 0.55 - 0.1 * (text[0] == "b")]
                if " b" in text
                else [float(text[0] == "a"), float(text[0] == "b")]
                for text in texts
            ],
            lambda texts: [[float(text[0] == "a"), float(text[0] == "b")] for text in texts],
        )
    )
    return student, teacher, texts, labels


@pytest.mark.parametrize("is_frozen", [False, True])
def test_weights_count_where_the_threshold_is_chosen(is_frozen):
    student, teacher, texts, labels = unsure_pair()
    if is_frozen:
        student, teacher = (FrozenEstimator(part.fit(texts)) for part in (student, teacher))
    cascade = CascadeClassifier(student, teacher, max_teacher_rate=1, random_state=0)
    cascade.set_params(validation_fraction=0.5)
    assert cascade.fit(texts, labels).threshold_ == 0  # the mislabelled texts are as many
    mislabelled = np.arange(180) >= 120
    for weight in (0, 0.5):
        cascade.fit(texts, labels, sample_weight=np.where(mislabelled, weight, 1))
        assert cascade.threshold_ > 0.5
        assert cascade.score(texts[:120], labels[:120]) == 1
    if is_frozen:
        assert cascade.teacher_rate_ == pytest.approx(90 / 150)
        left_out = clone(cascade).fit(texts[:120], labels[:120])
        cascade.fit(texts, labels, sample_weight=np.where(mislabelled, 0, 1))
        pd.testing.assert_frame_equal(cascade.curve_, left_out.curve_)


def test_a_guarantee_counts_the_texts_that_have_a_weight():
    student, teacher, texts, labels = unsure_pair()
    pair = [FrozenEstimator(part.fit(texts)) for part in (student, teacher)]
    cascade = CascadeClassifier(*pair, target_agreement=0.6).fit(texts[:120], labels[:120])
    weighted = clone(cascade).fit(texts, labels, sample_weight=np.r_[np.full(120, 7), np.zeros(60)])
    pd.testing.assert_frame_equal(weighted.curve_, cascade.curve_)
    assert weighted.summary() == cascade.summary()


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"sample_weight": [1, 2]}, ValueError, "X and sample_weight must have the same number of"),
        ({"sample_weight": np.full(180, np.nan)}, ValueError, "sample_weight contains NaN"),
        ({"sample_weight": -np.ones(180)}, ValueError, "Negative values in data passed to `sampl"),
        ({"sample_weight": np.zeros(180)}, ValueError, "at least one non-zero number"),
        ({"colour": "red"}, TypeError, "colour"),
    ],
)
def test_what_a_ready_pair_cannot_use_is_refused(params, error, message):
    student, teacher, texts, labels = unsure_pair()
    pair = [FrozenEstimator(part.fit(texts)) for part in (student, teacher)]
    with pytest.raises(error, match=message):
        CascadeClassifier(*pair).fit(texts, labels, **params)


def test_without_labels_one_text_on_each_side_is_enough():
    training, validation = split_rows(["a", "b"], None, 0.1, 0)
    assert sorted([*training, *validation]) == [0, 1]
    assert len(training) == len(validation) == 1


def test_a_threshold_is_not_chosen_on_texts_without_weight():
    student, teacher, texts, labels = unsure_pair()
    cascade = CascadeClassifier(student, teacher, validation_fraction=0.02, random_state=0)
    held_out = split_rows(texts, np.array(labels) == "right", 0.02, 0)[1]
    weights = np.ones(180)
    weights[held_out] = 0
    with pytest.raises(ValueError, match="sample_weight of all 4 validation texts is 0"):
        cascade.fit(texts, labels, sample_weight=weights)


def test_a_student_with_teachers_of_folds_cascades(topics):
    X, y = topics
    CountedTeacher.sizes = []
    student = make_student(CountedTeacher(), teacher_cv=3)
    cascade = CascadeClassifier(student, random_state=0).fit(X, y)
    assert sorted(CountedTeacher.sizes) == [360, 360, 360, 540]
    alone = make_student(CountedTeacher(), teacher_cv=3)
    training, _ = split_rows(X, np.unique(y, return_inverse=True)[1], 0.1, 0)
    alone.fit([X[row] for row in training], y[training])
    np.testing.assert_array_equal(cascade.student_.predict_proba(X), alone.predict_proba(X))


def noisy_pair(n_texts=600, seed=0):
    """Return a student that is wrong where it is unsure, a teacher, and their texts."""
    rng = np.random.default_rng(seed)
    shares = rng.uniform(0.5, 1, size=n_texts)
    rows = zip(shares, rng.random(n_texts) > shares**0.5, strict=True)
    texts = [f"{share:.6f} {'no' if wrong else 'yes'}" for share, wrong in rows]
    student, teacher = (
        FunctionTeacherClassifier(func, classes=["left", "right"], batch_size=1000).fit(texts)
        for func in (says_share, says_sides)
    )
    return FrozenEstimator(student), FrozenEstimator(teacher), texts


def says_share(texts):
    shares = np.array([float(text.split()[0]) for text in texts])
    return np.column_stack([shares, 1 - shares])


def says_sides(texts):
    return ["left" if text.endswith("yes") else "right" for text in texts]


@pytest.mark.parametrize("has_labels", [True, False])
def test_an_agreement_is_guaranteed(has_labels):
    student, teacher, texts = noisy_pair()
    cascade = CascadeClassifier(student, teacher, target_agreement=0.95)
    cascade.fit(texts, says_sides(texts) if has_labels else None)
    assert cascade.classes_.tolist() == ["left", "right"]
    assert 0 < cascade.teacher_rate_ < 1
    agrees = cascade.predict(texts) == teacher.predict(texts)
    assert cascade.agreement_ == pytest.approx(agrees.mean())
    # Of 600 answers, 20 may differ; more of the student's do.
    assert (~agrees).sum() == 20
    assert (student.predict(texts) != teacher.predict(texts)).sum() > 50
    new = noisy_pair(100_000, seed=1)[2]
    assert (cascade.predict(new) == teacher.predict(new)).mean() >= 0.95
    lines = cascade.summary().splitlines()
    assert lines[0].endswith("the others are passed on to the teacher.")
    assert lines[1] == "It differs from the teacher on 3.3% of all validation texts."
    assert lines[2] == "On similar texts, this is at most 5%, with a confidence of 95%."
    cascade.set_params(confidence=0.5).fit(texts)
    assert cascade.agreement_ < 1 - 20 / 600
    cascade.set_params(target_agreement=None).fit(texts, says_sides(texts))
    assert len(cascade.summary().splitlines()) == 2


def test_too_few_texts_guarantee_nothing():
    student, teacher, texts = noisy_pair(50)
    cascade = CascadeClassifier(student, teacher, target_agreement=0.97)
    with pytest.warns(UserWarning, match="needs at least 99 validation texts, but there are 50"):
        cascade.fit(texts)
    assert cascade.teacher_rate_ == cascade.agreement_ == 1
    assert cascade.asks_teacher(texts).all()


def test_without_labels_student_and_teacher_are_fitted_on_other_texts():
    asked = []

    def ask(texts):
        asked.extend(texts)
        return ["travel" if "bus" in text else "food" for text in texts]

    X = [f"{kind} number {i}" for i in range(60) for kind in ("bus", "soup")]
    student = make_student(FunctionTeacherClassifier(ask, classes=["food", "travel"]))
    cascade = CascadeClassifier(
        student, target_agreement=0.8, validation_fraction=0.5, random_state=0
    ).fit(X)
    assert cascade.student_.transfer_size_ == 60
    assert sorted(asked) == sorted(X)
    np.testing.assert_allclose(cascade.curve_["accuracy"], cascade.curve_["agreement"])
    assert cascade.agreement_ >= 0.8


def test_labels_are_needed_to_choose_by_accuracy():
    student, teacher, texts = noisy_pair(50)
    for cascade in (
        CascadeClassifier(student, teacher),
        CascadeClassifier(student, make_tfidf_baseline(), target_agreement=0.9),
        CascadeClassifier(student, reject="?", target_agreement=0.9),
    ):
        with pytest.raises(ValueError, match="requires y to be passed"):
            cascade.fit(texts)


def test_a_teacher_of_several_labels_is_refused():
    texts = ["a", "b"] * 10
    labels = [[1, 0], [1, 1]] * 10
    func = FunctionTeacherClassifier(lambda texts: [[0.9, 0.1]] * len(texts)).fit(texts, labels)
    cascade = CascadeClassifier(FrozenEstimator(func), FrozenEstimator(func), target_agreement=0.9)
    with pytest.raises(ValueError, match="one label per text, but the teacher gives several"):
        cascade.fit(texts)


@pytest.mark.parametrize(("reject", "dtype"), [("none of these", "<U13"), ("", "<U5")])
def test_without_a_teacher_unsure_texts_are_rejected(reject, dtype):
    student, _, texts = noisy_pair()
    labels = says_sides(texts)
    cascade = CascadeClassifier(student.estimator, reject=reject, target_agreement=0.95)
    frozen = cascade.set_params(student=student).fit(texts, labels)
    assert frozen.teacher_ is None
    predicted, asked = frozen.predict(texts), frozen.asks_teacher(texts)
    assert 0 < asked.sum() < len(texts)
    assert predicted.dtype == dtype
    assert (predicted[asked] == reject).all()
    np.testing.assert_array_equal(predicted[~asked], student.predict(texts)[~asked])
    np.testing.assert_array_equal(frozen.predict_proba(texts), student.predict_proba(texts))
    # The labels are what a person would answer.
    assert frozen.agreement_ == pytest.approx((asked | (predicted == labels)).mean())
    assert frozen.curve(texts, labels).equals(frozen.curve_)
    assert "the others are rejected" in frozen.summary()


def test_a_student_that_is_fitted_on_labels_rejects(topics):
    X, y = topics
    numbers = np.unique(y, return_inverse=True)[1].astype(np.int8)
    cascade = CascadeClassifier(
        make_student(max_epochs=2), reject=-1, max_teacher_rate=0.5, random_state=0
    ).fit(X, numbers)
    predicted = cascade.predict(X)
    assert -1 in predicted
    assert {*predicted.tolist()} <= {-1, 0, 1, 2}
    assert cascade.teacher_rate_ <= 0.5
    with pytest.raises(TypeError, match="reject='none' and the label 0 must be both strings or"):
        cascade.set_params(reject="none").fit(X, numbers)


@pytest.mark.parametrize("reject", [5, -1, np.int64(5), np.uint64(5)])
@pytest.mark.parametrize("labels", [[7, 9], [2**63 + 1, 2**64 - 1]])
def test_unsigned_labels_stay_whole_beside_the_label_for_rejected_texts(labels, reject):
    X = [f"{word} {i}" for i in range(40) for word in ("soup", "bus")]
    y = np.array(labels * 40, dtype=np.uint64)
    cascade = CascadeClassifier(make_student(), reject=reject, random_state=0)
    if reject == -1 and labels[0] > 9:
        with pytest.raises(
            ValueError, match=r"of type int64, which makes -\d+ of 92233720368547758"
        ):
            cascade.fit(X, y)
        return
    cascade.fit(X, y)
    cascade.threshold_ = 0.0
    assert cascade.predict(["soup", "bus"]).tolist() == labels
    cascade.threshold_ = 2.0
    assert cascade.predict(["soup"]).tolist() == [int(reject)]


@pytest.mark.parametrize("reject", [2**63 + 1, 0.5, np.nan])
@pytest.mark.parametrize("largest", [2**53, 2**53 + 1])
def test_labels_that_would_be_rounded_beside_the_label_for_rejected_texts_are_refused(
    largest, reject
):
    X = [f"{word} {i}" for i in range(40) for word in ("soup", "bus")]
    cascade = CascadeClassifier(make_student(), reject=reject, random_state=0)
    if largest > 2**53 or reject == 2**63 + 1:
        changed = largest if largest > 2**53 else reject
        message = f"labels such as -5 are in one .*, of type float64, which makes .* of {changed};"
        with pytest.raises(ValueError, match=message):
            cascade.fit(X, [-5, largest] * 40)
        return
    cascade.fit(X, [-5, largest] * 40)
    cascade.threshold_ = 0.0
    assert cascade.predict(["soup", "bus"]).tolist() == [-5, largest]
    cascade.threshold_ = 2.0
    np.testing.assert_array_equal(cascade.predict(["soup"]), [reject])


def test_a_meta_estimator_passes_weights_to_a_cascade(topics):
    X, y = topics
    wrong = np.arange(len(X)) % 2 == 0
    noisy = np.where(wrong, np.roll(np.unique(y), 1)[np.unique(y, return_inverse=True)[1]], y)
    student = make_student(make_tfidf_baseline(C=10), max_epochs=3)
    cascade = CascadeClassifier(student, random_state=0)
    calibrated = CalibratedClassifierCV(cascade, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn's, about weights that cannot be passed
        calibrated.fit(X, noisy, sample_weight=np.where(wrong, 0.0, 1.0))
    for fitted in calibrated.calibrated_classifiers_:
        assert fitted.estimator.teacher_.score(X, y) > 0.9
    # With routing, the student says whether it wants them.
    assert not hasattr(cascade, "set_fit_request")


def test_a_label_for_rejected_texts_is_checked_before_the_teacher_is_asked(topics):
    asked = []

    def answer(texts):
        asked.extend(texts)
        return says_all_right(texts)

    student = make_student(FunctionTeacherClassifier(answer))
    with pytest.raises(
        TypeError, match="reject=-1 and the label 'cooking' must be both strings or"
    ):
        CascadeClassifier(student, reject=-1).fit(*topics)
    assert not asked


def test_a_student_without_its_teacher_is_loaded_to_reject(topics, tmp_path):
    X, y = topics
    student = make_student(make_tfidf_baseline(), max_epochs=2).fit(X[:300], y[:300])
    student.save(tmp_path / "student.skd")
    loaded = FrozenEstimator(DistilledMLPClassifier.load(tmp_path / "student.skd"))
    cascade = CascadeClassifier(loaded, reject="?", max_teacher_rate=0.3).fit(X[300:], y[300:])
    assert cascade.teacher_ is None
    assert "?" in cascade.predict(X)


def test_a_cascade_teaches_a_student(frozen_pair):
    student, teacher, texts, y = frozen_pair
    cascade = CascadeClassifier(student, teacher, max_teacher_rate=0.3).fit(texts, y)
    taught = make_student(FrozenEstimator(cascade)).fit(texts)
    assert taught.classes_.tolist() == ["has a", "no a"]
    assert not taught.multilabel_


def test_another_seed_holds_other_rows_out(topics):
    X, y = topics
    codes = np.unique(y, return_inverse=True)[1]
    first, again, other = (split_rows(X, codes, 0.1, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len({*first} & {*other}) < 20
    curves = [
        CascadeClassifier(make_student(make_tfidf_baseline()), random_state=seed).fit(X, y).curve_
        for seed in (0, 1)
    ]
    assert not curves[0].equals(curves[1])


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("step", [None, "student"])
def test_unlabelled_texts_are_not_cut_even_if_they_are_as_many_as_the_labelled(
    topics, step, routing
):
    X, y = topics
    student = make_student()
    proba = make_tfidf_baseline().fit(X, y).predict_proba(X)
    given = {"X_unlabeled": [f"{text} again" for text in X], "unlabeled_proba": proba}
    with sklearn.config_context(enable_metadata_routing=routing):
        if step is not None:
            student = Pipeline([(step, student)])
        if step is not None and not routing:
            given = {f"{step}__{name}": values for name, values in given.items()}
            given[f"{step}__teacher_proba"] = proba
        else:
            given["teacher_proba"] = proba
        cascade = CascadeClassifier(student, make_tfidf_baseline(), random_state=0)
        fitted = cascade.fit(X, y, **given).student_
    fitted = fitted if step is None else fitted[step]
    assert fitted.transfer_size_ == 540 + 600


@pytest.mark.parametrize("routing", [False, True])
def test_parameters_reach_the_student_cut_to_its_rows(topics, routing):
    X, y = topics
    proba = make_tfidf_baseline().fit(X, y).predict_proba(X)
    others = [f"{text} again" for text in X[:500]]
    pool = {"X_unlabeled": TextPool(others), "unlabeled_proba": proba[:500]}
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
    with pytest.raises(ValueError, match=r"student's classes .* differ from .* same classes\.$"):
        CascadeClassifier(student, teacher).fit(X, y)
    with pytest.raises(ValueError, match="too few to have each of the 2 classes"):
        CascadeClassifier(make_student(make_tfidf_baseline())).fit(["a", "b", "c"], [0, 0, 1])
    cascade = CascadeClassifier(student, teacher).fit(texts, labels)
    with pytest.raises(ValueError, match=r"y\[1\] is 'maybe', a label that is not in the casc"):
        cascade.curve(["a", "b"], ["has a", "maybe"])
    with pytest.raises(ValueError, match="X and y must have the same number of rows"):
        cascade.curve(["a", "b"], ["has a"])


def test_a_vote_that_numbers_the_labels_takes_a_fitted_cascade(frozen_pair):
    student, teacher, texts, labels = frozen_pair
    cascade = CascadeClassifier(student, teacher, max_teacher_rate=0.3)
    with pytest.raises(ValueError, match=r"pass FrozenEstimator\(fitted_cascade\)"):
        VotingClassifier([("cascade", cascade)], voting="soft").fit(texts, labels)
    frozen = FrozenEstimator(cascade.fit(texts, labels))
    vote = VotingClassifier([("cascade", frozen)], voting="soft").fit(texts, labels)
    assert vote.predict(texts).tolist() == labels


@pytest.mark.parametrize(("n_texts", "n_held_out"), [(4, 2), (20, 2), (60, 3)])
def test_each_class_is_held_out_and_learned_from_few_texts_too(n_texts, n_held_out):
    codes = np.tile([0, 1], n_texts // 2)
    training, held_out = split_rows([*map(str, range(n_texts))], codes, 0.05, 0)
    assert len(held_out) == n_held_out
    assert sorted([*training, *held_out]) == [*range(n_texts)]
    for rows in (training, held_out):
        assert set(codes[rows]) == {0, 1}
    for codes, fraction, n in (
        ([0, 1, 1], 0.05, 2),
        ([0] + [1] * 9, 0.3, 3),
        ([0, 0, 1, 1], 0.7, 3),
    ):
        with pytest.raises(ValueError, match=f"Holding out {n} of {len(codes)} texts"):
            split_rows([*map(str, range(len(codes)))], np.array(codes), fraction, 0)


def test_texts_that_are_held_out_are_not_trained_on_in_other_rows():
    texts = [f"text {number % 40}" for number in range(120)]
    for codes in (None, np.tile([0, 1], 60)):
        training, held_out = split_rows(texts, codes, 0.1, 0)
        assert not {texts[row] for row in training} & {texts[row] for row in held_out}
        assert len(held_out) == 12
        assert len(training) == sum(text not in {texts[r] for r in held_out} for text in texts)
    with pytest.warns(UserWarning, match="X repeats so many texts"):
        training, held_out = split_rows(["a", "b"] * 20, np.tile([0, 1], 20), 0.1, 0)
    assert sorted([*training, *held_out]) == [*range(40)]


@pytest.mark.parametrize("given", ["to fit", "to the student"])
def test_held_out_texts_in_the_pool_are_warned_of(topics, given):
    X, y = topics
    student = make_student(make_tfidf_baseline(), max_epochs=1)
    cascade = CascadeClassifier(student, random_state=0)
    params = {"X_unlabeled": X} if given == "to fit" else {}
    if given == "to the student":
        student.set_params(unlabeled=TextPool(X))
    with pytest.warns(UserWarning, match="60 of the 60 texts that are held out .* X_unlabeled"):
        cascade.fit(X, y, **params)
    student.set_params(unlabeled=TextPool(["another text"]))
    assert cascade.fit(X, y).student_.transfer_size_ == 541


class NamesColumns(ClassifierMixin, BaseEstimator):
    """A teacher whose probabilities are a table with its columns in another order."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        fast = np.array(["train" in text for text in X], dtype=float)
        return pd.DataFrame({"travel": fast, "food": 1 - fast})


def test_a_table_from_the_teacher_is_read_by_its_names():
    starts = ["a warm soup", "fresh bread", "a fast train", "late train"] * 10
    X = [f"{start} {number}" for number, start in enumerate(starts)]
    y = np.array((["food"] * 2 + ["travel"] * 2) * 10)
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
    CascadeClassifier(student, target_agreement=0.5, random_state=0).fit(X)
    assert len(asked) == len(X)
    # What is not in memory is kept there, also at prediction.
    cascade = CascadeClassifier(student, random_state=0)
    cascade.fit([*X, "bus line", "soup dish"], [*y, *y[:2]])
    known = [*X, "bus line", "soup dish"]
    assert sorted(asked) == sorted(known)
    cascade.threshold_ = 2.0  # asks for each text
    for _ in range(2):
        assert cascade.predict([*X, "a bus"]).tolist() == [*y, "travel"]
        assert cascade.curve(X, y)["accuracy"].iloc[-1] == 1
    assert sorted(asked) == sorted([*known, "a bus"])


def test_a_loaded_cascade_keeps_no_answers(tmp_path, frozen_pair):
    _, teacher, texts, y = frozen_pair
    student = make_student(teacher, memory=tmp_path / "memory").fit(texts, y)
    CascadeClassifier(FrozenEstimator(student), teacher).fit(texts, y).save(tmp_path / "cascade")
    before = sorted(tmp_path.rglob("*.npz"))
    loaded = CascadeClassifier.load(tmp_path / "cascade", teacher=teacher)
    loaded.threshold_ = 2.0
    assert loaded.predict(["another a"]).tolist() == ["has a"]
    assert sorted(tmp_path.rglob("*.npz")) == before


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
    X = [f"{word} {number}" for number in range(20) for word in ("soup", "train")]
    y = ["a", "b"] * 20
    CascadeClassifier(make_student(make_tfidf_baseline())).fit(X, y).save(tmp_path)
    votes = make_votes().fit(X, y)
    for teacher, name in ((votes, "Pipeline"), (FrozenEstimator(votes), "Pipeline"), ("a", "str")):
        with pytest.raises(TypeError, match=f"teacher {name} has no method predict_proba"):
            CascadeClassifier.load(tmp_path, teacher)


@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_student_that_is_calibrated_later_voids_the_threshold(topics, tmp_path, is_loaded):
    X, y = topics
    student = make_student(max_epochs=5).fit(X[:100], y[:100])
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X[:100], y[:100]))
    cascade = CascadeClassifier(FrozenEstimator(student), teacher).fit(X[100:160], y[100:160])
    if is_loaded:
        cascade.save(tmp_path / "cascade")
        cascade = CascadeClassifier.load(tmp_path / "cascade", teacher)
        student = cascade.student_.estimator
    before = cascade.predict_proba(X[160:])
    student.calibrate(X[100:160], y[100:160])
    for use in (cascade.predict, cascade.predict_proba, cascade.asks_teacher):
        with pytest.raises(ValueError, match="calibrated after the cascade was"):
            use(X[160:])
    for use in (cascade.summary, lambda: cascade.save(tmp_path / "other")):
        with pytest.raises(ValueError, match="fit the cascade again"):
            use()
    assert cascade.fit(X[100:160], y[100:160]).predict_proba(X[160:]).shape == before.shape
    del cascade._calibration  # as in a pickle of an earlier version
    assert cascade.asks_teacher(X[160:]).shape == (len(X) - 160,)


def test_a_pickled_cascade_does_not_need_the_memory(topics, tmp_path):
    X, y = topics
    memory = tmp_path / "memory"
    student = make_student(make_tfidf_baseline(), memory=memory)
    cascade = CascadeClassifier(student, random_state=0).fit(X, y)
    cascade.threshold_ = 2.0  # asks the teacher for every text
    loaded = pickle.loads(pickle.dumps(cascade))
    shutil.rmtree(memory)
    np.testing.assert_allclose(
        loaded.predict_proba(X), cascade.teacher_.predict_proba(X), rtol=1e-5
    )
    assert not memory.exists()


class Service(ClassifierMixin, BaseEstimator):
    """An own teacher with a fingerprint, whose answers are paid for."""

    asked: list[str] = []

    def __skdistill_fingerprint__(self, X, y, sample_weight):
        return "service"

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        self.asked.extend(X)
        return np.tile([0.6, 0.3, 0.1], (len(X), 1))


def test_a_service_is_asked_for_nothing_that_the_memory_knows(topics, tmp_path):
    X, y = topics
    Service.asked.clear()
    student = make_student(Service(), memory=tmp_path, max_epochs=1)
    student.fit(X[:100], y[:100])
    assert sorted(Service.asked) == sorted(X[:100])
    cascade = CascadeClassifier(student, random_state=0).fit(X[:100], y[:100])
    assert len(Service.asked) == 100
    cascade.threshold_ = 2.0
    cascade.predict(X[:100])
    Service.asked.clear()
    cascade.predict(X[:100])
    assert Service.asked == []
