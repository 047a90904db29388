"""The command ``skdistill demo``: the article's whole story on real texts."""

import argparse
from pathlib import Path

from skdistill.cli import _options


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parsers of all commands."""
    demo = _options.add_command(
        commands,
        "demo",
        summary="train and compare baseline, MLP, teacher and distilled MLP on real texts",
        description="Train a TF-IDF baseline, a small MLP, a transformer teacher and the MLP "
        "distilled from it; print a table, draw a figure and save the student.",
        examples="""
            skdistill demo                     docstrings of the installed libraries
            skdistill demo --quick             the same in two minutes
            skdistill demo --data reviews.csv  texts and labels of your own
            """,
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
    _options.add_text_column(demo)
    _options.add_label_column(demo)
    _add_work_options(demo)
    demo.set_defaults(
        run=_run, memory_advice="close other programs, or give --quick, a smaller --teacher or data"
    )


def _add_work_options(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="folder for student, table and figure (default: demo-output)",
    )
    demo.add_argument(
        "--quick", action="store_true", help="few texts and epochs: two minutes, lower figures"
    )
    demo.add_argument("--no-plot", action="store_false", dest="plot", help="draw no figure")
    demo.add_argument(
        "--seed",
        type=_options.seed,
        default=0,
        metavar="N",
        help="seed of splits and training (default: 0)",
    )


def _run(arguments: argparse.Namespace) -> None:
    # Loaded on use: `skdistill --help` answers at once.
    from skdistill.cli._demo_run import Demo, run_demo

    run_demo(_options.make_job(Demo, arguments))
