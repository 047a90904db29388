"""Models side by side: what each costs and gives, as a table, JSON and the article's figure."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline

from skdistill._files import replacing
from skdistill.metrics import expected_calibration_error, fidelity, retention

# What a model is to the comparison: how it is drawn, in colours that colour-blind readers can
# tell apart (Okabe and Ito), and with a marker of its own.
KINDS = {
    "baseline": ("#555555", "s"),
    "hard labels": ("#E69F00", "o"),
    "teacher": ("#0072B2", "*"),
    "distilled": ("#009E73", "D"),
}


def measure_model(
    name: str,
    model: Any,
    X: Sequence[str],
    y: ArrayLike,
    *,
    kind: str,
    fit_seconds: float | None = None,
    teacher_proba: np.ndarray | None = None,
) -> dict[str, Any]:
    """Measure one fitted classifier on test texts.

    Parameters
    ----------
    name : str
        What to call the model.
    model : classifier
        A fitted one with ``predict`` and ``predict_proba`` over texts.
    X : sequence of str, of length n_texts
        The test texts.
    y : array-like of shape (n_texts,)
        Their labels.
    kind : {"baseline", "hard labels", "teacher", "distilled"}
        What the model is to the comparison.
    fit_seconds : float or None, default=None
        How long training took; None if the model came trained.
    teacher_proba : ndarray of shape (n_texts, n_classes) or None, default=None
        The teacher's probabilities for `X`, with which the model is compared. A teacher itself is
        not asked again for them.

    Returns
    -------
    dict
        With the keys ``name``, ``kind``, ``accuracy``, ``macro_f1``, ``fidelity`` (None without
        `teacher_proba`), ``calibration_error``, ``n_parameters``, ``n_bytes``,
        ``texts_per_second`` and ``fit_seconds``. Shares are between 0 and 1.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.report import measure_model
    >>> X, y = ["salt and butter", "wind and sail"], ["cooking", "sailing"]
    >>> row = measure_model("LR", make_tfidf_baseline().fit(X, y), X, y, kind="baseline")
    >>> row["accuracy"], row["n_parameters"]
    (1.0, 6)
    """
    y = np.asarray(y)
    if kind == "teacher" and teacher_proba is not None:
        proba = teacher_proba
    else:
        proba = model.predict_proba(X)
    predictions = model.classes_[proba.argmax(axis=1)]
    return {
        "name": name,
        "kind": kind,
        "accuracy": float(np.mean(predictions == y)),
        "macro_f1": float(f1_score(y, predictions, average="macro")),
        "fidelity": None if teacher_proba is None else fidelity(teacher_proba, proba),
        "calibration_error": expected_calibration_error(y, proba, model.classes_),
        "n_parameters": count_parameters(model),
        "n_bytes": count_bytes(model),
        "texts_per_second": measure_speed(model.predict, X),
        "fit_seconds": fit_seconds,
    }


def count_parameters(model: Any) -> int:
    """Count the numbers that a fitted classifier has learned.

    Parameters
    ----------
    model : classifier
        One with an ``n_parameters_``, or a linear model, perhaps at the end of a pipeline: its
        coefficients and intercepts.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If the model is neither.
    """
    if hasattr(model, "n_parameters_"):
        return int(model.n_parameters_)
    linear = model[-1] if isinstance(model, Pipeline) else model
    if not (hasattr(linear, "coef_") and hasattr(linear, "intercept_")):
        raise TypeError(
            f"the parameters of {type(model).__name__} cannot be counted: it has neither "
            "n_parameters_ nor coef_ and intercept_."
        )
    return int(np.size(linear.coef_) + np.size(linear.intercept_))


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

    Parameters
    ----------
    predict : callable
        Takes a list of texts.
    X : sequence of str
        The texts.
    n_repeats : int, default=5
        Number of timed runs, after one on a tenth of the texts that warms up.
    max_seconds : float, default=5.0
        About how long all timed runs may take; where all of `X` would take longer, the first
        texts of it are taken.
    clock : callable, default=time.perf_counter
        Tells the time in seconds.

    Returns
    -------
    float
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
    """Join the figures of several models, one a row.

    Parameters
    ----------
    rows : sequence of dict
        As :func:`measure_model` gives them; at most one is a teacher.

    Returns
    -------
    DataFrame
        The figures of the rows. With a teacher among them, there is also ``retention``: each
        accuracy as a share of the teacher's.
    """
    table = pd.DataFrame(list(rows))
    teachers = table.loc[table["kind"] == "teacher", "accuracy"]
    if len(teachers):
        kept = [retention(float(teachers.iloc[0]), accuracy) for accuracy in table["accuracy"]]
        table.insert(list(table.columns).index("accuracy") + 1, "retention", kept)
    return table


_PRINTED: dict[str, tuple[str, Callable[[float], str]]] = {
    "accuracy": ("accuracy", lambda share: f"{100 * share:.2f}"),
    "macro_f1": ("macro F1", lambda share: f"{100 * share:.2f}"),
    "n_parameters": ("parameters", lambda count: f"{count:,.0f}"),
    "n_bytes": ("on disk", lambda count: format_bytes(count)),
    "texts_per_second": ("texts/s", lambda rate: f"{float(f'{rate:.3g}'):,.0f}"),
    "fit_seconds": ("training", lambda seconds: f"{seconds:.1f} s"),
}


def format_table(table: pd.DataFrame) -> str:
    """Set the main figures of :func:`make_table` in columns, for a terminal.

    Parameters
    ----------
    table : DataFrame
        As :func:`make_table` gives it.

    Returns
    -------
    str
        Lines of equal length. Accuracy and F1 are in per cent; a figure that is not there is a
        dash.

    Examples
    --------
    >>> from skdistill.report import format_table, make_table
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
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for first, *others in zip(*columns, strict=True):
        padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *padded]))
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def format_bytes(count: float) -> str:
    """Write a size with three digits, in the decimal units of file managers.

    Examples
    --------
    >>> from skdistill.report import format_bytes
    >>> format_bytes(330_412), format_bytes(90_870_598)
    ('330 kB', '90.9 MB')
    """
    units = ["B", "kB", "MB", "GB"]
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        del units[0]
    digits = 0 if units[0] == "B" or count >= 99.95 else 1
    return f"{count:.{digits}f} {units[0]}"


