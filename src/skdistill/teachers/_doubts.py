"""Warnings about a fine-tuned teacher that has learned too little."""

from collections.abc import Sequence

import numpy as np

from skdistill._core.exceptions import warn
from skdistill.teachers._baseline import fit_if_words, make_tuned_baseline
from skdistill.teachers.huggingface._checkpoints import Progress
from skdistill.teachers.huggingface._examples import Examples

# Cohen's kappa on training texts below which a teacher has hardly learned anything. Landis and Koch
# (1977) call less than this "slight". On 60 texts in two classes, guesses exceed 0.1 one time in
# five, and 0.2 one time in sixteen.
_LITTLE_AGREEMENT = 0.2
# With fewer held-out texts, the better of two models is often the worse one.
_ENOUGH_TEXTS = 50


def warn_of_doubts(
    kappa: float,
    texts: Sequence[str],
    training: Examples,
    held_out: Examples | None,
    progress: Progress,
) -> None:
    """Warn if a teacher labels texts little better than by chance, or worse than by counting words.

    `kappa` is the agreement of its labels with those of its training texts, Cohen's kappa. It is
    NaN if these are all the same, of which neither model can learn anything.
    """
    if np.isnan(kappa):
        return
    if kappa < _LITTLE_AGREEMENT:
        _warn_of_chance(kappa, progress)
    elif held_out is not None and len(held_out) >= _ENOUGH_TEXTS and held_out.targets.ndim == 1:
        # If a text may have several labels, most of them are easy zeros, which hide a difference.
        _compare_with_baseline(texts, training, held_out, progress)


def _warn_of_chance(kappa: float, progress: Progress) -> None:
    remedy = "Raise max_epochs"
    if progress.best_epoch < progress.epoch:
        remedy = (
            f"early_stopping kept the weights of epoch {progress.best_epoch} of {progress.epoch}, "
            "which had the lowest loss on the held-out texts; set it to False"
        )
    warn(
        "The teacher has hardly learned anything: on its own training texts, its labels agree with "
        f"y little better than by chance (Cohen's kappa {kappa:z.2f}). {remedy}, or choose another "
        "lr.",
    )


def _compare_with_baseline(
    texts: Sequence[str],
    training: Examples,
    held_out: Examples,
    progress: Progress,
) -> None:
    """Warn if TF-IDF and logistic regression, fitted alike, label more held-out texts right."""
    baseline = fit_if_words(
        make_tuned_baseline(),
        [texts[row] for row in training.rows],
        training.targets,
        logisticregression__sample_weight=training.weights,
    )
    if baseline is None:
        return
    right = baseline.predict([texts[row] for row in held_out.rows]) == held_out.targets
    expected = np.average(right, weights=held_out.weights)
    reached = progress.history[progress.best_epoch - 1]["valid_accuracy"]
    if reached >= expected:
        return
    warn(
        f"On the {len(held_out)} texts set aside, the teacher's accuracy is {reached:.1%}; that of "
        f"TF-IDF and logistic regression is {expected:.1%}. Choose another lr, more epochs or a "
        "larger model, or take make_tfidf_baseline() as the teacher.",
    )
