import ast
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from _faults import HashTeacher, call_in_process, finish, hashed_proba, needs_posix, notes, start
from skdistill import (
    CascadeClassifier,
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    TextPool,
    make_tfidf_baseline,
)
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


@pytest.mark.parametrize("with_memory", [False, True])
def test_nothing_to_label_needs_no_teacher(log, tmp_path, with_memory):
    memory = tmp_path / "soft_labels" if with_memory else None
    assert label_texts(Counting(log), X, Y, [], memory=memory).shape == (0, 2)
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


def test_a_teacher_that_changes_the_folder_does_not_move_the_memory(log, tmp_path, monkeypatch):
    class Wandering(HashTeacher):
        def predict_proba(self, X):
            monkeypatch.chdir(tmp_path / "elsewhere")
            return super().predict_proba(X)

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    label_texts(Wandering(log), X, Y, ["one", "two"], memory="memory")
    assert len([*(tmp_path / "memory").rglob("*.npz")]) == 1
    assert not (tmp_path / "elsewhere" / "memory").exists()


def test_labelling_goes_on_where_it_was_interrupted(log, tmp_path, monkeypatch):
    monkeypatch.setattr("skdistill.labelling._pace.FEW", 2)
    monkeypatch.setattr("skdistill.labelling._pace.MANY", 2)
    texts = [f"text {i}" for i in range(7)]

    log.with_name("stop").touch()
    with pytest.raises(KeyboardInterrupt) as interrupt:
        label_texts(Interrupted(log), X, Y, texts, memory=tmp_path)
    note = (
        f"4 of 7 answers are kept in {str(tmp_path)!r}; repeat the call to request only the rest."
    )
    assert interrupt.value.__notes__ == [note]
    log.with_name("stop").unlink()
    label_texts(Interrupted(log), X, Y, texts, memory=tmp_path)
    assert calls(log) == ["fit", "label 2", "label 2", "fit", "label 2", "label 1"]


class RandomInterrupted(Interrupted):
    """An interrupted teacher that has a seed as a parameter."""

    def __init__(self, log, random_state=None):
        super().__init__(log)
        self.random_state = random_state


@pytest.mark.parametrize("seed", [None, np.random.RandomState(0), 0], ids=str)
@pytest.mark.parametrize("frozen", [False, True])
def test_an_interrupted_teacher_without_a_seed_promises_less(
    log, tmp_path, monkeypatch, seed, frozen
):
    monkeypatch.setattr("skdistill.labelling._pace.FEW", 2)
    monkeypatch.setattr("skdistill.labelling._pace.MANY", 2)
    teacher = RandomInterrupted(log, random_state=seed)
    teacher = FrozenEstimator(teacher.fit(X, Y)) if frozen else teacher
    log.with_name("stop").touch()
    with pytest.raises(KeyboardInterrupt) as interrupt:
        label_texts(teacher, X, Y, [f"text {i}" for i in range(7)], memory=tmp_path)
    (note,) = interrupt.value.__notes__
    promises_less = "unless its random_state makes another teacher" in note
    assert promises_less is (seed != 0 and not frozen)


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


def test_labels_that_lack_a_class_cost_no_answers(tmp_path):
    asked = []

    def know(texts):
        asked.extend(texts)
        return [[0.5, 0.25, 0.25]] * len(texts)

    teacher = FunctionTeacherClassifier(know, classes=["neg", "pos", "rare"])
    y = np.array([*Y[:3], "rare"])
    expected = label_texts(teacher, X, y, TEXTS, memory=tmp_path)
    with pytest.raises(ValueError, match="differ from those of y"):
        label_texts(teacher, X[:3], y[:3], TEXTS, memory=tmp_path)
    np.testing.assert_array_equal(label_texts(teacher, X, y, TEXTS, memory=tmp_path), expected)
    assert len(asked) == len({*TEXTS})


NUMBERING = {
    "vote": lambda model: VotingClassifier([("model", model)], voting="soft").fit(X * 5, [*Y] * 5),
    "stack": lambda model: StackingClassifier([("model", model)], cv=2).fit(X * 5, [*Y] * 5),
    "folds": lambda model: cross_val_predict(model, X * 5, [*Y] * 5, cv=2, method="predict_proba"),
}


@pytest.mark.parametrize("name", NUMBERING)
def test_where_scikit_learn_numbers_the_labels_the_error_names_what_works(name):
    teacher = make_tfidf_baseline().fit(X, Y)
    student = DistilledMLPClassifier(FrozenEstimator(teacher), max_epochs=2, random_state=0)
    message = r"\['neg', 'pos'\] differ from those of y, \[0, 1\].*pass FunctionTeacherClassifier"
    with pytest.raises(ValueError, match=message):
        NUMBERING[name](student)
    student.set_params(teacher=FunctionTeacherClassifier(teacher.predict_proba))
    found = NUMBERING[name](student)
    alone = student.fit(X * 5, [*Y] * 5)
    if name == "folds":
        assert found.shape == (20, 2)
    else:
        assert [*found.classes_] == ["neg", "pos"]
        np.testing.assert_allclose(
            found.named_estimators_["model"].predict_proba(TEXTS), alone.predict_proba(TEXTS)
        )


