"""Labels of every type, read from a file, through everything that keeps a student."""

import io
import json

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier

from skdistill import (
    CascadeClassifier,
    CompiledClassifier,
    ConfusionMatricesDisplay,
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    LearningCurvesDisplay,
    ReliabilityDisplay,
    compare,
    distillation_report,
    export_onnx,
    make_tfidf_baseline,
    parity_report,
)
from skdistill.cli._main import main
from skdistill.metrics import expected_calibration_error, fidelity, word_order_sensitivity

TEXTS = ["a warm soup", "fresh bread", "a fast train", "late bus"] * 10
NEW = ["warm bread", "a late train", "nothing known"]

# The labels of food and travel in a csv file, the dtype to read them as, and their Python type.
CASES = {
    "strings": (("food", "travel"), None, str),
    "strings, nullable": (("food", "travel"), "string", str),
    "strings, object": (("food", "travel"), object, str),
    "strings, Arrow": (("food", "travel"), "string[pyarrow]", str),
    "integers": ((3, -1), None, int),
    "integers, nullable": ((3, -1), "Int64", int),
    "integers, narrow": ((2, 7), "uint8", int),
    "booleans": ((True, False), None, bool),
    "booleans, nullable": ((True, False), "boolean", bool),
    "categories": (("food", "travel"), "category", str),
}


@pytest.fixture(params=CASES, scope="module")
def case(request):
    """Return a fitted student, its labels as pandas has read them, and their type."""
    (food, travel), dtype, kind = CASES[request.param]
    rows = pd.DataFrame({"text": TEXTS, "label": [food, food, travel, travel] * 10})
    file = io.StringIO(rows.to_csv(index=False))
    frame = pd.read_csv(file, dtype=None if dtype is None else {"label": dtype})
    student = DistilledMLPClassifier(max_epochs=20, lr=0.05, random_state=0)
    return student.fit(frame["text"], frame["label"]), frame["label"], kind


def labels_of(predicted):
    """Return predictions as Python objects with their types."""
    return [(label, type(label)) for label in np.asarray(predicted).tolist()]


def predict_file(folder, texts):
    """Return the labels that the command line writes for texts."""
    pd.DataFrame({"text": texts}).to_csv(folder / "new.csv", index=False)
    files = [str(folder / name) for name in ("s.skd", "new.csv", "labelled.csv")]
    assert main(["predict", *files]) == 0
    return pd.read_csv(folder / "labelled.csv", dtype=str)["label"].tolist()


def test_predictions_are_of_the_labels_own_type(case):
    student, y, kind = case
    if isinstance(y.dtype, np.dtype) and y.dtype != object:
        assert student.classes_.dtype == y.dtype
    assert [type(label) for label in student.predict(NEW).tolist()] == [kind] * 3
    assert student.predict(TEXTS).tolist() == y.tolist()
    assert student.score(TEXTS, y) == 1
    assert accuracy_score(y.tolist(), student.predict(TEXTS)) == 1


def test_the_score_reads_labels_as_fit_does():
    y = ["food", "food", "travel", "travel"] * 10
    student = DistilledMLPClassifier(max_epochs=20, lr=0.05, random_state=0).fit(TEXTS, y)
    for container in (tuple, pd.Series, pl.Series, pa.array, np.array):
        assert student.score(TEXTS, container(y)) == 1
    weights = np.arange(40)
    right = student.predict(TEXTS) == y[::-1]
    expected = np.average(right, weights=weights)
    assert student.score(TEXTS, y[::-1], sample_weight=weights) == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"y\[1\] is missing"):
        student.score(TEXTS[:2], ["food", None])
    several = pd.DataFrame({"a": [1, 0], "b": [0, 1]}, dtype="Int64")
    both = DistilledMLPClassifier(max_epochs=200, lr=0.05, random_state=0)
    assert both.fit(TEXTS[1:3], several).score(TEXTS[1:3], several) == 1


def test_an_array_of_objects_with_one_column_is_fitted_as_scikit_learn_does():
    y = pd.DataFrame({"label": Y}, dtype=object)[["label"]].to_numpy()
    with pytest.warns(DataConversionWarning):
        student = make_student().fit(TEXTS, y)
    assert student.classes_.tolist() == sorted({*Y})
    assert student.score(TEXTS, y) == student.score(TEXTS, Y)


def test_a_student_of_long_doubles_can_be_kept(tmp_path):
    y = np.array([1, 1, 2, 2] * 10, dtype=np.longdouble)
    student = make_student().fit(TEXTS, y)
    student.save(tmp_path / "s.skd")
    again = CompiledClassifier.load(tmp_path / "s.skd")
    assert again.predict(TEXTS).tolist() == student.predict(TEXTS).tolist() == y.tolist()
    export_onnx(student, tmp_path / "s.onnx")


