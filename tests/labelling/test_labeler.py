from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from _faults import HashTeacher, finish, hashed_proba, needs_posix, notes, start
from skdistill import DistilledMLPClassifier, TextPool, make_tfidf_baseline
from skdistill.labelling._labeler import SoftLabeler

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])
TEXTS = ["a good one", "so bad", "", "a good one", "film \ud800"]


def label_texts(teacher, X, y, texts, **options):
    return SoftLabeler(teacher, X, y, **options).label(texts)


class Counting(DummyClassifier):
    """A teacher that writes down each call in a file, so that other processes' count too."""

    def __init__(self, log=None, strategy="prior", verbose=0):
        super().__init__(strategy=strategy)
        self.log = log
        self.verbose = verbose

    def _note(self, line):
        with open(self.log, "a") as file:
            file.write(line + "\n")

    def fit(self, X, y, sample_weight=None):
        self._note("fit")
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        self._note(f"label {len(X)}")
        return super().predict_proba(X)


class Interrupted(Counting):
    """A teacher that is interrupted at a text while a file exists."""

    def predict_proba(self, X):
        if "text 4" in X and Path(self.log).with_name("stop").exists():
            raise KeyboardInterrupt
        return super().predict_proba(X)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "calls"
    path.touch()
    return path


def calls(log):
    return log.read_text().splitlines()


def test_labels_equal_the_teachers_own():
    fitted = make_tfidf_baseline().fit(X, Y)
    proba = label_texts(make_tfidf_baseline(), X, Y, TEXTS)
    np.testing.assert_allclose(proba, fitted.predict_proba(TEXTS), rtol=1e-6)
    assert proba.dtype == np.float32


def test_identical_texts_are_labelled_once(log):
    label_texts(Counting(log), X, Y, TEXTS)
    assert calls(log) == ["fit", "label 4"]


def test_nothing_to_label_needs_no_teacher(log):
    assert label_texts(Counting(log), X, Y, []).shape == (0, 2)
    assert calls(log) == []


def test_frozen_teacher_is_not_fitted_again(log):
    teacher = FrozenEstimator(Counting(log).fit(X, Y))
    label_texts(teacher, X, Y, TEXTS)
    assert calls(log) == ["fit", "label 4"]


def test_memory_spares_the_teacher(tmp_path):
    log, memory = tmp_path / "log", tmp_path / "memory"
    texts = [f"text {number}" for number in range(20)]
    label_texts(HashTeacher(log), X, Y, texts, memory=memory)
    some = [*texts[::3][::-1], texts[3], texts[19], texts[0]]
    again = label_texts(HashTeacher(log), X, Y, some, memory=str(memory))
    assert notes(log) == (1, texts)
    np.testing.assert_array_equal(again, hashed_proba(some).astype(np.float32))
    assert len(np.unique(again, axis=0)) == len(set(some))


def test_answers_of_a_memory_and_of_the_teacher_are_joined_in_order(tmp_path):
    log, memory = tmp_path / "log", tmp_path / "memory"
    texts = [f"text {number}" for number in range(40)]
    label_texts(HashTeacher(log), X, Y, texts[::3], memory=memory)
    proba = label_texts(HashTeacher(log), X, Y, texts[::-1], memory=memory)
    np.testing.assert_array_equal(proba, hashed_proba(texts[::-1]).astype(np.float32))
    assert sorted(notes(log)[1]) == sorted(texts)


