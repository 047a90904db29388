import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill.students.training._embedding_init import initial_embedding
from skdistill.text._vocabulary import Vocabulary

WORDS = ["oven", "bread", "wind", "sail", "rail", "coach", "the"]


def vector(word):
    """Spread a word's vector unevenly, so that the order of components is clear."""
    rng = np.random.default_rng(list(word.encode()))
    return rng.normal(3, np.linspace(3, 0.5, 6)).astype(np.float32)


class Embedded(ClassifierMixin, BaseEstimator):
    """A teacher that knows only word vectors."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def word_vectors(self, words):
        return np.stack([vector(word) for word in words])


def components(words, n):
    """Reduce word vectors with NumPy's singular value decomposition; signs are left open."""
    vectors = np.stack([vector(word) for word in words]).astype(np.float64)
    left, values, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    return (left * values)[:, :n]


def assert_equal_up_to_scale_and_signs(embedding, reduced):
    signs = np.sign((embedding * reduced).sum(axis=0))
    np.testing.assert_allclose(
        embedding / embedding.std(), signs * reduced / reduced.std(), atol=1e-5
    )


@pytest.mark.parametrize("dim", [1, 3, 6])
def test_rows_are_principal_components_of_the_teachers(dim):
    embedding = initial_embedding(Embedded(), Vocabulary(WORDS), dim, seed=0)
    assert embedding.shape == (len(WORDS) + 1, dim)
    assert embedding.dtype == np.float32
    assert_equal_up_to_scale_and_signs(embedding[1:], components(WORDS, dim))
    assert embedding[1:].std() == pytest.approx(0.25, rel=1e-4)


def test_what_the_teacher_has_no_vector_for_starts_at_random():
    vocabulary = Vocabulary(WORDS, ngram_range=(1, 2), hash_buckets=300)
    one, same, other = (
        initial_embedding(Embedded(), vocabulary, 9, seed=seed) for seed in (0, 0, 1)
    )
    assert one.shape == (8 + 300, 9)
    np.testing.assert_array_equal(one, same)
    known = np.zeros(one.shape, dtype=bool)
    known[1:8, :6] = True
    np.testing.assert_array_equal(one[known], other[known])
    assert (one[~known] != other[~known]).all()
    assert 0.049 < np.abs(one[~known]).max() <= 0.05
    assert one[~known].std() == pytest.approx(0.1 / np.sqrt(12), rel=0.05)


def test_fewer_words_than_dimensions():
    embedding = initial_embedding(Embedded(), Vocabulary(WORDS[:3]), 5, seed=0)
    assert_equal_up_to_scale_and_signs(embedding[1:, :2], components(WORDS[:3], 2))
    assert np.isfinite(embedding).all()


def test_a_single_word_gives_finite_rows():
    embedding = initial_embedding(Embedded(), Vocabulary(["one"]), 4, seed=0)
    assert embedding.shape == (2, 4)
    assert np.isfinite(embedding).all()


@pytest.mark.parametrize(
    "teacher",
    [
        FrozenEstimator(Embedded()),
        VotingClassifier([("tfidf", make_tfidf_baseline()), ("vectors", Embedded())]),
        VotingClassifier([("dropped", "drop"), ("frozen", FrozenEstimator(Embedded()))]),
        FrozenEstimator(VotingClassifier([("vectors", Embedded())])),
    ],
    ids=["frozen", "voting", "frozen in voting", "frozen voting"],
)
def test_the_vectors_are_found_inside_other_estimators(teacher):
    np.testing.assert_array_equal(
        initial_embedding(teacher, Vocabulary(WORDS), 4, seed=0),
        initial_embedding(Embedded(), Vocabulary(WORDS), 4, seed=0),
    )


@pytest.mark.parametrize(
    ("teacher", "name"),
    [
        (None, "NoneType"),
        (make_tfidf_baseline(), "Pipeline"),
        (FrozenEstimator(make_tfidf_baseline()), "FrozenEstimator"),
        (VotingClassifier([("tfidf", make_tfidf_baseline())], voting="soft"), "VotingClassifier"),
    ],
)
def test_teachers_without_vectors_are_refused(teacher, name):
    message = rf'embedding_init="teacher" needs a teacher with token embeddings, .* not {name}\.'
    with pytest.raises(ValueError, match=message):
        initial_embedding(teacher, Vocabulary(WORDS), 4, seed=0)
    student = DistilledMLPClassifier(teacher, embedding_init="teacher", max_epochs=1)
    with pytest.raises(ValueError, match=message):
        student.fit(["oven bread", "wind sail"] * 5, [0, 1] * 5, teacher_proba=[[0.5, 0.5]] * 10)


@pytest.mark.parametrize(
    "student_class", [DistilledMLPClassifier, DistilledCNNClassifier, DistilledRNNClassifier]
)
def test_a_student_starts_from_its_teachers_embedding(student_class):
    student = student_class(
        Embedded(), embedding_init="teacher", embedding_dim=4, lr=1e-7, max_epochs=1, random_state=0
    ).fit([" ".join(WORDS), "oven", "bread wind", "sail rail"], [0, 1, 0, 1])
    embedding = student.network_.embedding.weight.detach().numpy()[1:]
    assert_equal_up_to_scale_and_signs(embedding, components(student.vocabulary_, 4))
    random = student.set_params(embedding_init="random").fit(["oven bread", "wind"], [0, 1])
    random = random.network_.embedding.weight.detach().numpy()[1:]
    assert np.abs(random).max() <= 0.05 + 1e-5
    assert np.abs(embedding).max() > 0.055


LOOKED_UP = ["oven", "oven bread", "zzyzx", "", "  ", "\ud800", "Wind"]


def mean_of_tokens(table, tokenizer, word):
    tokens = tokenizer.tokenize(word)
    if not tokens:
        return np.zeros(table.shape[1])
    return np.mean([table[tokenizer.convert_tokens_to_ids(token)] for token in tokens], axis=0)


def check_word_vectors(teacher, table, tokenizer):
    vectors = teacher.word_vectors(LOOKED_UP)
    words = [word.replace("\ud800", "?") for word in LOOKED_UP]
    expected = [mean_of_tokens(table, tokenizer, word) for word in words]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert vectors.dtype == np.float32
    assert (vectors == 0).all(axis=1).tolist() == [not word.strip() for word in LOOKED_UP]
    np.testing.assert_array_equal(vectors[2], vectors[5])  # the unknown token's


def test_word_vectors_are_means_of_token_embeddings(tiny_checkpoint, topics):
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(tiny_checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    table = model.embeddings.word_embeddings.weight.detach().numpy()
    teacher = TransformerTeacherClassifier(
        tiny_checkpoint, max_epochs=1, batch_size=4, lr=0.01, random_state=0, device="cpu"
    )
    check_word_vectors(teacher, table, tokenizer)

    teacher.fit(topics[0][:16], topics[1][:16])
    learned = teacher.model_.bert.embeddings.word_embeddings.weight.detach().numpy()
    assert not np.allclose(learned, table, atol=1e-3)
    check_word_vectors(teacher, learned, tokenizer)
    embedding = initial_embedding(FrozenEstimator(teacher), Vocabulary(["oven", "sail"]), 1, seed=0)
    assert embedding[1] == pytest.approx(-embedding[2])
