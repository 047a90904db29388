"""Ask for the label of one text: the request, the readings of answers, and what the server can."""

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdistill.teachers.llm._budget import Budget, most_tokens, read_usage
from skdistill.teachers.llm._client import ChatClient, RejectedError
from skdistill.teachers.llm._prompt import FALLBACK, Prompt
from skdistill.teachers.llm._readings import (
    NoLogprobsError,
    UnusableAnswerError,
    read_logprobs,
    read_written,
)

_logger = logging.getLogger(__name__)

METHODS = ("logprobs", "samples", "candidates")
_TOP = 20
# Some services give no more tokens.
_FEWER_TOP = 5
# A key, perhaps after a blank; a key in JSON; all keys in JSON, each with quotes and a comma. Some
# models put JSON on several lines and between Markdown fences, which llama.cpp allows and removes.
_TOKENS_OF_KEY, _TOKENS_OF_JSON, _TOKENS_PER_LABEL = 4, 32, 4
# From this share on, bounds on the probabilities of missing labels are worth a warning.
_LARGE_BOUND = 0.01
_NEVER_AGAIN = 1_000


def n_output_tokens(method: str, n_classes: int) -> int:
    """Return how many tokens one answer may have."""
    if method == "logprobs":
        return _TOKENS_OF_KEY
    return _TOKENS_OF_JSON + (_TOKENS_PER_LABEL * n_classes if method == "candidates" else 0)


@dataclass(frozen=True)
class Abilities:
    """What a server accepts, as far as it has said otherwise."""

    n_top: int = _TOP
    has_format: bool = True
    has_n: bool = True
    has_top_p: bool = True
    has_temperature: bool = True
    limit: str = "max_tokens"

    def without(self, message: str) -> "Abilities | None":
        """Return the abilities without the one that an error names, or None if it names none."""
        changes: dict[str, dict[str, Any]] = {
            "max_completion_tokens": {"limit": "max_completion_tokens"},
            "top_logprobs": {"n_top": _FEWER_TOP if self.n_top == _TOP else 0},
            "logprobs": {"n_top": 0},
            "response_format|json_schema|structured|grammar": {"has_format": False},
            "top_p": {"has_top_p": False},
            "temperature": {"has_temperature": False},
            "n": {"has_n": False},
        }
        for names, change in changes.items():
            if re.search(rf"(?<!\w)({names})(?!\w)", message):
                changed = replace(self, **change)
                if changed != self:
                    return changed
        return None


def make_body(
    model: str,
    prompt: Prompt,
    text: str,
    method: str,
    n: int = 1,
    abilities: Abilities = Abilities(),
) -> dict[str, Any]:
    """Return the body of a request."""
    several = method == "candidates"
    body: dict[str, Any] = {
        "model": model,
        "messages": prompt.messages(text, several=several),
        abilities.limit: n_output_tokens(method, len(prompt.labels)),
    }
    if abilities.has_temperature:
        body["temperature"] = 0 if several else 1
    if method == "logprobs":
        body |= {"logprobs": True, "top_logprobs": abilities.n_top} if abilities.n_top else {}
        return body
    if abilities.has_format:
        body["response_format"] = prompt.response_format(several=several)
    if method == "samples" and abilities.has_top_p:
        # With less, rare labels never come. llama.cpp's default is 0.95.
        body["top_p"] = 1
    if n > 1 and abilities.has_n:
        body["n"] = n
    return body


@dataclass
class Asked:
    """What became of one text: its row in the memory, and what was wrong if it is incomplete."""

    row: np.ndarray
    reason: str = ""
    n_unusable: int = 0


