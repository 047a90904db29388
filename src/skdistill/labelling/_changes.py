"""What code changes in the objects that it refers to, such as counters, logs and caches."""

import dis
import inspect
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import CodeType, FunctionType, MemberDescriptorType
from typing import Any

from skdistill.labelling._owners import installed_name

LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
ATTRIBUTE_LOADS = {"LOAD_ATTR", "LOAD_METHOD"}
_STORES = {
    "STORE_GLOBAL": "variable",
    "DELETE_GLOBAL": "variable",
    "STORE_DEREF": "cell",
    "DELETE_DEREF": "cell",
}
_PART_STORES = {"STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE", "STORE_ATTR", "DELETE_ATTR"}
# Methods that change their object, if it is a container.
_CHANGING_METHODS = frozenset(
    (
        *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop"),
        *("popitem", "remove", "setdefault", "update"),
    )
)
_CONTAINERS = (list, dict, set, deque, bytearray)
# What may come between the targets of one assignment.
_BETWEEN_TARGETS = ("SWAP", "COPY", "UNPACK_SEQUENCE", "UNPACK_EX")
# With these, code sets attributes of any name.
_BY_NAME = frozenset(("setattr", "vars", "__dict__", "__setattr__"))
_OF_PICKLE = frozenset(("__getstate__", "__setstate__", "__reduce__", "__reduce_ex__"))
# Stands for an item whose key only the running code knows, and for a slice.
_SOME, _SLICE = object(), object()
# Stands for a variable that the code assigns to.
CHANGING = object()
_ABSENT = object()

# An attribute or an item, on the way from a variable to what is changed.
_Step = tuple[str, Any]


@dataclass(frozen=True)
class Change:
    """A change to a variable, or to a part of what it refers to.

    Attributes
    ----------
    kind : {"variable", "cell", "local", "result"}
        Whether the way begins at a global variable, one of an outer function, one of the function
        itself, or the result of a call.
    name : str
        The variable, or the function that was called.
    steps : tuple of (kind, name)
        The attributes and items from there to what is changed.
    by_method : bool
        Whether a method such as ``append`` changes it, which only containers have for certain.
    """

    kind: str
    name: str
    steps: tuple[_Step, ...] = ()
    by_method: bool = False

    def after(self, n_steps: int) -> "Change":
        """Return the same change, beginning some steps later."""
        return replace(self, steps=self.steps[n_steps:])


@dataclass(frozen=True)
class Without:
    """A value, of which some parts do not count: attributes or items of it or of its parts."""

    value: Any
    hidden: tuple[tuple[Any, _Step], ...]


def instructions_of(code: CodeType, *, inner: bool = True) -> Iterator[dis.Instruction]:
    """Yield the bytecode of a function and, if wanted, of the functions inside it."""
    cells = {*code.co_cellvars, *code.co_freevars}
    for step in dis.get_instructions(code):
        # From Python 3.13, LOAD_FAST also hands a cell to an inner function.
        is_cell = step.opname.startswith("LOAD_FAST") and step.argval in cells
        if step.opname != "EXTENDED_ARG" and not is_cell:
            yield step
    for constant in code.co_consts if inner else ():
        if isinstance(constant, CodeType):
            yield from instructions_of(constant)


def changes_in(instructions: Iterable[dis.Instruction]) -> Iterator[Change]:
    """Find what bytecode changes.

    Examples
    --------
    >>> import dis
    >>> from skdistill.labelling._changes import changes_in
    >>> def ask(texts):
    ...     settings.state["n"] += 1
    ...     asked.extend(texts)
    >>> for change in changes_in(dis.get_instructions(ask)):
    ...     print(change.name, change.steps, change.by_method)
    settings (('attribute', 'state'), ('item', 'n')) False
    asked () True
    """
    for is_change, path in paths_in(instructions):
        if is_change:
            yield path


