"""Which student to distil a teacher into: told before any student is trained."""

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import HasMethods, Interval

from skdistill._core.estimators import validate_params
from skdistill._core.labels import check_label_column
from skdistill._core.texts import check_texts
from skdistill.metrics._word_order import word_order_sensitivity
from skdistill.students._base import DistilledClassifier
from skdistill.students._mlp import DistilledMLPClassifier
from skdistill.students._rnn import DistilledRNNClassifier

# Of the teacher's lead over the most frequent class, the share that a student of 80,000 parameters
# loses at a word-order sensitivity of 1; it grows with the square. Least squares over the data sets
# of benchmarks/quality.py, which benchmarks/recommendation.py repeats. Cheapest student first.
_LOSS = {"bag": 2.2, "window": 1.5, "recurrent": 1.0}
# Accuracy for which a cheaper student is not given up.
_TOLERANCE = 0.01


@dataclass(frozen=True, repr=False)
class Recommendation:
    """What :func:`~skdistill.recommend_student` returns; printed, a sentence with its reasons.

    Parameters
    ----------
    kind : {"bag", "window", "recurrent", "teacher"}
        The student that is recommended; ``"teacher"`` means that none is.
    word_order_sensitivity : float
        Of the teacher: see :func:`skdistill.word_order_sensitivity`.
    accuracy : float
        Of the teacher, between 0 and 1.
    lead : float
        The teacher's accuracy minus the share of the most frequent class.
    gaps : dict of str to float
        By how much each kind of student is expected to be less accurate than the teacher.
    """

    kind: str
    word_order_sensitivity: float
    accuracy: float
    lead: float
    gaps: dict[str, float]

    @property
    def predicted_gap(self) -> float:
        """The gap of the student that is recommended, or of the best one if none is."""
        return self.gaps.get(self.kind, min(self.gaps.values()))

    def make_student(self, teacher: Any = None, **params: Any) -> DistilledClassifier | None:
        """Make the student that is recommended.

        Parameters
        ----------
        teacher : classifier or None, default=None
            The student's teacher.
        **params
            Further parameters of the student.

        Returns
        -------
        DistilledClassifier or None
            An unfitted student; None if it is better to keep the teacher.
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
            "bag": 'Distil into a bag of words, DistilledMLPClassifier(pooling="mean")',
            "window": "Distil into windows of words, DistilledMLPClassifier()",
            "recurrent": "Distil into a recurrent student, DistilledRNNClassifier()",
            "teacher": "Keep the teacher",
        }[self.kind]
        gaps = ", ".join(f"{kind} {100 * gap:.1f}" for kind, gap in self.gaps.items())
        return (
            f"{advice}. The teacher's word-order sensitivity is {self.word_order_sensitivity:.2f}, "
            f"its accuracy {100 * self.accuracy:.1f} %, {100 * self.lead:.1f} points above the "
            f"most frequent class; students are expected to lose, in points: {gaps}."
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
    """Recommend a kind of student, from how far the teacher depends on the order of words.

    A student loses the more of its teacher's accuracy the more that depends on the order of words
    [1]_. The sensitivity to it is measured on the teacher alone; the loss of each kind of student
    for a given sensitivity was estimated on four data sets. The cheapest kind is recommended whose
    expected accuracy is within one point of the best one's: ``"bag"``, then ``"window"``, then
    ``"recurrent"``.

    Parameters
    ----------
    teacher : classifier
        A fitted one over texts, with ``predict`` and ``classes_``.
    X : iterable of str, of length n_texts
        Texts that the teacher was not trained on; some hundreds are enough.
    y : array-like of shape (n_texts,)
        Their labels.
    max_loss : float, default=0.5
        The teacher is to be kept if even the best student is expected to lose more than this share
        of its lead over the most frequent class.
    n_shuffles : int, default=5
        How often each text's words are shuffled.
    random_state : int, RandomState instance or None, default=0
        Determines the shuffles.

    Returns
    -------
    Recommendation
        The kind of student and the reasons; its `make_student` makes one.

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, the teacher is no better than always the most
        frequent class, or no text of two different words is classified correctly.
    TypeError
        If a row of `X` is no text.

    See Also
    --------
    word_order_sensitivity : The measure alone.
    distillation_report : Measures what this function foretells.

    Notes
    -----
    Of its teacher's lead over the most frequent class, a student is expected to lose a share that
    grows with the square of the sensitivity, by a factor of its kind. The factors are fitted to
    students of 80,000 parameters, with augmented texts, on four data sets, so this is a first
    guess, some points off; :func:`skdistill.distillation_report` replaces it by a measurement. The
    square was chosen with these data sets, and a fifth to be refused, in sight.

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
    accuracy = float(np.mean(np.asarray(teacher.predict(texts)) == labels))
    most_frequent = np.unique(labels, return_counts=True)[1].max() / len(labels)
    lead = accuracy - float(most_frequent)
    if lead <= 0:
        raise ValueError(
            f"The teacher's accuracy of {100 * accuracy:.1f} % is no better than always saying the "
            f"most frequent class, {100 * most_frequent:.1f} %; there is nothing to distil."
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
