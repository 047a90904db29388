"""All estimators pass scikit-learn's checks and those on texts; the checks catch broken ones."""

import importlib
import math
import re
import threading
import warnings
from unittest import SkipTest

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import EstimatorCheckFailedWarning, NotFittedError, SkipTestWarning
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from conftest import make_checkpoint
from skdistill import (
    CascadeClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    FunctionTeacherClassifier,
    LLMTeacherClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
    ZeroShotTeacherClassifier,
    check_text_estimator,
    estimator_checks,
    make_tfidf_baseline,
    parametrize_with_text_checks,
)
from skdistill._core.labels import check_labels
from skdistill._core.texts import check_texts
from skdistill.estimator_checks import _WORDS, NumbersAsTexts
from tiny_families import write_nli

# The words in which `NumbersAsTexts` writes the numbers of scikit-learn's checks down.
NUMBERS = [f"f{i}{sign}{j}" for i in range(5) for sign in ("v", "below") for j in range(80)]
QUICK = {"vocabulary_size": 200, "max_epochs": 4, "lr": 0.1, "random_state": 0}

MINI_BATCHES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a text of weight 2 is in one batch, a repeated text in two"
    ),
}
HELD_OUT = {
    "check_sample_weight_equivalence_on_dense_data": (
        "other texts are set aside to choose the threshold if some are repeated"
    ),
}
TRUSTING = {
    "check_text_bytes_refused": "a vectorizer decodes bytes",
    "check_text_errors_name_the_row": "a vectorizer does not count rows",
    "check_text_pandas_tables_refused": "a vectorizer reads the column names of a data frame",
    "check_text_pyarrow_columns": "a vectorizer accepts only Python strings",
}


def expected_failures(estimator):
    if isinstance(estimator, Pipeline):
        return TRUSTING if type(estimator[0]) is CountVectorizer else {}
    return HELD_OUT if isinstance(estimator, CascadeClassifier) else MINI_BATCHES


@parametrize_with_text_checks(
    [
        DistilledMLPClassifier(**QUICK),
        DistilledCNNClassifier(**QUICK),
        DistilledRNNClassifier(**QUICK),
        TextAugmenter(),
        CascadeClassifier(make_tfidf_baseline(), make_tfidf_baseline(C=10), random_state=0),
        make_tfidf_baseline(),
        make_pipeline(CountVectorizer(), MultinomialNB()),
    ],
    expected_failed_checks=expected_failures,
)
def test_conventions(estimator, check, request):
    # Variants for types of numbers, which make no difference for texts.
    repeats = check.keywords and type(estimator) in (DistilledCNNClassifier, DistilledRNNClassifier)
    if repeats and not request.config.getoption("--run-slow"):
        pytest.skip("takes long, and the MLP shows it: pass --run-slow")
    check(estimator)


def problems(results):
    return {
        result["check_name"]: result["exception"]
        for result in results
        if result["status"] == "failed"
    }


@pytest.mark.filterwarnings("ignore:The teacher .* does not accept sample_weight")
@pytest.mark.parametrize(
    "teacher",
    [
        make_tfidf_baseline(),
        pytest.param(OneVsRestClassifier(make_tfidf_baseline()), marks=pytest.mark.slow),
    ],
)
def test_conventions_of_a_distilled_student(teacher):
    student = DistilledMLPClassifier(teacher, **QUICK)
    expected = MINI_BATCHES | {
        "check_text_class_weight": "the teacher, which is not weighted, labels the vague text"
    }
    assert all(f'"{name}":' in check_text_estimator.__doc__ for name in expected)
    results = check_text_estimator(
        student, on_fail=None, on_skip=None, expected_failed_checks=expected
    )
    assert problems(results) == {}


@pytest.mark.slow
def test_conventions_of_a_transformer(tmp_path):
    teacher = TransformerTeacherClassifier(
        make_checkpoint(tmp_path, [*_WORDS, *NUMBERS]),
        lr=5e-3,
        batch_size=8,
        max_epochs=5,
        random_state=0,
        device="cpu",
    )
    results = check_text_estimator(
        teacher, on_fail=None, on_skip=None, expected_failed_checks=MINI_BATCHES
    )
    assert problems(results) == {}


class NamesItsLabels(ZeroShotTeacherClassifier):
    """Takes the labels that it is shown for candidates: checks bring labels of their own."""

    def fit(self, X, y):
        self._shown, _ = check_labels(y, n_rows=len(check_texts(X)))
        return super().fit(X, y)

    def _candidates(self):
        words = _WORDS[: len(self._shown)]
        return self._shown, [self.hypothesis_template.replace("{}", word) for word in words]


