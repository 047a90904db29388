"""The command ``skdistill cache``: show or clear teachers' answers."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skdistill._core.format import align
from skdistill.cli import _options

if TYPE_CHECKING:
    from skdistill.storage._store import SoftLabelStore, StoredTeacher


@dataclass(frozen=True)
class Cached:
    """The answers of one teacher, or of one language model to one prompt."""

    store: "SoftLabelStore"
    teacher: "StoredTeacher"
    kind: str
    n_classes: int


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``cache`` and its actions."""
    cache = _options.add_command(
        commands,
        "cache",
        usage="info FOLDER | clear FOLDER [--teacher KEY] [--yes]",
        summary="show or clear a folder of teachers' answers",
        description="Show or clear the teachers' answers in a folder that you passed as `fit "
        "--cache`, or as the parameter `memory` of a student or a teacher.",
        examples="""
            skdistill cache info folder
            skdistill cache clear folder --teacher KEY
            """,
    )
    actions = cache.add_subparsers(
        prog="skdistill cache", dest="action", required=True, metavar="ACTION"
    )
    info = actions.add_parser(
        "info",
        usage="skdistill cache info FOLDER",
        help="list the teachers, with their numbers of answers and bytes",
    )
    info.set_defaults(run=_print_info)
    clear = actions.add_parser(
        "clear",
        usage="skdistill cache clear FOLDER [--teacher KEY] [--yes]",
        help="delete answers; the teacher must then be asked again, language models at their price",
    )
    clear.add_argument(
        "--teacher",
        metavar="KEY",
        help="delete only those of this teacher; `cache info` lists the keys",
    )
    clear.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    clear.set_defaults(run=_clear)
    for action in (info, clear):
        action.add_argument(
            "folder", metavar="FOLDER", type=_options.file_path, help="the folder of the cache"
        )
        action.set_defaults(usage_error=action.error, parser=action)


def _open(folder: Path) -> list["Cached"]:
    """List what is in a folder, most recently written first."""
    from skdistill.storage._store import SoftLabelStore
    from skdistill.teachers.llm._memory import FOLDER, N_TOKEN_COLUMNS

    _options.check_folder(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"the folder {folder} does not exist; pass the folder that you used as `fit --cache` "
            "or `memory`."
        )
    own, paid = SoftLabelStore(folder), SoftLabelStore(folder / FOLDER)
    cached = [Cached(own, teacher, "", teacher.n_classes) for teacher in own.teachers()]
    cached += [
        Cached(paid, teacher, "language model", teacher.n_classes - N_TOKEN_COLUMNS)
        for teacher in paid.teachers()
    ]
    return sorted(cached, key=lambda entry: -entry.teacher.last_written)


def _print_info(arguments: argparse.Namespace) -> None:
    cached = _open(arguments.folder)
    if not cached:
        print(f"{arguments.folder} contains no cached answers")
        return
    _print_table(cached)


def _print_table(cached: list[Cached]) -> None:
    from datetime import datetime

    rows: list[tuple[str, ...]] = [("teacher", "answers", "classes", "bytes", "last written", "")]
    for entry in cached:
        teacher = entry.teacher
        written = datetime.fromtimestamp(teacher.last_written).isoformat(" ", "seconds")
        numbers = (f"{n:,}" for n in (teacher.n_texts, entry.n_classes, teacher.n_bytes))
        rows.append((teacher.key, *numbers, written, entry.kind))
    n_texts = sum(entry.teacher.n_texts for entry in cached)
    n_bytes = sum(entry.teacher.n_bytes for entry in cached)
    rows.append(("total", f"{n_texts:,}", "", f"{n_bytes:,}", "", ""))
    print(align(rows))


def _clear(arguments: argparse.Namespace) -> None:
    cached = _open(arguments.folder)
    if arguments.teacher is not None:
        cached = [entry for entry in cached if entry.teacher.key == arguments.teacher]
        if not cached:
            raise ValueError(
                f"{arguments.folder} has no teacher {arguments.teacher}; `skdistill cache info "
                f"{arguments.folder}` lists its teachers."
            )
    _print_table(cached)
    if cached and not (arguments.yes or _agreed()):
        print("nothing was deleted")
        return
    for entry in cached:
        entry.store.clear(entry.teacher.key)
    print("deleted" if cached else "nothing was deleted")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ValueError(
            "cannot ask for confirmation, because standard input is not a terminal; pass --yes to "
            "delete without asking."
        )
    print("Delete these? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
