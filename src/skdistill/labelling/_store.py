"""A cache of probabilities on disk."""

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
    """What a store contains for one teacher.

    Attributes
    ----------
    key : str
        The teacher's fingerprint.
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

    Several processes can share a store: each write makes a new file, which is renamed once it is
    complete. The store contains hashes of texts. It contains texts themselves only while a process
    waits for its turn.

    Parameters
    ----------
    location : str or path-like
        The store's folder. It is created at the first write.

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

        While it waits, the texts are in a request file, so that the other process can label them.
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
        """Return the distinct unlabelled texts that other processes are waiting for."""
        wanted: dict[str, None] = {}
        for path in sorted(self.folder(teacher_key).glob("*.request")):
            # The waiting process may have had its turn and removed its request.
            with suppress(FileNotFoundError):
                wanted |= dict.fromkeys(json.loads(path.read_bytes()))
                path.unlink()
        known = self.read(teacher_key, [*wanted])
        return [text for text in wanted if text not in known]

    def read(self, teacher_key: str, texts: list[str]) -> dict[str, np.ndarray]:
        """Return the probabilities of those texts that are in the store."""
        digests, first = np.unique(digest_texts(texts), return_index=True)
        numbers, proba = self.find(teacher_key, digests)
        return {texts[first[number]]: row for number, row in zip(numbers, proba, strict=True)}

    def find(self, teacher_key: str, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up texts by their digests, which must be sorted and distinct.

        Return the positions in `digests` of the texts that are in the store, and their
        probabilities, of shape (n_found, n_classes).
        """
        numbers, parts = [np.empty(0, dtype=np.intp)], [np.empty((0, 0), dtype=np.float32)]
        for path in self._shards(teacher_key) if len(digests) else ():
            # Another process may be clearing the store.
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
        """List the teachers in the store, most recently written first."""
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
                if path.name != "lock":
                    path.unlink(missing_ok=True)
        finally:
            lock.release()

    def folder(self, teacher_key: str) -> Path:
        """Return the folder with a teacher's files."""
        return self.location / "soft_labels" / teacher_key

    def _shards(self, teacher_key: str) -> list[Path]:
        return sorted(self.folder(teacher_key).glob("*.npz"))

    def _lock(self, teacher_key: str) -> FileLock:
        return FileLock(self.folder(teacher_key) / "lock")


def check_memory_location(memory: Any) -> Path | None:
    """Return the folder of a `memory` parameter, or None.

    Raises
    ------
    TypeError
        If `memory` is not None, a folder or a `joblib.Memory`.
    """
    if isinstance(memory, joblib.Memory):
        memory = memory.location
    if memory is None:
        return None
    if not isinstance(memory, str | os.PathLike):
        raise TypeError(f"memory must be a folder or a joblib.Memory, not {type(memory).__name__}.")
    return Path(memory)


def digest_texts(texts: Iterable[str]) -> np.ndarray:
    """Hash texts into an array of dtype S16.

    Compare whole arrays, because single elements lose trailing zero bytes.

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
    """Read the shape of an array in an npz file without loading the array."""
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        np.lib.format.read_magic(file)
        return np.lib.format.read_array_header_1_0(file)[0]
