"""Ask for all texts whose answers are not known: memory, budget, threads and progress."""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdistill._core.exceptions import warn
from skdistill._core.progress import progress_bar
from skdistill.storage._store import digest_texts
from skdistill.teachers.llm._budget import Budget, BudgetError, estimate_tokens
from skdistill.teachers.llm._client import ChatClient
from skdistill.teachers.llm._crew import work_in_threads
from skdistill.teachers.llm._memory import AnswerMemory
from skdistill.teachers.llm._prompt import Prompt
from skdistill.teachers.llm._questions import Asked, Questioner, wanted_answers

_logger = logging.getLogger(__name__)

# Number of texts that a message shows, and that are enough to stop if no answer is usable.
_SHOWN, _TOO_MANY = 3, 10
# From this number of texts on, it is odd if the samples of each text agree.
_MANY_TEXTS = 50
# Output tokens of an answer: a key, JSON with a key, JSON with some keys.
_OUTPUT_TOKENS = {"logprobs": 1, "samples": 8, "candidates": 12}


@dataclass(frozen=True)
class Settings:
    """How to ask: parameters of the teacher."""

    model: str
    base_url: str | None
    method: str
    n_samples: int
    max_concurrency: int
    max_texts: int | None
    max_cost: float | None
    prices: tuple[float, float] | None
    timeout: float
    max_retries: int
    verbose: int


