"""The command ``skdistill`` and its subcommands."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from io import TextIOWrapper
from typing import TextIO

from skdistill import __version__
from skdistill.cli import _cache, _demo, _explain, _export, _fit, _predict, _report
from skdistill.cli._options import EXIT_STATUS, CommandParser, naming_options

_FAILURE = 1
_USAGE = 2
_INTERRUPTED = 130
# Options that a slip must not lead to, and how similar others must be to be proposed.
_NEVER_PROPOSED = ("--force", "--yes")
_SIMILAR = 0.75
# Packages that have another name than their module.
_PACKAGES = {"sklearn": "scikit-learn"}
# torch raises a RuntimeError with one of these texts where NumPy raises a MemoryError.
_NUMBERS = re.compile(r"\d")
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        The arguments; None uses those of the process.

    Returns
    -------
    int
        The exit status: 0 for success, 1 for unusable input or too little memory, 2 if a package
        is not installed, 130 if interrupted. Standard error says what is wrong and how to fix it.
        Wrong arguments exit the process with status 2.

    Examples
    --------
    >>> from skdistill.cli._main import main
    >>> main(["demo", "--data", "no-such-file.csv", "--no-plot"])
    1
    """
    parser = make_parser()
    given = sys.argv[1:] if argv is None else [*argv]
    if not given:
        parser.print_help(sys.stderr)
        parser.exit(2)
    given = _with_known_command(given, parser)
    arguments, unknown = parser.parse_known_args(given)
    if unknown:
        arguments.usage_error(_what_was_meant(unknown, arguments.parser))
    name = f"skdistill {arguments.command}"
    _prepare_streams()
    try:
        with _short_warnings(name, arguments.parser):
            arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe early
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ImportError as error:
        if (error.name or "").startswith("skdistill"):
            raise  # a fault of the program itself
        print(f"{name}: error: {_what_to_install(error)}", file=sys.stderr)
        return _USAGE
    except (OSError, ValueError, TypeError) as error:
        message = naming_options(_message_of(error), arguments.parser)
        print(f"{name}: error: {message}", file=sys.stderr)
        return _FAILURE
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        print(f"{name}: error: out of memory; {arguments.memory_advice}.", file=sys.stderr)
        return _FAILURE
    except KeyboardInterrupt:
        print(f"{name}: interrupted{arguments.after_interruption(arguments)}", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _with_known_command(given: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """Return arguments that start with a command; refuse an unknown one, or an option before it.

    `help COMMAND` stands for `COMMAND --help`.
    """
    if given[0] == "help":
        given = [*given[1:2], "--help"]
    first = given[0]
    (commands,) = (action.choices for action in parser._actions if action.dest == "command")
    known = [*parser._option_string_actions, *(commands or ())]
    if first not in known:
        similar = get_close_matches(first, known, n=1)
        hint = f"did you mean {similar[0]}?" if similar else "`skdistill --help` lists the commands"
        parser.error(f"there is no {'option' if first[:1] == '-' else 'command'} {first!r}; {hint}")
    return given


def _what_was_meant(unknown: list[str], parser: argparse.ArgumentParser) -> str:
    """Return the error about unknown arguments; propose an option with a similar name."""
    wrong = next((word for word in unknown if word.startswith("--")), "")
    options = [name for name in parser._option_string_actions if name not in _NEVER_PROPOSED]
    similar = get_close_matches(wrong.partition("=")[0], options, n=1, cutoff=_SIMILAR)
    hint = f"; did you mean {similar[0]}?" if similar else ""
    return f"unrecognized arguments: {' '.join(unknown)}{hint}"


def _message_of(error: Exception) -> str:
    """Return the message of an error; for a file that cannot be opened, its name and the reason."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _what_to_install(error: ImportError) -> str:
    """Return the error about a package that is not installed; messages of our own stay."""
    package = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or not package:
        return str(error)
    return (
        f"this command needs the package {_PACKAGES.get(package, package)}, which is not "
        "installed. Run 'pip install skdistill' for all that it needs; `predict` and `explain` "
        "need only NumPy and SciPy."
    )


def _prepare_streams() -> None:
    """Replace closed standard streams, which Python sets to None; write UTF-8, as files are read.

    A terminal and the variable PYTHONIOENCODING keep their encoding.
    """
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, mode))  # noqa: SIM115 (stays open)
    if isinstance(sys.stdout, TextIOWrapper) and "PYTHONIOENCODING" not in os.environ:
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


@contextmanager
def _short_warnings(name: str, parser: argparse.ArgumentParser) -> Iterator[None]:
    """Print warnings in the same form as errors, without the line that caused them.

    Of warnings that differ only in numbers, the first one is printed.
    """
    shown: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        form = _NUMBERS.sub("", str(message))
        if form not in shown:
            shown.add(form)
            print(f"{name}: warning: {naming_options(str(message), parser)}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


class _Version(argparse.Action):
    """Print the version and what predicts, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from skdistill.runtime._kernel import find_native

        try:
            engine = "NumPy" if find_native() is None else "native"
        except (ImportError, ValueError) as error:
            parser.error(str(error))
        print(f"skdistill {__version__} (prediction: {engine})")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of the command and its subcommands.

    Each subcommand sets ``run``, a function that takes the parsed arguments.

    Returns
    -------
    ArgumentParser
    """
    parser = argparse.ArgumentParser(
        prog="skdistill",
        description="Distil a big text classifier into a tiny one.",
        epilog="examples:\n"
        "  skdistill demo                                  try it on real text\n"
        "  skdistill fit train.csv -o model.skd            train a teacher and a student\n"
        "  skdistill report model.skd test.csv             evaluate the student\n"
        "  skdistill predict model.skd new.csv labels.csv  label texts with the student\n\n"
        f"{EXIT_STATUS}\n\n`skdistill COMMAND --help` shows the options and examples of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the version and what predicts, and exit"
    )
    parser.set_defaults(
        after_interruption=lambda arguments: "",
        memory_advice="close other programs, or pass fewer or shorter texts",
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=CommandParser
    )
    for command in (_demo, _fit, _report, _predict, _explain, _export, _cache):
        command.add_command(commands)
    return parser
