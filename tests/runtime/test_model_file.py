import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    ModelFileError,
)
from skdistill.runtime import _model_file
from skdistill.runtime._kinds import KINDS
from skdistill.runtime._model_file import StoredModel, read_model, write_model
from skdistill.runtime._tensor_file import read_tensors, write_tensors
from skdistill.text._vocabulary import Vocabulary

ARCHITECTURES = {
    "mlp": {"pooling": ("mean", "attention"), "context_window": 5, "hidden_layer_sizes": (3,)},
    "cnn": {"pooling": ("max",), "kernel_sizes": (2, 3), "n_filters": 4},
    "rnn": {"pooling": ("max", "mean"), "cell": "lstm", "hidden_dim": 3, "bidirectional": True},
}
FEATURES = ["the", "a", "therein", "there", "thé", "\ud800", "x" * 300, "x" * 300 + "y", "."]
TEXTS = ["The a therein, there thé.", "x" * 300 + " " + "x" * 300 + "y", "\ud800 the", "", "b"]


def make_model(kind, *, features=FEATURES, classes=("no", "yes"), **options):
    vocabulary = Vocabulary(list(features), **options)
    architecture = {"embedding_dim": 4, "dropout": 0.1, **ARCHITECTURES[kind]}
    rng = np.random.default_rng(0)
    shapes = KINDS[kind].weight_shapes(
        n_features=len(vocabulary), n_classes=len(classes), **architecture
    )
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    counts = np.arange(len(vocabulary), dtype=np.float32)
    return StoredModel(kind, np.array(classes), vocabulary, weights, architecture, counts)


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize(
    "options", [{}, {"ngram_range": (1, 2), "hash_buckets": 7}, {"lowercase": False}], ids=str
)
def test_a_model_comes_back_as_it_was(kind, options, tmp_path):
    model = make_model(kind, **options)
    path = tmp_path / "model"
    write_model(model, path)
    read = read_model(path)
    np.testing.assert_array_equal(
        read.compile().predict_proba(TEXTS), model.compile().predict_proba(TEXTS)
    )
    assert read.kind == kind
    assert sorted(read.vocabulary.features) == sorted(FEATURES)
    by_feature = dict(zip(read.vocabulary.features, read.counts[1:].tolist(), strict=False))
    assert by_feature == {feature: number for number, feature in enumerate(FEATURES, 1)}
    np.testing.assert_array_equal(
        read.counts[1 + len(FEATURES) :], model.counts[1 + len(FEATURES) :]
    )


def test_characters_are_features_too(tmp_path):
    model = make_model("mlp", features=["a", "ab", " ", "b c"], analyzer="char", ngram_range=(1, 3))
    write_model(model, tmp_path / "model")
    expected = model.compile().predict_proba(["ab c", "b"])
    np.testing.assert_array_equal(
        read_model(tmp_path / "model").compile().predict_proba(["ab c", "b"]), expected
    )


@pytest.mark.parametrize(
    "classes", [("no", "yes", "é"), (0, 1), (-5, 7), (0.5, 1.0), (False, True)], ids=str
)
def test_labels_keep_their_type(classes, tmp_path):
    model = make_model("mlp", classes=classes)
    write_model(model, tmp_path / "model")
    read = read_model(tmp_path / "model").classes
    np.testing.assert_array_equal(read, model.classes)
    assert read.dtype == model.classes.dtype


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32"]
)
def test_labels_keep_their_width(dtype, tmp_path):
    path = tmp_path / "model"
    write_model(make_model("mlp", classes=np.array([1, 7], dtype=dtype)), path)
    assert read_model(path).classes.dtype == dtype
    assert CompiledClassifier.load(path).predict(["a"]).dtype == dtype
    rewrite(path, model={"classes/dtype": None})
    assert read_model(path).classes.dtype.itemsize == 8  # as in files without a width


def test_labels_of_common_types_are_written_without_a_width(tmp_path):
    for classes in ((0, 1), (0.5, 1.0), (False, True), ("a", "b"), (0, 2**64 - 1)):
        write_model(make_model("mlp", classes=np.array(classes)), tmp_path / "model")
        _, metadata = read_tensors(tmp_path / "model")
        assert json.loads(metadata["model"])["classes"].keys() == {"type", "values"}


