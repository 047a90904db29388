"""Build a student's network as an ONNX graph, from padded ids to logits."""

from typing import Any

import numpy as np

from skdistill.runtime._kinds import KINDS
from skdistill.runtime._model_file import StoredModel
from skdistill.text._vocabulary import UNKNOWN

# Pads rows of ids. As an index it selects the embedding's last row, which is zero.
PAD = -1
ML = "ai.onnx.ml"

_LOWEST = np.float32(np.finfo(np.float32).min)
# An element type in the numbering of ONNX's `TensorProto`.
_FLOAT = 1


class GraphWriter:
    """Collects the nodes and constants of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[tuple[Any, ...], Any] = {}

    def add(self, operator: str, *inputs: Any, n_outputs: int = 1, **attributes: Any) -> Any:
        """Add a node and return the names of its outputs.

        Parameters
        ----------
        operator : str
        *inputs : str, ndarray, number or None
            Names of other nodes' outputs, or constants. None omits an optional input.
        n_outputs : int, default=1
        **attributes
            The node's attributes, and its `domain`.

        Returns
        -------
        str, or list of str for several outputs
        """
        from onnx import helper

        name = f"{operator}_{len(self.nodes)}"
        outputs = [name] if n_outputs == 1 else [f"{name}_{i}" for i in range(n_outputs)]
        names = [self._name_of(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, names, outputs, name=name, **attributes))
        return outputs[0] if n_outputs == 1 else outputs

    def name(self, value: str, name: str) -> None:
        """Rename a node's output."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name], name=name))

    def _name_of(self, value: Any) -> str:
        if value is None:
            return ""
        return value if isinstance(value, str) else self._constant(np.asarray(value))

    def _constant(self, array: np.ndarray) -> str:
        from onnx import numpy_helper

        is_text = array.dtype.kind in "OU"
        content = tuple(array.ravel()) if is_text else array.tobytes()
        key = (array.dtype.str, array.shape, content)
        if key not in self.constants:
            name = f"constant_{len(self.constants)}"
            plain = array.astype(object) if is_text else np.ascontiguousarray(array)
            self.constants[key] = numpy_helper.from_array(plain.reshape(array.shape), name)
        return self.constants[key].name


def add_network(graph: GraphWriter, model: StoredModel, ids: str) -> str:
    """Add the nodes from ids to logits.

    Parameters
    ----------
    graph : GraphWriter
    model : StoredModel
    ids : str
        The name of an int64 tensor of shape (n_texts, n_tokens), padded with `PAD`.

    Returns
    -------
    str
        The name of a float32 tensor of shape (n_texts, n_classes).
    """
    weights = model.weights
    embedding = np.pad(weights["embedding.weight"], ((0, 1), (0, 0)))
    inside = graph.add("Greater", ids, np.int64(PAD))
    vectors = graph.add("Gather", embedding, ids)
    vectors, scores = KINDS[model.kind].add_to_graph(
        graph, weights, model.architecture, vectors, inside
    )
    pooled = [_pool(graph, how, vectors, inside, scores) for how in model.architecture["pooling"]]
    hidden = graph.add("Concat", *pooled, axis=1)
    n_layers = sum(name.startswith("layers.") for name in weights) // 2
    for number in range(n_layers):
        if number:
            hidden = graph.add("Relu", hidden)
        layer = weights[f"layers.{number}.weight"], weights[f"layers.{number}.bias"]
        hidden = graph.add("Gemm", hidden, *layer, transB=1)
    is_known = graph.add("Greater", graph.add("ReduceMax", ids, [1]), np.int64(UNKNOWN))
    return graph.add("Where", is_known, hidden, weights["log_prior"])


def _pool(graph: GraphWriter, how: str, vectors: str, inside: str, scores: str | None) -> str:
    """Reduce each text's vectors to one, ignoring padding."""
    if how == "max":
        visible = graph.add("Unsqueeze", inside, [2])
        kept = graph.add("Where", visible, vectors, _LOWEST)
        return graph.add("ReduceMax", kept, [1], keepdims=0)
    if how == "mean":
        ones = graph.add("Cast", inside, to=_FLOAT)
        length = graph.add("Max", graph.add("ReduceSum", ones, [1]), np.float32(1))
        shares = graph.add("Div", ones, length)
    else:
        shares = graph.add("Softmax", graph.add("Where", inside, scores, _LOWEST), axis=1)
    weighted = graph.add("MatMul", graph.add("Unsqueeze", shares, [1]), vectors)
    return graph.add("Squeeze", weighted, [1])
