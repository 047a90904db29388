import io
import pickle
import subprocess
import sys
from collections import Counter, UserList
from numbers import Integral
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.utils import get_tags

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    FunctionTeacherClassifier,
    TextPool,
    make_tfidf_baseline,
)
from skdistill.students.training._batches import TransferDataset
from skdistill.students.training._loop import Recipe, train


def make_student(teacher=None, **params):
    return DistilledMLPClassifier(
        teacher, **{"max_epochs": 8, "random_state": 0, "vocabulary_size": 60} | params
    )


SMALL = {
    DistilledMLPClassifier: {"embedding_dim": 6, "context_window": 3},
    DistilledCNNClassifier: {"embedding_dim": 5, "n_filters": 8},
    DistilledRNNClassifier: {"embedding_dim": 4, "hidden_dim": 6},
}
every_student = pytest.mark.parametrize("student_class", SMALL)


def make_small(student_class, teacher=None, **params):
    """Make a student that draws nothing at random in training but the order of rows."""
    exact = {"dropout": 0.0, "word_dropout": 0.0, "batch_size": 1000, "lr": 0.01}
    shared = {"max_epochs": 12, "random_state": 0, "vocabulary_size": 60}
    return student_class(teacher, **SMALL[student_class] | shared | exact | params)


def test_sizes_depend_on_the_mean_over_all_texts():
    labels = SimpleNamespace(classes=["a", "b"])
    short, long = ["a short text"] * 1_000, ["word " * 400] * 1_000
    student = DistilledMLPClassifier()
    assert student._choose_sizes(short, labels) == (5_000, 16)
    assert student._choose_sizes(short + long, labels) == (20_000, 64)
    assert student._choose_sizes(long[:1] + short * 2, labels) == (5_000, 16)


class Again(BaseEstimator):
    """An augmenter that turns texts around."""

    def fit(self, X):
        return self

    def augment(self, X):
        return [" ".join(text.split()[::-1]) for text in X]


class Never(Again):
    """An augmenter that makes nothing."""

    def augment(self, X):
        return []


class Embedded(ClassifierMixin, BaseEstimator):
    """A TF-IDF teacher that has word vectors."""

    def fit(self, X, y):
        self.model_ = make_tfidf_baseline().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    def word_vectors(self, words):
        return np.random.default_rng(0).normal(size=(len(words), 8)).astype(np.float32)


@pytest.fixture(scope="module")
def split(topics):
    texts, labels = topics
    return texts[:400], labels[:400], texts[400:], labels[400:]


@pytest.fixture(scope="module")
def fitted(split):
    return make_student(make_tfidf_baseline()).fit(split[0], split[1])


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"pooling": "mean", "context_window": 1},
        {"pooling": ("max",)},
        {"pooling": ["mean", "max", "attention"], "hidden_layer_sizes": [8], "max_epochs": 25},
        {"ngram_range": (1, 2), "vocabulary_size": 500},
        {"analyzer": "char", "ngram_range": (1, 3), "vocabulary_size": 800},
        {"analyzer": str.split, "loss": "mse", "lr": 0.003, "max_epochs": 20},
        {"temperature": 3.0, "hard_label_weight": 0.5, "dropout": 0.2, "word_dropout": 0.1},
        {"early_stopping": True, "validation_fraction": 0.2, "max_epochs": 20},
        {"class_weight": "balanced", "batch_size": 16, "max_epochs": 3},
        {"ngram_range": (1, 2), "hash_buckets": 200},
        {"n_parameters": 1_000, "augmenter": Again(), "max_epochs": 20},
        {"gold_epochs": 2, "teacher_cv": 3},
    ],
    ids=str,
)
def test_every_option_learns_from_a_teacher(split, params):
    check_it_learns(make_student(make_tfidf_baseline(), **params), split)


@pytest.mark.parametrize(
    ("student_class", "params"),
    [
        (DistilledCNNClassifier, {}),
        (DistilledCNNClassifier, {"kernel_sizes": [2, 3], "pooling": ("max", "mean")}),
        (DistilledCNNClassifier, {"ngram_range": (1, 2), "hash_buckets": 50, "dropout": 0.1}),
        (DistilledRNNClassifier, {}),
        (DistilledRNNClassifier, {"cell": "lstm", "pooling": ["mean", "max"], "lr": 0.03}),
        (DistilledRNNClassifier, {"hidden_layer_sizes": [9]}),
        (DistilledRNNClassifier, {"bidirectional": False, "loss": "mse"}),
    ],
    ids=str,
)
def test_convolutional_and_recurrent_students_learn_from_a_teacher(split, student_class, params):
    small = {"max_epochs": 10, "batch_size": 16, "random_state": 0, **SMALL[student_class]}
    check_it_learns(student_class(make_tfidf_baseline(), **small | params), split)


@pytest.mark.parametrize(
    ("augmenter", "chosen", "other"), [(Again(), 2, 1), (Never(), 1, 2), (None, 1, 2)]
)
def test_the_temperature_depends_on_whether_texts_are_made(split, augmenter, chosen, other):
    X, y, X_test, _ = split
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X, y))
    auto, same, different = (
        make_student(teacher, augmenter=augmenter, **given).fit(X, y).predict_proba(X_test)
        for given in ({}, {"temperature": chosen}, {"temperature": other})
    )
    np.testing.assert_array_equal(auto, same)
    assert not np.allclose(auto, different)


