"""Compute logits of texts: tokenise them once, batch them by length, pad as little as possible."""

import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from skdistill._core.progress import progress_bar
from skdistill._core.torch import free_memory
from skdistill.teachers.huggingface._heads import end_of_text
from skdistill.teachers.huggingface._text_to_text import LabelTexts
from skdistill.text._ragged import Ragged

_logger = logging.getLogger(__name__)

# Texts per call of the tokenizer, which needs hundreds of bytes per token while it works.
_TEXTS_AT_ONCE = 10_000

# Tokens in a padded batch. Small batches fit a CPU's cache; accelerators need large ones.
_BATCH_TOKENS = {"cpu": 1_024}
_BATCH_TOKENS_ELSEWHERE = 32_768


@dataclass(frozen=True)
class TokenisedTexts:
    """Token ids of many texts, at four bytes per token.

    Attributes
    ----------
    fields : dict of str to Ragged, each with n_texts rows
        The model's inputs for each token: ``"input_ids"`` and, for some models,
        ``"token_type_ids"``.
    padding : dict of str to int
        The padding value of each field.
    padding_side : {"right", "left"}
        The side to pad on.
    """

    fields: dict[str, Ragged]
    padding: dict[str, int]
    padding_side: str

    def __len__(self) -> int:
        return len(self.fields["input_ids"])

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each text, an ndarray of shape (n_texts,)."""
        return self.fields["input_ids"].lengths

    def take(self, rows: np.ndarray) -> "TokenisedTexts":
        """Return the given texts, in the given order."""
        fields = {name: ragged.take(rows) for name, ragged in self.fields.items()}
        return replace(self, fields=fields)

    def pad(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the given texts as the model's inputs, each of shape (len(rows), longest)."""
        batch = self.take(rows)
        lengths = batch.lengths[:, None]
        columns = np.arange(lengths.max())
        if self.padding_side == "left":
            real = columns >= len(columns) - lengths
        else:
            real = columns < lengths
        inputs = {"attention_mask": torch.from_numpy(real.astype(np.int64))}
        for name, ragged in batch.fields.items():
            values = np.full(real.shape, self.padding[name], dtype=np.int64)
            values[real] = ragged.values
            inputs[name] = torch.from_numpy(values)
        return inputs


def tokenise(tokenizer: Any, model: Any, texts: list[str], max_length: int) -> TokenisedTexts:
    """Tokenise texts for a model and truncate each to `max_length` tokens.

    The tokenizer must have a padding token. A text without tokens becomes one padding token; this
    happens to an empty text if the tokenizer adds no special tokens. Unpaired surrogates become
    question marks, because tokenizers refuse them. For an encoder-decoder, each text has the
    end-of-text token at its end and nowhere else.
    """

    def encode(chunk: list[str]) -> Any:
        encoded = tokenizer(
            [_encodable(text) for text in chunk],
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            verbose=False,
        )
        if model.config.is_encoder_decoder:
            end = end_of_text(model.config)
            encoded["input_ids"] = [
                _ended_once(row, end, max_length) for row in encoded["input_ids"]
            ]
        return encoded

    return _tokenise_in_chunks(tokenizer, model, texts, encode, _TEXTS_AT_ONCE)


