"""What a model card says, and what it leaves out."""

import json
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    distillation_report,
    make_tfidf_baseline,
    parity_report,
)
from skdistill._core.exceptions import ModelFileError
from skdistill.card._model import describe_for_page, write_script_data
from skdistill.card._page import write_card

TESTS = Path(__file__).parents[1]


class Page(HTMLParser):
    """The words of a page, and its tables, scripts and attributes."""

    def __init__(self, markup):
        super().__init__()
        self.text, self.open, self.scripts, self.attributes = "", [], [], []
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        if inside in ("script", "style"):
            self.scripts.append(data)
        else:
            self.text += data + " "


def fit(topics, kind=DistilledMLPClassifier, **options):
    return kind(**{"max_epochs": 2, "random_state": 0} | options).fit(*topics)


def write(student, path, *args, **options):
    student.to_html(path / "card.html", *args, **options)
    return (path / "card.html").read_text(encoding="utf-8")


def words_of(markup):
    return " ".join(Page(markup).text.split())


def test_the_pages_parts_come_with_the_package():
    folder = files("skdistill.card")
    static = {part.name for part in folder.joinpath("static").iterdir()}
    assert static == {
        "style.css",
        "tokenizer.js",
        "networks.js",
        "page.js",
        "mlp.js",
        "cnn.js",
        "rnn.js",
    }
    templates = {part.name for part in folder.joinpath("templates").iterdir()}
    sections = {"words.html", "figures.html", "report.html", "limits.html"}
    assert templates == {"page.html", "macros.html", *sections}
    assert folder.joinpath("static", "tokenizer.js").read_text().startswith('"use strict";')


def test_the_templates_engine_is_loaded_to_write_a_page_only():
    code = "import sys, skdistill.serving, skdistill.card._page; sys.exit('jinja2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_the_templates_engine_the_error_says_what_to_install(topics, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(
        ImportError, match=r"^A model card needs Jinja2: run 'pip install jinja2'\.$"
    ):
        write(fit(topics), tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_the_same_input_gives_the_same_bytes(topics, tmp_path):
    X, y = topics
    student, controls = fit(topics), {"b": fit(topics, pooling="mean"), "a": np.eye(3)[[0] * 50]}
    first = write(student, tmp_path, X[:50], y[:50], controls=controls)
    assert write(student, tmp_path, X[:50], y[:50], controls=controls) == first


def test_everything_that_is_given_is_told(topics, tmp_path):
    X, y = topics
    teacher = make_tfidf_baseline(C=10).fit(X, y)
    student = fit(topics, teacher=make_tfidf_baseline(C=10), temperature=2.0)
    page = write(
        student,
        tmp_path,
        X[:100],
        y[:100],
        teacher=teacher,
        controls={"a control": make_tfidf_baseline().fit(X, y)},
        title="Topics & more",
        description="Tells topics apart.",
        class_names=["Cooking", "Sailing", "Trains"],
        limits=["Not for recipes."],
        license="MIT",
        example="my oven",
    )
    text = words_of(page)
    for said in [
        "Topics & more",
        "Tells topics apart.",
        "Measured on 100 texts",
        "a control",
        "its teacher",
        "Teacher Pipeline",
        "temperature=2.0",
        "Training texts 600",
        "Epochs 2",
        "Kullback-Leibler divergence at temperature 2",
        "Not for recipes.",
        "Licence MIT",
        "my oven",
    ]:
        assert said in text, said
    accuracy = np.mean(student.predict(X[:100]) == y[:100])
    assert f"{100 * accuracy:.2f} %" in text
    rare = ", ".join(f"{name.title()} ({sum(y[:100] == name)})" for name in sorted({*y}))
    assert f"for classes with fewer than 100 test texts: {rare}." in text
    assert text.count("aria-") == 0


def test_what_is_not_given_is_left_out(topics, tmp_path):
    text = words_of(write(fit(topics), tmp_path))
    for missing in ("Accuracy", "Licence", "Measured", "its teacher", "Calibration", "None", "nan"):
        assert missing not in text, missing
    assert "DistilledMLPClassifier: cooking, sailing, trains" in text
    assert "none (trained on gold labels)" in text


def test_a_report_is_told(topics, tmp_path):
    X, y = topics
    student = DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=2, random_state=0)
    report = distillation_report(student, X, y, random_state=0)
    text = words_of(write(fit(topics), tmp_path, report=report))
    assert report.verdict in text
    for scores in (report.teacher, report.student, report.twin):
        assert f"{100 * scores.accuracy:.2f}" in text
    assert f"{report.n_test:,} test texts" in text


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (DistilledMLPClassifier, {"pooling": "mean"}, "it treats a text as a bag"),
        (DistilledMLPClassifier, {"pooling": "mean", "ngram_range": (1, 2)}, "n-grams of up to 2."),
        (DistilledMLPClassifier, {"context_window": 5}, "only within windows of 5, and"),
        (DistilledMLPClassifier, {"analyzer": "char"}, "the order of characters"),
        (DistilledMLPClassifier, {"hidden_layer_sizes": (7,)}, "a hidden layer of 7 units, and a"),
        (DistilledMLPClassifier, {"hidden_layer_sizes": (7, 5)}, "hidden layers of 7 and 5 units"),
        (DistilledMLPClassifier, {"lowercase": True}, "not distinguish upper and lower case"),
        (DistilledCNNClassifier, {"kernel_sizes": (2, 4)}, "only within windows of 4."),
        (DistilledRNNClassifier, {"max_epochs": 1}, "a bidirectional GRU of width 32"),
    ],
)
def test_limits_and_make_up_follow_from_the_student(kind, options, said, topics, tmp_path):
    assert said in words_of(write(fit(topics, kind, **options), tmp_path))


