"""Labels of every type, read from a file, through everything that keeps a student."""

import io
import json

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score

from skdistill import CompiledClassifier, DistilledMLPClassifier, export_onnx, parity_report
from skdistill.cli._main import main

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
    "integers, unsigned": ((2, 7), "uint8", int),
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
    fits = [
        DistilledMLPClassifier(max_epochs=3, random_state=0).fit(TEXTS, y, teacher_proba=given)
        for given in (proba, table, table[["travel", "food"]])
    ]
    expected = fits[0].predict_proba(NEW)
    for student in fits[1:]:
        np.testing.assert_array_equal(student.predict_proba(NEW), expected)
    with pytest.raises(ValueError, match="teacher_proba has the columns"):
        fits[0].fit(TEXTS, y, teacher_proba=table.rename(columns={"food": "foot"}))


def test_a_table_of_several_labels_is_read_by_its_names_after_fit(tmp_path):
    y = pd.DataFrame({"to eat": [1, 1, 0, 0] * 10, "moves": [0, 0, 1, 1] * 10})
    student = DistilledMLPClassifier(max_epochs=20, lr=0.05, random_state=0).fit(TEXTS, y)
    turned = y[["moves", "to eat"]]
    assert student.score(TEXTS, turned) == student.score(TEXTS, y) == 1
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
