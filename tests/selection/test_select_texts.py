"""Which texts are selected for labelling: uncertain ones, spread ones, and both."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier

from skdistill import (
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    make_tfidf_baseline,
    select_texts,
)
from skdistill.selection._select_texts import _spread

METHODS = ["random", "uncertainty", "diversity", "mixed"]


def says_number(texts):
    shares = np.array([float(text.split()[-1]) for text in texts])
    return np.column_stack([shares, 1 - shares])


def make_guesser(func=says_number, **params):
    return FunctionTeacherClassifier(func, **params).fit(["0"], None)


@pytest.fixture(scope="module")
def student(topics):
    X, y = topics
    return DistilledMLPClassifier(max_epochs=3, random_state=0).fit(X[:50], y[:50])


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_different_texts_are_selected_once_each(method, topics, student):
    texts = topics[0][50:250]
    rows = select_texts(student, np.array(texts * 2), 60, method=method, random_state=0)
    assert rows.dtype == np.int64
    assert len({*rows.tolist()}) == len({texts[row] for row in rows}) == 60
    again = select_texts(student, texts, 60, method=method, random_state=0)
    np.testing.assert_array_equal(again, rows)
    other = select_texts(student, texts, 60, method=method, random_state=1)
    assert (method == "uncertainty") == np.array_equal(other, rows)
    everything = select_texts(student, texts, 200, method=method, random_state=0)
    assert sorted(everything) == [*range(200)]
    np.testing.assert_array_equal(everything[:60], rows)


def test_the_default_is_mixed_and_without_a_student_random(topics, student):
    texts = topics[0]
    for given, method in ((student, "mixed"), (None, "random")):
        np.testing.assert_array_equal(
            select_texts(given, texts, 20, random_state=3),
            select_texts(given, texts, 20, method=method, random_state=3),
        )


def test_the_smallest_margins_come_first():
    texts = ["0.9", "0.5", "0.45", "0.1", "0.52"]
    guesser = make_guesser(classes=["a", "b"])
    assert select_texts(guesser, texts, 4, method="uncertainty").tolist() == [1, 4, 2, 0]


def test_of_three_classes_the_two_most_probable_count():
    answers = {"a": [0.4, 0.35, 0.25], "b": [0.34, 0.33, 0.33], "c": [0.05, 0.48, 0.47]}
    guesser = make_guesser(lambda texts: [answers[text] for text in texts], classes=[*"xyz"])
    texts = ["a", "b", "c"]
    margins = [0.05, 0.01, 0.01]
    rows = select_texts(guesser, texts, 3, method="uncertainty")
    assert rows[-1] == 0
    proba = guesser.predict_proba(texts)
    np.testing.assert_allclose(np.diff(np.sort(proba, axis=1))[:, -1], margins, atol=1e-6)


def test_of_several_labels_the_least_sure_counts():
    answers = {"a": [0.9, 0.1, 0.2], "b": [0.99, 0.51, 0.0], "c": [0.7, 0.7, 0.7]}
    guesser = FunctionTeacherClassifier(lambda texts: [answers[text] for text in texts])
    guesser.fit(["a", "b"], [[1, 0, 0], [0, 1, 1]])
    assert select_texts(guesser, [*"abc"], 3, method="uncertainty").tolist() == [1, 2, 0]
    assert sorted(select_texts(guesser, [*"abc"], 3, method="mixed")) == [0, 1, 2]


def test_answers_in_a_list_of_labels_are_read(topics):
    X, y = topics
    Y = (y[:, None] == np.unique(y)).astype(int)
    student = OneVsRestClassifier(make_tfidf_baseline()).fit(X[:100], Y[:100])
    rows = select_texts(student, X[100:], 5, method="uncertainty")
    least = np.abs(student.predict_proba(X[100:]) - 0.5).min(axis=1)
    assert least[rows[0]] == pytest.approx(least.min())


def test_spread_texts_come_from_every_group():
    groups = [["sun", "moon", "star"], ["bread", "soup", "salt"], ["train", "bus", "ship"]]
    rng = np.random.default_rng(0)
    texts = [
        " ".join(rng.choice(words, 6))
        for words, size in zip(groups, [300, 8, 8], strict=True)
        for _ in range(size)
    ]
    found = {"diversity": 0, "random": 0}
    for method in found:
        for seed in range(20):
            rows = select_texts(None, texts, 4, method=method, random_state=seed)
            found[method] += len({int(np.searchsorted([300, 308], row, "right")) for row in rows})
    assert found["diversity"] > 38 > 30 > found["random"]


def test_mixed_prefers_uncertain_texts_without_repeating_them():
    uncertain, sure = ([f"{kind}{i} word" for i in range(50)] for kind in ("open", "clear"))
    same = ["again and again" + "!" * i for i in range(50)]
    shares = dict.fromkeys(uncertain + same, 0.5) | dict.fromkeys(sure, 0.999)
    guesser = make_guesser(
        lambda texts: [[shares[text], 1 - shares[text]] for text in texts], classes=["a", "b"]
    )
    texts = uncertain + sure + same
    rows = select_texts(guesser, texts, 30, method="mixed", random_state=0)
    n_uncertain, n_sure, n_same = np.bincount(rows // 50, minlength=3)
    assert n_sure <= 2
    assert n_same == 1
    assert n_uncertain >= 27


def test_spreading_draws_by_weights_times_squared_distances():
    texts = ["red green", "red blue", "green", "blue blue yellow"]
    weights = np.array([0.5, 0.2, 1.0, 0.8])
    words = TfidfVectorizer(sublinear_tf=True).fit_transform(texts).toarray()
    drawn = np.array([_spread(weights, texts, 3, np.random.RandomState(i)) for i in range(1500)])
    first = np.bincount(drawn[:, 0], minlength=4) / 1500
    np.testing.assert_allclose(first, weights / weights.sum(), atol=0.03)
    distances = np.square(words[:, None] - words).sum(axis=2)
    second = drawn[drawn[:, 0] == 2, 1]
    third = drawn[(drawn[:, 0] == 2) & (drawn[:, 1] == 3), 2]
    for rows, nearest in ((second, distances[2]), (third, distances[[2, 3]].min(axis=0))):
        expected = weights * nearest
        shares = np.bincount(rows, minlength=4) / len(rows)
        np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.07)


@pytest.mark.parametrize("method", ["diversity", "mixed"])
def test_of_texts_without_words_one_is_enough(method):
    texts = ["", "!", "?", "warm soup", "fast train"]
    guesser = make_guesser(lambda texts: [[0.6, 0.4]] * len(texts), classes=["a", "b"])
    rows = select_texts(guesser, texts, 5, method=method, random_state=0)
    assert sorted(rows) == [*range(5)]
    assert {3, 4} < {*rows[:3].tolist()}


def test_what_cannot_be_selected_says_why(student):
    with pytest.raises(ValueError, match="n=3 is more than the 2 different texts"):
        select_texts(student, ["a", "b", "a"], 3)
    with pytest.raises(ValueError, match="'n' parameter"):
        select_texts(student, ["a"], 0)
    with pytest.raises(ValueError, match="'method' parameter"):
        select_texts(student, ["a"], 1, method="best")
    for method in ("uncertainty", "mixed"):
        with pytest.raises(ValueError, match=f"method='{method}' needs a fitted student"):
            select_texts(None, ["a"], 1, method=method)
    with pytest.raises(ValueError, match=r"texts\[1\] is missing"):
        select_texts(student, ["a", None], 1)
    with pytest.raises(ValueError, match="'student' parameter"):
        select_texts(TfidfVectorizer(), ["a"], 1)
    for unfitted in (DistilledMLPClassifier(), make_tfidf_baseline()):
        with pytest.raises(NotFittedError):
            select_texts(unfitted, ["a"], 1)
