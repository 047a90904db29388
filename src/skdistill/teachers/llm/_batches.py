"""Files of requests for batch interfaces, and of their answers: JSON Lines, as OpenAI defines."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skdistill._core.files import replacing
from skdistill.teachers.llm._budget import Budget, most_tokens, read_usage
from skdistill.teachers.llm._memory import AnswerMemory
from skdistill.teachers.llm._prompt import Prompt
from skdistill.teachers.llm._questions import make_body, n_output_tokens, wanted_answers
from skdistill.teachers.llm._readings import read_logprobs, read_written
from skdistill.teachers.llm._session import Settings, Work, check_number_of_texts, estimate

_URL = "/v1/chat/completions"
_SHOWN = 3


def write_requests(
    path: str | os.PathLike[str],
    settings: Settings,
    prompt: Prompt,
    memory: AnswerMemory,
    texts: list[str],
) -> int:
    """Write a request for each text that has no answer; return their number."""
    work = Work(texts, memory, settings)
    n_before, spent = memory.totals()
    check_number_of_texts(int(np.count_nonzero(work.is_open)), n_before, settings.max_texts)
    if settings.max_cost is not None:
        more = estimate(settings, prompt, work, texts)["cost"] or 0.0
        cost = more + Budget(settings.prices, None).price(spent)
        if cost > settings.max_cost:
            raise ValueError(
                f"With these requests, answers would cost about {cost:.6g}, but max_cost="
                f"{settings.max_cost:g}; pass fewer texts, or raise max_cost."
            )
    numbers = np.flatnonzero(work.is_open)
    with replacing(path) as file:
        for number in numbers:
            n_wanted = wanted_answers(work.rows[number], work.method, settings.n_samples)
            text = texts[work.first[number]]
            request = {
                "custom_id": f"{memory.key}-{work.digests[number : number + 1].tobytes().hex()}",
                "method": "POST",
                "url": _URL,
                "body": make_body(settings.model, prompt, text, work.method, n_wanted),
            }
            file.write(json.dumps(request).encode() + b"\n")
    return len(numbers)


def read_answers(
    path: str | os.PathLike[str], settings: Settings, prompt: Prompt, memory: AnswerMemory
) -> int:
    """Keep the answers of a file, except those that are kept already; return their number.

    Raises
    ------
    ValueError
        If lines contain no usable answer, or the answer to another prompt. The message names them.
        The other answers are kept.
    """
    odd: dict[int, str] = {}
    n_kept = 0
    with memory.turn():
        for line, content in _lines(path):
            try:
                digest, row = _read_line(content, settings, prompt, memory.key)
            except ValueError as error:
                odd[line] = str(error)
                continue
            known = memory.look_up(np.frombuffer(digest, "S16"), settings.method)[0]
            if wanted_answers(known, settings.method, settings.n_samples):
                memory.keep(digest, row, settings.method)
                n_kept += 1
    if odd:
        shown = "; ".join(f"line {line}: {odd[line]}" for line in [*odd][:_SHOWN])
        more = f"; and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        raise ValueError(
            f"{os.fspath(path)!r} has no usable answer in {len(odd)} lines ({shown}{more}). The "
            f"other {n_kept:,} answers are kept; write_requests writes the rest again."
        )
    return n_kept


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    with Path(path).open("rb") as file:
        for line, content in enumerate(file, 1):
            if content.strip():
                yield line, content


def _read_line(
    content: bytes, settings: Settings, prompt: Prompt, key: str
) -> tuple[bytes, np.ndarray]:
    """Return the digest of a text and its row."""
    try:
        line = json.loads(content)
        custom_id = str(line["custom_id"])
    except (ValueError, TypeError, KeyError):
        raise ValueError("it is no answer with a custom_id") from None
    found, _, digest = custom_id.partition("-")
    if found != key or len(digest) != 32:
        raise ValueError(f"custom_id {custom_id!r:.60} is of another prompt, model or other labels")
    response = line.get("response") or {}
    answer = response.get("body") or {}
    choices = answer.get("choices") or []
    if not choices:
        error = line.get("error") or answer.get("error") or "no choices"
        raise ValueError(f"{error!s:.100}")
    row = np.zeros(len(prompt.labels) + 2)
    row[-2:] = read_usage(
        answer, (most_tokens(prompt.messages("")), n_output_tokens(settings.method, len(row)))
    )
    for choice in choices:
        if settings.method == "logprobs":
            row[:-2] += read_logprobs(choice, prompt)[0]
        else:
            row[:-2] += read_written(choice, settings.method, prompt)
    return bytes.fromhex(digest), row
