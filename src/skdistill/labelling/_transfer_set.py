"""The transfer set: all texts that a student is trained on, with soft labels and weights."""

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from skdistill._core.labels import check_probabilities, weigh_classes
from skdistill._core.multilabel import refuse_class_weight
from skdistill._core.texts import check_texts
from skdistill.labelling._labeler import SoftLabeler
from skdistill.text._masks import mask_for_students
from skdistill.text._streams import JoinedTexts, Texts

_logger = logging.getLogger(__name__)

# Parts of a transfer set: see `TransferSet.parts`.
TRAINING, HELD_OUT, LEFT_OUT = range(3)


@dataclass(frozen=True)
class TransferSet:
    """Texts with the targets of `skdistill.students.training._criterion.DistillationLoss`.

    Parameters
    ----------
    texts : collection of str, of length n_texts
        The labelled texts, then the unlabelled ones, then the augmented ones. Texts of a pool on
        disk are not kept in memory.
    proba : ndarray of shape (n_texts, n_classes), dtype float32
        The teacher's probabilities, or gold labels as ones and zeros.
    label : ndarray of shape (n_texts,) or (n_texts, n_labels), dtype int64
        The gold class, or ones and zeros in the multilabel case; 0 if there is no gold label.
    hard_weight : ndarray of shape (n_texts,), dtype float32
        The share of the hard loss; 0 if there is no gold label.
    sample_weight : ndarray of shape (n_texts,), dtype float32
        Weights of mean 1.
    n_by_origin : dict of str to int
        Number of labelled, unlabelled and augmented texts.
    sources : list of str
        What `proba` comes from: ``"gold"`` labels, ``"given"`` probabilities, the ``"teacher"``.
    parts : ndarray of shape (n_texts,) or None
        For choices that are made before the student is trained on all texts: `TRAINING`, `HELD_OUT`
        or, made of texts held out, `LEFT_OUT`. None if no texts were made.
    """

    texts: Texts
    proba: np.ndarray
    label: np.ndarray
    hard_weight: np.ndarray
    sample_weight: np.ndarray
    n_by_origin: dict[str, int]
    sources: list[str]
    parts: np.ndarray | None = None

    @property
    def targets(self) -> dict[str, np.ndarray]:
        """The targets of the loss."""
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
    X_unlabeled: Texts = (),
    augmenter: BaseEstimator | None = None,
    teacher_proba: Any = None,
    unlabeled_proba: Any = None,
    teacher_cv: Any = None,
    hard_label_weight: float = 0.0,
    class_weight: dict[Any, float] | str | None = None,
    sample_weight: np.ndarray | None = None,
    pool_name: str = "X_unlabeled",
) -> TransferSet:
    """Combine labelled, unlabelled and augmented texts into one transfer set.

    The teacher labels the texts for which no probabilities are passed. Without a teacher, the gold
    labels are the probabilities of `X`.

    Parameters
    ----------
    X, classes, codes
        The labelled texts and their classes: see `skdistill.students._gold_labels.Labels`.
    labeler : SoftLabeler or None, default=None
        The teacher, together with `X` and the gold labels.
    X_unlabeled : collection of str, of length n_unlabeled, default=()
        Texts that `check_unlabeled` has checked.
    teacher_proba, unlabeled_proba
        See `skdistill.DistilledMLPClassifier.fit`.
    augmenter, teacher_cv, hard_label_weight
        See `skdistill.DistilledMLPClassifier`.
    class_weight : dict, "balanced" or None, default=None
        A labelled row has the weight of its class. The weight of any other row is the average of
        the class weights, weighted by its probabilities. Not available for multilabel problems.
    sample_weight : ndarray of shape (n_labeled,) or None, default=None
        Weights of the labelled rows. Other rows have weight 1.
    pool_name : str, default="X_unlabeled"
        The name of `X_unlabeled` in error messages.

    Raises
    ------
    ValueError
        If probabilities do not match their rows, unlabelled or augmented texts have no teacher, or
        `class_weight` is passed for a multilabel problem.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.labelling._transfer_set import make_transfer_set
    >>> transfer = make_transfer_set(
    ...     ["gold"],
    ...     np.array(["no", "yes"]),
    ...     np.array([1]),
    ...     X_unlabeled=["one", "other"],
    ...     unlabeled_proba=[[0.5, 0.5], [0.5, 0.5]],
    ...     class_weight={"no": 1, "yes": 2},
    ... )
    >>> transfer.proba.tolist()
    [[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]]
    >>> transfer.sample_weight
    array([1.2, 0.9, 0.9], dtype=float32)
    """
    pool = X_unlabeled
    blocks: list[Texts] = [X, pool]
    check = partial(
        check_probabilities,
        n_classes=len(classes),
        classes=classes,
        multilabel=codes.ndim == 2,
    )
    known: list[np.ndarray | None] = [None, None]
    maker, originals = None, list[str]()
    if teacher_proba is not None:
        known[0] = check(teacher_proba, n_rows=len(X), name="teacher_proba")
    if unlabeled_proba is not None:
        known[1] = check(unlabeled_proba, n_rows=len(pool), name="unlabeled_proba", rows=pool_name)
    _weights(classes, codes, np.empty((0, len(classes))), class_weight, sample_weight)  # or refuse
    sources = _name_sources(known, pool, labeler, augmenter)
    if labeler is None:
        _check_nothing_to_label(pool, known[1], augmenter, pool_name)
        if known[0] is None:
            known[0] = _as_probabilities(codes, len(classes))
    else:
        if augmenter is not None:
            originals = [*X, *pool]
            maker = clone(augmenter).fit(originals)
            name = f"{type(maker).__name__}.augment(X)"
            blocks.append(check_texts(maker.augment(originals), name=name, allow_empty=True))
            _logger.info("augmentation made %s new texts", f"{len(blocks[-1]):,}")
            known.append(None)
        known = _complete(known, blocks, labeler, teacher_cv)
        if isinstance(mask := getattr(maker, "mask_token_", None), str):
            blocks[-1] = mask_for_students([*blocks[-1]], originals, mask)
    parts = [part for part in known if part is not None and len(part)]
    # A table of probabilities can take most of the memory: copy it only if there are several.
    proba = parts[0] if len(parts) == 1 else np.concatenate(parts)
    proba = proba.astype(np.float32, copy=False)
    weights = _weights(classes, codes, proba[len(X) :], class_weight, sample_weight)
    with np.errstate(over="ignore"):
        mean = weights.mean()
    if not 0 < mean < np.inf:
        raise ValueError(
            "The weights of all texts, sample_weight times class_weight, add up to "
            f"{'0' if mean == 0 else 'infinity'}; pass weights with a finite, positive sum."
        )
    n_others = len(proba) - len(X)
    n_made = n_others - len(pool)
    return TransferSet(
        texts=JoinedTexts(blocks),
        proba=proba,
        label=np.concatenate([codes, np.zeros((n_others, *codes.shape[1:]), dtype=np.int64)]),
        hard_weight=np.repeat([hard_label_weight, 0.0], [len(X), n_others]).astype(np.float32),
        sample_weight=(weights / mean).astype(np.float32),
        n_by_origin={"labelled": len(X), "unlabelled": len(pool), "augmented": n_made},
        sources=sources,
        parts=_parts_of(maker, len(proba)) if n_made else None,
    )


