"""Single values of a table: characters that no text has, labels, and marks for several labels."""

import ast
import re
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from skdistill._core.texts import half_of_pair, is_missing

_YES = {"1", "1.0", "true", "yes"}
_NO = {"0", "0.0", "false", "no"}
# The fault of a label that is missing.
NO_LABEL = "no label"
# The end of what is said about a label with a character that no label may have.
IN_LABEL = "in the label"
# The fault of a label that is bytes.
BINARY = "a binary label"
# The fault of a label that was a list or the like; `str` has made a text of it.
AS_TEXT = "written as text as label"
# How NumPy writes a number or a string inside a container, and what Python reads as no constant.
_OF_NUMPY = re.compile(r"\bnp\.\w+\(([^()]*)\)|\bnan\b")
# Containers that Python writes with their names.
_NAMED = re.compile(r"(frozenset|array|Index)\((.+?)(, dtype=.*)?\)", re.DOTALL)
# Longer cells are not read as Python code.
_LONGEST_LIST = 2**16


def damage_of(text: str) -> str:
    r"""Return which character of a text belongs in no text; an empty string if there is none.

    Examples
    --------
    >>> from skdistill.datasets._values import damage_of
    >>> damage_of("naïve"), damage_of("a\0")
    ('', 'the character NUL')
    """
    if "\0" in text:
        return "the character NUL"
    return half_of_pair(text)


def folded(text: str) -> str:
    """Return a text without differences of case and white space.

    Examples
    --------
    >>> from skdistill.datasets._values import folded
    >>> folded("  Good  morning ") == folded("good morning")
    True
    """
    return " ".join(text.split()).casefold()


def listed(names: Iterable[str]) -> str:
    """Return names for an error message, on one line; long lists are cut."""
    shown = ", ".join(
        name if name.isprintable() and name == name.strip() else repr(name) for name in names
    )
    return f"{shown:.200}"


def label_fault(label: Any) -> str:
    """Return what is wrong with a label, as the end of "has ..."; an empty string if nothing is."""
    if is_missing(label) or (isinstance(label, str) and not label.strip()):
        return NO_LABEL
    if isinstance(label, bytes):
        return f"{BINARY}, {label!s:.60}"
    if not isinstance(label, str | int | float | np.generic):
        return f"a {type(label).__name__} as label, {label!s:.60}"
    if isinstance(label, str) and (kind := _written_container(label)):
        article = "an" if kind[0] in "aI" else "a"
        return f"{article} {kind} {AS_TEXT}, {label!r:.60}"
    damage = damage_of(str(label))
    return f"{damage} {IN_LABEL}" if damage else ""


def _written_container(label: str) -> str:
    """Return "list" or the like for one of strings that was written as text, as pandas does.

    Examples
    --------
    >>> from skdistill.datasets._values import _written_container
    >>> [_written_container(label) for label in ("['food']", "[1, 2]", "[1 2]", "[unk]", "[1]")]
    ['list', 'list', 'array', '', '']
    """
    label = label.strip()
    brackets = label[:1] + label[-1:]
    if label in ("set()", "frozenset()"):
        return label[:-2]
    if named := _NAMED.fullmatch(label):
        return named[1] if _written_container(named[2]) else ""
    if brackets == "[]" and _are_numbers(label[1:-1]):
        return "array"
    plain = _OF_NUMPY.sub(lambda found: found[1] or "None", label)
    # Other text in brackets, a number alone, or one such as (1,234), is a name.
    marks = {"[]": "'\",", "{}": "'\",:", "()": "'\""}.get(brackets, "")
    is_written = label == "[]" or plain != label or any(map(label.count, marks))
    if not is_written or len(label) > _LONGEST_LIST:
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            found = ast.literal_eval(plain)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""
    return type(found).__name__ if isinstance(found, list | tuple | set | dict) else ""


def _are_numbers(row: str) -> bool:
    """Return whether an array's content is numbers with spaces between them, also of rows."""
    words = [word.strip("[]") for word in row.split()] if row[:1] == "[" else row.split()
    return len(words) > 1 and all(map(_is_number, words))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return word in ("True", "False", "...")
    return True


class LabelKinds:
    """Refuse labels of several types, such as true, 1 and 1.0, which would become three classes.

    Whole numbers and strings may be mixed: 1 and "1" are the same class.
    """

    def __init__(self) -> None:
        self._first: tuple[str, Any, str] | None = None

    def add(self, label: Any, where: str) -> None:
        """Take note of a label; raise an error if it is of another type than those before."""
        kind = _kind_of(label)
        if self._first is None:
            self._first = kind, label, where
        elif kind != self._first[0]:
            _, first, place = self._first
            raise ValueError(
                f"{where} has the label {label!r:.60}, but {place} has {first!r:.60}, which is of "
                "another type; write all labels as strings."
            )


def _kind_of(label: Any) -> str:
    if isinstance(label, bool | np.bool_):
        return "truth value"
    return "float" if isinstance(label, float | np.floating) else "text"


def label_array(labels: Iterable[Any], name: str) -> np.ndarray:
    """Return labels as an array of str; raise an error that names the row if one is no label."""
    texts, kinds = [], LabelKinds()
    for row, label in enumerate(labels):
        if fault := label_fault(label):
            advice = (
                "drop rows without a label or move them to a file of unlabelled texts, and write "
                "one label per text, as a string or a number"
            )
            if fault.endswith(IN_LABEL):
                advice = "remove it"
            raise ValueError(f"{name}[{row}] has {fault}; {advice}.")
        kinds.add(label, f"{name}[{row}]")
        texts.append(str(label).strip())
    return np.array(texts)


def read_mark(value: Any) -> int | None:
    """Return 1 or 0 for a cell of a label's own column; None if it is neither.

    Examples
    --------
    >>> from skdistill.datasets._values import read_mark
    >>> [read_mark(value) for value in ("1", 0.0, True, "x")]
    [1, 0, 1, None]
    """
    text = str(value).strip().lower()
    return 1 if text in _YES else 0 if text in _NO else None
