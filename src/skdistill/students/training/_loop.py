"""The skorch net that trains a student, and its callbacks."""

import dis
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite, sqrt
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from skorch.helper import predefined_split
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from skdistill._core.epoch_tasks import EpochTasks
from skdistill._core.progress import progress_bar
from skdistill._core.torch import torch_seed
from skdistill.students.training._batches import Batches, FlatBatch, TransferDataset
from skdistill.students.training._criterion import DistillationLoss, agreement
from skdistill.students.training._network import TextNetwork
from skdistill.students.training._schedule import MIN_STEPS

# Number of held-out texts in a batch, and of their features, about 300 bytes each.
VALIDATION_TEXTS, VALIDATION_FEATURES = 4_096, 2**16


class StopTraining(Exception):  # noqa: N818
    """Ends training early without an error."""


class StudentNet(NeuralNet):
    """A skorch net for flat batches that prints nothing."""

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [pair for pair in super()._default_callbacks if pair[0] != "print_log"]

    def infer(self, x: FlatBatch, **fit_params: Any) -> Any:
        """Run the module on one batch."""
        return self.module_(x.ids.to(self.device), x.offsets.to(self.device))

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call skorch's callbacks, and turn their KeyboardInterrupt into StopTraining."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as interrupt:
            if method_name == "on_epoch_end" and _was_raised_by_code(interrupt):
                raise StopTraining from interrupt
            raise

    def fit_until_stopped(
        self,
        dataset: TransferDataset,
        tasks: EpochTasks | None = None,
        state: Callable[[], tuple[Any, ...]] = tuple,
    ) -> None:
        """Train the network; unlike skorch's `fit`, raise KeyboardInterrupt on Ctrl-C.

        Parameters
        ----------
        dataset : TransferDataset
        tasks : EpochTasks or None, default=None
            Called at each epoch; it may stop training.
        state : callable, default=tuple
            Returns the data from which `tasks` makes a student at the end of an epoch.

        Raises
        ------
        ValueError
            If the loss is no longer a finite number.
        """
        self.initialize()
        self.notify("on_train_begin", X=dataset, y=None)
        stopped = False
        while not stopped and len(self.history) < self.max_epochs:
            if tasks is not None:
                tasks.begin()
            try:
                self.fit_loop(dataset, epochs=1)
            except StopTraining:
                stopped = True
            loss = self.history[-1, "train_loss"]
            if not isfinite(loss):
                raise ValueError(
                    f"The training loss was {loss} in epoch {len(self.history)}: training "
                    f"diverged. Choose a smaller lr than {self.lr:g}."
                )
            if tasks is not None:
                tasks.end(state)
                stopped = stopped or tasks.stopped
        if stopped:
            self.history.record("stopped_early", True)
        self.notify("on_train_end", X=dataset, y=None)


def _was_raised_by_code(interrupt: KeyboardInterrupt) -> bool:
    """Return whether a `raise` statement caused the interrupt, rather than Ctrl-C."""
    step = interrupt.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None:
        return False
    return dis.opname[step.tb_frame.f_code.co_code[step.tb_lasti]] == "RAISE_VARARGS"


