import io
import json
import re
import sys
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from conftest import make_checkpoint
from skdistill import CompiledClassifier, DistilledMLPClassifier, TransformerTeacherClassifier
from skdistill.cli import _main as cli
from skdistill.metrics._scores import evaluate
from skdistill.runtime._network import CompiledNetwork


@pytest.fixture(scope="module")
def model(topics, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "student.skd"
    student = DistilledMLPClassifier(
        n_parameters=1000, pooling="mean", max_epochs=9, random_state=0
    )
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
    assert [first.label, "predicted", "as", first.predicted, str(first.n_texts)] in rows


def test_a_teacher_adds_fidelity_and_retention(
    model, test_file, topics, tmp_path, monkeypatch, capsys
):
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
    for is_terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda is_terminal=is_terminal: is_terminal)
        assert report(model, test_file, "--teacher", folder) == 0
        out, err = capsys.readouterr()
        assert "fidelity" in out
        assert ("predicting: 100%" in err) is is_terminal


def test_classes_without_test_texts_have_no_scores(model, topics, tmp_path, capsys):
    (tmp_path / "one.csv").write_text(f"text,label\n{topics[0][0]},{topics[1][0]}\n")
    assert report(model, tmp_path / "one.csv") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = {row[0]: row[1:] for row in rows if row and row[0] in {*topics[1]}}
    absent = {*shown} - {topics[1][0]}
    assert [shown[name] for name in absent] == [["-", "-", "-", "0"]] * 2
    assert "-" not in shown[topics[1][0]]


def test_a_card_has_the_figures_of_the_report(model, test_file, tmp_path, topics, capsys):
    folder = make_checkpoint(tmp_path / "teacher", topics[0], head=["trains", "cooking", "sailing"])
    card = tmp_path / "card.html"
    title = "Topics <of> texts"
    options = ["--teacher", folder, "--html", card, "--title", title, "--quiet", "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKDISTILL_NATIVE", "0")  # every prediction is a call of this method then
        asked = count_calls(patch, CompiledNetwork, "predict_proba")
        assert report(model, test_file, *options) == 0
    assert asked == [100, 100]  # the student and its 8-bit version
    found = json.loads(capsys.readouterr().out)
    assert found["html"] == str(card)
    page = card.read_text(encoding="utf-8")
    assert "<title>Topics &lt;of&gt; texts</title>" in page
    cells = r"<t[hd][^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</t[hd]>"
    rows = [re.findall(cells, row) for row in page.split("<tr>")]
    named = {row[0]: row[1:] for row in rows if row}
    assert named["Model"][:4] == ["Parameters", "Accuracy", "Macro F1", "Agreement with teacher"]
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
    assert "already exists; choose another name or pass --force" in capsys.readouterr().err
    assert card.read_text() == "mine"
    assert report(model, test_file, "--html", card, "--force") == 0
    assert card.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{card}: ")


def test_a_card_replaces_neither_the_student_nor_the_texts(model, test_file, capsys):
    for path, name in ((model, "model"), (test_file, "file of test texts")):
        before = path.read_bytes()
        assert report(model, test_file, "--html", path, "--force") == 1
        assert f"{path} is also the {name}; choose another" in capsys.readouterr().err
        assert path.read_bytes() == before


def test_a_card_ends_in_html(model, test_file, tmp_path, capsys):
    with pytest.raises(SystemExit) as info:
        report(model, test_file, "--html", tmp_path / "card.pdf")
    assert info.value.code == 2
    assert "card.pdf must end in .html" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_title_is_for_a_card(model, test_file, capsys):
    with pytest.raises(SystemExit) as info:
        report(model, test_file, "--title", "Topics")
    assert info.value.code == 2
    assert "--title needs --html" in capsys.readouterr().err


def test_a_teacher_of_other_classes_is_refused(model, test_file, tiny_checkpoint, capsys):
    assert report(model, test_file, "--teacher", tiny_checkpoint) == 1
    assert "is not fine-tuned for the classes cooking, sailing, trains" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tfidf", "none"])
def test_a_teacher_that_only_fit_knows_is_refused(model, test_file, name, capsys):
    with pytest.raises(SystemExit) as info:
        report(model, test_file, "--teacher", name)
    assert info.value.code == 2
    told = capsys.readouterr().err
    assert f"--teacher {name} is only for `fit`; pass a transformer" in told


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
        (
            "text,label\nx,trains\ny,planes\n",
            "line 3 has the label 'planes', which is not one of the classes",
        ),
        ("text,label\nx,\n", "line 2 has no label; add it"),
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
    assert "does not exist" in capsys.readouterr().err


# ---- several labels a text


@pytest.fixture(scope="module")
def tagger(topics, tmp_path_factory):
    """A student that knows cooking, and what is not trains; its file and that of test texts."""
    folder = tmp_path_factory.mktemp("several")
    texts, y = topics[0][:200], np.column_stack([topics[1] == "cooking", topics[1] != "trains"])
    y = y[:200] * 1
    student = DistilledMLPClassifier(max_epochs=50, lr=0.1, random_state=0).fit(
        texts[:100], y[:100]
    )
    student.save(folder / "model.skd")
    numbers = [" ".join(map(str, np.flatnonzero(row))) for row in y[100:]]
    assert {*numbers} == {"0 1", "1", ""}
    pd.DataFrame({"text": texts[100:], "label": numbers}).to_csv(folder / "test.csv", index=False)
    return folder, texts[100:], y[100:]


