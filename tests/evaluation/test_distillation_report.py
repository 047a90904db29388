import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from skdistill import DistilledMLPClassifier, TextPool, make_tfidf_baseline
from skdistill.evaluation._distillation_report import distillation_report
from skdistill.metrics._bootstrap import paired_bootstrap
from skdistill.metrics._calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
)
from skdistill.metrics._fidelity import fidelity

ARGUMENTS = {"n_seeds": 2, "random_state": 0}


def make_student(teacher, **params):
    return DistilledMLPClassifier(teacher, **{"max_epochs": 4, "vocabulary_size": 60} | params)


class CountingTeacher(ClassifierMixin, BaseEstimator):
    """A teacher that notes, over all its clones, how often it is fitted and what it labels."""

    def __init__(self, log=None):
        self.log = log

    def __sklearn_clone__(self):
        return CountingTeacher(self.log)

    def fit(self, X, y):
        self.log["fits"].append(len(X))
        self.model_ = make_tfidf_baseline().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        self.log["texts"].extend(X)
        return self.model_.predict_proba(X)

    def word_vectors(self, words):
        return np.random.default_rng(0).normal(size=(len(words), 20))


class Doubler(BaseEstimator):
    """Makes of each text another one."""

    def fit(self, X):
        return self

    def augment(self, X):
        return [f"{text} again" for text in X]


@pytest.fixture(scope="module")
def split(topics):
    texts, labels = topics
    return texts[:60], labels[:60], texts[60:360], texts[360:], labels[360:]


@pytest.fixture(scope="module")
def seeds():
    return check_random_state(0).randint(2**31 - 1, size=2).tolist()


@pytest.fixture(scope="module")
def helpful(split):
    """What an excellent teacher and unlabelled text do for few labelled texts."""
    X, y, pool, X_test, y_test = split
    teacher = make_tfidf_baseline().fit([*X, *X_test], [*y, *y_test])
    student = make_student(FrozenEstimator(teacher))
    report = distillation_report(
        student, X, y, X_unlabeled=pool, X_test=X_test, y_test=y_test, **ARGUMENTS
    )
    return student, report


def train_by_hand(split, seeds, **params):
    """Train the student's network on gold labels, once for each seed."""
    X, y, _, X_test, _ = split
    students = [
        make_student(None, hard_label_weight=1.0, random_state=seed, **params) for seed in seeds
    ]
    return [student.fit(X, y).predict_proba(X_test) for student in students]


def distil_by_hand(student, split, seeds):
    X, y, pool, X_test, _ = split
    return [
        clone(student)
        .set_params(random_state=seed)
        .fit(X, y, X_unlabeled=TextPool(pool))
        .predict_proba(X_test)
        for seed in seeds
    ]


def assert_scores(found, proba_by_seed, classes, y_test):
    predicted = [classes[proba.argmax(axis=1)] for proba in proba_by_seed]
    accuracy = [accuracy_score(y_test, labels) for labels in predicted]
    macro_f1 = [f1_score(y_test, labels, average="macro") for labels in predicted]
    errors = [expected_calibration_error(y_test, proba, classes) for proba in proba_by_seed]
    assert found.accuracy == pytest.approx(np.mean(accuracy))
    assert found.macro_f1 == pytest.approx(np.mean(macro_f1))
    assert found.calibration_error == pytest.approx(np.mean(errors), abs=1e-5)
    if len(proba_by_seed) > 1:
        assert found.accuracy_std == pytest.approx(np.std(accuracy, ddof=1))
        assert found.macro_f1_std == pytest.approx(np.std(macro_f1, ddof=1))
    else:
        assert found.accuracy_std is found.macro_f1_std is None


# ---- the figures


