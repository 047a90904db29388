"""The command ``skdistill cache``: show or clear cached soft labels."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from skdistill._core.format import align
from skdistill.cli import _options

if TYPE_CHECKING:
    from skdistill.storage._store import SoftLabelStore, StoredTeacher


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``cache`` and its actions."""
    cache = _options.add_command(
        commands,
        "cache",
        usage="info FOLDER | clear FOLDER [--teacher KEY] [--yes]",
        summary="show or clear a folder of cached teacher probabilities",
        description="Show or clear the teacher probabilities in a folder that you passed as "
        "`fit --cache` or as a student's parameter `memory`.",
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
        help="list the teachers, with their numbers of texts and bytes",
    )
    info.set_defaults(run=_print_info)
    clear = actions.add_parser(
        "clear",
        usage="skdistill cache clear FOLDER [--teacher KEY] [--yes]",
        help="delete probabilities; the teacher must then label the texts again",
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


def _open(folder: Path) -> tuple["SoftLabelStore", list["StoredTeacher"]]:
    from skdistill.storage._store import SoftLabelStore

    _options.check_folder(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"the folder {folder} does not exist; pass the folder that you used as `fit --cache` "
            "or `memory`."
        )
    store = SoftLabelStore(folder)
    return store, store.teachers()


def _print_info(arguments: argparse.Namespace) -> None:
    _, teachers = _open(arguments.folder)
    if not teachers:
        print(f"{arguments.folder} contains no cached probabilities")
        return
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
                f"{arguments.folder} has no teacher {arguments.teacher}; `skdistill cache info "
                f"{arguments.folder}` lists its teachers."
            )
    _print_table(teachers)
    if teachers and not (arguments.yes or _agreed()):
        print("nothing was deleted")
        return
    for teacher in teachers:
        store.clear(teacher.key)
    print("deleted" if teachers else "nothing was deleted")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ValueError(
            "cannot ask for confirmation, because standard input is not a terminal; pass --yes to "
            "delete without asking."
        )
    print("Delete these? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