def test_several_labels_a_text_are_measured(tagger, capsys):
    folder, texts, y = tagger
    student = CompiledClassifier.load(folder / "model.skd")
    expected = evaluate(y, student.predict_proba(texts), ["0", "1"])
    assert report(folder / "model.skd", folder / "test.csv", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: found[name] for name in asdict(expected)} == asdict(expected)
    assert found["accuracy"] == np.mean((student.predict(texts) == y).all(axis=1)) > 0.5
    assert found["micro_f1"] == f1_score(y, student.predict(texts), average="micro")
    assert report(folder / "model.skd", folder / "test.csv") == 0
    out = capsys.readouterr().out
    assert ": 2 labels, " in out
    rows = [line.split() for line in out.splitlines()]
    assert ["subset", "accuracy", f"{100 * expected.accuracy:.2f}"] in rows
    assert ["micro", "F1", f"{100 * expected.micro_f1:.2f}"] in rows
    assert ["label", "precision", "recall", "F1", "texts"] in rows


def test_what_predict_writes_is_read(tagger, tmp_path, monkeypatch, capsys):
    folder, texts, _ = tagger
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "texts.csv", index=False)
    model, answers = str(folder / "model.skd"), tmp_path / "answers.jsonl"
    assert cli.main(["predict", model, str(tmp_path / "texts.csv"), str(answers)]) == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(answers.read_bytes())))
    assert report(model, "-", "--format", "jsonl", "--json") == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1


def test_a_teacher_and_a_card_of_several_labels(tagger, tmp_path, topics, capsys):
    folder, texts, y = tagger
    big = make_checkpoint(
        tmp_path / "big",
        topics[0],
        head=["cooks", "moves"],
        problem_type="multi_label_classification",
    )
    card = tmp_path / "card.html"
    options = ["--teacher", big, "--html", card, "--quiet", "--json"]
    assert report(folder / "model.skd", folder / "test.csv", *options) == 0
    found = json.loads(capsys.readouterr().out)
    said = TransformerTeacherClassifier.from_finetuned(big).predict(texts)
    student = CompiledClassifier.load(folder / "model.skd")
    assert found["teacher"]["accuracy"] == np.mean((said == y).all(axis=1))
    assert found["teacher"]["fidelity"] == np.mean((said == student.predict(texts)).all(axis=1))
    assert f"{100 * found['accuracy']:.2f}" in card.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("2", "line 3 has the label '2', which is not one of the classes 0, 1"),
        ("trains", "line 3 has the label 'trains'"),
        ("1 0 1", "line 3 has a label twice, '1 0 1'; write the labels"),
    ],
)
def test_what_are_no_numbers_of_labels_is_named(tagger, tmp_path, capsys, cell, message):
    (tmp_path / "test.csv").write_text(f"text,label\nx,\ny,{cell}\n", encoding="utf-8")
    assert report(tagger[0] / "model.skd", tmp_path / "test.csv") == 1
    assert message in capsys.readouterr().err


def test_lists_of_labels_get_no_advice_that_a_student_of_single_labels_refuses(
    model, tmp_path, capsys
):
    for cell, status in [('["food"]', 1), ('{"food": 1}', 1)]:
        data = tmp_path / "test.jsonl"
        data.write_text(f'{{"text": "hot soup", "label": {cell}}}\n', encoding="utf-8")
        assert report(model, data) == status
        told = capsys.readouterr().err
        assert "line 1 " in told
        assert "write one label per text" in told
        assert "--label-separator" not in told


def test_the_advice_on_labels_with_another_separator_works(tmp_path, capsys):
    data, model = tmp_path / "s.csv", tmp_path / "s.skd"
    rows = ["a soup,0", "a bus,2", "soup on a bus,0 2", "a boat,1"] * 5
    data.write_text("\n".join(["text,label", *rows, ""]))
    train = ["fit", data, "--teacher", "none", "--label-separator", " ", "-o", model, "--quiet"]
    assert cli.main([*map(str, train)]) == 0
    assert report(model, data) == 1
    assert "not one of the classes 0, 1, 2; 5 of 20 rows" in (err := capsys.readouterr().err)
    assert "Pass --label-separator ' ', which separates the labels." in err
    assert report(model, data, "--label-separator", " ") == 0


def test_a_teacher_of_one_label_is_refused_for_several(tagger, tmp_path, topics, capsys):
    big = make_checkpoint(tmp_path / "big", topics[0], head=["0", "1"])
    assert report(tagger[0] / "model.skd", tagger[0] / "test.csv", "--teacher", big) == 1
    assert "is not fine-tuned for the 2 labels; pass a folder" in capsys.readouterr().err


def test_shifted_columns_are_refused_by_every_command(model, tmp_path, capsys):
    path = tmp_path / "shifted.csv"
    path.write_text("text,label\nwell, indeed,cooking\noh, really,sailing\n")
    commands = [
        ["fit", path, "-o", tmp_path / "new.skd"],
        ["report", model, path],
        ["predict", model, path, tmp_path / "out.csv"],
    ]
    for command in commands:
        assert cli.main([*map(str, command)]) == 1
        assert "shifted.csv, line 2 has 3 fields, but the header has 2" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [path]


def test_a_label_is_on_one_line(tmp_path, capsys):
    labels = ["a\nb", "c\td"] * 6
    student = DistilledMLPClassifier(n_parameters=500, max_epochs=1)
    student.fit(["soup", "bus"] * 6, labels).save(tmp_path / "model.skd")
    pd.DataFrame({"text": ["x"] * 12, "label": labels}).to_csv(tmp_path / "test.csv")
    assert report(tmp_path / "model.skd", tmp_path / "test.csv") == 0
    first = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert {"a\\nb", "c\\td"} <= {*first}
