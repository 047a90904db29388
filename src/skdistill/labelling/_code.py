"""What the code of a function or class consists of, apart from its name, place and comments."""

import ast
import dis
import hashlib
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

from skdistill.labelling._changes import (
    ATTRIBUTE_LOADS,
    CHANGING,
    LOADS,
    Change,
    changes_in,
    class_changes,
    without_changes,
)
from skdistill.labelling._owners import installed_version, module_file

# Functions of a class that Python makes for its annotations.
_ANNOTATE = ("__annotate__", "__annotate_func__", "_abc_impl")
_ABSENT = "absent"

# What an import statement names: a module, the number of dots before it, and what is taken from it.
_Import = tuple[str, int, tuple[str, ...]]


def function_parts(function: FunctionType) -> dict[str, Any]:
    """Return what a function does: its bytecode, constants, defaults, and the values it refers to.

    What the function itself changes is not among them: a variable that it assigns to, such as a
    counter; the content of a list or dict that it fills, such as a log or a cache; an attribute or
    item of another object.

    Examples
    --------
    >>> from skdistill.labelling._code import function_parts
    >>> asked, prompt = [], "food or travel?"
    >>> def ask(texts):
    ...     asked.extend(texts)
    ...     return [prompt + text for text in texts]
    >>> function_parts(ask)["global"]
    {'asked': <class 'list'>, 'prompt': 'food or travel?'}
    """
    code = function.__code__
    instructions = [*_instructions(code)]
    changes = [*changes_in(instructions)]
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    closure = {
        name: without_changes(
            _content(cell), [each for each in changes if (each.kind, each.name) == ("cell", name)]
        )
        for name, cell in cells
    }
    return {
        "code": _code_parts(code, function.__doc__),
        "default": (function.__defaults__, function.__kwdefaults__),
        "closure": {name: value for name, value in closure.items() if value is not CHANGING},
        "global": _referenced(instructions, function.__globals__, changes),
    }


def class_parts(owner: type) -> dict[str, Any]:
    """Return the entries of a class that are its own, its base classes and its metaclass.

    What its methods change of the class is not among them; see `function_parts`.
    """
    functions = [f for entry in vars(owner).values() if (f := _function_of(entry)) is not None]
    codes = [[*_instructions(function.__code__)] for function in functions]
    used = {step.argval for code in codes for step in code if step.opname in ATTRIBUTE_LOADS}
    changes = [each for code in codes for each in class_changes(owner, changes_in(code))]
    entries = {
        name: entry if _function_of(entry) else _unchanged(entry, name, changes)
        for name, entry in vars(owner).items()
        if _is_code(name, entry, used)
    }
    entries = {name: entry for name, entry in entries.items() if entry is not CHANGING}
    return {"base": owner.__bases__, "entry": entries, "metaclass": type(owner)}


def _unchanged(value: Any, name: str, changes: Iterable[Change]) -> Any:
    """Return an attribute without what changes; the changes begin at its owner."""
    own = [each.after(1) for each in changes if each.steps[:1] == (("attribute", name),)]
    return without_changes(value, own)


def _function_of(entry: Any) -> FunctionType | None:
    entry = getattr(entry, "__func__", getattr(entry, "fget", entry))
    return entry if isinstance(entry, FunctionType) else None


def _is_code(name: str, entry: Any, used: set[str]) -> bool:
    """Return whether an entry of a class was written by its author, and is no annotation.

    `used` contains the attributes that the methods read.
    """
    if isinstance(entry, GetSetDescriptorType | MemberDescriptorType) or name in _ANNOTATE:
        return False
    if not (name.startswith("__") and name.endswith("__")):
        return True
    # Others with two underscores are made by Python, some of them at the first use.
    return name in used or callable(entry) or isinstance(entry, classmethod | property)


def _code_parts(code: CodeType, docstring: str | None = None) -> tuple[Any, ...]:
    constants = code.co_consts
    if docstring is not None and constants and constants[0] == docstring:
        constants = constants[1:]
    n_arguments = code.co_argcount + code.co_kwonlyargcount
    return (
        code.co_code,
        code.co_exceptiontable,
        code.co_names,
        code.co_freevars,
        code.co_varnames[:n_arguments],
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS),
        [_code_parts(part) if isinstance(part, CodeType) else part for part in constants],
    )


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    yield from (step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)


