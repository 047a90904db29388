import joblib
import numpy as np
import pytest

from skdistill.labelling._store import (
    SoftLabelStore,
    StoredTeacher,
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
    for start in range(0, 60, 20):
        store.write("key", {text: row(text) for text in texts[start : start + 20]})
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
