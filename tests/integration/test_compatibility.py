"""Text classifiers among scikit-learn's tools: what works, and what cannot and why."""

import pickle
import subprocess
import sys

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    DetCurveDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    accuracy_score,
    average_precision_score,
    get_scorer,
    log_loss,
    roc_auc_score,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    LearningCurveDisplay,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    ValidationCurveDisplay,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import estimator_html_repr

from conftest import make_topics
from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TextPool,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)

N_TRAIN, N_TEST = 120, 60

QUICK = {"max_epochs": 5, "lr": 0.1, "batch_size": 32, "embedding_dim": 8, "random_state": 0}


def make_student(teacher=None, student_class=DistilledMLPClassifier, **params):
    return student_class(teacher, **QUICK | {"vocabulary_size": 60} | params)


def make_transformer(checkpoint):
    return TransformerTeacherClassifier(
        checkpoint,
        lr=0.01,
        max_epochs=6,
        batch_size=16,
        random_state=0,
        device="cpu",
        precision="fp32",
    )


MODELS = {
    "mlp": lambda checkpoint: make_student(),
    "cnn": lambda checkpoint: make_student(student_class=DistilledCNNClassifier, n_filters=16),
    "rnn": lambda checkpoint: make_student(student_class=DistilledRNNClassifier, hidden_dim=8),
    "baseline": lambda checkpoint: make_tfidf_baseline(C=10),
    "transformer": make_transformer,
}
GRIDS = {name: {"random_state": [0, 1]} for name in MODELS} | {
    "baseline": {"logisticregression__C": [1, 10]}
}


def as_series(texts):
    """Return a pandas column whose index is not the rows' numbers."""
    return pd.Series(texts, index=np.arange(len(texts))[::-1] * 7, name="text")


COLUMNS = {"list": list, "pandas": as_series}


def unless_crossed(kind, column):
    """Spare the whole product: an MLP is given pandas columns, and other models lists."""
    usual = "pandas" if kind == "mlp" else "list"
    return [] if column == usual else [pytest.mark.slow]


@pytest.fixture(scope="module")
def rows():
    """Texts that differ from each other, with labels of three topics."""
    texts, labels = make_topics(N_TRAIN + N_TEST, random_state=1)
    assert len(set(texts)) == N_TRAIN + N_TEST
    return texts, labels


def targets(labels):
    """Return the labels in the forms that classifiers of scikit-learn take."""
    return {
        "topics": labels,
        "binary": labels == "cooking",
        "two outputs": np.column_stack([labels == "cooking", labels == "trains"]).astype(int),
    }


def make_cleaner():
    return FunctionTransformer(lambda texts: [text.replace("<br>", " ") for text in texts])


def frozen(model):
    """Fit on other texts and freeze: what nested tools must not fit again."""
    return FrozenEstimator(model.fit(*make_topics(N_TRAIN, random_state=2)))


def frozen_binary(model):
    texts, labels = make_topics(N_TRAIN, random_state=2)
    return FrozenEstimator(model.fit(texts, labels == "cooking"))


