"""How a model answers, according to its checkpoint's configuration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES

_CLASSIFIER = "ForSequenceClassification"

# The configuration entries with the kind of dtype of the labels, and with the dtype if it is not
# the one of Python's numbers; and how to read labels of a kind.
_LABEL_TYPE = "skdistill_label_type"
_LABEL_DTYPE = "skdistill_label_dtype"
_MAX_LENGTH = "skdistill_max_length"
_READERS: dict[str, Callable[[str], Any]] = {
    "b": {"False": False, "True": True}.__getitem__,
    "i": int,
    "u": int,
    "f": float,
}

# Text-to-text architectures; the last is a former name of T5.
_WRITERS = {*MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.values(), "T5WithLMHeadModel"}


@dataclass(frozen=True)
class Outputs:
    """The classes, and the column of each in the model's outputs."""

    classes: np.ndarray
    columns: np.ndarray
    multilabel: bool

    @classmethod
    def of(cls, labels: np.ndarray, multilabel: bool) -> Self:
        """Sort the labels of a model's outputs, unless a text may have several labels.

        Several labels whose names are their numbers have no names.
        """
        classes, columns = np.unique(labels, return_index=True)
        if len(classes) != len(labels):
            raise ValueError(f"The classes must be distinct, but are {labels.tolist()}.")
        if multilabel:
            columns = np.arange(len(labels))
            classes = columns if labels.tolist() == [*map(str, columns)] else labels
        return cls(classes, columns, multilabel)


def is_text_to_text(config: Any) -> bool:
    """Return whether a configuration describes a model that writes its answer."""
    return any(name in _WRITERS for name in config.architectures or ())


def choose_head(name: str, config: Any, head: str) -> str:
    """Return ``"classification"`` or ``"text-to-text"``; ``"auto"`` follows the checkpoint.

    Raises
    ------
    ValueError
        If `head` is ``"text-to-text"`` but the model is not an encoder-decoder.
    """
    if head == "auto":
        return "text-to-text" if is_text_to_text(config) else "classification"
    if head == "text-to-text" and not config.is_encoder_decoder:
        raise ValueError(
            f'head="text-to-text" needs an encoder-decoder such as T5, but the checkpoint {name!r} '
            f'has the type {config.model_type!r}; use head="auto" or "classification".'
        )
    return head


def end_of_text(config: Any) -> int:
    """Return the end-of-text token of an encoder-decoder.

    Raises
    ------
    ValueError
        If the configuration does not define it.
    """
    end = config.eos_token_id
    if end is None:
        raise ValueError(
            f"The configuration of the {config.model_type} model has no end-of-text token; set "
            "eos_token_id in the checkpoint's config.json."
        )
    return end if isinstance(end, int) else end[0]


def is_finetuned_classifier(config: Any) -> bool:
    """Return whether a configuration describes a text classifier with known labels."""
    return has_classification_head(config) or (is_text_to_text(config) and not _unnamed(config))


def has_classification_head(config: Any) -> bool:
    """Return whether a configuration describes a model with a classification layer."""
    return any(name.endswith(_CLASSIFIER) for name in config.architectures or ())


def check_classifier(name: str, config: Any) -> None:
    """Refuse a checkpoint without a classification layer, or with one for regression.

    Raises
    ------
    ValueError
        If the checkpoint is refused.
    """
    if not has_classification_head(config):
        raise ValueError(
            f"The checkpoint {name!r} has no classification layer (its architectures are "
            f"{config.architectures}). Fine-tune it: TransformerTeacherClassifier({name!r}).fit(X, "
            "y)."
        )
    if config.num_labels == 1 or config.problem_type == "regression":
        kind = config.problem_type or "regression"
        raise ValueError(
            f"The checkpoint {name!r} is not supported: it is a model for {kind} with "
            f"{config.num_labels} output(s), but a teacher needs at least 2 classes."
        )


def has_several_labels(config: Any) -> bool:
    """Return whether a configuration describes a model that predicts several labels per text."""
    return config.problem_type == "multi_label_classification"