def _parts_of(augmenter: Any, n_texts: int) -> np.ndarray:
    everything = np.full(n_texts, TRAINING)
    parts: np.ndarray = getattr(augmenter, "parts_", everything)
    return parts


def _name_sources(
    known: list[np.ndarray | None],
    pool: Texts,
    labeler: SoftLabeler | None,
    augmenter: BaseEstimator | None,
) -> list[str]:
    """Name what the probabilities come from; `known` are those that were passed to `fit`."""
    is_missing = [proba is None for proba in known]
    asks = is_missing[0] or (is_missing[1] and len(pool) > 0) or augmenter is not None
    used = {
        "given": not all(is_missing),
        "gold": labeler is None and is_missing[0],
        "teacher": labeler is not None and asks,
    }
    return [name for name, is_used in used.items() if is_used]


def _check_nothing_to_label(
    pool: Texts, pool_proba: np.ndarray | None, augmenter: BaseEstimator | None, pool_name: str
) -> None:
    if augmenter is not None:
        raise ValueError(
            "augmenter is set, but there is no teacher to label its texts; pass a teacher to the "
            "constructor."
        )
    if pool and pool_proba is None:
        raise ValueError(
            f"{pool_name} is given, but there is no teacher to label it; pass a teacher to the "
            "constructor or unlabeled_proba to fit."
        )


def _as_probabilities(codes: np.ndarray, n_classes: int) -> np.ndarray:
    several = codes.ndim == 2
    return codes.astype(np.float32) if several else np.eye(n_classes, dtype=np.float32)[codes]


def _complete(
    known: list[np.ndarray | None], blocks: list[Texts], labeler: SoftLabeler, teacher_cv: Any
) -> list[np.ndarray | None]:
    """Label the blocks without probabilities; the first block contains the labelled texts."""
    known = list(known)
    if teacher_cv is not None and known[0] is None:
        known[0] = labeler.label_held_out(teacher_cv)
    wanted = [i for i, proba in enumerate(known) if proba is None]
    if wanted:
        # The user's texts are one block, and those that were made of them another.
        own, made = [blocks[i] for i in wanted if i < 2], [blocks[i] for i in wanted if i >= 2]
        texts = JoinedTexts([JoinedTexts(own), *made])
        labelled = labeler.label(texts)
        ends = np.cumsum([len(blocks[i]) for i in wanted])
        for i, part in zip(wanted, np.split(labelled, ends[:-1]), strict=True):
            known[i] = part
    return known


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
    by_class = weigh_classes(class_weight, classes, codes, labelled)
    return np.concatenate([labelled * by_class[codes], pool_proba @ by_class])
