"""Labels that a model writes as text: their scores and their losses."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from skdistill.teachers.huggingface._heads import end_of_text, is_text_to_text

# The target that cross-entropy ignores.
_NOTHING = -100

# The number of logits that take as much memory as one token in the encoder.
_LOGITS_PER_TOKEN = 4_096


@dataclass(frozen=True)
class LabelTexts:
    """The text of each class as tokens, ending with the end-of-text token.

    Attributes
    ----------
    targets : Tensor of shape (n_classes, longest), dtype int64
        The tokens to write, padded with -100.
    decoder_inputs : Tensor of shape (n_classes, longest), dtype int64
        The decoder's input at each position.
    vocabulary_size : int
        Number of logits per written token.
    """

    targets: torch.Tensor
    decoder_inputs: torch.Tensor
    vocabulary_size: int

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> "LabelTexts":
        """Tokenise the labels in the configuration of a text-to-text model.

        Raises
        ------
        ValueError
            If two labels have the same tokens, or if the model's configuration has no first token
            for the decoder.
        """
        texts = [model.config.id2label[number] for number in range(model.config.num_labels)]
        rows = tokenizer(text_target=texts, verbose=False)["input_ids"]
        end = end_of_text(model.config)
        rows = [row if row[-1:] == [end] else [*row, end] for row in rows]
        _refuse_equal_tokens(texts, rows)
        targets = torch.full((len(rows), max(map(len, rows))), _NOTHING)
        for target, row in zip(targets, rows, strict=True):
            target[: len(row)] = torch.tensor(row)
        decoder_inputs = model.prepare_decoder_input_ids_from_labels(targets)
        return cls(targets, decoder_inputs, len(model.get_output_embeddings().weight))

    def sizes(self, lengths: np.ndarray) -> np.ndarray:
        """Return the size in tokens that each text has in a batch, taking logits into account."""
        room = self.targets.shape[1] * self.vocabulary_size // _LOGITS_PER_TOKEN
        return np.maximum(lengths, room)

    def read(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the decoder's inputs for texts of the given classes, one row per text."""
        return self.decoder_inputs.to(codes.device)[codes]

    def losses(
        self, logits: torch.Tensor, codes: torch.Tensor, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """Return each text's cross-entropy in nats, the mean over the tokens of its label.

        The logits have the shape (n_texts, n_tokens, vocabulary_size), where n_tokens is at least
        the length of every label in `codes`.
        """
        targets = self.targets.to(logits.device)[codes, : logits.shape[1]]
        by_token = F.cross_entropy(
            logits.float().transpose(1, 2),
            targets,
            reduction="none",
            ignore_index=_NOTHING,
            label_smoothing=label_smoothing,
        )
        return by_token.sum(dim=1) / (targets != _NOTHING).sum(dim=1)

    def scores(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the mean log-likelihood of each label's tokens, given each text.

        The encoder reads each text once, for all labels. The result is in nats per token and has
        the shape (n_texts, n_classes).
        """
        encoded = model.get_encoder()(**inputs)
        n_texts, device = len(inputs["input_ids"]), inputs["input_ids"].device
        scores = []
        for label, target in enumerate(self.targets):
            codes = torch.full((n_texts,), label, device=device)
            n_tokens = int((target != _NOTHING).sum())
            outputs = model(
                encoder_outputs=encoded,
                attention_mask=inputs["attention_mask"],
                decoder_input_ids=self.read(codes)[:, :n_tokens],
                use_cache=False,
            )
            scores.append(-self.losses(outputs.logits, codes))
        return torch.stack(scores, dim=1)


def label_texts_of(model: Any, tokenizer: Any) -> LabelTexts | None:
    """Return the labels of a text-to-text model; None if it has a classification layer."""
    return LabelTexts.of(model, tokenizer) if is_text_to_text(model.config) else None


def _refuse_equal_tokens(texts: list[str], rows: list[list[int]]) -> None:
    same = defaultdict(list)
    for text, row in zip(texts, rows, strict=True):
        same[tuple(row)].append(text)
    confused = [group for group in same.values() if len(group) > 1]
    if confused:
        raise ValueError(
            f"The tokenizer encodes the labels {confused[0]} as the same tokens, so a text-to-text "
            'model cannot tell them apart; rename them or use head="classification".'
        )