def paths_in(instructions: Iterable[dis.Instruction]) -> Iterator[tuple[bool, Change]]:
    """Yield the ways to what bytecode changes, and to attributes, which may be methods it calls.

    The first of each pair says whether it is a change.
    """
    # All parts of an expression, as in `self.log.append(1)`, begin at the same place.
    paths: dict[Any, Change] = {}
    before: dis.Instruction | None = None
    for step in instructions:
        name, operation = step.argval, step.opname
        place = _start(step)
        path = paths.get(place)
        if path is None and before is not None and before.opname.count("_FAST") == 2:
            # From Python 3.13, one instruction loads two variables, at the place of the first.
            path = Change("local", before.argval[-1])
        if operation in LOADS:
            paths[place] = Change("variable", name)
        elif operation == "LOAD_DEREF":
            paths[place] = Change("cell", name)
        elif operation.startswith("LOAD_FAST"):
            paths[place] = Change("local", name[0] if isinstance(name, tuple) else name)
        elif operation in ATTRIBUTE_LOADS and path is not None:
            # The slice of a container is a copy.
            if name in _CHANGING_METHODS and path.steps[-1:] != (("item", _SLICE),):
                yield True, Change(path.kind, path.name, path.steps, by_method=True)
            paths[place] = _longer(path, ("attribute", name))
            yield False, paths[place]
        elif _takes_item(step) and path is not None:
            paths[place] = _longer(path, ("item", _key(step, before)))
        elif "CALL" in operation:
            callee = "" if path is None or path.steps else path.name
            paths[place] = Change("result", callee)
        elif operation in _STORES:
            yield True, Change(_STORES[operation], name)
        elif operation in _PART_STORES and path is not None:
            if not _is_in_place(before):  # else the part was read before, and the path contains it
                path = _longer(path, _stored_part(step, before))
            yield True, path
        if operation not in ("COPY", "SWAP", "CACHE"):
            before = step


def _start(step: dis.Instruction) -> Any:
    """Return where the expression begins that an instruction is part of.

    Without columns, as under ``python -X no_debug_ranges``, each instruction stands for itself, so
    that no change is taken for one of something else on the line.
    """
    positions = step.positions
    if positions is None or positions.col_offset is None:
        return object()
    return positions.lineno, positions.col_offset


def without_changes(value: Any, changes: Iterable[Change]) -> Any:
    """Return a value without the parts that change, or `CHANGING` if it is assigned to itself.

    The steps of the changes begin at the value. Of a container that is filled, only the type is
    left.

    Examples
    --------
    >>> from skdistill.labelling._changes import Change, without_changes
    >>> settings = {"prompt": "food or travel?", "n": 3}
    >>> count = Change("variable", "settings", (("item", "n"),))
    >>> without_changes(settings, [count]).hidden
    (({'prompt': 'food or travel?', 'n': 3}, ('item', 'n')),)
    >>> without_changes([], [Change("variable", "asked", by_method=True)])
    <class 'list'>
    """
    hidden, is_filled = [], False
    for change in changes:
        if not change.steps and not change.by_method:
            return CHANGING
        steps = _known_steps(change)
        owners = _follow(value, steps)
        if change.by_method and steps == change.steps:
            is_reached = len(owners) == 1 + len(steps)
            if not is_reached or not isinstance(owners[-1], _CONTAINERS):
                continue
        elif len(owners) == 1 + len(steps) and not _is_shared(owners[-1], change, len(steps)):
            continue
        # An owner that cannot be described without the part, such as an array, does not count.
        while steps and (len(owners) < len(steps) or not _can_hide(owners[len(steps) - 1], steps)):
            steps = steps[:-1]
        if steps:
            owner, (kind, key) = owners[len(steps) - 1], steps[-1]
            from_end = isinstance(owner, list) and kind == "item" and key < 0
            hidden.append((owner, (kind, key + len(owner) if from_end else key)))
        else:
            is_filled = True
    if is_filled:
        return type(value)
    return Without(value, tuple(hidden)) if hidden else value


def _known_steps(change: Change) -> tuple[_Step, ...]:
    """Return the steps before the first item with an unknown key."""
    unknown = (n for n, (_, key) in enumerate(change.steps) if key in (_SOME, _SLICE))
    return change.steps[: next(unknown, None)]


def _is_shared(owner: Any, change: Change, n_steps: int) -> bool:
    """Return whether what changes behind an item with an unknown key may be part of its owner."""
    behind = change.steps[n_steps:]
    if not isinstance(owner, _CONTAINERS):
        return not change.by_method  # an array's slice shares its numbers
    if not change.by_method:
        return behind[:-1] != (("item", _SLICE),)  # which is a copy
    if len(behind) > 1:
        return True
    items = [*(owner.values() if isinstance(owner, dict) else owner)]
    return not items or any(isinstance(item, _CONTAINERS) for item in items)


def _follow(value: Any, steps: Iterable[_Step]) -> list[Any]:
    """Return a value and what follows at each step, as far as that is found without running code.

    A property or a missing item would run code of the user.
    """
    owners = [value]
    for kind, name in steps:
        if kind == "attribute":
            value = type(value) if name == "__class__" else _attribute(value, name)
        elif isinstance(value, dict):
            value = dict.get(value, name, _ABSENT)
        else:
            is_place = isinstance(value, list) and isinstance(name, int)
            value = value[name] if is_place and -len(value) <= name < len(value) else _ABSENT
        if value is _ABSENT:
            break
        owners.append(value)
    return owners


