"""Load Hugging Face checkpoints safely and silently."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from huggingface_hub import constants as hub_constants
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)
from transformers.utils import logging as transformers_logging

from skdistill._core.torch import ONE_AT_A_TIME
from skdistill.teachers.huggingface._heads import (
    Outputs,
    choose_head,
    is_finetuned_classifier,
    label_entries,
    record_label_type,
)
from skdistill.teachers.huggingface._source import check_source


@contextmanager
def quiet(verbose: int = 0) -> Iterator[None]:
    """Silence the log messages and progress bars of Hugging Face libraries inside the block.

    Parameters
    ----------
    verbose : int, default=0
        0 silences everything, 1 keeps download bars, 2 or more also keeps log messages.
    """
    with ONE_AT_A_TIME, _bars(verbose >= 1), _log_level(logging.ERROR if verbose < 2 else None):
        yield


@contextmanager
def _log_level(level: int | None) -> Iterator[None]:
    # Called first because transformers sets its level at the first call.
    transformers_logging.get_verbosity()
    loggers = [logging.getLogger(n) for n in ("transformers", "accelerate", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logger.level if level is None else level)
        yield
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)


@contextmanager
def _bars(show_downloads: bool) -> Iterator[None]:
    had_bars = transformers_logging.is_progress_bar_enabled()
    had_download_bars = not are_progress_bars_disabled()
    if had_bars:
        transformers_logging.disable_progress_bar()
    _show_download_bars(had_download_bars and show_downloads)
    try:
        yield
    finally:
        if had_bars:
            transformers_logging.enable_progress_bar()
        _show_download_bars(had_download_bars)


def _show_download_bars(show: bool) -> None:
    if show == are_progress_bars_disabled():
        (enable_progress_bars if show else disable_progress_bars)()


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn any loading error inside the block into one message that says how to fix it."""
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        if hub_constants.HF_HUB_OFFLINE:
            network = (
                "this process is offline (HF_HUB_OFFLINE is set) and finds only models that are in "
                "the local cache already: unset HF_HUB_OFFLINE to download"
            )
        else:
            network = "the first use downloads it and needs a network connection"
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(
            f"The checkpoint {name!r:.100} could not be loaded: {reason}. Pass a local folder with "
            "config.json, *.safetensors and the tokenizer's files, or the name of a model on the "
            "Hugging "
            f"Face Hub ({network}). Pickled weights and models with their own code are refused."
        ) from error


def load_config(name: str, revision: str | None = None) -> Any:
    """Return a checkpoint's configuration, without loading its weights.

    Raises
    ------
    OSError, ValueError
        If the checkpoint cannot be loaded. The message says how to fix it.
    """
    with explained(name):
        check_source(name, revision)
        return AutoConfig.from_pretrained(name, trust_remote_code=False, **_at(revision))


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """Return a checkpoint's tokenizer; it raises the errors of `load_config` and an ImportError.

    Raises
    ------
    ImportError
        If the checkpoint has only a SentencePiece file and that package is not installed.
    """
    try:
        with explained(name):
            check_source(name, revision)
            return AutoTokenizer.from_pretrained(name, trust_remote_code=False, **_at(revision))
    except ValueError as error:
        # transformers tries SentencePiece first, but its error names the next package it tries.
        if "tiktoken" not in str(error) or find_spec("sentencepiece") is not None:
            raise
        raise ImportError(
            f"The checkpoint {name!r} has no tokenizer.json, only a SentencePiece file. Run `pip "
            "install sentencepiece protobuf` to read it, or save the tokenizer once where these "
            "are installed, which writes a tokenizer.json."
        ) from error


def load_classifier(
    name: str, revision: str | None = None, head: str = "auto", **config: Any
) -> tuple[Any, list[str]]:
    """Return a text classifier in float32 on the CPU, and the names of its random weights.

    Weights are random if the checkpoint lacks them or has them in another shape. `config` overrides
    entries of the checkpoint's configuration. Only safetensors files are read.

    Raises
    ------
    OSError, ValueError
        If the checkpoint cannot be loaded. The message says how to fix it.
    """
    head = choose_head(name, load_config(name, revision), head)
    auto = AutoModelForSeq2SeqLM if head == "text-to-text" else AutoModelForSequenceClassification
    with explained(name):
        check_source(name, revision)
        model, report = auto.from_pretrained(
            name,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **_at(revision),
            **config,
        )
    # Saving also sets this; without it, a model's hash would change when it is saved.
    model.config.architectures = [type(model).__name__]
    mismatched = {key[0] for key in report["mismatched_keys"]}
    return model, sorted({*report["missing_keys"], *mismatched})


