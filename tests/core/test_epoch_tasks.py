"""Callbacks of scikit-learn: what they are told of students and teachers in training."""

import io
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback, EarlyStopping

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TransformerTeacherClassifier,
)

STUDENTS = [DistilledMLPClassifier, DistilledCNNClassifier, DistilledRNNClassifier]


def make_student(student_class=DistilledMLPClassifier, **params):
    return student_class(**{"max_epochs": 3, "random_state": 0, "vocabulary_size": 60} | params)


def make_teacher(checkpoint, **params):
    settings = {"lr": 0.01, "max_epochs": 3, "batch_size": 16, "random_state": 0}
    settings |= {"device": "cpu", "precision": "fp32"}
    return TransformerTeacherClassifier(checkpoint, **settings | params)


@pytest.fixture(scope="module")
def rows(topics):
    return topics[0][:150], topics[1][:150]


class Recorder:
    """Writes down what it is called with, and keeps each epoch's estimator."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.calls = []
        self.estimators = []
        self.seen = []

    def setup(self, estimator, context):
        self.calls.append("setup")
        self.max_subtasks = context.max_subtasks

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.calls.append(f"end {context.task_name} {context.task_id}")
        self.seen.append((X, y, metadata))
        if context.task_name == "epoch":
            self.estimators.append(fitted_estimator)
        return context.task_id + 1 == self.stop_after

    def teardown(self, estimator, context):
        self.calls.append("teardown")


def tree(n_epochs):
    epochs = [f"{what} epoch {i}" for i in range(n_epochs) for what in ("begin", "end")]
    return ["setup", "begin fit 0", *epochs, "end fit 0", "teardown"]


class Copies(Callback):
    """A callback of skorch that keeps each epoch's weights."""

    kept: list = []

    def on_epoch_end(self, net, **kwargs):
        state = net.module_.state_dict()
        Copies.kept.append({name: value.numpy().copy() for name, value in state.items()})


@pytest.mark.parametrize("student_class", STUDENTS)
def test_each_epoch_is_a_task_with_a_student_of_its_weights(rows, student_class, monkeypatch):
    monkeypatch.setattr(Copies, "kept", [])
    X, y = rows
    recorder = Recorder()
    student = make_student(student_class, gold_epochs=2, callbacks=[Copies()])
    student.set_callbacks(recorder).fit(X, y)
    assert recorder.calls == tree(5)
    assert recorder.max_subtasks == 5
    assert len(Copies.kept) == 5  # both kinds of callbacks side by side
    for epoch, (weights, copy) in enumerate(
        zip(Copies.kept, recorder.estimators, strict=True), start=1
    ):
        for name, value in copy.network_.state_dict().items():
            np.testing.assert_array_equal(value, weights[name])
        assert copy.n_iter_ == len(copy.history_) == epoch
        assert copy.history_ == student.history_[:epoch]
        assert copy.predict_proba(X).shape == (150, 3)
    np.testing.assert_array_equal(
        recorder.estimators[-1].predict_proba(X), student.predict_proba(X)
    )
    assert not np.allclose(recorder.estimators[0].predict_proba(X), student.predict_proba(X))


def test_callbacks_change_nothing_in_what_is_learned(rows):
    X, y = rows
    alone = make_student(gold_epochs=1, loss="mse").fit(X, y)
    watched = clone(alone).set_callbacks(Recorder(), ScoringMonitor(scoring="neg_log_loss"))
    np.testing.assert_array_equal(watched.fit(X, y).predict_proba(X), alone.predict_proba(X))


def test_callbacks_see_texts_labels_and_weights(rows):
    X, y = rows
    weight = np.linspace(0.5, 1.5, 150)
    recorder = Recorder()
    make_student().set_callbacks(recorder).fit(X, list(y), sample_weight=list(weight))
    for texts, labels, metadata in recorder.seen:
        assert texts == X
        np.testing.assert_array_equal(labels, y)
        np.testing.assert_array_equal(metadata["sample_weight"], weight)
    unweighted = Recorder()
    make_student().set_callbacks(unweighted).fit(X, y)
    assert {metadata for _, _, metadata in unweighted.seen} == {None}


def test_a_callback_stops_all_epochs_those_on_gold_labels_included(rows):
    recorder = Recorder(stop_after=2)
    student = make_student(gold_epochs=2).set_callbacks(recorder).fit(*rows)
    assert recorder.calls == tree(2)
    assert student.n_iter_ == 2
    np.testing.assert_array_equal(
        student.predict_proba(rows[0]), recorder.estimators[-1].predict_proba(rows[0])
    )
    late = Recorder(stop_after=4)
    assert make_student(gold_epochs=2).set_callbacks(late).fit(*rows).n_iter_ == 4


