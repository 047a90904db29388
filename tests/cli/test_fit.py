import errno
import io
import json
import os
import signal
import subprocess
import sys
import warnings
from multiprocessing import Pipe

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score

import skdistill
from _faults import finish, needs_posix, start
from conftest import make_checkpoint
from skdistill import (
    CompiledClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TextPool,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill.cli import _fit, _training
from skdistill.cli import _main as cli
from skdistill.runtime._kinds import KINDS
from skdistill.students import _base as _student_base
from skdistill.students.training._loop import StudentNet
from skdistill.students.training._schedule import make_schedule
from skdistill.teachers._transformer import TransformerTeacherClassifier as Teacher


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch):
    """Train all students of this process for a moment."""
    monkeypatch.setattr(
        _student_base, "make_schedule", lambda **given: make_schedule(**given | {"max_epochs": 2})
    )


@pytest.fixture(scope="module")
def folder(topics, tmp_path_factory):
    """Files of texts; every test writes its own model."""
    folder = tmp_path_factory.mktemp("data")
    texts, labels = topics
    table = pd.DataFrame({"text": texts, "label": labels})
    table[:100].to_csv(folder / "train.csv", index=False)
    table[:20].to_csv(folder / "small.csv", index=False)
    table[:100].to_json(folder / "train.jsonl", orient="records", lines=True)
    table[100:160].to_csv(folder / "test.csv", index=False)
    (folder / "more.txt").write_text("\n".join(texts[160:200]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ready_teacher(topics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ready")
    return make_checkpoint(folder, topics[0], head=["trains", "cooking", "sailing"])


@pytest.fixture
def model(tmp_path):
    return tmp_path / "model.skd"


def fit(data, model, *options, teacher="tfidf"):
    return cli.main(["fit", *map(str, [data, "-o", model, "--teacher", teacher, *options])])


def assert_same(one, other, texts):
    """Two files may differ in how long the epochs of their training took."""
    found, expected = (CompiledClassifier.load(path).predict_proba(texts) for path in (one, other))
    np.testing.assert_allclose(found, expected, atol=1e-6)


# ---- what comes of it


def test_the_student_is_the_one_that_python_trains(folder, model, topics, capsys):
    options = ["--unlabeled", folder / "more.txt", "--test", folder / "test.csv", "--seed", 3]
    assert fit(folder / "train.csv", model, *options, "--json") == 0
    texts, labels = topics[0][:200], topics[1]
    student = DistilledMLPClassifier(make_tfidf_baseline(C=10), random_state=3)
    student.fit(texts[:100], labels[:100], X_unlabeled=TextPool(texts[160:]))
    served = CompiledClassifier.load(model)
    np.testing.assert_array_equal(served.predict_proba(texts), student.predict_proba(texts))
    out, err = capsys.readouterr()
    result, y = json.loads(out), labels[100:160]
    predicted = student.predict(texts[100:160])
    assert result["test"]["accuracy"] == np.mean(predicted == y)
    assert result["test"]["macro_f1"] == f1_score(y, predicted, average="macro")
    teacher = make_tfidf_baseline(C=10).fit(texts[:100], labels[:100])
    assert result["test"]["teacher"]["accuracy"] == teacher.score(texts[100:160], y)
    assert result["n_parameters"] == student.n_parameters_
    assert result["n_bytes"] == model.stat().st_size
    counts = [result[f"n_{kind}"] for kind in ("labelled", "unlabelled", "augmented")]
    assert counts == [100, 40, 0]
    assert "1/3  Reading" in err
    assert "3/3  Training the student (mlp) on the teacher's probabilities" in err
    loaded = DistilledMLPClassifier.load(model)
    assert (loaded.verbose, loaded.random_state) == (0, 3)


def test_no_teacher_means_hard_labels(folder, model, topics, capsys):
    assert fit(folder / "train.csv", model, "--quiet", teacher="none") == 0
    student = DistilledMLPClassifier(random_state=0).fit(topics[0][:100], topics[1][:100])
    found = CompiledClassifier.load(model).predict_proba(topics[0])
    np.testing.assert_allclose(found, student.predict_proba(topics[0]), atol=1e-6)
    out, err = capsys.readouterr()
    assert err == ""
    assert "teacher none" in out
    assert "not evaluated: pass --test FILE or --test-fraction SHARE" in out


def test_figures_are_printed(folder, model, capsys):
    assert fit(folder / "train.csv", model, "--test-fraction", 0.25) == 0
    out, err = capsys.readouterr()
    assert "trained on 75 labelled texts of 3 classes" in out
    assert "on 25 test texts, in %" in out
    assert "retention" in out
    assert "\r" not in err


def test_the_baseline_is_named_beside_a_teacher(folder, model, ready_teacher, topics, capsys):
    options = ["--test", folder / "test.csv", "--force"]
    assert fit(folder / "train.csv", model, *options, "--json", teacher=ready_teacher) == 0
    texts, labels = topics
    baseline = make_tfidf_baseline(C=10).fit(texts[:100], labels[:100])
    expected = baseline.score(texts[100:160], labels[100:160])
    result = json.loads(capsys.readouterr().out)
    assert result["baseline_accuracy"] == expected
    assert result["test"]["teacher"]["accuracy"] < expected  # its weights are random
    fit(folder / "train.csv", model, *options, teacher=ready_teacher)
    out = capsys.readouterr().out
    assert f"accuracy of TF-IDF + LR  {100 * expected:.2f}" in out
    assert "The teacher is no better than TF-IDF + LR: raise --epochs" in out
    # A baseline that is the teacher has no need of another one.
    fit(folder / "train.csv", model, *options)
    assert "TF-IDF + LR" not in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:100 of the 100 texts")
def test_a_student_that_is_no_better_than_the_baseline_is_said_to_be_so(folder, model, capsys):
    # The words of one text are the only ones that it learns.
    options = ["--test", folder / "train.csv", "--n-parameters", 30, "--force"]
    fit(folder / "train.csv", model, *options, teacher="none")
    assert "The student is no better than TF-IDF + LR." in capsys.readouterr().out


@pytest.mark.parametrize("has_more", [False, True])
def test_a_student_far_behind_its_teacher_is_said_to_need_texts(
    folder, model, ready_teacher, topics, monkeypatch, capsys, has_more
):
    # The teacher is right about all test texts and says the same of all others.
    labels = dict(zip(*topics, strict=True))
    known = {text: labels[text] for text in topics[0][100:160]}

    def answer(self, X):
        said = np.array([known.get(text, "trains") for text in X])
        return (said[:, None] == self.classes_) * 1.0

    monkeypatch.setattr(Teacher, "predict_proba", answer)
    more = ["--unlabeled", folder / "more.txt"] if has_more else []
    options = ["--test", folder / "test.csv", "--n-parameters", 500, *more]
    assert fit(folder / "train.csv", model, *options, teacher=ready_teacher) == 0
    printed = capsys.readouterr().out
    assert ("add it with --unlabeled FILE" in printed) is not has_more
    assert "or --augment" not in printed  # texts were made without being asked for


def test_a_student_without_made_texts_may_want_them(
    folder, model, ready_teacher, monkeypatch, capsys
):
    monkeypatch.setattr(_fit, "_GOOD_RETENTION", 2)
    options = ["--test", folder / "test.csv", "--n-parameters", 500, "--no-augment"]
    assert fit(folder / "small.csv", model, *options, teacher=ready_teacher) == 0
    assert "add it with --unlabeled FILE or --augment." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "teacher"), [([], None), (["--no-augment"], None), ([], "tfidf")]
)
def test_texts_are_made_for_a_transformer_alone(
    folder, model, ready_teacher, capsys, option, teacher
):
    options = [*option, "--n-parameters", 500, "--json"]
    assert fit(folder / "small.csv", model, *options, teacher=teacher or ready_teacher) == 0
    made = json.loads(capsys.readouterr().out)["n_augmented"]
    assert (made > 100) is (not option and teacher is None)


def test_kind_size_precision_and_augmented_texts(folder, model, capsys):
    options = ["--student", "rnn", "--n-parameters", 8000, "--precision", "int8", "--augment"]
    assert fit(folder / "small.csv", model, *options, "--json", "--threads", 1) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n_augmented"] > 100
    student = DistilledRNNClassifier.load(model)
    assert student.n_parameters_ <= 8000
    assert student.transfer_size_ == 20 + result["n_augmented"]
    with pytest.raises(ValueError, match="int8 file"):
        student.prune_vocabulary(5)


def test_the_command_line_knows_all_kinds_of_students():
    assert sorted(_fit._STUDENTS) == sorted(KINDS)
    assert all(hasattr(skdistill, f"Distilled{kind.upper()}Classifier") for kind in KINDS)


def test_threads_are_limited_and_given_back(folder, model, monkeypatch):
    seen, train_step, before = [], StudentNet.train_step, torch.get_num_threads()

    def noted(*args, **kwargs):
        seen.append(torch.get_num_threads())
        return train_step(*args, **kwargs)

    monkeypatch.setattr(StudentNet, "train_step", noted)
    torch.set_num_threads(2)
    try:
        assert fit(folder / "train.csv", model, "--threads", 1, "--quiet", teacher="none") == 0
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# ---- transformers


def test_a_teacher_is_trained_once_and_saved(
    folder, topics, tiny_checkpoint, tmp_path, model, capsys
):
    places = ["--cache", tmp_path / "cache", "--checkpoint", tmp_path / "checkpoints"]
    big = tmp_path / "big"
    options = [*places, "--no-augment", "--test", folder / "test.csv", "--json", "--verbose"]
    assert (
        fit(folder / "train.csv", model, *options, "--save-teacher", big, teacher=tiny_checkpoint)
        == 0
    )
    first, err = capsys.readouterr()
    assert "fine-tuning: 100%" in err
    assert f"teacher saved in {big}" in err
    saved = TransformerTeacherClassifier.from_finetuned(big)
    test = pd.read_csv(folder / "test.csv")
    assert (
        saved.score(test["text"], test["label"]) == json.loads(first)["test"]["teacher"]["accuracy"]
    )
    # Again: nothing is trained or asked, and the student is the same.
    again = tmp_path / "again.skd"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Teacher, "fit", None)
        assert fit(folder / "train.csv", again, *options, teacher=tiny_checkpoint) == 0
    second, err = capsys.readouterr()
    assert "hits=60, misses=0" in err
    assert "hits=100, misses=0" in err
    assert_same(again, model, topics[0])
    assert json.loads(second)["test"] == json.loads(first)["test"]