def load_pretrained(
    name: str, revision: str | None, head: str, outputs: Outputs
) -> tuple[Any, Any, bool]:
    """Return a model to fine-tune for the given classes, its tokenizer, and if weights are new.

    It raises the errors of `load_finetuned`, except that weights may be random.
    """
    head = choose_head(name, load_config(name, revision), head)
    if outputs.multilabel and head == "text-to-text":
        raise ValueError(
            f"The checkpoint {name!r} generates one label per text, but y has several. Use "
            'head="classification", or one teacher per label with '
            "sklearn.multiclass.OneVsRestClassifier."
        )
    kind = "multi" if outputs.multilabel else "single"
    model, new = load_classifier(
        name,
        revision,
        head,
        problem_type=f"{kind}_label_classification",
        **label_entries(outputs.classes),
    )
    record_label_type(model.config, outputs.classes)
    tokenizer = load_tokenizer(name, revision)
    ensure_padding(model, tokenizer)
    return model, tokenizer, bool(new)


def load_finetuned(
    name: str, revision: str | None = None, head: str = "auto", **config: Any
) -> tuple[Any, Any]:
    """Return a complete text classifier and its tokenizer, ready for batches.

    Raises
    ------
    OSError, ValueError
        If the checkpoint cannot be loaded or lacks weights.
    ImportError
        If its tokenizer needs a package that is not installed.
    """
    model, missing = load_classifier(name, revision, head, **config)
    if missing:
        raise ValueError(
            f"The checkpoint {name!r} lacks weights of its classifier, which would be random: "
            f"{', '.join(missing)}. Fine-tune it first with TransformerTeacherClassifier.fit."
        )
    tokenizer = load_tokenizer(name, revision)
    ensure_padding(model, tokenizer)
    return model, tokenizer


def load_token_embeddings(
    name: str, revision: str | None = None, head: str = "auto"
) -> tuple[np.ndarray, Any]:
    """Return a checkpoint's token embeddings, of shape (n_tokens, width), and its tokenizer.

    It raises the errors of `load_classifier`.
    """
    # Keep the random generator unchanged: loading may create a random classification layer.
    with torch.random.fork_rng(devices=[]):
        model, _ = load_classifier(name, revision, head)
    table = model.get_input_embeddings().weight.detach().float().numpy()
    return table, load_tokenizer(name, revision)


def _at(revision: str | None) -> dict[str, str]:
    return {} if revision is None else {"revision": revision}


def is_finetuned(path_or_name: str | os.PathLike[str], revision: str | None = None) -> bool:
    """Return whether a checkpoint is a fine-tuned text classifier, without loading its weights.

    The result is False for an encoder that must be fine-tuned first, and for an encoder-decoder if
    its configuration does not name the labels.

    Raises
    ------
    OSError, ValueError
        If the checkpoint cannot be found.
    """
    with quiet():
        return is_finetuned_classifier(load_config(os.fspath(path_or_name), revision))


def ensure_padding(model: Any, tokenizer: Any) -> None:
    """Set the same padding token for model and tokenizer, by default the tokenizer's.

    If the tokenizer has no padding token, the end-of-text token is used.

    Raises
    ------
    ValueError
        If the tokenizer has neither token, or if the model cannot use the token for padding.
    """
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise ValueError(
                "The checkpoint's tokenizer has neither a padding nor an end-of-text token, so "
                "texts of different lengths cannot form a batch. Set tokenizer.pad_token and save "
                "the tokenizer in the checkpoint's folder."
            )
        if model.config.is_encoder_decoder:
            raise ValueError(
                "The checkpoint's tokenizer has no padding token. The end-of-text token cannot "
                "replace it, because an encoder-decoder looks for the end of each text. Set "
                "tokenizer.pad_token and save the tokenizer in the checkpoint's folder."
            )
        tokenizer.pad_token = tokenizer.eos_token
    n_tokens = getattr(model.config, "vocab_size", None)
    if n_tokens is not None and tokenizer.pad_token_id >= n_tokens:
        raise ValueError(
            f"The tokenizer's padding token {tokenizer.pad_token!r} has the id "
            f"{tokenizer.pad_token_id}, but the model has embeddings for only {n_tokens} tokens. "
            "Call model.resize_token_embeddings(len(tokenizer)) and save both, or set "
            "tokenizer.pad_token to a token that the model has."
        )
    model.config.pad_token_id = tokenizer.pad_token_id


def usable_length(model: Any, tokenizer: Any, max_length: int) -> int:
    """Return `max_length`, or the limit of model and tokenizer if that is lower.

    Models such as RoBERTa number positions from ``padding_idx + 1``, so they have fewer usable
    positions than the ``max_position_embeddings`` of their configuration.
    """
    limit = int(min(max_length, tokenizer.model_max_length))
    positions = getattr(model.config, "max_position_embeddings", None) or 0
    if positions <= 0:
        return limit
    for name, table in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(table, nn.Embedding):
            if table.padding_idx is not None and table.num_embeddings == positions:
                positions -= table.padding_idx + 1
            break
    return min(limit, positions)
