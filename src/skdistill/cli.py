"""The command ``skdistill`` and its subcommands."""

import argparse
import sys
from collections.abc import Sequence

from skdistill import __version__, _cli_cache, _cli_predict

_FAILURE = 1
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    int
        The exit status: 0 for success, 1 for input that cannot be used (what is wrong and what to
        do is on standard error), 130 if interrupted. Wrong arguments end the process with 2.

    Examples
    --------
    >>> from skdistill.cli import main
    >>> main(["demo", "--data", "no-such-file.csv", "--no-plot"])
    1
    """
    arguments = make_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"skdistill {arguments.command}: error: {error}", file=sys.stderr)
        return _FAILURE
    except KeyboardInterrupt:
        print(f"skdistill {arguments.command}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command and of its subcommands.

    Each subcommand sets ``run``, a function of the parsed arguments.

    Returns
    -------
    ArgumentParser
    """
    parser = argparse.ArgumentParser(
        prog="skdistill", description="Distil a big text classifier into a tiny one."
    )
    parser.add_argument("--version", action="version", version=f"skdistill {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _cli_predict.add_command(commands)
    _cli_cache.add_command(commands)
    return parser


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser(
        "demo",
        help="train and compare baseline, MLP, teacher and distilled MLP on real texts",
        description="Train a TF-IDF baseline, a small MLP, a transformer teacher and the MLP "
        "distilled from it; print a table, draw a figure and save the student.",
    )
    demo.add_argument(
        "--data",
        default="docstrings",
        metavar="DATA",
        help="docstrings (of the installed libraries; needs no network), emotion, a csv, jsonl or "
        "parquet file with text and label columns, a folder with train and test files, or the "
        "name of a data set on the Hugging Face Hub (default: docstrings)",
    )
    demo.add_argument(
        "--teacher",
        metavar="NAME_OR_PATH",
        help="a transformer's folder or its name on the Hub; one that is fine-tuned for the labels "
        "already is not trained again (default: MiniLM from the extra skdistill[demo])",
    )
    demo.add_argument(
        "--unlabeled",
        metavar="FILE",
        help="a csv, jsonl, parquet or txt file of more texts, without labels",
    )
    demo.add_argument(
        "--text-column", default="text", metavar="NAME", help="column of texts (default: text)"
    )
    demo.add_argument(
        "--label-column", default="label", metavar="NAME", help="column of labels (default: label)"
    )
    demo.add_argument(
        "--output",
        default="demo-output",
        metavar="DIR",
        help="folder for student, table and figure (default: demo-output)",
    )
    demo.add_argument(
        "--quick", action="store_true", help="few texts and epochs: two minutes, lower figures"
    )
    demo.add_argument("--no-plot", action="store_true", help="draw no figure")
    demo.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of splits and training (default: 0)"
    )
    demo.set_defaults(run=_run_demo)


def _run_demo(arguments: argparse.Namespace) -> None:
    # Loaded on use: `skdistill --help` answers at once.
    from skdistill.demo import run_demo

    run_demo(
        arguments.data,
        teacher=arguments.teacher,
        unlabeled=arguments.unlabeled,
        text_column=arguments.text_column,
        label_column=arguments.label_column,
        output=arguments.output,
        quick=arguments.quick,
        plot=not arguments.no_plot,
        random_state=arguments.seed,
    )
