import json
import os

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from skdistill import ModelFileError
from skdistill.runtime import _tensor_file
from skdistill.runtime._tensor_file import read_tensors, write_tensors

TENSORS = {
    "floats": np.arange(6, dtype=np.float32).reshape(2, 3),
    "halves": np.linspace(-1, 1, 5, dtype=np.float16),
    "bytes": np.arange(7, dtype=np.uint8),
    "whole": np.array([[-127], [127]], dtype=np.int8),
    "none": np.empty((0, 4), dtype=np.float32),
}


def test_the_safetensors_library_reads_what_is_written(tmp_path):
    path = tmp_path / "file"
    write_tensors(path, TENSORS, {"a": "b"})
    loaded = load_file(path)
    assert loaded.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
    with safe_open(path, "numpy") as file:
        assert file.metadata().items() >= {"a": "b"}.items()


def test_what_the_safetensors_library_writes_is_read(tmp_path):
    path = tmp_path / "file"
    save_file(TENSORS, path, metadata={"a": "b"})
    tensors, metadata = read_tensors(path)
    assert metadata == {"a": "b"}
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], array)


def test_whichever_byte_is_changed_it_is_noticed(tmp_path):
    path = tmp_path / "file"
    metadata = {"a": 'the text "crc32":"00000000"'}
    write_tensors(path, TENSORS, metadata)
    content = path.read_bytes()
    assert read_tensors(path)[1] == metadata
    key = range(content.rindex(b"crc32"), content.rindex(b"crc32") + 5)
    for position in {*range(len(content))} - {*key}:
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ModelFileError, match="damaged"):
            read_tensors(path)


def raw(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"a": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "longer than the file"),
        (b"\xff" * 100, "longer than the file"),
        (bytes(7), "longer than the file"),
        (bytes(8), "not JSON"),
        (raw(b"{}")[:-1], "longer than the file"),
        (raw(b"{"), "not JSON"),
        (raw(b"\xff\xfe"), "not JSON"),
        (raw(b"[" * 100_000), "not JSON"),
        (raw([1]), "not a JSON object"),
        (raw({"__metadata__": {"a": 1}}), "metadata are not text"),
        (raw({"a": 3}), "'a' is not valid"),
        (raw(entry(dtype="F64"), bytes(8)), "unknown type 'F64'"),
        (raw(entry(dtype=[]), bytes(8)), "unknown type"),
        (raw(entry(shape=(-1,)), bytes(4)), "shape of the array 'a' is not valid"),
        (raw(entry(shape=(True,)), bytes(4)), "shape of the array 'a' is not valid"),
        (raw(entry(shape=(1, 1, 1, 1, 1)), bytes(4)), "shape of the array 'a' is not valid"),
        (raw(entry(shape=(2**40,)), bytes(4)), "shape of the array 'a' is not valid"),
        (raw({"a": {**entry()["a"], "more": 1}}, bytes(4)), "header entry of the array 'a'"),
        (raw(entry(shape=(2**38, 2**38)), bytes(4)), "do not match its shape"),
        (raw(entry(offsets=(4, 8)), bytes(8)), "do not match its shape"),
        (raw(entry(), bytes(3)), "ends after the end of the file"),
        (raw(entry(), bytes(5)), "4 bytes, but take 5"),
    ],
)
def test_damaged_files(tmp_path, data, message):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=message) as error:
        read_tensors(path)
    assert str(path) in str(error.value)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_tensors(path, TENSORS, {"version": "old"})

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_tensors(path, TENSORS, {"version": "new"})
    assert read_tensors(path)[1] == {"version": "old"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_header_beyond_the_bound_is_refused_on_writing(tmp_path):
    with pytest.raises(ValueError, match="too many labels"):
        write_tensors(tmp_path / "file", {}, {"a": "x" * 2**24})


def test_headers_up_to_the_bound_are_read(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_tensors(path, TENSORS, {"a": "b"})
    length = int.from_bytes(path.read_bytes()[:8], "little")
    monkeypatch.setattr(_tensor_file, "_MAX_HEADER", length)
    write_tensors(path, TENSORS, {"a": "b"})
    assert read_tensors(path)[0].keys() == TENSORS.keys()
    monkeypatch.setattr(_tensor_file, "_MAX_HEADER", length - 1)
    with pytest.raises(ModelFileError, match="its header is longer"):
        read_tensors(path)
    with pytest.raises(ValueError, match="too many labels"):
        write_tensors(path, TENSORS, {"a": "b"})


@pytest.mark.parametrize("value", ["", "1", "12", "123", "1234", "12345678"])
def test_arrays_start_at_a_multiple_of_eight_bytes(tmp_path, value):
    write_tensors(tmp_path / "file", TENSORS, {"a": value})
    data = (tmp_path / "file").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert len(data[8 : 8 + length].rstrip(b" ")) > length - 8


def test_arrays_of_four_dimensions_are_read(tmp_path):
    tensors = {"a": np.arange(24, dtype=np.float32).reshape(2, 3, 4, 1), "b": np.float32(3.0)}
    write_tensors(tmp_path / "file", tensors, {})
    found, metadata = read_tensors(tmp_path / "file")
    np.testing.assert_array_equal(found["a"], tensors["a"])
    assert (found["b"].shape, metadata) == ((), {})
