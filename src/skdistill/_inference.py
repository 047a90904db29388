"""Texts to logits: tokenised once, batched by length, padded as little as possible."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

# Texts handed to the tokenizer at a time: its own objects are some hundred bytes a token.
_TEXTS_AT_ONCE = 10_000

# Tokens in a padded batch. Small batches stay in a CPU's cache; a GPU wants to be filled.
_BATCH_TOKENS = {"cpu": 1_024}
_BATCH_TOKENS_ELSEWHERE = 65_536


@dataclass(frozen=True)
class TokenisedTexts:
    """Token ids of many texts, flat, so that a token costs four bytes and no Python object.

    Attributes
    ----------
    fields : dict of str to ndarray of shape (n_tokens,), dtype int32
        What the model reads of each token: ``"input_ids"`` and, of some, ``"token_type_ids"``.
    offsets : ndarray of shape (n_texts + 1,), dtype int64
        Text i holds the tokens ``offsets[i]`` to ``offsets[i + 1]``.
    padding : dict of str to int
        The value that fills each field.
    padding_side : {"right", "left"}
        Where the filling goes.
    """

    fields: dict[str, np.ndarray]
    offsets: np.ndarray
    padding: dict[str, int]
    padding_side: str

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, an ndarray of shape (n_texts,)."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> "TokenisedTexts":
        """Return some of the texts, in the order of `rows`."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        tokens = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        fields = {name: flat[tokens] for name, flat in self.fields.items()}
        return replace(self, fields=fields, offsets=offsets)

    def pad(self, rows: Sequence[int] | np.ndarray) -> dict[str, torch.Tensor]:
        """Return some texts as the model's inputs, each of shape (len(rows), longest)."""
        batch = self.take(np.asarray(rows))
        lengths = batch.lengths[:, None]
        columns = np.arange(lengths.max())
        if self.padding_side == "left":
            real = columns >= len(columns) - lengths
        else:
            real = columns < lengths
        inputs = {"attention_mask": torch.from_numpy(real.astype(np.int64))}
        for name, flat in batch.fields.items():
            values = np.full(real.shape, self.padding[name], dtype=np.int64)
            values[real] = flat
            inputs[name] = torch.from_numpy(values)
        return inputs


def tokenise(tokenizer: Any, model: Any, texts: list[str], max_length: int) -> TokenisedTexts:
    """Tokenise texts for a model, each cut after `max_length` tokens.

    A text without any token (an empty one, where the tokenizer adds no special tokens) becomes
    one padding token; half surrogate pairs, which no tokenizer takes, become question marks.
    """
    accepted = inspect.signature(model.forward).parameters
    names = [
        name
        for name in tokenizer.model_input_names
        if name in accepted and name != "attention_mask"
    ]
    padding = {name: 0 for name in names} | {"input_ids": tokenizer.pad_token_id}
    if "token_type_ids" in padding:
        padding["token_type_ids"] = tokenizer.pad_token_type_id
    chunks: dict[str, list[np.ndarray]] = {name: [] for name in names}
    lengths: list[int] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        encoded = tokenizer(
            [
                text.encode("utf-8", "replace").decode("utf-8")
                for text in texts[start : start + _TEXTS_AT_ONCE]
            ],
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            verbose=False,
        )
        for name in names:
            sequences = [ids or [padding[name]] for ids in encoded[name]]
            chunks[name].append(np.concatenate([np.asarray(s, dtype=np.int32) for s in sequences]))
        lengths.extend(max(len(ids), 1) for ids in encoded["input_ids"])
    return TokenisedTexts(
        fields={name: np.concatenate(parts) for name, parts in chunks.items()},
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        padding=padding,
        padding_side=tokenizer.padding_side,
    )


def batches_by_length(lengths: np.ndarray, batch_tokens: int) -> Iterator[np.ndarray]:
    """Cut texts into batches of like length, the longest first.

    Longest first, so that a machine with too little memory fails at once rather than at the end.

    Parameters
    ----------
    lengths : ndarray of shape (n_texts,)
        Tokens of each text, each at least 1.
    batch_tokens : int
        Tokens of a padded batch at most; a longer text makes a batch of its own.

    Yields
    ------
    ndarray of int
        The rows of a batch.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill._inference import batches_by_length
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
    autocast: torch.dtype | None = None,
    verbose: int = 0,
) -> np.ndarray:
    """Return the model's logits for tokenised texts.

    The caller chooses between ``torch.inference_mode()`` and ``torch.no_grad()``.

    Parameters
    ----------
    model : PreTrainedModel
        A sequence classifier that lies on `device`; it is put into evaluation mode.
    tokens : TokenisedTexts
    device : torch.device
    autocast : torch.dtype, default=None
        Run matrix products in this half precision; None computes in float32 throughout.
    verbose : int, default=0
        Whether to show a progress bar, in texts.

    Returns
    -------
    ndarray of shape (n_texts, n_outputs), dtype float32
    """
    model.eval()
    lengths = tokens.lengths
    batch_tokens = _BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE)
    logits = np.empty((len(lengths), model.config.num_labels), dtype=np.float32)
    with (
        torch.autocast(device.type, dtype=autocast, enabled=autocast is not None),
        tqdm(total=len(lengths), desc="predicting", unit="text", disable=not verbose) as bar,
    ):
        for rows in batches_by_length(lengths, batch_tokens):
            inputs = {name: values.to(device) for name, values in tokens.pad(rows).items()}
            logits[rows] = model(**inputs).logits.float().cpu().numpy()
            bar.update(len(rows))
    return logits
