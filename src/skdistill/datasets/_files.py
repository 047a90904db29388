"""Files of texts: their types, and reading them in parts of checked rows.

All commands and functions read files here, so they accept the same files and refuse others with the
same words. pandas is not needed; pyarrow is needed only for parquet files.
"""

import gzip
import io
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import SequenceMatcher, get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from skdistill._core.exceptions import warn
from skdistill._core.texts import is_missing
from skdistill.datasets._delimited import Delimited
from skdistill.datasets._json_lines import JsonLines
from skdistill.datasets._parquet import Parquet
from skdistill.datasets._source import Options, Rows, Source, TableFile, TextFile, opened
from skdistill.datasets._streams import in_parts
from skdistill.datasets._values import damage_of

_COMPRESSED = ".gz"
# The type of lines from a stream, of which each is a text.
LINES = "lines"
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
# How similar the name of a file must be to be proposed, and how many files are compared.
_SIMILAR = 0.7
_MOST_NAMES = 1000
_MOST_NEAR = 10
# What may separate the names of columns.
_SEPARATORS = re.compile("[,;\t|]")


class Txt(TextFile):
    """One stripped text per line; blank lines are skipped."""

    def read(
        self, source: Source, columns: Mapping[str, str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        """Yield the rows of a file, `size` at a time."""
        (name,) = columns
        with opened(source, newline="\n") as (file, encoding):
            is_first = True
            for part in in_parts(_texts(file, source, encoding), size, lambda item: len(item[1])):
                texts = [text for _, text in part]
                if is_first:
                    kind = ".jsonl" if texts[0].startswith("{") else ".csv or .tsv"
                    warn_of_header(texts[0], name, source.name, f"rename the file to {kind}")
                    is_first = False
                yield Rows([name], {name: texts}, [number for number, _ in part], texts)


def _texts(lines: Iterable[str], source: Source, encoding: str) -> Iterator[tuple[int, str]]:
    n_blank = 0
    for number, line in enumerate(lines, 1):
        if fault := source.fault_of(line, encoding):
            source.refuse_row(number, *fault)
        elif text := line.strip():
            source.left_out.n_blank += n_blank
            n_blank = 0
            yield number, text
        else:
            n_blank += 1


def warn_of_header(line: str, column: str, name: str, advice: str) -> None:
    """Warn if the first of some lines looks like the header of a table or like an object of JSON.

    `name` is the name of the file, and `advice` says how its columns can be read.
    """
    fields = [field.strip().strip('"') for field in _SEPARATORS.split(line)]
    if column in fields or (line.startswith("{") and f'"{column}"' in line):
        warn(
            f"The first line of {name} contains the column name {column!r}, but each line counts "
            f"as a text; {advice} to read its columns.",
        )


TABLES: dict[str, TableFile] = {
    ".csv": Delimited(","),
    ".tsv": Delimited("\t", is_fixed=True),
    ".jsonl": JsonLines(),
    ".parquet": Parquet(),
}
FILES: dict[str, TextFile] = {**TABLES, ".txt": Txt()}


def split_name(path: Path) -> tuple[str, str]:
    """Return a file's name without extensions, and the one that tells its type.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skdistill.datasets._files import split_name
    >>> split_name(Path("a/train.CSV.gz"))
    ('train', '.csv')
    """
    inner = path.with_suffix("") if is_compressed(path) else path
    return inner.stem, inner.suffix.lower()


def is_compressed(path: Path) -> bool:
    """Return whether the name of a file says that it is compressed."""
    return path.suffix.lower() == _COMPRESSED


def kind_of(path: Path, known: Collection[str], alternative: str = "") -> str:
    """Return the extension that tells the type of a file; raise an error if it is not known."""
    kind = split_name(path)[1]
    if kind not in known or (kind == ".parquet" and is_compressed(path)):
        found = "".join(path.suffixes[-2 if is_compressed(path) else -1 :])
        fault = f"has the unknown file type {found!r}" if found else "has no file extension"
        raise ValueError(
            f"{path} {fault}; use one of {', '.join(known)}{alternative}. All but parquet may be "
            "compressed, as in .csv.gz."
        )
    return kind


def file_source(
    path: str | os.PathLike[str],
    known: Collection[str] = FILES.keys(),
    alternative: str = "",
    options: Options | None = None,
) -> Source:
    """Return the source for an existing file of a known type."""
    path = Path(path)
    if path.is_dir():
        check_exists(path)
    found = split_name(path)[1]
    if found in _SPREADSHEETS:
        raise ValueError(
            f"{path} is a spreadsheet; in Excel, save the sheet as CSV UTF-8, and pass that file."
        )
    kind = kind_of(path, known, alternative)
    check_exists(path)
    return Source(str(path), kind, partial(_open, path), options or Options())


def check_exists(path: Path) -> None:
    """Raise an error if a path is not a file; propose one with a similar name in its folder."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; pass a file in it.")
    if path.is_file():
        return
    there: list[str] = []
    if path.parent.is_dir() and os.access(path.parent, os.R_OK):
        there = [file.name for file in islice(path.parent.iterdir(), _MOST_NAMES)]
    near = get_close_matches(path.name, sorted(there), n=_MOST_NEAR, cutoff=_SIMILAR)
    # The same extension makes any two short names similar.
    stem = split_name(path)[0]
    similar = [
        name
        for name in near
        if SequenceMatcher(None, stem, split_name(Path(name))[0]).ratio() >= _SIMILAR
    ]
    hint = f"; did you mean {path.with_name(similar[0])}?" if similar else "."
    raise FileNotFoundError(f"the file {path} does not exist{hint}")


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if is_compressed(path) else path.open("rb")


def compressed(file: BinaryIO) -> BinaryIO:
    """Return a file whose content is written to another one in compressed form, without a date."""
    return cast(BinaryIO, io.BufferedWriter(gzip.GzipFile(fileobj=file, mode="wb", mtime=0)))


def read_rows(
    source: Source,
    columns: Mapping[str, str],
    text_column: str,
    size: int,
    *,
    whole: bool = False,
    allow_empty: bool = True,
) -> Iterator[Rows]:
    """Yield the rows of a file whose texts are strings; refuse others.

    Without `allow_empty`, a blank field of a csv file is a missing text.
    """
    file = FILES[source.kind]
    rows = file.read(source, columns, size, whole=whole)
    required = not allow_empty and source.kind in (".csv", ".tsv")
    return with_texts(rows, source, file, text_column, required=required)


def with_texts(
    parts: Iterable[Rows], source: Source, file: TextFile, column: str, *, required: bool = False
) -> Iterator[Rows]:
    """Yield rows without those whose text is no string, or is empty if texts are `required`."""
    for rows in parts:
        texts = rows.columns[column]
        bad = set()
        if (
            {*map(type, texts)} - {str}
            or (required and not all(map(str.strip, texts)))
            or any(map(damage_of, texts))
        ):
            for place, text in enumerate(texts):
                if fault := _fault_of_text(text, column, required):
                    source.refuse_row(rows.numbers[place], *fault)
                    bad.add(place)
        if bad:
            rows = file.select(rows, [place for place in range(len(texts)) if place not in bad])
        if rows.numbers:
            yield rows


def _fault_of_text(
    text: Any, column: str, required: bool
) -> tuple[str, str, type[Exception]] | None:
    """Return what is wrong with a text: fault, advice and the type of the error."""
    if is_missing(text) or (required and not text.strip()):
        return f"has no text in the column {column!r}", "add the text or drop the row", ValueError
    if isinstance(text, bytes):
        return f"has bytes in the column {column!r}, not text", "write UTF-8", TypeError
    if not isinstance(text, str):
        kind = type(text).__name__
        fault = f"has a value of type {kind} in the column {column!r}, not text"
        return fault, "write strings", TypeError
    if damage := damage_of(text):
        return f"has {damage} in the column {column!r}", "remove it", ValueError
    return None


def no_rows(source: Source) -> ValueError:
    """Return the error about a source without usable rows, which says why it has none."""
    if source.left_out.n_bad:
        return ValueError(f"{source.name} has no rows: {source.left_out.describe()}.")
    with source.open() as file:
        is_empty = not file.read(1)
    return ValueError(f"{source.name} {'is empty' if is_empty else 'has no rows'}.")
