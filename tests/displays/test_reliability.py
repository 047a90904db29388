import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.multiclass import OneVsRestClassifier

from named_answers import TABLES, NamedAnswers
from skdistill import ReliabilityDisplay, make_tfidf_baseline
from skdistill.metrics._calibration import expected_calibration_error

CLASSES = ["anger", "joy", "love"]


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    return rng.choice(CLASSES, size=400), rng.dirichlet([1, 0.5, 0.3], size=400)


def test_bins_are_those_counted_by_hand(predictions):
    y, proba = predictions
    display = ReliabilityDisplay.from_predictions(y, proba, n_bins=5)
    confidence, predicted = proba.max(axis=1), np.array(CLASSES)[proba.argmax(axis=1)]
    for place in range(5):
        low, high = place / 5, (place + 1) / 5
        rows = [row for row in range(400) if low < confidence[row] <= high]
        assert display.counts[place] == len(rows)
        if rows:
            right = [predicted[row] == y[row] for row in rows]
            assert display.accuracy[place] == pytest.approx(np.mean(right))
            assert display.confidence[place] == pytest.approx(confidence[rows].mean(), rel=1e-6)
    assert display.counts[0] == 0  # of three classes the likeliest has a third at least
    assert display.calibration_error == expected_calibration_error(y, proba, CLASSES, n_bins=5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=30))
def test_bins_are_scikit_learns_of_confidence_and_right(rows):
    right, confidence = np.array([r for r, _ in rows]), np.array([0.5 + c / 2 for _, c in rows])
    proba = np.column_stack([confidence, 1 - confidence])
    # Of equal probabilities the first class is predicted.
    y = np.where(right, "a", "b")
    display = ReliabilityDisplay.from_predictions(y, proba, ["a", "b"], n_bins=1, ax=make_axes())
    # The probabilities are stored in single precision, so only one bin is free of its rounding.
    true, predicted = calibration_curve(right, confidence, n_bins=1)
    assert display.accuracy == pytest.approx(true)
    assert display.confidence == pytest.approx(predicted, rel=1e-5)


def make_axes():
    return Figure().add_subplot()


def test_the_drawing_holds_the_numbers(predictions):
    display = ReliabilityDisplay.from_predictions(*predictions, n_bins=8, name="student")
    filled = display.counts > 0
    points = display.line_.get_xydata()
    np.testing.assert_array_equal(points[:, 0], display.confidence[filled])
    np.testing.assert_array_equal(points[:, 1], display.accuracy[filled])
    values, edges, _ = display.counts_.get_data()
    np.testing.assert_array_equal(values, display.counts)
    np.testing.assert_array_equal(edges, np.linspace(0, 1, 9))
    error = 100 * display.calibration_error
    assert display.line_.get_label() == f"student (calibration error {error:.1f} points)"


def test_grammar():
    display = ReliabilityDisplay([0.6, np.nan], [0.5, np.nan], [4, 0], [0, 0.8, 1])
    axes = make_axes()
    assert display.plot(ax=axes, name="other", line_kw={"linewidth": 9}) is display
    assert (display.ax_, display.figure_) == (axes, axes.figure)
    assert plt.get_fignums() == []
    assert display.line_.get_xydata().tolist() == [[0.6, 0.5]]
    assert display.line_.get_linewidth() == 9
    assert display.line_.get_label() == "other"
    assert display.name is None
    assert "%" in axes.get_ylabel()
    assert "probability" in display.counts_ax_.get_xlabel()
    assert "texts" in display.counts_ax_.get_ylabel()


def test_several_models_share_the_axes_and_differ_in_style(predictions):
    y, proba = predictions
    first = ReliabilityDisplay.from_predictions(y, proba, name="teacher")
    sharper = proba**2 / (proba**2).sum(axis=1, keepdims=True)
    second = ReliabilityDisplay.from_predictions(y, sharper, name="student", ax=first.ax_)
    assert second.counts_ax_ is first.counts_ax_
    assert len(first.ax_.child_axes) == 1
    for style in ("get_color", "get_marker", "get_linestyle"):
        assert getattr(first.line_, style)() != getattr(second.line_, style)()
    legend = [text.get_text() for text in first.counts_ax_.get_legend().get_texts()]
    assert [label.split(" (")[0] for label in legend] == ["calibrated", "teacher", "student"]


def test_nothing_lies_over_the_axes(predictions):
    name = "a student of a rather long name"
    display = ReliabilityDisplay.from_predictions(*predictions, name=name)
    display.figure_.draw_without_rendering()
    boxes = [display.ax_.bbox, display.counts_ax_.bbox]
    boxes += [display.counts_ax_.xaxis.label.get_window_extent()]
    boxes += [display.counts_ax_.get_legend().get_window_extent()]
    assert not any(one.overlaps(two) for row, one in enumerate(boxes) for two in boxes[:row])
    assert all(display.figure_.bbox.contains(*corner) for box in boxes for corner in box.corners())