@pytest.mark.slow
def test_conventions_of_a_zero_shot_teacher(tmp_path):
    checkpoint = write_nli(tmp_path, [*_WORDS, *NUMBERS], initializer_range=0.02)
    teacher = NamesItsLabels(checkpoint, ["good", "bad"], device="cpu")
    results = check_text_estimator(teacher, on_fail=None, on_skip=None)
    assert problems(results) == {}
    assert len(results) > 100


def count_letters(texts):
    share = np.array([text.count("a") % 5 / 4 for text in texts])
    return np.column_stack([1 - share, share])


class TwoClasses(FunctionTeacherClassifier):
    """A function for two classes, which refuses texts of more."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        if len(self.classes_) > 2:
            raise ValueError("Only binary classification is supported by this function.")
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = tags.classifier_tags.multi_label = False
        return tags


def test_conventions_of_a_function():
    results = check_text_estimator(TwoClasses(count_letters), on_fail=None, on_skip=None)
    assert problems(results) == {}
    assert len(results) > 100


class InstantClient:
    """Answers without a server, by the letters of a text."""

    def __init__(self, model, **options):
        self.model, self.url, self.stop = model, "here", threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *details):
        """Close nothing."""

    def ask(self, body):
        system, *_, user = [message["content"] for message in body["messages"]]
        keys = re.findall(r"^(\w): ", system, re.MULTILINE)
        weights = [1 + user.count("aeiou"[i % 5]) * (i + 1) % 7 for i in range(len(keys))]
        top = [
            {"token": key, "logprob": math.log(weight / sum(weights))}
            for key, weight in zip(keys, weights, strict=True)
        ]
        return {"choices": [{"logprobs": {"content": [{"token": "A", "top_logprobs": top}]}}]}


@pytest.mark.slow
def test_conventions_of_a_language_model(monkeypatch):
    monkeypatch.setattr("skdistill.teachers.llm._session.ChatClient", InstantClient)
    teacher = LLMTeacherClassifier("a-model", instructions="The labels are numbers.")
    results = check_text_estimator(teacher, on_fail=None, on_skip=None)
    assert problems(results) == {}
    assert len(results) > 100


def test_conventions_of_a_regressor():
    regressor = make_pipeline(TfidfVectorizer(), Ridge(solver="lsqr"))
    results = check_text_estimator(
        regressor, on_fail=None, on_skip=None, expected_failed_checks=TRUSTING
    )
    assert problems(results) == {}
    assert "check_regressors_train" in {result["check_name"] for result in results}


class Sound(ClassifierMixin, BaseEstimator):
    """A classifier that keeps all conventions; each class below breaks one."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        self.model_ = make_tfidf_baseline(C=self.C).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        if not hasattr(self, "model_"):
            raise NotFittedError("Call fit first.")
        return self.model_.predict_proba(X)

    def predict(self, X):
        winners = self.predict_proba(X).argmax(axis=1)
        return self.classes_[winners]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


class SortsItsInput(Sound):
    def fit(self, X, y):
        if isinstance(X, list):
            X.sort()
        return super().fit(X, y)


class DoublesProbabilities(Sound):
    def predict_proba(self, X):
        return 2 * super().predict_proba(X)


class LooksAround(Sound):
    def predict_proba(self, X):
        proba = super().predict_proba(X)
        return (proba + proba.mean(axis=0)) / 2


class LooksBack(Sound):
    def predict_proba(self, X):
        proba = super().predict_proba(X)
        return (proba + np.vstack([proba[:1], proba[:-1]])) / 2


class DrawsGlobally(Sound):
    def fit(self, X, y):
        np.random.random()
        return super().fit(X, y)


class TurnsColumns(Sound):
    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmin(axis=1)]


class MakesLabelsStrings(Sound):
    def predict(self, X):
        return super().predict(X).astype(str)


class Decodes(Sound):
    def fit(self, X, y):
        return super().fit([row.decode() if isinstance(row, bytes) else row for row in X], y)


class Transcribes(Sound):
    def fit(self, X, y):
        return super().fit([str(text) for text in X], y)

    def predict_proba(self, X):
        return super().predict_proba([str(text) for text in X])


class DropsEmptyTexts(Sound):
    def predict_proba(self, X):
        return super().predict_proba([text for text in X if text.strip()] or ["x"])


