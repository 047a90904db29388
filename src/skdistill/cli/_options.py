"""What the subcommands have in common: how their help reads, and some of their options."""

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
  0    success, also if who reads the output has enough of it (as `| head` does)
  1    input that cannot be used, or too little memory: standard error says what
       is wrong and what to do
  2    wrong arguments
  130  interrupted (Ctrl-C)"""


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    *,
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Add a subcommand, whose help ends with examples, a command a line, and the exit status."""
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
    """Make a dataclass of the arguments that have the names of its fields."""
    names = [field.name for field in fields(job)]  # type: ignore[arg-type]
    given: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    return job(**given)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the file of the student that a command works on."""
    parser.add_argument(
        "model", metavar="MODEL", type=Path, help="a file that `fit` or a student's save wrote"
    )


def add_text_column(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the column of texts."""
    parser.add_argument(
        "--text-column", default="text", metavar="NAME", help="column of texts (default: text)"
    )


def add_label_column(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the column of labels."""
    parser.add_argument(
        "--label-column", default="label", metavar="NAME", help="column of labels (default: label)"
    )


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how labelled texts are read."""
    add_text_column(parser)
    add_label_column(parser)
    parser.add_argument(
        "--format",
        choices=["csv", "jsonl", "parquet"],
        help="what standard input holds; files tell by the end of their names",
    )


def read_labelled(
    source: str, arguments: argparse.Namespace, *, n_labels: int | None = None
) -> "tuple[list[str], np.ndarray]":
    """Read texts and labels from a file, or from standard input if `source` is a dash.

    Labels are text; or ones and zeros in `n_labels` columns, if a text may have several.
    """
    import sys
    from functools import partial
    from io import BytesIO

    from skdistill.datasets._files import Source, file_source
    from skdistill.datasets._load import read_columns

    if source != "-":
        table = file_source(source)
    elif arguments.format is None:
        arguments.usage_error("standard input needs --format csv, jsonl or parquet")
    else:
        content = partial(BytesIO, sys.stdin.buffer.read())
        table = Source("standard input", f".{arguments.format}", content)
    return read_columns(table, arguments.text_column, arguments.label_column, n_labels=n_labels)


def add_output_options(parser: argparse.ArgumentParser, *, metavar: str, help: str) -> None:
    """Add the file that is made, and whether it may replace another one."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=help)
    add_force(parser)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add the option to write over what is there."""
    parser.add_argument(
        "--force", action="store_true", help="replace what is there already under that name"
    )


def check_output(path: Path, force: bool, *, is_folder: bool = False) -> None:
    """Find out, before the work, whether its result can be written.

    With `force`, a file, or a folder that holds something, may be replaced.
    """
    from tempfile import TemporaryFile

    from skdistill._core.files import explaining_writes

    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into.")
    if path.exists() and path.is_dir() is not is_folder:
        there, wanted = ("file", "folder") if is_folder else ("folder", "file")
        raise FileExistsError(f"{path} is a {there} already; name a {wanted}.")
    holds_something = any(path.iterdir()) if path.is_dir() else path.exists()
    if holds_something and not force:
        raise FileExistsError(f"{path} is there already; name another one, or pass --force.")
    with explaining_writes(path), TemporaryFile(dir=path.parent):
        pass


def share(text: str) -> float:
    """Read a number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return value


def seed(text: str) -> int:
    """Read a seed of NumPy's generators."""
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and {2**32 - 1}")
    return value


def positive(text: str) -> int:
    """Read a positive whole number."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value
