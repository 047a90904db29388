import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from skdistill import (
    DistilledMLPClassifier,
    TrainingHistoryDisplay,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)


@pytest.fixture(scope="module")
def student(topics):
    X, y = topics[0][:120], topics[1][:120]
    teacher = make_tfidf_baseline(10)
    options = {"max_epochs": 4, "gold_epochs": 2, "early_stopping": True, "n_iter_no_change": 9}
    return DistilledMLPClassifier(teacher, random_state=0, **options).fit(X, y)


def test_curves_are_the_students_history(student):
    display = TrainingHistoryDisplay.from_estimator(student)
    assert [epoch["epoch"] for epoch in student.history_] == [1, 2, 3, 4, 1, 2]
    assert display.n_gold_epochs == 2
    train, held_out = display.lines_
    expected = [epoch["train_loss"] for epoch in student.history_]
    x, y = train.get_data()
    assert [*x] == [1, 2, 3, 4, 4.5, 5, 6]
    np.testing.assert_array_equal(y, [*expected[:4], np.nan, *expected[4:]])
    expected = [epoch["valid_loss"] for epoch in student.history_[:4]]
    np.testing.assert_array_equal(held_out.get_ydata(), [*expected, np.nan, np.nan, np.nan])
    assert train.get_label() == "DistilledMLPClassifier, training texts"
    assert display.gold_line_.get_xdata() == [4.5, 4.5]
    assert display.ax_.get_ylabel() == "loss: KL divergence, nats per text"
    assert "epoch" in display.ax_.get_xlabel()


def test_grammar():
    losses, axes = {"training texts": [3.0, 2.0]}, Figure().add_subplot()
    display = TrainingHistoryDisplay(losses)
    assert display.plot(ax=axes, line_kw={"linewidth": 7}) is display
    assert display.losses is losses
    assert (display.ax_, display.figure_) == (axes, axes.figure)
    assert plt.get_fignums() == []
    assert display.gold_line_ is None
    assert display.lines_[0].get_linewidth() == 7
    assert display.lines_[0].get_label() == "training texts"
    second = TrainingHistoryDisplay(losses, name="b").plot(ax=axes)
    for style in ("get_color", "get_marker", "get_linestyle"):
        assert getattr(second.lines_[0], style)() != getattr(display.lines_[0], style)()
    axes.figure.draw_without_rendering()
    assert not axes.get_legend().get_window_extent().overlaps(axes.bbox)


def test_a_teachers_loss_is_its_cross_entropy(topics, tiny_checkpoint):
    teacher = TransformerTeacherClassifier(tiny_checkpoint, max_epochs=2, random_state=0)
    teacher.fit(topics[0][:12], topics[1][:12])
    display = TrainingHistoryDisplay.from_estimator(teacher)
    assert display.losses["training texts"] == [epoch["train_loss"] for epoch in teacher.history_]
    assert display.ax_.get_ylabel() == "loss: cross-entropy, nats"
    assert display.n_gold_epochs == 0


def test_what_has_no_history_is_refused():
    with pytest.raises(ValueError, match="DistilledMLPClassifier has no history of losses"):
        TrainingHistoryDisplay.from_estimator(DistilledMLPClassifier())
    with pytest.raises(ValueError, match="losses is empty"):
        TrainingHistoryDisplay({}).plot()
    with pytest.raises(ValueError, match="the first losses and b must have the same number"):
        TrainingHistoryDisplay({"a": [1, 2], "b": [1]}).plot()
