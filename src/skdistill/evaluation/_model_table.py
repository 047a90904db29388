"""Models side by side: what each costs and gives, as a table and as JSON."""

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
from skdistill._core.multilabel import join_columns
from skdistill.metrics._fidelity import retention
from skdistill.metrics._scores import Measurement
from skdistill.students._cascade import CascadeClassifier


@dataclass(frozen=True)
class Predictions:
    """The predicted labels of some texts, and the probabilities if the classifier gives any.

    `classes` are the labels of the columns of `proba`. Where a text may have several labels,
    `labels` has shape (n_texts, n_labels), and `classes` is None.
    """

    labels: np.ndarray
    proba: np.ndarray | None
    classes: np.ndarray | None

    @classmethod
    def of(cls, model: Any, X: Sequence[str]) -> "Predictions":
        """Ask a fitted classifier for its labels and, if it has ``predict_proba``, for those."""
        labels = np.asarray(model.predict(X))
        proba = None
        if hasattr(model, "predict_proba"):
            proba = np.asarray(join_columns(model.predict_proba(X)))
        return cls(labels, proba, None if labels.ndim == 2 else np.asarray(model.classes_))

    @classmethod
    def from_proba(cls, proba: ArrayLike, classes: ArrayLike) -> "Predictions":
        """Take the most probable class of each text."""
        proba, classes = np.asarray(proba), np.asarray(classes)
        return cls(classes[proba.argmax(axis=1)], proba, classes)


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

    `predictions` are what the model says of `X`, where that is known already, and `reference` what
    it is compared with, mostly its teacher, says. `kind` is "baseline", "hard labels", "teacher" or
    "distilled"; `fit_seconds` is None if the model came trained.

    The keys are the columns of :func:`skdistill.compare`, without ``retention``. None are the
    ``fidelity`` without a reference, the ``calibration_error`` without ``predict_proba``, the
    ``n_parameters`` of which :func:`count_parameters` knows nothing, and the ``n_bytes`` of what
    cannot be pickled.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.evaluation._model_table import measure_model
    >>> X, y = ["salt and butter", "wind and sail"], ["cooking", "sailing"]
    >>> row = measure_model("LR", make_tfidf_baseline().fit(X, y), X, y, kind="baseline")
    >>> row["accuracy"], row["n_parameters"]
    (1.0, 6)
    """
    y = np.asarray(y)
    if predictions is None:
        predictions = Predictions.of(model, X)
    found = Measurement(
        y,
        predictions.labels,
        predictions.proba,
        predictions.classes,
        None if reference is None else reference.labels,
    )
    try:
        n_parameters = count_parameters(model)
    except TypeError:
        n_parameters = None
    try:
        n_bytes = count_bytes(model)
    except (AttributeError, PicklingError, TypeError):  # what cannot be pickled raises any of them
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
        "texts_per_second": measure_speed(model.predict, X),
        "fit_seconds": fit_seconds,
    }


def count_parameters(model: Any) -> int:
    """Count the numbers that a fitted classifier has learned.

    Parameters
    ----------
    model : classifier
        One with an ``n_parameters_``, a linear model (its coefficients and intercepts), or one that
        is made of such. Of a pipeline the last step counts, of a search the best estimator, of a
        cascade both student and teacher, of a vote or a stack all estimators.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If the model, or a part of it, is none of these.

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
            f"the parameters of {type(model).__name__} cannot be counted: it has neither "
            "n_parameters_ nor coef_ and intercept_."
        )
    return sum(map(count_parameters, parts))


def _trained_parts(model: Any) -> list[Any]:
    """Return the fitted classifiers that a classifier is made of."""
    if isinstance(model, FrozenEstimator):
        return [model.estimator]
    if isinstance(model, Pipeline):
        return [model[-1]]
    if isinstance(model, CascadeClassifier):
        return [model.student_, model.teacher_]
    if hasattr(model, "best_estimator_"):
        return [model.best_estimator_]
    parts = [*getattr(model, "estimators_", [])]
    if hasattr(model, "final_estimator_"):
        parts.append(model.final_estimator_)
    return parts


def count_bytes(model: Any) -> int:
    """Return the size of the file that joblib, without compression, writes of a model."""
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
    """Return how many texts a second go through a function: the median of repeated runs.

    One run on a tenth of the texts warms up. Where all timed runs would take more than about
    `max_seconds`, they are on the first texts of `X`.
    """

    def seconds(texts: Sequence[str]) -> float:
        start = clock()
        predict(texts)
        # A clock can stand still through a very fast call.
        return max(clock() - start, 1e-9)

    probe = X[: max(1, len(X) // 10)]
    affordable = int(len(probe) / seconds(probe) * max_seconds / n_repeats)
    texts = X[: max(1, min(affordable, len(X)))]
    return float(len(texts) / np.median([seconds(texts) for _ in range(n_repeats)]))


def make_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Join the figures of several models, as :func:`measure_model` gives them, one a row.

    What is None is missing. With a teacher, of which there is one at most, there is also
    ``retention``: each accuracy as a share of the teacher's.
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
    """Set the main figures of :func:`make_table` in columns, for a terminal.

    Accuracy and F1 are in per cent; a figure that is not there is a dash.

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
    """Write a table, and before its rows the context it was measured in, as JSON.

    The rows become a list of objects under ``"models"``; a file is never left half written.
    """
    models = table.astype(object).where(table.notna(), None).to_dict("records")
    text = json.dumps({**context, "models": models}, indent=2, ensure_ascii=False)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")
