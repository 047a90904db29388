"""Did distillation help? A student against its twin that was trained on hard labels."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval

from skdistill._core.estimators import validate_params
from skdistill._core.labels import check_known_labels, check_labels, check_same_length
from skdistill._core.multilabel import as_questions, decide
from skdistill._core.progress import progress_bar
from skdistill._core.texts import check_texts
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._pool import TextPool, as_pool
from skdistill.labelling._transfer_set import make_transfer_set
from skdistill.metrics._fidelity import (
    apply_temperature,
    expected_calibration_error,
    fidelity,
    fit_temperature,
    paired_bootstrap,
    retention,
)
from skdistill.students._base import DistilledClassifier

# A student that is told its soft labels asks for no others.
_LABELS_GIVEN = {"augmenter": None, "teacher_cv": None}
# The twin. Cross-entropy replaces losses that are meant for a teacher's probabilities, such as one
# with a temperature.
_WITHOUT_TEACHER = {
    **_LABELS_GIVEN,
    "teacher": None,
    "embedding_init": "random",
    "hard_label_weight": 1.0,
}


@dataclass(frozen=True)
class Scores:
    """What one model scores on the test texts; over several seeds, the mean.

    Parameters
    ----------
    accuracy, macro_f1 : float
        Between 0 and 1. Where a text may have several labels, all of them must be right.
    fidelity : float
        The share of texts on which the model agrees with the teacher.
    calibration_error : float
        See `skdistill.metrics.expected_calibration_error`.
    scaled_calibration_error : float
        The same after temperature scaling: the temperature of each half of the test texts is
        fitted on the other half.
    accuracy_std, macro_f1_std : float or None
        Standard deviations over the seeds; None for a single one, and for the teacher.
    n_epochs : float or None
        Passes over the training texts; None for the teacher.
    micro_f1, micro_f1_std : float or None
        Where a text may have several labels; elsewhere it is the accuracy.
    """

    accuracy: float
    macro_f1: float
    fidelity: float
    calibration_error: float
    scaled_calibration_error: float
    accuracy_std: float | None = None
    macro_f1_std: float | None = None
    n_epochs: float | None = None
    micro_f1: float | None = None
    micro_f1_std: float | None = None


@dataclass(frozen=True, repr=False)
class DistillationReport:
    """The outcome of :func:`~skdistill.distillation_report`; printed, it is a table and a verdict.

    Shares, and differences of shares, lie between 0 and 1. All values are plain Python numbers:
    `dataclasses.asdict` of a report can be written as JSON.

    Parameters
    ----------
    teacher, student, twin : Scores
        The twin is the student, trained on hard labels alone.
    retention : float
        The student's accuracy divided by the teacher's.
    difference : float
        The student's accuracy minus the twin's.
    interval : tuple (low, high) of float
        Confidence interval of `difference`.
    confidence_level : float
        Of `interval`.
    n_seeds : int
        How often student and twin were trained.
    n_labeled : int
        Texts with gold labels that all three were trained on.
    n_transfer : int
        Texts that the student was trained on: the labelled, unlabelled and augmented ones.
    n_test : int
        Texts that all three were tested on.
    """

    teacher: Scores
    student: Scores
    twin: Scores
    retention: float
    difference: float
    interval: tuple[float, float]
    confidence_level: float
    n_seeds: int
    n_labeled: int
    n_transfer: int
    n_test: int

    @property
    def helped(self) -> bool | None:
        """True if `interval` lies above 0, False if below, None if it holds 0."""
        low, high = self.interval
        if low > 0:
            return True
        return False if high < 0 else None

    @property
    def verdict(self) -> str:
        """One sentence that says whether distillation helped."""
        outcome, link, reading = {
            True: ("helped", "and", "lies above 0"),
            False: ("hurt", "and", "lies below 0"),
            None: ("did not help", "but", "holds 0"),
        }[self.helped]
        points = 100 * self.difference
        direction = "less" if points < 0 else "more"
        low, high = (f"{100 * bound:+.2f}" for bound in self.interval)
        level = f"{100 * self.confidence_level:g} %"
        return (
            f"Distillation {outcome}: the student is {abs(points):.2f} points {direction} accurate "
            f"than its twin on hard labels, {link} the {level} interval, {low} to {high}, "
            f"{reading}."
        )

    def as_frame(self) -> pd.DataFrame:
        """Return the scores as a table.

        Returns
        -------
        DataFrame
            Rows ``"teacher"``, ``"student"`` and ``"twin"``; columns as in :class:`Scores`.
        """
        names = ["teacher", "student", "twin"]
        columns = [field.name for field in fields(Scores)]
        rows = [[getattr(getattr(self, name), column) for column in columns] for name in names]
        return pd.DataFrame(rows, index=names, columns=columns, dtype=float)

    def __repr__(self) -> str:
        n_seeds, kept = self.n_seeds, 100 * self.retention
        runs = "1 seed" if n_seeds == 1 else f"mean ± standard deviation over {n_seeds} seeds"
        return "\n".join(
            [
                f"Scores on {self.n_test:,} test texts in per cent, {runs}",
                "",
                *self._table(),
                "",
                f"Retention: the student keeps {kept:.2f} % of the teacher's accuracy.",
                self.verdict,
            ]
        )

    def _table(self) -> list[str]:
        measures = ["accuracy", "macro F1", "fidelity", "calibration error", "scaled"]
        if self.teacher.micro_f1 is not None:
            measures.append("micro F1")
        rows = [["", "texts", "epochs", *measures]]
        for name, n_texts, scores in [
            ("teacher", self.n_labeled, self.teacher),
            ("student, distilled", self.n_transfer, self.student),
            ("twin, hard labels", self.n_labeled, self.twin),
        ]:
            cells = [
                _percent(scores.accuracy, scores.accuracy_std),
                _percent(scores.macro_f1, scores.macro_f1_std),
                _percent(scores.fidelity),
                _percent(scores.calibration_error),
                _percent(scores.scaled_calibration_error),
            ]
            if scores.micro_f1 is not None:
                cells.append(_percent(scores.micro_f1, scores.micro_f1_std))
            n_epochs = "" if scores.n_epochs is None else f"{scores.n_epochs:.3g}"
            rows.append([name, f"{n_texts:,}", n_epochs, *cells])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, ["-" * width for width in widths])
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]


def _percent(share: float, std: float | None = None) -> str:
    return f"{100 * share:6.2f}" + ("" if std is None else f" ± {100 * std:.2f}")


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
    """Train a student and its twin on hard labels, and tell whether distillation helped.

    A good student proves nothing about its teacher: it may have been as good on the gold labels
    alone. The twin is the control: the same network, trained with cross-entropy on the gold labels
    of the labelled texts, from the same seeds.

    Parameters
    ----------
    student : DistilledClassifier
        One with a teacher; it is not fitted itself. The teacher is fitted once, on the training
        texts, and labels each text once. A :class:`~sklearn.frozen.FrozenEstimator` is used as it
        is; it must not have seen the test texts.
    X : iterable of str, of length n_labeled
        Texts with gold labels.
    y : array-like of shape (n_labeled,) or (n_labeled, n_labels)
        Gold labels; ones and zeros where a text may have several.
    X_unlabeled : iterable of str, of length n_unlabeled, or TextPool, default=None
        Texts without gold labels, for the student alone.
    X_test : iterable of str, of length n_test, or None, default=None
        Texts to measure on. None holds out a stratified part of `X`.
    y_test : array-like of shape (n_test,) or (n_test, n_labels), default=None
        Their gold labels.
    test_size : float or int, default=0.2
        Share or number of the texts of `X` to hold out; without effect with `X_test`.
    n_seeds : int, default=5
        How often student and twin are trained.
    twin_params : dict or None, default=None
        Parameters of the twin that differ from the student's.
    confidence_level : float, default=0.95
        Of the interval of the difference; between 0 and 1.
    random_state : int, RandomState instance or None, default=0
        Determines the held-out texts, the seeds of student and twin, and the bootstrap.
    verbose : int, default=0
        1 shows progress bars for labelling and training.

    Returns
    -------
    DistillationReport
        The scores of teacher, student and twin; its `verdict` is one sentence.

    Raises
    ------
    TypeError
        If `student` is no `DistilledClassifier`.
    ValueError
        If the student has no teacher, only one of `X_test` and `y_test` is given, `y_test` holds
        a label that the training labels do not, the teacher classifies no test text correctly, or
        an argument or a parameter is out of range.

    See Also
    --------
    recommend_student : Tells the kind of student before any is trained.

    Notes
    -----
    A control must be as good as it can be. With unlabelled or augmented texts the student makes
    more steps than its twin in the same number of epochs, so that few epochs may leave the twin
    undertrained and the difference too large: compare with the twin of the number of epochs that
    suits it best, by ``twin_params={"max_epochs": ...}``.

    An embedding that starts from the teacher's counts as part of the distillation: the twin's
    starts at random.

    The interval comes from a bootstrap over test texts and seeds [1]_ of the paired differences;
    calibration is measured as in [2]_.

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
    'Distillation did not help: the student is 0.00 points more accurate than its twin on hard ...'
    """
    distilled, twin = _make_pair(student, twin_params)
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31 - 1, size=n_seeds).tolist()
    texts, codes, test_texts, test_codes, classes = _split(X, y, X_test, y_test, test_size, rng)
    multilabel, n_labeled = codes.ndim == 2, len(texts)
    labels = codes if multilabel else classes[codes]
    labeler = SoftLabeler(student.teacher, texts, labels, memory=student.memory, verbose=verbose)
    transfer = make_transfer_set(
        texts,
        classes,
        codes,
        labeler=labeler,
        X_unlabeled=as_pool(X_unlabeled),
        **{name: getattr(student, name) for name in _LABELS_GIVEN},
    )
    soft_labels = {
        "X_unlabeled": TextPool([*transfer.texts][n_labeled:]),
        "teacher_proba": transfer.proba[:n_labeled],
        "unlabeled_proba": transfer.proba[n_labeled:],
    }
    teacher_proba = labeler.label(test_texts)
    fold = rng.permutation(len(test_texts)) % 2
    teacher_scores = _score([teacher_proba], test_codes, teacher_proba, fold)
    if not teacher_scores.accuracy:
        raise ValueError("The teacher classifies no test text correctly; check its labels.")

    student_proba, twin_proba, student_epochs, twin_epochs = [], [], [], []
    for seed in progress_bar(seeds, desc="student and twin", unit="seed", disable=not verbose):
        distilled.set_params(random_state=seed).fit(texts, labels, **soft_labels)
        student_proba.append(distilled.predict_proba(test_texts))
        student_epochs.append(distilled.n_iter_)
        twin.set_params(random_state=seed).fit(texts, labels)
        twin_proba.append(twin.predict_proba(test_texts))
        twin_epochs.append(twin.n_iter_)

    student_scores = _score(student_proba, test_codes, teacher_proba, fold, student_epochs)
    twin_scores = _score(twin_proba, test_codes, teacher_proba, fold, twin_epochs)
    differences = _right(student_proba, test_codes) - _right(twin_proba, test_codes)
    interval = paired_bootstrap(differences, confidence_level=confidence_level, random_state=rng)
    return DistillationReport(
        teacher=teacher_scores,
        student=student_scores,
        twin=twin_scores,
        retention=retention(teacher_scores.accuracy, student_scores.accuracy),
        difference=float(differences.mean()),
        interval=interval,
        confidence_level=float(confidence_level),
        n_seeds=int(n_seeds),
        n_labeled=n_labeled,
        n_transfer=len(transfer.texts),
        n_test=len(test_texts),
    )


def _make_pair(
    student: Any, twin_params: dict[str, Any] | None
) -> tuple[DistilledClassifier, DistilledClassifier]:
    """Make the student that will be told its soft labels, and its twin; check the parameters."""
    if not isinstance(student, DistilledClassifier):
        raise TypeError(
            "student must be one of the distilled classifiers, such as DistilledMLPClassifier, "
            f"not {type(student).__name__}."
        )
    student._validate_params()
    if student.teacher is None:
        raise ValueError(
            "The student has no teacher, so it is its own twin and there is nothing to compare; "
            "set one, as in student.set_params(teacher=...)."
        )
    given = twin_params or {}
    fixed = sorted({*_WITHOUT_TEACHER, "random_state"} & set(given))
    if fixed:
        raise ValueError(
            f"twin_params cannot set {', '.join(fixed)}: the twin learns without a teacher, by "
            "cross-entropy, from the student's seeds."
        )
    distilled = clone(student).set_params(**_LABELS_GIVEN)
    twin = clone(student).set_params(**_WITHOUT_TEACHER, **given)
    twin._validate_params()
    return distilled, twin


def _split(
    X: Iterable[str],
    y: ArrayLike,
    X_test: Iterable[str] | None,
    y_test: ArrayLike | None,
    test_size: float | int,
    rng: np.random.RandomState,
) -> tuple[list[str], np.ndarray, list[str], np.ndarray, np.ndarray]:
    """Return the training texts and their codes, the same for the test, and the classes."""
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
    elif multilabel:
        test_texts = check_texts(X_test, name="X_test")
        test_classes, test_codes = check_labels(y_test, n_rows=len(test_texts), multilabel=True)
        if test_codes.shape[1:] != codes.shape[1:]:
            raise ValueError(
                f"y has {len(classes)} labels of which a text may have several; y_test must have "
                f"the same, in columns, but has {len(test_classes)} classes."
            )
    else:
        test_texts, test_labels = check_texts(X_test, name="X_test"), column_or_1d(y_test)
        check_same_length(len(test_texts), len(test_labels), names=("X_test", "y_test"))
        check_known_labels(test_labels, classes, names=("y_test", "y"))
        test_codes = np.searchsorted(classes, test_labels)
    if len(test_texts) < 2:
        raise ValueError("One test text is not enough: half of them calibrate the other half.")
    return texts, codes, test_texts, test_codes, classes


def _right(proba_by_seed: list[np.ndarray], codes: np.ndarray) -> np.ndarray:
    """Tell which texts each seed classifies correctly, as ones and zeros."""
    multilabel = codes.ndim == 2
    right = np.stack([decide(proba, multilabel=multilabel) == codes for proba in proba_by_seed])
    if multilabel:
        right = np.logical_and.reduce(right, axis=2)
    return right.astype(np.float64)


def _score(
    proba_by_seed: list[np.ndarray],
    codes: np.ndarray,
    teacher_proba: np.ndarray,
    fold: np.ndarray,
    epochs: list[int] | None = None,
) -> Scores:
    multilabel = codes.ndim == 2
    accuracy = _right(proba_by_seed, codes).mean(axis=1)
    predicted = [decide(proba, multilabel=multilabel) for proba in proba_by_seed]
    macro_f1 = [f1_score(codes, labels, average="macro", zero_division=0) for labels in predicted]
    micro_f1 = None
    if multilabel:
        micro_f1 = [f1_score(codes, labels, average="micro") for labels in predicted]
    agreement = [fidelity(teacher_proba, proba, multilabel=multilabel) for proba in proba_by_seed]
    if multilabel:
        # Calibrated is what says of each label how likely it is.
        proba_by_seed = [as_questions(proba) for proba in proba_by_seed]
        fold, codes = fold.repeat(teacher_proba.shape[1]), codes.ravel()
    classes = np.arange(proba_by_seed[0].shape[1])
    scaled = [_scale(proba, codes, fold) for proba in proba_by_seed]
    return Scores(
        accuracy=float(np.mean(accuracy)),
        macro_f1=float(np.mean(macro_f1)),
        fidelity=float(np.mean(agreement)),
        calibration_error=_mean_calibration_error(codes, proba_by_seed, classes),
        scaled_calibration_error=_mean_calibration_error(codes, scaled, classes),
        accuracy_std=_std(accuracy),
        macro_f1_std=_std(macro_f1),
        n_epochs=None if epochs is None else float(np.mean(epochs)),
        micro_f1=None if micro_f1 is None else float(np.mean(micro_f1)),
        micro_f1_std=None if micro_f1 is None else _std(micro_f1),
    )


def _mean_calibration_error(
    codes: np.ndarray, proba_by_seed: list[np.ndarray], classes: np.ndarray
) -> float:
    errors = [expected_calibration_error(codes, proba, classes) for proba in proba_by_seed]
    return float(np.mean(errors))


def _scale(proba: np.ndarray, codes: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Give each half the temperature of the other."""
    scaled = np.empty_like(proba)
    for half in (0, 1):
        temperature = fit_temperature(proba[fold != half], codes[fold != half])
        scaled[fold == half] = apply_temperature(proba[fold == half], temperature)
    return scaled


def _std(values: ArrayLike) -> float | None:
    values = np.asarray(values)
    return float(values.std(ddof=1)) if len(values) > 1 else None
