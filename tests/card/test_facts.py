from pathlib import Path

import numpy as np
from sklearn.ensemble import AdaBoostClassifier
from sklearn.frozen import FrozenEstimator

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill.card._facts import describe_training


def test_defaults_are_not_told():
    assert describe_training(DistilledMLPClassifier()) == {
        "Teacher": "none (trained on gold labels)"
    }


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
    parameters = describe_training(student)["Parameters"]
    assert sorted(parameters.split(", ")) == sorted(
        ["kernel_sizes=(2", "3)", "loss='mse'", "temperature=4.0", "augmenter=TextAugmenter"]
    )


def test_numbers_of_numpy_are_told_as_pythons():
    weights = dict(zip(np.unique(["joy", "fear"]), np.array([2.0, 1.0]), strict=True))
    student = DistilledCNNClassifier(class_weight=weights, kernel_sizes=(np.int64(2),))
    parameters = describe_training(student)["Parameters"]
    assert parameters == "class_weight={'fear': 2.0, 'joy': 1.0}, kernel_sizes=(2,)"


def test_a_teacher_around_its_default_is_named_itself():
    teacher = DistilledMLPClassifier(AdaBoostClassifier())
    assert describe_training(teacher)["Teacher"] == "AdaBoostClassifier"


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
        facts = describe_training(DistilledMLPClassifier(teacher))
        assert facts["Teacher"] == f"TransformerTeacherClassifier ({shown})"