def test_a_finished_teacher_is_not_trained(folder, ready_teacher, model, monkeypatch, capsys):
    monkeypatch.setattr(Teacher, "fit", None)
    assert fit(folder / "train.csv", model, teacher=ready_teacher) == 0
    out, err = capsys.readouterr()
    assert "already fine-tuned for these classes" in err
    assert f"teacher {os.path.basename(ready_teacher)}" in out


# ---- input


def test_standard_input_is_read_as_a_file_is(folder, tmp_path, topics, monkeypatch):
    path = folder / "train.jsonl"
    options = ["--quiet", "--n-parameters", 500]
    assert fit(path, tmp_path / "file.skd", *options, teacher="none") == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert fit("-", tmp_path / "stream.skd", *options, "--format", "jsonl", teacher="none") == 0
    assert_same(tmp_path / "stream.skd", tmp_path / "file.skd", topics[0])


def test_columns_have_names(folder, tmp_path, model):
    table = pd.read_csv(folder / "train.csv")
    table.rename(columns={"text": "story", "label": "topic"}).to_csv(tmp_path / "a.csv")
    options = ["--text-column", "story", "--label-column", "topic", "--quiet"]
    assert fit(tmp_path / "a.csv", model, *options, "--n-parameters", 500, teacher="none") == 0
    assert CompiledClassifier.load(model).classes_.tolist() == ["cooking", "sailing", "trains"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "has no column 'text'; its columns are a, b"),
        ("text,class\nx,y\n", "has no column 'label'; its columns are text, class"),
        ("", "is empty; it needs a header and rows"),
        ("text,label\n", "has no rows"),
        (
            "text,label\nx,a\ny,\n",
            "line 3 has no label; add it, drop the row, or move",
        ),
        (
            "text,label\nx,a\n,b\n",
            "line 3 has no text in the column 'text'; add the",
        ),
        ("text,label\nx,a\ny,a\n", "has only one class, 'a'; add texts of a second class"),
        (b"text,label\nx,a\nna\xefve,b\n", "line 3 is not in UTF-8 (byte 0xef)"),
        (
            'text,label\n"x,a\n',
            "line 2 starts a row with a quote that is never",
        ),
        (None, "in.csv does not exist"),
    ],
)
def test_wrong_input_is_named_and_leaves_nothing(tmp_path, capsys, content, message):
    source = tmp_path / "in.csv"
    if content is not None:
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert fit(source, tmp_path / "model.skd") == 1
    out, err = capsys.readouterr()
    assert message in err
    assert err.splitlines()[-1].startswith("skdistill fit: error: ")
    assert out == ""
    assert not (tmp_path / "model.skd").exists()


