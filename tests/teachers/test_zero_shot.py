"""A teacher that needs the names of classes alone, and students that learn from it."""

import pickle
from enum import Enum

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from transformers import pipeline

from skdistill import (
    DistilledMLPClassifier,
    TransformerTeacherClassifier,
    ZeroShotTeacherClassifier,
)
from skdistill.labelling._description import describe
from skdistill.labelling._fingerprint import teacher_fingerprint
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._teacher import needs_no_labels
from skdistill.teachers import _base as _transformer
from skdistill.teachers.huggingface._heads import inference_outputs
from skdistill.teachers.huggingface._inference import tokenise_pairs
from tiny_families import NLI_LABELS as LABELS
from tiny_families import NLI_OUTPUTS as OUTPUTS
from tiny_families import NLI_TEMPLATE as TEMPLATE
from tiny_families import write_nli

CANDIDATES = {"trains": "trains", "cooking": "cooking", "sailing": "very old sailing"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, topics):
    return write_nli(tmp_path_factory.mktemp("bert-nli"), topics[0], initializer_range=0.3)


@pytest.fixture(scope="module")
def texts(topics):
    return topics[0][:60]


def make_teacher(checkpoint, candidate_labels=tuple(LABELS), **params):
    settings = {"hypothesis_template": TEMPLATE, "device": "cpu"}
    return ZeroShotTeacherClassifier(checkpoint, candidate_labels, **settings | params)


def ask_pipeline(checkpoint, texts, labels, multi_label, max_length):
    """Ask transformers' own implementation, text by text."""
    classify = pipeline("zero-shot-classification", checkpoint, device="cpu")
    classify.tokenizer.model_max_length = max_length
    proba = []
    for text in texts:
        answer = classify(
            text, candidate_labels=labels, hypothesis_template=TEMPLATE, multi_label=multi_label
        )
        scores = dict(zip(answer["labels"], answer["scores"], strict=True))
        proba.append([scores[label] for label in labels])
    return np.array(proba)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize(
    "family", ["bert", "roberta", "deberta-v2", "mpnet", "modernbert", "bart", "t5"]
)
def test_agrees_with_transformers_pipeline(family, multi_label, tmp_path, texts):
    spread = {} if family in ("bart", "t5") else {"initializer_range": 0.3}
    checkpoint = write_nli(tmp_path, texts, family, **spread)
    texts = [*texts[:7], "rail", "rail " * 200]
    teacher = make_teacher(checkpoint, multi_label=multi_label).fit(texts)
    labels = LABELS if multi_label else sorted(LABELS)
    proba = teacher.predict_proba(texts)
    expected = ask_pipeline(checkpoint, texts, labels, multi_label, teacher.max_length_)
    np.testing.assert_allclose(proba, expected, rtol=0, atol=1e-5)
    assert proba.std(axis=0).max() > 1e-3  # so that equality means something
    np.testing.assert_allclose(np.log(proba), teacher.predict_log_proba(texts), atol=1e-9)
    if multi_label:
        np.testing.assert_array_equal(teacher.predict(texts), expected > 0.5)
        assert not np.allclose(proba.sum(axis=1), 1, atol=1e-2)
    else:
        assert teacher.predict(texts).tolist() == [labels[i] for i in expected.argmax(axis=1)]


@pytest.mark.parametrize(
    ("outputs", "contradiction", "entailment"),
    [
        (OUTPUTS, 0, 2),
        (["ENTAILMENT", "NEUTRAL", "CONTRADICTION"], 2, 0),
        (["entailment", "not_entailment"], 1, 0),
        (["not_entailment", "Entails"], 0, 1),
        (["neutral", "contradiction", "entailment"], 1, 2),
    ],
    ids=str,
)
def test_outputs_are_found_by_name(tmp_path, texts, outputs, contradiction, entailment):
    teacher = make_teacher(write_nli(tmp_path, texts, outputs=outputs), multi_label=True)
    teacher.fit(texts)
    assert inference_outputs("", teacher.model_.config) == (contradiction, entailment)
    inputs = teacher.tokenizer_(texts[0], "it was about cooking .", return_tensors="pt")
    with torch.no_grad():
        logits = teacher.model_(**inputs).logits[0].double()
    expected = float(logits[entailment] - logits[contradiction])
    found = teacher.decision_function(texts[:1])[0, LABELS.index("cooking")]
    assert found == pytest.approx(expected, abs=1e-5)