class Work:
    """Texts, with what is known of each; identical texts count once."""

    def __init__(self, texts: list[str], memory: AnswerMemory, settings: Settings):
        self.digests, self.first, number = np.unique(
            digest_texts(texts), return_index=True, return_inverse=True
        )
        self._order = np.argsort(number, kind="stable")
        self._ends = np.searchsorted(number[self._order], np.arange(len(self.digests) + 1))
        self._memory, self._n_samples = memory, settings.n_samples
        self.method = settings.method
        self.look_up()

    def look_up(self) -> None:
        """Read the memory."""
        if self.method == "auto":
            self.method = next(iter(self._memory.methods()), "auto")
        self.rows = self._memory.look_up(self.digests, self.method)
        self.is_open = np.array(
            [wanted_answers(row, self.method, self._n_samples) > 0 for row in self.rows], bool
        )

    def answers(self, numbers: list[int], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of distinct texts in the given ones, and their probabilities."""
        positions = [self._order[self._ends[i] : self._ends[i + 1]] for i in numbers]
        shares = rows[:, :-2] / rows[:, :-2].sum(axis=1, keepdims=True)
        return np.concatenate(positions), np.repeat(shares, [*map(len, positions)], axis=0)


def estimate(
    settings: Settings, prompt: Prompt, work: Work, texts: list[str]
) -> dict[str, float | None]:
    """Return about how many requests and tokens open texts need, and their cost."""
    method = "logprobs" if work.method == "auto" else work.method
    numbers = np.flatnonzero(work.is_open)
    n_input = n_output = 0
    for number in numbers:
        n_answers = wanted_answers(work.rows[number], method, settings.n_samples)
        messages = prompt.messages(texts[work.first[number]], several=method == "candidates")
        n_input += estimate_tokens(messages)
        n_output += n_answers * _OUTPUT_TOKENS[method]
    return {
        "n_requests": len(numbers),
        "n_input_tokens": n_input,
        "n_output_tokens": n_output,
        "cost": Budget(settings.prices, None, (n_input, n_output)).cost,
    }


def ask_all(
    settings: Settings, prompt: Prompt, memory: AnswerMemory, texts: list[str]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions in texts with their probabilities, as answers come.

    Raises
    ------
    ValueError
        If some answers were none of the labels, or the budget is spent. All else is kept.
    """
    work = Work(texts, memory, settings)
    yield from _known(work)
    if not work.is_open.any():
        return
    was_open = work.is_open
    with memory.turn():
        work.look_up()  # another process may have asked meanwhile
        yield from _known(work, among=was_open)
        if work.is_open.any():
            yield from _ask_open(settings, prompt, memory, texts, work)


def _known(work: Work, among: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    known = ~work.is_open if among is None else ~work.is_open & among
    if known.any():
        numbers = np.flatnonzero(known)
        yield work.answers(numbers.tolist(), work.rows[numbers])


def _ask_open(
    settings: Settings, prompt: Prompt, memory: AnswerMemory, texts: list[str], work: Work
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    n_before, spent = memory.totals()
    todo = np.flatnonzero(work.is_open).tolist()
    check_number_of_texts(len(todo), n_before, settings.max_texts)
    budget = Budget(settings.prices, settings.max_cost, spent)
    n_kept, n_good, odd = len(work.digests) - len(todo), 0, dict[int, str]()
    client = ChatClient(
        settings.model,
        base_url=settings.base_url,
        timeout=settings.timeout,
        max_retries=settings.max_retries,
    )
    asker = Questioner(client, prompt, work.method, settings.n_samples, budget, memory.keep)

    def ask(number: int) -> tuple[int, Asked]:
        text, digest = texts[work.first[number]], work.digests[number : number + 1].tobytes()
        return number, asker.ask(text, digest, work.rows[number])

    def ask_open() -> Generator[list[tuple[int, Asked]]]:
        # The first one alone: it tells what the server can.
        yield [ask(todo[0])]
        n_threads = min(settings.max_concurrency, len(todo) - 1)
        yield from work_in_threads(ask, iter(todo[1:]), n_threads, client.stop)

    bar = progress_bar(
        total=len(work.digests), initial=n_kept, unit="text", disable=not settings.verbose
    )
    try:
        with client, bar, closing(ask_open()) as batches:
            for batch in batches:
                odd |= {number: asked.reason for number, asked in batch if asked.reason}
                good = [(number, asked.row) for number, asked in batch if not asked.reason]
                n_good += len(good)
                _show(bar, len(batch), asker)
                if good:
                    numbers, rows = zip(*good, strict=True)
                    yield work.answers([*numbers], np.array(rows))
                elif not n_good and len(odd) >= _TOO_MANY:
                    break
    except BudgetError as error:
        raise BudgetError(
            f"{error} {n_kept + n_good:,} of {len(work.digests):,} texts have their answers; raise "
            "max_cost to ask for the rest."
        ) from None
    except BaseException as error:
        error.add_note(
            f"{n_kept + n_good:,} of {len(work.digests):,} texts have their answers; repeat the "
            "call to ask for the rest."
        )
        raise
    _tell_doubts(asker, n_good, settings)
    if odd:
        raise ValueError(_complaint({int(work.first[i]): odd[i] for i in odd}, texts, n_good))


def check_number_of_texts(n_texts: int, n_before: int, max_texts: int | None) -> None:
    """Refuse to ask for more texts than wanted, before the first of them costs anything."""
    if max_texts is not None and n_before + n_texts > max_texts:
        before = f"{n_before:,} texts were asked before, and " if n_before else ""
        raise ValueError(
            f"{before}{n_texts:,} more have no answer, but max_texts={max_texts:,}; pass fewer "
            "texts, or raise max_texts."
        )


def _show(bar: Any, n_texts: int, asker: Questioner) -> None:
    cost = asker.budget.cost
    state = {"cost": f"{cost:.4f}"} if cost is not None else {}
    bar.set_description_str(f"asking ({asker.method})", refresh=False)
    bar.set_postfix(state, refresh=False)
    bar.update(n_texts)


def _tell_doubts(asker: Questioner, n_good: int, settings: Settings) -> None:
    paid = "{:,} input and {:,} output tokens".format(*asker.budget.spent)
    if asker.budget.cost is not None:
        paid += f", cost {asker.budget.cost:.4g}"
    _logger.info("%s answers; paid so far: %s", f"{n_good:,}", paid)
    if asker.n_unusable:
        _logger.info("%s answers were none of the labels", f"{asker.n_unusable:,}")
    if asker.n_missing:
        _logger.info("labels were missing among the tokens of %s answers", f"{asker.n_missing:,}")
    if asker.n_bounded:
        warn(
            f"The logprobs of {asker.n_bounded:,} of {n_good:,} answers lacked some labels, which "
            f"got an upper bound of their probability, up to {asker.largest_bound:.2f} together. "
            'Use a server that gives more logprobs, fewer classes, or method="samples".',
        )
    if settings.n_samples > 1 and asker.n_unanimous == asker.n_sampled >= _MANY_TEXTS:
        warn(
            f"For each of {asker.n_sampled:,} texts, all {settings.n_samples} samples agree, so "
            "they say no more than one answer does. Either the model is sure of all texts, or the "
            "server ignores the temperature, as transformers serve does unless the model's "
            'generation_config.json has "do_sample": true.',
        )


def _complaint(odd: dict[int, str], texts: list[str], n_good: int) -> str:
    rows = sorted(odd)
    shown = "; ".join(f"texts[{row}], {texts[row][:40]!r}: {odd[row]}" for row in rows[:_SHOWN])
    more = f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return (
        f"The model gave no usable answer for {len(rows)} of {len(rows) + n_good} texts, even when "
        f"asked again ({shown}{more}). The other answers are kept. Remove these texts, or change "
        "the instructions."
    )