def test_test_labels_must_be_known(folder, tmp_path, model, capsys):
    (tmp_path / "test.csv").write_text("text,label\nx,trains\ny,planes\n", encoding="utf-8")
    assert fit(folder / "train.csv", model, "--test", tmp_path / "test.csv") == 1
    assert (
        "test.csv, line 3 has the label 'planes', which is not one of the classes"
        in capsys.readouterr().err
    )


def test_an_unknown_teacher_is_an_error(folder, model, capsys):
    assert fit(folder / "train.csv", model, teacher="no/such-model") == 1
    assert (
        "the folder no/such-model does not exist here, and the Hugging" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "xml"], "invalid choice: 'xml'"),
        (["--test-fraction", "1.5"], "1.5 is not between 0 and 1"),
        (["--seed", "-1"], "-1 is not between 0 and 4294967295"),
        (["--n-parameters", "0"], "0 is not positive"),
        (["--test", "a.csv", "--test-fraction", "0.5"], "not allowed with argument --test"),
        (["--teacher", "none", "--augment"], "--augment needs a teacher"),
        (["--teacher", "none", "--unlabeled", "a.txt"], "--unlabeled needs a teacher"),
        (["--teacher", "none", "--cache", "a"], "--cache needs a teacher"),
        (["--teacher", "tfidf", "--checkpoint", "a"], "--checkpoint needs a transformer"),
        (["--teacher", "tfidf", "--save-teacher", "a"], "--save-teacher needs a transformer"),
        (["-o", "model.onnx"], "must end in .skd"),
        (["--teacher", "tfidf", "--lr", "0.1"], "--lr needs a transformer"),
        (["--lr", "0"], "0 is not a positive number"),
        (["--ngram-range", "3,1"], "3,1 is not in order"),
        (["--ngram-range", "0,1"], "0 is not positive"),
        *(
            (["--ngram-range", *words], f"{words[0]!r} is not two numbers with a comma between")
            for words in (["12"], ["1-2"], ["1", "2"], ["1,"], ["1,x"])
        ),
        (["--encoding", "latin0"], "'latin0' is not an encoding"),
        (["--encoding", "hex"], "'hex' is not an encoding"),
        (["--label-column", "text"], "must name different columns"),
        (["--label-column", "a", "--label-column", "b", "--label-separator", "|"], "pass one"),
    ],
)
def test_arguments_that_contradict_each_other(folder, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as info:
        cli.main(["fit", str(folder / "train.csv"), "-o", str(tmp_path / "model.skd"), *options])
    assert info.value.code == 2
    assert message in capsys.readouterr().err


def test_standard_input_needs_a_format_and_is_read_once(model, capsys):
    for options, message in ((["-"], "needs --format"), (["-", "--test", "-"], "cannot both be")):
        with pytest.raises(SystemExit) as info:
            fit(options[0], model, *options[1:])
        assert info.value.code == 2
        assert message in capsys.readouterr().err


# ---- nothing is lost


def test_a_model_is_not_replaced_unasked(folder, model, capsys):
    model.write_bytes(b"precious")
    assert fit(folder / "train.csv", model, "--n-parameters", 500) == 1
    assert f"{model} already exists; choose another name or pass --force" in capsys.readouterr().err
    assert model.read_bytes() == b"precious"
    assert fit(folder / "train.csv", model, "--n-parameters", 500, "--force", "--quiet") == 0
    assert len(CompiledClassifier.load(model).classes_) == 3


def test_a_saved_teacher_is_not_replaced_unasked(folder, tmp_path, model, tiny_checkpoint, capsys):
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "file").touch()
    options = ["--save-teacher", tmp_path / "big"]
    assert fit(folder / "train.csv", model, *options, teacher=tiny_checkpoint) == 1
    assert "big already exists" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--cache", "--checkpoint"])
