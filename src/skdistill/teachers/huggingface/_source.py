"""Checks of where a checkpoint comes from: one folder, or a name on the Hub."""

import json
import os
import re
from pathlib import Path
from typing import Any

from huggingface_hub import constants as hub_constants

# Suffixes of the files that a model or tokenizer is loaded from.
CONTENT_SUFFIXES = {".json", ".safetensors", ".txt", ".model", ".spm", ".jinja"}

# Files that may refer to other files.
_NAMES_FILES = {"config.json", "tokenizer_config.json", "adapter_config.json"}
_INDEX_SUFFIX = ".index.json"

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_REVISION = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
_MAX_HUB_NAME = 96


def check_source(name: str, revision: str | None = None) -> None:
    """Refuse a name that is neither a folder nor a valid name on the Hub.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist and the name is not valid on the Hub.
    ValueError
        If the folder refers to files outside it, or if `revision` is not valid.

    Examples
    --------
    >>> from skdistill.teachers.huggingface._source import check_source
    >>> check_source("distilroberta-base")
    >>> check_source("~/models/mine")
    Traceback (most recent call last):
        ...
    FileNotFoundError: it is not a folder ('~' is not expanded: use os.path.expanduser), and ...
    """
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise ValueError(f"revision={revision!r:.100} is not the name of a branch, tag or commit")
    if os.path.isdir(name):
        check_folder(Path(name))
    elif os.path.isfile(name):
        raise FileNotFoundError("it is a file, not a folder")
    elif not _HUB_NAME.fullmatch(name) or ".." in name or len(name) > _MAX_HUB_NAME:
        raise FileNotFoundError(
            f"it is not a folder{_hint(name)}, and not a name on the Hub, which has the form "
            "'name' or 'owner/name' and consists of letters, digits, '-', '_' and '.'"
        )


def _hint(name: str) -> str:
    if name.startswith("~"):
        return " ('~' is not expanded: use os.path.expanduser)"
    if "://" in name:
        return " (pass only the part of the address after huggingface.co/)"
    return ""


def check_folder(folder: Path) -> None:
    """Refuse a checkpoint with a file that links or refers to files outside its folder.

    Raises
    ------
    ValueError
        If there is such a file. The message names it.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix in CONTENT_SUFFIXES and not path.is_dir():
            _check_file(path, folder)
        if path.name in _NAMES_FILES or path.name.endswith(_INDEX_SUFFIX):
            _check_references(path, folder)


def _check_file(path: Path, folder: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise ValueError(f"its file {path.name!r} is a broken link") from None
    if not any(target.is_relative_to(root) for root in _allowed_roots(folder)):
        raise ValueError(
            f"its file {path.name!r} is a link to a file outside the folder; replace the link with "
            "a copy of that file"
        )
    if not target.is_file():
        raise ValueError(f"its {path.name!r} is not a regular file")


def _allowed_roots(folder: Path) -> list[Path]:
    """Return the folders that files may be in.

    In the Hub's cache, the files in ``models--owner--name/snapshots/COMMIT`` are links into
    ``models--owner--name/blobs``.
    """
    folder = folder.resolve()
    roots = [folder, Path(hub_constants.HF_HUB_CACHE).resolve()]
    if folder.parent.name == "snapshots":
        roots.append(folder.parent.parent / "blobs")
    return roots


def _check_references(path: Path, folder: Path) -> None:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return  # loading the file will report the error
    if not isinstance(content, dict):
        return
    if path.name == "adapter_config.json" and content.get("base_model_name_or_path"):
        raise ValueError(
            "its 'adapter_config.json' makes it an adapter of another checkpoint; merge the two "
            "and save the result"
        )
    for key, named in _named_files(path, content):
        target = folder / str(named)
        leaves = not target.resolve().is_relative_to(folder.resolve())
        # Tokenizer files often contain paths from the machine that wrote them; these are harmless
        # because they do not exist here.
        if leaves and (key == "weight_map" or target.exists()):
            raise ValueError(
                f"its {path.name!r} refers to a file outside the folder under {key!r}: "
                f"{named!r:.100}"
            )


def _named_files(path: Path, content: dict[str, Any]) -> list[tuple[str, Any]]:
    shards = content.get("weight_map") if path.name.endswith(_INDEX_SUFFIX) else None
    named = [("weight_map", name) for name in shards.values()] if isinstance(shards, dict) else []
    named += [
        (key, value)
        for key, value in content.items()
        if isinstance(value, str) and (key.endswith("_file") or key == "transformers_weights")
    ]
    return named
