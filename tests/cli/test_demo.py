import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from conftest import make_checkpoint
from skdistill import DistilledMLPClassifier, load_text_dataset, make_tfidf_baseline
from skdistill.cli import _demo_run as demo
from skdistill.cli import _teacher_choice as _teacher_choice
from skdistill.cli._demo_run import Demo, run_demo
from skdistill.cli._main import main
from skdistill.cli._narrator import Narrator
from skdistill.teachers._transformer import TransformerTeacherClassifier

CLASSES = ["cooking", "sailing", "trains"]


@pytest.fixture(scope="module")
def file(topics, tmp_path_factory):
    """200 labelled texts in a csv file whose columns have names of their own."""
    path = tmp_path_factory.mktemp("data") / "topics.csv"
    texts, labels = topics
    pd.DataFrame({"story": texts[:200], "topic": labels[:200]}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def pool(topics, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pool.txt"
    path.write_text("\n".join(topics[0][200:300]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ready_teacher(topics, tmp_path_factory):
    """The folder of a tiny classifier whose classes are those of the texts, in another order."""
    folder = tmp_path_factory.mktemp("ready")
    return make_checkpoint(folder, topics[0], head=["trains", "cooking", "sailing"])


@pytest.fixture
def texts(topics):
    X, y = topics
    return Bunch(
        X_train=X[:300],
        y_train=y[:300],
        X_val=None,
        y_val=None,
        X_test=X[300:400],
        y_test=y[300:400],
        X_unlabeled=X[400:],
        classes=np.array(CLASSES),
        DESCR="",
    )


def run(file, **options):
    return run_demo(Demo(str(file), text_column="story", label_column="topic", **options))


def test_a_missing_column_is_named_by_its_option(file, tiny_checkpoint, capsys):
    assert main(["demo", "--data", str(file), "--teacher", str(tiny_checkpoint), "--no-plot"]) == 1
    assert "Choose the right one with --text-column; if" in capsys.readouterr().err


# ---- the whole story


def test_the_whole_story(file, pool, tiny_checkpoint, tmp_path, capsys):
    output = tmp_path / "new" / "results"
    table = run(file, teacher=tiny_checkpoint, unlabeled=pool, output=output)
    assert [kind for kind, _ in table.groupby("kind", sort=False)] == [
        "baseline",
        "hard labels",
        "teacher",
        "distilled",
    ]
    assert len(table) == 5
    assert table["name"].is_unique
    assert table["accuracy"].iloc[1] > 0.9
    assert (table["fit_seconds"] > 0).all()

    names = {path.name for path in output.iterdir()}
    assert names == {"student.skd", "table.json", "accuracy-against-size.png"}
    assert (output / "accuracy-against-size.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((output / "table.json").read_text(encoding="utf-8"))
    assert [model["accuracy"] for model in content["models"]] == table["accuracy"].tolist()
    assert (content["n_train"], content["n_unlabeled"], content["n_test"]) == (160, 100, 40)
    assert content["classes"] == CLASSES

    student = DistilledMLPClassifier.load(output / "student.skd")
    assert student.pooling == ("mean", "attention")
    assert student.transfer_size_ == 260
    data = load_text_dataset(file, text_column="story", label_column="topic")
    assert student.score(data.X_test, data.y_test) == table["accuracy"].iloc[-1]

    out, err = capsys.readouterr()
    assert "model " in out
    assert f"Figure:  {output / 'accuracy-against-size.png'}\n" in out
    assert "This takes about" in err.splitlines()[0]
    assert "1/7  Reading texts" in err
    assert "7/7  Measuring" in err
    assert ": fine-tuning\n" in err
    assert "100%" not in err  # bars are for terminals


def test_the_printed_lines_of_python_run(file, ready_teacher, tmp_path, capsys):
    run(file, teacher=ready_teacher, output=tmp_path, plot=False)
    lines = [line[4:] for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert [line.split()[0] for line in lines[3:]] == ["skdistill", "skdistill"]
    result = {}
    exec("\n".join([*lines[:2], f"prediction = {lines[2]}"]), result)
    assert result["prediction"].shape == (1,)
    assert result["prediction"][0] in CLASSES


def test_a_finished_teacher_is_not_trained(file, ready_teacher, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(TransformerTeacherClassifier, "fit", None)
    table = run(file, teacher=ready_teacher, output=tmp_path, plot=False)
    teacher = table.loc[table["kind"] == "teacher"].iloc[0]
    assert np.isnan(teacher["fit_seconds"])
    assert teacher["retention"] == 1
    assert "already fine-tuned" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.png"))


def test_the_students_learn_what_the_teacher_says(file, pool, ready_teacher, tmp_path):
    table = run(file, teacher=ready_teacher, unlabeled=pool, output=tmp_path, plot=False)
    # The teacher is random: who agrees with it has learned from it, not from the labels.
    fidelity = table.groupby("kind")["fidelity"].min()
    assert fidelity["distilled"] > fidelity["hard labels"] + 0.1


def test_the_next_steps_run_in_a_shell(file, ready_teacher, tmp_path, monkeypatch, capsys):
    run(file, teacher=ready_teacher, output=tmp_path / "out", plot=False)
    out = capsys.readouterr().out
    texts = pd.read_csv(file).rename(columns={"story": "text", "topic": "label"})
    monkeypatch.chdir(tmp_path)
    texts.to_csv("reviews.csv", index=False)
    texts[["text"]].to_csv("new.csv", index=False)
    Path("more.txt").write_text("\n".join(texts["text"]), encoding="utf-8")
    fit, predict = (
        line.split()[1:] for line in out.splitlines() if line.startswith("    skdistill")
    )
    assert main([*fit, "--teacher", "tfidf"]) == 0
    assert main(predict) == 0
    assert pd.read_csv("labelled.csv")["label"].isin(CLASSES).all()


def test_few_texts_are_taken_unless_all_are_asked_for(file, ready_teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "N_TRAIN", 50)
    for full, n_train in ((False, 50), (True, 160)):
        table = run(file, teacher=ready_teacher, output=tmp_path, plot=False, full=full)
        content = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
        assert (content["full"], content["n_train"]) == (full, n_train)
        # The article's students, too, if all texts are used.
        assert len(table) == (7 if full else 5)


def test_missing_matplotlib_is_found_out_first(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="--no-plot"):
        run_demo(Demo("no-such-file.csv", output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# ---- parts of it


@pytest.mark.parametrize(
    ("name", "loader"), [("docstrings", "load_docstrings"), ("emotion", "load_emotion")]
)
def test_known_data_has_names(name, loader, texts, pool, monkeypatch):
    monkeypatch.setattr(demo, loader, lambda **options: texts)
    silent = Narrator(1, silent=True)
    found = demo._load(Demo(name, full=True), silent)
    assert found.X_train == texts.X_train
    n_unlabeled = len(texts.X_unlabeled)
    more = demo._load(Demo(name, unlabeled=pool, full=True), silent)
    assert len(more.X_unlabeled) == n_unlabeled + 100


def test_shrinking_takes_matching_texts_and_labels(texts, monkeypatch):
    texts.X_val, texts.y_val = texts.X_test[50:], texts.y_test[50:]
    texts.X_test, texts.y_test = texts.X_test[:50], texts.y_test[:50]
    for name, size in {"N_TRAIN": 30, "N_VAL": 15, "N_TEST": 20, "N_UNLABELED": 400}.items():
        monkeypatch.setattr(demo, name, size)
    few = demo._shrink(texts, 0)
    assert (len(few.X_train), len(few.X_val), len(few.X_test)) == (30, 15, 20)
    for part in ("train", "val", "test"):
        labels = dict(zip(texts[f"X_{part}"], texts[f"y_{part}"], strict=True))
        assert [labels[text] for text in few[f"X_{part}"]] == few[f"y_{part}"].tolist()
    # What is left over of the labelled texts is unlabelled.
    left_over = {*texts.X_train} - {*few.X_train}
    assert {*few.X_unlabeled} <= {*texts.X_unlabeled} | left_over
    assert left_over & {*few.X_unlabeled}
    assert demo._shrink(texts, 0).X_train == few.X_train != demo._shrink(texts, 1).X_train
    assert len(texts.X_train) == 300


def test_shrinking_takes_all_of_few_texts(texts):
    few = demo._shrink(texts, 0)
    assert sorted(few.X_train) == sorted(texts.X_train)
    assert sorted(few.X_unlabeled) == sorted(texts.X_unlabeled)
    assert few.X_val is None


def test_c_is_tuned_on_the_validation_texts_if_there_are_any(texts):
    texts.X_val, texts.y_val = texts.X_test[:50], texts.y_test[:50]
    expected = make_tfidf_baseline(0.01).fit(texts.X_train, texts.y_train)
    found = demo._validation_accuracy(texts, 0)(0.01)
    assert found == expected.score(texts.X_val, texts.y_val) < 1


def test_c_is_tuned_on_a_fifth_of_train_otherwise(texts, monkeypatch):
    sizes = []

    class Pipeline:
        def fit(self, X, y):
            sizes.append(len(X))
            assert set(X) <= set(texts.X_train)
            return self

        def score(self, X, y):
            sizes.append(len(X))
            return 0.5

    monkeypatch.setattr(demo, "make_tfidf_baseline", lambda C: Pipeline())
    assert demo._validation_accuracy(texts, 0)(1.0) == 0.5
    assert sizes == [240, 60]


def test_the_best_c_is_fitted_on_all_of_train(texts, monkeypatch):
    monkeypatch.setattr(demo, "_validation_accuracy", lambda *args: {1: 0.5, 3: 0.7, 10: 0.6}.get)
    monkeypatch.setattr(demo, "TUNED_C", (1, 3, 10))
    tuned = demo._fit_tuned_baseline(texts, 0)
    assert tuned.name == "TF-IDF + LR, C=3"
    expected = make_tfidf_baseline(3).fit(texts.X_train, texts.y_train)
    np.testing.assert_array_equal(tuned.model[-1].coef_, expected[-1].coef_)


@pytest.fixture
def teacher_settings(file, tiny_checkpoint, tmp_path, monkeypatch):
    """Run the demo as far as the teacher; return how that is made."""

    class Enough(Exception):  # noqa: N818
        pass

    def settings(**options):
        made = []

        def make(*args, **params):
            made.append(params)
            raise Enough

        monkeypatch.setattr("skdistill.teachers._transformer.TransformerTeacherClassifier", make)
        with pytest.raises(Enough):
            run(file, output=tmp_path, plot=False, **options)
        return made[0]

    monkeypatch.setattr(demo, "default_teacher", lambda: tiny_checkpoint)
    monkeypatch.setattr(_teacher_choice, "VERY_FEW_TEXTS", 1)
    return settings


def test_many_texts_leave_the_teacher_its_defaults(teacher_settings, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(_teacher_choice, "FEW_TEXTS", 1)
    for options in ({}, {"teacher": tiny_checkpoint}):
        found = teacher_settings(seed=3, full=True, **options)
        assert found == {"random_state": 3, "verbose": 0}


def test_few_texts_take_more_passes_and_the_default_teacher_a_higher_rate(
    teacher_settings, tiny_checkpoint
):
    own = teacher_settings(teacher=tiny_checkpoint, full=True)
    default = teacher_settings(full=True)
    assert own["max_epochs"] == default["max_epochs"] > 4
    assert "lr" not in own
    assert default["lr"] > TransformerTeacherClassifier().lr


def test_the_short_demo_takes_no_more_passes_than_it_must(teacher_settings):
    assert teacher_settings()["max_epochs"] == "auto"
