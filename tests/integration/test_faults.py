"""Real faults: processes killed at exact points, full disks, Ctrl-C, many writers at once."""

import errno
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from _faults import (
    HashTeacher,
    call_in_process,
    enlarge_small_disk,
    finish,
    hashed_proba,
    limit_file_size,
    mount_small_disk,
    needs_posix,
    notes,
    room_for,
    start,
    strike,
)
from skdistill import (
    CompiledClassifier,
    DistilledMLPClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
)
from skdistill._core.exceptions import ModelFileError
from skdistill.evaluation._model_table import write_json
from skdistill.labelling._labeler import SoftLabeler, SoftLabelStore
from skdistill.teachers.huggingface._checkpoints import Checkpoints

pytestmark = needs_posix

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])


@pytest.fixture(scope="module")
def rows(topics):
    texts, labels = topics
    return texts[:48], labels[:48]


def make_teacher(checkpoint, **params):
    settings = {"lr": 0.01, "max_epochs": 3, "batch_size": 16, "random_state": 0}
    settings |= {"device": "cpu", "precision": "fp32"}
    return TransformerTeacherClassifier(checkpoint, **settings | params)


def make_student(teacher=None, **params):
    settings = {"vocabulary_size": 5, "embedding_dim": 2, "context_window": 3, "max_epochs": 2}
    return DistilledMLPClassifier(teacher, **settings | {"random_state": 0} | params)


def files(folder):
    """Return the content of all files in a folder and its sub-folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def weights(teacher):
    return {name: value.numpy().copy() for name, value in teacher.model_.state_dict().items()}


# ---- a teacher's training, killed


def _tear_weights(*, call):
    """Die when half of a checkpoint's weights are written."""
    from skdistill.teachers.huggingface import _trainer

    save_model, calls = _trainer.WeightedTrainer.save_model, iter(range(1, 100))

    def save_half(self, output_dir, **kwargs):
        save_model(self, output_dir, **kwargs)
        if next(calls) == call:
            path = Path(output_dir, "model.safetensors")
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    _trainer.WeightedTrainer.save_model = save_half


def _strike_training(point, call):
    """Arrange for this process's end, at a point of the training by name."""
    from skdistill.teachers import _transformer
    from skdistill.teachers.huggingface import _checkpoints, _finetune, _trainer

    _transformer._MIN_STEPS = 0  # so that the first epochs may be the best ones
    _checkpoints.SAVING_SHARE = 1  # save every epoch, however short it is
    if point == "weights half written":
        _tear_weights(call=call)
        return
    owner, name = {
        "step": (_trainer.WeightedTrainer, "training_step"),
        "weights written": (_trainer.WeightedTrainer, "_save_optimizer_and_scheduler"),
        "optimizer written": (_trainer.WeightedTrainer, "_save_rng_state"),
        "undeclared": (_finetune.Checkpoints, "complete"),
        "best weights": (_checkpoints, "explaining_saves"),
        "declaration written, not renamed": (os, "replace"),
        "older checkpoint to be removed": (_checkpoints.shutil, "rmtree"),
        "trained": (_finetune, "undo_mixed_precision"),
    }[point]
    strike(owner, name, call=call)


def train_until_killed(teacher, X, y, point, call):
    _strike_training(point, call)
    teacher.fit(X, y)


# Three steps make an epoch, three epochs the training. Last: the epochs that are kept.
TRAINING_KILLS = [
    ("step", 1, 0),
    ("step", 3, 0),
    ("weights half written", 1, 0),
    ("declaration written, not renamed", 2, 0),  # the first is training.json
    ("step", 5, 1),
    ("weights half written", 2, 1),
    ("weights written", 2, 1),
    ("optimizer written", 2, 1),
    ("undeclared", 2, 1),
    ("declaration written, not renamed", 3, 1),
    ("step", 9, 2),
    ("older checkpoint to be removed", 1, 2),
    ("undeclared", 3, 2),
    ("trained", 1, 3),
]
QUICK_KILLS = {0, 5, 9, 11, 13}


def _slow_unless(cases, quick):
    return [
        pytest.param(*case, marks=[] if number in quick else [pytest.mark.slow])
        for number, case in enumerate(cases)
    ]


