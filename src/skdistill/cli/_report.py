"""The command ``skdistill report``: evaluate a student, and write its model card."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from skdistill._core.format import align
from skdistill.cli import _inputs, _options
from skdistill.cli._teacher_choice import WITHOUT_TRANSFORMER

if TYPE_CHECKING:
    from skdistill.card._figures import Answers
    from skdistill.metrics._scores import Evaluation
    from skdistill.serving import CompiledClassifier


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``report``."""
    report = _options.add_command(
        commands,
        "report",
        usage="MODEL TEST [options]",
        summary="evaluate a student on labelled texts, overall and per class",
        description="Evaluate a student on labelled texts: accuracy, macro F1 (the mean of the "
        "classes' F1), calibration error (how far the probabilities are from the share of correct "
        "predictions), scores per class, and the classes it confuses most. If a text may have "
        "several labels, the label column lists them as `predict` writes them.",
        examples="""
            skdistill report model.skd test.csv
            skdistill report model.skd test.csv --html card.html --title "Moods of tweets"
            skdistill report model.skd test.csv --teacher big    big is from `fit --save-teacher`
            """,
    )
    _options.add_model(report)
    report.add_argument(
        "data",
        type=_options.file_name,
        metavar="TEST",
        help=f"{_inputs.FILE_TYPES} file; - and --format TYPE for stdin",
    )
    _inputs.add_text_column(report)
    _inputs.add_label_columns(report)
    _inputs.add_format(report)
    _inputs.add_reading_options(report)
    report.add_argument(
        "--teacher",
        metavar="NAME",
        help="a transformer fine-tuned for the same classes; adds fidelity (how often both predict "
        "the same) and retention (the student's accuracy divided by the teacher's)",
    )
    report.add_argument(
        "--html",
        metavar="FILE",
        type=_options.file_path,
        help="also write a model card: a page with the scores that runs the student",
    )
    report.add_argument("--title", help="title of the card (default: the kind and the classes)")
    _options.add_force(report)
    report.add_argument("--quiet", action="store_true", help="do not show the teacher's progress")
    report.add_argument(
        "--json", action="store_true", help="print the result as JSON, with scores between 0 and 1"
    )
    report.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.html is not None:
        _options.refuse_same(arguments.html, arguments.model, "model")
        if arguments.data != "-":
            _options.refuse_same(arguments.html, Path(arguments.data), "file of test texts")
        if arguments.html.suffix not in (".html", ".htm"):
            arguments.usage_error(f"the model card {arguments.html} must end in .html")
        _options.check_output(arguments.html, arguments.force)
    elif arguments.title is not None:
        arguments.usage_error("--title needs --html, because it is the title of the card")
    if arguments.teacher in WITHOUT_TRANSFORMER and not Path(arguments.teacher).exists():
        arguments.usage_error(
            f"--teacher {arguments.teacher} is only for `fit`; pass a transformer, such as a "
            "folder from `fit --save-teacher`"
        )
    # Imported here so that `skdistill --help` starts fast, and a wrong file is found first.
    from skdistill.cli.prediction._student_file import read_student_file
    from skdistill.serving import CompiledClassifier

    model = read_student_file(arguments.model, "TEST", arguments.data)
    student = CompiledClassifier(model)
    classes = [*map(str, student.classes_.tolist())]
    labels = _inputs.label_columns(arguments, student.classes_ if student.multilabel_ else None)
    if not student.multilabel_:
        _refuse_several(arguments)
        labels = replace(labels, known=student.classes_)
    labelled = _inputs.read_labelled_file(arguments.data, arguments, labels)

    from skdistill.card._page import write_card
    from skdistill.metrics._scores import evaluate

    texts, y = labelled.texts, labelled.y
    teacher = None
    if arguments.teacher is not None:
        teacher = _ask_teacher(arguments, classes, texts, multilabel=student.multilabel_)
    proba = student.predict_proba(texts)
    found = evaluate(y, proba, classes, None if teacher is None else teacher.proba)
    if arguments.html is not None:
        write_card(
            arguments.html,
            model,
            X=texts,
            y=y if student.multilabel_ else student.classes_[[classes.index(label) for label in y]],
            teacher=teacher,
            proba=proba,
            title=arguments.title,
        )
    print((_as_json if arguments.json else _as_text)(arguments, student, found))


