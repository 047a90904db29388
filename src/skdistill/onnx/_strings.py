"""Build the default tokenizer as an ONNX graph, from raw strings to padded ids.

ONNX has no operator that finds words, only one that splits strings at a fixed delimiter. The graph
therefore splits texts at spaces, then words that contain punctuation at one mark after another.
The result is exact for texts of these characters: ASCII, letters of the basic multilingual plane
that lower-casing leaves unchanged, and the marks in the student's vocabulary. A regular expression
detects all other texts.
"""

import numpy as np

from skdistill._core.texts import half_of_pair
from skdistill.onnx._graph import ML, PAD, GraphWriter
from skdistill.text._vocabulary import UNKNOWN, Vocabulary, split_words

_BLANKS = " \t\n\r\N{NO-BREAK SPACE}"
# The basic multilingual plane without control characters and surrogates.
_PLANE = [*map(chr, [*range(32, 127), *range(160, 0xD800), *range(0xE000, 0xFFFF)])]


def check_tokenizable(vocabulary: Vocabulary) -> None:
    """Check that ONNX's operators can find the features of a vocabulary.

    Raises
    ------
    ValueError
        If the features are not single words.
    """
    if callable(vocabulary.analyzer):
        reason = "its analyzer is a function, and a graph cannot contain Python code"
    elif vocabulary.analyzer == "char":
        reason = "no standard ONNX operator splits a string into characters"
    elif vocabulary.hash_buckets or tuple(vocabulary.ngram_range) != (1, 1):
        reason = "the graph finds only single words, but the student also uses n-grams"
    else:
        return
    raise ValueError(
        f"This student cannot be exported with inputs='strings': {reason}. Export it with "
        "inputs='ids', and make the ids with OnnxTextEncoder."
    )


def add_tokenizer(graph: GraphWriter, vocabulary: Vocabulary, texts: str) -> tuple[str, str]:
    """Add the nodes from strings to ids.

    Parameters
    ----------
    graph : GraphWriter
    vocabulary : Vocabulary
        A vocabulary of single words.
    texts : str
        The name of a string tensor of shape (n_texts,).

    Returns
    -------
    ids : str
        The name of an int64 tensor of shape (n_texts, n_tokens), padded with `PAD`.
    exact : str
        The name of a bool tensor of shape (n_texts,): whether a text's ids equal the vocabulary's.
    """
    marks, letters = _classify_characters(vocabulary)
    allowed = _character_class([*marks, *_BLANKS, *letters])
    exact = graph.add("RegexFullMatch", texts, pattern=f"[{allowed}]*")
    if vocabulary.lowercase:
        # In any other locale the result would depend on the machine.
        texts = graph.add("StringNormalizer", texts, case_change_action="LOWER", locale="C")
    words, rows = _split(graph, texts, _range_of(graph, texts), " ")
    places = _range_of(graph, words)
    separators = _BLANKS.replace(" ", "")
    pattern = f"[^{_character_class([*marks, *separators])}]*"
    is_plain = graph.add("RegexFullMatch", words, pattern=pattern)
    plain, plain_places = (graph.add("Compress", part, is_plain) for part in (words, places))
    is_mixed = graph.add("Not", is_plain)
    pieces, owners = (graph.add("Compress", part, is_mixed) for part in (words, places))
    for separator in separators:
        pieces, owners = _split(graph, pieces, owners, separator)
    for mark in marks:
        pieces, owners = _split(graph, pieces, owners, mark, keep=True)
    ids = _look_up(graph, vocabulary, graph.add("Concat", plain, pieces, axis=0))
    owners = graph.add("Concat", plain_places, owners, axis=0)
    # TopK is stable, so the pieces of a word keep their order.
    owners, order = graph.add("TopK", owners, graph.add("Shape", owners), n_outputs=2, largest=0)
    ids, rows = graph.add("Gather", ids, order), graph.add("Gather", rows, owners)
    return _pad(graph, ids, rows, graph.add("Shape", texts)), exact


