import json

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skdistill import CascadeClassifier, DistilledMLPClassifier, make_tfidf_baseline
from skdistill.evaluation._model_table import (
    Predictions,
    count_bytes,
    count_parameters,
    format_table,
    make_table,
    measure_model,
    measure_speed,
    write_json,
)
from skdistill.metrics._calibration import expected_calibration_error


def row(name, kind, accuracy, n_parameters, **changes):
    return {
        "name": name,
        "kind": kind,
        "accuracy": accuracy,
        "macro_f1": accuracy - 0.01,
        "fidelity": 0.9,
        "calibration_error": 0.05,
        "n_parameters": n_parameters,
        "n_bytes": 4 * n_parameters,
        "texts_per_second": 123_456.7,
        "fit_seconds": 12.34,
        **changes,
    }


@pytest.fixture
def table():
    return make_table(
        [
            row("TF-IDF + LR, defaults", "baseline", 0.600, 70_000),
            row("TF-IDF + LR, C=10", "baseline", 0.601, 70_000),
            row("MLP, hard labels, mean pooling", "hard labels", 0.599, 80_102),
            row("teacher: MiniLM", "teacher", 0.690, 22_700_000, fit_seconds=None),
            row("distilled MLP, mean pooling", "distilled", 0.688, 80_102),
            row("distilled MLP, mean + attention pooling", "distilled", 0.697, 80_400),
        ]
    )


@pytest.fixture(scope="module")
def baseline(topics):
    texts, labels = topics
    return make_tfidf_baseline().fit(texts[:400], labels[:400])


# ---- one model


def test_a_model_is_measured_by_scikit_learns_definitions(baseline, topics):
    X, y = topics[0][400:], topics[1][400:]
    found = measure_model("LR", baseline, X, y, kind="baseline", fit_seconds=2.0)
    proba = baseline.predict_proba(X)
    assert found["accuracy"] == accuracy_score(y, baseline.predict(X))
    assert found["macro_f1"] == f1_score(y, baseline.predict(X), average="macro")
    assert found["calibration_error"] == expected_calibration_error(y, proba, baseline.classes_)
    assert found["n_parameters"] == count_parameters(baseline)
    assert found["n_bytes"] == count_bytes(baseline)
    assert found["texts_per_second"] > 1000
    assert (found["name"], found["kind"], found["fit_seconds"]) == ("LR", "baseline", 2.0)
    assert found["fidelity"] is None


def test_fidelity_compares_with_the_reference(baseline, topics):
    X, y = topics[0][400:], topics[1][400:]
    reference = Predictions.from_proba(baseline.predict_proba(X)[:, ::-1], baseline.classes_)
    found = measure_model("MLP", baseline, X, y, kind="distilled", reference=reference)
    assert found["fidelity"] == accuracy_score(reference.labels, baseline.predict(X)) < 1


def test_a_model_whose_predictions_are_known_is_not_asked_again(topics, monkeypatch):
    X, y = topics[0][:50], topics[1][:50]
    teacher = DummyClassifier().fit(X, y)
    known = Predictions.of(teacher, X)
    monkeypatch.setattr(teacher, "predict_proba", None)
    found = measure_model("big", teacher, X, y, kind="teacher", predictions=known, reference=known)
    assert found["fidelity"] == 1
    assert found["accuracy"] == accuracy_score(y, teacher.predict(X))
    assert found["n_parameters"] is None


def test_a_model_without_probabilities_has_no_calibration_error(topics):
    X, y = topics[0][:200], topics[1][:200]
    model = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(X, y)
    found = measure_model("SVM", model, X, y, kind="baseline")
    assert found["calibration_error"] is None
    assert found["accuracy"] == model.score(X, y)


def test_of_several_labels_all_must_be_right(topics):
    X, y = topics[0][:200], topics[1][:200]
    labels = np.column_stack([y == "cooking", [" old " in text for text in X]]).astype(int)
    steps = TfidfVectorizer(), OneVsRestClassifier(LogisticRegression())
    model = make_pipeline(*steps).fit(X, labels)
    found = measure_model(
        "LR", model, X, labels, kind="baseline", reference=Predictions.of(model, X)
    )
    right, yes = model.predict(X) == labels, model.predict_proba(X).ravel()
    assert found["accuracy"] == right.all(axis=1).mean() == model.score(X, labels)
    assert found["macro_f1"] == f1_score(labels, model.predict(X), average="macro")
    assert found["fidelity"] == 1
    questions = np.column_stack([1 - yes, yes])
    error = expected_calibration_error(labels.ravel(), questions, [0, 1])
    assert found["calibration_error"] == error


def test_parameters_of_a_linear_model_are_coefficients_and_intercepts(baseline):
    n_words = len(baseline[0].vocabulary_)
    assert count_parameters(baseline) == 3 * n_words + 3
    assert count_parameters(baseline[-1]) == 3 * n_words + 3


