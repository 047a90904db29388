"""Write files so that they are complete or absent, even if the process is stopped."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from uuid import uuid4

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# The name of a file until it is complete.
_DRAFT = ".{name}.{key}.skdistill-draft"
_FORBIDDEN = "Choose a folder that you can write to"
_NOWHERE = "Create the folder or choose another one"
# What to do about an error, by its number. Most others mean that the disk is full.
_ADVICE = {
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _FORBIDDEN,
    errno.ENOENT: _NOWHERE,
    errno.ENOTDIR: _NOWHERE,
    errno.EISDIR: "Choose a name that is not a folder's",
    errno.EEXIST: "Choose a folder, or a name that is not a file's",
}


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its final name only when it is complete and on disk.

    Until then, it has another name in the same folder. If a process is killed, the next one that
    writes into the folder removes the incomplete file, except on Windows.

    Parameters
    ----------
    path : str or path-like
        The final name. An existing file of that name is left unchanged if writing fails.

    Yields
    ------
    file
        A file open for writing bytes.

    Raises
    ------
    OSError
        If the folder is missing, the disk is full, or the folder is not writable. The message
        names the file.

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
        if path.is_dir():
            raise _error(errno.EISDIR)
        _remove_abandoned_drafts(path.parent)
        draft, file = _open_draft(path)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if sys.platform != "win32":
                    os.replace(draft, path)  # while the lock protects it from removal
            if sys.platform == "win32":  # Windows cannot rename an open file
                os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def filling(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Create a temporary folder and move its files to another folder when all are complete.

    Parameters
    ----------
    folder : str or path-like
        The final folder, which is created if it does not exist. Files of other names are kept. If
        writing fails, the folder is left unchanged.

    Yields
    ------
    Path
        The temporary folder to write into.

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
    with explaining_writes(folder):
        if folder.exists() and not folder.is_dir():
            raise _error(errno.EEXIST)
        folder.parent.mkdir(parents=True, exist_ok=True)
    # The draft must be on the same disk; an existing folder may be on another one than its parent.
    home = folder if folder.is_dir() else folder.parent
    with TemporaryDirectory(prefix=".skdistill-draft-", dir=home) as private:
        # Unlike the private folder, this one has the permissions of a new folder.
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


def _error(number: int) -> OSError:
    """Return the error that the operating system raises with this number."""
    return OSError(number, os.strerror(number))


@contextmanager
def explaining_writes(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make an `OSError` inside the block name the file or folder and say how to fix it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0, "Free some space or choose another folder")
        message = (
            f"{os.fspath(path)!r} could not be written: {reason}. {advice}, and try again; "
            "existing files are unchanged."
        )
        arguments = (message,) if error.errno is None else (error.errno, message)
        raise OSError(*arguments) from error


@contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[bool]:
    """Lock a file inside the block, without waiting; the end of the process frees it, too.

    Parameters
    ----------
    path : str or path-like
        The file, which is created if it does not exist.

    Yields
    ------
    bool
        Whether this process got the lock.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from skdistill._core.files import locked
    >>> with TemporaryDirectory() as folder, locked(f"{folder}/lock") as is_mine:
    ...     with locked(f"{folder}/lock") as is_another:
    ...         is_mine, is_another
    (True, False)
    """
    with open(path, "ab") as file:
        if sys.platform == "win32":
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError:
                yield False
                return
            yield True
        else:
            yield _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _open_draft(path: Path) -> tuple[Path, BinaryIO]:
    """Open and lock a new file; the lock tells other processes that it is not abandoned."""
    while True:
        draft = path.with_name(_DRAFT.format(name=path.name, key=uuid4().hex))
        file = draft.open("xb")
        if sys.platform == "win32":  # drafts are never removed there
            return draft, file
        _lock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return draft, file
        file.close()  # another process removed it before it was locked


def _remove_abandoned_drafts(folder: Path) -> None:
    if sys.platform == "win32":
        return
    for draft in folder.glob(_DRAFT.format(name="*", key="*")):
        # Ignore a draft that another process has removed or is writing.
        with suppress(FileNotFoundError, PermissionError), draft.open("rb") as file:
            if _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                draft.unlink()


def _lock(file: BinaryIO, operation: int) -> bool:
    """Lock a file until it is closed, and return whether that succeeded."""
    try:
        fcntl.flock(file, operation)
    except OSError:
        return False
    return True