def test_ngrams_are_told(topics, tmp_path):
    student = fit(topics, ngram_range=(1, 2), hash_buckets=33)
    n_listed = len(student.vocabulary_)
    text = words_of(write(student, tmp_path))
    assert (
        f"{n_listed} words and punctuation marks (plus 33 buckets for n-grams of up to 2)" in text
    )
    assert f"It knows {n_listed} words and punctuation marks." in text
    for ngram_range, listed in [((1, 3), "1 to 3 words"), ((2, 2), "2 words")]:
        text = words_of(write(fit(topics, ngram_range=ngram_range), tmp_path, topics[0][:5]))
        for sentence in (
            "It knows [0-9,]+",
            "A skdistill student: an embedding of [0-9,]+",
            "% of their",
        ):
            assert re.search(f"{sentence} n-grams of {listed} and punctuation marks", text), (
                sentence
            )


def test_characters_are_not_called_words(topics, tmp_path):
    X = topics[0][:5]
    text = words_of(write(fit(topics, analyzer="char"), tmp_path, X))
    for said in ("Characters that support", "Strongest characters", "none of these characters"):
        assert said in text
    text = words_of(write(fit(topics), tmp_path, X))
    for said in ("Words that support", "Strongest words", "none of these words"):
        assert said in text


def test_capital_letters_are_told(topics, tmp_path):
    assert "lower case" not in words_of(write(fit(topics, lowercase=False), tmp_path))