def test_scores_are_those_of_models_trained_by_hand(helpful, split, seeds):
    student, report = helpful
    X_test, y_test = split[3:]
    classes = student.teacher.classes_
    teacher_proba = student.teacher.predict_proba(X_test)
    distilled, hard = distil_by_hand(student, split, seeds), train_by_hand(split, seeds)
    assert_scores(report.teacher, [teacher_proba], classes, y_test)
    assert_scores(report.student, distilled, classes, y_test)
    assert_scores(report.twin, hard, classes, y_test)
    assert report.teacher.fidelity == 1
    expected = [np.mean([fidelity(teacher_proba, p) for p in proba]) for proba in (distilled, hard)]
    assert [report.student.fidelity, report.twin.fidelity] == pytest.approx(expected)
    assert report.retention == report.student.accuracy / report.teacher.accuracy
    assert report.difference == pytest.approx(report.student.accuracy - report.twin.accuracy)
    assert (report.n_seeds, report.n_labeled, report.n_transfer, report.n_test) == (2, 60, 360, 240)


def test_the_baseline_is_trained_on_the_same_rows(helpful, split):
    student, report = helpful
    X, y, _, X_test, y_test = split
    baseline = make_tfidf_baseline(C=10).fit(X, y)
    proba = baseline.predict_proba(X_test)
    assert_scores(report.baseline, [proba], baseline.classes_, y_test)
    teacher_proba = student.teacher.predict_proba(X_test)
    assert report.baseline.fidelity == pytest.approx(fidelity(teacher_proba, proba))


def test_the_baseline_counts_the_students_features(split):
    X, y, _, X_test, y_test = split
    student = make_student(make_tfidf_baseline(), analyzer="char", ngram_range=(2, 3))
    report = distillation_report(student, X, y, X_test=X_test, y_test=y_test, n_seeds=1)
    baseline = make_tfidf_baseline(C=10)
    baseline.set_params(tfidfvectorizer__analyzer="char", tfidfvectorizer__ngram_range=(2, 3))
    assert report.baseline.accuracy == baseline.fit(X, y).score(X_test, y_test)


def test_texts_without_words_have_no_baseline():
    X, y = ["!", "? ?", "! !", "?"] * 3, ["loud", "odd"] * 6
    teacher = DummyClassifier(strategy="prior").fit(X, y)
    report = distillation_report(make_student(FrozenEstimator(teacher)), X, y, n_seeds=1)
    assert report.baseline is None
    assert report.as_frame().index.tolist() == ["teacher", "student", "twin"]
    assert "TF-IDF" not in str(report)


def test_the_twin_learns_from_gold_labels_alone_bit_for_bit(split, seeds, monkeypatch):
    X, y, pool, X_test, y_test = split
    seen = []
    predict_proba = DistilledMLPClassifier.predict_proba

    def remember(self, texts):
        seen.append((self, predict_proba(self, texts)))
        return seen[-1][1]

    student = make_student(make_tfidf_baseline())
    monkeypatch.setattr(DistilledMLPClassifier, "predict_proba", remember)
    distillation_report(student, X, y, X_unlabeled=pool, X_test=X_test, y_test=y_test, **ARGUMENTS)
    monkeypatch.undo()
    twins = [proba for model, proba in seen if model.transfer_size_ == len(X)]
    students = [proba for model, proba in seen if model.transfer_size_ > len(X)]
    np.testing.assert_array_equal(twins, train_by_hand(split, seeds))
    # Rounded to float32 on the way, the teacher's probabilities may differ in their last digit.
    np.testing.assert_allclose(students, distil_by_hand(student, split, seeds), atol=1e-5)


