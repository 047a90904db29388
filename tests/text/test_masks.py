import pytest

from skdistill.text._masks import free_mask, mask_for_students
from skdistill.text._units import Units


@pytest.mark.parametrize(
    ("texts", "analyzer", "mask"),
    [
        (["no word is hidden"], "word", "[MASK]"),
        (["a face-mask"], "word", "▢"),
        (["UNMASKED ▢"], "word", "▣"),
        (["so it is"], "char", "▢"),
        (["高 い"], "char", "[MASK]"),
    ],
)
def test_a_mask_is_no_word_of_the_texts(texts, analyzer, mask):
    assert free_mask(Units.read(texts, analyzer)) == mask


@pytest.mark.parametrize("word", ["mask", "Unmasked"])
@pytest.mark.parametrize("is_made", [False, True])
def test_students_read_a_symbol_where_the_mask_may_be_a_word(word, is_made):
    made, originals = ["a [MASK] soup", "[MASK]!", "▢"], ["a warm soup"]
    assert mask_for_students(made, originals, "[MASK]") == made
    (made if is_made else originals).append(word)
    expected = ["a ▣ soup", "▣!", "▢", *[word] * is_made]
    assert mask_for_students(made, originals, "[MASK]") == expected


def test_only_a_word_can_be_confused():
    made = ["a ▢ soup", "a <mask> soup", "mask"]
    assert mask_for_students(made, [], "▢") == made
    assert mask_for_students(made, [], "") == made
    assert mask_for_students(["a blank soup", "a Blanket"], ["Blank"], "blank") == [
        "a blank soup",
        "a Blanket",
    ]
    assert mask_for_students(made, [], "<mask>") == ["a ▢ soup", "a ▣ soup", "mask"]