class Listing(DummyClassifier):
    """A teacher whose classes are a list of numbers."""

    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = self.classes_.tolist()
        return self


@pytest.mark.parametrize("kind", [make_tfidf_baseline, Listing])
def test_ratings_may_have_been_numbered_too(kind):
    teacher = FrozenEstimator(kind().fit(X, [1, 2, 1, 2]))
    with pytest.raises(ValueError, match=r"\[1, 2\] differ from those of y, \[0, 1\].* by place\."):
        label_texts(teacher, X, np.array([0, 1, 0, 1]), TEXTS)


@pytest.mark.parametrize("labels", [[1, 2], [0, 2], ["0", "1"]])
def test_labels_that_are_no_places_are_not_taken_for_numbered_ones(labels):
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    with pytest.raises(ValueError, match=r"on labels from the same classes\.$"):
        label_texts(teacher, X, np.array(labels)[[1, 0, 1, 0]], TEXTS)


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
    folds = [([1, 2, 4], [5, 0]), ([0, 1, 5], [3, 2]), ([2, 3, 5], [4, 1])]
    labeler = SoftLabeler(DummyClassifier(), list("uvwxyz"), y, sample_weight=weights)
    proba = labeler.label_held_out(folds)
    shares = [2 / 7, 2 / 10, 1 / 7, 1 / 7, 2 / 10, 2 / 7]
    np.testing.assert_allclose(proba[:, 0], shares, rtol=1e-6)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert proba.dtype == np.float32


def test_an_integer_makes_stratified_folds(log):
    y = np.repeat(["neg", "pos"], 6)
    proba = SoftLabeler(Counting(log), [*"abcdefghijkl"], y).label_held_out(3)
    assert len(proba) == 12
    np.testing.assert_array_equal(proba, 0.5)  # each fold holds as many of either class
    assert calls(log) == ["fit", "label 4"] * 3


def test_a_class_of_one_text_cannot_be_held_out(log):
    folds = [([2, 3], [0, 1]), ([0, 1], [2, 3])]
    y = np.array(["rare", "pos", "neg", "pos"])
    message = "has no text of class 'rare', which has only one; add texts of this class, or drop it"
    with pytest.raises(ValueError, match=message):
        SoftLabeler(Counting(log), [*"abcd"], y).label_held_out(folds)
    message = "has no text of class 'neg'; use stratified folds"
    with pytest.raises(ValueError, match=message):
        SoftLabeler(Counting(log), [*"abcd"], np.repeat(["neg", "pos"], 2)).label_held_out(folds)


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
    with pytest.raises(ValueError, match="holds out a row twice; it must hold out each row once"):
        SoftLabeler(DummyClassifier(), X, Y).label_held_out(twice)


def test_weights_reach_a_teacher_that_takes_them():
    weights = np.array([3.0, 1, 1, 1])
    proba = label_texts(DummyClassifier(), X, Y, ["a"], sample_weight=weights)
    np.testing.assert_allclose(proba, [[2 / 6, 4 / 6]], rtol=1e-6)


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


def random_teacher():
    return make_pipeline(TfidfVectorizer(), RandomForestClassifier(3, random_state=None))


def test_answers_of_one_transfer_set_come_from_one_fit(topics, tmp_path):
    texts, labels = topics
    rows, some, more = texts[:60], texts[60:120], texts[60:]
    first = label_texts(random_teacher(), rows, labels[:60], some, memory=tmp_path)
    labeler = SoftLabeler(random_teacher(), rows, labels[:60], memory=tmp_path)
    everything = labeler.label(more)
    expected = labeler.fitted_teacher().predict_proba(more)
    np.testing.assert_allclose(everything, expected, rtol=1e-6)
    assert not np.array_equal(everything[:60], first)
    again = label_texts(random_teacher(), rows, labels[:60], more[::-1], memory=tmp_path)
    np.testing.assert_array_equal(again[::-1], everything)
    # The first texts are all known by either fit; the latest counts.
    again = label_texts(random_teacher(), rows, labels[:60], some, memory=tmp_path)
    np.testing.assert_array_equal(again, everything[:60])


def test_a_fit_that_can_be_repeated_is_asked_for_new_texts_only(topics, tmp_path, capsys):
    texts, labels = topics
    for teacher in (
        make_tfidf_baseline(),
        random_teacher().set_params(randomforestclassifier__random_state=0),
    ):
        for n_texts, found in [(100, "hits=0, misses="), (120, "misses=")]:
            label_texts(
                teacher, texts[:60], labels[:60], texts[:n_texts], memory=tmp_path, verbose=1
            )
            error = capsys.readouterr().err
            assert found in error
        assert "hits=0" not in error


