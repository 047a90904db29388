import csv
import errno
import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from _faults import call_in_process, needs_posix, strike
from skdistill import CompiledClassifier, DistilledMLPClassifier
from skdistill._core.files import locked
from skdistill.cli import _main as cli
from skdistill.cli.prediction import _jobs, _lines

TEXTS = ["warm soup", "a fast train, late", "", 'fresh "bread"', "naïve 🙂 bus", "x\u2028y"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "student.skd"
    X = ["warm soup", "fresh bread", "warm bread", "fast train", "late train", "fast bus"]
    student = DistilledMLPClassifier(max_epochs=30, random_state=0)
    student.fit(X, ["food"] * 3 + ["travel"] * 3).save(path)
    return path


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(_jobs, "_PART", 2)
    monkeypatch.setattr(_lines, "_LINES", 2)


def write(path, texts, **columns):
    frame = pd.DataFrame({"id": range(len(texts)), "text": texts, **columns})
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=3)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        rows = frame.to_dict("records")
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def read(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pydict()
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            names, *rows = csv.reader(file)
        return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return {name: [row[name] for row in rows] for name in rows[0]}


def predict(*arguments):
    return cli.main(["predict", *map(str, arguments)])


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("proba", [False, True])
def test_a_file_keeps_its_columns(model, tmp_path, small_parts, kind, proba):
    source = write(tmp_path / f"in.{kind}", TEXTS)
    target = tmp_path / f"out.{kind}"
    assert predict(model, source, target, *["--proba"] * proba) == 0
    result = read(target)
    served = CompiledClassifier.load(model)
    assert result["label"] == served.predict(TEXTS).tolist()
    assert [*map(int, result["id"])] == [*range(6)]
    assert result["text"] == TEXTS
    if proba:
        found = [[*map(float, result[f"proba_{name}"])] for name in ("food", "travel")]
        np.testing.assert_allclose(np.transpose(found), served.predict_proba(TEXTS), rtol=1e-6)
    assert len(result) == (5 if proba else 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in.{kind}", f"out.{kind}"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_another_kind_of_output_gets_texts_and_labels(model, tmp_path, kind):
    source = write(tmp_path / "in.parquet", TEXTS)
    assert predict(model, source, tmp_path / f"out.{kind}") == 0
    result = read(tmp_path / f"out.{kind}")
    assert [*result] == ["text", "label"]
    assert result["text"] == TEXTS


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_columns_that_another_type_of_output_lacks_are_named(model, tmp_path, capsys, kind):
    source = write(tmp_path / "in.parquet", TEXTS, Intent="none")
    assert predict(model, source, tmp_path / f"out.{kind}") == 0
    assert capsys.readouterr().err.endswith(
        "with the column label, without the columns id, Intent of the input. An output of the "
        "type .parquet keeps all columns.\n"
    )


@pytest.mark.parametrize("target", ["-", "out.csv"])
def test_blank_lines_of_a_txt_file_are_not_lost_in_silence(model, tmp_path, capsys, target):
    output = target if target == "-" else tmp_path / target
    source = tmp_path / "in.txt"
    source.write_text("warm soup\n\n \nfast bus\n", encoding="utf-8")
    assert predict(model, source, output) == 0
    assert f"{source}: left out 2 blank lines\n" in capsys.readouterr().err
    source.write_text("\n \n", encoding="utf-8")
    assert predict(model, source, output, "--force") == 1
    assert f"error: {source} has no rows.\n" in capsys.readouterr().err


def command(*arguments):
    words = [*map(str, arguments)]
    code = f"import sys; from skdistill.cli._main import main; sys.exit(main({words!r}))"
    return [sys.executable, "-c", code]


def run_on_lines(model, data, *options):
    arguments = command("predict", model, "-", "-", *options)
    return subprocess.run(arguments, input=data, capture_output=True, timeout=60)


def test_lines_in_and_lines_out(model):
    texts = [text for text in TEXTS if "\n" not in text]
    done = run_on_lines(model, "".join(f"{text}\n" for text in texts).encode(), "--proba")
    assert done.returncode == 0
    assert done.stderr == b""
    names, *rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert names == ["label", "proba_food", "proba_travel"]
    served = CompiledClassifier.load(model)
    assert [label for label, *_ in rows] == served.predict(texts).tolist()
    found = [[*map(float, proba)] for _, *proba in rows]
    np.testing.assert_allclose(found, served.predict_proba(texts), rtol=1e-5)


def test_lines_that_are_not_utf_8(model):
    done = run_on_lines(model, b"soup\nbus\n\xff\nsoup\n")
    assert done.returncode == 1
    assert b"standard input, line 3 is not in UTF-8 (byte 0xff); name the enc" in done.stderr
    assert b"--encoding cp1252" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b"food\ntravel\n"


def test_a_line_is_answered_before_the_next_one_comes(model):
    with subprocess.Popen(
        command("predict", model, "-", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for text, label in [(b"warm soup\n", b"food\n"), (b"fast bus\r\n", b"travel\n")] * 2:
            process.stdin.write(text)
            process.stdin.flush()
            assert process.stdout.readline() == label
        process.stdin.write(b"fresh bread")  # without an end
        process.stdin.close()
        assert process.stdout.readline() == b"food\n"
    assert process.returncode == 0


@pytest.fixture
def lines_in(monkeypatch):
    """Put lines on standard input."""

    def put(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


def test_standard_streams_are_the_default_and_empty_lines_count(model, lines_in, capsys):
    lines_in(b"warm soup\n\n\nfast bus")
    assert predict(model) == 0
    empty = CompiledClassifier.load(model).predict([""])[0]
    assert capsys.readouterr().out.splitlines() == ["food", empty, empty, "travel"]


@pytest.mark.parametrize(
    ("line", "warns"),
    [
        ("id,text", True),
        ('"text";"label"', True),
        ("text", True),
        ('{"id": 1, "text": "soup"}', True),
        ("a text, which is long", False),
        ("warm soup", False),
    ],
)
@pytest.mark.filterwarnings("default")
def test_a_first_line_that_looks_like_a_header_is_noted(model, lines_in, capsys, line, warns):
    lines_in(f"{line}\nid,text\nwarm soup\n".encode())
    assert predict(model) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 3
    message = "warning: The first line of standard input contains the column name 'text', but"
    assert (message in captured.err) is warns
    assert captured.err.count("\n") == warns


def test_lines_of_json_have_names(model, lines_in, capsys):
    texts = ["warm soup", "naïve 🙂 bus"]
    lines_in("\n".join(texts).encode())
    assert predict(model, "-", "-", "--proba", "--json") == 0
    served = CompiledClassifier.load(model)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[*row] for row in rows] == [["label", "proba_food", "proba_travel"]] * 2
    assert [row["label"] for row in rows] == served.predict(texts).tolist()
    found = [[row["proba_food"], row["proba_travel"]] for row in rows]
    np.testing.assert_allclose(found, served.predict_proba(texts), rtol=1e-6)


def test_json_of_a_file_is_told_by_its_name(model, tmp_path, capsys):
    with pytest.raises(SystemExit) as info:
        predict(model, write(tmp_path / "in.csv", TEXTS), tmp_path / "out.csv", "--json")
    assert info.value.code == 2
    assert "use an output that ends in .jsonl" in capsys.readouterr().err


def test_the_input_is_not_written_over(model, tmp_path, capsys):
    source = write(tmp_path / "in.csv", TEXTS)
    before = source.read_bytes()
    assert predict(model, source, tmp_path / "." / "in.csv", "--output-column", "new") == 1
    assert "is also the input; choose another output file" in capsys.readouterr().err
    assert source.read_bytes() == before


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_part_of_a_name(model, tmp_path, capsys, kind):
    source = write(tmp_path / f"in.{kind}", ["warm soup"])
    source.write_bytes(b"\xef\xbb\xbf" + source.read_bytes().replace(b"id,text", b"text,id"))
    source.write_bytes(source.read_bytes().replace(b"0,warm soup", b"warm soup,0"))
    assert predict(model, source, "-") == 0
    assert capsys.readouterr().out == "food\n"


def test_an_interrupted_file_says_what_is_kept(model, tmp_path, monkeypatch, capsys, small_parts):
    calls, predict_texts = [], CompiledClassifier.predict

    def interrupt(self, X):
        calls.append(X)
        if len(calls) in (1, 3):
            raise KeyboardInterrupt
        return predict_texts(self, X)

    source = write(tmp_path / "in.csv", TEXTS)
    monkeypatch.setattr(CompiledClassifier, "predict", interrupt)
    assert predict(model, source, tmp_path / "out.csv") == 130
    assert capsys.readouterr().err.endswith("interrupted; nothing was written\n")
    assert predict(model, source, tmp_path / "out.csv") == 130
    assert "interrupted; finished parts were kept" in capsys.readouterr().err


def test_lines_into_a_file(model, tmp_path, monkeypatch, small_parts):
    stdin = io.TextIOWrapper(io.BytesIO(b"warm soup\r\nfast train\nfast bus"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert predict(model, "-", tmp_path / "out.csv") == 0
    labels = read(tmp_path / "out.csv")
    assert labels == {
        "text": ["warm soup", "fast train", "fast bus"],
        "label": ["food", "travel", "travel"],
    }


def test_a_reader_that_has_enough_is_no_error(model, tmp_path):
    source = write(tmp_path / "in.csv", ["warm soup"] * 200_000)
    with subprocess.Popen(
        command("predict", model, source, "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"food\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_missing_folder_is_named_by_the_output(model, tmp_path, capsys):
    source = write(tmp_path / "in.csv", TEXTS)
    assert predict(model, source, tmp_path / "new" / "out.csv") == 1
    told = capsys.readouterr().err
    assert f"the folder {tmp_path / 'new'} does not exist; create it first" in told


def test_another_file_is_not_written_over(model, tmp_path, capsys):
    source, target = write(tmp_path / "in.csv", TEXTS), write(tmp_path / "notes.csv", ["mine"])
    before = target.read_bytes()
    assert predict(model, source, target) == 1
    told = capsys.readouterr().err
    assert f"{target} already exists; choose another name or pass --force" in told
    assert target.read_bytes() == before
    assert predict(model, source, target, "--force") == 0
    assert read(target)["label"] == CompiledClassifier.load(model).predict(TEXTS).tolist()


@needs_posix
def test_a_killed_prediction_over_another_file_goes_on(model, tmp_path, small_parts, monkeypatch):
    source, target = write(tmp_path / "in.csv", TEXTS), write(tmp_path / "out.csv", ["old"])
    call_in_process(predict_until_killed, (model, source, target, "--force"), 3)
    sizes = count_calls(monkeypatch)
    assert predict(model, source, target) == 1
    assert predict(model, source, target, "--force") == 0
    assert sizes == [2]


def test_a_swapped_model_is_named(model, tmp_path, capsys):
    source = write(tmp_path / "in.csv", TEXTS)
    assert predict(source, model, tmp_path / "out.csv") == 1
    told = capsys.readouterr().err
    assert told == (
        f"skdistill predict: error: MODEL is not a skdistill model file: {source}; did you swap "
        "MODEL and INPUT?\n"
    )


def test_labels_and_probabilities_have_columns_of_their_own(model, lines_in, capsys):
    lines_in(b"warm soup")
    assert predict(model, "--proba", "--json", "--output-column", "proba_food") == 1
    captured = capsys.readouterr()
    assert "'proba_food' is the name of a probability column; choose another" in captured.err
    assert captured.out == ""


def test_parts_of_which_some_are_gone_are_made_again(model, tmp_path, small_parts, monkeypatch):
    source, target = write(tmp_path / "in.csv", TEXTS), tmp_path / "out.csv"

    def stop_half_way(folder):
        (folder / "part-000000").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_jobs.shutil, "rmtree", stop_half_way)
        assert predict(model, source, target) == 130
    expected = target.read_bytes()
    target.unlink()
    sizes = count_calls(monkeypatch)
    assert predict(model, source, target) == 0
    assert sizes == [2]
    assert target.read_bytes() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def count_calls(monkeypatch):
    sizes, predict = [], CompiledClassifier.predict

    def counted(self, X):
        sizes.append(len(X))
        return predict(self, X)

    monkeypatch.setattr(CompiledClassifier, "predict", counted)
    return sizes


def predict_until_killed(arguments, call):
    _jobs._PART = 2
    strike(CompiledClassifier, "predict", call=call)
    predict(*arguments)


@needs_posix
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_killed_prediction_goes_on(model, tmp_path, small_parts, monkeypatch, kind):
    source, target = write(tmp_path / f"in.{kind}", TEXTS), tmp_path / f"out.{kind}"
    outcome = call_in_process(predict_until_killed, (model, source, target), 3)
    assert outcome == signal.SIGKILL
    assert not target.exists()
    sizes = count_calls(monkeypatch)
    assert predict(model, source, target) == 0
    assert sizes == [2]
    assert read(target)["label"] == CompiledClassifier.load(model).predict(TEXTS).tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name, target.name]


@needs_posix
@pytest.mark.parametrize("name", ["part-000001", "part-000001.hash"])
@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-1], None])
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_damaged_part_is_made_again(
    model, tmp_path, small_parts, monkeypatch, capsys, kind, damage, name
):
    source, target = write(tmp_path / "in.jsonl", TEXTS), tmp_path / f"out.{kind}"
    call_in_process(predict_until_killed, (model, source, target), 3)
    part = tmp_path / f"out.{kind}.partial" / name
    if damage is None:
        part.unlink()
    else:
        part.write_bytes(damage(part.read_bytes()))
    sizes = count_calls(monkeypatch)
    assert predict(model, source, target) == 0
    assert sizes == [2, 2]
    told = "part-000001 is damaged and made again" in capsys.readouterr().err
    assert told == (name.endswith(".hash") or damage is not None)
    assert read(target)["label"] == CompiledClassifier.load(model).predict(TEXTS).tolist()


@needs_posix
@pytest.mark.parametrize("change", ["input", "option"])
def test_parts_of_another_job_are_not_used(model, tmp_path, small_parts, monkeypatch, change):
    source, target = write(tmp_path / "in.csv", TEXTS), tmp_path / "out.csv"
    call_in_process(predict_until_killed, (model, source, target), 3)
    options = ["--output-column", "class"] if change == "option" else []
    if change == "input":
        write(source, TEXTS[::-1])
        os.utime(source, (1, 1))
    sizes = count_calls(monkeypatch)
    assert predict(model, source, target, *options) == 0
    assert sizes == [2, 2, 2]


def test_one_process_writes_at_a_time(model, tmp_path, capsys):
    source, target = write(tmp_path / "in.csv", TEXTS), tmp_path / "out.csv"
    folder = tmp_path / "out.csv.partial"
    folder.mkdir()
    with locked(folder / "lock"):
        assert predict(model, source, target) == 1
    assert "Another process is writing" in capsys.readouterr().err


def test_several_labels_a_text(tmp_path):
    X = ["soup", "soup train", "train", "bus"] * 5
    y = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]] * 5)
    student = DistilledMLPClassifier(pooling="mean", max_epochs=40, lr=0.03, random_state=0)
    student.fit(X, y)
    student.save(tmp_path / "model.skd")
    source = write(tmp_path / "in.csv", X[:4])
    expected = [" ".join(map(str, np.flatnonzero(row))) for row in student.predict(X[:4])]
    assert "0 1" in expected
    for options in (["--force"], ["--force", "--proba"]):
        assert predict(tmp_path / "model.skd", source, tmp_path / "out.csv", *options) == 0
        assert read(tmp_path / "out.csv")["label"] == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", "a,b\n1,2\n", "has no column 'text'; its columns are a, b"),
        (
            "in.csv",
            "text,label\nx,1\n",
            "already has a column 'label'; choose another name for the new",
        ),
        ("in.csv", b"text\nx\nna\xefve\n", "in.csv, line 3 is not in UTF-8 (byte 0xef)"),
        ("in.jsonl", b'{"text": "na\xefve"}', "in.jsonl, line 1 is not in UTF-8 (byte 0xef)"),
        ("in.csv", "text\ny\nx,1\n", "line 3 has 2 fields, but the header has 1"),
        ("in.csv", "text\n", "has no rows"),
        ("in.jsonl", '{"text": "x"}\n{\n', "line 2 is not valid JSON"),
        ("in.jsonl", '{"post": "x"}\n', "line 1 is not a JSON object with the key 'text'"),
        (
            "in.jsonl",
            '{"text": "x"}\n{"text": null}\n',
            "line 2 has no text in the column 'text'",
        ),
        ("in.parquet", "x" * 20, "is not a readable parquet file"),
        ("in.xml", "x\n", "in.xml has the unknown file type '.xml'"),
        ("missing/../in.csv", None, "in.csv does not exist"),
    ],
)
def test_wrong_input_is_named_and_leaves_nothing(model, tmp_path, capsys, name, content, message):
    if content is not None:
        encoded = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(encoded)
    before = sorted(tmp_path.iterdir())
    assert predict(model, tmp_path / name, tmp_path / "out.csv") == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_an_unknown_kind_of_output(model, tmp_path, capsys):
    assert predict(model, write(tmp_path / "in.csv", TEXTS), tmp_path / "out.xml") == 1
    assert "out.xml has the unknown file type '.xml'" in capsys.readouterr().err


