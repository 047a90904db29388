import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from skdistill import DistilledMLPClassifier, TextPool, make_tfidf_baseline


def make_student(teacher=None, **params):
    return DistilledMLPClassifier(
        teacher, **{"max_epochs": 8, "random_state": 0, "vocabulary_size": 60} | params
    )


@pytest.fixture(scope="module")
def split(topics):
    texts, labels = topics
    return texts[:400], labels[:400], texts[400:], labels[400:]


@pytest.fixture(scope="module")
def fitted(split):
    return make_student(make_tfidf_baseline()).fit(split[0], split[1])


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"pooling": "mean", "context_window": 1},
        {"pooling": ("max",)},
        {"pooling": ["mean", "max", "attention"], "hidden_layer_sizes": [8], "max_epochs": 25},
        {"ngram_range": (1, 2), "vocabulary_size": 500},
        {"analyzer": "char", "ngram_range": (1, 3), "vocabulary_size": 800},
        {"analyzer": str.split, "loss": "mse", "lr": 0.003, "max_epochs": 20},
        {"temperature": 3.0, "hard_label_weight": 0.5, "dropout": 0.2, "word_dropout": 0.1},
        {"early_stopping": True, "validation_fraction": 0.2, "max_epochs": 20},
        {"class_weight": "balanced", "batch_size": 16, "max_epochs": 3},
    ],
    ids=str,
)
def test_every_option_learns_from_a_teacher(split, params):
    X, y, X_test, y_test = split
    student = make_student(make_tfidf_baseline(), **params).fit(X, y)
    assert student.score(X_test, y_test) > 0.95
    ids = student._vocabulary.encode(X_test)
    with torch.no_grad():
        logits = student.network_(torch.from_numpy(ids.values), torch.from_numpy(ids.offsets))
    expected = logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(student.predict_proba(X_test), expected, atol=1e-5)


def test_learned_attributes(fitted):
    assert fitted.classes_.tolist() == ["cooking", "sailing", "trains"]
    assert sorted(fitted.vocabulary_.values()) == list(range(1, len(fitted.vocabulary_) + 1))
    n_features = len(fitted.vocabulary_) + 1
    assert fitted.n_parameters_ == n_features * 16 + 13 * 16 + 2 * 16 * 3 + 3
    assert fitted.n_parameters_ == sum(p.numel() for p in fitted.network_.parameters())
    assert fitted.n_iter_ == len(fitted.history_) == 8
    assert fitted.transfer_size_ == 400
    assert not hasattr(fitted, "n_features_in_")
    assert not fitted.network_.training


def test_predictions_agree_with_each_other(fitted, split):
    X_test = split[2]
    proba = fitted.predict_proba(X_test)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X_test)), proba, atol=1e-6)
    np.testing.assert_array_equal(fitted.classes_[proba.argmax(axis=1)], fitted.predict(X_test))


def test_student_imitates_its_teacher_not_the_labels(split):
    X, y, X_test, _ = split
    swap = {"cooking": "trains", "trains": "cooking", "sailing": "sailing"}
    wrong = FrozenEstimator(make_tfidf_baseline().fit(X, [swap[label] for label in y]))
    student = make_student(wrong).fit(X, y)
    assert np.mean(student.predict(X_test) == wrong.predict(X_test)) > 0.95
    mixed = make_student(wrong, hard_label_weight=1.0).fit(X, y)
    assert mixed.score(X_test, split[3]) > 0.95


def test_unlabelled_text_carries_what_labelled_text_does_not(split):
    X, y, X_test, y_test = split
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X, y))
    few = make_student(teacher).fit(X[:12], y[:12])
    many = make_student(teacher).fit(X[:12], y[:12], X_unlabeled=TextPool(X[12:]))
    assert many.transfer_size_ == 400
    assert many.score(X_test, y_test) > few.score(X_test, y_test) + 0.1


def test_given_probabilities_spare_the_teacher(split):
    X, y, X_test, _ = split
    teacher = make_tfidf_baseline().fit(X, y)
    by_teacher = make_student(FrozenEstimator(teacher)).fit(X, y, X_unlabeled=X_test)
    by_hand = make_student().fit(
        X,
        y,
        X_unlabeled=X_test,
        teacher_proba=teacher.predict_proba(X),
        unlabeled_proba=teacher.predict_proba(X_test),
    )
    np.testing.assert_array_equal(by_hand.predict_proba(X_test), by_teacher.predict_proba(X_test))


