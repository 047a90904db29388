"""Faults to inject: signals at exact points, disks that are full, and processes to strike.

Processes are forked from a server that has loaded the package once and never ran a thread.
"""

import ctypes
import errno
import gc
import io
import os
import signal
import sys
import zlib
from contextlib import contextmanager
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")

_TIMEOUT = 120
_LOADED_ONCE = [
    "pytest",
    "skdistill.teachers.huggingface._finetune",
    "skdistill.augment._augmenter",
    "skdistill.evaluation._model_table",
    "skdistill.students._mlp",
    "skdistill.students.training._loop",
]
_CLONE_NEWNS, _CLONE_NEWUSER, _MS_REMOUNT = 0x00020000, 0x10000000, 32
_LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


def _server():
    context = get_context("forkserver")
    context.set_forkserver_preload(
        [
            "skdistill.teachers.huggingface._finetune",
            "skdistill.students._mlp",
            "skdistill.augment._augmenter",
        ]
    )
    return context


def _report(connection, target, args):
    import torch

    torch.set_num_threads(1)
    gc.freeze()
    connection.send(target(*args))


def start(target, *args):
    """Call a function in a new process; return it and the end of a pipe for what it returns."""
    context = _server()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, target, args))
    process.start()
    sender.close()
    return process, receiver


def finish(process, receiver):
    """Return what a process gives, or the number of the signal that ended it."""
    try:
        result = receiver.recv() if receiver.poll(_TIMEOUT) else None
    except EOFError:
        result = None
    process.join(_TIMEOUT)
    if process.exitcode is None:
        process.kill()
        pytest.fail("a process hangs")
    return result if process.exitcode == 0 else -process.exitcode


def call_in_process(target, *args):
    """Call a function in a process of its own, to its end or to a signal."""
    return finish(*start(target, *args))


def strike(owner, name, *, call=1, signum=signal.SIGKILL):
    """Send this process a signal when a function is called for the n-th time."""
    original, calls = getattr(owner, name), count(1)

    def struck(*args, **kwargs):
        if next(calls) == call:
            os.kill(os.getpid(), signum)
        return original(*args, **kwargs)

    setattr(owner, name, struck)


class FullDisk(io.FileIO):
    """A new file on a disk that has room for so many bytes, and then fails or kills."""

    def __init__(self, path, room, kill=False):
        super().__init__(path, "x")
        self.room = room
        self.kill = kill

    def write(self, data):
        """Write what there is room for."""
        data = bytes(data)
        n_written = super().write(data[: self.room - self.tell()])
        if n_written == 0 < len(data):
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return n_written


@contextmanager
def room_for(n_bytes, *, kill=False):
    """Let every new file have so many bytes."""
    open_path = Path.open

    def open_on_full_disk(path, mode="r", *args, **kwargs):
        if mode == "xb":
            return io.BufferedWriter(FullDisk(path, n_bytes, kill))
        return open_path(path, mode, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", open_on_full_disk)
        yield


def limit_file_size(n_bytes):
    """Have the kernel refuse longer files in this process; None lifts the limit."""
    import resource

    soft, hard = n_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if soft is None else soft, hard))


def mount_small_disk(folder, n_bytes):
    """Mount a real disk that holds so many bytes, seen by this process alone; tell if it may."""
    if not sys.platform.startswith("linux"):
        return False
    ids = {"uid": os.getuid(), "gid": os.getgid()}
    if _LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNS):
        return False
    Path("/proc/self/setgroups").write_text("deny")
    for kind, number in ids.items():
        Path(f"/proc/self/{kind}_map").write_text(f"{number} {number} 1")
    return not _mount(folder, n_bytes, 0)


def enlarge_small_disk(folder, n_bytes):
    """Give the disk more room."""
    _mount(folder, n_bytes, _MS_REMOUNT)


def _mount(folder, n_bytes, flags):
    options = f"size={n_bytes}".encode()
    return _LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options)


class HashTeacher(ClassifierMixin, BaseEstimator):
    """A teacher whose probabilities follow from each text alone, and that notes each call."""

    def __init__(self, log):
        self.log = log

    def _note(self, *lines):
        with open(self.log, "a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def fit(self, X, y):
        """Note it."""
        self._note("fit")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        """Note the texts."""
        self._note(*X)
        return hashed_proba(X)


def hashed_proba(texts):
    """Compute what `HashTeacher` answers."""
    shares = np.array([zlib.crc32(text.encode()) / 2**32 for text in texts])
    return np.column_stack([shares, 1 - shares])


def notes(log):
    """Read what a `HashTeacher` was asked: how often it was fitted, and the texts in order."""
    lines = Path(log).read_text().splitlines()
    return lines.count("fit"), [line for line in lines if line != "fit"]
