"""Helpers for teachers: their requirements and classes, fitting and cloning."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skdistill._core.exceptions import warn
from skdistill._core.label_columns import as_labels
from skdistill._core.multilabel import gives_several_labels, has_labels

_FREEZE = "Fit the teacher and wrap it in a FrozenEstimator"
_REMOVE = "Call set_params(teacher=None) before you save the student"
# What scikit-learn's classifiers say of texts where they expect numbers.
_NEEDS_NUMBERS = ("could not convert string to float", "Expected 2D array, got 1D array")


def needs_no_labels(teacher: BaseEstimator | None) -> bool:
    """Return whether a teacher can predict probabilities without labels in `fit`.

    This holds for a fitted classifier in a `FrozenEstimator`, and for a classifier with the tag
    ``target_tags.required=False``. scikit-learn's meta-estimators do not forward this tag, so we
    check that every classifier inside them has it.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.labelling._teacher import needs_no_labels
    >>> teacher = make_tfidf_baseline().fit(["good", "bad"], ["+", "-"])
    >>> needs_no_labels(FrozenEstimator(teacher)), needs_no_labels(teacher)
    (True, False)
    """
    if teacher is None:
        return False
    if isinstance(teacher, FrozenEstimator):
        return hasattr(teacher, "classes_")
    parts = [teacher, *teacher.get_params().values()]
    classifiers = [
        part for part in parts if isinstance(part, BaseEstimator) and is_classifier(part)
    ]
    required = [get_tags(classifier).target_tags.required for classifier in classifiers]
    return bool(required) and not any(required)


def learns_nothing(teacher: Any) -> bool:
    """Return whether a teacher's predictions do not depend on its training rows."""
    return getattr(teacher, "_learns_nothing", False)


def last_step(teacher: Any) -> Any:
    """Return what is inside a frozen estimator and at the end of a pipeline.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.labelling._teacher import last_step
    >>> type(last_step(FrozenEstimator(make_tfidf_baseline()))).__name__
    'LogisticRegression'
    """
    if isinstance(teacher, FrozenEstimator):
        return last_step(teacher.estimator)
    if isinstance(teacher, Pipeline) and teacher.steps:
        return last_step(teacher.steps[-1][1])
    return teacher


def voters(teacher: Any) -> Iterator[Any]:
    """Iterate over the classifiers that vote, in ensembles of ensembles, too; or over the teacher.

    What is frozen is returned without its `FrozenEstimator`.

    Examples
    --------
    >>> from sklearn.ensemble import VotingClassifier
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.labelling._teacher import voters
    >>> teacher = make_tfidf_baseline()
    >>> vote = VotingClassifier([("frozen", FrozenEstimator(teacher)), ("none", "drop")])
    >>> [voter is teacher for voter in voters(vote)]
    [True]
    """
    if isinstance(teacher, FrozenEstimator):
        yield from voters(teacher.estimator)
    elif isinstance(teacher, VotingClassifier):
        parts = getattr(teacher, "estimators_", None) or [part for _, part in teacher.estimators]
        for part in parts:
            yield from () if part == "drop" else voters(part)
    else:
        yield teacher


def gives_probabilities(classifier: Any) -> bool:
    """Return whether a classifier has `predict_proba`, or will have it once it is fitted.

    An ensemble that stacks shows its method only then, unless it is told its last classifier; the
    default one gives probabilities.

    Examples
    --------
    >>> from sklearn.ensemble import StackingClassifier
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.labelling._teacher import gives_probabilities
    >>> gives_probabilities(StackingClassifier([("words", make_tfidf_baseline())]))
    True
    """
    if hasattr(classifier, "predict_proba"):
        return True
    if isinstance(classifier, StackingClassifier):
        return classifier.final_estimator is None and not hasattr(classifier, "final_estimator_")
    if isinstance(classifier, Pipeline):
        return bool(classifier.steps) and gives_probabilities(classifier.steps[-1][1])
    if isinstance(classifier, BaseSearchCV) and not hasattr(classifier, "best_estimator_"):
        return gives_probabilities(classifier.estimator)
    return False


