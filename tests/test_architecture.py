"""The package's own rules: where imports point, and what loads when."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import skdistill

PACKAGE = Path(skdistill.__file__).parent
ROOT = Path(__file__).parents[1]

# From top to bottom: a folder, or a module beside the folders, imports from later rows only.
FLOORS = [
    ["cli"],
    ["evaluation"],
    ["students", "onnx"],
    ["serving", "displays"],
    ["card", "augment", "selection"],
    ["teachers", "labelling", "runtime"],
    ["text", "metrics", "datasets", "storage", "estimator_checks"],
    ["_core"],
]
LEVELS = {room: level for level, row in enumerate(FLOORS) for room in row}
MODULES = [
    *sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE),
    PACKAGE / "serving.py",
    PACKAGE / "estimator_checks.py",
]
FOLDERS = sorted({path.parent for path in PACKAGE.rglob("*.py")})
PUBLIC = [name for name in skdistill.__all__ if name != "__version__"]

# What `docs/api.rst` names beside the top level: these paths are promised.
PUBLIC_PATHS = {
    "datasets": ["read_texts"],
    "displays": ["pareto_front"],
    "evaluation": ["DistillationReport", "Scores", "count_parameters"],
    "metrics": [
        "apply_temperature",
        "expected_calibration_error",
        "fidelity",
        "fit_temperature",
        "paired_bootstrap",
        "retention",
        "word_order_sensitivity",
    ],
    "runtime": ["Explanation"],
    "students": ["cascade_curve", "make_schedule"],
}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path):
    """Dotted names of the package's modules that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_room_has_its_floor():
    assert {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"} == {*LEVELS}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_downwards(path):
    room = room_of(path)
    others = {
        name.split(".")[1] for name in imported_modules(path) if name.startswith("skdistill.")
    } & {*LEVELS}
    assert not {other for other in others - {room} if LEVELS[other] <= LEVELS[room]}


@pytest.mark.parametrize(
    "inner", ["students/cascade", "students/training", "teachers/huggingface", "teachers/llm"]
)
def test_an_inner_folder_does_not_know_the_outer_one(inner):
    outer, name = inner.split("/")
    for path in (PACKAGE / inner).glob("*.py"):
        known = [other for other in imported_modules(path) if f"skdistill.{outer}." in other]
        assert all(other.startswith(f"skdistill.{outer}.{name}.") for other in known), path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_no_folder_is_crowded_and_no_module_long(folder):
    modules = [*folder.glob("*.py")]
    assert len(modules) <= 15
    for path in modules:
        if path.name != "estimator_checks.py":
            assert len(path.read_text().splitlines()) <= 500, path


@pytest.mark.parametrize("folder", FOLDERS[1:], ids=lambda path: path.name)
def test_a_module_inside_a_folder_is_private(folder):
    if folder != PACKAGE / "_core":
        assert all(path.name.startswith("_") for path in folder.glob("*.py"))


@pytest.mark.parametrize("room", sorted(PUBLIC_PATHS))
def test_promised_paths_hold(room):
    module = importlib.import_module(f"skdistill.{room}")
    assert module.__all__ == PUBLIC_PATHS[room]
    assert {*PUBLIC_PATHS[room]} <= {*dir(module)}
    assert all(getattr(module, name).__doc__ for name in PUBLIC_PATHS[room])
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        module.nonsense  # noqa: B018


def test_contributing_shows_this_plan():
    picture = (ROOT / "CONTRIBUTING.md").read_text().split("```")
    (plan,) = [block for block in picture if "_core" in block and block.startswith("\n8")]
    rows = [[]]
    for line in plan.strip("\n").splitlines():
        if line[0] != " " and rows[0]:
            rows.append([])
        rows[-1].append(line[3:].split()[0])
    assert rows == FLOORS
    assert [line[0] for line in plan.splitlines() if line and line[0] != " "] == [*"87654321"]


def modules_after(statement):
    code = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


HEAVY = {"torch", "transformers", "sklearn", "datasets", "pandas", "scipy", "numpy"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_importing_a_folder_loads_nothing_heavy(folder):
    name = ".".join(folder.relative_to(PACKAGE.parent).parts)
    assert not HEAVY & modules_after(f"import {name}")


def test_serving_loads_numpy_and_scipy_alone():
    loaded = modules_after("import skdistill.serving")
    assert not (HEAVY - {"numpy", "scipy"}) & loaded


def test_displays_load_without_matplotlib():
    names = [name for name in skdistill.__all__ if name.endswith("Display")]
    loaded = modules_after(f"from skdistill import compare, {', '.join(names)}")
    assert {"skdistill.displays._tradeoff", "skdistill.displays._reliability"} <= loaded
    assert not {"matplotlib", "torch", "transformers", "datasets"} & loaded


def test_a_student_loads_without_torch():
    loaded = modules_after("from skdistill import DistilledMLPClassifier, TextPool")
    assert "sklearn" in loaded
    assert not {"torch", "transformers", "datasets", "skorch"} & loaded


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_exist_and_are_documented(name):
    assert name in dir(skdistill)
    assert getattr(skdistill, name).__doc__


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(skdistill, "nonsense")  # noqa: B009
