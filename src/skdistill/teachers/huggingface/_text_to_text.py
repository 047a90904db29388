"""Labels as texts that a model writes: how likely it is to, and what it learns it from."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from skdistill.teachers.huggingface._heads import end_of_text, is_text_to_text

# What cross-entropy passes over.
_NOTHING = -100

# So many logits take the room of a token in the encoder.
_LOGITS_PER_TOKEN = 4_096


@dataclass(frozen=True)
class LabelTexts:
    """The text of each class as tokens, the end-of-text token last.

    Attributes
    ----------
    targets : Tensor of shape (n_classes, longest), dtype int64
        The tokens that are to be written; -100 behind the last.
    decoder_inputs : Tensor of shape (n_classes, longest), dtype int64
        The tokens that the decoder has read when it writes them.
    vocabulary_size : int
        Logits of each written token.
    """

    targets: torch.Tensor
    decoder_inputs: torch.Tensor
    vocabulary_size: int

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> "LabelTexts":
        """Tokenise the labels that a text-to-text model's configuration names.

        Raises
        ------
        ValueError
            If labels are the same tokens, so that no score could tell them apart, or the model
            does not know what its decoder begins with.
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
        """Return what texts of given lengths count in a batch, in tokens; logits count as well."""
        room = self.targets.shape[1] * self.vocabulary_size // _LOGITS_PER_TOKEN
        return np.maximum(lengths, room)

    def read(self, codes: torch.Tensor) -> torch.Tensor:
        """Return what the decoder reads for texts of the given classes, one row a text."""
        return self.decoder_inputs.to(codes.device)[codes]

    def losses(
        self, logits: torch.Tensor, codes: torch.Tensor, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """Return the cross-entropy of each text's label, a mean over the label's tokens, in nats.

        The logits, of shape (n_texts, n_tokens, vocabulary_size), are for at least as many tokens
        as the labels with the numbers `codes` have.
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
        """Return the mean log-likelihood of the tokens of each label, given each text.

        The encoder reads each text once, whatever the number of labels. The result, in nats per
        token, has the shape (n_texts, n_classes).
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
    """Return the labels that a model writes; None if it has a classification layer."""
    return LabelTexts.of(model, tokenizer) if is_text_to_text(model.config) else None


def _refuse_equal_tokens(texts: list[str], rows: list[list[int]]) -> None:
    same = defaultdict(list)
    for text, row in zip(texts, rows, strict=True):
        same[tuple(row)].append(text)
    confused = [group for group in same.values() if len(group) > 1]
    if confused:
        raise ValueError(
            f"The tokenizer makes the same tokens of the labels {confused[0]}, so a text-to-text "
            'model cannot tell them apart; rename them, or use head="classification".'
        )
