"""Save a checkpoint to a folder, convert it to bytes, hash it."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from skdistill.teachers.huggingface._loading import (
    explained,
    load_classifier,
    load_tokenizer,
    quiet,
)
from skdistill.teachers.huggingface._source import CONTENT_SUFFIXES, check_folder

_CHUNK_BYTES = 1 << 20

# Entries of these files that record where and by which version they were written.
_DESCRIPTIONS = ("config.json", "generation_config.json", "tokenizer_config.json")
_PROVENANCE = {"is_local", "local_files_only", "name_or_path", "transformers_version"}


def save_checkpoint(model: Any, tokenizer: Any, folder: str | os.PathLike[str]) -> None:
    """Save model and tokenizer to a folder that transformers and this package can load."""
    _forget_batch_settings(tokenizer)
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _forget_batch_settings(tokenizer: Any) -> None:
    """Reset the truncation and padding that a fast tokenizer keeps from its last call."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()


def checkpoint_to_bytes(model: Any, tokenizer: Any) -> dict[str, bytes]:
    """Return a checkpoint as file names and contents, the same for equal checkpoints."""
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
    """Return model and tokenizer, on the CPU, from the result of `checkpoint_to_bytes`."""
    # Windows cannot delete a file while weights are mapped into memory from it.
    with tempfile.TemporaryDirectory(prefix="skdistill-", ignore_cleanup_errors=True) as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with quiet():
            model, _ = load_classifier(folder)
            return model, load_tokenizer(folder)


def hash_checkpoint(model: Any, tokenizer: Any) -> str:
    """Return a hash of weights, configuration and tokenizer."""
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
    """Return a hash of the weights, configuration and tokenizer files in a folder.

    Raises
    ------
    ValueError
        If they refer to files outside the folder.
    """
    with explained(os.fspath(folder)):
        check_folder(Path(folder))
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(folder).iterdir()):
        if path.is_file() and path.suffix in CONTENT_SUFFIXES:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
    return digest.hexdigest()
