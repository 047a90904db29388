import time
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest

from _faults import finish, needs_posix, start
from skdistill.storage._journal import append_block
from skdistill.storage._store import (
    SoftLabelStore,
    StoredTeacher,
    _request,
    check_memory_location,
    digest_texts,
)


def row(text):
    return np.float32([len(text), 1]) / 10


def test_digests_tell_texts_apart():
    texts = [*map(str, range(5000)), "", "\ud800", "a\0", "a"]
    digests = digest_texts(texts)
    assert len(np.unique(digests)) == len(texts)
    np.testing.assert_array_equal(digests, digest_texts(iter(texts)))
    # Whatever byte a digest ends with, zero included.
    assert {bytes(digest)[-1:] for digest in digests.view("V16")} >= {b"\0"}


def test_found_rows_are_those_of_their_digests(tmp_path):
    store = SoftLabelStore(tmp_path)
    texts = ["x" * n for n in range(100)]
    for first in range(0, 60, 20):
        store.write("key", {text: row(text) for text in texts[first : first + 20]})
    digests = np.sort(digest_texts(texts[40:]))
    numbers, proba = store.find("key", digests)
    expected = {
        bytes(digest): row(text) for text, digest in zip(texts, digest_texts(texts), strict=True)
    }
    assert {bytes(digests[number]) for number in numbers} == {*digest_texts(texts[40:60])}
    for number, found in zip(numbers, proba, strict=True):
        np.testing.assert_array_equal(found, expected[bytes(digests[number])])


def test_nothing_is_found_in_an_empty_store(tmp_path):
    store = SoftLabelStore(tmp_path)
    for digests in (digest_texts([]), digest_texts(["a"])):
        numbers, _ = store.find("key", digests)
        assert len(numbers) == 0
    assert store.read("key", ["a"]) == {}
    assert store.teachers() == []


def test_probabilities_are_read_only_from_shards_that_are_asked_for(tmp_path, monkeypatch):
    store = SoftLabelStore(tmp_path)
    for letter in "abc":
        store.write("key", {letter: row(letter)})
    members = []
    getitem = np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(
        np.lib.npyio.NpzFile,
        "__getitem__",
        lambda self, name: members.append(name) or getitem(self, name),
    )
    assert store.read("key", ["b"]).keys() == {"b"}
    assert sorted(members) == ["digests", "digests", "digests", "proba"]


def test_a_store_that_is_cleared_meanwhile_lacks_what_it_lost(tmp_path, monkeypatch):
    store = SoftLabelStore(tmp_path)
    store.write("key", {"a": row("a")})
    store.write("key", {"b": row("b")})
    shards = store._answers("key")
    shards[0].unlink()
    monkeypatch.setattr(store, "_answers", lambda key, fit=None: shards)
    assert len(store.read("key", ["a", "b"])) == 1
    (teacher,) = store.teachers()
    assert teacher.n_texts == 1


def test_teachers_are_listed(tmp_path):
    store = SoftLabelStore(tmp_path)
    store.write("key", {"a": row("a"), "b": row("b")})
    (path,) = tmp_path.rglob("*.npz")
    stat = path.stat()
    assert store.teachers() == [StoredTeacher("key", 2, 2, stat.st_size, stat.st_mtime)]
    (store.folder("key") / "teacher.pickle").touch()  # of a process that was killed
    store.clear("key")
    assert store.teachers() == []
    assert {path.name for path in store.folder("key").iterdir()} <= {"lock"}
    with store.turn("key", []), pytest.raises(OSError, match="is labelling with the teacher key"):
        store.clear("key")


def test_a_file_that_another_process_removes_does_not_stop_clearing(tmp_path, monkeypatch):
    store, listed = SoftLabelStore(tmp_path), Path.iterdir
    store.write("key", {"a": row("a")})
    monkeypatch.setattr(Path, "iterdir", lambda path: [path / "gone.npz", *listed(path)])
    store.clear("key")
    assert {path.name for path in listed(store.folder("key"))} <= {"lock"}


