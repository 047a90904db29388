"""Send requests to a server with OpenAI's interface, and repeat those that may succeed later."""

import json
import logging
import os
import random
import re
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

_logger = logging.getLogger(__name__)

KEY_VARIABLE = "OPENAI_API_KEY"
# Local servers want no key, but the client wants one.
_NO_KEY = "none"
_PATH = "/chat/completions"
# The first and the longest time to wait before a repetition, in seconds.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
# The longest time that a server may ask for.
_LONGEST_WANTED = 600.0
# How often a failure (500) before the first answer is repeated at most: this is how `transformers
# serve` answers if it has no such model.
_RETRIES_OF_FIRST = 3
# The server may answer these later; 5xx, too.
_TEMPORARY = frozenset({408, 409, 425, 429})
_SHOWN = 200


class RejectedError(ValueError):
    """A server does not accept a request; the message is the server's."""


class StoppedError(Exception):
    """Another request has failed, so this one is given up."""


@dataclass(frozen=True)
class _Failure:
    """Why a request got no answer; without the exception, which refers to the key."""

    reason: str
    status: int | None = None
    wait: float | None = None
    is_final: bool = False


class ChatClient:
    """A client for one model, for several threads.

    The key is read from the environment variable ``OPENAI_API_KEY``, and appears in no message.

    Parameters
    ----------
    model : str
        The model's name on the server.
    base_url : str or None
        The server's address; None is the client's default.
    timeout : float
        Seconds to wait for an answer.
    max_retries : int
        How often a request is repeated.
    """

    def __init__(self, model: str, *, base_url: str | None, timeout: float, max_retries: int):
        try:
            import openai
        except ModuleNotFoundError as error:
            if error.name != "openai":
                raise
            raise ImportError(
                "LLMTeacherClassifier needs the package openai; run 'pip install skdistill[llm]'."
            ) from None
        self._openai = openai
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        if not self._key and base_url is None and "OPENAI_BASE_URL" not in os.environ:
            raise ValueError(
                f"There is no key for the service; set the environment variable {KEY_VARIABLE}, or "
                "pass base_url for a server of your own."
            )
        if not re.fullmatch("[!-~]*", self._key):
            # Nobody could send it, and the errors of httpx would show it.
            raise ValueError(
                f"The key in the environment variable {KEY_VARIABLE} contains a space, a line "
                "break or a character that is not ASCII; copy it once more."
            )
        self._client = openai.OpenAI(
            base_url=base_url, api_key=self._key or _NO_KEY, timeout=timeout, max_retries=0
        )
        self.model = model
        self.url = str(self._client.base_url)
        self.max_retries = max_retries
        self.stop = threading.Event()
        # The time before which a server that is busy wants no request.
        self._not_before = 0.0
        self._has_answered = False

    def __enter__(self) -> "ChatClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request.

        Raises
        ------
        RejectedError
            If the server does not accept the request.
        PermissionError
            If the server does not accept the key.
        ValueError
            If there is no such model.
        ConnectionError
            If there is no answer after all repetitions.
        StoppedError
            If another request has failed meanwhile.
        """
        reason, has_failed = "", False
        for attempt in range(self.max_retries + 1):
            self._wait_until(self._not_before)
            answer = self._send(body)
            if not isinstance(answer, _Failure):
                self._note_first(answer)
                return answer
            self._raise_if_final(answer)
            reason = answer.reason
            has_failed = answer.status == 500 and not self._has_answered
            if has_failed and attempt >= _RETRIES_OF_FIRST:
                break
            wait = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT) * random.uniform(0.75, 1.25)
            if answer.wait is not None:
                wanted = min(answer.wait, _LONGEST_WANTED)
                self._not_before = max(self._not_before, time.monotonic() + wanted)
                # Plus a little, so that not all threads ask in the same moment.
                wait = wanted + random.uniform(0, 0.1)
            if attempt < self.max_retries:
                _logger.info("no answer (%s); asking again in %.1f s", reason, wait)
                self._wait_until(time.monotonic() + wait)
        raise ConnectionError(
            f"The server at {self.url} did not answer after {attempt + 1} attempts ({reason}). "
            + (
                f"Its log may say why; perhaps it has no model {self.model!r}."
                if has_failed
                else "Repeat the call later, or lower max_concurrency."
            )
        )

    def _note_first(self, answer: dict[str, Any]) -> None:
        """Say so if another model answers: llama.cpp ignores the name."""
        if not self._has_answered and answer.get("model") not in (None, self.model):
            called = answer["model"]
            _logger.info(
                "the server at %s calls its model %r, not %r", self.url, called, self.model
            )
        self._has_answered = True

    def _wait_until(self, moment: float) -> None:
        seconds = moment - time.monotonic()
        if self.stop.wait(seconds) if seconds > 0 else self.stop.is_set():
            raise StoppedError

    def _send(self, body: dict[str, Any]) -> dict[str, Any] | _Failure:
        openai = self._openai
        try:
            # Without the client's own types: servers differ in what they leave out, and checking a
            # request against them takes longer than all else that is done for it here.
            answer = json.loads(self._client.post(_PATH, body=body, cast_to=bytes))
            if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
                return _Failure("the answer has no choices")
            return answer
        except openai.APIStatusError as error:
            return self._read_status(error)
        except openai.APITimeoutError:
            return _Failure("timeout")
        except openai.APIConnectionError as error:
            return _Failure(self._hide_key(f"connection error: {error.__cause__ or error}"))
        except ValueError:  # not JSON, or cut
            return _Failure("the answer is no JSON")

    def _read_status(self, error: Any) -> _Failure:
        status, body = error.status_code, error.body
        body = body.get("error", body) if isinstance(body, dict) else body
        message = body.get("message", body.get("detail")) if isinstance(body, dict) else body
        code = body.get("code") if isinstance(body, dict) else None
        reason = " ".join(f"{status}: {message or error.message}".split())
        # A service with an empty account says 429, too.
        is_final = (status not in _TEMPORARY and status < 500) or code == "insufficient_quota"
        wait = _seconds(error.response.headers)
        return _Failure(self._hide_key(reason)[:_SHOWN], status, wait, is_final)

    def _hide_key(self, message: str) -> str:
        return message.replace(self._key, "***") if self._key else message

    def _raise_if_final(self, failure: _Failure) -> None:
        if not failure.is_final:
            return
        where = f"The server at {self.url}"
        if failure.status in (401, 403):
            raise PermissionError(
                f"{where} refuses the key ({failure.reason}); set the environment variable "
                f"{KEY_VARIABLE} to one that it accepts."
            )
        if failure.status == 404:
            raise ValueError(
                f"{where} has no model {self.model!r} ({failure.reason}); check model and base_url."
            )
        if failure.status in (402, 429):
            raise ConnectionError(f"{where} answers no more ({failure.reason}); check the account.")
        raise RejectedError(f"{where} rejects the request ({failure.reason}).")


def _seconds(headers: Any) -> float | None:
    """Return how long a server asks to wait, from a number of seconds or a date; or None."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
