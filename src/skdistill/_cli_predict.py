"""The command ``skdistill predict``: labels for the texts of a file, without torch."""

import argparse
import os
import sys
from pathlib import Path


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parsers of all commands."""
    predict = commands.add_parser(
        "predict",
        help="label the texts of a parquet, csv or jsonl file, or the lines of a stream",
        description="Label texts with a student's file. A file is written in parts, and takes its "
        "name when it is complete; stopped and called again, the command goes on where it was.",
    )
    predict.add_argument(
        "model", metavar="MODEL", type=Path, help="a file that a student's save wrote"
    )
    predict.add_argument(
        "input", metavar="INPUT", help="a .parquet, .csv or .jsonl file, or - for a text a line"
    )
    predict.add_argument(
        "output",
        metavar="OUTPUT",
        help="such a file, which keeps the columns of an input of its kind and else its texts, or "
        "- for a label a line",
    )
    predict.add_argument(
        "--text-column", default="text", metavar="NAME", help="column of texts (default: text)"
    )
    predict.add_argument(
        "--label-column",
        default="label",
        metavar="NAME",
        help="column that labels are written to (default: label)",
    )
    predict.add_argument(
        "--proba", action="store_true", help="add a column of probabilities for each class"
    )
    predict.add_argument(
        "--verbose", action="store_true", help="show progress even where there is no terminal"
    )
    predict.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # Loaded on use: `skdistill --help` answers at once.
    from tqdm import tqdm

    from skdistill._bulk_prediction import Columns, predict_file, predict_lines
    from skdistill.serving import CompiledClassifier

    classifier = CompiledClassifier.load(arguments.model)
    columns = Columns(classifier, arguments.label_column, arguments.proba)
    shown = arguments.verbose or (
        sys.stderr.isatty() and not (arguments.output == "-" and sys.stdout.isatty())
    )
    with tqdm(desc="predicting", unit="text", disable=not shown) as bar:
        if arguments.output != "-":
            predict_file(
                columns,
                arguments.model,
                arguments.input,
                Path(arguments.output),
                arguments.text_column,
                bar,
            )
            return
        try:
            predict_lines(columns, arguments.input, sys.stdout, arguments.text_column, bar)
        except BrokenPipeError:  # who reads has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