def test_a_file_is_no_folder_to_keep_work_in(folder, model, tiny_checkpoint, capsys, option):
    place = folder / "train.csv"
    for given in (place, place / "inside"):
        assert fit(folder / "train.csv", model, option, given, teacher=tiny_checkpoint) == 1
        told = capsys.readouterr().err
        assert f"error: {place} is an existing file; pass the path of a folder.\n" in told
        assert "Reading" not in told


def test_a_missing_folder_is_found_out_first(folder, tmp_path, capsys):
    assert fit(folder / "train.csv", tmp_path / "new" / "model.skd") == 1
    assert "new does not exist; create it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "kind", "message"),
    [
        ("-o", "folder", "is an existing folder; pass the path of a file"),
        ("--save-teacher", "file", "is an existing file; pass the path of a folder"),
    ],
)
def test_a_file_is_no_folder(
    folder, tmp_path, model, tiny_checkpoint, monkeypatch, capsys, option, kind, message
):
    place = tmp_path / "place.skd"
    place.mkdir() if kind == "folder" else place.touch()
    monkeypatch.setattr(Teacher, "fit", None)
    options = [option, place, "--force"]
    assert fit(folder / "train.csv", model, *options, teacher=tiny_checkpoint) == 1
    assert message in capsys.readouterr().err


def test_a_folder_that_takes_no_file_is_found_out_first(folder, model, monkeypatch, capsys):
    def refuse(**given):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert fit(folder / "train.csv", model) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"skdistill fit: error: [Errno 13] {str(model)!r} could not be written: "
    )


@pytest.mark.filterwarnings("ignore:100 of the 100 texts")
def test_a_teacher_that_is_never_right_spoils_no_result(folder, model, tmp_path, capsys):
    texts = pd.read_csv(folder / "train.csv")
    wrong = texts["label"].map({"cooking": "sailing", "sailing": "trains", "trains": "cooking"})
    texts.assign(label=wrong).to_csv(tmp_path / "test.csv", index=False)
    assert fit(folder / "train.csv", model, "--test", tmp_path / "test.csv") == 0
    out = capsys.readouterr().out
    assert "fidelity" in out
    assert "retention" not in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "skdistill fit: interrupted; nothing was written"),
        (
            ["--cache", "cache"],
            "run the same command to resume from the texts that are already labelled",
        ),
    ],
)
def test_an_interruption_says_what_is_kept(
    folder, tmp_path, model, monkeypatch, capsys, options, message
):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(StudentNet, "train_step", interrupt)
    assert fit(folder / "train.csv", model, *options) == 130
    out, err = capsys.readouterr()
    assert message in err.splitlines()[-1]
    assert out == ""
    assert not model.exists()


def test_an_interrupted_fine_tuning_goes_on(
    folder, tmp_path, model, topics, tiny_checkpoint, capsys, monkeypatch
):
    from transformers import Trainer

    monkeypatch.setattr("skdistill.cli._teacher_choice.VERY_FEW_TEXTS", 1)
    step, calls = Trainer.training_step, []

    def interrupt_in_second_epoch(*args, **kwargs):
        calls.append(args)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return step(*args, **kwargs)

    options = ["--checkpoint", tmp_path / "checkpoints"]
    run = [folder / "train.csv", model, *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "training_step", interrupt_in_second_epoch)
        assert fit(*run, teacher=tiny_checkpoint) == 130
        assert "to resume from the teacher's last complete epoch" in capsys.readouterr().err
        calls.clear()
        patch.setattr(Trainer, "training_step", lambda *a, **k: calls.append(a) or step(*a, **k))
        assert fit(*run, teacher=tiny_checkpoint) == 0
    assert "fine-tuning continues after epoch 1" in capsys.readouterr().err
    assert len(calls) == 7 * 4  # 8 epochs of 4 batches, of which the first was kept
    whole = tmp_path / "whole.skd"
    assert fit(folder / "train.csv", whole, "--quiet", teacher=tiny_checkpoint) == 0
    assert capsys.readouterr().err == ""
    assert_same(whole, model, topics[0])


def run_telling(arguments, sender):
    os.dup2(sender.fileno(), sys.stderr.fileno())
    return cli.main(arguments)


@needs_posix
def test_ctrl_c_ends_the_process_without_a_traceback(folder, model):
    told, teller = Pipe(duplex=False)
    arguments = ["fit", str(folder / "train.csv"), "-o", str(model), "--teacher", "tfidf"]
    arguments += ["--augment", "--verbose", "--student", "cnn"]
    process, outcome = start(run_telling, arguments, teller)
    teller.close()
    with open(told.fileno(), closefd=False) as stderr:
        seen = ""
        while "training student" not in seen:
            seen += stderr.readline()
        os.kill(process.pid, signal.SIGINT)
        err = stderr.read()
    assert finish(process, outcome) == 130
    assert err.splitlines()[-1] == "skdistill fit: interrupted; nothing was written"
    assert "Traceback" not in err
    assert not model.exists()


@pytest.mark.parametrize("labels", [["0 2", "1", "0"], ["a|b", "a", "b"]], ids=["numbers", "names"])
def test_what_predict_writes_for_several_labels_is_no_class(labels, tmp_path, capsys):
    table = pd.DataFrame({"text": ["one", "two", "three"] * 4, "label": labels * 4})
    table.to_csv(tmp_path / "several.csv", index=False)
    assert cli.main(["fit", str(tmp_path / "several.csv"), "-o", str(tmp_path / "s.skd")]) == 1
    told = capsys.readouterr().err
    assert (
        f"several.csv: label contains {labels[0]!r}, several labels of one text; pass --label-sep"
        in told
    )