def write_json(path: str | os.PathLike[str], table: pd.DataFrame, **context: Any) -> None:
    """Write a table, and what it was measured on, as JSON.

    Parameters
    ----------
    path : str or path
        The file; one that is there is replaced at once, never left half written.
    table : DataFrame
        As :func:`make_table` gives it; its rows become a list of objects under ``"models"``.
    **context
        Further entries, before the models.
    """
    models = table.astype(object).where(table.notna(), None).to_dict("records")
    text = json.dumps({**context, "models": models}, indent=2, ensure_ascii=False)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


def require_matplotlib() -> None:
    """Raise an error that says how to install matplotlib, if it is not there."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "The figure needs matplotlib, which is not installed: run "
            "'pip install skdistill[plot]', or leave the figure out with --no-plot."
        ) from error


def plot_accuracy_against_size(
    table: pd.DataFrame, path: str | os.PathLike[str], title: str = ""
) -> None:
    """Draw the article's figure: accuracy as % of the teacher's against parameters.

    Parameters
    ----------
    table : DataFrame
        As :func:`make_table` gives it, with a teacher.
    path : str or path
        The PNG file; one that is there is replaced.
    title : str, default=""
        Heading of the figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If no row of the table is a teacher.

    References
    ----------
    .. [1] M. Wasserblat. "Best practice for text classification with distillation". Intel Labs,
       2021.
    """
    if "retention" not in table:
        raise ValueError("the figure compares with a teacher, but no row of the table is one.")
    require_matplotlib()
    with replacing(path) as file:
        _draw(table, title).savefig(file, format="png")


def _draw(table: pd.DataFrame, title: str) -> Any:
    """Make the figure, without the state and the windows of pyplot."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

    sizes, kept = table["n_parameters"].to_numpy(float), 100 * table["retention"].to_numpy(float)
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_xlim(sizes.min() / 2, sizes.max() * 2)
    margin = max(1.0, 0.12 * np.ptp(kept))
    axes.set_ylim(kept.min() - margin, kept.max() + margin)
    axes.axhline(100, color=KINDS["teacher"][0], linewidth=1, linestyle="--", zorder=1)
    for kind, (color, marker) in KINDS.items():
        of_kind = (table["kind"] == kind).to_numpy()
        size = 180 if marker == "*" else 60
        axes.scatter(sizes[of_kind], kept[of_kind], s=size, color=color, marker=marker, zorder=4)
    _label_points(axes, table, sizes, kept)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.set_xlabel("parameters (logarithmic scale)")
    axes.set_ylabel("accuracy as share of the teacher's")
    axes.set_title(title, loc="left")
    axes.set_axisbelow(True)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label_points(axes: Any, table: pd.DataFrame, sizes: np.ndarray, kept: np.ndarray) -> None:
    """Write names beside their points, towards the middle, without two on one height."""
    low, high = axes.get_ylim()
    heights = spread(kept, gap=0.055 * (high - low))
    middle = np.sqrt(sizes.min() * sizes.max())
    for side in (-1, 1):
        here = (sizes > middle) == (side < 0)
        if not here.any():
            continue
        # One edge for all names of this side, past the last of its points.
        edge = sizes[here].min() / 1.35 if side < 0 else sizes[here].max() * 1.35
        for row in np.flatnonzero(here):
            axes.annotate(
                f"{table['name'].iloc[row]}  {100 * table['accuracy'].iloc[row]:.1f}",
                xy=(sizes[row], kept[row]),
                xytext=(edge, heights[row]),
                ha="right" if side < 0 else "left",
                va="center",
                fontsize=9,
                bbox={"boxstyle": "square,pad=0.15", "color": "white"},
                arrowprops={
                    "arrowstyle": "-",
                    "color": "#AAAAAA",
                    "linewidth": 0.7,
                    "relpos": (1 if side < 0 else 0, 0.5),
                },
            )


def spread(values: np.ndarray, gap: float) -> np.ndarray:
    """Move numbers apart as little as possible, in the sense of least squares.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
    gap : float
        The least distance between two of the results.

    Returns
    -------
    ndarray of shape (n_values,)
        In the order of `values`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.report import spread
    >>> spread(np.array([9.0, 5.0, 1.0, 5.0]), gap=1.0)
    array([9. , 4.5, 1. , 5.5])
    """
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(values))
    moved = np.empty(len(values))
    # Distances of at least `gap` are a rising sequence once the gaps are taken out.
    moved[order] = isotonic_regression(np.asarray(values, float)[order] - steps) + steps
    return moved


def format_count(count: float) -> str:
    """Write a number of parameters the short way.

    Examples
    --------
    >>> from skdistill.report import format_count
    >>> format_count(80_000), format_count(22_700_000), format_count(1e9)
    ('80k', '22.7M', '1B')
    """
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g}{unit}"
    return f"{count:.3g}"
