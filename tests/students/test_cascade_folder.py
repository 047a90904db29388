import json

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from conftest import make_checkpoint
from skdistill import (
    CascadeClassifier,
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill._core.exceptions import ModelFileError


def make_cascade(topics, teacher, student=DistilledMLPClassifier, **params):
    X, y = topics
    student = student(random_state=0, max_epochs=2, vocabulary_size=60).fit(X[:200], y[:200])
    cascade = CascadeClassifier(
        FrozenEstimator(student), FrozenEstimator(teacher), max_teacher_rate=0.5, **params
    )
    return cascade.fit(X[200:300], y[200:300])


@pytest.fixture(scope="module")
def transformer(topics, tmp_path_factory):
    folder = make_checkpoint(
        tmp_path_factory.mktemp("teacher"), topics[0], head=["trains", "cooking", "sailing"]
    )
    return TransformerTeacherClassifier.from_finetuned(folder, max_length=9)


@pytest.mark.parametrize("kind", [DistilledMLPClassifier, DistilledCNNClassifier])
def test_a_transformer_is_in_the_folder(kind, topics, transformer, tmp_path):
    cascade = make_cascade(topics, transformer, kind, teacher_cost=7.0)
    X, y = topics
    confidence = cascade.student_.predict_proba(X).max(axis=1)
    cascade.threshold_ = float(np.median(confidence))  # both answer
    cascade.save(tmp_path / "cascade")
    loaded = CascadeClassifier.load(tmp_path / "cascade")
    assert isinstance(loaded.student_.estimator, kind)
    assert loaded.teacher_.max_length_ == 9
    asked = loaded.asks_teacher(X)
    assert 0 < asked.sum() < len(X)
    np.testing.assert_array_equal(loaded.predict_proba(X), cascade.predict_proba(X))
    np.testing.assert_array_equal(loaded.classes_, cascade.classes_)
    assert loaded.classes_.dtype == cascade.classes_.dtype
    assert loaded.teacher_rate_ == cascade.teacher_rate_
    assert loaded.get_params()["teacher_cost"] == 7.0
    assert loaded.get_params()["max_teacher_rate"] == 0.5
    pd.testing.assert_frame_equal(loaded.curve_, cascade.curve_)
    pd.testing.assert_frame_equal(loaded.curve(X[300:], y[300:]), cascade.curve(X[300:], y[300:]))
    # The threshold can be chosen again, on other texts.
    assert loaded.fit(X[300:], y[300:]).threshold_ >= 0


@pytest.mark.parametrize("dtype", [int, np.int8])
def test_labels_that_are_integers_stay_so(dtype, topics, transformer, tmp_path):
    X, y = topics
    labels = np.array([2, 0, 1], dtype=dtype)
    teacher = TransformerTeacherClassifier.from_finetuned(transformer.model_name, classes=labels)
    numbers = np.unique(y, return_inverse=True)[1].astype(dtype)
    make_cascade((X, numbers), teacher).save(tmp_path)
    loaded = CascadeClassifier.load(tmp_path)
    assert loaded.predict(X).dtype == loaded.teacher_.predict(X).dtype == dtype
    np.testing.assert_array_equal(loaded.teacher_.predict_proba(X), teacher.predict_proba(X))


def test_another_teacher_is_passed_to_load(topics, transformer, tmp_path):
    X, y = topics
    make_cascade(topics, transformer).save(tmp_path)
    proba = np.full(3, 1 / 3)
    teacher = FunctionTeacherClassifier(lambda texts: [proba] * len(texts)).fit(X, y)
    cascade = make_cascade(topics, teacher)
    cascade.threshold_ = np.inf
    cascade.save(tmp_path)  # the transformer of the former cascade is not taken for this one's
    with pytest.raises(ValueError, match=r"a FunctionTeacherClassifier. Pass the fitted teacher"):
        CascadeClassifier.load(tmp_path)
    loaded = CascadeClassifier.load(tmp_path, teacher=teacher)
    assert loaded.threshold_ == np.inf
    np.testing.assert_array_equal(loaded.predict_proba(X), cascade.predict_proba(X))
    other = FunctionTeacherClassifier(lambda texts: None, classes=["a", "b"]).fit(X)
    with pytest.raises(ValueError, match="differ from those of the student"):
        CascadeClassifier.load(tmp_path, teacher=other)
    with pytest.raises(NotFittedError):
        CascadeClassifier.load(tmp_path, teacher=make_tfidf_baseline())


def test_a_student_of_another_package_is_refused(topics, transformer, tmp_path):
    X, y = topics
    baseline = make_tfidf_baseline().fit(X[:200], y[:200])
    cascade = CascadeClassifier(FrozenEstimator(baseline), FrozenEstimator(transformer))
    with pytest.raises(TypeError, match="Pipeline, has no method save"):
        cascade.fit(X[200:], y[200:]).save(tmp_path / "cascade")
    assert not (tmp_path / "cascade").exists()


def test_without_its_teacher_a_loaded_cascade_rejects(topics, transformer, tmp_path):
    X, _ = topics
    teacher = make_tfidf_baseline().fit(*topics)
    cascade = make_cascade(topics, teacher, reject="other", target_agreement=0.9, confidence=0.8)
    cascade.threshold_ = float(np.median(cascade.student_.predict_proba(X).max(axis=1)))
    cascade.save(tmp_path / "one")
    make_cascade(topics, transformer).save(tmp_path / "two")
    loaded = CascadeClassifier.load(tmp_path / "one")
    assert loaded.teacher_ is None
    asked = loaded.asks_teacher(X)
    predicted = loaded.predict(X)
    assert (predicted[asked] == "other").all()
    np.testing.assert_array_equal(predicted[~asked], cascade.predict(X)[~asked])
    names = ("reject", "target_agreement", "confidence")
    assert [loaded.get_params()[name] for name in names] == ["other", 0.9, 0.8]
    assert loaded.agreement_ == cascade.agreement_
    assert loaded.summary().splitlines()[2] == cascade.summary().splitlines()[2]
    assert CascadeClassifier.load(tmp_path / "one", reject="none").predict(X)[asked][0] == "none"
    loaded.save(tmp_path / "three")
    assert CascadeClassifier.load(tmp_path / "three").teacher_ is None
    np.testing.assert_array_equal(
        CascadeClassifier.load(tmp_path / "one", teacher).predict(X), cascade.predict(X)
    )
    # A teacher in the folder is not loaded either.
    assert CascadeClassifier.load(tmp_path / "two", reject="none").teacher_ is None
    with pytest.raises(TypeError, match="must be both strings or both numbers"):
        CascadeClassifier.load(tmp_path / "two", reject=0)


def test_a_label_to_reject_with_may_be_a_number_of_numpy(topics, tmp_path):
    X, y = topics
    numbers = np.unique(y, return_inverse=True)[1]
    teacher = make_tfidf_baseline().fit(X, numbers)
    make_cascade((X, numbers), teacher, reject=np.int64(-1)).save(tmp_path)
    assert CascadeClassifier.load(tmp_path).reject == -1


def test_files_of_earlier_versions_are_read(topics, transformer, tmp_path):
    make_cascade(topics, transformer).save(tmp_path)
    path = tmp_path / "cascade.json"
    content = json.loads(path.read_text())
    del content["agreement"]
    for name in ("target_agreement", "confidence", "reject"):
        del content["parameters"][name]
    path.write_text(json.dumps(content))
    loaded = CascadeClassifier.load(tmp_path)
    assert np.isnan(loaded.agreement_)
    assert (loaded.target_agreement, loaded.confidence, loaded.reject) == (None, 0.95, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "not the folder of a cascade"),
        (lambda path: path.write_text("{"), "is damaged"),
        (lambda path: path.write_text("[1]"), "is damaged"),
        (lambda path: _edit(path, format=2), "newer skdistill"),
        (lambda path: _edit(path, curve=3), "is damaged"),
        (lambda path: _edit(path, threshold="high"), "is damaged"),
        (lambda path: _edit(path, parameters={"teacher_cost": 1}), "is damaged"),
    ],
)
def test_damage_is_named(change, message, topics, transformer, tmp_path):
    make_cascade(topics, transformer).save(tmp_path)
    change(tmp_path / "cascade.json")
    with pytest.raises(ModelFileError, match=message) as caught:
        CascadeClassifier.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_without_its_student_is_named(topics, transformer, tmp_path):
    make_cascade(topics, transformer).save(tmp_path)
    (tmp_path / "student.skd").unlink()
    with pytest.raises(ModelFileError, match=rf"{tmp_path} lacks the file student\.skd"):
        CascadeClassifier.load(tmp_path)


