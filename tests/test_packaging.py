"""What the project's files say of each other, and what is built of them."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

import skdistill

ROOT = Path(__file__).parents[1]
# Folders that running the package or building its documentation leaves.
MADE_HERE = {"__pycache__", "_build", "auto_examples", "generated"}


def read_project():
    return tomllib.loads(read("pyproject.toml"))["project"]


def read(name):
    return (ROOT / name).read_text()


def pins(name):
    lines = [line.split("#")[0].strip() for line in read(name).splitlines()]
    return {
        name.lower().replace("_", "-"): bound
        for name, bound in (line.split("==") for line in lines if line)
    }


def lower_bounds(requirements):
    found = [re.match(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)$", entry) for entry in requirements]
    return {match[1]: match[2] for match in found if match}


def version(text):
    return [*map(int, re.findall(r"\d+", text)), 0, 0][:3]


@pytest.mark.parametrize("extra", [None, "plot", "onnx", "dask", "llm"])
def test_the_oldest_versions_that_are_allowed_are_those_that_are_tested(extra):
    project, oldest = read_project(), pins("constraints-oldest.txt")
    requirements = (
        project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    )
    bounds = lower_bounds(requirements)
    assert len(bounds) == len(requirements)
    for name, bound in bounds.items():
        assert version(oldest[name]) == version(bound), name


def test_every_dependency_is_pinned_to_the_version_that_was_tested():
    project, tested = read_project(), pins("constraints.txt")
    extras = project["optional-dependencies"]
    # The peers of the benchmarks have an environment of their own, and so has Ray.
    chosen = [
        *project["dependencies"],
        *(row for name in extras if name not in ("bench", "ray") for row in extras[name]),
    ]
    for name, bound in lower_bounds(
        row for row in chosen if not row.startswith("skdistill[")
    ).items():
        assert version(tested[name]) >= version(bound), name
    # And so is what they need themselves.
    assert {"tokenizers", "huggingface-hub", "pyarrow", "protobuf"} <= tested.keys()


def test_the_citation_is_of_this_version():
    project, citation = read_project(), yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == skdistill.__version__
    assert citation["authors"] == project["authors"]
    for name in ("keywords", "license"):
        assert citation[name] == project[name]
    assert {"message", "title"} <= citation.keys()


def test_hooks_run_what_is_installed():
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    commands = {hook["entry"].split(" --force")[0] for hook in repository["hooks"]}
    checks = re.search(r"^lint:.*?\n\n", read("Makefile"), re.DOTALL | re.MULTILINE)[0]
    linted = re.findall(r"\$\(VENV\)/(bin/[\w ]+?)(?: --check)?(?: \.)?\n", checks)
    assert commands == {f".venv/{command}" for command in linted}


# ---- what is built


def build(kind, source, folder, native="0", **variables):
    """Build a distribution as a front end does, and return its file."""
    code = f"import sys; from hatchling import build; print(build.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=source,
        env=os.environ | {"SKDISTILL_BUILD_NATIVE": native} | variables,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def files_below(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not MADE_HERE.intersection(path.parts)
    }


def package_files():
    """Name the files of the package that every wheel holds."""
    compiled = (".c", ".h", ".so", ".pyd")
    return {name for name in files_below(ROOT / "src") if not name.endswith(compiled)}


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    of_package = {name for name in packed if name.startswith("skdistill/")}
    assert of_package == package_files()
    assert {"skdistill/py.typed", "skdistill/__init__.pyi"} <= of_package
    about = f"skdistill-{skdistill.__version__}.dist-info/"
    assert {name.removeprefix(about) for name in packed - of_package} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_source_distribution_builds_the_same_wheel(wheel, tmp_path):
    path = build("sdist", ROOT, tmp_path)
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / path.name.removesuffix(".tar.gz")
    for folder in ("tests", "examples", "docs"):
        assert files_below(source / folder) == files_below(ROOT / folder)
    assert build("wheel", source, tmp_path).read_bytes() == wheel.read_bytes()


def run(*command, cwd, **variables):
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_the_wheel_installs_and_answers(wheel, tmp_path):
    target = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    options = ("--quiet", "--no-deps", "--no-index", "--no-compile", "--target", target)
    run(*pip, "install", *options, wheel, cwd=tmp_path)
    found = {"PYTHONPATH": str(target), "SKDISTILL_NATIVE": "auto"}
    where = "import skdistill; print(skdistill.__file__)"
    assert Path(run(sys.executable, "-c", where, cwd=tmp_path, **found).strip()).parts[-3:-1] == (
        "installed",
        "skdistill",
    )
    version = run(target / "bin" / "skdistill", "--version", cwd=tmp_path, **found)
    assert version == f"skdistill {skdistill.__version__} (prediction: NumPy)\n"


STUDENT = """
from pathlib import Path
from tempfile import TemporaryDirectory
from skdistill import CompiledClassifier, DistilledMLPClassifier, make_tfidf_baseline
student = DistilledMLPClassifier(make_tfidf_baseline(C=10), max_epochs=50, random_state=0)
student.fit(["warm soup", "fresh bread", "fast train", "late bus"], ["food", "food", "bus", "bus"])
with TemporaryDirectory() as folder:
    student.save(Path(folder, "student.skd"))
    print(*CompiledClassifier.load(Path(folder, "student.skd")).predict(["soup", "train"]))
"""


@pytest.mark.slow
def test_a_clean_environment_takes_the_wheel(wheel, tmp_path):
    venv.create(tmp_path / "clean", with_pip=True)
    programs = tmp_path / "clean" / "bin"

    def run_there(program, *arguments):
        variables = {"PYTHONPATH": "", "SKDISTILL_NATIVE": "auto"}
        return run(programs / program, *arguments, cwd=tmp_path, **variables)

    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run_there("python", "-c", where).strip())
    # On Python 3.11 an old one, which would hide the dependencies'.
    run_there("python", "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools")
    # The dependencies as they are installed here, behind what is installed there.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    options = ("--quiet", "--no-index", "--no-deps", "--ignore-installed")
    run_there("python", "-m", "pip", "install", *options, wheel)
    where = "import skdistill; print(skdistill.__file__)"
    assert Path(run_there("python", "-c", where).strip()).is_relative_to(packages)
    run_there("python", "-m", "pip", "check")
    assert run_there("python", "-c", STUDENT) == "food bus\n"
    assert "demo" in run_there("skdistill", "--help")
