"""Resumable predictions for files of any length, in constant memory."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skdistill._core.files import explaining_writes, locked, replacing
from skdistill.cli.prediction._columns import Columns
from skdistill.cli.prediction._lines import arriving_rows
from skdistill.datasets._files import (
    TABLES,
    compressed,
    is_compressed,
    kind_of,
    no_rows,
    read_rows,
)
from skdistill.datasets._source import Rows, Source

# Rows per part, in memory and on disk.
_PART = 2**16
# End of the error about an unknown file type.
OR_LINES = ", or - for lines"


@dataclass(frozen=True)
class FileJob:
    """The files of the model, the input and the output; `is_stream` is for standard input.

    The target keeps all columns of a source of the same file type, otherwise only the texts.
    """

    model: Path
    source: Source
    target: Path
    text_column: str
    is_stream: bool = False

    def describe(self, columns: Columns) -> dict[str, Any]:
        """Return what identifies this job; an equal job may reuse its parts."""
        return {
            "model": _file_hash(self.model),
            "input": None if self.is_stream else _identity(self.source.name),
            "reading": asdict(self.source.options),
            "columns": [
                self.text_column,
                *columns.names,
                columns.choice.threshold,
                columns.choice.reject,
            ],
        }

    def parts(self) -> Iterator[Rows]:
        """Yield the rows of the source in parts, with all columns that the target keeps."""
        if self.is_stream:
            return arriving_rows(self.source, self.text_column, _PART)
        wanted = {self.text_column: "text_column"}
        return read_rows(self.source, wanted, self.text_column, _PART, whole=self.keeps_columns)

    @property
    def keeps_columns(self) -> bool:
        """Whether source and target are of the same type; csv and tsv count as one."""
        kinds = [TABLES.get(kind) for kind in (self.source.kind, kind_of(self.target, TABLES))]
        return not self.is_stream and type(kinds[0]) is type(kinds[1])


def partial_folder(target: Path) -> Path:
    """Return the folder of the parts, which exists while some but not all are there."""
    return target.with_name(f"{target.name}.partial")


def predict_file(columns: Columns, job: FileJob, count: Callable[[list[str]], Any]) -> list[str]:
    """Predict the rows of a file, or the lines of standard input, and write them to a file.

    The parts stay in the folder ``TARGET.partial`` until all of them are complete. After an
    interruption, a second call with the same model, input and options makes only the missing parts.
    For standard input, it starts again. `count` is called with the texts. Return the names of the
    input's columns that the output does not keep.
    """
    target = job.target
    kind = TABLES[kind_of(target, TABLES, OR_LINES)]
    description = job.describe(columns)
    folder = partial_folder(target)
    with explaining_writes(target):
        folder.mkdir(exist_ok=True)
    with locked(folder / "lock") as is_mine:
        if not is_mine:
            raise OSError(f"Another process is writing {target}; wait until it has finished.")
        try:
            if n_parts := _keep_parts_of(description, folder):
                print(
                    f"skdistill predict: resuming after {n_parts * _PART:,} texts, which are in "
                    f"{folder}",
                    file=sys.stderr,
                )
            parts, dropped = _predict_parts(columns, job, folder, count)
            with replacing(target) as file:
                kind.join(parts, file)
            shutil.rmtree(folder)
            return dropped
        except BaseException as error:
            if not any(_parts_in(folder)):
                shutil.rmtree(folder)
            elif isinstance(error, OSError) and not job.is_stream:
                raise OSError(
                    f"{error} Finished parts are kept in {folder}; run the same command to resume, "
                    "or delete this folder."
                ) from error
            raise


def _predict_parts(
    columns: Columns, job: FileJob, folder: Path, count: Callable[[list[str]], Any]
) -> tuple[list[Path], list[str]]:
    """Write all missing parts; return the files of all parts, and the columns that they lack."""
    kind, parts = TABLES[kind_of(job.target, TABLES)], []
    there: dict[str, None] = {}
    for number, rows in enumerate(job.parts()):
        texts = rows.columns[job.text_column]
        there |= dict.fromkeys(rows.names)
        parts.append(folder / f"part-{number:06d}")
        if not parts[-1].exists():
            kept = rows if job.keeps_columns else kind.from_texts(job.text_column, texts)
            _check_names(kept, columns, job.source)
            _write_part(parts[-1], job, kept, columns.of(texts), header=number == 0)
        count(texts)
    if not parts:
        raise no_rows(job.source)
    is_whole = job.keeps_columns
    return parts, [name for name in there if not is_whole and name != job.text_column]


def _write_part(
    path: Path, job: FileJob, rows: Rows, added: dict[str, list[Any]], *, header: bool
) -> None:
    kind = TABLES[kind_of(job.target, TABLES)]
    with replacing(path) as file:
        if is_compressed(job.target):
            with compressed(file) as inner:
                kind.write(inner, rows, added, header)
        else:
            kind.write(file, rows, added, header)
    with replacing(_hash_of(path)) as file:
        file.write(_file_hash(path).encode())


def _check_names(rows: Rows, columns: Columns, source: Source) -> None:
    taken = [name for name in columns.names if name in rows.names]
    if taken:
        advice = "choose another name for the new column with --output-column"
        if taken[0] not in columns.chosen:
            advice = (
                "rename or remove it, or choose another type of output file, which keeps only the "
                "texts"
            )
        raise ValueError(f"{source.name} already has a column {taken[0]!r}; {advice}.")


def _keep_parts_of(job: dict[str, Any], folder: Path) -> int:
    """Remove damaged parts and those of any other job from the folder, and record this job.

    Return the number of parts that are left.
    """
    path, content = folder / "job.json", json.dumps(job, indent=1).encode("utf-8", "surrogatepass")
    if path.exists() and path.read_bytes() == content and job["input"] is not None:
        for part in _parts_in(folder):
            hashed = _hash_of(part)
            if not hashed.is_file() or hashed.read_bytes() != _file_hash(part).encode():
                print(f"skdistill predict: {part} is damaged and made again", file=sys.stderr)
                part.unlink()
        return len(_parts_in(folder))
    for part in _parts_in(folder):
        part.unlink()
    with replacing(path) as file:
        file.write(content)
    return 0


def _parts_in(folder: Path) -> list[Path]:
    return [*folder.glob("part-??????")]


def _hash_of(part: Path) -> Path:
    """Return the file that tells whether a part is what was written."""
    return part.with_suffix(".hash")


def _identity(path: str) -> list[Any]:
    """Return what identifies the state of an input file."""
    status = os.stat(path)
    return [os.path.abspath(path), status.st_size, status.st_mtime_ns]


def _file_hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
