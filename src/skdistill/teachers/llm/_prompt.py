"""The prompt: instructions, labels with a short key each, and examples."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# One character is one token for nearly all models, and no two labels begin with the same one.
_KEYS = string.ascii_uppercase + string.ascii_lowercase + string.digits
_DEFAULT_INSTRUCTIONS = "Choose the label of a text."
# The method that "auto" takes if there are no logprobs.
FALLBACK = "samples"
_TEMPLATE = """\
{instructions}

Labels:
{labels}

{request}"""
_ONE = "Answer with the {key} of the label that fits the text best, and nothing else."
_ALL = (
    "Answer with the {key} of each label that plausibly fits the text, separated by commas, and "
    "nothing else."
)


@dataclass(frozen=True)
class Prompt:
    """What a model is told, in addition to a text.

    Parameters
    ----------
    labels : tuple of str
        The names of the classes.
    instructions : str or None
        What the labels mean.
    examples : tuple of (str, int), default=()
        Texts and the numbers of their classes.

    Examples
    --------
    >>> from skdistill.teachers.llm._prompt import Prompt
    >>> system, user = Prompt(("ham", "spam"), "Is this e-mail wanted?").messages("Win now!")
    >>> print(system["content"])
    Is this e-mail wanted?
    <BLANKLINE>
    Labels:
    A: ham
    B: spam
    <BLANKLINE>
    Answer with the letter of the label that fits the text best, and nothing else.
    >>> print(user["content"])
    Text: Win now!
    Label:
    """

    labels: tuple[str, ...]
    instructions: str | None = None
    examples: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        for label in self.labels:
            if not label.strip() or "\n" in label:
                raise ValueError(
                    f"The label {label!r} is blank, or has several lines; a prompt needs a name in "
                    "one line."
                )

    @cached_property
    def keys(self) -> list[str]:
        """The character of each label: the label itself, or else a letter; numbers from 63 on."""
        n_labels = len(self.labels)
        if all(label in _KEYS and len(label) == 1 for label in self.labels):
            return [*self.labels]
        if n_labels > len(_KEYS):
            return [str(number) for number in range(1, n_labels + 1)]
        return [*_KEYS[:n_labels]]

    def number_of_key(self, written: str) -> int | None:
        """Return the number of the label with a key, without regard to case if it is clear."""
        return self._find(written, *self._keys)

    def number_of_name(self, written: str) -> int | None:
        """Return the number of the label with a name, without regard to case if it is clear."""
        return self._find(written, *self._names)

    @staticmethod
    def _find(written: str, exact: dict[str, int], lower: dict[str, int]) -> int | None:
        return exact.get(written, lower.get(written.lower()))

    @cached_property
    def _keys(self) -> tuple[dict[str, int], dict[str, int]]:
        return _places(self.keys)

    @cached_property
    def _names(self) -> tuple[dict[str, int], dict[str, int]]:
        return _places(self.labels)

    @property
    def has_single_tokens(self) -> bool:
        """Whether each key is one token."""
        return len(self.labels) <= len(_KEYS)

    def choose_method(self, method: str) -> str:
        """Return a method that the keys allow, or raise an error."""
        if self.has_single_tokens or method not in ("auto", "logprobs"):
            return method
        if method == "auto":
            return FALLBACK
        raise ValueError(
            f'There are {len(self.labels)} classes, too many for method="logprobs"; set '
            'method="samples" or method="candidates".'
        )

    def messages(self, text: str, *, several: bool = False) -> list[dict[str, str]]:
        """Return the messages that ask for the label of a text, or for all plausible labels."""
        keys, noun = self.keys, "Labels" if several else "Label"
        kind = "number" if len(keys) > len(_KEYS) else "character"
        kind = "letter" if all(map(str.isalpha, keys)) else kind
        content = _TEMPLATE.format(
            instructions=(self.instructions or _DEFAULT_INSTRUCTIONS).strip(),
            labels="\n".join(map("{}: {}".format, keys, self.labels)),
            request=(_ALL if several else _ONE).format(key=kind),
        )
        messages = [{"role": "system", "content": content}]
        for example, number in self.examples:
            messages.append({"role": "user", "content": f"Text: {example}\n{noun}:"})
            messages.append({"role": "assistant", "content": keys[number]})
        return [*messages, {"role": "user", "content": f"Text: {text}\n{noun}:"}]

    def response_format(self, *, several: bool = False) -> dict[str, Any]:
        """Return the JSON schema of an answer, which allows nothing but the keys."""
        key: dict[str, Any] = {"type": "string", "enum": self.keys}
        name = "labels" if several else "label"
        schema = {
            "type": "object",
            "properties": {name: {"type": "array", "items": key} if several else key},
            "required": [name],
            "additionalProperties": False,
        }
        named = {"name": name, "strict": True, "schema": schema}
        return {"type": "json_schema", "json_schema": named}


def _places(names: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the place of each name, and of each in lower case if these are distinct."""
    exact = {name: place for place, name in enumerate(names)}
    lower = {name.lower(): place for name, place in exact.items()}
    return exact, lower if len(lower) == len(exact) else {}


def draw_examples(codes: np.ndarray, n_classes: int, n_per_class: int, rng: Any) -> np.ndarray:
    """Return the rows of so many examples of each class, in random order."""
    if not n_per_class:
        return np.empty(0, dtype=np.int64)
    rows = [rng.permutation(np.flatnonzero(codes == number)) for number in range(n_classes)]
    return rng.permutation(np.concatenate([some[:n_per_class] for some in rows]))
