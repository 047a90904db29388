"""Model files that somebody has damaged, by chance or on purpose, and texts to slow us down."""

import json
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    ModelFileError,
)

N_MUTATIONS = 20_000
N_QUICK = 300
MAX_BYTES = 100e6
MAX_SECONDS = 1.0
STUDENTS = [
    DistilledMLPClassifier(hidden_layer_sizes=(3,), embedding_dim=40, max_epochs=1, random_state=0),
    DistilledMLPClassifier(ngram_range=(1, 2), hash_buckets=9, max_epochs=1, random_state=0),
    DistilledCNNClassifier(n_parameters=2000, max_epochs=1, random_state=0),
    DistilledRNNClassifier(hidden_dim=3, max_epochs=1, random_state=0),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory, topics):
    """The bytes of a file of each kind of student, in each precision."""
    path = tmp_path_factory.mktemp("models") / "model"
    contents = []
    for student in STUDENTS:
        student.fit(*topics)
        for precision in ("float32", "float16", "int8"):
            student.save(path, precision=precision)
            contents.append(path.read_bytes())
    return contents


def load_and_predict(path):
    """Load a file, and predict with what comes out: a model, or our own error."""
    try:
        model = CompiledClassifier.load(path)
    except ModelFileError:
        return False
    proba = model.predict_proba(["the old bread", "", "wind and rope"] * 6)
    assert proba.shape == (18, len(model.classes_))
    # Weights may be anything finite; sums of them may leave float32's range.
    finite = np.isfinite(proba).all(axis=1)
    if model.multilabel_:
        assert ((proba[finite] >= 0) & (proba[finite] <= 1)).all()
    else:
        np.testing.assert_allclose(proba[finite].sum(axis=1), 1, atol=1e-4)
    return True


def flip_bits(data, rng):
    for _ in range(rng.integers(1, 4)):
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return data


def overwrite(data, rng):
    start = rng.integers(len(data))
    noise = rng.integers(0, 256, rng.integers(1, 40), dtype=np.uint8).tobytes()
    data[start : start + len(noise)] = noise
    return data


def truncate(data, rng):
    return data[: rng.integers(len(data))]


def insert(data, rng):
    start = rng.integers(len(data))
    data[start:start] = rng.integers(0, 256, rng.integers(1, 20), dtype=np.uint8).tobytes()
    return data


def exchange_digits(data, rng):
    """Change numbers of the header: sizes, shapes, offsets."""
    digits = [i for i in range(8, len(data)) if 48 <= data[i] <= 57][:500]
    for place in rng.choice(digits, rng.integers(1, 5)):
        data[place] = 48 + int(rng.integers(10))
    return data


def change_header(data, rng):
    """Give one value of the JSON header, or of the model's description, another one."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header["__metadata__"]
    model = json.loads(metadata["model"])
    root = model if rng.random() < 0.7 else header
    places = list(walk(root))
    parent, key = places[rng.integers(len(places))]
    values = [None, True, 0, -1, 3, 10**9, 10**30, 1.5, "", "x", [], [7, 7], {}, "mean", ["max"]]
    parent[key] = values[rng.integers(len(values))]
    if isinstance(header.get("__metadata__"), dict) and root is model:
        metadata["model"] = json.dumps(model)
    text = json.dumps(header).encode()
    return bytearray(len(text).to_bytes(8, "little") + text + data[8 + length :])


def walk(value):
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in [*keys]:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from walk(value[key])


MUTATIONS = [flip_bits, overwrite, truncate, insert, exchange_digits, change_header]


def mutate_many(files, path, n_mutations):
    """Try so many mutated files, and count those that still load."""
    rng = np.random.default_rng(0)
    n_loaded = 0
    # A dry run first, so that what is imported on demand does not count.
    path.write_bytes(files[0])
    assert load_and_predict(path)
    tracemalloc.start()
    try:
        for number in range(n_mutations):
            data = bytearray(files[number % len(files)])
            path.write_bytes(MUTATIONS[number % len(MUTATIONS)](data, rng))
            tracemalloc.reset_peak()
            start = time.process_time()
            n_loaded += load_and_predict(path)
            assert time.process_time() - start < MAX_SECONDS
            assert tracemalloc.get_traced_memory()[1] < MAX_BYTES
    finally:
        tracemalloc.stop()
    return n_loaded


# An overflow of mutated weights is a warning of NumPy's, and no fault.
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
@pytest.mark.parametrize(
    "n_mutations", [N_QUICK, pytest.param(N_MUTATIONS, marks=pytest.mark.slow)]
)
def test_mutated_files_end_in_our_error_or_a_model(files, tmp_path, n_mutations):
    n_loaded = mutate_many(files, tmp_path / "model", n_mutations)
    # Weights that change a little are no fault, but most changes must be seen.
    assert n_loaded < n_mutations / 2


@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck], derandomize=True)
@given(content=st.binary(max_size=300))
def test_any_bytes(tmp_path, content):
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        CompiledClassifier.load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck], derandomize=True)
@given(header=JSON, body=st.binary(max_size=50))
def test_any_header(tmp_path, header, body):
    path = tmp_path / "model"
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    with pytest.raises(ModelFileError):
        CompiledClassifier.load(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck], derandomize=True)
@given(model=JSON)
def test_any_description(files, tmp_path, model):
    data = files[0]
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"]["model"] = json.dumps(model)
    text = json.dumps(header).encode()
    path = tmp_path / "model"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    with pytest.raises(ModelFileError):
        CompiledClassifier.load(path)


def count_work(student, text):
    """Return the calls that a prediction makes, and the bytes that it holds at most."""
    n_calls = 0

    def count(frame, event, argument):
        nonlocal n_calls
        n_calls += event.endswith("call")

    tracemalloc.start()
    sys.setprofile(count)
    try:
        student.predict_proba([text] * 20)
    finally:
        sys.setprofile(None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return n_calls, peak


@pytest.mark.parametrize("student", STUDENTS[1:], ids=str)
@pytest.mark.parametrize(
    "unit",
    ["the ", "x", "!", "é", "🙂", "\0", " ", "\u2028", "w" * 17 + " ", "\ud800", "’‘“”…—«»"],
    ids=repr,
)
def test_work_grows_in_proportion_to_length(files, student, unit):
    student.predict_proba(["the"] * 20)
    short = count_work(student, (unit * 2_500)[:2_500])
    long = count_work(student, (unit * 10_000)[:10_000])
    for less, more in zip(short, long, strict=True):
        assert more < 4.5 * less + 5_000