@pytest.fixture(scope="module")
def straight(tiny_checkpoint, rows):
    return make_teacher(tiny_checkpoint).fit(*rows)


@pytest.mark.parametrize(("point", "call", "n_epochs"), _slow_unless(TRAINING_KILLS, QUICK_KILLS))
def test_a_killed_training_ends_with_the_same_bits(
    tiny_checkpoint, rows, tmp_path, straight, monkeypatch, point, call, n_epochs
):
    teacher = make_teacher(tiny_checkpoint, checkpoint_dir=tmp_path)
    assert call_in_process(train_until_killed, teacher, *rows, point, call) == signal.SIGKILL
    (folder,) = tmp_path.glob("training-*")
    last = Checkpoints(tmp_path, json.loads((folder / "training.json").read_text())["fingerprint"])
    found = last.last()
    assert (0 if found is None else found[1].epoch) == n_epochs

    steps = count_steps(monkeypatch)
    teacher.fit(*rows)
    assert len(steps) == 9 - 3 * n_epochs
    assert teacher.history_ == straight.history_
    for name, value in weights(straight).items():
        np.testing.assert_array_equal(weights(teacher)[name], value)
    assert not [*tmp_path.rglob("*draft")]


def count_steps(monkeypatch):
    from skdistill.teachers.huggingface import _trainer

    steps, training_step = [], _trainer.WeightedTrainer.training_step

    def counted(*args, **kwargs):
        steps.append(1)
        return training_step(*args, **kwargs)

    monkeypatch.setattr(_trainer.WeightedTrainer, "training_step", counted)
    return steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "call"), [("step", 5), ("best weights", 1), ("best weights", 2), ("undeclared", 3)]
)
def test_a_killed_training_keeps_its_best_epoch(
    tiny_checkpoint, rows, tmp_path, monkeypatch, point, call
):
    monkeypatch.setattr("skdistill.teachers._transformer._MIN_STEPS", 0)
    params = {"early_stopping": True, "max_epochs": 5, "lr": 0.1}
    teacher = make_teacher(tiny_checkpoint, checkpoint_dir=tmp_path, **params)
    assert call_in_process(train_until_killed, teacher, *rows, point, call) == signal.SIGKILL
    expected = make_teacher(tiny_checkpoint, **params).fit(*rows)
    assert teacher.fit(*rows).history_ == expected.history_
    for name, value in weights(expected).items():
        np.testing.assert_array_equal(weights(teacher)[name], value)


# ---- labelling, killed

TEXTS = [f"text {i}" for i in range(11)]


def _tear_block(*, call):
    """Die when half of a block of answers is written."""
    from skdistill.storage import _journal

    write_all, calls = _journal._write_all, iter(range(1, 100))

    def write_half(number, content):
        if next(calls) == call:
            write_all(number, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        write_all(number, content)

    _journal._write_all = write_half


def ask_for_few(n_texts):
    """Ask teachers for so many texts at once in this process, and always keep the answers."""
    from skdistill.labelling import _pace

    _pace.FEW = _pace.MANY = n_texts


def label_until_killed(log, folder, point, call):
    from skdistill.labelling import _labeler as labeler

    ask_for_few(2)
    if point == "block half written":
        _tear_block(call=call)
    else:
        owner, name = {
            "teacher to be fitted": (labeler, "fit_teacher"),
            "teacher asked": (labeler, "check_probabilities"),
            "answers to be kept": (SoftLabelStore, "append"),
            "shard written, not renamed": (os, "replace"),
            "journal to be removed": (SoftLabelStore, "_remove"),
        }[point]
        strike(owner, name, call=call)
    SoftLabeler(HashTeacher(log), X, Y, memory=folder).label(TEXTS)


# Last: texts whose probabilities are kept, of eleven asked for two at a time.
LABELLING_KILLS = [
    ("teacher to be fitted", 1, 0),
    ("teacher asked", 1, 0),
    ("teacher asked", 3, 4),
    ("teacher asked", 6, 10),
    ("answers to be kept", 1, 0),
    ("answers to be kept", 4, 6),
    ("block half written", 1, 0),
    ("block half written", 3, 4),
    ("block half written", 6, 10),
    ("shard written, not renamed", 1, 11),
    ("journal to be removed", 1, 11),
]


@pytest.mark.parametrize(
    ("point", "call", "n_kept"), _slow_unless(LABELLING_KILLS, {0, 2, 5, 7, 9, 10})
)
def test_killed_labelling_asks_only_for_what_is_missing(tmp_path, point, call, n_kept):
    log, folder = tmp_path / "log", tmp_path / "memory"
    log.touch()
    assert call_in_process(label_until_killed, log, folder, point, call) == signal.SIGKILL
    log.write_text("")
    new = [*TEXTS, "one more"]
    proba = SoftLabeler(HashTeacher(log), X, Y, memory=folder).label(new)
    np.testing.assert_array_equal(proba, hashed_proba(new).astype(np.float32))
    assert notes(log) == (1, new[n_kept:])
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".npz", ""}


