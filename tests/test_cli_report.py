import io
import json
import re
import sys
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from conftest import make_checkpoint
from skdistill import CompiledClassifier, DistilledMLPClassifier, TransformerTeacherClassifier, cli
from skdistill._evaluation import evaluate
from skdistill.runtime import CompiledNetwork


@pytest.fixture(scope="module")
def model(topics, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "student.skd"
    student = DistilledMLPClassifier(n_parameters=1000, max_epochs=3, random_state=0)
    student.fit(topics[0][:100], topics[1][:100]).save(path)
    return path


@pytest.fixture(scope="module")
def test_file(topics, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "test.csv"
    pd.DataFrame({"text": topics[0][100:200], "label": topics[1][100:200]}).to_csv(path)
    return path


def report(*arguments):
    return cli.main(["report", *map(str, arguments)])


@pytest.fixture(scope="module")
def expected(model, topics):
    proba = CompiledClassifier.load(model).predict_proba(topics[0][100:200])
    return evaluate(topics[1][100:200], proba, ["cooking", "sailing", "trains"])


def test_json_holds_the_figures_of_python(model, test_file, expected, capsys):
    assert report(model, test_file, "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert found.pop("model") == str(model)
    assert found.pop("n_bytes") == model.stat().st_size
    assert found.pop("n_parameters") == CompiledClassifier.load(model).n_parameters_
    assert found == asdict(expected)
    assert 0.5 < expected.accuracy < 1


def test_the_text_has_the_same_figures(model, test_file, expected, capsys):
    assert report(model, test_file) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines]
    assert lines[0].startswith(f"{model}: 3 classes, ")
    assert ["accuracy", f"{100 * expected.accuracy:.2f}"] in rows
    for scores in expected.classes:
        shares = [f"{100 * value:.1f}" for value in (scores.precision, scores.recall, scores.f1)]
        assert [scores.label, *shares, str(scores.n_texts)] in rows
    first = expected.confusions[0]
    assert [first.label, "taken", "for", first.predicted, str(first.n_texts)] in rows


def test_a_teacher_adds_fidelity_and_retention(model, test_file, topics, tmp_path, capsys):
    folder = make_checkpoint(tmp_path, topics[0], head=["trains", "cooking", "sailing"])
    capsys.readouterr()
    assert report(model, test_file, "--teacher", folder, "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    texts, y = topics[0][100:200], topics[1][100:200]
    teacher = TransformerTeacherClassifier.from_finetuned(folder)
    student = CompiledClassifier.load(model)
    found = json.loads(out)["teacher"]
    assert found["accuracy"] == teacher.score(texts, y)
    assert found["fidelity"] == np.mean(teacher.predict(texts) == student.predict(texts))
    assert report(model, test_file, "--teacher", folder) == 0
    out, err = capsys.readouterr()
    assert "fidelity" in out
    assert "predicting: 100%" in err


def test_a_card_has_the_figures_of_the_report(model, test_file, tmp_path, topics, capsys):
    folder = make_checkpoint(tmp_path / "teacher", topics[0], head=["trains", "cooking", "sailing"])
    card = tmp_path / "card.html"
    title = "Topics <of> texts"
    options = ["--teacher", folder, "--html", card, "--title", title, "--quiet", "--json"]
    with pytest.MonkeyPatch.context() as patch:
        asked = count_calls(patch, CompiledNetwork, "predict_proba")
        assert report(model, test_file, *options) == 0
    assert asked == [100, 100]  # the student, and the page's in eight bits
    found = json.loads(capsys.readouterr().out)
    assert found["html"] == str(card)
    page = card.read_text(encoding="utf-8")
    assert "<title>Topics &lt;of&gt; texts</title>" in page
    cells = r"<t[hd][^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</t[hd]>"
    rows = [re.findall(cells, row) for row in page.split("<tr>")]
    named = {row[0]: row[1:] for row in rows if row}
    assert named["Model"][:4] == ["Parameters", "Accuracy", "Macro F1", "Agrees with the teacher"]
    teacher = found["teacher"]
    for name, n_parameters, scores, fidelity in [
        ("this student", found["n_parameters"], found, teacher["fidelity"]),
        ("its teacher", count_parameters(folder), teacher, 1.0),
    ]:
        shares = [scores["accuracy"], scores["macro_f1"], fidelity]
        shown = [f"{n_parameters:,}", *(f"{100 * share:.2f}" for share in shares)]
        assert named[name][:4] == shown


def count_calls(patch, cls, name):
    """Let a method note the number of texts of each call."""
    calls, method = [], getattr(cls, name)

    def counting(self, X):
        calls.append(len(X))
        return method(self, X)

    patch.setattr(cls, name, counting)
    return calls


def count_parameters(folder):
    return TransformerTeacherClassifier.from_finetuned(folder).n_parameters_


def test_a_card_replaces_another_one_only_by_force(model, test_file, tmp_path, capsys):
    card = tmp_path / "card.html"
    card.write_text("mine")
    assert report(model, test_file, "--html", card) == 1
    assert "is there already; name another one, or pass --force" in capsys.readouterr().err
    assert card.read_text() == "mine"
    assert report(model, test_file, "--html", card, "--force") == 0
    assert card.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{card}: ")


def test_a_title_is_for_a_card(model, test_file, capsys):
    with pytest.raises(SystemExit) as info:
        report(model, test_file, "--title", "Topics")
    assert info.value.code == 2
    assert "--title is for the card that --html writes" in capsys.readouterr().err


def test_a_teacher_of_other_classes_is_refused(model, test_file, tiny_checkpoint, capsys):
    assert report(model, test_file, "--teacher", tiny_checkpoint) == 1
    assert "is not fine-tuned for the classes cooking, sailing, trains" in capsys.readouterr().err


def test_labels_of_other_types_are_met_by_their_text(topics, tmp_path, capsys):
    # As text, 10 and 11 come before 9.
    numbers = 9 + np.unique(topics[1], return_inverse=True)[1]
    student = DistilledMLPClassifier(n_parameters=1000, max_epochs=3, random_state=0)
    student.fit(topics[0][:100], numbers[:100]).save(tmp_path / "model.skd")
    test = pd.DataFrame({"text": topics[0][100:200], "label": numbers[100:200]})
    folder = make_checkpoint(tmp_path / "teacher", topics[0], head=["9", "10", "11"])
    content = test.to_json(orient="records", lines=True).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        options = ["--teacher", folder, "--html", tmp_path / "card.html", "--quiet", "--json"]
        assert report(tmp_path / "model.skd", "-", "--format", "jsonl", *options) == 0
    found = json.loads(capsys.readouterr().out)
    texts = topics[0][100:200]
    assert found["accuracy"] == student.score(texts, numbers[100:200])
    assert [scores["label"] for scores in found["classes"]] == ["9", "10", "11"]
    said = TransformerTeacherClassifier.from_finetuned(folder).predict(texts).astype(int)
    assert found["teacher"]["accuracy"] == np.mean(said == numbers[100:200])
    assert found["teacher"]["fidelity"] == np.mean(said == student.predict(texts))
    assert f"{100 * found['accuracy']:.2f}" in (tmp_path / "card.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\nx,trains\ny,planes\n", "label[1] is 'planes', which is none of the classes"),
        ("text,label\nx,\n", "label[0] is missing"),
        ("text,class\nx,trains\n", "has no column 'label'"),
        ("text,label\n", "has no rows"),
    ],
)
def test_wrong_input_is_named(model, tmp_path, capsys, content, message):
    (tmp_path / "test.csv").write_text(content)
    assert report(model, tmp_path / "test.csv") == 1
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""


def test_an_unreadable_model_is_named(test_file, tmp_path, capsys):
    (tmp_path / "model.skd").write_text("no model")
    assert report(tmp_path / "model.skd", test_file) == 1
    assert str(tmp_path / "model.skd") in capsys.readouterr().err
    assert report(tmp_path / "none.skd", test_file) == 1
    assert "No such file" in capsys.readouterr().err


def test_several_labels_a_text_are_for_python(test_file, tmp_path, capsys):
    y = np.array([[1, 0], [1, 1], [0, 1]] * 2)
    student = DistilledMLPClassifier(max_epochs=1).fit(["a b", "a c", "c"] * 2, y)
    student.save(tmp_path / "model.skd")
    assert report(tmp_path / "model.skd", test_file) == 1
    assert "gives several labels a text" in capsys.readouterr().err