def test_store_keeps_no_partial_file(tmp_path, monkeypatch):
    store = SoftLabelStore(tmp_path)
    store.write("key", {"a": np.float32([0.5, 0.5])})

    def full_disk(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        store.write("key", {"b": np.float32([0.5, 0.5])})
    assert [path.suffix for path in (tmp_path / "soft_labels" / "key").iterdir()] == [".npz"]
    assert list(store.read("key", ["a", "b"])) == ["a"]


def test_memory_must_name_a_folder(tmp_path):
    assert check_memory_location(None) is None
    assert check_memory_location(joblib.Memory(None)) is None
    assert check_memory_location(joblib.Memory(tmp_path, verbose=0)) == tmp_path
    with pytest.raises(TypeError, match=r"memory must be a folder or a joblib.Memory, not int"):
        check_memory_location(3)
    with pytest.raises(ValueError, match=r"memory is an empty string; pass a folder, or None"):
        check_memory_location("")
    (tmp_path / "a.txt").touch()
    for path in ("a.txt", "a.txt/cache"):
        with pytest.raises(NotADirectoryError, match=r"^memory='.*' cannot be a folder, because"):
            check_memory_location(tmp_path / path)
    with pytest.raises(NotADirectoryError, match=r"because '/dev/null' is not one; pass a f"):
        check_memory_location("/dev/null/cache")
    with pytest.raises(ValueError, match=r"memory='a\\x00' contains a NUL character"):
        check_memory_location("a\0")
    assert check_memory_location(tmp_path / "new/cache") == tmp_path / "new/cache"


@pytest.mark.parametrize("name", ["x" * 300, "loop", "dangling"])
def test_a_memory_that_cannot_be_created_is_named(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere/at/all")
    store = SoftLabelStore(check_memory_location(tmp_path / name))
    with (
        pytest.raises(OSError, match=rf"{name}' could not be written: .* and try again; existing"),
        store.turn("key", ["a"]),
    ):
        pass


@pytest.mark.parametrize("method", ["write", "append"])  # a shard and a journal
def test_whichever_byte_is_damaged_no_answer_is_wrong_and_none_blocks(tmp_path, method):
    store = SoftLabelStore(tmp_path)
    answers = {text: row(text) for text in ("one", "three")}
    getattr(store, method)("key", answers)
    (path,) = store._answers("key")
    content = path.read_bytes()
    n_set_aside = 0
    for position in range(len(content)):
        path.write_bytes(_changed(content, position))
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            store.teachers()
            found = store.read("key", [*answers])
        for text, proba in found.items():
            np.testing.assert_array_equal(proba, answers[text])
        assert all(".damaged" in str(warning.message) for warning in noted)
        n_set_aside += len(noted) > 0
    assert n_set_aside > 0


def _changed(content, position):
    return content[:position] + bytes([content[position] ^ 255]) + content[position + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "something else": lambda content: b"not a file of answers",
    "bytes before it": lambda content: b"bytes" + content,
    "cut": lambda content: content[: len(content) // 2],
    "changed digest": lambda content: _changed(content, content.index(b"digests.npy") + 200),
    "changed answer": lambda content: _changed(content, content.index(b"proba.npy") + 160),
    "lacks answers": lambda content: content.replace(b"proba.npy", b"other.npy"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_file_is_set_aside_and_its_texts_are_missing(tmp_path, damage, number):
    store = SoftLabelStore(tmp_path)
    texts = [f"{number}" for number in range(20)]
    store.write("key", {text: row(text) for text in texts[:10]})
    store.write("key", {text: row(text) for text in texts[10:]})
    path = store._answers("key")[number]
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.warns(UserWarning, match=rf"{path.name}' is damaged .*again") as noted:
        found = store.read("key", texts)
    assert len(noted) == 1
    assert "pickle" not in str(noted[0].message)
    assert len(found) == 10
    for text, proba in found.items():
        np.testing.assert_array_equal(proba, row(text))
    assert [*tmp_path.rglob("*.damaged")] == [path.with_name(f"{path.name}.damaged")]
    assert store.read("key", texts).keys() == found.keys()  # without a warning
    store.write("key", {text: row(text) for text in texts})
    assert len(store.read("key", texts)) == 20


DIGESTS = digest_texts(["a", "b"]).view(np.uint8).reshape(2, 16)
GOOD = np.full((2, 2), 0.5, dtype=np.float32)


def save_shard(**arrays):
    return lambda path: np.savez(path, **arrays)


def save_array(path):
    with path.open("wb") as file:  # without the ending npy
        np.save(file, GOOD)


def save_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("digests.npy", "proba.npy"):
            archive.writestr(name, "a text")


def save_journal(proba):
    return lambda path: append_block(path.with_suffix(".journal"), DIGESTS, proba)


# Files that can be read but are not what the store has written, and why.
WRONG = {
    "nan": (save_shard(digests=DIGESTS, proba=GOOD * np.float32("nan")), "is no number"),
    "infinite": (save_shard(digests=DIGESTS, proba=GOOD * np.float32("inf")), "is no number"),
    "journal with nan": (save_journal(GOOD * np.float32("nan")), "is no number"),
    "type": (save_shard(digests=DIGESTS, proba=GOOD.astype(np.float64)), "no table of prob"),
    "one column": (save_shard(digests=DIGESTS, proba=GOOD[:, 0]), "no table of prob"),
    "rows": (save_shard(digests=DIGESTS, proba=GOOD[:1]), "2 digests for 1 rows"),
    "digests": (save_shard(digests=DIGESTS.astype(int), proba=GOOD), "no digests"),
    "array": (save_array, "no npz file"),
    "garbage": (lambda path: path.write_bytes(b"garbage"), "no npz file"),
    "zip": (save_zip, "no digests"),
    "names": (save_shard(one=DIGESTS, other=GOOD), "digests"),
    "folder": (lambda path: path.mkdir(), "it is a folder"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_readable_but_wrong_file_is_set_aside(tmp_path, kind):
    save, reason = WRONG[kind]
    store, digests = SoftLabelStore(tmp_path), np.sort(digest_texts(["a", "b", "c"]))
    store.write("key", {"c": row("c")})
    save(store.folder("key") / "-wrong.npz")
    with pytest.warns(UserWarning, match=rf"-wrong\..*' is damaged \(.*{reason}") as noted:
        numbers, proba = store.find("key", digests, n_classes=2)
    assert len(noted) == 1
    assert bytes(digests[numbers[0]]) == bytes(digest_texts(["c"])[0])
    np.testing.assert_array_equal(proba, [row("c")])
    numbers, _ = store.find("key", digests, n_classes=2)  # without a warning
    assert len(numbers) == 1
    assert [path.stem for path in store.folder("key").glob("*.damaged")] in (
        ["-wrong.npz"],
        ["-wrong.journal"],
    )
    store.clear("key")
    assert {path.name for path in store.folder("key").iterdir()} <= {"lock"}


@pytest.mark.parametrize("suffix", [".npz", ".journal"])
def test_answers_of_another_number_of_classes_are_left_alone(tmp_path, suffix):
    store, digests = SoftLabelStore(tmp_path), np.sort(digest_texts(["a", "b", "c"]))
    three = GOOD[:, [0, 0, 1]]
    store.write("key", {"c": row("c")})
    path = store.folder("key") / f"-other{suffix}"
    if suffix == ".npz":
        np.savez(path, digests=DIGESTS, proba=three)
    else:
        append_block(path, DIGESTS, three)
    numbers, proba = store.find("key", digests, n_classes=2)
    np.testing.assert_array_equal(proba, [row("c")])
    assert bytes(digests[numbers[0]]) == bytes(digest_texts(["c"])[0])
    numbers, proba = store.find("key", digests, n_classes=3)
    np.testing.assert_array_equal(proba, three)
    assert path.exists()


@pytest.mark.filterwarnings("ignore:The cache file")
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_files_stop_neither_listing_nor_writing(tmp_path, kind):
    store = SoftLabelStore(tmp_path)
    store.write("key", {"c": row("c")})
    WRONG[kind][0](store.folder("key") / "-wrong.npz")
    (teacher,) = store.teachers()
    assert teacher.key == "key"
    with store.turn("key", []):
        store.append("key", {"d": row("d")})
    _, proba = store.find("key", np.sort(digest_texts(["c", "d"])), n_classes=2)
    np.testing.assert_array_equal(proba, [row("c"), row("d")])


def test_a_damaged_journal_is_set_aside(tmp_path):
    store = SoftLabelStore(tmp_path)
    with store.turn("key", []):
        store.append("key", {"a": row("a"), "b": row("b")})
        (path,) = store._answers("key")
        path.write_bytes(_changed(path.read_bytes(), 20))
        with pytest.warns(UserWarning, match=r"journal' is damaged"):
            assert store.read("key", ["a", "b"]) == {}
    assert store.teachers() == []
    store.clear("key")
    assert {path.name for path in store.folder("key").iterdir()} <= {"lock"}


@pytest.mark.parametrize("content", [b"", b"SKJ1"])
def test_a_journal_without_a_complete_row_is_not_damaged(tmp_path, content):
    store = SoftLabelStore(tmp_path)
    store.folder("key").mkdir(parents=True)
    (store.folder("key") / "-1.journal").write_bytes(content)
    with store.turn("key", []):
        store.append("key", {"a": row("a")})
    assert [path.suffix for path in store._answers("key")] == [".npz"]
    np.testing.assert_array_equal(store.read("key", ["a"])["a"], row("a"))


def test_damage_does_not_keep_teachers_from_being_listed(tmp_path):
    store = SoftLabelStore(tmp_path)
    for text in ("a", "b"):
        store.write("key", {text: row(text)})
    store._answers("key")[0].write_bytes(b"PK")
    with pytest.warns(UserWarning, match="is damaged"):
        (teacher,) = store.teachers()
    assert teacher.n_texts == 1


def test_answers_are_found_while_they_are_in_a_journal_and_in_a_shard(tmp_path):
    store = SoftLabelStore(tmp_path)
    with store.turn("key", []):
        for text in "abc":
            store.append("key", {text: row(text)})
        assert [path.suffix for path in store._answers("key")] == [".journal"]
        assert SoftLabelStore(tmp_path).read("key", [*"abcd"]).keys() == {*"abc"}
        (teacher,) = store.teachers()
        assert teacher.n_texts == 3
    assert [path.suffix for path in store._answers("key")] == [".npz"]
    for text, proba in store.read("key", [*"abcd"]).items():
        np.testing.assert_array_equal(proba, row(text))


def test_a_long_journal_becomes_a_shard_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("skdistill.storage._store._SHARD", 4)
    store = SoftLabelStore(tmp_path)
    with store.turn("key", []):
        for text in "abcdef":
            store.append("key", {text: row(text)})
        suffixes = [path.suffix for path in store._answers("key")]
        assert sorted(suffixes) == [".journal", ".npz"]
    assert len(store.read("key", [*"abcdef"])) == 6


def test_many_small_shards_become_one(tmp_path):
    store, n_files = SoftLabelStore(tmp_path), []
    texts = [f"{number}" for number in range(50)]
    for text in texts:
        with store.turn("key", []):
            store.append("key", {text: row(text)})
        n_files.append(len(store._answers("key")))
    assert max(n_files) == 16
    assert min(n_files[16:]) == 1
    found = store.read("key", texts)
    assert found.keys() == {*texts}
    for text, proba in found.items():
        np.testing.assert_array_equal(proba, row(text))


def test_full_shards_are_not_merged_again(tmp_path, monkeypatch):
    monkeypatch.setattr("skdistill.storage._store._SHARD", 2)
    store = SoftLabelStore(tmp_path)
    for number in range(18):
        with store.turn("key", []):
            store.write("key", {f"{number}{text}": row(text) for text in "ab"})
    assert len(store._answers("key")) == 18


def test_fits_are_kept_apart(tmp_path):
    store = SoftLabelStore(tmp_path)
    with store.turn("key", []):
        store.append("key", {"a": row("a")}, "first")
        store.append("key", {"a": row("bb"), "b": row("b")}, "second")
    assert {*store.fits("key")} == {"first", "second"}
    assert store.read("key", ["a", "b"], "first").keys() == {"a"}
    np.testing.assert_array_equal(store.read("key", ["a"], "second")["a"], row("bb"))
    assert store.read("key", ["a", "b"]) == {}


def wait_for_a_turn(folder, texts):
    with SoftLabelStore(folder).turn("key", texts):
        return [path.name for path in SoftLabelStore(folder).folder("key").glob("*.request")]


@needs_posix
@pytest.mark.parametrize("is_taken", [False, True])
def test_waiting_for_a_busy_lock_leaves_no_request(tmp_path, is_taken):
    store = SoftLabelStore(tmp_path)
    with store.turn("key", []):
        running = start(wait_for_a_turn, tmp_path, ["a", "b", "a"])
        while not [*store.folder("key").glob("*.request")]:
            time.sleep(0.01)
        store.append("key", {"a": row("a")})
        if is_taken:
            assert store.take_requests("key") == ["b"]
    assert finish(*running) == []
    assert not [*store.folder("key").glob("*.request")]


@needs_posix
def test_the_request_of_a_killed_process_is_removed_unanswered(tmp_path):
    store = SoftLabelStore(tmp_path)
    with store.turn("key", []):
        process, receiver = start(wait_for_a_turn, tmp_path, ["a"])
        while not [*store.folder("key").glob("*.request")]:
            time.sleep(0.01)
        process.kill()
        process.join()
        receiver.close()
        assert store.take_requests("key") == []
        assert not [*store.folder("key").glob("*.request")]


def test_a_request_ends_although_somebody_has_emptied_the_folder(tmp_path):
    with _request(tmp_path, ["a"]):
        removed = [path.suffix for path in tmp_path.iterdir() if path.unlink() is None]
    assert sorted(removed) == [".alive", ".request"]
    assert not [*tmp_path.iterdir()]
