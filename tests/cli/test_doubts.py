import pandas as pd
import pytest

from skdistill import DistilledMLPClassifier
from skdistill.cli import _main as cli

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def fit(tmp_path, capsys):
    """Train on rows of csv; return the exit status, the output and the lines of standard error."""

    def run(rows, *options, header="text,label"):
        data = tmp_path / "data.csv"
        data.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        words = ["fit", data, "-o", tmp_path / "model.skd", "--teacher", "none", "--quiet"]
        status = cli.main([*map(str, [*words, "--n-parameters", 100, *options])])
        out, err = capsys.readouterr()
        return status, out, err.replace(f"{tmp_path}/", "").splitlines()

    return run


FEW = ["warm soup,food", "fast bus,travel", "bread,food", "train,travel"]


def test_ordinary_texts_raise_no_doubts(fit):
    assert fit(FEW)[0::2] == (0, [])


@pytest.mark.parametrize("options", [[], ["--label-separator", "|"]])
def test_labels_that_look_missing_are_named(fit, options):
    rows = [
        *FEW,
        "a car,NA",
        "a plane,NA",
        "a tram,nan",
        "a bike,nan",
        "a ship,none",
        "a yacht,none",
    ]
    status, _, told = fit(rows, *options)
    assert status == 0
    assert told == [
        "skdistill fit: warning: data.csv: label contains 'NA' 2 times and 'nan' 2 times, which "
        "counts as a label; if it means that the label is missing, drop these rows or move them "
        "to a file of unlabelled texts."
    ]


@pytest.mark.parametrize(
    ("options", "noun"), [([], "class"), (["--label-separator", "|"], "label")]
)
def test_classes_of_a_single_text_are_named(fit, options, noun):
    several = {"class": "classes", "label": "labels"}[noun]
    status, _, told = fit(["warm soup,food", "a bus,travel", "a film,fun", "a sofa,home"], *options)
    assert status == 0
    assert told == [
        f"skdistill fit: warning: data.csv: label: 4 of 4 {several} have a single text: 'food', "
        f"'fun', 'home' and 1 more. A {noun} of one text cannot be learned or evaluated reliably; "
        f"add texts, or merge or drop such {several}."
    ]
    (line,) = fit([*FEW, "a film,fun"], *options, "--force")[2]
    assert f"1 of 3 {several} has a single text: 'fun'. A {noun} of" in line


@pytest.mark.parametrize("options", [[], ["--label-separator", "|"]])
def test_a_text_with_different_labels_is_named(fit, options):
    _, _, told = fit([*FEW, "bread,travel", "fast bus,travel"], *options)
    (line,) = told
    assert (
        "data.csv: label: 1 text has different labels in different rows, such as 'bread';" in line
    )


def test_texts_without_any_of_several_labels_are_counted(fit):
    status, _, told = fit([*FEW, "a,", "b, "], "--label-separator", "|")
    assert status == 0
    (line,) = told
    assert line.startswith("skdistill fit: data.csv: 2 of 6 texts have an empty label, so none of")


def test_test_texts_that_differ_in_case_and_space_are_known(fit, tmp_path):
    pd.DataFrame({"text": ["Warm  SOUP", "a tram"], "label": ["food", "travel"]}).to_csv(
        tmp_path / "test.csv", index=False
    )
    _, _, told = fit(FEW, "--test", tmp_path / "test.csv")
    (line,) = told
    assert "warning: 1 of the 2 texts of test.csv are also in data.csv, so the scores" in line


def test_test_texts_that_are_unlabelled_texts_are_a_warning(fit, tmp_path):
    test = pd.DataFrame({"text": ["hot soup", "a tram"], "label": ["food", "travel"]})
    test.to_csv(tmp_path / "test.csv", index=False)
    path = tmp_path / "test.csv"
    _, _, told = fit(FEW, "--test", path, "--unlabeled", path, "--teacher", "tfidf")
    (line,) = told
    assert "2 of the 2 texts of test.csv are also in test.csv, so fidelity and accuracy" in line


@pytest.mark.parametrize("options", [[], ["--label-separator", "|"]])
def test_copies_of_a_text_are_not_both_trained_on_and_tested_on(fit, options):
    rows = [f"word{i % 20} here,{'food' if i % 2 else 'travel'}" for i in range(60)]
    _, out, told = fit(rows, "--test-fraction", 0.25, *options)
    # Nothing is known of the words of a text that was held out.
    assert told == []
    assert "on 15 test texts" in out
    assert float(out.split("accuracy")[1].split()[0]) < 100


@pytest.mark.parametrize("copies", [1, 4])
def test_copies_of_a_text_are_not_both_trained_on_and_calibrated_on(
    fit, copies, monkeypatch, topics
):
    seen = []

    def note(self, X, y, **options):
        seen.append(X)
        return self

    monkeypatch.setattr(DistilledMLPClassifier, "calibrate", note)
    texts, labels = topics
    rows = [f"{text},{label}" for text, label in zip(texts[:100], labels[:100], strict=True)]
    trained, fit_student = [], DistilledMLPClassifier.fit

    def fit_noted(self, X, y, **options):
        trained.append(X)
        return fit_student(self, X, y, **options)

    monkeypatch.setattr(DistilledMLPClassifier, "fit", fit_noted)
    fit(rows * copies, "--calibrate")
    assert len(seen[0]) == max(20, 10 * copies)
    assert len({*seen[0]} & {*trained[0]}) <= (copies > 1)  # the last one may be cut
