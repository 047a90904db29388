"""Resumable predictions for files of any length, in constant memory."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from skdistill._core.files import explaining_writes, replacing
from skdistill._core.multilabel import write_labels
from skdistill._core.texts import check_texts
from skdistill._core.utf8 import lines_at_hand
from skdistill.datasets._files import TABLES, Rows, file_source, kind_of
from skdistill.serving import CompiledClassifier

# Rows per part, in memory and on disk; rows per block when a file is written as lines.
_PART = 2**16
_LINES = 10_000
_STDIN = "standard input"
# End of the error about an unknown file type.
_OR_LINES = ", or - for lines"


class Columns:
    """The columns that a classifier adds to a table of texts.

    They are the label and, with `proba`, a column ``proba_<class>`` for each class.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier
    >>> from skdistill.cli._bulk_prediction import Columns
    >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
    >>> student = DistilledMLPClassifier(max_epochs=50, random_state=0).fit(X, y)
    >>> columns = Columns(student.compile(), "label", proba=True)
    >>> columns.names
    ['label', 'proba_food', 'proba_travel']
    >>> columns.of(["soup", "train"])["label"]
    ['food', 'travel']
    """

    def __init__(self, classifier: CompiledClassifier, label_column: str, proba: bool):
        self.classifier = classifier
        self.proba = proba
        classes = [f"proba_{name}" for name in classifier.classes_.tolist()] if proba else []
        if label_column in classes:
            raise ValueError(
                f"{label_column!r} is the name of a probability column; choose another name for "
                "the label column."
            )
        self.names = [label_column, *classes]

    def of(self, texts: list[str]) -> dict[str, list[Any]]:
        """Return the columns for some texts.

        For multilabel models, a cell is a string of all labels of the text.
        """
        if not self.proba:
            return {self.names[0]: self._labels(self.classifier.predict(texts))}
        proba = self.classifier.predict_proba(texts)
        if self.classifier.multilabel_:
            labels = self._labels(proba > 0.5)
        else:
            labels = self._labels(self.classifier.classes_[proba.argmax(axis=1)])
        return dict(zip(self.names, [labels, *proba.T.tolist()], strict=True))

    def _labels(self, predicted: np.ndarray) -> list[Any]:
        if self.classifier.multilabel_:
            return write_labels(predicted, self.classifier.classes_)
        return predicted.tolist()


@dataclass(frozen=True)
class FileJob:
    """The files of the model, the input and the output; a source of "-" is standard input.

    The target keeps all columns of a source of the same file type, otherwise only the texts.
    """

    model: Path
    source: str
    target: Path
    text_column: str

    def describe(self, columns: Columns) -> dict[str, Any]:
        """Return what identifies this job; an equal job may reuse its parts."""
        return {
            "model": _file_hash(self.model),
            "input": _identity(self.source),
            "columns": [self.text_column, *columns.names],
        }


def predict_file(columns: Columns, job: FileJob, bar: "tqdm[Any]") -> None:
    """Predict the rows of a file, or the lines of standard input, and write them to a file.

    The parts stay in the folder ``TARGET.partial`` until all of them are complete. After an
    interruption, a second call with the same model, input and options makes only the missing parts.
    For standard input, it starts again.
    """
    target = job.target
    kind = TABLES[kind_of(target, TABLES, _OR_LINES)]
    if job.source != "-" and target.exists() and target.samefile(job.source):
        raise ValueError(f"{target} is also the input; choose another output file.")
    description = job.describe(columns)
    folder = target.with_name(f"{target.name}.partial")
    with explaining_writes(target):
        folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise OSError(f"Another process is writing {target}; wait until it has finished.") from None
    with lock:
        try:
            _keep_parts_of(description, folder)
            parts = _predict_parts(columns, job, folder, bar)
            with replacing(target) as file:
                kind.join(parts, file)
            shutil.rmtree(folder)
        except BaseException:
            if not any(_parts_in(folder)):
                shutil.rmtree(folder)
            raise


def _predict_parts(columns: Columns, job: FileJob, folder: Path, bar: "tqdm[Any]") -> list[Path]:
    """Write all missing parts and return the files of all parts."""
    suffix, parts = job.target.suffix.lower(), []
    kind, same_kind = TABLES[suffix], Path(job.source).suffix.lower() == suffix
    for number, (rows, texts) in enumerate(_read(job.source, job.text_column, _PART)):
        parts.append(folder / f"part-{number:06d}")
        if not parts[-1].exists():
            kept = rows if same_kind else kind.from_texts(job.text_column, texts)
            _check_names(kept, columns)
            with replacing(parts[-1]) as file:
                kind.write(file, kept, columns.of(texts), header=number == 0)
        bar.update(len(texts))
    if not parts:
        raise ValueError(f"{_STDIN if job.source == '-' else job.source} has no rows.")
    return parts


def predict_lines(
    columns: Columns,
    source: str,
    output: TextIO,
    text_column: str,
    bar: "tqdm[Any]",
    *,
    as_json: bool = False,
) -> None:
    """Write one line per text: tab-separated label and probabilities, or a JSON object.

    Lines of standard input ("-") are labelled as they arrive.
    """
    write = _json_lines if as_json else _tabbed_lines
    for _, texts in _read(source, text_column, _LINES, as_they_come=True):
        output.write(write(columns.of(texts)))
        output.flush()
        bar.update(len(texts))


def _tabbed_lines(columns: dict[str, list[Any]]) -> str:
    line = "%s" + "\t%.6g" * (len(columns) - 1) + "\n"
    return "".join(map(line.__mod__, zip(*columns.values(), strict=True)))


def _json_lines(columns: dict[str, list[Any]]) -> str:
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _read(
    source: str, text_column: str, size: int, *, as_they_come: bool = False
) -> Iterator[tuple[Rows, list[str]]]:
    """Yield blocks of rows and their texts: `size` rows, or all lines that have arrived."""
    n_read = 0
    if source == "-":
        name, parts = _STDIN, _read_lines(text_column, None if as_they_come else size)
    else:
        table = file_source(source, TABLES, _OR_LINES)
        name = f"{source}: {text_column}"
        parts = TABLES[table.kind].read(table, [text_column], size, whole=True)
    for rows in parts:
        texts = rows.columns[text_column]
        yield rows, check_texts(texts, name=name, allow_empty=True, first_row=n_read)
        n_read += len(texts)


def _read_lines(text_column: str, size: int | None) -> Iterator[Rows]:
    parts = lines_at_hand(sys.stdin.buffer, _STDIN)
    if size is not None:
        lines = chain.from_iterable(parts)
        parts = iter(lambda: list(islice(lines, size)), [])
    return (Rows([], {text_column: part}, None) for part in parts)


def _check_names(rows: Rows, columns: Columns) -> None:
    taken = [name for name in columns.names if name in rows.names]
    if taken:
        raise ValueError(
            f"the input already has a column {taken[0]!r}; rename it or choose another name with "
            "--label-column."
        )


def _keep_parts_of(job: dict[str, Any], folder: Path) -> None:
    """Remove the parts of any other job from the folder, and record this job."""
    path, content = folder / "job.json", json.dumps(job, indent=1).encode("utf-8", "surrogatepass")
    if path.exists() and path.read_bytes() == content and job["input"] is not None:
        return
    for part in _parts_in(folder):
        part.unlink()
    with replacing(path) as file:
        file.write(content)


def _parts_in(folder: Path) -> list[Path]:
    return [*folder.glob("part-??????")]


def _identity(source: str) -> list[Any] | None:
    """Return what identifies the state of an input file, or None for standard input."""
    if source == "-":
        return None
    status = os.stat(source)
    return [os.path.abspath(source), status.st_size, status.st_mtime_ns]


def _file_hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