def _attribute(owner: Any, name: str) -> Any:
    value = inspect.getattr_static(owner, name, _ABSENT)
    if isinstance(value, MemberDescriptorType):
        try:
            return value.__get__(owner)
        except (AttributeError, TypeError):  # an empty slot, or the slot of a class
            return _ABSENT
    return value


def _can_hide(owner: Any, steps: tuple[_Step, ...]) -> bool:
    kind, key = steps[-1]
    is_place = type(owner) is dict or (type(owner) is list and isinstance(key, int))
    return kind == "attribute" or is_place


def _longer(path: Change, step: _Step) -> Change:
    return Change(path.kind, path.name, (*path.steps, step))


def _stored_part(step: dis.Instruction, before: dis.Instruction | None) -> _Step:
    if step.opname.endswith("ATTR"):
        return "attribute", step.argval
    return "item", _key(step, before)


def _takes_item(step: dis.Instruction) -> bool:
    return step.opname in ("BINARY_SUBSCR", "BINARY_SLICE") or step.argrepr == "[]"


def _key(step: dis.Instruction, before: dis.Instruction | None) -> Any:
    """Return the key of an item, which the instruction before has loaded if it is a constant."""
    operation = "" if before is None else before.opname
    is_constant = operation in ("LOAD_CONST", "LOAD_SMALL_INT")
    if step.opname.endswith("_SLICE") or operation == "BUILD_SLICE":
        return _SLICE
    if not is_constant or before is None:
        return _SOME
    return _SLICE if isinstance(before.argval, slice) else before.argval


def _is_in_place(before: dis.Instruction | None) -> bool:
    """Return whether a store ends an assignment such as ``+=``."""
    return before is not None and before.opname == "BINARY_OP" and before.argrepr.endswith("=")


def without_calls(value: Any, shown: Any, ways: Iterable[tuple[_Step, ...]]) -> Any:
    """Return `shown` without what methods of the value, or of its parts, change of their objects.

    `shown` is the value, or what `without_changes` returned for it, and each way ends with a
    method's name.
    """
    if shown is not value and not isinstance(shown, Without):
        return shown
    reached = [found for way in ways for found in _reached(value, way)]
    hidden = [part for owner, name in reached for part in hidden_by_call(owner, name)]
    if not hidden:
        return shown
    return Without(value, (*getattr(shown, "hidden", ()), *hidden))


def class_changes(owner: type, changes: Iterable[Change]) -> Iterator[Change]:
    """Yield the changes that methods make to their class; the steps begin at the class.

    ``self.x = 1`` changes an object, but ``self.log.append(1)`` may change an attribute of the
    class.
    """
    for change in changes:
        is_class = change.name == "cls" or (change.kind, change.name) == ("result", "type")
        steps = change.steps
        if steps[:1] == (("attribute", "__class__"),):
            steps, is_class = steps[1:], True
        if change.kind == "variable":
            is_class = change.name == owner.__name__
        is_own = is_class or (change.name == "self" and len(steps) + change.by_method > 1)
        if steps and is_own:
            yield Change(change.kind, change.name, steps, change.by_method)


def hidden_by_call(owner: Any, name: str) -> list[tuple[Any, _Step]]:
    """Return the parts of an object, and of its own parts, that a method of it changes.

    Only attributes count that start alike in all objects of a class: one that ``__init__`` sets
    from its arguments may be a setting, and so may one that other methods change. Objects of
    installed packages are left out.

    Examples
    --------
    >>> from skdistill.labelling._changes import hidden_by_call
    >>> class Client:
    ...     def __init__(self, budget):
    ...         self.budget = budget
    ...         self.n_calls = 0
    ...     def ask(self, texts):
    ...         self.n_calls += 1
    ...         self.budget -= len(texts)
    >>> [step for _, step in hidden_by_call(Client(3), "ask")]
    [('attribute', 'n_calls')]
    """
    calls = _calls_from(owner, name)
    called = {function.__code__ for _, function in calls}
    hidden: dict[tuple[int, _Step], tuple[Any, _Step]] = {}
    for holder, function in calls:
        for is_change, path in _paths_of_self(function):
            if not is_change:
                hidden |= {(id(of), step): (of, step) for of, step in _kept(holder, path.steps)}
            rest = without_changes(holder, [path]) if is_change else None
            if not isinstance(rest, Without):
                continue
            part, step = of, attribute = rest.hidden[0]
            if step[0] == "item":  # of a dict or list that is an attribute
                *_, place = (n for n, (kind, _) in enumerate(path.steps) if kind == "attribute")
                of, attribute = _follow(holder, path.steps[:place])[-1], path.steps[place]
            if _starts_alike(type(of), attribute[1], called):
                hidden[id(part), step] = part, step
    return [*hidden.values()]


