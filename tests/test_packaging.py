"""What the project's files say of each other."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def read_project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name):
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    return dict(line.split("==") for line in lines if line)


def lower_bounds(requirements):
    found = [re.match(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)$", entry) for entry in requirements]
    return {match[1]: match[2] for match in found if match}


def version(text):
    return [*map(int, text.split(".")), 0, 0][:3]


@pytest.mark.parametrize("extra", [None, "plot", "onnx", "dask"])
def test_the_oldest_versions_that_are_allowed_are_those_that_are_tested(extra):
    project, oldest = read_project(), pins("constraints-oldest.txt")
    requirements = (
        project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    )
    bounds = lower_bounds(requirements)
    assert len(bounds) == len(requirements)
    for name, bound in bounds.items():
        assert version(oldest[name]) == version(bound), name
