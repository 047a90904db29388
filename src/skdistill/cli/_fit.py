"""The command ``skdistill fit``: from a file of labelled texts to a student's file."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skdistill
from skdistill.cli import _options

if TYPE_CHECKING:
    from skdistill.cli._narrator import Narrator
    from skdistill.cli._training import Outcome
    from skdistill.datasets._load import Columns

# Below this share of the teacher's accuracy, more texts are worth a hint.
_GOOD_RETENTION = 0.97
_WITHOUT_TRANSFORMER = ("tfidf", "none")
# The kinds of students, out of the names of their classes: none has to be loaded for that.
_STUDENTS = [
    name.removeprefix("Distilled").removesuffix("Classifier").lower()
    for name in dir(skdistill)
    if name.startswith("Distilled")
]


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parsers of all commands."""
    fit = _options.add_command(
        commands,
        "fit",
        summary="train a teacher and its student on a file of labelled texts",
        description="Fine-tune a teacher on labelled texts, let it label all texts, train a "
        "student on its probabilities and write the student into one file, for `predict`, `report` "
        "and `export`. Progress is on standard error, the result on standard output.",
        examples="""
            skdistill fit train.csv -o model.skd
            skdistill fit train.csv --test test.csv --unlabeled more.txt -o model.skd
            skdistill fit train.csv --student rnn --augment --test-fraction 0.2 -o model.skd
            skdistill fit train.csv --teacher roberta-base --save-teacher big -o model.skd
            skdistill fit train.csv --teacher big --precision int8 -o small.skd
            skdistill fit train.csv --cache cache --checkpoint checkpoints -o model.skd

            The last one, stopped and called again, goes on where it was.
            """,
    )
    fit.add_argument(
        "data",
        metavar="DATA",
        help="a .csv, .jsonl or .parquet file with text and label columns, or - for standard input",
    )
    _options.add_output_options(fit, metavar="MODEL.skd", help="the student's file")
    _options.add_table_options(fit)
    fit.add_argument(
        "--unlabeled",
        metavar="FILE",
        help="a .csv, .jsonl, .parquet or .txt file of more texts, without labels",
    )
    test = fit.add_mutually_exclusive_group()
    test.add_argument(
        "--test", metavar="FILE", help="labelled texts to measure student and teacher on"
    )
    test.add_argument(
        "--test-fraction",
        type=_options.share,
        metavar="SHARE",
        help="hold out so many of DATA's rows for that, such as 0.2",
    )
    _add_model_options(fit)
    _add_work_options(fit)
    fit.set_defaults(
        run=_run,
        after_interruption=_what_is_kept,
        memory_advice="close other programs, or ask for less: fewer --unlabeled texts, no "
        "--augment, a smaller --teacher or --n-parameters, fewer --threads",
    )


def _add_model_options(fit: argparse.ArgumentParser) -> None:
    fit.add_argument(
        "--teacher",
        metavar="NAME",
        help="a transformer's folder or its name on the Hub, where one that is fine-tuned for the "
        "labels already is not trained again; tfidf for logistic regression on TF-IDF weights; "
        "none for a student that learns from the labels alone (default: MiniLM from the extra "
        "skdistill[demo])",
    )
    fit.add_argument(
        "--student",
        choices=_STUDENTS,
        default="mlp",
        help="mlp is the fastest, cnn knows phrases, rnn the order of words (default: mlp)",
    )
    fit.add_argument(
        "--n-parameters",
        type=_options.positive,
        metavar="N",
        help="the student's size, at most (default: a vocabulary of 5,000, some 80,000)",
    )
    fit.add_argument(
        "--augment",
        action="store_true",
        help="make more texts out of the given ones, for the teacher to label: up to 150,000",
    )
    fit.add_argument(
        "--precision",
        choices=["float32", "float16", "int8"],
        default="float32",
        help="how weights are stored in the file (default: float32)",
    )
    fit.add_argument(
        "--seed",
        type=_options.seed,
        default=0,
        metavar="N",
        help="seed of split and training (default: 0)",
    )


def _add_work_options(fit: argparse.ArgumentParser) -> None:
    fit.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep the teacher's probabilities there, for this call and later ones",
    )
    fit.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="keep the teacher there after each epoch, to go on from",
    )
    fit.add_argument(
        "--save-teacher",
        type=Path,
        metavar="DIR",
        help="write the fine-tuned teacher there, for `report --teacher DIR` and other students",
    )
    fit.add_argument(
        "--threads",
        type=_options.positive,
        metavar="N",
        help="processor threads, at most (default: as many as libraries take)",
    )
    fit.add_argument("--quiet", action="store_true", help="show no progress")
    fit.add_argument("--json", action="store_true", help="print the result as JSON")


def _run(arguments: argparse.Namespace) -> None:
    _check(arguments)
    # Loaded on use: `skdistill --help` answers at once.
    from contextlib import nullcontext

    import torch  # noqa: F401  (here, for its threads to be limited, too)

    from skdistill._core.threads import at_most
    from skdistill.cli._narrator import Narrator
    from skdistill.cli._training import Job, train

    tell = Narrator(n_steps=2 if arguments.teacher == "none" else 3, silent=arguments.quiet)
    labelled, unlabelled, test = _read_texts(arguments, tell)
    limit = nullcontext() if arguments.threads is None else at_most(arguments.threads)
    with limit, tell.listening():
        job = _options.make_job(Job, arguments)
        outcome = train(job, labelled, unlabelled, test, tell)
    tell.note("done")
    print(_as_json(arguments, outcome) if arguments.json else _as_text(arguments, outcome))


