"""Probabilities on disk, by teacher and by the content of each text."""

import hashlib
import json
import os
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from filelock import FileLock, Timeout

from skdistill._core.files import replacing

_DIGEST = "S16"


@dataclass(frozen=True)
class StoredTeacher:
    """What a store holds of one teacher.

    Attributes
    ----------
    key : str
        The teacher's fingerprint.
    n_bytes : int
        Size of its files.
    last_written : float
        When the last of them was written, in seconds since the epoch.
    """

    key: str
    n_texts: int
    n_classes: int
    n_bytes: int
    last_written: float


class SoftLabelStore:
    """Probabilities on disk, by teacher and by the content of each text.

    A store may be shared by processes: every write is a new file, renamed into place when whole.
    Labelled texts are known by a hash; only a process that waits for its turn leaves the texts
    themselves there, until it has it.

    Parameters
    ----------
    location : str or path-like
        The store's folder; made when first written to.

    Examples
    --------
    >>> import tempfile
    >>> from skdistill.labelling._store import SoftLabelStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = SoftLabelStore(folder)
    ...     store.write("teacher-1", {"a text": [0.25, 0.75]})
    ...     store.read("teacher-1", ["a text", "another"])
    {'a text': array([0.25, 0.75], dtype=float32)}
    """

    def __init__(self, location: str | os.PathLike[str]):
        self.location = Path(location)

    @contextmanager
    def turn(self, teacher_key: str, texts: Iterable[str]) -> Iterator[None]:
        """Wait until no other process labels with the same teacher.

        The texts are written down meanwhile, so that the other one can label them as well.
        """
        folder = self.folder(teacher_key)
        folder.mkdir(parents=True, exist_ok=True)
        lock = self._lock(teacher_key)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            request = folder / f"{uuid.uuid4().hex}.request"
            with replacing(request) as file:
                file.write(json.dumps([*texts]).encode())
            try:
                lock.acquire()
            finally:
                request.unlink(missing_ok=True)
        try:
            yield
        finally:
            lock.release()

    def take_requests(self, teacher_key: str) -> list[str]:
        """Return the texts for which other processes wait, each once, and that are not labelled."""
        wanted: dict[str, None] = {}
        for path in sorted(self.folder(teacher_key).glob("*.request")):
            # Its process may have its turn by now, and no more need of it.
            with suppress(FileNotFoundError):
                wanted |= dict.fromkeys(json.loads(path.read_bytes()))
                path.unlink()
        known = self.read(teacher_key, [*wanted])
        return [text for text in wanted if text not in known]

    def read(self, teacher_key: str, texts: list[str]) -> dict[str, np.ndarray]:
        """Return the probabilities of those texts that the store knows."""
        digests, first = np.unique(digest_texts(texts), return_index=True)
        numbers, proba = self.find(teacher_key, digests)
        return {texts[first[number]]: row for number, row in zip(numbers, proba, strict=True)}

    def find(self, teacher_key: str, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look texts up by their digests, which are ascending and distinct.

        Return the positions in `digests` of the texts that the store knows, and their
        probabilities, of shape (n_found, n_classes).
        """
        numbers, parts = [np.empty(0, dtype=np.intp)], [np.empty((0, 0), dtype=np.float32)]
        for path in self._shards(teacher_key) if len(digests) else ():
            # Another process may clear the store.
            with suppress(FileNotFoundError), np.load(path, allow_pickle=False) as shard:
                stored = shard["digests"].view(_DIGEST).ravel()
                positions = np.searchsorted(digests, stored).clip(max=len(digests) - 1)
                known = digests[positions] == stored
                if known.any():
                    numbers.append(positions[known])
                    parts.append(shard["proba"][known])
        return np.concatenate(numbers), np.concatenate(parts[1:] or parts)

    def write(self, teacher_key: str, labelled: dict[str, np.ndarray]) -> None:
        """Add the probabilities of some texts."""
        folder = self.folder(teacher_key)
        folder.mkdir(parents=True, exist_ok=True)
        digests = digest_texts(labelled).view(np.uint8).reshape(-1, 16)
        with replacing(folder / f"{uuid.uuid4().hex}.npz") as file:
            np.savez(file, digests=digests, proba=np.asarray([*labelled.values()], np.float32))

    def teachers(self) -> list[StoredTeacher]:
        """Return what there is, teacher by teacher, the last one written to first."""
        found = []
        for folder in sorted(self.location.glob("soft_labels/*")):
            shapes, sizes, times = [], [], []
            for path in self._shards(folder.name):
                with suppress(FileNotFoundError):
                    shapes.append(_shape(path, "proba.npy"))
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
            If a process labels with it.
        """
        lock = self._lock(teacher_key)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise OSError(
                f"A process is labelling with the teacher {teacher_key}; wait until it is done, or "
                "stop it."
            ) from None
        try:
            for path in self.folder(teacher_key).iterdir():
                if path.name != "lock":
                    path.unlink(missing_ok=True)
        finally:
            lock.release()

    def folder(self, teacher_key: str) -> Path:
        """Return where the files of a teacher lie."""
        return self.location / "soft_labels" / teacher_key

    def _shards(self, teacher_key: str) -> list[Path]:
        return sorted(self.folder(teacher_key).glob("*.npz"))

    def _lock(self, teacher_key: str) -> FileLock:
        return FileLock(self.folder(teacher_key) / "lock")


def check_memory_location(memory: Any) -> Path | None:
    """Return the folder that a `memory` parameter names, if it names one.

    Raises
    ------
    TypeError
        If `memory` is neither None, a folder nor a `joblib.Memory`.
    """
    if isinstance(memory, joblib.Memory):
        memory = memory.location
    if memory is None:
        return None
    if not isinstance(memory, str | os.PathLike):
        raise TypeError(f"memory must be a folder or a joblib.Memory, not {type(memory).__name__}.")
    return Path(memory)


def digest_texts(texts: Iterable[str]) -> np.ndarray:
    """Hash the contents of texts, into an array of type S16.

    Compare whole arrays: a single element loses the zero bytes at its end.

    Examples
    --------
    >>> from skdistill.labelling._store import digest_texts
    >>> one, another, same = digest_texts(["a text", "another", "a text"])
    >>> one == same, one == another
    (True, False)
    """
    whole = bytearray()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        whole += hashlib.blake2b(content, digest_size=16).digest()
    return np.frombuffer(whole, dtype=_DIGEST)


def _shape(path: Path, name: str) -> tuple[int, ...]:
    """Read the shape of an array in an npz file, and not the array."""
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        np.lib.format.read_magic(file)
        return np.lib.format.read_array_header_1_0(file)[0]
