"""Recommend a student for a teacher before any student is trained."""

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import HasMethods, Interval

from skdistill._core.estimators import validate_params
from skdistill._core.label_columns import as_label_column, check_same_kind
from skdistill._core.labels import check_label_column
from skdistill._core.texts import check_texts
from skdistill.metrics._word_order import word_order_sensitivity
from skdistill.students._base import DistilledClassifier
from skdistill.students._mlp import DistilledMLPClassifier
from skdistill.students._rnn import DistilledRNNClassifier

# The share of the teacher's lead over the most frequent class that an 80,000-parameter student
# loses at a word-order sensitivity of 1. The loss grows with the square of the sensitivity.
# benchmarks/recommendation.py repeats this least-squares fit over the data sets of
# benchmarks/quality.py. Cheapest student first.
_LOSS = {"bag": 2.2, "window": 1.5, "recurrent": 1.0}
# A cheaper student is recommended if it loses at most this much accuracy.
_TOLERANCE = 0.01


@dataclass(frozen=True, repr=False)
class Recommendation:
    """The result of :func:`~skdistill.recommend_student`; printing it shows the reasons.

    Parameters
    ----------
    kind : {"bag", "window", "recurrent", "teacher"}
        The recommended student; ``"teacher"`` means that you should keep the teacher.
    word_order_sensitivity : float
        The teacher's sensitivity: see :func:`skdistill.word_order_sensitivity`.
    accuracy : float
        The teacher's accuracy, between 0 and 1.
    lead : float
        The teacher's accuracy minus the share of the most frequent class.
    gaps : dict of str to float
        The accuracy that each kind of student is expected to lose compared with the teacher.
    """

    kind: str
    word_order_sensitivity: float
    accuracy: float
    lead: float
    gaps: dict[str, float]

    @property
    def predicted_gap(self) -> float:
        """The gap of the recommended student, or of the best one if none is recommended."""
        return self.gaps.get(self.kind, min(self.gaps.values()))

    def make_student(self, teacher: Any = None, **params: Any) -> DistilledClassifier | None:
        """Make the recommended student.

        Parameters
        ----------
        teacher : classifier or None, default=None
            The student's teacher.
        **params
            Other parameters of the student.

        Returns
        -------
        DistilledClassifier or None
            An unfitted student; None if you should keep the teacher.
        """
        if self.kind == "teacher":
            return None
        if self.kind == "recurrent":
            return DistilledRNNClassifier(teacher, **params)
        if self.kind == "bag":
            params = {"pooling": "mean", **params}
        return DistilledMLPClassifier(teacher, **params)

    def __repr__(self) -> str:
        advice = {
            "bag": 'Distil into a bag of words: DistilledMLPClassifier(pooling="mean")',
            "window": "Distil into a student with word windows: DistilledMLPClassifier()",
            "recurrent": "Distil into a recurrent student: DistilledRNNClassifier()",
            "teacher": "Keep the teacher",
        }[self.kind]
        gaps = ", ".join(f"{kind} {100 * gap:.1f}" for kind, gap in self.gaps.items())
        return (
            f"{advice}. The teacher's word-order sensitivity is {self.word_order_sensitivity:.2f}. "
            f"Its accuracy is {100 * self.accuracy:.1f} %, {100 * self.lead:.1f} points above the "
            f"most frequent class. Expected loss of each student, in points: {gaps}."
        )


@validate_params(
    {
        "teacher": [HasMethods(["predict"])],
        "X": "no_validation",
        "y": "no_validation",
        "max_loss": [Interval(Real, 0, 1, closed="both")],
        "n_shuffles": "no_validation",
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def recommend_student(
    teacher: Any,
    X: Iterable[str],
    y: ArrayLike,
    *,
    max_loss: float = 0.5,
    n_shuffles: int = 5,
    random_state: Any = 0,
) -> Recommendation:
    """Recommend a kind of student based on how much the teacher depends on word order.

    The more a teacher depends on word order, the more accuracy a student loses [1]_. This function
    measures the teacher's sensitivity and predicts the loss of each kind of student, using
    estimates from four data sets. It recommends the cheapest kind whose expected accuracy is
    within one point of the best: ``"bag"``, then ``"window"``, then ``"recurrent"``.

    Parameters
    ----------
    teacher : classifier
        A fitted classifier over raw texts, with ``predict`` and ``classes_``.
    X : iterable of str, of length n_texts
        Texts that the teacher was not trained on; a few hundred are enough.
    y : array-like of shape (n_texts,)
        Their labels.
    max_loss : float, default=0.5
        If even the best student is expected to lose more than this share of the teacher's lead over
        the most frequent class, the recommendation is to keep the teacher.
    n_shuffles : int, default=5
        Number of times the words of each text are shuffled.
    random_state : int, RandomState instance or None, default=0
        Determines the shuffles.

    Returns
    -------
    Recommendation
        The recommended kind of student and the reasons. `make_student` makes the student.

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, the teacher is no better than always predicting
        the most frequent class, or it classifies no text with two different words correctly.
    TypeError
        If a row of `X` is not a str.

    See Also
    --------
    word_order_sensitivity : Measure only the sensitivity.
    distillation_report : Measure what this function predicts.

    Notes
    -----
    A student is expected to lose a share of its teacher's lead over the most frequent class. This
    share is the square of the sensitivity times a factor for each kind of student. We fitted the
    factors to 80,000-parameter students with augmented texts on four data sets, so the prediction
    is a first guess and may be several points off. We chose the square after seeing these data sets
    and a fifth one, where it should recommend the teacher. Use
    :func:`skdistill.distillation_report` to measure the loss.

    References
    ----------
    .. [1] M. Wasserblat. "Best Practices for Text Classification with Distillation", part 3.
       Intel Labs, 2021.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline, recommend_student
    >>> X = ["a warm soup", "fresh bread", "warm bread", "a fast train", "late train", "fast bus"]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"]
    >>> recommendation = recommend_student(make_tfidf_baseline().fit(X, y), X, y)
    >>> recommendation.kind, recommendation.predicted_gap
    ('bag', 0.0)
    >>> recommendation.make_student(make_tfidf_baseline(), n_parameters=5_000).pooling
    'mean'
    """
    texts = check_texts(X)
    labels = check_label_column(y, n_rows=len(texts))
    predicted = as_label_column(teacher.predict(texts), name="teacher.predict(X)")
    check_same_kind(labels, predicted, names=("y", "teacher.predict(X)"))
    accuracy = float(np.mean(predicted == labels))
    most_frequent = np.unique(labels, return_counts=True)[1].max() / len(labels)
    lead = accuracy - float(most_frequent)
    if lead <= 0:
        raise ValueError(
            f"The teacher's accuracy of {100 * accuracy:.1f} % is no better than always predicting "
            f"the most frequent class, {100 * most_frequent:.1f} %. Check the labels, or use a "
            "better teacher."
        )
    sensitivity = word_order_sensitivity(
        teacher, texts, labels, n_shuffles=n_shuffles, random_state=random_state
    )
    losses = {kind: min(1.0, loss * sensitivity**2) for kind, loss in _LOSS.items()}
    gaps = {kind: lead * loss for kind, loss in losses.items()}
    best = min(gaps.values())
    kind = next(kind for kind, gap in gaps.items() if gap <= best + _TOLERANCE)
    return Recommendation(
        kind="teacher" if min(losses.values()) > max_loss else kind,
        word_order_sensitivity=sensitivity,
        accuracy=accuracy,
        lead=lead,
        gaps=gaps,
    )
