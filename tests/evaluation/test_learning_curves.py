import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, learning_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdistill import (
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    LearningCurvesDisplay,
    make_tfidf_baseline,
)
from skdistill.displays._style import LINE_STYLES


@pytest.fixture(scope="module")
def texts(topics):
    return topics[0][:240], topics[1][:240]


class Counter(ClassifierMixin, BaseEstimator):
    """Notes how many texts, labelled and unlabelled, it is fitted to."""

    seen: list = []

    def fit(self, X, y, X_unlabeled=None):
        self.classes_ = np.unique(y)
        self.seen.append((len(X), None if X_unlabeled is None else len([*X_unlabeled])))
        return self

    def predict(self, X):
        return np.resize(self.classes_, len(X))


def test_scores_are_scikit_learns_on_the_same_texts(texts):
    X, y = texts
    models = {"C=1": make_tfidf_baseline(), "C=9": make_tfidf_baseline(9)}
    display = LearningCurvesDisplay.from_estimators(
        models, X, y, train_sizes=[30, 160], cv=3, random_state=5
    )
    assert display.train_sizes.tolist() == [30, 160]
    drawn = int(np.random.RandomState(5).randint(2**31 - 1))
    for name, model in models.items():
        _, _, expected = learning_curve(
            model,
            *(X, y),
            train_sizes=[30, 160],
            cv=StratifiedKFold(3),
            shuffle=True,
            random_state=drawn,
        )
        np.testing.assert_array_equal(display.test_scores[name], expected)


def test_frozen_models_have_level_curves(texts):
    X, y = texts
    frozen = FrozenEstimator(make_tfidf_baseline().fit(X[:60], y[:60]))
    display = LearningCurvesDisplay.from_estimators(
        {"teacher": frozen, "LR": make_tfidf_baseline()},
        *(X, y),
        train_sizes=[0.2, 1.0],
        cv=3,
        scoring="f1_macro",
    )
    folds = [test for _, test in StratifiedKFold(3).split(X, y)]
    scores = [
        f1_score(y[test], frozen.predict([X[row] for row in test]), average="macro")
        for test in folds
    ]
    np.testing.assert_allclose(display.test_scores["teacher"], [scores, scores])
    assert list(display.test_scores) == ["teacher", "LR"]
    assert display.score_name == "f1 macro"


def test_unlabelled_texts_reach_those_that_take_them_uncut(texts, monkeypatch):
    X, y = texts
    monkeypatch.setattr(Counter, "seen", [])
    models = {"counter": Counter(), "LR": make_tfidf_baseline()}
    # As many as labelled texts: scikit-learn would cut a list of this length to the fold.
    pool = [f"text {number}" for number in range(len(X))]
    LearningCurvesDisplay.from_estimators(
        models, X, y, X_unlabeled=pool, train_sizes=[50, 100], cv=2
    )
    assert Counter.seen == [(50, 240), (100, 240)] * 2


def test_grammar_and_numbers():
    scores = {"a": [[0.5, 0.7], [0.8, 0.8]], "b": [[0.4, 0.4], [0.5, 0.7]]}
    axes = Figure().add_subplot()
    display = LearningCurvesDisplay([100, 1000], scores)
    assert display.plot(ax=axes, errorbar_kw={"linewidth": 7}) is display
    assert display.test_scores is scores
    assert (display.ax_, display.figure_) == (axes, axes.figure)
    assert plt.get_fignums() == []
    line, _, (bars,) = display.errorbar_[0]
    np.testing.assert_allclose(line.get_xydata(), [[100, 0.6], [1000, 0.8]])
    np.testing.assert_allclose(bars.get_segments()[0], [[100, 0.5], [100, 0.7]])
    assert line.get_linewidth() == 7
    styles = [container[0] for container in display.errorbar_]
    assert [line.get_marker() for line in styles] == [style.marker for style in LINE_STYLES[:2]]
    for style in ("get_color", "get_marker", "get_linestyle"):
        assert len({getattr(line, style)() for line in styles}) == 2
    axes.figure.draw_without_rendering()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["100", "1k"]
    assert "labelled training texts" in axes.get_xlabel()
    assert "%" in axes.get_ylabel()
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    assert not legend.get_window_extent().overlaps(axes.bbox)


def test_another_score_is_named_as_it_is():
    display = LearningCurvesDisplay([9], {"a": [[0.5]]}, score_name="f1 macro").plot()
    assert display.ax_.get_ylabel() == "f1 macro"


def test_scores_that_are_losses_are_named_with_their_sign(texts):
    model = {"LR": make_tfidf_baseline()}
    options = {"train_sizes": [100], "cv": 2, "scoring": "neg_log_loss"}
    display = LearningCurvesDisplay.from_estimators(model, *texts, **options)
    assert (display.test_scores["LR"] < 0).all()
    assert display.score_name == "negative log loss"


def test_what_cannot_be_drawn_is_refused(texts):
    X, y = texts
    draw = LearningCurvesDisplay.from_estimators
    with pytest.raises(ValueError, match="estimators is empty"):
        draw({}, X, y)
    with pytest.raises(ValueError, match="X and y must have the same number"):
        draw({"a": Counter()}, X, y[:5])
    with pytest.raises(ValueError, match="All estimators are frozen"):
        draw({"a": FrozenEstimator(make_tfidf_baseline().fit(X, y))}, X, y)
    with pytest.raises(ValueError, match="test_scores is empty"):
        LearningCurvesDisplay([1], {}).plot()
    assert plt.get_fignums() == []
    with pytest.raises(ValueError, match=r"test_scores\['a'\] .* got shape \(2,\)"):
        LearningCurvesDisplay([1, 2], {"a": [0.5, 0.6]}).plot()
    with pytest.raises(ValueError, match=r"test_scores\['a'\] .* got shape \(1, 1\)"):
        LearningCurvesDisplay([1, 2], {"a": [[0.5]]}).plot()


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: make_pipeline(FunctionTransformer(), t)])
def test_a_function_is_asked_for_each_text_once(texts, wrap):
    X, y = (part[:60] for part in texts)
    asked = []

    def func(some):
        asked.extend(some)
        return [y[X.index(text)] for text in some]

    display = LearningCurvesDisplay.from_estimators(
        {"function": wrap(FunctionTeacherClassifier(func)), "LR": make_tfidf_baseline()},
        X,
        y,
        train_sizes=[20, 30],
        cv=3,
    )
    assert sorted(asked) == sorted(X)
    assert display.test_scores["function"].tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_names_of_several_labels_reach_a_function_that_answers_by_name(container):
    X = [f"word{i % 5} more{i % 3}" for i in range(60)]
    y = container(
        {"b": [int(i % 5 == 0) for i in range(60)], "a": [i % 3 and 1 for i in range(60)]}
    )

    def func(some):
        return [{"a": float("more0" not in text), "b": float("word0" in text)} for text in some]

    teacher = FunctionTeacherClassifier(func)
    display = LearningCurvesDisplay.from_estimators(
        {"function": teacher, "student": DistilledMLPClassifier(teacher, max_epochs=1)},
        *(X, y),
        train_sizes=[20, 30],
        cv=3,
    )
    assert display.test_scores["function"].tolist() == [[1.0] * 3] * 2
