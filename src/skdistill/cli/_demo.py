"""The command ``skdistill demo``: the article's experiment on real text."""

import argparse
from pathlib import Path

from skdistill.cli import _inputs, _options


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``demo``."""
    demo = _options.add_command(
        commands,
        "demo",
        usage="[options]",
        summary="train and compare a baseline, an MLP, a teacher and a distilled MLP",
        description="Train a TF-IDF baseline (logistic regression on weighted word counts), a "
        "small MLP (a neural network), a transformer teacher and an MLP distilled from the "
        "teacher. Then print a table, draw a figure and save the student. "
        "Without --full, this takes about five minutes on two CPU cores.",
        examples="""
            skdistill demo                     docstrings of installed libraries
            skdistill demo --full              the same on ten times as much text
            skdistill demo --data reviews.csv  your own labelled texts
            """,
    )
    demo.add_argument(
        "--data",
        type=_options.file_name,
        default="docstrings",
        metavar="DATA",
        help="docstrings (of installed libraries; works offline), emotion, "
        f"{_inputs.FILE_TYPES} file of labelled texts, a folder with train and test files, or the "
        "name of a data set on the Hugging Face Hub (default: docstrings)",
    )
    demo.add_argument(
        "--teacher",
        metavar="NAME_OR_PATH",
        help="a transformer, by its folder or its name on that Hub; one that is already fine-tuned "
        "for your labels is not trained again (default: MiniLM, from the extra skdistill[demo])",
    )
    demo.add_argument(
        "--unlabeled",
        type=_options.file_name,
        metavar="FILE",
        help="a file of unlabelled texts; may be .txt",
    )
    _inputs.add_text_column(demo)
    _inputs.add_label_column(demo)
    _inputs.add_form_options(demo)
    _add_work_options(demo)
    demo.set_defaults(
        run=_run,
        memory_advice="close other programs, or pass --teacher with a smaller model",
    )


def _add_work_options(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--output",
        type=_options.file_path,
        default=Path("demo-output"),
        metavar="DIR",
        help="folder for the student, the table and the figure (default: demo-output)",
    )
    demo.add_argument(
        "--full",
        action="store_true",
        help="use all texts (default: at most 1,000 labelled, 6,000 unlabelled and 2,000 test "
        "texts; other labelled texts count as unlabelled)",
    )
    demo.add_argument("--no-plot", action="store_false", dest="plot", help="do not draw the figure")
    demo.add_argument(
        "--seed",
        type=_options.seed,
        default=0,
        metavar="N",
        help="random seed for splitting and training (default: 0)",
    )


def _run(arguments: argparse.Namespace) -> None:
    # Imported here so that `skdistill --help` starts fast.
    from skdistill.cli._demo_run import Demo, run_demo

    run_demo(_options.make_job(Demo, arguments))
