"""The command line where NumPy and SciPy are installed, and nothing else."""

import csv
import gzip
import json
import subprocess
import sys

import pytest

from conftest import FOODS
from skdistill import CompiledClassifier

# What skdistill needs beside NumPy and SciPy, and what it can use.
OTHERS = (
    "accelerate datasets filelock jinja2 joblib matplotlib onnx onnxruntime pandas pyarrow "
    "safetensors sklearn skorch threadpoolctl torch tqdm transformers"
)
CODE = """if True:
    import sys
    # As if these were not installed.
    sys.modules.update(dict.fromkeys(sys.argv.pop(1).split()))
    from skdistill.cli._main import main
    sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def model(food_student):
    return food_student


def run(*arguments, lines=None):
    return subprocess.run(
        [sys.executable, "-c", CODE, OTHERS, *map(str, arguments)],
        input=lines,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


def test_lines_are_labelled(model):
    done = run(
        "predict", model, "-", "-", "--verbose", lines="".join(f"{text}\n" for text in FOODS)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == CompiledClassifier.load(model).predict(FOODS).tolist()


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl"])
def test_files_are_labelled(model, tmp_path, kind):
    rows = [{"n": str(number), "text": text} for number, text in enumerate(FOODS)]
    lines = ["n,text", *map(",".join, map(dict.values, rows))]
    content = "\n".join(map(json.dumps, rows) if kind == "jsonl" else lines).encode()
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    source.write_bytes(gzip.compress(content) if kind == "csv.gz" else content)
    done = run("predict", model, source, target, "--verbose")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        f"skdistill predict: labelled 6 texts of {source}; wrote {target} with the column label\n"
    )
    written = gzip.decompress(target.read_bytes()) if kind == "csv.gz" else target.read_bytes()
    found = written.decode().splitlines()
    table = map(json.loads, found) if kind == "jsonl" else csv.DictReader(found)
    labels = CompiledClassifier.load(model).predict(FOODS).tolist()
    assert [*table] == [row | {"label": label} for row, label in zip(rows, labels, strict=True)]


def test_a_text_is_explained(model):
    done = run("explain", model, "warm soup")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Explanation of 'warm soup'\nfood: 0.")


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        (["fit", "{csv}", "-o", "{folder}/m.skd"], "torch"),
        (["report", "{model}", "{csv}"], "scikit-learn"),
        (["export", "{model}", "-o", "{folder}/m.html"], "scikit-learn"),
        (["cache", "info", "{folder}"], "joblib"),
        (["demo"], "pandas"),
    ],
)
def test_other_commands_say_what_to_install(model, tmp_path, arguments, package):
    path = tmp_path / "in.csv"
    path.write_text("text,label\nsoup,food\nbus,travel\n")
    names = {"model": model, "csv": path, "folder": tmp_path}
    done = run(*[argument.format(**names) for argument in arguments])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(
        f"skdistill {arguments[0]}: error: this command needs the package {package}, which is not "
        "installed. Run 'pip install skdistill' for all"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("in.parquet", "-", "parquet files need pyarrow; run 'pip install pyarrow', or use csv"),
        ("in.csv", "out.parquet", "parquet files need pyarrow; run 'pip install pyarrow'"),
    ],
)
def test_parquet_needs_its_package(model, tmp_path, source, target, message):
    (tmp_path / source).write_text("text\nsoup\n")
    before = sorted(tmp_path.iterdir())
    done = run("predict", model, tmp_path / source, "-" if target == "-" else tmp_path / target)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line
    assert sorted(tmp_path.iterdir()) == before


def test_onnx_names_its_extra(model, tmp_path):
    done = run("export", model, "-o", tmp_path / "m.onnx")
    assert done.returncode == 2
    assert "pip install 'skdistill[onnx]'" in done.stderr