def tokenise_pairs(
    tokenizer: Any, model: Any, texts: list[str], hypotheses: list[str], max_length: int
) -> TokenisedTexts:
    """Tokenise each text with each hypothesis, all pairs of the first text first.

    If a pair is longer than `max_length`, the text is truncated. Each hypothesis must be shorter
    than `max_length`. For an encoder-decoder, end-of-text tokens inside a text become spaces.
    """
    end = None
    if model.config.is_encoder_decoder:
        end = tokenizer.convert_ids_to_tokens(end_of_text(model.config))

    def encode(chunk: list[str]) -> Any:
        premises = [_encodable(text) for text in chunk]
        if end is not None:
            premises = [premise.replace(end, " ") for premise in premises]
        return tokenizer(
            [premise for premise in premises for _ in hypotheses],
            hypotheses * len(premises),
            truncation="only_first",
            max_length=max_length,
            return_attention_mask=False,
            verbose=False,
        )

    texts_at_once = max(1, _TEXTS_AT_ONCE // len(hypotheses))
    return _tokenise_in_chunks(tokenizer, model, texts, encode, texts_at_once)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _tokenise_in_chunks(
    tokenizer: Any,
    model: Any,
    texts: list[str],
    encode: Callable[[list[str]], Any],
    texts_at_once: int,
) -> TokenisedTexts:
    accepted = inspect.signature(model.forward).parameters
    names = [name for name in tokenizer.model_input_names if name in accepted]
    padding = {name: 0 for name in names if name != "attention_mask"}
    padding["input_ids"] = tokenizer.pad_token_id
    if "token_type_ids" in padding:
        padding["token_type_ids"] = tokenizer.pad_token_type_id
    parts: dict[str, list[Ragged]] = {name: [] for name in padding}
    for start in range(0, len(texts), texts_at_once):
        encoded = encode(texts[start : start + texts_at_once])
        for name, part in parts.items():
            rows = [row or [padding[name]] for row in encoded[name]]
            values = np.concatenate([np.asarray(row, dtype=np.int32) for row in rows])
            part.append(Ragged.from_lengths(values, np.array([len(row) for row in rows])))
    return TokenisedTexts(
        fields={name: Ragged.concatenate(part) for name, part in parts.items()},
        padding=padding,
        padding_side=_padding_side(tokenizer, model),
    )


def _ended_once(row: list[int], end: int, max_length: int) -> list[int]:
    others = [token for token in row if token != end]
    return [*others[: max_length - 1], end]


def _padding_side(tokenizer: Any, model: Any) -> str:
    """Return the side on which padding does not change the model's output.

    This is the right side if positions are counted from the first column or if a decoder reads the
    padding, whatever the tokenizer's own setting.
    """
    counts = "position_ids" in inspect.signature(model.forward).parameters
    return "right" if counts or model.config.is_encoder_decoder else tokenizer.padding_side


def mean_token_vectors(tokenizer: Any, table: np.ndarray, words: list[str]) -> np.ndarray:
    """Return the mean embedding of each word's tokens, without special tokens.

    `table` has the token embeddings, of shape (n_tokens, width). The result has the shape
    (n_words, width), with zeros for a word without tokens.
    """
    # A byte-level vocabulary contains a word with the space before it, as words stand in texts.
    space = " " if any(token.startswith("Ġ") for token in tokenizer.get_vocab()) else ""
    texts = [space + _encodable(word) if word else "" for word in words]
    rows = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    vectors = np.zeros((len(words), table.shape[1]), dtype=np.float32)
    for vector, tokens in zip(vectors, rows, strict=True):
        if tokens:
            vector[:] = table[tokens].mean(axis=0)
    return vectors


def whole_words(tokenizer: Any, analyzer: str = "word") -> dict[int, str]:
    """Map the tokens that are whole words or, for ``"char"``, single characters to their texts."""
    vocabulary = tokenizer.get_vocab()
    # BERT's vocabularies mark the tokens that continue a word; others mark those that begin one.
    marks_pieces = any(token.startswith("##") for token in vocabulary)
    marks_words = not marks_pieces and any(token.startswith(("Ġ", "▁")) for token in vocabulary)
    words = {}
    for token, number in sorted(vocabulary.items(), key=lambda item: item[1]):
        if token.startswith(("##", "[unused")) or number in tokenizer.all_special_ids:
            continue
        if analyzer == "word" and marks_words and not token.startswith(("Ġ", "▁")):
            continue
        word = tokenizer.convert_tokens_to_string([token]).strip()
        # Byte-level tokens may end inside a character.
        is_whole = any(map(str.isalnum, word)) and "\ufffd" not in word
        if is_whole and (analyzer == "word" or len(word) == 1):
            words[number] = word
    return words


def batches_by_length(lengths: np.ndarray, batch_tokens: int) -> Iterator[np.ndarray]:
    """Group texts into batches of similar length, the longest first.

    With the longest first, a machine with too little memory fails at once rather than at the end.
    A padded batch has at most `batch_tokens` tokens; a longer text forms its own batch.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.teachers.huggingface._inference import batches_by_length
    >>> [rows.tolist() for rows in batches_by_length(np.array([2, 9, 2, 4, 3]), 8)]
    [[1], [3, 4], [0, 2]]
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def compute_logits(
    model: Any,
    tokens: TokenisedTexts,
    *,
    device: torch.device,
    label_texts: LabelTexts | None = None,
    n_outputs: int | None = None,
    autocast: torch.dtype | None = None,
    unit: str = "text",
    verbose: int = 0,
) -> np.ndarray:
    """Return the model's logits, or its scores of the labels, for tokenised texts.

    If the device runs out of memory, the remaining batches are halved. The caller chooses between
    ``torch.inference_mode()`` and ``torch.no_grad()``. The result has the shape
    (n_texts, n_outputs).

    Parameters
    ----------
    model : PreTrainedModel
        A text classifier on `device`, which is set to evaluation mode.
    label_texts : LabelTexts or None
        The labels of a text-to-text model; None for a model with a classification layer.
    n_outputs : int or None
        Number of outputs per text; None takes the number of labels in the configuration.
    autocast : torch.dtype or None
        The half precision for matrix products; None computes in float32.
    unit : str
        The unit of the progress bar.

    Raises
    ------
    torch.OutOfMemoryError
        If a single text does not fit into memory.
    """
    model.eval()
    batch_tokens = _BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE)
    logits = np.empty((len(tokens), n_outputs or model.config.num_labels), dtype=np.float32)
    sizes = tokens.lengths if label_texts is None else label_texts.sizes(tokens.lengths)
    # The cache that decoders keep for generating text can be larger than the model.
    accepts_cache = "use_cache" in inspect.signature(model.forward).parameters
    options = {"use_cache": False} if accepts_cache else {}
    with (
        torch.autocast(device.type, dtype=autocast, enabled=autocast is not None),
        progress_bar(total=len(tokens), desc="predicting", unit=unit, disable=not verbose) as bar,
    ):
        waiting = deque(batches_by_length(sizes, batch_tokens))
        while waiting:
            rows = waiting.popleft()
            try:
                inputs = {name: values.to(device) for name, values in tokens.pad(rows).items()}
                if label_texts is None:
                    scores = model(**inputs, **options).logits
                else:
                    scores = label_texts.scores(model, inputs)
                logits[rows] = scores.float().cpu().numpy()
            except torch.OutOfMemoryError as error:
                if len(rows) == 1:
                    error.add_note(
                        f"A single text of {tokens.lengths[rows[0]]} tokens is too much for the "
                        f"memory of {str(device)!r}: choose a lower max_length, or device='cpu'."
                    )
                    raise
                _logger.info(
                    "%d texts do not fit in the memory of %s; halving the batches",
                    len(rows),
                    device,
                )
                # The remaining batches have the same size and would not fit either.
                waiting = deque(_in_halves([rows, *waiting]))
            else:
                bar.update(len(rows))
                continue
            free_memory(device)  # here, where the error no longer holds the tensors
    return logits


def _in_halves(batches: list[np.ndarray]) -> Iterator[np.ndarray]:
    for rows in batches:
        yield from (half for half in np.array_split(rows, 2) if len(half))
