"""What the subcommands have in common: how their help reads, and some of their options."""

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

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
    """Add a subcommand, whose help ends with examples and the exit status.

    Parameters
    ----------
    commands : the parsers of all commands
    name : str
    summary : str
        A line for the list of commands.
    description : str
        A paragraph.
    examples : str
        Lines, each a command.

    Returns
    -------
    ArgumentParser
    """
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


def read_labelled(source: str, arguments: argparse.Namespace) -> "tuple[list[str], np.ndarray]":
    """Read texts and labels from a file, or from standard input if `source` is a dash.

    Parameters
    ----------
    source : str
    arguments : Namespace
        With the options of `add_table_options`.

    Returns
    -------
    texts : list of str, of length n_texts
    labels : ndarray of shape (n_texts,), dtype str

    Raises
    ------
    OSError, ValueError, TypeError
        If they cannot be read.
    """
    import sys

    from skdistill.datasets import read_text_stream, read_texts

    columns: dict[str, str] = {
        "text_column": arguments.text_column,
        "label_column": arguments.label_column,
    }
    if source != "-":
        return read_texts(source, **columns)
    if arguments.format is None:
        arguments.usage_error("standard input needs --format csv, jsonl or parquet")
    return read_text_stream(sys.stdin.buffer, arguments.format, **columns)


def add_output_options(parser: argparse.ArgumentParser, *, metavar: str, help: str) -> None:
    """Add the file that is made, and whether it may replace another one."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=help)
    add_force(parser)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add the option to write over what is there."""
    parser.add_argument(
        "--force", action="store_true", help="replace what is there already under that name"
    )


def refuse_existing(path: Path, force: bool) -> None:
    """Refuse to write over a file or a folder that holds something.

    Parameters
    ----------
    path : Path
    force : bool
        Whether that is wanted.

    Raises
    ------
    FileExistsError
        If it is there and is not to be replaced.
    FileNotFoundError
        If the folder that it is to lie in is not there.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into.")
    holds_something = any(path.iterdir()) if path.is_dir() else path.exists()
    if holds_something and not force:
        raise FileExistsError(f"{path} is there already; name another one, or pass --force.")


def share(text: str) -> float:
    """Read a number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return value


def positive(text: str) -> int:
    """Read a positive whole number."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value