def test_labels_of_any_container_make_one_key(tmp_path):
    pool = TextPool([f"text {i}" for i in range(20)])
    log = tmp_path / "log"
    student = DistilledMLPClassifier(
        HashTeacher(log), memory=tmp_path / "memory", max_epochs=1, random_state=0
    )
    labels = Y.tolist()
    containers = [labels, Y, Y.astype(object), pd.Series(labels), pd.Series(labels).to_numpy()]
    for y in [*containers, pd.Series(labels, index=[7, 3, 5, 1]), pd.Series(labels, dtype=object)]:
        student.fit(X, y, X_unlabeled=pool)
    assert notes(log)[0] == 1
    for dtype in (np.int64, np.int32, np.uint8):
        student.fit(X, (Y == "pos").astype(dtype), X_unlabeled=pool)
    assert notes(log)[0] == 2


class Asked(ClassifierMixin, BaseEstimator):
    """A classifier around another that counts what it is asked."""

    n_asked = 0

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.fitted_ = clone(self.estimator).fit(X, y)
        self.classes_ = self.fitted_.classes_
        return self

    def predict_proba(self, X):
        type(self).n_asked += len(X)
        return self.fitted_.predict_proba(X)


def count_asked(path, y, folder):
    Asked.n_asked = 0
    SoftLabeler(FrozenEstimator(joblib.load(path)), X, y, memory=folder).label(TEXTS)
    return Asked.n_asked


@needs_posix
def test_a_frozen_pipeline_is_asked_once_in_all_processes(tmp_path):
    path, memory = tmp_path / "teacher.joblib", tmp_path / "memory"
    joblib.dump(Asked(make_tfidf_baseline()).fit(X, Y), path)
    assert count_asked(path, Y, memory) == 4
    assert count_asked(path, pd.Series(Y), memory) == 0
    assert call_in_process(count_asked, path, Y.tolist(), memory) == 0


def test_a_pipeline_with_a_mended_function_is_asked_again(tmp_path):
    def probabilities(source):
        cell = {}
        exec(source, cell)
        teacher = make_pipeline(FunctionTransformer(cell["clean"]), make_tfidf_baseline(C=10))
        return label_texts(teacher, X, Y, TEXTS, memory=tmp_path)

    source = "def clean(texts): return [text.replace('good', 'bad') for text in texts]"
    first = probabilities(source)
    np.testing.assert_array_equal(probabilities(source), first)
    mended = probabilities(source.replace("'bad'", "'good'"))
    assert not np.array_equal(mended, first)
    expected = make_tfidf_baseline(C=10).fit(X, Y).predict_proba(TEXTS)
    np.testing.assert_allclose(mended, expected, rtol=1e-6)


def test_a_lambda_is_identified_by_its_code(tmp_path):
    for power in (1, 2, 1):
        teacher = make_pipeline(
            FunctionTransformer(lambda texts, power=power: [text * power for text in texts]),
            make_tfidf_baseline(),
        )
        label_texts(teacher, X, Y, TEXTS, memory=tmp_path)
    assert len([*tmp_path.rglob("*.npz")]) == 2


def test_an_unknown_part_of_a_teacher_is_named_without_its_rows(tmp_path):
    rows = (number for number in range(3))
    teacher = make_pipeline(FunctionTransformer(lambda texts: [*rows, *texts]))
    teacher.steps += make_tfidf_baseline().steps
    texts = [f"a long secret {number}" for number in range(1000)]
    with pytest.raises(
        TypeError, match=r"the closure 'rows' of .*generator.*pass memory=None"
    ) as e:
        label_texts(teacher, texts, np.array(["a", "b"] * 500), TEXTS, memory=tmp_path)
    assert len(str(e.value)) < 600
    assert "secret" not in str(e.value)


def test_a_damaged_file_costs_its_own_texts_only(tmp_path):
    log, memory = tmp_path / "log", tmp_path / "memory"
    texts = [f"text {number}" for number in range(20)]
    for part in (texts[:10], texts):
        label_texts(HashTeacher(log), X, Y, part, memory=memory)
    path = min(memory.rglob("*.npz"), key=lambda path: path.stat().st_mtime)
    path.write_bytes(path.read_bytes()[:50])
    log.write_text("")
    with pytest.warns(UserWarning, match=r"npz' is damaged"):
        proba = label_texts(HashTeacher(log), X, Y, texts, memory=memory)
    np.testing.assert_array_equal(proba, hashed_proba(texts).astype(np.float32))
    assert notes(log) == (1, texts[:10])