def check_it_learns(student, split):
    X, y, X_test, y_test = split
    assert student.fit(X, y).score(X_test, y_test) > 0.95
    ids = student._vocabulary.encode(X_test)
    with torch.no_grad():
        logits = student.network_(torch.from_numpy(ids.values), torch.from_numpy(ids.offsets))
    expected = logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(student.predict_proba(X_test), expected, atol=1e-5)


@every_student
def test_parameters_are_kept_cloned_and_checked(student_class):
    student = make_small(student_class, make_tfidf_baseline(), augmenter=Again(), teacher_cv=3)
    params = student.get_params(deep=False)
    assert set(params) == set(student_class._parameter_constraints)
    assert params == vars(student)
    copied = clone(student).get_params(deep=False)
    assert {name: str(value) for name, value in copied.items()} == {
        name: str(value) for name, value in params.items()
    }
    assert copied["augmenter"] is not params["augmenter"]
    student.set_params(teacher__tfidfvectorizer__min_df=2, embedding_dim=3)
    assert student.teacher[0].min_df == 2
    assert student.embedding_dim == 3


@every_student
@pytest.mark.parametrize(
    "params",
    [
        {"batch_size": 8, "dropout": 0.3, "word_dropout": 0.2, "gold_epochs": 1},
        {"teacher_cv": StratifiedKFold(2, shuffle=True, random_state=0)},
        {"loss": "mse", "n_parameters": 2_000, "augmenter": Again()},
        {"ngram_range": (1, 2), "hash_buckets": 20, "embedding_init": "teacher"},
    ],
    ids=str,
)
def test_every_student_gives_the_same_for_the_same_seed(split, student_class, params):
    X, y, X_test, _ = split
    student = make_small(student_class, Embedded(), max_epochs=2, **params)
    one, two = clone(student).fit(X[:60], y[:60]), clone(student).fit(X[:60], y[:60])
    np.testing.assert_array_equal(one.predict_proba(X_test), two.predict_proba(X_test))
    other = student.set_params(random_state=1).fit(X[:60], y[:60])
    assert not np.array_equal(one.predict_proba(X_test), other.predict_proba(X_test))


