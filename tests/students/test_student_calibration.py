"""One temperature, fitted on held-out texts and folded into the last layer."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from several_labels import make_texts
from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    ModelFileError,
    export_onnx,
)
from skdistill.metrics._calibration import expected_calibration_error
from skdistill.runtime._model_file import write_model

SMALL = {"max_epochs": 25, "random_state": 0, "vocabulary_size": 60, "lr": 0.03}
STUDENTS = {
    "MLP": DistilledMLPClassifier(**SMALL),
    "MLP with hidden layers": DistilledMLPClassifier(**SMALL, hidden_layer_sizes=(12, 8)),
    "CNN": DistilledCNNClassifier(**SMALL, n_filters=6),
    "RNN": DistilledRNNClassifier(**SMALL, hidden_dim=6),
}


def blur(labels, share, seed):
    """Replace a share of the labels by random ones, so that no student can be sure."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels)) < share
    return np.where(wrong, rng.permutation(labels), labels)


@pytest.fixture(scope="module")
def data(topics):
    X, y = topics
    y = blur(y, 0.4, seed=0)
    return X[:200], y[:200], X[200:], y[200:]


@pytest.fixture(params=STUDENTS)
def student(request, data):
    return pickle.loads(pickle.dumps(fitted(request.param, data)))


_FITTED = {}


def fitted(name, data):
    if name not in _FITTED:
        _FITTED[name] = STUDENTS[name].fit(*data[:2])
    return _FITTED[name]


@pytest.fixture
def mlp(data):
    return pickle.loads(pickle.dumps(fitted("MLP", data)))


def test_it_is_scikit_learns_calibration_by_temperature(student, data):
    X, y, new = data[2][:200], data[3][:200], data[2][200:]
    reference = CalibratedClassifierCV(
        FrozenEstimator(student), method="temperature", ensemble=False
    )
    expected = reference.fit(X, y).predict_proba(new)
    before = student.predict_proba(new)
    assert np.abs(before - expected).max() > 0.02
    np.testing.assert_allclose(student.calibrate(X, y).predict_proba(new), expected, atol=1e-3)
    beta = reference.calibrated_classifiers_[0].calibrators[0].beta_
    assert student.calibration_["temperature"] == pytest.approx(1 / beta, rel=1e-3)


def test_only_probabilities_change(student, data):
    texts = [*data[2], "", "unheard"]
    labels, logits = student.predict(texts), student.decision_function(texts)
    prior = student.predict_proba(["unheard"])
    student.calibrate(*data[2:])
    np.testing.assert_array_equal(student.predict(texts), labels)
    temperature = student.calibration_["temperature"]
    scaled = student.decision_function(data[2]) * temperature
    np.testing.assert_allclose(scaled, logits[:-2], rtol=1e-4, atol=1e-4)
    # The class frequencies that a text without known words gets need no calibration.
    np.testing.assert_array_equal(student.predict_proba(["unheard"]), prior)


def test_what_is_told_are_the_errors_on_the_texts_with_known_words(mlp, data):
    X, y = data[2:]
    mlp.calibrate(X, y)
    told = dict(mlp.calibration_)
    assert told["n_texts"] == len(X)
    after = expected_calibration_error(y, mlp.predict_proba(X), mlp.classes_)
    assert told["error_after"] == pytest.approx(after, abs=1e-6)
    assert told["error_after"] < told["error_before"] - 0.02
    mlp.calibrate([*X, "", "unheard"], [*y, y[0], y[1]])
    assert mlp.calibration_ == pytest.approx(told, rel=1e-5)


def test_calibrating_twice_is_calibrating_once_with_the_later_texts(mlp, data):
    X, y = data[2:]
    twice = pickle.loads(pickle.dumps(mlp)).calibrate(X[:200], y[:200]).calibrate(X[200:], y[200:])
    once = mlp.calibrate(X[200:], y[200:])
    assert twice.calibration_ == pytest.approx(once.calibration_, rel=1e-5)
    np.testing.assert_allclose(twice.predict_proba(X), once.predict_proba(X), atol=1e-6)


def test_refitting_forgets_it(data):
    student = DistilledMLPClassifier(**SMALL).fit(*data[:2])
    proba = student.predict_proba(data[2])
    assert student.calibration_ is None
    student.calibrate(*data[2:]).fit(*data[:2])
    assert student.calibration_ is None
    np.testing.assert_array_equal(student.predict_proba(data[2]), proba)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_files_and_compiled_students_contain_it(student, data, tmp_path, precision):
    X = [*data[2], ""]
    path, tolerance = tmp_path / "student.skd", {"float32": 0, "float16": 1e-3, "int8": 0.02}
    before = student.compile(precision).predict_proba(X)
    student.calibrate(*data[2:]).save(path, precision=precision)
    expected = student.predict_proba(X)
    assert np.abs(before - expected).max() > 0.04
    loaded, served = type(student).load(path), CompiledClassifier.load(path)
    for other in (loaded, served, student.compile(precision)):
        np.testing.assert_allclose(other.predict_proba(X), expected, atol=tolerance[precision])
    assert loaded.calibration_ == student.calibration_
    # A loaded student goes on from there.
    loaded.calibrate(*data[2:])
    assert loaded.calibration_ == pytest.approx(student.calibration_, rel=0.05, abs=0.01)


