"""The model card one can try: what is known of a student, and the student itself, on one page."""

import os
import platform
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from math import ceil
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import skdistill
from skdistill._core.exceptions import ModelFileError
from skdistill._core.files import replacing
from skdistill._core.format import format_bytes
from skdistill._core.markup import Markup, element, join
from skdistill.card._facts import count_gold_epochs
from skdistill.card._figures import Figures, ModelFigures, measure
from skdistill.card._model import describe_for_page, write_script_data
from skdistill.card._plots import plot_confusion, plot_reliability, plot_training
from skdistill.metrics._class_scores import most_confused
from skdistill.runtime._model_file import StoredModel, write_model
from skdistill.runtime._quantization import Precision

_KINDS = {
    "mlp": "DistilledMLPClassifier",
    "cnn": "DistilledCNNClassifier",
    "rnn": "DistilledRNNClassifier",
}
_SCRIPTS = ("tokenizer.js", "networks.js", "page.js")
_PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")
_PACKAGES = ("torch", "scikit-learn", "numpy")
# Fewer test texts than this make a class's figures rough.
_FEW = 100
_MAX_NAMED = 6
_MAX_MATRIX = 20
_REPORTED = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "fidelity": "Agrees with the teacher",
    "calibration_error": "Calibration error",
}
_LOSSES = {
    "kl": "Kullback-Leibler divergence at temperature {temperature:g}",
    "mse": "mean squared difference of logits",
    "standardized_kl": "divergence of standardised logits at temperature {temperature:g}",
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
    """Write the page; see a student's `to_html` for what is not said here.

    Parameters
    ----------
    path : path-like
    model : StoredModel
    X, y, teacher, controls, report, title, description, class_names, limits, license, example
        See `skdistill.DistilledMLPClassifier.to_html`.
    training : dict of str to str or None, default=None
        More to say of the training, by headings.
    proba : ndarray of shape (n_texts, n_classes) or None, default=None
        What the student says of `X`; None asks it.

    Raises
    ------
    TypeError
        If the analyzer is a function.
    ValueError
        If what is given does not fit together.
    """
    if X is None and (y is not None or teacher is not None or controls):
        raise ValueError("y, teacher and controls are measured on texts: pass these texts as X.")
    names = _name_classes(model, class_names)
    described = {"classes": names, **describe_for_page(model)}
    figures = None if X is None else measure(model, X, y, teacher, controls or {}, proba)
    title = title or f"{_KINDS[model.kind]}: {_shorten(names)}"
    additive = model.kind == "mlp" and "layers.1.weight" not in model.weights
    sizes = {precision: _file_size(model, precision) for precision in _PRECISIONS}
    style = _read("style.css")
    script = "".join(map(_read, _SCRIPTS))
    page = Template(_read("page.html")).substitute(
        policy=_policy(style, script),
        title=join(title),
        style=style,
        script=script,
        model=write_script_data(described),
        example=join(example),
        header=_header(model, title, description, figures, sizes),
        unit=_unit(model),
        prior=_prior(model),
        words=_words_panel(model, names) if additive else "",
        sections=join(
            _figures_section(model, figures, names),
            _report_section(report),
            _training_section(model, training or {}),
            _limits_section(model, figures, names, limits),
            _about_section(license, sizes),
        ),
        footer=element("p", f"Written by skdistill {skdistill.__version__}."),
    )
    with replacing(path) as file:
        # Lone surrogates, which UTF-8 cannot hold, become references that browsers replace.
        file.write(page.encode("utf-8", "xmlcharrefreplace"))


def _read(name: str) -> str:
    return files("skdistill.card").joinpath("static", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Allow this style and this script, and nothing else: no request can leave the page."""
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
            f"class_names must hold a name for each of the {len(model.classes)} classes "
            f"{model.classes.tolist()!s:.200}, in this order, not {class_names!r:.200}."
        )
    return [str(name) for name in class_names]


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _header(
    model: StoredModel,
    title: str,
    description: str,
    figures: Figures | None,
    sizes: Mapping[Precision, int],
) -> Markup:
    facts = [
        ("Parameters", f"{model.n_parameters:,}"),
        ("File", format_bytes(sizes["float32"])),
        ("File, eight bits", format_bytes(sizes["int8"])),
    ]
    if figures is not None and figures.models[0].accuracy is not None:
        facts.insert(0, ("Accuracy", f"{_percent(figures.models[0].accuracy)} %"))
    return join(
        element("h1", title),
        element("p", description, class_="lead") if description else None,
        element("dl", *(element("div", *_pair(*fact)) for fact in facts), class_="facts"),
    )


def _words_panel(model: StoredModel, names: Sequence[str]) -> Markup:
    options = [element("option", name, value=number) for number, name in enumerate(names)]
    unit = _unit(model)
    template = Template(_read("words.html"))
    return Markup(template.substitute(unit=unit, Unit=unit.title(), options=join(*options)))


def _figures_section(
    model: StoredModel, figures: Figures | None, names: Sequence[str]
) -> Markup | None:
    if figures is None:
        return None
    # Upwards: no probability changes by more than what is told.
    changed = f"{ceil(1e4 * figures.largest_difference) / 1e4:.4f}"
    return _section(
        "figures",
        "How well it does",
        element(
            "p",
            f"Measured on {figures.n_texts:,} texts when this page was written. "
            f"{_percent(figures.unknown_share)} % of their {_listed(model)} are unknown to it. "
            f"Rounding to eight bits changes no probability by more than {changed}.",
        ),
        _compare_models(figures.models),
        _list_classes(figures, names) if figures.classes else None,
        _plots(figures, names),
        _confusions(figures, names),
    )


def _compare_models(models: list[ModelFigures]) -> Markup:
    columns = [name for name in _REPORTED if any(getattr(row, name) is not None for row in models)]
    has_sizes = any(row.n_parameters is not None for row in models)
    rows = []
    for row in models:
        cells = [_percent(getattr(row, name)) for name in columns]
        size = "" if row.n_parameters is None else f"{row.n_parameters:,}"
        rows.append([row.name, *([size] if has_sizes else []), *cells])
    heading = ["Model", *(["Parameters"] if has_sizes else []), *map(_REPORTED.get, columns)]
    return _table("Beside other models (shares in %)", heading, rows)


def _list_classes(figures: Figures, names: Sequence[str]) -> Markup:
    return _table(
        "Each class, in eight bits (shares in %)",
        ["Class", "Precision", "Recall", "F1", "Texts"],
        [
            [name, *map(_percent, (row.precision, row.recall, row.f1)), f"{row.n_texts:,}"]
            for name, row in zip(names, figures.classes, strict=True)
        ],
    )


def _plots(figures: Figures, names: Sequence[str]) -> Markup | None:
    plots = []
    if figures.confusion is not None and len(names) <= _MAX_MATRIX:
        matrix = plot_confusion(figures.confusion, names)
        plots.append(_figure("What is taken for what (true classes in rows)", matrix))
    if figures.reliability is not None:
        reliability = plot_reliability(*figures.reliability)
        plots.append(_figure("How sure it is, and how often right", reliability))
    return element("div", *plots, class_="plots") if plots else None


def _confusions(figures: Figures, names: Sequence[str]) -> Markup | None:
    if figures.confusion is None:
        return None
    rows = [
        [join(_name(error.label), " taken for ", _name(error.predicted)), f"{error.n_texts:,}"]
        for error in most_confused(figures.confusion, names)
    ]
    if not rows:
        return None
    return _table("Most frequent errors", ["Error", "Texts"], rows)


def _report_section(report: Any) -> Markup | None:
    if report is None:
        return None
    table = report.as_frame()
    columns = [name for name in _REPORTED if name in table]
    rows = []
    for name, scores in table.iterrows():
        cells = [_percent_and_std(scores[c], scores.get(f"{c}_std")) for c in columns]
        rows.append([str(name), *cells])
    return _section(
        "distilled",
        "Did distillation help?",
        element("p", report.verdict),
        element(
            "p",
            "The twin is the student, trained on hard labels alone. "
            f"{report.n_test:,} test texts, {report.n_labeled:,} labelled ones, "
            f"{report.n_transfer:,} in the transfer set; "
            + ("one seed." if report.n_seeds == 1 else f"mean over {report.n_seeds} seeds."),
        ),
        _table("Scores (in %)", ["Model", *map(_REPORTED.get, columns)], rows),
    )


def _training_section(model: StoredModel, training: Mapping[str, str]) -> Markup:
    try:
        found, plot = _training_facts(model)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"What the student's file says of its training is damaged: {error!s:.200}."
        ) from error
    facts = {**training, **found}
    return _section(
        "training",
        "What it is and how it was made",
        element("p", _architecture(model)),
        _pairs(facts) if facts else None,
        plot,
    )


def _training_facts(model: StoredModel) -> tuple[dict[str, str], Markup | None]:
    """Return what is known of the training, and its plot; a file may say anything here."""
    known = model.estimator.get("figures", {})
    given = model.estimator.get("parameters", {})
    facts = {}
    if "transfer_size" in known:
        facts["Texts it learned from"] = f"{known['transfer_size']:,}"
    if "loss" in given:
        facts["Loss"] = _LOSSES[given["loss"]].format(**given)
    if "n_iter" in known:
        facts["Epochs"] = str(known["n_iter"])
    history = [epoch for epoch in known.get("history", []) if "train_loss" in epoch]
    losses = [epoch["train_loss"] for epoch in history]
    # A training that diverged has no curve.
    if len(losses) < 2 or not np.isfinite(losses).all():
        return facts, None
    n_gold_epochs = count_gold_epochs(history)
    caption = "Training loss"
    if n_gold_epochs:
        caption += f" (the last {n_gold_epochs}: on gold labels)"
    return facts, _figure(caption, plot_training(losses, n_gold_epochs))


def _architecture(model: StoredModel) -> str:
    architecture, vocabulary = model.architecture, model.vocabulary
    width = model.weights["embedding.weight"].shape[1]
    pooling = " and ".join(architecture["pooling"])
    if model.kind == "mlp":
        reading = f"pooled by {pooling}"
        if "attention" in architecture["pooling"]:
            reading += f" over windows of {architecture['context_window']}"
    elif model.kind == "cnn":
        sizes = " and ".join(map(str, architecture["kernel_sizes"]))
        reading = f"{architecture['n_filters']} filters over {sizes} at a time, pooled by {pooling}"
    else:
        ways = "both directions" if architecture["bidirectional"] else "one direction"
        reading = (
            f"a {architecture['cell'].upper()} of width {architecture['hidden_dim']} in {ways}, "
            f"pooled by {pooling}"
        )
    hidden = architecture["hidden_layer_sizes"]
    layers = f"hidden layers of {', '.join(map(str, hidden))}, " if hidden else ""
    buckets = ""
    if vocabulary.hash_buckets:
        longest = vocabulary.ngram_range[1]
        buckets = f" and {vocabulary.hash_buckets:,} buckets for their n-grams of up to {longest}"
    return (
        f"A student of skdistill: {len(vocabulary.features):,} {_listed(model)}{buckets} as "
        f"vectors of {width} numbers, {reading}, {layers}and a linear layer for "
        f"{len(model.classes)} {'labels' if model.multilabel else 'classes'}."
    )


def _features(model: StoredModel) -> str:
    return "characters" if model.vocabulary.analyzer == "char" else "words and marks"


def _unit(model: StoredModel) -> str:
    return "character" if model.vocabulary.analyzer == "char" else "word"


def _listed(model: StoredModel) -> str:
    """Say what the features of a vocabulary are."""
    least, most = model.vocabulary.ngram_range
    if most == 1 or model.vocabulary.hash_buckets:
        return _features(model)
    lengths = f"{most}" if least == most else f"{least} to {most}"
    return f"n-grams of {lengths} {_features(model)}"


def _name(name: str) -> Markup:
    """Keep a name in one piece where its script runs in another direction than the text around."""
    return element("bdi", name)


def _limits_section(
    model: StoredModel, figures: Figures | None, names: Sequence[str], limits: Iterable[str]
) -> Markup:
    if isinstance(limits, str):
        raise ValueError("limits is a single string; pass a list of sentences.")
    vocabulary = model.vocabulary
    case = " Capital letters are the same to it as small ones." if vocabulary.lowercase else ""
    found = [
        f"It knows {len(vocabulary.features):,} {_listed(model)}; all others are one and the "
        f"same to it.{case}",
        "It knows the languages of the texts that it learned from, and no others. To a text of "
        f"unknown {_listed(model)} it answers with {_prior(model)}.",
        _word_order(model),
    ]
    if figures is not None:
        rare = [
            join(_name(name), f" ({row.n_texts})")
            for name, row in zip(names, figures.classes, strict=False)
            if row.n_texts < _FEW
        ]
        if rare:
            few = f"Rough figures: fewer than {_FEW} of the test texts are of the class "
            found.append(join(few, Markup(_shorten(rare)), "."))
    items = [element("li", limit) for limit in [*found, *limits]]
    return _section("limits", "Limits", element("ul", *items))


def _word_order(model: StoredModel) -> str:
    architecture, longest = model.architecture, model.vocabulary.ngram_range[1]
    features = _features(model)
    if model.kind == "rnn":
        return f"It reads {features} in their order, and nothing but the text itself."
    if model.kind == "cnn":
        span = max(architecture["kernel_sizes"]) + longest - 1
        return f"It sees the order of {features} within {span} neighbours, not of the whole text."
    if "attention" in architecture["pooling"]:
        span = architecture["context_window"] + longest - 1
        return (
            f"The order of {features}, within {span} neighbours, decides how much each counts, not "
            "for what: a negated word counts for the class for which it always counts."
        )
    if longest > 1:
        return f"Beyond {longest} neighbours, the order of {features} makes no difference to it."
    return f"The order of {features} makes no difference to it: a text is a bag of them."


def _prior(model: StoredModel) -> str:
    return f"the {'labels' if model.multilabel else 'classes'}' shares in its training"


def _about_section(license: str, sizes: Mapping[Precision, int]) -> Markup:
    facts = {"Licence": license} if license else {}
    facts["Written with"] = ", ".join(
        [
            f"skdistill {skdistill.__version__}",
            f"Python {platform.python_version()}",
            *filter(None, map(_version, _PACKAGES)),
        ]
    )
    facts["File sizes"] = ", ".join(
        f"{format_bytes(size)} ({precision})" for precision, size in sizes.items()
    )
    return _section("about", "Licence and versions" if license else "Versions", _pairs(facts))


def _version(package: str) -> str | None:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return None


def _file_size(model: StoredModel, precision: Precision) -> int:
    """Return how many bytes a file has that holds what is needed to predict."""
    with TemporaryDirectory(prefix="skdistill-") as folder:
        path = Path(folder, "model.skd")
        # Numbers for classes: those of any type have a page, but not all of them a file.
        numbers = np.arange(len(model.classes))
        bare = replace(model, classes=numbers, counts=None, estimator={})
        write_model(bare, path, precision)
        return path.stat().st_size


def _section(name: str, heading: str, *children: Markup | None) -> Markup:
    return element("section", element("h2", heading, id=name), *children, aria_labelledby=name)


def _table(caption: str, heading: Sequence[Any], rows: Sequence[Sequence[str]]) -> Markup:
    first, *others = heading
    head = element(
        "tr",
        element("th", first, scope="col"),
        *(element("th", name, scope="col", class_="number") for name in others),
    )
    body = [
        element(
            "tr",
            element("th", _name(name), scope="row"),
            *(element("td", cell, class_="number") for cell in cells),
        )
        for name, *cells in rows
    ]
    table = element(
        "table", element("caption", caption), element("thead", head), element("tbody", *body)
    )
    # A region that scrolls must be in reach of the keyboard.
    return element(
        "div", table, class_="scroll", tabindex=0, role="region", aria_label=f"{caption} (table)"
    )


def _figure(caption: str, plot: Markup) -> Markup:
    return element("figure", element("figcaption", caption), plot)


def _pairs(facts: Mapping[str, str]) -> Markup:
    return element("dl", *(join(*_pair(*fact)) for fact in facts.items()), class_="pairs")


def _pair(name: str, value: str) -> tuple[Markup, Markup]:
    return element("dt", name), element("dd", value)


def _percent(share: float | None) -> str:
    return "" if share is None or np.isnan(share) else f"{100 * share:.2f}"


def _percent_and_std(share: float, std: float | None) -> str:
    spread = _percent(std)
    return _percent(share) + (f" ± {spread}" if spread else "")
