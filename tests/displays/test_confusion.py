import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from skdistill import ConfusionMatricesDisplay, make_tfidf_baseline

LONG_NAMES = [f"a rather long name of class {place}" for place in range(14)]


@pytest.fixture
def labels():
    return np.random.default_rng(0).choice(LONG_NAMES, size=(3, 500))


def test_matrices_are_scikit_learns(labels):
    y, *predicted = labels
    display = ConfusionMatricesDisplay.from_predictions(
        y, {"teacher": predicted[0], "student": predicted[1]}
    )
    shares = confusion_matrix(y, predicted[1], normalize="true")
    assert (
        display.confusion_matrices["student"].tolist() == confusion_matrix(y, predicted[1]).tolist()
    )
    np.testing.assert_allclose(display.im_[1].get_array(), 100 * shares)
    for (row, column), share in np.ndenumerate(shares):
        text = display.text_[1][row, column].get_text()
        assert text == ("" if share == 0 else "<1" if share < 0.005 else f"{100 * share:.0f}")
    assert [axes.get_title() for axes in display.ax_] == ["teacher", "student"]
    # One scale for both.
    assert {image.get_clim() for image in display.im_} == {(0, 100)}
    assert "%" in display.colorbar_.ax.get_ylabel()


def overlapping(boxes):
    return [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]


@pytest.mark.parametrize("n_classes", [2, 14])
def test_nothing_overlaps(n_classes):
    names = LONG_NAMES[:n_classes]
    y, first, second = np.random.default_rng(0).choice(names, size=(3, 500))
    display = ConfusionMatricesDisplay.from_predictions(y, {"teacher": first, "student": second})
    display.figure_.draw_without_rendering()
    inside = display.figure_.bbox.padded(1)
    for axes in display.ax_:
        names = [text.get_window_extent() for text in axes.get_xticklabels()]
        if axes is display.ax_[0]:
            names += [text.get_window_extent() for text in axes.get_yticklabels()]
        boxes = [*names, axes.bbox, axes.title.get_window_extent()]
        boxes.append(axes.xaxis.label.get_window_extent())
        assert not overlapping(boxes)
        assert all(inside.contains(*corner) for box in boxes for corner in box.corners())
    cells = [text for text in display.text_[0].ravel() if text.get_text()]
    assert not overlapping([text.get_window_extent() for text in cells])


def test_names_of_many_classes_do_not_overlap():
    names = [f"intent {place}" for place in range(150)]
    display = ConfusionMatricesDisplay.from_predictions(names, {"student": names})
    display.figure_.draw_without_rendering()
    for ticks in (display.ax_[0].get_xticklabels(), display.ax_[0].get_yticklabels()):
        boxes = [text.get_window_extent() for text in ticks]
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


def test_names_of_models_do_not_overlap():
    names = ["distilled MLP, mean + attention pooling", "teacher: MiniLM-L6, fine-tuned on labels"]
    display = ConfusionMatricesDisplay(dict.fromkeys(names, np.eye(2))).plot()
    display.figure_.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in display.ax_]
    assert not overlapping(boxes)
    assert all(display.figure_.bbox.contains(*corner) for box in boxes for corner in box.corners())
    assert [axes.get_title().replace("\n", " ") for axes in display.ax_] == names


def test_names_of_classes_are_no_formulas():
    display = ConfusionMatricesDisplay({"a": np.eye(2)}, display_labels=["$_$", "b"]).plot()
    display.figure_.draw_without_rendering()
    assert [text.get_text() for text in display.ax_[0].get_xticklabels()] == ["$_$", "b"]


def test_labels_in_a_table_of_one_column_are_a_column():
    column = pd.DataFrame({"label": ["a", "b", "b"]})
    display = ConfusionMatricesDisplay.from_predictions(column, {"m": ["a", "b", "a"]})
    assert display.confusion_matrices["m"].tolist() == [[1, 0], [1, 1]]


