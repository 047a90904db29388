"""Epoch checkpoints of one fine-tuning, from which only the very same fine-tuning resumes."""

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from skdistill._core.files import explaining_writes, replacing

_TRAINING_FILE = "training.json"
_EPOCH_FILE = "epochs.json"


@dataclass
class Progress:
    """How far a fine-tuning got.

    Attributes
    ----------
    history : list of dict
        One entry an epoch: ``epoch``, ``train_loss`` and, with early stopping, ``valid_loss`` and
        ``valid_accuracy``.
    finished : bool
        Whether no epoch is left to train.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False

    @property
    def epoch(self) -> int:
        """Epochs trained so far."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch of lowest validation loss; without validation rows, the last one."""
        if not self.history or "valid_loss" not in self.history[0]:
            return self.epoch
        return min(self.history, key=lambda entry: entry["valid_loss"])["epoch"]


class Checkpoints:
    """The sub-folder of one fine-tuning in a folder that may hold those of others.

    A checkpoint counts once its file ``epochs.json`` is there, which is written last: a process
    that dies while it writes leaves nothing that looks whole.

    Parameters
    ----------
    root : str or path-like
        The folder that the user named.
    fingerprint : str
        Tells trainings apart: a hash of texts, labels, weights and parameters.
    """

    def __init__(self, root: str | os.PathLike[str], fingerprint: str) -> None:
        self.root = Path(root)
        self.fingerprint = fingerprint
        self.folder = self.root / f"training-{fingerprint[:16]}"

    def open(self, seed: int) -> int:
        """Make the folder if need be and return the seed that this training began with.

        Warns
        -----
        UserWarning
            If the root holds checkpoints, but none of this training.
        """
        about = self.folder / _TRAINING_FILE
        if about.is_file():
            return json.loads(about.read_text(encoding="utf-8"))["seed"]
        if any(self.root.glob(f"training-*/{_TRAINING_FILE}")):
            warnings.warn(
                f"checkpoint_dir={str(self.root)!r} holds checkpoints of other trainings (other "
                "texts, labels or parameters), but none of this one: it starts afresh, in "
                f"{self.folder.name}.",
                UserWarning,
                stacklevel=6,  # past fit and the wrappers around it
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        _write_json(about, {"fingerprint": self.fingerprint, "seed": seed})
        return seed

    def last(self) -> tuple[Path, Progress] | None:
        """Return the newest whole checkpoint and how far it had got, if there is one."""
        whole = [path.parent for path in self.folder.glob(f"checkpoint-*/{_EPOCH_FILE}")]
        if not whole:
            return None
        newest = max(whole, key=lambda path: int(path.name.removeprefix("checkpoint-")))
        entries = json.loads((newest / _EPOCH_FILE).read_text(encoding="utf-8"))
        return newest, Progress(**entries)

    def complete(
        self, checkpoint: Path, progress: Progress, best: dict[str, Any] | None, model: Any
    ) -> None:
        """Add the best weights, where they are others than the last, and declare it whole."""
        with whole_or_gone(checkpoint):
            if best is not None and progress.best_epoch != progress.epoch:
                with explaining_saves(checkpoint):
                    model.save_pretrained(self.best_weights(checkpoint, progress), state_dict=best)
            _write_json(checkpoint / _EPOCH_FILE, asdict(progress))

    def best_weights(self, checkpoint: Path, progress: Progress) -> Path:
        """Return the folder that holds the weights of the best epoch."""
        return checkpoint if progress.best_epoch == progress.epoch else checkpoint / "best"


@contextmanager
def whole_or_gone(checkpoint: Path) -> Iterator[None]:
    """Remove a checkpoint that the disk does not take to its end."""
    try:
        yield
    except OSError:
        shutil.rmtree(checkpoint, ignore_errors=True)
        raise


@contextmanager
def explaining_saves(checkpoint: str | os.PathLike[str]) -> Iterator[None]:
    """Make an `OSError` with the next step of what safetensors and torch raise on a full disk."""
    with explaining_writes(checkpoint):
        try:
            yield
        except (SafetensorError, RuntimeError) as error:
            raise OSError(str(error)) from error


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as file:
        file.write(json.dumps(content, indent=2).encode())
