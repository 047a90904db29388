"""A student that passes the texts it is unsure of on to its teacher."""

from collections.abc import Iterable
from math import inf
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MetaEstimatorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from skdistill._core.estimators import TextClassifier, fit_context
from skdistill._core.label_columns import find_labels
from skdistill._core.multilabel import predict_columns
from skdistill._core.texts import check_texts
from skdistill.labelling._teacher import CloningMixin, GivesProbabilities
from skdistill.metrics._cascade_curve import cascade_curve
from skdistill.students.cascade._folder import SAVED, read_cascade, unwrapped, write_cascade
from skdistill.students.cascade._parts import (
    ask,
    calibration_of,
    check_classes,
    check_predict_proba,
    check_reject,
    check_rows,
    check_unchanged,
    choose_row,
    classes_of,
    fit_parts,
    make_labeler,
    make_pair,
    params_of_student,
    read_labels,
    rows_with_weight,
    split_rows,
    with_rejected,
)


class CascadeClassifier(CloningMixin, MetaEstimatorMixin, TextClassifier):
    """A student that classifies the texts it is sure of and passes the others on to its teacher.

    Parameters
    ----------
    student : classifier with `predict_proba` over texts
        The student, such as a :class:`~skdistill.DistilledMLPClassifier`.
    teacher : classifier with `predict_proba` over texts, or None, default=None
        The teacher. If None, the cascade uses the student's own teacher and fits it once for both;
        a student with `teacher_cv` fits its teachers itself.
    max_teacher_rate : float, default=0.1
        Maximum share of the validation texts that the teacher classifies. On similar texts, the
        share is about the same. Not used with `target_agreement`.
    target_agreement : float, default=None
        The share of all texts, such as 0.97, for which the cascade must predict the teacher's
        class. Texts that the teacher classifies count as agreement. `fit` chooses the threshold
        that passes on as few texts as possible, so that the share among new texts is at least
        this, with the probability `confidence`. It needs no `y` if the teacher needs none. None
        chooses the threshold by accuracy and `max_teacher_rate`.
    confidence : float, default=0.95
        The probability that `target_agreement` holds, over random draws of the validation texts.
    reject : str or number, default=None
        What to predict, instead of a class, for texts that the student is unsure of when no teacher
        is at hand, such as ``"none of these"``. It may be one of the classes. With it, neither
        `fit` nor :meth:`load` requires a teacher; without a teacher, `fit` takes `y` for the
        teacher's answers, as if a person classified the rejected texts.
    validation_fraction : float, default=0.1
        Share of the texts on which to choose the threshold. Neither student nor teacher is trained
        on them, or on rows that repeat them. If both are a
        :class:`~sklearn.frozen.FrozenEstimator`, the threshold is chosen on all texts; they must
        not have been trained on any of them.
    teacher_cost : float, default=100.0
        Cost of a prediction by the teacher, relative to one by the student. It only affects the
        curves.
    random_state : int, RandomState instance or None, default=None
        Seed for choosing the validation texts.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels.
    student_, teacher_ : classifier
        The fitted student and teacher. `teacher_` is None if none is at hand.
    threshold_ : float
        The teacher classifies texts if the student's highest probability is below this.
    teacher_rate_ : float
        Share of the validation texts that the teacher classifies.
    agreement_ : float
        Share of the validation texts for which the cascade predicts the teacher's class.
    curve_ : DataFrame
        Rate, accuracy, agreement and cost on the validation texts at each threshold: see
        :func:`~skdistill.students.cascade_curve`. Without `y`, accuracies are agreements with the
        teacher.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : Tune a decision threshold.

    Notes
    -----
    Among the thresholds that `max_teacher_rate` allows, `fit` chooses the one with the highest
    accuracy on the validation texts. If several are equally accurate, it chooses the one that uses
    the teacher least. A teacher that is no better than its student is therefore never used.

    If the student has a `memory`, the teacher's answers at prediction are kept there, too, so that
    no text is paid for twice in a cross-validation. A cascade from a file or a pickle does without.

    `target_agreement` guarantees agreement with the teacher, not correct labels, and only on texts
    from the same source as the validation texts. `fit` lowers the threshold as long as the lower
    confidence bound of the agreement (Clopper and Pearson) reaches the target. This is
    fixed-sequence testing [3]_, so the probability that the agreement is below the target is at
    most ``1 - confidence``, although many thresholds are compared. If no threshold reaches the
    target, the teacher classifies all texts, and `fit` warns. A target of 0.97 with a confidence of
    0.95 needs at least 99 validation texts; with 1,000, the student may differ from the teacher on
    20 of them.

    References
    ----------
    .. [1] P. Viola, M. Jones. "Rapid Object Detection using a Boosted Cascade of Simple Features".
       CVPR 2001.
    .. [2] L. Chen, M. Zaharia, J. Zou. "FrugalGPT: How to Use Large Language Models While Reducing
       Cost and Improving Performance". arXiv:2305.05176.
    .. [3] A. Angelopoulos, S. Bates, E. Candès, M. Jordan, L. Lei. "Learn then Test: Calibrating
       Predictive Algorithms to Achieve Risk Control". arXiv:2110.01052.

    Examples
    --------
    >>> from skdistill import CascadeClassifier, DistilledMLPClassifier, make_tfidf_baseline
    >>> nouns = ["soup", "bread", "rice", "train", "bus", "boat"]
    >>> X = [f"{word} {noun}" for word in "warm late good cheap small".split() for noun in nouns]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"] * 5
    >>> student = DistilledMLPClassifier(make_tfidf_baseline(C=10), random_state=0)
    >>> cascade = CascadeClassifier(student, max_teacher_rate=0.2, random_state=0).fit(X, y)
    >>> cascade.predict(["hot soup", "my bus"])
    array(['food', 'travel'], dtype='<U6')
    >>> cascade = cascade.set_params(target_agreement=0.8, validation_fraction=0.5).fit(X, y)
    >>> print(cascade.summary())
    The student classifies 80.0% of the validation texts; the others are passed on to the teacher.
    It differs from the teacher on 0.0% of all validation texts.
    On similar texts, this is at most 20%, with a confidence of 95%.
    """

    multilabel_ = False

    # It reaches the student by the routing below, which asks the student whether it wants it.
    __metadata_request__fit: ClassVar[dict[str, Any]] = {"sample_weight": UNUSED}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "student": [GivesProbabilities()],
        "teacher": [GivesProbabilities(), None],
        "max_teacher_rate": [Interval(Real, 0, 1, closed="both")],
        "target_agreement": [Interval(Real, 0, 1, closed="neither"), None],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "reject": [str, Real, None],
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
        target_agreement: float | None = None,
        confidence: float = 0.95,
        reject: str | float | None = None,
        validation_fraction: float = 0.1,
        teacher_cost: float = 100.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.student = student
        self.teacher = teacher
        self.max_teacher_rate = max_teacher_rate
        self.target_agreement = target_agreement
        self.confidence = confidence
        self.reject = reject
        self.validation_fraction = validation_fraction
        self.teacher_cost = teacher_cost
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Iterable[str],
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Fit teacher and student, and choose the threshold on held-out texts.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,), default=None
            Labels of `X`. Not needed with `target_agreement` if the teacher needs none.
        sample_weight : array-like of shape (n_texts,) or None, default=None
            Weights of the texts, for student, teacher and validation figures. With
            `target_agreement`, the figures only leave out texts of weight 0, because its guarantee
            is about numbers of texts.
        **params : dict
            Other parameters of the student's `fit`, such as `X_unlabeled`. Those with a row for
            each of `X` are restricted to the training rows.

        Returns
        -------
        self : object
            The fitted cascade.

        Raises
        ------
        ValueError
            If there is neither a teacher nor `reject`, if `y` is missing, if a text has several
            labels, if the classes of student, teacher and `y` differ, if weights or probabilities
            have another length than `X`, if weights are negative or those of all validation texts
            are 0, or if there are too few texts to hold out some of each class.
        TypeError
            If `reject` is a string and the labels are not, or the other way round, or if the
            student takes no such parameter.

        Warns
        -----
        UserWarning
            If no threshold guarantees `target_agreement`, so that the student classifies no text.
        """
        texts = check_texts(X)
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        student, teacher = make_pair(self.student, self.teacher, self.reject)
        by_agreement = self.target_agreement is not None
        classes, codes = read_labels(y, len(texts), teacher, by_agreement=by_agreement)
        check_reject(self.reject, classes)
        labels = None if codes is None else classes[codes]
        weights = check_rows(params, texts)
        is_ready = all(isinstance(part, FrozenEstimator | None) for part in (student, teacher))
        if is_ready:
            training, validation = np.arange(0), np.arange(len(texts))
        else:
            training, validation = split_rows(
                texts, codes, self.validation_fraction, self.random_state
            )
        student_params = params_of_student(self, student, params, texts, training)
        if not is_ready:
            rows = texts, labels, weights, training
            teacher = fit_parts(student, teacher, *rows, student_params, share=self.teacher is None)
        memory, labeler = getattr(student, "memory", None), None
        if teacher is not None:
            labeler = make_labeler(teacher, texts, labels, memory=memory)
        if labeler is not None and labels is None:
            classes = classes_of(labeler)
            check_reject(self.reject, classes)
        for name, part in (("student", student), ("teacher", teacher)):
            check_classes(name, part, classes, "the teacher" if labels is None else "y")
        validation = rows_with_weight(validation, weights)
        held_out = [texts[row] for row in validation]
        known = None if codes is None else codes[validation]
        teacher_proba = np.eye(len(classes))[known] if labeler is None else labeler.label(held_out)
        known = teacher_proba.argmax(axis=1) if known is None else known
        student_proba = predict_columns(student, held_out, classes)
        curve = cascade_curve(
            student_proba,
            teacher_proba,
            known,
            teacher_cost=self.teacher_cost,
            # A guarantee counts texts.
            sample_weight=None if by_agreement or weights is None else weights[validation],
        )
        chosen = curve.iloc[choose_row(self, curve, len(held_out))]
        self.classes_, self.curve_ = classes, curve
        self.student_, self.teacher_ = student, teacher
        self._calibration = calibration_of(student)
        for name in ("threshold", "teacher_rate", "agreement"):
            setattr(self, f"{name}_", float(chosen[name]))
        self._fitted_with = {name: getattr(self, name) for name in SAVED}
        self._memory = memory
        return self

    def asks_teacher(self, X: Iterable[str]) -> NDArray[np.bool_]:
        """Return which texts are passed on to the teacher.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        asks : ndarray of shape (n_texts,), dtype bool
            True if the student's highest probability is below `threshold_`. Without a teacher,
            these texts are rejected.
        """
        check_unchanged(self)
        proba = predict_columns(self.student_, check_texts(X), self.classes_)
        return np.asarray(proba.max(axis=1) < self.threshold_)

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Predict class probabilities with the student or, for texts it is unsure of, the teacher.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes)
            Class probabilities. Columns follow `classes_`. Without a teacher, all are the
            student's.
        """
        check_unchanged(self)
        texts = check_texts(X)
        proba = np.array(predict_columns(self.student_, texts, self.classes_))
        asked = np.flatnonzero(proba.max(axis=1) < self.threshold_)
        if len(asked) and self.teacher_ is not None:
            proba[asked] = self._ask([texts[row] for row in asked])
        return proba

    def _ask(self, texts: list[str]) -> Any:
        return ask(self.teacher_, texts, self.classes_, memory=getattr(self, "_memory", None))

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """Predict classes with the student or, for texts it is unsure of, the teacher.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        y : ndarray of shape (n_texts,)
            The most probable classes; `reject` for unsure texts if there is no teacher.
        """
        proba = self.predict_proba(X)
        labels: np.ndarray = self.classes_[proba.argmax(axis=1)]
        if self.teacher_ is None:
            labels = with_rejected(labels, proba.max(axis=1) < self.threshold_, self.reject)
        return labels

    def summary(self) -> str:
        """Describe in words how many texts the student classifies, and what is guaranteed.

        Returns
        -------
        summary : str
            Figures of the validation texts and, with `target_agreement`, the guarantee, one
            sentence a line.
        """
        check_unchanged(self)
        others = "rejected" if self.teacher_ is None else "passed on to the teacher"
        summary = (
            f"The student classifies {1 - self.teacher_rate_:.1%} of the validation texts; the "
            f"others are {others}.\n"
            f"It differs from the teacher on {1 - self.agreement_:.1%} of all validation texts."
        )
        if (target := self._fitted_with["target_agreement"]) is not None:
            confidence = 100 * self._fitted_with["confidence"]
            summary += (
                f"\nOn similar texts, this is at most {100 * (1 - target):.4g}%, with a confidence "
                f"of {confidence:.4g}%."
            )
        return summary

    def curve(self, X: Iterable[str], y: ArrayLike) -> pd.DataFrame:
        """Compute the accuracy and the cost of the cascade on other texts, at each threshold.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,)
            Labels of `X`.

        Returns
        -------
        DataFrame
            See :func:`~skdistill.students.cascade_curve`.

        Raises
        ------
        ValueError
            If `y` and `X` differ in length, or if `y` contains a label that is not in `classes_`.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        names = ("X", "y", "the cascade's classes")
        codes = find_labels(y, self.classes_, n_rows=len(texts), multilabel=False, names=names)
        if self.teacher_ is None:
            teacher_proba = np.eye(len(self.classes_))[codes]
        else:
            teacher_proba = self._ask(texts)
        student_proba = predict_columns(self.student_, texts, self.classes_)
        return cascade_curve(student_proba, teacher_proba, codes, teacher_cost=self.teacher_cost)

    def save(self, folder: str | PathLike[str]) -> None:
        """Save the fitted cascade in a folder, without a pickle.

        A `TransformerTeacherClassifier` is saved, too, as a checkpoint of transformers. Keep any
        other teacher yourself, and pass it to :meth:`load`, or pass `reject`.

        Parameters
        ----------
        folder : path-like
            The folder, which is created if it does not exist. Existing files of these names are
            replaced once all new ones are complete.

        Raises
        ------
        TypeError
            If the student is not one of skdistill's.
        OSError
            If the disk is full or the folder is not writable.
        """
        check_unchanged(self)
        now = {name: getattr(self, name) for name in SAVED}
        figures = {
            "threshold": None if self.threshold_ == inf else self.threshold_,
            "teacher_rate": self.teacher_rate_,
            "agreement": self.agreement_,
            "parameters": now | getattr(self, "_fitted_with", {}),  # old pickles lack it
        }
        student, teacher = unwrapped(self.student_), unwrapped(self.teacher_)
        write_cascade(Path(folder), student, teacher, figures, self.curve_)

    @classmethod
    def load(
        cls, folder: str | PathLike[str], teacher: Any = None, *, reject: str | float | None = None
    ) -> Self:
        """Load a fitted cascade from a folder written by :meth:`save`.

        Parameters
        ----------
        folder : path-like
            The folder.
        teacher : fitted classifier over texts, default=None
            The teacher. Needed only if it is not in the folder and there is no `reject`.
        reject : str or number, default=None
            What to predict for texts that the student is unsure of, instead of loading a teacher.
            None takes the parameter of the saved cascade, but prefers the teacher in the folder.

        Returns
        -------
        cascade : CascadeClassifier
            The fitted cascade; student and teacher are frozen.

        Raises
        ------
        ModelFileError
            If a file is missing or damaged.
        ValueError
            If the folder does not contain the teacher and neither it nor `reject` is passed, or if
            the teacher's classes differ from the student's.
        TypeError
            If the teacher has no `predict_proba`, or `reject` and the labels are not both strings
            or both numbers.
        """
        if teacher is not None:
            check_predict_proba("teacher", teacher)
        stored = read_cascade(Path(folder), teacher, reject)
        student, teacher = FrozenEstimator(stored.student), stored.teacher
        check_reject(stored.parameters["reject"], student.classes_)
        if teacher is not None:
            teacher = FrozenEstimator(teacher)
            check_classes("teacher", teacher, student.classes_, "the student")
        cascade = cls(student, teacher, **stored.parameters)
        cascade._fitted_with = stored.parameters
        cascade.classes_, cascade.curve_ = student.classes_, stored.curve
        cascade.student_, cascade.teacher_ = student, teacher
        cascade._calibration = calibration_of(student)
        for name, value in stored.figures.items():
            setattr(cascade, f"{name}_", value)
        return cascade

    def __getstate__(self) -> dict[str, Any]:  # another machine does not have the memory
        return {**super().__getstate__(), "_memory": None}

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing of metadata, which passes all parameters of `fit` to the student.

        Returns
        -------
        routing : MetadataRouter
            The routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(student=self.student, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target_agreement is None
        return tags