# Name, how a model and its grid become a classifier, what it learns.
WRAPPERS = [
    ("GridSearchCV", lambda m, grid: GridSearchCV(m, grid, cv=2), "topics"),
    (
        "RandomizedSearchCV",
        lambda m, grid: RandomizedSearchCV(m, grid, n_iter=2, cv=2, random_state=0),
        "topics",
    ),
    (
        "HalvingGridSearchCV",
        lambda m, grid: HalvingGridSearchCV(m, grid, factor=2, cv=2, random_state=0),
        "topics",
    ),
    (
        "HalvingRandomSearchCV",
        lambda m, grid: HalvingRandomSearchCV(
            m, grid, n_candidates=2, factor=2, cv=2, random_state=0
        ),
        "topics",
    ),
    ("Calibrated, sigmoid", lambda m, _: CalibratedClassifierCV(m, cv=2), "topics"),
    (
        "Calibrated, isotonic",
        lambda m, _: CalibratedClassifierCV(m, cv=2, method="isotonic"),
        "topics",
    ),
    (
        "Calibrated, temperature",
        lambda m, _: CalibratedClassifierCV(m, cv=2, method="temperature", ensemble=False),
        "topics",
    ),
    ("Calibrated, frozen", lambda m, _: CalibratedClassifierCV(frozen(m), cv=2), "topics"),
    ("TunedThreshold", lambda m, _: TunedThresholdClassifierCV(m, cv=2), "binary"),
    (
        "TunedThreshold, frozen",
        lambda m, _: TunedThresholdClassifierCV(frozen_binary(m), cv="prefit", refit=False),
        "binary",
    ),
    ("FixedThreshold", lambda m, _: FixedThresholdClassifier(m, threshold=0.4), "binary"),
    (
        "Voting, soft",
        lambda m, _: VotingClassifier([("m", m), ("b", make_tfidf_baseline())], voting="soft"),
        "topics",
    ),
    (
        "Voting, hard",
        lambda m, _: VotingClassifier(
            [("m", m), ("b", make_tfidf_baseline()), ("s", make_student())], voting="hard"
        ),
        "topics",
    ),
    (
        "Stacking",
        lambda m, _: StackingClassifier([("m", m), ("b", make_tfidf_baseline())], cv=2),
        "topics",
    ),
    (
        "Stacking, frozen",
        lambda m, _: StackingClassifier([("m", frozen(m))], cv="prefit"),
        "topics",
    ),
    ("OneVsRest", lambda m, _: OneVsRestClassifier(m), "topics"),
    ("OneVsRest, two outputs", lambda m, _: OneVsRestClassifier(m), "two outputs"),
    ("OutputCode", lambda m, _: OutputCodeClassifier(m, random_state=0), "topics"),
    ("MultiOutput", lambda m, _: MultiOutputClassifier(m), "two outputs"),
    ("Pipeline", lambda m, _: make_pipeline(make_cleaner(), m), "topics"),
    (
        "Pipeline, searched",
        lambda m, grid: GridSearchCV(
            make_pipeline(make_cleaner(), m),
            {f"{type(m).__name__.lower()}__{name}": values for name, values in grid.items()},
            cv=2,
        ),
        "topics",
    ),
    ("Frozen", lambda m, _: frozen(m), "topics"),
]
# What students of other kinds are tried in, and what takes a transformer no longer than a second.
SHARED = {
    "GridSearchCV",
    "Calibrated, sigmoid",
    "TunedThreshold",
    "Voting, soft",
    "Stacking",
    "OneVsRest",
    "MultiOutput",
    "Pipeline, searched",
}
BRIEF = {"Calibrated, frozen", "Voting, soft", "Stacking, frozen", "Pipeline"}

WRAPPED = [
    pytest.param(
        *(kind, wrap, target, column),
        id=f"{name}-{kind}-{column}",
        marks=unless_crossed(kind, column),
    )
    for name, wrap, target in WRAPPERS
    for kind in MODELS
    for column in COLUMNS
    if kind in ("mlp", "baseline")
    or (column == "list" and name in (BRIEF if kind == "transformer" else SHARED))
]


@pytest.mark.parametrize(("kind", "wrap", "target", "column"), WRAPPED)
def test_models_learn_inside(rows, tiny_checkpoint, kind, wrap, target, column):
    X, y = rows[0], targets(rows[1])[target]
    as_column = COLUMNS[column]
    model = wrap(MODELS[kind](tiny_checkpoint), GRIDS[kind])
    model.fit(as_column(X[:N_TRAIN]), y[:N_TRAIN])
    predicted = model.predict(as_column(X[N_TRAIN:]))
    assert predicted.shape == y[N_TRAIN:].shape
    assert np.mean(predicted == y[N_TRAIN:]) > 0.85


def test_ensembles_compute_what_their_members_say(rows):
    X, y = rows
    members = [("student", make_student()), ("tfidf", make_tfidf_baseline())]
    student, tfidf = (clone(member).fit(X, y) for _, member in members)
    voting = VotingClassifier(members, voting="soft").fit(X, y)
    mean = (student.predict_proba(X) + tfidf.predict_proba(X)) / 2
    np.testing.assert_allclose(voting.predict_proba(X), mean, rtol=1e-6)
    stacking = StackingClassifier(members, cv=2).fit(X, y)
    features = np.hstack([student.predict_proba(X), tfidf.predict_proba(X)])
    np.testing.assert_allclose(stacking.transform(X), features, rtol=1e-6)
    one_vs_rest = OneVsRestClassifier(make_student()).fit(X, y)
    for topic, own in zip(one_vs_rest.classes_, one_vs_rest.estimators_, strict=True):
        alone = make_student().fit(X, (y == topic).astype(int))
        np.testing.assert_array_equal(own.predict_proba(X), alone.predict_proba(X))
    np.testing.assert_array_equal(
        FrozenEstimator(student).fit(X[:9], y[:9]).predict_proba(X), student.predict_proba(X)
    )


