"""How a teacher is fitted, with weights and without, and what it is without its fitted state."""

import os
import pickle
import re
import socket
import sqlite3
import ssl
import threading
import warnings
from contextlib import closing, nullcontext
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skdistill import (
    CascadeClassifier,
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    compare,
    distillation_report,
    make_tfidf_baseline,
)
from skdistill.labelling._teacher import (
    clone_teacher,
    fit_teacher,
    gives_probabilities,
    needs_no_labels,
    own_classes,
    unfitted,
)

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])
SEVERAL = np.array([[0, 1], [1, 1], [1, 0], [0, 0]])


STACK = StackingClassifier([("words", make_tfidf_baseline())], cv=2)


@pytest.mark.parametrize(
    "teacher",
    [STACK, make_pipeline(FunctionTransformer(), STACK), GridSearchCV(STACK, {"cv": [2]}, cv=2)],
)
def test_a_stack_teaches_although_it_shows_its_method_once_fitted_only(teacher):
    assert gives_probabilities(teacher)
    texts = [f"{text} {number}" for number in range(4) for text in X]
    labels = np.tile(Y, 4)
    student = DistilledMLPClassifier(teacher, max_epochs=2, random_state=0).fit(texts, labels)
    expected = clone(teacher).fit(texts, labels).predict_proba(texts)
    by_hand = DistilledMLPClassifier(max_epochs=2, random_state=0, augmenter=None)
    by_hand.fit(texts, labels, teacher_proba=expected)
    np.testing.assert_array_equal(student.predict_proba(texts), by_hand.predict_proba(texts))
    cascade = CascadeClassifier(student, validation_fraction=0.5, random_state=0)
    assert cascade.fit(texts, labels).predict(X).shape == (4,)


def test_ensembles_without_probabilities_are_refused():
    votes = StackingClassifier([("a", make_tfidf_baseline())], final_estimator=NearestCentroid())
    hard = VotingClassifier([("a", make_tfidf_baseline())])
    assert not gives_probabilities(hard)
    assert not gives_probabilities(make_pipeline(FunctionTransformer(), hard))
    assert not gives_probabilities(GridSearchCV(hard, {}))
    assert not gives_probabilities(make_pipeline(FunctionTransformer()))
    assert gives_probabilities(votes) is hasattr(NearestCentroid(), "predict_proba")
    with pytest.raises(ValueError, match=r"'teacher' parameter .* 'fit' and 'predict_proba'"):
        DistilledMLPClassifier(hard).fit(X, Y)
    with pytest.raises(ValueError, match=r"'teacher' parameter .* 'fit' and 'predict_proba'"):
        DistilledMLPClassifier(X).fit(X, Y)


def test_unfitted_reaches_frozen_parts():
    fitted = make_tfidf_baseline().fit(X, Y)
    voting = VotingClassifier([("a", FrozenEstimator(fitted)), ("b", fitted)], voting="soft")
    bare = unfitted(voting)
    assert isinstance(bare.estimators[0][1], FrozenEstimator)
    for _, part in bare.estimators:
        assert not hasattr(part[-1], "coef_")
    assert not hasattr(unfitted(FrozenEstimator(fitted))[-1], "coef_")
    assert hasattr(fitted[-1], "coef_")
    assert unfitted(make_pipeline(fitted)).steps


WEIGHTS = np.array([5.0, 1, 1, 2])


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_weights_reach_the_last_step_of_a_pipeline(depth, routing):
    teacher = make_tfidf_baseline(C=10)
    for _ in range(depth):
        teacher = make_pipeline(teacher)
    with sklearn.config_context(enable_metadata_routing=routing):
        found = fit_teacher(teacher, X, Y, WEIGHTS).predict_proba(["film"])
    expected = make_tfidf_baseline(C=10)
    expected.fit(X, Y, logisticregression__sample_weight=WEIGHTS)
    np.testing.assert_array_equal(found, expected.predict_proba(["film"]))
    assert abs(found - fit_teacher(teacher, X, Y, None).predict_proba(["film"])).max() > 0.05


