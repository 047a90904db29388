import io
import sys
from contextlib import redirect_stderr

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from named_answers import TABLES, NamedAnswers
from skdistill import (
    CascadeClassifier,
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    TextPool,
    compare,
    make_tfidf_baseline,
)
from skdistill.metrics._calibration import expected_calibration_error


@pytest.fixture(scope="module")
def split(topics):
    X, y = topics
    return X[:150], y[:150], X[300:400], y[300:400]


@pytest.fixture(scope="module")
def teacher(topics):
    return make_tfidf_baseline(10).fit(topics[0][400:], topics[1][400:])


@pytest.fixture(scope="module")
def compared(split, teacher, topics):
    student = DistilledMLPClassifier(FrozenEstimator(teacher), max_epochs=2, random_state=0)
    models = {
        "LR": make_tfidf_baseline(),
        "SVM": make_pipeline(TfidfVectorizer(), LinearSVC()),
        "neighbours": make_pipeline(TfidfVectorizer(), KNeighborsClassifier()),
        "twin": clone(student).set_params(teacher=None),
        "student": student,
        "teacher": FrozenEstimator(teacher),
    }
    # As many as labelled texts, which a student given a list would warn of.
    pool = topics[0][150:300]
    table, fitted = compare(
        models, *split, reference="teacher", X_unlabeled=pool, return_estimators=True
    )
    return models, table, fitted


def test_columns_and_rows(compared):
    models, table, fitted = compared
    assert table.columns.tolist() == [
        *("name", "kind", "accuracy", "retention", "macro_f1", "fidelity", "calibration_error"),
        *("n_parameters", "n_bytes", "texts_per_second", "fit_seconds"),
    ]
    assert table["name"].tolist() == list(fitted) == list(models)
    assert table["kind"].tolist() == [
        *("baseline", "baseline", "baseline", "hard labels", "distilled", "teacher")
    ]
    assert all(table[column].dtype.kind in "if" for column in table.columns[2:])


def test_scores_are_scikit_learns(compared, split, teacher):
    _, table, fitted = compared
    X_test, y_test = split[2:]
    expected = teacher.predict(X_test)
    for row in table.itertuples():
        model = fitted[row.name]
        labels = model.predict(X_test)
        assert row.accuracy == accuracy_score(y_test, labels)
        assert row.macro_f1 == f1_score(y_test, labels, average="macro")
        assert row.fidelity == accuracy_score(expected, labels)
        assert row.retention == row.accuracy / accuracy_score(y_test, expected)
        if row.name == "SVM":
            assert np.isnan(row.calibration_error)
        else:
            proba = model.predict_proba(X_test)
            error = expected_calibration_error(y_test, proba, model.classes_)
            assert row.calibration_error == error
        assert row.n_bytes > 0
        assert row.texts_per_second > 0


def test_parameters_are_counted_where_they_can_be(compared):
    _, table, fitted = compared
    counts = table.set_index("name")["n_parameters"]
    assert counts["student"] == fitted["student"].n_parameters_
    n_words = len(fitted["LR"][0].vocabulary_)
    assert counts["LR"] == counts["SVM"] == 3 * n_words + 3
    assert np.isnan(counts["neighbours"])


def test_estimators_are_cloned_and_frozen_ones_are_not(compared):
    models, table, fitted = compared
    for name, model in models.items():
        is_frozen = isinstance(model, FrozenEstimator)
        assert (fitted[name] is model) == is_frozen
        assert np.isnan(table.set_index("name").loc[name, "fit_seconds"]) == is_frozen
        check_is_fitted(fitted[name])
    assert not hasattr(models["student"], "classes_")
    assert not hasattr(models["LR"][-1], "classes_")


def test_unlabelled_texts_go_to_students_with_a_teacher(compared):
    _, _, fitted = compared
    assert fitted["student"].transfer_size_ == 300
    assert fitted["twin"].transfer_size_ == 150


def test_pairs_and_pools_are_taken_and_without_reference_nothing_is_compared(split):
    pool = TextPool(["an unlabelled text"])
    table = compare([("LR", make_tfidf_baseline())], *split, X_unlabeled=pool)
    assert "retention" not in table
    assert table["fidelity"].isna().all()
    assert table["kind"].tolist() == ["baseline"]


