import io
import json
import sys

import pytest

from skdistill import CompiledClassifier, DistilledMLPClassifier, DistilledRNNClassifier
from skdistill.cli import _main as cli

X = ["warm soup", "fresh bread", "warm bread", "fast train", "late train", "fast bus"]
Y = ["food"] * 3 + ["travel"] * 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "student.skd"
    DistilledMLPClassifier(max_epochs=30, random_state=0).fit(X, Y).save(path)
    return path


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
    student = DistilledRNNClassifier(hidden_dim=2, embedding_dim=4, max_epochs=1).fit(X, Y)
    student.save(tmp_path / "rnn.skd")
    assert cli.main(["explain", str(tmp_path / "rnn.skd"), "soup"]) == 1
    assert "a student other than an MLP are not sums over words" in capsys.readouterr().err
