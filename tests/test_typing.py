"""What a type checker sees of the package."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skdistill

PACKAGE = Path(skdistill.__file__).parent
ROOT = Path(__file__).parents[1]

PROGRAM = """
from skdistill import DistilledMLPClassifier, recommend_student

student = DistilledMLPClassifier(max_epochs=5).fit(["a text"], ["a label"])
reveal_type(student)
reveal_type(student.predict(["a text"]))
reveal_type(student.predict_proba(["a text"]))
reveal_type(recommend_student(student, ["a text"], ["a label"]))
DistilledMLPClassifier(max_epochs="three")
"""

# Libraries without types, and those whose types take a minute to read.
CONFIGURATION = """
[mypy]
strict = true
follow_imports = silent

[mypy-datasets.*,joblib.*,pandas.*,scipy.*,sklearn.*,skorch.*,torch.*,transformers.*]
follow_imports = skip
ignore_missing_imports = true
"""


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_the_stub_names_what_loads_on_first_use():
    imports = [
        node
        for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body
        if isinstance(node, ast.ImportFrom)
    ]
    stated = {
        name.name: node.module.removeprefix("skdistill.") for node in imports for name in node.names
    }
    assert stated == skdistill._EXPORTS
    # A name that is not imported under its own name again is private to the stub.
    assert all(name.asname == name.name for node in imports for name in node.names)


def test_all_public_modules_are_checked_strictly():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    public = {f"skdistill.{module}" for module in {*skdistill._EXPORTS.values(), "cli"}}
    (strictest,) = settings["overrides"]
    assert settings["strict"]
    assert set(strictest["module"]) == public


@pytest.mark.slow
def test_a_program_sees_the_types_of_students(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "program.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert re.findall(r'Revealed type is "([\w.]+)', done.stdout) == [
        "skdistill.student.DistilledMLPClassifier",
        "numpy.ndarray",
        "numpy.ndarray",
        "skdistill.recommendation.Recommendation",
    ]
    (error,) = [line for line in done.stdout.splitlines() if " error: " in line]
    assert re.search("""program.py:9: .*"max_epochs".*Literal\\['three'\\]""", error)
