"""What tells one teacher's probabilities from another's."""

import subprocess
import sys
from functools import cached_property

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdistill import DistilledMLPClassifier, FunctionTeacherClassifier, make_tfidf_baseline
from skdistill.labelling._fingerprint import fitted_fingerprint, note_changes, teacher_fingerprint

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])


def ask(texts):
    return [[0.9, 0.1] if "good" in text else [0.2, 0.8] for text in texts]


def ask_again(texts):
    return [[0.8, 0.2] if "good" in text else [0.1, 0.9] for text in texts]


def test_fingerprints_are_the_same_in_another_process():
    code = (
        "import numpy as np; from sklearn.frozen import FrozenEstimator; "
        "from skdistill import make_tfidf_baseline as make; "
        "from skdistill.labelling._fingerprint import teacher_fingerprint as f; "
        f"X, y = {X!r}, np.array({Y.tolist()!r}); "
        "print(f(make(), X, y), f(FrozenEstimator(make().fit(X, y)), X, y))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    fitted = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    expected = [teacher_fingerprint(teacher, X, Y) for teacher in (make_tfidf_baseline(), fitted)]
    assert done.stdout.split() == expected


def test_fingerprint_of_a_frozen_teacher_is_what_it_learned():
    one = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    same = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    other = FrozenEstimator(make_tfidf_baseline().fit(X, Y[::-1]))
    assert teacher_fingerprint(one, X, Y) == teacher_fingerprint(same, X[:2], Y[:2])
    assert teacher_fingerprint(one, X, Y) != teacher_fingerprint(other, X, Y)
    assert teacher_fingerprint(FrozenEstimator(one), X, Y) == teacher_fingerprint(one, X, Y)


@pytest.mark.parametrize(
    ("classes", "y"),
    [(None, Y), (["pos", "neg"], Y), (None, np.eye(2, dtype=int)[[0, 1, 0, 1]])],
    ids=["labels of y", "given labels", "several labels"],
)
def test_a_teacher_that_learns_nothing_has_one_fingerprint_frozen_or_not(classes, y):
    teacher = FunctionTeacherClassifier(len, classes=classes)
    key = teacher_fingerprint(teacher, X, y)
    assert teacher_fingerprint(FrozenEstimator(teacher.fit(X, y)), X, None) == key
    assert teacher_fingerprint(FrozenEstimator(teacher.fit(X, y)), X[:2], y[:2]) == key
    other = FunctionTeacherClassifier(sum, classes=classes)
    assert teacher_fingerprint(FrozenEstimator(other.fit(X, y)), X, y) != key


@pytest.mark.parametrize("y", [Y, np.eye(2, dtype=int)[[0, 1, 0, 1]]], ids=["one", "several"])
def test_a_pipeline_that_ends_in_one_has_one_fingerprint_frozen_or_not(y):
    def make(func, transform=sorted):
        return make_pipeline(FunctionTransformer(transform), FunctionTeacherClassifier(func))

    key = teacher_fingerprint(make(ask), X, y)
    for rows in (slice(4), slice(2)):
        frozen = FrozenEstimator(make(ask).fit(X[rows], y[rows]))
        assert teacher_fingerprint(frozen, X, None) == teacher_fingerprint(frozen, X, y) == key
    for other in (make(ask_again), make(ask, list)):
        assert teacher_fingerprint(FrozenEstimator(other.fit(X, y)), X, y) != key


def test_a_vote_of_frozen_teachers_has_one_fingerprint_frozen_or_not():
    def make(y, weights=None):
        parts = [FrozenEstimator(make_tfidf_baseline().fit(X, y)), FunctionTeacherClassifier(ask)]
        return VotingClassifier([*zip("ab", parts, strict=True)], voting="soft", weights=weights)

    key = teacher_fingerprint(make(Y), X, Y)
    assert teacher_fingerprint(FrozenEstimator(make(Y).fit(X, Y)), X, None) == key
    for other in (make(Y[::-1]), make(Y, [1, 2])):
        assert teacher_fingerprint(FrozenEstimator(other.fit(X, Y)), X, Y) != key


@pytest.mark.parametrize(
    "make",
    [
        lambda C: GridSearchCV(make_tfidf_baseline(), {"logisticregression__C": [1, C]}, cv=2),
        lambda C: DistilledMLPClassifier(make_tfidf_baseline(C=C), max_epochs=1, random_state=0),
    ],
    ids=["search", "student"],
)
def test_clock_times_of_equal_fits_do_not_count(make):
    one, same, other = (make(C).fit(X * 3, [*Y] * 3) for C in (10, 10, 1000))
    assert fitted_fingerprint(one) == fitted_fingerprint(same) != fitted_fingerprint(other)
    frozen = [FrozenEstimator(model) for model in (one, same, other)]
    keys = [teacher_fingerprint(model, X, Y) for model in frozen]
    assert keys[0] == keys[1] != keys[2]


def test_a_function_of_a_fitted_model_counts_by_what_the_model_has_learned():
    models = [make_tfidf_baseline().fit(X, y) for y in (Y, Y, Y[::-1])]
    keys = [
        teacher_fingerprint(FunctionTeacherClassifier(model.predict_proba), X, Y)
        for model in models
    ]
    assert keys[0] == keys[1] != keys[2]


class Service(ClassifierMixin, BaseEstimator):
    """Somebody's own teacher, which may learn from the rows."""

    def __init__(self, func=ask, learns=False):
        self.func = func
        self.learns = learns

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.array(self.func(list(X)))

    def __skdistill_fingerprint__(self, X, y, sample_weight):
        return "Service", self.func.__name__, (X, y) if self.learns else None


FROZEN = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
COMPOSITES = {
    "pipeline": make_pipeline(FunctionTransformer(), FunctionTeacherClassifier(ask)),
    "pipeline, classes": make_pipeline(
        FunctionTransformer(), "passthrough", FunctionTeacherClassifier(ask, classes=["neg", "pos"])
    ),
    "voting": VotingClassifier(
        [("a", FunctionTeacherClassifier(ask)), ("b", FunctionTeacherClassifier(ask_again))],
        voting="soft",
    ),
    "pipeline, own class": make_pipeline(FunctionTransformer(), Service()),
    "voting, own class": VotingClassifier(
        [("a", Service()), ("b", FunctionTeacherClassifier(ask_again))], voting="soft"
    ),
    "voting, frozen": VotingClassifier(
        [("a", FunctionTeacherClassifier(ask)), ("b", FROZEN), ("c", "drop")], voting="soft"
    ),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_that_ignores_its_rows_asks_once_in_cross_validation(name, tmp_path):
    asked = []

    def note(texts):
        asked.extend(texts)
        return ask(texts)

    teacher = clone(COMPOSITES[name])
    part = "a" if "voting" in name else teacher.steps[-1][0]
    teacher.set_params(**{f"{part}__func": note})
    texts, labels = [f"{text} {i}" for i in range(3) for text in X], np.tile(Y, 3)
    student = DistilledMLPClassifier(teacher, memory=tmp_path, max_epochs=1, random_state=0)
    cross_val_score(student, texts, labels, cv=3, error_score="raise")
    assert sorted(asked) == sorted(texts)


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_that_ignores_its_rows_counts_by_its_parts_and_labels(name):
    teacher = COMPOSITES[name]
    key = teacher_fingerprint(teacher, X, Y)
    assert teacher_fingerprint(teacher, X[1:3], Y[1:3]) == key
    assert teacher_fingerprint(teacher, X, np.array(["bad", "neg", "pos", "neg"])) != key
    part = "a" if "voting" in name else teacher.steps[-1][0]
    edited = clone(teacher).set_params(**{f"{part}__func": ask_again})
    assert teacher_fingerprint(edited, X, Y) != key


@pytest.mark.parametrize(
    "teacher",
    [
        make_pipeline(TfidfVectorizer(), FunctionTeacherClassifier(ask)),
        VotingClassifier([("a", FunctionTeacherClassifier(ask)), ("b", make_tfidf_baseline())]),
        make_pipeline(FunctionTransformer(), Service(learns=True)),
        VotingClassifier([("a", Service()), ("b", Service(learns=True))]),
    ],
    ids=["pipeline", "voting", "pipeline, own class", "voting, own class"],
)
def test_a_composite_with_a_part_that_learns_counts_by_its_rows(teacher):
    keys = {teacher_fingerprint(teacher, X, Y), teacher_fingerprint(teacher, X[:2], Y[:2])}
    assert len(keys) == 2


def test_another_object_that_starts_where_one_ended_has_another_fingerprint():
    class Client:
        def __init__(self, model):
            self.model = model

        def ask(self, texts):
            if self.model == "large":
                self.model = "small"  # as after a limit of a service
            return [[0.5, 0.5]] * len(texts)

    large, small = (
        FunctionTeacherClassifier(Client(m).ask, classes=[0, 1]) for m in ("large", "small")
    )
    key = teacher_fingerprint(large, ["a"], None)
    large.func(["a"])
    note_changes(key, large, ["a"], None)
    again = FunctionTeacherClassifier(large.func.__self__.ask, classes=[0, 1])
    assert teacher_fingerprint(again, ["a"], None) == key
    assert teacher_fingerprint(small, ["a"], None) != key


def test_a_cached_property_counts_by_its_code():
    def client(weight):
        class Client:
            @cached_property
            def table(self):
                return {"soup": weight}

            def ask(self, texts):
                return [[self.table.get(text, 0.5), 0.5] for text in texts]

        return Client()

    def key(owner):
        return teacher_fingerprint(FunctionTeacherClassifier(owner.ask, classes=[0, 1]), ["a"], Y)

    used, other = client(0.5), client(0.5)
    used.ask(["soup"])
    assert "table" in vars(used)
    assert key(used) == key(other) != key(client(0.25))


@pytest.mark.parametrize("made", ["vectorize", "frompyfunc"])
def test_what_a_function_makes_of_itself_loses_no_answers(made):
    def score(text):
        return float("soup" in text)

    def ask(texts):
        ask.ready = ask.ready or (np.frompyfunc(score, 1, 1) if made == "frompyfunc" else fast)
        found = np.array([float(ask.ready(text)) for text in texts])
        return np.c_[found, 1 - found]

    fast = np.vectorize(score, otypes=[float])
    ask.ready = None
    teacher = FunctionTeacherClassifier(ask, classes=[0, 1])
    key = teacher_fingerprint(teacher, ["a"], None)
    ask(["a"])
    note_changes(key, teacher, ["a"], None)
    assert teacher_fingerprint(teacher, ["a"], None) == key