def test_all_that_a_teacher_gives_is_given_to_the_student_alone(split, seeds, monkeypatch):
    X, y, pool, X_test, y_test = split
    log = {"fits": [], "texts": []}
    student = make_student(
        CountingTeacher(log),
        augmenter=Doubler(),
        teacher_cv=3,
        embedding_init="teacher",
        hard_label_weight=0.2,
    )
    fitted = []
    fit = DistilledMLPClassifier.fit
    monkeypatch.setattr(
        DistilledMLPClassifier,
        "fit",
        lambda self, *args, **options: fitted.append(clone(self)) or fit(self, *args, **options),
    )
    arguments = {"X_test": X_test, "y_test": y_test, **ARGUMENTS}
    report = distillation_report(student, X, y, X_unlabeled=pool, **arguments)
    assert log["fits"] == [40, 40, 40, 60]
    assert report.n_transfer == 2 * (len(X) + len(pool))
    changed = ["augmenter", "teacher_cv"]
    assert differing(fitted[0], student) == {*changed, "random_state"}
    assert differing(fitted[1], student) == {
        *changed,
        "teacher",
        "embedding_init",
        "hard_label_weight",
        "random_state",
    }
    monkeypatch.undo()
    distilled, hard = distil_by_hand(student, split, seeds), train_by_hand(split, seeds)
    classes = np.unique(y)
    assert_scores(report.student, distilled, classes, y_test)
    assert_scores(report.twin, hard, classes, y_test)


def differing(one, other):
    params = other.get_params(deep=False)
    return {
        name
        for name, value in one.get_params(deep=False).items()
        if (name != "teacher" and value != params[name]) or type(value) is not type(params[name])
    }


@pytest.mark.parametrize("params", [{"temperature": 4.0}, {"loss": "mse"}], ids=str)
def test_the_twins_loss_is_the_cross_entropy(split, seeds, params):
    X, y, _, X_test, y_test = split
    student = make_student(make_tfidf_baseline(), **params)
    report = distillation_report(student, X, y, X_test=X_test, y_test=y_test, **ARGUMENTS)
    assert_scores(report.twin, train_by_hand(split, seeds), np.unique(y), y_test)


def test_calibration_is_cross_fitted_on_the_two_halves(helpful, split):
    student, report = helpful
    X_test, y_test = split[3:]
    classes = student.teacher.classes_
    codes = np.searchsorted(classes, y_test)
    rng = check_random_state(0)
    rng.randint(2**31 - 1, size=2)
    fold = rng.permutation(len(X_test)) % 2
    proba = student.teacher.predict_proba(X_test)
    halves = [np.flatnonzero(fold == half) for half in (0, 1)]
    scaled = np.concatenate(
        [
            apply_temperature(proba[here], fit_temperature(proba[there], codes[there]))
            for here, there in (halves, halves[::-1])
        ]
    )
    expected = expected_calibration_error(y_test[np.concatenate(halves)], scaled, classes)
    assert report.teacher.scaled_calibration_error == pytest.approx(expected, abs=1e-4)
    assert expected < report.teacher.calibration_error / 2


def test_interval_is_the_paired_bootstrap_of_right_answers(helpful, split, seeds):
    student, report = helpful
    y_test = split[4]
    classes = student.teacher.classes_
    right = [
        [classes[proba.argmax(axis=1)] == y_test for proba in by_seed]
        for by_seed in (distil_by_hand(student, split, seeds), train_by_hand(split, seeds))
    ]
    differences = np.subtract(*np.asarray(right, dtype=float))
    expected = paired_bootstrap(differences, random_state=1)
    np.testing.assert_allclose(report.interval, expected, atol=0.01)
    assert report.interval[0] < report.difference < report.interval[1]


def test_test_texts_are_held_out_by_class(split):
    X, y = split[:2]
    y = np.where(y == "trains", "trains", "other")
    log = {"fits": [], "texts": []}
    distillation_report(make_student(CountingTeacher(log)), X, y, test_size=0.3, **ARGUMENTS)
    assert log["fits"] == [42]
    held_out = log["texts"][42:]
    rng = check_random_state(0)
    rng.randint(2**31 - 1, size=2)
    expected = train_test_split(X, y, test_size=0.3, stratify=y, random_state=rng)
    assert held_out == expected[1]
    report = distillation_report(make_student(CountingTeacher(log)), X, y, test_size=10, n_seeds=1)
    assert (report.n_labeled, report.n_test) == (50, 10)