MLP_AND_BASELINE = [
    pytest.param(kind, column, marks=unless_crossed(kind, column))
    for kind in ("mlp", "baseline")
    for column in COLUMNS
]
KINDS_AND_COLUMNS = [*MLP_AND_BASELINE, ("cnn", "list"), ("rnn", "list")]


def by_hand(model, X, y, method):
    """Predict each fold by a model of the others."""
    folds = list(StratifiedKFold(2).split(X, y))
    first = clone(model).fit([X[i] for i in folds[0][0]], y[folds[0][0]])
    shape = np.shape(getattr(first, method)(X))
    out = np.empty(shape, dtype=y.dtype if method == "predict" else float)
    for train, test in folds:
        fitted = clone(model).fit([X[i] for i in train], y[train])
        out[test] = getattr(fitted, method)([X[i] for i in test])
    return out


@pytest.mark.parametrize(("kind", "column"), KINDS_AND_COLUMNS)
@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)
def test_out_of_fold_predictions_are_those_of_the_folds_models(rows, kind, method, column):
    X, y = rows
    model = MODELS[kind](None)
    out = cross_val_predict(model, COLUMNS[column](X), y, cv=2, method=method)
    expected = by_hand(model, X, y, method)
    if method == "predict":
        np.testing.assert_array_equal(out, expected)
    else:
        np.testing.assert_allclose(out, expected, rtol=1e-6)


# Name, how it is called, what must hold of what it returns.
EVALUATIONS = [
    ("cross_val_score", lambda m, X, y: cross_val_score(m, X, y, cv=2), lambda s: s.min() > 0.8),
    (
        "cross_val_score by groups",
        lambda m, X, y: cross_val_score(m, X, y, cv=GroupKFold(2), groups=np.arange(len(y)) % 5),
        lambda s: s.min() > 0.8,
    ),
    (
        "learning_curve",
        lambda m, X, y: learning_curve(m, X, y, cv=2, train_sizes=[0.2, 1.0]),
        lambda r: r[2].mean(axis=1)[1] > max(0.8, r[2].mean(axis=1)[0]),
    ),
    (
        "permutation_test_score",
        lambda m, X, y: permutation_test_score(m, X, y, cv=2, n_permutations=3, random_state=0),
        lambda r: r[0] > 0.8 > r[1].max() and r[2] == 1 / 4,
    ),
]


@pytest.mark.parametrize(("kind", "column"), KINDS_AND_COLUMNS)
@pytest.mark.parametrize(
    ("evaluate", "holds"), [pytest.param(*rest, id=name) for name, *rest in EVALUATIONS]
)
def test_evaluations(rows, kind, evaluate, holds, column):
    assert holds(evaluate(MODELS[kind](None), COLUMNS[column](rows[0]), rows[1]))


def test_validation_curves_vary_a_parameter(rows):
    _, scores = validation_curve(
        make_student(), *rows, cv=2, param_name="lr", param_range=[1e-6, 0.1]
    )
    assert scores[0].max() < 0.6 < 0.8 < scores[1].min()


@pytest.mark.parametrize("kind", ["mlp", "baseline"])
def test_several_scorers_at_once(rows, kind):
    X, y = rows
    scoring = ["accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr", "neg_brier_score"]
    result = cross_validate(
        MODELS[kind](None), X, y, cv=2, scoring=scoring, return_estimator=True, return_indices=True
    )
    for fold, model in enumerate(result["estimator"]):
        test = result["indices"]["test"][fold]
        held_out = [X[i] for i in test]
        proba = model.predict_proba(held_out)
        expected = {
            "accuracy": accuracy_score(y[test], model.predict(held_out)),
            "neg_log_loss": -log_loss(y[test], proba),
            "roc_auc_ovr": roc_auc_score(y[test], proba, multi_class="ovr"),
        }
        for name, value in expected.items():
            assert result[f"test_{name}"][fold] == pytest.approx(value, rel=1e-6)
    assert (result["test_f1_macro"] > 0.8).all()
    assert (result["test_neg_brier_score"] > -0.5).all()


def area_below(x, y):
    return np.trapezoid(y, x)


