"""Load the build hook, and extensions that it compiles with other flags."""

from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location, spec_from_loader
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load_hook(root=ROOT):
    """Load `hatch_build.py`, which is no part of the package."""
    spec = spec_from_file_location("hatch_build", root / "hatch_build.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_extension(path):
    """Load an extension beside the one that is installed, with variables of its own."""
    loader = ExtensionFileLoader("skdistill.runtime._native", str(path))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def compile_or_skip(folder, *flags):
    """Compile the extension with further flags, if there is a compiler."""
    try:
        return load_hook().compile_extension(folder, flags)
    except (Exception, SystemExit) as error:
        pytest.skip(f"there is no compiler: {error}")