def test_classes_and_their_hypotheses(checkpoint, texts):
    teacher = make_teacher(checkpoint).fit(texts)
    assert teacher.classes_.tolist() == ["cooking", "trains", "very old sailing"]
    assert teacher.hypotheses_[1] == "it was about trains ."
    assert not teacher.multilabel_
    assert teacher.n_parameters_ == teacher.model_.num_parameters()
    numbers = make_teacher(checkpoint, {7: "trains", 3: "cooking", 5: "very old sailing"})
    numbers.fit(texts)
    assert numbers.classes_.tolist() == [3, 5, 7]
    order = [0, 2, 1]
    np.testing.assert_allclose(
        numbers.predict_proba(texts), teacher.predict_proba(texts)[:, order], rtol=1e-12
    )
    assert set(numbers.predict(texts)) <= {3, 5, 7}
    several = make_teacher(checkpoint, multi_label=True).fit(texts)
    assert several.classes_.tolist() == LABELS
    assert several.hypotheses_[0] == "it was about trains ."
    members = make_teacher(
        checkpoint, [*Enum("Member", {f"m{i}": label for i, label in enumerate(LABELS)}, type=str)]
    )
    assert members.fit(texts).classes_.tolist() == teacher.classes_.tolist()
    assert members.hypotheses_ == teacher.hypotheses_


def test_two_classes_have_log_odds(checkpoint, texts):
    teacher = make_teacher(checkpoint, {"+": "cooking", "-": "trains"}).fit(texts)
    proba, decision = teacher.predict_proba(texts), teacher.decision_function(texts)
    np.testing.assert_allclose(decision, np.log(proba[:, 1] / proba[:, 0]), atol=1e-9)
    several = make_teacher(checkpoint, ["cooking", "trains"], multi_label=True).fit(texts)
    assert several.decision_function(texts).shape == (60, 2)


def test_each_text_is_read_once_for_each_class(checkpoint, texts, monkeypatch):
    read = []
    original = _transformer.compute_logits
    monkeypatch.setattr(
        _transformer,
        "compute_logits",
        lambda model, tokens, **rest: read.append(len(tokens)) or original(model, tokens, **rest),
    )
    teacher = make_teacher(checkpoint).fit(texts)
    proba = teacher.predict_proba([*texts[:5] * 20, texts[0]])
    assert read == [3 * len(set(texts[:5]))]
    np.testing.assert_array_equal(proba[::5], np.tile(proba[0], (21, 1)))


def test_pairs_are_cut_into_chunks(checkpoint, texts, monkeypatch):
    teacher = make_teacher(checkpoint).fit(texts)
    expected = teacher.predict_proba(texts)
    monkeypatch.setattr("skdistill.teachers.huggingface._inference._TEXTS_AT_ONCE", 4)
    np.testing.assert_array_equal(teacher.predict_proba(texts), expected)


def test_the_text_is_cut_and_never_the_hypothesis(checkpoint, texts):
    teacher = make_teacher(checkpoint, max_length=12).fit(texts)
    assert teacher.max_length_ == 12
    tokens = tokenise_pairs(
        teacher.tokenizer_, teacher.model_, ["wind sail " * 20], teacher.hypotheses_, 12
    )
    rows = np.split(tokens.fields["input_ids"].values, tokens.fields["input_ids"].offsets[1:-1])
    for row, hypothesis in zip(rows, teacher.hypotheses_, strict=True):
        assert len(row) == 12
        end = teacher.tokenizer_(hypothesis)["input_ids"][1:]
        assert row[-len(end) :].tolist() == end
    teacher.set_params(max_length=1000).fit(texts)
    assert teacher.max_length_ == 64
    teacher.set_params(max_length=11).fit(texts)  # 10 tokens, and 1 of the text
    with pytest.raises(
        ValueError, match=r"'it was about very old sailing .' has 10 tok.* at most 10"
    ):
        teacher.set_params(max_length=10).fit(texts)