def weights_of(teacher):
    """Return the sums of the weights with which the parts of a fitted teacher were fitted."""
    return [part.weight_ for part in teacher.estimators_]


class Recorder(DummyClassifier):
    """A classifier that remembers the sum of its weights."""

    def fit(self, X, y, sample_weight=None):
        self.weight_ = None if sample_weight is None else float(np.sum(sample_weight))
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("routing", [False, True])
def test_weights_reach_the_parts_of_meta_estimators(routing):
    parts = [("a", Recorder()), ("b", Recorder(strategy="prior")), ("none", "drop")]
    with sklearn.config_context(enable_metadata_routing=routing):
        vote = fit_teacher(VotingClassifier(parts, voting="soft"), X, Y, WEIGHTS)
        stack = fit_teacher(StackingClassifier(parts[:2], Recorder(), cv=2), X, Y, WEIGHTS)
        search = fit_teacher(GridSearchCV(Recorder(), {}, cv=2), X, Y, WEIGHTS)
    assert weights_of(vote) == weights_of(stack) == [9.0, 9.0]
    assert stack.final_estimator_.weight_ == 9.0
    assert search.best_estimator_.weight_ == 9.0


def test_weights_reach_a_pipeline_inside_a_search():
    search = GridSearchCV(make_tfidf_baseline(C=10), {}, cv=2)
    found = fit_teacher(search, X, Y, WEIGHTS).predict_proba(["film"])
    expected = make_tfidf_baseline(C=10).fit(X, Y, logisticregression__sample_weight=WEIGHTS)
    np.testing.assert_array_equal(found, expected.predict_proba(["film"]))


@pytest.mark.parametrize(
    ("classifier", "rows", "name"),
    [
        (make_tfidf_baseline(), X, "Pipeline, a part of the teacher VotingClassifier"),
        (
            Pipeline([("a", KNeighborsClassifier(1))]),
            [[0.0], [1], [2], [3]],
            "KNeighborsClassifier, the last step of the teacher's Pipeline",
        ),
    ],
)
def test_a_part_that_takes_no_weights_by_their_name_is_told(classifier, rows, name):
    vote = VotingClassifier([("good", Recorder()), ("bad", classifier)], voting="soft")
    with pytest.warns(UserWarning, match=f"^{name}, does not accept "):
        fitted = fit_teacher(vote, rows, Y, WEIGHTS)
    assert fitted.estimators_[0].weight_ is None
    deeper = name.replace("teacher V", "teacher's V")
    with pytest.warns(UserWarning, match=f"^{deeper}, does not accept "):
        fit_teacher(make_pipeline(FunctionTransformer(), vote), rows, Y, WEIGHTS)


def test_a_teacher_that_declines_weights_gets_none_without_a_word():
    with sklearn.config_context(enable_metadata_routing=True):
        unwilling = Recorder().set_fit_request(sample_weight=False)
        vote = VotingClassifier([("a", unwilling), ("b", unwilling)], voting="soft")
        for teacher in (unwilling, make_pipeline(FunctionTransformer(), unwilling)):
            fitted = fit_teacher(teacher, X, Y, WEIGHTS)
            assert getattr(fitted, "steps", [("", fitted)])[-1][1].weight_ is None
        assert weights_of(fit_teacher(vote, X, Y, WEIGHTS)) == [None, None]
        willing = Recorder().set_fit_request(sample_weight=True)
        assert fit_teacher(willing, X, Y, WEIGHTS).weight_ == 9.0
        # A vote hands weights to all of its parts or to none.
        vote = VotingClassifier([("a", unwilling), ("b", willing)], voting="soft")
        with pytest.warns(UserWarning, match="^Recorder, a part of the teacher VotingClassifier, "):
            assert weights_of(fit_teacher(vote, X, Y, WEIGHTS)) == [None, None]
    # Without routing, requests do not count, as in scikit-learn.
    assert fit_teacher(unwilling, X, Y, WEIGHTS).weight_ == 9.0


