"""Options of ``skdistill fit`` for a teacher that is a language model, and what it would cost."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skdistill.cli import _options

PREFIX = "llm:"
# Options that need such a teacher.
OPTIONS = (
    "base_url", "classes", "instructions", "max_cost", "prices", "method", "max_concurrency",
    "dry_run",
)  # fmt: skip
_METHODS = ["auto", "logprobs", "samples", "candidates"]


@dataclass(frozen=True)
class LanguageModel:
    """A language model, and how to ask it; None stands for the teacher's defaults."""

    model: str
    base_url: str | None
    classes: list[str] | None
    instructions: str | None
    max_cost: float | None
    prices: tuple[float, float] | None
    method: str | None
    max_concurrency: int | None

    def make_teacher(self, cache: Path | None, *, seed: int, verbose: int) -> Any:
        """Return the teacher, which keeps its answers in a folder."""
        from skdistill.teachers._llm import LLMTeacherClassifier

        given = {name: value for name, value in vars(self).items() if value is not None}
        return LLMTeacherClassifier(**given, memory=cache, random_state=seed, verbose=verbose)


def add_options(teacher: Any) -> None:
    """Add the options to the group about the teacher."""
    teacher.add_argument(
        "--classes",
        type=_names,
        metavar="A,B,...",
        help="labels for llm:MODEL, a language model; also --base-url URL, --instructions FILE, "
        "--prices IN,OUT, --max-cost SUM, --dry-run (estimates the cost)",
    )
    teacher.add_argument("--prices", type=_prices, help=argparse.SUPPRESS)
    teacher.add_argument("--base-url", help=argparse.SUPPRESS)
    teacher.add_argument("--instructions", type=_options.file_path, help=argparse.SUPPRESS)
    teacher.add_argument("--max-cost", type=_options.rate, help=argparse.SUPPRESS)
    teacher.add_argument("--method", choices=_METHODS, help=argparse.SUPPRESS)
    teacher.add_argument("--max-concurrency", type=_options.positive, help=argparse.SUPPRESS)
    teacher.add_argument("--dry-run", action="store_true", help=argparse.SUPPRESS)


def read_options(arguments: argparse.Namespace) -> LanguageModel | None:
    """Return the language model of the arguments, or None if the teacher is another one."""
    error = arguments.usage_error
    given = arguments.teacher or ""
    option = _options.first_given(arguments, OPTIONS)
    if not given.startswith(PREFIX):
        if option:
            error(f"{option} needs a language model, as in --teacher {PREFIX}MODEL")
        return None
    if given == PREFIX:
        error(f"--teacher {PREFIX} lacks the name of a model, as in {PREFIX}gpt-4o-mini")
    if arguments.max_cost and not arguments.prices:
        error("--max-cost needs --prices IN,OUT, the prices of a million tokens")
    if arguments.augment:
        error("--augment would ask the language model for 150,000 more texts; leave it out")
    option = _options.first_given(arguments, ("test_fraction", "calibrate"))
    if arguments.classes and option:
        error(f"{option} needs labels, but with --classes, DATA is read without them; pass --test")
    instructions = None
    if arguments.instructions is not None:
        instructions = arguments.instructions.read_text(encoding="utf-8")
    return LanguageModel(
        given.removeprefix(PREFIX),
        arguments.base_url,
        arguments.classes,
        instructions,
        arguments.max_cost,
        arguments.prices,
        arguments.method,
        arguments.max_concurrency,
    )


def describe_estimate(teacher: Any, texts: list[str]) -> str:
    """Return what labelling texts takes, for a fitted teacher."""
    found = teacher.estimate(texts)
    cost = "unknown without --prices" if found.cost is None else f"about {found.cost:.4g}"
    return (
        f"{found.n_requests:,} requests, about {found.n_input_tokens:,} input and "
        f"{found.n_output_tokens:,} output tokens; cost: {cost}\n"
        f"{len({*texts}) - found.n_requests:,} of {len({*texts}):,} texts have answers already"
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) < 2 or not all(names) or len({*names}) < len(names):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not two or more different labels with commas between them, such as ham,"
            "spam"
        )
    return names


def _prices(text: str) -> tuple[float, float]:
    prices = [_options.price(part) for part in text.split(",")]
    if len(prices) != 2:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not two prices with a comma between them, such as 0.15,0.60"
        )
    return prices[0], prices[1]
