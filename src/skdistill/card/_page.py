"""Write the model card: a page that describes a student and runs it."""

import os
import platform
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from math import ceil
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

import skdistill
from skdistill._core.exceptions import ModelFileError
from skdistill._core.files import replacing
from skdistill._core.format import format_bytes
from skdistill.card._facts import count_gold_epochs, describe_record
from skdistill.card._figures import Figures, measure
from skdistill.card._model import describe_for_page, write_script_data
from skdistill.card._plots import plot_confusion, plot_reliability, plot_training
from skdistill.card._words import (
    describe_architecture,
    describe_word_order,
    name_estimator,
    name_listed,
    name_prior,
    name_unit,
)
from skdistill.metrics._losses import LOSSES, choose_temperature
from skdistill.metrics._scores import most_confused
from skdistill.runtime._markup import Markup
from skdistill.runtime._model_file import StoredModel, write_model
from skdistill.runtime._quantization import Precision

if TYPE_CHECKING:
    from jinja2 import Template

_PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")
_PACKAGES = ("torch", "scikit-learn", "numpy")
_MAX_NAMED = 6
_MAX_MATRIX = 20
_SHARES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "fidelity": "Agreement with teacher",
    "calibration_error": "Calibration error",
}


def write_card(
    path: str | os.PathLike[str],
    model: StoredModel,
    *,
    X: Any = None,
    y: ArrayLike | None = None,
    teacher: Any = None,
    controls: Mapping[str, Any] | None = None,
    report: Any = None,
    title: str | None = None,
    description: str = "",
    class_names: Sequence[str] | None = None,
    limits: Iterable[str] = (),
    license: str = "",
    example: str = "",
    training: Mapping[str, str] | None = None,
    proba: np.ndarray | None = None,
) -> None:
    """Write the model card.

    Parameters
    ----------
    path : path-like
    model : StoredModel
    X, y, teacher, controls, report, title, description, class_names, limits, license, example
        See `skdistill.DistilledMLPClassifier.to_html`.
    training : dict of str to str or None, default=None
        More facts about the training, by heading.
    proba : ndarray of shape (n_texts, n_classes) or None, default=None
        The student's probabilities for `X`; None computes them.

    Raises
    ------
    TypeError
        If the analyzer is a function.
    ValueError
        If arguments do not match each other.
    ImportError
        If Jinja2 is not installed.
    """
    if X is None and (y is not None or teacher is not None or controls):
        raise ValueError("y, teacher and controls require test texts; pass them as X.")
    if isinstance(limits, str):
        raise ValueError("limits is a single string; pass a list of sentences.")
    template = _load_template()
    names = _name_classes(model, class_names)
    described = {"classes": names, **describe_for_page(model)}
    figures = None if X is None else measure(model, X, y, teacher, controls or {}, proba)
    found, training_plots = _read_training(model)
    style = _read("static/style.css")
    scripts = ("tokenizer.js", "networks.js", f"{model.kind}.js", "page.js")
    script = "".join(_read(f"static/{name}") for name in scripts)
    page = template.render(
        policy=_policy(style, script),
        style=style,
        script=script,
        model=model,
        described=write_script_data(described),
        names=names,
        title=title or f"{name_estimator(model)}: {_shorten(names)}",
        description=description,
        example=example,
        report=report,
        shares=_SHARES,
        training={**found, **(training or {})},
        training_plots=training_plots,
        limits=limits,
        license=license,
        versions=_list_versions(),
        **_describe_model(model),
        **({"figures": None} if figures is None else _describe_figures(figures, names)),
    )
    with replacing(path) as file:
        # UTF-8 cannot encode lone surrogates. Browsers replace the references written instead.
        file.write(page.encode("utf-8", "xmlcharrefreplace"))


def _describe_model(model: StoredModel) -> dict[str, Any]:
    return {
        "unit": name_unit(model),
        "listed": name_listed(model),
        "prior": name_prior(model),
        "word_order": describe_word_order(model),
        "architecture": describe_architecture(model),
        "is_additive": model.is_additive,
        "sizes": {name: format_bytes(_file_size(model, name)) for name in _PRECISIONS},
    }