class Unsorted(DummyClassifier):
    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = self.classes_[::-1]
        return self


def test_classes_that_are_not_sorted_are_an_error():
    for teacher in (Unsorted(), FrozenEstimator(Unsorted().fit(X, Y))):
        with pytest.raises(ValueError, match=r"classes \['pos', 'neg'\] are not in sorted order"):
            label_texts(teacher, X, Y, TEXTS)
    with pytest.raises(ValueError, match="at least two classes, in sorted order"):
        label_texts(FrozenEstimator(Unsorted().fit(X, Y)), X, None, TEXTS)


def several_labels(*groups):
    """Return texts and ones and zeros; a group is a number of texts and what each has."""
    rows = [row for n_texts, row in groups for _ in range(n_texts)]
    return [f"text {i} of {row}" for i, row in enumerate(rows)], np.array(rows)


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_folds_of_several_labels_have_their_share_of_each(n_folds):
    X, y = several_labels((20, (1, 0, 0)), (20, (0, 1, 0)), (n_folds, (1, 0, 1)), (7, (0, 0, 0)))
    labeler = SoftLabeler(Recorder(), X, y)
    Recorder.fitted = []
    proba = labeler.label_held_out(n_folds)
    assert len(Recorder.fitted) == n_folds
    for train in Recorder.fitted:
        shares = train.sum(axis=0) / y.sum(axis=0) * n_folds / (n_folds - 1)
        assert shares[2] == 1  # the rare one is held out once in each fold
        np.testing.assert_allclose(shares, 1, atol=0.06)
    np.testing.assert_array_equal(proba, np.float32(y))


def test_folds_without_one_of_several_labels_are_refused():
    X, y = several_labels((20, (1, 0)), (20, (0, 1)))
    with pytest.raises(ValueError, match=r"training part of fold 0 has no text of label 0; use"):
        SoftLabeler(Recorder(), X, y).label_held_out(KFold(2))
    X, y = several_labels((20, (1, 0)), (1, (1, 1)))
    classes = np.array(["food", "travel"])
    with pytest.raises(ValueError, match=r"no text of label 'travel', which has only one; add"):
        SoftLabeler(Recorder(), X, y, classes=classes).label_held_out(3)
    with pytest.raises(ValueError, match="n_splits=22"):
        SoftLabeler(Recorder(), X, y).label_held_out(22)


class Recorder(ClassifierMixin, BaseEstimator):
    """A teacher that reads labels from the text, and keeps those it was fitted on."""

    fitted: list[np.ndarray] = []

    def fit(self, X, y):
        self.classes_ = np.arange(y.shape[1])
        self.fitted.append(y)
        return self

    def predict(self, X):
        return np.array([ast.literal_eval(text.partition(" of ")[2]) for text in X])

    predict_proba = predict


def test_a_pipeline_that_ends_in_a_function_is_asked_once_frozen_or_not(tmp_path):
    asked = []

    def ask(texts):
        asked.extend(texts)
        return [[0.9, 0.1] if "soup" in text else [0.1, 0.9] for text in texts]

    X = [f"{'soup' if i % 2 else 'bus'} number {i}" for i in range(20)]
    y = ["food" if i % 2 else "travel" for i in range(20)]
    pipeline = make_pipeline(FunctionTransformer(), FunctionTeacherClassifier(ask))
    student = DistilledMLPClassifier(pipeline, memory=tmp_path, max_epochs=1).fit(X, y)
    frozen = FrozenEstimator(clone(pipeline).fit(X, y))
    student.set_params(teacher=frozen).fit(X, y).fit(X)
    cascade = CascadeClassifier(student, max_teacher_rate=1).fit(X, y)
    assert sorted(asked) == sorted(X)
    new = [f"soup and bus {i}" for i in range(30)]
    for _ in range(2):
        cascade.predict(new)
    assert len(asked) == len({*asked}) <= 50


class Unseeded(ClassifierMixin, BaseEstimator):
    """A teacher that differs from fit to fit, as one without a seed."""

    n_fits = 0

    def fit(self, X, y):
        Unseeded.n_fits += 1
        self.number_ = Unseeded.n_fits
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.tile([[1 - self.number_ / 100, self.number_ / 100]], (len(X), 1))


def test_a_fitted_teacher_takes_no_answers_of_another_fit(tmp_path):
    first, second = (SoftLabeler(Unseeded(), X, Y, memory=tmp_path) for _ in range(2))
    known = first.label(TEXTS)
    np.testing.assert_array_equal(second.label(TEXTS), known)  # nothing is fitted for these
    new = second.label(["another text"])
    assert not np.allclose(new[0], known[0])
    np.testing.assert_array_equal(second.label(TEXTS), np.tile(new, (len(TEXTS), 1)))
    np.testing.assert_array_equal(second.label(TEXTS), np.tile(new, (len(TEXTS), 1)))