def test_odd_texts(checkpoint, tmp_path, texts):
    teacher = make_teacher(checkpoint).fit(texts)
    assert np.isfinite(teacher.predict_proba(["", " ", "\ud83d rail"])).all()
    np.testing.assert_array_equal(
        teacher.predict_proba(["\ud83d rail"]), teacher.predict_proba(["? rail"])
    )
    bart = make_teacher(write_nli(tmp_path, texts, "bart")).fit(texts)
    # The model answers at the last end of text, and wants as many in each pair.
    proba = bart.predict_proba(["rail </s> deck", "rail   deck", "rail deck wind anchor"])
    np.testing.assert_array_equal(proba[0], proba[1])


def test_pickle(checkpoint, texts, tmp_path):
    teacher = make_teacher(checkpoint, multi_label=True).fit(texts)
    joblib.dump(teacher, tmp_path / "teacher.joblib")
    for again in (pickle.loads(pickle.dumps(teacher)), joblib.load(tmp_path / "teacher.joblib")):
        np.testing.assert_array_equal(again.predict_proba(texts), teacher.predict_proba(texts))
        np.testing.assert_array_equal(again.predict(texts), teacher.predict(texts))
        assert describe(again) == describe(teacher)
    assert len(pickle.dumps(clone(teacher))) < 2_000


def test_names_for_the_memory(checkpoint, texts):
    teacher = make_teacher(checkpoint)
    same = make_teacher(checkpoint, verbose=1)
    others = [
        make_teacher(checkpoint, ["trains", "cooking"]),
        make_teacher(checkpoint, hypothesis_template="it was not about {} ."),
        make_teacher(checkpoint, multi_label=True),
        make_teacher(checkpoint, multi_label=True, candidate_labels=LABELS[::-1]),
        make_teacher(checkpoint, max_length=20),
    ]
    for fit in (False, True):
        if fit:
            for one in (teacher, same, *others):
                one.fit(texts)
        names = [describe(one) for one in (teacher, *others)]
        assert describe(same) == names[0]
        assert len(set(names)) == len(names)
    by_dict = [
        describe(make_teacher(checkpoint, dict(pairs), multi_label=True))
        for pairs in ([(1, "trains"), (2, "cooking")], [(2, "cooking"), (1, "trains")])
    ]
    assert by_dict[0] != by_dict[1]


def test_numbered_classes_and_several_labels_have_names_of_their_own(checkpoint):
    phrases = {0: "cooking", 1: "trains"}
    teachers = [
        make_teacher(checkpoint, labels, multi_label=multi_label)
        for labels in (phrases, {0: "trains", 1: "cooking"}, {1: "cooking", 0: "trains"})
        for multi_label in (False, True)
    ]
    keys = [teacher_fingerprint(teacher, [], None) for teacher in teachers]
    assert len({*keys}) == len(keys) - 2
    assert keys[2] == keys[4]  # sorted, unless a text may have several labels
    assert keys[1] == keys[5]  # which are column numbers
    same = make_teacher(checkpoint, dict(phrases), multi_label=False)
    assert teacher_fingerprint(same, ["a"], np.array([0])) == keys[0]


