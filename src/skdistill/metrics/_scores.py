"""The scores of a model's predictions on labelled texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from skdistill._core.multilabel import as_one_question, decide, share_of_equal
from skdistill.metrics._calibration import CalibrationBins
from skdistill.metrics._fidelity import retention

_N_CONFUSIONS = 5


@dataclass(frozen=True)
class ClassScores:
    """Scores of a classifier on one class, between 0 and 1; undefined scores are 0."""

    label: str
    precision: float
    recall: float
    f1: float
    n_texts: int


@dataclass(frozen=True)
class Confusion:
    """The number of texts of one class that are predicted as another."""

    label: str
    predicted: str
    n_texts: int


@dataclass(frozen=True)
class Measurement:
    """A classifier's predictions on labelled texts; scores are computed on access.

    Scores are plain Python numbers between 0 and 1.

    Attributes
    ----------
    y, predicted : ndarray of shape (n_texts,) or (n_texts, n_labels)
        Gold and predicted labels, or column numbers of classes; ones and zeros in the multilabel
        case. A multilabel prediction is correct if all labels are.
    proba : ndarray of shape (n_texts, n_classes) or None
    classes : ndarray of shape (n_classes,) or None
        The value in `y` for each column of `proba`; None in the multilabel case.
    teacher : ndarray, like `predicted`, or None
        The teacher's predictions.
    """

    y: np.ndarray
    predicted: np.ndarray
    proba: np.ndarray | None = None
    classes: np.ndarray | None = None
    teacher: np.ndarray | None = None

    @classmethod
    def of(
        cls, codes: np.ndarray, proba: np.ndarray, teacher_proba: np.ndarray | None = None
    ) -> "Measurement":
        """Make a measurement from column numbers of the true classes, or ones and zeros."""
        multilabel = codes.ndim == 2
        teacher = None if teacher_proba is None else decide(teacher_proba, multilabel=multilabel)
        predicted = decide(proba, multilabel=multilabel)
        classes = None if multilabel else np.arange(proba.shape[1])
        return cls(codes, predicted, proba, classes, teacher)

    @property
    def right(self) -> np.ndarray:
        """Whether each text is classified correctly; shape (n_texts,), dtype bool."""
        right: np.ndarray = (self.y == self.predicted).reshape(len(self.y), -1).all(axis=1)
        return right

    @property
    def accuracy(self) -> float:
        """The share of texts that are classified correctly."""
        return float(self.right.mean())

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur or are predicted; if multilabel, of all labels."""
        return self._f1("macro")

    @property
    def micro_f1(self) -> float | None:
        """F1 over all labels; None unless multilabel, because it would equal the accuracy."""
        return self._f1("micro") if self.y.ndim == 2 else None

    def _f1(self, average: str) -> float:
        return float(f1_score(self.y, self.predicted, average=average, zero_division=0))

    @property
    def calibration_error(self) -> float | None:
        """The expected calibration error; None without probabilities."""
        return None if self.proba is None else self.bins().calibration_error

    def bins(self, n_bins: int = 15) -> CalibrationBins:
        """Group texts by confidence; in the multilabel case, each label is a binary problem."""
        answers, proba = as_one_question(self.y, np.asarray(self.proba))
        classes = [0, 1] if self.classes is None else self.classes
        return CalibrationBins.of(answers, proba, classes, n_bins=n_bins)

    @property
    def fidelity(self) -> float | None:
        """The share of texts on which student and teacher agree; None without a teacher."""
        return None if self.teacher is None else share_of_equal(self.predicted, self.teacher)

    def per_class(self, names: Sequence[Any] | np.ndarray) -> list[ClassScores]:
        """Score each class; `y` must contain column numbers, and `names` their names."""
        figures = precision_recall_fscore_support(
            self.y, self.predicted, labels=np.arange(len(names)), zero_division=0
        )
        return [
            ClassScores(str(name), float(precision), float(recall), float(f1), int(n_texts))
            for name, precision, recall, f1, n_texts in zip(names, *figures, strict=True)
        ]

    @property
    def confusion(self) -> np.ndarray | None:
        """The confusion matrix, with true classes as rows; None in the multilabel case."""
        if self.y.ndim == 2:
            return None
        matrix: np.ndarray = confusion_matrix(self.y, self.predicted, labels=self.classes)
        return matrix


