from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import AdaBoostClassifier
from sklearn.frozen import FrozenEstimator

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill.card._facts import (
    describe_parameters,
    describe_record,
    name_teacher,
    training_parameters,
)


def describe(student):
    return describe_parameters(type(student), training_parameters(student))


def test_defaults_are_not_told():
    assert describe(DistilledMLPClassifier(make_tfidf_baseline())) == {}


def test_parameters_are_told_as_they_are_written():
    student = DistilledCNNClassifier(
        make_tfidf_baseline(),
        kernel_sizes=(2, 3),
        loss="mse",
        temperature=np.float64(4),
        augmenter=TextAugmenter(),
        memory="a/secret/folder",
        verbose=1,
        n_jobs=2,
    )
    parameters = describe(student)["Parameters"]
    assert sorted(parameters.split(", ")) == sorted(
        ["kernel_sizes=(2", "3)", "loss='mse'", "temperature=4.0", "augmenter=TextAugmenter"]
    )


def test_numbers_of_numpy_are_told_as_pythons():
    weights = dict(zip(np.unique(["joy", "fear"]), np.array([2.0, 1.0]), strict=True))
    student = DistilledCNNClassifier(class_weight=weights, kernel_sizes=(np.int64(2),))
    parameters = describe(student)["Parameters"]
    assert parameters == "class_weight={'fear': 2.0, 'joy': 1.0}, kernel_sizes=(2,)"


def test_a_teacher_around_its_default_is_named_itself():
    assert name_teacher(AdaBoostClassifier()) == "AdaBoostClassifier"
    assert name_teacher(None) is None


def test_of_a_teachers_folder_only_the_name_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("models", "mine").mkdir(parents=True)
    for name, shown in [
        ("models/mine", "mine"),
        ("models/mine/", "mine"),
        ("../elsewhere/mine", "mine"),
        ("not/there/mine", "mine"),
        (".", tmp_path.name),
        (str(tmp_path / "my-teacher"), "my-teacher"),
        (tmp_path / "my-teacher", "my-teacher"),
        ("distilroberta-base", "distilroberta-base"),
        ("owner/model", "owner/model"),
    ]:
        teacher = FrozenEstimator(TransformerTeacherClassifier(name))
        assert name_teacher(teacher) == f"TransformerTeacherClassifier ({shown})"


RECORD = {
    "teacher": "Pipeline",
    "sources": ["teacher"],
    "n_by_origin": {"labelled": 1000, "unlabelled": 0, "augmented": 0},
    "date": "2026-11-27",
}


def test_a_record_is_told_and_its_lack_too():
    assert describe_record(RECORD) == {
        "Teacher": "Pipeline",
        "Training texts": "1,000 labelled",
        "Date of training": "2026-11-27",
    }
    assert describe_record({}) == {
        "Teacher": "unknown (not recorded)",
        "Date of training": "unknown (not recorded)",
    }


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (["gold"], "none (trained on gold labels)"),
        (["given"], "probabilities passed to fit, whose origin is not recorded"),
        (["given", "teacher"], "Pipeline and probabilities passed to fit, whose origin is not re"),
        (["gold", "given"], "gold labels and probabilities passed to fit, whose origin is not"),
    ],
)
def test_what_taught_the_student_is_told(sources, told):
    assert describe_record(RECORD | {"sources": sources})["Teacher"].startswith(told)


def test_numbers_are_told_by_origin():
    counts = {"labelled": 1000, "unlabelled": 500, "augmented": 7}
    assert (
        describe_record(RECORD | {"n_by_origin": counts})["Training texts"]
        == "1,507 (1,000 labelled, 500 unlabelled, 7 augmented)"
    )


def test_a_calibration_is_told():
    calibration = {"temperature": 1.7321, "n_texts": 1200, "error_before": 0.0921}
    facts = describe_record({}, calibration | {"error_after": 0.0152})
    assert facts["Calibration"] == (
        "temperature 1.73, fitted on 1,200 texts; their calibration error was 9.21 % before and "
        "1.52 % after"
    )
