"""Students that are fitted without labels, by teachers that know their classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from several_labels import LABELS, NEW_LABELS, NEW_TEXTS, TEXTS
from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TextAugmenter,
    TextPool,
    TransformerTeacherClassifier,
    distillation_report,
    make_tfidf_baseline,
)
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._teacher import needs_no_labels

KINDS = [DistilledMLPClassifier, DistilledCNNClassifier, DistilledRNNClassifier]


class KnowsWords(ClassifierMixin, BaseEstimator):
    """A teacher that needs no labels: it knows what words stand for which class."""

    def __init__(self, words=("anchor sail wave", "rail station track")):
        self.words = words

    def fit(self, X, y=None):
        self.classes_ = np.array(["sea", "train"])[: len(self.words)]
        return self

    def predict_proba(self, X):
        counts = [[sum(w in text for w in words.split()) for words in self.words] for text in X]
        scores = np.array(counts, dtype=float) + 0.2
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.input_tags.string = True
        return tags


@pytest.fixture(scope="module")
def frozen(topics):
    return FrozenEstimator(make_tfidf_baseline(C=10).fit(topics[0][:300], topics[1][:300]))


def make_student(teacher, kind=DistilledMLPClassifier, **params):
    return kind(teacher, **{"max_epochs": 20, "lr": 0.03, "random_state": 0} | params)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_teacher_needs_no_labels(kind, frozen, topics):
    student = make_student(frozen, kind).fit(topics[0][300:500])
    assert student.classes_.tolist() == ["cooking", "sailing", "trains"]
    assert student.score(topics[0][500:], topics[1][500:]) > 0.9
    assert student.transfer_size_ == 200


def test_texts_count_like_unlabelled_ones(frozen, topics):
    texts, labels = topics
    alone = make_student(frozen).fit(texts[300:])
    beside = make_student(frozen).fit(texts[300:400], X_unlabeled=TextPool(texts[400:]))
    proba = frozen.predict_proba(texts[300:])
    np.testing.assert_allclose(alone.predict_proba([""])[0], proba.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(beside.predict_proba([""])[0], proba[:100].mean(axis=0), rtol=1e-5)
    labelled = make_student(frozen).fit(texts[300:], labels[300:])
    # The labels tell the prior alone, which stands for texts without a known word.
    np.testing.assert_allclose(
        alone.predict_proba(texts[300:]), labelled.predict_proba(texts[300:]), atol=0.02
    )


def test_weights_count(frozen, topics):
    texts = topics[0][300:400]
    weights = np.arange(100) % 3
    student = make_student(frozen, max_epochs=1).fit(texts, sample_weight=weights)
    shares = np.average(frozen.predict_proba(texts), axis=0, weights=weights)
    np.testing.assert_allclose(student.predict_proba([""])[0], shares, rtol=1e-5)
    with pytest.raises(ValueError, match="sample_weight"):
        student.fit(texts, sample_weight=weights[:5])


def test_probabilities_that_are_given_are_taken(frozen, topics):
    texts = topics[0][300:360]
    proba = np.tile([0.2, 0.2, 0.6], (60, 1))
    student = make_student(frozen, max_epochs=60).fit(texts, teacher_proba=proba)
    assert student.classes_.tolist() == ["cooking", "sailing", "trains"]
    np.testing.assert_allclose(student.predict_proba(texts), proba, atol=0.05)
    with pytest.raises(ValueError, match=r"teacher_proba must have shape \(60, 3\)"):
        student.fit(texts, teacher_proba=proba[:, :2])


def test_a_teacher_whose_tags_say_that_it_needs_no_labels(topics):
    proba = KnowsWords().fit(topics[0]).predict_proba(topics[0])
    decided = np.flatnonzero(proba[:, 0] != proba[:, 1])
    texts = [topics[0][row] for row in decided]
    for teacher in (KnowsWords(), make_pipeline(KnowsWords())):
        student = make_student(teacher).fit(texts[:150])
        assert student.classes_.tolist() == ["sea", "train"]
        found = student.predict_proba(texts[150:]).argmax(axis=1)
        assert (found == proba[decided[150:]].argmax(axis=1)).mean() > 0.9


def test_a_student_may_teach_in_turn(topics):
    teacher = make_student(KnowsWords(), embedding_dim=8, pooling="mean")
    assert needs_no_labels(teacher)
    student = make_student(teacher, pooling="mean").fit(topics[0])
    assert student.classes_.tolist() == ["sea", "train"]


@pytest.mark.parametrize(
    "teacher",
    [
        OneVsRestClassifier(make_tfidf_baseline(C=30)),
        make_pipeline(
            TfidfVectorizer(), MLPClassifier((8,), alpha=0.1, solver="lbfgs", random_state=0)
        ),
    ],
    ids=["says it", "is asked"],
)
def test_several_labels(teacher):
    student = make_student(FrozenEstimator(teacher.fit(TEXTS, LABELS))).fit(TEXTS)
    assert student.multilabel_
    assert student.classes_.tolist() == [0, 1, 2]
    assert (student.predict(NEW_TEXTS) == NEW_LABELS).mean() > 0.95


@pytest.mark.parametrize("dtype", ["str", "string", object, "category"])
def test_labels_of_a_teacher_fitted_on_a_table_are_kept(dtype, topics, tmp_path):
    texts, labels = topics
    teacher = FrozenEstimator(make_tfidf_baseline(C=10).fit(texts, pd.Series(labels, dtype=dtype)))
    student = DistilledMLPClassifier(teacher, max_epochs=2, random_state=0).fit(texts)
    student.save(tmp_path / "student.skd")
    for model in (student, DistilledMLPClassifier.load(tmp_path / "student.skd")):
        assert model.classes_.dtype.kind == "U"
        assert model.predict(texts).dtype == model.classes_.dtype
    assert student.classes_.tolist() == sorted(set(labels))


@pytest.mark.parametrize(
    "params",
    [{"augmenter": TextAugmenter(n_copies=1, random_state=0)}, {"early_stopping": True}],
    ids=["augmenter", "early stopping"],
)
def test_other_options_work_as_they_do(params, frozen, topics):
    student = make_student(frozen, **params).fit(topics[0][300:500])
    assert student.score(topics[0][500:], topics[1][500:]) > 0.9


def test_memory_is_shared_with_fits_on_labels(frozen, topics, tmp_path, monkeypatch):
    texts, labels = topics
    make_student(frozen, memory=tmp_path, max_epochs=1).fit(texts[:50])
    monkeypatch.setattr(type(frozen.estimator), "predict_proba", lambda self, X: 1 / 0)
    make_student(frozen, memory=tmp_path, max_epochs=1).fit(texts[:50], labels[:50])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hard_label_weight": 0.5}, "hard_label_weight=0.5 mixes gold labels into the loss"),
        ({"gold_epochs": 1}, "gold_epochs=1 trains on gold labels"),
        ({"teacher_cv": 3}, "teacher_cv=3 fits teachers"),
        ({"class_weight": "balanced"}, "class_weight='balanced' weights texts"),
    ],
    ids=str,
)
def test_parameters_that_need_labels_say_so(frozen, topics, params, message):
    with pytest.raises(ValueError, match=f"{message}.*, but y is None; pass y, or leave"):
        make_student(frozen, **params).fit(topics[0])


@pytest.mark.parametrize(
    "teacher",
    [
        None,
        make_tfidf_baseline(),
        TransformerTeacherClassifier(),
        GridSearchCV(make_tfidf_baseline(), {"logisticregression__C": [1]}),
        VotingClassifier([("words", KnowsWords())], voting="soft"),
        make_pipeline(TfidfVectorizer(), GaussianMixture()),
    ],
    ids=["none", "pipeline", "transformer", "search", "ensemble", "no classifier"],
)
def test_other_teachers_need_labels(teacher, topics):
    assert not needs_no_labels(teacher)
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        make_student(teacher).fit(topics[0])


def test_a_frozen_teacher_that_is_not_fitted_says_so(topics):
    teacher = FrozenEstimator(make_tfidf_baseline())
    assert not needs_no_labels(teacher)
    with pytest.raises(NotFittedError, match="frozen teacher Pipeline is not fitted"):
        make_student(teacher).fit(topics[0])


def test_tags(frozen):
    assert not get_tags(make_student(frozen)).target_tags.required
    assert get_tags(make_student(make_tfidf_baseline())).target_tags.required
    assert get_tags(make_student(None)).target_tags.required


def test_one_class_is_none(topics):
    with pytest.raises(ValueError, match=r"in sorted order, but has \['sea'\]"):
        make_student(KnowsWords(("sail",))).fit(topics[0])


def test_cross_validation_without_labels(frozen, topics):
    predicted = cross_val_predict(make_student(frozen), topics[0][300:], cv=2)
    assert (predicted == topics[1][300:]).mean() > 0.9


def test_rows_cannot_be_held_out_without_labels(frozen, topics):
    with pytest.raises(ValueError, match="teacher_cv needs labels, but y is None"):
        SoftLabeler(KnowsWords(), topics[0], None).label_held_out(2)


def test_reports_need_labels(frozen, topics):
    with pytest.raises(ValueError, match="requires y"):
        distillation_report(make_student(frozen), topics[0], None)


def test_two_classes_of_a_linear_teacher(topics):
    rows = topics[1] != "cooking"
    texts, labels = [t for t, kept in zip(topics[0], rows, strict=True) if kept], topics[1][rows]
    linear = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(texts, labels)
    student = make_student(FrozenEstimator(linear)).fit(texts)
    assert student.decision_function(texts).shape == (len(texts),)
    assert student.score(texts, labels) > 0.9
