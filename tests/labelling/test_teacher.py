"""How a teacher is fitted, with weights and without, and what it is without its fitted state."""

import warnings

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skdistill import DistilledMLPClassifier, make_tfidf_baseline
from skdistill.labelling import _teacher as teachers
from skdistill.labelling._missing_teacher import MissingTeacher
from skdistill.labelling._teacher import fit_teacher, unfitted

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])


def test_unfitted_reaches_frozen_parts():
    fitted = make_tfidf_baseline().fit(X, Y)
    voting = VotingClassifier([("a", FrozenEstimator(fitted)), ("b", fitted)], voting="soft")
    bare = unfitted(voting)
    assert isinstance(bare.estimators[0][1], FrozenEstimator)
    for _, part in bare.estimators:
        assert not hasattr(part[-1], "coef_")
    assert not hasattr(unfitted(FrozenEstimator(fitted))[-1], "coef_")
    assert hasattr(fitted[-1], "coef_")
    assert unfitted(make_pipeline(fitted)).steps


WEIGHTS = np.array([5.0, 1, 1, 2])


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_weights_reach_the_last_step_of_a_pipeline(depth, routing):
    teacher = make_tfidf_baseline(C=10)
    for _ in range(depth):
        teacher = make_pipeline(teacher)
    with sklearn.config_context(enable_metadata_routing=routing):
        found = fit_teacher(teacher, X, Y, WEIGHTS).predict_proba(["film"])
    expected = make_tfidf_baseline(C=10)
    expected.fit(X, Y, logisticregression__sample_weight=WEIGHTS)
    np.testing.assert_array_equal(found, expected.predict_proba(["film"]))
    assert abs(found - fit_teacher(teacher, X, Y, None).predict_proba(["film"])).max() > 0.05


def test_a_teacher_that_takes_no_weights_is_told_once_in_a_search():
    teachers._warn_once.cache_clear()
    student = DistilledMLPClassifier(
        make_pipeline(make_tfidf_baseline()[0], KNeighborsClassifier(1)), max_epochs=1
    )
    search = GridSearchCV(student, {"embedding_dim": [2, 4]}, cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, Y, sample_weight=WEIGHTS)
    (warning,) = [w for w in caught if "does not accept sample_weight" in str(w.message)]
    assert "the weights only affect the student" in str(warning.message)
    assert warning.filename == __file__


def test_a_frozen_teacher_that_is_not_fitted_says_why():
    frozen = FrozenEstimator(make_tfidf_baseline())
    for teacher in (frozen, VotingClassifier([("a", frozen)], voting="soft")):
        with pytest.raises(NotFittedError, match="Pipeline is not fitted: a pickled student"):
            fit_teacher(teacher, X, Y, None)


@pytest.mark.parametrize(
    ("name", "told"), [("Pipeline", r"its teacher \(Pipeline\)\."), (None, r"its teacher\.")]
)
def test_a_missing_teacher_says_how_to_go_on(name, told):
    missing = MissingTeacher(name)
    for call in (
        lambda: missing.fit(X, Y),
        lambda: missing.predict_proba(X),
        lambda: missing.word_vectors(X),
    ):
        with pytest.raises(ValueError, match=f"{told}.*set teacher=None to train on the gold"):
            call()


def test_a_teacher_of_numbers_is_told_from_one_of_texts():
    student = DistilledMLPClassifier(LogisticRegression(), max_epochs=1)
    with pytest.raises(
        ValueError, match=r"receives raw texts\. Put a vectorizer before it, as in make_"
    ):
        student.fit(X, Y)


def test_a_teacher_of_one_label_is_told_from_one_of_several():
    student = DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=1)
    with pytest.raises(ValueError, match=r"The teacher Pipeline predicts one label .*OneVsRest"):
        student.fit(X, np.array([[0, 1], [1, 1], [1, 0], [0, 0]]))