def test_progress_is_on_standard_error(model, tmp_path, capsys):
    source = write(tmp_path / "in.csv", TEXTS)
    assert predict(model, source, "-", "--verbose") == 0
    shown = capsys.readouterr()
    assert "predicting: 6text" in shown.err
    assert len(shown.out.splitlines()) == 6
    assert predict(model, write(tmp_path / "full.csv", ["soup"]), "-") == 0
    assert capsys.readouterr().err == ""


def test_neither_torch_nor_scikit_learn_is_loaded(model, tmp_path):
    source = write(tmp_path / "in.csv", TEXTS)
    arguments = ["predict", str(model), str(source), str(tmp_path / "out.jsonl"), "--proba"]
    code = (
        "import sys; from skdistill.cli._main import main; "
        f"assert main({arguments!r}) == 0; "
        "print(sorted({'torch', 'sklearn', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ---- what is written


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_best_labels_come_with_their_probabilities(model, tmp_path, small_parts, kind):
    source, target = write(tmp_path / "in.txt", []), tmp_path / f"out.{kind}"
    texts = ["warm soup", "fast bus", "soup bus"]
    source.write_text("\n".join(texts), encoding="utf-8")
    assert predict(model, source, target, "--top-k", 5, "--threshold", 0.5) == 0
    found = read(target)
    assert [*found] == ["text", "label_1", "proba_1", "label_2", "proba_2"]
    served = CompiledClassifier.load(model)
    proba = served.predict_proba(texts)
    assert found["label_1"] == served.predict(texts).tolist()
    np.testing.assert_allclose([*map(float, found["proba_1"])], proba.max(axis=1), rtol=1e-6)
    np.testing.assert_allclose([*map(float, found["proba_2"])], proba.min(axis=1), rtol=1e-6)
    assert found["label_2"] == [""] * 3 if kind == "csv" else [None] * 3


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_unsure_label_is_left_empty(model, tmp_path, small_parts, kind):
    texts = ["unheard-of", "nothing", "warm soup", "fast bus", "unheard-of"]
    source, target = write(tmp_path / f"in.{kind}", texts), tmp_path / f"out.{kind}"
    assert predict(model, source, target, "--threshold", 0.7, "--proba") == 0
    none = "" if kind == "csv" else None
    assert read(target)["label"] == [none, none, "food", "travel", none]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_unsure_label_is_replaced(model, tmp_path, small_parts, kind):
    texts = ["unheard-of", "nothing", "warm soup", "fast bus", "unheard-of"]
    source, target = write(tmp_path / f"in.{kind}", texts), tmp_path / f"out.{kind}"
    options = ["--threshold", 0.7, "--reject", "none of these"]
    assert predict(model, source, target, *options) == 0
    none = options[-1]
    assert read(target)["label"] == [none, none, "food", "travel", none]
    assert predict(model, source, target, *options, "--top-k", 2, "--force") == 0
    assert read(target)["label_1"] == [none, none, "food", "travel", none]
    assert {*read(target)["label_2"]} == {"" if kind == "csv" else None}


def test_a_number_replaces_numbers(tmp_path, lines_in, capsys):
    student = DistilledMLPClassifier(max_epochs=40, random_state=0)
    student.fit(["soup", "bus"] * 10, [0, 1] * 10).save(tmp_path / "model.skd")
    lines_in(b"soup\nunheard-of\n")
    options = [tmp_path / "model.skd", "--threshold", 0.9, "--json"]
    assert predict(*options, "--reject", "-1") == 0
    assert capsys.readouterr().out == '{"label": 0}\n{"label": -1}\n'
    assert predict(*options, "--reject", "none") == 1
    assert "--reject is 'none'; pass a number, such as -1" in capsys.readouterr().err


def test_a_threshold_decides_about_each_of_several_labels(tmp_path, lines_in, capsys):
    X = ["soup", "soup train", "train", "bus"] * 5
    y = pd.DataFrame([[1, 0], [1, 1], [0, 1], [0, 0]] * 5, columns=["food", "travel"])
    student = DistilledMLPClassifier(pooling="mean", max_epochs=40, lr=0.03, random_state=0)
    student.fit(X, y)
    student.save(tmp_path / "model.skd")
    proba = student.predict_proba(X[:4])
    threshold = float(np.sort(proba, axis=None)[-2:].mean())
    lines_in("\n".join(X[:4]).encode())
    assert predict(tmp_path / "model.skd", "--threshold", threshold) == 0
    names = student.classes_
    expected = ["|".join(names[row >= threshold]) for row in proba]
    assert capsys.readouterr().out.splitlines() == expected
    lines_in("\n".join(X[:4]).encode())
    options = [tmp_path / "model.skd", "--threshold", threshold, "--reject", "none"]
    assert predict(*options) == 0
    assert capsys.readouterr().out.splitlines() == [label or "none" for label in expected]
    lines_in("\n".join(X[:4]).encode())
    assert predict(tmp_path / "model.skd", "--top-k", 1) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "label_1\tproba_1"
    assert [row.split("\t")[0] for row in rows] == names[proba.argmax(axis=1)].tolist()


def test_labels_may_contain_anything_and_are_still_one_line(tmp_path, lines_in, capsys):
    labels = ["a\nb", "a\tb", "a\\nb", "a\u2028b", "a\rb"]
    X = ["soup", "bus", "x", "train", "late"]
    student = DistilledMLPClassifier(max_epochs=60, random_state=0).fit(X * 4, labels * 4)
    student.save(tmp_path / "model.skd")
    lines_in("\n".join(X).encode())
    assert predict(tmp_path / "model.skd", "--proba") == 0
    header, *rows = capsys.readouterr().out.split("\n")[:-1]
    escaped = [label.encode("unicode_escape").decode() for label in student.predict(X)]
    assert [row.split("\t")[0] for row in rows] == escaped
    assert header.split("\t")[1:] == [
        f"proba_{label.encode('unicode_escape').decode()}" for label in student.classes_
    ]
    source = write(tmp_path / "in.csv", X)
    assert predict(tmp_path / "model.skd", source, tmp_path / "out.csv") == 0
    assert read(tmp_path / "out.csv")["label"] == student.predict(X).tolist()


def test_numbers_as_labels_are_printed_as_they_are(tmp_path, lines_in, capsys):
    student = DistilledMLPClassifier(max_epochs=30, random_state=0)
    student.fit(["soup", "bus"] * 4, [1234567.0, 2.0] * 4).save(tmp_path / "model.skd")
    lines_in(b"soup\nbus\n")
    assert predict(tmp_path / "model.skd") == 0
    assert capsys.readouterr().out == "1234567.0\n2.0\n"


def test_numbers_beyond_int64_are_one_column_of_parquet(tmp_path, small_parts, capsys):
    labels = np.array([3, 2**63] * 10, dtype=np.uint64)
    student = DistilledMLPClassifier(max_epochs=40, random_state=0)
    student.fit(["soup", "bus"] * 10, labels).save(tmp_path / "model.skd")
    texts = ["soup", "soup", "bus", "bus", "soup", "bus"]  # parts of one label and of two
    source, target = write(tmp_path / "in.parquet", texts), tmp_path / "out.parquet"
    assert predict(tmp_path / "model.skd", source, target) == 0
    assert read(target)["label"] == [3, 3, 2**63, 2**63, 3, 2**63]
    for texts in (["bus", "unheard-of"], ["bus", "bus", "unheard-of"]):  # in one part, in two
        source = write(tmp_path / "in.parquet", texts)
        options = ["--threshold", 0.9, "--reject", "-1", "--force"]
        assert predict(tmp_path / "model.skd", source, target, *options) == 1
        assert "label contains negative numbers and others of 2**63" in capsys.readouterr().err


def test_a_file_says_what_was_done(model, tmp_path, capsys):
    source, target = write(tmp_path / "in.csv", TEXTS), tmp_path / "out.tsv"
    assert predict(model, source, target, "--proba") == 0
    assert capsys.readouterr().err == (
        f"skdistill predict: {source}: 1 text is empty and got the answer for no words at all\n"
        f"skdistill predict: labelled 6 texts of {source}; wrote {target} with the columns label, "
        "proba_food, proba_travel\n"
    )
    with target.open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file, delimiter="\t")]
    assert [row["text"] for row in rows] == TEXTS
    assert [*rows[0]] == ["id", "text", "label", "proba_food", "proba_travel"]


