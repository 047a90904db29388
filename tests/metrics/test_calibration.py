import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.metrics import log_loss

from skdistill.metrics._calibration import (
    CalibrationBins,
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
)

PROBA = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]])

EPSILON = float(np.finfo(np.float32).eps)


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


def test_a_confidence_on_an_edge_is_in_the_bin_below():
    # Of four bins, (1/2, 3/4] takes both confidences, and their errors of 1/4 and -1/5 offset.
    proba = [[0.75, 0.25], [0.7, 0.3], [0.2, 0.8]]
    bins = CalibrationBins.of(["a", "b", "b"], proba, ["a", "b"], n_bins=4)
    assert bins.n_texts.tolist() == [0, 0, 2, 1]
    assert bins.n_right.tolist() == [0, 0, 1, 1]
    expected = (abs(0.75 + 0.7 - 1) + abs(0.8 - 1)) / 3
    assert bins.calibration_error == pytest.approx(expected, abs=1e-6)
    halves = CalibrationBins.of(["a", "b"], [[0.5, 0.5], [0.0, 1.0]], ["a", "b"], n_bins=4)
    assert halves.n_texts.tolist() == [0, 1, 0, 1]


def test_classes_are_the_sorted_labels_unless_given():
    y_true, proba, classes = random_predictions()
    expected = expected_calibration_error(y_true, proba, classes)
    assert expected_calibration_error(y_true, proba) == expected
    # A label without texts has a column, too, which only `classes` can say.
    with pytest.raises(ValueError, match=r"must have shape \(2, 2\)"):
        expected_calibration_error(["a", "b"], PROBA[:2])


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
        ({"y_true": ["a", "A", "b", "c"]}, r"y_true\[1\] is 'A', a label that is not in classes"),
        ({"y_true": [0, 0, 1, 2]}, "y_true contains numbers, such as 0, but classes contains str"),
        ({"y_true": ["a", "b", None, "c"]}, r"y_true\[2\] is missing"),
        ({"y_true": np.eye(4)}, r"y_true must contain one label per text, but has shape \(4, 4\)"),
    ],
)
def test_calibration_error_says_what_does_not_fit(changes, message):
    arguments = {"y_true": list("aabc"), "proba": PROBA, "classes": list("abc"), **changes}
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(**arguments)


# ---- temperature


def make_overconfident(n_texts=400, n_classes=4, sharpness=3.0):
    """Make true probabilities, labels drawn from them, and the same probabilities sharpened."""
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.ones(n_classes), size=n_texts)
    codes = (true.cumsum(axis=1) > rng.random((n_texts, 1))).argmax(axis=1)
    sharpened = true**sharpness
    return true, codes, sharpened / sharpened.sum(axis=1, keepdims=True)


def test_applied_temperature_is_torchs_softmax_of_divided_logits():
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    proba = logits.softmax(dim=1).numpy()
    for temperature in (0.5, 1.0, 2.0, 10.0):
        expected = (logits / temperature).softmax(dim=1).numpy()
        np.testing.assert_allclose(apply_temperature(proba, temperature), expected, atol=1e-6)


def test_applied_temperature_keeps_the_type_and_a_temperature_of_one_everything():
    proba = PROBA.astype(np.float32)
    assert apply_temperature(proba, 2.0).dtype == np.float32
    assert apply_temperature(PROBA, 2.0).dtype == np.float64
    assert apply_temperature([[1, 0]], 2.0).dtype == np.float64
    certain = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(apply_temperature(certain, 1.0), certain)


def test_probabilities_of_zero_count_as_float32s_epsilon():
    softened = apply_temperature(np.eye(2), 2.0)
    root = np.sqrt(EPSILON)
    np.testing.assert_allclose(softened, np.array([[1, root], [root, 1]]) / (1 + root), rtol=1e-6)
    assert np.isfinite(apply_temperature(np.eye(2), 0.001)).all()
    assert np.isfinite(fit_temperature(np.eye(2), [1, 0]))


