"""Measure models, and write the results as a table or as JSON."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import PicklingError
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skdistill._core.files import replacing
from skdistill._core.format import align, format_bytes
from skdistill._core.label_columns import as_labels
from skdistill._core.multilabel import class_names, has_labels, predict_columns
from skdistill.labelling._parts import answers_in_parts
from skdistill.labelling._teacher import last_step
from skdistill.metrics._fidelity import retention
from skdistill.metrics._scores import Measurement
from skdistill.students._cascade import CascadeClassifier


@dataclass(frozen=True)
class Predictions:
    """Predicted labels and, if the classifier returns them, probabilities.

    `classes` are the labels of the columns of `proba`. For multilabel data, `labels` has shape
    (n_texts, n_labels) and `classes` is None. `seconds` is the time that they took, if the model
    must not be asked a second time.
    """

    labels: np.ndarray
    proba: np.ndarray | None
    classes: np.ndarray | None
    seconds: float | None = None

    @classmethod
    def of(
        cls,
        model: Any,
        X: Sequence[str],
        names: np.ndarray | None = None,
        *,
        by_place: bool = False,
    ) -> "Predictions":
        """Predict labels and, if the classifier has ``predict_proba``, probabilities.

        `names` are those of the columns of the test labels, if a text may have several. `by_place`
        says that the model was fitted on these columns.
        """
        classes = class_names(model, names, by_place=by_place)
        if _may_cost(model):
            start = time.perf_counter()
            answers = predict_columns(model, X, classes)
            seconds = time.perf_counter() - start
            if getattr(last_step(model), "multilabel_", False):
                return cls((answers > 0.5).astype(np.int64), answers, None, seconds)
            return cls(classes[answers.argmax(axis=1)], answers, classes, seconds)
        labels = as_labels(model.predict(X), name="predictions", classes=classes)
        has_proba = hasattr(model, "predict_proba")
        proba = predict_columns(model, X, classes) if has_proba else None
        return cls(labels, proba, None if labels.ndim == 2 else classes)

    @classmethod
    def from_proba(cls, proba: ArrayLike, classes: ArrayLike) -> "Predictions":
        """Predict the most probable class of each text."""
        proba, classes = np.asarray(proba), np.asarray(classes)
        return cls(classes[proba.argmax(axis=1)], proba, classes)


def _may_cost(model: Any) -> bool:
    """Return whether each answer may cost, so that none should be asked for twice."""
    last = last_step(model)
    if isinstance(last, CascadeClassifier):
        return last.teacher_ is not None and answers_in_parts(last.teacher_) is not None
    return answers_in_parts(model) is not None


def measure_model(
    name: str,
    model: Any,
    X: Sequence[str],
    y: ArrayLike,
    *,
    kind: str,
    fit_seconds: float | None = None,
    predictions: Predictions | None = None,
    reference: Predictions | None = None,
) -> dict[str, Any]:
    """Measure one fitted classifier on test texts.

    `predictions` are the model's predictions for `X`, if you have them already; `reference` are
    those of the model that it is compared with, usually its teacher. `kind` is "baseline", "hard
    labels", "teacher" or "distilled". `fit_seconds` is None if the model was already trained.

    The keys are the columns of :func:`skdistill.compare` without ``retention``. A value is None if
    it cannot be measured: ``fidelity`` needs a reference, ``calibration_error`` needs
    ``predict_proba``, and ``n_bytes`` needs a model that can be pickled.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.evaluation._model_table import measure_model
    >>> X, y = ["salt and butter", "wind and sail"], ["cooking", "sailing"]
    >>> row = measure_model("LR", make_tfidf_baseline().fit(X, y), X, y, kind="baseline")
    >>> row["accuracy"], row["n_parameters"]
    (1.0, 6)
    """
    y = as_labels(y)
    if predictions is None:
        predictions = Predictions.of(model, X)
    found = Measurement(
        y,
        predictions.labels,
        predictions.proba,
        predictions.classes,
        None if reference is None else reference.labels,
    )
    seconds = predictions.seconds
    speed = measure_speed(model.predict, X) if seconds is None else len(X) / max(seconds, 1e-9)
    try:
        n_parameters = count_parameters(model)
    except TypeError:
        n_parameters = None
    try:
        n_bytes = count_bytes(model)
    except (AttributeError, PicklingError, TypeError):  # pickle raises any of these
        n_bytes = None
    return {
        "name": name,
        "kind": kind,
        "accuracy": found.accuracy,
        "macro_f1": found.macro_f1,
        "fidelity": found.fidelity,
        "calibration_error": found.calibration_error,
        "n_parameters": n_parameters,
        "n_bytes": n_bytes,
        "texts_per_second": speed,
        "fit_seconds": fit_seconds,
    }


def check_columns(name: str, model: Any, columns: np.ndarray, *, by_place: bool = False) -> None:
    """Refuse a model that was fitted on other columns, or in another order, than it is tested."""
    if not has_labels(model, columns, by_place=by_place):
        raise ValueError(
            f"{name!r} predicts the labels {np.asarray(model.classes_).tolist()!s:.200}, but the "
            f"columns of y are {columns.tolist()!s:.200}; pass them in the same order, with words "
            "as names rather than numbers."
        )


def count_parameters(model: Any) -> int:
    """Count the parameters of a fitted classifier.

    Parameters
    ----------
    model : classifier
        A classifier with ``n_parameters_``, a linear model, or a meta-estimator over these. For a
        linear model, coefficients and intercepts are counted; for a pipeline, its last step; for a
        search, its best estimator; for a cascade, student and teacher; for a voting or stacking
        classifier, all estimators.

    Returns
    -------
    int
        The number of parameters.

    Raises
    ------
    TypeError
        If the parameters cannot be counted.

    Examples
    --------
    >>> from sklearn.ensemble import VotingClassifier
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.evaluation import count_parameters
    >>> models = [("C=1", make_tfidf_baseline()), ("C=10", make_tfidf_baseline(10))]
    >>> vote = VotingClassifier(models).fit(["salt and butter", "wind and sail"], [0, 1])
    >>> count_parameters(vote)
    12
    """
    if hasattr(model, "n_parameters_"):
        return int(model.n_parameters_)
    if hasattr(model, "coef_") and hasattr(model, "intercept_"):
        return int(np.size(model.coef_) + np.size(model.intercept_))
    parts = _trained_parts(model)
    if not parts:
        raise TypeError(
            f"The parameters of {type(model).__name__} cannot be counted: it needs n_parameters_, "
            "or coef_ and intercept_."
        )
    return sum(map(count_parameters, parts))


def _trained_parts(model: Any) -> list[Any]:
    """Return the fitted classifiers inside a meta-estimator."""
    if isinstance(model, FrozenEstimator):
        return [model.estimator]
    if isinstance(model, Pipeline):
        return [model[-1]]
    if isinstance(model, CascadeClassifier):
        return [part for part in (model.student_, model.teacher_) if part is not None]
    if hasattr(model, "best_estimator_"):
        return [model.best_estimator_]
    parts = [*getattr(model, "estimators_", [])]
    if hasattr(model, "final_estimator_"):
        parts.append(model.final_estimator_)
    return parts


def count_bytes(model: Any) -> int:
    """Return the size of a model's joblib file without compression."""
    with tempfile.TemporaryDirectory(prefix="skdistill-") as folder:
        path = Path(folder, "model.joblib")
        joblib.dump(model, path)
        return path.stat().st_size