class FidelityEarlyStopping(Callback):
    """Keep the weights that agree best with the teacher on held-out texts.

    Fidelity has few values if there are few texts or one class prevails, and differs by chance. So
    the loss decides between epochs whose fidelity is within one standard error of the highest [1]_,
    and a lower loss postpones the end of training. Both count texts by their weights.

    Parameters
    ----------
    patience : int
        Number of epochs with neither better fidelity nor a lower loss than any before, after which
        training stops. It never stops before the fewest steps of a schedule: until then, many
        classes or a rare one may improve neither.
    multilabel : bool, default=False
        Whether a text may have several labels. If so, agreement is counted per label.

    References
    ----------
    .. [1] L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone, "Classification and Regression
       Trees", Wadsworth, 1984, section 3.4.3.
    """

    def __init__(self, patience: int, multilabel: bool = False):
        self.patience = patience
        self.multilabel = multilabel

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Reset the state of earlier training."""
        self.highest_fidelity_ = self.kept_fidelity_ = -1.0
        self.lowest_loss_ = self.kept_loss_ = inf
        self.best_weights_ = None
        self.waited_ = self.n_steps_ = 0

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start counting."""
        self.agreed_ = self.seen_ = self.squares_ = self.loss_ = 0.0

    def on_batch_end(
        self,
        net: NeuralNet,
        batch: Any,
        training: bool,
        loss: Any = None,
        y_pred: Any = None,
        **kwargs: Any,
    ) -> None:
        """Count the predictions on which student and teacher agree."""
        self.n_steps_ += training
        if not training:
            agreed = agreement(y_pred.cpu(), batch[1]["proba"], self.multilabel)
            weight = batch[1]["sample_weight"].double()
            self.agreed_ += float((weight * agreed).sum())
            self.seen_ += float(weight.sum())
            self.squares_ += float((weight**2).sum())
            self.loss_ += len(weight) * float(loss)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Keep the best weights, or stop."""
        # Sums of weights are rounded.
        fidelity = min(1.0, self.agreed_ / self.seen_) if self.seen_ else 0.0
        net.history.record("valid_fidelity", fidelity)
        improved = fidelity > self.highest_fidelity_ or self.loss_ < self.lowest_loss_
        self.waited_ = 0 if improved else self.waited_ + 1
        self.highest_fidelity_ = max(fidelity, self.highest_fidelity_)
        self.lowest_loss_ = min(self.loss_, self.lowest_loss_)
        lowest = self.highest_fidelity_ - self._standard_error()
        if fidelity >= lowest and (self.loss_ <= self.kept_loss_ or self.kept_fidelity_ < lowest):
            self.kept_fidelity_, self.kept_loss_ = fidelity, self.loss_
            self.best_weights_ = deepcopy(net.module_.state_dict())
        if self.waited_ >= self.patience and self.n_steps_ >= MIN_STEPS:
            raise StopTraining

    def _standard_error(self) -> float:
        """Return the standard error of the highest fidelity."""
        variance = self.highest_fidelity_ * (1 - self.highest_fidelity_)
        return sqrt(variance * self.squares_) / self.seen_ if self.seen_ else 0.0

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Restore the best weights."""
        net.module_.load_state_dict(self.best_weights_)


