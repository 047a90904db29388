"""What the code of a function or class consists of, apart from its name, place and comments."""

import ast
import dis
import hashlib
import inspect
import sys
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
    instructions_of,
    paths_in,
    without_calls,
    without_changes,
)
from skdistill.labelling._owners import installed_version, module_file, source_of

# Entries of a class that its author did not write. Those of annotations are described otherwise.
_ANNOTATE = ("__annotate_func__", "__annotate__")
_MADE = (*_ANNOTATE, "_abc_impl")
# Entries of a class from which libraries make schemas for language models.
_SCHEMA = (
    *("__doc__", "__annotations__", "__total__"),
    *("__dataclass_fields__", "__pydantic_fields__", "__attrs_attrs__"),
)
# Functions that read docstrings and annotations.
_READERS = frozenset(("getdoc", "signature", "get_annotations", "get_type_hints"))
_NAMES = LOADS | ATTRIBUTE_LOADS | {"IMPORT_FROM"}
_LOCAL_LOADS = (
    *("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"),
    "STORE_FAST_LOAD",
)
_ABSENT = "absent"

# What an import statement names: a module, the number of dots before it, and what is taken from it.
_Import = tuple[str, int, tuple[str, ...]]


def function_parts(function: FunctionType) -> dict[str, Any]:
    """Return what a function does: its bytecode, constants, defaults, and the values it refers to.

    What the function itself changes is not among them: a variable that it assigns to, such as a
    counter; the content of a list or dict that it fills, such as a log or a cache; an attribute or
    item of another object. Of a variable of a module, the expression that its file assigns to it
    counts instead.

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
    code, variables = function.__code__, function.__globals__
    instructions = [*instructions_of(code)]
    paths = [*paths_in(instructions)]
    changes = [path for is_change, path in paths if is_change]
    ways = {path: None for is_change, path in paths if not is_change}
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    closure = {name: _content(cell) for name, cell in cells}
    imported = _imported(instructions, variables.get("__package__"))
    # An import is no change of what it imports.
    parts = [each for each in changes if each.name in imported and (each.steps or each.by_method)]
    own = [each for each in changes if each.kind == "cell" and each.name in closure]
    changed = {each.name for each in changes if each.kind == "variable"}
    defaults, is_filled = _defaults(function, changes, ways)
    if is_filled:
        changed.add(function.__qualname__)
    return {
        "code": _code_parts(code, function.__doc__),
        "default": defaults,
        "closure": _used(instructions, imported | closure, parts + own, ways, is_local=True),
        "global": _referenced(instructions, variables, changes, ways),
        **_initial(variables, changed),
    }


def _defaults(
    function: FunctionType, changes: list[Change], ways: Iterable[Change]
) -> tuple[Any, bool]:
    """Return a function's defaults without what it changes, and whether there is any of that."""
    code, is_filled = function.__code__, False
    own = [*changes_in(instructions_of(code, inner=False))]
    own += [each for each in changes if each.kind == "cell"]

    def shown(name: str, value: Any) -> Any:
        nonlocal is_filled
        rest = without_changes(value, [each for each in own if each.name == name])
        is_filled |= rest is not value
        calls = [each.steps for each in ways if each.name == name and each.kind != "variable"]
        return without_calls(value, rest, calls)

    values = function.__defaults__
    if values is not None:
        names = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
        values = tuple(map(shown, names, values))
    by_name = function.__kwdefaults__
    if by_name is not None:
        by_name = {name: shown(name, value) for name, value in by_name.items()}
    return (values, by_name), is_filled


def class_parts(owner: type) -> dict[str, Any]:
    """Return the entries of a class that are its own, its base classes and its metaclass.

    What its methods change of the class is not among them, apart from the expressions in its file;
    see `function_parts`.
    """
    functions = [f for entry in vars(owner).values() if (f := _function_of(entry)) is not None]
    codes = [[*instructions_of(function.__code__)] for function in functions]
    used = {step.argval for code in codes for step in code if step.opname in ATTRIBUTE_LOADS}
    changes = [each for code in codes for each in class_changes(owner, changes_in(code))]
    entries = {
        name: entry if _function_of(entry) else _unchanged(entry, name, changes)
        for name, entry in vars(owner).items()
        if _is_code(name, entry, used)
    }
    entries = {name: entry for name, entry in entries.items() if entry is not CHANGING}
    entries |= _schema(owner)
    changed = {str(each.steps[0][1]) for each in changes}
    variables = functions[0].__globals__ if functions else {}
    initial = _initial(variables, {f"{owner.__qualname__}.{name}" for name in changed})
    return {"base": owner.__bases__, "entry": entries, "metaclass": type(owner), **initial}


