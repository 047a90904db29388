"""Write a student as JSON for the model card's scripts."""

import json
from base64 import b64encode
from typing import Any

import numpy as np

from skdistill.runtime._markup import Markup
from skdistill.runtime._model_file import StoredModel
from skdistill.runtime._quantization import quantize
from skdistill.text._characters import (
    character_kinds,
    lowercase_expansions,
    lowercase_shifts,
)
from skdistill.text._vocabulary import Vocabulary

_SCALE = ".scale"


def describe_for_page(model: StoredModel) -> dict[str, Any]:
    """Return a student with 8-bit weights as a dict that JSON can represent.

    A TypeError is raised if the analyzer is a function, because a page cannot call Python.
    """
    if callable(model.vocabulary.analyzer):
        raise TypeError(
            "A model card cannot contain a student with a function as its analyzer, because the "
            'page cannot call Python. Fit a student with analyzer="word" or "char".'
        )
    stored = quantize(model.weights, "int8")
    names = [name for name in stored if not name.endswith(_SCALE)]
    return {
        "multilabel": model.multilabel,
        "pooling": list(model.architecture["pooling"]),
        "cell": model.architecture.get("cell"),
        "vocabulary": _describe_vocabulary(model.vocabulary),
        "weights": {name: _describe_array(stored, name) for name in names},
        "characters": {
            "kinds": character_kinds(),
            "shifts": lowercase_shifts(),
            "expansions": lowercase_expansions(),
        },
    }


def _describe_vocabulary(vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "features": vocabulary.features,
        "analyzer": vocabulary.analyzer,
        "lowercase": vocabulary.lowercase,
        "ngram_range": list(vocabulary.ngram_range),
        "hash_buckets": vocabulary.hash_buckets,
        "codes": vocabulary.codes.tolist() if vocabulary.hash_buckets else None,
    }


def _describe_array(stored: dict[str, np.ndarray], name: str) -> dict[str, Any]:
    array, scale = stored[name], stored.get(name + _SCALE)
    return {
        "shape": list(array.shape),
        "data": _encode(array if array.dtype == np.int8 else array.astype("<f4")),
        "scale": None if scale is None else _encode(scale.astype("<f4")),
    }


def _encode(array: np.ndarray) -> str:
    return b64encode(array.tobytes()).decode("ascii")


def write_script_data(value: Any) -> Markup:
    r"""Return a value as JSON that cannot end its script element.

    Examples
    --------
    >>> from skdistill.card._model import write_script_data
    >>> write_script_data({"word": "</script>"})
    '{"word":"\\u003c/script>"}'
    """
    # Only a "<" can make HTML end the data, and JSON contains "<" only inside strings.
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))