def test_confidence_level_and_twin_params_are_heard(split, seeds, helpful):
    X, y, pool, X_test, y_test = split
    student, report = helpful
    changed = distillation_report(
        student,
        X,
        y,
        X_unlabeled=pool,
        X_test=X_test,
        y_test=y_test,
        confidence_level=0.5,
        twin_params={"max_epochs": 24},
        **ARGUMENTS,
    )
    assert_scores(changed.twin, train_by_hand(split, seeds, max_epochs=24), np.unique(y), y_test)
    assert changed.student == report.student
    assert [scores.n_epochs for scores in (changed.student, changed.twin)] == [4, 24]
    assert changed.teacher.n_epochs is None
    assert np.ptp(changed.interval) < np.ptp(report.interval)


# ---- the teacher's work


def test_the_teacher_is_fitted_once_and_asked_once_for_each_text(split):
    X, y, pool, X_test, y_test = split
    log = {"fits": [], "texts": []}
    distillation_report(
        make_student(CountingTeacher(log)),
        X,
        y,
        X_unlabeled=iter(pool),
        X_test=X_test,
        y_test=y_test,
        **ARGUMENTS,
    )
    assert log["fits"] == [len(X)]
    assert sorted(log["texts"]) == sorted([*{*X, *pool}, *{*X_test}])


def test_unlabelled_texts_may_be_as_many_as_the_labelled_ones(split):
    X, y, pool, X_test, y_test = split
    arguments = {"X_test": X_test, "y_test": y_test, "n_seeds": 1}
    student = make_student(make_tfidf_baseline(), max_epochs=1)
    reports = [
        distillation_report(student, X, y, X_unlabeled=unlabeled, **arguments)
        for unlabeled in (pool[:60], TextPool(pool[:60]))
    ]
    assert reports[0] == reports[1]
    assert reports[0].n_transfer == 120


def test_the_student_is_left_as_it_was(helpful, split):
    student = helpful[0]
    assert not hasattr(student, "classes_")
    assert student.random_state is None
    assert isinstance(student.teacher, FrozenEstimator)


# ---- the verdict


def test_distillation_from_an_excellent_teacher_helps(helpful):
    report = helpful[1]
    assert report.helped is True
    assert report.verdict.startswith("Distillation helped: the student is ")
    assert report.student.accuracy > report.twin.accuracy + 0.05


def test_distillation_from_noise_hurts(split):
    X, y, pool, X_test, y_test = split
    teacher = DummyClassifier(strategy="stratified", random_state=0)
    report = distillation_report(
        make_student(teacher, max_epochs=15),
        X,
        y,
        X_unlabeled=pool,
        X_test=X_test,
        y_test=y_test,
        **ARGUMENTS,
    )
    assert report.helped is False
    assert report.verdict.startswith("Distillation hurt: the student is ")


def test_distillation_of_gold_labels_does_not_help(topics):
    X, y = topics[0][:100], topics[1][:100]
    teacher = FrozenEstimator(make_tfidf_baseline(C=1e6).fit(X, y))
    report = distillation_report(make_student(teacher, max_epochs=10), X, y, test_size=0.5)
    assert report.helped is None
    assert report.verdict.startswith("Cannot tell with 50 test texts: the student is ")
    low, high = report.interval
    assert low <= 0 <= high


# ---- the report as an object


def test_report_as_frame_and_as_json(helpful):
    report = helpful[1]
    frame = report.as_frame()
    assert frame.index.tolist() == ["teacher", "student", "twin", "baseline"]
    assert frame.loc["student", "accuracy"] == report.student.accuracy
    assert np.isnan(frame.loc["teacher", "accuracy_std"])
    assert all(kind == np.float64 for kind in frame.dtypes)
    assert json.loads(json.dumps(dataclasses.asdict(report)))["interval"] == [*report.interval]


