"""Words that a masked language model finds probable in the place of others."""

from itertools import chain
from typing import Any

import numpy as np
import torch

from skdistill._core.torch import resolve_device
from skdistill.teachers.huggingface._inference import TokenisedTexts, batches_by_length
from skdistill.teachers.huggingface._loading import load_masked_lm, quiet, usable_length
from skdistill.text._ragged import Ragged
from skdistill.text._units import Units, kept_offsets

# Words that the model proposes for one place.
TOP_K = 15
MAX_LENGTH = 512
BATCH_TOKENS = {"cpu": 1_024}
BATCH_TOKENS_ELSEWHERE = 8_192


class ModelWords:
    """Draws the words that a masked language model finds probable."""

    def __init__(self, name: str, analyzer: str, device: str):
        self._device = resolve_device(device)
        with quiet():
            model, self._tokenizer = load_masked_lm(name)
        self._model = model.to(self._device).eval()
        self._max_length = usable_length(model, self._tokenizer, MAX_LENGTH)
        drawable = drawable_words(self._tokenizer, analyzer)
        self._words = np.array([*drawable.values()], dtype=object)
        self._word_tokens = torch.tensor([*drawable], device=self._device)
        self._spellings: dict[str, list[int]] = {}
        for place, word in enumerate(self._words):
            self._spellings.setdefault(word.lower(), []).append(place)
        if len(self._spellings) < 2:
            raise ValueError(f"masked_lm={name!r} knows no whole words that could be drawn.")

    def read(self, units: Units) -> np.ndarray:
        """Tokenise texts; return which units can be replaced."""
        texts = units.join(units.write(), units.ids.offsets)
        encoded = self._tokenizer(
            [text.encode("utf-8", "replace").decode() for text in texts],
            truncation=True,
            max_length=self._max_length,
            return_offsets_mapping=True,
            verbose=False,
        )
        lengths = np.array([len(row) for row in encoded["input_ids"]])
        tokens = np.array([*chain.from_iterable(encoded["input_ids"])], dtype=np.int64)
        spans = [*chain.from_iterable(encoded["offset_mapping"])]
        starts, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
        unit_of_character, row_starts = units.locate_characters()
        # A token belongs where its last character does; special tokens have none.
        last = np.where(ends > starts, np.repeat(row_starts, lengths) + ends - 1, -1)
        self._units = units
        self._tokens = Ragged.from_lengths(tokens, lengths)
        self._unit_of_token = unit_of_character[last]
        has_token = np.isin(np.arange(len(units.ids.values)), self._unit_of_token)
        is_word = np.array([any(map(str.isalnum, word)) for word in units.core], dtype=bool)
        return has_token & is_word[units.ids.values]

    def draw(self, copies: Ragged, replaced: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the words that take the place of replaced units."""
        sites = np.flatnonzero(replaced)
        own = self._units.core[self._units.ids.values[copies.values[sites]]]
        draws = rng.random(len(sites))
        words = np.empty(len(sites), dtype=object)
        if not len(sites):
            return words
        tokens = self._with_masks(copies, replaced)
        batch_tokens = BATCH_TOKENS.get(self._device.type, BATCH_TOKENS_ELSEWHERE)
        with torch.inference_mode():
            for rows in batches_by_length(tokens.lengths, batch_tokens):
                inputs = {name: x.to(self._device) for name, x in tokens.pad(rows).items()}
                site = inputs.pop("site")
                logits = self._model(**inputs).logits[site > 0].float()
                here = site[site > 0].cpu().numpy() - 1
                words[here] = self._choose(logits, own[here], draws[here])
        return words

    def _with_masks(self, copies: Ragged, replaced: np.ndarray) -> TokenisedTexts:
        """Return tokens of the copies with replaced units, each of which is one mask token."""
        # Each text has as many copies, one after the other.
        n_copies = len(copies) // len(self._tokens)
        chosen = np.flatnonzero(np.diff(kept_offsets(copies, replaced)))
        rows = chosen // n_copies
        all_tokens = Ragged(np.arange(len(self._tokens.values)), self._tokens.offsets)
        taken = all_tokens.take(rows)
        unit = self._unit_of_token[taken.values]
        shift = np.repeat(copies.offsets[chosen] - self._units.ids.offsets[rows], taken.lengths)
        place = np.where(unit < 0, -1, unit + shift)
        masked = (place >= 0) & replaced[place]
        first = masked & (place != np.append(-1, place[:-1]))
        kept = first | ~masked
        ids = np.where(first, self._tokenizer.mask_token_id, self._tokens.values[taken.values])
        # Counted from 1: a mask symbol in the given text is no site.
        site = np.where(first, np.cumsum(replaced)[place], 0)
        offsets = kept_offsets(taken, kept)
        return TokenisedTexts(
            fields={"input_ids": Ragged(ids[kept], offsets), "site": Ragged(site[kept], offsets)},
            padding={"input_ids": self._tokenizer.pad_token_id or 0, "site": 0},
            padding_side="right",
        )

    def _choose(self, logits: torch.Tensor, own: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Draw from the most probable words, the replaced ones left out."""
        logits = logits[:, self._word_tokens]
        places = [self._spellings.get(word.lower(), []) for word in own]
        rows = np.repeat(np.arange(len(own)), [*map(len, places)])
        logits[rows.tolist(), [*chain.from_iterable(places)]] = -float("inf")
        best = logits.topk(min(TOP_K, len(self._words)))
        levels = best.values.double().softmax(-1).cumsum(-1).cpu().numpy()
        choice = (draws[:, None] * levels[:, -1:] < levels).argmax(axis=1)
        return self._words[best.indices.cpu().numpy()[np.arange(len(own)), choice]]


def drawable_words(tokenizer: Any, analyzer: str) -> dict[int, str]:
    """Return the tokens that are whole words, or single characters, and their texts."""
    vocabulary = tokenizer.get_vocab()
    # Vocabularies mark either the pieces that go on with a word or, unlike BERT's, those that
    # begin one.
    marks_pieces = any(token.startswith("##") for token in vocabulary)
    marks_words = not marks_pieces and any(token.startswith(("Ġ", "▁")) for token in vocabulary)
    words = {}
    for token, number in sorted(vocabulary.items(), key=lambda item: item[1]):
        if token.startswith(("##", "[unused")) or number in tokenizer.all_special_ids:
            continue
        if analyzer == "word" and marks_words and not token.startswith(("Ġ", "▁")):
            continue
        word = tokenizer.convert_tokens_to_string([token]).strip()
        # Tokens of bytes may end within a character.
        is_whole = any(map(str.isalnum, word)) and "\ufffd" not in word
        if is_whole and (analyzer == "word" or len(word) == 1):
            words[number] = word
    return words
