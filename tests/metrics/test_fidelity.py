import tracemalloc

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import log_loss

from skdistill import make_tfidf_baseline
from skdistill.metrics._fidelity import (
    apply_temperature,
    expected_calibration_error,
    fidelity,
    fit_temperature,
    paired_bootstrap,
    retention,
    word_order_sensitivity,
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
        (PROBA[0], [0, 1, 2], r"two dimensions, not shape \(3,\)"),
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
        (PROBA[0], 2.0, "two dimensions"),
    ],
)
def test_applying_a_temperature_says_what_does_not_fit(proba, temperature, message):
    with pytest.raises(ValueError, match=message):
        apply_temperature(proba, temperature)


# ---- word order


class Rule:
    """A classifier by a function of each text; it keeps what it was asked."""

    def __init__(self, rule, classes=("no", "yes")):
        self.rule = rule
        self.classes_ = np.array(classes)
        self.asked = []

    def predict(self, X):
        self.asked.append(list(X))
        return np.array([self.rule(text) for text in X])


def first_word(text):
    return "yes" if text.split()[0] == "a" else "no"


def test_sensitivity_of_what_ignores_and_of_what_needs_the_order():
    texts, y = ["a b c", "b c a", "c a b d", "b d c"], ["yes", "no", "no", "no"]
    assert word_order_sensitivity(Rule(lambda text: "yes"), texts, y) == 0
    bag = Rule(lambda text: "yes" if "b" in text else "no")
    assert word_order_sensitivity(bag, texts, ["yes"] * 4) == 0
    exact = Rule(lambda text: "yes" if text in texts else "no")
    assert word_order_sensitivity(exact, texts, ["yes"] * 4, n_shuffles=20) > 1


def test_sensitivity_is_the_formula_over_the_classes_means():
    # Two words have one other order: "b a" for "yes", of which the rule is wrong, and for "no" too;
    # words that are not there keep the third text right.
    texts, y = ["a b", "b a", "b c", "c b"], ["yes", "no", "no", "no"]
    share = np.mean([0.0, 2 / 3])
    found = word_order_sensitivity(Rule(first_word), texts, y)
    assert found == pytest.approx((100 - 100 * share) / 50)
    three = Rule(first_word, classes=("maybe", "no", "yes"))
    found = word_order_sensitivity(three, texts, y)
    assert found == pytest.approx((100 - 100 * share) / (100 - 100 / 3))


def test_a_classifier_with_one_answer_for_shuffled_texts_has_a_sensitivity_of_one():
    texts = ["a b c"] * 90 + ["x y z"] * 10
    y = ["yes"] * 90 + ["no"] * 10
    rule = Rule(lambda text: "yes" if text == "a b c" else "no")
    assert word_order_sensitivity(rule, texts, y) == 1


def test_only_correctly_classified_texts_that_can_change_are_shuffled():
    texts = ["a b c", "b a c", "a", "a a a", "", "b c"]
    y = ["yes", "yes", "yes", "yes", "no", "no"]
    rule = Rule(lambda text: "yes" if text.startswith("a") else "no")
    word_order_sensitivity(rule, texts, y, n_shuffles=30)
    assert rule.asked[0] == texts
    assert len(rule.asked) == 31
    for first, second in rule.asked[1:]:
        assert sorted(first.split()) == ["a", "b", "c"]
        assert first != "a b c"
        assert second == "c b"
    assert len({first for first, _ in rule.asked[1:]}) == 5


def test_a_window_keeps_words_in_their_blocks():
    words = [f"{block}{i}" for block in "abc" for i in range(3)] + ["d0"]
    text = "  ".join(words) + "\n"
    rule = Rule(lambda text: "yes")
    word_order_sensitivity(rule, [text], ["yes"], n_shuffles=20, window=3)
    for [shuffled] in rule.asked[1:]:
        assert shuffled.endswith("d0\n")
        assert shuffled.count("  ") == 9
        found = shuffled.split()
        assert found != words
        assert [word[0] for word in found] == [word[0] for word in words]
        assert sorted(found) == words


def test_a_window_tells_phrases_from_sentences():
    rng = np.random.default_rng(0)
    middles = [" ".join(rng.permutation(list("abcdefghijkl"))) for _ in range(200)]
    phrase = Rule(lambda text: "yes" if "not good" in text else "no")
    near = [f"not good {text}" for text in middles] + [f"good not {text}" for text in middles]
    assert word_order_sensitivity(phrase, near, phrase.predict(near), window=2) > 0.9
    sentence = Rule(lambda text: "yes" if text.index("p") < text.index("q") else "no")
    far = [f"p {text} q" for text in middles] + [f"q {text} p" for text in middles]
    assert word_order_sensitivity(sentence, far, sentence.predict(far), window=2) == 0
    assert word_order_sensitivity(sentence, far, sentence.predict(far)) > 0.9


