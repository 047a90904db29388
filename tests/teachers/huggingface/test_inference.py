from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from skdistill.teachers.huggingface._inference import mean_token_vectors, whole_words


@pytest.mark.parametrize(
    ("tokens", "analyzer", "drawn"),
    [
        (["[MASK]", "a", "##b", "[unused7]", ",", "Ġc"], "word", {"a", "Ġc"}),
        (["[MASK]", "Ġa", "b", "Ġ,", "Ġcd", "Ġna\ufffd"], "word", {"a", "cd"}),
        (["[MASK]", "▁a", "b", "▁", "▁cd"], "word", {"a", "cd"}),
        (["[MASK]", "▁a", "b", "cd", "▁"], "char", {"a", "b"}),
    ],
)
def test_whole_words(tokens, analyzer, drawn):
    tokenizer = SimpleNamespace(
        get_vocab=lambda: {token: i for i, token in enumerate(tokens)},
        all_special_ids=[0],
        convert_tokens_to_string=lambda t: t[0] if "##b" in tokens else t[0].strip("Ġ▁"),
    )
    words = whole_words(tokenizer, analyzer)
    assert set(words.values()) == drawn
    assert len(words) == len(drawn)


@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_words_have_the_vectors_that_they_have_inside_texts(add_prefix_space):
    tokens = ["<unk>", "s", "n", "o", "w", "Ġ", "no", "now", "snow", "Ġsnow"]
    merges = [("n", "o"), ("no", "w"), ("s", "now"), ("Ġ", "snow")]
    byte_level = Tokenizer(
        models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
    )
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    byte_level.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, unk_token="<unk>")
    table = np.eye(len(tokens), dtype=np.float32)
    inside = tokenizer("now snow", add_special_tokens=False)["input_ids"][-1:]
    assert inside == [tokens.index("Ġsnow")]
    vectors = mean_token_vectors(tokenizer, table, ["snow", "sno", ""])
    np.testing.assert_array_equal(vectors[0], table[inside[0]])
    pieces = [tokens.index(piece) for piece in ("Ġ", "s", "no")]
    np.testing.assert_allclose(vectors[1], table[pieces].mean(axis=0))
    assert not vectors[2].any()
    assert whole_words(tokenizer)[tokens.index("Ġsnow")] == "snow"