def test_the_epoch_in_which_others_stop_is_told_of(rows, monkeypatch):
    monkeypatch.setattr("skdistill.students.training._loop.MIN_STEPS", 0)
    patience = EarlyStopping("train_loss", patience=1, threshold=0.99, sink=lambda message: None)
    recorder = Recorder()
    student = make_student(max_epochs=9, callbacks=[patience]).set_callbacks(recorder).fit(*rows)
    assert student.n_iter_ < 9
    assert recorder.calls == tree(student.n_iter_)

    recorder = Recorder()
    student = make_student(max_epochs=40, lr=0.05, early_stopping=True, n_iter_no_change=2)
    student.set_callbacks(recorder).fit(*rows)
    assert student.n_iter_ < 40
    assert recorder.calls == tree(student.n_iter_)
    # The fit ends with the weights of the best epoch, the last epoch's task with its own.
    ranks = [(epoch["valid_fidelity"], -epoch["valid_loss"]) for epoch in student.history_]
    best = ranks.index(max(ranks))
    proba = student.predict_proba(rows[0])
    np.testing.assert_array_equal(recorder.estimators[best].predict_proba(rows[0]), proba)
    assert not np.allclose(recorder.estimators[-1].predict_proba(rows[0]), proba)


def test_a_scoring_monitor_logs_the_scores_of_each_epoch(rows):
    X, y = rows
    recorder, monitor = Recorder(), ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    make_student(lr=0.05).set_callbacks(recorder, monitor).fit(X, y)
    epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["task_id_path"] for row in epochs] == [(0, 0), (0, 1), (0, 2)]
    for row, copy in zip(epochs, recorder.estimators, strict=True):
        assert row["accuracy"] == accuracy_score(y, copy.predict(X))
        assert row["neg_log_loss"] == pytest.approx(-log_loss(y, copy.predict_proba(X)), rel=1e-5)
    assert epochs[-1]["neg_log_loss"] > epochs[0]["neg_log_loss"]


def test_a_refitted_student_is_told_of_anew(rows, topics):
    X, y = rows
    recorder, monitor = Recorder(), ScoringMonitor(scoring="accuracy")
    student = make_student(max_epochs=2).set_callbacks(monitor).fit(X, y)
    student.set_params(vocabulary_size=20, embedding_dim=3).set_callbacks(recorder, monitor)
    student.fit(topics[0][150:], topics[1][150:])
    assert recorder.calls == tree(2)
    assert recorder.estimators[0].network_.embedding.weight.shape == (20, 3)
    assert len(monitor.get_logs(select="all")) == 2


def test_without_its_own_callbacks_nothing_of_them_is_left(rows):
    recorder = Recorder()
    student = make_student().set_callbacks(recorder).fit(*rows)
    left = vars(student).keys() - vars(make_student().fit(*rows)).keys()
    assert left == {"_skl_callbacks"}
    student.set_callbacks().fit(*rows)
    assert recorder.calls == tree(3)


