"""The command ``skdistill fit``: train a student on a file of labelled texts."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skdistill
from skdistill.cli import _inputs, _options
from skdistill.cli._teacher_choice import WITHOUT_TRANSFORMER
from skdistill.cli.training import _language_model

if TYPE_CHECKING:
    import numpy as np

    from skdistill.cli._training import Outcome
    from skdistill.datasets._columns import Labelled
    from skdistill.metrics._scores import Evaluation

# Below this retention, the output suggests more texts.
_GOOD_RETENTION = 0.97
# From this number of texts on, classes must be fewer than this share of them.
_LEAST_TEXTS = 20
_MOST_CLASSES = 0.5
_FOR_TRANSFORMERS = ("epochs", "lr", "batch_size", "max_length", "checkpoint", "save_teacher")
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
        usage="DATA -o MODEL.skd [options]",
        summary="train a teacher and a student on a file of labelled texts",
        description="Fine-tune a teacher, label all texts with it, train a student on its "
        "probabilities and save it.",
        examples="""
            skdistill fit train.csv --teacher tfidf --test-fraction 0.2 -o model.skd
            skdistill fit export.csv --text-column Utterance --label-column Intent -o intents.skd
            skdistill fit lines.txt --teacher llm:qwen3 --classes ham,spam --dry-run -o spam.skd
            """,
    )
    _add_file_options(fit)
    _add_teacher_options(fit)
    _add_student_options(fit)
    _add_work_options(fit)
    fit.set_defaults(
        run=_run,
        after_interruption=_what_is_kept,
        memory_advice="close other programs, or use less: fewer --unlabeled texts, no "
        "--augment, a smaller --teacher or --n-parameters, fewer --threads",
    )


def _add_file_options(fit: argparse.ArgumentParser) -> None:
    files = fit.add_argument_group("files")
    files.add_argument(
        "data",
        type=_options.file_name,
        metavar="DATA",
        help=f"{_inputs.FILE_TYPES} file; - and --format TYPE for stdin",
    )
    _options.add_output_options(files, metavar="MODEL.skd", help="file for the student")
    _inputs.add_text_column(files)
    _inputs.add_label_columns(files)
    _inputs.add_format(files)
    _inputs.add_reading_options(files)
    files.add_argument(
        "--unlabeled",
        type=_options.file_name,
        metavar="FILE",
        help="a file of more texts, without labels; may be .txt",
    )
    test = files.add_mutually_exclusive_group()
    test.add_argument(
        "--test",
        type=_options.file_name,
        metavar="FILE",
        help="labelled texts to evaluate on; or --test-fraction SHARE of DATA",
    )
    test.add_argument(
        "--test-fraction",
        type=_options.share,
        help=argparse.SUPPRESS,
    )


def _add_teacher_options(fit: argparse.ArgumentParser) -> None:
    teacher = fit.add_argument_group("teacher")
    teacher.add_argument(
        "--teacher",
        metavar="NAME",
        help="folder or huggingface.co name (default: MiniLM); llm:MODEL; tfidf; none",
    )
    teacher.add_argument(
        "--epochs",
        type=_options.positive,
        metavar="N",
        help="passes; also --lr RATE, --batch-size N, --max-length TOKENS",
    )
    teacher.add_argument("--lr", type=_options.rate, help=argparse.SUPPRESS)
    teacher.add_argument("--batch-size", type=_options.positive, help=argparse.SUPPRESS)
    teacher.add_argument("--max-length", type=_options.length, help=argparse.SUPPRESS)
    teacher.add_argument(
        "--save-teacher",
        type=_options.file_path,
        help=argparse.SUPPRESS,
    )
    teacher.add_argument(
        "--checkpoint",
        type=_options.file_path,
        metavar="DIR",
        help="save it after epochs, to resume; --save-teacher DIR at the end",
    )
    teacher.add_argument(
        "--cache",
        type=_options.file_path,
        metavar="DIR",
        help="keep its probabilities for other runs",
    )
    _language_model.add_options(teacher)


def _add_student_options(fit: argparse.ArgumentParser) -> None:
    student = fit.add_argument_group("student")
    student.add_argument(
        "--student",
        choices=_STUDENTS,
        default="mlp",
        metavar="KIND",
        help="mlp (default, fastest), cnn (sees phrases) or rnn (sees word order)",
    )
    student.add_argument(
        "--analyzer",
        choices=["word", "char"],
        default="word",
        metavar="KIND",
        help="word (default) or char (no spaces); --ngram-range MIN,MAX (default: 1,1)",
    )
    student.add_argument(
        "--ngram-range",
        type=_options.interval,
        help=argparse.SUPPRESS,
    )
    student.add_argument(
        "--n-parameters",
        type=_options.positive,
        metavar="N",
        help="maximum size (default: from 80,000 on, by classes and length)",
    )
    student.add_argument(
        "--augment",
        action=argparse.BooleanOptionalAction,
        help="make 150,000 more texts, or none (default: some for a transformer)",
    )
    student.add_argument(
        "--calibrate",
        action="store_true",
        help="hold out 10 %% of DATA and fit the probabilities to it",
    )
    student.add_argument(
        "--precision",
        choices=["float32", "float16", "int8"],
        default="float32",
        metavar="TYPE",
        help="stored weights: float32 (default), float16 (smaller) or int8 (smallest)",
    )


def _add_work_options(fit: argparse.ArgumentParser) -> None:
    work = fit.add_argument_group("other")
    work.add_argument(
        "--seed",
        type=_options.seed,
        default=0,
        metavar="N",
        help="random seed (default: 0); --threads N limits the CPU threads",
    )
    work.add_argument(
        "--threads",
        type=_options.positive,
        help=argparse.SUPPRESS,
    )
    work.add_argument(
        "--quiet",
        action="store_true",
        help="do not show progress; --verbose shows its bars even without a terminal",
    )
    work.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    work.add_argument("--json", action="store_true", help="print the result as JSON")


def _run(arguments: argparse.Namespace) -> None:
    _check(arguments)
    # Imported here so that `skdistill --help` starts fast.
    from contextlib import nullcontext

    from skdistill.cli._narrator import Narrator

    tell = Narrator(n_steps=2 if arguments.teacher == "none" else 3, silent=arguments.quiet)
    tell.step(f"Reading {_inputs.name_of(arguments.data)}")
    # Files are read before anything slow is imported, so that an error is found at once.
    texts = _read_texts(arguments)
    if arguments.dry_run:
        print(_estimate(arguments, texts))
        return

    import torch  # noqa: F401  (imported first, so that the limit covers its threads)

    from skdistill._core.threads import at_most
    from skdistill.cli._training import Job, hold_out, train

    has_bars = not arguments.quiet and (arguments.verbose or sys.stderr.isatty())
    job = replace(_options.make_job(Job, arguments), quiet=not has_bars)
    texts = hold_out(texts, arguments.data, job)
    tell.note(texts.describe())
    limit = nullcontext() if arguments.threads is None else at_most(arguments.threads)
    with limit, tell.listening():
        outcome = train(job, texts, tell)
    if job.checkpoint is not None:
        tell.note(f"{job.checkpoint} is no longer needed; delete it to free its space")
    tell.note("done")
    print(_as_json(arguments, outcome) if arguments.json else _as_text(arguments, outcome))


def _read_texts(arguments: argparse.Namespace) -> _inputs.Texts:
    """Read the labelled, unlabelled and test texts."""
    from skdistill.cli.training._doubts import warn_of_known_texts, warn_of_single_texts

    labels = _inputs.label_columns(arguments)
    given = None if arguments.classes is None else _inputs.as_classes(arguments.classes)
    if given is None:
        labelled = _inputs.read_labelled_file(arguments.data, arguments, labels)
        classes = _classes_of(labelled, arguments)
    else:
        labelled = _inputs.read_without_labels(arguments.data, arguments)
        classes = given
    test = None
    if arguments.test is not None:
        known = replace(labels, known=classes)
        test = _inputs.read_labelled_file(arguments.test, arguments, known, arguments.data)
        tested = test.texts, _inputs.name_of(arguments.test)
        source = labelled.texts, _inputs.name_of(arguments.data)
        warn_of_known_texts(*tested, *source, have_labels=True)
    unlabelled: list[str] = []
    if arguments.unlabeled is not None:
        unlabelled = _inputs.read_unlabelled_file(arguments.unlabeled, arguments, arguments.data)
        if test is not None:
            warn_of_known_texts(
                *tested, unlabelled, _inputs.name_of(arguments.unlabeled), have_labels=False
            )
    if given is None:
        warn_of_single_texts(labelled, classes.tolist(), _column_of(arguments))
    return _inputs.Texts(labelled, unlabelled, test, classes=given)


def _estimate(arguments: argparse.Namespace, texts: _inputs.Texts) -> str:
    """Return what it takes to have a language model label all texts."""
    teacher = arguments.language_model.make_teacher(arguments.cache, seed=arguments.seed, verbose=0)
    labelled = texts.labelled
    teacher.fit(labelled.texts, None if texts.classes is not None else labelled.y)
    test = [] if texts.test is None else texts.test.texts
    return _language_model.describe_estimate(teacher, labelled.texts + texts.unlabelled + test)


def _column_of(arguments: argparse.Namespace) -> str:
    """Return the name of the label columns for messages."""
    return f"{arguments.data}: {', '.join(arguments.label_column or ['label'])}"


def _classes_of(labelled: "Labelled", arguments: argparse.Namespace) -> "np.ndarray":
    """Return the sorted classes, or the names of several labels; refuse what cannot be learned."""
    import numpy as np

    from skdistill._core.multilabel import write_labels
    from skdistill.cli.training._doubts import warn_of_labels

    column = _column_of(arguments)
    classes = np.unique(labelled.y) if labelled.names is None else labelled.names
    warn_of_labels(labelled, classes, column)
    if labelled.names is not None:
        if len(labelled.names) < 2:
            raise ValueError(f"{column} has only {len(labelled.names)} label; two are needed.")
        _refuse_several(labelled.names, column, arguments.label_separator)
        write_labels(labelled.y[:1], labelled.names)  # refuses names that no file can list
        return labelled.names
    if len(classes) < 2:
        raise ValueError(
            f"{column} has only one class, {str(classes[0])!r}; add texts of a second class."
        )
    _refuse_several(classes, column, given=None)
    n_texts = len(labelled.texts)
    if n_texts >= _LEAST_TEXTS and len(classes) > _MOST_CLASSES * n_texts:
        name = (arguments.label_column or ["label"])[0]
        raise ValueError(
            f"The column {name!r} has a different label in nearly every row; is it the right "
            f"--label-column? {arguments.data} has {len(classes):,} labels in {n_texts:,} rows."
        )
    return classes


def _refuse_several(names: "np.ndarray", column: str, given: str | None) -> None:
    """Refuse labels that are several, for another separator than the given one."""
    from skdistill.cli.training._doubts import several_labels

    if found := several_labels(names, given):
        raise ValueError(
            f"{column} contains {found[0]!r}, several labels of one text; pass --label-separator "
            f"{found[1]!r}."
        )


def _check(arguments: argparse.Namespace) -> None:
    """Check the arguments before any slow step."""
    error = arguments.usage_error
    if arguments.output.suffix != ".skd":
        error(
            f"the output {arguments.output} must end in .skd; `export` converts it to other formats"
        )
    if arguments.quiet and arguments.verbose:
        error("--quiet and --verbose exclude each other; pass one of them")
    if arguments.data == arguments.test == "-":
        error("DATA and --test cannot both be standard input; pass a file for one of them")
    _check_teacher(arguments)
    option = _options.first_given(arguments, ("unlabeled", "augment", "cache"))
    if arguments.teacher == "none" and option:
        error(f"{option} needs a teacher, but --teacher is none")
    option = _options.first_given(arguments, _FOR_TRANSFORMERS)
    is_transformer = arguments.teacher not in WITHOUT_TRANSFORMER
    arguments.language_model = _language_model.read_options(arguments)
    if option and (arguments.language_model is not None or not is_transformer):
        error(f"{option} needs a transformer, but --teacher is {arguments.teacher}")
    if arguments.language_model is not None and arguments.cache is None:
        # Answers are paid for, so they are never lost.
        arguments.cache = arguments.output.with_suffix(".answers")
    _options.check_output(arguments.output, arguments.force)
    for folder in (arguments.cache, arguments.checkpoint):
        if folder is not None:
            _options.check_folder(folder)
    if arguments.save_teacher is not None:
        _options.check_output(arguments.save_teacher, arguments.force, is_folder=True)


def _check_teacher(arguments: argparse.Namespace) -> None:
    """Refuse a name that is nearly one of those that are no transformer."""
    given = arguments.teacher
    if given is None or given.startswith(_language_model.PREFIX):
        return
    if given in WITHOUT_TRANSFORMER or Path(given).exists():
        return
    similar = get_close_matches(given.lower(), WITHOUT_TRANSFORMER, n=1, cutoff=0.75)
    if similar:
        arguments.usage_error(f"there is no teacher {given!r}; did you mean {similar[0]}?")


def _what_is_kept(arguments: argparse.Namespace) -> str:
    """Say what the next run can resume from."""
    kept = []
    if arguments.checkpoint is not None:
        kept.append(f"the teacher's last complete epoch (in {arguments.checkpoint})")
    if arguments.cache is not None:
        kept.append(f"the texts that are already labelled (in {arguments.cache})")
    if kept:
        return f"; run the same command to resume from {' and '.join(kept)}, if any"
    if arguments.teacher in WITHOUT_TRANSFORMER:
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

    texts = [f"{outcome.n_labelled:,} labelled"] if outcome.n_labelled else []
    texts += [f"{outcome.n_unlabelled:,} unlabelled"] if outcome.n_unlabelled else []
    texts += [f"{outcome.n_augmented:,} augmented"] if outcome.n_augmented else []
    lines = [
        f"{arguments.output}: {arguments.student}, {outcome.n_parameters:,} parameters, "
        f"{format_bytes(outcome.n_bytes)}; teacher {outcome.teacher}",
        f"trained on {', '.join(texts)} texts of {len(outcome.classes)} {outcome.noun} in "
        f"{outcome.seconds:.0f} s",
    ]
    if outcome.calibration is not None:
        found = outcome.calibration
        lines.append(
            f"calibration error on {found['n_texts']:,} held-out texts, in %: "
            f"{100 * found['error_before']:.2f} before calibration, "
            f"{100 * found['error_after']:.2f} after"
        )
    if outcome.test is None:
        lines.append(
            "not evaluated: pass --test FILE or --test-fraction SHARE, or run `skdistill report`"
        )
    else:
        figures = as_percent(outcome.test)
        if outcome.baseline_accuracy is not None:
            figures["accuracy of TF-IDF + LR"] = f"{100 * outcome.baseline_accuracy:.2f}"
        lines += [
            "",
            f"on {outcome.test.n_texts:,} test texts, in %",
            align([*figures.items()]),
        ]
        teacher = outcome.test.teacher
        retention = None if teacher is None else teacher.retention
        if retention is not None and retention < _GOOD_RETENTION and not outcome.n_unlabelled:
            other = "" if outcome.n_augmented else " or --augment"
            lines += ["", f"More text may help the student: add it with --unlabeled FILE{other}."]
        lines += _beside_baseline(outcome.baseline_accuracy, outcome.test)
    return "\n".join(lines)


def _beside_baseline(baseline: float | None, test: "Evaluation") -> list[str]:
    """Return lines that say so if a model is no better than TF-IDF + LR."""
    if baseline is None:
        return []
    if test.teacher is not None and test.teacher.accuracy <= baseline:
        return [
            "",
            "The teacher is no better than TF-IDF + LR: raise --epochs, try another --lr, or "
            "choose a larger --teacher.",
        ]
    if test.accuracy <= baseline:
        return ["", "The student is no better than TF-IDF + LR."]
    return []