@every_student
def test_new_options_can_be_searched_over(split, student_class):
    X, y = split[0][:40], split[1][:40]
    options = {
        "augmenter": [None, Again()],
        "teacher_cv": [None, 2],
        "loss": ["kl", "mse"],
        "embedding_init": ["teacher"],
        "n_parameters": [1_500],
        "gold_epochs": [1],
        "dropout": [0.1],
        "word_dropout": ["auto"],
    }
    student = make_small(student_class, Embedded(), max_epochs=1)
    search = GridSearchCV(
        student,
        [{name: values} for name, values in options.items()]
        + [{"hash_buckets": [10], "ngram_range": [(1, 2)]}],
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 12
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def twice(rows, repeated):
    return [*rows, *(rows[i] for i in repeated)]


EXACT = [
    {},
    {"loss": "mse"},
    {"hard_label_weight": 0.4},
    {"loss": "mse", "hard_label_weight": 1.0, "gold_epochs": 5},
    {"ngram_range": (1, 2), "hash_buckets": 15},
]


@pytest.mark.parametrize(
    ("student_class", "params"),
    [(DistilledMLPClassifier, params) for params in EXACT]
    + [(DistilledCNNClassifier, {"hard_label_weight": 0.4}), (DistilledRNNClassifier, {})],
    ids=str,
)
def test_weight_two_is_the_row_twice_and_weight_zero_is_none(split, student_class, params):
    X, y, X_test, _ = split
    X, y = X[:30], y[:30]
    proba = np.random.default_rng(0).dirichlet(np.ones(3), 30)
    weights = np.repeat([2.0, 1.0, 0.0], [9, 18, 3])
    weighted = make_small(student_class, **params)
    weighted.fit(X, y, teacher_proba=proba, sample_weight=weights)
    repeated = make_small(student_class, **params).fit(
        twice(X[:27], range(9)), twice(y[:27], range(9)), teacher_proba=twice(proba[:27], range(9))
    )
    assert weighted.vocabulary_ == repeated.vocabulary_
    check_same_predictions(weighted, repeated, X_test)
    unweighted = make_small(student_class, **params).fit(X, y, teacher_proba=proba)
    assert not np.allclose(
        unweighted.predict_proba(X_test), weighted.predict_proba(X_test), atol=1e-3
    )


def check_same_predictions(one, other, texts):
    np.testing.assert_allclose(one.predict_proba(texts), other.predict_proba(texts), atol=1e-6)


def test_weights_are_exact_beside_texts_without_a_known_word(split):
    X, y = [*split[0][:20], "", "zzyzx"], [*split[1][:20], "trains", "cooking"]
    weights = np.repeat([1.0, 30.0, 0.0], [20, 1, 1])
    weighted = make_small(DistilledMLPClassifier).fit(X, y, sample_weight=weights)
    plain = make_small(DistilledMLPClassifier).fit(X[:20], y[:20])
    losses = [[epoch["train_loss"] for epoch in s.history_] for s in (weighted, plain)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    check_same_predictions(weighted, plain, split[2])


@pytest.mark.parametrize("params", EXACT[:4], ids=str)
def test_class_weight_weighs_the_rows_of_a_class(split, params):
    # The same texts in all classes, so that weights leave the order of the vocabulary alone.
    X, y = split[0][:15] * 3, np.repeat(["a", "b", "c"], 15)
    proba = np.random.default_rng(0).dirichlet(np.ones(3), 45)
    by_class = make_small(DistilledMLPClassifier, class_weight={"b": 2.0}, **params)
    by_class.fit(X, y, teacher_proba=proba)
    by_row = make_small(DistilledMLPClassifier, **params)
    by_row.fit(X, y, teacher_proba=proba, sample_weight=np.where(y == "b", 2.0, 1.0))
    assert by_class.vocabulary_ == by_row.vocabulary_
    check_same_predictions(by_class, by_row, X)
    unweighted = make_small(DistilledMLPClassifier, **params).fit(X, y, teacher_proba=proba)
    assert not np.allclose(by_class.predict_proba(X), unweighted.predict_proba(X), atol=1e-3)


@every_student
@pytest.mark.parametrize("params", [{}, {"loss": "mse"}], ids=str)
def test_gold_epochs_go_on_from_the_soft_stage_on_gold_labels(split, student_class, params):
    X, y, X_test, _ = split
    X, y, pool = X[:40], y[:40], X[40:80]
    options = {"max_epochs": 5, "lr": 0.02, **params}
    teacher = make_tfidf_baseline()
    soft = make_small(student_class, teacher, **options).fit(X, y, X_unlabeled=TextPool(pool))
    both = make_small(student_class, teacher, gold_epochs=4, **options)
    both.fit(X, y, X_unlabeled=TextPool(pool))
    assert (both.n_iter_, len(both.history_), soft.n_iter_) == (5 + 4, 5 + 4, 5)

    codes = np.unique(y, return_inverse=True)[1]
    targets = {
        "proba": np.eye(3, dtype=np.float32)[codes],
        "label": codes,
        "hard_weight": np.zeros(40, np.float32),
        "sample_weight": np.ones(40, np.float32),
    }
    weights, history = train(
        lambda: soft.network_.train(),
        TransferDataset(soft._vocabulary.encode(X), targets),
        Recipe(max_epochs=4, batch_size=1000, lr=0.002, seed=0, device=torch.device("cpu")),
    )
    for name, value in both.network_.state_dict().items():
        np.testing.assert_allclose(value, weights[name], atol=1e-5)
    for by_student, by_hand in zip(both.history_[5:], history, strict=True):
        assert by_student["train_loss"] == pytest.approx(by_hand["train_loss"], rel=1e-4)
    assert not np.allclose(both.predict_proba(X_test), soft.predict_proba(X_test), atol=1e-3)


def test_gold_epochs_without_a_known_word_under_a_gold_label_change_nothing():
    fit_params = {
        "teacher_proba": [[0.5, 0.5]] * 2,
        "X_unlabeled": ["a b", "b", "c"],
        "unlabeled_proba": [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]],
    }
    plain = make_small(DistilledMLPClassifier).fit(["", " "], [0, 1], **fit_params)
    gold = make_small(DistilledMLPClassifier, gold_epochs=2).fit(["", " "], [0, 1], **fit_params)
    np.testing.assert_array_equal(gold.predict_proba(["a b"]), plain.predict_proba(["a b"]))


def trigrams(text):
    words = text.split()
    return [" ".join(words[i : i + 3]) for i in range(len(words))]


@pytest.mark.parametrize(
    ("student_class", "budget", "params"),
    [
        (DistilledMLPClassifier, 1_000, {}),
        (DistilledMLPClassifier, 2_001, {"hash_buckets": 100, "hidden_layer_sizes": [5]}),
        (DistilledCNNClassifier, 2_345, {"kernel_sizes": (2, 3), "n_filters": 10}),
        (DistilledRNNClassifier, 1_999, {"hidden_dim": 5}),
        (DistilledRNNClassifier, 900, {"cell": "lstm", "bidirectional": False, "hidden_dim": 4}),
    ],
    ids=str,
)
def test_a_budget_of_parameters_is_kept_and_used_up(split, student_class, budget, params):
    X, y = split[0][:200], split[1][:200]
    many_features = {"analyzer": trigrams, "ngram_range": (1, 2)}
    student = make_small(
        student_class, n_parameters=budget, max_epochs=1, **many_features, **params
    ).fit(X, y)
    assert student.n_parameters_ == sum(p.numel() for p in student.network_.parameters())
    n_rows, dim = student.network_.embedding.weight.shape
    assert n_rows == len(student.vocabulary_) + 1 + params.get("hash_buckets", 0)
    assert budget - dim < student.n_parameters_ <= budget
    assert len(student.vocabulary_) > 50
    assert student.get_params()["embedding_dim"] == SMALL[student_class]["embedding_dim"]


@every_student
def test_few_words_leave_the_budget_to_the_width(split, student_class):
    X, y = split[0][:200], split[1][:200]
    student = make_small(student_class, n_parameters=4_000, max_epochs=1).fit(X, y)
    everything = make_small(student_class, max_epochs=1).fit(X, y)
    assert student.vocabulary_ == everything.vocabulary_
    assert 3_500 < student.n_parameters_ <= 4_000
    assert student.network_.embedding.weight.shape[1] > 6


@pytest.mark.parametrize("budget", [1, 2, 20])
def test_a_budget_too_small_for_any_network_is_refused(budget):
    message = f"n_parameters={budget} is too small; this network needs at least 2[0-9]"
    with pytest.raises(ValueError, match=message):
        make_student(n_parameters=budget).fit(["a", "b", "c", "d"], [0, 1, 0, 1])


PRUNED = [
    (DistilledMLPClassifier, {}),
    (DistilledMLPClassifier, {"pooling": ("mean", "max"), "hidden_layer_sizes": (4,)}),
    (DistilledMLPClassifier, {"ngram_range": (1, 3), "hash_buckets": 30}),
    (DistilledCNNClassifier, {}),
    (DistilledRNNClassifier, {"n_parameters": 2_000}),
]


@pytest.fixture(params=PRUNED, ids=str)
def to_prune(request, split):
    """A student that was fitted on 100 texts, 60 of them without a label."""
    student_class, params = request.param
    student = make_small(student_class, make_tfidf_baseline(), **params)
    return student.fit(split[0][:40], split[1][:40], X_unlabeled=split[0][40:100])


def test_pruning_keeps_what_matters_most(to_prune, split):
    counts = Counter(" ".join(split[0][:100]).split())
    rows = to_prune.network_.embedding.weight.detach().numpy()
    importance = {
        word: counts[word] * np.linalg.norm(rows[row] - rows[0])
        for word, row in to_prune.vocabulary_.items()
    }
    best = sorted(importance, key=importance.get, reverse=True)
    n_before, names = to_prune.n_parameters_, list(to_prune.vocabulary_)
    # Again and again: what is left keeps its counts.
    for n_features in (30, 25, np.int64(20), 12, 6):
        assert to_prune.prune_vocabulary(n_features) is to_prune
        kept = best[: n_features - 1]
        assert list(to_prune.vocabulary_) == [name for name in names if name in kept]
        assert to_prune.n_parameters_ == sum(p.numel() for p in to_prune.network_.parameters())
        assert to_prune.n_parameters_ == n_before - (len(names) + 1 - n_features) * rows.shape[1]


def test_pruning_makes_words_unknown_and_leaves_the_rest_alone(to_prune, split):
    before = clone(to_prune)
    vars(before).update(vars(to_prune))
    kept = set(to_prune.prune_vocabulary(25).vocabulary_)
    assert kept != set(list(before.vocabulary_)[:24])  # not the most frequent ones alone
    X_test = [text.split() for text in split[2]]
    of_kept = [" ".join(word for word in text if word in kept) for text in X_test]
    np.testing.assert_array_equal(to_prune.predict_proba(of_kept), before.predict_proba(of_kept))
    masked = [" ".join(word if word in kept else "zzyzx" for word in text) for text in X_test]
    proba = to_prune.predict_proba(split[2])
    np.testing.assert_array_equal(proba, to_prune.predict_proba(masked))
    np.testing.assert_array_equal(proba, before.predict_proba(masked))
    assert not np.allclose(proba, before.predict_proba(split[2]), atol=1e-3)


def test_pruned_students_are_pickled_and_turned_into_networks(to_prune, split):
    to_prune.prune_vocabulary(25)
    copy = pickle.loads(pickle.dumps(to_prune))
    proba = to_prune.predict_proba(split[2])
    np.testing.assert_array_equal(copy.predict_proba(split[2]), proba)
    ids = copy._vocabulary.encode(split[2])
    logits = copy.network_(torch.from_numpy(ids.values), torch.from_numpy(ids.offsets))
    np.testing.assert_allclose(logits.softmax(dim=1).detach(), proba, atol=1e-5)
    assert copy.prune_vocabulary(5).n_parameters_ < to_prune.n_parameters_


def test_pruning_to_the_same_size_changes_nothing(to_prune, split):
    proba, n_listed = to_prune.predict_proba(split[2]), len(to_prune.vocabulary_)
    to_prune.prune_vocabulary(n_listed + 1)
    np.testing.assert_array_equal(to_prune.predict_proba(split[2]), proba)
    for wrong in (n_listed + 2, 1, 0, -3, 5.0, "5", None):
        with pytest.raises(ValueError, match=f"must be an integer from 2 to {n_listed + 1}"):
            to_prune.prune_vocabulary(wrong)
    np.testing.assert_array_equal(to_prune.predict_proba(split[2]), proba)


def test_pruning_needs_a_fit():
    with pytest.raises(NotFittedError):
        make_student().prune_vocabulary(5)


def test_learned_attributes(fitted):
    assert fitted.classes_.tolist() == ["cooking", "sailing", "trains"]
    assert sorted(fitted.vocabulary_.values()) == list(range(1, len(fitted.vocabulary_) + 1))
    n_features = len(fitted.vocabulary_) + 1
    assert fitted.n_parameters_ == n_features * 16 + 13 * 16 + 3 * 16 * 3 + 3
    assert fitted.n_parameters_ == sum(p.numel() for p in fitted.network_.parameters())
    assert fitted.n_iter_ == len(fitted.history_) == 8
    assert fitted.transfer_size_ == 400
    assert not hasattr(fitted, "n_features_in_")
    assert not fitted.network_.training


def test_predictions_agree_with_each_other(fitted, split):
    X_test = split[2]
    proba = fitted.predict_proba(X_test)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X_test)), proba, atol=1e-6)
    np.testing.assert_array_equal(fitted.classes_[proba.argmax(axis=1)], fitted.predict(X_test))