def _read_texts(
    arguments: argparse.Namespace, tell: "Narrator"
) -> "tuple[Columns, list[str], Columns | None]":
    """Read labelled, unlabelled and test texts."""
    import numpy as np

    from skdistill.datasets._load import read_texts, split_labelled
    from skdistill.metrics._scores import check_known

    tell.step(f"Reading {'standard input' if arguments.data == '-' else arguments.data}")
    labelled = _options.read_labelled(arguments.data, arguments)
    names = np.unique(labelled[1])
    if len(names) < 2:
        raise ValueError(
            f"the column {arguments.label_column!r} of {arguments.data} holds a single class, "
            f"{str(names[0])!r}; a classifier needs two at least."
        )
    test = None
    unlabelled: list[str] = []
    if arguments.test is not None:
        test = _options.read_labelled(arguments.test, arguments)
        check_known(test[1], names, f"{arguments.test}: {arguments.label_column}")
    elif arguments.test_fraction is not None:
        share = {"test_size": arguments.test_fraction, "random_state": arguments.seed}
        labelled, test = split_labelled(labelled, arguments.data, **share)
    if arguments.unlabeled is not None:
        columns = {"text_column": arguments.text_column, "label_column": None}
        unlabelled, _ = read_texts(arguments.unlabeled, **columns)
    n_test = "no" if test is None else f"{len(test[0]):,}"
    tell.note(
        f"{len(labelled[0]):,} labelled, {len(unlabelled):,} unlabelled and {n_test} test texts; "
        f"{len(names)} classes"
    )
    return labelled, unlabelled, test


def _check(arguments: argparse.Namespace) -> None:
    """Find out whatever can be wrong before anything takes minutes."""
    if arguments.output.suffix != ".skd":
        arguments.usage_error(
            f"the output {arguments.output} must end in .skd; `export` makes other files of it"
        )
    if arguments.data == arguments.test == "-":
        arguments.usage_error("DATA and --test cannot both be standard input")
    if arguments.teacher == "none":
        for option in ("unlabeled", "augment", "cache"):
            if getattr(arguments, option):
                arguments.usage_error(f"--{option} needs a teacher, but --teacher is none")
    if arguments.teacher in _WITHOUT_TRANSFORMER:
        for option in ("checkpoint", "save_teacher"):
            if getattr(arguments, option):
                name = option.replace("_", "-")
                arguments.usage_error(
                    f"--{name} is for a transformer, but --teacher is {arguments.teacher}"
                )
    _options.check_output(arguments.output, arguments.force)
    if arguments.save_teacher is not None:
        _options.check_output(arguments.save_teacher, arguments.force, is_folder=True)


def _what_is_kept(arguments: argparse.Namespace) -> str:
    """Tell who interrupts a fit what another call can go on from."""
    kept = []
    if arguments.checkpoint is not None:
        kept.append(f"the teacher's last whole epoch (in {arguments.checkpoint})")
    if arguments.cache is not None:
        kept.append(f"what the teacher has labelled (in {arguments.cache})")
    if kept:
        return f"; the same command goes on from {' and '.join(kept)}, if there is any yet"
    if arguments.teacher in _WITHOUT_TRANSFORMER:
        return "; nothing was written"
    return "; nothing was written. With --cache DIR and --checkpoint DIR a fit can be gone on with"


def _as_json(arguments: argparse.Namespace, outcome: "Outcome") -> str:
    content: dict[str, Any] = {
        "model": str(arguments.output),
        "student": arguments.student,
        "precision": arguments.precision,
        "seed": arguments.seed,
        **asdict(outcome),
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _as_text(arguments: argparse.Namespace, outcome: "Outcome") -> str:
    from skdistill._core.format import align, format_bytes
    from skdistill.metrics._scores import as_percent

    texts = [f"{outcome.n_labelled:,} labelled"]
    texts += [f"{outcome.n_unlabelled:,} unlabelled"] if outcome.n_unlabelled else []
    texts += [f"{outcome.n_augmented:,} augmented"] if outcome.n_augmented else []
    lines = [
        f"{arguments.output}: {arguments.student}, {outcome.n_parameters:,} parameters, "
        f"{format_bytes(outcome.n_bytes)}; teacher {outcome.teacher}",
        f"trained on {', '.join(texts)} texts of {len(outcome.classes)} classes in "
        f"{outcome.seconds:.0f} s",
    ]
    if outcome.test is None:
        lines.append("not measured: give --test FILE or --test-fraction SHARE, or use `report`")
    else:
        figures = as_percent(outcome.test)
        lines += [
            "",
            f"on {outcome.test.n_texts:,} test texts, in %",
            align([*figures.items()]),
        ]
        teacher = outcome.test.teacher
        retention = None if teacher is None else teacher.retention
        if retention is not None and retention < _GOOD_RETENTION and len(texts) == 1:
            lines += [
                "",
                "The student saw few texts: --unlabeled FILE or --augment lets the teacher label "
                "more.",
            ]
    return "\n".join(lines)
