"""The command ``skdistill predict``: label texts with NumPy and SciPy only."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from skdistill._core.format import one_line
from skdistill.cli import _inputs, _options

if TYPE_CHECKING:
    from skdistill.cli.prediction._columns import Columns

# Columns that the summary names.
_MOST_NAMED = 5


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``predict``."""
    predict = _options.add_command(
        commands,
        "predict",
        usage="MODEL [INPUT [OUTPUT]] [options]",
        summary="label the texts of a file, or the lines of standard input",
        description="Label texts with a student. An output file keeps the columns of an input of "
        "the same type; for another type, it gets only the texts. It appears when it is complete; "
        "if you interrupt the command, run it again to resume. Lines of standard input are "
        "labelled as they arrive.",
        examples="""
            skdistill predict model.skd new.csv labels.csv        adds a column `label`
            skdistill predict model.skd new.csv top.csv --top-k 3 --threshold 0.1
            echo 'a text' | skdistill predict model.skd - -       one label per line
            """,
    )
    _options.add_model(predict)
    predict.add_argument(
        "input",
        type=_options.file_name,
        metavar="INPUT",
        nargs="?",
        default="-",
        help=f"{_inputs.FILE_TYPES} file, or .txt; - reads lines of standard input (default)",
    )
    predict.add_argument(
        "output",
        type=_options.file_name,
        metavar="OUTPUT",
        nargs="?",
        default="-",
        help=f"{_inputs.FILE_TYPES} file; - prints one label per line (default)",
    )
    _inputs.add_text_column(predict)
    _inputs.add_reading_options(predict)
    _add_output_options(predict)
    predict.set_defaults(run=_run, after_interruption=_what_is_kept)


def _add_output_options(predict: argparse.ArgumentParser) -> None:
    predict.add_argument(
        "--output-column",
        default="label",
        metavar="NAME",
        help="name of the new column (default: label)",
    )
    predict.add_argument(
        "--proba", action="store_true", help="also write the probability of each class"
    )
    predict.add_argument(
        "--top-k",
        type=_options.positive,
        metavar="K",
        help="write the K most probable labels, each with its probability",
    )
    predict.add_argument(
        "--threshold",
        type=_options.share,
        metavar="P",
        help="leave a label empty if its probability is below P (none of these); with --top-k, "
        "each of the K labels; if a text may have several labels, P replaces 0.5",
    )
    predict.add_argument(
        "--reject",
        metavar="LABEL",
        help="write this label where --threshold would leave it empty, such as 'none of these'",
    )
    _options.add_force(predict)
    predict.add_argument("--json", action="store_true", help="print each line as a JSON object")
    predict.add_argument(
        "--quiet",
        action="store_true",
        help="do not say what was done; --verbose shows progress even without a terminal",
    )
    predict.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    predict.add_argument(
        "--label-column",
        action=_OtherOption,
        const="--label-column names a column of given labels, which predict does not read; "
        "--output-column names the new column",
        help=argparse.SUPPRESS,
    )
    predict.add_argument(
        "--format",
        action=_OtherOption,
        const="--format is only for `fit` and `report`; predict reads lines of standard input, "
        "or a file whose extension tells its type",
        help=argparse.SUPPRESS,
    )


