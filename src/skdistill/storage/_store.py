"""A cache of probabilities on disk."""

import errno
import hashlib
import json
import os
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import joblib
import numpy as np
from filelock import FileLock, Timeout

from skdistill._core.exceptions import warn
from skdistill._core.files import explaining_writes, replacing
from skdistill.storage._journal import append_block, read_blocks

_DIGEST = "S16"
# Number of answers from which a shard is large, and number of small shards to keep unmerged.
_SHARD, _SMALL_SHARDS = 8192, 16
# How npz files begin.
_START = b"PK\x03\x04"
# What the readers of npz files and journals raise for damaged files. (An OSError comes from a
# position before the start of the file, or else from the disk.)
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ValueError, OSError)


@dataclass(frozen=True)
class StoredTeacher:
    """What a store contains for one teacher.

    Attributes
    ----------
    key : str
        The teacher's fingerprint.
    n_texts : int
        Number of answers; a language model may have several to one text.
    n_bytes : int
        Size of the teacher's files.
    last_written : float
        Time of the last write, in seconds since the epoch.
    """

    key: str
    n_texts: int
    n_classes: int
    n_bytes: int
    last_written: float


class SoftLabelStore:
    """A cache of probabilities on disk, by teacher and by the content of each text.

    Answers are appended to a journal as they come. Complete journals become shards, compressed into
    few files. If a teacher is fitted again and turns out another one, because it is random, its
    answers are kept apart, under the fingerprint of that fit.

    Several processes can share a store: each writes files of its own, and shards get their names
    when they are complete. The store contains hashes of texts. It contains texts themselves only
    while a process waits for its turn.

    Parameters
    ----------
    location : str or path-like
        The store's folder. It is created at the first write.

    Examples
    --------
    >>> import tempfile
    >>> from skdistill.storage._store import SoftLabelStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = SoftLabelStore(folder)
    ...     store.write("teacher-1", {"a text": [0.25, 0.75]})
    ...     store.read("teacher-1", ["a text", "another"])
    {'a text': array([0.25, 0.75], dtype=float32)}
    """

    def __init__(self, location: str | os.PathLike[str]):
        self.location = Path(location)
        # The journal of each teacher and fit that this process writes, and its number of answers.
        self._journals: dict[tuple[str, str], tuple[Path, int]] = {}

    @contextmanager
    def turn(self, teacher_key: str, texts: Iterable[str]) -> Iterator[None]:
        """Wait until no other process labels with the same teacher.

        While it waits, the texts are in a request file, so that the other process can label them.
        At the end, journals become shards, those of killed processes included.
        """
        folder = self.folder(teacher_key)
        with explaining_writes(self.location):
            folder.mkdir(parents=True, exist_ok=True)
        lock = self._lock(teacher_key)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            with _request(folder, [*texts]):
                lock.acquire()
        try:
            yield
        finally:
            try:
                self._settle(teacher_key)
            finally:
                lock.release()

    def take_requests(self, teacher_key: str, fit: str = "") -> list[str]:
        """Return the distinct unlabelled texts that other processes are waiting for."""
        wanted: dict[str, None] = {}
        for path in sorted(self.folder(teacher_key).glob("*.request")):
            # The waiting process may have had its turn and removed its request, or have died.
            with suppress(FileNotFoundError):
                if _is_waiting(path):
                    wanted |= dict.fromkeys(json.loads(path.read_bytes()))
                path.unlink()
        known = self.read(teacher_key, [*wanted], fit)
        return [text for text in wanted if text not in known]

    def read(self, teacher_key: str, texts: list[str], fit: str = "") -> dict[str, np.ndarray]:
        """Return the probabilities of those texts that are in the store."""
        digests, first = np.unique(digest_texts(texts), return_index=True)
        numbers, proba = self.find(teacher_key, digests, fit)
        return {texts[first[number]]: row for number, row in zip(numbers, proba, strict=True)}

    def find(
        self, teacher_key: str, digests: np.ndarray, fit: str = "", n_classes: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Look up texts by their digests, which must be sorted and distinct.

        Return the positions in `digests` of the texts that are in the store, and their
        probabilities, of shape (n_found, n_classes). A file of another number of classes contains
        none of them; one that is damaged is renamed, with a warning.
        """
        numbers, parts = [np.empty(0, dtype=np.intp)], [np.empty((0, 0), dtype=np.float32)]
        for path in self._answers(teacher_key, fit) if len(digests) else ():
            with _setting_damage_aside(path), _opened(path) as (stored, load_proba):
                positions = np.searchsorted(digests, stored).clip(max=len(digests) - 1)
                known = digests[positions] == stored
                if known.any():
                    rows = load_proba()[known]
                    n_classes = n_classes or rows.shape[1]
                    if rows.shape[1] == n_classes:
                        numbers.append(positions[known])
                        parts.append(rows)
        return np.concatenate(numbers), np.concatenate(parts[1:] or parts)

    def fits(self, teacher_key: str) -> list[str]:
        """Return the fingerprints of all fits that the store has answers of, the latest first."""
        latest: dict[str, float] = {}
        for path in self._answers(teacher_key):
            with suppress(FileNotFoundError):
                fit = path.stem.rpartition("-")[0]
                latest[fit] = max(latest.get(fit, 0.0), path.stat().st_mtime)
        return sorted(latest, key=lambda fit: -latest[fit])

    def rows(self, teacher_key: str, fit: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield digests and probabilities of all texts, one file after another."""
        for path in self._answers(teacher_key, fit):
            with _setting_damage_aside(path), _opened(path) as (digests, load_proba):
                yield digests, load_proba()

    def write(self, teacher_key: str, labelled: dict[str, np.ndarray], fit: str = "") -> None:
        """Add the probabilities of some texts as one shard."""
        self._write_shard(teacher_key, fit, *_as_arrays(labelled))

    def append(self, teacher_key: str, labelled: dict[str, np.ndarray], fit: str = "") -> None:
        """Add the probabilities of some texts to a journal; during a turn only."""
        self.append_rows(teacher_key, *_as_arrays(labelled), fit)

    def append_rows(
        self, teacher_key: str, digests: np.ndarray, proba: np.ndarray, fit: str = ""
    ) -> None:
        """Add rows to a journal, given the digests of their texts as an array of bytes."""
        key = teacher_key, fit
        path, n_answers = self._journals.get(key) or (self._new_path(*key, ".journal"), 0)
        append_block(path, digests, proba)
        self._journals[key] = path, n_answers + len(proba)
        if n_answers + len(proba) >= _SHARD:
            self._settle(teacher_key)

    def _settle(self, teacher_key: str) -> None:
        """Turn journals into shards, and many small shards into one; during a turn only."""
        self._journals = {k: v for k, v in self._journals.items() if k[0] != teacher_key}
        for fit in self.fits(teacher_key):
            paths = self._answers(teacher_key, fit)
            merged = [path for path in paths if path.suffix == ".journal"]
            small = [path for path in paths if path not in merged and _is_small(path)]
            if len(small) + bool(merged) > _SMALL_SHARDS:
                merged += small
            # By number of classes: if one of them is wrong, only the reader knows which.
            parts: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
            for path in merged:
                with _setting_damage_aside(path), _opened(path) as (digests, load_proba):
                    proba = load_proba()
                    if len(proba):  # a killed process may have left a file without a complete row
                        digests = digests.view(np.uint8).reshape(len(digests), -1)
                        parts.setdefault(proba.shape[1], []).append((digests, proba))
            for alike in parts.values():
                self._write_shard(teacher_key, fit, *map(np.concatenate, zip(*alike, strict=True)))
            self._remove(merged)

    def _remove(self, paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)

    def _write_shard(
        self, teacher_key: str, fit: str, digests: np.ndarray, proba: np.ndarray
    ) -> None:
        with replacing(self._new_path(teacher_key, fit, ".npz")) as file:
            np.savez(file, digests=digests, proba=proba)

    def _new_path(self, teacher_key: str, fit: str, suffix: str) -> Path:
        folder = self.folder(teacher_key)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{fit}-{uuid.uuid4().hex}{suffix}"

    def teachers(self) -> list[StoredTeacher]:
        """List the teachers in the store, most recently written first."""
        found = []
        for folder in sorted(self.location.glob("soft_labels/*")):
            shapes, sizes, times = [], [], []
            for path in self._answers(folder.name):
                with _setting_damage_aside(path):
                    shapes.append(_shape(path))
                    sizes.append(path.stat().st_size)
                    times.append(path.stat().st_mtime)
            if times:
                n_texts = sum(n_rows for n_rows, _ in shapes)
                found.append(
                    StoredTeacher(folder.name, n_texts, shapes[0][1], sum(sizes), max(times))
                )
        return sorted(found, key=lambda teacher: -teacher.last_written)

    def clear(self, teacher_key: str) -> None:
        """Remove all probabilities of a teacher.

        Raises
        ------
        OSError
            If a process is labelling with the teacher.
        """
        lock = self._lock(teacher_key)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise OSError(
                f"A process is labelling with the teacher {teacher_key}; wait until it has "
                "finished, or stop it."
            ) from None
        try:
            for path in self.folder(teacher_key).iterdir():
                if path.is_dir():  # nothing of ours
                    shutil.rmtree(path)
                elif path.name != "lock":
                    path.unlink(missing_ok=True)
        finally:
            lock.release()

    def folder(self, teacher_key: str) -> Path:
        """Return the folder with a teacher's files."""
        return self.location / "soft_labels" / teacher_key

    def _answers(self, teacher_key: str, fit: str | None = None) -> list[Path]:
        """Return the shards and journals of a teacher, of all fits or of one."""
        name = "*" if fit is None else f"{fit}-*"
        folder = self.folder(teacher_key)
        return sorted([*folder.glob(f"{name}.npz"), *folder.glob(f"{name}.journal")])

    def _lock(self, teacher_key: str) -> FileLock:
        return FileLock(self.folder(teacher_key) / "lock")


def check_memory_location(memory: Any) -> Path | None:
    """Return the folder of a `memory` parameter, or None.

    Raises
    ------
    TypeError
        If `memory` is not None, a folder or a `joblib.Memory`.
    ValueError
        If it is an empty string, which would be the working directory, or contains a NUL.
    NotADirectoryError
        If the folder is a file, or would be inside a file.
    """
    if isinstance(memory, joblib.Memory):
        memory = memory.location
    if memory is None:
        return None
    if not isinstance(memory, str | os.PathLike):
        raise TypeError(f"memory must be a folder or a joblib.Memory, not {type(memory).__name__}.")
    if memory == "":
        raise ValueError("memory is an empty string; pass a folder, or None to keep no answers.")
    if "\0" in os.fspath(memory):
        raise ValueError(f"memory={memory!r} contains a NUL character, which no folder's name may.")
    location = Path(memory).absolute()  # a teacher may change the working directory
    for path in (location, *location.parents):
        if os.path.exists(path) and not os.path.isdir(path):
            raise NotADirectoryError(
                f"memory={str(location)!r} cannot be a folder, because {str(path)!r} is not one; "
                "pass a folder, which need not exist."
            )
    return location


def digest_texts(texts: Iterable[str]) -> np.ndarray:
    """Hash texts into an array of dtype S16.

    Compare whole arrays, because single elements lose trailing zero bytes.

    Examples
    --------
    >>> from skdistill.storage._store import digest_texts
    >>> one, another, same = digest_texts(["a text", "another", "a text"])
    >>> one == same, one == another
    (True, False)
    """
    whole = bytearray()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        whole += hashlib.blake2b(content, digest_size=16).digest()
    return np.frombuffer(whole, dtype=_DIGEST)


@contextmanager
def _request(folder: Path, texts: list[str]) -> Iterator[None]:
    """Leave texts in a file inside the block, beside a lock that lasts as long as this process."""
    name = uuid.uuid4().hex
    path, alive = folder / f"{name}.request", FileLock(folder / f"{name}.alive")
    try:
        with alive:
            with replacing(path) as file:
                file.write(json.dumps(texts).encode())
            yield
    finally:
        path.unlink(missing_ok=True)
        path.with_suffix(".alive").unlink(missing_ok=True)


def _is_waiting(request: Path) -> bool:
    """Return whether the process that left a request is alive; else remove what it left."""
    alive = FileLock(request.with_suffix(".alive"))
    try:
        alive.acquire(blocking=False)
    except Timeout:
        return True
    alive.release()
    request.with_suffix(".alive").unlink(missing_ok=True)
    return False


def _as_arrays(labelled: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    digests = digest_texts(labelled).view(np.uint8).reshape(-1, 16)
    return digests, np.asarray([*labelled.values()], np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[np.ndarray, Callable[[], np.ndarray]]]:
    """Open a shard or journal; yield the digests of its texts, and what loads probabilities.

    Raise an error if these are of any other form than what was written.
    """
    _refuse_folder(path)
    if path.suffix == ".journal":
        digests, proba = read_blocks(path)
        yield digests.ravel().view(_DIGEST), lambda: _checked(proba, len(digests))
        return
    with path.open("rb") as file, _load(file) as shard:
        digests = shard["digests"]
        if not isinstance(digests, np.ndarray) or digests.dtype != np.uint8:
            raise ValueError("it contains no digests of texts")
        digests = digests.view(_DIGEST).ravel()
        yield digests, lambda: _checked(shard["proba"], len(digests))


def _load(file: BinaryIO) -> np.lib.npyio.NpzFile:
    # NumPy takes what begins in another way for a pickle, and advises to trust it.
    if file.read(len(_START)) != _START:
        raise ValueError("it is no npz file")
    file.seek(0)
    return cast(np.lib.npyio.NpzFile, np.load(file, allow_pickle=False))


def _checked(proba: Any, n_texts: int) -> np.ndarray:
    """Return probabilities that were read, if their form is what was written."""
    if not isinstance(proba, np.ndarray) or proba.dtype != np.float32 or proba.ndim != 2:
        raise ValueError("it contains no table of probabilities")
    if len(proba) != n_texts:
        raise ValueError(f"it has {n_texts} digests for {len(proba)} rows of probabilities")
    if not np.isfinite(proba).all():
        raise ValueError("it contains a probability that is no number")
    return proba


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise ValueError("it is a folder")


@contextmanager
def _setting_damage_aside(path: Path) -> Iterator[None]:
    """Rename a file that turns out damaged inside the block, with a warning that names it."""
    try:
        yield
    except FileNotFoundError:
        pass  # another process has cleared the store, or merged the file into a shard
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        aside = path.with_name(f"{path.name}.damaged")
        with suppress(FileNotFoundError):
            path.rename(aside)
        warn(
            f"The cache file {str(path)!r} is damaged ({error}). It was renamed to {aside.name!r}, "
            "and the teacher will label its texts again.",
        )


def _is_small(path: Path) -> bool:
    with suppress(FileNotFoundError, *_DAMAGE):
        return _shape(path)[0] < _SHARD
    return False


def _shape(path: Path) -> tuple[int, int]:
    """Return the shape of the probabilities in a file; those in a shard are not loaded."""
    _refuse_folder(path)
    if path.suffix == ".journal":
        proba = read_blocks(path)[1]
        return len(proba), proba.shape[1]
    with zipfile.ZipFile(path) as archive, archive.open("proba.npy") as file:
        np.lib.format.read_magic(file)
        shape = np.lib.format.read_array_header_1_0(file)[0]
    if len(shape) != 2:
        raise ValueError("it contains no table of probabilities")
    return shape[0], shape[1]
