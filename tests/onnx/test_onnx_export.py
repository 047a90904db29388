import json
import sys
from collections import Counter

import numpy as np
import pytest
from onnxruntime import InferenceSession
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError

import onnx
import skdistill
from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    OnnxTextEncoder,
    export_onnx,
)
from skdistill.text._vocabulary import split_words

ODD_TEXTS = [
    "",
    " \n\t ",
    "unheard-of things",
    "Ünïcode — naïve 🙂 the OVEN",
    "the oven,the bread!? (the-salt)",
    "a\u200db l\u0301a ΑΣ",
    "bread",
]


def make_mlp(**params):
    return DistilledMLPClassifier(max_epochs=5, random_state=0, embedding_dim=6, **params)


def make_rnn(**params):
    return DistilledRNNClassifier(
        max_epochs=3, random_state=0, embedding_dim=4, hidden_dim=5, **params
    )


def make_cnn(**params):
    return DistilledCNNClassifier(
        max_epochs=6, random_state=0, embedding_dim=4, n_filters=6, **params
    )


STUDENTS = [
    make_mlp(),
    make_mlp(pooling="mean"),
    make_mlp(pooling="max", hidden_layer_sizes=(5, 4)),
    make_mlp(pooling="attention", context_window=1),
    make_mlp(pooling=("attention", "max", "mean"), context_window=41),
    make_mlp(ngram_range=(1, 2), hash_buckets=50),
    make_mlp(analyzer="char", ngram_range=(1, 3)),
    make_mlp(analyzer=str.split),
    make_cnn(),
    make_cnn(kernel_sizes=(2, 5), pooling=("mean", "max"), hidden_layer_sizes=(8,), lr=0.02),
    make_rnn(),
    make_rnn(bidirectional=False, pooling="mean"),
    make_rnn(cell="lstm", pooling=("mean", "max"), hidden_layer_sizes=(5,)),
    make_rnn(cell="lstm", bidirectional=False),
]


@pytest.fixture(scope="module")
def texts(topics):
    return [*topics[0][:200], *ODD_TEXTS]


@pytest.fixture(scope="module")
def marked(topics):
    """Texts with punctuation, within ASCII and beyond, and with capitals."""
    X = [f"Don't {text} — {text}!! ({text}) 🙂" for text in topics[0][:200]]
    return X, topics[1][:200]


def run_strings(session, texts):
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(None, {"texts": np.array(texts, dtype=object)})
    return dict(zip(names, outputs, strict=True))


def open_session(path):
    return InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_the_graph_of_ids_gives_the_students_probabilities(student, topics, texts, tmp_path):
    student.fit(*topics)
    report = export_onnx(student, tmp_path / "student.onnx", texts=texts)
    assert report["n_texts"] == len(texts)
    assert report["largest_difference"] < 1e-5
    session = open_session(tmp_path / "student.onnx")
    encoder = OnnxTextEncoder(student)
    expected = student.predict_proba(texts)
    assert np.ptp(expected, axis=0).max() > 0.05
    proba, label = session.run(["probabilities", "label"], {"ids": encoder.encode(texts)})
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    np.testing.assert_array_equal(label, student.predict(texts))
    for text in texts[-len(ODD_TEXTS) :]:
        (alone,) = session.run(["probabilities"], {"ids": encoder.encode([text])})
        np.testing.assert_allclose(alone, student.predict_proba([text]), atol=1e-5)
    # However far rows are filled up.
    ids = np.pad(encoder.encode(texts), ((0, 0), (0, 9)), constant_values=-1)
    (wider,) = session.run(["probabilities"], {"ids": ids})
    np.testing.assert_allclose(wider, expected, atol=1e-5)


def test_texts_without_a_known_word_get_the_prior(topics, tmp_path):
    student = make_rnn().fit(*topics)
    export_onnx(student, tmp_path / "student.onnx")
    ids = OnnxTextEncoder(student).encode(["", "unheard things"])
    np.testing.assert_array_equal(ids, [[-1, -1], [0, 0]])
    session = open_session(tmp_path / "student.onnx")
    (proba,) = session.run(["probabilities"], {"ids": ids})
    counts = Counter(topics[1])
    shares = [counts[label] / len(topics[1]) for label in student.classes_]
    np.testing.assert_allclose(proba, [shares] * 2, rtol=1e-5)


