"""What ``skdistill fit`` does: texts, a teacher, its probabilities, a student."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from skdistill.augment._augmenter import TextAugmenter
from skdistill.cli._narrator import Narrator
from skdistill.cli._teacher_choice import (
    default_teacher,
    is_fine_tuned,
    short_name,
    teacher_settings,
)
from skdistill.datasets._load import Columns
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._pool import TextPool
from skdistill.metrics._scores import Evaluation, evaluate
from skdistill.runtime._quantization import Precision
from skdistill.serving import CompiledClassifier
from skdistill.students._cnn import DistilledCNNClassifier
from skdistill.students._mlp import DistilledMLPClassifier
from skdistill.students._rnn import DistilledRNNClassifier
from skdistill.teachers._baseline import make_tfidf_baseline

# Words that name no transformer.
TFIDF, NONE = "tfidf", "none"
STUDENTS = {
    "mlp": DistilledMLPClassifier,
    "cnn": DistilledCNNClassifier,
    "rnn": DistilledRNNClassifier,
}
_TFIDF_C = 10


@dataclass(frozen=True)
class Job:
    """What is to be trained, and where it goes.

    Attributes
    ----------
    output : Path
    precision : {"float32", "float16", "int8"}
    student : {"mlp", "cnn", "rnn"}
    n_parameters : int or None
    teacher : str or None
        A checkpoint, "tfidf", "none", or None for the default.
    augment : bool
    cache, checkpoint, save_teacher : Path or None
    seed : int
    silent : bool
    """

    output: Path
    precision: Precision
    student: str
    n_parameters: int | None
    teacher: str | None
    augment: bool
    cache: Path | None
    checkpoint: Path | None
    save_teacher: Path | None
    seed: int
    silent: bool


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes
    ----------
    teacher : str
        A short name, "tfidf" or "none".
    n_parameters, n_bytes : int
        Of the student and of its file.
    n_labelled, n_unlabelled, n_augmented : int
        Texts that it was trained on.
    classes : list of str
    seconds : float
    test : Evaluation or None
    """

    teacher: str
    n_parameters: int
    n_bytes: int
    n_labelled: int
    n_unlabelled: int
    n_augmented: int
    classes: list[str]
    seconds: float
    test: Evaluation | None


def train(
    job: Job, labelled: Columns, unlabelled: list[str], test: Columns | None, tell: Narrator
) -> Outcome:
    """Train a teacher and its student, write the student's file, and measure it.

    Parameters
    ----------
    job : Job
    labelled : tuple of a list of str and an ndarray of labels
    unlabelled : list of str
    test : tuple like `labelled`, or None
    tell : Narrator
        Has two steps left, or one if there is no teacher.

    Returns
    -------
    Outcome

    Raises
    ------
    OSError, ValueError, TypeError, ImportError
        If the teacher or the texts cannot be used.
    """
    start = time.monotonic()
    texts, y = labelled
    classes = np.unique(y)
    labeler = _choose_teacher(job, texts, y, classes, tell)
    augmented = _augment(job, [*texts, *unlabelled], tell)
    pool = [*unlabelled, *augmented]
    test_texts = [] if test is None else test[0]
    proba, test_proba = None, None
    if labeler is not None:
        tell.note(f"{len(texts) + len(pool) + len(test_texts):,} texts are to be labelled by it")
        proba = labeler.label([*texts, *pool, *test_texts])
        if test is not None:
            test_proba = proba[len(texts) + len(pool) :]
        if job.save_teacher is not None:
            labeler.fitted_teacher().save_pretrained(job.save_teacher)
            tell.note(f"the teacher is in {job.save_teacher}")
    source = "the labels alone" if labeler is None else "the teacher's probabilities"
    tell.step(f"The student ({job.student}) learns from {source}")
    student = STUDENTS[job.student](
        n_parameters=job.n_parameters, random_state=job.seed, verbose=int(not job.silent)
    )
    soft_labels: dict[str, Any] = {}
    if proba is not None:
        soft_labels["teacher_proba"] = proba[: len(texts)]
        if pool:
            soft_labels["X_unlabeled"] = TextPool(pool)
            soft_labels["unlabeled_proba"] = proba[len(texts) : len(texts) + len(pool)]
    student.fit(texts, y, **soft_labels)
    student.set_params(verbose=0).save(job.output, precision=job.precision)
    served = CompiledClassifier.load(job.output)
    return Outcome(
        teacher=job.teacher if job.teacher in (TFIDF, NONE) else short_name(job.teacher),
        n_parameters=student.n_parameters_,
        n_bytes=job.output.stat().st_size,
        n_labelled=len(texts),
        n_unlabelled=len(unlabelled),
        n_augmented=len(augmented),
        classes=classes.tolist(),
        seconds=time.monotonic() - start,
        test=None
        if test is None
        else evaluate(test[1], served.predict_proba(test[0]), classes.tolist(), test_proba),
    )


def _choose_teacher(
    job: Job, texts: list[str], y: np.ndarray, classes: np.ndarray, tell: Narrator
) -> SoftLabeler | None:
    """Make what will fit and ask the teacher; None if there is to be none."""
    if job.teacher == NONE:
        return None
    verbose = int(not job.silent)
    if job.teacher == TFIDF:
        tell.step(f"Teacher: logistic regression on TF-IDF weights, C={_TFIDF_C}")
        teacher: Any = make_tfidf_baseline(C=_TFIDF_C)
    else:
        from skdistill.teachers._transformer import TransformerTeacherClassifier

        weights = default_teacher() if job.teacher is None else job.teacher
        name = short_name(job.teacher)
        if is_fine_tuned(weights, classes):
            tell.step(f"Teacher {name}: fine-tuned for these classes already")
            teacher = FrozenEstimator(
                TransformerTeacherClassifier.from_finetuned(weights, verbose=verbose)
            )
        else:
            tell.step(f"Teacher {name}: fine-tuned on the labelled texts")
            teacher = TransformerTeacherClassifier(
                weights,
                **teacher_settings(len(texts), is_default=job.teacher is None),
                checkpoint_dir=job.checkpoint,
                random_state=job.seed,
                verbose=verbose,
            )
    return SoftLabeler(teacher, texts, y, memory=job.cache, verbose=verbose)


def _augment(job: Job, texts: list[str], tell: Narrator) -> list[str]:
    if not job.augment:
        return []
    augmenter = TextAugmenter(random_state=job.seed, verbose=int(not job.silent))
    augmented = augmenter.fit(texts).augment(texts)
    tell.note(f"{len(augmented):,} more texts were made by augmentation")
    return augmented