class CannotFitEmptyTexts(Sound):
    def fit(self, X, y):
        if not any(X):
            raise IndexError("list index out of range")
        return super().fit(X, y)


class NeverAsksForFit(Sound):
    def predict_proba(self, X):
        return self.model_.predict_proba(X)


class KeepsItsVocabulary(Sound):
    def fit(self, X, y):
        self.texts_ = [*getattr(self, "texts_", []), *X]
        self.labels_ = [*getattr(self, "labels_", []), *y]
        return super().fit(self.texts_, self.labels_)


class TunesItself(Sound):
    def fit(self, X, y):
        self.C = 10
        return super().fit(X, y)


class Counts(Sound):
    def predict_proba(self, X):
        self.n_calls_ = getattr(self, "n_calls_", 0) + 1
        return super().predict_proba(X)


class EncodesUtf8(Sound):
    def predict_proba(self, X):
        return super().predict_proba([text.encode().decode() for text in X])


class EndsAtNul(Sound):
    def predict_proba(self, X):
        return super().predict_proba("\x1f".join(X).split("\x1f")[: len(X)])


class ReadsLists(Sound):
    def fit(self, X, y):
        if not isinstance(X, list):
            raise TypeError("X must be a list")
        return super().fit(X, y)


class LearnsNothing(Sound):
    def fit(self, X, y):
        super().fit(X, y)
        self.model_[-1].coef_ *= 0
        return self


class ForgetsWhenPickled(Sound):
    def __getstate__(self):
        state = super().__getstate__()
        if "model_" in state:
            state = state | {"model_": Sound().fit(["good", "bad"], self.classes_[:2]).model_}
        return state


def test_sound_estimators_pass():
    assert problems(check_text_estimator(Sound(), on_fail=None, on_skip=None)) == {}


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (SortsItsInput, "fit_leaves_its_input"),
        (DoublesProbabilities, "probabilities"),
        (LooksAround, "subset_invariance"),
        (LooksBack, "order_invariance"),
        (LooksBack, "repeated_texts"),
        (DrawsGlobally, "global_generators"),
        (TurnsColumns, "two_classes"),
        (TurnsColumns, "many_classes"),
        (MakesLabelsStrings, "integer_labels"),
        (MakesLabelsStrings, "boolean_labels"),
        (Decodes, "bytes_refused"),
        (Transcribes, "bare_string_refused"),
        (Transcribes, "missing_rows_refused"),
        (Transcribes, "numbers_refused"),
        (Transcribes, "lists_of_tokens_refused"),
        (Transcribes, "numpy_tables_refused"),
        (Transcribes, "errors_name_the_row"),
        (DropsEmptyTexts, "empty_texts"),
        (CannotFitEmptyTexts, "nothing_to_learn_from"),
        (NeverAsksForFit, "before_fit"),
        (KeepsItsVocabulary, "fit_forgets"),
        (TunesItself, "fit_keeps_parameters"),
        (Counts, "predict_changes_nothing"),
        (LearnsNothing, "learns"),
        (ForgetsWhenPickled, "pickle"),
    ],
)
def test_broken_estimators_are_caught(broken, check):
    with pytest.raises(AssertionError):
        getattr(estimator_checks, f"check_text_{check}")(broken.__name__, broken())


@pytest.mark.parametrize(
    ("broken", "check", "error"),
    [
        (EncodesUtf8, "lone_surrogates", UnicodeEncodeError),
        (EndsAtNul, "control_characters", AssertionError),
        (ReadsLists, "numpy_columns", TypeError),
        (ReadsLists, "cross_validation", TypeError),
    ],
)
def test_what_broken_estimators_raise_is_told(broken, check, error):
    with pytest.raises(error):
        getattr(estimator_checks, f"check_text_{check}")(broken.__name__, broken())


class TurnsClasses(Sound):
    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = self.classes_[::-1]
        return self


def test_scikit_learns_checks_see_through_the_adapter():
    results = check_text_estimator(TurnsClasses(), on_fail=None, on_skip=None)
    assert "check_classifiers_train" in problems(results)


def test_all_of_scikit_learns_checks_are_run():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = check_estimator(Sound(), on_fail=None)
        numeric = check_estimator(MultinomialNB(), on_fail=None)
    assert len(alone) == 1
    names = {r["check_name"] for r in check_text_estimator(Sound(), on_fail=None, on_skip=None)}
    for_positive_numbers_or_weights = {
        "check_fit_non_negative",
        "check_positive_only_tag_during_fit",
    }
    missing = {r["check_name"] for r in numeric} - names - for_positive_numbers_or_weights
    assert {name for name in missing if "sample_weight" not in name} == set()


