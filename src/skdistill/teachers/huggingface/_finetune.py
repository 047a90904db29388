"""Fine-tuning of a text classifier with the Hugging Face Trainer.

Importing this module takes seconds, because the Trainer does; only ``fit`` needs it.
"""

import dataclasses
import logging
import math
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight
from torch.nn import functional as F
from tqdm import tqdm
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from skdistill._core.epoch_tasks import EpochTasks
from skdistill._core.multilabel import refuse_class_weight
from skdistill._core.progress import progress_bar
from skdistill._core.torch import ONE_AT_A_TIME
from skdistill.teachers.huggingface._checkpoints import (
    Checkpoints,
    Progress,
    explaining_saves,
    whole_or_gone,
)
from skdistill.teachers.huggingface._inference import TokenisedTexts, compute_logits
from skdistill.teachers.huggingface._int8 import check_int8_device
from skdistill.teachers.huggingface._loading import load_classifier
from skdistill.teachers.huggingface._text_to_text import LabelTexts

_logger = logging.getLogger(__name__)

# Epochs without a lower validation loss after which early stopping gives up.
_PATIENCE = 2

# Two, so that the one before is there until the newest is whole.
_CHECKPOINTS_KEPT = 2

_ARGUMENT_NAMES = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all global random generators inside the block and give them back untouched."""
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


@dataclasses.dataclass(frozen=True)
class Examples(torch.utils.data.Dataset[Any]):
    """Texts to train or validate on, with what is expected of them.

    Attributes
    ----------
    tokens : TokenisedTexts
    targets : ndarray of shape (n_examples,) or (n_examples, n_labels), dtype int64
        The number of each one's class; or ones and zeros, for several labels a text.
    weights : ndarray of shape (n_examples,), dtype float32
        What each one counts, 1 on average.
    label_texts : LabelTexts, default=None
        The labels of a model that writes them; None for one with a classification layer.
    """

    tokens: TokenisedTexts
    targets: np.ndarray
    weights: np.ndarray
    label_texts: LabelTexts | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> dict[str, Any]:
        ids = self.tokens.fields["input_ids"]
        return {"row": row, "input_ids": ids.values[ids.offsets[row] : ids.offsets[row + 1]]}

    def collate(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Pad a batch no further than to its own longest text."""
        rows = np.array([item["row"] for item in items])
        return self.tokens.pad(rows) | {
            "labels": torch.from_numpy(self.targets[rows]),
            "weights": torch.from_numpy(self.weights[rows]),
        }


