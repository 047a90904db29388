import numpy as np
from sklearn.frozen import FrozenEstimator

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill._training_facts import describe_training


def test_defaults_are_not_told():
    assert describe_training(DistilledMLPClassifier()) == {
        "Teacher": "none: it learned from gold labels"
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


def test_of_a_teachers_folder_only_the_name_is_told(tmp_path):
    for name, shown in [
        (str(tmp_path / "my-teacher"), "my-teacher"),
        (tmp_path / "my-teacher", "my-teacher"),
        ("distilroberta-base", "distilroberta-base"),
        ("owner/model", "owner/model"),
    ]:
        teacher = FrozenEstimator(TransformerTeacherClassifier(name))
        facts = describe_training(DistilledMLPClassifier(teacher))
        assert facts["Teacher"] == f"TransformerTeacherClassifier ({shown})"
