"""Compare a student with its twin, trained on hard labels only, and with a simple baseline."""

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skdistill._core.estimators import validate_params
from skdistill._core.label_columns import find_labels
from skdistill._core.labels import check_labels
from skdistill._core.multilabel import as_one_question
from skdistill._core.progress import progress_bar
from skdistill._core.texts import check_texts
from skdistill.augment._automatic import choose_augmenter
from skdistill.evaluation._verdict import DistillationReport, Scores
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._pool import PartedPool, TextPool, as_pool, check_unlabeled
from skdistill.labelling._transfer_set import make_transfer_set
from skdistill.metrics._bootstrap import paired_bootstrap
from skdistill.metrics._calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
)
from skdistill.metrics._fidelity import retention
from skdistill.metrics._scores import Measurement
from skdistill.students._base import DistilledClassifier
from skdistill.teachers._baseline import fit_if_words, make_tuned_baseline

# The student receives its soft labels, so its `fit` must not make others.
_LABELS_GIVEN = {"unlabeled": None, "augmenter": None, "teacher_cv": None}
# The twin's parameters. A weight of 1 replaces the student's loss, which may have a temperature, by
# cross-entropy.
_WITHOUT_TEACHER = {
    **_LABELS_GIVEN,
    "teacher": None,
    "embedding_init": "random",
    "hard_label_weight": 1.0,
}


@validate_params(
    {
        "n_seeds": [Interval(Integral, 1, None, closed="left")],
        "twin_params": [dict, None],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=False,
)
def distillation_report(
    student: DistilledClassifier,
    X: Iterable[str],
    y: ArrayLike,
    *,
    X_unlabeled: Iterable[str] | None = None,
    X_test: Iterable[str] | None = None,
    y_test: ArrayLike | None = None,
    test_size: float | int = 0.2,
    n_seeds: int = 5,
    twin_params: dict[str, Any] | None = None,
    confidence_level: float = 0.95,
    random_state: Any = 0,
    verbose: int = 0,
) -> DistillationReport:
    """Compare a student with its twin to find out whether distillation helped.

    An accurate student does not show that the teacher helped: it might be as accurate when trained
    on the gold labels alone. The twin is the control. It is the same network, trained from the same
    seeds with cross-entropy on the gold labels. The baseline, TF-IDF and logistic regression, shows
    whether a network is worth its trouble.

    Parameters
    ----------
    student : DistilledClassifier
        A student with a teacher. The student itself is not fitted; clones of it are. The teacher is
        fitted once, on the training texts, and labels each text once. A frozen teacher is used as
        it is; it must not have seen the test texts.
    X : iterable of str, of length n_labeled
        Texts with gold labels.
    y : array-like of shape (n_labeled,) or (n_labeled, n_labels)
        Gold labels; for multilabel data, an indicator matrix.
    X_unlabeled : iterable of str, of length n_unlabeled, or TextPool, default=None
        Texts without gold labels. Only the student is trained on them. If None, the student's
        parameter `unlabeled` is used.
    X_test : iterable of str, of length n_test, or None, default=None
        Test texts. If None, a stratified part of `X` is held out.
    y_test : array-like of shape (n_test,) or (n_test, n_labels), default=None
        Gold labels of the test texts.
    test_size : float or int, default=0.2
        Share or number of texts of `X` to hold out. Ignored if you pass `X_test`.
    n_seeds : int, default=5
        Number of times student and twin are trained.
    twin_params : dict or None, default=None
        Parameters of the twin that differ from the student's.
    confidence_level : float, default=0.95
        Level of the confidence interval of the difference, between 0 and 1.
    random_state : int, RandomState instance or None, default=0
        Determines the held-out texts, the seeds of student and twin, and the bootstrap.
    verbose : int, default=0
        1 shows progress bars for labelling and training.

    Returns
    -------
    DistillationReport
        The scores of teacher, student, twin and baseline. `verdict` sums them up in one sentence.

    Raises
    ------
    TypeError
        If `student` is not a `DistilledClassifier`.
    ValueError
        If the student has no teacher, only one of `X_test` and `y_test` is given, `y_test` contains
        a label that the training labels do not, the teacher classifies no test text correctly, or
        an argument is out of range.

    See Also
    --------
    word_order_sensitivity : Measure how much a teacher depends on word order.

    Notes
    -----
    The twin should be as good as possible. With unlabelled or augmented texts, the student takes
    more steps per epoch than its twin, so a twin with few epochs may be undertrained and the
    difference too large. Set the number of epochs that suits the twin best with
    ``twin_params={"max_epochs": ...}``.

    Starting from the teacher's embedding counts as part of distillation, so the twin's embedding
    starts at random.

    The confidence interval comes from a bootstrap of the paired differences over test texts and
    seeds [1]_. Calibration is measured as in [2]_.

    References
    ----------
    .. [1] A. B. Owen. "The pigeonhole bootstrap". Annals of Applied Statistics 1 (2007).
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. "On Calibration of Modern Neural
       Networks". ICML 2017.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, make_tfidf_baseline
    >>> from skdistill.evaluation._distillation_report import distillation_report
    >>> X = ["warm soup", "fresh bread", "warm bread", "fast train", "late train", "fast bus"] * 4
    >>> y = ["food", "food", "food", "travel", "travel", "travel"] * 4
    >>> student = DistilledMLPClassifier(make_tfidf_baseline(C=10), max_epochs=20)
    >>> report = distillation_report(student, X, y, X_unlabeled=["my bus", "a soup"], n_seeds=2)
    >>> report.verdict
    'Cannot tell with 5 test texts: the student is 0.00 points more accurate than its twin, but ...'
    """
    distilled, twin = _make_pair(student, twin_params)
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31 - 1, size=n_seeds).tolist()
    data = _split(X, y, X_test, y_test, test_size, rng)
    labeler = SoftLabeler(
        student.teacher,
        data.texts,
        data.labels,
        classes=data.classes,
        memory=student.memory,
        verbose=verbose,
    )
    pool = as_pool(student._unlabeled_or(X_unlabeled))
    soft_labels = _label_once(student, labeler, data, pool)
    teacher_proba = labeler.label(data.test_texts)
    fold = rng.permutation(len(data.test_texts)) % 2
    of_teacher = _Run(Measurement.of(data.test_codes, teacher_proba, teacher_proba))
    teacher_scores = _score([of_teacher], fold)
    if not teacher_scores.accuracy:
        raise ValueError("The teacher does not classify any test text correctly; check its labels.")
    students, twins = [], []
    for seed in progress_bar(seeds, desc="student and twin", unit="seed", disable=not verbose):
        students.append(_train(distilled, seed, data, teacher_proba, soft_labels))
        twins.append(_train(twin, seed, data, teacher_proba, {}))
    student_scores = _score(students, fold)
    right = np.array([[run.measured.right for run in runs] for runs in (students, twins)], float)
    differences = right[0] - right[1]
    interval = paired_bootstrap(differences, confidence_level=confidence_level, random_state=rng)
    return DistillationReport(
        teacher=teacher_scores,
        student=student_scores,
        twin=_score(twins, fold),
        baseline=_score_baseline(student, data, teacher_proba, fold),
        retention=retention(teacher_scores.accuracy, student_scores.accuracy),
        difference=float(differences.mean()),
        interval=interval,
        confidence_level=float(confidence_level),
        n_seeds=int(n_seeds),
        n_labeled=len(data.texts),
        n_transfer=len(data.texts) + len(soft_labels["unlabeled_proba"]),
        n_test=len(data.test_texts),
    )