def varied(model):
    if isinstance(model, DistilledMLPClassifier):
        return {"param_name": "lr", "param_range": [0.08, 0.1]}
    return {"param_name": "logisticregression__C", "param_range": [1, 10]}


# Name, how it is drawn of a binary classifier, what its numbers must be.
DISPLAYS = [
    (
        "ConfusionMatrixDisplay",
        ConfusionMatrixDisplay.from_estimator,
        lambda d, m, X, y: np.trace(d.confusion_matrix) == (m.predict(X) == y).sum(),
    ),
    (
        "RocCurveDisplay",
        RocCurveDisplay.from_estimator,
        lambda d, m, X, y: np.isclose(d.roc_auc, roc_auc_score(y, m.predict_proba(X)[:, 1])),
    ),
    (
        "PrecisionRecallDisplay",
        PrecisionRecallDisplay.from_estimator,
        lambda d, m, X, y: np.isclose(
            d.average_precision, average_precision_score(y, m.predict_proba(X)[:, 1])
        ),
    ),
    (
        "DetCurveDisplay",
        DetCurveDisplay.from_estimator,
        lambda d, m, X, y: d.fpr[0] >= d.fpr[-1] and d.fnr[0] <= d.fnr[-1],
    ),
    (
        "CalibrationDisplay",
        CalibrationDisplay.from_estimator,
        lambda d, m, X, y: np.array_equal(d.y_prob, m.predict_proba(X)[:, 1]),
    ),
    (
        "LearningCurveDisplay",
        lambda m, X, y: LearningCurveDisplay.from_estimator(m, X, y, cv=2, train_sizes=[0.5, 1.0]),
        lambda d, m, X, y: d.test_scores[1].min() > 0.8,
    ),
    (
        "ValidationCurveDisplay",
        lambda m, X, y: ValidationCurveDisplay.from_estimator(m, X, y, cv=2, **varied(m)),
        lambda d, m, X, y: d.test_scores.min() > 0.8,
    ),
]


@pytest.mark.parametrize(("kind", "column"), MLP_AND_BASELINE)
@pytest.mark.parametrize(
    ("draw", "holds"), [pytest.param(*rest, id=name) for name, *rest in DISPLAYS]
)
def test_displays(rows, kind, draw, holds, column):
    X, y = COLUMNS[column](rows[0]), rows[1] == "cooking"
    model = MODELS[kind](None).fit(X, y)
    try:
        assert holds(draw(model, X, y), model, X, y)
    finally:
        plt.close("all")


def test_a_text_column_of_a_table_is_selected_by_a_step(rows):
    X, y = rows
    table = pd.DataFrame({"number": np.arange(len(y)), "text": X})
    by_name = make_pipeline(FunctionTransformer(lambda frame: frame["text"]), make_student())
    by_transformer = make_pipeline(
        ColumnTransformer([("text", "passthrough", ["text"])]),
        FunctionTransformer(np.ravel),
        make_student(),
    )
    alone = make_student().fit(X, y).predict_proba(X)
    for model in (by_name, by_transformer):
        np.testing.assert_array_equal(model.fit(table, y).predict_proba(table), alone)
    vectorizer, regression = (step for _, step in make_tfidf_baseline().steps)
    mixed = make_pipeline(
        ColumnTransformer([("text", vectorizer, "text"), ("n", StandardScaler(), ["number"])]),
        regression,
    )
    assert mixed.fit(table[:N_TRAIN], y[:N_TRAIN]).score(table[N_TRAIN:], y[N_TRAIN:]) > 0.85


def test_bagging_takes_a_table_of_one_text_column(rows):
    X, y = rows
    table = np.array(X, dtype=object)[:, None]
    flat = make_pipeline(FunctionTransformer(np.ravel), make_student())
    bagging = BaggingClassifier(flat, n_estimators=2, random_state=0)
    assert bagging.fit(table[:N_TRAIN], y[:N_TRAIN]).score(table[N_TRAIN:], y[N_TRAIN:]) > 0.85


def stack_beside_the_texts(model, X, y):
    stacking = StackingClassifier([("m", model)], cv=2, passthrough=True)
    return stacking.fit(X, y)


def vote_in_frames(model, X, y):
    voting = VotingClassifier([("m", model)]).set_output(transform="pandas")
    return voting.fit(X, y).transform(X)


def stack_in_frames(model, X, y):
    stacking = StackingClassifier([("m", model)], cv=2).set_output(transform="pandas")
    return stacking.fit(X, y).transform(X)


