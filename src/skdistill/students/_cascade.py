"""A student that asks its teacher where it is unsure."""

from collections.abc import Iterable
from math import ceil
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import _check_method_params, check_is_fitted

from skdistill._core.estimators import TextClassifier, fit_context
from skdistill._core.labels import check_labels, check_probabilities
from skdistill._core.texts import check_texts


def cascade_curve(
    student_proba: ArrayLike,
    teacher_proba: ArrayLike,
    codes: ArrayLike,
    *,
    teacher_cost: float = 100.0,
) -> pd.DataFrame:
    """Tell what a cascade gains and costs at each threshold.

    The texts are ordered by the student's highest probability, the least sure first; each row of
    the curve lets the teacher answer one more of them. Texts of which the student is equally sure
    go together.

    Parameters
    ----------
    student_proba, teacher_proba : array-like of shape (n_texts, n_classes)
        Class probabilities.
    codes : array-like of shape (n_texts,)
        The column of each text's true class.
    teacher_cost : float, default=100.0
        What a teacher's answer costs; a student's costs 1.

    Returns
    -------
    DataFrame
        With the columns ``"threshold"`` (the teacher answers where the student's confidence is
        below it), ``"teacher_rate"``, ``"coverage"`` (the share that the student answers, 1 minus
        the rate), ``"accuracy"`` (of both together), ``"student_accuracy"`` (on the texts that
        the student answers; missing where it answers none) and ``"cost"`` (the mean of a text,
        ``1 + teacher_rate * teacher_cost``). Rows are sorted by the rate, from 0 to 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, rows do not sum to 1, or there are no rows.

    Examples
    --------
    >>> from skdistill.students import cascade_curve
    >>> student = [[0.9, 0.1], [0.6, 0.4]]  # sure and right, unsure and wrong
    >>> curve = cascade_curve(student, [[0.7, 0.3], [0.2, 0.8]], [0, 1])
    >>> curve[["teacher_rate", "accuracy", "cost"]].values.tolist()
    [[0.0, 0.5, 1.0], [0.5, 1.0, 51.0], [1.0, 1.0, 101.0]]
    """
    codes = np.asarray(codes)
    if not len(codes):
        raise ValueError("A curve needs at least one text.")
    n_classes = np.asarray(student_proba).shape[-1]
    student, teacher = (
        check_probabilities(proba, n_rows=len(codes), n_classes=n_classes, name=name, rows="codes")
        for proba, name in ((student_proba, "student_proba"), (teacher_proba, "teacher_proba"))
    )
    confidence = np.asarray(student_proba).max(axis=1)
    order = np.argsort(confidence, kind="stable")
    confidence = confidence[order]
    student_right = (student.argmax(axis=1) == codes)[order]
    teacher_right = (teacher.argmax(axis=1) == codes)[order]
    by_teacher = np.concatenate([[0], np.cumsum(teacher_right)])
    by_student = np.concatenate([np.cumsum(student_right[::-1])[::-1], [0]])
    # So many of the texts go to the teacher; only where the confidence changes can a cut be made.
    n_asked = np.flatnonzero(np.concatenate([[True], np.diff(confidence) > 0, [True]]))
    n_texts = len(codes)
    rate = n_asked / n_texts
    with np.errstate(invalid="ignore"):
        student_accuracy = by_student[n_asked] / (n_texts - n_asked)
    return pd.DataFrame(
        {
            # No confidence is below 0, where none is to be asked.
            "threshold": np.append(confidence, np.inf)[n_asked] * (n_asked > 0),
            "teacher_rate": rate,
            "coverage": 1 - rate,
            "accuracy": (by_teacher + by_student)[n_asked] / n_texts,
            "student_accuracy": student_accuracy,
            "cost": 1 + rate * teacher_cost,
        }
    )


