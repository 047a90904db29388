import io
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import skdistill
from skdistill import DistilledMLPClassifier, TransformerTeacherClassifier, make_tfidf_baseline
from skdistill.cli import _demo_run as demo
from skdistill.cli import _main as cli
from skdistill.runtime._kernel import find_native

COMMANDS = ["demo", "fit", "report", "predict", "explain", "export", "cache"]


@pytest.fixture
def calls(monkeypatch):
    """Note what `run_demo` is called with instead of running it."""
    noted = []
    monkeypatch.setattr(demo, "run_demo", noted.append)
    return noted


def test_demo_has_defaults(calls):
    assert cli.main(["demo"]) == 0
    assert calls == [demo.Demo()]


def test_demo_passes_its_options_on(calls):
    options = "--data a.csv --teacher big --unlabeled b.txt --text-column x --label-column y"
    forms = "--sep tab --encoding cp1252"
    more = "--output here --full --no-plot --seed 7"
    assert cli.main(["demo", *options.split(), *forms.split(), *more.split()]) == 0
    texts = {"data": "a.csv", "unlabeled": "b.txt", "text_column": "x", "label_column": "y"}
    expected = {"teacher": "big", "output": Path("here"), "full": True, "plot": False, "seed": 7}
    assert calls == [demo.Demo(**texts, sep="\t", encoding="cp1252", **expected)]


