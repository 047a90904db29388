"""Texts to logits: tokenised once, batched by length, padded as little as possible."""

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

# Texts handed to the tokenizer at a time: its own objects take some hundred bytes a token.
_TEXTS_AT_ONCE = 10_000

# Tokens in a padded batch. Small batches stay in a CPU's cache; an accelerator wants to be filled.
_BATCH_TOKENS = {"cpu": 1_024}
_BATCH_TOKENS_ELSEWHERE = 32_768


@dataclass(frozen=True)
class TokenisedTexts:
    """Token ids of many texts, at four bytes a token.

    Attributes
    ----------
    fields : dict of str to Ragged, each with n_texts rows
        What the model reads of each token: ``"input_ids"`` and, of some, ``"token_type_ids"``.
    padding : dict of str to int
        The value that fills each field.
    padding_side : {"right", "left"}
        Where the filling goes.
    """

    fields: dict[str, Ragged]
    padding: dict[str, int]
    padding_side: str

    def __len__(self) -> int:
        return len(self.fields["input_ids"])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, an ndarray of shape (n_texts,)."""
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
    """Tokenise texts for a model, each cut after `max_length` tokens.

    A text without any token (an empty one, where the tokenizer adds no special tokens) becomes
    one padding token; half surrogate pairs, which no tokenizer takes, become question marks.
    Texts of an encoder-decoder, which looks for their end, have the end-of-text token there and
    nowhere else.

    The tokenizer has a padding token; the model's ``forward`` says which inputs it takes.
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
    """Tokenise each text with each hypothesis: first the pairs of the first text, and so on.

    If a pair is longer than `max_length`, which every hypothesis is shorter than, the text is cut.
    For an encoder-decoder, which looks for the end of
    a pair, end-of-text tokens that a text spells out become spaces.
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
    """Return the side on which padding leaves what a model makes of a text alone.

    Where positions are counted from the first column, or a decoder reads the padding, that is the
    right one, whatever the tokenizer's settings for writing are.
    """
    counts = "position_ids" in inspect.signature(model.forward).parameters
    return "right" if counts or model.config.is_encoder_decoder else tokenizer.padding_side


def mean_token_vectors(tokenizer: Any, table: np.ndarray, words: list[str]) -> np.ndarray:
    """Average the embeddings of each word's tokens, special tokens left out.

    `table` holds the token embeddings, of shape (n_tokens, width); the result has the shape
    (n_words, width), and zeros for a word without any token.
    """
    texts = [_encodable(word) for word in words]
    rows = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    vectors = np.zeros((len(words), table.shape[1]), dtype=np.float32)
    for vector, tokens in zip(vectors, rows, strict=True):
        if tokens:
            vector[:] = table[tokens].mean(axis=0)
    return vectors


def batches_by_length(lengths: np.ndarray, batch_tokens: int) -> Iterator[np.ndarray]:
    """Cut texts into batches of like length, the longest first.

    Longest first, so that a machine with too little memory fails at once rather than at the end.
    A padded batch has at most `batch_tokens` tokens; a longer text is a batch of its own.

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
    autocast: torch.dtype | None = None,
    unit: str = "text",
    verbose: int = 0,
) -> np.ndarray:
    """Return the model's logits, or scores of the labels that it writes, for tokenised texts.

    A device that runs out of memory gets batches of half the size from then on. The caller chooses
    between ``torch.inference_mode()`` and ``torch.no_grad()``. The result has the shape
    (n_texts, n_outputs).

    Parameters
    ----------
    model : PreTrainedModel
        A text classifier on `device`; it is put into evaluation mode.
    label_texts : LabelTexts or None
        The labels of a model that writes them; None for one with a classification layer.
    autocast : torch.dtype or None
        Run matrix products in this half precision; None computes in float32 throughout.
    unit : str
        What the progress bar counts.

    Raises
    ------
    torch.OutOfMemoryError
        If not even a single text fits.
    """
    model.eval()
    batch_tokens = _BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE)
    logits = np.empty((len(tokens), model.config.num_labels), dtype=np.float32)
    sizes = tokens.lengths if label_texts is None else label_texts.sizes(tokens.lengths)
    # What decoders keep of a text, in order to go on with it, can be larger than the model.
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
                _logger.info("%d texts do not fit the memory of %s: halved", len(rows), device)
                # Those that wait were cut for as much memory.
                waiting = deque(_in_halves([rows, *waiting]))
            else:
                bar.update(len(rows))
                continue
            free_memory(device)  # here, where the error no longer holds the tensors
    return logits


def _in_halves(batches: list[np.ndarray]) -> Iterator[np.ndarray]:
    for rows in batches:
        yield from (half for half in np.array_split(rows, 2) if len(half))