def test_of_a_fitted_classifier(topics):
    texts, labels = topics
    model = make_tfidf_baseline().fit(texts[:300], labels[:300])
    display = ReliabilityDisplay.from_estimator(model, texts[300:], labels[300:])
    assert display.name == "Pipeline"
    assert display.counts.sum() == 300
    right = model.predict(texts[300:]) == labels[300:]
    assert np.nansum(display.accuracy * display.counts) == pytest.approx(right.sum())


def test_labels_in_a_table_of_one_column_are_a_column(topics):
    texts, labels = topics
    model = make_tfidf_baseline().fit(texts[:300], labels[:300])
    displays = [
        ReliabilityDisplay.from_estimator(model, texts[300:], y)
        for y in (labels[300:], pd.DataFrame({"label": labels[300:]}))
    ]
    assert displays[0].calibration_error == displays[1].calibration_error


@pytest.mark.parametrize("kind", TABLES)
def test_a_classifiers_columns_are_found_by_their_names(topics, kind):
    texts, labels = topics
    model = make_tfidf_baseline().fit(texts[:300], labels[:300])
    plain, named = (
        ReliabilityDisplay.from_estimator(asked, texts[300:], labels[300:])
        for asked in (model, NamedAnswers(model, kind))
    )
    assert named.calibration_error == plain.calibration_error


@pytest.mark.parametrize("names", [["cooking", "trains"], [0, 1]])
def test_a_classifiers_columns_of_labels_are_found_by_their_names(topics, names):
    texts, labels = topics
    y = pd.DataFrame({0: labels == "cooking", 1: labels == "trains"}).astype(int)
    y.columns = names
    model = OneVsRestClassifier(make_tfidf_baseline()).fit(texts[:300], y.to_numpy()[:300])
    named, turned = NamedAnswers(model, names=names), y[300:].iloc[:, ::-1]
    plain, found = (
        ReliabilityDisplay.from_estimator(asked, texts[300:], tested)
        for asked, tested in [(model, y.to_numpy()[300:]), (named, y[300:])]
    )
    assert found.calibration_error == plain.calibration_error
    if names == [0, 1]:
        with pytest.raises(ValueError, match=r"columns \['1', '0'\], so these may be places"):
            ReliabilityDisplay.from_estimator(named, texts[300:], turned)
        return
    found = ReliabilityDisplay.from_estimator(named, texts[300:], turned)
    assert found.calibration_error == plain.calibration_error


def test_of_several_labels_each_is_a_question():
    y, proba = [[1, 0], [0, 0]], [[0.9, 0.3], [0.6, 0.1]]
    display = ReliabilityDisplay.from_predictions(y, proba, n_bins=2)
    assert display.counts.tolist() == [0, 4]
    assert display.accuracy[1] == 0.75  # the label of 0.6 is not there
    assert display.confidence[1] == pytest.approx((0.9 + 0.7 + 0.6 + 0.9) / 4)


@pytest.mark.parametrize("names", [["food", "travel"], [0, 1], [1, 0]])
def test_columns_of_labels_are_aligned_by_their_names(names):
    y = pd.DataFrame([[1, 0], [0, 0], [1, 1]], columns=names)
    proba = pd.DataFrame([[0.9, 0.3], [0.6, 0.1], [0.8, 0.2]], columns=names)
    errors = {
        ReliabilityDisplay.from_predictions(labels, answers).calibration_error
        for labels in (y, y.iloc[:, ::-1])
        for answers in (proba, proba.iloc[:, ::-1], proba.iloc[:, ::-1].to_dict("records"))
    }
    [error] = errors
    plain = ReliabilityDisplay.from_predictions(y.to_numpy(), proba.to_numpy())
    assert error == pytest.approx(plain.calibration_error)
    with pytest.raises(ValueError, match="y_proba has the columns"):
        ReliabilityDisplay.from_predictions(y.set_axis(["a", "b"], axis=1), proba.add_suffix("s"))


def test_what_does_not_fit_is_refused(predictions):
    y, proba = predictions
    with pytest.raises(ValueError, match=r"proba must have shape \(400, 2\)"):
        ReliabilityDisplay.from_predictions(np.where(y == "joy", "joy", "love"), proba)
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        ReliabilityDisplay.from_predictions(y, proba, n_bins=0)
    with pytest.raises(ValueError, match="counts and accuracy must have the same number"):
        ReliabilityDisplay([0.5], [0.5, 0.6], [3], [0, 1]).plot()
    with pytest.raises(ValueError, match="bin_edges"):
        ReliabilityDisplay([0.5], [0.5], [3], [0, 0.5, 1]).plot()