def test_student_imitates_its_teacher_not_the_labels(split):
    X, y, X_test, _ = split
    swap = {"cooking": "trains", "trains": "cooking", "sailing": "sailing"}
    wrong = FrozenEstimator(make_tfidf_baseline().fit(X, [swap[label] for label in y]))
    with pytest.warns(UserWarning, match="little better than by chance"):
        student = make_student(wrong).fit(X, y)
    assert np.mean(student.predict(X_test) == wrong.predict(X_test)) > 0.95
    with pytest.warns(UserWarning, match="little better than by chance"):
        mixed = make_student(None, hard_label_weight=1.0).fit(
            X, y, teacher_proba=wrong.predict_proba(X)
        )
    assert mixed.score(X_test, split[3]) > 0.95


def test_unlabelled_text_carries_what_labelled_text_does_not(split):
    X, y, X_test, y_test = split
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X, y))
    few = make_student(teacher).fit(X[:12], y[:12])
    many = make_student(teacher).fit(X[:12], y[:12], X_unlabeled=TextPool(X[12:]))
    assert many.transfer_size_ == 400
    assert many.score(X_test, y_test) > few.score(X_test, y_test) + 0.1


def test_given_probabilities_spare_the_teacher(split):
    X, y, X_test, _ = split
    teacher = make_tfidf_baseline().fit(X, y)
    by_teacher = make_student(FrozenEstimator(teacher)).fit(X, y, X_unlabeled=X_test)
    by_hand = make_student().fit(
        X,
        y,
        X_unlabeled=X_test,
        teacher_proba=teacher.predict_proba(X),
        unlabeled_proba=teacher.predict_proba(X_test),
    )
    np.testing.assert_array_equal(by_hand.predict_proba(X_test), by_teacher.predict_proba(X_test))


