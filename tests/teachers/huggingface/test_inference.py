from types import SimpleNamespace

import pytest

from skdistill.teachers.huggingface._inference import whole_words


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
