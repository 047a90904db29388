"""Every small change of a module that its tests should notice, found in the syntax tree."""

import ast
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

PAIRS = [
    *[("<", "<="), (">", ">="), ("==", "!="), ("is", "is not"), ("in", "not in"), ("and", "or")],
    *[("+", "-"), ("+=", "-="), ("*", "/"), ("//", "*"), ("%", "*"), ("**", "*"), ("&", "|")],
    *[("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all")],
]
SWAPS = {right: left for left, right in PAIRS} | dict(PAIRS)
# Arguments that check or speed up, without an effect on results.
HARMLESS = {"strict", "copy", "stacklevel"}


class Mutant(NamedTuple):
    """A module with one change; `label` has the changed line, before and after."""

    path: Path
    line: int
    label: str
    source: str


def parts_to_change(node: ast.AST) -> Iterable[ast.AST]:
    """Return a node's children, without annotations, decorators and messages."""
    match node:
        case ast.JoinedStr() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return []
        case ast.keyword(arg=name) if name in HARMLESS:
            return []
        case ast.FunctionDef():
            return [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body]
        case ast.ClassDef():
            return node.body
        case ast.AnnAssign():
            return filter(None, [node.value])
    return ast.iter_child_nodes(node)


def edits(node: ast.AST, code: bytes, starts: list[int]) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, replacement) for each change of a part of the syntax tree."""

    def span(node: ast.AST) -> tuple[int, int]:
        start, end = starts[node.lineno - 1], starts[node.end_lineno - 1]
        return start + node.col_offset, end + node.end_col_offset

    operands, conditions = [], []
    match node:
        case ast.Compare():
            operands = [node.left, *node.comparators]
        case ast.BoolOp():
            operands = node.values
        case ast.BinOp():
            operands = [node.left, node.right]
        case ast.AugAssign():
            operands = [node.target, node.value]
        case ast.If() | ast.IfExp() | ast.While():
            conditions = [node.test] if getattr(node.test, "id", "") != "TYPE_CHECKING" else []
        case ast.comprehension():
            conditions = node.ifs
        case ast.UnaryOp(op=ast.Not()):
            yield span(node)[0], span(node)[0] + len("not "), ""
        case ast.UnaryOp(op=ast.USub() | ast.Invert()):
            yield span(node)[0], span(node)[0] + 1, ""
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield *span(node.value), "None"
        case ast.Constant(value=bool(value)):
            yield *span(node), str(not value)
        case ast.Constant(value=int(value)):
            yield *span(node), str(value + 1)
        case ast.Constant(value=float(value)):
            yield *span(node), str(2 * value or 1.0)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in SWAPS:
            yield span(node)[1] - len(name), span(node)[1], SWAPS[name]
    for condition in conditions:
        start, end = span(condition)
        yield start, end, f"not ({code[start:end].decode()})"
    for left, right in pairwise(operands):
        start, end = span(left)[1], span(right)[0]
        found = re.search(r"is not|not in|[^\s()\\]+", code[start:end].decode())
        if found and found[0] in SWAPS:
            yield start + found.start(), start + found.end(), SWAPS[found[0]]
    for part in parts_to_change(node):
        yield from edits(part, code, starts)


def mutants_of(path: Path, source: str) -> Iterator[Mutant]:
    """Yield every single change of a module that compiles."""
    code = source.encode()
    starts = [0, *(found.end() for found in re.finditer(b"\n", code))]
    for start, end, new in dict.fromkeys(edits(ast.parse(source), code, starts)):
        changed = (code[:start] + new.encode() + code[end:]).decode()
        line = code.count(b"\n", 0, start)
        before, after = (text.splitlines()[line].strip() for text in (source, changed))
        with suppress(SyntaxError):
            compile(changed, path.name, "exec")
            label = f"{path.as_posix()}: {before} -> {after}"
            yield Mutant(path, line + 1, label, changed)