@pytest.mark.parametrize("labels", [int, bool, float, object, np.str_])
def test_labels_of_any_type(split, labels):
    X, y, X_test, _ = split
    sailing = y == "sailing"
    y = (
        np.where(sailing, "yes", "no").astype(labels)
        if labels in (object, np.str_)
        else sailing.astype(labels)
    )
    student = make_student().fit(X, y)
    predicted = student.predict(X_test)
    assert predicted.dtype == student.classes_.dtype == np.unique(y).dtype
    assert student.predict_proba(X_test).shape == (len(X_test), 2)


def test_same_seed_same_student_and_refit_forgets(split):
    X, y, X_test, _ = split
    one, two = make_student().fit(X, y), make_student().fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X_test), two.predict_proba(X_test))
    two.fit(X[:50], y[:50]).fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X_test), two.predict_proba(X_test))
    other = clone(one).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(one.predict_proba(X_test), other.predict_proba(X_test))


def test_random_state_instances_move_on_and_global_state_stays(split):
    X, y, X_test, _ = split
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    student = make_student(random_state=np.random.RandomState(0))
    first = student.fit(X, y).predict_proba(X_test)
    assert not np.array_equal(first, student.fit(X, y).predict_proba(X_test))
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_sample_weight_zero_removes_rows(split):
    X, y, X_test, y_test = split
    wrong = np.roll(y, 1)
    weight = np.repeat([1.0, 0.0], [len(X), len(X)])
    student = make_student(max_epochs=15)
    student.fit([*X, *X], [*y, *wrong], sample_weight=weight)
    assert student.score(X_test, y_test) > 0.95
    # The prior too counts weights.
    shares = [np.mean(y == label) for label in student.classes_]
    np.testing.assert_allclose(student.predict_proba([""])[0], shares, rtol=1e-5)


@pytest.mark.parametrize("text", ["", "   ", "zzyzx", "zzyzx qwxq"])
def test_texts_without_a_known_word_get_the_class_prior(fitted, split, text):
    y = split[1]
    expected = [np.mean(y == label) for label in fitted.classes_]
    np.testing.assert_allclose(fitted.predict_proba([text])[0], expected, rtol=1e-5)


def test_empty_texts_among_the_training_texts_are_allowed(split):
    X, y, X_test, y_test = split
    student = make_student().fit([*X, "", " "], [*y, "cooking", "trains"])
    assert student.score(X_test, y_test) > 0.95