def test_sensitivity_of_bags_of_words_and_of_bigrams(topics):
    texts, y = topics
    bag = make_tfidf_baseline().fit(texts, y)
    assert word_order_sensitivity(bag, texts, y) == 0
    ordered, y = ["red then blue", "blue then red"] * 20, ["no", "yes"] * 20
    bigrams = make_tfidf_baseline(C=100).set_params(tfidfvectorizer__ngram_range=(2, 2))
    found = word_order_sensitivity(bigrams.fit(ordered, y), ordered, y)
    assert found > 0.5
    assert found == word_order_sensitivity(bigrams, ordered, y, random_state=0)
    assert found != word_order_sensitivity(bigrams, ordered, y, random_state=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": ["yes"]}, "X and y must have the same number of rows"),
        ({"X": "a b"}, "X is a single string"),
        ({"n_shuffles": 0}, "n_shuffles must be at least 1, got 0"),
        ({"window": 1}, "window must be at least 2 words, or None, got 1"),
        ({"y": ["no", "no"]}, "No text with two different words is classified correctly"),
        ({"X": ["a", "a a"]}, "No text with two different words is classified correctly"),
        ({"X": ["a a b", "a a c"], "window": 2}, "No text with two different words"),
        ({"estimator": Rule(first_word, classes=["yes"])}, "a single class"),
    ],
)
def test_word_order_sensitivity_says_what_does_not_fit(changes, message):
    arguments = {"estimator": Rule(first_word), "X": ["a b", "a c"], "y": ["yes", "yes"], **changes}
    with pytest.raises(ValueError, match=message):
        word_order_sensitivity(**arguments)


# ---- bootstrap


def make_differences(n_seeds, n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 0.0, 1.0], p=[0.08, 0.8, 0.12], size=(n_seeds, n_rows))


@pytest.mark.parametrize("confidence_level", [0.5, 0.9, 0.95])
def test_interval_of_one_seed_is_the_normal_one(confidence_level):
    differences = make_differences(1, 4000)
    half = norm.ppf(0.5 + confidence_level / 2) * differences.std() / np.sqrt(4000)
    expected = differences.mean() + half * np.array([-1, 1])
    found = paired_bootstrap(differences, confidence_level=confidence_level)
    np.testing.assert_allclose(found, expected, atol=0.07 * half)


def test_variance_is_that_of_the_crossed_bootstrap():
    rng = np.random.default_rng(0)
    differences = rng.normal(size=(20, 1)) + rng.normal(size=(1, 300)) + rng.normal(size=(20, 300))
    draws = [
        differences[rng.integers(20, size=20)][:, rng.integers(300, size=300)].mean()
        for _ in range(4000)
    ]
    expected = np.quantile(draws, [0.025, 0.975])
    np.testing.assert_allclose(paired_bootstrap(differences), expected, atol=0.05)


def test_interval_covers_the_mean_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        low, high = paired_bootstrap(
            make_differences(1, 400, seed=seed), confidence_level=0.9, n_resamples=499
        )
        covered += low <= 0.04 <= high
    # 200 trials at 90 %: a standard error of 2 points.
    assert 0.84 <= covered / 200 <= 0.96


def test_differences_between_seeds_widen_the_interval():
    same = np.tile(make_differences(1, 500), (8, 1))
    shifts = np.linspace(-0.2, 0.2, 8)[:, None]
    narrow, wide = (np.ptp(paired_bootstrap(values)) for values in (same, same + shifts))
    assert narrow == pytest.approx(np.ptp(paired_bootstrap(same[:1])), rel=0.1)
    assert wide > 2 * narrow


def test_bootstrap_is_deterministic_and_its_memory_bounded(monkeypatch):
    differences = make_differences(3, 1500)
    found = paired_bootstrap(differences)
    assert found == paired_bootstrap(differences, random_state=0)
    assert found != paired_bootstrap(differences, random_state=1)
    assert paired_bootstrap(np.ones((2, 3))) == (1.0, 1.0)
    monkeypatch.setattr("skdistill.metrics._fidelity._CHUNK", 2**16)
    tracemalloc.start()
    np.testing.assert_allclose(paired_bootstrap(differences), found, atol=0.002)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6  # all samples at once would take 120 MB


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"differences": [0.0, 1.0]}, r"one row a seed.*\(2,\)"),
        ({"differences": [[]]}, r"one row a seed.*\(1, 0\)"),
        ({"differences": [[0.0, np.nan]]}, "missing or infinite"),
        ({"confidence_level": 95}, "confidence_level must lie between 0 and 1, got 95"),
        ({"n_resamples": 0}, "n_resamples must be at least 1, got 0"),
    ],
    ids=str,
)
def test_bootstrap_says_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(**{"differences": [[0.0, 1.0]], **changes})