@pytest.mark.parametrize("labels", [["a|b", "c", "a"], ["0 2", "x", "1"], ["in a", "in", "b"]])
def test_classes_may_look_like_lists(labels, tmp_path):
    table = pd.DataFrame({"text": ["one", "two", "three"] * 4, "label": labels * 4})
    table.to_csv(tmp_path / "one.csv", index=False)
    fit(tmp_path / "one.csv", tmp_path / "s.skd", teacher="none")
    assert CompiledClassifier.load(tmp_path / "s.skd").classes_.tolist() == sorted(labels)


# ---- features, fine-tuning, several labels, calibration


def test_characters_can_be_the_features_of_teacher_and_student(folder, model, topics):
    options = ["--analyzer", "char", "--ngram-range", "1,3", "--n-parameters", 3000, "--quiet"]
    assert fit(folder / "train.csv", model, *options) == 0
    texts, labels = topics[0][:100], topics[1][:100]
    teacher = make_tfidf_baseline(C=10)
    teacher.set_params(tfidfvectorizer__analyzer="char", tfidfvectorizer__ngram_range=(1, 3))
    options = {"analyzer": "char", "ngram_range": (1, 3), "n_parameters": 3000}
    student = DistilledMLPClassifier(teacher, **options, random_state=0).fit(texts, labels)
    found = CompiledClassifier.load(model).predict_proba(topics[0])
    np.testing.assert_allclose(found, student.predict_proba(topics[0]), atol=1e-6)


def test_fine_tuning_has_options(folder, model, tiny_checkpoint, monkeypatch):
    seen, fit_teacher = [], Teacher.fit

    def noted(self, X, y, **options):
        seen.append((self.max_epochs, self.lr, self.batch_size))
        return fit_teacher(self, X, y, **options)

    monkeypatch.setattr(Teacher, "fit", noted)
    options = ["--epochs", 1, "--lr", 3e-4, "--batch-size", 50, "--quiet"]
    assert fit(folder / "train.csv", model, *options, teacher=tiny_checkpoint) == 0
    assert seen == [(1, 3e-4, 50)]


@pytest.mark.filterwarnings("default:About .* of the texts have .* tokens or more")
def test_the_advice_to_read_more_of_a_text_names_an_option(
    folder, model, tiny_checkpoint, ready_teacher, capsys
):
    options = ["--epochs", 1, "--max-length", 5, "--n-parameters", 500, "--force"]
    assert fit(folder / "small.csv", model, *options, teacher=tiny_checkpoint) == 0
    told = capsys.readouterr().err
    assert told.count("reads only the first 5. If the ends of texts matter, raise --max-len") == 1
    options = ["--max-length", 40, "--n-parameters", 500, "--force"]
    assert fit(folder / "small.csv", model, *options, teacher=ready_teacher) == 0
    assert "reads only" not in capsys.readouterr().err


@pytest.mark.parametrize("has_test", [False, True])
def test_labelling_is_announced_after_the_teacher_is_trained(
    folder, model, tiny_checkpoint, monkeypatch, capsys, has_test
):
    monkeypatch.setattr("skdistill.cli._narrator._LONG", 0)
    options = ["--epochs", 1, "--no-augment", *["--test", folder / "test.csv"] * has_test]
    assert fit(folder / "train.csv", model, *options, teacher=tiny_checkpoint) == 0
    notes = [line[10:].strip() for line in capsys.readouterr().err.splitlines()]
    start = notes.index("epoch 1 of 1")
    labelling = [note for note in notes if note.startswith("the teacher labels")]
    assert labelling == ["the teacher labels 60 texts"] * has_test + [
        "the teacher labels 100 texts"
    ]
    assert all(notes.index(note) > start for note in labelling)


@pytest.mark.parametrize("text", ["🙂", "a b"])
def test_texts_without_words_are_said_to_have_none(tmp_path, model, text, capsys):
    data = write_rows(tmp_path / "data.csv", [f"{text} 🙁 {'🙂' * i},{i % 2}" for i in range(9)])
    assert fit(data, model, "--quiet") == 1
    assert capsys.readouterr().err == (
        "skdistill fit: error: the texts contain no words of two or more letters or digits, which "
        "TF-IDF counts; pass --analyzer char or choose another --teacher.\n"
    )
    options = ["--quiet", "--n-parameters", 500, "--force", "--test-fraction", 0.4]
    assert fit(data, model, *options, "--analyzer", "char") == 0
    assert fit(data, model, *options, teacher="none") == 0
    assert "TF-IDF" not in capsys.readouterr().out


def test_a_student_that_cannot_be_written_is_saved_elsewhere(
    folder, model, tmp_path, monkeypatch, capsys
):
    save = DistilledMLPClassifier.save

    def refuse(self, path, **options):
        if path == model:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, path, **options)

    monkeypatch.setattr(DistilledMLPClassifier, "save", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert fit(folder / "train.csv", model, "--n-parameters", 500, teacher="none") == 1
    (rescued,) = tmp_path.glob("skdistill-*/model.skd")
    told = capsys.readouterr().err
    assert f"No space left on device The student is saved in {rescued} instead.\n" in told
    assert CompiledClassifier.load(rescued).classes_.tolist() == ["cooking", "sailing", "trains"]
    assert not model.exists()


def test_a_full_disk_is_found_out_first(folder, model, monkeypatch, capsys):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **given: open("/dev/full", "wb"))  # noqa: SIM115
    assert fit(folder / "train.csv", model) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{str(model)!r} could not be written: No space left on device." in line