def test_frozen_models_need_no_training_texts(teacher, split, tmp_path):
    student = DistilledMLPClassifier(max_epochs=1, random_state=0).fit(*split[:2])
    models = {"teacher": FrozenEstimator(teacher), "student": FrozenEstimator(student)}
    models["int8"] = FrozenEstimator(student.compile("int8"))
    table = compare(models, None, None, *split[2:], reference="teacher")
    assert table["kind"].tolist() == ["teacher", "distilled", "baseline"]
    assert table["accuracy"][1] == student.score(*split[2:])


def test_several_labels_a_text(topics):
    X, y = topics
    labels = np.column_stack([y == "cooking", y == "trains", [" old " in text for text in X]])
    labels = labels.astype(int)
    steps = TfidfVectorizer(), OneVsRestClassifier(LogisticRegression(C=10))
    models = {
        "LR": make_pipeline(*steps),
        "neighbours": make_pipeline(TfidfVectorizer(), KNeighborsClassifier()),
        "MLP": DistilledMLPClassifier(max_epochs=2, random_state=0),
    }
    table, fitted = compare(
        models, X[:200], labels[:200], X[300:], labels[300:], reference="LR", return_estimators=True
    )
    for row in table.itertuples():
        predicted = fitted[row.name].predict(X[300:])
        assert row.accuracy == accuracy_score(labels[300:], predicted)
        assert row.macro_f1 == f1_score(labels[300:], predicted, average="macro", zero_division=0)
        assert row.fidelity == accuracy_score(fitted["LR"].predict(X[300:]), predicted)
    yes = fitted["LR"].predict_proba(X[300:]).ravel()
    questions = np.column_stack([1 - yes, yes])
    error = expected_calibration_error(labels[300:].ravel(), questions, [0, 1])
    assert table["calibration_error"][0] == error


@pytest.mark.parametrize("columns", [["cooking", "trains"], [0, 1]])
def test_test_labels_follow_the_columns_of_the_training_labels(topics, columns):
    X, y = topics[0][:200], topics[1][:200]
    labels = pd.DataFrame({0: y == "cooking", 1: y == "trains"}).astype(int)
    labels.columns = columns
    model = make_pipeline(TfidfVectorizer(), OneVsRestClassifier(LogisticRegression(C=10)))
    straight, turned = (
        compare({"LR": model}, X[:100], labels[:100], X[100:], tested)
        for tested in (labels[100:], labels[100:].iloc[:, ::-1])
    )
    assert turned["accuracy"].tolist() == straight["accuracy"].tolist()


@pytest.mark.parametrize("kind", TABLES)
def test_probabilities_are_found_by_the_names_of_their_columns(split, teacher, kind):
    named = NamedAnswers(teacher, kind)
    models = {"plain": FrozenEstimator(teacher), "named": FrozenEstimator(named)}
    table = compare(models, None, None, *split[2:])
    assert table["calibration_error"][0] == table["calibration_error"][1]


@pytest.mark.parametrize("names", [["cooking", "trains"], [0, 1]])
def test_labels_are_found_by_the_names_of_their_columns(topics, names):
    X, y = topics[0][:200], topics[1][:200]
    labels = pd.DataFrame({0: y == "cooking", 1: y == "trains"}).astype(int)
    labels.columns = names
    model = OneVsRestClassifier(make_tfidf_baseline(10)).fit(X[:100], labels.to_numpy()[:100])
    named = NamedAnswers(model, names=names)
    models = {"plain": FrozenEstimator(model), "named": FrozenEstimator(named)}
    table = compare(models, None, None, X[100:], labels[100:], reference="plain")
    assert table["accuracy"][0] == table["accuracy"][1]
    assert table["fidelity"][1] == 1
    assert table["calibration_error"][0] == table["calibration_error"][1]


def test_labels_in_a_table_of_one_column_are_a_column(split):
    X_train, y_train, X_test, y_test = split
    model = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(X_train[:9], y_train[:9])
    column = pd.DataFrame({"label": y_test})
    for train in ((None, None), (X_train, y_train)):
        table = compare({"SVM": FrozenEstimator(model)}, *train, X_test, column)
        assert table["accuracy"][0] == model.score(X_test, y_test) < 1


