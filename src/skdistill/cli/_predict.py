"""The command ``skdistill predict``: labels for the texts of a file, without torch."""

import argparse
import sys
from pathlib import Path

from skdistill.cli import _options


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parsers of all commands."""
    predict = _options.add_command(
        commands,
        "predict",
        summary="label the texts of a parquet, csv or jsonl file, or the lines of a stream",
        description="Label texts with a student's file. Lines are answered one by one, as they "
        "come; also an empty line is a text, and gets a label. A file is written in parts, and "
        "takes its name when it is complete; stopped and called again, the command goes on where "
        "it was.",
        examples="""
            skdistill predict model.skd new.csv labels.csv    adds the column `label`
            skdistill predict model.skd new.parquet out.jsonl --proba
            skdistill predict model.skd < lines.txt           a label a line
            tail -f log.txt | skdistill predict model.skd     and as soon as the text is there
            echo 'a text' | skdistill predict model.skd --proba --json
            """,
    )
    _options.add_model(predict)
    predict.add_argument(
        "input",
        metavar="INPUT",
        nargs="?",
        default="-",
        help="a .parquet, .csv or .jsonl file, or - for a text a line, in UTF-8 (default: -)",
    )
    predict.add_argument(
        "output",
        metavar="OUTPUT",
        nargs="?",
        default="-",
        help="such a file, which keeps the columns of an input of its kind and else its texts, or "
        "- for a label a line (default: -). An earlier file is replaced.",
    )
    _add_output_options(predict)
    predict.set_defaults(run=_run, after_interruption=_what_is_kept)


def _add_output_options(predict: argparse.ArgumentParser) -> None:
    _options.add_text_column(predict)
    predict.add_argument(
        "--label-column",
        default="label",
        metavar="NAME",
        help="column that labels are written to (default: label)",
    )
    predict.add_argument(
        "--proba",
        action="store_true",
        help="add a column of probabilities for each class; in lines, set apart by tabs, in the "
        "sorted order of the classes",
    )
    predict.add_argument(
        "--json", action="store_true", help="lines of JSON, with the names of the columns"
    )
    predict.add_argument(
        "--verbose", action="store_true", help="show progress even where there is no terminal"
    )


def _run(arguments: argparse.Namespace) -> None:
    # Loaded on use: `skdistill --help` answers at once.
    from skdistill._core.progress import progress_bar
    from skdistill.cli._bulk_prediction import Columns, FileJob, predict_file, predict_lines
    from skdistill.serving import CompiledClassifier

    if arguments.json and arguments.output != "-":
        arguments.usage_error("--json is for lines; a file whose name ends in .jsonl holds JSON")
    classifier = CompiledClassifier.load(arguments.model)
    columns = Columns(classifier, arguments.label_column, arguments.proba)
    shown = arguments.verbose or (
        sys.stderr.isatty() and not (arguments.output == "-" and sys.stdout.isatty())
    )
    with progress_bar(desc="predicting", unit="text", disable=not shown) as bar:
        if arguments.output == "-":
            predict_lines(
                columns,
                arguments.input,
                sys.stdout,
                arguments.text_column,
                bar,
                as_json=arguments.json,
            )
            return
        target = Path(arguments.output)
        job = FileJob(arguments.model, arguments.input, target, arguments.text_column)
        predict_file(columns, job, bar)


def _what_is_kept(arguments: argparse.Namespace) -> str:
    if "-" in (arguments.input, arguments.output):
        return ""
    return "; what is finished is kept, and the same command goes on from there"
