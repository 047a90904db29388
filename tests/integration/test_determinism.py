"""Same seed, same bits: alone, in another process, beside other threads, for every estimator."""

import random

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone

from _faults import call_in_process, needs_posix
from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill.teachers.huggingface import _int8 as _int8

N_ROWS = 60


@pytest.fixture(scope="module")
def corpus(topics):
    texts, labels = topics
    return texts[:N_ROWS], labels[:N_ROWS], texts[N_ROWS : 2 * N_ROWS]


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint):
    return tiny_checkpoint


SMALL = {"vocabulary_size": 60, "embedding_dim": 4, "max_epochs": 3, "batch_size": 16}
SMALL |= {"dropout": 0.2, "word_dropout": 0.1, "device": "cpu", "random_state": 0}
ALL = ("mean", "max", "attention")
TEACHER = {"lr": 0.01, "max_epochs": 2, "batch_size": 16, "device": "cpu", "random_state": 0}


def student(kind=DistilledMLPClassifier, **params):
    # Other processes would choose the pooling by splits, which takes sixteen trainings.
    pooling = {"pooling": ALL} if kind is DistilledMLPClassifier else {}
    return lambda folders: kind(make_tfidf_baseline(), **SMALL | pooling | params)


def transformer(**params):
    return lambda folders: TransformerTeacherClassifier(folders["encoder"], **TEACHER | params)


def augmenter(**params):
    def make(folders):
        given = {name: folders.get(value, value) for name, value in params.items()}
        return TextAugmenter(n_copies=3, random_state=0, **given)

    return make


ESTIMATORS = {
    "MLP": student(),
    "CNN": student(DistilledCNNClassifier, n_filters=4),
    "GRU": student(DistilledRNNClassifier, hidden_dim=4),
    "LSTM": student(DistilledRNNClassifier, hidden_dim=4, cell="lstm", bidirectional=False),
    "hidden layer": student(hidden_layer_sizes=(8,)),
    "hashed bigrams": student(ngram_range=(1, 2), hash_buckets=20),
    "early stopping": student(early_stopping=True, n_iter_no_change=1),
    "gold epochs": student(gold_epochs=2),
    "MSE": student(loss="mse"),
    "out-of-fold labels": student(teacher_cv=3),
    "augmented": student(augmenter=TextAugmenter(n_copies=2, random_state=0)),
    "of a transformer": lambda folders: DistilledMLPClassifier(
        TransformerTeacherClassifier(folders["encoder"], **TEACHER),
        **SMALL,
        embedding_init="teacher",
        augmenter=None,
        pooling=ALL,
    ),
    "float32": transformer(precision="fp32"),
    "float32, early stopping": transformer(precision="fp32", early_stopping=True),
    "bfloat16": transformer(precision="bf16"),
    "int8": transformer(precision="int8"),
    "roles": augmenter(replace_p=0.5, n_roles=5),
    "splices": augmenter(splice_p=0.5, n_roles=5),
    "word vectors": augmenter(replace_p=0.5, word_vectors="encoder"),
}

every_estimator = pytest.mark.parametrize("name", ESTIMATORS)

QUICK = {"MLP", "GRU", "early stopping", "out-of-fold labels", "float32", "word vectors"}
some_estimators = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in ESTIMATORS],
)


@pytest.fixture
def estimator(name, encoder, request):
    if name == "bfloat16":
        request.getfixturevalue("bf16")
    if name == "int8":
        try:
            _int8.check_int8_device(torch.device("cpu"))
        except ValueError as error:
            pytest.skip(str(error))
    return ESTIMATORS[name]({"encoder": encoder})


def bits(estimator, texts, labels, others):
    """Fit, and return all that can be seen of the result."""
    if isinstance(estimator, TextAugmenter):
        return estimator.fit(texts).augment(texts)
    if isinstance(estimator, TransformerTeacherClassifier):
        estimator.fit(texts, labels)
        learned = {name: value.numpy() for name, value in estimator.model_.state_dict().items()}
        history = estimator.history_
    else:
        estimator.fit(texts, labels, X_unlabeled=others[:30])
        learned = estimator._weights
        history = [{k: v for k, v in epoch.items() if k != "dur"} for epoch in estimator.history_]
    return joblib.hash((learned, history, estimator.predict_proba(others)))


def generators():
    return (
        random.getstate(),
        str(np.random.get_state(legacy=False)),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
    )


_KNOWN = {}


@pytest.fixture
def expected(name, estimator, corpus):
    """What a fit in this process gives; computed once."""
    if name not in _KNOWN:
        _KNOWN[name] = bits(clone(estimator), *corpus)
    return _KNOWN[name]


@every_estimator
def test_leaves_global_generators_alone(name, estimator, corpus):
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    before = generators()
    found = bits(estimator, *corpus)
    assert generators() == before
    random.seed(4)
    np.random.seed(4)
    torch.manual_seed(4)
    assert bits(clone(estimator), *corpus) == found
    _KNOWN[name] = found


@needs_posix
@some_estimators
def test_same_bits_in_another_process(estimator, expected, corpus):
    assert call_in_process(bits, estimator, *corpus) == expected


@some_estimators
def test_same_bits_beside_another_thread(name, estimator, expected, corpus):
    other = clone(estimator).set_params(random_state=1)
    found, _, again, _ = joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(bits)(clone(one), *corpus) for one in [estimator, other] * 2
    )
    assert found == again == expected


@pytest.mark.slow
@every_estimator
def test_same_bits_in_the_workers_of_a_search(name, estimator, expected, corpus):
    found = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(bits)(clone(estimator), *corpus) for _ in range(2)
    )
    assert found == [expected] * 2


# A transformer's sums of products are split among torch's threads, and rounded otherwise.
SPLIT_AMONG_THREADS = {
    "of a transformer", "float32", "float32, early stopping", "bfloat16", "int8"
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n not in SPLIT_AMONG_THREADS])
def test_same_bits_with_two_threads(name, estimator, expected, corpus):
    torch.set_num_threads(2)
    try:
        found = bits(estimator, *corpus)
    finally:
        torch.set_num_threads(1)
    assert found == expected