def inference_outputs(name: str, config: Any) -> tuple[int, int]:
    """Return the outputs for contradiction and entailment of a natural language inference model.

    It finds them by their names. If no output is called contradiction, it is the first one, or the
    last one if entailment is the first.

    Raises
    ------
    ValueError
        If no output is called entailment.
    """
    entailment = _output_called("entail", config)
    if entailment is None:
        raise ValueError(
            f"The checkpoint {name!r} does not say which of its outputs is entailment: its "
            f"label2id is {config.label2id}. Use a model that was fine-tuned for natural language "
            'inference, or name that output "entailment" in its config.json.'
        )
    contradiction = _output_called("contradict", config)
    if contradiction is None:
        contradiction = config.num_labels - 1 if entailment == 0 else 0
    return contradiction, entailment


def _output_called(prefix: str, config: Any) -> int | None:
    outputs = (o for label, o in config.label2id.items() if label.lower().startswith(prefix))
    return next(outputs, None)


def finetuned_labels(
    name: str, config: Any, head: str, classes: Sequence[Any] | None
) -> np.ndarray:
    """Return the labels of a fine-tuned checkpoint.

    The labels of a classification layer are in the order of its outputs. If `classes` is None, they
    are the names in the configuration, or integers if these are ``LABEL_0``, ``LABEL_1``, ...

    Raises
    ------
    ValueError
        If `classes` does not match the outputs, if there is no classification layer, or if the
        labels of a text-to-text model are unknown.
    """
    if head == "text-to-text":
        return _written_labels(name, config, classes)
    check_classifier(name, config)
    n_outputs = config.num_labels
    if classes is not None:
        if len(classes) != n_outputs:
            raise ValueError(
                f"classes has {len(classes)} labels, but the model has {n_outputs} outputs: "
                f"{list(config.id2label.values())}."
            )
        return np.asarray(classes)
    return np.arange(n_outputs) if _unnamed(config) else _names(config)


def _written_labels(name: str, config: Any, classes: Sequence[Any] | None) -> np.ndarray:
    if classes is None and _unnamed(config):
        raise ValueError(
            f"The checkpoint {name!r} generates text, and its configuration does not list the "
            "labels it was fine-tuned to generate. Pass them, as in classes=['negative', "
            f"'positive'], or fine-tune it: TransformerTeacherClassifier({name!r}).fit(X, y)."
        )
    labels = _names(config) if classes is None else np.asarray(classes)
    if len(labels) < 2:
        raise ValueError(f"classes must contain at least 2 labels, but contains {labels.tolist()}.")
    return labels


def label_entries(labels: Sequence[Any] | np.ndarray) -> dict[str, dict[Any, Any]]:
    """Return the configuration entries that name the labels."""
    names = dict(enumerate(map(str, labels)))
    return {"id2label": names, "label2id": {label: i for i, label in names.items()}}


def record_label_type(config: Any, labels: np.ndarray) -> None:
    """Write the type of the labels, whose names are strings, into a configuration."""
    setattr(config, _LABEL_TYPE, labels.dtype.kind)
    is_default = labels.dtype == np.asarray(labels.tolist()).dtype
    dtype = None if is_default else labels.dtype.name
    if dtype != getattr(config, _LABEL_DTYPE, None):
        setattr(config, _LABEL_DTYPE, dtype)


def record_max_length(config: Any, n_tokens: int) -> None:
    """Write how many tokens of a text a teacher reads into a configuration."""
    setattr(config, _MAX_LENGTH, n_tokens)


def recorded_params(config: Any) -> dict[str, Any]:
    """Return the parameters of a saved teacher that its answers depend on, as far as recorded."""
    n_tokens = getattr(config, _MAX_LENGTH, None)
    return {"max_length": n_tokens} if isinstance(n_tokens, int) and n_tokens > 0 else {}


def _names(config: Any) -> np.ndarray:
    """Return the names of the labels; those that a teacher was fitted on keep their type."""
    names = [config.id2label[output] for output in range(config.num_labels)]
    read: Callable[[str], Any] = _READERS.get(str(getattr(config, _LABEL_TYPE, None)), str)
    try:
        return np.asarray([*map(read, names)], dtype=getattr(config, _LABEL_DTYPE, None))
    except (KeyError, OverflowError, TypeError, ValueError):  # renamed by hand since
        return np.asarray(names)


def _unnamed(config: Any) -> bool:
    """Return whether the labels have the default names ``LABEL_0``, ``LABEL_1``, ...

    If a teacher was fitted on labels that are called so, these are their names.
    """
    if getattr(config, _LABEL_TYPE, None) == "U":
        return False
    generic = [f"LABEL_{output}" for output in range(config.num_labels)]
    return [*config.id2label.values()] == generic