@pytest.mark.parametrize("target", ["-", "out.jsonl"])
def test_empty_texts_are_counted(model, tmp_path, small_parts, capsys, target):
    source = write(tmp_path / "in.jsonl", ["soup", "", " \t", "bus"])
    assert predict(model, source, target if target == "-" else tmp_path / target) == 0
    told = f"{source}: 2 texts are empty and got the answer for no words at all\n"
    assert told in capsys.readouterr().err


def test_quiet_is_quiet(model, tmp_path, capsys):
    source = write(tmp_path / "in.csv", TEXTS)
    assert predict(model, source, tmp_path / "out.csv", "--quiet") == 0
    assert capsys.readouterr().err == ""
    with pytest.raises(SystemExit):
        predict(model, source, "-", "--quiet", "--verbose")
    assert "--quiet and --verbose exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "options"), [("proba_food", ["--proba"]), ("proba_1", ["--top-k", 1])]
)
def test_a_name_that_no_option_changes_is_to_be_changed_in_the_input(
    model, tmp_path, capsys, column, options
):
    source = write(tmp_path / "in.csv", ["soup"], **{column: [1]})
    assert predict(model, source, tmp_path / "out.csv", *options) == 1
    told = capsys.readouterr().err
    assert f"already has a column {column!r}; rename or remove it, or choose another type" in told
    assert predict(model, source, tmp_path / "out.jsonl", *options) == 0