def test_several_labels_in_a_sparse_matrix(topics):
    X, y = topics[0][:200], topics[1][:200]
    labels = np.column_stack([y == "cooking", y == "trains"]).astype(int)
    model = make_pipeline(TfidfVectorizer(), OneVsRestClassifier(LogisticRegression(C=10)))
    dense, sparse = (
        compare({"LR": model}, X[:100], given[:100], X[100:], given[100:])
        for given in (labels, csr_matrix(labels))
    )
    assert sparse["accuracy"].tolist() == dense["accuracy"].tolist()


def test_a_model_that_cannot_be_pickled_has_no_size(split):
    lower = FunctionTransformer(lambda X: [text.lower() for text in X])
    models = {"lambda": make_pipeline(lower, TfidfVectorizer(), LogisticRegression())}
    table = compare(models, *split, plot=True)
    assert table["n_bytes"].isna().all()
    assert [axes.get_xlabel() for axes in plt.gcf().axes] == ["speed, texts per second (log scale)"]


def test_progress_is_shown_on_demand(split):
    for verbose in (0, 1):
        told = io.StringIO()
        with redirect_stderr(told):
            compare({"LR": make_tfidf_baseline()}, *split, verbose=verbose)
        assert ("1/1" in told.getvalue()) == bool(verbose)


# ---- figure


def test_plot_draws_the_overview(teacher, split):
    models = {"teacher": FrozenEstimator(teacher), "LR": make_tfidf_baseline()}
    compare(models, *split, reference="teacher", plot=True)
    assert len(plt.get_fignums()) == 1
    labels = [axes.get_xlabel().split(" (")[0] for axes in plt.gcf().axes]
    assert labels == ["size, parameters", "size on disk, bytes", "speed, texts per second"]


def test_without_matplotlib_nothing_is_trained(split, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"compare\(plot=True\) .*pip install skdistill\[plot\]"):
        compare({"LR": Untrainable()}, *split, plot=True)


# ---- refused


class Untrainable(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise AssertionError("must be refused before any is trained")


@pytest.mark.parametrize(
    ("estimators", "error", "message"),
    [
        ({}, ValueError, "estimators is empty"),
        ([("a", Untrainable()), ("a", Untrainable())], ValueError, r"\['a'\] occur more than once"),
        ([Untrainable()], TypeError, r"estimators\[0\] must be a name and a classifier"),
        ({1: Untrainable()}, TypeError, r"estimators\[0\] must be a name"),
    ],
)
def test_estimators_that_are_refused(estimators, error, message, split):
    with pytest.raises(error, match=message):
        compare(estimators, *split)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "b"}, r"reference must be one of the names \['a'\], got 'b'"),
        ({"X_train": None}, r"needed to train \['a'\]"),
        ({"y_train": ["x"]}, "X_train and y_train must have the same number"),
        ({"X_test": ["t"]}, "X_test and y_test must have the same number"),
        ({"y_test": ["cooking", "x"], "X_test": ["s", "t"]}, r"y_test\[1\] is 'x', a label that"),
        ({"y_test": [[0, 1]], "X_test": ["t"]}, r"shape \(1, 2\), which does not match"),
        ({"X_test": ["t", None]}, r"X_test\[1\] is missing"),
        ({"y_test": ["trains", None], "X_test": ["s", "t"]}, r"y_test\[1\] is missing"),
        ({"y_test": None}, "y_test is None, but must contain labels"),
        ({"X_unlabeled": "one text"}, "X_unlabeled is a single string"),
    ],
)
def test_texts_and_labels_that_are_refused(changes, message, split):
    given = dict(zip(("X_train", "y_train", "X_test", "y_test"), split, strict=True))
    with pytest.raises(ValueError, match=message):
        compare({"a": Untrainable()}, **{**given, **changes})


def test_a_frozen_model_of_other_classes_is_refused(split):
    X_train, y_train, X_test, y_test = split
    other = make_tfidf_baseline().fit(X_train, np.unique(y_train, return_inverse=True)[1])
    with pytest.raises(ValueError, match=r"None of the classes of 'a', \[0, 1, 2\], occurs in"):
        compare({"a": FrozenEstimator(other)}, X_train, y_train, X_test, y_test)


def test_a_frozen_model_of_another_kind_of_labels_is_refused(split, teacher):
    X_test, y_test = split[2:]
    labels = np.column_stack([y_test == "cooking", y_test == "trains"]).astype(int)
    message = r"'a' predicts labels of shape \(100,\), but y_test has shape \(100, 2\)"
    with pytest.raises(ValueError, match=message):
        compare({"a": FrozenEstimator(teacher)}, None, None, X_test, labels)


