"""Export students as ONNX graphs, for programs in other languages.

The graph is built from the network's weights, without torch: an embedding, and ONNX's operators for
convolutions and recurrent layers. It is as small as the student and takes any number of texts of
any length. Tracing the torch module would yield a graph over flat ids and offsets, an unusual
interface. The look-up tables of `skdistill.runtime` would take more space, and would need a loop
where ONNX has a recurrent operator.
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
from skdistill.runtime._kinds import KINDS
from skdistill.runtime._model_file import StoredModel
from skdistill.serving import CompiledClassifier, as_compiled
from skdistill.text._vocabulary import Vocabulary

_OPSET, _ML_OPSET, _IR_VERSION = 20, 3, 9
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
    """Write a student as an ONNX graph, after checking that both compute the same probabilities.

    A graph that takes ids works for every student. Its input ``ids`` is an int64 tensor of shape
    (n_texts, n_tokens), padded with -1 at the end of each text; :class:`OnnxTextEncoder` makes it.

    A graph that takes strings works only for students with word unigrams, and needs no tokenizer.
    Its input ``texts`` is a string tensor of shape (n_texts,).

    Both graphs [1]_ have these outputs:

    - ``probabilities``: float32 of shape (n_texts, n_classes), with columns in the order of
      `classes_`.
    - ``label``: shape (n_texts,), if the labels are ``str``, ``int`` or ``bool``. If a text may
      have several labels: ones and zeros of shape (n_texts, n_classes).

    A graph that takes strings also has the output ``exact``, bool of shape (n_texts,). It is false
    if the text contains characters that ONNX's standard operators cannot split or lower-case as the
    student does: non-ASCII capitals, control characters, and emoji or rare punctuation missing from
    the vocabulary. The probabilities of such a text are NaN, and its label is ``""``, false or the
    smallest int64. Use a graph that takes ids for such texts. Texts of printable ASCII, tabs and
    line breaks are always exact.

    The graph's metadata contain ``skdistill`` (the version), ``classes`` and ``vocabulary`` (both
    as JSON), ``pad_id``, and the result of the comparison: ``n_texts`` and ``largest_difference``.

    Parameters
    ----------
    student : fitted student or CompiledClassifier
        The student to export.
    path : path-like
        The file to write. An existing file is replaced once the new one is complete.
    inputs : {"ids", "strings"}, default="ids"
        The input of the graph.
    texts : iterable of str or None, default=None
        Texts to compare probabilities on. None generates 1,000 texts from the vocabulary.
    verbose : int, default=0
        Whether to show a progress bar for the comparison.

    Returns
    -------
    dict
        ``"n_texts"``, the number of texts compared, and ``"largest_difference"`` between the
        graph's and the student's probabilities.

    Raises
    ------
    ImportError
        If onnx or onnxruntime is not installed.
    TypeError
        If `student` is neither a student nor a CompiledClassifier.
    ValueError
        If this student's graph cannot take strings, if `texts` is required but missing, if a label
        is too large for int64, or if a probability differs by more than 1e-5, or than 1e-3 for a
        recurrent student, whose steps multiply rounding errors. No file is written in these cases.

    See Also
    --------
    OnnxTextEncoder : Convert texts to ids.
    CompiledClassifier : Predict in Python, without padding and from smaller files.

    References
    ----------
    .. [1] ONNX operators, https://onnx.ai/onnx/operators. The graph uses operator set 20, and
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
        raise ValueError(f'inputs must be "ids" or "strings", but is {inputs!r:.200}.')
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
    """Convert texts to the ids that a graph from `export_onnx` takes, with NumPy only.

    Parameters
    ----------
    source : fitted student, CompiledClassifier or mapping
        The student, or the graph's metadata as a mapping. With ONNX Runtime, that is
        ``session.get_modelmeta().custom_metadata_map``.

    Raises
    ------
    ValueError
        If the metadata are not from `export_onnx`, or the student's analyzer is a function, which
        metadata cannot contain.

    See Also
    --------
    export_onnx : Write the graph.

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
        """Convert texts to padded ids.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts. Memory and time grow with the number of texts times the longest length, so
            batch texts of similar length together.

        Returns
        -------
        ndarray of shape (n_texts, n_tokens), dtype int64
            The ids, with at least one column. -1 is padding, 0 an unknown feature.
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
            f"ONNX export needs {error.name}: pip install 'skdistill[onnx]'.", name=error.name
        ) from error


