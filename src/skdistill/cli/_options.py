"""Help format, checks of output, and options that the subcommands share."""

import argparse
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

_Job = TypeVar("_Job")
_Number = TypeVar("_Number", int, float)

EXIT_STATUS = """\
exit status:
  0    success, also when the reader closes the pipe early, as `| head` does
  1    unusable input or too little memory; standard error says what is wrong
       and how to fix it
  2    wrong arguments, or a package that the command needs is not installed
  130  interrupted by Ctrl-C; standard error says what was kept, if anything"""

# Parameters whose options have other names.
_OTHER_NAMES = {"max_epochs": "epochs", "random_state": "seed"}
_QUOTES = "'\""
_OPTION = re.compile(r"(?<!\S)--[a-z]")
# A parameter in a message, perhaps with a value, but no part of a path or of a quoted string.
_PARAMETER = re.compile(
    r"""(?<![\w'"/.-])(?P<name>[a-z]+(?:_[a-z]+)+|lr|analyzer|inputs)"""
    r"""(?:=(?P<value>[\w-]+(?:\.\w+)*|"[^"]*"|'[^']*'))?(?![\w'"/=-]|\.\w)"""
)
# Columns of the help, at which that of each command has at most 40 lines.
_WIDTH = 100
# Tokens of the shortest text of a transformer: a word and the marks of both ends.
_SHORTEST = 3
# Bytes that must be free on the disk of an output.
_LEAST_ROOM = 2**20


def help_width() -> int:
    """Return the number of columns of the help, which is less in a narrow terminal."""
    return min(_WIDTH, shutil.get_terminal_size((_WIDTH, 0)).columns)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help that fits a screen: one line per option and no blank lines between groups."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=31, width=help_width())

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = ", ".join(action.option_strings)
        if not names or action.nargs == 0:
            return names or super()._format_action_invocation(action)
        return f"{names} {self._format_args(action, action.dest.upper())}"


class CommandParser(argparse.ArgumentParser):
    """The parser of a subcommand."""

    def format_help(self) -> str:
        """Return the help, without blank lines between the groups of options."""
        usage, _, rest = super().format_help().partition("\n\n")
        options, mark, examples = rest.partition("\n\nexamples:")
        description, _, groups = options.partition("\n\n")
        groups = groups.replace("\n\n", "\n").replace("positional arguments:", "arguments:")
        return f"{usage}\n\n{description}\n\n{groups}{mark}{examples}"


def add_command(
    commands: "argparse._SubParsersAction[Any]",
    name: str,
    *,
    usage: str,
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Add a subcommand; its help ends with examples, one per line."""
    shown = textwrap.indent(textwrap.dedent(examples).strip(), "  ")
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        usage=f"skdistill {name} {usage}",
        help=summary,
        description=textwrap.fill(description, help_width() - 1, break_on_hyphens=False),
        epilog=f"examples:\n{shown}",
        formatter_class=_Help,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    parser.set_defaults(usage_error=parser.error, parser=parser)
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
        type=file_path,
        help="the student's file, from `fit` or `student.save`",
    )


def add_output_options(parser: Any, *, metavar: str, help: str) -> None:
    """Add the options for the output file and for overwriting it."""
    parser.add_argument("-o", "--output", type=file_path, required=True, metavar=metavar, help=help)
    add_force(parser)


def add_force(parser: Any) -> None:
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
    with explaining_writes(path), TemporaryFile(dir=path.parent) as file:
        file.write(bytes(_LEAST_ROOM))
        file.flush()


def check_folder(path: Path) -> None:
    """Refuse a folder to create if it, or a folder that is to contain it, is an existing file."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise FileExistsError(f"{place} is an existing file; pass the path of a folder.")


def refuse_same(output: Path, given: Path, name: str) -> None:
    """Refuse an output that is also the file passed as `name`, even with --force."""
    if output.exists() and given.exists() and output.samefile(given):
        raise ValueError(f"{output} is also the {name}; choose another output file.")


def _parsed(kind: Callable[[str], _Number], text: str) -> _Number:
    """Parse a number."""
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"{text!r} is not {noun}") from None


def file_name(text: str) -> str:
    """Refuse an empty name of a file or folder, as an unset variable of the shell gives it."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; pass the path of a file or folder")
    return text


def file_path(text: str) -> Path:
    """Parse the path of a file or folder."""
    return Path(file_name(text))


def share(text: str) -> float:
    """Parse a number between 0 and 1."""
    if text.endswith("%"):
        example = f"{_parsed(float, text[:-1]) / 100:g}"
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1; write {example}")
    value = _parsed(float, text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def seed(text: str) -> int:
    """Parse a seed for NumPy's random generators."""
    value = _parsed(int, text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {2**32 - 1}")
    return value


def positive(text: str) -> int:
    """Parse a positive integer."""
    value = _parsed(int, text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def length(text: str) -> int:
    """Parse the number of tokens to which a transformer cuts texts."""
    value = _parsed(int, text)
    if value < _SHORTEST:
        raise argparse.ArgumentTypeError(f"{text} is less than {_SHORTEST}")
    return value


def rate(text: str) -> float:
    """Parse a positive number."""
    value = _parsed(float, text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def price(text: str) -> float:
    """Parse a number that is not negative."""
    value = _parsed(float, text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a price")
    return value


def interval(text: str) -> tuple[int, int]:
    """Parse two positive integers in order, such as 1,3."""
    low, comma, high = text.partition(",")
    if not (comma and low.strip().isdecimal() and high.strip().isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not two numbers with a comma between them, such as 1,2"
        )
    first, last = positive(low), positive(high)
    if first > last:
        raise argparse.ArgumentTypeError(f"{text} is not in order")
    return first, last


def option_of(name: str) -> str:
    """Return the option that sets an argument."""
    return f"--{name.replace('_', '-')}"


def naming_options(message: str, parser: argparse.ArgumentParser) -> str:
    """Return a message with a parser's options instead of parameters of Python.

    A message that already names an option is for the shell, so it stays as it is.
    """

    def option(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"]
        found = option_of(_OTHER_NAMES.get(name, name))
        if found not in parser._option_string_actions or (
            name in ("analyzer", "inputs") and not value
        ):
            return match[0]
        return f"{found} {value.strip(_QUOTES)}" if value else found

    return message if _OPTION.search(message) else _PARAMETER.sub(option, message)


def first_given(arguments: argparse.Namespace, names: Iterable[str]) -> str | None:
    """Return the first option among some that was given, or None."""
    return next((option_of(name) for name in names if getattr(arguments, name)), None)
