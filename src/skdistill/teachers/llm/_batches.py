"""Files of requests for batch interfaces, and of their answers: JSON Lines, as OpenAI defines."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skdistill._core.files import replacing
from skdistill.teachers.llm._budget import Budget, most_tokens, read_usage
from skdistill.teachers.llm._memory import N_TOKEN_COLUMNS, AnswerMemory
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
                "custom_id": _name(memory.key, work.digests[number : number + 1], n_wanted),
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
        If lines contain an answer that is unusable or to another prompt. The message names them.
        The other answers are kept.
    """
    lines, odd = _read_lines(path, settings, prompt, memory.key)
    n_kept = 0
    with memory.turn():
        digests = np.frombuffer(b"".join(line.digest for line in lines), "S16")
        distinct, places = np.unique(digests, return_inverse=True)
        known = memory.look_up(distinct, settings.method)
        for line, place in zip(lines, places, strict=True):
            # Else the line, or another answer to its text, was read before.
            if wanted_answers(known[place], settings.method, settings.n_samples) == line.n_wanted:
                memory.keep(line.digest, line.row, settings.method)
                known[place] += line.row
                n_kept += 1
    if odd:
        shown = "; ".join(f"line {line}: {odd[line]}" for line in [*odd][:_SHOWN])
        more = f"; and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        raise ValueError(
            f"{os.fspath(path)!r} has unusable answers in {len(odd)} lines ({shown}{more}). The "
            f"usable answers, to {n_kept:,} texts, are kept; write_requests asks for the rest."
        )
    return n_kept


@dataclass(frozen=True)
class _Line:
    """The usable answers of one line."""

    digest: bytes
    n_wanted: int
    row: np.ndarray
    reason: str


def _name(key: str, digest: np.ndarray, n_wanted: int) -> str:
    """Name a request by its prompt, its text, and how many answers the text lacks."""
    return f"{key}-{digest.tobytes().hex()}-{n_wanted}"


def _read_lines(
    path: str | os.PathLike[str], settings: Settings, prompt: Prompt, key: str
) -> tuple[list[_Line], dict[int, str]]:
    """Return the lines with usable answers, and what is wrong with lines, by their numbers."""
    lines, odd = [], {}
    for number, content in _lines(path):
        try:
            line = _read_line(content, settings, prompt, key)
        except ValueError as error:
            odd[number] = str(error)
            continue
        if line.reason:
            odd[number] = line.reason
        if line.row[:-N_TOKEN_COLUMNS].any():
            lines.append(line)
    return lines, odd


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    with Path(path).open("rb") as file:
        for line, content in enumerate(file, 1):
            if content.strip():
                yield line, content


def _read_line(content: bytes, settings: Settings, prompt: Prompt, key: str) -> _Line:
    try:
        line = json.loads(content)
        custom_id = str(line["custom_id"])
    except (ValueError, TypeError, KeyError):
        raise ValueError("it is no answer with a custom_id") from None
    named = re.fullmatch(rf"{key}-([0-9a-f]{{32}})-([0-9]{{1,9}})", custom_id)
    if not named:
        raise ValueError(f"custom_id {custom_id!r:.60} is of another prompt, model or other labels")
    answer = _as_dict(_as_dict(line.get("response")).get("body"))
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        error = line.get("error") or answer.get("error") or "no choices"
        raise ValueError(f"{error!s:.100}")
    row, reason = np.zeros(len(prompt.labels) + N_TOKEN_COLUMNS), ""
    row[-N_TOKEN_COLUMNS:] = read_usage(
        answer, (most_tokens(prompt.messages("")), n_output_tokens(settings.method, len(row)))
    )
    for choice in map(_as_dict, choices):
        try:
            if settings.method == "logprobs":
                row[:-N_TOKEN_COLUMNS] += read_logprobs(choice, prompt)[0]
            else:
                row[:-N_TOKEN_COLUMNS] += read_written(choice, settings.method, prompt)
        except ValueError as error:
            reason = str(error)
    return _Line(bytes.fromhex(named[1]), int(named[2]), row.astype(np.float32), reason)


def _as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
