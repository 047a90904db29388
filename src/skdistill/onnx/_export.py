"""Students as ONNX graphs, for programs that run no Python.

The graph is written from the network's weights: an embedding, and ONNX's own operators for
convolutions and recurrent layers. It is as small as the student, takes any number of texts of any
length, and is made without torch. Tracing the torch module would give a graph of flat ids and
offsets, which is not what programs around a graph are used to; and the tables of
`skdistill.runtime` would take more room, and need a loop where ONNX has a recurrent operator.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any, Literal

import numpy as np

import skdistill
from skdistill._core.files import replacing
from skdistill._core.texts import check_texts
from skdistill.onnx._graph import ML, PAD, GraphWriter, add_network
from skdistill.onnx._strings import add_tokenizer, check_tokenizable, encodable_words
from skdistill.runtime._model_file import StoredModel
from skdistill.serving import CompiledClassifier, as_compiled
from skdistill.text._vocabulary import Vocabulary

_OPSET, _ML_OPSET, _IR_VERSION = 20, 3, 9
_TOLERANCE = 1e-5
_N_TEXTS = 1000
_MAX_WORDS = 40
_RUN = 100


def export_onnx(
    student: Any,
    path: str | PathLike[str],
    *,
    inputs: Literal["ids", "strings"] = "ids",
    texts: Iterable[str] | None = None,
    verbose: int = 0,
) -> dict[str, Any]:
    """Write a student as an ONNX graph, after its probabilities were compared with the student's.

    The graph of ids takes ``ids``, an int64 tensor of shape (n_texts, n_tokens) with -1 behind the
    end of each text, as :class:`OnnxTextEncoder` makes it. The graph of strings takes ``texts``, a
    string tensor of shape (n_texts,), and needs no tokenizer; it is offered for students of single
    words. Both give

    - ``probabilities``, float32 of shape (n_texts, n_classes), columns in the order of `classes_`;
    - ``label``, of shape (n_texts,), if labels are ``str`` or ``int``; or ones and zeros of shape
      (n_texts, n_classes), where a text may have several.

    The graph of strings also gives ``exact``, bool of shape (n_texts,). It is false for a text with
    characters that standard operators cannot take apart or lower-case as the student does:
    capitals beyond ASCII, emoji and rare punctuation that the vocabulary does not list, control
    characters. Such a text has probabilities of NaN and the label ``""`` or the smallest int64;
    give it to the graph of ids. Texts of printable ASCII, tabs and line ends are always exact.

    The graph's metadata hold ``skdistill`` (the version), ``classes`` and ``vocabulary`` (JSON),
    ``pad_id``, and what was compared: ``n_texts`` and ``largest_difference``.

    Parameters
    ----------
    student : fitted student or CompiledClassifier
        What is exported.
    path : path-like
        An earlier file is replaced once the new one is complete.
    inputs : {"ids", "strings"}, default="ids"
        What the graph takes.
    texts : iterable of str or None, default=None
        Texts on which probabilities are compared; None makes 1,000 of the vocabulary's features.
    verbose : int, default=0
        Whether to show a progress bar of the comparison, in texts.

    Returns
    -------
    dict
        ``"n_texts"``, how many texts were compared, and ``"largest_difference"`` between the
        graph's and the student's probabilities.

    Raises
    ------
    ImportError
        If onnx or onnxruntime are not installed.
    TypeError
        If `student` is neither a student nor a CompiledClassifier.
    ValueError
        If the graph cannot take strings, `texts` are needed and not given, or a probability
        differs by more than 1e-5; no file is written then.

    See Also
    --------
    OnnxTextEncoder : Makes the ids.
    CompiledClassifier : For programs that run Python: it pads nothing, and its files are smaller.

    References
    ----------
    .. [1] ONNX operators, https://onnx.ai/onnx/operators; the graph uses version 20 of them, and
       version 3 of ``ai.onnx.ml``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from onnxruntime import InferenceSession
    >>> from skdistill import DistilledMLPClassifier, OnnxTextEncoder, export_onnx
    >>> X = ["a warm soup", "fresh bread", "warm bread", "a fast train", "late train", "fast bus"]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"]
    >>> student = DistilledMLPClassifier(max_epochs=50, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     report = export_onnx(student, f"{folder}/student.onnx")
    ...     session = InferenceSession(f"{folder}/student.onnx")
    >>> report["largest_difference"] < 1e-5
    True
    >>> encoder = OnnxTextEncoder(session.get_modelmeta().custom_metadata_map)
    >>> session.run(["label"], {"ids": encoder.encode(["hot soup", "my bus"])})[0].tolist()
    ['food', 'travel']
    """
    _check_installed()
    if inputs not in ("ids", "strings"):
        raise ValueError(f'inputs={inputs!r} must be "ids" or "strings".')
    compiled = as_compiled(student)
    model = compiled._model
    if inputs == "strings":
        check_tokenizable(model.vocabulary)
    compared = make_texts(model.vocabulary) if texts is None else check_texts(texts)
    proto = _make_proto(model, inputs)
    report = _compare(proto, compiled, inputs, compared, verbose)
    metadata = _describe(model) | {name: str(value) for name, value in report.items()}
    for name, value in metadata.items():
        proto.metadata_props.add(key=name, value=value)
    with replacing(path) as file:
        file.write(proto.SerializeToString())
    return report


class OnnxTextEncoder:
    """Turns texts into the ids that a graph of `export_onnx` takes, with NumPy alone.

    Parameters
    ----------
    source : fitted student, CompiledClassifier or mapping
        A mapping is a graph's metadata, such as
        ``session.get_modelmeta().custom_metadata_map`` of ONNX Runtime.

    Raises
    ------
    ValueError
        If the metadata are not those of `export_onnx`, or the student's analyzer is a function,
        which they do not hold.

    See Also
    --------
    export_onnx : Writes the graph.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, OnnxTextEncoder
    >>> student = DistilledMLPClassifier(max_epochs=1).fit(["a b", "a c"], [0, 1])
    >>> OnnxTextEncoder(student).encode(["C a!", "b"])
    array([[ 3,  1,  0],
           [ 2, -1, -1]])
    """

    def __init__(self, source: Any) -> None:
        if isinstance(source, Mapping):
            self._vocabulary = _read_vocabulary(source)
        else:
            self._vocabulary = as_compiled(source)._model.vocabulary

    def encode(self, X: Iterable[str]) -> np.ndarray:
        """Translate texts into padded ids.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts. Memory and time grow with their number times the longest one: let texts of
            like length share a batch.

        Returns
        -------
        ndarray of shape (n_texts, n_tokens), dtype int64
            At least one column; -1 stands behind the end of each text, 0 for unknown features.
        """
        rows = self._vocabulary.encode(check_texts(X))
        lengths = rows.lengths
        is_inside = np.arange(max(1, lengths.max())) < lengths[:, None]
        ids = np.full(is_inside.shape, PAD, dtype=np.int64)
        ids[is_inside] = rows.values
        return ids


def _check_installed() -> None:
    try:
        import onnxruntime  # noqa: F401

        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"Export needs {error.name}: pip install 'skdistill[onnx]'.", name=error.name
        ) from error


def _make_proto(model: StoredModel, inputs: str) -> Any:
    """Build the model, without metadata."""
    from onnx import TensorProto, checker, helper

    graph = GraphWriter()
    if inputs == "strings":
        given = helper.make_tensor_value_info("texts", TensorProto.STRING, ["n_texts"])
        ids, exact = add_tokenizer(graph, model.vocabulary, "texts")
    else:
        given = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n_texts", "n_tokens"])
        ids, exact = "ids", None
    logits = add_network(graph, model, ids)
    if model.multilabel:
        probabilities = graph.add("Sigmoid", logits)
    else:
        probabilities = graph.add("Softmax", logits, axis=1)
    if exact is not None:
        is_exact = graph.add("Unsqueeze", exact, [1])
        probabilities = graph.add("Where", is_exact, probabilities, np.float32(np.nan))
    given_back = [("probabilities", probabilities, TensorProto.FLOAT, [len(model.classes)])]
    labels, none = _labels(model.classes)
    if model.multilabel:
        label = graph.add("Cast", graph.add("Greater", logits, np.float32(0)), to=TensorProto.INT64)
        if exact is not None:
            label = graph.add("Where", is_exact, label, none)
        given_back.append(("label", label, TensorProto.INT64, [len(model.classes)]))
    elif labels is not None:
        label = graph.add("Gather", labels, graph.add("ArgMax", logits, axis=1, keepdims=0))
        if exact is not None:
            label = graph.add("Where", exact, label, none)
        kind = TensorProto.STRING if labels.dtype == object else TensorProto.INT64
        given_back.append(("label", label, kind, []))
    if exact is not None:
        given_back.append(("exact", exact, TensorProto.BOOL, []))
    outputs = []
    for name, value, kind, shape in given_back:
        graph.name(value, name)
        outputs.append(helper.make_tensor_value_info(name, kind, ["n_texts", *shape]))
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "student", [given], outputs, [*graph.constants.values()]),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(ML, _ML_OPSET)],
        ir_version=_IR_VERSION,
        producer_name="skdistill",
        producer_version=skdistill.__version__,
    )
    checker.check_model(proto, full_check=True)
    return proto


def _labels(classes: np.ndarray) -> tuple[np.ndarray | None, Any]:
    """Return the labels, if ONNX has their type, and what stands for none of them."""
    values = classes.tolist()
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=object), np.array("", dtype=object)
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.int64), np.iinfo(np.int64).min
    return None, None


def _compare(
    proto: Any, compiled: CompiledClassifier, inputs: str, texts: list[str], verbose: int
) -> dict[str, Any]:
    """Run the graph beside the student, and refuse a graph that differs."""
    from onnxruntime import InferenceSession

    session = InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    encoder = OnnxTextEncoder(compiled)
    n_compared, largest = 0, 0.0
    for run in _runs(texts, verbose):
        if inputs == "ids":
            feed = {"ids": encoder.encode(run)}
        else:
            feed = {"texts": np.array(run, dtype=object)}
        found = dict(zip(names, session.run(None, feed), strict=True))
        is_exact = found.get("exact", np.ones(len(run), dtype=bool))
        differences = np.abs(found["probabilities"] - compiled.predict_proba(run))[is_exact]
        n_compared += len(differences)
        largest = max(largest, float(differences.max(initial=0)))
        # Not "greater than", which what is not a number would pass.
        is_wrong = ~(differences <= _TOLERANCE).all(axis=1)
        if is_wrong.any():
            row = np.flatnonzero(is_exact)[is_wrong][0]
            raise ValueError(
                f"The graph's probabilities differ from the student's by {differences.max():.2g}, "
                f"more than {_TOLERANCE}, first for {run[row]!r:.80}; nothing was written."
            )
    if not n_compared:
        raise ValueError(
            "The graph of strings can take none of the given texts apart as the student does; "
            "export it with inputs='ids'."
        )
    return {"n_texts": n_compared, "largest_difference": largest}


def _runs(texts: list[str], verbose: int) -> Iterator[list[str]]:
    from skdistill._core.progress import progress_bar

    with progress_bar(desc="comparing", unit="text", total=len(texts), disable=not verbose) as bar:
        for start in range(0, len(texts), _RUN):
            run = texts[start : start + _RUN]
            yield run
            bar.update(len(run))


def make_texts(vocabulary: Vocabulary) -> list[str]:
    """Make texts of features, unknown words and several separators; some are empty."""
    if callable(vocabulary.analyzer):
        raise ValueError(
            "The student's analyzer is a function, which may expect texts of a certain form: pass "
            "some as `texts`, to compare probabilities on."
        )
    rng = np.random.default_rng(0)
    words = np.array([*encodable_words(vocabulary), "unheard-of"], dtype=object)
    separators = np.array([" ", " ", " ", " ", ", ", "-", "\n", "..."], dtype=object)
    lengths = rng.integers(0, _MAX_WORDS, size=_N_TEXTS)
    return ["".join(rng.choice(words, n) + rng.choice(separators, n)) for n in lengths]


def _describe(model: StoredModel) -> dict[str, str]:
    """Write down what a reader of the graph must know, as text."""
    vocabulary = model.vocabulary
    description = {
        "features": vocabulary.features,
        "analyzer": None if callable(vocabulary.analyzer) else vocabulary.analyzer,
        "ngram_range": vocabulary.ngram_range,
        "lowercase": vocabulary.lowercase,
        "hash_buckets": vocabulary.hash_buckets,
    }
    return {
        "skdistill": skdistill.__version__,
        "classes": json.dumps(model.classes.tolist()),
        "vocabulary": json.dumps(description),
        "pad_id": str(PAD),
    }


def _read_vocabulary(metadata: Mapping[str, str]) -> Vocabulary:
    if not {"skdistill", "vocabulary"} <= metadata.keys():
        raise ValueError("These are not the metadata of a graph that export_onnx wrote.")
    options = json.loads(metadata["vocabulary"])
    if options["analyzer"] is None:
        raise ValueError(
            "The student's analyzer is a function, which a graph's metadata do not hold: make "
            "OnnxTextEncoder of the student itself."
        )
    return Vocabulary(**options | {"ngram_range": tuple(options["ngram_range"])})
