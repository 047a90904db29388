"""Students among scikit-learn's tools: pipelines, searches, cross-validation, routing."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdistill import (
    DistilledMLPClassifier,
    TextPool,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)


def make_student(teacher=None, **params):
    return DistilledMLPClassifier(
        teacher, **{"max_epochs": 6, "random_state": 0, "vocabulary_size": 60} | params
    )


class CountedTeacher(DummyClassifier):
    """A teacher that counts its fits."""

    fits = 0

    def fit(self, X, y, sample_weight=None):
        CountedTeacher.fits += 1
        return super().fit(X, y, sample_weight)


def test_a_grid_fits_the_teacher_once_a_fold_and_a_second_one_never(topics, tmp_path):
    X, y = topics[0][:100], topics[1][:100]
    sizes = {"embedding_dim": [2, 3, 4, 5], "vocabulary_size": [10, 20, 30]}

    def search():
        CountedTeacher.fits = 0
        student = make_student(CountedTeacher(), memory=tmp_path, max_epochs=1)
        return GridSearchCV(student, sizes, cv=5).fit(X, y)

    assert len(search().cv_results_["params"]) == 12
    assert CountedTeacher.fits == 5 + 1
    search()
    assert CountedTeacher.fits == 0


def test_grid_search_in_parallel_equals_serial(topics, tmp_path):
    X, y = topics
    sizes = {"embedding_dim": [2, 8]}
    scores = [
        GridSearchCV(
            make_student(make_tfidf_baseline(), memory=tmp_path / str(n_jobs)),
            sizes,
            cv=2,
            n_jobs=n_jobs,
        )
        .fit(X, y)
        .cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*scores)


def test_side_by_side_with_the_baseline(topics):
    X, y = topics
    scores = {
        name: cross_val_score(model, X, y, cv=3).mean()
        for name, model in {
            "baseline": make_tfidf_baseline(),
            "student": make_student(make_tfidf_baseline()),
        }.items()
    }
    assert min(scores.values()) > 0.95


def test_behind_a_step_that_cleans_text(topics):
    X, y = topics
    cleaned = make_pipeline(
        FunctionTransformer(lambda texts: [text.replace("<br>", " ") for text in texts]),
        make_student(),
    )
    noisy = [text.replace(" ", "<br>") for text in X]
    assert cleaned.fit(noisy[:400], y[:400]).score(noisy[400:], y[400:]) > 0.95
    cleaned.set_params(distilledmlpclassifier__embedding_dim=4).fit(noisy, y)
    assert cleaned[-1].network_.embedding.weight.shape[1] == 4


def test_inside_calibration_and_voting(topics):
    X, y = topics
    for model in (
        CalibratedClassifierCV(make_student(), cv=2, method="sigmoid"),
        VotingClassifier(
            [("student", make_student()), ("tfidf", make_tfidf_baseline())], voting="soft"
        ),
    ):
        assert model.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.95


def test_voting_ensemble_as_teacher(topics):
    X, y = topics
    ensemble = VotingClassifier(
        [("a", make_tfidf_baseline()), ("b", make_tfidf_baseline(C=10))], voting="soft"
    )
    assert make_student(ensemble).fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.95


@pytest.mark.parametrize("routing", [False, True])
def test_cross_validation_slices_rows_and_keeps_pools_whole(topics, routing):
    X, y = topics
    proba = make_tfidf_baseline().fit(X, y).predict_proba(X)
    # A pool as long as X is what scikit-learn would cut.
    params = {"teacher_proba": proba, "X_unlabeled": TextPool(X)}
    with sklearn.config_context(enable_metadata_routing=routing):
        student = make_student(make_tfidf_baseline())
        result = cross_validate(student, X, y, cv=3, params=params, return_estimator=True)
    assert {e.transfer_size_ for e in result["estimator"]} == {400 + 600}


def test_cut_pools_are_noticed(topics):
    X, y = topics
    student = make_student(make_tfidf_baseline(), max_epochs=1)
    with pytest.warns(UserWarning, match="exactly as many rows as X"):
        cross_validate(student, X, y, cv=2, params={"X_unlabeled": X})


def test_a_transformer_teaches_and_stays_out_of_the_pickle(
    topics, tiny_checkpoint, tmp_path, monkeypatch
):
    X, y = topics
    teacher = TransformerTeacherClassifier(
        tiny_checkpoint, lr=5e-3, max_epochs=3, random_state=0, device="cpu"
    ).fit(X[:400], y[:400])
    student = make_student(FrozenEstimator(teacher), memory=tmp_path, max_epochs=10)
    student.fit(X[:400], y[:400])
    agreement = np.mean(student.predict(X[400:]) == teacher.predict(X[400:]))
    assert agreement > 0.9
    assert len(pickle.dumps(student)) < len(pickle.dumps(teacher)) / 2

    # The same teacher in another process: only what it has learned tells that it is known.
    again = pickle.loads(pickle.dumps(teacher))

    def predict_proba(self, X):
        raise AssertionError("the teacher was asked again")

    monkeypatch.setattr(TransformerTeacherClassifier, "predict_proba", predict_proba)
    other = clone(student).set_params(teacher=FrozenEstimator(again)).fit(X[:400], y[:400])
    np.testing.assert_array_equal(other.predict_proba(X), student.predict_proba(X))
