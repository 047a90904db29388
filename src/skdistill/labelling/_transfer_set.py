"""The transfer set: every text a student learns from, with soft labels and weights."""

import logging
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils.class_weight import compute_class_weight

from skdistill._core.labels import check_probabilities
from skdistill._core.multilabel import as_questions, from_questions, refuse_class_weight
from skdistill._core.texts import check_texts
from skdistill.datasets._files import ParquetTexts
from skdistill.labelling._soft_labels import SoftLabeler
from skdistill.metrics._calibration import apply_temperature, fit_temperature
from skdistill.text._streams import (
    CheckedTexts,
    JoinedTexts,
    Texts,
    is_on_disk,
)

_logger = logging.getLogger(__name__)

# Share of the labelled rows on which a teacher is calibrated, if no other rows are held out.
_CALIBRATION_FRACTION = 0.1


class TextPool:
    """Unlabelled texts that no cross-validation may cut.

    scikit-learn slices every `fit` argument that has as many rows as `X` to the fold at hand, and
    with it, silently, a list of unlabelled texts that happens to be of that length. A pool has no
    length, so it always arrives whole.

    A pool may be larger than memory: columns of a ``datasets.Dataset``, and other sequences that
    are neither list nor tuple, are read by slices of some thousands, and parquet files batch by
    batch. They are gone through several times; an augmenter takes all texts into memory.

    Parameters
    ----------
    texts : iterable of str
        The texts; read anew at each fit, so not a generator.

    See Also
    --------
    DistilledMLPClassifier : Takes one as `X_unlabeled` in `fit`.

    References
    ----------
    .. [1] https://github.com/scikit-learn/scikit-learn/issues/30739

    Examples
    --------
    >>> from skdistill import TextPool
    >>> pool = TextPool(["an unlabelled text", "another"])
    >>> [text for text in pool]
    ['an unlabelled text', 'another']
    """

    def __init__(self, texts: Iterable[str]):
        if isinstance(texts, Iterator):
            raise TypeError(
                "TextPool needs texts that can be read more than once; pass a list, not a "
                f"{type(texts).__name__}."
            )
        self.texts = texts

    @classmethod
    def from_parquet(cls, location: str | PathLike[str], *, column: str = "text") -> "TextPool":
        """Make a pool of the texts in parquet files, which stay on disk.

        Parameters
        ----------
        location : str or path-like
            A file, or a folder whose files ``*.parquet`` are read in the order of their names.
        column : str, default="text"
            The column of texts.

        Returns
        -------
        TextPool

        Raises
        ------
        FileNotFoundError
            If there is no such file or folder, or the folder holds no parquet file.
        ValueError
            If a file lacks the column, or is no parquet file. Missing texts are found in `fit`.

        Examples
        --------
        >>> import tempfile
        >>> import pandas as pd
        >>> from skdistill import TextPool
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pd.DataFrame({"text": ["one", "two"]}).to_parquet(f"{folder}/part-0.parquet")
        ...     pd.DataFrame({"text": ["three"]}).to_parquet(f"{folder}/part-1.parquet")
        ...     list(TextPool.from_parquet(folder))
        ['one', 'two', 'three']
        """
        return cls(ParquetTexts(location, column))

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __repr__(self) -> str:
        return f"TextPool({type(self.texts).__name__})"


def as_pool(X_unlabeled: Iterable[str] | None) -> TextPool | None:
    """Return a pool, which no cross-validation cuts; texts in memory are checked."""
    if X_unlabeled is None or isinstance(X_unlabeled, TextPool):
        return X_unlabeled
    return TextPool(check_texts(X_unlabeled, name="X_unlabeled", allow_empty=True))


@dataclass(frozen=True)
class TransferSet:
    """Texts with the targets of `skdistill.students.training._losses.DistillationLoss`.

    Parameters
    ----------
    texts : collection of str, of length n_texts
        The labelled texts, then the unlabelled ones, then the augmented ones; those of a pool on
        disk are read each time they are gone through.
    proba : ndarray of shape (n_texts, n_classes), dtype float32
        The teacher's probabilities, or gold labels as ones and zeros.
    label : ndarray of shape (n_texts,) or (n_texts, n_labels), dtype int64
        The gold class, or ones and zeros for several labels a text; 0 where there is none.
    hard_weight : ndarray of shape (n_texts,), dtype float32
        The share of the hard loss; 0 where there is no gold label.
    sample_weight : ndarray of shape (n_texts,), dtype float32
        Weights of mean 1.
    """

    texts: Texts
    proba: np.ndarray
    label: np.ndarray
    hard_weight: np.ndarray
    sample_weight: np.ndarray

    @property
    def targets(self) -> dict[str, np.ndarray]:
        """What the loss takes."""
        return {
            "proba": self.proba,
            "label": self.label,
            "hard_weight": self.hard_weight,
            "sample_weight": self.sample_weight,
        }