# ---- eight processes, one store

N_PROCESSES = 8


class PatientTeacher(HashTeacher):
    """A teacher whose training lasts until all other processes wait for it."""

    def fit(self, X, y):
        """Wait."""
        while len([*Path(self.log).parent.rglob("*.request")]) < N_PROCESSES - 1:
            time.sleep(0.01)
        return super().fit(X, y)


def label_overlapping(log, folder, number):
    ask_for_few(3)
    texts = [f"text {i}" for i in range(5 * number, 5 * number + 25)]
    return texts, SoftLabeler(PatientTeacher(log), X, Y, memory=folder).label(texts[::-1])


def test_eight_processes_share_a_store(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "memory"
    running = [start(label_overlapping, log, folder, number) for number in range(N_PROCESSES)]
    for texts, proba in [finish(*one) for one in running]:
        np.testing.assert_array_equal(proba[::-1], hashed_proba(texts).astype(np.float32))
    n_fits, asked = notes(log)
    everything = {f"text {i}" for i in range(60)}
    assert n_fits == 1
    assert Counter(asked) == Counter(everything)
    (key,) = os.listdir(folder / "soft_labels")
    assert {Path(name).suffix for name in os.listdir(folder / "soft_labels" / key)} == {".npz", ""}
    (fit,) = SoftLabelStore(folder).fits(key)
    stored = SoftLabelStore(folder).read(key, sorted(everything), fit)
    assert stored.keys() == everything
    for text, row in stored.items():
        np.testing.assert_array_equal(row, hashed_proba([text])[0].astype(np.float32))


def test_eight_processes_that_die_lose_no_label(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "memory"
    running = [
        start(label_until_killed, log, folder, "teacher asked", 1 + number)
        for number in range(N_PROCESSES)
    ]
    outcomes = [finish(*one) for one in running]
    assert set(outcomes) <= {signal.SIGKILL, None}
    log.write_text("")
    proba = SoftLabeler(HashTeacher(log), X, Y, memory=folder).label(TEXTS)
    np.testing.assert_array_equal(proba, hashed_proba(TEXTS).astype(np.float32))


# ---- files, at every byte


def write_student(folder, version):
    student = make_student(lr=0.1 * version).fit(X, Y)
    student.save(Path(folder, "model.skd"), precision="int8")


def write_shard(folder, version):
    SoftLabelStore(folder).write("teacher", {f"text {version}": np.float32([0.5, 0.5])})


def write_training(folder, version):
    Checkpoints(folder, "0" * 32).open(seed=version)


def write_report(folder, version):
    write_json(Path(folder, "table.json"), pd.DataFrame({"name": ["MLP"], "accuracy": [version]}))


WRITERS = [write_student, write_shard, write_training, write_report]


@pytest.fixture
def prepared(tmp_path, monkeypatch, request):
    """Write a first version; return what writes a second one, and how long that is."""
    write = request.param
    if write is write_student:
        students = [make_student(lr=0.1 * version).fit(X, Y) for version in (1, 2)]

        def write(folder, version):
            students[version - 1].save(Path(folder, "model.skd"), precision="int8")

    if write is not write_training:
        write(tmp_path, 1)
    n_bytes = n_bytes_of_new_file(write, tmp_path)
    return lambda: write(tmp_path, 2), n_bytes


def n_bytes_of_new_file(write, tmp_path):
    with tempfile.TemporaryDirectory() as folder:
        write(folder, 2)
        (content,) = files(folder).values()
        return len(content)


@pytest.mark.parametrize("prepared", WRITERS, indirect=True)
def test_a_disk_full_at_any_byte_leaves_what_was_there(tmp_path, prepared):
    write, n_bytes = prepared
    before = files(tmp_path)
    for room in range(n_bytes):
        with room_for(room), pytest.raises(OSError, match="No space left") as failure:
            write()
        assert failure.value.errno == errno.ENOSPC
        assert str(tmp_path) in str(failure.value)
        assert files(tmp_path) == before
    with room_for(n_bytes):
        write()
    assert files(tmp_path) != before


@pytest.mark.parametrize("prepared", WRITERS, indirect=True)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_that_is_not_flushed_or_renamed_leaves_what_was_there(
    tmp_path, prepared, step, monkeypatch
):
    write, _ = prepared
    before = files(tmp_path)

    def fail(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="could not be written: Input/output error"):
        write()
    assert files(tmp_path) == before


def write_until_killed(write, folder, room):
    if room is None:
        strike(os, "replace")
        write(folder, 2)
    with room_for(room, kill=True):
        write(folder, 2)


@pytest.mark.parametrize("room", [0, pytest.param(1, marks=pytest.mark.slow), 40, None])
@pytest.mark.parametrize("write", WRITERS)
def test_a_killed_writer_leaves_what_was_there(tmp_path, write, room):
    if write is not write_training:
        write(tmp_path, 1)
    before = files(tmp_path)
    assert call_in_process(write_until_killed, write, tmp_path, room) == signal.SIGKILL
    after = files(tmp_path)
    (draft,) = after.keys() - before.keys()
    assert draft.endswith(".skdistill-draft")
    assert before.items() <= after.items()
    if write is write_student:
        CompiledClassifier.load(tmp_path / "model.skd")
        if room is not None:
            with pytest.raises(ModelFileError):
                CompiledClassifier.load(tmp_path / draft)
    write(tmp_path, 2)
    assert not [name for name in files(tmp_path) if name.endswith("draft")]


# ---- full disks, real ones


def run_out_of_space(write, fill, free):
    """Try to write on a disk that fills up, then with room; return what was left by then."""
    fill()
    try:
        write()
    except OSError as error:
        message = error.errno, str(error)
    else:
        message = None
    free()
    return message, write()


def save_on_full_disk(folder, fill, free):
    path = Path(folder, "model.skd")
    make_student().fit(X, Y).save(path)
    before = path.read_bytes()
    n_words = 2000
    student = make_student(vocabulary_size=n_words).fit(
        [" ".join(f"w{i}" for i in range(start, n_words, 2)) for start in (0, 1)], [0, 1]
    )
    kept = []

    def write():
        kept.append(files(folder) == {"model.skd": before})
        student.save(path)
        return len(CompiledClassifier.load(path).classes_)

    return *run_out_of_space(write, fill, free), all(kept)


def label_on_full_disk(folder, fill, free):
    ask_for_few(500)
    texts = [f"text {i}" for i in range(10_000)]
    log = Path(tempfile.gettempdir(), f"log-{os.getpid()}")
    kept = []

    def write():
        proba = SoftLabeler(HashTeacher(log), X, Y, memory=folder).label(texts)
        return bool((proba == hashed_proba(texts).astype(np.float32)).all())

    def free_and_look():
        free()
        _, asked = notes(log)
        (key,) = os.listdir(Path(folder, "soft_labels"))
        (fit,) = SoftLabelStore(folder).fits(key)
        stored = SoftLabelStore(folder).read(key, texts, fit)
        # All that was asked is kept, but for the shard that met the end of the disk.
        kept.append(0 < len(stored) == len(asked) - 500)
        log.write_text("")
        kept.append(stored.keys() == {*texts[: len(stored)]})

    message, result = run_out_of_space(write, fill, free_and_look)
    _, asked = notes(log)
    log.unlink()
    return message, result, all(kept) and len(asked) < len(texts)


def train_on_full_disk(folder, fill, free, teacher, X, y):
    teacher.set_params(checkpoint_dir=folder)
    left = []

    def free_and_look():
        free()
        left.append({path.name for path in Path(folder).glob("*/checkpoint-*")})
        left.append({path.parent.name for path in Path(folder).rglob("epochs.json")})

    def write():
        return weights(teacher.fit(X, y))

    message, result = run_out_of_space(write, fill, free_and_look)
    return message, result, left[0] == left[1] and not [*Path(folder).rglob("*draft")]


def on_limited_files(run, folder, n_bytes, *args):
    return run(folder, lambda: limit_file_size(n_bytes), lambda: limit_file_size(None), *args)


def on_small_disk(run, folder, n_bytes, *args):
    if not mount_small_disk(folder, n_bytes):
        return "not allowed"
    return run(folder, lambda: None, lambda: enlarge_small_disk(folder, 100 * n_bytes), *args)


def full_disk(kind, *args):
    outcome = call_in_process(kind, *args)
    if outcome == "not allowed":
        pytest.skip("this system lets no user mount a disk")
    (number, message), result, kept = outcome
    assert number == (errno.ENOSPC if kind is on_small_disk else errno.EFBIG) or number is None
    assert "could not be written" in message
    assert "Free some space or choose another folder" in message
    assert kept
    return message, result


@pytest.mark.parametrize(("kind", "n_bytes"), [(on_limited_files, 4_000), (on_small_disk, 8_192)])
def test_a_student_on_a_full_disk(tmp_path, kind, n_bytes):
    message, n_classes = full_disk(kind, save_on_full_disk, tmp_path, n_bytes)
    assert str(tmp_path / "model.skd") in message
    assert n_classes == 2


@pytest.mark.parametrize("n_bytes", [65_536, 131_072])
def test_labels_on_a_full_disk(tmp_path, n_bytes):
    message, is_right = full_disk(on_small_disk, label_on_full_disk, tmp_path, n_bytes)
    assert str(tmp_path / "soft_labels") in message
    assert is_right


TRAINING_DISKS = [
    (on_limited_files, 100),  # training.json
    (on_limited_files, 20_000),  # the weights
    (on_limited_files, 150_000),  # the optimizer's state
    (on_small_disk, 65_536),  # the first checkpoint's weights
    (on_small_disk, 200_000),  # its optimizer's state
    (on_small_disk, 600_000),  # a later checkpoint
]


@pytest.mark.parametrize(("kind", "n_bytes"), _slow_unless(TRAINING_DISKS, {1, 2, 5}))
def test_a_training_on_a_full_disk(tiny_checkpoint, rows, tmp_path, straight, kind, n_bytes):
    teacher = make_teacher(tiny_checkpoint)
    message, resumed = full_disk(kind, train_on_full_disk, tmp_path, n_bytes, teacher, *rows)
    assert str(tmp_path) in message
    for name, value in weights(straight).items():
        np.testing.assert_array_equal(resumed[name], value)


# ---- Ctrl-C


def interrupt(make, fit, X, is_refit, press_ctrl_c):
    """Press Ctrl-C in a fit; return the note, and what has changed."""
    import random

    def state():
        learned = sorted(vars(estimator))
        answer = estimator.predict_proba(X).tolist() if is_refit else None
        return learned, answer

    def generators():
        return (
            random.getstate(),
            str(np.random.get_state(legacy=False)),
            torch.get_rng_state().tolist(),
        )

    def n_threads():
        return sum(not thread.daemon for thread in threading.enumerate())

    with tempfile.TemporaryDirectory() as scratch:
        tempfile.tempdir = scratch
        estimator = make(scratch)
        if is_refit:
            fit(estimator)
        before, seeds, threads = state(), generators(), n_threads()
        press_ctrl_c()
        note = "went on"
        try:
            fit(estimator)
        except KeyboardInterrupt as error:
            note = error.__notes__[-1]
        changed = [
            name
            for name, is_same in {
                "estimator": state() == before,
                "generators": generators() == seeds,
                "threads": n_threads() == threads,
                "processes": not multiprocessing.active_children(),
                "files": not [*Path(scratch).rglob("*draft"), *Path(scratch).glob("skdistill-*")],
            }.items()
            if not is_same
        ]
        tempfile.tempdir = None
    return note, changed


def press_ctrl_c_at(point, call):
    from skdistill.augment import _augmenter as augment
    from skdistill.labelling import _labeler as labeler
    from skdistill.students import _base as _student_base
    from skdistill.students.training import _loop as training
    from skdistill.teachers import _transformer as teacher
    from skdistill.teachers.huggingface import _loading, _trainer

    owner, name = {
        "teacher labels": (HashTeacher, "predict_proba"),
        "texts are copied": (augment.TextAugmenter, "augment"),
        "vocabulary": (_student_base.Vocabulary, "build"),
        "batch": (training.TransferDataset, "batch"),
        "end of an epoch": (training, "deepcopy"),
        "tables": (_student_base.StoredModel, "compile"),
        "labels are stored": (labeler.SoftLabelStore, "append"),
        "pretrained weights": (_loading, "load_tokenizer"),
        "step": (_trainer.WeightedTrainer, "training_step"),
        "validation": (_trainer, "validate"),
        "checkpoint": (_trainer.WeightedTrainer, "_save_rng_state"),
        "learned": (teacher, "usable_length"),
    }[point]
    strike(owner, name, call=call, signum=signal.SIGINT)


def interrupt_student(point, call, is_refit):
    def make(scratch):
        teacher = HashTeacher(Path(scratch, "log"))
        augmenter = TextAugmenter(n_copies=2)
        memory = Path(scratch, "memory")
        return make_student(teacher, augmenter=augmenter, memory=memory, early_stopping=True)

    def fit(student):
        new_text = "a film" if hasattr(student, "classes_") else "no film"
        return student.fit(X * 3, [*Y] * 3, X_unlabeled=[new_text, "bad good"])

    return interrupt(make, fit, X, is_refit, partial(press_ctrl_c_at, point, call))


def interrupt_teacher(checkpoint, X, y, point, call, is_refit):
    def make(scratch):
        folder = Path(scratch, "epochs")
        return make_teacher(checkpoint, early_stopping=True, checkpoint_dir=folder)

    def fit(teacher):
        # Another number of epochs each time: what is finished would only be loaded.
        return teacher.set_params(max_epochs=teacher.max_epochs - 1).fit(X, y)

    return interrupt(make, fit, X, is_refit, partial(press_ctrl_c_at, point, call))


def check_interruption(outcome, name, is_refit):
    note, changed = outcome
    state = "keeps what it had learned" if is_refit else "is not fitted, as"
    assert note == f"{name}.fit was interrupted: the estimator {state} before."
    assert changed == []


refits = pytest.mark.parametrize("is_refit", [False, True], ids=["first fit", "refit"])


STUDENT_INTERRUPTIONS = [
    ("teacher labels", 1),
    ("labels are stored", 1),
    ("texts are copied", 1),
    ("vocabulary", 1),
    ("batch", 1),
    ("batch", 2),
    ("end of an epoch", 1),
    ("tables", 1),
]
TEACHER_INTERRUPTIONS = [
    ("pretrained weights", 1),
    ("step", 2),
    ("validation", 1),
    ("checkpoint", 1),
    ("learned", 2),
]


@refits
@pytest.mark.parametrize(("point", "call"), _slow_unless(STUDENT_INTERRUPTIONS, {1, 5, 6, 7}))
def test_ctrl_c_leaves_a_student_as_it_was(point, call, is_refit):
    outcome = call_in_process(interrupt_student, point, call, is_refit)
    check_interruption(outcome, "DistilledMLPClassifier", is_refit)


@refits
@pytest.mark.parametrize(("point", "call"), _slow_unless(TEACHER_INTERRUPTIONS, {1, 4}))
def test_ctrl_c_leaves_a_teacher_as_it_was(tiny_checkpoint, rows, point, call, is_refit):
    outcome = call_in_process(interrupt_teacher, tiny_checkpoint, *rows, point, call, is_refit)
    check_interruption(outcome, "TransformerTeacherClassifier", is_refit)
