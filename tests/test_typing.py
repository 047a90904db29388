"""What a type checker sees of the package."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skdistill

PACKAGE = Path(skdistill.__file__).parent

PROGRAM = """
from skdistill import DistilledMLPClassifier, TrainingHistoryDisplay, distillation_report

student = DistilledMLPClassifier(max_epochs=5).fit(["a text"], ["a label"])
reveal_type(student)
reveal_type(student.predict(["a text"]))
reveal_type(student.predict_proba(["a text"]))
reveal_type(distillation_report(student, ["a text"], ["a label"]))
reveal_type(TrainingHistoryDisplay.from_estimator(student, name="a student"))
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


LAZY = ["", *sorted(path.parent.name for path in PACKAGE.glob("*/__init__.pyi"))]


@pytest.mark.parametrize("folder", LAZY)
def test_a_stub_names_what_loads_on_first_use(folder):
    imports = [
        node
        for node in ast.parse((PACKAGE / folder / "__init__.pyi").read_text()).body
        if isinstance(node, ast.ImportFrom)
    ]
    package = importlib.import_module(f"skdistill.{folder}".rstrip("."))
    stated = {name.name: node.module for node in imports for name in node.names}
    assert sorted(stated) == [name for name in package.__all__ if name != "__version__"]
    for name, module in stated.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), name)
    # A name that is not imported under its own name again is private to the stub.
    assert all(name.asname == name.name for node in imports for name in node.names)


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
        "skdistill.students._mlp.DistilledMLPClassifier",
        "numpy.ndarray",
        "numpy.ndarray",
        "skdistill.evaluation._verdict.DistillationReport",
        "skdistill.displays._history.TrainingHistoryDisplay",
    ]
    (error,) = [line for line in done.stdout.splitlines() if " error: " in line]
    assert re.search("""program.py:10: .*"max_epochs".*Literal\\['three'\\]""", error)
