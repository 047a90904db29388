"""Checkpoints of epochs; only the same fine-tuning can resume from them."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from math import inf
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from skdistill._core.exceptions import warn
from skdistill._core.files import explaining_writes, replacing

# The largest share of the time that is spent on checkpoints. With 48 texts, saving MiniLM takes as
# long as its epochs of three steps, or longer.
SAVING_SHARE = 0.1
_TRAINING_FILE = "training.json"
_EPOCH_FILE = "epochs.json"
# Files of the Trainer that are needed to go on, but not for the result.
_STATE_SUFFIXES = {".bin", ".pt", ".pth"}
# What reading a damaged file raises.
_DAMAGE = (AttributeError, KeyError, TypeError, ValueError)


@dataclass
class Progress:
    """The progress of a fine-tuning.

    Attributes
    ----------
    history : list of dict
        One entry per epoch: ``epoch``, ``train_loss`` and, with early stopping, ``valid_loss`` and
        ``valid_accuracy``.
    finished : bool
        Whether training is complete.
    first_eligible : int
        The first epoch that may be the best one.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False
    first_eligible: int = 1

    @property
    def epoch(self) -> int:
        """The number of epochs trained so far."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The eligible epoch with the lowest validation loss; if there is none, the last one."""
        eligible = self.history[self.first_eligible - 1 :]
        if not eligible or "valid_loss" not in eligible[0]:
            return self.epoch
        return min(eligible, key=lambda entry: entry["valid_loss"])["epoch"]


class Checkpoints:
    """The checkpoints of one fine-tuning, in its own sub-folder.

    A checkpoint is complete if it has the file ``epochs.json``, which is written last and contains
    hashes of the others. A process that dies while writing leaves an incomplete checkpoint, which
    is ignored. What a power cut or a full disk has damaged is set aside.

    Parameters
    ----------
    root : str or path-like
        The user's folder, which may also contain checkpoints of other trainings.
    fingerprint : str
        A hash of texts, labels, weights and parameters, which identifies the training.
    """

    def __init__(self, root: str | os.PathLike[str], fingerprint: str) -> None:
        self.root = Path(root)
        self.fingerprint = fingerprint
        self.folder = self.root / f"training-{fingerprint[:16]}"
        self._saving_since = inf
        self._due = 0.0

    def are_due(self) -> bool:
        """Return whether to save now, so that saving takes a tenth of the time at most."""
        self._saving_since = time.perf_counter()
        return self._saving_since >= self._due

    def open(self, seed: int) -> int:
        """Create the folder if needed and return the seed that this training started with.

        Warns
        -----
        UserWarning
            If the root has checkpoints of other trainings only, or if the seed cannot be read.
        """
        about = self.folder / _TRAINING_FILE
        if about.is_file():
            with _setting_damage_aside(self.folder, "starts from the beginning"):
                return int(_read_json(about)["seed"])
        elif any(self.root.glob(f"training-*/{_TRAINING_FILE}")):
            warn(
                f"checkpoint_dir={str(self.root)!r} contains checkpoints of other fits (other "
                "texts, labels or parameters), but none of this one. This fit starts from the "
                f"beginning, in {self.folder.name}.",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        _write_json(about, {"fingerprint": self.fingerprint, "seed": seed})
        return seed

    def last(self) -> tuple[Path, Progress] | None:
        """Return the newest complete checkpoint and its progress, if there is one.

        Warns
        -----
        UserWarning
            If a checkpoint is damaged; the one before it takes its place.
        """
        complete = [path.parent for path in self.folder.glob(f"checkpoint-*/{_EPOCH_FILE}")]
        complete.sort(key=lambda path: int(path.name.removeprefix("checkpoint-")), reverse=True)
        for checkpoint, older in zip_longest(complete, complete[1:]):
            left = "starts from the beginning" if older is None else f"goes back to {older.name}"
            with _setting_damage_aside(checkpoint, left):
                entries = _read_json(checkpoint / _EPOCH_FILE)
                files, progress = entries.pop("files", {}), Progress(**entries)
                _check_files(checkpoint, files, finished=progress.finished)
                return checkpoint, progress
        return None

    def complete(
        self, checkpoint: Path, progress: Progress, best: dict[str, Any] | None, model: Any
    ) -> None:
        """Add the best weights, if they are not the last ones, and mark the checkpoint complete."""
        with whole_or_gone(checkpoint):
            if best is not None and progress.best_epoch != progress.epoch:
                with explaining_saves(checkpoint):
                    model.save_pretrained(self.best_weights(checkpoint, progress), state_dict=best)
            files = {
                path.relative_to(checkpoint).as_posix(): _hash_file(path)
                for path in sorted(checkpoint.rglob("*"))
                if path.is_file()
            }
            _write_json(checkpoint / _EPOCH_FILE, asdict(progress) | {"files": files})
        now = time.perf_counter()
        self._due = now + (now - self._saving_since) * (1 / SAVING_SHARE - 1)

    def best_weights(self, checkpoint: Path, progress: Progress) -> Path:
        """Return the folder with the weights of the best epoch."""
        return checkpoint if progress.best_epoch == progress.epoch else checkpoint / "best"


@contextmanager
def whole_or_gone(checkpoint: Path) -> Iterator[None]:
    """Remove the checkpoint if writing it fails."""
    try:
        yield
    except OSError:
        shutil.rmtree(checkpoint, ignore_errors=True)
        raise


@contextmanager
def explaining_saves(checkpoint: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the errors of safetensors and torch on a full disk into a helpful `OSError`."""
    with explaining_writes(checkpoint):
        try:
            yield
        except (SafetensorError, RuntimeError) as error:
            raise OSError(str(error)) from error


@contextmanager
def _setting_damage_aside(folder: Path, otherwise: str) -> Iterator[None]:
    """Rename a folder whose files turn out damaged inside the block, and warn of it."""
    try:
        yield
    except _DAMAGE as error:
        aside = folder.with_name(f"damaged-{folder.name}")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        warn(
            f"The checkpoint {str(folder)!r} is damaged ({error!s:.200}). It was renamed to "
            f"{aside.name!r}, and fine-tuning {otherwise}.",
        )


def _check_files(checkpoint: Path, hashes: dict[str, str], *, finished: bool) -> None:
    """Raise an error if files are missing or have changed."""
    for name, written in hashes.items():
        path = checkpoint / name
        # The optimizer's state is large, and may be removed once it is not needed.
        if not path.exists():
            if not (finished and path.suffix in _STATE_SUFFIXES):
                raise ValueError(f"{name} is missing")
        elif _hash_file(path) != written:
            raise ValueError(f"{name} has changed since it was written")


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as file:
        file.write(json.dumps(content, indent=2).encode())
