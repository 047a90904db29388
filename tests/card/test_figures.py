"""Figures against scikit-learn's own, and against definitions."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, confusion_matrix, f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skdistill import DistilledMLPClassifier, make_tfidf_baseline
from skdistill.card._figures import measure
from skdistill.metrics._calibration import expected_calibration_error
from skdistill.metrics._fidelity import fidelity
from skdistill.text._vocabulary import split_words


@pytest.fixture(scope="module")
def student(topics):
    return DistilledMLPClassifier(
        vocabulary_size=30, embedding_dim=40, max_epochs=3, random_state=0
    ).fit(*topics)


def measure_student(student, X, y=None, teacher=None, controls=None):
    return measure(student._stored(), X, y, teacher, controls or {})


def test_models_are_scored_by_the_definitions(student, topics):
    X, y = topics
    control = make_tfidf_baseline().fit(X[:50], y[:50])
    teacher = np.random.default_rng(0).dirichlet(np.ones(3), size=len(X))
    figures = measure_student(student, X, y, teacher, {"LR": control})
    named = {row.name: row for row in figures.models}
    rounded = student.compile("int8")
    for name, proba in {
        "this student": student.predict_proba(X),
        "8-bit student": rounded.predict_proba(X),
        "its teacher": teacher,
        "LR": control.predict_proba(X),
    }.items():
        row, predicted = named[name], student.classes_[proba.argmax(axis=1)]
        assert row.accuracy == pytest.approx(np.mean(predicted == y))
        assert row.macro_f1 == pytest.approx(f1_score(y, predicted, average="macro"))
        assert row.fidelity == pytest.approx(fidelity(teacher, proba))
        assert row.calibration_error == pytest.approx(
            expected_calibration_error(y, proba, student.classes_)
        )
    assert named["this student"].n_parameters == student.n_parameters_
    assert named["LR"].n_parameters is None
    assert figures.largest_difference == pytest.approx(
        np.abs(student.predict_proba(X) - rounded.predict_proba(X)).max()
    )


def test_each_class_has_scikit_learns_figures(student, topics):
    X, y = topics
    figures = measure_student(student, X, y)
    predicted = student.compile("int8").predict(X)
    expected = classification_report(y, predicted, output_dict=True, zero_division=0)
    for row in figures.classes:
        scores = expected[row.label]
        assert (row.precision, row.recall, row.f1, row.n_texts) == pytest.approx(
            tuple(scores[name] for name in ("precision", "recall", "f1-score", "support"))
        )
    np.testing.assert_array_equal(figures.confusion, confusion_matrix(y, predicted))


def test_bins_of_reliability_add_up_to_the_accuracy(student, topics):
    X, y = topics
    figures = measure_student(student, X, y)
    confidence, share, counts = figures.reliability
    rounded = student.compile("int8")
    assert counts.sum() == len(X)
    assert (share * counts).sum() == pytest.approx((rounded.predict(X) == y).sum())
    tops = rounded.predict_proba(X).max(axis=1)
    assert (confidence * counts).sum() == pytest.approx(tops.sum(), rel=1e-5)
    np.testing.assert_array_equal(np.floor(confidence * 10), np.unique(np.floor(tops * 10)))


def test_without_labels_there_is_fidelity_alone(student, topics):
    X = topics[0][:20]
    figures = measure_student(student, [*X, "zebra zebra"], teacher=student)
    assert [row.fidelity for row in figures.models] == [1, figures.models[1].fidelity, 1]
    assert {row.accuracy for row in figures.models} == {None}
    assert figures.classes == []
    assert figures.confusion is None
    ids = student._vocabulary.encode([*X, "zebra zebra"]).values
    assert figures.unknown_share == np.mean(ids == 0) > 0


def test_hashed_ngrams_are_not_counted_as_known(topics):
    X = topics[0]
    student = DistilledMLPClassifier(
        vocabulary_size=9, ngram_range=(1, 2), hash_buckets=33, max_epochs=1
    ).fit(*topics)
    words = [word for text in X for word in split_words(text)]
    expected = np.mean([word not in student.vocabulary_ for word in words])
    assert measure_student(student, X).unknown_share == pytest.approx(expected)


@pytest.mark.parametrize(
    "classifier", [OneVsRestClassifier(LogisticRegression()), DecisionTreeClassifier()]
)
def test_whatever_gives_several_labels_can_be_compared(classifier, topics):
    X, y = topics
    y = np.column_stack([y == "trains", y != "cooking"]).astype(int)
    student = DistilledMLPClassifier(max_epochs=1, random_state=0).fit(X, y)
    other = make_pipeline(TfidfVectorizer(), classifier).fit(X, y)
    figures = measure_student(student, X, y, controls={"other": other})
    assert figures.models[2].accuracy == pytest.approx((other.predict(X) == y).all(axis=1).mean())
    narrow = make_pipeline(TfidfVectorizer(), DecisionTreeClassifier()).fit(X, y[:, [0, 1, 1]])
    with pytest.raises(ValueError, match="teacher must have the student's classes"):
        measure_student(student, X, y, teacher=narrow)


def test_several_labels_a_text(topics):
    X, y = topics
    y = np.column_stack([y == "trains", y != "cooking"]).astype(int)
    student = DistilledMLPClassifier(max_epochs=3, random_state=0).fit(X, y)
    figures = measure_student(student, X, y, student)
    predicted = student.predict(X)
    row = figures.models[0]
    assert row.accuracy == pytest.approx((predicted == y).all(axis=1).mean())
    assert row.macro_f1 == pytest.approx(f1_score(y, predicted, average="macro"))
    assert figures.confusion is None
    assert [row.n_texts for row in figures.classes] == y.sum(axis=0).tolist()
    confidence, share, counts = figures.reliability
    assert counts.sum() == y.size
    gaps = np.abs(confidence - share) * counts / counts.sum()
    assert figures.models[1].calibration_error == pytest.approx(gaps.sum())


def test_what_does_not_fit_is_named(student, topics):
    X, y = topics
    with pytest.raises(
        ValueError, match=r"y\[1\] is 'tennis', a label that is not in the student's"
    ):
        measure_student(student, X[:2], ["trains", "tennis"])
    with pytest.raises(ValueError, match="same number of rows"):
        measure_student(student, X, y[:-1])
    with pytest.raises(ValueError, match=r"y must have shape .*, one label per text"):
        measure_student(student, X[:2], [[0, 1, 0], [1, 0, 0]])
    other = make_tfidf_baseline().fit(X, y == "trains")
    with pytest.raises(ValueError, match=r"controls\['LR'\] .* but has \[False, True\]"):
        measure_student(student, X, y, controls={"LR": other})
    with pytest.raises(ValueError, match="teacher must have shape"):
        measure_student(student, X, y, teacher=np.ones((3, 3)))
