"""Store a fitted student in one file without a pickle: NumPy and the standard library only."""

import json
import zlib
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import numpy as np

import skdistill
from skdistill._core.exceptions import LaterVersionError, ModelFileError
from skdistill.runtime._kinds import KINDS
from skdistill.runtime._network import CompiledNetwork
from skdistill.runtime._quantization import Precision, dequantize, quantize
from skdistill.runtime._tensor_file import read_tensors, write_tensors
from skdistill.text._vocabulary import Vocabulary

_FORMAT = "skdistill model"
_VERSION = 1
_VOCABULARY = "vocabulary"
_COUNTS = "counts"
_MAX_PREFIX = 255
# Maximum decompressed bytes per byte in the file, so that a small file cannot claim much memory.
_MAX_EXPANSION = 100
# Maximum number of table entries per weight; small tables may exceed it.
_MAX_MULTIPLE = 100
_SMALL = 2**22
# Errors that reading a damaged file may raise.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
    zlib.error,
)
_LABEL_TYPES = {"b": bool, "i": int, "u": int, "f": float, "U": str}
# Types of labels that are narrower than Python's numbers; files name them.
_NARROW = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32")


@dataclass(frozen=True)
class StoredModel:
    """A fitted student's data for predicting and for loading it as an estimator.

    Attributes
    ----------
    kind : {"mlp", "cnn", "rnn"}
    classes : ndarray of shape (n_classes,)
        Labels of type ``str``, ``int``, ``float`` or ``bool``.
    vocabulary : Vocabulary
    weights : dict of ndarray, dtype float32
        The network's state.
    architecture : dict
        The network's keyword arguments.
    counts : ndarray of shape (n_features,) or None, default=None
        Number of times each feature occurred in the transfer set.
    estimator : dict, default={}
        The estimator's parameters and fitted attributes that JSON can represent.
    multilabel : bool, default=False
        Whether a text may have several labels; `classes` are then their names or numbers.
    """

    kind: str
    classes: np.ndarray
    vocabulary: Vocabulary
    weights: dict[str, np.ndarray]
    architecture: dict[str, Any]
    counts: np.ndarray | None = None
    estimator: dict[str, Any] = field(default_factory=dict)
    multilabel: bool = False

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters."""
        return sum(array.size for name, array in self.weights.items() if name != "log_prior")

    @property
    def is_additive(self) -> bool:
        """Whether logits are sums over a text's features."""
        return KINDS[self.kind].adds_up and "layers.1.weight" not in self.weights

    def rounded(self, precision: Precision) -> "StoredModel":
        """Return the model with weights rounded as `write_model` rounds them."""
        weights = dequantize(quantize(self.weights, precision))
        return StoredModel(**{**vars(self), "weights": weights})

    def compile(self) -> CompiledNetwork:
        """Build the network that predicts."""
        network = KINDS[self.kind]
        return network(self.vocabulary, self.weights, self.architecture, self.multilabel)


def write_model(model: StoredModel, path: Path, precision: Precision = "float32") -> None:
    """Write a model; an existing file is replaced once the new one is complete.

    Features are written in alphabetical order, which compresses best.

    Parameters
    ----------
    model : StoredModel
    path : Path
    precision : {"float32", "float16", "int8"}, default="float32"
        See `skdistill.runtime._quantization.quantize`.

    Raises
    ------
    TypeError
        If the analyzer is a function or the labels are objects.
    ValueError
        If a weight is too large for the precision.
    """
    vocabulary = model.vocabulary
    if callable(vocabulary.analyzer):
        raise TypeError(
            "The student's analyzer is a function, and this format cannot store code. Save the "
            "student with joblib instead."
        )
    if model.classes.dtype.kind not in _LABEL_TYPES:
        raise TypeError(
            f"This format cannot store labels of type {model.classes.dtype}. Use str, int, float "
            "or bool, or save the student with joblib."
        )
    order = sorted(range(len(vocabulary.features)), key=vocabulary.features.__getitem__)
    rows = np.array([0, *(1 + number for number in order)], dtype=np.int64)
    rows = np.append(rows, np.arange(len(rows), len(vocabulary)))
    weights = {
        **model.weights,
        "embedding.weight": model.weights["embedding.weight"][rows],
    }
    tensors = quantize(weights, precision)
    features = [vocabulary.features[number] for number in order]
    tensors[_VOCABULARY] = _compress(_front_code(features))
    if model.counts is not None:
        tensors[_COUNTS] = _compress(model.counts[rows].astype("<f4").tobytes())
    description = {
        "kind": model.kind,
        "multilabel": model.multilabel,
        "classes": _write_classes(model.classes),
        "vocabulary": {
            "analyzer": vocabulary.analyzer,
            "ngram_range": list(vocabulary.ngram_range),
            "lowercase": vocabulary.lowercase,
            "hash_buckets": vocabulary.hash_buckets,
        },
        "architecture": _write_architecture(model),
        "estimator": model.estimator,
    }
    metadata = {
        "format": _FORMAT,
        "format_version": str(_VERSION),
        "skdistill": skdistill.__version__,
        "model": json.dumps(description, separators=(",", ":")),
    }
    write_tensors(path, tensors, metadata)