def test_the_policy_allows_this_style_and_this_script_alone(topics, tmp_path):
    page = Page(write(fit(topics), tmp_path))
    (policy,) = [value for name, value in page.attributes if "default-src" in (value or "")]
    assert policy.startswith("default-src 'none'; ")
    style, _, script = page.scripts
    for name, code in (("style-src", style), ("script-src", script)):
        digest = b64encode(sha256(code.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    # No attribute that asks for another file, runs a script or sets a style.
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name in ("src", "style") or name.startswith("on")}
    assert {value for name, value in page.attributes if name == "href"} == {"#text"}


def test_the_model_in_the_page_is_rounded_to_eight_bits(topics):
    student = fit(topics, embedding_dim=50)
    described = describe_for_page(student._stored())
    embedding = described["weights"]["embedding.weight"]
    values = np.frombuffer(b64decode(embedding["data"]), np.int8).reshape(embedding["shape"])
    scales = np.frombuffer(b64decode(embedding["scale"]), "<f4")
    rounded = student._stored().rounded("int8").weights["embedding.weight"]
    np.testing.assert_array_equal(values * scales[:, None], rounded)
    bias = described["weights"]["layers.0.bias"]
    np.testing.assert_array_equal(
        np.frombuffer(b64decode(bias["data"]), "<f4"), student._weights["layers.0.bias"]
    )
    assert bias["scale"] is None
    assert set(described["weights"]) == set(student._weights)


@pytest.mark.parametrize("word", ["</script>", "<!--", "<script", "]]>", "\ud800", "é"])
def test_data_cannot_end_their_script(word):
    written = write_script_data({"words": [word]})
    assert "<" not in written
    assert written.isascii()
    assert json.loads(written) == {"words": [word]}


def test_names_are_escaped(topics, tmp_path):
    X, y = topics
    hostile = "<img src=x onerror='alert(1)'>&amp;"
    labels = np.where(y == "trains", hostile, y)
    student = fit((X, labels))
    page = write(
        student, tmp_path, X[:50], labels[:50], title=hostile, license=hostile, example=hostile,
        limits=[hostile], description=hostile, controls={hostile: student},
    )  # fmt: skip
    assert "<img" not in page
    assert words_of(page).count(hostile) >= 8


def test_lone_surrogates_can_be_written(topics, tmp_path):
    X, y = topics
    page = write(fit((X, y)), tmp_path, X[:50], y[:50], title="\udcff", example="a\ud800")
    assert "a\ufffd" in words_of(page)


def test_the_effect_of_rounding_is_rounded_up(topics, tmp_path):
    X = topics[0][:50]
    student = fit(topics, embedding_dim=50)
    text = words_of(write(student, tmp_path, X))
    (told,) = re.findall(r"changes no probability by more than ([\d.]+)\.", text)
    largest = parity_report(student, X)["largest_difference"]
    assert largest <= float(told) < largest + 1e-4


def test_names_in_a_sentence_are_isolated(topics, tmp_path):
    X, y = topics
    names = ["שמחה", "\u202efear", "trains"]
    page = write(fit(topics), tmp_path, X[:50], np.roll(y[:50], 1), class_names=names)
    errors = re.findall("<bdi><bdi>(.*?)</bdi> predicted as <bdi>(.*?)</bdi></bdi>", page)
    assert errors
    assert {name for pair in errors for name in pair} <= {*names}
    (rare,) = re.findall("with fewer than 100 test texts: (.*?)\\.</li>", page)
    assert re.findall("<bdi>(.*?)</bdi>", rare) == names


def test_of_many_rare_classes_some_are_named(topics, tmp_path):
    X, y = topics[0], np.arange(600) % 9
    text = words_of(write(fit((X, y)), tmp_path, X[:90], y[:90]))
    assert "100 test texts: 0 (10), 1 (10), 2 (10), 3 (10), 4 (10), 5 (10) and 3 more." in text


def test_the_loss_on_gold_labels_stands_apart(topics, tmp_path):
    student = fit(topics, teacher=make_tfidf_baseline(), max_epochs=3, gold_epochs=2)
    page = write(student, tmp_path)
    assert "Training loss (last 2 on gold labels)" in words_of(page)
    assert [points.count(",") for points in re.findall('points="(.*?)"', page)] == [3, 2]


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_not_drawn(loss, topics, tmp_path):
    student = fit(topics)
    student.history_[0]["train_loss"] = loss
    assert "Training loss" not in write(student, tmp_path)


@pytest.mark.parametrize(
    "estimator",
    [
        {"parameters": {"loss": ["kl"]}},
        {"parameters": {"loss": "kl", "temperature": "1"}},
        {"parameters": 3},
        {"figures": {"transfer_size": "many"}},
        {"figures": {"history": [1, 2]}},
        {"figures": {"history": [{"train_loss": "a"}, {"train_loss": "b"}]}},
        {"figures": []},
    ],
)
def test_a_damaged_account_of_the_training_is_named(estimator, topics, tmp_path):
    model = replace(fit(topics)._stored(), estimator=estimator)
    with pytest.raises(ModelFileError, match="training record in the student's file is damaged"):
        write_card(tmp_path / "card.html", model)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(("n_made", "temperature"), [(0, 1), (7, 2)])
def test_the_temperature_that_was_chosen_is_told(n_made, temperature, topics, tmp_path):
    student = fit(topics)
    student._record["n_by_origin"]["augmented"] = n_made
    text = words_of(write(student, tmp_path))
    assert f"Loss Kullback-Leibler divergence at temperature {temperature} Epochs" in text


def test_a_loss_of_another_version_is_called_by_its_name(topics, tmp_path):
    model = replace(fit(topics)._stored(), estimator={"parameters": {"loss": "of <tomorrow>"}})
    write_card(tmp_path / "card.html", model)
    assert "of <tomorrow>" in words_of((tmp_path / "card.html").read_text(encoding="utf-8"))


def test_braces_are_not_placeholders(topics, tmp_path):
    text = words_of(write(fit(topics), tmp_path, title="{{ model }} {% if", example="{# style"))
    assert "{{ model }} {% if" in text
    assert "{# style" in text


def test_labels_may_be_objects(topics, tmp_path):
    X, y = topics
    student = fit((X, y.astype(object)))
    text = words_of(write(student, tmp_path, X[:50], y[:50].astype(object)))
    assert "DistilledMLPClassifier: cooking, sailing, trains" in text
    assert "Accuracy" in text


def test_many_classes_have_no_matrix(topics, tmp_path):
    X = topics[0]
    y = np.arange(len(X)) % 25
    text = write(fit((X, y)), tmp_path, X[:75], y[:75])
    assert "Confusion matrix" not in text
    assert "Most frequent errors" in text
    assert "0, 1, 2, 3, 4, 5 and 19 more" in text


def test_a_file_tells_what_is_in_it(topics, tmp_path):
    X, y = topics
    student = DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=2, random_state=0)
    student.fit(X[:300], y[:300], X_unlabeled=X[300:400])
    # What it learned from counts, and not what it is given afterwards.
    student.set_params(teacher=None).save(tmp_path / "model.skd")
    served = CompiledClassifier.load(tmp_path / "model.skd")
    loaded = DistilledMLPClassifier.load(tmp_path / "model.skd")
    before = date.today() - timedelta(days=1)
    for model in (student, served, loaded, student.compile("int8")):
        text = words_of(write(model, tmp_path, X[:20], y[:20], license="MIT"))
        assert "Teacher Pipeline Training texts 400 (300 labelled, 100 unlabelled)" in text
        told = re.search(r"Date of training (\S+)", text)[1]
        assert before <= date.fromisoformat(told) <= before + timedelta(days=2)
        assert "Licence MIT" in text


