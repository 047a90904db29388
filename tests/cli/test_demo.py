import json
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from conftest import make_checkpoint
from skdistill import load_text_dataset, make_tfidf_baseline
from skdistill.cli import _demo_run as demo
from skdistill.cli import _teacher_choice as _teacher_choice
from skdistill.cli._demo_run import Demo, run_demo
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
    assert len(table) == 6
    assert table["name"].is_unique
    assert table["accuracy"].iloc[1] > 0.9
    assert (table["fit_seconds"] > 0).all()

    names = {path.name for path in output.iterdir()}
    assert names == {"student.joblib", "table.json", "accuracy-against-size.png"}
    assert (output / "accuracy-against-size.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((output / "table.json").read_text(encoding="utf-8"))
    assert [model["accuracy"] for model in content["models"]] == table["accuracy"].tolist()
    assert (content["n_train"], content["n_unlabeled"], content["n_test"]) == (160, 100, 40)
    assert content["classes"] == CLASSES

    student = joblib.load(output / "student.joblib")
    assert student.pooling == ("mean", "attention")
    assert student.verbose == 0
    assert student.transfer_size_ == 260
    data = load_text_dataset(file, text_column="story", label_column="topic")
    assert student.score(data.X_test, data.y_test) == table["accuracy"].iloc[-1]

    out, err = capsys.readouterr()
    assert "model " in out
    assert f"joblib.load({str(output / 'student.joblib')!r})" in out
    assert "1/7  Reading texts" in err
    assert "7/7  Measuring" in err
    assert "fine-tuning" in err


def test_the_printed_lines_of_python_run(file, ready_teacher, tmp_path, capsys):
    run(file, teacher=ready_teacher, output=tmp_path, plot=False)
    lines = [line[4:] for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert len(lines) == 3
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


def test_quick_says_so_and_takes_few_texts(file, ready_teacher, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "QUICK_TRAIN", 50)
    run(file, teacher=ready_teacher, output=tmp_path, plot=False, quick=True)
    out, err = capsys.readouterr()
    assert "quick run" in out
    assert "--quick" in err
    content = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert (content["quick"], content["n_train"]) == (True, 50)


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
    found = demo._load(Demo(name), silent)
    assert found.X_train == texts.X_train
    n_unlabeled = len(texts.X_unlabeled)
    more = demo._load(Demo(name, unlabeled=pool), silent)
    assert len(more.X_unlabeled) == n_unlabeled + 100


def test_shrinking_takes_matching_texts_and_labels(texts, monkeypatch):
    sizes = {"QUICK_TRAIN": 30, "QUICK_TEST": 20, "QUICK_POOL": 10}
    for name, size in sizes.items():
        monkeypatch.setattr(demo, name, size)
    few = demo._shrink(texts, 0)
    assert (len(few.X_train), len(few.X_test), len(few.X_unlabeled)) == (30, 20, 10)
    labels = dict(zip(texts.X_train + texts.X_test, [*texts.y_train, *texts.y_test], strict=True))
    assert [labels[text] for text in few.X_train] == few.y_train.tolist()
    assert [labels[text] for text in few.X_test] == few.y_test.tolist()
    assert demo._shrink(texts, 0).X_train == few.X_train != demo._shrink(texts, 1).X_train
    assert len(texts.X_train) == 300


def test_shrinking_takes_all_of_few_texts(texts):
    assert sorted(demo._shrink(texts, 0).X_train) == sorted(texts.X_train)


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
    for options in ({}, {"teacher": tiny_checkpoint}, {"quick": True}):
        assert teacher_settings(seed=3, **options) == {"random_state": 3, "verbose": 1}


def test_few_texts_take_more_passes_and_the_default_teacher_a_higher_rate(
    teacher_settings, tiny_checkpoint
):
    own, default = teacher_settings(teacher=tiny_checkpoint), teacher_settings()
    assert own["max_epochs"] == default["max_epochs"] > 4
    assert "lr" not in own
    assert default["lr"] > TransformerTeacherClassifier().lr


def test_a_quick_run_takes_fewer_passes(teacher_settings):
    assert teacher_settings(quick=True)["max_epochs"] < 4
