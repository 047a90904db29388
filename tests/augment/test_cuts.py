import numpy as np
import pytest

from skdistill.augment._cuts import splice
from skdistill.text._ragged import Ragged


def test_texts_are_cut_at_the_same_share_of_their_lengths():
    lengths = np.array([4, 12, 1, 0])
    texts = Ragged.from_lengths(np.arange(lengths.sum()), lengths)
    for seed in range(50):
        spliced = splice(texts, 1.0, np.random.default_rng(seed))
        for row, (start, end) in enumerate(zip(spliced.offsets, spliced.offsets[1:], strict=False)):
            words = spliced.values[start:end]
            head = words[np.isin(words, texts.values[slice(*texts.offsets[row : row + 2])])]
            if len(head) == len(words):
                assert len(words) == lengths[row]
            else:
                other = {0: 1, 1: 0}[row]
                share = len(head) / lengths[row]
                assert len(words) - len(head) == pytest.approx((1 - share) * lengths[other], abs=1)
                assert words[-1] == texts.offsets[other + 1] - 1


@pytest.mark.parametrize("lengths", [[], [0], [1, 1], [0, 3]])
def test_too_short_texts_stay_whole(lengths):
    texts = Ragged.from_lengths(np.arange(sum(lengths)), np.array(lengths, dtype=np.int64))
    spliced = splice(texts, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(spliced.offsets, texts.offsets)