def test_memory_asks_only_for_new_texts(log, tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    teacher = FrozenEstimator(Counting(log).fit(X, Y))
    label_texts(teacher, X, Y, TEXTS, memory=memory)
    label_texts(teacher, X, Y, [*TEXTS, "new"], memory=memory)
    assert calls(log) == ["fit", "label 4", "label 1"]


@pytest.mark.parametrize(
    "change",
    [
        {"X": [*X[:-1], "else"]},
        {"y": Y[::-1]},
        {"sample_weight": np.array([1.0, 1, 1, 2])},
        {"strategy": "uniform"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_memory_tells_other_trainings_apart(log, tmp_path, change):
    def call(X=X, y=Y, sample_weight=None, strategy="prior"):
        label_texts(
            Counting(log, strategy=strategy),
            X,
            y,
            TEXTS,
            sample_weight=sample_weight,
            memory=tmp_path,
        )

    call()
    call(**change)
    assert calls(log).count("fit") == 2


def test_labelling_goes_on_where_it_was_interrupted(log, tmp_path, monkeypatch):
    monkeypatch.setattr("skdistill.labelling._pace.FEW", 2)
    monkeypatch.setattr("skdistill.labelling._pace.MANY", 2)
    texts = [f"text {i}" for i in range(7)]

    log.with_name("stop").touch()
    with pytest.raises(KeyboardInterrupt) as interrupt:
        label_texts(Interrupted(log), X, Y, texts, memory=tmp_path)
    note = f"4 of 7 answers are kept in {str(tmp_path)!r}; call again to ask for the others only."
    assert interrupt.value.__notes__ == [note]
    log.with_name("stop").unlink()
    label_texts(Interrupted(log), X, Y, texts, memory=tmp_path)
    assert calls(log) == ["fit", "label 2", "label 2", "fit", "label 2", "label 1"]


def label_in_another_process(log, folder):
    label_texts(Counting(log), X, Y, TEXTS, memory=folder)


@needs_posix
def test_processes_that_need_the_same_teacher_fit_it_once(log, tmp_path):
    # Not forked from here: a process that ran threads may leave locks to its children.
    workers = [start(label_in_another_process, log, tmp_path) for _ in range(4)]
    assert [finish(*worker) for worker in workers] == [None] * 4
    assert calls(log) == ["fit", "label 4"]


def test_other_classes_are_an_error():
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X, ["yes", "no", "yes", "no"]))
    with pytest.raises(ValueError, match=r"classes \['no', 'yes'\] differ from those of y"):
        label_texts(teacher, X, Y, TEXTS)


def test_votes_are_no_probabilities():
    class Votes(DummyClassifier):
        def predict_proba(self, X):
            return 3 * super().predict_proba(X)

    with pytest.raises(ValueError, match=r"predict_proba\(texts\)\[0\] sums to 3"):
        label_texts(Votes(), X, Y, TEXTS)


def test_a_labeler_keeps_the_teacher_it_has_fitted(log):
    labeler = SoftLabeler(Counting(log), X, Y)
    for texts in (["a"], ["b", "c"]):
        labeler.label(texts)
    assert calls(log) == ["fit", "label 1", "label 2"]
    labeler.label_held_out(2)
    assert calls(log)[3:] == ["fit", "label 2"] * 2


def test_held_out_rows_are_labelled_by_teachers_of_the_others():
    # Its probabilities are the classes' shares, by weight, among the rows it was fitted on.
    y, weights = np.array([*"ababbb"]), np.array([1.0, 1, 2, 3, 4, 5])
    folds = [([1, 2, 4], [5, 0]), ([0, 1, 5], [3])]
    labeler = SoftLabeler(DummyClassifier(), list("uvwxyz"), y, sample_weight=weights)
    rows, proba = labeler.label_held_out(folds)
    assert rows.tolist() == [0, 3, 5]
    np.testing.assert_allclose(proba, [[2 / 7, 5 / 7], [1 / 7, 6 / 7], [2 / 7, 5 / 7]], rtol=1e-6)
    assert proba.dtype == np.float32


def test_an_integer_makes_stratified_folds(log):
    y = np.repeat(["neg", "pos"], 6)
    rows, proba = SoftLabeler(Counting(log), [*"abcdefghijkl"], y).label_held_out(3)
    np.testing.assert_array_equal(rows, np.arange(12))
    np.testing.assert_array_equal(proba, 0.5)  # each fold holds as many of either class
    assert calls(log) == ["fit", "label 4"] * 3


def test_memory_spares_the_teachers_of_folds(log, tmp_path):
    first = SoftLabeler(Counting(log), X, Y, memory=tmp_path).label_held_out(2)
    again = SoftLabeler(Counting(log), X, Y, memory=tmp_path).label_held_out(2)
    assert calls(log) == ["fit", "label 2"] * 2
    np.testing.assert_array_equal(again[1], first[1])
    label_texts(Counting(log), X, Y, X, memory=tmp_path)
    assert calls(log)[4:] == ["fit", "label 4"]  # of all rows, which no fold's teacher has seen


def test_held_out_rows_need_a_teacher_to_fit_and_folds_apart():
    frozen = FrozenEstimator(DummyClassifier().fit(X, Y))
    with pytest.raises(ValueError, match="the teacher is frozen"):
        SoftLabeler(frozen, X, Y).label_held_out(2)
    twice = [([0, 1], [2, 3]), ([0, 1], [3])]
    with pytest.raises(
        ValueError, match="holds out some row twice; it must hold out each row once"
    ):
        SoftLabeler(DummyClassifier(), X, Y).label_held_out(twice)


def test_weights_reach_a_teacher_that_takes_them():
    weights = np.array([3.0, 1, 1, 1])
    proba = label_texts(DummyClassifier(), X, Y, ["a"], sample_weight=weights)
    np.testing.assert_allclose(proba, [[2 / 6, 4 / 6]], rtol=1e-6)
    with pytest.warns(UserWarning, match="Pipeline does not accept sample_weight"):
        label_texts(make_tfidf_baseline(), X, Y, ["a"], sample_weight=weights)


def test_progress(capsys):
    label_texts(make_tfidf_baseline(), X, Y, TEXTS)
    assert capsys.readouterr().err == ""
    label_texts(make_tfidf_baseline(), X, Y, TEXTS, verbose=1)
    assert "labelling: 100%" in capsys.readouterr().err


def test_progress_tells_what_the_memory_held(log, tmp_path, capsys):
    for texts, found in [
        (["a", "b", "a"], "hits=0, misses=2"),
        (["a", "b", "c"], "hits=2, misses=1"),
        (["b", "c"], "hits=2, misses=0"),
    ]:
        label_texts(Counting(log), X, Y, texts, memory=tmp_path, verbose=1)
        shown = capsys.readouterr()
        assert found in shown.err
        assert not shown.out
    assert calls(log) == ["fit", "label 2", "fit", "label 1"]


def test_another_student_of_the_same_texts_asks_no_teacher(log, tmp_path, capsys):
    params = {"memory": tmp_path / "memory", "max_epochs": 1, "random_state": 0, "verbose": 1}
    pool = TextPool([f"text {i}" for i in range(20)])
    DistilledMLPClassifier(Counting(log), embedding_dim=2, **params).fit(X, Y, X_unlabeled=pool)
    assert "hits=0, misses=24" in capsys.readouterr().err
    DistilledMLPClassifier(Counting(log), embedding_dim=4, **params).fit(X, Y, X_unlabeled=pool)
    assert "hits=24, misses=0" in capsys.readouterr().err
    assert calls(log) == ["fit", "label 24"]


def test_a_frozen_part_of_an_ensemble_is_not_asked_for_held_out_rows():
    frozen = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    teacher = VotingClassifier([("one", frozen)], voting="soft")
    with pytest.raises(ValueError, match="the teacher is frozen"):
        SoftLabeler(teacher, X, Y).label_held_out(2)
