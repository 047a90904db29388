import io
import os
import re
import sys

import numpy as np
import pytest

from skdistill.cli import _main as cli
from skdistill.storage._store import SoftLabelStore, digest_texts
from skdistill.teachers.llm._memory import AnswerMemory
from skdistill.teachers.llm._prompt import Prompt


@pytest.fixture
def store(tmp_path):
    store = SoftLabelStore(tmp_path)
    store.write("one", {f"text {i}": np.float32([0.5, 0.5]) for i in range(1500)})
    store.write("one", {"more": np.float32([0.5, 0.5])})
    store.write("two", {"text": np.float32([0.2, 0.3, 0.5])})
    for seconds, path in enumerate(sorted(tmp_path.rglob("*.npz"))):
        os.utime(path, (1e9 + seconds, 1e9 + seconds))
    return store


def keys(store):
    return [teacher.key for teacher in store.teachers()]


def test_info_lists_teachers(store, capsys):
    assert cli.main(["cache", "info", str(store.location)]) == 0
    rows = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    n_bytes = {
        key: sum(path.stat().st_size for path in store.folder(key).glob("*.npz"))
        for key in ("one", "two")
    }
    assert rows[0] == ["teacher", "answers", "classes", "bytes", "last written"]
    assert [row[:4] for row in rows[1:]] == [
        ["two", "1", "3", f"{n_bytes['two']:,}"],
        ["one", "1,501", "2", f"{n_bytes['one']:,}"],
        ["total", "1,502", f"{sum(n_bytes.values()):,}"],
    ]
    assert rows[1][4].startswith("2001-09-0")


@pytest.fixture
def paid(store):
    """Answers of a language model in the same folder."""
    memory = AnswerMemory(store.location, "a-model", Prompt(("ham", "spam")))
    with memory.turn():
        for answer in ([1, 0, 50, 1], [0, 1, 50, 1]):
            memory.keep(digest_texts(["a text"]).tobytes(), np.float32(answer), "samples")
    return memory


def test_info_lists_language_models(store, paid, capsys):
    assert cli.main(["cache", "info", str(store.location)]) == 0
    rows = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows[1:]] == [paid.key, "two", "one", "total"]
    assert rows[1][1:3] == ["2", "2"]
    assert rows[1][5] == "language model"
    assert rows[4][1] == "1,504"


def test_clear_deletes_one_language_model(store, paid, capsys):
    folder = str(store.location)
    assert cli.main(["cache", "clear", folder, "--teacher", paid.key, "--yes"]) == 0
    assert paid.totals() == (0, (0, 0))
    assert keys(store) == ["two", "one"]


def test_info_of_an_empty_folder(tmp_path, capsys):
    assert cli.main(["cache", "info", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path} contains no cached answers\n"


def test_a_missing_folder_has_the_usage_of_its_action(capsys):
    with pytest.raises(SystemExit):
        cli.main(["cache", "info"])
    assert capsys.readouterr().err == (
        "usage: skdistill cache info FOLDER\n"
        "skdistill cache info: error: the following arguments are required: FOLDER\n"
    )


def test_a_file_is_no_cache(tmp_path, capsys):
    path = tmp_path / "texts.csv"
    path.touch()
    assert cli.main(["cache", "info", str(path)]) == 1
    assert f"{path} is an existing file; pass the path of a folder." in capsys.readouterr().err


def test_clear_removes_what_was_agreed_to(store, capsys):
    assert cli.main(["cache", "clear", str(store.location), "--teacher", "one", "--yes"]) == 0
    assert keys(store) == ["two"]
    assert store.read("one", ["more"]) == {}
    assert cli.main(["cache", "clear", str(store.location), "--yes"]) == 0
    assert capsys.readouterr().out.endswith("\ndeleted\n")
    assert keys(store) == []


@pytest.mark.parametrize(
    ("answer", "left"), [("y\n", []), ("\n", ["two", "one"]), ("", ["two", "one"])]
)
def test_clear_asks_on_a_terminal(store, monkeypatch, capsys, answer, left):
    terminal = io.StringIO(answer)  # the last one is Ctrl-D
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    assert cli.main(["cache", "clear", str(store.location)]) == 0
    assert "Delete these? [y/N] " in capsys.readouterr().out
    assert keys(store) == left


def test_clear_removes_nothing_unasked(store, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert cli.main(["cache", "clear", str(store.location)]) == 1
    assert "pass --yes" in capsys.readouterr().err
    assert keys(store) == ["two", "one"]


def test_clear_leaves_what_is_in_use(store, capsys):
    with store.turn("one", []):
        assert cli.main(["cache", "clear", str(store.location), "--teacher", "one", "--yes"]) == 1
    assert "is labelling with the teacher one" in capsys.readouterr().err
    assert keys(store) == ["two", "one"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "nowhere"], "the folder nowhere does not exist"),
        (["clear", ".", "--teacher", "x"], "no teacher"),
    ],
)
def test_what_is_not_there_is_an_error(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["cache", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_actions_are_required(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["cache"])
    assert "ACTION" in capsys.readouterr().err
