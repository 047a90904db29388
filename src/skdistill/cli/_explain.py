"""The command ``skdistill explain``: show which words led to a prediction."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skdistill.cli import _inputs, _options

if TYPE_CHECKING:
    from skdistill.runtime._explanation import Explanation


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``explain``."""
    explain = _options.add_command(
        commands,
        "explain",
        usage="MODEL TEXT [TEXT ...] [options]",
        summary="show how much each word of a text contributes to the prediction",
        description="Show the predicted class or labels of each text, the probability, and the "
        "words that support it (+) or oppose it (-) most. This works for an MLP, the default "
        "student.",
        examples="""
            skdistill explain model.skd 'a warm soup'
            skdistill explain model.skd - < lines.txt
            """,
    )
    _options.add_model(explain)
    explain.add_argument(
        "texts",
        metavar="TEXT",
        nargs="+",
        help="a text in quotes, or - for standard input, one text per line",
    )
    _inputs.add_encoding(explain)
    explain.add_argument(
        "--json", action="store_true", help="print each text as a JSON object, with all its words"
    )
    explain.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # Imported here so that `skdistill --help` starts fast.
    from skdistill.cli.prediction._student_file import read_student_file
    from skdistill.serving import CompiledClassifier

    model = read_student_file(arguments.model, "TEXT", arguments.texts[0])
    _refuse_files(arguments.texts)
    if not model.is_additive:
        has = "mlp with hidden layers" if model.kind == "mlp" else model.kind
        raise ValueError(
            "explain needs a student of kind mlp (fit --student mlp); "
            f"{arguments.model} is of kind {has}."
        )
    student = CompiledClassifier(model)
    texts = _lines(arguments.encoding) if arguments.texts == ["-"] else arguments.texts
    for number, explanation in enumerate(student.explain(texts)):
        if arguments.json:
            print(json.dumps(_as_object(explanation), ensure_ascii=False))
        else:
            print(explanation if number == 0 else f"\n{explanation}")


def _lines(encoding: str | None) -> list[str]:
    from skdistill.cli.prediction._lines import arriving_rows, standard_input
    from skdistill.datasets._source import Options

    parts = arriving_rows(standard_input(Options(shell=True, encoding=encoding)), "text")
    texts = [text for rows in parts for text in rows.columns["text"]]
    if not texts:
        raise ValueError("standard input is empty; write one text per line.")
    return texts


def _refuse_files(texts: list[str]) -> None:
    """Refuse the name of an existing file of texts, which is no text."""
    from skdistill.datasets._files import FILES, split_name

    for text in texts:
        if os.path.isfile(text) and split_name(Path(text))[1] in FILES:
            raise ValueError(
                f"{text} is a file, but explain takes texts; pass a text in quotes, or - for lines "
                "of standard input."
            )


def _as_object(explanation: "Explanation") -> dict[str, Any]:
    """Return the most probable class, its probability, and each word's support for it.

    If a text may have several labels, also return those that are predicted.
    """
    winner = int(explanation.logits.argmax())
    label = explanation.classes[winner]
    support = explanation.towards(label).tolist()
    several = {"labels": explanation.predicted.tolist()} if explanation.multilabel else {}
    return {
        "text": explanation.text,
        **several,
        "label": label.item(),
        "proba": float(explanation.proba[winner]),
        "words": [
            {"word": word, "support": part}
            for word, part in zip(explanation.units, support, strict=True)
        ],
    }
