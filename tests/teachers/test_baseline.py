import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skdistill import load_emotion, make_tfidf_baseline


def test_it_is_scikit_learns_defaults(topics):
    texts, labels = topics
    plain = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels)
    baseline = make_tfidf_baseline().fit(texts, labels)
    np.testing.assert_array_equal(baseline.predict_proba(texts), plain.predict_proba(texts))


def test_c_reaches_the_classifier_and_changes_the_model(topics):
    texts, labels = topics
    weak = make_tfidf_baseline(C=0.01).fit(texts, labels)[-1].coef_
    strong = make_tfidf_baseline(C=10).fit(texts, labels)[-1].coef_
    assert np.abs(strong).max() > 5 * np.abs(weak).max()


def test_it_can_be_cloned_and_searched(topics):
    texts, labels = topics
    search = GridSearchCV(clone(make_tfidf_baseline()), {"logisticregression__C": [1e-4, 10]}, cv=3)
    search.fit(texts[:90], labels[:90])
    assert search.best_score_ > 0.9


@pytest.mark.data
def test_the_articles_figure_on_emotion(data_folder):
    data = load_emotion(data_folder)
    # Warnings are errors here: the solver converges.
    for C, accuracy in [(1.0, 0.8615), (10.0, 0.8825)]:
        baseline = make_tfidf_baseline(C=C).fit(data.X_train, data.y_train)
        assert baseline.score(data.X_test, data.y_test) == pytest.approx(accuracy, abs=0.001)