def read_model(path: Path) -> StoredModel:
    """Read a model; this runs no code from the file and checks every size before use.

    Parameters
    ----------
    path : Path

    Returns
    -------
    StoredModel

    Raises
    ------
    ModelFileError
        If the file is not a skdistill model, is damaged, or was written by a later version.
    """
    if path.is_dir():
        raise ModelFileError(
            f"{path} is a folder, not a student's file; CascadeClassifier.load reads the folder of "
            "a cascade."
        )
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != _FORMAT:
        raise ModelFileError(f"{path} is not a skdistill model.")
    if metadata.get("format_version") != str(_VERSION):
        raise LaterVersionError(
            f"{path} has format version {metadata.get('format_version')!r:.20}, but this version "
            f"of skdistill reads version {_VERSION}. Upgrade skdistill."
        )
    try:
        return _build(dict(tensors), json.loads(metadata["model"]))
    except _DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise ModelFileError(f"{path} is damaged: {reason:.200}.") from error


def _build(tensors: dict[str, np.ndarray], description: dict[str, Any]) -> StoredModel:
    options = description["vocabulary"]
    kind = _one_of(description["kind"], tuple(KINDS))
    architecture = _read_architecture(kind, _of_type(description["architecture"], dict))
    features = _front_decode(_decompress(tensors.pop(_VOCABULARY)))
    counts = tensors.pop(_COUNTS, None)
    vocabulary = Vocabulary(
        features,
        analyzer=_one_of(options["analyzer"], ("word", "char")),
        ngram_range=_ngram_range(options["ngram_range"]),
        lowercase=_of_type(options["lowercase"], bool),
        hash_buckets=_of_type(options["hash_buckets"], int),
    )
    if len(set(features)) != len(features):
        raise ValueError("a feature occurs twice")
    classes = _read_classes(description["classes"])
    weights = dequantize(tensors)
    _check_weights(weights, kind, architecture, len(vocabulary), len(classes))
    if counts is not None:
        counts = np.frombuffer(_decompress(counts), dtype="<f4").astype(np.float32)
        if len(counts) != len(vocabulary) or not np.isfinite(counts).all():
            raise ValueError("the counts do not match the features")
    estimator = _of_type(description["estimator"], dict)
    multilabel = _of_type(description["multilabel"], bool)
    if multilabel and classes.dtype.kind != "U" and classes.tolist() != [*range(len(classes))]:
        raise ValueError(
            "the classes of a multilabel model are neither strings nor the numbers 0, 1, 2, ..."
        )
    return StoredModel(
        kind, classes, vocabulary, weights, architecture, counts, estimator, multilabel
    )


def _write_architecture(model: StoredModel) -> dict[str, Any]:
    types, stored = KINDS[model.kind].architecture_types(), {}
    for name, value in model.architecture.items():
        known = types[name]
        stored[name] = [*map(known[0], value)] if isinstance(known, tuple) else known(value)
    return stored


def _read_architecture(kind: str, stored: dict[str, Any]) -> dict[str, Any]:
    types, architecture = KINDS[kind].architecture_types(), {}
    for name, value in stored.items():
        known = types[name]
        if isinstance(known, tuple):
            architecture[name] = tuple(_of_type(item, known[0]) for item in _of_type(value, list))
        else:
            architecture[name] = _of_type(value, known)
    return architecture