def test_a_reference_that_is_never_right_is_refused_before_others_are_trained(split, teacher):
    X_train, y_train, X_test, _ = split
    wrong = np.where(teacher.predict(X_test) == "trains", "cooking", "trains")
    models = {"a": Untrainable(), "teacher": FrozenEstimator(teacher)}
    with pytest.raises(ValueError, match="'teacher' does not classify any test text correctly"):
        compare(models, X_train, y_train, X_test, wrong, reference="teacher")


def test_printing_shows_the_accuracy_of_each_model(split):
    models = {"a model with a rather long name": make_tfidf_baseline(), "LR": make_tfidf_baseline()}
    table = compare(models, *split, reference="LR")
    with pd.option_context("display.width", 80):
        lines = str(table).splitlines()
    assert lines[0].split()[:2] == ["model", "accuracy"]
    for line, accuracy in zip(lines[2:4], table["accuracy"], strict=True):
        assert f"  {100 * accuracy:.2f}  " in line
    assert lines[-1].startswith("[2 rows x 11 columns: name, kind, accuracy, retention, ")
    assert repr(table) == str(table)
    # Everything else is pandas'.
    assert type(table.copy()) is type(table[["name"]]) is pd.DataFrame
    assert "fit_seconds" in table.to_string()
    pd.testing.assert_frame_equal(table, table.copy())


@pytest.mark.parametrize("several", [False, True])
def test_a_function_is_asked_for_each_text_once(several):
    asked = []

    def func(texts):
        asked.extend(texts)
        return [[float("a" in text), float("b" in text)] for text in texts]

    X = [f"{letter} {number}" for number in range(20) for letter in "ab"]
    y = ["has a", "has b"] * 20
    if several:
        y = pd.DataFrame({"has a": [1, 0] * 20, "has b": [0, 1] * 20})
    teacher = FunctionTeacherClassifier(func).fit(X, y)
    table = compare({"function": FrozenEstimator(teacher)}, None, None, X, y)
    assert sorted(asked) == sorted(X)
    assert table["accuracy"].tolist() == [1.0]
    assert 0 < table["texts_per_second"][0] < np.inf
    assert table["calibration_error"].tolist() == [0.0]


@pytest.mark.parametrize("kind", ["pipeline", "vote", "cascade", "cascade in a pipeline"])
def test_whatever_passes_texts_on_to_a_function_asks_for_each_once(kind):
    asked = []

    def func(texts):
        asked.extend(texts)
        return [[0.9, 0.1] if "soup" in text else [0.1, 0.9] for text in texts]

    X = [f"{word} {number}" for number in range(20) for word in ("soup", "train")]
    y = ["food", "travel"] * 20
    function = FunctionTeacherClassifier(func).fit(X, y)
    student = make_tfidf_baseline().fit(X[:20], y[19::-1])  # always wrong
    cascade = CascadeClassifier(
        FrozenEstimator(student), FrozenEstimator(function), max_teacher_rate=1
    ).fit(X[:20], y[:20])
    model = {
        "pipeline": make_pipeline(FunctionTransformer(), function),
        "vote": VotingClassifier([("f", FrozenEstimator(function))], voting="soft").fit(X, y),
        "cascade": cascade,
        "cascade in a pipeline": make_pipeline(FunctionTransformer(), cascade),
    }[kind]
    asked.clear()
    texts = ["unknown", *X[:20]]
    table = compare({kind: FrozenEstimator(model)}, None, None, texts, ["travel", *y[:20]])
    assert sorted(asked) == sorted(texts)
    assert table["accuracy"][0] == 1


def test_columns_of_test_labels_are_those_of_frozen_classifiers_in_any_order():
    X = ["warm soup", "fast train", "warm train"] * 20
    y = pd.DataFrame({"food": [1, 0, 1] * 20, "travel": [0, 1, 1] * 20})
    student = DistilledMLPClassifier(max_epochs=30, random_state=0).fit(X, y)
    models = {"student": FrozenEstimator(student)}
    table, turned = (
        compare(models, None, None, X, y[c]) for c in (["food", "travel"], ["travel", "food"])
    )
    assert table["accuracy"].tolist() == turned["accuracy"].tolist() == [1.0]
    with pytest.raises(ValueError, match="predicts the labels"):
        compare(models, None, None, X, y.rename(columns={"food": "drink"}))
