"""What a classifier gets right and wrong on labelled texts, class by class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

from skdistill._core.multilabel import as_one_question, decide, share_of_equal
from skdistill.metrics._calibration import expected_calibration_error
from skdistill.metrics._class_scores import ClassScores, Confusion, most_confused, score_classes
from skdistill.metrics._fidelity import fidelity, retention


@dataclass(frozen=True)
class TeacherComparison:
    """A student beside its teacher.

    Attributes
    ----------
    accuracy, macro_f1 : float
        The teacher's.
    fidelity : float
        The share of texts on which the student agrees with the teacher.
    retention : float or None
        The student's accuracy divided by the teacher's; None if the teacher is never right.
    """

    accuracy: float
    macro_f1: float
    fidelity: float
    retention: float | None


@dataclass(frozen=True)
class Evaluation:
    """The figures of a classifier on labelled texts; all are plain Python numbers.

    Attributes
    ----------
    n_texts : int
    accuracy, macro_f1 : float
        Between 0 and 1; the mean F1 is over classes that occur or are predicted. Where a text may
        have several labels, it is right if all of them are, and the mean is over all labels.
    micro_f1 : float or None
        F1 of all labels taken together; None where a text has one label, of which it is the
        accuracy.
    calibration_error : float
        See `skdistill.metrics.expected_calibration_error`. Of several labels a text, each is a
        question with two answers.
    classes : list of ClassScores
    confusions : list of Confusion
        The most frequent ones, five at most; none where a text may have several labels.
    teacher : TeacherComparison or None
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
    """Compare probabilities with labels and, if they are given, with a teacher's.

    Parameters
    ----------
    y : ndarray of shape (n_texts,), dtype str, or (n_texts, n_classes), dtype int
        Labels, all of them among `classes`; ones and zeros where a text may have several.
    proba : ndarray of shape (n_texts, n_classes)
    classes : sequence of str, of length n_classes
        The label of each column.
    teacher_proba : ndarray of shape (n_texts, n_classes) or None, default=None

    Returns
    -------
    Evaluation

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.metrics._scores import evaluate
    >>> y, proba = np.array(["a", "a", "b"]), np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> found = evaluate(y, proba, ["a", "b"])
    >>> round(found.accuracy, 2), found.confusions
    (0.67, [Confusion(label='a', predicted='b', n_texts=1)])
    """
    multilabel = y.ndim == 2
    numbers = {name: number for number, name in enumerate(classes)}
    codes = y if multilabel else np.array([numbers[label] for label in y.tolist()])
    columns = np.arange(len(classes))
    predicted = decide(proba, multilabel=multilabel)
    accuracy = share_of_equal(codes, predicted)
    answers, questions = as_one_question(codes, proba)
    return Evaluation(
        n_texts=len(y),
        accuracy=accuracy,
        macro_f1=_f1(codes, predicted, "macro"),
        micro_f1=_f1(codes, predicted, "micro") if multilabel else None,
        calibration_error=expected_calibration_error(
            answers, questions, np.arange(questions.shape[1])
        ),
        classes=score_classes(codes, predicted, classes),
        confusions=[]
        if multilabel
        else most_confused(confusion_matrix(codes, predicted, labels=columns), classes),
        teacher=None if teacher_proba is None else _compare(codes, proba, teacher_proba, accuracy),
    )


def _f1(codes: np.ndarray, predicted: np.ndarray, average: str) -> float:
    return float(f1_score(codes, predicted, average=average, zero_division=0))


def _compare(
    codes: np.ndarray, proba: np.ndarray, teacher_proba: np.ndarray, accuracy: float
) -> TeacherComparison:
    multilabel = codes.ndim == 2
    predicted = decide(teacher_proba, multilabel=multilabel)
    teacher_accuracy = share_of_equal(codes, predicted)
    return TeacherComparison(
        accuracy=teacher_accuracy,
        macro_f1=_f1(codes, predicted, "macro"),
        fidelity=fidelity(teacher_proba, proba, multilabel=multilabel),
        retention=retention(teacher_accuracy, accuracy) if teacher_accuracy else None,
    )


def check_known(y: np.ndarray, classes: Iterable[str], name: str) -> None:
    """Refuse labels that are none of the classes.

    Parameters
    ----------
    y : ndarray of shape (n_texts,), dtype str
    classes : iterable of str
    name : str
        How messages call the column.

    Raises
    ------
    ValueError
        If there is one; the message names the row, counted from 0.
    """
    names = [*map(str, classes)]
    unknown = ~np.isin(y, names)
    if unknown.any():
        row = int(unknown.argmax())
        raise ValueError(
            f"{name}[{row}] is {str(y[row])!r}, which is none of the classes "
            f"{', '.join(names):.200}; "
            f"drop or rename such rows ({unknown.sum()} of {len(y)})."
        )


def as_percent(evaluation: Evaluation) -> dict[str, str]:
    """Write the main figures for readers.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    dict of str
        Names and figures, in per cent, of those that there are.
    """
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
