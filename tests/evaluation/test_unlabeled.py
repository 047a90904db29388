import pytest
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier

from skdistill import CascadeClassifier, DistilledMLPClassifier, TextPool, make_tfidf_baseline
from skdistill.evaluation._unlabeled import students_in, unlabeled_for

POOL = TextPool(["one", "two"])
STUDENT = DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=1)
TWIN = DistilledMLPClassifier()


class Learner(BaseEstimator):
    def fit(self, X, y, X_unlabeled=None):
        return self


@pytest.mark.parametrize(
    ("estimator", "is_taken", "is_routed"),
    [
        (STUDENT, True, False),
        (Learner(), True, False),
        (make_pipeline(FunctionTransformer(), STUDENT), True, True),
        (GridSearchCV(STUDENT, {"dropout": [0.1, 0.2]}), True, True),
        (VotingClassifier([("a", STUDENT)]), True, True),
        (CascadeClassifier(STUDENT), True, True),
        (TWIN, False, False),
        (make_pipeline(FunctionTransformer(), TWIN), False, False),
        (make_tfidf_baseline(), False, False),
        (SelfTrainingClassifier(make_tfidf_baseline()), False, False),
        (object(), False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_who_takes_unlabelled_texts(estimator, is_taken, is_routed):
    with unlabeled_for(estimator, POOL) as (same, params):
        assert same is estimator
        assert params == ({"X_unlabeled": POOL} if is_taken else {})
        assert get_config()["enable_metadata_routing"] == is_routed
    assert not get_config()["enable_metadata_routing"]
    with unlabeled_for(estimator, None) as (same, params):
        assert same is estimator
        assert params == {}


def test_an_estimator_that_routes_nothing_takes_none():
    class Unroutable(Learner):
        def fit(self, X, y):
            return self

        def get_metadata_routing(self):
            raise NotImplementedError

    with unlabeled_for(Unroutable(), POOL) as (_, params):
        assert params == {}


class Wrapper(BaseEstimator):
    """A meta-estimator that routes nothing."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.estimator_ = clone(self.estimator).fit(X, y)
        return self

    def get_metadata_routing(self):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("estimator", "path"),
    [
        (StackingClassifier([("a", STUDENT)], cv=2), "a"),
        (StackingClassifier([("a", make_pipeline(STUDENT))]), "a__distilledmlpclassifier"),
        (make_pipeline(StackingClassifier([("a", STUDENT)])), "stackingclassifier__a"),
        (GridSearchCV(StackingClassifier([("a", STUDENT)]), {}), "estimator__a"),
        (Wrapper(STUDENT), "estimator"),
    ],
    ids=["stacking", "pipeline in stacking", "stacking in pipeline", "search", "wrapper"],
)
def test_students_that_fit_arguments_cannot_reach_get_a_parameter(estimator, path):
    with unlabeled_for(estimator, POOL) as (copied, params):
        assert params == {}
        assert not get_config()["enable_metadata_routing"]
    assert copied.get_params()[path].unlabeled is POOL
    assert estimator.get_params()[path].unlabeled is None
    assert STUDENT.unlabeled is None


def test_only_students_that_are_fitted_with_a_teacher_get_the_parameter(topics):
    X, y = topics[0][:60], topics[1][:60]
    of_student = DistilledMLPClassifier(clone(STUDENT), max_epochs=1)
    frozen = FrozenEstimator(clone(STUDENT).fit(X, y))
    stack = StackingClassifier([("twin", TWIN), ("deep", of_student), ("frozen", frozen)])
    with unlabeled_for(stack, POOL) as (copied, _):
        found = copied.get_params()
    assert found["twin"].unlabeled is None
    assert found["deep"].unlabeled is POOL
    assert found["deep__teacher"].unlabeled is None
    assert found["frozen__estimator"].unlabeled is None


def test_a_pipelines_student_learns_from_them(topics):
    X, y = topics[0][:60], topics[1][:60]
    pipeline = make_pipeline(FunctionTransformer(), STUDENT)
    with unlabeled_for(pipeline, POOL) as (pipeline, params):
        pipeline.fit(X, y, **params)
    assert pipeline[-1].transfer_size_ == 62


def test_students_are_found_at_any_depth():
    search = GridSearchCV(make_pipeline(FunctionTransformer(), STUDENT), {})
    assert students_in(search) == [STUDENT]
    assert students_in(STUDENT) == [STUDENT]
    assert students_in(make_tfidf_baseline()) == []
    # What is inside of a frozen estimator is a parameter of it.
    assert students_in(FrozenEstimator(STUDENT)) == [STUDENT]