def test_reports_are_deterministic(split):
    X, y = split[:2]
    student = make_student(make_tfidf_baseline(), max_epochs=1)
    one, two = (distillation_report(student, X, y, n_seeds=1) for _ in range(2))
    assert one == two
    assert one.student.accuracy_std is None
    assert one != distillation_report(student, X, y, n_seeds=1, random_state=1)


def test_silent_unless_asked(split, capfd):
    X, y = split[:2]
    student = make_student(make_tfidf_baseline(), max_epochs=1)
    distillation_report(student, X, y, n_seeds=1)
    assert capfd.readouterr() == ("", "")
    distillation_report(student, X, y, n_seeds=1, verbose=1)
    out, err = capfd.readouterr()
    assert out == ""
    assert "labelling" in err
    assert "student and twin" in err


# ---- what cannot be


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"student": make_student(None)}, ValueError, r"no teacher.*set_params\(teacher="),
        ({"student": make_tfidf_baseline()}, TypeError, "not Pipeline"),
        ({"student": make_student("roberta-base")}, ValueError, "'teacher' parameter"),
        ({"X_test": ["a", "b"]}, ValueError, "X_test was given without y_test"),
        ({"y_test": [0, 1]}, ValueError, "y_test was given without X_test"),
        ({"X_test": ["a", "b"], "y_test": [0]}, ValueError, "X_test and y_test must have the same"),
        ({"X_test": ["a", "b"], "y_test": [0, 2]}, ValueError, r"y_test\[1\] is 2, a label that"),
        ({"X_test": ["a", "b"], "y_test": ["0", "1"]}, ValueError, r"y_test\[0\] is '0', a label"),
        ({"X_test": ["a"], "y_test": [0]}, ValueError, "One test text is not enough"),
        ({"X_test": ["a", None], "y_test": [0, 1]}, ValueError, r"X_test\[1\] is missing"),
        ({"X_unlabeled": ["a", None]}, ValueError, r"X_unlabeled\[1\] is missing"),
        ({"y": [0, 1]}, ValueError, "X and y must have the same number of rows"),
        ({"n_seeds": 0}, ValueError, "'n_seeds' parameter"),
        ({"confidence_level": 1.0}, ValueError, "'confidence_level' parameter"),
        ({"test_size": 2.0}, ValueError, "test_size"),
        ({"twin_params": {"teacher": None}}, ValueError, "twin_params cannot set teacher"),
        ({"twin_params": {"random_state": 1}}, ValueError, "twin_params cannot set random_state"),
        ({"twin_params": {"n_layers": 2}}, ValueError, "Invalid parameter 'n_layers'"),
        ({"twin_params": {"max_epochs": 0}}, ValueError, "'max_epochs' parameter"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_refused_before_the_teacher_is_fitted(changes, error, message):
    log = {"fits": [], "texts": []}
    arguments = {
        "student": make_student(CountingTeacher(log)),
        "X": ["a b", "c d"] * 6,
        "y": [0, 1] * 6,
    }
    with pytest.raises(error, match=message):
        distillation_report(**arguments | changes)
    assert not log["fits"]


def test_a_teacher_that_is_never_right_is_refused(split):
    X, y, _, X_test, y_test = split
    swap = dict(zip(np.unique(y), np.roll(np.unique(y), 1), strict=True))
    teacher = make_tfidf_baseline().fit([*X, *X_test], [swap[label] for label in [*y, *y_test]])
    wrong = teacher.predict(X_test) == [swap[label] for label in y_test]
    X_test = [text for text, kept in zip(X_test, wrong, strict=True) if kept]
    with pytest.raises(ValueError, match="does not classify any test text correctly"):
        distillation_report(
            make_student(FrozenEstimator(teacher)), X, y, X_test=X_test, y_test=y_test[wrong]
        )


def test_importing_loads_neither_torch_nor_transformers():
    code = "import sys, skdistill.evaluation._distillation_report; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"torch", "transformers", "skorch"} & set(done.stdout.split())
