"""Hugging Face checkpoints: loaded safely and silently, kept as bytes, told apart by content."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
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
from skdistill.teachers.huggingface._heads import choose_head, is_finetuned_classifier
from skdistill.teachers.huggingface._source import CONTENT_SUFFIXES, check_folder, check_source

_CHUNK_BYTES = 1 << 20

# Entries of these files that tell where and by what they were written, not what is in them.
_DESCRIPTIONS = ("config.json", "generation_config.json", "tokenizer_config.json")
_PROVENANCE = {"is_local", "local_files_only", "name_or_path", "transformers_version"}


@contextmanager
def quiet(verbose: int = 0) -> Iterator[None]:
    """Mute the log messages and progress bars of Hugging Face libraries inside the block.

    Parameters
    ----------
    verbose : int, default=0
        0 mutes all, 1 leaves the bars of downloads, 2 and more leave the log messages as well.
    """
    with ONE_AT_A_TIME, _bars(verbose >= 1), _log_level(logging.ERROR if verbose < 2 else None):
        yield


@contextmanager
def _log_level(level: int | None) -> Iterator[None]:
    # Asked first because transformers sets its level at the first question.
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
def _explained(name: str) -> Iterator[None]:
    """Turn the many ways in which loading fails into one error with the next step."""
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
            f"The checkpoint {name!r:.100} could not be loaded: {reason}. Give a local folder with "
            "config.json, *.safetensors and the tokenizer's files, or the name of a model on the "
            f"Hugging Face Hub ({network}). Weights in pickle files and models that run their own "
            "code are refused."
        ) from error


def load_config(name: str, revision: str | None = None) -> Any:
    """Return a checkpoint's configuration, without its weights.

    Raises
    ------
    OSError, ValueError
        If there is no such checkpoint; the message says what can be done.
    """
    with _explained(name):
        check_source(name, revision)
        return AutoConfig.from_pretrained(name, trust_remote_code=False, **_at(revision))


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """Return a checkpoint's tokenizer; raises as `load_config` does.

    Raises
    ------
    ImportError
        If its only file is one of SentencePiece's, and that package is not installed.
    """
    try:
        with _explained(name):
            check_source(name, revision)
            return AutoTokenizer.from_pretrained(name, trust_remote_code=False, **_at(revision))
    except ValueError as error:
        # transformers tries SentencePiece first and complains of the next package that it tries.
        if "tiktoken" not in str(error) or find_spec("sentencepiece") is not None:
            raise
        raise ImportError(
            f"The checkpoint {name!r} has no tokenizer.json, only a file of SentencePiece's, which "
            "takes `pip install sentencepiece protobuf` to read; or save the tokenizer into a "
            "folder where those are installed: a tokenizer.json lies beside it from then on."
        ) from error


def load_classifier(
    name: str, revision: str | None = None, head: str = "auto", **config: Any
) -> tuple[Any, list[str]]:
    """Return a text classifier in float32 on the CPU, and what its checkpoint lacked.

    Parameters
    ----------
    name : str
        A folder or a name on the Hub; only safetensors files are read.
    revision : str, default=None
        A branch, tag or commit on the Hub.
    head : {"auto", "classification", "text-to-text"}, default="auto"
        Whether the model chooses a class or writes its label; ``"auto"`` asks the checkpoint.
    **config
        Entries that override the checkpoint's configuration.

    Returns
    -------
    model : PreTrainedModel
    missing : list of str
        The weights that the checkpoint lacks or holds in another shape, so that they are random.

    Raises
    ------
    OSError, ValueError
        If the checkpoint cannot be loaded; the message says what can be done.
    """
    head = choose_head(name, load_config(name, revision), head)
    auto = AutoModelForSeq2SeqLM if head == "text-to-text" else AutoModelForSequenceClassification
    with _explained(name):
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
    # As saving would, so that a model's hash is the same before and after.
    model.config.architectures = [type(model).__name__]
    mismatched = {key[0] for key in report["mismatched_keys"]}
    return model, sorted({*report["missing_keys"], *mismatched})


def load_finetuned(
    name: str, revision: str | None = None, head: str = "auto", **config: Any
) -> tuple[Any, Any]:
    """Return a text classifier that lacks nothing, and its tokenizer, ready for batches.

    Parameters
    ----------
    name, revision, head, **config
        See `load_classifier`.

    Returns
    -------
    model : PreTrainedModel
    tokenizer : PreTrainedTokenizerBase

    Raises
    ------
    OSError, ValueError
        If the checkpoint cannot be loaded, or weights would be random.
    ImportError
        If its tokenizer takes a package that is not installed.
    """
    model, missing = load_classifier(name, revision, head, **config)
    if missing:
        raise ValueError(
            f"The checkpoint {name!r} lacks weights of a text classifier, which would be random: "
            f"{', '.join(missing)}. Fine-tune it first, with TransformerTeacherClassifier.fit."
        )
    tokenizer = load_tokenizer(name, revision)
    ensure_padding(model, tokenizer)
    return model, tokenizer


def load_token_embeddings(
    name: str, revision: str | None = None, head: str = "auto"
) -> tuple[np.ndarray, Any]:
    """Return a checkpoint's token embeddings and its tokenizer; raises as `load_classifier` does.

    Returns
    -------
    table : ndarray of shape (n_tokens, width), dtype float32
    tokenizer : PreTrainedTokenizerBase
    """
    # The classification layer that comes along may be random, and is of no use here.
    with torch.random.fork_rng(devices=[]):
        model, _ = load_classifier(name, revision, head)
    table = model.get_input_embeddings().weight.detach().float().numpy()
    return table, load_tokenizer(name, revision)


def _at(revision: str | None) -> dict[str, str]:
    return {} if revision is None else {"revision": revision}


def is_finetuned(path_or_name: str | os.PathLike[str], revision: str | None = None) -> bool:
    """Tell from the configuration alone whether a checkpoint is a fine-tuned text classifier.

    Parameters
    ----------
    path_or_name : str or path-like
        A checkpoint's folder, or its name on the Hub.
    revision : str, default=None
        A branch, tag or commit on the Hub.

    Returns
    -------
    bool
        Whether ``TransformerTeacherClassifier.from_finetuned`` is meant for it; False for an
        encoder that has to be fine-tuned first, and for an encoder-decoder that does not name the
        labels that it writes.

    Raises
    ------
    OSError, ValueError
        If there is no such checkpoint.
    """
    with quiet():
        return is_finetuned_classifier(load_config(os.fspath(path_or_name), revision))


def ensure_padding(model: Any, tokenizer: Any) -> None:
    """Make model and tokenizer agree on a padding token, the end-of-text token if need be.

    Raises
    ------
    ValueError
        If the tokenizer has neither, or the model could not tell padding from what it reads.
    """
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise ValueError(
                "The checkpoint's tokenizer has neither a padding nor an end-of-text token, so "
                "texts of different length make no batch; set tokenizer.pad_token and save the "
                "tokenizer into the checkpoint's folder."
            )
        if model.config.is_encoder_decoder:
            raise ValueError(
                "The checkpoint's tokenizer has no padding token, and the end-of-text token cannot "
                "stand in for it, because an encoder-decoder looks for the end of each text; set "
                "tokenizer.pad_token and save the tokenizer into the checkpoint's folder."
            )
        tokenizer.pad_token = tokenizer.eos_token
    n_tokens = getattr(model.config, "vocab_size", None)
    if n_tokens is not None and tokenizer.pad_token_id >= n_tokens:
        raise ValueError(
            f"The tokenizer's padding token {tokenizer.pad_token!r} has the number "
            f"{tokenizer.pad_token_id}, but the model has embeddings of {n_tokens} tokens only; "
            "call model.resize_token_embeddings(len(tokenizer)) and save both, or set "
            "tokenizer.pad_token to one that the model knows."
        )
    model.config.pad_token_id = tokenizer.pad_token_id


def usable_length(model: Any, tokenizer: Any, max_length: int) -> int:
    """Return `max_length`, cut to what the model's positions and the tokenizer allow.

    Models in the manner of RoBERTa number positions from ``padding_idx + 1``, and so use fewer
    than the ``max_position_embeddings`` of their configuration.
    """
    limit = min(max_length, tokenizer.model_max_length)
    positions = getattr(model.config, "max_position_embeddings", None) or 0
    if positions <= 0:
        return limit
    for name, table in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(table, nn.Embedding):
            if table.padding_idx is not None and table.num_embeddings == positions:
                positions -= table.padding_idx + 1
            break
    return min(limit, positions)


def save_checkpoint(model: Any, tokenizer: Any, folder: str | os.PathLike[str]) -> None:
    """Write a folder from which transformers, and this package, load model and tokenizer."""
    _forget_batch_settings(tokenizer)
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _forget_batch_settings(tokenizer: Any) -> None:
    """Drop the truncation and padding that a fast tokenizer remembers from its last call."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()