def _refuse_several(arguments: argparse.Namespace) -> None:
    """Refuse options for several labels per text, which the student does not predict."""
    if arguments.label_separator is not None or len(arguments.label_column or []) > 1:
        raise ValueError(
            f"{arguments.model} predicts one label per text; pass a single --label-column and no "
            "--label-separator."
        )


def _ask_teacher(
    arguments: argparse.Namespace, classes: list[str], texts: list[str], *, multilabel: bool
) -> "Answers":
    """Return the teacher's probabilities, with columns in the order of the student's classes."""
    from skdistill.card._figures import Answers
    from skdistill.cli._teacher_choice import is_fine_tuned, load_fine_tuned

    if not is_fine_tuned(arguments.teacher, sorted(classes), multilabel=multilabel):
        wanted = f"{len(classes)} labels" if multilabel else f"classes {', '.join(classes)}"
        raise ValueError(
            f"{arguments.teacher} is not fine-tuned for the {wanted:.200}; pass a folder that "
            "`skdistill fit --save-teacher` or a teacher's save_pretrained wrote."
        )
    has_bars = sys.stderr is not None and sys.stderr.isatty() and not arguments.quiet
    teacher = load_fine_tuned(arguments.teacher, verbose=int(has_bars))
    known = [*map(str, teacher.classes_.tolist())]
    proba = teacher.predict_proba(texts)
    # Several labels may have no names, or other ones; then their order counts.
    if sorted(known) == sorted(classes):
        proba = proba[:, [known.index(name) for name in classes]]
    return Answers(proba, teacher.n_parameters_)


def _as_json(
    arguments: argparse.Namespace, student: "CompiledClassifier", found: "Evaluation"
) -> str:
    content = {
        "model": str(arguments.model),
        "n_parameters": student.n_parameters_,
        "n_bytes": arguments.model.stat().st_size,
        **asdict(found),
    }
    if arguments.html is not None:
        content["html"] = str(arguments.html)
    return json.dumps(content, indent=2, ensure_ascii=False)


def _as_text(
    arguments: argparse.Namespace, student: "CompiledClassifier", found: "Evaluation"
) -> str:
    from skdistill._core.format import format_bytes, one_line
    from skdistill.metrics._scores import as_percent

    one = "class" if found.micro_f1 is None else "label"
    several = "labels" if student.multilabel_ else "classes"
    by_class = [
        (
            one_line(scores.label),
            *(
                f"{100 * share:.1f}" if scores.n_texts else "-"
                for share in (scores.precision, scores.recall, scores.f1)
            ),
            f"{scores.n_texts:,}",
        )
        for scores in found.classes
    ]
    lines = [
        f"{arguments.model}: {len(found.classes)} {several}, {student.n_parameters_:,} parameters, "
        f"{format_bytes(arguments.model.stat().st_size)}",
        f"on {found.n_texts:,} test texts, in %",
        "",
        align([*as_percent(found).items()]),
        "",
        align([(one, "precision", "recall", "F1", "texts"), *by_class]),
    ]
    if found.confusions:
        rows = [
            (one_line(f"{c.label} predicted as {c.predicted}"), f"{c.n_texts:,}")
            for c in found.confusions
        ]
        lines += ["", align([("most confused", "texts"), *rows])]
    if arguments.html is not None:
        lines += ["", f"{arguments.html}: {format_bytes(arguments.html.stat().st_size)}"]
    return "\n".join(lines)
