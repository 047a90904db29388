"""The folder of the demo's results, which replaces only files that an earlier demo wrote."""

import hashlib
import json
from pathlib import Path

from skdistill.cli import _options

STUDENT, TABLE, FIGURE = "student.skd", "table.json", "accuracy-against-size.png"
_RESULTS = (STUDENT, FIGURE, TABLE)
# What a demo needs to resume, until it is finished.
_UNFINISHED = "unfinished"


def checkpoints(folder: Path) -> Path:
    """Return the folder of the teacher's checkpoints."""
    return folder / _UNFINISHED / "teacher"


def answers(folder: Path) -> Path:
    """Return the folder of the teacher's probabilities."""
    return folder / _UNFINISHED / "probabilities"


def unfinished(folder: Path) -> Path:
    """Return the folder that only an unfinished demo needs."""
    return folder / _UNFINISHED


def check_demo_folder(folder: Path, force: bool) -> None:
    """Refuse a folder whose files are not those of an earlier demo, unless `force`."""
    _options.check_folder(folder)
    known = _recorded(folder)
    for name in _RESULTS:
        path = folder / name
        if path.exists() and not force and known.get(name) != _digest(path, name):
            raise FileExistsError(
                f"{path} already exists, and no demo wrote it in its present form; choose another "
                "folder with --output or pass --force."
            )


def record(folder: Path, name: str) -> str:
    """Return what identifies a file that was written, for the key ``files`` of the table."""
    return _digest(folder / name, name)


def _recorded(folder: Path) -> dict[str, str]:
    """Return what identifies the files that an earlier demo wrote."""
    try:
        table = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        return {**table["files"], TABLE: TABLE}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _digest(path: Path, name: str) -> str:
    """Return a hash of a file; the table, which has the others, is known by its name."""
    return TABLE if name == TABLE else hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
