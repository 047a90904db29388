"""jsonl files: one JSON object per line."""

import json
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, BinaryIO

from skdistill.datasets._source import Rows, Source, TableFile, column_advice, opened
from skdistill.datasets._streams import in_parts
from skdistill.datasets._values import listed


class JsonLines(TableFile):
    """One JSON object per line; blank lines are skipped."""

    def read(
        self, source: Source, columns: Mapping[str, str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        """Yield the rows of a file, `size` at a time."""
        with opened(source, newline="\n") as (file, encoding):
            objects = _objects(file, source, columns, encoding)
            for part in in_parts(objects, size, itemgetter(2)):
                numbers, rows = [number for number, _, _ in part], [row for _, row, _ in part]
                names = [*dict.fromkeys(name for row in rows for name in row)]
                values = {name: [row[name] for row in rows] for name in columns}
                yield Rows(names, values, numbers, rows)

    def write(self, file: BinaryIO, rows: Rows, added: dict[str, list[Any]], header: bool) -> None:
        """Write whole rows with added keys."""
        cells = zip(*added.values(), strict=True)
        for row, more in zip(rows.whole, cells, strict=True):
            line = json.dumps(row | dict(zip(added, more, strict=True)), ensure_ascii=False)
            # A lone surrogate has no UTF-8 encoding, so it is written as a JSON escape.
            file.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def from_texts(self, column: str, texts: list[str]) -> Rows:
        """Return rows that contain only texts."""
        rows = [{column: text} for text in texts]
        return Rows([column], {column: texts}, range(len(texts)), rows)


def _objects(
    lines: Iterator[str], source: Source, columns: Mapping[str, str], encoding: str
) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Yield the objects with the number and length of their lines; refuse bad lines."""
    n_blank, left_out = 0, source.left_out
    for number, raw in enumerate(lines, 1):
        line = raw.strip(" \t\r\n")
        if not line:
            n_blank += 1
            continue
        fault = None if line.isascii() else source.fault_of(line, encoding)
        found: Any = fault or _parse(line, source, columns)
        if type(found) is dict:
            if n_blank:
                left_out.n_blank += n_blank
                n_blank = 0
            yield number, found, len(line)
        else:
            source.refuse_row(number, *found)


def _parse(line: str, source: Source, columns: Mapping[str, str]) -> Any:
    """Return the object of a line, or its fault and advice."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        fault = str(error)
        if isinstance(error, json.JSONDecodeError):
            fault = f"{error.msg} at column {error.colno}"
        return f"is not valid JSON: {fault}", "write one JSON object per line"
    for name in columns:
        if type(row) is not dict:
            return f"is not a JSON object with the key {name!r}", "write one JSON object per line"
        if name not in row:
            others, listing = (
                [key for key in row if key not in columns],
                f"its keys are {listed(row)}",
            )
            advice = column_advice(name, others, columns[name], source.options, listing)
            return f"is not a JSON object with the key {name!r}", advice
        if line.count(f'"{name}"') > 1 and _is_twice(line, name):
            return f"has the key {name!r} twice", "remove one of them"
    return row


def _is_twice(line: str, name: str) -> bool:
    """Return whether an object has a key twice; Python keeps the last one."""
    found: list[list[str]] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        found.append([key for key, _ in pairs])

    json.loads(line, object_pairs_hook=note)
    return found[-1].count(name) > 1  # the outermost object comes last
