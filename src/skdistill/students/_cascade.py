"""A student that passes the texts it is unsure of on to its teacher."""

from collections.abc import Iterable
from math import ceil, inf
from numbers import Real
from os import PathLike
from pathlib import Path
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
from sklearn.utils.multiclass import is_multilabel
from sklearn.utils.validation import _check_method_params, check_is_fitted

from skdistill._core.estimators import TextClassifier, fit_context
from skdistill._core.label_columns import as_labels, columns_in_order, find_labels
from skdistill._core.labels import align_tables, check_labels, check_probabilities
from skdistill._core.multilabel import predict_columns
from skdistill._core.texts import check_texts
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._teacher import clone_teacher, explain_errors, fit_teacher
from skdistill.students._cascade_folder import read_cascade, unwrapped, write_cascade

_SAVED = ("max_teacher_rate", "validation_fraction", "teacher_cost")


def cascade_curve(
    student_proba: ArrayLike,
    teacher_proba: ArrayLike,
    codes: ArrayLike,
    *,
    teacher_cost: float = 100.0,
) -> pd.DataFrame:
    """Compute the accuracy and the cost of a cascade at each threshold.

    The texts are sorted by the student's confidence, its highest probability, in ascending order.
    In each row of the curve, the teacher classifies one more of them. Texts with equal confidence
    share a row.

    Parameters
    ----------
    student_proba, teacher_proba : array-like of shape (n_texts, n_classes)
        Class probabilities. If both have names for their columns, the teacher's are put in the
        student's order. Columns with the names 0, 1, 2, ... are put in this order. Other names of
        only one of the two must be in sorted order.
    codes : array-like of shape (n_texts,)
        Column of the true class of each text.
    teacher_cost : float, default=100.0
        Cost of a prediction by the teacher, relative to one by the student.

    Returns
    -------
    DataFrame
        One row per threshold, sorted by ``"teacher_rate"`` from 0 to 1. The columns are
        ``"threshold"`` (the teacher classifies texts with a confidence below it),
        ``"teacher_rate"`` (the share of texts that the teacher classifies), ``"coverage"`` (the
        share that the student classifies), ``"accuracy"`` (of the cascade),
        ``"student_accuracy"`` (on the texts that the student classifies; missing if there are
        none) and ``"cost"`` (the mean per text, ``1 + teacher_rate * teacher_cost``).

    Raises
    ------
    ValueError
        If the shapes or the names of columns do not match, rows do not sum to 1, or there are no
        rows.

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
        raise ValueError("codes is empty; cascade_curve needs at least one text.")
    names = ("student_proba", "teacher_proba")
    student_proba, teacher_proba = align_tables(student_proba, teacher_proba, names=names)
    n_classes = np.asarray(student_proba).shape[-1]
    student, teacher = (
        check_probabilities(proba, n_rows=len(codes), n_classes=n_classes, name=name, rows="codes")
        for proba, name in zip((student_proba, teacher_proba), names, strict=True)
    )
    confidence = np.asarray(student_proba).max(axis=1)
    order = np.argsort(confidence, kind="stable")
    confidence = confidence[order]
    student_right = (student.argmax(axis=1) == codes)[order]
    teacher_right = (teacher.argmax(axis=1) == codes)[order]
    by_teacher = np.concatenate([[0], np.cumsum(teacher_right)])
    by_student = np.concatenate([np.cumsum(student_right[::-1])[::-1], [0]])
    # Numbers of texts passed to the teacher. Only a change of confidence allows a threshold.
    n_asked = np.flatnonzero(np.concatenate([[True], np.diff(confidence) > 0, [True]]))
    n_texts = len(codes)
    rate = n_asked / n_texts
    with np.errstate(invalid="ignore"):
        student_accuracy = by_student[n_asked] / (n_texts - n_asked)
    return pd.DataFrame(
        {
            # A threshold of 0 passes no text to the teacher.
            "threshold": np.append(confidence, np.inf)[n_asked] * (n_asked > 0),
            "teacher_rate": rate,
            "coverage": 1 - rate,
            "accuracy": (by_teacher + by_student)[n_asked] / n_texts,
            "student_accuracy": student_accuracy,
            "cost": 1 + rate * teacher_cost,
        }
    )


class CascadeClassifier(MetaEstimatorMixin, TextClassifier):
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
        share is about the same.
    validation_fraction : float, default=0.1
        Share of the texts on which to choose the threshold. Neither student nor teacher is trained
        on them. If both are a :class:`~sklearn.frozen.FrozenEstimator`, the threshold is chosen on
        all texts; they must not have been trained on any of them.
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
        The fitted student and teacher.
    threshold_ : float
        The teacher classifies texts if the student's highest probability is below this.
    teacher_rate_ : float
        Share of the validation texts that the teacher classifies.
    curve_ : DataFrame
        Rate, accuracy and cost on the validation texts at each threshold: see
        :func:`~skdistill.students.cascade_curve`.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : Tune a decision threshold.

    Notes
    -----
    Among the thresholds that `max_teacher_rate` allows, `fit` chooses the one with the highest
    accuracy on the validation texts. If several are equally accurate, it chooses the one that uses
    the teacher least. A teacher that is no better than its student is therefore never used.

    References
    ----------
    .. [1] P. Viola, M. Jones. "Rapid Object Detection using a Boosted Cascade of Simple Features".
       CVPR 2001.
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
        """Fit teacher and student, and choose the threshold on held-out texts.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,)
            Labels of `X`.
        **params : dict
            Parameters of the student's `fit`, such as `X_unlabeled`. Those with as many rows as
            `X` are restricted to the training rows. The teacher also gets `sample_weight`.

        Returns
        -------
        self : object
            The fitted cascade.

        Raises
        ------
        ValueError
            If there is no teacher, if a text has several labels, if the classes of student or
            teacher differ from those of `y`, or if there are too few texts to hold out some of
            each class.
        """
        texts = check_texts(X)
        if y is not None and is_multilabel(as_labels(y)):
            raise ValueError(
                f"A cascade takes one label per text, but y has shape {np.shape(y)}. Use the "
                "student without a cascade, or a cascade for each column."
            )
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
            weights = student_params.get("sample_weight")
            teacher = fit_teacher(teacher, train_texts, train_labels, weights)
            uses_teacher = not isinstance(student, FrozenEstimator) and self.teacher is None
            if uses_teacher and getattr(student, "teacher_cv", None) is None:
                student.set_params(teacher=FrozenEstimator(teacher))
            student.fit(train_texts, train_labels, **student_params)
        for name, part in (("student", student), ("teacher", teacher)):
            _check_classes(name, part, classes, "y")
        held_out = [texts[row] for row in validation]
        # What the student's memory knows of these texts is not asked again.
        frozen = teacher if isinstance(teacher, FrozenEstimator) else FrozenEstimator(teacher)
        memory = getattr(student, "memory", None)
        labeler = SoftLabeler(frozen, texts, classes[codes], memory=memory)
        with explain_errors(teacher):
            teacher_proba = labeler.label(held_out)
        curve = cascade_curve(
            predict_columns(student, held_out, classes),
            teacher_proba,
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
        self._fitted_with = {name: getattr(self, name) for name in _SAVED}
        return self

    def _make_pair(self) -> tuple[BaseEstimator, BaseEstimator]:
        student = clone(self.student)
        teacher = self.teacher
        if teacher is None:
            teacher = getattr(student, "teacher", None)
        if teacher is None:
            raise ValueError(
                "The cascade has no teacher. Pass one, or a student with a teacher: "
                "CascadeClassifier(DistilledMLPClassifier(teacher))."
            )
        _check_predict_proba("teacher", teacher)
        return student, clone_teacher(teacher)

    def _split(
        self, rows: np.ndarray, codes: np.ndarray, n_classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        n_held_out = max(ceil(self.validation_fraction * len(rows)), n_classes)
        if np.bincount(codes).min() < 2 or len(rows) - n_held_out < n_classes:
            raise ValueError(
                f"Holding out {n_held_out} of {len(rows)} texts to choose the threshold leaves too "
                f"few to have each of the {n_classes} classes in both parts. Pass more texts, or "
                "wrap the fitted student and teacher in FrozenEstimator."
            )
        training, validation = train_test_split(
            rows,
            test_size=n_held_out,
            stratify=codes,
            random_state=check_random_state(self.random_state),
        )
        return training, validation

    def asks_teacher(self, X: Iterable[str]) -> NDArray[np.bool_]:
        """Return which texts are passed on to the teacher.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        asks : ndarray of shape (n_texts,), dtype bool
            True if the student's highest probability is below `threshold_`.
        """
        check_is_fitted(self)
        proba = predict_columns(self.student_, check_texts(X), self.classes_)
        asks: np.ndarray = proba.max(axis=1) < self.threshold_
        return asks

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.floating]:
        """Predict class probabilities with the student or, for texts it is unsure of, the teacher.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes)
            Class probabilities. Columns follow `classes_`.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        proba = np.array(predict_columns(self.student_, texts, self.classes_))
        asked = np.flatnonzero(proba.max(axis=1) < self.threshold_)
        if len(asked):
            asked_texts = [texts[row] for row in asked]
            proba[asked] = _ask(self.teacher_, asked_texts, self.classes_)
        return proba

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
        return cascade_curve(
            predict_columns(self.student_, texts, self.classes_),
            _ask(self.teacher_, texts, self.classes_),
            codes,
            teacher_cost=self.teacher_cost,
        )

    def save(self, folder: str | PathLike[str]) -> None:
        """Save the fitted cascade in a folder, without a pickle.

        A `TransformerTeacherClassifier` is saved, too, as a checkpoint of transformers. Keep any
        other teacher yourself, and pass it to :meth:`load`.

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
        check_is_fitted(self)
        now = {name: getattr(self, name) for name in _SAVED}
        figures = {
            "threshold": None if self.threshold_ == inf else self.threshold_,
            "teacher_rate": self.teacher_rate_,
            "parameters": now | getattr(self, "_fitted_with", {}),  # old pickles lack it
        }
        student, teacher = unwrapped(self.student_), unwrapped(self.teacher_)
        write_cascade(Path(folder), student, teacher, figures, self.curve_)

    @classmethod
    def load(cls, folder: str | PathLike[str], teacher: Any = None) -> Self:
        """Load a fitted cascade from a folder written by :meth:`save`.

        Parameters
        ----------
        folder : path-like
            The folder.
        teacher : fitted classifier over texts, default=None
            The teacher. Needed only if it is not in the folder.

        Returns
        -------
        cascade : CascadeClassifier
            The fitted cascade; student and teacher are frozen.

        Raises
        ------
        ModelFileError
            If a file is missing or damaged.
        ValueError
            If the folder does not contain the teacher and none is passed, or if the teacher's
            classes differ from the student's.
        TypeError
            If the teacher has no `predict_proba`.
        """
        if teacher is not None:
            _check_predict_proba("teacher", teacher)
        stored = read_cascade(Path(folder), teacher, _SAVED)
        student, teacher = FrozenEstimator(stored.student), FrozenEstimator(stored.teacher)
        _check_classes("teacher", teacher, student.classes_, "the student")
        cascade = cls(student, teacher, **stored.parameters)
        cascade._fitted_with = stored.parameters
        cascade.classes_ = student.classes_
        cascade.student_, cascade.teacher_ = student, teacher
        cascade.curve_ = stored.curve
        cascade.threshold_, cascade.teacher_rate_ = stored.threshold, stored.teacher_rate
        return cascade

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing of metadata, which passes all parameters of `fit` to the student.

        Returns
        -------
        routing : MetadataRouter
            The routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(student=self.student, method_mapping=mapping)


def _check_predict_proba(name: str, part: Any) -> None:
    if not hasattr(part, "predict_proba"):
        raise TypeError(
            f"The {name} {type(unwrapped(part)).__name__} has no method predict_proba, which a "
            "cascade needs. Use a classifier that has it, or wrap this one in "
            "sklearn.calibration.CalibratedClassifierCV."
        )


def _check_classes(name: str, part: Any, classes: np.ndarray, other: str) -> None:
    check_is_fitted(part)
    if not np.array_equal(part.classes_, classes):
        raise ValueError(
            f"The {name}'s classes {np.asarray(part.classes_).tolist()} differ from those of "
            f"{other}, {classes.tolist()}; fit it on labels from the same classes."
        )


def _ask(teacher: Any, texts: list[str], classes: np.ndarray) -> Any:
    """Return the teacher's probabilities; those in a table with names are aligned by them."""
    with explain_errors(teacher):
        answers = teacher.predict_proba(texts)
    return columns_in_order(answers, classes, name="teacher.predict_proba(texts)")