class Questioner:
    """Ask a model for the labels of texts, by several threads.

    A row of the memory contains, for each class, the sum of what answers said (probabilities, or
    the number of samples), and the tokens paid for, input and output. Rows of one text add up.

    Parameters
    ----------
    client : ChatClient
        The client.
    prompt : Prompt
        The prompt.
    method : {"auto", "logprobs", "samples", "candidates"}
        How answers become probabilities. The first answer decides what "auto" is.
    n_samples : int
        Number of answers per text with "samples".
    budget : Budget
        What may be spent.
    keep : callable
        Takes the bytes of a text's digest, a row and the method, after each answer.
    """

    def __init__(
        self,
        client: ChatClient,
        prompt: Prompt,
        method: str,
        n_samples: int,
        budget: Budget,
        keep: Callable[[bytes, np.ndarray, str], None],
    ):
        self._client = client
        self._prompt = prompt
        self.method = method
        self._n_samples = n_samples
        self.budget = budget
        self._keep = keep
        self._abilities = Abilities()
        self._has_answered = self._has_logprobs = False
        self._lock = threading.Lock()
        # Answers that were no label, and answers where labels were missing among the tokens.
        self.n_unusable = self.n_missing = self.n_bounded = 0
        # Texts with all their samples, and those whose samples agree.
        self.n_sampled = self.n_unanimous = 0
        self.largest_bound = 0.0

    def wants(self, row: np.ndarray) -> int:
        """Return how many answers a text still needs."""
        return wanted_answers(row, self.method, self._n_samples)

    def ask(self, text: str, digest: bytes, row: np.ndarray) -> Asked:
        """Ask until a text has its answers, and once more for each that is no label."""
        asked = Asked(row.copy())
        while (n := self.wants(asked.row)) and asked.n_unusable <= max(1, self._most_repeated()):
            found = self._ask_once(text, n, asked)
            if found is not None:
                asked.row += found
                with self._lock:
                    self._has_answered = True
                    self._keep(digest, found, self.method)
        if not n:
            asked.reason = ""
        with self._lock:
            self.n_unusable += asked.n_unusable
            if self.method == "samples" and not n:
                self.n_sampled += 1
                self.n_unanimous += bool(asked.row[:-2].max() == asked.row[:-2].sum())
        return asked

    def _most_repeated(self) -> int:
        return self._n_samples if self.method == "samples" else 1

    def _ask_once(self, text: str, n: int, asked: Asked) -> np.ndarray | None:
        """Send one request; return its row, or None if the server rejects it."""
        method = "logprobs" if self.method == "auto" else self.method
        abilities = self._abilities
        body = make_body(self._client.model, self._prompt, text, method, n, abilities)
        limit = n_output_tokens(method, len(self._prompt.labels))
        most = most_tokens(body["messages"]), limit * body.get("n", 1)
        self.budget.reserve(most)
        used = 0, 0
        try:
            answer = self._client.ask(body)
            used = read_usage(answer, most)
        except RejectedError as error:
            self._adapt(abilities, error, asked)
            return None
        finally:
            self.budget.settle(most, used)
        row = np.zeros(len(self._prompt.labels) + 2)
        row[-2:] = used
        choices = [choice for choice in answer["choices"] if isinstance(choice, dict)][:n]
        if 0 < len(choices) < body.get("n", 1):
            _logger.info("the server gives one answer at a time, so each sample is a request")
            self._abilities = replace(self._abilities, has_n=False)
        for choice in choices or [{}]:
            try:
                row[:-2] += self._read(choice)
            except UnusableAnswerError as error:
                asked.reason = str(error)
                asked.n_unusable += 1
        return row.astype(np.float32)  # as it will be read

    def _read(self, choice: dict[str, Any]) -> np.ndarray:
        if self.method in ("auto", "logprobs"):
            try:
                proba, bound = read_logprobs(choice, self._prompt)
            except NoLogprobsError as error:
                if self._has_logprobs:  # the server can, but this answer is empty, for example
                    raise UnusableAnswerError(str(error)) from None
                if self.method == "logprobs":
                    raise ValueError(
                        f"The server at {self._client.url} gives no logprobs for the model "
                        f'{self._client.model!r}; set method="samples" or method="candidates".'
                    ) from None
                self._choose(FALLBACK)
            else:
                self._choose("logprobs")
                with self._lock:
                    self._has_logprobs = True
                    self.n_missing += bound > 0
                    self.n_bounded += bound >= _LARGE_BOUND
                    self.largest_bound = max(self.largest_bound, bound)
                return proba
        return read_written(choice, self.method, self._prompt)

    def _choose(self, method: str) -> None:
        if self.method == "auto":
            what = "logprobs" if method == "logprobs" else f"no logprobs, so method={method!r}"
            _logger.info("the server at %s gives %s", self._client.url, what)
            self.method = method

    def _adapt(self, used: Abilities, error: RejectedError, asked: Asked) -> None:
        """Do without what a server rejects, unless another thread has noticed it before."""
        with self._lock:
            if self._abilities != used:
                return
            abilities = used.without(str(error))
            if abilities is None:
                if not self._has_answered:
                    raise error
                # It is about this text, which is too long or not allowed, for example.
                asked.reason, asked.n_unusable = str(error), _NEVER_AGAIN
                return
            if not abilities.n_top and used.n_top:
                if self.method == "logprobs":
                    raise ValueError(f'{error} Set method="samples" or "candidates".') from None
                self._choose(FALLBACK)
            _logger.info("%s Asking without it.", error)
            self._abilities = abilities


def wanted_answers(row: np.ndarray, method: str, n_samples: int) -> int:
    """Return how many answers a text still needs, given the sum of its rows."""
    found = round(float(row[:-2].sum()), 3)
    return max(0, n_samples - int(found)) if method == "samples" else int(not found)