class Progress(Callback):
    """Update one progress bar over all batches of all epochs.

    Parameters
    ----------
    bar : tqdm
        Counts batches. The caller closes it.
    """

    def __init__(self, bar: "tqdm[Any]"):
        self.bar = bar

    def on_batch_end(self, net: NeuralNet, training: bool, **kwargs: Any) -> None:
        """Advance the bar."""
        if training:
            self.bar.update()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Show the losses."""
        shown = {
            name: f"{net.history[-1, name]:.3g}"
            for name in ("train_loss", "valid_loss", "valid_fidelity")
            if name in net.history[-1]
        }
        self.bar.set_postfix(shown)


@dataclass(frozen=True)
class Recipe:
    """Settings for training a network.

    Attributes
    ----------
    max_epochs, batch_size, seed : int
    lr : float
        Adam's learning rate at the first step. It decreases linearly to 0 at the last.
    device : torch.device
    loss, temperature, multilabel
        See `DistillationLoss`.
    patience : int, default=3
        Number of epochs without better fidelity on held-out texts after which training stops.
    callbacks : sequence of skorch callbacks
    verbose : int, default=0
        1 shows a progress bar.
    by_length : bool, default=False
        See `Batches`.
    """

    max_epochs: int
    batch_size: int
    lr: float
    seed: int
    device: torch.device
    loss: str = "kl"
    temperature: float = 1.0
    multilabel: bool = False
    patience: int = 3
    callbacks: Sequence[Any] = ()
    verbose: int = 0
    by_length: bool = False

    def for_gold_labels(self, n_epochs: int) -> "Recipe":
        """Return the recipe of the final epochs: cross-entropy and a tenth of the learning rate."""
        return replace(self, max_epochs=n_epochs, lr=self.lr / 10, loss="kl", temperature=1.0)


def train(
    make_network: Callable[[], TextNetwork],
    dataset: TransferDataset,
    recipe: Recipe,
    *,
    held_out: TransferDataset | None = None,
    initial_weights: dict[str, np.ndarray] | None = None,
    earlier_history: Sequence[dict[str, float]] = (),
    tasks: EpochTasks | None = None,
) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    """Train a network on a transfer set.

    Parameters
    ----------
    make_network : callable
        Builds the network. It is called after seeding.
    dataset : TransferDataset
    recipe : Recipe
    held_out : TransferDataset or None, default=None
        Texts for early stopping on fidelity. None trains for all epochs.
    initial_weights : dict of ndarray or None, default=None
        Initial values for some or all of the network's weights.
    earlier_history : sequence of dict, default=()
        History of earlier training that this one continues.
    tasks : EpochTasks or None, default=None
        Called at each epoch with its weights and history; it may stop training.

    Returns
    -------
    weights : dict of ndarray
        The network's state.
    history : list of dict
        One entry per epoch, starting with those of `earlier_history`.
    """

    def make_started_network() -> TextNetwork:
        network = make_network()
        if recipe.multilabel:
            network.start_at(dataset.mean_proba())
        known = {name: torch.from_numpy(values) for name, values in (initial_weights or {}).items()}
        network.load_state_dict(known, strict=False)
        return network

    n_steps = recipe.max_epochs * ceil(len(dataset) / recipe.batch_size)
    bar = progress_bar(
        total=n_steps, desc="training student", unit="batch", disable=not recipe.verbose
    )
    net = _make_net(make_started_network, recipe, n_steps, held_out, bar)

    def state() -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        weights = {
            name: value.cpu().numpy().copy() for name, value in net.module_.state_dict().items()
        }
        return weights, [*earlier_history, *summarize(net.history)]

    with bar, torch_seed(recipe.seed, recipe.device):
        net.fit_until_stopped(dataset, tasks, state)
    return state()


def _make_net(
    make_network: Callable[[], TextNetwork],
    recipe: Recipe,
    n_steps: int,
    held_out: TransferDataset | None,
    bar: "tqdm[Any]",
) -> StudentNet:
    decay = LRScheduler(
        LambdaLR,
        lr_lambda=lambda step: max(0.0, 1 - step / n_steps),
        step_every="batch",
        event_name=None,
    )
    own: list[tuple[str, Callback]] = [("decay", decay)]
    if held_out is not None:
        own.append(("early_stopping", FidelityEarlyStopping(recipe.patience, recipe.multilabel)))
    if recipe.verbose:
        own.append(("progress", Progress(bar)))
    return StudentNet(
        make_network,
        criterion=DistillationLoss,
        criterion__loss=recipe.loss,
        criterion__temperature=recipe.temperature,
        criterion__multilabel=recipe.multilabel,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=recipe.lr,
        max_epochs=recipe.max_epochs,
        batch_size=recipe.batch_size,
        iterator_train=Batches,
        iterator_train__rng=np.random.default_rng(recipe.seed),
        iterator_train__by_length=recipe.by_length,
        iterator_valid=Batches,
        iterator_valid__batch_size=VALIDATION_TEXTS,
        iterator_valid__n_features=VALIDATION_FEATURES,
        train_split=None if held_out is None else predefined_split(held_out),
        callbacks=[*own, *recipe.callbacks],
        verbose=0,
        device=recipe.device,
    )


def summarize(history: Iterable[dict[str, Any]]) -> list[dict[str, float]]:
    """Reduce skorch's history to the losses, fidelities and durations of each epoch."""
    return [
        {
            name: float(value)
            for name, value in epoch.items()
            if name in ("epoch", "dur") or name.endswith(("_loss", "_fidelity"))
        }
        for epoch in history
    ]