def test_a_failed_fit_tears_its_callbacks_down(rows):
    class Fails(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("no further")

    recorder = Recorder()
    with pytest.raises(RuntimeError, match="no further"):
        make_student(callbacks=[Fails()]).set_callbacks(recorder).fit(*rows)
    assert recorder.calls == ["setup", "begin fit 0", "begin epoch 0", "teardown"]
    refused = Recorder()
    with pytest.raises(ValueError, match="missing"):
        make_student().set_callbacks(refused).fit([None, "a"], [0, 1])
    assert refused.calls == []


def test_epochs_hang_below_a_search_and_a_pipeline(rows):
    monitor = ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(FunctionTransformer(), make_student().set_callbacks(monitor))
    search = GridSearchCV(pipeline, {"distilledmlpclassifier__embedding_dim": [2, 4]}, cv=2)
    search.fit(*rows)
    rows_of_run = monitor.get_logs(include_lineage=True).data
    epochs = [row for row in rows_of_run if row["task_name"] == "epoch"]
    assert len(epochs) == (2 * 2 + 1) * 3
    # fit > search > candidate and fold > student > epoch; fit > refit > student > epoch
    assert sorted(len(row["task_id_path"]) for row in epochs) == [4] * 3 + [5] * 12
    above = [(row["estimator_name"], row["task_name"]) for row in rows_of_run]
    assert above.count(("GridSearchCV", "fit")) == 1
    assert above.count(("DistilledMLPClassifier", "fit")) == 5


def test_progress_bars_go_down_to_the_epochs(rows, monkeypatch):
    from rich import progress

    shown = io.StringIO()
    monkeypatch.setattr(progress, "get_console", lambda: progress.Console(file=shown, width=200))
    search = GridSearchCV(make_student(), {"embedding_dim": [2]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*rows)
    lines = [line for line in shown.getvalue().splitlines() if "DistilledMLPClassifier" in line]
    assert len(lines) == 3
    assert all("100%" in line for line in lines)


def test_callbacks_of_scikit_learn_among_those_of_skorch_are_refused(rows):
    monitor = ScoringMonitor(scoring="accuracy")
    message = r"ScoringMonitor, a scikit-learn callback.*set_callbacks"
    with pytest.raises(TypeError, match=message):
        make_student(callbacks=[Copies(), monitor]).fit(*rows)
    with pytest.raises(TypeError, match="FitCallback protocol"):
        make_student().set_callbacks(Copies())


def test_watched_students_are_pickled_and_predict_without_torch(rows, tmp_path):
    student = make_student().set_callbacks(ScoringMonitor(scoring="accuracy")).fit(*rows)
    joblib.dump((student, rows[0], student.predict_proba(rows[0])), tmp_path / "student.joblib")
    code = (
        "import sys, joblib; student, X, proba = joblib.load(sys.argv[1]); "
        "assert (student.predict_proba(X) == proba).all(); assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "student.joblib")]
    subprocess.run(command, check=True, timeout=60)


def test_each_epoch_of_a_transformer_is_a_task(rows, tiny_checkpoint):
    X, y = rows
    recorder, monitor = Recorder(), ScoringMonitor(scoring="neg_log_loss")
    teacher = make_teacher(tiny_checkpoint).set_callbacks(recorder, monitor).fit(X, y)
    assert recorder.calls == tree(3)
    assert recorder.max_subtasks == 3
    alone = make_teacher(tiny_checkpoint).fit(X, y)
    np.testing.assert_array_equal(teacher.predict_proba(X), alone.predict_proba(X))
    probas = [copy.predict_proba(X) for copy in recorder.estimators]
    np.testing.assert_array_equal(probas[-1], alone.predict_proba(X))
    assert not np.allclose(probas[0], probas[-1])
    scores = [row["neg_log_loss"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    np.testing.assert_allclose(scores, [-log_loss(y, proba) for proba in probas])
    assert [len(copy.history_) for copy in recorder.estimators] == [1, 2, 3]


@pytest.mark.usefixtures("bf16")
def test_a_transformer_in_half_precision_is_copied_without_its_autocast(rows, tiny_checkpoint):
    X, y = rows
    recorder = Recorder()
    teacher = make_teacher(tiny_checkpoint, precision="bf16", max_epochs=1)
    teacher.set_callbacks(recorder).fit(X, y)
    (copy,) = recorder.estimators
    assert "forward" not in vars(copy.model_)
    np.testing.assert_array_equal(copy.predict_proba(X), teacher.predict_proba(X))


def test_a_transformer_is_stopped_and_goes_on_where_it_was_stopped(rows, tiny_checkpoint, tmp_path):
    X, y = rows
    recorder = Recorder(stop_after=1)
    teacher = make_teacher(tiny_checkpoint, checkpoint_dir=tmp_path).set_callbacks(recorder)
    assert len(teacher.fit(X, y).history_) == 1
    assert recorder.calls == tree(1)
    rest = Recorder()
    teacher.set_callbacks(rest).fit(X, y)
    assert len(teacher.history_) == 3
    assert rest.calls == tree(2)
    whole = make_teacher(tiny_checkpoint).fit(X, y)
    np.testing.assert_allclose(teacher.predict_proba(X), whole.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("trainer_args", [{"num_train_epochs": 2}, {"max_steps": 20}])
def test_the_number_of_epochs_is_open_where_trainer_args_set_it(
    rows, tiny_checkpoint, trainer_args
):
    recorder = Recorder()
    teacher = make_teacher(tiny_checkpoint, max_epochs=1, trainer_args=trainer_args)
    teacher.set_callbacks(recorder).fit(*rows)
    assert recorder.max_subtasks is None
    assert recorder.calls == tree(2)