def test_a_full_disk_leaves_finished_parts_and_the_next_run_says_so(
    model, tmp_path, small_parts, monkeypatch, capsys
):
    source, target = write(tmp_path / "in.csv", TEXTS), tmp_path / "out.csv"
    write_part, calls = _jobs._write_part, []

    def fill(*args, **options):
        calls.append(args)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_part(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(_jobs, "_write_part", fill)
        assert predict(model, source, target) == 1
    kept = tmp_path / "out.csv.partial"
    assert f"Finished parts are kept in {kept}; run the same comm" in capsys.readouterr().err
    assert predict(model, source, target) == 0
    assert f"resuming after 4 texts, which are in {kept}\n" in capsys.readouterr().err
    assert not kept.exists()
    assert read(target)["text"] == TEXTS


def test_a_summary_of_many_columns_ends_with_their_number(tmp_path, capsys):
    labels = [f"a class with the long name {i}" for i in range(9)]
    student = DistilledMLPClassifier(max_epochs=1, random_state=0)
    student.fit([f"word{i}" for i in range(9)] * 2, labels * 2).save(tmp_path / "model.skd")
    source, target = write(tmp_path / "in.csv", ["word1"]), tmp_path / "out.csv"
    assert predict(tmp_path / "model.skd", source, target, "--proba") == 0
    shown = ", ".join(f"proba_{label}" for label in labels[:4])
    told = capsys.readouterr().err
    assert told.endswith(f"wrote {target} with the columns label, {shown} and 5 more\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label-column", "x"], "--output-column names the new column"),
        (["--top-k", "2", "--proba"], "--top-k writes probabilities, too; remove --proba"),
        (["--reject", "none"], "--reject needs --threshold P"),
        (["--format", "csv"], "--format is only for `fit` and `report`; predict reads lines"),
        (["--top-k", "0"], "0 is not positive"),
        (["--top-k", "two"], "argument --top-k: 'two' is not a whole number"),
        (["--threshold", "20%"], "argument --threshold: 20% is not between 0 and 1; write 0.2"),
        (["--threshold", "high"], "argument --threshold: 'high' is not a number"),
        (["--threshold", "1.5"], "1.5 is not between 0 and 1"),
    ],
)
def test_options_that_make_no_sense(model, options, message, capsys):
    with pytest.raises(SystemExit) as info:
        predict(model, *options)
    assert info.value.code == 2
    assert message in capsys.readouterr().err