ONE_DIMENSION = "Expected (2D array|a 2-dimensional container)|could not convert string to float"

# Name, how it is tried, the error, and why it cannot be otherwise.
REFUSALS = [
    # They read X as a matrix of numbers before any member sees it.
    ("AdaBoost", lambda m, X, y: AdaBoostClassifier(m).fit(X, y), ValueError, ONE_DIMENSION),
    ("Bagging", lambda m, X, y: BaggingClassifier(m).fit(X, y), ValueError, ONE_DIMENSION),
    (
        "SelfTraining",
        lambda m, X, y: SelfTrainingClassifier(m).fit(X, np.where(y == "cooking", 1, -1)),
        ValueError,
        ONE_DIMENSION,
    ),
    ("OneVsOne", lambda m, X, y: OneVsOneClassifier(m).fit(X, y), ValueError, ONE_DIMENSION),
    (
        "ClassifierChain",
        lambda m, X, y: ClassifierChain(m).fit(X, targets(y)["two outputs"]),
        ValueError,
        ONE_DIMENSION,
    ),
    (
        "SequentialFeatureSelector",
        lambda m, X, y: SequentialFeatureSelector(m).fit(X, y),
        ValueError,
        ONE_DIMENSION,
    ),
    # It shuffles one column of X after another, and texts are no columns.
    (
        "permutation_importance",
        lambda m, X, y: permutation_importance(m.fit(X, y), X, y),
        (ValueError, IndexError),
        f"{ONE_DIMENSION}|tuple index out of range",
    ),
    # It glues the texts beside its members' probabilities.
    ("Stacking, passthrough", stack_beside_the_texts, ValueError, "same number of dimensions"),
    # Their columns' names ask for n_features_in_, which estimators over texts do not have.
    ("Voting, set_output", vote_in_frames, AttributeError, "not fitted yet"),
    ("Stacking, set_output", stack_in_frames, AttributeError, "not fitted yet"),
    # A classifier transforms nothing.
    (
        "ColumnTransformer",
        lambda m, X, y: ColumnTransformer([("m", m, "text")]).fit(pd.DataFrame({"text": X}), y),
        TypeError,
        "should implement fit and transform",
    ),
    # Ours: which column holds the texts is not guessed.
    (
        "DataFrame",
        lambda m, X, y: m.fit(pd.DataFrame({"text": X}), y),
        ValueError,
        r'table of shape \(180, 1\).*X\["text"\].*FunctionTransformer',
    ),
    (
        "matrix",
        lambda m, X, y: m.fit(np.array(X)[:, None], y),
        ValueError,
        r"table of shape \(180, 1\).*X\[:, 0\].*FunctionTransformer",
    ),
    # Frames between the steps: the cleaned texts would come as a table.
    (
        "Pipeline, set_output",
        lambda m, X, y: make_pipeline(make_cleaner(), m).set_output(transform="pandas").fit(X, y),
        UserWarning,
        "`func` should return a pandas DataFrame",
    ),
]


@pytest.mark.parametrize(("kind", "column"), MLP_AND_BASELINE)
@pytest.mark.parametrize(
    ("attempt", "error", "message"), [pytest.param(*rest, id=name) for name, *rest in REFUSALS]
)
def test_what_cannot_work_says_why(rows, kind, attempt, error, message, column):
    with pytest.raises(error, match=message):
        attempt(MODELS[kind](None), COLUMNS[column](rows[0]), rows[1])


def test_set_output_stops_short_of_classifiers(rows):
    assert not hasattr(make_student(), "set_output")
    with sklearn.config_context(transform_output="pandas"):
        frames = make_student().fit(*rows), make_pipeline(make_student()).fit(*rows)
    plain = make_student().fit(*rows).predict_proba(rows[0])
    for model in frames:
        with sklearn.config_context(transform_output="pandas"):
            np.testing.assert_array_equal(model.predict_proba(rows[0]), plain)


class Recording(DistilledMLPClassifier):
    """A student that writes down what reaches its fits."""

    received: list = []

    def fit(self, X, y, *, sample_weight=None, **params):
        params["sample_weight"] = sample_weight
        Recording.received.append((list(X), params))
        return super().fit(X, y, **params)


