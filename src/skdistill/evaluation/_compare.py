"""Train and measure several classifiers on the same texts."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import is_multilabel

from skdistill._core.estimators import validate_params
from skdistill._core.label_columns import (
    as_labels,
    check_known_labels,
    label_names,
    names_or_numbers,
)
from skdistill._core.labels import check_labels, check_same_length
from skdistill._core.progress import progress_bar
from skdistill._core.texts import check_texts
from skdistill.displays._comparison import ComparisonDisplay
from skdistill.displays._style import require_matplotlib
from skdistill.evaluation._model_table import (
    ModelTable,
    Predictions,
    check_columns,
    make_table,
    measure_model,
)
from skdistill.evaluation._unlabeled import has_teacher, students_in, unlabeled_for
from skdistill.labelling._pool import TextPool, as_pool
from skdistill.labelling._teacher import learns_columns


@overload
def compare(
    estimators: Mapping[str, Any] | Sequence[tuple[str, Any]],
    X_train: Iterable[str] | None,
    y_train: ArrayLike | None,
    X_test: Iterable[str],
    y_test: ArrayLike,
    *,
    reference: str | None = ...,
    X_unlabeled: Iterable[str] | None = ...,
    return_estimators: Literal[False] = ...,
    plot: bool = ...,
    verbose: int = ...,
) -> pd.DataFrame: ...


@overload
def compare(
    estimators: Mapping[str, Any] | Sequence[tuple[str, Any]],
    X_train: Iterable[str] | None,
    y_train: ArrayLike | None,
    X_test: Iterable[str],
    y_test: ArrayLike,
    *,
    reference: str | None = ...,
    X_unlabeled: Iterable[str] | None = ...,
    return_estimators: Literal[True],
    plot: bool = ...,
    verbose: int = ...,
) -> tuple[pd.DataFrame, dict[str, Any]]: ...


@validate_params(
    {
        "estimators": [dict, list, tuple],
        "reference": [str, None],
        "return_estimators": ["boolean"],
        "plot": ["boolean"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=False,
)
def compare(
    estimators: Mapping[str, Any] | Sequence[tuple[str, Any]],
    X_train: Iterable[str] | None,
    y_train: ArrayLike | None,
    X_test: Iterable[str],
    y_test: ArrayLike,
    *,
    reference: str | None = None,
    X_unlabeled: Iterable[str] | None = None,
    return_estimators: bool = False,
    plot: bool = False,
    verbose: int = 0,
) -> pd.DataFrame | tuple[pd.DataFrame, dict[str, Any]]:
    """Train classifiers on the same texts and measure their accuracy, size and speed.

    Parameters
    ----------
    estimators : dict of str to classifier, or list of (str, classifier)
        Classifiers over raw texts, by name. Each is cloned and fitted. A
        :class:`~sklearn.frozen.FrozenEstimator` is used as it is; it must not have seen the test
        texts.
    X_train : iterable of str, of length n_train, or None
        Training texts; None if all classifiers are frozen.
    y_train : array-like of shape (n_train,) or (n_train, n_labels), or None
        Their labels; for multilabel data, an indicator matrix.
    X_test : iterable of str, of length n_test
        Texts on which accuracy and speed are measured.
    y_test : array-like of shape (n_test,) or (n_test, n_labels)
        Their labels.
    reference : str or None, default=None
        Name of the classifier that the others are compared with, usually the teacher. It is
        trained and measured first.
    X_unlabeled : iterable of str, of length n_unlabeled, or TextPool, default=None
        Texts without labels. They are passed, as a :class:`~skdistill.TextPool`, to every
        classifier with an `X_unlabeled` parameter in its `fit`, and to students inside
        scikit-learn's meta-estimators. Students without a teacher get none.
    return_estimators : bool, default=False
        Whether to return the fitted classifiers as well.
    plot : bool, default=False
        Whether to draw a :class:`~skdistill.ComparisonDisplay` in a new pyplot figure.
    verbose : int, default=0
        1 shows a progress bar over the classifiers.

    Returns
    -------
    table : DataFrame
        One row per classifier, in the order given. Printing it shows the main columns. All columns
        are

        - ``name``;
        - ``kind``: ``"teacher"`` (the reference), ``"distilled"`` (a student with a teacher, or any
          frozen student), ``"hard labels"`` (a student without a teacher) or ``"baseline"``
          (everything else, including a :class:`~skdistill.CompiledClassifier`);
        - ``accuracy``: between 0 and 1, like all shares. In multilabel data, all labels of a text
          must be correct;
        - ``retention``: the accuracy divided by the reference's; only with a reference;
        - ``macro_f1``;
        - ``fidelity``: the share of test texts for which the classifier and the reference predict
          the same; missing without a reference;
        - ``calibration_error``: see :func:`skdistill.metrics.expected_calibration_error`; missing
          for a classifier without ``predict_proba``;
        - ``n_parameters``: see :func:`skdistill.evaluation.count_parameters`; missing if they
          cannot be counted;
        - ``n_bytes``: the size of the file that joblib writes; missing if the classifier cannot be
          pickled, as with a lambda;
        - ``texts_per_second``: the speed of ``predict`` on this machine, the median of repeated
          runs; a teacher whose answers may cost, such as a
          :class:`~skdistill.FunctionTeacherClassifier`, alone or in a pipeline, vote or cascade, is
          asked for each text once;
        - ``fit_seconds``: the training time, including the teacher's labelling if `fit` does it;
          missing for a frozen classifier.

    estimators : dict of str to classifier
        The fitted classifiers, in the order given; frozen ones are unchanged. Only returned if
        `return_estimators` is True.

    Raises
    ------
    ValueError
        If there are no classifiers, names are not unique, or lengths differ; if `reference` is not
        one of the names or never predicts correctly; if `y_test` contains labels that `y_train`
        does not, or has a different number of columns; if a frozen classifier does not match
        `y_test`; or if training texts are missing.
    TypeError
        If a row of `X_train`, `X_test` or `X_unlabeled` is not a str, or a name is not a str.
    ImportError
        If `plot` is True and matplotlib is not installed.

    See Also
    --------
    distillation_report : Compare student and twin over several seeds, with a confidence interval.
    ComparisonDisplay : Draw the table.

    Notes
    -----
    Each student trains a clone of its teacher. To train the teacher only once, fit it first and
    pass it frozen to all students, or give all students the same `memory`.

    The figures come from one training set and one test set, so small differences may be chance.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, compare, make_tfidf_baseline
    >>> X = ["warm soup", "fresh bread", "warm bread", "fast train", "late train", "fast bus"] * 5
    >>> y = ["food", "food", "food", "travel", "travel", "travel"] * 5
    >>> teacher = make_tfidf_baseline(C=10)
    >>> models = {"teacher": teacher, "student": DistilledMLPClassifier(teacher, random_state=0)}
    >>> table = compare(models, X, y, ["hot soup", "my bus"], ["food", "travel"],
    ...                 reference="teacher", X_unlabeled=["hot bread", "a slow bus"])
    >>> table[["name", "kind", "accuracy", "retention", "fidelity"]]
          name       kind  accuracy  retention  fidelity
    0  teacher    teacher       1.0        1.0       1.0
    1  student  distilled       1.0        1.0       1.0
    """
    if plot:
        require_matplotlib("compare(plot=True)")
    models = _check_estimators(estimators, reference)
    train, labels = _check_training_texts(models, X_train, y_train)
    columns = _names_of_labels(models, y_test) if labels is None else label_names(labels)
    test, test_labels = _check_test_texts(X_test, y_test, labels, columns)
    pool = as_pool(X_unlabeled)

    # The reference comes first because the others are compared with it.
    order = sorted(models, key=lambda name: name != reference)
    rows, expected = {}, None
    for name in progress_bar(order, desc="compare", unit="model", disable=not verbose):
        kind = "teacher" if name == reference else _kind(models[name])
        models[name], seconds = _fit(models[name], train, labels, pool)
        model = _unfrozen(models[name])
        by_place = learns_columns(models[name])
        predictions = Predictions.of(model, test, columns, by_place=by_place)
        _check_predictions(name, predictions, test_labels)
        if test_labels.ndim == 2:
            known = np.arange(test_labels.shape[1]) if columns is None else columns
            check_columns(name, model, known, by_place=by_place)
        if name == reference:
            expected = predictions
        rows[name] = measure_model(
            name,
            model,
            test,
            test_labels,
            kind=kind,
            fit_seconds=seconds,
            predictions=predictions,
            reference=expected,
        )
        if name == reference and not rows[name]["accuracy"]:
            raise ValueError(
                f"The reference {name!r} does not classify any test text correctly; check its "
                "labels."
            )
    table = ModelTable(make_table([rows[name] for name in models]))
    if plot:
        ComparisonDisplay.from_comparison(table)
    return (table, models) if return_estimators else table


def _check_estimators(estimators: Any, reference: str | None) -> dict[str, Any]:
    pairs = list(estimators.items()) if isinstance(estimators, Mapping) else list(estimators)
    if not pairs:
        raise ValueError("estimators is empty; pass at least one classifier.")
    for place, pair in enumerate(pairs):
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise TypeError(
                f"estimators[{place}] must be a name and a classifier, such as "
                f'("student", DistilledMLPClassifier()), got {pair!r:.80}.'
            )
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Names of estimators must be unique, but {twice} occur more than once.")
    if reference is not None and reference not in names:
        raise ValueError(f"reference must be one of the names {names}, got {reference!r:.200}.")
    return dict(pairs)


def _fit(
    model: Any,
    texts: list[str] | None,
    labels: np.ndarray | pd.DataFrame | None,
    pool: TextPool | None,
) -> tuple[Any, float | None]:
    """Fit a clone and return it with the training time; return a frozen model unchanged."""
    if isinstance(model, FrozenEstimator):
        return model, None
    model = clone(model)
    start = time.perf_counter()
    with unlabeled_for(model, pool) as (model, params):
        model.fit(texts, labels, **params)
    return model, time.perf_counter() - start


def _check_training_texts(
    models: dict[str, Any], X: Any, y: Any
) -> tuple[list[str] | None, np.ndarray | pd.DataFrame | None]:
    untrained = [name for name, model in models.items() if not isinstance(model, FrozenEstimator)]
    if X is None or y is None:
        if untrained:
            raise ValueError(
                f"X_train and y_train are needed to train {untrained}. Pass both, or wrap fitted "
                "classifiers in FrozenEstimator."
            )
        return None, None
    texts = check_texts(X, name="X_train")
    names = ("X_train", "y_train")
    classes, codes = check_labels(y, n_rows=len(texts), multilabel=True, names=names)
    if codes.ndim == 1:
        return texts, classes[codes]
    return texts, codes if label_names(y) is None else pd.DataFrame(codes, columns=classes)


def _names_of_labels(models: dict[str, Any], y_test: Any) -> np.ndarray | None:
    """Return the names of the test labels, in the order of the first frozen model with the same."""
    names = label_names(y_test)
    if names is None:
        return None
    for model in models.values():
        classes = np.asarray(getattr(model, "classes_", None))
        if classes.dtype.kind == "U" and sorted(classes.tolist()) == sorted(names.tolist()):
            return classes
    return names


def _check_test_texts(
    X: Any, y: Any, train_labels: Any, columns: np.ndarray | None
) -> tuple[list[str], np.ndarray]:
    """Return the test texts and labels; a single class is allowed."""
    texts = check_texts(X, name="X_test")
    if np.ndim(train_labels) == 2:
        columns = names_or_numbers(train_labels, train_labels.shape[1])
    labels = as_labels(y, name="y_test", classes=columns)
    if is_multilabel(labels):
        names = ("X_test", "y_test")
        _, labels = check_labels(labels, n_rows=len(texts), multilabel=True, names=names)
    else:
        labels = column_or_1d(labels)
        check_same_length(len(texts), len(labels), names=("X_test", "y_test"))
    if train_labels is None:
        return texts, labels
    if train_labels.shape[1:] != labels.shape[1:]:
        raise ValueError(
            f"y_test has shape {labels.shape}, which does not match y_train of shape "
            f"{train_labels.shape}."
        )
    if labels.ndim == 1:
        check_known_labels(labels, train_labels, names=("y_test", "y_train"))
    return texts, labels


def _check_predictions(name: str, predictions: Predictions, y: np.ndarray) -> None:
    if predictions.labels.shape != y.shape:
        raise ValueError(
            f"{name!r} predicts labels of shape {predictions.labels.shape}, but y_test has shape "
            f"{y.shape}."
        )
    classes = predictions.classes
    if classes is not None and not np.isin(classes, y).any():
        raise ValueError(
            f"None of the classes of {name!r}, {classes.tolist()!s:.200}, occurs in y_test."
        )


def _kind(estimator: Any) -> str:
    """Return the kind of a classifier, which depends on the students inside it."""
    students = students_in(_unfrozen(estimator))
    if not students:
        return "baseline"
    is_frozen = isinstance(estimator, FrozenEstimator)
    return "distilled" if is_frozen or any(map(has_teacher, students)) else "hard labels"


def _unfrozen(estimator: Any) -> Any:
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
