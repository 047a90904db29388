"""Tables against what Python's strings and `split_words` do."""

import numpy as np
import pytest

from skdistill.text._characters import (
    _assigned,
    character_kinds,
    lowercase_expansions,
    lowercase_shifts,
)
from skdistill.text._vocabulary import is_mark, split_words


@pytest.fixture(scope="module")
def kinds():
    runs = np.array(character_kinds()).reshape(-1, 2)
    return np.repeat(runs[:, 0], runs[:, 1])


def test_every_character_has_a_kind(kinds):
    assert len(kinds) == 0x110000
    assert set(kinds.tolist()) <= set(range(9))


def test_kinds_are_how_words_are_split(kinds):
    n_tokens = {0: 3, 1: 1, 2: 2}
    codes = np.random.default_rng(0).permutation(0x110000)[:20_000].tolist()
    for code in [*range(0x3000), *codes]:
        assert len(split_words(f"a{chr(code)}b")) == n_tokens[kinds[code] % 3], hex(code)


def test_cases_are_where_a_sigma_is_final(kinds):
    for code in range(0x3000):
        character, case = chr(code), kinds[code] // 3
        assert f"{character}Σ".lower().endswith("ς") == (case == 1), hex(code)
        assert f"a{character}Σ".lower().endswith("ς") == (case > 0), hex(code)


def test_characters_without_a_meaning_are_marks_without_a_case(kinds):
    codes = {*range(0x110000)} - {*map(ord, _assigned())}
    assert len(codes) > 900_000
    assert {kinds[code] for code in codes} == {0}
    others = [*map(chr, codes)]
    assert all(map(is_mark, others))
    assert "ς" not in "".join(f"a{character}Σ " for character in others).lower()


def test_lowercase_is_pythons():
    lower = {code: [*several] for code, several in lowercase_expansions()}
    for first, count, step, shift in lowercase_shifts():
        lower |= {code: [code + shift] for code in range(first, first + count * step, step)}
    changed = [code for code in range(0x110000) if chr(code).lower() != chr(code)]
    assert lower == {code: [*map(ord, chr(code).lower())] for code in changed}
    assert len(lowercase_shifts()) < 200