def test_results_are_scikit_learns():
    calls = []
    expected = {"check_text_learns": "it learns nothing"}
    results = check_text_estimator(
        LearnsNothing(),
        legacy=False,
        on_fail=None,
        on_skip=None,
        expected_failed_checks=expected,
        callback=lambda **result: calls.append(result),
    )
    assert calls == results
    sklearns = check_estimator(LogisticRegression(), legacy=False, on_skip=None)
    assert all(result.keys() == sklearns[0].keys() for result in results)
    by_name = {result["check_name"]: result for result in results}
    learns, refused = by_name["check_text_learns"], by_name["check_text_bytes_refused"]
    assert (learns["status"], learns["expected_to_fail"]) == ("xfail", True)
    assert learns["expected_to_fail_reason"] == "it learns nothing"
    assert isinstance(learns["exception"], AssertionError)
    assert (refused["status"], refused["exception"]) == ("passed", None)
    reasons = {result["expected_to_fail_reason"] for result in sklearns}
    assert {refused["expected_to_fail_reason"]} == reasons


def test_failures_are_raised_warned_of_or_told():
    with pytest.raises(AssertionError, match="only 50% of the training texts"):
        check_text_estimator(LearnsNothing(), legacy=False, on_skip=None)
    with pytest.warns(EstimatorCheckFailedWarning, match="check_text_learns"):
        check_text_estimator(LearnsNothing(), legacy=False, on_skip=None, on_fail="warn")
    with pytest.raises(ValueError, match="callback cannot be provided"):
        check_text_estimator(Sound(), callback=print)
    with pytest.raises(TypeError, match=r"Pass an instance, such as Sound\(\)"):
        check_text_estimator(Sound)
    with pytest.raises(ValueError, match="'on_fail' parameter"):
        check_text_estimator(Sound(), on_fail="shout")


LIBRARIES = ["pandas", "polars", "pyarrow", "datasets"]


def hide(libraries, monkeypatch):
    # scikit-learn looks into sys.modules for pandas, so that None there would mislead it.
    def import_module(name):
        if name in libraries:
            raise ImportError(name)
        return importlib.import_module(name)

    monkeypatch.setattr(estimator_checks, "import_module", import_module)


@pytest.mark.parametrize("library", LIBRARIES)
def test_without_a_library_its_checks_are_skipped(library, monkeypatch):
    hide([library], monkeypatch)
    for kind in ("columns", "tables_refused"):
        check = getattr(estimator_checks, f"check_text_{library}_{kind}")
        with pytest.raises(SkipTest, match=f"{library} is not installed"):
            check("Sound", Sound())


def test_skipped_checks_are_warned_of(monkeypatch):
    hide(LIBRARIES, monkeypatch)
    with pytest.warns(SkipTestWarning, match="is not installed"):
        results = check_text_estimator(Sound(), legacy=False)
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert len(skipped) == 2 * len(LIBRARIES) + 2  # Arrow's strings and labels in pandas


def test_tests_are_named_and_marked():
    decorated = parametrize_with_text_checks(
        [DistilledMLPClassifier(lr=0.05)],
        legacy=False,
        expected_failed_checks=lambda estimator: {"check_text_learns": "why not"},
        xfail_strict=False,
    )
    _, cases = decorated.args
    cases = {case.id: case for case in cases}
    case = cases["DistilledMLPClassifier(lr=0.05)-check_text_learns"]
    assert [(mark.name, mark.kwargs) for mark in case.marks] == [
        ("xfail", {"reason": "why not", "strict": False})
    ]
    assert not cases["DistilledMLPClassifier(lr=0.05)-check_text_pickle"].marks


def test_numbers_are_written_down_as_texts():
    model = NumbersAsTexts(make_tfidf_baseline(C=10))
    X, y = np.array([[0.1, -2.0], [0.24, -1.9], [5.0, 3.0]]), ["low", "low", "high"]
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert model.fit(X, y).predict(X.tolist()).tolist() == y
    assert not hasattr(model.estimator, "classes_")
    for wrong, message in [([[np.nan, 1]], "NaN"), ([[1]], "2 features"), ([1, 2], "1D array")]:
        with pytest.raises(ValueError, match=message):
            model.predict(wrong)
    with pytest.raises(TypeError, match="parse"):
        model.fit(csr_array(X), y)
