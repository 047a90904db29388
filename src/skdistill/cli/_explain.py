"""The command ``skdistill explain``: show which words led to a prediction."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from skdistill.cli import _options

if TYPE_CHECKING:
    from skdistill.runtime._explanation import Explanation


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``explain``."""
    explain = _options.add_command(
        commands,
        "explain",
        usage="MODEL TEXT [TEXT ...] [options]",
        summary="show how much each word of a text contributes to the prediction",
        description="Show the predicted class of each text, its probability, and the words that "
        "support it (+) or oppose it (-) most. This works for an MLP, the default student.",
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
    explain.add_argument(
        "--json", action="store_true", help="print each text as a JSON object, with all its words"
    )
    explain.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # Imported here so that `skdistill --help` starts fast.
    from skdistill.serving import CompiledClassifier

    student = CompiledClassifier.load(arguments.model)
    texts = _lines() if arguments.texts == ["-"] else arguments.texts
    for number, explanation in enumerate(student.explain(texts)):
        if arguments.json:
            print(json.dumps(_as_object(explanation), ensure_ascii=False))
        else:
            print(explanation if number == 0 else f"\n{explanation}")


def _lines() -> list[str]:
    from skdistill.cli.prediction._lines import arriving_rows, standard_input
    from skdistill.datasets._source import Options

    parts = arriving_rows(standard_input(Options(shell=True)), "text")
    return [text for rows in parts for text in rows.columns["text"]]


def _as_object(explanation: "Explanation") -> dict[str, Any]:
    """Return the predicted class, its probability, and each word's support for it."""
    winner = int(explanation.logits.argmax())
    label = explanation.classes[winner]
    support = explanation.towards(label).tolist()
    return {
        "text": explanation.text,
        "label": label.item(),
        "proba": float(explanation.proba[winner]),
        "words": [
            {"word": word, "support": part}
            for word, part in zip(explanation.units, support, strict=True)
        ],
    }