@pytest.mark.parametrize(
    ("kind", "status"), [(OSError, 1), (ValueError, 1), (TypeError, 1), (ImportError, 2)]
)
def test_an_error_ends_with_a_message_and_a_status(kind, status, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise kind("the file is wrong; mend it")

    monkeypatch.setattr(demo, "run_demo", fail)
    assert cli.main(["demo"]) == status
    assert capsys.readouterr().err == "skdistill demo: error: the file is wrong; mend it\n"


def test_a_package_that_is_not_installed_is_named(monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'sklearn.x'", name="sklearn.x")

    monkeypatch.setattr(demo, "run_demo", fail)
    assert cli.main(["demo"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("skdistill demo: error: this command needs the package scikit-learn, wh")
    assert "pip install skdistill" in line


def ask_torch_for_too_much():
    torch.empty(2**60)


def ask_numpy_for_too_much():
    np.empty(2**58)


def run_out_of_memory_on_a_card():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.parametrize(
    "ask", [ask_torch_for_too_much, ask_numpy_for_too_much, run_out_of_memory_on_a_card]
)
def test_too_little_memory_is_said_in_a_line(ask, monkeypatch, capsys):
    monkeypatch.setattr(demo, "run_demo", lambda *args, **kwargs: ask())
    assert cli.main(["demo"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("skdistill demo: error: out of memory; close other programs, or pass --")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_advice_on_memory(command):
    required = {
        "fit": ["a.csv", "-o", "b.skd"],
        "report": ["a.skd", "b.csv"],
        "predict": ["a.skd"],
        "explain": ["a.skd", "a text"],
        "export": ["a.skd", "-o", "b.skd"],
        "cache": ["info", "a"],
        "demo": [],
    }
    arguments = cli.make_parser().parse_args([command, *required[command]])
    assert arguments.memory_advice.startswith("close other programs, or ")


def test_an_interruption_has_its_own_status(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)  # there may be an unfinished demo where the tests are run

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_demo", interrupt)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "skdistill demo: interrupted; nothing was kept\n"


@pytest.mark.parametrize("kind", [KeyError, RuntimeError])
def test_an_error_of_the_program_itself_is_not_hidden(kind, monkeypatch):
    def fail(*args, **kwargs):
        raise kind("a bug")

    monkeypatch.setattr(demo, "run_demo", fail)
    with pytest.raises(kind, match="a bug"):
        cli.main(["demo"])


@pytest.mark.parametrize("argv", [[], ["destil"], ["demo", "--seed", "x"], ["demo", "--fast"]])
def test_wrong_usage_has_status_2(argv, capsys):
    with pytest.raises(SystemExit) as info:
        cli.main(argv)
    assert info.value.code == 2
    assert "usage: skdistill" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", "a.skd", "--text-colum", "x"], "--text-colum x; did you mean --text-column?"),
        (["fit", "a.csv", "-o", "b.skd", "--label-colum=x"], "; did you mean --label-column?"),
        (["cache", "clear", "a", "--teaher=b"], "--teaher=b; did you mean --teacher?"),
        (["explain", "a.skd", "b", "--xyz"], "unrecognized arguments: --xyz\n"),
        (
            ["export", "a.skd", "-o", "b", "--format", "onnx"],
            "unrecognized arguments: --format onnx\n",
        ),
        (["export", "a.skd", "-o", "b", "--forc"], "unrecognized arguments: --forc\n"),
    ],
)
def test_an_option_with_a_similar_name_is_proposed(words, message, capsys):
    with pytest.raises(SystemExit) as info:
        cli.main(words)
    assert info.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"usage: skdistill {words[0]} ")
    assert message in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predit"], "there is no command 'predit'; did you mean predict?\n"),
        (["help", "predit"], "there is no command 'predit'; did you mean predict?\n"),
        (["xyz", "a"], "there is no command 'xyz'; `skdistill --help` lists the commands\n"),
        (["--verison"], "there is no option '--verison'; did you mean --version?\n"),
    ],
)
def test_a_command_with_a_similar_name_is_proposed(words, message, capsys):
    with pytest.raises(SystemExit) as info:
        cli.main(words)
    assert info.value.code == 2
    assert capsys.readouterr().err.endswith(f"skdistill: error: {message}")


@pytest.mark.parametrize("command", [[], ["fit"]])
def test_help_may_come_first(command, capsys):
    shown = []
    for words in (["help", *command], [*command, "--help"]):
        with pytest.raises(SystemExit) as info:
            cli.main(words)
        assert info.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "a.skd", "b.csv", ""],
        ["predict", "a.skd", ""],
        ["explain", "", "a text"],
        ["fit", "", "-o", "a.skd"],
        ["fit", "a.csv", "-o", ""],
        ["fit", "a.csv", "-o", "a.skd", "--test", ""],
        ["export", "a.skd", "-o", "a.onnx", "--texts", ""],
        ["report", "a.skd", "a.csv", "--html", ""],
    ],
)
def test_an_empty_name_of_a_file_is_refused(words, capsys):
    with pytest.raises(SystemExit) as info:
        cli.main(words)
    assert info.value.code == 2
    assert "the name is empty; pass the path of a file or folder\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Raise max_epochs, or choose another lr.", "Raise --epochs, or choose another --lr."),
        ("n_parameters=10 is too small.", "--n-parameters 10 is too small."),
        ('use analyzer="char".', "use --analyzer char."),
        ("Change random_state=0.5.", "Change --seed 0.5."),
        ("the analyzer of text_columns", "the analyzer of text_columns"),
        ("no column 'text_column' in a/lr.csv", "no column 'text_column' in a/lr.csv"),
        ("lr; choose it with --text-column NAME", "lr; choose it with --text-column NAME"),
        ("embedding_dim is too large", "embedding_dim is too large"),
    ],
)
def test_messages_name_options_instead_of_parameters(message, shown, monkeypatch, capsys):
    def warn_and_fail(arguments):
        warnings.warn(message, stacklevel=2)
        raise ValueError(message)

    monkeypatch.setattr("skdistill.cli._fit._run", warn_and_fail)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert cli.main(["fit", "a.csv", "-o", "a.skd"]) == 1
    assert capsys.readouterr().err == (
        f"skdistill fit: warning: {shown}\nskdistill fit: error: {shown}\n"
    )


def test_a_missing_model_is_named(tmp_path, capsys):
    assert cli.main(["explain", str(tmp_path / "m.skd"), "x"]) == 1
    told = capsys.readouterr().err
    assert told == f"skdistill explain: error: the file {tmp_path / 'm.skd'} does not exist.\n"


def test_version(capsys):
    with pytest.raises(SystemExit) as info:
        cli.main(["--version"])
    assert info.value.code == 0
    engine = "NumPy" if find_native() is None else "native"
    assert capsys.readouterr().out == f"skdistill {skdistill.__version__} (prediction: {engine})\n"