def test_checkpoints_are_said_to_be_no_longer_needed(
    folder, model, tiny_checkpoint, tmp_path, capsys
):
    options = ["--checkpoint", tmp_path / "kept", "--epochs", 1, "--no-augment"]
    assert fit(folder / "small.csv", model, *options, teacher=tiny_checkpoint) == 0
    assert f"{tmp_path / 'kept'} is no longer needed; delete it" in capsys.readouterr().err


def test_a_finished_teacher_takes_no_options_of_fine_tuning(folder, ready_teacher, model, capsys):
    assert fit(folder / "train.csv", model, "--epochs", 1, teacher=ready_teacher) == 1
    assert "is already fine-tuned for these classes, so --epochs" in capsys.readouterr().err


@pytest.fixture(scope="module")
def tagged(topics, tmp_path_factory):
    """Pairs of texts with the labels of both, as a list and as columns of ones and zeros."""
    texts, labels = topics
    pairs = [*zip(labels[:120:2].tolist(), labels[1:120:2].tolist(), strict=True)]
    table = pd.DataFrame(
        {
            "text": [f"{a} {b}" for a, b in zip(texts[:120:2], texts[1:120:2], strict=True)],
            "label": ["; ".join(sorted({*pair})) for pair in pairs],
            **{name: [int(name in pair) for pair in pairs] for name in ("sailing", "cooking")},
        }
    )
    path = tmp_path_factory.mktemp("tagged") / "tagged.csv"
    table.to_csv(path, index=False)
    return path


@pytest.mark.filterwarnings("ignore:60 of the 60 texts")
@pytest.mark.parametrize("way", ["a separator", "several columns"])
def test_a_text_may_have_several_labels(tagged, tmp_path, way, capsys):
    if way == "a separator":
        options = ["--label-separator", ";"]
        names = ["cooking", "sailing", "trains"]
    else:
        options = ["--label-column", "sailing", "--label-column", "cooking"]
        names = ["sailing", "cooking"]
    model = tmp_path / "model.skd"
    more = ["--cache", tmp_path / "cache", "--json", "--test", tagged]
    assert fit(tagged, model, *options, *more) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["classes"] == names
    assert result["test"]["teacher"]["fidelity"] > 0
    table = pd.read_csv(tagged)
    y = np.array([[name in row for name in names] for row in table["label"]]).astype(int)
    predicted = CompiledClassifier.load(model).predict(table["text"].tolist())
    assert result["test"]["accuracy"] == (predicted == y).all(axis=1).mean()
    assert cli.main(["report", str(model), str(tagged), *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == result["test"]["accuracy"]


def test_several_labels_are_split_and_calibrated(tagged, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_student_base, "make_schedule", make_schedule)
    options = [
        "--label-separator",
        ";",
        "--test-fraction",
        0.2,
        "--calibrate",
        "--json",
        "--n-parameters",
        30,
    ]
    monkeypatch.setattr(_training, "_MIN_HELD_OUT", 12)
    assert fit(tagged, tmp_path / "model.skd", *options) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["n_labelled"], result["test"]["n_texts"]) == (36, 12)
    assert result["calibration"]["n_texts"] == 12


def test_texts_of_several_labels_are_not_all_held_out(tagged, model, capsys):
    options = ["--label-separator", ";", "--test-fraction", 0.999]
    assert fit(tagged, model, *options, teacher="none") == 1
    told = capsys.readouterr().err
    assert f"{tagged} has 60 texts, and a share of 0.999 leaves none to train on" in told


def test_a_student_is_calibrated_on_texts_that_it_has_not_seen(folder, model, topics, capsys):
    options = ["--calibrate", "--n-parameters", 150, "--json"]
    assert fit(folder / "train.csv", model, *options, teacher="none") == 0
    result = json.loads(capsys.readouterr().out)
    student = DistilledMLPClassifier.load(model)
    assert (result["n_labelled"], result["calibration"]) == (80, student.calibration_)
    assert student.transfer_size_ == 80
    assert student.calibration_["n_texts"] == 20


def test_a_student_that_cannot_be_calibrated_is_saved(folder, model, monkeypatch, capsys):
    def refuse(*args):
        raise ValueError("No temperature fits.")

    monkeypatch.setattr(DistilledMLPClassifier, "calibrate", refuse)
    options = ["--calibrate", "--n-parameters", 500]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert fit(folder / "train.csv", model, *options, teacher="none") == 0
    assert "warning: The student is not calibrated. No temperature" in capsys.readouterr().err
    assert CompiledClassifier.load(model).classes_.tolist() == ["cooking", "sailing", "trains"]


def test_the_calibration_is_told_as_the_scores_are(folder, model, capsys):
    options = ["--calibrate", "--n-parameters", 150]
    assert fit(folder / "train.csv", model, *options, teacher="none") == 0
    found = DistilledMLPClassifier.load(model).calibration_
    before, after = (f"{100 * found[f'error_{when}']:.2f}" for when in ("before", "after"))
    expected = f"on 20 held-out texts, in %: {before} before calibration, {after} after\n"
    assert expected in capsys.readouterr().out


def test_few_texts_are_not_held_out(folder, model, capsys):
    assert fit(folder / "small.csv", model, "--calibrate") == 1
    assert "--calibrate holds out 20 texts, but" in capsys.readouterr().err


def test_bad_rows_are_left_out_if_wanted(folder, tmp_path, model, capsys):
    content = (folder / "train.csv").read_text(encoding="utf-8")
    (tmp_path / "bad.csv").write_text(f"{content}one field\n,food\n", encoding="utf-8")
    options = ["--n-parameters", 500, "--quiet"]
    assert fit(tmp_path / "bad.csv", model, *options, teacher="none") == 1
    told = capsys.readouterr().err
    assert "bad.csv, line 102 has 1 field, but the header has 2; quote fields that" in told
    assert "--skip-bad-rows leaves out such rows" in told
    assert fit(tmp_path / "bad.csv", model, *options, "--skip-bad-rows", teacher="none") == 0
    assert "bad.csv: left out 2 bad rows (the first: line 102 has" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--text-column", "x"], ["--sep", "ab"], ["--label-column", "x"]], ids=str
)
def test_a_mistake_is_found_before_anything_slow_is_loaded(folder, model, wrong):
    words = ["fit", str(folder / "train.csv"), "-o", str(model), *wrong]
    code = (
        "import sys; from skdistill.cli._main import main\n"
        f"try: status = main({words!r})\n"
        "except SystemExit as error: status = error.code\n"
        "slow = {'torch', 'sklearn', 'pandas', 'transformers', 'datasets'} & {*sys.modules}\n"
        "print(status > 0, slow)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"
    assert wrong[0] in done.stderr


# ---- what a wrong option or column is told


def write_rows(path, rows, header="text,label"):
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("given", "meant"),
    [("tf-idf", "tfidf"), ("TFIDF", "tfidf"), ("tf_idf", "tfidf"), ("None", "none")],
)
def test_a_teacher_with_a_similar_name_is_proposed(folder, model, given, meant, capsys):
    with pytest.raises(SystemExit) as info:
        fit(folder / "small.csv", model, teacher=given)
    assert info.value.code == 2
    told = capsys.readouterr().err
    assert told.endswith(f"there is no teacher {given!r}; did you mean {meant}?\n")
    assert "Reading" not in told