@pytest.mark.parametrize("make", [make_mlp, make_cnn, make_rnn])
@pytest.mark.parametrize("lowercase", [False, True])
def test_the_graph_of_strings_is_exact_where_it_says_so(make, lowercase, marked, texts, tmp_path):
    student = make(lowercase=lowercase).fit(*marked)
    export_onnx(student, tmp_path / "student.onnx", inputs="strings", texts=marked[0])
    session = open_session(tmp_path / "student.onnx")
    mixed = [*marked[0], *texts]
    found = run_strings(session, mixed)
    exact = found["exact"]
    assert exact[: len(marked[0])].all()
    expected = student.predict_proba(mixed)
    np.testing.assert_allclose(found["probabilities"][exact], expected[exact], atol=1e-5)
    np.testing.assert_array_equal(found["label"][exact], student.predict(mixed)[exact])
    for text in ODD_TEXTS:
        alone = run_strings(session, [text])
        if alone["exact"][0]:
            np.testing.assert_allclose(
                alone["probabilities"], student.predict_proba([text]), atol=1e-5
            )


@pytest.mark.parametrize("lowercase", [False, True])
def test_random_strings_are_taken_apart_as_the_student_does(lowercase, marked, tmp_path):
    student = make_mlp(lowercase=lowercase, context_window=5).fit(*marked)
    export_onnx(student, tmp_path / "student.onnx", inputs="strings")
    rng = np.random.default_rng(0)
    units = np.array(
        [
            *student.vocabulary_,
            *map(chr, range(9, 128)),
            *(" " * 60 + "--..''!!" * 5 + "🙂—" * 5),
            *"éÉßİſK–“字٣²\N{NO-BREAK SPACE}\u2003\u200d\u0301\ufeff",
        ],
        dtype=object,
    )
    texts = ["".join(rng.choice(units, n)) for n in rng.integers(0, 30, size=2000)]
    found = run_strings(open_session(tmp_path / "student.onnx"), texts)
    exact = found["exact"]
    assert 0.1 < exact.mean() < 0.9
    np.testing.assert_allclose(
        found["probabilities"][exact], student.predict_proba(texts)[exact], atol=1e-5
    )
    printable = [
        text.isascii() and all(c.isprintable() or c in "\t\n\r" for c in text) for text in texts
    ]
    assert exact[printable].all()
    assert any(len(split_words(text)) > len(text.split()) for text in np.array(texts)[exact])


@pytest.mark.parametrize(
    ("labels", "none"), [(["no", "yes"], ""), ([-1, 1], np.iinfo(np.int64).min)]
)
def test_strings_beyond_the_operators_get_no_answer(labels, none, topics, tmp_path):
    y = np.array(labels)[(topics[1] == "cooking").astype(int)]
    student = make_mlp().fit(topics[0], y)
    export_onnx(student, tmp_path / "student.onnx", inputs="strings")
    texts = ["the oven", "the OVEN of Übersee", "Oven 🙂", "oven\x01", "the Oven", "¿oven?"]
    found = run_strings(open_session(tmp_path / "student.onnx"), texts)
    assert found["exact"].tolist() == [True, False, False, False, True, False]
    refused = ~found["exact"]
    assert np.isnan(found["probabilities"][refused]).all()
    assert (found["label"][refused] == none).all()
    assert set(found["label"][found["exact"]]) <= set(labels)
    with pytest.raises(ValueError, match="any of the given texts"):
        export_onnx(student, tmp_path / "none.onnx", inputs="strings", texts=["Übersee"])
    assert not (tmp_path / "none.onnx").exists()


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"analyzer": str.split}, "is a function"),
        ({"analyzer": "char", "ngram_range": (1, 2)}, "into characters"),
        ({"ngram_range": (1, 2)}, "n-grams"),
        ({"ngram_range": (1, 2), "hash_buckets": 20}, "n-grams"),
    ],
    ids=str,
)
def test_strings_are_refused_where_the_graph_could_not_be_exact(params, reason, topics, tmp_path):
    student = make_mlp(**params).fit(*topics)
    with pytest.raises(ValueError, match=f"{reason}.*inputs='ids'.*OnnxTextEncoder"):
        export_onnx(student, tmp_path / "student.onnx", inputs="strings")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("inputs", ["ids", "strings"])
def test_a_vocabulary_with_what_no_string_of_onnx_can_hold(inputs, topics, tmp_path):
    X = [f"\ud83d half\ud83d {text}" for text in topics[0][:100]]
    student = make_mlp().fit(X, topics[1][:100])
    assert "\ud83d" in student.vocabulary_
    assert export_onnx(student, tmp_path / "student.onnx", inputs=inputs)["n_texts"] > 900


