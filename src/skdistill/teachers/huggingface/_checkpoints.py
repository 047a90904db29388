"""Checkpoints of each epoch; only the same fine-tuning can resume from them."""

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
    """The progress of a fine-tuning.

    Attributes
    ----------
    history : list of dict
        One entry per epoch: ``epoch``, ``train_loss`` and, with early stopping, ``valid_loss`` and
        ``valid_accuracy``.
    finished : bool
        Whether training is complete.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False

    @property
    def epoch(self) -> int:
        """The number of epochs trained so far."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss; without validation rows, the last one."""
        if not self.history or "valid_loss" not in self.history[0]:
            return self.epoch
        return min(self.history, key=lambda entry: entry["valid_loss"])["epoch"]


class Checkpoints:
    """The checkpoints of one fine-tuning, in its own sub-folder.

    A checkpoint is complete if it has the file ``epochs.json``, which is written last. A process
    that dies while writing leaves an incomplete checkpoint, which is ignored.

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

    def open(self, seed: int) -> int:
        """Create the folder if needed and return the seed that this training started with.

        Warns
        -----
        UserWarning
            If the root has checkpoints of other trainings only.
        """
        about = self.folder / _TRAINING_FILE
        if about.is_file():
            return json.loads(about.read_text(encoding="utf-8"))["seed"]
        if any(self.root.glob(f"training-*/{_TRAINING_FILE}")):
            warnings.warn(
                f"checkpoint_dir={str(self.root)!r} contains checkpoints of other fits (other "
                "texts, labels or parameters), but none of this one. This fit starts from the "
                f"beginning, in {self.folder.name}.",
                UserWarning,
                stacklevel=6,  # past fit and the wrappers around it
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        _write_json(about, {"fingerprint": self.fingerprint, "seed": seed})
        return seed

    def last(self) -> tuple[Path, Progress] | None:
        """Return the newest complete checkpoint and its progress, if there is one."""
        whole = [path.parent for path in self.folder.glob(f"checkpoint-*/{_EPOCH_FILE}")]
        if not whole:
            return None
        newest = max(whole, key=lambda path: int(path.name.removeprefix("checkpoint-")))
        entries = json.loads((newest / _EPOCH_FILE).read_text(encoding="utf-8"))
        return newest, Progress(**entries)

    def complete(
        self, checkpoint: Path, progress: Progress, best: dict[str, Any] | None, model: Any
    ) -> None:
        """Add the best weights, if they are not the last ones, and mark the checkpoint complete."""
        with whole_or_gone(checkpoint):
            if best is not None and progress.best_epoch != progress.epoch:
                with explaining_saves(checkpoint):
                    model.save_pretrained(self.best_weights(checkpoint, progress), state_dict=best)
            _write_json(checkpoint / _EPOCH_FILE, asdict(progress))

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


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as file:
        file.write(json.dumps(content, indent=2).encode())