def test_a_ranked_label_needs_a_name_of_its_own(model, capsys):
    assert predict(model, "--top-k", 2, "--output-column", "proba") == 1
    assert "'proba' is the name of a probability column" in capsys.readouterr().err


def test_bad_lines_are_left_out_if_wanted(model, lines_in, capsys):
    content = b"warm soup\n\xff\nfast bus\na\0b\nfresh bread\n"
    lines_in(content)
    assert predict(model) == 1
    captured = capsys.readouterr()
    assert captured.out == "food\n"
    assert "standard input, line 2 is not in UTF-8 (byte 0xff); name the encod" in captured.err
    lines_in(content)
    assert predict(model, "--skip-bad-rows") == 0
    captured = capsys.readouterr()
    assert captured.out == "food\ntravel\nfood\n"
    assert "standard input: left out 2 bad rows (the first: line 2 is not in UTF-8" in captured.err


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8"])
def test_lines_may_have_another_encoding(model, lines_in, capsys, encoding):
    lines_in("warm soup, naïve\nfast bus\n".encode(encoding))
    assert predict(model, "--encoding", encoding) == 0
    assert capsys.readouterr().out == "food\ntravel\n"


@needs_posix
def test_rows_of_other_options_are_not_resumed(model, tmp_path, small_parts, monkeypatch):
    source, target = write(tmp_path / "in.csv", TEXTS), tmp_path / "out.csv"
    call_in_process(predict_until_killed, (model, source, target), 3)
    sizes = count_calls(monkeypatch)
    assert predict(model, source, target, "--encoding", "utf-8") == 0
    assert sizes == [2, 2, 2]


def test_output_is_in_utf_8_as_the_input_is(tmp_path):
    student = DistilledMLPClassifier(max_epochs=30, random_state=0)
    student.fit(["soup", "bus"] * 4, ["naïve", "🙂"] * 4).save(tmp_path / "model.skd")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **plain}
    environment.pop("PYTHONIOENCODING", None)
    done = subprocess.run(
        command("predict", tmp_path / "model.skd", "-", "-"),
        input=b"soup\nbus\n",
        capture_output=True,
        env=environment,
        timeout=60,
    )
    assert (done.returncode, done.stdout.decode()) == (0, "naïve\n🙂\n")


def test_somebody_who_types_is_told_so(model, monkeypatch, capsys):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"warm soup\n")))
    assert predict(model) == 0
    captured = capsys.readouterr()
    assert captured.out == "food\n"
    assert captured.err == "skdistill predict: type one text per line; Ctrl-D ends\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [("folder", "is a folder; pass a file"), ("texts", "has no file extension")],
)
def test_what_is_no_table_is_named(model, tmp_path, capsys, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "texts").touch()
    assert predict(model, tmp_path / name, tmp_path / "out.csv") == 1
    assert f"{tmp_path / name} {message}" in capsys.readouterr().err