def test_a_label_that_is_larger_than_int64_is_refused(topics, tmp_path):
    y = np.where(topics[1] == "trains", np.uint64(2**63), np.uint64(5))
    student = make_mlp().fit(topics[0], y)
    with pytest.raises(ValueError, match=r"^The label 9223372036854775808 is larger .* 922.*5807 "):
        export_onnx(student, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    export_onnx(make_mlp().fit(topics[0], y - np.uint64(1)), tmp_path / "model.onnx")
    labels = InferenceSession(tmp_path / "model.onnx").run(["label"], {"ids": [[0]]})[0]
    assert labels[0] in (4, 2**63 - 1)


@pytest.mark.parametrize("inputs", ["ids", "strings"])
def test_a_graph_that_differs_is_not_written(inputs, topics, tmp_path, monkeypatch):
    student = make_rnn().fit(*topics)
    (tmp_path / "student.onnx").write_text("earlier")
    monkeypatch.setattr("skdistill.runtime._rnn._ONNX_GATES", {"gru": [0, 1, 2]})
    with pytest.raises(ValueError, match="differ from the student's by"):
        export_onnx(student, tmp_path / "student.onnx", inputs=inputs)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["earlier"]


def disturb(monkeypatch, change):
    """Change the probabilities that the runtime gives for each run of texts."""

    class Disturbed(InferenceSession):
        def run(self, names, feed):
            outputs = super().run(names, feed)
            outputs[0] = change(outputs[0].copy(), next(iter(feed.values())))
            return outputs

    monkeypatch.setattr("onnxruntime.InferenceSession", Disturbed)


@pytest.mark.parametrize(("change", "told"), [(np.nan, "nan"), (1e-4, "0.0001"), (-1e-4, "0.0001")])
@pytest.mark.parametrize("inputs", ["ids", "strings"])
def test_one_text_that_differs_is_enough_and_is_named(
    inputs, change, told, topics, tmp_path, monkeypatch
):
    student = make_mlp().fit(*topics)
    # The third run of a hundred texts, in which a first text is not exact in a graph of strings.
    texts = [*topics[0][:200], "ÉCLAIR", *topics[0][201:240], "rail rail rail rail", "oven"]
    place = texts.index("rail rail rail rail") - 200
    calls = []

    def change_one(proba, given):
        calls.append(len(given))
        if len(calls) == 3:
            proba[place, 1] += change
        return proba

    disturb(monkeypatch, change_one)
    with pytest.raises(ValueError, match=f"by {told}, more than 1e-05, first for 'rail rail rail"):
        export_onnx(student, tmp_path / "student.onnx", inputs=inputs, texts=texts)
    assert calls == [100, 100, 42]
    assert not [*tmp_path.iterdir()]


def test_a_difference_of_rounding_is_allowed(topics, tmp_path, monkeypatch):
    disturb(monkeypatch, lambda proba, given: proba + np.float32(5e-6))
    report = export_onnx(make_mlp().fit(*topics), tmp_path / "student.onnx", texts=topics[0])
    assert 4e-6 < report["largest_difference"] < 1e-5


def test_the_steps_of_a_recurrent_student_may_multiply_rounding_errors(
    topics, tmp_path, monkeypatch
):
    student = make_rnn().fit(*topics)
    disturb(monkeypatch, lambda proba, given: proba + np.float32(5e-5))
    report = export_onnx(student, tmp_path / "student.onnx", texts=topics[0])
    assert 4e-5 < report["largest_difference"] < 1e-4
    with pytest.raises(ValueError, match="by 5e-05, more than 1e-05, first for"):
        export_onnx(make_cnn().fit(*topics), tmp_path / "other.onnx", texts=topics[0])
    disturb(monkeypatch, lambda proba, given: proba + np.float32(2e-3))
    with pytest.raises(ValueError, match=r"by 0\.002, more than 0\.001, first .*pass your own"):
        export_onnx(student, tmp_path / "other.onnx", texts=topics[0])


def test_a_failed_write_leaves_the_earlier_file(topics, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    (tmp_path / "student.onnx").write_text("earlier")
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        export_onnx(make_mlp().fit(*topics), tmp_path / "student.onnx")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["earlier"]


@pytest.mark.parametrize("inputs", ["ids", "strings"])
def test_the_file_is_valid_and_describes_itself(inputs, topics, tmp_path):
    student = make_cnn(lowercase=False).fit(*topics)
    report = export_onnx(student, str(tmp_path / "student.onnx"), inputs=inputs)
    assert report["n_texts"] == 1000
    proto = onnx.load(tmp_path / "student.onnx")
    onnx.checker.check_model(proto, full_check=True)
    assert {node.domain for node in proto.graph.node} <= {"", "ai.onnx.ml"}
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert metadata["skdistill"] == skdistill.__version__
    assert json.loads(metadata["classes"]) == student.classes_.tolist()
    vocabulary = json.loads(metadata["vocabulary"])
    assert {name: i for i, name in enumerate(vocabulary.pop("features"), 1)} == student.vocabulary_
    assert vocabulary == {
        "analyzer": "word",
        "ngram_range": [1, 1],
        "lowercase": False,
        "hash_buckets": 0,
    }
    assert metadata["pad_id"] == "-1"
    assert int(metadata["n_texts"]) == report["n_texts"]
    assert float(metadata["largest_difference"]) == report["largest_difference"]


@pytest.mark.parametrize(
    "params", [{}, {"ngram_range": (1, 2), "hash_buckets": 20}, {"analyzer": "char"}], ids=str
)
def test_the_metadata_are_enough_to_make_ids(params, topics, texts, tmp_path):
    student = make_mlp(**params).fit(*topics)
    export_onnx(student, tmp_path / "student.onnx")
    metadata = open_session(tmp_path / "student.onnx").get_modelmeta().custom_metadata_map
    ids = OnnxTextEncoder(metadata).encode(texts)
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids, OnnxTextEncoder(student).encode(texts))
    assert (ids >= 0).sum(axis=1).max() == ids.shape[1]


def test_metadata_without_an_analyzer_are_refused(topics, texts, tmp_path):
    student = make_mlp(analyzer=str.split).fit(*topics)
    with pytest.raises(ValueError, match="pass such texts as `texts`"):
        export_onnx(student, tmp_path / "student.onnx")
    export_onnx(student, tmp_path / "student.onnx", texts=texts)
    metadata = open_session(tmp_path / "student.onnx").get_modelmeta().custom_metadata_map
    with pytest.raises(ValueError, match="is a function"):
        OnnxTextEncoder(metadata)
    with pytest.raises(ValueError, match="not the metadata"):
        OnnxTextEncoder({})


def test_a_loaded_file_is_exported_too(topics, texts, tmp_path):
    student = make_mlp().fit(*topics)
    student.save(tmp_path / "student.skd", precision="int8")
    served = CompiledClassifier.load(tmp_path / "student.skd")
    export_onnx(served, tmp_path / "student.onnx", texts=texts)
    session = open_session(tmp_path / "student.onnx")
    (proba,) = session.run(["probabilities"], {"ids": OnnxTextEncoder(served).encode(texts)})
    np.testing.assert_allclose(proba, served.predict_proba(texts), atol=1e-5)


def test_labels_that_onnx_does_not_have_are_left_out(topics, tmp_path):
    student = make_mlp().fit(topics[0], (topics[1] == "cooking").astype(float))
    export_onnx(student, tmp_path / "student.onnx")
    outputs = open_session(tmp_path / "student.onnx").get_outputs()
    assert [(output.name, output.shape) for output in outputs] == [
        ("probabilities", ["n_texts", 2])
    ]


def test_progress_is_shown_where_asked_for(topics, tmp_path, capsys):
    student = make_mlp().fit(*topics)
    export_onnx(student, tmp_path / "student.onnx")
    assert capsys.readouterr() == ("", "")
    export_onnx(student, tmp_path / "student.onnx", verbose=1)
    assert "comparing: 100%" in capsys.readouterr().err


def test_what_cannot_be_exported_is_refused(topics, tmp_path, monkeypatch):
    student = make_mlp().fit(*topics)
    with pytest.raises(ValueError, match=r"inputs must be .* but is 'words'"):
        export_onnx(student, tmp_path / "student.onnx", inputs="words")
    committee = VotingClassifier([("student", student)])
    for other in (committee, student.network_):
        with pytest.raises(TypeError, match=f"{type(other).__name__} is not a student"):
            export_onnx(other, tmp_path / "student.onnx")
    with pytest.raises(NotFittedError):
        export_onnx(make_mlp(), tmp_path / "student.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"needs onnxruntime: pip install 'skdistill\[onnx\]'"):
        export_onnx(student, tmp_path / "student.onnx")


@pytest.mark.parametrize("inputs", ["ids", "strings"])
def test_several_labels_a_text(inputs, topics, tmp_path):
    X, y = topics
    indicators = np.column_stack([y == "trains", y != "cooking"]).astype(int)
    student = make_mlp().fit(X, indicators)
    export_onnx(student, tmp_path / "student.onnx", inputs=inputs)
    session = open_session(tmp_path / "student.onnx")
    texts = [*X[:50], "", "Ünlisted"]
    given = OnnxTextEncoder(student).encode(texts) if inputs == "ids" else np.array(texts, object)
    label, proba = session.run(["label", "probabilities"], {session.get_inputs()[0].name: given})
    n_exact = len(texts) if inputs == "ids" else len(texts) - 1
    np.testing.assert_allclose(proba[:n_exact], student.predict_proba(texts)[:n_exact], atol=1e-5)
    np.testing.assert_array_equal(label[:n_exact], student.predict(texts)[:n_exact])
    assert (label[n_exact:] == np.iinfo(np.int64).min).all()