def make_transfer_set(
    X: list[str],
    classes: np.ndarray,
    codes: np.ndarray,
    *,
    labeler: SoftLabeler | None = None,
    X_unlabeled: Iterable[str] | None = None,
    augmenter: BaseEstimator | None = None,
    teacher_proba: Any = None,
    unlabeled_proba: Any = None,
    teacher_cv: Any = None,
    calibrate_teacher: bool = False,
    hard_label_weight: float = 0.0,
    class_weight: dict[Any, float] | str | None = None,
    sample_weight: np.ndarray | None = None,
) -> TransferSet:
    """Join labelled, unlabelled and augmented texts into one set with one loss.

    Probabilities that are given are taken; the teacher is asked for the others. Without a teacher,
    gold labels stand in for the probabilities of `X`.

    Parameters
    ----------
    X : list of str, of length n_labeled
    classes : ndarray of shape (n_classes,)
        The sorted labels.
    codes : ndarray of shape (n_labeled,) or (n_labeled, n_labels)
        The gold classes as positions in `classes`; or ones and zeros, for several labels a text.
    labeler : SoftLabeler or None, default=None
        The teacher, with `X` and the gold labels as its training rows.
    X_unlabeled : iterable of str, TextPool or None, default=None
    augmenter : estimator with `fit` and `augment`, or None, default=None
        Makes more texts out of the labelled and the unlabelled ones, for the teacher to label.
    teacher_proba : array-like of shape (n_labeled, n_classes) or None, default=None
    unlabeled_proba : array-like of shape (n_unlabeled, n_classes) or None, default=None
    teacher_cv : int, cross-validation generator or None, default=None
        Folds in which `X` is labelled by teachers that were fitted on the other folds.
    calibrate_teacher : bool, default=False
        Whether the teacher's probabilities are softened by the temperature that makes those of
        held-out rows most likely: the rows of `teacher_cv`, or else a tenth of `X`.
    hard_label_weight : float, default=0.0
        Share of the loss against the gold labels, on labelled rows.
    class_weight : dict, "balanced" or None, default=None
        A labelled row takes the weight of its class, another one the mean of the classes' weights
        under its probabilities. Not for several labels a text.
    sample_weight : ndarray of shape (n_labeled,) or None, default=None
        A row without a gold label weighs 1.

    Returns
    -------
    TransferSet

    Raises
    ------
    ValueError
        If probabilities do not fit their rows, nothing can label unlabelled or augmented texts, or
        classes of which a text has several are weighted.

    References
    ----------
    .. [1] Guo et al. (2017), "On Calibration of Modern Neural Networks", ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.labelling._transfer_set import TextPool, make_transfer_set
    >>> transfer = make_transfer_set(
    ...     ["gold"],
    ...     np.array(["no", "yes"]),
    ...     np.array([1]),
    ...     X_unlabeled=TextPool(["none"]),
    ...     unlabeled_proba=[[0.5, 0.5]],
    ...     class_weight={"no": 1, "yes": 3},
    ... )
    >>> transfer.proba.tolist(), transfer.sample_weight
    ([[0.0, 1.0], [0.5, 0.5]], array([1.2, 0.8], dtype=float32))
    """
    pool = check_unlabeled(X_unlabeled, n_labeled=len(X))
    n_classes, multilabel = len(classes), codes.ndim == 2
    known: list[np.ndarray | None] = [None, None, None]
    if teacher_proba is not None:
        known[0] = check_probabilities(
            teacher_proba,
            n_rows=len(X),
            n_classes=n_classes,
            name="teacher_proba",
            multilabel=multilabel,
        )
    if unlabeled_proba is not None:
        known[1] = check_probabilities(
            unlabeled_proba,
            n_rows=len(pool),
            n_classes=n_classes,
            name="unlabeled_proba",
            rows="X_unlabeled",
            multilabel=multilabel,
        )
    if labeler is None:
        _check_nothing_to_label(pool, known[1], augmenter)
        gold = (
            codes.astype(np.float32) if multilabel else np.eye(n_classes, dtype=np.float32)[codes]
        )
        blocks: list[Texts] = [X, pool]
        proba = gold if known[0] is None else known[0]
        if known[1] is not None:
            proba = np.concatenate([proba, known[1]])
    else:
        augmented = []
        if augmenter is not None:
            sources = [*X, *pool]
            augmented = clone(augmenter).fit(sources).augment(sources)
            _logger.info("%s more texts were made by augmentation", f"{len(augmented):,}")
        blocks = [X, pool, augmented]
        proba = _complete(known, blocks, labeler, codes, teacher_cv, calibrate_teacher)
    weights = _weights(classes, codes, proba[len(X) :], class_weight, sample_weight)
    n_others = len(proba) - len(X)
    return TransferSet(
        texts=JoinedTexts(blocks),
        proba=proba,
        label=np.concatenate([codes, np.zeros((n_others, *codes.shape[1:]), dtype=np.int64)]),
        hard_weight=np.repeat([hard_label_weight, 0.0], [len(X), n_others]).astype(np.float32),
        sample_weight=(weights / weights.mean()).astype(np.float32),
    )