def _load_template() -> "Template":
    # Imported here so that prediction does not need Jinja2.
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError as error:
        raise ImportError("A model card needs Jinja2: run 'pip install jinja2'.") from error
    environment = Environment(
        loader=FunctionLoader(lambda name: _read(f"templates/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _write_number
    return environment.get_template("page.html")


def _read(path: str) -> str:
    return files("skdistill.card").joinpath(path).read_text(encoding="utf-8")


def _write_number(value: float | None) -> str:
    """Write a count in full, a share in per cent, and nothing for a missing value."""
    if isinstance(value, Integral):
        return f"{value:,}"
    return "" if value is None or np.isnan(value) else f"{100 * value:.2f}"


def _policy(style: str, script: str) -> str:
    """Return a policy that allows only this style and script, so the page sends no requests."""
    digests = [b64encode(sha256(code.encode()).digest()).decode() for code in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _name_classes(model: StoredModel, class_names: Sequence[str] | None) -> list[str]:
    if class_names is None:
        return [str(name) for name in model.classes]
    if isinstance(class_names, str) or len(class_names) != len(model.classes):
        raise ValueError(
            f"class_names must contain a name for each of the {len(model.classes)} classes "
            f"{model.classes.tolist()!s:.200}, in this order, got {class_names!r:.200}."
        )
    return [str(name) for name in class_names]


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _describe_figures(figures: Figures, names: Sequence[str]) -> dict[str, Any]:
    """Return the template variables for the figures, with the class names of the page."""
    # Without labels, `figures.classes` is empty.
    classes = [replace(row, label=name) for row, name in zip(figures.classes, names, strict=False)]
    columns = {"n_parameters": "Parameters", **_SHARES}
    plots, errors = [], []
    if figures.confusion is not None:
        errors = most_confused(figures.confusion, names)
        if len(names) <= _MAX_MATRIX:
            matrix = plot_confusion(figures.confusion, names)
            plots.append(("Confusion matrix (true classes in rows)", matrix))
    if figures.reliability is not None:
        reliability = plot_reliability(*figures.reliability)
        plots.append(("Confidence and accuracy", reliability))
    return {
        "figures": replace(figures, classes=classes),
        "columns": {
            name: heading
            for name, heading in columns.items()
            if any(getattr(row, name) is not None for row in figures.models)
        },
        # Rounded up, so that no probability changes by more than this.
        "largest_change": f"{ceil(1e4 * figures.largest_difference) / 1e4:.4f}",
        "plots": plots,
        "errors": errors,
    }


def _read_training(model: StoredModel) -> tuple[dict[str, str], list[tuple[str, Markup]]]:
    """Return the facts about the training in a model file, and plots with captions."""
    try:
        return _training_facts(model)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"The training record in the student's file is damaged: {error!s:.200}. Save the "
            "student again."
        ) from error


def _describe_loss(parameters: dict[str, Any], record: dict[str, Any]) -> str:
    """Return the name of the loss, which may be unknown to this version."""
    loss = LOSSES.get(parameters["loss"])
    if loss is None:
        return str(parameters["loss"])
    made_texts = bool(record and record["n_by_origin"]["augmented"])
    return loss.describe(choose_temperature(parameters["temperature"], made_texts=made_texts))


def _training_facts(model: StoredModel) -> tuple[dict[str, str], list[tuple[str, Markup]]]:
    """Return the facts and plots; raise any error if the file's record is malformed."""
    known = model.estimator.get("figures", {})
    given = model.estimator.get("parameters", {})
    record = model.estimator.get("record", {})
    facts = describe_record(record, model.estimator.get("calibration"))
    if "transfer_size" in known and "Training texts" not in facts:
        facts["Training texts"] = f"{known['transfer_size']:,}"
    if "loss" in given:
        facts["Loss"] = _describe_loss(given, record)
    if "n_iter" in known:
        facts["Epochs"] = str(known["n_iter"])
    history = [epoch for epoch in known.get("history", []) if "train_loss" in epoch]
    losses = [epoch["train_loss"] for epoch in history]
    # Do not draw a training that diverged.
    if len(losses) < 2 or not np.isfinite(losses).all():
        return facts, []
    n_gold_epochs = count_gold_epochs(history)
    caption = "Training loss"
    if n_gold_epochs:
        caption += f" (last {n_gold_epochs} on gold labels)"
    return facts, [(caption, plot_training(losses, n_gold_epochs))]


def _list_versions() -> list[str]:
    found = [f"skdistill {skdistill.__version__}", f"Python {platform.python_version()}"]
    return [*found, *filter(None, map(_version, _PACKAGES))]


def _version(package: str) -> str | None:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return None


def _file_size(model: StoredModel, precision: Precision) -> int:
    """Return the size in bytes of a file with only the parts needed to predict."""
    with TemporaryDirectory(prefix="skdistill-") as folder:
        path = Path(folder, "model.skd")
        # Classes of any type can have a page, but only some can be saved: save numbers instead.
        numbers = np.arange(len(model.classes))
        bare = replace(model, classes=numbers, counts=None, estimator={})
        write_model(bare, path, precision)
        return path.stat().st_size