def test_a_vocabulary_that_compresses_extremely_is_still_read(tmp_path):
    model = make_model("mlp", features=[f"{'x' * n}" for n in range(1, 5000)])
    write_model(model, tmp_path / "model")
    assert read_model(tmp_path / "model").vocabulary.features == model.vocabulary.features


def test_what_cannot_be_saved_says_why(tmp_path):
    with pytest.raises(TypeError, match=r"analyzer is a function.*joblib"):
        write_model(make_model("mlp", analyzer=str.split), tmp_path / "model")
    with pytest.raises(TypeError, match=r"labels of type object.*joblib"):
        write_model(make_model("mlp", classes=np.array(["a", 1], dtype=object)), tmp_path / "model")
    with pytest.raises(ValueError, match="contains a NUL"):
        write_model(make_model("mlp", features=["a\0"]), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def rewrite(path, *, model=None, metadata=None, tensors=None):
    """Change a part of a file."""
    old_tensors, old_metadata = read_tensors(path)
    description = json.loads(old_metadata["model"])
    for keys, value in (model or {}).items():
        place = description
        *parents, last = keys.split("/")
        for key in parents:
            place = place[key]
        place[last] = value
    new = {**old_metadata, "model": json.dumps(description), **(metadata or {})}
    write_tensors(path, {**old_tensors, **(tensors or {})}, new)


def packed(data):
    return np.frombuffer(zlib.compress(data, 9), dtype=np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metadata": {"format": "other"}}, "not a skdistill model"),
        ({"metadata": {"format_version": "2"}}, "format version '2'.*Upgrade"),
        ({"metadata": {"model": "[" * 100_000}}, "damaged"),
        ({"metadata": {"model": "[]"}}, "damaged"),
        ({"model": {"kind": "transformer"}}, "not one of"),
        ({"model": {"kind": "cnn"}}, "damaged"),
        ({"model": {"multilabel": 1}}, "not of type bool"),
        (
            {"model": {"multilabel": True, "classes": {"type": "i", "values": [1, 2]}}},
            "neither strings nor the numbers",
        ),
        ({"model": {"classes/type": "O"}}, "not one of"),
        ({"model": {"classes/values": ["no", 1]}}, "1 is not of type str"),
        ({"model": {"classes/values": ["no", "no"]}}, "different classes"),
        ({"model": {"classes/values": ["a", "b", "c"]}}, "do not match the architecture"),
        ({"model": {"vocabulary/analyzer": "os.system"}}, "not one of"),
        ({"model": {"vocabulary/ngram_range": [1, 10**9]}}, "n-gram range"),
        ({"model": {"vocabulary/lowercase": "yes"}}, "not of type bool"),
        ({"model": {"vocabulary/hash_buckets": 10**12}}, "do not match the architecture"),
        ({"model": {"vocabulary/hash_buckets": 10**30}}, "damaged"),
        ({"model": {"architecture/embedding_dim": True}}, "not of type int"),
        ({"model": {"architecture/unknown": 1}}, "damaged"),
        ({"model": {"architecture/pooling": ["median"]}}, "poolings"),
        ({"model": {"architecture/pooling": ["mean", "mean"]}}, "poolings"),
        ({"model": {"architecture/context_window": 4}}, "even"),
        ({"model": {"architecture/hidden_layer_sizes": [10**9]}}, "do not match the architecture"),
        ({"model": {"estimator": 3}}, "not of type dict"),
        ({"tensors": {"window": np.full((5, 4), np.nan, np.float32)}}, "not finite"),
        ({"tensors": {"more": np.zeros(3, np.float32)}}, "'more'"),
        ({"tensors": {"vocabulary": packed(b"\0a\0" * 9)}}, "occurs twice"),
        ({"tensors": {"vocabulary": packed(b"\x05a\0")}}, "not front-coded"),
        ({"tensors": {"vocabulary": packed(b"\0a")}}, "damaged"),
        ({"tensors": {"vocabulary": packed(bytes(10**8))}}, "expand too far"),
        ({"tensors": {"vocabulary": packed(b"\0a\0")[:-1]}}, "truncated"),
        ({"tensors": {"vocabulary": np.arange(9, dtype=np.uint8)}}, "damaged"),
        ({"tensors": {"counts": packed(b"abcd")}}, "counts"),
        ({"tensors": {"counts": packed(np.full(10, np.nan, "<f4").tobytes())}}, "counts"),
        ({"model": {"classes/values": ["no"]}}, "two or more different classes"),
        ({"model": {"classes/values": []}}, "two or more different classes"),
        ({"model": {"classes/dtype": "object"}}, "'object' is not one of"),
        ({"model": {"classes/dtype": ["int8"]}}, "is not one of"),
        ({"model": {"classes/dtype": "int8"}}, "damaged"),
        (
            {"model": {"classes": {"type": "i", "values": [0, 256], "dtype": "int8"}}},
            "do not fit in int8",
        ),
    ],
    ids=str,
)
def test_damaged_models(changes, message, tmp_path):
    path = tmp_path / "model"
    write_model(make_model("mlp"), path)
    rewrite(path, **changes)
    with pytest.raises(ModelFileError, match=message):
        read_model(path)