def _write_classes(classes: np.ndarray) -> dict[str, Any]:
    stored = {"type": classes.dtype.kind, "values": classes.tolist()}
    dtype = classes.dtype.name
    return stored | {"dtype": dtype} if dtype in _NARROW else stored


def _read_classes(stored: dict[str, Any]) -> np.ndarray:
    kind = _one_of(stored["type"], tuple(_LABEL_TYPES))
    values = [_of_type(value, _LABEL_TYPES[kind]) for value in _of_type(stored["values"], list)]
    # Integers above 2**63 - 1 are unsigned.
    classes: np.ndarray = np.array(values, dtype=np.uint64 if kind == "u" else _LABEL_TYPES[kind])
    if len(set(values)) < max(2, len(values)):
        raise ValueError("it does not have two or more different classes")
    dtype = stored.get("dtype")
    return classes if dtype is None else _narrowed(classes, _one_of(dtype, _NARROW))


def _narrowed(classes: np.ndarray, dtype: str) -> np.ndarray:
    narrow = classes.astype(dtype)
    if narrow.tolist() != classes.tolist():
        raise ValueError(f"the classes do not fit in {dtype}")
    return narrow


def _check_weights(
    weights: dict[str, np.ndarray],
    kind: str,
    architecture: dict[str, Any],
    n_features: int,
    n_classes: int,
) -> None:
    expected = KINDS[kind].weight_shapes(n_features=n_features, n_classes=n_classes, **architecture)
    found = {name: array.shape for name, array in weights.items()}
    if found != expected:
        names = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        raise ValueError(f"the shapes of the weights {names} do not match the architecture")
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ValueError(f"the weights {name!r} are not finite")
    n_weights = sum(array.size for array in weights.values())
    if KINDS[kind].count_table_entries(weights) > max(_SMALL, _MAX_MULTIPLE * n_weights):
        raise ValueError("its look-up tables would be far larger than its weights")


def _ngram_range(value: Any) -> tuple[int, int]:
    low, high = (_of_type(length, int) for length in value)
    if not 1 <= low <= high <= 100:
        raise ValueError("the n-gram range is not valid")
    return low, high


def _one_of(value: Any, choices: tuple[str, ...]) -> Any:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{value!r:.40} is not one of {choices}")
    return value


def _of_type(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r:.40} is not of type {kind.__name__}")
    return value


def _front_code(words: list[str]) -> bytes:
    """Encode sorted words, each as the length of the prefix it shares, its rest, and a NUL."""
    parts = []
    encoded = [b"", *(word.encode("utf-8", "surrogatepass") for word in words)]
    for previous, word in pairwise(encoded):
        pairs = zip(previous[:_MAX_PREFIX], word, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if b"\0" in word:
            raise ValueError(
                f"The feature {word.decode(errors='replace')!r} contains a NUL character, which "
                "this format cannot store. Remove NUL characters from the texts and fit again."
            )
        parts.append(bytes([shared]) + word[shared:] + b"\0")
    return b"".join(parts)


def _front_decode(data: bytes) -> list[str]:
    words = []
    word, start = b"", 0
    while start < len(data):
        end = data.index(b"\0", start + 1)
        if data[start] > len(word):
            raise ValueError("the vocabulary is not front-coded")
        word = word[: data[start]] + data[start + 1 : end]
        words.append(word.decode("utf-8", "surrogatepass"))
        start = end + 1
    return words


def _compress(data: bytes) -> np.ndarray:
    """Compress data, unless it would expand too far for `_decompress`."""
    compressed = zlib.compress(data, 9)
    if len(data) > _MAX_EXPANSION * len(compressed):
        compressed = zlib.compress(data, 0)
    return np.frombuffer(compressed, dtype=np.uint8)


def _decompress(stored: np.ndarray) -> bytes:
    data = stored.tobytes()
    stream = zlib.decompressobj()
    expanded = stream.decompress(data, _MAX_EXPANSION * len(data) + 1)
    if not stream.eof or stream.unused_data:
        raise ValueError("its compressed data are truncated or expand too far")
    return expanded
