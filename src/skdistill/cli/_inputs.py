"""Options about files of texts, and the reading that follows from them."""

import argparse
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from skdistill.datasets._columns import LabelColumns, Labelled
    from skdistill.datasets._source import Options, Source

_STDIN = "standard input"
_FORMATS = ("csv", "tsv", "jsonl", "parquet")
FILE_TYPES = "a csv, tsv, jsonl (or .gz) or parquet"


@dataclass(frozen=True)
class Texts:
    """The texts to train on and, if there are any, those to evaluate on and to calibrate on."""

    labelled: "Labelled"
    unlabelled: list[str]
    test: "Labelled | None" = None
    held_out: "Labelled | None" = None
    # The classes, if those to train on have no labels.
    classes: "np.ndarray | None" = None

    @property
    def names(self) -> "np.ndarray":
        """The sorted classes or, if a text may have several labels, their names."""
        import numpy as np

        if self.classes is not None:
            return self.classes
        names = self.labelled.names
        return np.unique(self.labelled.y) if names is None else names

    @property
    def noun(self) -> str:
        """What a class is called."""
        return "classes" if self.labelled.names is None else "labels"

    def describe(self) -> str:
        """Return the numbers of texts in words."""
        n_test = "no" if self.test is None else f"{len(self.test.texts):,}"
        held_out = "" if self.held_out is None else f", {len(self.held_out.texts):,} held-out"
        n_labelled, n_unlabelled = len(self.labelled.texts), len(self.unlabelled)
        if self.classes is not None:
            n_labelled, n_unlabelled = 0, n_labelled + n_unlabelled
        return (
            f"{n_labelled:,} labelled, {n_unlabelled:,} unlabelled{held_out} "
            f"and {n_test} test texts; {len(self.names)} {self.noun}"
        )


def add_text_column(parser: Any) -> None:
    """Add the option for the name of the text column."""
    parser.add_argument(
        "--text-column",
        default="text",
        metavar="NAME",
        help="name of the text column (default: text)",
    )


def add_label_column(parser: Any) -> None:
    """Add the option for the name of the label column."""
    parser.add_argument(
        "--label-column",
        default="label",
        metavar="NAME",
        help="name of the label column (default: label)",
    )


def add_label_columns(parser: Any) -> None:
    """Add the options for one label per text, or several."""
    parser.add_argument(
        "--label-column",
        action="append",
        metavar="NAME",
        help="label column (default: label); repeat it if each label has a 0/1 column",
    )
    parser.add_argument(
        "--label-separator",
        metavar="CHAR",
        help="a text may have several labels, with this between them, such as '|'",
    )


def add_format(parser: Any) -> None:
    """Add the option for the type of standard input."""
    parser.add_argument("--format", choices=_FORMATS, help=argparse.SUPPRESS)


def add_form_options(parser: Any) -> None:
    """Add the options for the separator and the encoding of files."""
    parser.add_argument(
        "--sep",
        type=_separator,
        metavar="CHAR",
        help="field separator of csv files; tab for a tab (default: seen in the header)",
    )
    add_encoding(parser)


def add_encoding(parser: Any) -> None:
    """Add the option for the encoding of files."""
    parser.add_argument(
        "--encoding",
        type=_encoding,
        metavar="NAME",
        help="such as cp1252 (default: utf-8, or what a byte-order mark says)",
    )


def add_reading_options(parser: Any) -> None:
    """Add the options for reading files that are not as expected."""
    add_form_options(parser)
    parser.add_argument(
        "--skip-bad-rows",
        action="store_true",
        help="leave out rows that cannot be read, and say how many",
    )


def _separator(text: str) -> str:
    value = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(value) != 1 or value in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is not a single character such as ; or tab")
    return value


def _encoding(text: str) -> str:
    try:
        "".encode(text)
    except (LookupError, ValueError):
        message = f"{text!r} is not an encoding; common ones are utf-8, cp1252 and utf-16"
        raise argparse.ArgumentTypeError(message) from None
    return text


def name_of(path: str) -> str:
    """Return the name of a file or of standard input for messages."""
    return _STDIN if path == "-" else path


def reading(arguments: argparse.Namespace, like: str = "") -> "Options":
    """Return how files are to be read; `like` is one that was read before in the same way."""
    from skdistill.datasets._source import Options

    given = {
        name: getattr(arguments, name)
        for name in ("sep", "encoding", "skip_bad_rows")
        if hasattr(arguments, name)
    }
    return Options(**given, shell=True, like=name_of(like))