def test_pickles_networks_and_graphs_contain_it(student, data, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    X = data[2][:50]
    student.calibrate(*data[2:])
    expected = student.predict_proba(X)
    again = pickle.loads(pickle.dumps(student))
    assert again.calibration_ == student.calibration_
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    # The export compares the graph with the calibrated student.
    assert export_onnx(student, tmp_path / "student.onnx", texts=X)["largest_difference"] < 1e-5
    onnxruntime.InferenceSession(tmp_path / "student.onnx")
    last = [*student.network_.layers][-1].weight.detach().numpy()
    names = [name for name in student._weights if name.endswith("weight") and "layers." in name]
    np.testing.assert_array_equal(last, student._weights[names[-1]])


def test_pruning_keeps_it(mlp, data):
    pruned = mlp.calibrate(*data[2:]).prune_vocabulary(len(mlp.vocabulary_))
    assert pruned.calibration_["temperature"] != 1


def test_one_temperature_serves_several_labels():
    X, Y = make_texts(300)
    rng = np.random.default_rng(0)
    Y = np.where(rng.random(Y.shape) < 0.15, 1 - Y, Y)
    student = DistilledMLPClassifier(**SMALL, pooling=("mean", "attention"))
    student.fit(X[:150], Y[:150])
    X, Y = X[150:], Y[150:]
    labels, logits = student.predict(X), torch.from_numpy(student.decision_function(X))
    log_temperature = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature], max_iter=50)

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits / log_temperature.exp(), torch.from_numpy(Y).float()
        )
        loss.backward()
        return loss

    optimiser.step(closure)
    expected = log_temperature.exp().item()
    assert expected > 1.2
    assert student.calibrate(X, Y).calibration_["temperature"] == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(
        student.predict_proba(X), torch.sigmoid(logits / expected), atol=1e-3
    )
    np.testing.assert_array_equal(student.predict(X), labels)
    yes = student.predict_proba(X).ravel()
    error = expected_calibration_error(Y.ravel(), np.column_stack([1 - yes, yes]), [0, 1])
    assert student.calibration_["error_after"] == pytest.approx(error, abs=1e-6)


def test_training_texts_would_make_it_more_confident(data):
    X, y = data[:2]
    student = DistilledMLPClassifier(**SMALL).fit(X, y)
    held_out = student.calibrate(*data[2:]).calibration_["temperature"]
    assert student.calibrate(X, y).calibration_["temperature"] < held_out / 1.5


def test_what_cannot_calibrate_says_why(mlp, data, topics):
    X, y = data[2:]
    with pytest.raises(NotFittedError):
        DistilledMLPClassifier().calibrate(X, y)
    with pytest.raises(ValueError, match="only one class"):
        mlp.calibrate(X, ["trains"] * len(X))
    with pytest.raises(ValueError, match=r"y\[1\] is 'flying', a label that is not in the stud"):
        mlp.calibrate(X, [y[0], "flying", *y[2:]])
    with pytest.raises(ValueError, match="same number of rows"):
        mlp.calibrate(X, y[1:])
    with pytest.raises(ValueError, match="at least 10 texts with known features, but X has 9"):
        mlp.calibrate([*X[:9], *["unheard"] * 20], y[:29])
    texts, is_right = np.array(X), mlp.predict(X) == y
    with pytest.raises(ValueError, match="makes no errors on the"):
        mlp.calibrate(texts[is_right], y[is_right])
    with pytest.raises(ValueError, match="do not agree with y at all"):
        mlp.calibrate(texts[~is_right], y[~is_right])
    assert mlp.calibration_ is None


def test_probabilities_that_are_too_even_say_why(mlp):
    logits = np.eye(3, dtype=np.float32)[np.arange(30) % 3] / 1_000
    codes = np.arange(30) % 3
    codes[0] = 1
    with pytest.raises(ValueError, match=r"too even\. It was trained for too few epochs"):
        mlp._find_temperature(logits, codes)
    with pytest.raises(ValueError, match="makes no errors on the 29 texts"):
        mlp._find_temperature(logits[1:], codes[1:])


def test_labels_of_another_form_say_why(mlp, data):
    X, Y = make_texts(50)
    student = DistilledMLPClassifier(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="one column per label"):
        student.calibrate(X, Y[:, :2])
    with pytest.raises(ValueError, match="All values of y are 1"):
        student.calibrate(X, np.ones_like(Y))
    with pytest.raises(ValueError, match="one column per label"):
        student.calibrate(X, [0, 1] * 25)


@pytest.mark.parametrize(
    "changes", [{"temperature": 0.0}, {"temperature": "1"}, {"n_texts": None}, {"other": 1}]
)
def test_a_damaged_record_is_refused(mlp, data, tmp_path, changes):
    model = mlp.calibrate(*data[2:])._described()
    model.estimator["calibration"] = model.estimator["calibration"] | changes
    write_model(model, tmp_path / "student.skd")
    with pytest.raises(ModelFileError, match="is damaged"):
        DistilledMLPClassifier.load(tmp_path / "student.skd")


def test_a_pickle_from_before_has_none(mlp, data):
    state = mlp.__getstate__()
    del state["calibration_"], state["_record"]
    old = DistilledMLPClassifier.__new__(DistilledMLPClassifier)
    old.__setstate__(state)
    assert old.calibration_ is None
    assert old.calibrate(*data[2:]).calibration_["temperature"] > 1