def _make_pair(
    student: Any, twin_params: dict[str, Any] | None
) -> tuple[DistilledClassifier, DistilledClassifier]:
    """Check the parameters and make the student, which takes given soft labels, and its twin."""
    if not isinstance(student, DistilledClassifier):
        raise TypeError(
            "student must be a distilled classifier, such as DistilledMLPClassifier, "
            f"not {type(student).__name__}."
        )
    student._validate_params()
    if student.teacher is None:
        raise ValueError(
            "The student has no teacher, so there is nothing to compare it with. Set one, as in "
            "student.set_params(teacher=...)."
        )
    given = twin_params or {}
    fixed = sorted({*_WITHOUT_TEACHER, "random_state"} & set(given))
    if fixed:
        raise ValueError(
            f"twin_params cannot set {', '.join(fixed)}: the twin is trained without a teacher, "
            "with cross-entropy and the student's seeds."
        )
    distilled = clone(student).set_params(**_LABELS_GIVEN)
    twin = clone(student).set_params(**_WITHOUT_TEACHER, **given)
    twin._validate_params()
    return distilled, twin


@dataclass(frozen=True)
class _Split:
    """Labelled texts to train and test on; `check_labels` makes the codes."""

    texts: list[str]
    codes: np.ndarray
    test_texts: list[str]
    test_codes: np.ndarray
    classes: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The gold labels of `texts`, as given."""
        labels: np.ndarray = self.codes if self.codes.ndim == 2 else self.classes[self.codes]
        return labels


def _split(
    X: Iterable[str],
    y: ArrayLike,
    X_test: Iterable[str] | None,
    y_test: ArrayLike | None,
    test_size: float | int,
    rng: np.random.RandomState,
) -> _Split:
    """Check training and test data; hold out test data if none is given."""
    if (X_test is None) != (y_test is None):
        given, missing = ("y_test", "X_test") if X_test is None else ("X_test", "y_test")
        raise ValueError(f"{given} was given without {missing}; pass both or neither.")
    texts = check_texts(X)
    classes, codes = check_labels(y, n_rows=len(texts), multilabel=True)
    multilabel = codes.ndim == 2
    if X_test is None:
        texts, test_texts, codes, test_codes = train_test_split(
            texts,
            codes,
            test_size=test_size,
            stratify=None if multilabel else codes,
            random_state=rng,
        )
    else:
        test_texts = check_texts(X_test, name="X_test")
        test_codes = find_labels(
            y_test,
            classes,
            n_rows=len(test_texts),
            multilabel=multilabel,
            names=("X_test", "y_test", "y"),
        )
    if len(test_texts) < 2:
        raise ValueError("One test text is not enough; pass at least two.")
    return _Split(texts, codes, test_texts, test_codes, classes)


def _label_once(
    student: DistilledClassifier, labeler: SoftLabeler, data: _Split, pool: TextPool | None
) -> dict[str, Any]:
    """Make the soft labels once for all seeds; return the arguments for the student's `fit`."""
    unlabeled = check_unlabeled(pool, n_labeled=len(data.texts))
    transfer = make_transfer_set(
        data.texts,
        data.classes,
        data.codes,
        labeler=labeler,
        X_unlabeled=unlabeled,
        augmenter=choose_augmenter(
            student.augmenter,
            student.teacher,
            data.texts,
            unlabeled,
            analyzer=student.analyzer,
        ),
        teacher_cv=student.teacher_cv,
    )
    n_labeled = len(data.texts)
    return {
        "X_unlabeled": PartedPool([*transfer.texts][n_labeled:], transfer.parts),
        "teacher_proba": transfer.proba[:n_labeled],
        "unlabeled_proba": transfer.proba[n_labeled:],
    }