def open_source(
    path: str,
    arguments: argparse.Namespace,
    known: Collection[str] | None = None,
    alternative: str = "",
    like: str = "",
) -> "Source":
    """Return a file of a known type, or standard input if the path is a dash.

    `like` is a file with the same names of columns that was read before.
    """
    from functools import partial
    from io import BytesIO

    from skdistill.datasets._files import FILES, file_source
    from skdistill.datasets._source import Source

    if path != "-":
        return file_source(path, known or FILES.keys(), alternative, reading(arguments, like))
    if arguments.format is None:
        listed = ", ".join(f"--format {name}" for name in _FORMATS[:-1])
        arguments.usage_error(f"standard input needs {listed} or --format {_FORMATS[-1]}")
    content = partial(BytesIO, sys.stdin.buffer.read())
    return Source(_STDIN, f".{arguments.format}", content, reading(arguments, like))


def label_columns(arguments: argparse.Namespace, known: Any = None) -> "LabelColumns":
    """Return where the labels are. Several `known` labels without options are as `predict` writes.

    `known` are the labels of a student that predicts several per text, or None.
    """
    from skdistill.datasets._columns import LabelColumns

    names = tuple(arguments.label_column or ["label"])
    separator = arguments.label_separator
    if arguments.text_column in names or len({*names}) < len(names):
        arguments.usage_error("--text-column and each --label-column must name different columns")
    if len(names) > 1 and separator is not None:
        arguments.usage_error(
            "--label-separator is for a single label column; pass one --label-column"
        )
    is_list = len(names) == 1 and (separator is not None or known is not None)
    if separator is None and known is not None and known.dtype.kind == "U":
        separator = "|"
    if separator is not None and not separator.strip():
        separator = None  # white space of any length
    return LabelColumns(names, is_list, separator, known)


def read_labelled_file(
    path: str, arguments: argparse.Namespace, labels: "LabelColumns", like: str = ""
) -> "Labelled":
    """Read the texts and labels of a file or of standard input; say which rows were left out."""
    from skdistill.datasets._columns import read_labelled
    from skdistill.datasets._files import TABLES, split_name

    is_txt = split_name(Path(path))[1] == ".txt"  # which has an error of its own
    source = open_source(path, arguments, None if is_txt else TABLES, like=like)
    found = read_labelled(source, arguments.text_column, labels)
    tell_left_out(source, arguments)
    if labels.is_list and source.kind in (".csv", ".tsv"):
        _tell_empty_cells(found, source, arguments)
    return found


def _tell_empty_cells(found: "Labelled", source: "Source", arguments: argparse.Namespace) -> None:
    """Say how many texts have no label, because a csv file cannot show that one is missing."""
    n_empty = int((found.y.sum(axis=1) == 0).sum())
    if n_empty and sys.stderr is not None:
        print(
            f"skdistill {arguments.command}: {source.name}: {n_empty:,} of {len(found.texts):,} "
            "texts have an empty label, so none of the labels applies to them; if their labels are "
            "missing, remove these rows",
            file=sys.stderr,
        )


def as_classes(names: list[str]) -> "np.ndarray":
    """Return classes in sorted order."""
    import numpy as np

    return np.unique(names)


def read_without_labels(path: str, arguments: argparse.Namespace) -> "Labelled":
    """Read the texts of a file; their labels are empty."""
    import numpy as np

    from skdistill.datasets._columns import Labelled

    texts = read_unlabelled_file(path, arguments)
    return Labelled(texts, np.full(len(texts), ""))


def read_unlabelled_file(path: str, arguments: argparse.Namespace, like: str = "") -> list[str]:
    """Read the texts of a file; say which rows were left out."""
    from skdistill.datasets._columns import read_unlabelled

    source = open_source(path, arguments, like=like)
    found = read_unlabelled(source, arguments.text_column)
    tell_left_out(source, arguments)
    return found


def tell_left_out(source: "Source", arguments: argparse.Namespace) -> None:
    """Say on standard error which rows were left out, if any."""
    left_out = source.left_out.describe()
    if left_out and sys.stderr is not None:
        print(f"skdistill {arguments.command}: {source.name}: {left_out}", file=sys.stderr)
