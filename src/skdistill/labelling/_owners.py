"""Where code comes from: Python, an installed package with a version, or the user."""

import hashlib
import pkgutil
import struct
import sys
import sysconfig
import uuid
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from skdistill._core.exceptions import warn

_OWN_PACKAGE = "skdistill"


# The source of imported modules, with what differs after a reload.
_sources: WeakKeyDictionary[ModuleType, tuple[Any, bytes]] = WeakKeyDictionary()


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


def source_of(module: Any, file: Path) -> bytes | None:
    """Return the content of a module's file as it was imported, if `module` is not None.

    If the file was edited between the import and the first call, the content is unknown, and we
    return random bytes. A file that is no Python code is returned as a hash. None is a file that
    does not exist.
    """
    content = _content(file)
    if not isinstance(module, ModuleType):
        return content
    load = getattr(module, "__spec__", None) or module
    known, imported = _sources.get(module, (None, b""))
    if known is not load:
        if content is None:
            return None
        imported = content if _is_as_imported(module, file) else b"\0" + uuid.uuid4().bytes
        _sources[module] = load, imported
    if content not in (None, imported):
        lost = ""
        if imported[:1] == b"\0":
            lost = " What was imported is unknown, so `memory` keeps answers for this process only."
        warn(
            f"The module {module.__name__!r} was edited after it was imported, so the teacher runs "
            f"code that {file.name} no longer contains.{lost} Call importlib.reload, or restart "
            "Python.",
            once=True,
        )
    return imported


def _content(file: Path) -> bytes | None:
    if not file.is_file():
        return None
    content = file.read_bytes()
    return content if file.suffix == ".py" else hashlib.blake2b(content).digest()


def _is_as_imported(module: ModuleType, file: Path) -> bool:
    """Return whether a file was not changed after a module was imported from it.

    The compiled file tells; without one, we do not know and assume that it was not.
    """
    state = file.stat()
    compiled = Path(getattr(getattr(module, "__spec__", None), "cached", None) or "")
    if sys.dont_write_bytecode or not compiled.is_file():
        return True
    with compiled.open("rb") as stream:
        header = stream.read(16)
    flags, *saved = struct.unpack("<4xLLL", header) if len(header) == 16 else (1,)
    now = [int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF]
    return flags != 0 or saved == now


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