# Name, how a student is wrapped, whether it passes metadata on without routing, too.
ROUTERS = [
    ("GridSearchCV", lambda s: GridSearchCV(s, {"random_state": [0, 1]}, cv=2), True),
    (
        "HalvingGridSearchCV",
        lambda s: HalvingGridSearchCV(s, {"random_state": [0, 1]}, factor=2, cv=2),
        True,
    ),
    (
        "RandomizedSearchCV",
        lambda s: RandomizedSearchCV(s, {"random_state": [0, 1]}, n_iter=2, cv=2),
        True,
    ),
    ("Calibrated", lambda s: CalibratedClassifierCV(s, cv=2), True),
    (
        "TunedThreshold",
        lambda s: TunedThresholdClassifierCV(
            s, cv=2, scoring=get_scorer("accuracy").set_score_request(sample_weight=False)
        ),
        False,
    ),
    ("MultiOutput", lambda s: MultiOutputClassifier(s), False),
    ("OneVsRest", lambda s: OneVsRestClassifier(s), False),
    ("Voting", lambda s: VotingClassifier([("s", s)]), False),
    ("Pipeline", lambda s: make_pipeline(make_cleaner(), s), False),
]
ROUTED = [
    pytest.param(wrap, routing, id=f"{name}-{'routed' if routing else 'passed'}")
    for name, wrap, without_routing in ROUTERS
    for routing in ([False, True] if without_routing else [True])
]
POOL = make_topics(50, random_state=3)[0]


@pytest.mark.parametrize("pool", [TextPool(POOL), POOL], ids=["pool", "list"])
@pytest.mark.parametrize(("wrap", "routing"), ROUTED)
def test_metadata_reaches_students_cut_to_their_rows(rows, wrap, routing, pool, monkeypatch):
    monkeypatch.setattr(Recording, "received", [])
    X, y = rows[0], rows[1] == "cooking"
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1], len(X))
    weight = rng.uniform(0.5, 2, len(X))
    student = Recording(DummyClassifier(), **QUICK | {"max_epochs": 1})
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:  # scikit-learn asks to be told of the weights whether they count in scores
            student.set_score_request(sample_weight=False)
        model = wrap(student)
        y = np.column_stack([y, ~y]).astype(int) if isinstance(model, MultiOutputClassifier) else y
        model.fit(X, y, teacher_proba=proba, sample_weight=weight, X_unlabeled=pool)
    assert Recording.received
    row_of = {text: row for row, text in enumerate(X)}
    for texts, params in Recording.received:
        kept = [row_of[text] for text in texts]
        np.testing.assert_array_equal(params["teacher_proba"], proba[kept])
        np.testing.assert_array_equal(params["sample_weight"], weight[kept])
        assert list(params["X_unlabeled"]) == POOL


# What is passed, and how many of its texts reach a fold of half the rows.
POOLS = [
    ("pool, longer", lambda X: TextPool([*X, *POOL]), N_TRAIN + N_TEST + 50),
    ("pool, shorter", lambda X: TextPool(POOL), 50),
    ("pool, as long as X", TextPool, N_TRAIN + N_TEST),
    ("list, longer", lambda X: [*X, *POOL], N_TRAIN + N_TEST + 50),
    ("list, shorter", lambda X: POOL, 50),
    ("list, as long as X", list, (N_TRAIN + N_TEST) // 2),
]


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize(
    ("make_pool", "n_arrived"), [pytest.param(*rest, id=name) for name, *rest in POOLS]
)
def test_only_lists_as_long_as_the_texts_are_cut(rows, make_pool, n_arrived, routing):
    X, y = rows
    n_fold = len(X) // 2
    params = {"X_unlabeled": make_pool(X)}
    student = make_student(make_tfidf_baseline(), max_epochs=1)
    with sklearn.config_context(enable_metadata_routing=routing):
        if n_arrived == n_fold:  # cut, which no size but this one shows
            with pytest.warns(UserWarning, match="exactly as many rows as X"):
                result = cross_validate(student, X, y, cv=2, params=params, return_estimator=True)
        else:
            result = cross_validate(student, X, y, cv=2, params=params, return_estimator=True)
    assert [model.transfer_size_ for model in result["estimator"]] == 2 * [n_fold + n_arrived]


@pytest.mark.parametrize("routing", [False, True])
def test_probabilities_are_cut_to_the_fold(rows, routing):
    X, y = rows
    proba = make_tfidf_baseline().fit(X, y).predict_proba(X)
    with sklearn.config_context(enable_metadata_routing=routing):
        result = cross_validate(
            make_student(),
            X,
            y,
            cv=2,
            params={"teacher_proba": proba},
            return_estimator=True,
            return_indices=True,
        )
    for model, train in zip(result["estimator"], result["indices"]["train"], strict=True):
        by_hand = make_student().fit([X[i] for i in train], y[train], teacher_proba=proba[train])
        np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))


