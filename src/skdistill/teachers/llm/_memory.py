"""Answers of a language model that were paid for, on disk."""

import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skdistill.storage._store import SoftLabelStore
from skdistill.teachers.llm._prompt import Prompt

# Beside the folder of soft labels, because rows have two more columns.
FOLDER = "language_models"
# Input and output tokens.
N_TOKEN_COLUMNS = 2


def prompt_key(model: str, prompt: Prompt) -> str:
    """Hash a model's name and a prompt, with its template, to 32 hexadecimal digits."""
    asked = [prompt.messages("{}", several=several) for several in (False, True)]
    content = json.dumps([model, prompt.labels, asked])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def make_folder(owner: Any) -> str:
    """Make a folder that is removed with an object."""
    folder = tempfile.mkdtemp(prefix="skdistill-")
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


class AnswerMemory:
    """The answers to one prompt, by method and text.

    A row contains, for each class, the sum of what the answers say, then input and output tokens.
    Several rows of one text add up.

    Parameters
    ----------
    location : Path
        The folder.
    model : str
        The model's name.
    prompt : Prompt
        The prompt.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skdistill.storage._store import digest_texts
    >>> from skdistill.teachers.llm._memory import AnswerMemory
    >>> from skdistill.teachers.llm._prompt import Prompt
    >>> digests = digest_texts(["a text"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     memory = AnswerMemory(Path(folder), "a-model", Prompt(("ham", "spam")))
    ...     with memory.turn():
    ...         memory.keep(digests.tobytes(), np.array([1.0, 0, 50, 1]), "samples")
    ...         memory.keep(digests.tobytes(), np.array([0.0, 1, 50, 1]), "samples")
    ...     memory.look_up(digests, "samples")
    array([[  1.,   1., 100.,   2.]])
    """

    def __init__(self, location: Path, model: str, prompt: Prompt):
        self.location = location
        self.key = prompt_key(model, prompt)
        self._store = SoftLabelStore(location / FOLDER)
        self._n_columns = len(prompt.labels) + N_TOKEN_COLUMNS

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other process asks with the same prompt."""
        with self._store.turn(self.key, ()):
            yield

    def methods(self) -> list[str]:
        """Return the methods that there are answers of, the latest first."""
        return self._store.fits(self.key)

    def look_up(self, digests: np.ndarray, method: str) -> np.ndarray:
        """Return the row of each text, given sorted and distinct digests; zeros if unknown."""
        rows = np.zeros((len(digests), self._n_columns))
        numbers, found = self._store.find(self.key, digests, method, self._n_columns)
        if len(numbers):
            np.add.at(rows, numbers, found)
        return rows

    def keep(self, digest: bytes, row: np.ndarray, method: str) -> None:
        """Append a row; during a turn only."""
        digests = np.frombuffer(digest, np.uint8).reshape(1, -1)
        self._store.append_rows(self.key, digests, row[None].astype(np.float32, copy=False), method)

    def totals(self) -> tuple[int, tuple[int, int]]:
        """Return the number of distinct texts asked, and the tokens paid for."""
        digests, n_input, n_output = [np.empty(0, "S16")], 0.0, 0.0
        for method in self.methods():
            for some, rows in self._store.rows(self.key, method):
                if not len(some):  # a file that another process has just begun
                    continue
                digests.append(some)
                n_input += rows[:, -2].sum(dtype=float)
                n_output += rows[:, -1].sum(dtype=float)
        return len(np.unique(np.concatenate(digests))), (round(n_input), round(n_output))
