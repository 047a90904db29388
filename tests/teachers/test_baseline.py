import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skdistill import load_emotion, make_tfidf_baseline


def test_it_is_scikit_learns_defaults(topics):
    texts, labels = topics
    plain = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels)
    baseline = make_tfidf_baseline().fit(texts, labels)
    np.testing.assert_array_equal(baseline.predict_proba(texts), plain.predict_proba(texts))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("आज मेरा अच्छा दिन रोटी।", ["आज", "मेरा", "अच्छा", "दिन", "रोटी"]),
        ("நண்பர் நகரம்", ["நண்பர்", "நகரம்"]),
        ("བཀྲ་ཤིས།", ["བཀྲ", "ཤིས"]),
        ("cafe\u0301 a\u0301b", ["cafe\u0301", "a\u0301b"]),
        ("می\u200cروم", ["می\u200cروم"]),
    ],
    ids=["Hindi", "Tamil", "Tibetan", "decomposed", "Persian"],
)
def test_words_contain_their_combining_marks(text, words):
    vectorizer = make_tfidf_baseline()["tfidfvectorizer"]
    assert vectorizer.build_analyzer()(text) == words
    assert vectorizer.set_params(token_pattern=r"\w").build_analyzer()("a b") == ["a", "b"]
    assert vectorizer.set_params(tokenizer=str.split).build_analyzer()("a, b") == ["a,", "b"]


@pytest.mark.parametrize(
    "text", ["Don't stop: snake_case, naïve 🙂 x 12", "日本語 ÀB\xa0c1 a-b", "\0 ab"]
)
def test_words_without_marks_are_scikit_learns(text):
    expected = TfidfVectorizer(ngram_range=(1, 2)).build_analyzer()(text)
    vectorizer = make_tfidf_baseline()["tfidfvectorizer"].set_params(ngram_range=(1, 2))
    assert vectorizer.build_analyzer()(text) == expected


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


MISSING = {
    "None": None,
    "NaN": np.nan,
    "NA": pd.NA,
}


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("container", [list, pd.Series, lambda y: np.array(y, dtype=object)])
def test_a_missing_label_is_no_class(container, name, topics):
    texts, labels = topics[0][:40], [MISSING[name], *topics[1][1:40]]
    for model in (make_tfidf_baseline(), make_pipeline(make_tfidf_baseline())):
        with pytest.raises(ValueError, match=r"^y\[0\] is missing"):
            model.fit(texts, container(labels))
    with pytest.raises(ValueError, match=r"^y\[0\] is missing"):
        make_tfidf_baseline()[0].fit(texts, container(labels))


def test_searches_and_cross_validation_refuse_a_missing_label(topics):
    texts, labels = topics[0][:40], [*topics[1][:39], np.nan]
    search = GridSearchCV(make_tfidf_baseline(), {"logisticregression__C": [1]}, cv=KFold(2))
    with (
        pytest.warns(FitFailedWarning, match=r"y\[19\] is missing"),
        pytest.warns(UserWarning, match="Scoring failed|non-finite"),
        pytest.raises(ValueError, match=r"y\[39\] is missing"),
    ):
        search.fit(texts, labels)
    with pytest.raises(ValueError, match=r"y\[19\] is missing"):
        cross_val_score(make_tfidf_baseline(), texts, labels, cv=KFold(2), error_score="raise")


@pytest.mark.data
def test_the_articles_figure_on_emotion(data_folder):
    data = load_emotion(data_folder)
    # Warnings are errors here: the solver converges.
    for C, accuracy in [(1.0, 0.8615), (10.0, 0.8825)]:
        baseline = make_tfidf_baseline(C=C).fit(data.X_train, data.y_train)
        assert baseline.score(data.X_test, data.y_test) == pytest.approx(accuracy, abs=0.001)
