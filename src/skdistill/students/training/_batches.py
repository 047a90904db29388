"""Batches of texts as ids, taken from flat arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from skdistill.students.training._schedule import count_held_out
from skdistill.text._ragged import Ragged
from skdistill.text._vocabulary import UNKNOWN

# Number of batches among which texts are sorted by length, if requested.
_POOL = 100


@dataclass(frozen=True, slots=True)
class FlatBatch:
    """The ids of some texts, in the form that the networks expect."""

    ids: torch.Tensor
    offsets: torch.Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1


class TransferDataset(Dataset[Any]):
    """Texts as ids, and the targets of `DistillationLoss`: arrays with one row per text.

    Parameters
    ----------
    ids : Ragged
    targets : dict of ndarray
    rows : ndarray of int or None, default=None
        The rows that belong to the data set, in its order; None takes all. Nothing is copied, since
        a table of probabilities can take most of the memory.
    """

    def __init__(self, ids: Ragged, targets: dict[str, np.ndarray], rows: np.ndarray | None = None):
        self.ids = ids
        self.targets = {name: torch.from_numpy(values) for name, values in targets.items()}
        self.rows = np.arange(len(ids)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        """Number of features of each text, an ndarray of shape (n_texts,)."""
        return self.ids.lengths[self.rows]

    def mean_proba(self) -> torch.Tensor:
        """Return the weighted mean of the teacher's probabilities, of shape (n_classes,)."""
        weight = self.targets["sample_weight"][self.rows]
        return weight @ self.targets["proba"][self.rows] / weight.sum()

    def take(self, rows: np.ndarray) -> "TransferDataset":
        """Return the data set of the given rows."""
        targets = {name: values.numpy() for name, values in self.targets.items()}
        return TransferDataset(self.ids, targets, self.rows[rows])

    def hold_out(self, fraction: float, seed: int) -> tuple["TransferDataset", "TransferDataset"]:
        """Split at random into a training set and a held-out set with a `fraction` of the rows.

        Rows without weight stay in the training set, where they change nothing, and so does the
        only row of a class, which nothing else teaches.
        """
        has_weight = self.targets["sample_weight"].numpy()[self.rows] > 0
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(has_weight))
        known = "texts with a known feature and a weight"
        n_held_out = count_held_out(len(rows), fraction, what=known)
        if self.targets["label"].ndim == 1:
            winners = self.targets["proba"].numpy()[self.rows[rows]].argmax(axis=1)
            is_alone = np.bincount(winners)[winners] == 1
            rows = np.concatenate([rows[~is_alone], rows[is_alone]])
            n_held_out = min(n_held_out, int(np.count_nonzero(~is_alone)))
        if not n_held_out:
            raise ValueError(
                f"early_stopping needs classes with two texts or more, but each of {len(rows)} "
                "texts is the only one of its class; pass more texts, or turn it off."
            )
        training = np.concatenate([rows[n_held_out:], np.flatnonzero(~has_weight)])
        return self.take(training), self.take(rows[:n_held_out])

    def with_gold_labels(self) -> "TransferDataset":
        """Replace the teacher's probabilities by the gold labels."""
        features, targets = self.batch(np.arange(len(self)))
        gold = targets["label"]
        if gold.ndim == 1:
            gold = torch.zeros_like(targets["proba"]).scatter_(1, gold[:, None], 1.0)
        targets["proba"] = gold.to(targets["proba"].dtype)
        ids = Ragged(features.ids.numpy(), features.offsets.numpy())
        return TransferDataset(ids, {name: v.numpy() for name, v in targets.items()})

    def batch(self, rows: np.ndarray) -> tuple[FlatBatch, dict[str, torch.Tensor]]:
        """Return the given rows as one batch."""
        rows = self.rows[rows]
        taken = self.ids.take(rows)
        index = torch.from_numpy(rows)
        features = FlatBatch(torch.from_numpy(taken.values), torch.from_numpy(taken.offsets))
        return features, {name: values[index] for name, values in self.targets.items()}


def make_datasets(
    ids: Ragged, targets: dict[str, np.ndarray], n_labeled: int
) -> tuple[TransferDataset, TransferDataset]:
    """Make two data sets: all texts, and the first `n_labeled`, which have gold labels.

    Texts without a known feature are left out, because their prediction is always the prior. The
    weights of the others are scaled to a mean of 1.
    """
    known = ids.rows_with(ids.values != UNKNOWN)
    weight = targets["sample_weight"]
    targets = {**targets, "sample_weight": weight / weight[known].mean()}
    dataset = TransferDataset(ids, targets, known)
    return dataset, dataset.take(np.flatnonzero(known < n_labeled))


class Batches:
    """Batches for skorch, made without the `DataLoader`'s Python overhead per row.

    Parameters
    ----------
    dataset : TransferDataset
    batch_size : int
    rng : numpy.random.Generator or None, default=None
        Shuffles the rows in each epoch. None keeps their order.
    by_length : bool, default=False
        Whether to batch texts of similar length, sorted within pools of a hundred batches.
    n_features : int or None, default=None
        Approximate number of features beyond which a batch is divided. None divides none.
    """

    def __init__(
        self,
        dataset: TransferDataset,
        batch_size: int,
        rng: np.random.Generator | None = None,
        by_length: bool = False,
        n_features: int | None = None,
    ):
        self.dataset = dataset
        self.batch_size = batch_size
        self.rng = rng
        self.by_length = by_length
        self.n_features = n_features

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[FlatBatch, dict[str, torch.Tensor]]]:
        rows, lengths = np.arange(len(self.dataset)), self.dataset.lengths
        if self.rng is not None:
            self.rng.shuffle(rows)
        if self.by_length:
            pools = np.array_split(rows, ceil(len(rows) / (_POOL * self.batch_size)))
            rows = np.concatenate(
                [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
            )
        starts = np.arange(0, len(rows), self.batch_size)
        if self.by_length and self.rng is not None:
            self.rng.shuffle(starts)
        for start in starts:
            batch = rows[start : start + self.batch_size]
            for part in _split(batch, lengths[batch], self.n_features):
                yield self.dataset.batch(part)


def _split(rows: np.ndarray, lengths: np.ndarray, n_features: int | None) -> list[np.ndarray]:
    """Divide the rows of a batch with more than `n_features` features."""
    if n_features is None:
        return [rows]
    return np.split(rows, np.flatnonzero(np.diff(lengths.cumsum() // n_features)) + 1)