def test_every_way_of_keeping_a_student_keeps_its_labels(case, tmp_path):
    skops = pytest.importorskip("skops.io")
    student, y, _ = case
    student.save(tmp_path / "s.skd")
    joblib.dump(student, tmp_path / "s.joblib")
    skops.dump(student, tmp_path / "s.skops")
    trusted = skops.get_untrusted_types(file=tmp_path / "s.skops")
    expected = labels_of(student.predict(NEW))
    for kept in (
        student.compile(),
        type(student).load(tmp_path / "s.skd"),
        CompiledClassifier.load(tmp_path / "s.skd"),
        joblib.load(tmp_path / "s.joblib"),
        skops.load(tmp_path / "s.skops", trusted=trusted),
    ):
        assert labels_of(kept.predict(NEW)) == expected
        assert labels_of(kept.classes_) == labels_of(student.classes_)
        assert kept.classes_.dtype == student.classes_.dtype
    assert parity_report(student, TEXTS, y)["accuracy"] == 1


def test_the_onnx_graph_has_the_labels(case, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    student, _, kind = case
    export_onnx(student, tmp_path / "s.onnx", inputs="strings")
    session = runtime.InferenceSession(tmp_path / "s.onnx")
    feed = {session.get_inputs()[0].name: np.array(NEW, dtype=object)}
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, feed), strict=True))
    assert [kind(label) for label in found["label"].tolist()] == student.predict(NEW).tolist()