def test_a_student_and_a_cascade_are_not_taken_for_each_other(topics, tmp_path):
    cascade = make_cascade(topics, make_tfidf_baseline().fit(*topics))
    cascade.save(tmp_path / "cascade")
    for student_class in (DistilledMLPClassifier, CompiledClassifier):
        with pytest.raises(ModelFileError, match=r"cascade is a folder.* CascadeClassifier\.load"):
            student_class.load(tmp_path / "cascade")
    with pytest.raises(
        ModelFileError, match=r"student\.skd is a file, not the folder of a cascade"
    ):
        CascadeClassifier.load(tmp_path / "cascade" / "student.skd")


def _edit(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_parameters_that_are_set_after_fit_are_not_saved(topics, tmp_path):
    teacher = make_tfidf_baseline().fit(*topics)
    cascade = make_cascade(topics, teacher)
    cascade.set_params(max_teacher_rate=0.9, teacher_cost=5).save(tmp_path / "one")
    loaded = CascadeClassifier.load(tmp_path / "one", teacher)
    assert (loaded.max_teacher_rate, loaded.teacher_cost) == (0.5, 100)
    loaded.set_params(max_teacher_rate=0.9).save(tmp_path / "two")
    assert CascadeClassifier.load(tmp_path / "two", teacher).max_teacher_rate == 0.5
    # Pickles of earlier versions do not contain the parameters of fit.
    del loaded._fitted_with
    loaded.save(tmp_path / "three")
    assert CascadeClassifier.load(tmp_path / "three", teacher).max_teacher_rate == 0.9
