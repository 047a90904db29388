"""Help format and options that the subcommands share."""

import argparse
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

_Job = TypeVar("_Job")

EXIT_STATUS = """\
exit status:
  0    success, also when the reader closes the pipe early, as `| head` does
  1    unusable input or too little memory; standard error says what is wrong
       and how to fix it
  2    wrong arguments
  130  interrupted by Ctrl-C; standard error says what was kept, if anything"""


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    *,
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Add a subcommand; its help ends with examples, one per line, and the exit status."""
    shown = textwrap.indent(textwrap.dedent(examples).strip(), "  ")
    parser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, 79),
        epilog=f"examples:\n{shown}\n\n{EXIT_STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(usage_error=parser.error)
    return parser


def make_job(job: type[_Job], arguments: argparse.Namespace) -> _Job:
    """Build a dataclass from the arguments that have the same names as its fields."""
    names = [field.name for field in fields(job)]  # type: ignore[arg-type]
    given: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    return job(**given)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the file of the student."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=Path,
        help="the student's file, written by `fit` or by `student.save`",
    )


def add_text_column(parser: argparse.ArgumentParser) -> None:
    """Add the option for the name of the text column."""
    parser.add_argument(
        "--text-column",
        default="text",
        metavar="NAME",
        help="name of the text column (default: text)",
    )


def add_label_column(parser: argparse.ArgumentParser) -> None:
    """Add the option for the name of the label column."""
    parser.add_argument(
        "--label-column",
        default="label",
        metavar="NAME",
        help="name of the label column (default: label)",
    )


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for reading labelled texts."""
    add_text_column(parser)
    add_label_column(parser)
    parser.add_argument(
        "--format",
        choices=["csv", "jsonl", "parquet"],
        help="format of standard input; for files, the extension decides",
    )


def read_labelled(
    source: str, arguments: argparse.Namespace, *, known: "np.ndarray | None" = None
) -> "tuple[list[str], np.ndarray]":
    """Read texts and labels from a file, or from standard input if `source` is a dash.

    The labels are strings. With the `known` labels of a student that predicts several per text,
    they are a 0/1 matrix with a column for each.
    """
    import sys
    from functools import partial
    from io import BytesIO

    from skdistill.datasets._files import Source, file_source
    from skdistill.datasets._load import read_columns

    if source != "-":
        table = file_source(source)
    elif arguments.format is None:
        arguments.usage_error(
            "standard input needs --format csv, --format jsonl or --format parquet"
        )
    else:
        content = partial(BytesIO, sys.stdin.buffer.read())
        table = Source("standard input", f".{arguments.format}", content)
    return read_columns(table, arguments.text_column, arguments.label_column, known=known)


def add_output_options(parser: argparse.ArgumentParser, *, metavar: str, help: str) -> None:
    """Add the options for the output file and for overwriting it."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=help)
    add_force(parser)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add the option to overwrite existing output."""
    parser.add_argument("--force", action="store_true", help="overwrite existing output")


def check_output(path: Path, force: bool, *, is_folder: bool = False) -> None:
    """Check that the output can be written, before a command starts to work.

    Without `force`, an existing file or a folder that is not empty is an error.
    """
    from tempfile import TemporaryFile

    from skdistill._core.files import explaining_writes

    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist; create it first.")
    if path.exists() and path.is_dir() is not is_folder:
        there, wanted = ("file", "folder") if is_folder else ("folder", "file")
        raise FileExistsError(f"{path} is an existing {there}; pass the path of a {wanted}.")
    holds_something = any(path.iterdir()) if path.is_dir() else path.exists()
    if holds_something and not force:
        raise FileExistsError(f"{path} already exists; choose another name or pass --force.")
    with explaining_writes(path), TemporaryFile(dir=path.parent):
        pass


def share(text: str) -> float:
    """Parse a number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def seed(text: str) -> int:
    """Parse a seed for NumPy's random generators."""
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {2**32 - 1}")
    return value


def positive(text: str) -> int:
    """Parse a positive integer."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value
