"""The Hugging Face Trainer with weights per text and a history of epochs."""

import math
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from skdistill._core.epoch_tasks import EpochTasks
from skdistill.teachers.huggingface._checkpoints import (
    Checkpoints,
    Progress,
    explaining_saves,
    whole_or_gone,
)
from skdistill.teachers.huggingface._examples import Examples
from skdistill.teachers.huggingface._loading import load_classifier
from skdistill.teachers.huggingface._losses import cross_entropies, validate

# Number of epochs without a lower validation loss after which early stopping ends the training.
_PATIENCE = 2


class WeightedTrainer(Trainer):
    """A Trainer that weights the loss of each text and sums the loss over an epoch."""

    # The loss is the mean over one batch and must be divided by the gradient accumulation steps.
    loss_is_scaled_for_ga = False

    def __init__(self, train_dataset: Examples, **kwargs: Any) -> None:
        super().__init__(train_dataset=train_dataset, **kwargs)
        self.label_texts = train_dataset.label_texts
        self.model_accepts_loss_kwargs = False
        # The Trainer of transformers 5.3 divides the loss by the steps; accelerate must not do so
        # again.
        self.accelerator.gradient_accumulation_steps = 1
        self._loss_sum: torch.Tensor | float = 0.0
        self._weight_sum: torch.Tensor | float = 0.0

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        labels, weights = inputs["labels"], inputs["weights"]
        read = {k: v for k, v in inputs.items() if k not in ("labels", "weights")}
        smoothing = self.args.label_smoothing_factor
        if self.label_texts is None:
            outputs = model(**read)
            losses = cross_entropies(outputs.logits.float(), labels, smoothing)
        else:
            outputs = model(**read, decoder_input_ids=self.label_texts.read(labels))
            losses = self.label_texts.losses(outputs.logits, labels, smoothing)
        losses = weights * losses
        self._loss_sum += losses.detach().sum()
        self._weight_sum += weights.sum()
        loss = losses.mean()
        return (loss, outputs) if return_outputs else loss

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        # The Trainer's own method ignores weights if their names on disk differ from the model's.
        trained: Any = model or self.model
        trained.load_state_dict(read_weights(Path(resume_from_checkpoint)))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = str(self.args.output_dir)
        checkpoint = Path(folder, f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
        with whole_or_gone(checkpoint), explaining_saves(checkpoint):
            super()._save_checkpoint(model, trial)

    def pop_mean_loss(self) -> float:
        """Return the weighted mean loss since the last call."""
        mean = float(self._loss_sum) / float(self._weight_sum)
        self._loss_sum = self._weight_sum = 0.0
        return mean


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint by their names in the model."""
    return load_classifier(str(folder))[0].state_dict()


def undo_mixed_precision(model: Any) -> None:
    """Restore the model's own ``forward``, which accelerate wraps in one that autocasts."""
    vars(model).pop("forward", None)
    vars(model).pop("_original_forward", None)


@dataclass(eq=False)
class Epochs(TrainerCallback):
    """A callback for the history, the best weights, the progress bar and early stopping."""

    trainer: WeightedTrainer
    model: Any
    validation: Examples | None
    checkpoints: Checkpoints | None
    progress: Progress
    best: dict[str, torch.Tensor] | None
    tasks: EpochTasks | None
    min_steps: int
    bar: "tqdm[Any]"

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.reset(total=state.max_steps)
        self.bar.update(state.global_step)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.tasks is not None:
            self.tasks.begin()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(1)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        entry = {"epoch": self.progress.epoch + 1, "train_loss": self.trainer.pop_mean_loss()}
        if not math.isfinite(entry["train_loss"]):
            raise ValueError(
                f"Fine-tuning diverged: the training loss was {entry['train_loss']} in epoch "
                f"{entry['epoch']}. Use a lower lr than {args.learning_rate:g}, or "
                'precision="fp32".'
            )
        if self.validation is not None:
            entry |= validate(self.model, self.validation, args.device)
        self.progress.history.append(entry)
        if state.global_step < self.min_steps:
            # A pretrained model has learned little by now, which a few held-out texts may hide.
            self.progress.first_eligible = self.progress.epoch + 1
        if self.validation is not None:
            self._keep_the_best(control)
        self.bar.set_postfix({k: f"{v:.4f}" for k, v in entry.items() if k != "epoch"})
        if self.tasks is not None:
            self.tasks.end(self._state)
            control.should_training_stop |= self.tasks.stopped
        is_last = control.should_training_stop or state.global_step >= state.max_steps
        if self.checkpoints is not None and control.should_save:
            control.should_save = self.checkpoints.are_due() or is_last

    def _state(self) -> tuple[Any, list[dict[str, Any]]]:
        model = deepcopy(self.model)  # training continues in place
        undo_mixed_precision(model)
        return model, list(self.progress.history)

    def _keep_the_best(self, control: Any) -> None:
        if self.progress.best_epoch == self.progress.epoch:
            weights = self.model.state_dict()
            self.best = {name: value.detach().cpu().clone() for name, value in weights.items()}
            return
        if self.progress.epoch - self.progress.best_epoch >= _PATIENCE:
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.checkpoints is None:
            return
        # A training that a scikit-learn callback stopped is not finished: a later fit without that
        # callback resumes it.
        interrupted = self.tasks is not None and self.tasks.stopped
        self.progress.finished = state.global_step >= state.max_steps or (
            control.should_training_stop and not interrupted
        )
        checkpoint = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        self.checkpoints.complete(checkpoint, self.progress, self.best, self.model)