def test_the_card_and_the_command_line_show_the_labels(case, tmp_path, capsys):
    student, y, _ = case
    student.to_html(tmp_path / "card.html", TEXTS, y)
    assert str(student.classes_.tolist()[0]) in (tmp_path / "card.html").read_text("utf-8")
    student.save(tmp_path / "s.skd")
    assert predict_file(tmp_path, NEW) == [*map(str, student.predict(NEW).tolist())]
    pd.DataFrame({"text": TEXTS, "label": y}).to_csv(tmp_path / "test.csv", index=False)
    assert main(["report", str(tmp_path / "s.skd"), str(tmp_path / "test.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1


def test_the_names_of_several_labels_are_kept(tmp_path):
    y = pd.DataFrame({"to eat": [1, 1, 0, 0] * 10, "moves": [0, 0, 1, 1] * 10})
    student = DistilledMLPClassifier(max_epochs=20, lr=0.05, random_state=0).fit(TEXTS, y)
    student.save(tmp_path / "s.skd")
    joblib.dump(student, tmp_path / "s.joblib")
    for kept in (
        student,
        student.compile(),
        type(student).load(tmp_path / "s.skd"),
        joblib.load(tmp_path / "s.joblib"),
    ):
        assert kept.classes_.tolist() == ["to eat", "moves"]
        assert kept.predict(TEXTS).tolist() == y.to_numpy().tolist()
    student.to_html(tmp_path / "card.html", TEXTS, y)
    assert "to eat" in (tmp_path / "card.html").read_text("utf-8")
    assert predict_file(tmp_path, ["warm soup", "soup on the late bus"])[0] == "to eat"


def test_a_table_of_teacher_probabilities_is_read_by_its_names():
    y = ["food", "food", "travel", "travel"] * 10
    proba = np.tile([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]], (10, 1))
    table = pd.DataFrame(proba, columns=["food", "travel"])
    turned = table[["travel", "food"]]
    records = pd.Series(turned.to_dict("records"))
    fits = [
        DistilledMLPClassifier(max_epochs=3, random_state=0).fit(TEXTS, y, teacher_proba=given)
        for given in (proba, table, turned, pl.from_pandas(turned).to_struct(), records)
    ]
    expected = fits[0].predict_proba(NEW)
    for student in fits[1:]:
        np.testing.assert_array_equal(student.predict_proba(NEW), expected)
    assert fidelity(records, table) == fidelity(table, pa.array(records.tolist())) == 1
    with pytest.raises(ValueError, match="teacher_proba has the columns"):
        fits[0].fit(TEXTS, y, teacher_proba=table.rename(columns={"food": "foot"}))
    with pytest.raises(TypeError, match="teacher_proba is a LazyFrame"):
        fits[0].fit(TEXTS, y, teacher_proba=pl.from_pandas(table).lazy())


def test_columns_named_by_numbers_are_found_in_any_order():
    y = pd.DataFrame({1: [1, 1, 0, 0] * 10, 0: [0, 0, 1, 1] * 10})
    student = DistilledMLPClassifier(max_epochs=20, lr=0.05, random_state=0)
    turned = 0.8 * y[[0, 1]] + 0.1
    for proba in (None, 0.8 * y + 0.1, turned.set_axis(["0", "1"], axis=1)):
        student.fit(TEXTS, y, teacher_proba=proba)
        assert student.score(TEXTS, y) == student.score(TEXTS, y[[0, 1]]) == 1
    with pytest.raises(ValueError, match="columns of teacher_proba are numbered from 0"):
        student.fit(TEXTS, y, teacher_proba=turned)


def test_a_table_of_several_labels_is_read_by_its_names_after_fit(tmp_path):
    y = pd.DataFrame({"to eat": [1, 1, 0, 0] * 10, "moves": [0, 0, 1, 1] * 10})
    student = DistilledMLPClassifier(max_epochs=20, lr=0.05, random_state=0).fit(TEXTS, y)
    turned = y[["moves", "to eat"]]
    assert student.score(TEXTS, turned) == student.score(TEXTS, y) == 1
    assert student.score(TEXTS, turned.to_records(index=False)) == 1
    assert parity_report(student, TEXTS, turned)["accuracy"] == 1
    pages = []
    for number, labels in enumerate((y, turned)):
        path = tmp_path / f"{number}.html"
        student.to_html(path, TEXTS, labels)
        pages.append(path.read_text("utf-8"))
    assert pages[0] == pages[1]
    noisy = y.copy()
    noisy.iloc[:6] = 1 - noisy.iloc[:6]
    temperatures = [
        student.calibrate(TEXTS, labels).calibration_["temperature"]
        for labels in (noisy, noisy[["moves", "to eat"]])
    ]
    assert temperatures[0] == pytest.approx(temperatures[1], rel=1e-3)
    with pytest.raises(ValueError, match="y has the columns"):
        student.score(TEXTS, y.rename(columns={"moves": "rests"}))


Y = ["food", "food", "travel", "travel"] * 10


def make_student(teacher=None):
    return DistilledMLPClassifier(teacher, max_epochs=20, lr=0.05, random_state=0)


@pytest.fixture(scope="module")
def student():
    return make_student().fit(TEXTS, Y)


@pytest.fixture(scope="module")
def teacher():
    return make_tfidf_baseline(C=10).fit(TEXTS, Y)


def curves(y):
    models = {"a": make_tfidf_baseline()}
    return LearningCurvesDisplay.from_estimators(models, TEXTS, y, train_sizes=[20], cv=2)


# What is measured with a student, its teacher and labels.
MEASURES = {
    "score": lambda student, _, y: student.score(TEXTS, y),
    "parity": lambda student, _, y: parity_report(student, TEXTS, y)["accuracy"],
    "fidelity": lambda student, _, y: fidelity(y, student.predict(TEXTS)),
    "calibration error": lambda student, _, y: expected_calibration_error(
        y, student.predict_proba(TEXTS), student.classes_
    ),
    "reliability": lambda student, _, y: (
        ReliabilityDisplay.from_estimator(student, TEXTS, y).calibration_error
    ),
    "confusion": lambda student, _, y: (
        ConfusionMatricesDisplay.from_predictions(y, {"student": student.predict(TEXTS)})
        .confusion_matrices["student"]
        .tolist()
    ),
    "comparison": lambda student, _, y: compare(
        {"student": FrozenEstimator(student)}, None, None, TEXTS, y
    )["accuracy"].tolist(),
    "cascade": lambda student, teacher, y: (
        CascadeClassifier(FrozenEstimator(student), FrozenEstimator(teacher))
        .fit(TEXTS, Y)
        .curve(TEXTS, y)["accuracy"]
        .tolist()
    ),
    "report": lambda _, teacher, y: (
        distillation_report(
            make_student(FrozenEstimator(teacher)), TEXTS, Y, X_test=TEXTS, y_test=y, n_seeds=1
        ).student.accuracy
    ),
    "word order": lambda _, teacher, y: word_order_sensitivity(teacher, TEXTS, y),
    # What `calibrate` reads; it refuses a student that makes no errors.
    "calibration": lambda student, _, y: student._read_codes(y, n_rows=40).tolist(),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("name", [*MEASURES])
def test_every_measure_reads_labels_from_any_container(name, student, teacher):
    expected = MEASURES[name](student, teacher, Y)
    for y in (
        pd.Series(Y, index=range(40, 80), dtype="category"),
        pd.DataFrame({"label": Y}),
        np.array(Y, dtype=np.dtypes.StringDType()),
        pd.DataFrame({"label": Y}, dtype=object).to_numpy(),
    ):
        assert MEASURES[name](student, teacher, y) == expected


@pytest.mark.parametrize("name", [*MEASURES])
def test_every_measure_names_a_missing_label_and_refuses_labels_of_another_type(
    name, student, teacher
):
    missing = pd.Series([*Y[:3], None, *Y[4:]])
    with pytest.raises(ValueError, match=r"^(y|y_true|y_test|teacher)\[3\] is missing"):
        MEASURES[name](student, teacher, missing)
    with pytest.raises(ValueError, match=r"(?i)mix of lab|is 0, a lab|contains num|None of the"):
        MEASURES[name](student, teacher, [0, 0, 1, 1] * 10)


def test_learning_curves_read_labels_from_any_container():
    expected = curves(Y).test_scores["a"].tolist()
    assert curves(pd.Series(Y, dtype="string").to_frame()).test_scores["a"].tolist() == expected
    with pytest.raises(ValueError, match=r"y\[39\] is missing"):
        curves([*Y[:39], None])


TOPICS = pd.DataFrame({"food": [1, 1, 0, 0] * 10, "a": [0, 1] * 20, "travel": [0, 0, 1, 1] * 10})
SHUFFLED = TOPICS[["travel", "food", "a"]]


@pytest.fixture(scope="module")
def topical():
    """Return a student that knows the names of its labels."""
    return make_student().fit(TEXTS, TOPICS)


@pytest.mark.parametrize("y", [SHUFFLED, SHUFFLED.astype("Int64"), SHUFFLED.astype("boolean")])
def test_columns_of_labels_are_read_by_their_names(topical, y, tmp_path):
    expected = topical.score(TEXTS, TOPICS.to_numpy())
    assert expected > 0.9
    assert topical.score(TEXTS, y) == expected
    assert parity_report(topical, TEXTS, y)["accuracy"] == expected
    topical.to_html(tmp_path / "a.html", TEXTS, TOPICS)
    topical.to_html(tmp_path / "b.html", TEXTS, y)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    errors = [
        ReliabilityDisplay.from_estimator(topical, TEXTS, given).calibration_error
        for given in (TOPICS, y)
    ]
    assert errors[0] == errors[1]
    found = compare({"a": make_student()}, TEXTS, TOPICS, TEXTS, y)
    assert found["accuracy"].tolist() == [expected]
    found = distillation_report(
        make_student(OneVsRestClassifier(make_tfidf_baseline(C=30))),
        TEXTS,
        TOPICS,
        X_test=TEXTS,
        y_test=y,
        n_seeds=1,
    )
    assert found.teacher.accuracy > 0.9
    with pytest.raises(ValueError, match=r"y has the columns \['b', .* which are not the classes"):
        topical.score(TEXTS, TOPICS.rename(columns={"food": "b"})[["b", "a", "travel"]])


def test_a_fitted_teacher_of_columns_in_another_order_is_refused(topical):
    teacher = FrozenEstimator(topical)
    same = make_student(teacher).fit(TEXTS, TOPICS)
    assert same.score(TEXTS, TOPICS) > 0.9
    message = r"classes .* differ from the columns of y, \['travel', 'food', 'a'\]; .* same order"
    with pytest.raises(ValueError, match=message):
        make_student(teacher).fit(TEXTS, SHUFFLED)
    with pytest.raises(ValueError, match=message):
        distillation_report(make_student(teacher), TEXTS, SHUFFLED, n_seeds=1)
    # The labels of a test are read by the names of their columns.
    models = {"a": teacher, "b": teacher}
    by_order = [compare(models, None, None, TEXTS, table) for table in (TOPICS, SHUFFLED)]
    assert by_order[0]["accuracy"].tolist() == by_order[1]["accuracy"].tolist()
    turned = FrozenEstimator(make_student().fit(TEXTS, SHUFFLED))
    with pytest.raises(ValueError, match=r"'b' predicts the labels .* in the same order"):
        compare({"a": teacher, "b": turned}, None, None, TEXTS, SHUFFLED)
    # Without names, the order is the user's concern.
    assert make_student(teacher).fit(TEXTS, TOPICS.to_numpy()).score(TEXTS, TOPICS) > 0.9


# The columns of several labels, named by the numbers 1 and 0.
NUMBERED = TOPICS[["travel", "food"]].set_axis([1, 0], axis=1)
MEASURES_OF_COLUMNS = {
    "reliability": lambda model, y: (
        ReliabilityDisplay.from_estimator(model, TEXTS, y).calibration_error < 0.3
    ),
    "comparison": lambda model, y: MEASURES["comparison"](model, None, y) == [1],
    "curves": lambda model, y: (
        LearningCurvesDisplay.from_estimators(
            {"a": FrozenEstimator(model), "b": OneVsRestClassifier(make_tfidf_baseline())},
            TEXTS,
            y,
            train_sizes=[20],
            cv=2,
        )
        .test_scores["a"]
        .tolist()
        == [[1, 1]]
    ),
    "teacher": lambda model, y: make_student(FrozenEstimator(model)).fit(TEXTS, y).score(TEXTS, y),
    "report": lambda model, y: (
        (
            distillation_report(make_student(FrozenEstimator(model)), TEXTS, y, n_seeds=1).teacher
        ).accuracy
    ),
    "card": lambda model, y: (
        make_student().fit(TEXTS, y).to_html("card.html", TEXTS, teacher=model)
    ),
}


@pytest.fixture(scope="module")
def numbered():
    """Return models with the columns that they were fitted on."""
    in_order = NUMBERED[[0, 1]]
    return {
        "plain": OneVsRestClassifier(make_tfidf_baseline(C=30)).fit(TEXTS, in_order),
        "plain, reversed": OneVsRestClassifier(make_tfidf_baseline(C=30)).fit(TEXTS, NUMBERED),
        "student": make_student().fit(TEXTS, in_order),
        "student, reversed": make_student().fit(TEXTS, NUMBERED),
    }


@pytest.mark.parametrize("name", MEASURES_OF_COLUMNS)
@pytest.mark.parametrize(
    ("model", "y"),
    [
        ("plain", NUMBERED),
        ("plain, reversed", NUMBERED),
        ("student", NUMBERED),
        ("student, reversed", NUMBERED[[0, 1]]),
    ],
    ids=["plain", "plain, reversed", "student", "student, reversed"],
)
def test_columns_numbered_in_another_order_are_never_swapped(
    name, model, y, numbered, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    if name == "reliability" and model.startswith("student"):
        assert MEASURES_OF_COLUMNS[name](numbered[model], y)
        return
    message = "places or names|predicts the labels|teacher's classes|the student's classes"
    with pytest.raises(ValueError, match=message):
        MEASURES_OF_COLUMNS[name](numbered[model], y)


@pytest.mark.parametrize("name", MEASURES_OF_COLUMNS)
def test_numbered_columns_in_the_order_of_the_model_are_read(name, numbered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model, y in (
        ("plain", NUMBERED[[0, 1]]),
        ("student", NUMBERED[[0, 1]].to_numpy()),
        ("student, reversed", NUMBERED),
    ):
        assert MEASURES_OF_COLUMNS[name](numbered[model], y) in (True, 1, None)


def test_models_that_are_fitted_on_numbered_columns_know_their_order():
    models = {
        "plain": OneVsRestClassifier(make_tfidf_baseline(C=30)),
        "student": make_student(OneVsRestClassifier(make_tfidf_baseline(C=30))),
    }
    found = compare(models, TEXTS, NUMBERED, TEXTS, NUMBERED[[0, 1]])
    assert found["accuracy"].tolist() == [1, 1]
    assert found["calibration_error"].max() < 0.3


def test_comparison_and_searches_keep_the_names_of_columns():
    _, models = compare(
        {"student": make_student(), "teacher": OneVsRestClassifier(make_tfidf_baseline())},
        TEXTS,
        TOPICS,
        TEXTS,
        TOPICS,
        return_estimators=True,
    )
    assert models["student"].classes_.tolist() == [*TOPICS]
    scores = cross_val_score(make_student(), TEXTS, TOPICS, cv=2, scoring="f1_micro")
    search = GridSearchCV(make_student(), {"embedding_dim": [8]}, cv=2, scoring="roc_auc_ovr")
    assert search.fit(TEXTS, TOPICS).best_estimator_.classes_.tolist() == [*TOPICS]
    assert min(*scores, search.best_score_) > 0.9


def test_a_function_teacher_reads_its_classes_as_labels():
    proba = np.tile([0.7, 0.3], (40, 1))
    for classes in (pd.Series(["a", "b"]), np.array(["a", "b"], dtype=object), ["a", "b"]):
        teacher = FunctionTeacherClassifier(lambda texts: proba[: len(texts)], classes=classes)
        assert teacher.fit(TEXTS).classes_.dtype.kind == "U"
    integers = pd.array([1, 0], dtype="Int64")
    teacher = FunctionTeacherClassifier(lambda texts: proba[: len(texts)], classes=integers)
    assert teacher.fit(TEXTS).predict(TEXTS[:1]).dtype.kind == "i"