def _initial(variables: dict[str, Any], names: set[str]) -> dict[str, dict[str, list[str]]]:
    """Return what a module's file assigns to names and to the names that it uses for that.

    `variables` are those of the module. A notebook has no file, and other processes do not know its
    cells.
    """
    file = Path(str(variables.get("__file__", "")))
    module = sys.modules.get(str(variables.get("__name__")))
    if getattr(module, "__dict__", None) is not variables:
        module = None  # a function that was sent to this process, without its module
    content = source_of(module, file) if names and file.suffix == ".py" else None
    if content is None:
        return {}
    assigned = _assignments(content)
    if assigned is None:
        return {"initial": {"": [hashlib.blake2b(content).hexdigest()]}}
    found: dict[str, list[str]] = {}
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name in assigned and name not in found:
            found[name] = [ast.dump(value) for value in assigned[name]]
            parts = [part for value in assigned[name] for part in ast.walk(value)]
            waiting += [part.id for part in parts if isinstance(part, ast.Name)]
            modules = _module_names(_imports_in(parts), variables.get("__package__"))
            own = _modules(module for module in modules if installed_version(module) is None)
            found[name] += [" ".join(module) for module in own.items()]
    return {"initial": found} if found else {}


@cache
def _assignments(content: bytes) -> dict[str, list[ast.AST]] | None:
    """Return what a module assigns to its variables and attributes of classes.

    These are expressions, with the conditions that they depend on, and definitions and imports.
    """
    try:
        return _assignments_in(ast.parse(content))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _assignments_in(module: ast.Module) -> dict[str, list[ast.AST]]:
    found: dict[str, list[ast.AST]] = {}
    scopes: list[tuple[str, ast.AST]] = [("", module)]
    for scope, owner in scopes:
        for node, conditions in _statements(owner, ()):
            names, values = list[str](), list[ast.AST]([node])
            if isinstance(node, ast.ClassDef):
                names = [node.name]
                scopes.append((f"{scope}{node.name}.", node))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                has_docstring = ast.get_docstring(node, clean=False) is not None
                names, values = [node.name], [node.args, *node.body[has_docstring:]]
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [part.asname or part.name.partition(".")[0] for part in node.names]
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                parts = [part for target in targets for part in ast.walk(target)]
                names = [part.id for part in parts if isinstance(part, ast.Name)]
                others = (target for target in targets if not isinstance(target, ast.Name))
                values = [node.value, *others]
            for name in names:
                found.setdefault(scope + name, []).extend((*values, *conditions))
    return found


