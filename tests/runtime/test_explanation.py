"""Contributions against the torch network, taken apart by hand."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from conftest import make_topics
from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
)
from skdistill.runtime._explanation import spread_over_characters

OPTIONS = {
    "default": {},
    "mean": {"pooling": "mean"},
    "max": {"pooling": "max", "embedding_dim": 4},
    "all poolings": {"pooling": ("max", "attention", "mean"), "context_window": 5},
    "unfolded": {"embedding_dim": 2},
    "hashed n-grams": {"ngram_range": (1, 3), "hash_buckets": 40},
    "listed n-grams": {"ngram_range": (1, 2), "pooling": ("attention", "max")},
    "characters": {"analyzer": "char", "ngram_range": (1, 2)},
    "function": {"analyzer": str.split},
}
TEXTS = [
    "We saw the OVEN, the bread",
    "unheard-of wind 🙂",
    "nothing-known???",
    "",
    "  İ wind\n\0 ΣΑΣ sail",
]


@pytest.fixture(scope="module")
def topics():
    return make_topics(200)


def fit(topics, **options):
    options = {"max_epochs": 5, "lr": 0.05, "vocabulary_size": 25, "random_state": 0} | options
    return DistilledMLPClassifier(**options).fit(*topics)


@pytest.fixture(scope="module", params=OPTIONS.values(), ids=OPTIONS)
def student(request, topics):
    return fit(topics, **request.param)


def explain_by_torch(student, text):
    """Take a text's logits apart by the trained module's own matrices."""
    network = student.network_.double()
    ids = torch.from_numpy(student._vocabulary.encode([text]).values.astype(np.int64))
    n, n_classes = len(ids), len(student.classes_)
    if not ids.any():
        return np.zeros((n, n_classes)), network.log_prior.numpy()
    with torch.no_grad():
        vectors = network.embedding.weight[ids]
        layer = network.layers[0]
        total = torch.zeros(n, n_classes, dtype=torch.double)
        for how, block in zip(
            network.pooling, layer.weight.T.chunk(len(network.pooling)), strict=True
        ):
            for position in range(n):
                if how == "mean":
                    pooled = vectors[position] / n
                elif how == "max":
                    first = [
                        int((vectors[:, d] == vectors[:, d].max()).nonzero()[0])
                        for d in range(vectors.shape[1])
                    ]
                    pooled = vectors[position] * torch.tensor([f == position for f in first])
                else:
                    size = len(network.window)
                    scores = []
                    for centre in range(n):
                        places = [centre - size // 2 + k for k in range(size)]
                        scores.append(
                            sum(
                                vectors[p] @ network.window[k]
                                for k, p in enumerate(places)
                                if 0 <= p < n
                            )
                        )
                    pooled = torch.stack(scores).softmax(0)[position] * vectors[position]
                total[position] += pooled @ block
    return total.numpy(), layer.bias.detach().numpy()


@pytest.mark.parametrize("text", TEXTS)
def test_contributions_are_those_of_the_torch_network(student, text):
    contributions, bias = explain_by_torch(student, text)
    (explanation,) = student.explain([text])
    np.testing.assert_allclose(explanation.contributions, contributions, atol=2e-6)
    np.testing.assert_allclose(explanation.bias, bias, atol=2e-6)
    assert explanation.contributions.dtype == np.float64


def test_they_sum_to_the_decision_function(student, topics):
    texts = [*TEXTS, *topics[0][:50]]
    explanations = student.explain(texts)
    sums = [explanation.logits for explanation in explanations]
    np.testing.assert_allclose(sums, student.decision_function(texts), atol=1e-5)
    probabilities = [explanation.proba for explanation in explanations]
    np.testing.assert_allclose(probabilities, student.predict_proba(texts), atol=1e-5)


def test_words_are_marked_as_known_or_not(topics):
    (explanation,) = fit(topics).explain(["The zebra"])
    assert explanation.units == ["the", "zebra"]
    assert explanation.is_known.tolist() == [True, False]
    nothing, prior = fit(topics).explain(["zebra zebra"])[0].contributions, topics[1]
    assert not nothing.any()
    _, counts = np.unique(prior, return_counts=True)
    np.testing.assert_allclose(
        fit(topics).explain(["zebra"])[0].proba, counts / counts.sum(), atol=1e-6
    )


def test_two_classes_have_two_columns_whose_difference_is_the_decision_function(topics):
    texts, labels = topics
    student = fit((texts, labels == "trains"))
    logits = np.array([explanation.logits for explanation in student.explain(TEXTS)])
    np.testing.assert_allclose(
        logits[:, 1] - logits[:, 0], student.decision_function(TEXTS), atol=1e-5
    )
    (explanation,) = student.explain(["rail and wind"])
    np.testing.assert_allclose(
        explanation.towards(True), explanation.contributions @ [-0.5, 0.5], atol=1e-12
    )
    np.testing.assert_allclose(explanation.towards(True), -explanation.towards(False), atol=1e-12)


def test_several_labels_a_text(topics):
    texts, labels = topics
    indicators = np.column_stack([labels == "trains", labels != "cooking"]).astype(int)
    student = fit((texts, indicators))
    explanations = student.explain(TEXTS)
    np.testing.assert_allclose(
        [explanation.logits for explanation in explanations],
        student.decision_function(TEXTS),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        [explanation.proba for explanation in explanations],
        student.predict_proba(TEXTS),
        atol=1e-6,
    )
    first = explanations[0]
    np.testing.assert_array_equal(first.towards(1), first.contributions[:, 1])


def test_a_compiled_student_explains_what_it_computes(topics, tmp_path):
    student = fit(topics, embedding_dim=50)
    student.save(tmp_path / "model.skd", precision="int8")
    served = CompiledClassifier.load(tmp_path / "model.skd")
    logits = [explanation.logits for explanation in served.explain(TEXTS)]
    np.testing.assert_allclose(logits, served.decision_function(TEXTS), atol=1e-5)
    assert np.abs(logits - student.decision_function(TEXTS)).max() > 1e-5


def test_students_that_do_not_add_up_say_so(topics):
    hidden = fit(topics, hidden_layer_sizes=(4,))
    with pytest.raises(ValueError, match=r"hidden layers.*hidden_layer_sizes=\(\)"):
        hidden.explain(["the"])
    for kind in (DistilledCNNClassifier, DistilledRNNClassifier):
        student = kind(max_epochs=1, random_state=0).fit(*topics)
        with pytest.raises(ValueError, match=r"other than an MLP.*Fit a DistilledMLPClassifier"):
            student.explain(["the"])


def test_an_unknown_class_is_named(topics):
    with pytest.raises(ValueError, match="'tennis' is not one of the classes"):
        fit(topics).explain(["the"])[0].towards("tennis")


def test_explanations_can_be_compared(topics):
    student = fit(topics)
    one, other = student.explain(["the oven", "the oven"])
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_characters_share_what_overlapping_units_contribute():
    spans = np.array([[0, 2], [1, 3], [4, 5]])
    shared = spread_over_characters(spans, np.array([2.0, -4.0, 3.0]), 6)
    np.testing.assert_allclose(shared, [1, -1, -2, 0, 3, 0], atol=1e-12)


# ---- what is shown


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def parse(markup):
    page = Page()
    page.feed(markup)
    return page


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script> bread", "the \" onload='x' & oven", *TEXTS]
)
def test_html_shows_the_text_and_nothing_in_it_runs(student, text):
    (explanation,) = student.explain([text])
    page = parse(explanation._repr_html_())
    assert {tag for tag, _ in page.tags} <= {"div", "p", "strong", "mark"}
    assert all(attributes.keys() <= {"style", "title", "class"} for _, attributes in page.tags)
    if callable(student.analyzer):
        assert " ".join(explanation.units) in page.text
    else:
        assert text in page.text


def test_signs_are_shown_by_lines_and_numbers_too(topics):
    (explanation,) = fit(topics, pooling="mean", vocabulary_size=100).explain(["Oven wind"])
    marks = [
        attributes for tag, attributes in parse(explanation._repr_html_()).tags if tag == "mark"
    ]
    parts = explanation.towards(explanation.classes[explanation.logits.argmax()])
    assert len(marks) == 2
    for attributes, part in zip(marks, parts, strict=True):
        assert ("solid" if part > 0 else "dotted") in attributes["style"]
        assert attributes["title"] == f"{part:+.2f}".replace("-", "−")
        assert "color:inherit" in attributes["style"]


def test_class_names_are_escaped(topics):
    texts, labels = topics
    named = np.where(labels == "trains", "<img src=x>", labels)
    (explanation,) = fit((texts, named)).explain(["rail track station"])
    shown = explanation._repr_html_()
    assert "<img" not in shown
    assert html.escape("<img src=x>") in shown


def test_a_notebook_shows_all_texts(topics):
    explanations = fit(topics).explain(TEXTS)
    assert explanations._repr_html_().count("skdistill-explanation") == len(TEXTS)


def test_text_repr_lists_the_strongest_units(topics):
    text = "the oven and the bread and the salt " * 3
    (explanation,) = fit(topics).explain([text])
    lines = repr(explanation).splitlines()
    assert lines[0].endswith("…'")
    winner = explanation.logits.argmax()
    assert lines[1] == f"{explanation.classes[winner]}: {explanation.proba[winner]:.3f}"
    parts = explanation.towards(explanation.classes[winner])
    shown = [float(re.search(r"[+-]\S+$", line)[0]) for line in lines[2:7]]
    np.testing.assert_allclose(np.abs(shown), np.sort(np.abs(parts))[::-1][:5], atol=6e-4)
    assert lines[7] == f"  and {len(parts) - 5} more"
    assert repr(fit(topics).explain([""])[0]).count("\n") == 1


def test_text_repr_shows_a_label_on_one_line():
    student = DistilledMLPClassifier(max_epochs=1, random_state=0)
    student.fit(["warm soup", "late bus"], ["a\tb\\\nc", "a\tb\\\n"])
    lines = repr(student.explain(["soup"])[0]).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("a\\tb\\\\\\n")


def test_the_strongest_unit_of_a_function_has_the_strongest_colour(topics):
    (explanation,) = fit(topics, analyzer=str.split).explain(["the oven and wind"])
    marks = [
        attributes for tag, attributes in parse(explanation._repr_html_()).tags if tag == "mark"
    ]
    parts = explanation.towards(explanation.classes[explanation.logits.argmax()])
    expected = 0.45 * np.abs(parts) / np.abs(parts).max()
    shown = [float(re.search(r", (0\.\d\d)\);", mark["style"])[1]) for mark in marks]
    np.testing.assert_allclose(shown, expected[expected >= 0.005 * 0.45], atol=0.006)


@pytest.mark.parametrize(("n_characters", "is_cut"), [(60, False), (61, True)])
def test_long_texts_are_cut_in_the_text_repr(topics, n_characters, is_cut):
    text = "the oven " * 10
    (explanation,) = fit(topics).explain([text[:n_characters]])
    first = repr(explanation).splitlines()[0]
    shown = text[:59] + "…" if is_cut else text[:60]
    assert first == f"Explanation of {shown!r}"