def test_a_column_of_numbers_of_tickets_is_not_taken_for_labels(tmp_path, model, capsys):
    rows = [f"the text {i},T{i // 2 if i < 20 else i}" for i in range(40)]
    data = write_rows(tmp_path / "data.csv", rows, "text,Ticket")
    assert fit(data, model, "--label-column", "Ticket") == 1
    told = capsys.readouterr().err
    assert (
        "The column 'Ticket' has a different label in nearly every row; is it the right "
        f"--label-column? {data} has 30 labels in 40 rows.\n"
    ) in told
    assert "warning" not in told


def test_half_as_many_classes_as_texts_are_enough(tmp_path, model, capsys):
    data = write_rows(tmp_path / "data.csv", [f"word{i // 2} here,c{i // 2}" for i in range(20)])
    assert fit(data, model, "--quiet") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("default")
def test_many_test_texts_that_are_training_texts_are_a_warning(folder, tmp_path, model, capsys):
    train = pd.read_csv(folder / "train.csv")
    test = pd.read_csv(folder / "test.csv")
    for n_known, warns in ((6, True), (5, False)):
        pd.concat([train[:n_known], test[n_known:]]).to_csv(tmp_path / "test.csv", index=False)
        options = ["--test", tmp_path / "test.csv", "--quiet", "--force"]
        assert fit(folder / "train.csv", model, *options, teacher="none") == 0
        told = capsys.readouterr().err
        expected = f"warning: {n_known} of the 60 texts of {tmp_path / 'test.csv'} are also in "
        assert (expected in told) is warns
        assert bool(told) is warns


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("options", [[], ["--label-separator", "|"]])
def test_labels_that_differ_only_in_case_are_a_warning(tmp_path, model, options, capsys):
    rows = ["soup,joy", "tea,joy", "bus,Joy", "tram,Joy", "train,fear", "bread,fear"]
    data = write_rows(tmp_path / "data.csv", rows)
    assert fit(data, model, "--quiet", *options, teacher="none") == 0
    assert capsys.readouterr().err == (
        f"skdistill fit: warning: {data}: label contains 'Joy' and 'joy', which count as two "
        "labels; rename one of them if they mean the same.\n"
    )


def test_a_long_training_gives_signs_of_life(folder, model, tiny_checkpoint, monkeypatch, capsys):
    monkeypatch.setattr("skdistill.cli._narrator._LONG", 0)
    assert fit(folder / "train.csv", model, "--epochs", 3, teacher=tiny_checkpoint) == 0
    notes = [line[10:].strip() for line in capsys.readouterr().err.splitlines()]
    teacher = [f"epoch {number} of 3" for number in (1, 2, 3)]
    assert [note for note in notes if "epoch" in note] == [*teacher, "epoch 1 of 2", "epoch 2 of 2"]


@pytest.mark.parametrize(
    ("used", "given"), [(" | ", ";"), ("|", ";"), ("; ", "|"), (",", "|"), (" | ", ",")]
)
def test_another_separator_of_labels_is_named(tmp_path, model, used, given, capsys):
    rows = ["soup,food", "bus,travel", f'soup in a bus,"food{used}travel"']
    data = write_rows(tmp_path / "data.csv", rows)
    assert fit(data, model, "--label-separator", given) == 1
    told = capsys.readouterr().err
    assert f"contains {f'food{used}travel'!r}, several labels of one text" in told
    assert f"pass --label-separator {used.strip()!r}.\n" in told


@pytest.mark.parametrize("given", ["|", ";", ","])
def test_numbers_of_labels_need_a_separator_of_their_own(tmp_path, model, capsys, given):
    rows = ["a soup on a train,0 2", "rain on a train,1 2", "a plate,", "soup,0"] * 5
    data = write_rows(tmp_path / "data.csv", rows)
    assert fit(data, model, "--label-separator", given, teacher="none") == 1
    message = "contains '0 2', several labels of one text; pass --label-separator ' '.\n"
    assert message in capsys.readouterr().err
    assert fit(data, model, "--label-separator", " ", teacher="none") == 0
    assert CompiledClassifier.load(model).classes_.tolist() == ["0", "1", "2"]


