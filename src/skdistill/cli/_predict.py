"""The command ``skdistill predict``: label the texts of a file, without torch."""

import argparse
import sys
from pathlib import Path

from skdistill.cli import _options


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``predict``."""
    predict = _options.add_command(
        commands,
        "predict",
        summary="label the texts of a file, or the lines of standard input",
        description="Label texts with a student. Lines of standard input are labelled one by one, "
        "as they arrive; an empty line is a text and also gets a label. An output file is written "
        "in parts and appears when it is complete. If you interrupt the command, run it again to "
        "resume.",
        examples="""
            skdistill predict model.skd new.csv labels.csv    adds a column `label`
            skdistill predict model.skd new.parquet out.jsonl --proba
            skdistill predict model.skd < lines.txt           one label per line
            tail -f log.txt | skdistill predict model.skd     labels lines as they arrive
            echo 'a text' | skdistill predict model.skd --proba --json
            """,
    )
    _options.add_model(predict)
    predict.add_argument(
        "input",
        metavar="INPUT",
        nargs="?",
        default="-",
        help="a .csv, .jsonl or .parquet file, or - to read one text per line from standard input, "
        "in UTF-8 (default: -)",
    )
    predict.add_argument(
        "output",
        metavar="OUTPUT",
        nargs="?",
        default="-",
        help="a .csv, .jsonl or .parquet file, or - to print one label per line (default: -). A "
        "file of the same type as the input keeps all columns, another type only the texts. An "
        "existing file is overwritten.",
    )
    _add_output_options(predict)
    predict.set_defaults(run=_run, after_interruption=_what_is_kept)


def _add_output_options(predict: argparse.ArgumentParser) -> None:
    _options.add_text_column(predict)
    predict.add_argument(
        "--label-column",
        default="label",
        metavar="NAME",
        help="name of the new label column (default: label)",
    )
    predict.add_argument(
        "--proba",
        action="store_true",
        help="add one probability column per class; in printed lines, tab-separated and in the "
        "sorted order of the classes",
    )
    predict.add_argument("--json", action="store_true", help="print each line as a JSON object")
    predict.add_argument(
        "--verbose", action="store_true", help="show progress even without a terminal"
    )


def _run(arguments: argparse.Namespace) -> None:
    # Imported here so that `skdistill --help` starts fast.
    from skdistill._core.progress import progress_bar
    from skdistill.cli._bulk_prediction import Columns, FileJob, predict_file, predict_lines
    from skdistill.serving import CompiledClassifier

    if arguments.json and arguments.output != "-":
        arguments.usage_error(
            "--json is only for printed lines; for a JSON file, use an output that ends in .jsonl"
        )
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
    return "; finished parts were kept; run the same command to resume"
