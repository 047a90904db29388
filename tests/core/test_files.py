"""Files that are whole or not there: byte by byte in tests/test_faults.py."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from skdistill._core import files as _files
from skdistill._core.files import explaining_writes, filling, replacing
from skdistill.runtime._tensor_file import write_tensors

posix = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no flock and other permissions"
)


def test_a_file_is_replaced_when_complete(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_replaced_file_can_be_read_by_others(tmp_path):
    path, plain = tmp_path / "a.bin", tmp_path / "plain"
    plain.touch()
    with replacing(path) as file:
        file.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_file_survives_a_failure_to_replace_it(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail_half_way():
        with replacing(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_an_abandoned_draft_is_removed_and_a_live_one_is_not(tmp_path):
    (tmp_path / ".a.bin.0123.skdistill-draft").write_bytes(b"half")
    (tmp_path / "b.partial").write_bytes(b"somebody else's")
    with replacing(tmp_path / "a.bin") as first:
        first.write(b"first")
        with replacing(tmp_path / "b.bin") as second:
            second.write(b"second")
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {"a.bin": b"first", "b.bin": b"second", "b.partial": b"somebody else's"}


@posix
def test_a_complete_draft_is_not_taken_for_abandoned(tmp_path, monkeypatch):
    rename, names = os.replace, []

    def rename_after_another_write(draft, path):
        names.append(path.name)
        if path.name == "a.bin":
            with replacing(tmp_path / "b.bin") as file:
                file.write(b"second")
        rename(draft, path)

    monkeypatch.setattr(os, "replace", rename_after_another_write)
    with replacing(tmp_path / "a.bin") as file:
        file.write(b"first")
    assert names == ["a.bin", "b.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"first"


@posix
def test_a_draft_that_was_taken_for_abandoned_is_opened_anew(tmp_path, monkeypatch):
    lock, n_locks = _files._lock, 0

    def lock_too_late(file, operation):
        nonlocal n_locks
        n_locks += 1
        if n_locks == 1:
            next(tmp_path.iterdir()).unlink()
        return lock(file, operation)

    monkeypatch.setattr(_files, "_lock", lock_too_late)
    with replacing(tmp_path / "a.bin") as file:
        file.write(b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert n_locks == 2


@posix
def test_a_disk_without_locks_is_written_to_all_the_same(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(_files.fcntl, "flock", refuse)
    draft = tmp_path / ".a.bin.0123.skdistill-draft"
    draft.touch()  # perhaps alive: nobody can tell
    with replacing(tmp_path / "a.bin") as file:
        file.write(b"new")
    assert sorted(tmp_path.iterdir()) == [draft, tmp_path / "a.bin"]


@pytest.mark.parametrize("parent", ["missing", "a file"])
def test_a_folder_that_is_none_is_named(tmp_path, parent):
    (tmp_path / "a file").touch()
    path = tmp_path / parent / "model.skd"
    with pytest.raises(
        OSError,
        match=r"model\.skd' could not be written: No.*\. Create the folder or choose another",
    ) as e:
        write_tensors(path, {}, {})
    assert e.value.errno in (errno.ENOENT, errno.ENOTDIR)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free some space or choose another folder"),
        (errno.EFBIG, "Free some space or choose another folder"),
        (None, "Free some space or choose another folder"),
        (errno.EACCES, "Choose a folder that you can write to"),
        (errno.EROFS, "Choose a folder that you can write to"),
        (errno.EISDIR, "Choose a name that is not a folder's"),
    ],
)
def test_the_advice_is_about_what_went_wrong(tmp_path, number, advice):
    error = OSError("broken") if number is None else OSError(number, os.strerror(number))
    with (
        pytest.raises(OSError, match=f"{advice}, and try again; existing files are unch") as caught,
        explaining_writes(tmp_path / "a"),
    ):
        raise error
    assert caught.value.errno == number


@pytest.mark.parametrize("name", ["", ".", "..", "a folder"])
def test_a_folder_is_no_name_for_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("a folder").mkdir()
    message = f"'{name or '.'}' could not be written: .*. Choose a name that is not a folder's"
    with pytest.raises(IsADirectoryError, match=message), replacing(name):
        pytest.fail("the file was opened")
    assert [*tmp_path.rglob("*")] == [tmp_path / "a folder"]


def test_a_file_is_no_name_for_a_folder(tmp_path):
    path = tmp_path / "a file"
    path.write_bytes(b"kept")
    message = "a file' could not be written: .* Choose a folder, or a name that is not a file's"
    with pytest.raises(FileExistsError, match=message), filling(path):
        pytest.fail("the folder was made")
    assert path.read_bytes() == b"kept"


@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_is_filled_when_all_files_are_complete(tmp_path, existing):
    folder = tmp_path / "new" / "checkpoint"
    if existing:
        folder.mkdir(parents=True)
        (folder / "a").write_bytes(b"old")
        (folder / "other").write_bytes(b"somebody else's")
    with filling(folder) as draft:
        (draft / "a").write_bytes(b"new")
        (draft / "below").mkdir()
        (draft / "below" / "b").write_bytes(b"new")
        assert not existing or (folder / "a").read_bytes() == b"old"
    expected = {"a": b"new", "below/b": b"new"} | (
        {"other": b"somebody else's"} if existing else {}
    )
    assert contents(tmp_path / "new" / "checkpoint") == expected
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_survives_a_failure_to_fill_it(tmp_path, existing):
    folder = tmp_path / "checkpoint"
    if existing:
        folder.mkdir()
        (folder / "a").write_bytes(b"old")
    before = contents(tmp_path)

    def fail_half_way():
        with filling(folder) as draft:
            (draft / "a").write_bytes(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert contents(tmp_path) == before
    assert folder.exists() == existing


@posix
def test_a_filled_folder_can_be_read_by_others(tmp_path):
    (tmp_path / "plain").mkdir()
    with filling(tmp_path / "checkpoint"):
        pass
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