class _OtherOption(argparse.Action):
    """Say why `predict` lacks an option of other commands."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any) -> NoReturn:
        parser.error(str(self.const))


def _run(arguments: argparse.Namespace) -> None:
    # Imported here so that `skdistill --help` starts fast.
    from skdistill.cli.prediction._columns import Choice, Columns
    from skdistill.cli.prediction._student_file import read_student_file
    from skdistill.serving import CompiledClassifier

    _check(arguments)
    classifier = CompiledClassifier(read_student_file(arguments.model, "INPUT", arguments.input))
    if arguments.output != "-":
        _check_output(Path(arguments.output), arguments)
    choice = Choice(
        arguments.output_column,
        arguments.proba,
        arguments.top_k,
        arguments.threshold,
        arguments.reject,
    )
    _predict(arguments, Columns(classifier, choice))


def _check(arguments: argparse.Namespace) -> None:
    if arguments.json and arguments.output != "-":
        arguments.usage_error(
            "--json is only for printed lines; for a JSON file, use an output that ends in .jsonl"
        )
    if arguments.quiet and arguments.verbose:
        arguments.usage_error("--quiet and --verbose exclude each other; pass one of them")
    if arguments.top_k is not None and arguments.proba:
        arguments.usage_error("--top-k writes probabilities, too; remove --proba")
    if arguments.reject is not None and arguments.threshold is None:
        arguments.usage_error("--reject needs --threshold P: it replaces less probable labels")


def _check_output(target: Path, arguments: argparse.Namespace) -> None:
    """Refuse an output that is the input, or that exists; parts of an interrupted run may exist."""
    if arguments.input != "-":
        _options.refuse_same(target, Path(arguments.input), "input")
    _options.check_output(target, arguments.force)


def _predict(arguments: argparse.Namespace, columns: "Columns") -> None:
    """Predict all texts, and say what was done if nobody sees the labels."""
    from skdistill.cli.prediction._jobs import OR_LINES, FileJob, predict_file
    from skdistill.cli.prediction._lines import predict_lines, standard_input
    from skdistill.datasets._files import FILES

    is_stream = arguments.input == "-"
    if is_stream:
        source = standard_input(_inputs.reading(arguments))
        if sys.stdin.isatty():
            print("skdistill predict: type one text per line; Ctrl-D ends", file=sys.stderr)
    else:
        source = _inputs.open_source(arguments.input, arguments, FILES.keys(), OR_LINES)
    dropped: list[str] = []
    with _counting(arguments) as count:
        if arguments.output == "-":
            predict_lines(
                columns,
                source,
                sys.stdout,
                arguments.text_column,
                count,
                is_stream=is_stream,
                as_json=arguments.json,
            )
        else:
            target = Path(arguments.output)
            job = FileJob(arguments.model, source, target, arguments.text_column, is_stream)
            dropped = predict_file(columns, job, count)
    _inputs.tell_left_out(source, arguments)
    if arguments.quiet:
        return
    if count.n_blank and not (is_stream and arguments.output == "-"):
        empty = (
            "1 text is empty and"
            if count.n_blank == 1
            else f"{count.n_blank:,} texts are empty and"
        )
        print(
            f"skdistill predict: {source.name}: {empty} got the answer for no words at all",
            file=sys.stderr,
        )
    if arguments.output != "-":
        n_texts = "1 text" if count.n == 1 else f"{count.n:,} texts"
        without = f", without {_listed(dropped)} of the input" if dropped else ""
        hint = f". An output of the type {source.kind} keeps all columns." if dropped else ""
        print(
            f"skdistill predict: labelled {n_texts} of {source.name}; wrote {arguments.output} "
            f"with {_listed(columns.names)}{without}{hint}",
            file=sys.stderr,
        )


def _listed(names: list[str]) -> str:
    names = [one_line(name) for name in names]
    if len(names) == 1:
        return f"the column {names[0]}"
    if len(names) <= _MOST_NAMED:
        return f"the columns {', '.join(names)}"
    left = len(names) - _MOST_NAMED
    return f"the columns {', '.join(names[:_MOST_NAMED])} and {left} more"


class _Count:
    """Count texts, and show them in a bar if there is one."""

    def __init__(self, bar: Any):
        self.n = self.n_blank = 0
        self._bar = bar

    def __call__(self, texts: list[str]) -> None:
        self.n += len(texts)
        self.n_blank += sum(not text.strip() for text in texts)
        if self._bar is not None:
            self._bar.update(len(texts))


@contextmanager
def _counting(arguments: argparse.Namespace) -> Iterator[_Count]:
    """Count texts; show a bar if somebody watches and tqdm is installed."""
    is_seen = (
        not arguments.quiet
        and sys.stderr.isatty()
        and not (arguments.output == "-" and sys.stdout.isatty())
    )
    if not (arguments.verbose or is_seen):
        yield _Count(None)
        return
    try:
        from skdistill._core.progress import progress_bar
    except ImportError:
        yield _Count(None)
        return
    with progress_bar(desc="predicting", unit="text") as bar:
        yield _Count(bar)


def _what_is_kept(arguments: argparse.Namespace) -> str:
    """Say whether the next run can resume."""
    from skdistill.cli.prediction._jobs import partial_folder

    if "-" in (arguments.input, arguments.output):
        return ""
    if not partial_folder(Path(arguments.output)).is_dir():
        return "; nothing was written"
    return "; finished parts were kept; run the same command to resume"