def test_memory_keeps_answers_whatever_the_rows_are(checkpoint, texts, tmp_path, monkeypatch):
    teacher = make_teacher(checkpoint)
    first = SoftLabeler(teacher, texts, None, memory=tmp_path).label(texts)
    monkeypatch.setattr(ZeroShotTeacherClassifier, "predict_proba", None)
    labels = np.array(LABELS * 20)
    other = SoftLabeler(teacher, texts[::-1], labels, memory=tmp_path)
    np.testing.assert_array_equal(other.label(texts), first)
    fitted = clone(teacher).fit(texts)
    for frozen in (fitted, pickle.loads(pickle.dumps(fitted))):
        again = SoftLabeler(FrozenEstimator(frozen), texts, None, memory=tmp_path)
        np.testing.assert_array_equal(again.label(texts), first)
    # What was set after `fit` has no effect before the next one.
    key = teacher_fingerprint(FrozenEstimator(fitted), texts[:1], labels)
    fitted.set_params(hypothesis_template="{}")
    assert teacher_fingerprint(FrozenEstimator(fitted), texts, None) == key
    fitted.set_params(precision="bf16")
    assert teacher_fingerprint(FrozenEstimator(fitted), texts, None) != key


def test_given_labels_are_checked(checkpoint, texts):
    labels = np.array(LABELS * 20)
    teacher = make_teacher(checkpoint).fit(texts, labels)
    assert 0 <= teacher.score(texts, labels) <= 1
    assert teacher.fit(texts, ["cooking"] * 60).classes_.tolist() == sorted(LABELS)
    with pytest.raises(ValueError, match=r"y\[0\] is 'weather', which is not one of the classes"):
        teacher.fit(texts, ["weather"] * 60)
    with pytest.raises(ValueError, match="same number of rows"):
        teacher.fit(texts, labels[:5])
    several = make_teacher(checkpoint, multi_label=True)
    assert several.fit(texts, np.eye(3)[np.arange(60) % 3]).multilabel_
    with pytest.raises(ValueError, match=r"shape \(60, 3\), .* but has shape \(60, 2\)"):
        several.fit(texts, np.eye(2)[np.arange(60) % 2])


@pytest.mark.parametrize(
    ("candidate_labels", "error", "message"),
    [
        ([], ValueError, "at least 2 classes, but candidate_labels has 0"),
        (["trains"], ValueError, "has 1"),
        ({}, ValueError, "has 0"),
        ("trains, cooking", ValueError, "must be an instance of 'dict' or an array-like"),
        (["trains", "cooking", "trains"], ValueError, "'trains' twice"),
        ({0: "trains", 1: "trains"}, ValueError, "'trains' twice"),
        ([0, 1], TypeError, "must contain phrases, but contains 0"),
        ({0: "trains", "1": "cooking"}, TypeError, "all strings or all integers"),
        ({0.5: "trains", 1.5: "cooking"}, TypeError, "all strings or all integers"),
    ],
)
def test_wrong_candidates(checkpoint, texts, candidate_labels, error, message):
    with pytest.raises(error, match=message):
        make_teacher(checkpoint, candidate_labels).fit(texts)


def test_wrong_parameters(checkpoint, texts):
    with pytest.raises(ValueError, match=r"'it was' has no placeholder .* add \{\}"):
        make_teacher(checkpoint, hypothesis_template="it was").fit(texts)
    with pytest.raises(ValueError, match="'precision' parameter"):
        make_teacher(checkpoint, precision="fp8").fit(texts)
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        make_teacher(checkpoint).fit([])
    with pytest.raises(NotFittedError):
        make_teacher(checkpoint).predict(texts)
    with pytest.raises(OSError, match="'/no/such/folder' could not be loaded"):
        make_teacher("/no/such/folder").fit(texts)


def test_wrong_checkpoints(tmp_path, texts, tiny_checkpoint):
    with pytest.raises(ValueError, match=r"which of its outputs is entailment: .*\{'no': 0"):
        make_teacher(write_nli(tmp_path / "other", texts, outputs=["no", "yes"])).fit(texts)
    with pytest.raises(ValueError, match="no classification layer"):
        make_teacher(tiny_checkpoint).fit(texts)


def test_embeddings_and_saving(checkpoint, texts, tmp_path):
    teacher = make_teacher(checkpoint)
    before = teacher.word_vectors(["rail"])
    teacher.fit(texts).save_pretrained(tmp_path)
    np.testing.assert_array_equal(teacher.word_vectors(["rail"]), before)
    again = make_teacher(str(tmp_path)).fit(texts)
    np.testing.assert_array_equal(again.predict_proba(texts), teacher.predict_proba(texts))


