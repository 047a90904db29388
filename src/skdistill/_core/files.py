"""Files that are whole or not there, whatever stops the process that writes them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from uuid import uuid4

if sys.platform != "win32":
    import fcntl

# What a file is called until it is complete.
_DRAFT = ".{name}.{key}.skdistill-draft"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when it is complete and on the disk.

    Until then it lies beside, under another name. What a process that was killed has left there
    is removed by the next one that writes into the same folder, but not on Windows.

    Parameters
    ----------
    path : str or path-like
        The final name; a file of that name stays as it is if writing fails.

    Yields
    ------
    file
        Open for writing bytes.

    Raises
    ------
    OSError
        If the folder is missing, the disk is full, or writing is not allowed; the message names
        the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skdistill._core.files import replacing
    >>> with TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "greeting")) as file:
    ...         _ = file.write(b"hello")
    ...     Path(folder, "greeting").read_bytes()
    b'hello'
    """
    path = Path(path)
    with explaining_writes(path):
        _remove_abandoned_drafts(path.parent)
        draft, file = _open_draft(path)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if sys.platform != "win32":
                    os.replace(draft, path)  # as long as the lock says that it is not abandoned
            if sys.platform == "win32":  # where no open file can be renamed
                os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def filling(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a folder whose files become those of another one when all of them are complete.

    Parameters
    ----------
    folder : str or path-like
        Made if need be. Files of other names stay in it, and if writing fails all of them do.

    Yields
    ------
    Path
        The folder to write into.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skdistill._core.files import filling
    >>> with TemporaryDirectory() as home:
    ...     with filling(Path(home, "greetings")) as draft:
    ...         _ = Path(draft, "first").write_bytes(b"hello")
    ...     Path(home, "greetings", "first").read_bytes()
    b'hello'
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the same disk, which that of the parent need not be.
    home = folder if folder.is_dir() else folder.parent
    with TemporaryDirectory(prefix=".skdistill-draft-", dir=home) as private:
        # Unlike the private one, this has the permissions that new folders have.
        draft = Path(private, "draft")
        draft.mkdir()
        yield draft
        if home != folder:
            os.replace(draft, folder)
            return
        for path in sorted(draft.rglob("*")):
            if path.is_file():
                final = folder / path.relative_to(draft)
                final.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, final)


@contextmanager
def explaining_writes(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make an `OSError` inside the block name the file or folder, and say what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        message = (
            f"{os.fspath(path)!r} could not be written: {reason}. Free some space or choose "
            "another folder, and call again; what was there before is unchanged."
        )
        arguments = (message,) if error.errno is None else (error.errno, message)
        raise OSError(*arguments) from error


def _open_draft(path: Path) -> tuple[Path, BinaryIO]:
    """Open a new file that other processes can tell from an abandoned one by its lock."""
    while True:
        draft = path.with_name(_DRAFT.format(name=path.name, key=uuid4().hex))
        file = draft.open("xb")
        if sys.platform == "win32":  # where drafts are not removed
            return draft, file
        _lock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return draft, file
        file.close()  # taken for abandoned before it was locked


def _remove_abandoned_drafts(folder: Path) -> None:
    if sys.platform == "win32":
        return
    for draft in folder.glob(_DRAFT.format(name="*", key="*")):
        # Another process was faster, or is writing it.
        with suppress(FileNotFoundError, PermissionError), draft.open("rb") as file:
            if _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                draft.unlink()


def _lock(file: BinaryIO, operation: int) -> bool:
    """Lock a file until it is closed; return False where another process, or the disk, refuses."""
    try:
        fcntl.flock(file, operation)
    except OSError:
        return False
    return True