def row_weights(
    sample_weight: Any, class_weight: Any, classes: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    """Multiply the weights of rows and of their classes.

    Classes of which a text may have several cannot be weighted.

    Parameters
    ----------
    sample_weight : array-like of shape (n_texts,) or None
    class_weight : dict, "balanced" or None
        As scikit-learn has it; ``"balanced"`` counts rows by their `sample_weight`.
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_texts,) or (n_texts, n_labels)
        Positions in `classes`; or ones and zeros, for several labels a text.

    Returns
    -------
    ndarray of shape (n_texts,), dtype float64

    Raises
    ------
    ValueError
        If weights are negative, not finite, all zero, or of another number than the texts; or
        classes of which a text may have several are weighted.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.teachers.huggingface._finetune import row_weights
    >>> row_weights([1, 1, 2], {"b": 3}, np.array(["a", "b"]), np.array([0, 0, 1]))
    array([1., 1., 6.])
    """
    weights = _check_sample_weight(sample_weight, codes, dtype=np.float64, ensure_non_negative=True)
    if codes.ndim == 2:
        refuse_class_weight(class_weight)
    if class_weight is None:
        return weights
    rows = weights > 0
    present = np.unique(codes[rows])
    by_class = np.zeros(len(classes))
    by_class[present] = compute_class_weight(
        class_weight,
        classes=classes[present],
        y=classes[codes[rows]],
        sample_weight=weights[rows],
    )
    return weights * by_class[codes]


def split(examples: Examples, fraction: float, seed: int) -> tuple[Examples, Examples | None]:
    """Return what to train on and what to validate on, without the rows of weight 0.

    Parameters
    ----------
    examples : Examples
        Their weights on any scale.
    fraction : float
        Share of rows to validate on, stratified by class where a text has one; 0 for none.
    seed : int
        Chooses the rows.
    """
    rows = np.flatnonzero(examples.weights)
    if fraction == 0:
        return _take(examples, rows), None
    targets = examples.targets[rows]
    training, validation = train_test_split(
        rows,
        test_size=fraction,
        stratify=targets if targets.ndim == 1 else None,
        random_state=seed,
    )
    return _take(examples, training), _take(examples, validation)


def _take(examples: Examples, rows: np.ndarray) -> Examples:
    scaled = examples.weights[rows] / examples.weights[rows].mean()
    return dataclasses.replace(
        examples,
        tokens=examples.tokens.take(rows),
        targets=examples.targets[rows],
        weights=scaled.astype(np.float32),
    )


def training_precision(precision: str, device: torch.device) -> str:
    """Return the precision to train in: ``"fp32"``, ``"bf16"`` or ``"fp16"``.

    Integers are for prediction alone: ``"int8"`` trains as ``"auto"`` does.

    Raises
    ------
    ValueError
        If the device does not have the precision that was asked for.
    """
    if precision == "int8":
        check_int8_device(device)  # before the training, not after
        precision = "auto"
    has_bf16 = _has_bf16_units(device)
    if precision == "auto":
        return "bf16" if has_bf16 else "fp32"
    lacks_bf16 = precision == "bf16" and device.type == "cuda" and not has_bf16
    if lacks_bf16 or (precision == "fp16" and device.type == "cpu"):
        raise ValueError(
            f'precision="{precision}" is not to be had on the device {str(device)!r}; '
            'use precision="auto" or "fp32".'
        )
    return precision


def _has_bf16_units(device: torch.device) -> bool:
    """Tell whether a device multiplies bfloat16 in hardware, faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict[str, Any])()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


def fine_tune(
    model: Any,
    training: Examples,
    validation: Examples | None,
    *,
    arguments: dict[str, Any],
    device: torch.device,
    checkpoints: Checkpoints | None = None,
    tasks: EpochTasks | None = None,
    verbose: int = 0,
) -> list[dict[str, Any]]:
    """Fine-tune a model in place.

    Parameters
    ----------
    model : PreTrainedModel
        A text classifier; its weights afterwards are those of the last epoch or, with
        `validation`, of the best one.
    training, validation : Examples
        What to learn from and, for early stopping, what to measure on; no validation if None.
    arguments : dict
        Of ``TrainingArguments``, beside those that follow from the other parameters.
    device : torch.device
        Where to train.
    checkpoints : Checkpoints, default=None
        Where each epoch is saved and an interrupted training goes on from.
    tasks : EpochTasks, default=None
        Is told of each epoch with a copy of the model and the history, and may stop the training.
    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    list of dict
        The history, one entry an epoch.

    Raises
    ------
    ValueError
        If an argument is unknown, the Trainer cannot use `device`, or the loss is no number.
    """
    resumed = checkpoints.last() if checkpoints is not None else None
    progress = resumed[1] if resumed is not None else Progress()
    best = None
    if checkpoints is not None and resumed is not None and validation is not None:
        best = _read_weights(checkpoints.best_weights(*resumed))
    if resumed is not None:
        left = "is finished" if progress.finished else f"goes on after epoch {progress.epoch}"
        _logger.info("fine-tuning %s: loading %s", left, resumed[0])
    if resumed is not None and progress.finished:
        model.load_state_dict(best or _read_weights(resumed[0]))
        return progress.history
    with (
        tempfile.TemporaryDirectory(prefix="skdistill-", ignore_cleanup_errors=True) as scratch,
        progress_bar(desc="fine-tuning", unit="batch", disable=not verbose) as bar,
    ):
        folder = scratch if checkpoints is None else str(checkpoints.folder)
        use_cache = vars(model.config).get("use_cache")
        trainer = _WeightedTrainer(
            model=model,
            args=_training_arguments(arguments, folder, device, save=checkpoints is not None),
            train_dataset=training,
            data_collator=training.collate,
        )
        epochs = _Epochs(trainer, validation, checkpoints, progress, best, tasks, bar)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(epochs)
        trainer.train(resume_from_checkpoint=str(resumed[0]) if resumed is not None else None)
    if device.type != "cpu":
        trainer.accelerator.free_memory()
    _undo_mixed_precision(model)
    _undo_cache_setting(model.config, use_cache)
    if epochs.best is not None:
        model.load_state_dict(epochs.best)
    return progress.history


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_classifier(str(folder))[0].state_dict()


def _undo_mixed_precision(model: Any) -> None:
    """Give back the model's own ``forward``, which accelerate hides behind one that autocasts."""
    vars(model).pop("forward", None)
    vars(model).pop("_original_forward", None)


def _undo_cache_setting(config: Any, use_cache: bool | None) -> None:
    """Give back what the Trainer overwrites, even where a configuration has no such entry."""
    if use_cache is None:
        vars(config).pop("use_cache", None)
    else:
        config.use_cache = use_cache


def _training_arguments(
    chosen: dict[str, Any], folder: str, device: torch.device, *, save: bool
) -> TrainingArguments:
    by_length: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}
    if not by_length.keys() <= _ARGUMENT_NAMES:
        by_length = {"group_by_length": True}  # transformers 5.0
    unknown = sorted(chosen.keys() - _ARGUMENT_NAMES)
    if unknown:
        raise ValueError(
            f"trainer_args holds {unknown}, which transformers.TrainingArguments does not know."
        )
    settings = {
        "output_dir": folder,
        "use_cpu": device.type == "cpu",
        "save_strategy": "epoch" if save else "no",
        "save_total_limit": _CHECKPOINTS_KEPT,
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        **by_length,
        **chosen,
    }
    arguments = TrainingArguments(**settings)
    if device.index is not None:
        arguments._n_gpu = min(arguments.n_gpu, 1)
    if arguments.device.type != device.type or device.index not in (None, arguments.device.index):
        raise ValueError(
            f"device={str(device)!r} was asked for, but the Trainer takes "
            f"{str(arguments.device)!r}; choose among several accelerators of a machine by "
            'environment variable, as in CUDA_VISIBLE_DEVICES=1, and leave device="auto".'
        )
    return arguments