class CascadeClassifier(MetaEstimatorMixin, TextClassifier):
    """A student that answers where it is sure, with a teacher behind it for the other texts.

    Parameters
    ----------
    student : classifier with `predict_proba` over texts
        Such as a :class:`~skdistill.DistilledMLPClassifier`.
    teacher : classifier with `predict_proba` over texts, or None, default=None
        None takes the student's own teacher: it is then fitted once, for both.
    max_teacher_rate : float, default=0.1
        Share of the validation texts that the teacher may answer; of other texts like them it is
        about the same.
    validation_fraction : float, default=0.1
        Share of the texts on which the threshold is chosen, and which neither student nor teacher
        is trained on. If both are :class:`~sklearn.frozen.FrozenEstimator`, all texts serve for
        that; they must not have seen them.
    teacher_cost : float, default=100.0
        What a teacher's answer costs, with a student's as the unit; for the curves alone.
    random_state : int, RandomState instance or None, default=None
        Draws the validation texts.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels.
    student_, teacher_ : classifier
        Fitted.
    threshold_ : float
        The teacher is asked where the student's highest probability is below it.
    teacher_rate_ : float
        The share of the validation texts for which that is so.
    curve_ : DataFrame
        Rate, accuracy and cost on the validation texts at each threshold: see
        :func:`~skdistill.students.cascade_curve`.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : Another threshold that validation sets.

    Notes
    -----
    Of the thresholds that `max_teacher_rate` allows, the one with the highest accuracy on the
    validation texts is taken, and of equal ones the one that asks least. A teacher that is no
    better than its student is never asked.

    References
    ----------
    .. [1] P. Viola, M. Jones. "Rapid Object Detection using a Boosted Cascade of Simple Features".
       CVPR 2001: cheap classifiers in front of dear ones.
    .. [2] L. Chen, M. Zaharia, J. Zou. "FrugalGPT: How to Use Large Language Models While Reducing
       Cost and Improving Performance". arXiv:2305.05176.

    Examples
    --------
    >>> from skdistill import CascadeClassifier, DistilledMLPClassifier, make_tfidf_baseline
    >>> X = ["warm soup", "fresh bread", "warm bread", "fast train", "late train", "fast bus"] * 5
    >>> y = ["food", "food", "food", "travel", "travel", "travel"] * 5
    >>> student = DistilledMLPClassifier(make_tfidf_baseline(C=10), random_state=0)
    >>> cascade = CascadeClassifier(student, max_teacher_rate=0.2, random_state=0).fit(X, y)
    >>> cascade.predict(["hot soup", "my bus"])
    array(['food', 'travel'], dtype='<U6')
    >>> cascade.teacher_rate_
    0.0
    """

    multilabel_ = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "student": [HasMethods(["fit", "predict_proba"])],
        "teacher": [HasMethods(["fit", "predict_proba"]), None],
        "max_teacher_rate": [Interval(Real, 0, 1, closed="both")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "teacher_cost": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        student: Any,
        teacher: Any = None,
        *,
        max_teacher_rate: float = 0.1,
        validation_fraction: float = 0.1,
        teacher_cost: float = 100.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.student = student
        self.teacher = teacher
        self.max_teacher_rate = max_teacher_rate
        self.validation_fraction = validation_fraction
        self.teacher_cost = teacher_cost
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Iterable[str], y: ArrayLike, **params: Any) -> Self:
        """Fit teacher and student, and choose the threshold on texts that neither has seen.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,)
            Their labels.
        **params : dict
            What the student's `fit` takes, such as `X_unlabeled`. What has as many rows as `X` is
            cut to the rows that are trained on.

        Returns
        -------
        self : object
            The fitted cascade.

        Raises
        ------
        ValueError
            If there is no teacher, the student or the teacher does not know the classes of `y`, or
            there are too few texts to hold some of each class out.
        """
        texts = check_texts(X)
        classes, codes = check_labels(y, n_rows=len(texts))
        student, teacher = self._make_pair()
        rows = np.arange(len(texts))
        if isinstance(student, FrozenEstimator) and isinstance(teacher, FrozenEstimator):
            training, validation = rows[:0], rows
        else:
            training, validation = self._split(rows, codes, len(classes))
        if len(training):
            routed = process_routing(self, "fit", **params)
            student_params = _check_method_params(texts, routed.student.fit, indices=training)
            train_texts, train_labels = [texts[row] for row in training], classes[codes[training]]
            teacher.fit(train_texts, train_labels)
            if self.teacher is None:
                student.set_params(teacher=FrozenEstimator(teacher))
            student.fit(train_texts, train_labels, **student_params)
        for name, part in (("student", student), ("teacher", teacher)):
            if not np.array_equal(part.classes_, classes):
                raise ValueError(
                    f"The {name}'s classes {np.asarray(part.classes_).tolist()} are not those of "
                    f"y, {classes.tolist()}."
                )
        held_out = [texts[row] for row in validation]
        curve = cascade_curve(
            student.predict_proba(held_out),
            teacher.predict_proba(held_out),
            codes[validation],
            teacher_cost=self.teacher_cost,
        )
        allowed = curve[curve["teacher_rate"] <= self.max_teacher_rate]
        chosen = allowed.iloc[allowed["accuracy"].to_numpy().argmax()]
        self.classes_ = classes
        self.student_, self.teacher_ = student, teacher
        self.curve_ = curve
        self.threshold_ = float(chosen["threshold"])
        self.teacher_rate_ = float(chosen["teacher_rate"])
        return self

    def _make_pair(self) -> tuple[BaseEstimator, BaseEstimator]:
        student = clone(self.student)
        teacher = self.teacher
        if teacher is None:
            teacher = getattr(student, "teacher", None)
        if teacher is None:
            raise ValueError(
                "There is no teacher to ask: pass one, or a student that has one, as in "
                "CascadeClassifier(DistilledMLPClassifier(teacher))."
            )
        return student, clone(teacher)

    def _split(
        self, rows: np.ndarray, codes: np.ndarray, n_classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        n_held_out = max(ceil(self.validation_fraction * len(rows)), n_classes)
        if np.bincount(codes).min() < 2 or len(rows) - n_held_out < n_classes:
            raise ValueError(
                f"A threshold is chosen on {n_held_out} of {len(rows)} texts, too few to have each "
                f"of the {n_classes} classes on both sides; pass more texts, or fitted student and "
                "teacher in a FrozenEstimator each."
            )
        training, validation = train_test_split(
            rows,
            test_size=n_held_out,
            stratify=codes,
            random_state=check_random_state(self.random_state),
        )
        return training, validation

    def asks_teacher(self, X: Iterable[str]) -> NDArray[np.bool_]:
        """Tell for which texts the teacher is asked.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        asks : ndarray of shape (n_texts,), dtype bool
            True where the student's highest probability is below `threshold_`.
        """
        check_is_fitted(self)
        proba: np.ndarray = self.student_.predict_proba(check_texts(X))
        asks: np.ndarray = proba.max(axis=1) < self.threshold_
        return asks

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Predict class probabilities: the student's, and the teacher's where it is asked.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes)
            Columns follow `classes_`.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        proba = np.array(self.student_.predict_proba(texts))
        asked = np.flatnonzero(proba.max(axis=1) < self.threshold_)
        if len(asked):
            proba[asked] = self.teacher_.predict_proba([texts[row] for row in asked])
        return proba

    def curve(self, X: Iterable[str], y: ArrayLike) -> pd.DataFrame:
        """Tell what the cascade gains and costs on other texts, at each threshold.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,)
            Their labels.

        Returns
        -------
        DataFrame
            See :func:`~skdistill.students.cascade_curve`.

        Raises
        ------
        ValueError
            If `y` has another length than `X`, or holds a label that is not in `classes_`.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        labels = np.asarray(y)
        if labels.shape != (len(texts),):
            raise ValueError(
                f"y must hold one label for each of the {len(texts)} texts, but has shape "
                f"{labels.shape}."
            )
        unknown = ~np.isin(labels, self.classes_)
        if unknown.any():
            row = int(unknown.argmax())
            raise ValueError(
                f"y[{row}] is {labels.tolist()[row]!r}, which is none of the classes "
                f"{self.classes_.tolist()}."
            )
        return cascade_curve(
            self.student_.predict_proba(texts),
            self.teacher_.predict_proba(texts),
            np.searchsorted(self.classes_, labels),
            teacher_cost=self.teacher_cost,
        )

    def get_metadata_routing(self) -> MetadataRouter:
        """Say that all parameters of `fit` are for the student's.

        Returns
        -------
        routing : MetadataRouter
            It hands them to `student`.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(student=self.student, method_mapping=mapping)