def test_fitted_temperature_has_the_lowest_log_loss_on_a_grid():
    _, codes, proba = make_overconfident()
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 301))
    losses = [log_loss(codes, apply_temperature(proba, temperature)) for temperature in grid]
    found = fit_temperature(proba, codes)
    assert found == pytest.approx(grid[np.argmin(losses)], rel=0.02)
    assert log_loss(codes, apply_temperature(proba, found)) <= min(losses) + 1e-9


def test_fitted_temperature_is_that_of_torchs_optimiser():
    _, codes, proba = make_overconfident()
    log_proba, targets = torch.from_numpy(proba).clamp(min=EPSILON).log(), torch.from_numpy(codes)
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature], max_iter=50)

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(log_proba / log_temperature.exp(), targets)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert fit_temperature(proba, codes) == pytest.approx(log_temperature.exp().item(), rel=1e-4)


def test_fitted_temperature_undoes_a_temperature():
    true, codes, sharpened = make_overconfident(n_texts=20_000)
    temperature = fit_temperature(sharpened, codes)
    assert temperature == pytest.approx(3.0, rel=0.05)
    assert fit_temperature(true, codes) == pytest.approx(temperature / 3, rel=1e-3)


def test_fitted_temperature_stays_in_its_range():
    assert 0.05 <= fit_temperature([[0.9, 0.1]] * 3, [0, 0, 0]) < 0.1
    assert fit_temperature([[0.9, 0.1]] * 3, [1, 1, 1]) == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize(
    ("proba", "codes", "message"),
    [
        (PROBA, [0, 1, 2], "proba and codes must have the same number of rows"),
        (PROBA, [0, 1, 2, 3], "column numbers from 0 to 2"),
        (PROBA, [0, 1, 2, -1], "column numbers from 0 to 2"),
        (PROBA, list("abca"), "column numbers from 0 to 2"),
        (PROBA * 2, [0, 1, 2, 0], "sums to 2"),
        (PROBA[0], [0, 1, 2], r"\(n_texts, n_classes\), but has shape \(3,\)"),
        (PROBA[:0], [], "no rows"),
    ],
)
def test_fitting_a_temperature_says_what_does_not_fit(proba, codes, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(proba, codes)


@pytest.mark.parametrize(
    ("proba", "temperature", "message"),
    [
        (PROBA, 0, "temperature must be positive, got 0"),
        (PROBA, float("nan"), "temperature must be positive, got nan"),
        (PROBA * 2, 1.0, "sums to 2"),
        (PROBA[0], 2.0, "of shape"),
    ],
)
def test_applying_a_temperature_says_what_does_not_fit(proba, temperature, message):
    with pytest.raises(ValueError, match=message):
        apply_temperature(proba, temperature)


def test_means_of_bins_with_one_text_and_with_none():
    bins = CalibrationBins.of(["a", "b"], [[0.9, 0.1], [0.6, 0.4]], ["a", "b"], n_bins=4)
    np.testing.assert_allclose(bins.confidence, [np.nan, np.nan, 0.6, 0.9], atol=1e-6)
    np.testing.assert_array_equal(bins.accuracy, [np.nan, np.nan, 0, 1])


def test_named_columns_are_aligned():
    y = ["food", "travel"]
    table = pd.DataFrame([[0.9, 0.1], [0.2, 0.8]], columns=y)
    expected = expected_calibration_error(y, table.to_numpy(), y)
    for module in (pd, pl):
        turned = module.DataFrame(table.to_dict("list"))[["travel", "food"]]
        assert expected_calibration_error(y, turned, y) == expected
    assert expected_calibration_error(y, turned.to_struct(), y) == expected
    numbered = table.set_axis([0, 1], axis=1)[[1, 0]]
    assert expected_calibration_error([0, 1], numbered, [0, 1]) == expected
