"""The command ``skdistill fit``: train a student on a file of labelled texts."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skdistill
from skdistill.cli import _options

if TYPE_CHECKING:
    import numpy as np

    from skdistill.cli._narrator import Narrator
    from skdistill.cli._training import Outcome
    from skdistill.datasets._load import Columns

# Below this retention, the output suggests more texts.
_GOOD_RETENTION = 0.97
_WITHOUT_TRANSFORMER = ("tfidf", "none")
# Class names tell the kinds of students without loading torch.
_STUDENTS = [
    name.removeprefix("Distilled").removesuffix("Classifier").lower()
    for name in dir(skdistill)
    if name.startswith("Distilled")
]


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``fit``."""
    fit = _options.add_command(
        commands,
        "fit",
        summary="train a teacher and a student on a file of labelled texts",
        description="Fine-tune a teacher on labelled texts, label all texts with it, train a "
        "student on its probabilities and write the student to one file, for `predict`, `report` "
        "and `export`. Progress goes to standard error and the result to standard output.",
        examples="""
            skdistill fit train.csv -o model.skd
            skdistill fit train.csv --test test.csv --unlabeled more.txt -o model.skd
            skdistill fit train.csv --student rnn --augment --test-fraction 0.2 -o model.skd
            skdistill fit train.csv --teacher roberta-base --save-teacher big -o model.skd
            skdistill fit train.csv --teacher big --precision int8 -o small.skd
            skdistill fit train.csv --cache cache --checkpoint checkpoints -o model.skd

            If you interrupt the last command, run it again to resume.
            """,
    )
    fit.add_argument(
        "data",
        metavar="DATA",
        help="a .csv, .jsonl or .parquet file of labelled texts, or - for standard input",
    )
    _options.add_output_options(fit, metavar="MODEL.skd", help="file for the student")
    _options.add_table_options(fit)
    fit.add_argument(
        "--unlabeled",
        metavar="FILE",
        help="a .csv, .jsonl, .parquet or .txt file of unlabelled texts",
    )
    test = fit.add_mutually_exclusive_group()
    test.add_argument(
        "--test", metavar="FILE", help="a file of labelled texts to evaluate student and teacher on"
    )
    test.add_argument(
        "--test-fraction",
        type=_options.share,
        metavar="SHARE",
        help="hold out this share of DATA for the evaluation, such as 0.2",
    )
    _add_model_options(fit)
    _add_work_options(fit)
    fit.set_defaults(
        run=_run,
        after_interruption=_what_is_kept,
        memory_advice="close other programs, or use less: fewer --unlabeled texts, no "
        "--augment, a smaller --teacher or --n-parameters, fewer --threads",
    )


def _add_model_options(fit: argparse.ArgumentParser) -> None:
    fit.add_argument(
        "--teacher",
        metavar="NAME",
        help="a transformer, by its folder or its name on the Hub (one that is already fine-tuned "
        "for your labels is not trained again); tfidf for logistic regression on TF-IDF features; "
        "none to train the student on the labels alone (default: MiniLM, from the extra "
        "skdistill[demo])",
    )
    fit.add_argument(
        "--student",
        choices=_STUDENTS,
        default="mlp",
        help="mlp is the fastest, cnn also sees phrases, rnn also sees word order (default: mlp)",
    )
    fit.add_argument(
        "--n-parameters",
        type=_options.positive,
        metavar="N",
        help="maximum size of the student (default: a vocabulary of 5,000 words, which makes about "
        "80,000 parameters)",
    )
    fit.add_argument(
        "--augment",
        action="store_true",
        help="generate up to 150,000 more texts from yours, for the teacher to label",
    )
    fit.add_argument(
        "--precision",
        choices=["float32", "float16", "int8"],
        default="float32",
        help="type of the stored weights (default: float32)",
    )
    fit.add_argument(
        "--seed",
        type=_options.seed,
        default=0,
        metavar="N",
        help="random seed for splitting and training (default: 0)",
    )