def checkpoint_to_bytes(model: Any, tokenizer: Any) -> dict[str, bytes]:
    """Return a checkpoint as file names and contents that depend on nothing but what is in it."""
    with tempfile.TemporaryDirectory(prefix="skdistill-") as folder:
        save_checkpoint(model, tokenizer, folder)
        root = Path(folder)
        return {
            path.relative_to(root).as_posix(): _lasting_content(path)
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }


def _lasting_content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name not in _DESCRIPTIONS:
        return content
    entries = {k: v for k, v in json.loads(content).items() if k not in _PROVENANCE}
    return json.dumps(entries, indent=2, sort_keys=True).encode()


def checkpoint_from_bytes(files: dict[str, bytes]) -> tuple[Any, Any]:
    """Return model and tokenizer, on the CPU, from what `checkpoint_to_bytes` gave."""
    # Where weights stay mapped into memory, Windows does not let go of their file.
    with tempfile.TemporaryDirectory(prefix="skdistill-", ignore_cleanup_errors=True) as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with quiet():
            model, _ = load_classifier(folder)
            return model, load_tokenizer(folder)


def hash_checkpoint(model: Any, tokenizer: Any) -> str:
    """Return a hash of weights, configuration and tokenizer, equal for equal predictions."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    with tempfile.TemporaryDirectory(prefix="skdistill-") as folder:
        _forget_batch_settings(tokenizer)
        tokenizer.save_pretrained(folder)
        model.config.save_pretrained(folder)
        for path in sorted(Path(folder).iterdir()):
            digest.update(path.name.encode())
            digest.update(_lasting_content(path))
    return digest.hexdigest()


def hash_folder(folder: str | os.PathLike[str]) -> str:
    """Return a hash of the weights, configuration and tokenizer files that lie in a folder.

    Raises
    ------
    ValueError
        If they lead out of the folder.
    """
    with _explained(os.fspath(folder)):
        check_folder(Path(folder))
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(folder).iterdir()):
        if path.is_file() and path.suffix in CONTENT_SUFFIXES:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
    return digest.hexdigest()
