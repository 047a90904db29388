import pickle
import sys

import numpy as np
import pytest

from skdistill.text import _character_table as module
from skdistill.text import _vocabulary
from skdistill.text._character_table import CharacterTable
from skdistill.text._vocabulary import Vocabulary

ALL = [*map(chr, range(sys.maxunicode + 1))]


@pytest.fixture(scope="module")
def texts():
    """Texts with every character of Unicode inside a word, at its ends and beside white space."""
    runs = ["".join(ALL[i : i + 1000]) for i in range(0, len(ALL), 1000)]
    apart = ["A".join(ALL[i : i + 500]) + " \0 Σ" for i in range(0, len(ALL), 500)]
    return [*runs, *apart, "", " ", "\0", "a\0\0 b", "ΌΣ", "\u3000日本\u3000 語", "A\t\nb "]


@pytest.mark.parametrize("lowercase", [True, False])
def test_both_ways_to_look_characters_up_agree_on_all_of_unicode(texts, lowercase, monkeypatch):
    vocabulary = Vocabulary([*ALL[1::7], " ", "two", ALL[-1]], analyzer="char", lowercase=lowercase)
    by_table = vocabulary.encode(texts)
    assert "_character_table" in vars(vocabulary)
    monkeypatch.setattr(_vocabulary, "_MANY", len(texts) + 1)
    by_dictionary = vocabulary.encode(texts)
    assert by_table.values.dtype == by_dictionary.values.dtype
    np.testing.assert_array_equal(by_table.values, by_dictionary.values)
    np.testing.assert_array_equal(by_table.offsets, by_dictionary.offsets)


def test_all_white_space_is_in_the_table():
    assert max(code for code, char in enumerate(ALL) if char.isspace()) < module._SPACES_BELOW


def test_only_unknown_characters():
    rows = CharacterTable({}).encode(["ab c", ""])
    assert (rows.values.tolist(), rows.offsets.tolist()) == ([0] * 4, [0, 4, 4])
    rows = CharacterTable({"a": 3}).encode(["\U0010ffff a"])
    assert rows.values.tolist() == [0, 0, 3]


def test_a_vocabulary_does_not_pickle_its_table(texts):
    vocabulary = Vocabulary.build(texts[:99], 500, analyzer="char")
    fresh = len(pickle.dumps(vocabulary))
    found = vocabulary.encode(texts)
    assert len(pickle.dumps(vocabulary)) == fresh
    again = pickle.loads(pickle.dumps(vocabulary)).encode(texts)
    np.testing.assert_array_equal(again.values, found.values)