def most_confused(matrix: np.ndarray, classes: Sequence[Any]) -> list[Confusion]:
    """Return the most frequent errors in a confusion matrix, at most five."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_N_CONFUSIONS]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [
        Confusion(str(classes[row]), str(classes[column]), int(wrong[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if wrong[row, column]
    ]


@dataclass(frozen=True)
class TeacherComparison:
    """A teacher's scores, and the student's fidelity and retention.

    `retention` is None if the teacher's accuracy is 0.
    """

    accuracy: float
    macro_f1: float
    fidelity: float
    retention: float | None


@dataclass(frozen=True)
class Evaluation:
    """The scores of a :class:`Measurement` that the command line shows, ready for JSON.

    `confusions` has at most five entries; in the multilabel case it is empty.
    """

    n_texts: int
    accuracy: float
    macro_f1: float
    micro_f1: float | None
    calibration_error: float
    classes: list[ClassScores]
    confusions: list[Confusion]
    teacher: TeacherComparison | None


def evaluate(
    y: np.ndarray,
    proba: np.ndarray,
    classes: Sequence[str],
    teacher_proba: np.ndarray | None = None,
) -> Evaluation:
    """Evaluate probabilities against labels and, if given, a teacher's probabilities.

    `y` contains labels from `classes`, or ones and zeros of shape (n_texts, n_classes).

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.metrics._scores import evaluate
    >>> y, proba = np.array(["a", "a", "b"]), np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> found = evaluate(y, proba, ["a", "b"])
    >>> round(found.accuracy, 2), found.confusions
    (0.67, [Confusion(label='a', predicted='b', n_texts=1)])
    """
    numbers = {name: number for number, name in enumerate(classes)}
    codes = y if y.ndim == 2 else np.array([numbers[label] for label in y.tolist()])
    found = Measurement.of(codes, proba)
    matrix = found.confusion
    teacher = None
    if teacher_proba is not None:
        teachers = Measurement.of(codes, teacher_proba)
        teacher = TeacherComparison(
            accuracy=teachers.accuracy,
            macro_f1=teachers.macro_f1,
            fidelity=share_of_equal(found.predicted, teachers.predicted),
            retention=retention(teachers.accuracy, found.accuracy) if teachers.accuracy else None,
        )
    return Evaluation(
        n_texts=len(y),
        accuracy=found.accuracy,
        macro_f1=found.macro_f1,
        micro_f1=found.micro_f1,
        calibration_error=found.bins().calibration_error,
        classes=found.per_class(classes),
        confusions=[] if matrix is None else most_confused(matrix, classes),
        teacher=teacher,
    )


def as_percent(evaluation: Evaluation) -> dict[str, str]:
    """Format the main scores as percentages, leaving out those that are None."""
    accuracy = "accuracy" if evaluation.micro_f1 is None else "subset accuracy"
    figures = {
        accuracy: evaluation.accuracy,
        "macro F1": evaluation.macro_f1,
        "micro F1": evaluation.micro_f1,
        "calibration error": evaluation.calibration_error,
    }
    if evaluation.teacher is not None:
        figures |= {
            f"teacher's {accuracy}": evaluation.teacher.accuracy,
            "teacher's macro F1": evaluation.teacher.macro_f1,
            "fidelity": evaluation.teacher.fidelity,
            "retention": evaluation.teacher.retention,
        }
    return {name: f"{100 * value:.2f}" for name, value in figures.items() if value is not None}