def measure_speed(
    predict: Callable[[Sequence[str]], Any],
    X: Sequence[str],
    *,
    n_repeats: int = 5,
    max_seconds: float = 5.0,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the number of texts processed per second, the median of repeated runs.

    A run on a tenth of the texts warms up. If the timed runs would take more than about
    `max_seconds`, they use only the first texts of `X`.
    """

    def seconds(texts: Sequence[str]) -> float:
        start = clock()
        predict(texts)
        # A coarse clock may not advance during a fast call.
        return max(clock() - start, 1e-9)

    probe = X[: max(1, len(X) // 10)]
    affordable = int(len(probe) / seconds(probe) * max_seconds / n_repeats)
    texts = X[: max(1, min(affordable, len(X)))]
    return float(len(texts) / np.median([seconds(texts) for _ in range(n_repeats)]))


class ModelTable(pd.DataFrame):
    """A table of models that prints its main columns; pandas would hide the accuracy.

    Parts and copies of it are ordinary data frames.
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        columns = ", ".join(map(str, self.columns))
        return (
            f"{format_table(self)}\n\n[{len(self)} rows x {len(self.columns)} columns: {columns}]"
        )


def make_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Make a table with one row per model from the results of :func:`measure_model`.

    None becomes a missing value. If one row is a teacher, the column ``retention`` is added: each
    accuracy divided by the teacher's.
    """
    table = pd.DataFrame(
        [{key: np.nan if value is None else value for key, value in row.items()} for row in rows]
    )
    teachers = table.loc[table["kind"] == "teacher", "accuracy"]
    if len(teachers):
        kept = [retention(float(teachers.iloc[0]), accuracy) for accuracy in table["accuracy"]]
        table.insert(list(table.columns).index("accuracy") + 1, "retention", kept)
    return table


_PRINTED: dict[str, tuple[str, Callable[[float], str]]] = {
    "accuracy": ("accuracy", lambda share: f"{100 * share:.2f}"),
    "macro_f1": ("macro F1", lambda share: f"{100 * share:.2f}"),
    "n_parameters": ("parameters", lambda count: f"{count:,.0f}"),
    "n_bytes": ("on disk", format_bytes),
    "texts_per_second": ("texts/s", lambda rate: f"{float(f'{rate:.3g}'):,.0f}"),
    "fit_seconds": ("training", lambda seconds: f"{seconds:.1f} s"),
}


def format_table(table: pd.DataFrame) -> str:
    """Format the main columns of :func:`make_table` for a terminal.

    Accuracy and F1 are in per cent; a missing value is a dash.

    Examples
    --------
    >>> from skdistill.evaluation._model_table import format_table, make_table
    >>> row = dict(name="MLP", kind="distilled", accuracy=0.927, macro_f1=0.881,
    ...            n_parameters=80102, n_bytes=330_000, texts_per_second=123456.7, fit_seconds=9.25)
    >>> print(format_table(make_table([row])))
    model  accuracy  macro F1  parameters  on disk  texts/s  training
    -----  --------  --------  ----------  -------  -------  --------
    MLP       92.70     88.10      80,102   330 kB  123,000     9.2 s
    """
    columns = [["model", *table["name"]]]
    for name, (heading, show) in _PRINTED.items():
        cells = ["-" if pd.isna(value) else show(value) for value in table[name]]
        columns.append([heading, *cells])
    return align([*zip(*columns, strict=True)], rule=True)


def write_json(path: str | os.PathLike[str], table: pd.DataFrame, **context: Any) -> None:
    """Write a table as JSON, after the context in which it was measured.

    The rows become a list of objects under ``"models"``. The file is replaced only once the new
    one is complete.
    """
    models = table.astype(object).where(table.notna(), None).to_dict("records")
    text = json.dumps({**context, "models": models}, indent=2, ensure_ascii=False)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")
