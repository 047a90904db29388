import json

import numpy as np
import onnxruntime
import pytest

from skdistill import CompiledClassifier, DistilledMLPClassifier, OnnxTextEncoder
from skdistill._core.format import format_bytes
from skdistill.cli import _main as cli

TEXTS = ["warm soup", "fresh bread", "warm bread", "fast train", "late train", "fast bus"]


@pytest.fixture(scope="module")
def student():
    # Of many hashed rows, so that there is something to round.
    student = DistilledMLPClassifier(max_epochs=30, random_state=0, embedding_dim=200)
    return student.fit(TEXTS, ["food"] * 3 + ["travel"] * 3)


@pytest.fixture
def model(student, tmp_path):
    student.save(tmp_path / "model.skd")
    return tmp_path / "model.skd"


def export(model, output, *options):
    return cli.main(["export", str(model), "-o", str(output), *map(str, options)])


@pytest.mark.parametrize("inputs", ["ids", "strings"])
def test_a_graph_predicts_what_the_student_does(model, student, tmp_path, capsys, inputs):
    options = [] if inputs == "ids" else ["--inputs", "strings"]
    assert export(model, tmp_path / "model.onnx", *options) == 0
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    if inputs == "ids":
        feed = OnnxTextEncoder(session.get_modelmeta().custom_metadata_map).encode(TEXTS)
        found = session.run(["probabilities"], {"ids": feed})[0]
    else:
        found = session.run(["probabilities"], {"texts": np.array(TEXTS, dtype=object)})[0]
    np.testing.assert_allclose(found, student.predict_proba(TEXTS), atol=1e-6)
    out = capsys.readouterr().out
    assert out.startswith(f"{tmp_path / 'model.onnx'}: ")
    assert "probabilities differ by at most" in out


def test_fewer_bits_are_compared_with_the_student(model, student, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    options = ["--precision", "int8", "--texts", tmp_path / "texts.txt", "--json"]
    assert export(model, tmp_path / "small.skd", *options) == 0
    found = json.loads(capsys.readouterr().out)
    small = CompiledClassifier.load(tmp_path / "small.skd")
    difference = np.abs(small.predict_proba(TEXTS) - student.predict_proba(TEXTS)).max()
    assert found == {
        "model": str(tmp_path / "small.skd"),
        "n_bytes": (tmp_path / "small.skd").stat().st_size,
        "n_texts": 6,
        "largest_difference": difference,
        "agreement": 1.0,
    }
    assert difference > 0
    # What `save` writes, byte for byte: the student can be pruned or trained further.
    student.save(tmp_path / "saved.skd", precision="int8")
    assert (tmp_path / "small.skd").read_bytes() == (tmp_path / "saved.skd").read_bytes()


def test_float16_keeps_what_pruning_needs(model, tmp_path, capsys):
    assert export(model, tmp_path / "half.skd", "--precision", "float16") == 0
    assert "the predicted class is the same for 100.00 % of them" in capsys.readouterr().out
    DistilledMLPClassifier.load(tmp_path / "half.skd").prune_vocabulary(3)


def test_a_page_is_the_students_card(model, student, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    page = tmp_path / "card.html"
    assert export(model, page, "--texts", tmp_path / "texts.txt", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    difference = np.abs(student.compile("int8").predict_proba(TEXTS) - student.predict_proba(TEXTS))
    assert found == {
        "model": str(page),
        "n_bytes": page.stat().st_size,
        "n_texts": 6,
        "largest_difference": difference.max(),
        "agreement": 1.0,
    }
    CompiledClassifier.load(model).to_html(tmp_path / "again.html")
    assert page.read_bytes() == (tmp_path / "again.html").read_bytes()
    assert export(model, page) == 1
    assert export(model, page, "--force") == 0


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("model.pt", [], "must end in .onnx or .skd or .html"),
        ("card.html", ["--precision", "int8"], "--precision is only for .skd files"),
        ("card.html", ["--inputs", "ids"], "--inputs is only for .onnx files"),
        ("small.skd", [], "a .skd output requires --precision"),
        ("model.onnx", ["--precision", "int8"], "--precision is only for .skd files"),
        (
            "small.skd",
            ["--precision", "int8", "--inputs", "ids"],
            "--inputs is only for .onnx files",
        ),
    ],
)
def test_arguments_that_do_not_go_together(model, tmp_path, capsys, output, options, message):
    with pytest.raises(SystemExit) as info:
        export(model, tmp_path / output, *options)
    assert info.value.code == 2
    assert message in capsys.readouterr().err


def test_nothing_is_replaced_unasked(model, tmp_path, capsys):
    small = tmp_path / "small.skd"
    small.write_bytes(b"precious")
    assert export(model, small, "--precision", "int8") == 1
    assert "already exists; choose another name or pass --force" in capsys.readouterr().err
    assert small.read_bytes() == b"precious"
    assert export(model, small, "--precision", "int8", "--force") == 0
    sizes = [format_bytes(path.stat().st_size) for path in (small, model)]
    assert sizes[0] != sizes[1]
    shown = capsys.readouterr().out.splitlines()[0]
    assert shown == f"{small}: {sizes[0]} ({model}: {sizes[1]})"


def test_a_student_is_never_replaced_by_its_own_export(model, tmp_path, capsys):
    before = model.read_bytes()
    same = tmp_path / "." / "model.skd"
    assert export(model, same, "--precision", "int8", "--force") == 1
    assert f"{same} is also the model; choose another output file" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_an_unreadable_model_leaves_nothing(tmp_path, capsys):
    (tmp_path / "model.skd").write_bytes(b"x" * 100)
    assert export(tmp_path / "model.skd", tmp_path / "model.onnx") == 1
    assert str(tmp_path / "model.skd") in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()
