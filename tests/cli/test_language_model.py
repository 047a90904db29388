import json

import pytest

from chat_server import ChatServer
from skdistill import CompiledClassifier
from skdistill.cli import _main as cli
from skdistill.students import _base as _student_base
from skdistill.students.training._schedule import make_schedule


def answer(text):
    return {"A": 0.875, "B": 0.125} if "!" in text else {"A": 0.125, "B": 0.875}


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch):
    monkeypatch.setattr(
        _student_base, "make_schedule", lambda **given: make_schedule(**given | {"max_epochs": 2})
    )


@pytest.fixture
def server():
    with ChatServer(answer) as running:
        yield running


@pytest.fixture
def folder(tmp_path):
    texts = [f"text {i} {'!' if i % 2 else '?'}" for i in range(40)]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    rows = [f"row {text[4:]},{('calm', 'loud')[i % 2]}" for i, text in enumerate(texts[:20])]
    (tmp_path / "labelled.csv").write_text("\n".join(["text,label", *rows]))
    (tmp_path / "told.txt").write_text("Is it loud?")
    return tmp_path


def fit(folder, server, *options, data="texts.txt", model="llm:m", classes="loud,calm"):
    given = ["fit", folder / data, "-o", folder / "m.skd", "--teacher", model]
    given += ["--classes", classes] if classes else []
    given += ["--base-url", server.url] if server else []
    return cli.main([*map(str, [*given, *options])])


def test_a_file_without_labels_is_enough(folder, server, capsys):
    options = ["--instructions", folder / "told.txt", "--test", folder / "labelled.csv", "--json"]
    assert fit(folder, server, *options) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["teacher"], found["classes"]) == ("m", ["calm", "loud"])
    assert (found["n_labelled"], found["n_unlabelled"], found["n_augmented"]) == (0, 40, 0)
    assert found["test"]["teacher"]["accuracy"] == 1
    assert CompiledClassifier.load(folder / "m.skd").classes_.tolist() == ["calm", "loud"]
    assert server.n_requests == 60  # with the test texts
    assert server.bodies[0]["messages"][0]["content"].startswith("Is it loud?")
    assert "gives logprobs" in shown.err
    # The answers are next to the model; nothing is paid for twice.
    assert fit(folder, server, *options, "--force") == 0
    assert server.n_requests == 60


def test_labels_of_a_file_are_the_classes(folder, server, capsys):
    assert fit(folder, server, data="labelled.csv", classes=None) == 0
    assert "A: calm\nB: loud" in server.bodies[0]["messages"][0]["content"]
    assert server.n_requests == 20
    assert "trained on 20 labelled texts of 2 classes" in capsys.readouterr().out


def test_a_dry_run_asks_nothing(folder, server, capsys):
    options = ["--prices", "1,2", "--test", folder / "labelled.csv", "--dry-run"]
    assert fit(folder, server, *options) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("60 requests, about ")
    assert "60 output tokens; cost: about 0.00" in shown
    assert "0 of 60 texts have answers already" in shown
    assert server.n_requests == 0
    assert not (folder / "m.skd").exists()
    assert fit(folder, server, *options[2:]) == 0
    assert "cost: unknown without --prices" in capsys.readouterr().out


def test_a_budget_ends_a_fit_and_a_larger_one_resumes_it(folder, server, capsys):
    prices = ["--prices", "100,200", "--max-concurrency", "2"]
    assert fit(folder, server, *prices, "--max-cost", "0.1") == 1
    assert "raise --max-cost to ask for the rest" in capsys.readouterr().err
    n_first = server.n_requests
    assert 0 < n_first < 40
    assert fit(folder, server, *prices, "--max-cost", "9", "--verbose") == 0
    assert server.n_requests == 40
    shown = capsys.readouterr().err
    assert "asking (logprobs): 100%" in shown
    assert "cost=0." in shown
    assert "paid so far: " in shown
    assert "labelling:" not in shown  # one bar is enough


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-cost", "5"], "--max-cost needs --prices IN,OUT"),
        (["--augment"], "--augment would ask the language model for 150,000 more texts"),
        (["--calibrate"], "--calibrate needs labels, but with --classes"),
        (["--test-fraction", "0.2"], "--test-fraction needs labels, but with --classes"),
        (["--epochs", "3"], "--epochs needs a transformer, but --teacher is llm:m"),
        (["--prices", "1"], "'1' is not two prices with a comma"),
        (["--prices", "1,-2"], "-2 is not a price"),
    ],
)
def test_options_that_do_not_fit_together_are_explained(folder, options, message, capsys):
    with pytest.raises(SystemExit):
        fit(folder, None, *options)
    assert message in capsys.readouterr().err


def test_classes_are_several_names(folder, capsys):
    for classes in ("loud", "loud,loud", "loud,,calm"):
        with pytest.raises(SystemExit):
            fit(folder, None, classes=classes)
        assert "is not two or more different labels" in capsys.readouterr().err


def test_other_teachers_take_none_of_the_options(folder, capsys):
    for model, message in (
        ("tfidf", "--classes needs a language model, as in --teacher llm:MODEL"),
        ("llm:", "--teacher llm: lacks the name of a model"),
    ):
        with pytest.raises(SystemExit):
            fit(folder, None, model=model)
        assert message in capsys.readouterr().err


def test_a_text_has_one_label(folder, server, capsys):
    (folder / "several.csv").write_text("text,label\na,x|y\nb,x\nc,y\n")
    assert fit(folder, server, "--label-separator", "|", data="several.csv", classes=None) == 1
    assert "a language model gives one label per text" in capsys.readouterr().err
