import pytest
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.ensemble import VotingClassifier
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
    with unlabeled_for(estimator, POOL) as params:
        assert params == ({"X_unlabeled": POOL} if is_taken else {})
        assert get_config()["enable_metadata_routing"] == is_routed
    assert not get_config()["enable_metadata_routing"]
    with unlabeled_for(estimator, None) as params:
        assert params == {}


def test_an_estimator_that_routes_nothing_takes_none():
    class Unroutable(Learner):
        def fit(self, X, y):
            return self

        def get_metadata_routing(self):
            raise NotImplementedError

    with unlabeled_for(Unroutable(), POOL) as params:
        assert params == {}


def test_a_pipelines_student_learns_from_them(topics):
    X, y = topics[0][:60], topics[1][:60]
    pipeline = make_pipeline(FunctionTransformer(), STUDENT)
    with unlabeled_for(pipeline, POOL) as params:
        pipeline.fit(X, y, **params)
    assert pipeline[-1].transfer_size_ == 62


def test_students_are_found_at_any_depth():
    search = GridSearchCV(make_pipeline(FunctionTransformer(), STUDENT), {})
    assert students_in(search) == [STUDENT]
    assert students_in(STUDENT) == [STUDENT]
    assert students_in(make_tfidf_baseline()) == []
    # What is inside of a frozen estimator is a parameter of it.
    assert students_in(FrozenEstimator(STUDENT)) == [STUDENT]