def test_a_teacher_that_takes_no_weights_is_told_once_in_a_search():
    student = DistilledMLPClassifier(
        make_pipeline(make_tfidf_baseline()[0], KNeighborsClassifier(1)), max_epochs=1
    )
    search = GridSearchCV(student, {"embedding_dim": [2, 4]}, cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            search.fit(X, Y, sample_weight=WEIGHTS)
    (warning,) = [w for w in caught if "does not accept sample_weight" in str(w.message)]
    assert "the weights only affect the student" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_each_teacher_that_takes_no_weights_is_told_by_its_last_step(depth):
    def fit(classifier):
        teacher = make_pipeline(make_tfidf_baseline()[0], classifier) if depth else classifier
        teacher = make_pipeline(teacher) if depth == 2 else teacher
        fit_teacher(teacher, X if depth else [[0.0], [1], [2], [3]], Y, WEIGHTS)

    inside = {0: "", 1: "teacher", 2: "teacher's"}[depth]
    last = f", the last step of the {inside} Pipeline," if depth else ""
    for classifier in (KNeighborsClassifier(1), NearestCentroid()):
        name = f"{type(classifier).__name__}{last} does not accept sample_weight"
        with pytest.warns(UserWarning, match=name):
            fit(classifier)


def test_a_second_fit_elsewhere_is_told_of_weights_again():
    with pytest.warns(UserWarning, match="does not accept sample_weight"):
        fit_teacher(KNeighborsClassifier(1), [[0.0], [1], [2], [3]], Y, WEIGHTS)
    with pytest.warns(UserWarning, match="does not accept sample_weight"):
        fit_teacher(KNeighborsClassifier(1), [[0.0], [1], [2], [3]], Y, WEIGHTS)


def test_a_warning_about_weights_that_is_an_error_is_one_each_time():
    for _ in range(2):
        with pytest.raises(UserWarning, match="does not accept sample_weight"):
            fit_teacher(KNeighborsClassifier(1), [[0.0], [1], [2], [3]], Y, WEIGHTS)


def test_a_frozen_teacher_that_is_not_fitted_says_why():
    frozen = FrozenEstimator(make_tfidf_baseline())
    for teacher in (frozen, VotingClassifier([("a", frozen)], voting="soft")):
        with pytest.raises(NotFittedError, match="Pipeline is not fitted: a pickled student"):
            fit_teacher(teacher, X, Y, None)


def test_a_teacher_of_numbers_is_told_from_one_of_texts():
    student = DistilledMLPClassifier(LogisticRegression(), max_epochs=1)
    with pytest.raises(
        ValueError, match=r"receives raw texts\. Put a vectorizer before it, as in make_"
    ):
        student.fit(X, Y)


def numbers_of(texts):
    return np.array([[len(text)] for text in texts])


TAKES_NUMBERS = {
    "logistic": LogisticRegression(),
    "tree": DecisionTreeClassifier(),
    "pipeline": make_pipeline(StandardScaler(), KNeighborsClassifier(1)),
    "search": GridSearchCV(LogisticRegression(), {"C": [1]}, cv=2),
}


@pytest.mark.parametrize("name", TAKES_NUMBERS)
def test_a_teacher_of_numbers_is_shown_a_way_that_works(name):
    teacher = TAKES_NUMBERS[name]
    shown = rf"The teacher {type(teacher).__name__} expects .*make_pipeline\(TfidfVectorizer\(\), t"
    with pytest.raises(ValueError, match=shown):
        DistilledMLPClassifier(teacher, max_epochs=1).fit(X, Y)


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize("name", TAKES_NUMBERS)
def test_a_frozen_teacher_of_numbers_is_told_from_one_of_texts(name, with_labels):
    teacher = FrozenEstimator(clone(TAKES_NUMBERS[name]).fit(numbers_of(X), Y))
    labels = Y if with_labels else None
    shown = f"The frozen teacher {type(teacher.estimator).__name__} expects numbers.*Freeze it"
    with pytest.raises(ValueError, match=shown):
        DistilledMLPClassifier(teacher, max_epochs=1).fit(X, labels)
    # What the message advises works.
    vectorizer = FunctionTransformer(numbers_of)
    pipeline = FrozenEstimator(make_pipeline(vectorizer, teacher.estimator))
    assert DistilledMLPClassifier(pipeline, max_epochs=1).fit(X, labels).transfer_size_ == 4


def test_workers_say_of_a_teacher_of_numbers_the_same():
    teacher = FrozenEstimator(LogisticRegression().fit(numbers_of(X), Y))
    with (
        joblib.parallel_config("loky", n_jobs=2),
        pytest.raises(ValueError, match="frozen teacher LogisticRegression expects numbers"),
    ):
        DistilledMLPClassifier(teacher, max_epochs=1).fit(X, Y)


def test_a_frozen_teacher_of_numbers_is_told_in_a_cascade():
    student = FrozenEstimator(DistilledMLPClassifier(max_epochs=1).fit(X, Y))
    teacher = FrozenEstimator(LogisticRegression().fit(numbers_of(X), Y))
    with pytest.raises(ValueError, match="frozen teacher LogisticRegression expects numbers"):
        CascadeClassifier(student, teacher).fit(X, Y)


def test_an_error_of_a_teacher_of_texts_is_left_as_it_is():
    def parse(texts):
        return [{"pos": float("likely"), "neg": 0} for _ in texts]

    teacher = FunctionTeacherClassifier(parse, classes=["neg", "pos"])
    with pytest.raises(ValueError, match=r"^could not convert string to float: 'likely'"):
        DistilledMLPClassifier(teacher, max_epochs=1).fit(X)


def test_a_teacher_of_one_label_is_told_from_one_of_several():
    student = DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=1)
    with pytest.raises(ValueError, match=r"The teacher Pipeline predicts one label .*OneVsRest"):
        student.fit(X, SEVERAL)


