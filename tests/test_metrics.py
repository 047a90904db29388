import numpy as np
import pytest

from skdistill.metrics import expected_calibration_error, fidelity, retention

PROBA = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]])


def random_predictions(n_texts=500, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    classes = np.array(["fear", "joy", "love", "rage"])[:n_classes]
    proba = rng.dirichlet(np.full(n_classes, 0.5), size=n_texts)
    return rng.choice(classes, size=n_texts), proba, classes


def calibration_error_bin_by_bin(y_true, proba, classes, n_bins):
    """Equation 3 of Guo et al. (2017), written out: bins (i/n, (i+1)/n]."""
    confidence, predicted = proba.max(axis=1), classes[proba.argmax(axis=1)]
    total = 0.0
    for i in range(n_bins):
        inside = (confidence > i / n_bins) & (confidence <= (i + 1) / n_bins)
        if inside.any():
            accuracy = (predicted[inside] == y_true[inside]).mean()
            total += inside.mean() * abs(accuracy - confidence[inside].mean())
    return total


def test_fidelity_is_the_share_of_equal_labels():
    assert fidelity(["a", "b", "c", "a"], np.array(["a", "c", "c", "b"])) == 0.5


def test_fidelity_of_probabilities_compares_the_likeliest_classes():
    student = np.array([[0.4, 0.3, 0.3], [0.6, 0.3, 0.1], [0.0, 0.1, 0.9], [0.2, 0.7, 0.1]])
    assert fidelity(PROBA, student) == 0.5
    assert fidelity(PROBA, [0, 1, 2, 0]) == 1.0


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        (["a", "b"], ["a"], "teacher and student must have the same number of rows.* 2 and 1"),
        (PROBA, PROBA[:, :2], "same classes, but have 3 and 2 columns"),
        ([], [], "no rows"),
        (PROBA[None], PROBA[None], "teacher must be labels"),
    ],
)
def test_fidelity_says_what_does_not_fit(teacher, student, message):
    with pytest.raises(ValueError, match=message):
        fidelity(teacher, student)


def test_retention():
    assert retention(0.9, 0.45) == 0.5
    assert retention(0.5, 0.6) == pytest.approx(1.2)
    with pytest.raises(ValueError, match="teacher_score must be positive, got 0"):
        retention(0.0, 0.5)


@pytest.mark.parametrize("n_bins", [1, 5, 15, 40])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_calibration_error_equals_the_formula(n_bins, n_classes):
    y_true, proba, classes = random_predictions(n_classes=n_classes)
    expected = calibration_error_bin_by_bin(y_true, proba, classes, n_bins)
    found = expected_calibration_error(y_true, proba, classes, n_bins=n_bins)
    assert found == pytest.approx(expected, abs=1e-6)


def test_calibration_error_has_15_bins_by_default():
    y_true, proba, classes = random_predictions()
    expected = calibration_error_bin_by_bin(y_true, proba, classes, 15)
    assert expected_calibration_error(y_true, proba, classes) == pytest.approx(expected, abs=1e-6)


def test_calibration_error_at_its_ends():
    certain = np.eye(2)[[0, 1, 0]]
    assert expected_calibration_error(["a", "b", "a"], certain, ["a", "b"]) == 0
    assert expected_calibration_error(["b", "a", "b"], certain, ["a", "b"]) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"proba": PROBA[:3]}, r"proba must have shape \(4, 3\)"),
        ({"proba": PROBA * 2}, "sums to 2"),
        ({"classes": ["a", "b"]}, r"proba must have shape \(4, 2\)"),
        ({"n_bins": 0}, "n_bins must be at least 1, got 0"),
        ({"y_true": []}, "no rows"),
    ],
)
def test_calibration_error_says_what_does_not_fit(changes, message):
    arguments = {"y_true": list("aabc"), "proba": PROBA, "classes": list("abc"), **changes}
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(**arguments)
