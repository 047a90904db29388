"""What estimators share: links to their pages, predictions, and what an error leaves of them."""

import inspect

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr

import skdistill
from skdistill import (
    DistilledMLPClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
    compare,
    make_tfidf_baseline,
)
from skdistill._core.estimators import API_PAGE, LogitClassifier, all_or_nothing

PUBLIC = [getattr(skdistill, name) for name in skdistill.__all__]
ESTIMATORS = [kind for kind in PUBLIC if isinstance(kind, type) and issubclass(kind, BaseEstimator)]


# What has no default.
ARGUMENTS = {
    "CascadeClassifier": [DistilledMLPClassifier(), make_tfidf_baseline()],
    "FunctionTeacherClassifier": [len],
    "LLMTeacherClassifier": ["a-model"],
    "ZeroShotTeacherClassifier": ["a-model", ["good", "bad"]],
}


TOO_MANY = ["a text"] * 1000


@pytest.mark.parametrize(
    "call",
    [
        lambda: TextAugmenter(random_state=TOO_MANY).fit(TOO_MANY),
        lambda: DistilledMLPClassifier(max_epochs=TOO_MANY).fit(TOO_MANY, TOO_MANY),
        lambda: DistilledMLPClassifier(max_epochs=TOO_MANY)._validate_params(),
        lambda: compare({}, *[TOO_MANY] * 4, reference=TOO_MANY),
    ],
)
def test_errors_about_parameters_are_short(call):
    with pytest.raises(ValueError, match=r" Got \['a text', .*\.\.\. instead\.$") as raised:
        call()
    assert len(str(raised.value)) < 600


def test_all_estimators_are_there():
    assert len(ESTIMATORS) == 9


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_an_estimator_links_to_its_own_page(kind):
    page = f"https://skdistill.readthedocs.io/en/stable/generated/skdistill.{kind.__name__}.html"
    assert f'href="{page}"' in estimator_html_repr(kind(*ARGUMENTS.get(kind.__name__, [])))


def test_nested_estimators_have_their_links():
    html = estimator_html_repr(make_pipeline(DistilledMLPClassifier(make_tfidf_baseline())))
    for name in ("skdistill.DistilledMLPClassifier.html", "linear_model.LogisticRegression.html"):
        assert f"{name}" in html


def test_a_class_of_somebody_else_has_no_page_here():
    class Mine(DistilledMLPClassifier):
        pass

    assert Mine()._get_doc_link() == ""


def test_the_address_is_in_one_place():
    page = API_PAGE.format(estimator_name="X")
    assert page.startswith("https://")
    assert page.endswith("/skdistill.X.html")


class Lengths(LogitClassifier):
    """Computes logits from the length of a text."""

    def __init__(self, multilabel=False, classes=("a", "b")):
        self.multilabel_ = multilabel
        self.classes_ = np.asarray(classes)

    def _logits(self, X):
        return np.array([[len(text) - 3.0, 0.5, -1.0][: len(self.classes_)] for text in X])


TEXTS = ["", "abc", "abcde"]


def test_two_classes_have_one_column_of_logits():
    classifier = Lengths()
    logits = classifier.decision_function(TEXTS)
    np.testing.assert_array_equal(logits, [3.5, 0.5, -1.5])
    np.testing.assert_array_equal(classifier.predict(TEXTS), ["b", "b", "a"])
    proba = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(proba, np.column_stack([expit(-logits), expit(logits)]))
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(TEXTS)), proba)


def test_more_classes_have_a_column_each():
    classifier = Lengths(classes=["x", "y", "z"])
    logits = classifier.decision_function(TEXTS)
    assert logits.shape == (3, 3)
    np.testing.assert_array_equal(classifier.predict(TEXTS), ["y", "y", "x"])
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), softmax(logits, axis=1))
    np.testing.assert_allclose(
        classifier.predict_log_proba(TEXTS), np.log(classifier.predict_proba(TEXTS))
    )


def test_each_of_several_labels_is_a_question_of_its_own():
    classifier = Lengths(multilabel=True, classes=[0, 1])
    logits = classifier.decision_function(TEXTS)
    assert logits.shape == (3, 2)
    np.testing.assert_array_equal(classifier.predict(TEXTS), [[0, 1], [0, 1], [1, 1]])
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), expit(logits))
    np.testing.assert_allclose(classifier.predict_log_proba(TEXTS), np.log(expit(logits)))


class Estimator:
    """Learns a value, unless that is an exception."""

    @all_or_nothing
    def fit(self, value, *, sample_weight=None):
        self.value_ = value
        if isinstance(value, BaseException):
            del self.weight_
            raise value
        self.weight_ = sample_weight
        return self


@pytest.mark.parametrize("error", [ValueError("wrong"), SystemExit(1), KeyboardInterrupt()])
def test_whatever_stops_a_fit_undoes_it(error):
    estimator = Estimator().fit(1, sample_weight=2)
    with pytest.raises(type(error)) as stopped:
        estimator.fit(error)
    assert stopped.value is error
    assert vars(estimator) == {"value_": 1, "weight_": 2}


def test_only_an_interruption_gets_a_note():
    with pytest.raises(AttributeError) as failure:
        Estimator().fit(ValueError())
    assert not hasattr(failure.value, "__notes__")
    interrupted = Estimator().fit(1)
    with pytest.raises(KeyboardInterrupt) as failure:
        interrupted.fit(KeyboardInterrupt())
    assert failure.value.__notes__ == [
        "Estimator.fit was interrupted: the estimator keeps what it had learned before."
    ]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (DistilledMLPClassifier, ["X", "y", "X_unlabeled"]),
        (TransformerTeacherClassifier, ["X", "y", "sample_weight"]),
        (TextAugmenter, ["X", "y"]),
    ],
)
def test_a_guarded_fit_keeps_its_signature(kind, names):
    assert [*inspect.signature(kind().fit).parameters][: len(names)] == names