def _check_nothing_to_label(
    pool: Texts, pool_proba: np.ndarray | None, augmenter: BaseEstimator | None
) -> None:
    if augmenter is not None:
        raise ValueError(
            "An augmenter was given, but nothing can label its texts: pass a teacher to the "
            "constructor."
        )
    if pool and pool_proba is None:
        raise ValueError(
            "X_unlabeled was given, but nothing can label it: pass a teacher to the constructor or "
            "unlabeled_proba to fit."
        )


def _complete(
    known: list[np.ndarray | None],
    blocks: list[Texts],
    labeler: SoftLabeler,
    codes: np.ndarray,
    teacher_cv: Any,
    calibrate_teacher: bool,
) -> np.ndarray:
    """Ask the teacher for the probabilities that are not known; labelled texts come first."""
    blocks_to_label = [i for i, proba in enumerate(known) if proba is None]
    asked: dict[int, np.ndarray] = {}
    temperature, multilabel = 1.0, codes.ndim == 2
    if teacher_cv is not None and 0 in blocks_to_label:
        rows, proba = labeler.label_held_out(teacher_cv)
        if len(rows) < len(codes):
            raise ValueError(
                f"teacher_cv={teacher_cv!r} holds only {len(rows)} of the {len(codes)} rows out; "
                "it must hold each out once, as folds do."
            )
        blocks_to_label.remove(0)
        asked[0] = proba
    if calibrate_teacher and any(blocks[i] for i in {*asked, *blocks_to_label}):
        if 0 not in asked:
            rows, proba = labeler.label_held_out(_calibration_split(codes))
        if multilabel:
            temperature = fit_temperature(as_questions(proba), codes[rows].ravel())
        else:
            temperature = fit_temperature(proba, codes[rows])
    texts = JoinedTexts([blocks[i] for i in blocks_to_label])
    _logger.info("%s texts are to be labelled by the teacher", f"{len(texts):,}")
    labelled = labeler.label(texts)
    ends = np.cumsum([len(blocks[i]) for i in blocks_to_label])
    asked |= zip(blocks_to_label, np.split(labelled, ends[:-1]), strict=True)
    return np.concatenate(
        [
            _soften(asked[i], temperature, multilabel) if proba is None else proba
            for i, proba in enumerate(known)
        ]
    ).astype(np.float32, copy=False)


def _calibration_split(codes: np.ndarray) -> ShuffleSplit | StratifiedShuffleSplit:
    """Hold out a tenth of the labelled rows, of each class where a text has one."""
    n_held_out = ceil(_CALIBRATION_FRACTION * len(codes))
    if codes.ndim == 2:
        return ShuffleSplit(1, test_size=n_held_out, random_state=0)
    n_classes = codes.max() + 1
    if np.bincount(codes).min() < 2 or n_held_out < n_classes:
        raise ValueError(
            f"calibrate_teacher holds out {n_held_out} of {len(codes)} rows, too few for "
            f"{n_classes} classes of at least two rows each; use teacher_cv beside it, "
            "whose held-out rows serve, or more rows."
        )
    return StratifiedShuffleSplit(1, test_size=n_held_out, random_state=0)


def _soften(proba: np.ndarray, temperature: float, multilabel: bool) -> np.ndarray:
    if not multilabel:
        return apply_temperature(proba, temperature)
    questions = apply_temperature(as_questions(proba), temperature)
    return from_questions(questions, proba.shape[1])


def check_unlabeled(X_unlabeled: Iterable[str] | None, *, n_labeled: int) -> Texts:
    """Check unlabelled texts, and warn where cross-validation may have cut them.

    Parameters
    ----------
    X_unlabeled : iterable of str, TextPool or None
    n_labeled : int
        Number of labelled texts.

    Returns
    -------
    list of str, or CheckedTexts of a pool on disk, of length n_unlabeled

    Warns
    -----
    UserWarning
        If there are as many unlabelled as labelled texts, and no pool protects them.
    """
    if X_unlabeled is None:
        return []
    if isinstance(X_unlabeled, TextPool):
        if is_on_disk(X_unlabeled.texts):
            return CheckedTexts(X_unlabeled.texts, "X_unlabeled")
        return check_texts(X_unlabeled.texts, name="X_unlabeled", allow_empty=True)
    texts = check_texts(X_unlabeled, name="X_unlabeled", allow_empty=True)
    if len(texts) == n_labeled:
        warnings.warn(
            f"X_unlabeled has exactly as many rows as X ({n_labeled}). Inside cross-validation "
            "scikit-learn then cuts it to the fold without a word; pass "
            "skdistill.TextPool(X_unlabeled) to keep it whole, there and here.",
            stacklevel=2,
        )
    return texts


def _weights(
    classes: np.ndarray,
    codes: np.ndarray,
    pool_proba: np.ndarray,
    class_weight: dict[Any, float] | str | None,
    sample_weight: np.ndarray | None,
) -> np.ndarray:
    labelled = np.ones(len(codes)) if sample_weight is None else sample_weight
    if codes.ndim == 2:
        refuse_class_weight(class_weight)
        return np.concatenate([labelled, np.ones(len(pool_proba))])
    by_class = compute_class_weight(class_weight, classes=classes, y=classes[codes])
    return np.concatenate([labelled * by_class[codes], pool_proba @ by_class])