def test_texts_without_labels_are_told_as_such(topics, tmp_path):
    X, y = topics
    teacher = FrozenEstimator(make_tfidf_baseline().fit(X, y))
    student = DistilledMLPClassifier(teacher, max_epochs=2, random_state=0).fit(X[:50])
    assert "Teacher Pipeline Training texts 50 unlabelled" in words_of(write(student, tmp_path))


def test_a_calibration_is_told_by_file_and_student(topics, tmp_path):
    X, y = topics
    student = fit((X[:300], y[:300]), max_epochs=25, pooling="mean")
    student.calibrate(X[300:], np.where(np.arange(300) % 3, y[300:], y[0]))
    student.save(tmp_path / "model.skd")
    served = CompiledClassifier.load(tmp_path / "model.skd")
    for model in (student, served, student.compile()):
        text = words_of(write(model, tmp_path))
        temperature = student.calibration_["temperature"]
        assert f"Calibration temperature {temperature:.3g}, fitted on 300 texts" in text


def test_of_a_file_without_a_record_nothing_is_guessed(tmp_path):
    path = TESTS / "runtime" / "data" / "before_folders_mlp.skd"
    for model in (CompiledClassifier.load(path), DistilledMLPClassifier.load(path)):
        text = words_of(write(model, tmp_path))
        assert "Teacher unknown (not recorded) Date of training unknown (not recorded)" in text
        assert "gold labels" not in text
        assert re.search(r"Training texts \d+ Loss", text)


@pytest.mark.parametrize(
    "changes",
    [{"record": {"teacher": "x"}}, {"record": 3}, {"calibration": {"temperature": "warm"}}],
    ids=str,
)
def test_a_damaged_record_is_refused(topics, tmp_path, changes):
    model = fit(topics)._described()
    model.estimator.update(changes)
    with pytest.raises(ModelFileError, match="training record in the student's file is damaged"):
        write_card(tmp_path / "card.html", model)


def test_several_labels_a_text(topics, tmp_path):
    X, y = topics
    y = np.column_stack([y == "trains", y != "cooking"]).astype(int)
    page = write(fit((X, y)), tmp_path, X[:50], y[:50], class_names=["on rails", "abroad"])
    text = words_of(page)
    assert "for 2 labels" in text
    assert "the shares of the labels" in text
    assert "Confusion matrix" not in text
    assert re.search(r"on rails [\d.]+ [\d.]+ [\d.]+ \d+", text)


def test_what_does_not_fit_is_an_error_and_writes_nothing(topics, tmp_path):
    student, (X, y) = fit(topics), topics
    wrong = [
        ({"y": y}, "require test texts; pass them as X"),
        ({"teacher": student}, "require test texts; pass them as X"),
        ({"controls": {"LR": student}}, "require test texts; pass them as X"),
        ({"class_names": ["one", "two"]}, "class_names must contain a name for each of the 3"),
        ({"class_names": "abc"}, "class_names must contain a name for each of the 3"),
        ({"limits": "None."}, "limits is a single string"),
        ({"X": X, "y": y[:5]}, "same number of rows"),
    ]
    for options, message in wrong:
        with pytest.raises(ValueError, match=message):
            student.to_html(tmp_path / "card.html", **options)
    function = fit(topics, analyzer=str.split)
    with pytest.raises(TypeError, match=r"the page cannot call Python.*analyzer=\"word\""):
        function.to_html(tmp_path / "card.html")
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(OSError, match="could not be written"):
        student.to_html(tmp_path / "missing" / "card.html")


def test_pages_are_small(topics, tmp_path):
    assert len(write(fit(topics), tmp_path).encode()) < 60_000