def test_no_arguments_show_the_whole_help(capsys):
    with pytest.raises(SystemExit):
        cli.main([])
    shown = capsys.readouterr().err
    for command in COMMANDS:
        assert f"\n    {command} " in shown
    assert "130  interrupted" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_fits_a_screen_and_has_examples(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as info:
        cli.main([command, "--help"])
    assert info.value.code == 0
    shown = capsys.readouterr().out
    assert f"\n  skdistill {command} " in shown
    lines = shown.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_is_as_wide_as_a_narrow_terminal(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    help_without_examples = capsys.readouterr().out.partition("\nexamples:")[0].splitlines()
    broken = [line for line in help_without_examples if re.search(r"\w-$", line)]
    assert broken == []
    assert 70 <= max(map(len, help_without_examples)) <= 80


@pytest.fixture
def example_files(topics, tiny_checkpoint, tmp_path, monkeypatch):
    """The files that the examples of the help name, in the current folder."""
    monkeypatch.chdir(tmp_path)
    texts, labels = topics[0][:90], topics[1][:90]
    table = pd.DataFrame({"text": texts, "label": labels})
    table.to_csv("train.csv", index=False)
    table.to_csv("test.csv", index=False)
    table.rename(columns={"text": "Utterance", "label": "Intent"}).to_csv("export.csv", sep=";")
    table[["text"]].to_csv("new.csv", index=False)
    Path("lines.txt").write_text("\n".join(texts[:3]), encoding="utf-8")
    student = DistilledMLPClassifier(n_parameters=1000, max_epochs=2, random_state=0)
    student.fit(texts, labels).save("model.skd")
    teacher = TransformerTeacherClassifier(tiny_checkpoint, max_epochs=1, random_state=0)
    teacher.fit(texts, labels).save_pretrained("big")
    student = DistilledMLPClassifier(make_tfidf_baseline(), memory="folder", max_epochs=1)
    student.fit(texts, labels)
    (key,) = (path.name for path in Path("folder").rglob("*") if len(path.name) == 32)
    monkeypatch.setattr("skdistill.cli._training.default_teacher", lambda: tiny_checkpoint)
    return {"KEY": key}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_the_examples_of_the_help_run(command, example_files, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    _, _, examples = capsys.readouterr().out.partition("examples:\n")
    lines = [line.strip() for line in examples.splitlines()]
    assert lines
    if command == "fit":
        Path("model.skd").unlink()
    for line in lines:
        lines_in, _, rest = line.partition(" | ") if " | " in line else ("", "", line)
        words = shlex.split(re.split(r" {3,}", rest)[0])
        if "<" in words:
            lines_in = Path(words[words.index("<") + 1]).read_text(encoding="utf-8")
            words = words[: words.index("<")]
        words = [example_files.get(word, word) for word in words]
        if words[1:3] == ["cache", "clear"]:
            words += ["--yes"]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines_in.encode())))
        assert words[0] == "skdistill"
        assert cli.main(words[1:]) == 0, (line, capsys.readouterr().err)


def test_no_two_examples_of_the_help_write_the_same_file(capsys):
    written = []
    for command in ("fit", "export", "report"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        examples = capsys.readouterr().out.partition("examples:\n")[2]
        written += re.findall(r"(?:-o|--html) (\S+)", examples)
    assert len({*written}) == len(written) == 8


def test_warnings_are_short_and_printed_once(monkeypatch, capsys):
    def warn(*args, **kwargs):
        warnings.warn("something is odd", stacklevel=2)
        warnings.warn("something is odd", stacklevel=2)

    monkeypatch.setattr(demo, "run_demo", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert cli.main(["demo"]) == 0
    assert capsys.readouterr().err == "skdistill demo: warning: something is odd\n"


def test_python_runs_the_module():
    done = subprocess.run(
        [sys.executable, "-m", "skdistill", "--version"], capture_output=True, text=True
    )
    assert done.stdout.startswith(f"skdistill {skdistill.__version__} ")


def test_closed_streams_are_empty_ones():
    code = (
        "import sys; sys.stdin = sys.stdout = None;"
        "from skdistill.cli import _main as cli, _demo_run as demo;"
        "demo.run_demo = lambda *args, **options: print(sys.stdin.read());"
        "sys.exit(cli.main(['demo']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from skdistill.cli._main import make_parser; make_parser().format_help();"
        "print(sorted({'numpy', 'torch', 'tqdm', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
