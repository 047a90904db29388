"""Predictions as lines: a label and probabilities with tabs between them, or a JSON object."""

import json
import sys
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, TextIO

from skdistill._core.format import one_line
from skdistill.cli.prediction._columns import Columns
from skdistill.datasets._encodings import ArrivingLines
from skdistill.datasets._files import no_rows, read_rows, warn_of_header
from skdistill.datasets._source import Options, Rows, Source
from skdistill.datasets._values import damage_of

# Rows per block when a file is written as lines.
_LINES = 10_000


def standard_input(options: Options) -> Source:
    """Return standard input as a source of which each line is a text."""
    return Source("standard input", ".txt", lambda: sys.stdin.buffer, options)


def predict_lines(
    columns: Columns,
    source: Source,
    output: TextIO,
    text_column: str,
    count: Callable[[list[str]], Any],
    *,
    is_stream: bool,
    as_json: bool = False,
) -> None:
    """Write one line per text, after a line of names if there are several columns.

    Lines of a stream are labelled as they arrive. `count` is called with the texts.
    """
    if len(columns.names) > 1 and not as_json:
        output.write("\t".join(map(one_line, columns.names)) + "\n")
    write = _json_lines if as_json else _tabbed_lines
    if is_stream:
        parts = arriving_rows(source, text_column)
    else:
        parts = read_rows(source, {text_column: "text_column"}, text_column, _LINES)
    has_rows = is_stream
    for rows in parts:
        has_rows = True
        texts = rows.columns[text_column]
        output.write(write(columns.of(texts)))
        output.flush()
        count(texts)
    if not has_rows:
        raise no_rows(source)


def arriving_rows(source: Source, text_column: str, size: int | None = None) -> Iterator[Rows]:
    """Yield the lines of a stream as rows, in parts of `size`, or as they arrive.

    An empty line is a text, too.
    """
    lines = ArrivingLines(source.open(), source.options.encoding)
    parts = _good_lines(lines, source)
    if size is not None:
        good = chain.from_iterable(parts)
        parts = iter(lambda: list(islice(good, size)), [])
    is_first = True
    for part in parts:
        texts = [text for _, text in part]
        if is_first and texts:
            warn_of_header(texts[0], text_column, source.name, "pass the name of the file")
            is_first = False
        yield Rows([text_column], {text_column: texts}, [number for number, _ in part], texts)


def _good_lines(lines: ArrivingLines, source: Source) -> Iterator[list[tuple[int, str]]]:
    """Yield numbered lines; those before a bad one come first."""
    n_read = 0
    for part in _naming_encoding(lines, source):
        numbered = [*enumerate(part, n_read + 1)]
        n_read += len(part)
        if not any(map(damage_of, part)):
            yield numbered
            continue
        for number, line in numbered:
            if fault := source.fault_of(line, lines.encoding or ""):
                source.refuse_row(number, *fault)
            else:
                yield [(number, line)]


def _naming_encoding(lines: ArrivingLines, source: Source) -> Iterator[list[str]]:
    try:
        yield from lines
    except ValueError as error:
        raise source.wrong_encoding(error) from error


def _tabbed_lines(columns: dict[str, list[Any]]) -> str:
    cells = [_cells(name, values) for name, values in columns.items()]
    return "".join(["\t".join(row) + "\n" for row in zip(*cells, strict=True)])


def _cells(name: str, values: list[Any]) -> list[str]:
    if name.startswith("proba_") and values and isinstance(values[0], float):
        return [*map("%.6g".__mod__, values)]
    written = {value: "" if value is None else one_line(str(value)) for value in {*values}}
    return [written[value] for value in values]


def _json_lines(columns: dict[str, list[Any]]) -> str:
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
