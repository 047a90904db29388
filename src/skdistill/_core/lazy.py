"""Import public names at their first use."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def attach(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the functions that let a package export names without importing their modules.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    modules : dict of str to str
        Maps each public name to the module inside the package that defines it.

    Returns
    -------
    __getattr__, __dir__ : callable
        Functions for the package, as in PEP 562.
    __all__ : list of str
        The sorted names.

    Examples
    --------
    >>> from skdistill._core.lazy import attach
    >>> load, _, names = attach("json", {"JSONDecoder": "decoder"})
    >>> names, load("JSONDecoder").__name__
    (['JSONDecoder'], 'JSONDecoder')
    """

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return load, names, sorted(modules)
