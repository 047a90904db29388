"""Fine-tune a text classifier with the Hugging Face Trainer.

Importing the Trainer takes seconds, so only ``fit`` imports this module.
"""

import logging
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback, set_seed

from skdistill._core.epoch_tasks import EpochTasks
from skdistill._core.progress import progress_bar
from skdistill._core.torch import ONE_AT_A_TIME
from skdistill.teachers.huggingface._arguments import training_arguments
from skdistill.teachers.huggingface._checkpoints import Checkpoints, Progress
from skdistill.teachers.huggingface._examples import Examples
from skdistill.teachers.huggingface._trainer import (
    Epochs,
    WeightedTrainer,
    read_weights,
    undo_mixed_precision,
)

_logger = logging.getLogger(__name__)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all global random generators inside the block and restore their states afterwards."""
    with ONE_AT_A_TIME:
        python_state = random.getstate()
        numpy_state = np.random.get_state()  # noqa: NPY002
        try:
            with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
                set_seed(seed)
                yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


@dataclass(frozen=True)
class Setting:
    """Settings of a fine-tuning.

    Attributes
    ----------
    arguments : dict
        Arguments of ``TrainingArguments``, except those that follow from the other settings.
    device : torch.device
        Where to train.
    checkpoints : Checkpoints or None
        Where to save epochs and from where to resume.
    tasks : EpochTasks or None
        Receives a copy of the model and the history after each epoch, and may stop the training.
    min_steps : int
        Early stopping neither ends the training before nor returns to what was learned by then.
    verbose : int
        Whether to show a progress bar.
    """

    arguments: dict[str, Any]
    device: torch.device
    checkpoints: Checkpoints | None = None
    tasks: EpochTasks | None = None
    min_steps: int = 0
    verbose: int = 0


def fine_tune(
    model: Any, training: Examples, validation: Examples | None, setting: Setting
) -> Progress:
    """Fine-tune a text classifier in place and return the progress, with one entry per epoch.

    The model ends with the weights of the last epoch or, with `validation`, of the best epoch.

    Raises
    ------
    ValueError
        If an argument is unknown, if the Trainer cannot use the device, or if the loss is not
        finite.
    """
    checkpoints = setting.checkpoints
    resumed = checkpoints.last() if checkpoints is not None else None
    progress, best = Progress(), None
    if checkpoints is not None and resumed is not None:
        progress = resumed[1]
        if validation is not None:
            best = read_weights(checkpoints.best_weights(*resumed))
        left = "is finished" if progress.finished else f"continues after epoch {progress.epoch}"
        _logger.info("fine-tuning %s: loading %s", left, resumed[0])
        if progress.finished:
            model.load_state_dict(best or read_weights(resumed[0]))
            return progress
    with (
        tempfile.TemporaryDirectory(prefix="skdistill-", ignore_cleanup_errors=True) as scratch,
        progress_bar(desc="fine-tuning", unit="batch", disable=not setting.verbose) as bar,
    ):
        folder = scratch if checkpoints is None else str(checkpoints.folder)
        save = checkpoints is not None
        use_cache = vars(model.config).get("use_cache")
        trainer = WeightedTrainer(
            model=model,
            args=training_arguments(setting.arguments, folder, setting.device, save=save),
            train_dataset=training,
            data_collator=training.collate,
        )
        epochs = Epochs(
            trainer,
            model,
            validation,
            checkpoints,
            progress,
            best,
            setting.tasks,
            setting.min_steps,
            bar,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(epochs)
        trainer.train(resume_from_checkpoint=str(resumed[0]) if resumed is not None else None)
    if setting.device.type != "cpu":
        trainer.accelerator.free_memory()
    undo_mixed_precision(model)
    _undo_cache_setting(model.config, use_cache)
    if epochs.best is not None:
        model.load_state_dict(epochs.best)
    return progress


def _undo_cache_setting(config: Any, use_cache: bool | None) -> None:
    """Restore the entry that the Trainer overwrites, or remove it if it did not exist."""
    if use_cache is None:
        vars(config).pop("use_cache", None)
    else:
        config.use_cache = use_cache