def _statements(
    owner: ast.AST, conditions: tuple[ast.AST, ...]
) -> Iterator[tuple[ast.stmt, tuple[ast.AST, ...]]]:
    """Yield the statements of a module or class, also inside ``if``, ``try``, ``with`` and loops.

    Each comes with the expressions at the head of the statements around it.
    """
    for part in ast.iter_child_nodes(owner):
        if isinstance(part, ast.stmt):
            yield part, conditions
        if isinstance(part, ast.stmt | ast.ExceptHandler | ast.match_case) and not isinstance(
            part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            heads = (head for head in ast.iter_child_nodes(part) if isinstance(head, ast.expr))
            yield from _statements(part, (*conditions, *heads))


def _schema(owner: type) -> dict[str, Any]:
    """Return the docstring of a class, its annotations, and what is declared of its fields."""
    found = {name: vars(owner)[name] for name in _SCHEMA if name in vars(owner)}
    if "__dataclass_fields__" in found and str(owner.__doc__).startswith(f"{owner.__name__}("):
        del found["__doc__"]  # the signature, which may contain addresses of objects
    for name in _ANNOTATE:
        annotate = vars(owner).get(name)
        if isinstance(annotate, FunctionType):  # from Python 3.14; we do not run it
            code = annotate.__code__
            names = _referenced([*instructions_of(code)], annotate.__globals__, [])
            found["__annotations__"] = _code_parts(code), names
    # Python makes empty ones at the first use.
    return {name: entry for name, entry in found.items() if entry is not None and entry != {}}


def _unchanged(value: Any, name: str, changes: Iterable[Change]) -> Any:
    """Return an attribute without what changes; the changes begin at its owner."""
    own = [each.after(1) for each in changes if each.steps[:1] == (("attribute", name),)]
    return without_changes(value, own)


def _function_of(entry: Any) -> FunctionType | None:
    entry = getattr(entry, "__func__", getattr(entry, "fget", entry))
    return entry if isinstance(entry, FunctionType) else None


def _is_code(name: str, entry: Any, used: set[str]) -> bool:
    """Return whether an entry of a class was written by its author, apart from its schema.

    `used` contains the attributes that the methods read.
    """
    if isinstance(entry, GetSetDescriptorType | MemberDescriptorType) or name in _MADE:
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


def _referenced(
    instructions: list[dis.Instruction],
    variables: dict[str, Any],
    changes: list[Change],
    ways: Iterable[Change] = (),
) -> dict[str, Any]:
    """Return the global values that bytecode refers to, by name; builtins are left out."""
    found: dict[str, Any] = {}
    imports = [*_imports(instructions)]
    if imports:
        found["import"] = _modules(_module_names(imports, variables.get("__package__")))
    builtins = variables.get("__builtins__", {})
    if isinstance(builtins, ModuleType):
        builtins = vars(builtins)
    own = [each for each in changes if each.kind == "variable"]
    known = {*variables, *builtins, *(each.name for each in own if not each.steps)}
    loaded = {step.argval for step in instructions if step.opname in LOADS}
    found |= dict.fromkeys(loaded - known, _ABSENT)
    return found | _used(instructions, variables, own, ways)


def _used(
    instructions: list[dis.Instruction],
    variables: dict[str, Any],
    changes: list[Change],
    ways: Iterable[Change],
    *,
    is_local: bool = False,
) -> dict[str, Any]:
    """Return the values of those variables that bytecode uses, by name, without what changes.

    `ways` lead to attributes that the bytecode reads.
    """
    found: dict[str, Any] = {}
    readers = _READERS & {step.argval for step in instructions if step.opname in _NAMES}
    by_variable = _by_name(changes)
    ways_from = _by_name(each for each in ways if (each.kind == "variable") is not is_local)
    for position, step in enumerate(instructions):
        if not step.opname.startswith(_LOCAL_LOADS) if is_local else step.opname not in LOADS:
            continue
        name = step.argval[-1] if isinstance(step.argval, tuple) else step.argval
        if name not in variables:
            continue
        following = instructions[position + 1 :]
        names, value = _through_owners(name, variables[name], following)
        path, is_module = ".".join(names), isinstance(value, ModuleType)
        is_changed = is_module and following[len(names) - 1].opname in ("STORE_ATTR", "DELETE_ATTR")
        if path in found or is_changed:
            continue
        way = tuple(("attribute", part) for part in names[1:])
        own = [each for each in by_variable.get(name, ()) if each.steps[: len(way)] == way]
        own = [each.after(len(way)) for each in own]
        # A function that loads a module again does not change it.
        shown = without_changes(value, [each for each in own if each.steps or not is_module])
        calls = [each.steps for each in ways_from.get(name, ()) if each.steps[: len(way)] == way]
        value = without_calls(value, shown, [steps[len(way) :] for steps in calls if steps != way])
        if readers and isinstance(value, FunctionType):
            value = value, value.__doc__, value.__annotations__
        if value is not CHANGING:
            found[path] = value
    return found


def _by_name(paths: Iterable[Change]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for path in paths:
        found.setdefault(path.name, []).append(path)
    return found


def _through_owners(
    name: str, value: Any, following: list[dis.Instruction]
) -> tuple[list[str], Any]:
    """Follow attributes such as `helpers.clean` into modules and functions of the user."""
    names = [name]
    for step in following:
        if step.opname == "COPY":  # as in `module.counter += 1`
            continue
        if step.opname not in ATTRIBUTE_LOADS or not _counts_alone(value, step.argval):
            break
        names.append(step.argval)
        value = getattr(value, step.argval)
    return names, value


def _counts_alone(owner: Any, name: str) -> bool:
    """Return whether an attribute, where it is used, counts instead of its owner."""
    if isinstance(owner, ModuleType):
        return installed_version(owner.__name__) is None and hasattr(owner, name)
    return isinstance(owner, FunctionType) and name in {*vars(owner), "__doc__", "__annotations__"}


def _imports(instructions: list[dis.Instruction]) -> Iterator[_Import]:
    for level, parts, step in zip(instructions, instructions[1:], instructions[2:], strict=False):
        if step.opname == "IMPORT_NAME":
            yield step.argval, level.argval, parts.argval or ()


def _imported(instructions: list[dis.Instruction], package: str | None) -> dict[str, Any]:
    """Return the variables that import statements assign to, if modules of the user are loaded."""
    found: dict[str, Any] = {}
    owner = value = None
    for level, parts, step in zip(instructions, instructions[1:], instructions[2:], strict=False):
        if step.opname == "IMPORT_NAME":
            is_from = parts.argval is not None
            name = _full_name(step.argval, level.argval, package)
            owner = value = sys.modules.get(name if is_from else name.partition(".")[0])
        elif step.opname == "IMPORT_FROM" and isinstance(owner, ModuleType):
            submodule = sys.modules.get(f"{owner.__name__}.{step.argval}")
            value = vars(owner).get(step.argval, submodule)
            if installed_version(owner.__name__) is not None:
                value = None
            owner = owner if is_from else value  # `import a.b as c` takes b from a
        elif step.opname.startswith("STORE") and value is not None:
            found[step.argval[0] if isinstance(step.argval, tuple) else step.argval] = value
            value = None
    return found


def _imports_in(nodes: Iterable[ast.AST]) -> Iterator[_Import]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((part.name, 0, ()) for part in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, tuple(part.name for part in node.names)


def _full_name(name: str, level: int, package: str | None) -> str:
    """Return the full name of an imported module; an empty string if its package is unknown."""
    if not level or not package:
        return "" if level else name
    base = package.rsplit(".", level - 1)[0]
    return f"{base}.{name}" if name else base


def _module_names(imports: Iterable[_Import], package: str | None) -> Iterator[str]:
    """Yield the full names of all modules that import statements in a package may load."""
    for name, level, parts in imports:
        name = _full_name(name, level, package)
        ends = [position for position, letter in enumerate(name) if letter == "."]
        yield from (name[:end] for end in (*ends, len(name)))
        yield from (f"{name}.{part}" for part in parts)


def _modules(names: Iterable[str], given: ModuleType | None = None) -> dict[str, str]:
    """Return hashes of modules of the user and of those that they import, and other versions.

    `given` is a module that an import may not find.
    """
    found: dict[str, str] = {}
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        version = installed_version(name)
        if version is not None:
            found[name.partition(".")[0]] = version
        elif name not in found:
            module, file = sys.modules.get(name), module_file(name)
            if given is not None and given.__name__ == name and hasattr(given, "__file__"):
                module, file = given, Path(str(given.__file__))
            content = None if file is None else source_of(module, file)
            if file is not None and content is not None:
                found[name], imports = _read_module(content)
                package = name if file.stem == "__init__" else name.rpartition(".")[0]
                waiting += _module_names(imports, package)
    return dict(sorted(found.items()))


@cache
def _read_module(content: bytes) -> tuple[str, list[_Import]]:
    """Return a hash of a module's code, in which comments do not count, and what it imports."""
    imports = list[_Import]()
    try:
        tree = ast.parse(content)
        imports += _imports_in(ast.walk(tree))
        content = ast.dump(tree).encode("utf-8", "surrogatepass")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # compiled or very deep code counts by its bytes
    return hashlib.blake2b(content, digest_size=16).hexdigest(), imports


def module_parts(module: ModuleType) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return a module's name, and its version or, for a module of the user, what it consists of.

    These are its code and that of the modules that it imports, and the values of its variables,
    except for those that its own functions change.
    """
    variables, name = vars(module), module.__name__
    if installed_version(name) is not None:
        return name, _modules([name], module), {}
    owners = [variables, *(vars(value) for value in variables.values() if isinstance(value, type))]
    functions = [_function_of(entry) for owner in owners for entry in owner.values()]
    changes = [
        change
        for function in functions
        if function is not None and function.__globals__ is variables
        for change in changes_in(instructions_of(function.__code__))
        if change.kind == "variable"
    ]
    values = {
        key: without_changes(value, [each for each in changes if each.name == key])
        for key, value in variables.items()
        if not key.startswith("__")
    }
    values = {key: value for key, value in values.items() if value is not CHANGING}
    return name, _modules([name], module), values


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _ABSENT
