"""From an exported spreadsheet to a served model, by the command line and its messages alone."""

import csv

import pytest

from conftest import make_topics
from skdistill import CompiledClassifier
from skdistill.cli import _main as cli


def export(path, rows):
    """Write what a spreadsheet exports as Unicode text: quotes, line breaks and empty rows."""
    with path.open("w", encoding="utf-16", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        for number, row in enumerate(rows):
            writer.writerow(row)
            if number % 40 == 7:
                file.write("\r\n;\r\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    texts, labels = make_topics(240)
    odd = [f'"{text}"; he said\nand left, naïve' if n % 3 else text for n, text in enumerate(texts)]
    rows = [*zip(odd, labels.tolist(), strict=True)]
    export(folder / "train.csv", [("Utterance", "Intent"), *rows[:200]])
    export(folder / "new.csv", [("Utterance", "Who"), *((text, "me") for text, _ in rows[200:])])
    return folder


def test_a_spreadsheet_becomes_a_served_model(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    fit = ["fit", "train.csv", "--teacher", "tfidf", "-o", "model.skd"]
    assert cli.main(fit) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert "its columns are Utterance, Intent. Choose the right one with --text-column" in told
    fit += ["--text-column", "Utterance"]
    assert cli.main(fit) == 1
    assert "Choose the right one with --label-column" in capsys.readouterr().err
    fit += ["--label-column", "Intent", "--test-fraction", "0.2", "--calibrate"]
    assert cli.main(fit) == 0
    out, err = capsys.readouterr()
    assert "skdistill fit: train.csv: left out 10 blank lines" in err
    assert "140 labelled, 0 unlabelled, 20 held-out and 40 test texts; 3 classes" in err
    assert "on 40 test texts, in %" in out

    report = ["report", "model.skd", "train.csv", "--text-column", "Utterance"]
    assert cli.main([*report, "--label-column", "Intent"]) == 0
    assert "on 200 test texts" in capsys.readouterr().out

    predict = ["predict", "model.skd", "new.csv", "labels.csv", "--text-column", "Utterance"]
    assert cli.main(predict) == 0
    assert "labelled 40 texts of new.csv; wrote labels.csv" in capsys.readouterr().err
    with open("labels.csv", encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    labels = CompiledClassifier.load("model.skd").predict([row["Utterance"] for row in rows])
    assert [row["label"] for row in rows] == labels.tolist()
    assert {row["Who"] for row in rows} == {"me"}
    assert (labels == make_topics(240)[1][200:]).mean() > 0.9