@dataclass(frozen=True)
class _Run:
    """One training of a model, measured on the test texts."""

    measured: Measurement
    n_epochs: int | None = None


def _train(
    model: DistilledClassifier,
    seed: int,
    data: _Split,
    teacher_proba: np.ndarray,
    soft_labels: dict[str, Any],
) -> _Run:
    model.set_params(random_state=seed).fit(data.texts, data.labels, **soft_labels)
    proba = model.predict_proba(data.test_texts)
    return _Run(Measurement.of(data.test_codes, proba, teacher_proba), model.n_iter_)


def _score_baseline(
    student: DistilledClassifier, data: _Split, teacher_proba: np.ndarray, fold: np.ndarray
) -> Scores | None:
    """Score TF-IDF and logistic regression with the student's kind of features."""
    baseline = make_tuned_baseline(
        analyzer=student.analyzer,
        ngram_range=student.ngram_range,
        multilabel=data.codes.ndim == 2,
    )
    if fit_if_words(baseline, data.texts, data.codes) is None:
        return None
    proba = baseline.predict_proba(data.test_texts)
    return _score([_Run(Measurement.of(data.test_codes, proba, teacher_proba))], fold)


def _score(runs: list[_Run], fold: np.ndarray) -> Scores:
    """Average a model's scores over its seeds; `fold` splits the test texts into halves."""

    def figures(name: str) -> list[float]:
        return [getattr(run.measured, name) for run in runs]

    several = runs[0].measured.micro_f1 is not None
    n_epochs = [run.n_epochs for run in runs if run.n_epochs is not None]
    scaled = [_scaled_error(run.measured, fold) for run in runs]
    return Scores(
        accuracy=float(np.mean(figures("accuracy"))),
        macro_f1=float(np.mean(figures("macro_f1"))),
        fidelity=float(np.mean(figures("fidelity"))),
        calibration_error=float(np.mean(figures("calibration_error"))),
        scaled_calibration_error=float(np.mean(scaled)),
        accuracy_std=_std(figures("accuracy")),
        macro_f1_std=_std(figures("macro_f1")),
        n_epochs=float(np.mean(n_epochs)) if n_epochs else None,
        micro_f1=float(np.mean(figures("micro_f1"))) if several else None,
        micro_f1_std=_std(figures("micro_f1")) if several else None,
    )


def _scaled_error(measured: Measurement, fold: np.ndarray) -> float:
    """Return the calibration error after scaling each half by the other half's temperature."""
    answers, proba = as_one_question(measured.y, np.asarray(measured.proba))
    fold = fold.repeat(len(answers) // len(fold))
    scaled = np.empty_like(proba)
    for half in (0, 1):
        temperature = fit_temperature(proba[fold != half], answers[fold != half])
        scaled[fold == half] = apply_temperature(proba[fold == half], temperature)
    return expected_calibration_error(answers, scaled, np.arange(proba.shape[1]))


def _std(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