def test_progress(checkpoint, texts, capfd):
    make_teacher(checkpoint).fit(texts).predict(texts)
    assert capfd.readouterr() == ("", "")
    make_teacher(checkpoint, verbose=1).fit(texts).predict(texts)
    err = capfd.readouterr().err
    assert "180/180" in err
    assert "pair/s" in err


def test_tags(checkpoint):
    tags = get_tags(make_teacher(checkpoint))
    assert not tags.target_tags.required
    assert not tags.classifier_tags.multi_label
    assert get_tags(make_teacher(checkpoint, multi_label=True)).classifier_tags.multi_label
    assert needs_no_labels(make_teacher(checkpoint))
    assert needs_no_labels(make_pipeline(FunctionTransformer(), make_teacher(checkpoint)))
    assert not needs_no_labels(TransformerTeacherClassifier(checkpoint))


@pytest.fixture(scope="module")
def trained_checkpoint(tmp_path_factory, topics):
    """A model that has learned which of three hypotheses a text entails."""
    folder = tmp_path_factory.mktemp("trained-nli")
    size = {"hidden_size": 32, "num_hidden_layers": 2}
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    write_nli(folder, topics[0], **size, **no_dropout)
    teacher = make_teacher(str(folder), CANDIDATES).fit(topics[0])
    model, texts = teacher.model_.train(), topics[0][:300]
    tokens = tokenise_pairs(teacher.tokenizer_, model, texts, teacher.hypotheses_, 64)
    entailed = (topics[1][:300, None] == teacher.classes_).ravel()
    outputs = torch.from_numpy(np.where(entailed, 2, 0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=15)
    rng = np.random.default_rng(0)
    for _ in range(15):
        for rows in np.array_split(rng.permutation(len(tokens)), 30):
            loss = model(**tokens.pad(rows), labels=outputs[rows]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        decay.step()
    teacher.save_pretrained(folder)
    return str(folder)


def test_a_student_learns_from_texts_alone(trained_checkpoint, topics, tmp_path):
    texts, labels = topics
    teacher = make_teacher(trained_checkpoint, CANDIDATES)
    student = DistilledMLPClassifier(
        teacher, max_epochs=30, lr=0.03, memory=tmp_path, random_state=0
    ).fit(texts[:300], X_unlabeled=texts[300:500])
    assert student.classes_.tolist() == sorted(CANDIDATES)
    assert student.transfer_size_ == 500
    assert teacher.fit(texts).score(texts[500:], labels[500:]) > 0.9
    assert student.score(texts[500:], labels[500:]) > 0.9


def test_a_student_learns_several_labels_from_texts_alone(trained_checkpoint, topics):
    texts, labels = topics
    teacher = make_teacher(trained_checkpoint, CANDIDATES, multi_label=True)
    student = DistilledMLPClassifier(teacher, max_epochs=30, lr=0.03, random_state=0)
    student.fit(texts[:500])
    assert student.multilabel_
    assert student.classes_.tolist() == [*CANDIDATES]
    expected = teacher.fit(texts).predict_proba(texts[:500]).mean(axis=0)
    np.testing.assert_allclose(student.predict_proba([""])[0], expected, atol=1e-5)
    indicators = labels[500:, None] == np.array([*CANDIDATES])
    assert (student.predict(texts[500:]) == indicators).mean() > 0.9


def test_weights_of_rows_are_the_students_alone(checkpoint, topics):
    labels = np.array(LABELS * 20)
    student = DistilledMLPClassifier(make_teacher(checkpoint), max_epochs=1, random_state=0)
    weights = np.arange(60) % 2
    student.fit(topics[0][:60], labels, sample_weight=weights)  # and no warning
    np.testing.assert_allclose(
        student.predict_proba([""])[0],
        np.bincount(np.searchsorted(sorted(LABELS), labels), weights) / weights.sum(),
        rtol=1e-5,
    )
