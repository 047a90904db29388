"""Fixtures shared by the tests: no network, two threads, small deterministic corpora."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from pathlib import Path

import numpy as np
import pytest


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config, items):
    has_data = bool(os.environ.get("SKDISTILL_DATA"))
    for item in items:
        if "slow" in item.keywords and not config.getoption("--run-slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: pass --run-slow"))
        if "data" in item.keywords and not has_data:
            item.add_marker(
                pytest.mark.skip(reason="needs real data: set SKDISTILL_DATA to its folder")
            )


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real data sets; tests that use it carry the marker ``data``."""
    return Path(os.environ["SKDISTILL_DATA"])


def make_topics(n_texts, *, random_state=0):
    """Make texts of three topics out of topic words and shared filler: learnable, not trivial."""
    rng = np.random.default_rng(random_state)
    topics = {
        "cooking": "oven bread butter salt recipe stew spoon taste".split(),
        "sailing": "wind sail harbour anchor wave rope deck storm".split(),
        "trains": "rail station ticket platform engine whistle track coach".split(),
    }
    filler = "the a of and we saw then with it was on my very old".split()
    labels = rng.choice(sorted(topics), size=n_texts)
    texts = []
    for label in labels:
        words = [*rng.choice(filler, size=rng.integers(3, 9)), *rng.choice(topics[label], size=2)]
        rng.shuffle(words)
        texts.append(" ".join(words))
    return texts, labels


@pytest.fixture(scope="session")
def topics():
    """600 texts of three topics and their labels (an ndarray of str)."""
    return make_topics(600)
