import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdistill import (
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
    ZeroShotTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill.augment import _automatic
from skdistill.augment._automatic import AutomaticAugmenter, choose_augmenter, fill_up
from skdistill.labelling._shared_teacher import SharedTeacher
from skdistill.labelling._transfer_set import HELD_OUT, LEFT_OUT, TRAINING


def n_words(texts):
    return sum(len(text.split()) for text in texts)


@pytest.mark.parametrize(
    ("texts", "n_copies", "n_new_words"),
    [
        (["a b"], 100, 60),  # 2 words: at most a hundred copies, and all of the words
        (["a b c d"] * 5, 34, 60),  # 20 words: 300 in all of the words, 680 in copies
        (["a b c d"] * 50, 2, 60),  # 200 words: 400 in copies, 300 in words
        (["a b c d"] * 200, 0, 40),  # 800 words: the 200 that are left are less than a copy
        (["a b c d"] * 249, 0, 0),
        ([""] * 3, 100, 60),
    ],
)
def test_new_texts_fill_up_the_number_of_words(monkeypatch, texts, n_copies, n_new_words):
    monkeypatch.setattr(_automatic, "_N_WORDS", 1_000)
    vocabulary = [f"new{i}" for i in range(60)]
    augmenter = fill_up(iter(texts), vocabulary)
    assert (augmenter.n_copies, augmenter.new_words) == (n_copies, vocabulary[:n_new_words])
    assert n_words([*texts, *augmenter.fit(texts).augment(texts)]) <= 1_000


def test_one_word_is_copied_as_often_as_there_is_room(monkeypatch):
    monkeypatch.setattr(_automatic, "_N_WORDS", 50)
    augmenter = fill_up(["a"], [f"new{i}" for i in range(60)])
    assert (augmenter.n_copies, len(augmenter.new_words)) == (25, 12)


@pytest.mark.parametrize(
    ("n_texts", "n_cut", "n_copies", "n_new_words"),
    [
        (1, 1, 4, 12),  # 800 words are left: 400 for copies, 33 for each new one
        (4, 4, 0, 6),
        (6, 4, 0, 0),  # the pieces of four fill up 1,000 words
        (9, 1, 0, 0),
    ],
)
def test_long_texts_are_cut_into_pieces(monkeypatch, n_texts, n_cut, n_copies, n_new_words):
    monkeypatch.setattr(_automatic, "_N_WORDS", 1_000)
    texts = [" ".join(f"{word}of{row}" for word in range(100)) for row in range(n_texts)]
    augmenter = fill_up(texts, [f"new{i}" for i in range(60)])
    found = augmenter.n_cut, augmenter.n_copies, len(augmenter.new_words)
    assert found == (n_cut, n_copies, n_new_words)
    made = augmenter.fit(texts).augment(texts)
    assert n_words([*texts, *made]) <= 1_000
    assert max(map(n_words, ([text] for text in made))) == 32
    pieces = [text for text in made if re.fullmatch(r"(\d+of\d+ ?)+", text)]
    assert sum(text.split() == words for words in cut(texts, 32) for text in pieces) == 4 * n_cut


def cut(texts, size):
    return [
        words[start : start + size]
        for words in map(str.split, texts)
        for start in range(0, len(words), size)
    ]


@pytest.mark.parametrize(("length", "is_long"), [(63, False), (64, True)])
def test_texts_of_two_pieces_are_long(length, is_long):
    assert (fill_up(["a " * length] * 3, []).n_cut == 3) is is_long


def test_no_piece_of_a_text_held_out_is_trained_on(monkeypatch):
    monkeypatch.setattr(_automatic, "_N_WORDS", 50_000)
    texts = [" ".join(f"{word}of{row}" for word in range(70)) for row in range(100)]
    augmenter = fill_up(texts, ["new"] * 50).fit(texts)
    made = augmenter.augment(texts)
    originals, others = np.split(augmenter.parts_, [100])
    held_out = {str(row) for row in np.flatnonzero(originals == HELD_OUT)}
    assert len(held_out) == 25
    for text, part in zip(made, others, strict=True):
        own = {*re.findall(r"of(\d+)", text)}
        assert own <= held_out if part == LEFT_OUT else not own & held_out
    assert np.sum(others == LEFT_OUT) >= 75


@pytest.mark.parametrize("n_texts", [250, 251])
def test_enough_texts_need_no_others(monkeypatch, n_texts):
    monkeypatch.setattr(_automatic, "_N_WORDS", 1_000)
    assert fill_up(["a b c d"] * n_texts, ["new"]) is None


def test_a_large_pool_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(_automatic, "_N_WORDS", 10)

    def texts():
        yield from ["a b c d"] * 3
        raise AssertionError

    assert fill_up(texts(), []) is None


class Embedder(TransformerMixin, BaseEstimator):
    """A service of the user's."""


@pytest.fixture
def teacher(tiny_checkpoint, topics):
    texts, labels = topics
    teacher = TransformerTeacherClassifier(tiny_checkpoint, max_epochs=1, random_state=0)
    return teacher.fit(texts[:8], labels[:8])


def test_only_transformers_that_read_a_text_once_are_asked_for_more(teacher, tiny_checkpoint):
    def chosen(teacher, augmenter="auto", analyzer="word"):
        return choose_augmenter(augmenter, teacher, ["a b"], [], analyzer=analyzer)

    unfitted = TransformerTeacherClassifier(tiny_checkpoint)
    # What its own teacher costs is not asked for again.
    student = DistilledMLPClassifier(FunctionTeacherClassifier(len))
    words = chosen(unfitted).new_words
    assert words
    assert words == teacher.known_words() == unfitted.known_words()
    for other in (
        FrozenEstimator(teacher),
        VotingClassifier([("tfidf", make_tfidf_baseline()), ("transformer", unfitted)]),
        VotingClassifier([("student", FrozenEstimator(student)), ("transformer", unfitted)]),
        VotingClassifier([("none", "drop"), ("frozen", FrozenEstimator(teacher))]),
        SharedTeacher(unfitted),
    ):
        assert chosen(other).new_words == words
    for paid in (
        FunctionTeacherClassifier(len),
        FrozenEstimator(FunctionTeacherClassifier(len)),
        make_pipeline(FunctionTransformer(), FunctionTeacherClassifier(len)),
        make_pipeline(FunctionTransformer(), FrozenEstimator(FunctionTeacherClassifier(len))),
        CalibratedClassifierCV(FunctionTeacherClassifier(len)),
        make_pipeline(FunctionTransformer(len), LogisticRegression()),
        make_pipeline(Embedder(), LogisticRegression()),
    ):
        vote = VotingClassifier([("transformer", unfitted), ("paid", paid)])
        assert chosen(vote) is chosen(FrozenEstimator(vote)) is None
    for part in (student, make_tfidf_baseline(), "drop"):
        assert chosen(VotingClassifier([("part", part)])) is None
    for other in (None, make_tfidf_baseline(), SharedTeacher(make_tfidf_baseline())):
        assert chosen(other) is None
    assert chosen(ZeroShotTeacherClassifier(tiny_checkpoint, ["cooking"])) is None
    assert chosen(teacher, analyzer="char") is None
    own = SimpleNamespace()
    assert chosen(teacher, own) is own
    assert chosen(teacher, None) is None


@pytest.mark.parametrize(("n_unlabeled", "makes_some"), [(0, True), (3, True), (4, False)])
def test_unlabelled_texts_are_better_than_made_ones(teacher, n_unlabeled, makes_some):
    augmenter = choose_augmenter("auto", teacher, ["a b"] * 3, ["c"] * n_unlabeled, analyzer="word")
    assert (augmenter is not None) is makes_some


def test_known_words_are_whole_words_of_the_vocabulary(teacher):
    words = teacher.known_words()
    vocabulary = teacher.tokenizer_.get_vocab()
    assert {"oven", "harbour", "the"} <= {*words} <= {*vocabulary}
    assert not {*words} & {*teacher.tokenizer_.all_special_tokens}
    assert [vocabulary[word] for word in words] == sorted(vocabulary[word] for word in words)


def test_a_student_learns_from_texts_that_nobody_passed(teacher, topics):
    texts, labels = topics[0][:60], topics[1][:60]
    student = DistilledMLPClassifier(FrozenEstimator(teacher), max_epochs=1, random_state=0)
    student.fit(texts, labels)
    made = fill_up(texts, teacher.known_words(), FrozenEstimator(teacher)).fit(texts).augment(texts)
    assert student.transfer_size_ == 60 + len(made) > 300
    assert student.augmenter == "auto"
    # With probabilities of the user's own, a teacher is not even fitted.
    proba = FrozenEstimator(teacher).predict_proba(texts)
    student.set_params(teacher=TransformerTeacherClassifier("no/such-model"))
    assert student.fit(texts, labels, teacher_proba=proba).transfer_size_ == 60
    student.set_params(augmenter=TextAugmenter(n_copies=1), teacher=FrozenEstimator(teacher))
    assert 60 < student.fit(texts, labels, teacher_proba=proba).transfer_size_ <= 120
    student.set_params(augmenter=None)
    assert student.fit(texts, labels).transfer_size_ == 60


def test_a_teacher_reads_a_mask_and_its_student_a_symbol():
    texts, asked = ["a warm soup with ▢", "a late bus to town"] * 10, set()

    def know(batch):
        asked.update(batch)
        return [[0.9, 0.1] if "soup" in text or text == "mask" else [0.1, 0.9] for text in batch]

    teacher = FunctionTeacherClassifier(know, classes=["food", "travel"])
    made = AutomaticAugmenter(5, ["mask", "snow"])
    student = DistilledMLPClassifier(teacher, augmenter=made, max_epochs=1, random_state=0)
    features = {*student.fit(texts).vocabulary_}
    assert any("[MASK]" in text for text in asked)
    assert not any("▣" in text for text in asked)
    assert {"mask", "▢", "▣"} <= features
    assert not {"[", "]"} & features


def test_copies_take_words_from_the_teacher(teacher, tiny_checkpoint):
    texts = ["oven w1 w2 w3 w4", "oven w5 w6 w7 w8"]
    for source in (teacher, TransformerTeacherClassifier(tiny_checkpoint)):
        augmenter = clone(choose_augmenter("auto", source, texts, [], analyzer="word"))
        # It is not copied, because it may be large.
        assert augmenter.word_vectors.estimator is source
        augmenter.set_params(new_words=[], n_copies=20)
        copies = augmenter.fit(texts).augment(texts)
        drawn = {word for text in copies for word in text.split()} - {*" ".join(texts).split()}
        assert len(drawn - {"[MASK]"}) > 5
        assert drawn - {"[MASK]"} <= {*teacher.known_words()}


def test_a_teacher_without_words_takes_those_of_the_texts():
    texts = ["a b c", "d e f"]
    for words, has_words in ((["One", "one"], False), (["one", "two"], True)):
        teacher = SimpleNamespace(known_words=lambda words=words: words)
        augmenter = choose_augmenter("auto", teacher, texts, [], analyzer="word")
        assert (augmenter.word_vectors is not None) is has_words
        if not has_words:
            assert augmenter.fit(texts).augment(texts)


def test_what_is_made_of_texts_held_out_is_left_out():
    # Each text has words of its own, which tell the origin of a copy.
    texts = [" ".join(f"{word}{i}" for word in "abcdef") for i in range(100)]
    words = [f"new-{n}" for n in range(40)]
    augmenter = AutomaticAugmenter(5, words).fit(texts)
    made = augmenter.augment(texts)
    originals, others = np.split(augmenter.parts_, [100])
    assert len(others) == len(made)
    assert Counter(originals.tolist()) == {TRAINING: 75, HELD_OUT: 25}
    assert set(words) <= {*made}
    held_out = {str(row) for row in np.flatnonzero(originals == HELD_OUT)}
    for text, part in zip(made, others, strict=True):
        own = {*re.findall(r"\b[a-f](\d+)\b", text)}
        assert part in (TRAINING, LEFT_OUT)
        assert own <= held_out if part == LEFT_OUT else not own & held_out
    assert np.sum(others == LEFT_OUT) > 5
    assert augmenter.augment(texts) == made


def test_few_texts_are_all_trained_on():
    augmenter = AutomaticAugmenter(2, []).fit(["a b c"] * 99)
    assert augmenter.augment(["a b c"] * 99)
    assert {*augmenter.parts_} == {TRAINING}


def test_no_text_is_made_that_there_is():
    texts = ["snow", "a rain", "late bus", "soup"]
    augmenter = AutomaticAugmenter(3, ["snow", "a rain", "hail"]).fit(texts)
    made = augmenter.augment(texts)
    assert "hail" in made
    assert len(made) == len({*made})
    assert not {*made} & {*texts}
    assert len(augmenter.parts_) == len(texts) + len(made)


def test_all_texts_that_are_cut_may_be_held_out():
    counts = set()
    for n_texts in range(100, 120):
        texts = [" ".join(f"{word}of{row}" for word in range(70)) for row in range(n_texts)]
        made = AutomaticAugmenter(0, ["new"], n_cut=1).fit(texts).augment(texts)
        counts.add(sum("new" in text.split() for text in made))
    assert counts == {1, 2}  # alone, and in a piece if there is one to learn from