class GivesProbabilities(HasMethods):
    """The constraint that a parameter is a classifier with probabilities."""

    def __init__(self) -> None:
        super().__init__(["fit", "predict_proba"])

    def is_satisfied_by(self, val: Any) -> bool:
        return callable(getattr(val, "fit", None)) and gives_probabilities(val)


def has_frozen_part(teacher: BaseEstimator) -> bool:
    """Return whether a teacher, or an estimator inside it, is frozen."""
    parts = teacher.get_params().values()
    return isinstance(teacher, FrozenEstimator) or any(
        isinstance(part, FrozenEstimator) for part in parts
    )


def learns_columns(teacher: BaseEstimator) -> bool:
    """Return whether a teacher learns its labels in `fit`; numbers are then places of columns."""
    return not has_frozen_part(teacher) and not learns_nothing(teacher)


def own_classes(teacher: Any, text: str) -> tuple[np.ndarray, bool]:
    """Return the classes of a fitted teacher, and whether a text may have several labels."""
    name = "the teacher's classes_"
    last = last_step(teacher)  # which may know, so that nothing is asked
    several = False if isinstance(last, VotingClassifier) else getattr(last, "multilabel_", None)
    if gives_several_labels(teacher, text) if several is None else several:
        names = teacher.classes_
        if isinstance(names, list):  # for each column its values, and no names
            return np.arange(len(names)), True
        return as_labels(names, name=name), True
    # scikit-learn keeps the labels of a table's column as objects.
    classes = as_labels(teacher.classes_, name=name)
    if len(classes) < 2 or not np.array_equal(np.unique(classes), classes):
        raise ValueError(
            "To train a student without y, the teacher needs at least two classes, in sorted "
            f"order, but has {classes.tolist()}; pass y, or use another teacher."
        )
    return classes, False


def check_classes(teacher: BaseEstimator, classes: np.ndarray, multilabel: bool) -> None:
    """Raise an error if the classes of a fitted teacher differ from those of `y`."""
    if multilabel and not has_labels(teacher, classes, by_place=learns_columns(teacher)):
        raise ValueError(
            f"The teacher's classes {teacher.classes_!r:.200} differ from the columns of y, "
            f"{classes.tolist()!s:.200}; fit the teacher on the same columns in the same order, "
            "with words as names rather than numbers."
        )
    if not multilabel and not np.array_equal(teacher.classes_, classes):
        if np.array_equal(np.sort(np.asarray(teacher.classes_)), classes):
            raise ValueError(
                f"The teacher's classes {np.asarray(teacher.classes_).tolist()!s:.200} are not in "
                "sorted order, as scikit-learn's are; sort them, and the columns of its "
                "predict_proba alike."
            )
        raise ValueError(
            f"The teacher's classes {np.asarray(teacher.classes_).tolist()!s:.200} differ from "
            f"those of y, {classes.tolist()!s:.200}; fit the teacher on labels from the same "
            f"classes.{_advice_on_places(classes, len(teacher.classes_))}"
        )


def is_numbered(classes: np.ndarray, n_classes: int) -> bool:
    """Return whether classes may be places among `n_classes` others."""
    return np.array_equal(classes, np.arange(n_classes))


def _advice_on_places(classes: np.ndarray, n_classes: int) -> str:
    """Return what to do if the classes of `y` may be places of the teacher's `n_classes`."""
    if not is_numbered(classes, n_classes):
        return ""
    return (
        " If scikit-learn has numbered the labels, as VotingClassifier, StackingClassifier and "
        "cross_val_predict do, pass FunctionTeacherClassifier(fitted_teacher.predict_proba), whose "
        "columns belong to the labels by place."
    )


def clone_teacher(teacher: BaseEstimator, remedy: str = _FREEZE) -> BaseEstimator:
    """Clone a teacher; if a parameter cannot be copied, raise an error that names it."""
    try:
        return clone(teacher)
    except Exception as error:
        place = _place_of_failure(teacher, partial(clone, safe=False), _parameters)
        if not place:
            raise
        raise TypeError(
            f"The teacher cannot be cloned, because {place} cannot be copied "
            f"({_first_line(error)}). {remedy}, or define __sklearn_clone__ in its class to share "
            "the value with the copy."
        ) from error