def test_a_number_where_a_flag_belongs_starts_no_loop(tmp_path):
    write_model(make_model("rnn"), tmp_path / "model")
    rewrite(tmp_path / "model", model={"architecture/bidirectional": 10**9})
    with pytest.raises(ModelFileError, match="not of type bool"):
        read_model(tmp_path / "model")


@pytest.mark.parametrize("size", [2_000, 30_000])
def test_tables_out_of_proportion_are_refused_if_they_are_large(tmp_path, size):
    # 30,000 features times a window of 30,001 places: a file of 240 kB that asks for 3.6 GB.
    model = make_model("mlp", features=[f"f{number}" for number in range(size)])
    architecture = {"embedding_dim": 1, "pooling": ("attention",), "context_window": size + 1}
    shapes = KINDS["mlp"].weight_shapes(n_features=size + 1, n_classes=2, **architecture)
    weights = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    write_model(
        StoredModel("mlp", model.classes, model.vocabulary, weights, architecture),
        tmp_path / "model",
    )
    if size == 2_000:
        assert read_model(tmp_path / "model").architecture == architecture
        return
    with pytest.raises(ModelFileError, match="far larger"):
        read_model(tmp_path / "model")


def test_a_kind_of_student_is_told_from_another(tmp_path):
    write_model(make_model("rnn"), tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"kind 'rnn'.*DistilledMLPClassifier.*'mlp'"):
        DistilledMLPClassifier.load(tmp_path / "model")


def test_a_model_for_prediction_alone_is_no_estimator(tmp_path):
    write_model(make_model("mlp"), tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"prediction only.*CompiledClassifier"):
        DistilledMLPClassifier.load(tmp_path / "model")


BEFORE_FOLDERS = json.loads((Path(__file__).parent / "data" / "before_folders.json").read_text())


@pytest.mark.parametrize(
    ("kind", "student"),
    [
        ("mlp", DistilledMLPClassifier),
        ("cnn", DistilledCNNClassifier),
        ("rnn", DistilledRNNClassifier),
    ],
)
def test_files_of_the_time_before_folders_are_read(kind, student):
    path = Path(__file__).parent / "data" / f"before_folders_{kind}.skd"
    for read in (CompiledClassifier.load, student.load):
        proba = read(path).predict_proba(BEFORE_FOLDERS["texts"])
        np.testing.assert_allclose(proba, BEFORE_FOLDERS["proba"][kind], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"calibrate_teacher": True}, "calibrate_teacher=True, which"),
        ({"loss": "standardized_kl"}, "loss='standardized_kl', which"),
        (
            {"loss": "standardized_kl", "calibrate_teacher": True},
            "calibrate_teacher=True and loss='standardized_kl', which",
        ),
    ],
    ids=str,
)
def test_options_of_earlier_trainings_change_no_prediction(options, named, tmp_path):
    path = tmp_path / "student.skd"
    path.write_bytes((Path(__file__).parent / "data" / "before_folders_mlp.skd").read_bytes())
    rewrite(path, model={f"estimator/parameters/{name}": v for name, v in options.items()})
    with pytest.warns(UserWarning, match=f"was trained with {named}.* predictions do not change"):
        student = DistilledMLPClassifier.load(path)
    assert student.loss == "kl"
    np.testing.assert_allclose(
        student.predict_proba(BEFORE_FOLDERS["texts"]), BEFORE_FOLDERS["proba"]["mlp"], atol=1e-5
    )


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("hidden_layer_sizes", [(), (3,)])
def test_a_stored_model_is_additive_where_its_network_is(kind, hidden_layer_sizes):
    architecture = {**ARCHITECTURES[kind], "hidden_layer_sizes": hidden_layer_sizes}
    architecture = {"embedding_dim": 4, **architecture}
    shapes = KINDS[kind].weight_shapes(n_features=10, n_classes=2, **architecture)
    weights = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    model = StoredModel(kind, np.arange(2), Vocabulary([*"abcdefghi"]), weights, architecture)
    assert (
        model.is_additive
        == model.compile().is_additive
        == (kind == "mlp" and not hidden_layer_sizes)
    )