@pytest.mark.parametrize(
    ("fit_params", "error", "message"),
    [
        ({"X": "a text"}, ValueError, "X is a single string"),
        ({"X": ["a", None, "c", "d"]}, ValueError, r"X\[1\] is missing"),
        ({"X": ["a", "b", float("nan"), "d"]}, ValueError, r"X\[2\] is missing"),
        ({"X": ["a", 1, "c", "d"]}, TypeError, r"X\[1\] is int"),
        ({"X": pd.DataFrame({"a": list("abcd"), "b": list("abcd")})}, ValueError, r"\(4, 2\)"),
        ({"X": ["", " ", "", ""]}, ValueError, "no feature to learn from"),
        ({"y": [0, 1, 0]}, ValueError, "X and y must have the same number of rows"),
        ({"y": [0, 0, 0, 0]}, ValueError, "needs at least 2 classes"),
        ({"y": None}, ValueError, "requires y"),
        ({"teacher_proba": [[0.5, 0.5]]}, ValueError, r"teacher_proba must have shape \(4, 2\)"),
        ({"teacher_proba": [[0.5, 0.6]] * 4}, ValueError, r"teacher_proba\[0\] sums to 1.1"),
        ({"X_unlabeled": ["u"]}, ValueError, "nothing can label it"),
        ({"X_unlabeled": [None]}, ValueError, r"X_unlabeled\[0\] is missing"),
        ({"sample_weight": [1, 1]}, ValueError, "sample_weight.shape"),
        ({"sample_weight": [1, 1, 1, -1]}, ValueError, "Negative values"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_refused(fit_params, error, message):
    good = {"X": ["a", "b", "c", "d"], "y": [0, 1, 0, 1]}
    with pytest.raises(error, match=message):
        make_student().fit(**good | fit_params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"teacher": "roberta-base"}, "'teacher' parameter"),
        ({"vocabulary_size": 1}, "'vocabulary_size' parameter"),
        ({"pooling": "median"}, "'pooling' parameter"),
        ({"pooling": ("mean", "median")}, "pooling=.* must be one or several"),
        ({"pooling": ("mean", "mean")}, "pooling=.* must be one or several"),
        ({"pooling": ()}, "pooling=.* must be one or several"),
        ({"context_window": 4}, "context_window=4 must be odd"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes=.* positive"),
        ({"ngram_range": (2, 1)}, r"ngram_range=\(2, 1\)"),
        ({"loss": "hinge"}, "'loss' parameter"),
        ({"temperature": 0}, "'temperature' parameter"),
        ({"device": "tpu9"}, "device='tpu9' is not a torch device"),
        ({"class_weight": {5: 1}}, "classes"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        make_student(**params).fit(["a", "b", "c", "d"], [0, 1, 0, 1])


def test_bad_memory_is_refused():
    with pytest.raises(TypeError, match="memory must be a folder"):
        make_student(memory=3).fit(["a", "b"], [0, 1])


def test_teacher_of_other_classes_is_refused(split):
    X, y, _, _ = split
    teacher = FrozenEstimator(DummyClassifier().fit(X, np.arange(len(y)) % 2))
    with pytest.raises(ValueError, match=r"The teacher's classes \[0, 1\] are not those of y"):
        make_student(teacher).fit(X, y)


def test_predicting_needs_a_fit_and_texts(fitted):
    with pytest.raises(NotFittedError):
        make_student().predict(["a"])
    assert not hasattr(make_student(), "network_")
    with pytest.raises(ValueError, match="single string"):
        fitted.predict("a text")
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        fitted.predict_proba([])


def test_failed_fit_leaves_the_student_as_it_was(fitted, split):
    before = fitted.predict_proba(split[2])
    with pytest.raises(ValueError, match="missing"):
        fitted.fit([None, "a"], [0, 1])
    np.testing.assert_array_equal(fitted.predict_proba(split[2]), before)


def test_fit_does_not_touch_its_parameters(split):
    from skorch.callbacks import Callback

    class Marks(Callback):
        seen = False

        def on_epoch_end(self, net, **kwargs):
            self.seen = True

    callback, teacher = Marks(), make_tfidf_baseline()
    student = make_student(teacher, callbacks=[callback]).fit(split[0], split[1])
    assert student.teacher is teacher
    assert not hasattr(teacher[-1], "coef_")
    assert not callback.seen
    assert student.callbacks == [callback]


def joblib_dumps(student):
    buffer = io.BytesIO()
    joblib.dump(student, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("dump", [pickle.dumps, joblib_dumps])
def test_pickle_leaves_the_fitted_teacher_behind(split, dump):
    X, y, X_test, _ = split
    teacher = make_tfidf_baseline().fit(X, y)
    student = make_student(FrozenEstimator(teacher)).fit(X, y)
    data = dump(student)
    copy = joblib.load(io.BytesIO(data))
    assert not hasattr(copy.teacher.estimator[-1], "coef_")
    assert hasattr(student.teacher.estimator[-1], "coef_")
    np.testing.assert_array_equal(copy.predict_proba(X_test), student.predict_proba(X_test))
    assert pickle.loads(pickle.dumps(make_student(FrozenEstimator(teacher)))).teacher[-1].coef_.size


def test_a_new_process_predicts_bit_for_bit_and_without_torch(fitted, split, tmp_path):
    joblib.dump(fitted, tmp_path / "student.joblib")
    joblib.dump(split[2], tmp_path / "texts.joblib")
    code = (
        "import sys, joblib, numpy as np; "
        "student = joblib.load('student.joblib'); "
        "np.save('proba.npy', student.predict_proba(joblib.load('texts.joblib'))); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    np.testing.assert_array_equal(np.load(tmp_path / "proba.npy"), fitted.predict_proba(split[2]))


def test_pickles_of_other_versions_warn(fitted, monkeypatch):
    data = pickle.dumps(fitted)
    monkeypatch.setattr("skdistill.__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match=r"DistilledMLPClassifier \(skdistill\)"):
        pickle.loads(data)


def test_tags_say_one_dimension_of_strings():
    tags = get_tags(make_student())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert tags.estimator_type == "classifier"


def test_silent_unless_asked(split, capfd):
    make_student(make_tfidf_baseline()).fit(split[0], split[1])
    assert capfd.readouterr() == ("", "")
    make_student(make_tfidf_baseline(), verbose=1).fit(split[0], split[1])
    out, err = capfd.readouterr()
    assert out == ""
    assert "labelling" in err
    assert "training student" in err