def test_another_error_of_a_teacher_of_several_labels_is_left_as_it_is():
    teacher = OneVsRestClassifier(make_tfidf_baseline(C=-1))
    with pytest.raises(ValueError, match=r"^The 'C' parameter of LogisticRegression must be"):
        DistilledMLPClassifier(teacher, max_epochs=1).fit(X, SEVERAL)


class Service(ClassifierMixin, BaseEstimator):
    def __init__(self, model="small", client=None):
        self.model = model
        self.client = client

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.tile([0.4, 0.6], (len(X), 1))

    def __skdistill_fingerprint__(self, X, y, sample_weight):
        return "Service", self.model


class SharingService(Service):
    def __sklearn_clone__(self):
        return type(self)(self.model, self.client)


UNCOPIED = {
    "connection": lambda: closing(sqlite3.connect(":memory:")),
    "file": lambda: Path(os.devnull).open(),  # noqa: SIM115
    "socket": lambda: closing(socket.socket()),
    "lock": threading.Lock,
    "encryption": lambda: nullcontext(ssl.create_default_context()),
    "generator": lambda: closing(text for text in ["soup"]),
}


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("name", UNCOPIED)
def test_a_teacher_that_cannot_be_copied_names_the_parameter_and_a_way_that_works(
    name, memory, tmp_path
):
    options = {"memory": tmp_path if memory else None, "max_epochs": 1, "random_state": 0}
    resource = UNCOPIED[name]()
    with resource as client:
        client = resource if name == "lock" else client
        teacher = Service(client=client)
        for unfitted in (teacher, make_pipeline(FunctionTransformer(), teacher)):
            with pytest.raises(
                TypeError,
                match=r"^The teacher cannot be cloned, because Service\.client, of type .* cannot "
                r"be copied \(cannot pickle .*FrozenEstimator, or define __sklearn_clone__",
            ):
                DistilledMLPClassifier(unfitted, **options).fit(X, Y)
        frozen = FrozenEstimator(teacher.fit(X, Y))
        for works in (frozen, SharingService(client=client)):
            assert DistilledMLPClassifier(works, **options).fit(X, Y).transfer_size_ == 4