@pytest.mark.parametrize("labels", [int, bool, float, object, np.str_])
def test_labels_of_any_type(split, labels):
    X, y, X_test, _ = split
    sailing = y == "sailing"
    y = (
        np.where(sailing, "yes", "no").astype(labels)
        if labels in (object, np.str_)
        else sailing.astype(labels)
    )
    student = make_student().fit(X, y)
    predicted = student.predict(X_test)
    # Objects that are all text become text.
    assert predicted.dtype == student.classes_.dtype == np.array(y.tolist()).dtype
    assert student.predict_proba(X_test).shape == (len(X_test), 2)


def test_same_seed_same_student_and_refit_forgets(split):
    X, y, X_test, _ = split
    one, two = make_student().fit(X, y), make_student().fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X_test), two.predict_proba(X_test))
    two.fit(X[:50], y[:50]).fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X_test), two.predict_proba(X_test))
    other = clone(one).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(one.predict_proba(X_test), other.predict_proba(X_test))


def test_random_state_instances_move_on_and_global_state_stays(split):
    X, y, X_test, _ = split
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    student = make_student(random_state=np.random.RandomState(0))
    first = student.fit(X, y).predict_proba(X_test)
    assert not np.array_equal(first, student.fit(X, y).predict_proba(X_test))
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_sample_weight_zero_removes_rows(split):
    X, y, X_test, y_test = split
    wrong = np.roll(y, 1)
    weight = np.repeat([1.0, 0.0], [len(X), len(X)])
    student = make_student(max_epochs=15)
    student.fit([*X, *X], [*y, *wrong], sample_weight=weight)
    assert student.score(X_test, y_test) > 0.95
    # The prior too counts weights.
    shares = [np.mean(y == label) for label in student.classes_]
    np.testing.assert_allclose(student.predict_proba([""])[0], shares, rtol=1e-5)


@pytest.mark.parametrize("text", ["", "   ", "zzyzx", "zzyzx qwxq"])
def test_texts_without_a_known_word_get_the_class_prior(fitted, split, text):
    y = split[1]
    expected = [np.mean(y == label) for label in fitted.classes_]
    np.testing.assert_allclose(fitted.predict_proba([text])[0], expected, rtol=1e-5)


def test_empty_texts_among_the_training_texts_are_allowed(split):
    X, y, X_test, y_test = split
    student = make_student().fit([*X, "", " "], [*y, "cooking", "trains"])
    assert student.score(X_test, y_test) > 0.95