def test_parameters_are_taken_from_models_that_count_them(baseline):
    baseline[-1].n_parameters_ = 7
    try:
        assert count_parameters(baseline[-1]) == 7
    finally:
        del baseline[-1].n_parameters_
    with pytest.raises(TypeError, match="DummyClassifier cannot be counted"):
        count_parameters(DummyClassifier())


def test_parameters_of_a_whole_are_those_of_its_parts(baseline, topics):
    texts, y = topics[0][:100], topics[1][:100]
    linear = count_parameters(make_tfidf_baseline().fit(texts, y))
    student = DistilledMLPClassifier(n_parameters=1000, max_epochs=1, random_state=0)
    fitted = FrozenEstimator(clone(student).fit(texts, y))
    n_student = fitted.n_parameters_
    models = [("LR", make_tfidf_baseline()), ("student", student)]
    search = GridSearchCV(student, {"n_parameters": [500]}, cv=2).fit(texts, y)
    assert count_parameters(search) == search.best_estimator_.n_parameters_
    cascade = CascadeClassifier(fitted, FrozenEstimator(baseline)).fit(texts, y)
    assert count_parameters(cascade) == n_student + count_parameters(baseline)
    for whole in (cascade, search):
        assert count_parameters(FrozenEstimator(whole)) == count_parameters(whole)
    vote = VotingClassifier(models, voting="soft").fit(texts, y)
    assert count_parameters(vote) == linear + n_student
    stack = StackingClassifier(models, cv=2).fit(texts, y)
    # Two models' probabilities of three classes, and the intercepts.
    assert count_parameters(stack) == linear + n_student + 3 * (2 * 3 + 1)


def test_parameters_of_a_whole_with_an_uncounted_part_are_not_counted(topics):
    models = [("LR", make_tfidf_baseline()), ("dummy", DummyClassifier())]
    vote = VotingClassifier(models).fit(topics[0][:100], topics[1][:100])
    with pytest.raises(TypeError, match="DummyClassifier cannot be counted"):
        count_parameters(vote)


def test_bytes_are_those_of_the_joblib_file(baseline, tmp_path):
    joblib.dump(baseline, tmp_path / "a.joblib")
    assert count_bytes(baseline) == (tmp_path / "a.joblib").stat().st_size


class Predictor:
    """Takes a set time a text, and each third call ten times as long."""

    def __init__(self, seconds_per_text):
        self.seconds_per_text = seconds_per_text
        self.now = 0.0
        self.calls = []

    def __call__(self, texts):
        self.calls.append(len(texts))
        slow = 10 if len(self.calls) % 3 == 0 else 1
        self.now += slow * self.seconds_per_text * len(texts)


def test_speed_is_the_median_over_all_texts_if_there_is_time():
    predict = Predictor(seconds_per_text=0.0001)
    speed = measure_speed(predict, ["text"] * 1000, clock=lambda: predict.now)
    assert speed == pytest.approx(10_000)
    assert predict.calls == [100, *[1000] * 5]


def test_speed_of_a_slow_model_is_measured_on_few_texts():
    predict = Predictor(seconds_per_text=0.01)
    speed = measure_speed(
        predict, ["text"] * 1000, n_repeats=3, max_seconds=6, clock=lambda: predict.now
    )
    assert speed == pytest.approx(100)
    assert predict.calls == [100, 200, 200, 200]


def test_speed_of_no_measurable_time_is_finite():
    assert np.isfinite(measure_speed(len, ["text"] * 3, clock=lambda: 1.0))


# ---- table and JSON


def test_retention_is_the_share_of_the_teachers_accuracy(table):
    np.testing.assert_allclose(table["retention"], table["accuracy"] / 0.69)
    assert "retention" not in make_table([row("MLP", "distilled", 0.5, 10)])


def test_what_is_none_is_missing_in_the_table():
    unknown = ["calibration_error", "fidelity", "fit_seconds"]
    table = make_table([row("MLP", "distilled", 0.5, 10, **dict.fromkeys(unknown))])
    assert table[unknown].isna().all(axis=None)
    assert [table[column].dtype.kind for column in unknown] == ["f"] * 3


def test_the_printed_table_is_aligned(table):
    lines = format_table(table).splitlines()
    assert len(lines) == 2 + len(table)
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == [
        *("model", "accuracy", "macro", "F1", "parameters", "on", "disk", "texts/s", "training")
    ]
    numbers = ["69.00", "68.00", "22,700,000", "90.8", "MB", "123,000", "-"]
    assert lines[5].split() == ["teacher:", "MiniLM", *numbers]
    assert lines[6].endswith("  12.3 s")


def test_json_holds_the_table_and_its_context(table, tmp_path):
    write_json(tmp_path / "table.json", table, data="Füße", n_train=3)
    content = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert list(content) == ["data", "n_train", "models"]
    assert content["data"] == "Füße"
    assert [model["name"] for model in content["models"]] == table["name"].tolist()
    assert content["models"][3]["fit_seconds"] is None
    assert content["models"][0]["n_parameters"] == 70_000
    pd.testing.assert_frame_equal(
        pd.DataFrame(content["models"]), table, check_dtype=False, check_exact=True
    )