@pytest.mark.parametrize(
    "use",
    [
        clone,
        lambda student: clone(make_pipeline(FunctionTransformer(), student)),
        lambda student: GridSearchCV(student, {"max_epochs": [1]}, cv=2).fit(X, Y),
        lambda student: CascadeClassifier(student).fit(X, Y),
        lambda student: clone(CascadeClassifier(make_tfidf_baseline(), student.teacher)),
        lambda student: compare({"student": student}, X, Y, X, Y),
        lambda student: distillation_report(student, X, Y, X_test=X, y_test=Y),
    ],
    ids=["clone", "pipeline", "search", "cascade", "teacher of a cascade", "compare", "report"],
)
def test_whoever_clones_a_student_names_the_part_of_its_teacher(use):
    student = DistilledMLPClassifier(Service(client=threading.Lock()))
    with pytest.raises(TypeError, match=r"^The teacher cannot be cloned, because Service\.client,"):
        use(student)


@pytest.mark.parametrize("teacher", [None, make_tfidf_baseline()])
def test_an_error_about_another_parameter_stays_as_it_is(teacher):
    student = DistilledMLPClassifier(teacher, callbacks=[threading.Lock()])
    with pytest.raises(TypeError, match=r"^cannot pickle"):
        clone(student)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (np.array(["warm", "late"]), ["warm", "late"]),
        ([np.array([0, 1]), np.array([0, 1])], [0, 1]),  # those of each column, as of a forest
    ],
)
def test_columns_have_the_names_of_a_teacher_or_numbers(classes, expected):
    teacher = SimpleNamespace(classes_=classes, multilabel_=True)
    found, is_multilabel = own_classes(teacher, "soup")
    assert (found.tolist(), is_multilabel) == (expected, True)


def test_a_teacher_needs_no_predict():
    student = DistilledMLPClassifier(FrozenEstimator(Service().fit(X, Y)), max_epochs=1)
    assert student.fit(X).classes_.tolist() == student.fit(X, Y).classes_.tolist()


def test_a_vote_in_which_one_teacher_needs_labels_needs_them():
    free = FunctionTeacherClassifier(len, classes=["a", "b"])
    assert needs_no_labels(free)
    assert not needs_no_labels(VotingClassifier([("a", free), ("b", make_tfidf_baseline())]))


class Talkative:
    def __deepcopy__(self, memo):
        raise TypeError("no " * 50 + "!\nand more")


def test_the_reason_why_a_teacher_cannot_be_copied_is_a_hundred_characters_of_a_line():
    with pytest.raises(TypeError, match=re.escape(f"copied ({'no ' * 33}n). ")):
        DistilledMLPClassifier(Service(client=Talkative())).fit(X, Y)


def test_a_student_whose_teacher_cannot_be_copied_says_how_to_save_it():
    frozen = FrozenEstimator(Service(client=threading.Lock()).fit(X, Y))
    student = DistilledMLPClassifier(frozen, max_epochs=1, random_state=0).fit(X, Y)
    with pytest.raises(TypeError, match=r"Service\.client.*Call set_params\(teacher=None\)"):
        pickle.dumps(student)
    assert pickle.loads(pickle.dumps(student.set_params(teacher=None))).predict(X) is not None


def test_a_teacher_that_cannot_be_sent_to_workers_names_what_cannot():
    frozen = FrozenEstimator(Service(client=threading.Lock()).fit(X, Y))
    student = DistilledMLPClassifier(frozen, max_epochs=1, random_state=0)
    with (
        joblib.parallel_config("loky", n_jobs=2),
        pytest.raises(
            TypeError, match=r"sent to worker processes, because Service\.client, of type"
        ),
    ):
        student.fit(X, Y)


def test_an_error_in_cloning_that_no_parameter_causes_is_left_as_it_is():
    class Changing(Service):
        def __init__(self, model="small", client=None):
            self.model, self.client = [model], client

    with pytest.raises(RuntimeError, match="Cannot clone object"):
        clone_teacher(Changing())