def test_spaces_around_a_separator_do_not_hide_several_labels(tmp_path, model, capsys):
    rows = ["soup,food", "bus,travel", "soup in a bus,food | travel"]
    assert fit(write_rows(tmp_path / "data.csv", rows), model) == 1
    assert "contains 'food | travel', several labels" in capsys.readouterr().err


def test_a_spreadsheet_and_lines_are_not_for_fit(tmp_path, model, capsys):
    for name in ("data.xlsx", "data.xml"):
        (tmp_path / name).write_bytes(b"PK")
    assert fit(tmp_path / "data.xlsx", model) == 1
    assert "in Excel, save the sheet as CSV UTF-8, and pass" in capsys.readouterr().err
    assert fit(tmp_path / "data.xml", model) == 1
    told = capsys.readouterr().err
    assert "use one of .csv, .tsv, .jsonl, .parquet." in told
    assert ".txt" not in told


def test_a_file_with_a_similar_name_is_proposed(tmp_path, model, capsys):
    write_rows(tmp_path / "train.csv", ["soup,food"])
    assert fit(tmp_path / "trian.csv", model) == 1
    told = capsys.readouterr().err
    assert (
        f"{tmp_path / 'trian.csv'} does not exist; did you mean {tmp_path / 'train.csv'}?" in told
    )


def test_a_file_is_not_proposed_for_its_extension_alone(tmp_path, model, capsys):
    write_rows(tmp_path / "out.csv", ["soup,food"])
    assert fit(tmp_path / "nosuch.csv", model) == 1
    assert f"{tmp_path / 'nosuch.csv'} does not exist.\n" in capsys.readouterr().err


def test_a_column_that_differs_in_case_is_proposed(tmp_path, model, capsys):
    data = write_rows(tmp_path / "data.csv", ["soup,food"], "Utterance,label")
    assert fit(data, model, "--text-column", "utterance") == 1
    told = capsys.readouterr().err
    assert (
        "no column 'utterance'; did you mean 'Utterance'? Choose it with --text-column Utt" in told
    )


def test_a_column_with_a_similar_name_is_proposed_among_all(tmp_path, model, capsys):
    data = write_rows(tmp_path / "data.csv", ["soup,food,1"], "text,label,text2")
    assert fit(data, model, "--label-column", "labels") == 1
    told = capsys.readouterr().err
    assert (
        "no column 'labels'; its columns are text, label, text2; did you mean 'label'? Choose it "
        "with --label-column label.\n"
    ) in told
    assert fit(data, model, "--text-column", "texts2") == 1
    assert "did you mean 'text2'? Choose it with --text-column text2.\n" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--test", "--unlabeled"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_second_file_is_told_to_have_the_columns_of_the_first(
    tmp_path, model, capsys, option, kind
):
    data = write_rows(tmp_path / "data.csv", ["soup,food", "bus,travel"], "body,category")
    second = tmp_path / f"second.{kind}"
    table = pd.DataFrame({"text": ["soup"], "label": ["food"]})
    if kind == "csv":
        table.to_csv(second, index=False)
    else:
        table.to_json(second, orient="records", lines=True)
    names = ["--text-column", "body", "--label-column", "category"]
    assert fit(data, model, *names, option, second) == 1
    told = capsys.readouterr().err
    assert (
        f"are text, label. Rename one of them to 'body' as in {data}, because --text-column names "
        "a column of all files."
    ) in told
    assert "Choose" not in told


def test_the_advice_to_skip_rows_is_not_given_for_a_wrong_encoding(tmp_path, model, capsys):
    data = tmp_path / "data.csv"
    data.write_bytes("text,label\nsoup,food\nnaïve,travel\n".encode("cp1252"))
    assert fit(data, model) == 1
    told = capsys.readouterr().err
    assert told.endswith(
        "line 3 is not in UTF-8 (byte 0xef); name the encoding of the file, for "
        "example --encoding cp1252.\n"
    )


@pytest.mark.parametrize(
    ("real", "advice"),
    [
        ("utf-8", "seems to be in utf-8, not in UTF-16; drop --encoding."),
        (
            "cp1252",
            "seems to be in cp1252, not in UTF-16; name the encoding of the file, for "
            "example --encoding cp1252.",
        ),
        (
            "utf-16-be",
            "not in UTF-16; name the encoding of the file, for example --encoding utf-16-be.",
        ),
    ],
)
def test_the_likely_encoding_is_named(tmp_path, model, capsys, real, advice):
    data = tmp_path / "data.csv"
    data.write_bytes("text,label\nsoup,food\nnaïve,travel\n".encode(real))
    assert fit(data, model, "--encoding", "utf-16") == 1
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "is_terminal", "has_bars"),
    [
        ([], False, False),
        (["--verbose"], False, True),
        ([], True, True),
        (["--quiet"], True, False),
    ],
)
def test_bars_are_for_terminals_unless_asked_for(
    folder, model, options, is_terminal, has_bars, monkeypatch, capsys
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    assert fit(folder / "train.csv", model, *options) == 0
    told = capsys.readouterr().err
    assert ("training student" in told) is has_bars
    assert ("Reading" in told) is ("--quiet" not in options)


def test_quiet_and_verbose_exclude_each_other(folder, model, capsys):
    with pytest.raises(SystemExit):
        fit(folder / "train.csv", model, "--quiet", "--verbose")
    assert "--quiet and --verbose exclude each other" in capsys.readouterr().err
