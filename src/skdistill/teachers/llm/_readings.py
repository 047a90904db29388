"""What an answer says about the labels: probabilities of tokens, or keys in the text."""

import json
import math
import re
from typing import Any

import numpy as np

from skdistill._core.exceptions import warn
from skdistill.metrics._calibration import end_of_range, fit_temperature
from skdistill.teachers.llm._prompt import Prompt

# What may surround a key in a token: white space, quotes, and the marks of some tokenizers.
_AROUND = " \t\r\n\"'`*()[].:,ĠĊ▁"
# If the labels have less than this share of the probability, the model has answered another thing.
_LEAST_MASS = 0.1
_SHOWN = 60


class UnusableAnswerError(ValueError):
    """An answer is none of the labels."""


class NoLogprobsError(ValueError):
    """An answer contains no probabilities of tokens."""


def read_logprobs(choice: dict[str, Any], prompt: Prompt) -> tuple[np.ndarray, float]:
    """Read the probabilities of the labels from those of the first token.

    Tokens that differ only in white space or quotes count together, in any order. A label that is
    missing among them is at most as probable as the least probable token, and all missing ones have
    at most the mass that is left over: they get this bound.

    Parameters
    ----------
    choice : dict
        An element of the answer's ``choices``.
    prompt : Prompt
        The prompt that was answered.

    Returns
    -------
    proba : ndarray of shape (n_classes,)
        Probabilities that sum to 1.
    bound : float
        The sum of the probabilities of missing labels, which are upper bounds.

    Raises
    ------
    NoLogprobsError
        If the answer has no probabilities of tokens.
    UnusableAnswerError
        If the labels have less than a tenth of the probability.

    Examples
    --------
    >>> from skdistill.teachers.llm._prompt import Prompt
    >>> from skdistill.teachers.llm._readings import read_logprobs
    >>> top = [{"token": " B", "logprob": -0.2231}, {"token": "A", "logprob": -1.6094}]
    >>> choice = {"logprobs": {"content": [{"token": " B", "top_logprobs": top}]}}
    >>> read_logprobs(choice, Prompt(("ham", "spam")))[0].round(3)
    array([0.2, 0.8])
    """
    tokens = _first_tokens(choice)
    proba = np.zeros(len(prompt.labels))
    missing, shares = np.ones(len(proba), dtype=bool), []
    for token in tokens:
        share = math.exp(min(float(token["logprob"]), 0.0))
        shares.append(share)
        number = prompt.number_of_key(str(token["token"]).strip(_AROUND))
        if number is not None:
            proba[number] += share
            missing[number] = False
    if not proba.sum() >= _LEAST_MASS:  # also if it is NaN
        raise UnusableAnswerError(_none_of_labels(choice))
    bound = 0.0
    if missing.any():
        left_over = max(0.0, 1 - sum(shares)) / int(missing.sum())
        proba[missing] = min(left_over, *shares) if len(shares) > 1 else left_over
        bound = float(proba[missing].sum() / proba.sum())
    return proba / proba.sum(), bound


def _first_tokens(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the most probable tokens at the first place that is not blank, or at the first one."""
    places = (choice.get("logprobs") or {}).get("content") or []
    places = [place for place in places if place.get("top_logprobs")]
    if not places:
        raise NoLogprobsError("the answer contains no logprobs")
    filled = (place for place in places if str(place.get("token", "")).strip(_AROUND))
    tokens = next(filled, places[0])["top_logprobs"]
    return [token for token in tokens if token.get("logprob") is not None]


def read_written(choice: dict[str, Any], method: str, prompt: Prompt) -> np.ndarray:
    """Read the labels that an answer consists of; all get the same probability.

    An answer is a key, a label, a key with its label, or JSON with one of them. It may have several
    labels if the method is "candidates".

    Raises
    ------
    UnusableAnswerError
        If it is anything else.

    Examples
    --------
    >>> from skdistill.teachers.llm._prompt import Prompt
    >>> from skdistill.teachers.llm._readings import read_written
    >>> choice = {"message": {"content": "A, c"}}
    >>> read_written(choice, "candidates", Prompt(("sad", "glad", "angry")))
    array([0.5, 0. , 0.5])
    """
    numbers = _numbers(choice, prompt)
    if len(numbers) > 1 and method != "candidates":
        raise UnusableAnswerError(_none_of_labels(choice, "is several labels, not one"))
    row: np.ndarray = np.bincount(numbers, minlength=len(prompt.labels)) / len(numbers)
    return row


def _numbers(choice: dict[str, Any], prompt: Prompt) -> list[int]:
    """Return the distinct numbers of the labels in an answer."""
    written = _written(choice).strip()
    with_json: Any = None
    if written[:1] in ("{", "["):
        try:
            with_json = json.loads(written)
        except ValueError:
            raise UnusableAnswerError(_none_of_labels(choice)) from None
        if isinstance(with_json, dict):
            with_json = with_json.get("labels", with_json.get("label"))
    parts = [with_json] if isinstance(with_json, str) else with_json or _parts(written, prompt)
    if not isinstance(parts, list):
        raise UnusableAnswerError(_none_of_labels(choice))
    numbers = [_number(str(part), prompt) for part in parts]
    if not numbers or None in numbers:
        raise UnusableAnswerError(_none_of_labels(choice))
    return sorted({number for number in numbers if number is not None})


def _parts(written: str, prompt: Prompt) -> list[str]:
    """Cut a list of labels at commas and lines, unless it is one label that contains them."""
    if _number(written, prompt) is not None:
        return [written]
    return [part for part in re.split(r"[,;\n]", written) if part.strip()]


def _number(written: str, prompt: Prompt) -> int | None:
    """Return the number of a label that is written as a key, a name, or both."""
    bare = written.strip(_AROUND)
    number = prompt.number_of_key(bare)
    for name in (written.strip(), bare):
        number = prompt.number_of_name(name) if number is None else number
    if number is not None:
        return number
    key, _, name = bare.partition(":")
    number = prompt.number_of_key(key.strip(_AROUND))
    return number if number == prompt.number_of_name(name.strip(_AROUND)) else None


def _written(choice: dict[str, Any]) -> str:
    return str((choice.get("message") or {}).get("content") or "")


def _none_of_labels(choice: dict[str, Any], reason: str = "is none of the labels") -> str:
    written = repr(_written(choice))
    if len(written) > _SHOWN:
        written = f"{written[: _SHOWN - 3]}..."
    if choice.get("finish_reason") == "length":
        reason += ", and was cut off"
    message = choice.get("message") or {}
    if message.get("reasoning_content") or message.get("reasoning"):
        reason += ", after thoughts"
    return f"{written} {reason}"


def find_temperature(proba: np.ndarray, codes: np.ndarray) -> float:
    """Return the temperature that calibrates answers best, or 1 with a warning if none fits."""
    temperature = fit_temperature(proba, codes)
    if end_of_range(temperature) is None:
        return temperature
    n_right = np.count_nonzero(proba.argmax(axis=1) == codes)
    warn(
        f"No temperature fits, because the model is right about {n_right} of the {len(codes)} "
        "texts of n_calibration; its probabilities stay as they are."
    )
    return 1.0