def test_a_pipeline_without_routing_takes_prefixed_metadata(rows):
    pipeline = make_pipeline(make_cleaner(), make_student(make_tfidf_baseline(), max_epochs=1))
    pipeline.fit(*rows, distilledmlpclassifier__X_unlabeled=POOL)
    assert pipeline[-1].transfer_size_ == len(rows[0]) + 50


def test_probabilities_of_other_classes_do_not_pass_one_vs_rest(rows):
    proba = make_tfidf_baseline().fit(*rows).predict_proba(rows[0])
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match=r"teacher_proba.*\(180, 3\)"),
    ):
        OneVsRestClassifier(make_student()).fit(*rows, teacher_proba=proba)


def test_stacking_hands_metadata_to_its_last_estimator_too(rows):
    # scikit-learn's own doing: the last one would have to take X_unlabeled. Voting routes it.
    stacking = StackingClassifier([("s", make_student(make_tfidf_baseline()))], cv=2)
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(TypeError, match="unexpected keyword argument 'X_unlabeled'"),
    ):
        stacking.fit(*rows, X_unlabeled=TextPool(POOL))


# Name, what is computed in two jobs.
PARALLEL = [
    (
        "GridSearchCV",
        lambda m, X, y: (
            GridSearchCV(m, {"embedding_dim": [2, 8]}, cv=2, n_jobs=2)
            .fit(X, y)
            .cv_results_["mean_test_score"]
        ),
    ),
    (
        "cross_val_predict",
        lambda m, X, y: cross_val_predict(m, X, y, cv=2, method="predict_proba", n_jobs=2),
    ),
    (
        "Voting",
        lambda m, X, y: (
            VotingClassifier([("m", m), ("b", make_tfidf_baseline())], voting="soft", n_jobs=2)
            .fit(X, y)
            .predict_proba(X)
        ),
    ),
    (
        "Stacking",
        lambda m, X, y: (
            StackingClassifier([("m", m), ("b", make_tfidf_baseline())], cv=2, n_jobs=2)
            .fit(X, y)
            .predict_proba(X)
        ),
    ),
    (
        "Calibrated",
        lambda m, X, y: CalibratedClassifierCV(m, cv=2, n_jobs=2).fit(X, y).predict_proba(X),
    ),
    ("OneVsRest", lambda m, X, y: OneVsRestClassifier(m, n_jobs=2).fit(X, y).predict_proba(X)),
    ("predict", lambda m, X, y: m.set_params(n_jobs=2).fit(X, y).predict_proba(X)),
]


# Processes take a second or more to start; those of one search stand for all.
@pytest.mark.parametrize(
    ("memory", "compute", "backend"),
    [
        pytest.param(
            *(memory, compute, backend),
            id=f"{backend}-{name}{', memory' * memory}",
            marks=pytest.mark.slow if backend == "loky" and name != "GridSearchCV" else (),
        )
        for name, compute in PARALLEL
        for memory in ([False, True] if name == "GridSearchCV" else [False])
        for backend in ("loky", "threading")
    ],
)
def test_two_jobs_compute_what_one_does(rows, compute, backend, memory, tmp_path):
    X, y = rows

    def computed(backend):
        folder = str(tmp_path / backend) if memory else None
        # Processes would choose the pooling by splits, which takes sixteen trainings.
        student = make_student(make_tfidf_baseline(), memory=folder, pooling="mean")
        with joblib.parallel_config(backend=backend):
            return compute(student, X, y)

    np.testing.assert_array_equal(computed(backend), computed("sequential"))


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("kind", ["mlp", "cnn", "rnn", "baseline", "transformer"])
def test_html_shows_models_before_and_after_a_fit(rows, tiny_checkpoint, kind, in_pipeline):
    model = MODELS[kind](tiny_checkpoint)
    name = "LogisticRegression" if kind == "baseline" else type(model).__name__
    if in_pipeline:
        model = make_pipeline(make_cleaner(), model)
    before = model._repr_mimebundle_()["text/html"]
    assert before.count(name) > 0
    assert "Not fitted" in before
    model.fit(rows[0][:20], rows[1][:20])
    after = estimator_html_repr(model)
    assert after.count(name) > 0
    assert "Not fitted" not in after
    assert "Fitted attributes" in after
    if kind != "baseline":
        assert "n_parameters_" in after