def _calls_from(owner: Any, name: str) -> list[tuple[Any, FunctionType]]:
    """Return a method and those that it calls, each with its object."""
    found: list[tuple[Any, FunctionType]] = []
    waiting: list[tuple[Any, Any]] = [(owner, name)]
    reached: set[tuple[int, CodeType]] = set()
    while waiting:
        holder, name = waiting.pop()
        if installed_name(type(holder)) is not None:
            continue
        # Those of base classes may be called by `super`.
        for function in [_function_in(vars(base).get(name)) for base in type(holder).__mro__]:
            if function is None or (id(holder), function.__code__) in reached:
                continue
            reached.add((id(holder), function.__code__))
            found.append((holder, function))
            for is_change, path in _paths_of_self(function):
                if not is_change:
                    waiting += _reached(holder, path.steps)
    return found


def _reached(value: Any, steps: tuple[_Step, ...]) -> list[tuple[Any, Any]]:
    """Return the owner of the attribute at the end of a way, and its name, if there is one."""
    owners = _follow(value, steps[:-1])
    return [(owners[-1], steps[-1][1])] if len(owners) == len(steps) else []


def _kept(value: Any, steps: tuple[_Step, ...]) -> list[tuple[Any, _Step]]:
    """Return the attribute at the end of a way if a `cached_property` has stored it."""
    return [
        (owner, ("attribute", name))
        for owner, name in _reached(value, steps)
        if isinstance(inspect.getattr_static(type(owner), name, None), cached_property)
        and name in vars(owner)
    ]


@lru_cache(maxsize=1024)
def _paths_of_self(function: FunctionType) -> list[tuple[bool, Change]]:
    """Return the ways in a method that begin at its object."""
    own = function.__code__.co_varnames[:1]
    return [
        (is_change, path)
        for is_change, path in paths_in(instructions_of(function.__code__))
        if (path.name,) == own and path.kind in ("local", "cell") and path.steps
    ]


def _function_in(entry: Any) -> FunctionType | None:
    entry = entry.func if isinstance(entry, cached_property) else getattr(entry, "fget", entry)
    return entry if isinstance(entry, FunctionType) else None


def _starts_alike(owner: type, name: str, called: set[CodeType]) -> bool:
    """Return whether an attribute is the same in all objects until one of these methods runs."""
    is_set = False
    for base in owner.__mro__:
        is_set |= name in vars(base)
        for entry in vars(base).values():
            function = _function_in(getattr(entry, "__func__", entry))
            if function is None or function.__code__ in called:
                continue
            if _may_assign_elsewhere(function, name):
                return False
            is_assigned = False
            for is_change, path in _paths_of_self(function):
                if is_change and ("attribute", name) in path.steps:
                    is_assigned = True
                    if path.by_method or path.steps[-1] != ("attribute", name):
                        return False
            if is_assigned and not _is_constant(function, name):
                return False
            is_set |= is_assigned and function.__name__ in ("__init__", "__post_init__")
    return is_set


def _may_assign_elsewhere(function: FunctionType, name: str) -> bool:
    """Return whether a function sets an attribute of another object, or any that it is given.

    The methods of pickle also do that, but only with what was an object's state before.
    """
    if function.__name__ in _OF_PICKLE:
        return False
    own = function.__code__.co_varnames[:1]
    before = ()
    for step in instructions_of(function.__code__):
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        if step.opname in LOADS | ATTRIBUTE_LOADS and step.argval in _BY_NAME:
            return True
        if step.opname == "STORE_ATTR" and step.argval == name and before[-1:] != own:
            return True
        before = names if step.opname.startswith(("LOAD_FAST", "LOAD_DEREF")) else ()
    return False


def _is_constant(method: FunctionType, name: str) -> bool:
    """Return whether a method sets an attribute to what does not depend on arguments or objects."""
    own = method.__code__.co_varnames[:1]
    is_read = is_over = False  # whether the statement reads a variable, and whether it has ended
    before = ""
    for step in instructions_of(method.__code__):
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        operation = step.opname
        loads_self = operation.startswith("LOAD_FAST") and names == own
        is_store = operation.startswith(("STORE", "DELETE"))
        if is_over and not (loads_self or is_store or operation in _BETWEEN_TARGETS):
            is_read = is_over = False
        if operation.startswith(("LOAD_FAST", "LOAD_DEREF", "STORE_FAST_LOAD")):
            is_read |= not loads_self
        elif operation in ATTRIBUTE_LOADS:
            is_read |= before.startswith("LOAD_FAST")
        elif operation == "STORE_ATTR" and step.argval == name and is_read:
            return False
        # The value of a call that nothing uses ends a statement; of `a or b`, a is thrown away.
        is_over |= is_store or (operation == "POP_TOP" and "CALL" in before)
        before = operation
    return True
