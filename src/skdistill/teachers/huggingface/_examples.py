"""Training and validation texts with their targets and weights."""

from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight

from skdistill._core.labels import weigh_classes
from skdistill._core.multilabel import refuse_class_weight
from skdistill.teachers.huggingface._inference import TokenisedTexts
from skdistill.teachers.huggingface._text_to_text import LabelTexts


@dataclass(frozen=True)
class Examples(torch.utils.data.Dataset[Any]):
    """Texts to train or validate on, with their targets and weights.

    Attributes
    ----------
    tokens : TokenisedTexts
    targets : ndarray of shape (n_examples,) or (n_examples, n_labels), dtype int64
        Class numbers; or ones and zeros, if a text may have several labels.
    weights : ndarray of shape (n_examples,), dtype float32
        Weight of each example in the loss, 1 on average.
    label_texts : LabelTexts, default=None
        The labels of a text-to-text model; None for a model with a classification layer.
    rows : ndarray of shape (n_examples,), dtype intp
        Where the texts stand in the user's input; empty before `split`.
    """

    tokens: TokenisedTexts
    targets: np.ndarray
    weights: np.ndarray
    label_texts: LabelTexts | None = None
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.intp))

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> dict[str, Any]:
        ids = self.tokens.fields["input_ids"]
        return {"row": row, "input_ids": ids.values[ids.offsets[row] : ids.offsets[row + 1]]}

    def collate(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Pad a batch to the length of its longest text."""
        rows = np.array([item["row"] for item in items])
        return self.tokens.pad(rows) | {
            "labels": torch.from_numpy(self.targets[rows]),
            "weights": torch.from_numpy(self.weights[rows]),
        }


def row_weights(
    sample_weight: Any, class_weight: Any, classes: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    """Return the product of row weights and class weights.

    `codes` are positions in `classes`, of shape (n_texts,); or ones and zeros, of shape
    (n_texts, n_labels). ``"balanced"`` takes `sample_weight` into account.

    Raises
    ------
    ValueError
        If weights are negative, not finite or all zero, if their number differs from the number of
        texts, or if there are class weights and a text may have several labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.teachers.huggingface._examples import row_weights
    >>> row_weights([1, 1, 2], {"b": 3}, np.array(["a", "b"]), np.array([0, 0, 1]))
    array([1., 1., 6.])
    """
    weights = _check_sample_weight(sample_weight, codes, dtype=np.float64, ensure_non_negative=True)
    if codes.ndim == 2:
        refuse_class_weight(class_weight)
    if class_weight is None:
        return weights
    weights = weights * weigh_classes(class_weight, classes, codes, weights)[codes]
    if not weights.any():
        raise ValueError(
            "The weights of all texts, sample_weight times class_weight, are 0; give some texts, "
            "and their classes, a positive weight."
        )
    return weights


def split(
    examples: Examples, fraction: float, seed: int, classes: np.ndarray
) -> tuple[Examples, Examples | None]:
    """Split examples into training and validation examples, without the rows of weight 0.

    `fraction` is the share for validation, stratified by class unless a text may have several
    labels. If it is 0, the validation examples are None.
    """
    rows = np.flatnonzero(examples.weights)
    if fraction == 0:
        return _take(examples, rows), None
    targets = examples.targets[rows]
    if targets.ndim == 1:
        _check_two_of_each(targets, classes)
        _check_one_of_each_held_out(targets, fraction)
    training, validation = train_test_split(
        rows,
        test_size=fraction,
        stratify=targets if targets.ndim == 1 else None,
        random_state=seed,
    )
    return _take(examples, training), _take(examples, validation)


def _check_two_of_each(targets: np.ndarray, classes: np.ndarray) -> None:
    """Refuse a class with a single example, which cannot be both trained and validated on."""
    present, counts = np.unique(targets, return_counts=True)
    if counts.min() < 2:
        label = classes.tolist()[present[counts.argmin()]]
        raise ValueError(
            f"early_stopping needs at least 2 texts of each class, but the class {label!r} has 1; "
            "add texts of this class, drop it, or set early_stopping=False."
        )


def _check_one_of_each_held_out(targets: np.ndarray, fraction: float) -> None:
    """Refuse to hold out, or to keep, fewer texts than there are classes."""
    n_classes, n_texts = len(np.unique(targets)), len(targets)
    n_held_out = ceil(fraction * n_texts)
    if n_classes <= n_held_out <= n_texts - n_classes:
        return
    raise ValueError(
        f"early_stopping holds out validation_fraction={fraction} of {n_texts} texts, and needs at "
        f"least one of each of the {n_classes} classes on both sides; pass a validation_fraction "
        f"from {n_classes / n_texts:.2f} to {1 - n_classes / n_texts:.2f}, or more texts, or set "
        "early_stopping=False."
    )


def _take(examples: Examples, rows: np.ndarray) -> Examples:
    scaled = examples.weights[rows] / examples.weights[rows].mean()
    return replace(
        examples,
        tokens=examples.tokens.take(rows),
        targets=examples.targets[rows],
        weights=scaled.astype(np.float32),
        rows=rows,
    )
