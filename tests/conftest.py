"""Fixtures shared by the tests: no network, one thread, small deterministic corpora."""

import gc
import os
import signal
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # two only slow such small models, and two tests run at a time
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["MPLBACKEND"] = "Agg"
os.environ["NO_PROXY"] = "127.0.0.1"
os.environ.pop("OPENAI_API_KEY", None)
os.environ.pop("OPENAI_BASE_URL", None)

from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="also run the tests that take minutes")


def pytest_configure(config):
    # A shell ignores Ctrl-C in what it starts in the background, and Python inherits that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Most tests do not train their teachers for long enough, and tiny models read few tokens.
    config.addinivalue_line("filterwarnings", "ignore:The teacher has hardly learned anything")
    config.addinivalue_line("filterwarnings", "ignore:On the labelled texts, the teacher's")
    config.addinivalue_line("filterwarnings", "ignore:About .* of the texts have .* tokens or more")


def pytest_collection_modifyitems(config, items):
    has_data = bool(os.environ.get("SKDISTILL_DATA"))
    has_servers = bool(os.environ.get("SKDISTILL_LLM_SERVER"))
    for item in items:
        if "slow" in item.keywords and not config.getoption("--run-slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: pass --run-slow"))
        if "data" in item.keywords and not has_data:
            item.add_marker(
                pytest.mark.skip(reason="needs real data: set SKDISTILL_DATA to its folder")
            )
        if "llm_server" in item.keywords and not has_servers:
            item.add_marker(
                pytest.mark.skip(reason="needs servers of language models: make test-llm-server")
            )


def pytest_collection_finish(session):
    # Every fit of a Trainer collects garbage, which takes seconds where all packages are loaded.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def each_epoch_is_saved(monkeypatch):
    """Let teachers save every epoch: those of tiny models are shorter than saving them."""
    monkeypatch.setattr("skdistill.teachers.huggingface._checkpoints.SAVING_SHARE", 1)


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real data sets; tests that use it carry the marker ``data``."""
    return Path(os.environ["SKDISTILL_DATA"])


@pytest.fixture(autouse=True)
def close_figures():
    """Close what a test has drawn with pyplot."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def make_topics(n_texts, *, random_state=0):
    """Make texts of three topics out of topic words and shared filler: learnable, not trivial."""
    rng = np.random.default_rng(random_state)
    topics = {
        "cooking": ["oven", "bread", "butter", "salt", "recipe", "stew", "spoon", "taste"],
        "sailing": ["wind", "sail", "harbour", "anchor", "wave", "rope", "deck", "storm"],
        "trains": ["rail", "station", "ticket", "platform", "engine", "whistle", "track", "coach"],
    }
    filler = [
        "the",
        "a",
        "of",
        "and",
        "we",
        "saw",
        "then",
        "with",
        "it",
        "was",
        "on",
        "my",
        "very",
        "old",
    ]
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


FOODS = ["warm soup", "fresh bread", "warm bread", "fast train", "late train", "fast bus"]
FOOD_LABELS = ["food"] * 3 + ["travel"] * 3


@pytest.fixture(scope="session")
def food_student(tmp_path_factory):
    """The file of a student that tells the texts of `FOODS` apart."""
    from skdistill import DistilledMLPClassifier

    path = tmp_path_factory.mktemp("model") / "student.skd"
    DistilledMLPClassifier(max_epochs=30, random_state=0).fit(FOODS, FOOD_LABELS).save(path)
    return path


@pytest.fixture(scope="session")
def bf16():
    """Skip the test where PyTorch's attention fails in bfloat16."""
    import torch

    from skdistill.teachers.huggingface._arguments import check_bf16_device

    try:
        check_bf16_device(torch.device("cpu"))
    except ValueError:
        pytest.skip("needs a PyTorch that is not limited by ATEN_CPU_CAPABILITY")


def make_checkpoint(folder, texts, *, family="bert", head=None, **config):
    """Write a tiny random transformer, with a tokenizer that knows the words of some texts.

    `family` is the model type; `head` names classes, for a text classifier instead of an encoder.
    """
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForSequenceClassification,
        PreTrainedTokenizerFast,
    )

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [*specials, *sorted({word for text in texts for word in text.split()})]
    ids = {word: number for number, word in enumerate(words)}
    backend = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
    if family == "distilbert":
        size = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    else:
        size = {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
        }
    config = AutoConfig.for_model(
        family,
        **{"vocab_size": len(words), "pad_token_id": 0, "max_position_embeddings": 64}
        | size
        | config,
    )
    if head is not None:
        config.id2label = dict(enumerate(head))
        config.label2id = {name: number for number, name in enumerate(head)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        auto = AutoModel if head is None else AutoModelForSequenceClassification
        model = auto.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory, topics):
    """The folder of a tiny random BERT encoder that knows the words of `topics`."""
    return make_checkpoint(tmp_path_factory.mktemp("tiny-bert"), topics[0])


@pytest.fixture
def demo_table():
    """A comparison as the demo makes it."""
    accuracy = np.array([0.600, 0.601, 0.599, 0.690, 0.688, 0.697])
    return pd.DataFrame(
        {
            "name": [
                "TF-IDF + LR, defaults",
                "TF-IDF + LR, C=10",
                "MLP, hard labels, mean pooling",
                "teacher: MiniLM-L6, fine-tuned",
                "distilled MLP, mean pooling",
                "distilled MLP, mean + attention pooling",
            ],
            "kind": ["baseline", "baseline", "hard labels", "teacher", "distilled", "distilled"],
            "accuracy": accuracy,
            "retention": accuracy / 0.690,
            "macro_f1": accuracy - 0.05,
            "n_parameters": [70_000, 70_000, 80_102, 22_700_000, 80_102, 80_400],
            "n_bytes": [512e3, 512e3, 397e3, 91.6e6, 394e3, 395e3],
            "texts_per_second": [141e3, 141e3, 565e3, 398, 537e3, 422e3],
            "fit_seconds": [1, 1, 5, np.nan, 9, 9],
        }
    )


@pytest.fixture(autouse=True, scope="session")
def few_trainings():
    """Let teachers label few texts, and students choose no network by splits: that takes sixteen
    trainings instead of one. Fixtures of modules come after those of the session.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skdistill.augment._automatic._N_WORDS", 5_000)
        patch.setattr("skdistill.students.training._selection._LEAST", 10**9)
        yield


@pytest.fixture(autouse=True)
def few_steps(request, monkeypatch):
    """Let teachers of the command line take few steps."""
    if request.path.parent.name == "cli":
        monkeypatch.setattr("skdistill.teachers._transformer._MIN_STEPS", 10)