def test_numbers_are_left_out_of_small_cells_or_on_demand():
    names = [f"c{place}" for place in range(21)]
    many = ConfusionMatricesDisplay.from_predictions(names, {"a": names})
    assert many.text_ is None
    few = ConfusionMatricesDisplay({"a": np.eye(2)}).plot(include_values=False)
    assert few.text_ is None
    assert [text.get_text() for text in few.ax_[0].get_xticklabels()] == ["0", "1"]


def test_numbers_can_be_read_on_their_cells():
    display = ConfusionMatricesDisplay({"a": np.array([[1, 0], [1, 99]])}).plot()
    assert display.text_[0][1, 1].get_color() == "black"  # on the lightest
    assert display.text_[0][1, 0].get_color() == "white"  # on the darkest
    assert display.text_[0][1, 0].get_text() == "1"


def test_a_class_without_texts_has_no_shares():
    display = ConfusionMatricesDisplay.from_predictions(["a", "a"], {"m": ["a", "b"]})
    shares = np.ma.filled(display.im_[0].get_array(), np.nan)
    np.testing.assert_array_equal(shares, [[50, 50], [np.nan, np.nan]])
    assert display.text_[0][1, 0].get_text() == ""


def test_grammar():
    matrices, figure = {"a": np.eye(2), "b": np.eye(2)}, Figure()
    axes = figure.subplots(1, 2)
    display = ConfusionMatricesDisplay(matrices, display_labels=["x", "y"])
    found = display.plot(
        ax=axes, cmap="viridis", im_kw={"alpha": 0.5}, text_kw={"color": "red", "fontsize": 3}
    )
    assert found is display
    assert display.confusion_matrices is matrices
    assert display.ax_.tolist() == axes.tolist()
    assert display.figure_ is figure
    assert plt.get_fignums() == []
    assert (display.im_[0].get_cmap().name, display.im_[0].get_alpha()) == ("viridis", 0.5)
    assert (display.text_[0][0, 0].get_color(), display.text_[0][0, 0].get_fontsize()) == ("red", 3)


def test_of_fitted_classifiers(topics):
    texts, labels = topics
    models = {C: make_tfidf_baseline(C).fit(texts[:300], labels[:300]) for C in (0.01, 10)}
    display = ConfusionMatricesDisplay.from_estimators(
        models, texts[300:], labels[300:], labels=["trains", "sailing", "cooking"]
    )
    expected = confusion_matrix(
        labels[300:], models[10].predict(texts[300:]), labels=["trains", "sailing", "cooking"]
    )
    assert display.confusion_matrices[10].tolist() == expected.tolist()
    assert display.display_labels == ["trains", "sailing", "cooking"]


def test_what_cannot_be_drawn_is_refused():
    draw = ConfusionMatricesDisplay.from_predictions
    with pytest.raises(ValueError, match="dict with at least one"):
        draw(["a"], {})
    with pytest.raises(ValueError, match="dict with at least one"):
        draw(["a"], ["a"])
    with pytest.raises(ValueError, match=r"y_true is multilabel.*y_true\[:, 0\]"):
        draw([[0, 1]], {"m": [[0, 1]]})
    with pytest.raises(ValueError, match="must have the same number of rows"):
        draw(["a", "b"], {"m": ["a"]})
    with pytest.raises(ValueError, match="confusion_matrices is empty"):
        ConfusionMatricesDisplay({}).plot()
    with pytest.raises(ValueError, match=r"\['b'\] has shape \(3, 3\), but the first matrix has 2"):
        ConfusionMatricesDisplay({"a": np.eye(2), "b": np.eye(3)}).plot()
    with pytest.raises(ValueError, match="classes and display_labels"):
        ConfusionMatricesDisplay({"a": np.eye(2)}, display_labels=["x"]).plot()
    with pytest.raises(ValueError, match="confusion_matrices and ax"):
        ConfusionMatricesDisplay({"a": np.eye(2)}).plot(ax=Figure().subplots(1, 2))