def _referenced(
    instructions: list[dis.Instruction], variables: dict[str, Any], changes: list[Change]
) -> dict[str, Any]:
    """Return the global values that bytecode refers to, by name; builtins are left out."""
    found: dict[str, Any] = {}
    imports = [*_imports(instructions)]
    if imports:
        found["import"] = _modules(_module_names(imports, variables.get("__package__")))
    builtins = variables.get("__builtins__", {})
    if isinstance(builtins, ModuleType):
        builtins = vars(builtins)
    by_variable: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind == "variable":
            by_variable.setdefault(change.name, []).append(change)
    for position, step in enumerate(instructions):
        name = step.argval
        if step.opname not in LOADS:
            continue
        own = by_variable.get(name, [])
        if name in variables:
            names, value = _through_owners(name, variables[name], instructions[position + 1 :])
            path = ".".join(names)
            if path in found:
                continue
            if not isinstance(value, ModuleType):
                way = tuple(("attribute", part) for part in names[1:])
                own = [each.after(len(way)) for each in own if each.steps[: len(way)] == way]
                value = without_changes(value, own)
            if value is not CHANGING:
                found[path] = value
        elif name not in builtins and all(change.steps for change in own):
            found[name] = _ABSENT
    return found


def _through_owners(
    name: str, value: Any, following: list[dis.Instruction]
) -> tuple[list[str], Any]:
    """Follow attributes such as `helpers.clean` into modules and functions of the user."""
    names = [name]
    for step in following:
        if step.opname not in ATTRIBUTE_LOADS or not _counts_alone(value, step.argval):
            break
        names.append(step.argval)
        value = getattr(value, step.argval)
    return names, value


def _counts_alone(owner: Any, name: str) -> bool:
    """Return whether an attribute, where it is used, counts instead of its owner."""
    if isinstance(owner, ModuleType):
        return installed_version(owner.__name__) is None and hasattr(owner, name)
    return isinstance(owner, FunctionType) and name in {*vars(owner), "__doc__"}


def _imports(instructions: list[dis.Instruction]) -> Iterator[_Import]:
    for level, parts, step in zip(instructions, instructions[1:], instructions[2:], strict=False):
        if step.opname == "IMPORT_NAME":
            yield step.argval, level.argval, parts.argval or ()


def _module_names(imports: Iterable[_Import], package: str | None) -> Iterator[str]:
    """Yield the full names of all modules that import statements in a package may load."""
    for name, level, parts in imports:
        if level and not package:
            continue
        if level:
            base = str(package).rsplit(".", level - 1)[0]
            name = f"{base}.{name}" if name else base
        ends = [position for position, letter in enumerate(name) if letter == "."]
        yield from (name[:end] for end in (*ends, len(name)))
        yield from (f"{name}.{part}" for part in parts)


def _modules(names: Iterable[str], files: dict[str, Path] | None = None) -> dict[str, str]:
    """Return hashes of modules of the user and of those that they import, and other versions.

    `files` contains the files of modules that an import does not find.
    """
    found: dict[str, str] = {}
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        version = installed_version(name)
        if version is not None:
            found[name.partition(".")[0]] = version
        elif name not in found:
            file = (files or {}).get(name) or module_file(name)
            if file is not None and file.is_file():
                state = file.stat()
                found[name], imports = _read_module(file, (state.st_mtime_ns, state.st_size))
                package = name if file.stem == "__init__" else name.rpartition(".")[0]
                waiting += _module_names(imports, package)
    return dict(sorted(found.items()))


@cache
def _read_module(file: Path, _state: tuple[int, int]) -> tuple[str, list[_Import]]:
    """Return a hash of a module's code, in which comments do not count, and what it imports."""
    content, imports = file.read_bytes(), list[_Import]()
    try:
        tree = ast.parse(content)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imports += [(part.name, 0, ()) for part in node.names]
            elif isinstance(node, ast.ImportFrom):
                parts = tuple(part.name for part in node.names)
                imports.append((node.module or "", node.level, parts))
        content = ast.dump(tree).encode("utf-8", "surrogatepass")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # compiled or very deep code counts by its bytes
    return hashlib.blake2b(content, digest_size=16).hexdigest(), imports


def module_parts(module: ModuleType) -> Any:
    """Return a module's name, and its version or, for a module of the user, what it consists of."""
    name, file = module.__name__, getattr(module, "__file__", None)
    return name, _modules([name], None if file is None else {name: Path(file)})


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _ABSENT