def test_parameters_are_counted_without_the_prior():
    # 10 rows of 4; a window of 5; layers of 8 by 3 and 3 by 2.
    assert make_model("mlp").n_parameters == 10 * 4 + 5 * 4 + (8 * 3 + 3) + (3 * 2 + 2)


@pytest.mark.parametrize("n_zeros", [0, 50, 60, 100, 500, 1000])
def test_data_of_any_size_come_back(n_zeros, monkeypatch):
    data = b"some other data" + bytes(n_zeros)
    n_compressed = len(zlib.compress(data, 9))
    # At the largest expansion, below it, and above it.
    for limit in {len(data) // n_compressed + i for i in range(-1, 2)} - {-1, 0}:
        monkeypatch.setattr(_model_file, "_MAX_EXPANSION", limit)
        assert _model_file._decompress(_model_file._compress(data)) == data


def test_data_that_expand_as_far_as_is_allowed_are_read(monkeypatch):
    data = b"abc" + bytes(1000)
    data += bytes(-len(data) % len(zlib.compress(data, 9)))
    compressed = zlib.compress(data, 9)
    assert len(data) % len(compressed) == 0
    monkeypatch.setattr(_model_file, "_MAX_EXPANSION", len(data) // len(compressed))
    stored = _model_file._compress(data)
    assert stored.tobytes() == compressed
    assert _model_file._decompress(stored) == data
    monkeypatch.setattr(_model_file, "_MAX_EXPANSION", len(data) // len(compressed) - 1)
    with pytest.raises(ValueError, match="expand too far"):
        _model_file._decompress(stored)


@pytest.mark.parametrize("n_characters", [254, 255, 256, 600])
def test_words_with_long_common_beginnings_come_back(n_characters):
    words = ["a", "x" * n_characters, "x" * n_characters + "y", "x" * n_characters + "yz", "é"]
    encoded = _model_file._front_code(words)
    assert _model_file._front_decode(encoded) == words
    # The second long word takes its own letter, and what the prefix's one byte cannot count.
    assert len(encoded) <= 3 + (n_characters + 2) + 2 * (max(0, n_characters - 255) + 4) + 4


@pytest.mark.parametrize(
    ("ngram_range", "is_valid"),
    [
        ([1, 100], True),
        ([1, 101], False),
        ([3, 3], True),
        ([3, 2], False),
        ([0, 1], False),
        ([1, 2, 3], False),
    ],
    ids=str,
)
def test_ngram_ranges(ngram_range, is_valid, tmp_path):
    write_model(make_model("mlp"), tmp_path / "model")
    rewrite(tmp_path / "model", model={"vocabulary/ngram_range": ngram_range})
    if is_valid:
        assert read_model(tmp_path / "model").vocabulary.ngram_range == tuple(ngram_range)
    else:
        with pytest.raises(ModelFileError, match="is damaged"):
            read_model(tmp_path / "model")


def test_tables_of_the_largest_size_are_read(tmp_path, monkeypatch):
    model = make_model("mlp")
    write_model(model, tmp_path / "model")
    n_entries = KINDS["mlp"].count_table_entries(model.weights)
    assert n_entries == 10 * 5  # the window's places; the layer's product is folded
    for limits in ({"_SMALL": n_entries, "_MAX_MULTIPLE": 0}, {"_SMALL": 0, "_MAX_MULTIPLE": 1}):
        for name, value in limits.items():
            monkeypatch.setattr(_model_file, name, value)
        assert read_model(tmp_path / "model").classes.tolist() == ["no", "yes"]
    monkeypatch.setattr(_model_file, "_MAX_MULTIPLE", 0)
    with pytest.raises(ModelFileError, match="far larger"):
        read_model(tmp_path / "model")
