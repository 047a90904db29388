"""Texts of which each speaks of any number of three topics."""

import numpy as np

WORDS = {"food": ["bread", "soup", "salt"], "travel": ["train", "bus"], "sport": ["ball", "goal"]}


def make_texts(n_texts, seed=0):
    """Make texts that speak of any number of three topics."""
    rng = np.random.default_rng(seed)
    indicators = (rng.random((n_texts, 3)) < 0.4).astype(int)
    texts = []
    for row in indicators:
        words = [rng.choice(WORDS[topic]) for topic, has in zip(WORDS, row, strict=True) if has]
        words += [*rng.choice(["the", "a", "we", "then"], size=3)]
        rng.shuffle(words)
        texts.append(" ".join(words))
    return texts, indicators


TEXTS, LABELS = make_texts(300)
NEW_TEXTS, NEW_LABELS = make_texts(100, seed=1)