def test_html_of_a_loaded_student_needs_no_torch(rows, tmp_path):
    make_student().fit(*rows).save(tmp_path / "student.skd")
    code = (
        "import sys; from sklearn.pipeline import make_pipeline;"
        "from skdistill import DistilledMLPClassifier;"
        "student = DistilledMLPClassifier.load(sys.argv[1]);"
        "html = student._repr_mimebundle_()['text/html'];"
        "assert 'n_parameters_' in html and 'network_' not in html;"
        "make_pipeline(student)._repr_mimebundle_();"
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "student.skd")]
    subprocess.run(command, check=True, timeout=60)


def test_parameters_of_nested_estimators_are_read_set_and_searched(rows):
    X, y = rows
    pipeline = make_pipeline(make_cleaner(), make_student(make_tfidf_baseline(C=3)))
    name = "distilledmlpclassifier__teacher__logisticregression__C"
    assert pipeline.get_params()[name] == 3
    assert pipeline.set_params(**{name: 5}).get_params()[name] == 5
    assert pipeline[-1].teacher[-1].C == 5
    search = GridSearchCV(
        pipeline, {name: [1e-4, 10.0], "distilledmlpclassifier__embedding_dim": [2, 4]}, cv=2
    )
    search.fit(X, y)
    assert search.best_params_[name] == 10
    size = search.best_params_["distilledmlpclassifier__embedding_dim"]
    assert search.best_estimator_[-1].network_.embedding.weight.shape[1] == size
    voting = VotingClassifier([("s", make_student())]).set_params(s__embedding_dim=3)
    assert voting.fit(X, y).estimators_[0].network_.embedding.weight.shape[1] == 3
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        pipeline.set_params(distilledmlpclassifier__teacher__nonsense=1)


class CountedTeacher(DummyClassifier):
    """A teacher that counts its fits."""

    fits = 0

    def fit(self, X, y, sample_weight=None):
        CountedTeacher.fits += 1
        return super().fit(X, y, sample_weight)


def test_a_grid_fits_the_teacher_once_a_fold_and_a_second_one_never(topics, tmp_path):
    X, y = topics[0][:100], topics[1][:100]
    sizes = {"embedding_dim": [2, 3, 4, 5], "vocabulary_size": [10, 20, 30]}

    def search():
        CountedTeacher.fits = 0
        student = make_student(CountedTeacher(), memory=tmp_path, max_epochs=1)
        return GridSearchCV(student, sizes, cv=5).fit(X, y)

    assert len(search().cv_results_["params"]) == 12
    assert CountedTeacher.fits == 5 + 1
    search()
    assert CountedTeacher.fits == 0


def test_voting_ensemble_as_teacher(topics):
    X, y = topics
    ensemble = VotingClassifier(
        [("a", make_tfidf_baseline()), ("b", make_tfidf_baseline(C=10))], voting="soft"
    )
    assert make_student(ensemble).fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.95


def test_a_transformer_teaches_and_stays_out_of_the_pickle(
    topics, tiny_checkpoint, tmp_path, monkeypatch
):
    X, y = topics
    teacher = TransformerTeacherClassifier(
        tiny_checkpoint, lr=5e-3, max_epochs=3, random_state=0, device="cpu"
    ).fit(X[:400], y[:400])
    student = make_student(FrozenEstimator(teacher), memory=tmp_path, max_epochs=10)
    student.fit(X[:400], y[:400])
    agreement = np.mean(student.predict(X[400:]) == teacher.predict(X[400:]))
    assert agreement > 0.9
    assert len(pickle.dumps(student)) < len(pickle.dumps(teacher)) / 2

    # The same teacher in another process: only what it has learned tells that it is known.
    again = pickle.loads(pickle.dumps(teacher))

    def predict_proba(self, X):
        raise AssertionError("the teacher was asked again")

    monkeypatch.setattr(TransformerTeacherClassifier, "predict_proba", predict_proba)
    other = clone(student).set_params(teacher=FrozenEstimator(again)).fit(X[:400], y[:400])
    np.testing.assert_array_equal(other.predict_proba(X), student.predict_proba(X))
