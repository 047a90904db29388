"""The training behind ``skdistill fit``: a teacher, its probabilities, a student."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.callback import FitCallback
from sklearn.frozen import FrozenEstimator

import skdistill
from skdistill._core.exceptions import warn
from skdistill.augment._augmenter import TextAugmenter
from skdistill.cli._inputs import Texts
from skdistill.cli._narrator import Narrator
from skdistill.cli._teacher_choice import (
    default_teacher,
    is_fine_tuned,
    load_fine_tuned,
    short_name,
    teacher_settings,
)
from skdistill.cli.training._language_model import LanguageModel
from skdistill.datasets._columns import Labelled
from skdistill.datasets._load import rows_of_texts, split_labelled, split_rows
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._pool import TextPool
from skdistill.labelling._shared_teacher import SharedTeacher
from skdistill.metrics._scores import Evaluation, evaluate
from skdistill.runtime._quantization import Precision
from skdistill.serving import CompiledClassifier
from skdistill.teachers._baseline import (
    NO_WORDS,
    TUNED_C,
    fit_if_words,
    make_tuned_baseline,
)

# Values of --teacher that are not transformers.
TFIDF, NONE = "tfidf", "none"
# Held out for --calibrate: a share of the texts, but not fewer than the least number. At least
# twice as many must be left to train on.
_CALIBRATION_SHARE = 0.1
_MIN_HELD_OUT = 20
_MIN_SHARES = 3


@dataclass(frozen=True)
class Job:
    """The options of the command that define a training run.

    The teacher is a checkpoint, "tfidf", "none", or None for the default one. Bars of progress are
    shown unless `quiet`.
    """

    output: Path
    precision: Precision
    student: str
    analyzer: str
    ngram_range: tuple[int, int] | None
    n_parameters: int | None
    teacher: str | None
    epochs: int | None
    lr: float | None
    batch_size: int | None
    max_length: int | None
    language_model: LanguageModel | None
    augment: bool | None
    calibrate: bool
    test_fraction: float | None
    cache: Path | None
    checkpoint: Path | None
    save_teacher: Path | None
    seed: int
    quiet: bool


@dataclass(frozen=True)
class Outcome:
    """The result of a training run: size of the student, number of texts, and scores.

    `baseline_accuracy` is that of TF-IDF + LR, trained on the same texts; None if it is the teacher
    or if there are no test texts.
    """

    teacher: str
    n_parameters: int
    n_bytes: int
    n_labelled: int
    n_unlabelled: int
    n_augmented: int
    classes: list[str]
    noun: str
    seconds: float
    calibration: dict[str, Any] | None
    test: Evaluation | None
    baseline_accuracy: float | None


def hold_out(texts: Texts, source: str, job: Job) -> Texts:
    """Hold out texts for the evaluation and the calibration, as the job says.

    `source` names the data in error messages.
    """
    rng = np.random.default_rng(job.seed)
    labelled, test = texts.labelled, texts.test
    if job.test_fraction is not None:
        labelled, test = _split(labelled, source, job.test_fraction, job.seed)
    held_out = None
    if job.calibrate:
        n_texts = len(labelled.texts)
        n_held_out = max(_MIN_HELD_OUT, round(_CALIBRATION_SHARE * n_texts))
        if n_texts < _MIN_SHARES * n_held_out:
            raise ValueError(
                f"--calibrate holds out {n_held_out} texts, but {source} has only {n_texts} to "
                "train on; add labelled texts or drop --calibrate."
            )
        is_spare = np.ones(n_texts, dtype=bool)
        is_spare[_first_of_each(labelled.y)] = False  # so that all classes can be learned
        same: dict[int, list[int]] = {}
        for rows in rows_of_texts(labelled.texts):  # so that no text is also one to train on
            is_spare[rows] = is_spare[rows].all()
            same |= dict.fromkeys(rows, rows)
        order = rng.permutation(np.flatnonzero(is_spare)).tolist()
        spare = [*dict.fromkeys(chain.from_iterable(same[row] for row in order))]
        taken = np.array(spare[:n_held_out], dtype=np.int64)
        held_out = labelled.take(np.sort(taken))
        labelled = labelled.take(np.setdiff1d(np.arange(n_texts), taken))
    return replace(texts, labelled=labelled, test=test, held_out=held_out)


def _split(labelled: Labelled, source: str, share: float, seed: int) -> tuple[Labelled, Labelled]:
    """Split labelled texts; with one label per text, stratified by it."""
    options: dict[str, Any] = {"test_size": share, "random_state": seed}
    if labelled.names is not None:
        members = rows_of_texts(labelled.texts)
        if ceil(share * len(members)) == len(members):
            raise ValueError(
                f"{source} has {len(members):,} texts, and a share of {share:g} leaves none to "
                "train on; hold out a smaller share."
            )
        rows = split_rows(members, **options)
        return labelled.take(np.array(rows[0])), labelled.take(np.array(rows[1]))
    parts = split_labelled((labelled.texts, labelled.y), source, **options)
    return Labelled(*parts[0]), Labelled(*parts[1])


def _first_of_each(y: np.ndarray) -> np.ndarray:
    """Return the first row of each class or label."""
    if y.ndim == 2:
        return y.argmax(axis=0)
    return np.unique(y, return_index=True)[1]


@contextmanager
def _explaining_no_words() -> Iterator[None]:
    """Say what TF-IDF cannot do with texts that contain no words."""
    try:
        yield
    except ValueError as error:
        if NO_WORDS not in str(error):
            raise
        raise ValueError(
            "the texts contain no words of two or more letters or digits, which TF-IDF counts; "
            "pass --analyzer char or choose another --teacher."
        ) from error


@_explaining_no_words()
def train(job: Job, data: Texts, tell: Narrator) -> Outcome:
    """Train a teacher and a student, save the student, and evaluate it.

    The narrator announces two more steps, or one if there is no teacher. Return the outcome.
    """
    start = time.monotonic()
    texts, test = data.labelled.texts, data.test
    y = data.labelled.y if data.classes is None else None
    classes, names = data.names, data.labelled.names
    teacher = _choose_teacher(job, data, tell)
    test_proba = None
    if teacher is not None:
        # The student's fit reuses this fitted teacher and its probabilities.
        labeler = SoftLabeler(
            teacher, texts, y, classes=names, memory=job.cache, verbose=int(not job.quiet)
        )
        if job.save_teacher is not None:
            # The estimator is inside a shared or a frozen teacher.
            labeler.fitted_teacher().estimator.save_pretrained(job.save_teacher)
            tell.note(f"teacher saved in {job.save_teacher}")
        if job.language_model is not None:
            labeler.label([*texts, *data.unlabelled])  # before the student's heading
        if test is not None:
            test_proba = labeler.label(test.texts)
    student = _make_student(job, teacher)
    source = "the labels alone" if teacher is None else "the teacher's probabilities"
    heading = f"Training the student ({job.student}) on {source}"
    student.set_callbacks(Epochs(tell, heading, has_bars=not job.quiet))
    student.fit(
        texts,
        y if names is None or y is None else pd.DataFrame(y, columns=names.tolist()),
        X_unlabeled=TextPool(data.unlabelled),
    )
    _calibrate(student, data.held_out)
    # The file keeps the training parameters, except for the cache folder and the verbosity.
    _save(student.set_params(memory=None, verbose=0), job)
    served = CompiledClassifier.load(job.output)
    return Outcome(
        teacher=_name_of_teacher(job),
        n_parameters=student.n_parameters_,
        n_bytes=job.output.stat().st_size,
        n_labelled=0 if y is None else len(texts),
        n_unlabelled=len(data.unlabelled) + (len(texts) if y is None else 0),
        n_augmented=student.transfer_size_ - len(texts) - len(data.unlabelled),
        classes=classes.tolist(),
        noun=data.noun,
        seconds=time.monotonic() - start,
        calibration=student.calibration_,
        test=None
        if test is None
        else evaluate(test.y, served.predict_proba(test.texts), classes.tolist(), test_proba),
        baseline_accuracy=_baseline_accuracy(job, data),
    )


def _name_of_teacher(job: Job) -> str:
    if job.language_model is not None:
        return job.language_model.model
    return str(job.teacher) if job.teacher in (TFIDF, NONE) else short_name(job.teacher)


def _save(student: Any, job: Job) -> None:
    """Save a student; if that fails, save it elsewhere, so that its training is not lost."""
    try:
        student.save(job.output, precision=job.precision)
    except OSError as error:
        rescued = Path(tempfile.mkdtemp(prefix="skdistill-"), job.output.name)
        try:
            student.save(rescued, precision=job.precision)
        except OSError:
            rescued.parent.rmdir()
            raise error from None
        raise OSError(f"{error} The student is saved in {rescued} instead.") from error


def _baseline_accuracy(job: Job, data: Texts) -> float | None:
    if data.test is None or data.classes is not None or job.teacher == TFIDF:
        return None
    baseline = _make_tfidf(job, several=data.labelled.names is not None)
    if fit_if_words(baseline, data.labelled.texts, data.labelled.y) is None:
        return None
    return float(baseline.score(data.test.texts, data.test.y))


def _calibrate(student: Any, held_out: Labelled | None) -> None:
    """Calibrate a student, if that is wanted and possible; its training must not be lost."""
    if held_out is None:
        return
    try:
        student.calibrate(held_out.texts, held_out.y)
    except ValueError as error:
        warn(f"The student is not calibrated. {error}")


class Epochs(FitCallback):
    """Tell a heading, if there is one, at the beginning of a training; later on, tell its epochs.

    Where a bar shows the epochs, they are not told. The training of a student begins when all
    probabilities are there.
    """

    def __init__(self, tell: Narrator, heading: str = "", *, has_bars: bool):
        self.tell = tell
        self.heading = heading
        self.has_bars = has_bars
        self.n_epochs = 0

    def setup(self, estimator: Any, context: Any) -> None:
        if self.heading:
            self.tell.step(self.heading)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        if context.task_name == "epoch" and not self.has_bars:
            self.n_epochs += 1
            self.tell.sign_of_life(f"epoch {self.n_epochs} of {context.parent.max_subtasks}")


def _make_student(job: Job, teacher: Any) -> Any:
    verbose = int(not job.quiet)
    augmenter: Any = "auto"
    if job.augment is not None:
        maker = TextAugmenter(random_state=job.seed, verbose=verbose)
        augmenter = maker if job.augment else None
    return getattr(skdistill, f"Distilled{job.student.upper()}Classifier")(
        teacher,
        augmenter=augmenter,
        memory=job.cache,
        analyzer=job.analyzer,
        ngram_range=job.ngram_range or (1, 1),
        n_parameters=job.n_parameters,
        random_state=job.seed,
        verbose=verbose,
    )


def _choose_teacher(job: Job, data: Texts, tell: Narrator) -> Any:
    """Return the teacher, which is fitted on first use and only once, or None for no teacher."""
    if job.teacher == NONE:
        return None
    several = data.labelled.names is not None
    if job.teacher == TFIDF:
        tell.step(f"Teacher: logistic regression on TF-IDF features, C={TUNED_C:g}")
        return SharedTeacher(_make_tfidf(job, several=several))
    verbose = int(not job.quiet)
    if job.language_model is not None:
        if several:
            raise ValueError("a language model gives one label per text; pass one label column.")
        tell.step(f"Teacher {job.language_model.model}: its answers are kept in {job.cache}")
        return job.language_model.make_teacher(job.cache, seed=job.seed, verbose=verbose)
    from skdistill.teachers._transformer import TransformerTeacherClassifier

    weights = default_teacher() if job.teacher is None else job.teacher
    name = short_name(job.teacher)
    given = {
        "max_epochs": job.epochs,
        "lr": job.lr,
        "batch_size": job.batch_size,
        "max_length": job.max_length,
    }
    given = {option: value for option, value in given.items() if value is not None}
    if is_fine_tuned(weights, data.names, multilabel=several):
        # Of the options, only this one is not about fine-tuning.
        length: dict[str, Any] = {}
        if "max_length" in given:
            length["max_length"] = given.pop("max_length")
        if given:
            raise ValueError(
                f"the teacher {name} is already fine-tuned for these {data.noun}, so --epochs, "
                "--lr and --batch-size have no effect; remove them or choose another teacher."
            )
        tell.step(f"Teacher {name}: already fine-tuned for these {data.noun}")
        return FrozenEstimator(load_fine_tuned(weights, **length, verbose=verbose))
    tell.step(f"Teacher {name}: fine-tuning on the labelled texts")
    settings = teacher_settings(len(data.labelled.texts), is_default=job.teacher is None)
    teacher = TransformerTeacherClassifier(
        weights,
        **settings | given,
        checkpoint_dir=job.checkpoint,
        random_state=job.seed,
        verbose=verbose,
    )
    return SharedTeacher(teacher.set_callbacks(Epochs(tell, has_bars=not job.quiet)))


def _make_tfidf(job: Job, *, several: bool) -> Any:
    """Return a baseline with the features of the student, for one label per text or several."""
    return make_tuned_baseline(
        analyzer=job.analyzer, ngram_range=job.ngram_range or (1, 1), multilabel=several
    )