def _add_work_options(fit: argparse.ArgumentParser) -> None:
    fit.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="cache the teacher's probabilities in this folder, for this run and later ones",
    )
    fit.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="save the teacher in this folder after each epoch, to resume fine-tuning",
    )
    fit.add_argument(
        "--save-teacher",
        type=Path,
        metavar="DIR",
        help="save the fine-tuned teacher in this folder, for `report --teacher DIR` and other "
        "students",
    )
    fit.add_argument(
        "--threads",
        type=_options.positive,
        metavar="N",
        help="maximum number of CPU threads (default: chosen by the libraries)",
    )
    fit.add_argument("--quiet", action="store_true", help="do not show progress")
    fit.add_argument("--json", action="store_true", help="print the result as JSON")


def _run(arguments: argparse.Namespace) -> None:
    _check(arguments)
    # Imported here so that `skdistill --help` starts fast.
    from contextlib import nullcontext

    import torch  # noqa: F401  (imported first, so that the limit covers its threads)

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
    """Read the labelled, unlabelled and test texts."""
    import numpy as np

    from skdistill.datasets._load import read_texts, split_labelled
    from skdistill.metrics._scores import check_known

    tell.step(f"Reading {'standard input' if arguments.data == '-' else arguments.data}")
    labelled = _options.read_labelled(arguments.data, arguments)
    names = np.unique(labelled[1])
    if len(names) < 2:
        raise ValueError(
            f"the column {arguments.label_column!r} of {arguments.data} has only one class, "
            f"{str(names[0])!r}; add texts of a second class."
        )
    _refuse_several_labels(names, f"{arguments.data}: {arguments.label_column}")
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


def _refuse_several_labels(names: "np.ndarray", column: str) -> None:
    """Refuse lists of labels as ``skdistill predict`` writes them for several labels per text."""
    known = {*names.tolist()}
    numbered = all(number.isdecimal() for name in known for number in name.split())
    for label in names.tolist():
        # Numbers are separated by spaces, names by |; each name is also the only one of some text.
        parts = label.split("|")
        if (numbered and len(label.split()) > 1) or (len(parts) > 1 and known.issuperset(parts)):
            raise ValueError(
                f"{column} contains {label!r}, several labels of one text. This command trains on "
                "one label per text; for several, fit a student in Python on a matrix of ones and "
                "zeros."
            )


def _check(arguments: argparse.Namespace) -> None:
    """Check the arguments before any slow step."""
    if arguments.output.suffix != ".skd":
        arguments.usage_error(
            f"the output {arguments.output} must end in .skd; `export` converts it to other formats"
        )
    if arguments.data == arguments.test == "-":
        arguments.usage_error(
            "DATA and --test cannot both be standard input; pass a file for one of them"
        )
    if arguments.teacher == "none":
        for option in ("unlabeled", "augment", "cache"):
            if getattr(arguments, option):
                arguments.usage_error(f"--{option} needs a teacher, but --teacher is none")
    if arguments.teacher in _WITHOUT_TRANSFORMER:
        for option in ("checkpoint", "save_teacher"):
            if getattr(arguments, option):
                name = option.replace("_", "-")
                arguments.usage_error(
                    f"--{name} needs a transformer, but --teacher is {arguments.teacher}"
                )
    _options.check_output(arguments.output, arguments.force)
    if arguments.save_teacher is not None:
        _options.check_output(arguments.save_teacher, arguments.force, is_folder=True)


def _what_is_kept(arguments: argparse.Namespace) -> str:
    """Say what the next run can resume from."""
    kept = []
    if arguments.checkpoint is not None:
        kept.append(f"the teacher's last complete epoch (in {arguments.checkpoint})")
    if arguments.cache is not None:
        kept.append(f"the texts that are already labelled (in {arguments.cache})")
    if kept:
        return f"; run the same command to resume from {' and '.join(kept)}, if any"
    if arguments.teacher in _WITHOUT_TRANSFORMER:
        return "; nothing was written"
    return "; nothing was written. --cache DIR and --checkpoint DIR let you resume a fit"


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
        lines.append(
            "not evaluated: pass --test FILE or --test-fraction SHARE, or run `skdistill report`"
        )
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
                "More text may help the student: add it with --unlabeled FILE or --augment.",
            ]
    return "\n".join(lines)
