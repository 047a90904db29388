"""What ``skdistill fit`` does: texts, a teacher, its probabilities, a student."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.callback import FitCallback
from sklearn.frozen import FrozenEstimator

import skdistill
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
from skdistill.labelling._shared_teacher import SharedTeacher
from skdistill.metrics._scores import Evaluation, evaluate
from skdistill.runtime._quantization import Precision
from skdistill.serving import CompiledClassifier
from skdistill.teachers._baseline import make_tfidf_baseline

# Words that name no transformer.
TFIDF, NONE = "tfidf", "none"
_TFIDF_C = 10


@dataclass(frozen=True)
class Job:
    """What is to be trained, and where it goes; see the options of the command.

    The teacher is a checkpoint, "tfidf", "none", or None for the default.
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
    quiet: bool


@dataclass(frozen=True)
class Outcome:
    """What came of a job: the student and its file, the texts it learned from, and its figures."""

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

    The narrator has two steps left, or one if there is no teacher.
    """
    start = time.monotonic()
    texts, y = labelled
    classes = np.unique(y)
    teacher = _choose_teacher(job, texts, classes, tell)
    test_proba = None
    if teacher is not None:
        # What is asked for here is neither fitted nor labelled again in the student's fit.
        labeler = SoftLabeler(teacher, texts, y, memory=job.cache, verbose=int(not job.quiet))
        if job.save_teacher is not None:
            # Inside a shared or a frozen teacher.
            labeler.fitted_teacher().estimator.save_pretrained(job.save_teacher)
            tell.note(f"the teacher is in {job.save_teacher}")
        if test is not None:
            test_proba = labeler.label(test[0])
    student = _make_student(job, teacher)
    source = "the labels alone" if teacher is None else "the teacher's probabilities"
    heading = f"The student ({job.student}) learns from {source}"
    student.set_callbacks(_AtTraining(lambda: tell.step(heading)))
    student.fit(texts, y, X_unlabeled=TextPool(unlabelled))
    # The file says how the student was trained, but not where or how loudly.
    student.set_params(memory=None, verbose=0).save(job.output, precision=job.precision)
    served = CompiledClassifier.load(job.output)
    return Outcome(
        teacher=job.teacher if job.teacher in (TFIDF, NONE) else short_name(job.teacher),
        n_parameters=student.n_parameters_,
        n_bytes=job.output.stat().st_size,
        n_labelled=len(texts),
        n_unlabelled=len(unlabelled),
        n_augmented=student.transfer_size_ - len(texts) - len(unlabelled),
        classes=classes.tolist(),
        seconds=time.monotonic() - start,
        test=None
        if test is None
        else evaluate(test[1], served.predict_proba(test[0]), classes.tolist(), test_proba),
    )


class _AtTraining(FitCallback):
    """Calls a function when a student has all probabilities, and its training begins."""

    def __init__(self, call: Callable[[], None]):
        self.call = call

    def setup(self, estimator: Any, context: Any) -> None:
        self.call()


def _make_student(job: Job, teacher: Any) -> Any:
    augmenter = None
    verbose = int(not job.quiet)
    if job.augment:
        augmenter = TextAugmenter(random_state=job.seed, verbose=verbose)
    return getattr(skdistill, f"Distilled{job.student.upper()}Classifier")(
        teacher,
        augmenter=augmenter,
        memory=job.cache,
        n_parameters=job.n_parameters,
        random_state=job.seed,
        verbose=verbose,
    )


def _choose_teacher(
    job: Job, texts: list[str], classes: np.ndarray, tell: Narrator
) -> FrozenEstimator | SharedTeacher | None:
    """Make the teacher, which is fitted once, whoever asks it first; None if there is none."""
    if job.teacher == NONE:
        return None
    if job.teacher == TFIDF:
        tell.step(f"Teacher: logistic regression on TF-IDF weights, C={_TFIDF_C}")
        return SharedTeacher(make_tfidf_baseline(C=_TFIDF_C))
    from skdistill.teachers._transformer import TransformerTeacherClassifier

    verbose = int(not job.quiet)
    weights = default_teacher() if job.teacher is None else job.teacher
    name = short_name(job.teacher)
    if is_fine_tuned(weights, classes):
        tell.step(f"Teacher {name}: fine-tuned for these classes already")
        return FrozenEstimator(
            TransformerTeacherClassifier.from_finetuned(weights, verbose=verbose)
        )
    tell.step(f"Teacher {name}: fine-tuned on the labelled texts")
    return SharedTeacher(
        TransformerTeacherClassifier(
            weights,
            **teacher_settings(len(texts), is_default=job.teacher is None),
            checkpoint_dir=job.checkpoint,
            random_state=job.seed,
            verbose=verbose,
        )
    )
