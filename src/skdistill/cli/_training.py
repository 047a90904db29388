"""The training behind ``skdistill fit``: a teacher, its probabilities, a student."""

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

# Values of --teacher that are not transformers.
TFIDF, NONE = "tfidf", "none"
_TFIDF_C = 10


@dataclass(frozen=True)
class Job:
    """The options of the command that define a training run.

    The teacher is a checkpoint, "tfidf", "none", or None for the default one.
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
    """The result of a training run: size of the student, number of texts, and scores."""

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
    """Train a teacher and a student, save the student, and evaluate it.

    The narrator announces two more steps, or one if there is no teacher. Return the outcome.
    """
    start = time.monotonic()
    texts, y = labelled
    classes = np.unique(y)
    teacher = _choose_teacher(job, texts, classes, tell)
    test_proba = None
    if teacher is not None:
        # The student's fit reuses this fitted teacher and its probabilities.
        labeler = SoftLabeler(teacher, texts, y, memory=job.cache, verbose=int(not job.quiet))
        if job.save_teacher is not None:
            # The estimator is inside a shared or a frozen teacher.
            labeler.fitted_teacher().estimator.save_pretrained(job.save_teacher)
            tell.note(f"teacher saved in {job.save_teacher}")
        if test is not None:
            test_proba = labeler.label(test[0])
    student = _make_student(job, teacher)
    source = "the labels alone" if teacher is None else "the teacher's probabilities"
    heading = f"Training the student ({job.student}) on {source}"
    student.set_callbacks(_AtTraining(lambda: tell.step(heading)))
    student.fit(texts, y, X_unlabeled=TextPool(unlabelled))
    # The file keeps the training parameters, except for the cache folder and the verbosity.
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
    """Call a function when the student has all probabilities and its training begins."""

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
    """Return the teacher, which is fitted on first use and only once, or None for no teacher."""
    if job.teacher == NONE:
        return None
    if job.teacher == TFIDF:
        tell.step(f"Teacher: logistic regression on TF-IDF features, C={_TFIDF_C}")
        return SharedTeacher(make_tfidf_baseline(C=_TFIDF_C))
    from skdistill.teachers._transformer import TransformerTeacherClassifier

    verbose = int(not job.quiet)
    weights = default_teacher() if job.teacher is None else job.teacher
    name = short_name(job.teacher)
    if is_fine_tuned(weights, classes):
        tell.step(f"Teacher {name}: already fine-tuned for these classes")
        return FrozenEstimator(
            TransformerTeacherClassifier.from_finetuned(weights, verbose=verbose)
        )
    tell.step(f"Teacher {name}: fine-tuning on the labelled texts")
    return SharedTeacher(
        TransformerTeacherClassifier(
            weights,
            **teacher_settings(len(texts), is_default=job.teacher is None),
            checkpoint_dir=job.checkpoint,
            random_state=job.seed,
            verbose=verbose,
        )
    )