class CloningMixin:
    """A mixin for estimators with the parameter `teacher`, also in searches and cross-validation.

    If a part of the teacher cannot be copied, the error of scikit-learn's `clone` names it.
    """

    teacher: Any

    def __sklearn_clone__(self) -> Self:
        try:
            copy: Self = super().__sklearn_clone__()  # type: ignore[misc]
        except Exception:
            if self.teacher is not None:
                clone_teacher(self.teacher)
            raise
        return copy


def pickle_teacher(teacher: BaseEstimator, dumps: Callable[[Any], bytes]) -> bytes:
    """Pickle a teacher for worker processes; if a part of it cannot be, name it in the error."""
    try:
        return dumps(teacher)
    except Exception as error:
        place = _place_of_failure(teacher, dumps, vars) or "it"
        raise TypeError(
            f"The teacher cannot be sent to worker processes, because {place} cannot be pickled "
            f"({_first_line(error)}). Label without joblib's processes, or define __getstate__ and "
            "__setstate__ in its class to make the value again in each process."
        ) from error


def _parameters(estimator: BaseEstimator) -> dict[str, Any]:
    has_own = type(estimator).__sklearn_clone__ is not BaseEstimator.__sklearn_clone__
    return {} if has_own else estimator.get_params(deep=False)


def _place_of_failure(
    value: Any, copy: Callable[[Any], Any], parts: Callable[[Any], dict[str, Any]]
) -> str:
    """Return the innermost parameter or attribute of an estimator that cannot be copied, or ""."""
    if isinstance(value, list | tuple):
        return next(filter(None, (_place_of_failure(part, copy, parts) for part in value)), "")
    if not isinstance(value, BaseEstimator):
        return ""
    for name, part in parts(value).items():
        try:
            copy(part)
        except Exception:  # raised again by the caller, with this place
            kind = type(part)
            own = f"{type(value).__name__}.{name}, of type {kind.__module__}.{kind.__qualname__},"
            return _place_of_failure(part, copy, parts) or own
    return ""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:100]


def fit_teacher(
    teacher: BaseEstimator, X: list[str], y: Any, sample_weight: np.ndarray | None
) -> BaseEstimator:
    """Clone a teacher and fit it, with sample weights if it supports them."""
    teacher = clone_teacher(teacher)
    check_frozen_parts(teacher)
    if sample_weight is None or isinstance(teacher, FrozenEstimator) or learns_nothing(teacher):
        return _fit(teacher, X, y)
    name = weight_parameter(teacher)
    if name is None:
        if not _declines_weights(teacher):
            _warn_of_weights(teacher)
        return _fit(teacher, X, y)
    if has_fit_parameter(teacher, name):
        return _fit(teacher, X, y, **{name: sample_weight})
    # With metadata routing, a meta-estimator asks each part whether it wants the weights.
    with config_context(enable_metadata_routing=False):
        return _fit(teacher, X, y, **{name: sample_weight})


def _fit(teacher: BaseEstimator, X: list[str], y: Any, **weights: np.ndarray) -> BaseEstimator:
    """Fit a teacher, and explain the errors of classifiers that are made for other inputs."""
    with explain_errors(teacher):
        try:
            return teacher.fit(X, y, **weights)
        except ValueError as error:
            if y is not None and y.ndim == 2 and "y should be a 1d array" in str(error):
                raise ValueError(
                    f"The teacher {type(teacher).__name__} predicts one label per text, but y has "
                    "several. Wrap it in sklearn.multiclass.OneVsRestClassifier."
                ) from error
            raise


@contextmanager
def explain_errors(teacher: Any) -> Iterator[None]:
    """Explain the errors of a teacher that takes numbers, but gets texts."""
    try:
        yield
    except ValueError as error:
        takes_texts = get_tags(teacher).input_tags.string
        if takes_texts or not any(sign in str(error) for sign in _NEEDS_NUMBERS):
            raise
        name, remedy = (
            "teacher",
            "Put a vectorizer before it, as in make_pipeline(TfidfVectorizer(), teacher).",
        )
        if isinstance(teacher, FrozenEstimator):
            teacher, name = teacher.estimator, "frozen teacher"
            remedy = (
                "Freeze it with its fitted vectorizer, as in "
                "FrozenEstimator(make_pipeline(vectorizer, teacher))."
            )
        raise ValueError(
            f"The {name} {type(teacher).__name__} expects numbers, but receives raw texts. {remedy}"
        ) from error


