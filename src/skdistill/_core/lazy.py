"""Import public names at their first use."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
        with naming_what_needs(f"{package}.{name}"):
            value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return load, names, sorted(modules)


@contextmanager
def naming_what_needs(name: str) -> Iterator[None]:
    """Make the error about a package that is not installed say what needs it.

    A server may have NumPy and SciPy only, which are enough to predict.

    Examples
    --------
    >>> from skdistill._core.lazy import naming_what_needs
    >>> with naming_what_needs("skdistill.compare"):
    ...     import not_there
    Traceback (most recent call last):
    ModuleNotFoundError: skdistill.compare needs the package not_there, which is not installed. ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "skdistill"):
            raise  # a message, or a fault, of our own
        raise ModuleNotFoundError(
            f"{name} needs the package {package}, which is not installed. Run 'pip install "
            "skdistill' for all that it needs; to predict with a saved student, "
            "skdistill.CompiledClassifier needs NumPy and SciPy only.",
            name=error.name,
        ) from error
