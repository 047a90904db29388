"""The command ``skdistill cache``: what a folder of soft labels holds."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from skdistill._core.format import align
from skdistill.cli import _options

if TYPE_CHECKING:
    from skdistill.labelling._store import SoftLabelStore, StoredTeacher


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its actions to the parsers of all commands."""
    cache = _options.add_command(
        commands,
        "cache",
        summary="show or clear the probabilities that teachers have left in a folder",
        description="Show or clear the probabilities that teachers have left in the folder that "
        "`fit --cache` or a student's parameter `memory` names.",
        examples="""
            skdistill cache info folder
            skdistill cache clear folder --teacher KEY
            """,
    )
    actions = cache.add_subparsers(dest="action", required=True, metavar="ACTION")
    info = actions.add_parser("info", help="list teachers, texts and bytes")
    info.set_defaults(run=_print_info)
    clear = actions.add_parser("clear", help="remove probabilities, which must be made again then")
    clear.add_argument(
        "--teacher", metavar="KEY", help="those of this teacher alone, as `cache info` lists it"
    )
    clear.add_argument("--yes", action="store_true", help="do not ask")
    clear.set_defaults(run=_clear)
    for action in (info, clear):
        action.add_argument("folder", metavar="FOLDER", type=Path)


def _open(folder: Path) -> tuple["SoftLabelStore", list["StoredTeacher"]]:
    from skdistill.labelling._store import SoftLabelStore

    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; name the one given as `memory`.")
    store = SoftLabelStore(folder)
    return store, store.teachers()


def _print_info(arguments: argparse.Namespace) -> None:
    _, teachers = _open(arguments.folder)
    _print_table(teachers)


def _print_table(teachers: list["StoredTeacher"]) -> None:
    from datetime import datetime

    rows: list[tuple[str, ...]] = [("teacher", "texts", "classes", "bytes", "last written")]
    for teacher in teachers:
        written = datetime.fromtimestamp(teacher.last_written).isoformat(" ", "seconds")
        numbers = (f"{n:,}" for n in (teacher.n_texts, teacher.n_classes, teacher.n_bytes))
        rows.append((teacher.key, *numbers, written))
    n_texts, n_bytes = (sum(getattr(t, name) for t in teachers) for name in ("n_texts", "n_bytes"))
    rows.append(("total", f"{n_texts:,}", "", f"{n_bytes:,}", ""))
    print(align(rows))


def _clear(arguments: argparse.Namespace) -> None:
    store, teachers = _open(arguments.folder)
    if arguments.teacher is not None:
        teachers = [teacher for teacher in teachers if teacher.key == arguments.teacher]
        if not teachers:
            raise ValueError(
                f"{arguments.folder} holds no teacher {arguments.teacher}; `skdistill cache info "
                f"{arguments.folder}` lists what it holds."
            )
    _print_table(teachers)
    if teachers and not (arguments.yes or _agreed()):
        print("nothing was removed")
        return
    for teacher in teachers:
        store.clear(teacher.key)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ValueError("nobody can be asked, as this is no terminal; pass --yes to remove them.")
    print("Remove these? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