def _warn_of_weights(teacher: BaseEstimator) -> None:
    what, owner, part = f"The teacher {type(teacher).__name__}", teacher, teacher
    while part is not None:
        if part is not teacher:
            place = "the last step" if isinstance(owner, Pipeline) else "a part"
            inside = "the teacher" if owner is teacher else "the teacher's"
            what = f"{type(part).__name__}, {place} of {inside} {type(owner).__name__},"
        owner, parts = part, _parts_with_weights(part)
        part = next((one for one in parts if weight_parameter(one) != "sample_weight"), None)
    warn(
        f"{what} does not accept sample_weight in fit; the weights only affect the student.",
        once=True,
    )


def weight_parameter(teacher: BaseEstimator) -> str | None:
    """Return the parameter of `fit` for sample weights, also of a meta-estimator; None without."""
    if _declines_weights(teacher):
        return None
    if has_fit_parameter(teacher, "sample_weight") or isinstance(teacher, FrozenEstimator):
        return "sample_weight"
    names = {*map(weight_parameter, _parts_with_weights(teacher))}
    if isinstance(teacher, VotingClassifier | StackingClassifier):
        # They pass the weights on by this name alone.
        return "sample_weight" if names == {"sample_weight"} else None
    (name,) = names or {None}
    prefix = f"{teacher.steps[-1][0]}__" if isinstance(teacher, Pipeline) else ""
    return None if name is None else f"{prefix}{name}"


def _declines_weights(teacher: BaseEstimator) -> bool:
    """Tell whether `set_fit_request(sample_weight=False)` was called on all that learn."""
    if not get_config()["enable_metadata_routing"]:
        return False
    if parts := _parts_with_weights(teacher):
        return all(map(_declines_weights, parts))
    requests = getattr(teacher.get_metadata_routing(), "fit", None)
    return requests is not None and requests.requests.get("sample_weight") is False


def _parts_with_weights(teacher: BaseEstimator) -> list[BaseEstimator]:
    """Return the parts to which a meta-estimator passes sample weights."""
    if isinstance(teacher, Pipeline):
        return [teacher.steps[-1][1]]
    if isinstance(teacher, BaseSearchCV):
        return [teacher.estimator]
    if isinstance(teacher, VotingClassifier | StackingClassifier):
        parts = [part for _, part in teacher.estimators]
        parts.append(getattr(teacher, "final_estimator", None))
        return [part for part in parts if isinstance(part, BaseEstimator)]
    return []


def check_frozen_parts(teacher: BaseEstimator) -> None:
    """Raise an error if a frozen teacher, or a frozen part of it, is not fitted."""
    for part in (teacher, *teacher.get_params().values()):
        if isinstance(part, FrozenEstimator):
            try:
                check_is_fitted(part.estimator)
            except NotFittedError as error:
                raise NotFittedError(
                    f"The frozen teacher {type(part.estimator).__name__} is not fitted: a pickled "
                    "student does not contain what its teacher has learned. Pass a fitted teacher "
                    "with set_params(teacher=...)."
                ) from error


def release_memory(teacher: BaseEstimator) -> None:
    """Free the GPU memory of a transformer, so that the student can use it."""
    if isinstance(teacher, FrozenEstimator):
        teacher = teacher.estimator
    if hasattr(teacher, "release_memory"):
        teacher.release_memory()


def unfitted(teacher: BaseEstimator) -> BaseEstimator:
    """Clone a teacher without its fitted state, including that inside a `FrozenEstimator`.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdistill.labelling._teacher import unfitted
    >>> frozen = FrozenEstimator(LogisticRegression().fit([[0], [1]], [0, 1]))
    >>> hasattr(unfitted(frozen), "coef_")
    False
    """
    if isinstance(teacher, FrozenEstimator):
        return FrozenEstimator(clone_teacher(teacher.estimator, _REMOVE))
    copy = clone_teacher(teacher, _REMOVE)
    for name, param in copy.get_params().items():
        if isinstance(param, FrozenEstimator):
            copy.set_params(**{name: FrozenEstimator(clone_teacher(param.estimator, _REMOVE))})
    return copy