def _classify_characters(vocabulary: Vocabulary) -> tuple[list[str], list[str]]:
    """List the marks and the letters that the graph treats as the vocabulary does."""
    listed = {word for word in encodable_words(vocabulary) if len(word) == 1}
    characters = [*_PLANE, *listed.difference(_PLANE)]
    found = {*split_words(" ".join(f"a{character}a" for character in characters))}
    letters = [c for c in characters if f"a{c}a" in found]
    if vocabulary.lowercase:
        letters = [c for c in letters if c.isascii() or c.lower() == c]
    marks = [c for c in characters if f"a{c}a" not in found and c in found]
    return [mark for mark in marks if mark.isascii() or mark in listed], letters


def _character_class(characters: list[str]) -> str:
    """Write the inside of a regular expression's brackets."""
    codes = np.unique([*map(ord, characters)])
    runs = np.split(codes, np.flatnonzero(np.diff(codes) > 1) + 1)
    return "".join(rf"\x{{{run[0]:x}}}-\x{{{run[-1]:x}}}" for run in runs)


def _split(
    graph: GraphWriter, strings: str, owners: str, delimiter: str, *, keep: bool = False
) -> tuple[str, str]:
    """Split each string and drop empty pieces; `keep` makes each delimiter a piece."""
    pieces, counts = graph.add("StringSplit", strings, n_outputs=2, delimiter=delimiter)
    pieces = graph.add("Unsqueeze", pieces, [2])
    if keep:
        width = graph.add("Squeeze", graph.add("Shape", pieces, start=1, end=2))
        column = graph.add("Range", np.int64(1), graph.add("Add", width, np.int64(1)), np.int64(1))
        is_followed = graph.add("Less", column, graph.add("Unsqueeze", counts, [1]))
        kept = graph.add("Where", is_followed, np.array([delimiter]), np.array([""]))
        pieces = graph.add("Concat", pieces, graph.add("Unsqueeze", kept, [2]), axis=2)
    owners = graph.add("Expand", graph.add("Unsqueeze", owners, [1, 2]), graph.add("Shape", pieces))
    flat, owners = (graph.add("Reshape", part, [-1]) for part in (pieces, owners))
    is_full = graph.add("Not", graph.add("Equal", flat, np.array([""])))
    return graph.add("Compress", flat, is_full), graph.add("Compress", owners, is_full)


def _look_up(graph: GraphWriter, vocabulary: Vocabulary, words: str) -> str:
    known = encodable_words(vocabulary)
    return graph.add(
        "LabelEncoder",
        words,
        domain=ML,
        keys_strings=[*known],
        values_int64s=[*known.values()],
        default_int64=UNKNOWN,
    )


def encodable_words(vocabulary: Vocabulary) -> dict[str, int]:
    """Return the ids of the words that ONNX can store: those without half a surrogate pair."""
    numbered = enumerate(vocabulary.features, start=UNKNOWN + 1)
    return {word: number for number, word in numbered if not half_of_pair(word)}


def _range_of(graph: GraphWriter, flat: str) -> str:
    length = graph.add("Squeeze", graph.add("Shape", flat))
    return graph.add("Range", np.int64(0), length, np.int64(1))


def _pad(graph: GraphWriter, ids: str, rows: str, n_rows: str) -> str:
    """Put ids, sorted by row, into a matrix one column wider than the longest row."""
    zeros = graph.add("Expand", np.int64(0), n_rows)
    ones = graph.add("Expand", np.int64(1), graph.add("Shape", rows))
    lengths = graph.add("ScatterElements", zeros, rows, ones, reduction="add")
    starts = graph.add("CumSum", lengths, np.int64(0), exclusive=1)
    columns = graph.add("Sub", _range_of(graph, rows), graph.add("Gather", starts, rows))
    width = graph.add("Add", graph.add("ReduceMax", lengths, [0]), np.int64(1))
    empty = graph.add("Expand", np.int64(PAD), graph.add("Concat", n_rows, width, axis=0))
    places = graph.add("Concat", *(graph.add("Unsqueeze", i, [1]) for i in (rows, columns)), axis=1)
    return graph.add("ScatterND", empty, places, ids)