def cross_entropies(
    logits: torch.Tensor, targets: torch.Tensor, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Return the cross-entropy of each text's class, or the mean over its labels.

    Parameters
    ----------
    logits : Tensor of shape (n_texts, n_classes)
    targets : Tensor of shape (n_texts,) or (n_texts, n_labels), dtype int64
        The number of each text's class; or ones and zeros, for several labels a text.
    label_smoothing : float, default=0.0
        Share of the target that is spread over the classes, or over a label's no and yes.

    Returns
    -------
    Tensor of shape (n_texts,), in nats

    Examples
    --------
    >>> import torch
    >>> from skdistill.teachers.huggingface._finetune import cross_entropies
    >>> cross_entropies(torch.zeros(1, 4), torch.tensor([[1, 0, 0, 1]]))  # the logarithm of 2
    tensor([0.6931])
    """
    if targets.ndim == 1:
        return F.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)
    shares = targets.to(logits.dtype) * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(logits, shares, reduction="none").mean(dim=1)


class _WeightedTrainer(Trainer):
    """A Trainer whose loss weighs each text, and that adds the loss up over an epoch."""

    # The loss is a mean over the batch at hand, to be divided by the gradient accumulation steps.
    loss_is_scaled_for_ga = False

    def __init__(self, train_dataset: Examples, **kwargs: Any) -> None:
        super().__init__(train_dataset=train_dataset, **kwargs)
        self.label_texts = train_dataset.label_texts
        self.model_accepts_loss_kwargs = False
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
        # The Trainer's own way ignores weights whose names on disk are not those in the model.
        trained: Any = model or self.model
        trained.load_state_dict(_read_weights(Path(resume_from_checkpoint)))

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


class _Epochs(TrainerCallback):
    """Keeps the history, the best weights and the progress bar, and stops early."""

    def __init__(
        self,
        trainer: _WeightedTrainer,
        validation: Examples | None,
        checkpoints: Checkpoints | None,
        progress: Progress,
        best: dict[str, torch.Tensor] | None,
        tasks: EpochTasks | None,
        bar: "tqdm[Any]",
    ) -> None:
        self.trainer = trainer
        self.model: Any = trainer.model
        self.validation = validation
        self.checkpoints = checkpoints
        self.progress = progress
        self.best = best
        self.tasks = tasks
        self.bar = bar

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
                f"The training loss was {entry['train_loss']} in epoch {entry['epoch']}: "
                f"fine-tuning diverged. Choose a smaller lr than {args.learning_rate:g}, or "
                'precision="fp32".'
            )
        if self.validation is not None:
            entry |= _validate(self.model, self.validation, args.device)
        self.progress.history.append(entry)
        if self.validation is not None:
            self._keep_the_best(control)
        self.bar.set_postfix({k: f"{v:.4f}" for k, v in entry.items() if k != "epoch"})
        if self.tasks is not None:
            self.tasks.end(self._state)
            control.should_training_stop |= self.tasks.stopped

    def _state(self) -> tuple[Any, list[dict[str, Any]]]:
        model = deepcopy(self.model)  # training goes on, in place
        _undo_mixed_precision(model)
        return model, list(self.progress.history)

    def _keep_the_best(self, control: Any) -> None:
        if self.progress.best_epoch == self.progress.epoch:
            weights = self.model.state_dict()
            self.best = {name: value.detach().cpu().clone() for name, value in weights.items()}
        elif self.progress.epoch - self.progress.best_epoch >= _PATIENCE:
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.checkpoints is None:
            return
        # What a callback of scikit-learn stopped goes on another time: it may be gone by then.
        interrupted = self.tasks is not None and self.tasks.stopped
        self.progress.finished = state.global_step >= state.max_steps or (
            control.should_training_stop and not interrupted
        )
        checkpoint = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        self.checkpoints.complete(checkpoint, self.progress, self.best, self.model)


def _validate(model: Any, examples: Examples, device: torch.device) -> dict[str, float]:
    """Return the weighted loss and accuracy on validation rows."""
    with torch.no_grad():
        logits = compute_logits(
            model, examples.tokens, device=device, label_texts=examples.label_texts
        )
    targets = examples.targets
    losses = cross_entropies(torch.from_numpy(logits).double(), torch.from_numpy(targets)).numpy()
    if targets.ndim == 1:
        correct = logits.argmax(axis=1) == targets
    else:
        correct = ((logits > 0) == targets).mean(axis=1)
    return {
        "valid_loss": float(np.average(losses, weights=examples.weights)),
        "valid_accuracy": float(np.average(correct, weights=examples.weights)),
    }