@pytest.mark.parametrize(
    ("fit_params", "error", "message"),
    [
        ({"X": "a text"}, ValueError, "X is a single string"),
        ({"X": ["a", None, "c", "d"]}, ValueError, r"X\[1\] is missing"),
        ({"X": ["a", "b", float("nan"), "d"]}, ValueError, r"X\[2\] is missing"),
        ({"X": ["a", 1, "c", "d"]}, TypeError, r"X\[1\] is int"),
        ({"X": pd.DataFrame({"a": list("abcd"), "b": list("abcd")})}, ValueError, r"\(4, 2\)"),
        ({"X": ["", " ", "", ""]}, ValueError, "all texts are empty or have fewer words"),
        ({"y": [0, 1, 0]}, ValueError, "X and y must have the same number of rows"),
        ({"y": [0, 0, 0, 0]}, ValueError, "needs at least 2 classes"),
        ({"y": None}, ValueError, "requires y"),
        ({"teacher_proba": [[0.5, 0.5]]}, ValueError, r"teacher_proba must have shape \(4, 2\)"),
        ({"teacher_proba": [[0.5, 0.6]] * 4}, ValueError, r"teacher_proba\[0\] sums to 1.1"),
        ({"X_unlabeled": ["u"]}, ValueError, "no teacher to label it"),
        ({"X_unlabeled": [None]}, ValueError, r"X_unlabeled\[0\] is missing"),
        ({"sample_weight": [1, 1]}, ValueError, "sample_weight.shape"),
        ({"sample_weight": [1, 1, 1, -1]}, ValueError, "Negative values"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_refused(fit_params, error, message):
    good = {"X": ["a", "b", "c", "d"], "y": [0, 1, 0, 1]}
    with pytest.raises(error, match=message):
        make_student().fit(**good | fit_params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"teacher": "roberta-base"}, "'teacher' parameter"),
        ({"vocabulary_size": 1}, "'vocabulary_size' parameter"),
        ({"pooling": "median"}, "pooling='median' must be one"),
        ({"pooling": ("mean", "median")}, "pooling=.* must be one of .* or a tuple"),
        ({"pooling": ("mean", "mean")}, "pooling=.* must be one of .* or a tuple"),
        ({"pooling": ()}, "pooling=.* must be one of .* or a tuple"),
        ({"context_window": 4}, "context_window=4 must be odd"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes=.* positive"),
        ({"ngram_range": (2, 1)}, r"ngram_range=\(2, 1\)"),
        ({"loss": "hinge"}, "'loss' parameter"),
        ({"temperature": 0}, "'temperature' parameter"),
        ({"device": "tpu9"}, "device='tpu9' is not a torch device"),
        ({"class_weight": {5: 1}}, "classes"),
        ({"class_weight": {0: -1}}, "class_weight=.* not negative"),
        ({"class_weight": {0: np.inf}}, "class_weight=.* finite weights"),
        ({"hash_buckets": -1}, "'hash_buckets' parameter"),
        ({"hash_buckets": 9}, r"hash_buckets=9 needs an ngram_range of \(1, n\)"),
        ({"hash_buckets": 9, "ngram_range": (2, 3)}, r"got \(2, 3\)"),
        ({"n_parameters": 0}, "'n_parameters' parameter"),
        ({"embedding_init": "pca"}, "'embedding_init' parameter"),
        ({"augmenter": make_tfidf_baseline()}, "'augmenter' parameter"),
        ({"teacher_cv": "three"}, "'teacher_cv' parameter"),
        ({"gold_epochs": -1}, "'gold_epochs' parameter"),
        ({"max_epochs": "automatic"}, "'max_epochs' parameter"),
        ({"dropout": 1.0}, "'dropout' parameter"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        make_student(**params).fit(["a", "b", "c", "d"], [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (DistilledCNNClassifier(kernel_sizes=()), "kernel_sizes=.* positive integers"),
        (DistilledCNNClassifier(kernel_sizes=(3, 0)), "kernel_sizes=.* positive integers"),
        (DistilledCNNClassifier(kernel_sizes=3), "'kernel_sizes' parameter"),
        (DistilledCNNClassifier(n_filters=0), "'n_filters' parameter"),
        (DistilledCNNClassifier(pooling="attention"), "pooling='attention' must be one"),
        (DistilledRNNClassifier(pooling=("max", "max")), "pooling=.* must be one of .* or a tuple"),
        (DistilledRNNClassifier(cell="rnn"), "'cell' parameter"),
        (DistilledRNNClassifier(hidden_dim=0), "'hidden_dim' parameter"),
        (DistilledRNNClassifier(bidirectional=2), "'bidirectional' parameter"),
        (DistilledRNNClassifier(hidden_layer_sizes=(2.5,)), "hidden_layer_sizes=.* positive"),
    ],
    ids=str,
)
def test_bad_parameters_of_other_students_are_refused(student, message):
    with pytest.raises(ValueError, match=message):
        student.fit(["a", "b", "c", "d"], [0, 1, 0, 1])


def test_bad_memory_is_refused():
    with pytest.raises(TypeError, match="memory must be a folder"):
        make_student(memory=3).fit(["a", "b"], [0, 1])


def test_teacher_of_other_classes_is_refused(split):
    X, y, _, _ = split
    teacher = FrozenEstimator(DummyClassifier().fit(X, np.arange(len(y)) % 2))
    with pytest.raises(ValueError, match=r"The teacher's classes \[0, 1\] differ from those of y"):
        make_student(teacher).fit(X, y)


def test_predicting_needs_a_fit_and_texts(fitted):
    with pytest.raises(NotFittedError):
        make_student().predict(["a"])
    assert not hasattr(make_student(), "network_")
    with pytest.raises(ValueError, match="single string"):
        fitted.predict("a text")
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        fitted.predict_proba([])


def test_failed_fit_leaves_the_student_as_it_was(fitted, split):
    before = fitted.predict_proba(split[2])
    with pytest.raises(ValueError, match="missing"):
        fitted.fit([None, "a"], [0, 1])
    np.testing.assert_array_equal(fitted.predict_proba(split[2]), before)


def test_fit_does_not_touch_its_parameters(split):
    from skorch.callbacks import Callback

    class Marks(Callback):
        seen = False

        def on_epoch_end(self, net, **kwargs):
            self.seen = True

    callback, teacher = Marks(), make_tfidf_baseline()
    student = make_student(teacher, callbacks=[callback]).fit(split[0], split[1])
    assert student.teacher is teacher
    assert not hasattr(teacher[-1], "coef_")
    assert not callback.seen
    assert student.callbacks == [callback]


def joblib_dumps(student):
    buffer = io.BytesIO()
    joblib.dump(student, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("dump", [pickle.dumps, joblib_dumps])
def test_pickle_leaves_the_fitted_teacher_behind(split, dump):
    X, y, X_test, _ = split
    teacher = make_tfidf_baseline().fit(X, y)
    student = make_student(FrozenEstimator(teacher)).fit(X, y)
    data = dump(student)
    copy = joblib.load(io.BytesIO(data))
    assert not hasattr(copy.teacher.estimator[-1], "coef_")
    assert hasattr(student.teacher.estimator[-1], "coef_")
    np.testing.assert_array_equal(copy.predict_proba(X_test), student.predict_proba(X_test))
    assert pickle.loads(pickle.dumps(make_student(FrozenEstimator(teacher)))).teacher[-1].coef_.size


def test_a_new_process_predicts_bit_for_bit_and_without_torch(fitted, split, tmp_path):
    others = [
        make_small(student_class, max_epochs=1).fit(split[0][:40], split[1][:40])
        for student_class in (DistilledCNNClassifier, DistilledRNNClassifier)
    ]
    students = [fitted, *others]
    joblib.dump(students, tmp_path / "students.joblib")
    joblib.dump(split[2], tmp_path / "texts.joblib")
    code = (
        "import sys, joblib, numpy as np; "
        "students = joblib.load('students.joblib'); "
        "texts = joblib.load('texts.joblib'); "
        "np.save('proba.npy', [student.predict_proba(texts) for student in students]); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    expected = [student.predict_proba(split[2]) for student in students]
    np.testing.assert_array_equal(np.load(tmp_path / "proba.npy"), expected)


def test_pickles_of_other_versions_warn(fitted, monkeypatch):
    data = pickle.dumps(fitted)
    monkeypatch.setattr("skdistill.__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match=r"DistilledMLPClassifier \(skdistill\)"):
        pickle.loads(data)


def test_tags_say_one_dimension_of_strings():
    tags = get_tags(make_student())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert tags.estimator_type == "classifier"


def test_silent_unless_asked(split, capfd):
    make_student(make_tfidf_baseline()).fit(split[0], split[1])
    assert capfd.readouterr() == ("", "")
    make_student(make_tfidf_baseline(), verbose=1).fit(split[0], split[1])
    out, err = capfd.readouterr()
    assert out == ""
    assert "labelling" in err
    assert "training student" in err


def test_held_out_texts_do_not_shorten_training(split):
    options = {"max_epochs": "auto", "validation_fraction": 0.5}
    lengths = [
        make_student(early_stopping=early_stopping, **options).fit(split[0], split[1]).n_iter_
        for early_stopping in (False, True)
    ]
    assert lengths == [22, 38]  # at least 150 steps of 64 of the 400 or 200 texts


def test_early_stopping_needs_texts_to_train_on():
    student = make_student(early_stopping=True)
    with pytest.raises(ValueError, match="early_stopping holds out 1 of 1 texts"):
        student.fit(["a", ""], [0, 1])


def test_embeddings_that_no_teacher_has_are_refused_before_it_is_fitted():
    class Untouched(DummyClassifier):
        def fit(self, X, y, sample_weight=None):
            raise AssertionError("fitted")

    with pytest.raises(ValueError, match="needs a teacher with token embeddings"):
        make_student(teacher=Untouched(), embedding_init="teacher").fit(["a", "b"], [0, 1])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_parameters": 20}, "n_parameters=20 is too small; this network needs at least"),
        ({"n_parameters": 99, "hash_buckets": 99, "ngram_range": (1, 2)}, "n_parameters=99 is too"),
        ({"ngram_range": (1,)}, r"ngram_range=\(1,\) must be a pair of integers"),
        ({"ngram_range": (1, 2, 3)}, r"ngram_range=\(1, 2, 3\) must be a pair of integers"),
        ({"ngram_range": ("a", "b")}, r"ngram_range=\('a', 'b'\) must be a pair of integers"),
        ({"ngram_range": (1, 1.5)}, r"ngram_range=\(1, 1.5\) must be a pair of integers"),
        ({"callbacks": [3]}, "callbacks contains 3, which is not a skorch callback"),
        ({"callbacks": [("name", 3)]}, r"callbacks contains \('name', 3\)"),
        ({"callbacks": ["EarlyStopping"]}, "callbacks contains 'EarlyStopping'"),
        ({"early_stopping": True, "validation_fraction": 0.9}, "early_stopping holds out 6 of 6"),
        ({"memory": ""}, "memory is an empty string"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_the_teacher_is_asked(params, message, tmp_path):
    asked = []

    def answer(texts):
        asked.extend(texts)
        return [[0.5, 0.5]] * len(texts)

    options = {"n_parameters": None} | params
    student = make_student(FunctionTeacherClassifier(answer), **options)
    with pytest.raises((ValueError, TypeError), match=message):
        student.fit(["a", "b", "c", "d"], [0, 1, 0, 1], X_unlabeled=["e", "f"])
    assert not asked


def test_made_texts_may_be_enough_to_hold_out_a_part():
    X, y, options = ["aa xx", "bb xx", "cc xx", "dd xx"], [0, 1, 0, 1], {"validation_fraction": 0.8}
    student = make_student(make_tfidf_baseline(), early_stopping=True, **options)
    with pytest.raises(ValueError, match="early_stopping holds out 4 of 4 texts"):
        student.fit(X, y)
    assert student.set_params(augmenter=Again()).fit(X, y).transfer_size_ == 8


def write_chinese(y):
    """Write texts without spaces, of characters that tell the classes apart."""
    rng = np.random.default_rng(0)
    own = {"food": "饭汤茶", "travel": "车船路"}
    characters = [chr(code) for code in range(0x4E00, 0x4E28)]
    return [
        "".join(rng.permutation([*rng.choice(characters, 6), *rng.choice([*own[label]], 2)]))
        for label in y
    ]


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_script_without_spaces_is_noticed_in_unlabelled_texts(in_memory):
    texts = write_chinese(["food", "travel"] * 100)
    X, y = texts[:20], ["food", "travel"] * 10
    # A sequence that is no list counts as one on disk.
    pool = TextPool(texts[20:] if in_memory else UserList(texts[20:]))
    for params, given in (({}, {"X_unlabeled": pool}), ({"unlabeled": pool}, {})):
        student = make_student(teacher=DummyClassifier(), max_epochs=1, **params)
        with pytest.warns(UserWarning, match="the words occur only once") as caught:
            student.fit(X, y, **given)
        assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["unlabeled", "X_unlabeled"])
def test_unlabelled_texts_are_called_by_the_parameter_that_was_given(name):
    X, y, teacher = ["a b", "c d"], [0, 1], make_tfidf_baseline()

    def fit(texts, teacher=None, **given):
        pool = TextPool(texts)
        if name == "unlabeled":
            return make_student(teacher, unlabeled=pool).fit(X, y, **given)
        other = TextPool(["other"])
        return make_student(teacher, unlabeled=other).fit(X, y, X_unlabeled=pool, **given)

    with pytest.raises(ValueError, match=f"^{name} is given, but there is no teacher to label it"):
        fit(["one"])
    for texts in (["one", None], UserList(["one", None])):
        with pytest.raises(ValueError, match=rf"^{name}\[1\] is missing"):
            fit(texts, teacher)
    with pytest.raises(ValueError, match=rf"one row per text of {name} and"):
        fit(["one"], unlabeled_proba=[[0.5, 0.5]] * 2)


def test_a_script_without_spaces_is_noticed():
    y = np.repeat(["food", "travel"], 100)
    texts = write_chinese(y)
    message = "100% of the words occur only once.* Check that these are texts"
    with pytest.warns(UserWarning, match=message) as caught:
        words = make_student().fit(texts[::2], y[::2])
    assert caught[0].filename == __file__
    assert words.score(texts[1::2], y[1::2]) == 0.5
    with pytest.warns(UserWarning, match="(9[0-9]|100)% of the words occur only once"):
        make_student(max_epochs=1).fit([f"RT @user https://t.co/x {text}" for text in texts], y)
    with pytest.warns(UserWarning, match=message) as caught:
        make_student(analyzer=str.split, max_epochs=1).fit(texts, y)
    assert caught[0].filename == __file__
    # The suite turns warnings into errors, so these do not warn.
    for analyzer in ("char", list):
        student = make_student(analyzer=analyzer, vocabulary_size=300, max_epochs=20)
        assert student.fit(texts[::2], y[::2]).score(texts[1::2], y[1::2]) > 0.9


def test_weights_of_any_type_make_one_teacher(split, tmp_path):
    X, y = split[0][:60], split[1][:60]
    weights = [1, 2] * 30
    student = make_small(DistilledMLPClassifier).set_params(
        teacher=make_tfidf_baseline(), memory=tmp_path, max_epochs=1
    )
    results = [
        student.fit(X, y, sample_weight=given).predict_proba(X)
        for given in (weights, np.array(weights, np.float32), pd.Series(weights))
    ]
    assert len([*(tmp_path / "soft_labels").iterdir()]) == 1
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize(
    "Student", [DistilledMLPClassifier, DistilledCNNClassifier, DistilledRNNClassifier]
)
def test_whole_numbers_may_be_those_of_numpy(Student, topics, tmp_path):
    X, y = topics[0][:60], topics[1][:60]
    given = {"n_parameters": 9_000, "hash_buckets": 16, "n_filters": 4, "context_window": 3}
    options = {"max_epochs": 1, "ngram_range": (1, 2), "random_state": 0}
    numbers = [
        name
        for name, kinds in Student._parameter_constraints.items()
        if any(getattr(kind, "type", None) is Integral for kind in kinds)
    ]
    assert {"vocabulary_size", "embedding_dim", "batch_size"} < {*numbers}
    for name in numbers:
        params = options | {name: given.get(name, 2)}
        expected = Student(**params).fit(X, y)
        found = Student(**params | {name: np.int64(params[name])}).fit(X, y)
        found.save(tmp_path / "student.skd")
        found = Student.load(tmp_path / "student.skd")
        np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