def _make_proto(model: StoredModel, inputs: str) -> Any:
    """Build the ONNX model, without metadata."""
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
    labels, none = _labels(np.arange(2) if model.multilabel else model.classes)
    if model.multilabel:
        label = graph.add("Cast", graph.add("Greater", logits, np.float32(0)), to=TensorProto.INT64)
        if exact is not None:
            label = graph.add("Where", is_exact, label, none)
        given_back.append(("label", label, TensorProto.INT64, [len(model.classes)]))
    elif labels is not None:
        label = graph.add("Gather", labels, graph.add("ArgMax", logits, axis=1, keepdims=0))
        if exact is not None and none is False:
            label = graph.add("And", exact, label)  # runtimes lack "Where" for booleans
        elif exact is not None:
            label = graph.add("Where", exact, label, none)
        kinds = {"O": TensorProto.STRING, "b": TensorProto.BOOL, "i": TensorProto.INT64}
        given_back.append(("label", label, kinds[labels.dtype.kind], []))
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
    """Return the labels, if ONNX has their type, and the value that means "no label"."""
    values = classes.tolist()
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=object), np.array("", dtype=object)
    if all(isinstance(value, bool) for value in values):
        return np.array(values), False
    if all(isinstance(value, int) for value in values):
        if max(values) >= 2**63:
            raise ValueError(
                f"The label {max(values)} is larger than the largest label of a graph, {2**63 - 1} "
                "(int64); use smaller numbers or strings as labels in y and fit again."
            )
        return np.array(values, dtype=np.int64), np.iinfo(np.int64).min
    return None, None


def _compare(
    proto: Any, compiled: CompiledClassifier, inputs: str, texts: list[str], verbose: int
) -> dict[str, Any]:
    """Compare the graph with the student, and raise an error if they differ."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    # Its threads wait busily, which slows down everything else on a small machine.
    options.intra_op_num_threads = 1
    session = InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    encoder = OnnxTextEncoder(compiled)
    tolerance = KINDS[compiled._model.kind].graph_tolerance
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
        # Negated so that NaN counts as a difference.
        is_wrong = ~(differences <= tolerance).all(axis=1)
        if is_wrong.any():
            row = np.flatnonzero(is_exact)[is_wrong][0]
            raise ValueError(
                f"The graph's probabilities differ from the student's by {differences.max():.2g}, "
                f"more than {tolerance}, first for {run[row]!r:.80}. No file was written. "
                "If that text is unlike yours, pass your own as `texts`."
            )
    if not n_compared:
        raise ValueError(
            "A graph with inputs='strings' would not be exact for any of the given texts. Export "
            "the student with inputs='ids'."
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
    """Generate texts from features, unknown words and separators; some texts are empty."""
    if callable(vocabulary.analyzer):
        raise ValueError(
            "The student's analyzer is a function and may expect texts in a certain form. To "
            "compare probabilities, pass such texts as `texts`."
        )
    rng = np.random.default_rng(0)
    words = np.array([*encodable_words(vocabulary), "unheard-of"], dtype=object)
    separators = np.array([" ", " ", " ", " ", ", ", "-", "\n", "..."], dtype=object)
    lengths = rng.integers(0, _MAX_WORDS, size=_N_TEXTS)
    return ["".join(rng.choice(words, n) + rng.choice(separators, n)) for n in lengths]


def _describe(model: StoredModel) -> dict[str, str]:
    """Return the metadata that a reader of the graph needs."""
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
        raise ValueError(
            "source is not the metadata of a graph from export_onnx. Pass the graph's "
            "custom_metadata_map, or the student itself."
        )
    options = json.loads(metadata["vocabulary"])
    if options["analyzer"] is None:
        raise ValueError(
            "The student's analyzer is a function, which a graph's metadata cannot contain. Pass "
            "the student itself to OnnxTextEncoder."
        )
    return Vocabulary(**options | {"ngram_range": tuple(options["ngram_range"])})
