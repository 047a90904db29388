"""Where code comes from: Python, an installed package with a version, or the user."""

import pkgutil
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

_OWN_PACKAGE = "skdistill"


def installed_name(value: Any) -> tuple[str, str] | None:
    """Return the full name of an installed function or class, and its package's version.

    The result is None for code of the user, and for code that an import does not give back, such as
    a function inside a function.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdistill.labelling._owners import installed_name
    >>> installed_name(LogisticRegression)[0]
    'sklearn.linear_model._logistic.LogisticRegression'
    >>> installed_name(lambda text: text) is None
    True
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    version = installed_version(module)
    if version is None:
        return None
    return (f"{module}.{name}", version) if find_named(module, name) is value else None


def find_named(module: str, name: str) -> Any:
    """Return what a loaded module contains under a name with dots, or None."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def installed_version(module: str) -> str | None:
    """Return the version of a module's package, "" for Python's own, or None for the user's."""
    return _package_version(module.partition(".")[0])


@cache
def _package_version(package: str) -> str | None:
    if package in sys.stdlib_module_names or package == "builtins":
        return ""
    module = sys.modules.get(package)
    if package != _OWN_PACKAGE and not _is_installed(package):
        return None
    version = getattr(module, "__version__", None)
    return version if isinstance(version, str) else _distribution_version(package)


def _is_installed(package: str) -> bool:
    if package in ("__main__", "__mp_main__"):
        return False
    file = module_file(package)
    roots = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")} | {*_site_folders()}
    return file is not None and any(file.is_relative_to(root) for root in roots)


def _site_folders() -> list[str]:
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def module_file(name: str) -> Path | None:
    """Return the file of a module, or the folder of a package without one; import nothing.

    Examples
    --------
    >>> from skdistill.labelling._owners import module_file
    >>> module_file("email.mime.text").name
    'text.py'
    >>> module_file("email.no_such_module") is None
    True
    """
    spec = _find_spec(name)
    if spec is None:
        file = getattr(sys.modules.get(name), "__file__", None)
        return None if file is None else Path(file)
    if spec.origin is not None and Path(spec.origin).exists():
        return Path(spec.origin)
    folders = [*(spec.submodule_search_locations or ())]
    return Path(folders[0]) if folders else None


def _find_spec(name: str) -> ModuleSpec | None:
    """Return the spec of a module; other than importlib's function, do not import its package."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    package = name.rpartition(".")[0]
    if not package:
        specs = (finder.find_spec(name, None) for finder in sys.meta_path)
    else:
        above = _find_spec(package)
        folders = () if above is None else above.submodule_search_locations or ()
        finders = (pkgutil.get_importer(folder) for folder in folders)
        specs = (finder.find_spec(name) for finder in finders if finder is not None)
    return next((spec for spec in specs if spec is not None), None)


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _distribution_version(package: str) -> str:
    for distribution in _distributions().get(package, ()):
        return metadata.version(distribution)
    return "unknown"
