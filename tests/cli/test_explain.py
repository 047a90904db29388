import io
import json
import sys

import pandas as pd
import pytest

from conftest import FOOD_LABELS, FOODS
from skdistill import CompiledClassifier, DistilledMLPClassifier, DistilledRNNClassifier
from skdistill.cli import _main as cli


@pytest.fixture
def model(food_student):
    return food_student


def test_texts_are_explained_as_in_python(model, capsys):
    texts = ["a warm soup", "late"]
    assert cli.main(["explain", str(model), *texts]) == 0
    expected = CompiledClassifier.load(model).explain(texts)
    assert capsys.readouterr().out == f"{expected[0]}\n\n{expected[1]}\n"


def test_json_has_all_words(model, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"warm soup\nfast naive\n")))
    assert cli.main(["explain", str(model), "-", "--json"]) == 0
    found = [*map(json.loads, capsys.readouterr().out.splitlines())]
    expected = CompiledClassifier.load(model).explain(["warm soup", "fast naive"])
    for row, explanation in zip(found, expected, strict=True):
        assert row["text"] == explanation.text
        assert row["label"] == CompiledClassifier.load(model).predict([row["text"]])[0]
        assert row["proba"] == explanation.proba.max()
        support = [word["support"] for word in row["words"]]
        assert support == explanation.towards(row["label"]).tolist()
        assert [word["word"] for word in row["words"]] == explanation.units


def test_a_student_without_contributions_says_so(tmp_path, capsys):
    student = DistilledRNNClassifier(hidden_dim=2, embedding_dim=4, max_epochs=1).fit(
        FOODS, FOOD_LABELS
    )
    student.save(tmp_path / "rnn.skd")
    assert cli.main(["explain", str(tmp_path / "rnn.skd"), "soup"]) == 1
    assert capsys.readouterr().err == (
        "skdistill explain: error: explain needs a student of kind mlp (fit --student mlp); "
        f"{tmp_path / 'rnn.skd'} is of kind rnn.\n"
    )


def test_lines_in_another_encoding_are_read_if_it_is_named(model, monkeypatch, capsys):
    def explain(*options):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9 soup\n")))
        return cli.main(["explain", str(model), "-", *options]), capsys.readouterr()

    code, written = explain()
    assert code == 1
    assert "line 1 is not in UTF-8" in written.err
    assert "--encoding cp1252" in written.err
    code, written = explain("--encoding", "cp1252")
    assert code == 0
    assert written.out.startswith("Explanation of 'caf\xe9 soup'\n")


def test_no_lines_are_an_error(model, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert cli.main(["explain", str(model), "-"]) == 1
    assert capsys.readouterr().err == (
        "skdistill explain: error: standard input is empty; write one text per line.\n"
    )


def test_a_file_is_not_taken_for_a_text(model, tmp_path, capsys):
    path = tmp_path / "test.csv"
    path.write_text("text\nsoup\n")
    assert cli.main(["explain", str(model), "soup", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{path} is a file, but explain takes texts; pass a text in quotes, or" in captured.err
    assert cli.main(["explain", str(model), "soup.csv" + "x" * 5000]) == 0


def test_a_text_before_the_model_is_named(model, capsys):
    assert cli.main(["explain", "a warm soup", str(model)]) == 1
    assert capsys.readouterr().err == (
        "skdistill explain: error: the file a warm soup does not exist; did you swap MODEL and "
        "TEXT?\n"
    )


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """A student that gives a text several labels, or none."""
    path = tmp_path_factory.mktemp("tagger") / "student.skd"
    texts = ["soup", "soup train", "train", "bus"] * 5
    y = pd.DataFrame([[1, 0], [1, 1], [0, 1], [0, 0]] * 5, columns=["food", "travel"])
    DistilledMLPClassifier(max_epochs=100, lr=0.1, random_state=0).fit(texts, y).save(path)
    return path


def test_each_of_several_labels_is_explained(tagger, capsys):
    texts = ["soup", "soup train", "bus"]
    assert cli.main(["explain", str(tagger), *texts]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    found = [[line for line in block.splitlines()[1:] if line[0] != " "] for block in blocks]
    proba = CompiledClassifier.load(tagger).predict_proba(texts)
    assert (proba > 0.5).tolist() == [[True, False], [True, True], [False, False]]
    named = [{f"food: {food:.3f}": food, f"travel: {travel:.3f}": travel} for food, travel in proba]
    assert found[0] == [f"food: {proba[0, 0]:.3f}"]
    assert found[1] == sorted(named[1], key=named[1].get, reverse=True)
    most = max(named[2], key=named[2].get)
    assert found[2] == ["no label; the most probable one is", most]


def test_json_has_all_predicted_labels(tagger, capsys):
    assert cli.main(["explain", str(tagger), "soup train", "bus", "--json"]) == 0
    found = [json.loads(line)["labels"] for line in capsys.readouterr().out.splitlines()]
    assert [sorted(labels) for labels in found] == [["food", "travel"], []]
