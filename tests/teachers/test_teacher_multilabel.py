"""A fine-tuned transformer for several labels a text."""

import pickle

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score
from sklearn.utils import get_tags
from torch.nn import functional as F
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from conftest import make_checkpoint
from several_labels import LABELS, NEW_LABELS, NEW_TEXTS, TEXTS
from skdistill import DistilledMLPClassifier, TransformerTeacherClassifier
from skdistill.labelling._description import describe
from skdistill.teachers._transformer import is_finetuned
from skdistill.teachers.huggingface import _examples as _examples
from skdistill.teachers.huggingface import _losses as _losses
from skdistill.teachers.huggingface import _trainer as _trainer
from skdistill.teachers.huggingface._inference import tokenise
from tiny_families import FAMILIES

SMALL = slice(48)


def quick(checkpoint, **params):
    settings = {"lr": 0.01, "max_epochs": 2, "batch_size": 16, "random_state": 0}
    settings |= {"device": "cpu", "precision": "fp32"}
    return TransformerTeacherClassifier(checkpoint, **settings | params)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    settings = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    settings["initializer_range"] = 0.2
    return make_checkpoint(tmp_path_factory.mktemp("encoder"), TEXTS, **settings)


@pytest.fixture(scope="module")
def learned(checkpoint):
    return quick(checkpoint, max_epochs=6, lr=0.005).fit(TEXTS, LABELS)


def reference_logits(folder, texts):
    """Ask transformers itself, text by text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in texts])


def test_learns(learned):
    assert learned.multilabel_
    assert learned.classes_.tolist() == [0, 1, 2]
    predicted = learned.predict(NEW_TEXTS)
    assert predicted.dtype == np.int64
    assert f1_score(NEW_LABELS, predicted, average="micro") > 0.95
    assert learned.score(NEW_TEXTS, NEW_LABELS) > 0.9
    assert get_tags(learned).classifier_tags.multi_label


def test_predictions_are_transformers_own(learned, tmp_path):
    learned.save_pretrained(tmp_path)
    logits = reference_logits(tmp_path, NEW_TEXTS[:30]).numpy()
    proba = learned.predict_proba(NEW_TEXTS[:30])
    assert proba.shape == (30, 3)
    np.testing.assert_allclose(learned.decision_function(NEW_TEXTS[:30]), logits, atol=1e-5)
    np.testing.assert_allclose(proba, expit(logits), atol=1e-6)
    np.testing.assert_allclose(learned.predict_log_proba(NEW_TEXTS[:30]), np.log(proba), rtol=1e-6)
    np.testing.assert_array_equal(learned.predict(NEW_TEXTS[:30]), logits > 0)
    classify = pipeline("text-classification", str(tmp_path), top_k=None, device="cpu")
    for answer, row in zip(classify(NEW_TEXTS[:5]), proba, strict=False):
        scores = {one["label"]: one["score"] for one in answer}
        np.testing.assert_allclose([scores["0"], scores["1"], scores["2"]], row, atol=1e-5)


def test_two_labels_are_no_two_classes(checkpoint):
    teacher = quick(checkpoint).fit(TEXTS[SMALL], LABELS[SMALL, :2])
    assert teacher.decision_function(TEXTS[SMALL]).shape == (48, 2)
    assert not np.allclose(teacher.predict_proba(TEXTS[SMALL]).sum(axis=1), 1)


def test_training_loss_is_the_weighted_mean_over_texts_and_labels(checkpoint, tmp_path):
    weights = np.arange(48) % 3
    teacher = quick(checkpoint, max_epochs=1, lr=1e-20)
    teacher.fit(TEXTS[SMALL], LABELS[SMALL], sample_weight=weights)
    teacher.save_pretrained(tmp_path)
    losses = F.binary_cross_entropy_with_logits(
        reference_logits(tmp_path, TEXTS[SMALL]),
        torch.from_numpy(LABELS[SMALL]).float(),
        reduction="none",
    )
    expected = np.average(losses.mean(dim=1), weights=weights)
    assert teacher.history_[0]["train_loss"] == pytest.approx(expected, abs=1e-5)


def test_gradient_is_that_of_transformers_own_loss(learned):
    model, tokenizer = learned.model_, learned.tokenizer_
    inputs = tokenizer(TEXTS[:8], padding=True, return_tensors="pt")
    labels = torch.from_numpy(LABELS[:8])
    expected = model(**inputs, labels=labels.float()).loss
    found = _losses.cross_entropies(model(**inputs).logits, labels).mean()
    torch.testing.assert_close(found, expected)
    weight = model.classifier.weight
    torch.testing.assert_close(
        torch.autograd.grad(found, weight), torch.autograd.grad(expected, weight)
    )


def test_label_smoothing_lies_between_no_and_yes():
    logits = torch.tensor([[2.0, -1.0]], dtype=torch.float64)
    found = _losses.cross_entropies(logits, torch.tensor([[1, 0]]), 0.2)
    shares = torch.tensor([[0.9, 0.1]], dtype=torch.float64)
    torch.testing.assert_close(
        found, F.binary_cross_entropy_with_logits(logits, shares, reduction="none").mean(dim=1)
    )


def test_a_weight_of_zero_is_no_row(checkpoint):
    weights = np.arange(48) % 2
    weighted = quick(checkpoint).fit(TEXTS[SMALL], LABELS[SMALL], sample_weight=weights)
    kept = np.flatnonzero(weights)
    fewer = quick(checkpoint).fit([TEXTS[row] for row in kept], LABELS[kept])
    assert describe(weighted) == describe(fewer)


def test_early_stopping_counts_labels(learned):
    texts, labels = NEW_TEXTS[SMALL], NEW_LABELS[SMALL]
    weights = np.arange(1, 49).astype(np.float32)
    measured = _losses.validate(
        learned.model_,
        _examples.Examples(
            tokenise(learned.tokenizer_, learned.model_, texts, 64), labels, weights
        ),
        torch.device("cpu"),
    )
    log_proba = learned.predict_log_proba(texts)
    log_rest = np.log1p(-learned.predict_proba(texts))
    losses = -np.where(labels, log_proba, log_rest).mean(axis=1)
    right = (learned.predict(texts) == labels).mean(axis=1)
    assert measured == {
        "valid_loss": pytest.approx(np.average(losses, weights=weights), abs=1e-6),
        "valid_accuracy": pytest.approx(np.average(right, weights=weights)),
    }


def test_rows_set_aside_need_no_two_texts_of_a_kind(checkpoint):
    # Stratified by rows of labels, three texts that are all different could not be split.
    rows = [int(np.flatnonzero((row == LABELS).all(axis=1))[0]) for row in np.eye(3)]
    texts = [TEXTS[row] for row in rows]
    teacher = quick(checkpoint, early_stopping=True, validation_fraction=0.3)
    assert {"valid_loss", "valid_accuracy"} <= teacher.fit(texts, np.eye(3)).history_[0].keys()


def test_pickle(learned):
    again = pickle.loads(pickle.dumps(learned))
    np.testing.assert_array_equal(again.predict_proba(NEW_TEXTS), learned.predict_proba(NEW_TEXTS))
    np.testing.assert_array_equal(again.predict(NEW_TEXTS), learned.predict(NEW_TEXTS))
    assert describe(again) == describe(learned)


def test_a_finetuned_checkpoint_is_taken(learned, tmp_path):
    learned.save_pretrained(tmp_path)
    assert is_finetuned(tmp_path)
    again = TransformerTeacherClassifier.from_finetuned(tmp_path, device="cpu", precision="fp32")
    assert again.multilabel_
    assert again.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(
        again.predict_proba(NEW_TEXTS[:9]), learned.predict_proba(NEW_TEXTS[:9])
    )
    assert describe(again) == describe(learned)


def test_labels_may_have_names(tmp_path):
    names = ["travel", "food", "sport"]
    folder = make_checkpoint(tmp_path, TEXTS, head=names, problem_type="multi_label_classification")
    teacher = TransformerTeacherClassifier.from_finetuned(folder, device="cpu")
    assert teacher.classes_.tolist() == names
    assert [*teacher.model_.config.id2label.values()] == names
    logits = reference_logits(folder, TEXTS[:9]).numpy()
    np.testing.assert_allclose(teacher.decision_function(TEXTS[:9]), logits, atol=1e-5)
    other = TransformerTeacherClassifier.from_finetuned(folder, classes=["t", "f", "s"])
    assert other.model_.config.label2id == {"t": 0, "f": 1, "s": 2}
    with pytest.raises(ValueError, match="must be distinct"):
        TransformerTeacherClassifier.from_finetuned(folder, classes=["t", "f", "f"])


def test_the_same_weights_with_one_label_a_text_are_another_teacher(tmp_path):
    folders = [
        make_checkpoint(tmp_path / kind, TEXTS, head=["0", "1", "2"], problem_type=kind)
        for kind in ("multi_label_classification", "single_label_classification")
    ]
    several, one = map(TransformerTeacherClassifier.from_finetuned, folders)
    np.testing.assert_array_equal(several.decision_function(TEXTS), one.decision_function(TEXTS))
    assert describe(several) != describe(one)


def test_resumes(checkpoint, tmp_path, monkeypatch):
    original = _trainer.Epochs.on_epoch_begin

    def begin(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if round(state.epoch or 0) == 1:
            raise KeyboardInterrupt

    teacher = quick(checkpoint, checkpoint_dir=tmp_path, early_stopping=True, max_epochs=3)
    expected = quick(checkpoint, early_stopping=True, max_epochs=3).fit(TEXTS, LABELS)
    with monkeypatch.context() as patch:
        patch.setattr(_trainer.Epochs, "on_epoch_begin", begin)
        with pytest.raises(KeyboardInterrupt):
            teacher.fit(TEXTS, LABELS)
    teacher.fit(TEXTS, LABELS)
    assert [entry["epoch"] for entry in teacher.history_] == [1, 2, 3]
    np.testing.assert_allclose(
        teacher.predict_proba(NEW_TEXTS), expected.predict_proba(NEW_TEXTS), atol=1e-6
    )
    with pytest.warns(UserWarning, match="none of this one"):
        teacher.set_params(max_epochs=1, early_stopping=False).fit(TEXTS, LABELS[:, 0])
    assert not teacher.multilabel_


def test_what_cannot_be_says_why(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="Use sample_weight instead"):
        quick(checkpoint, class_weight="balanced").fit(TEXTS[SMALL], LABELS[SMALL])
    writer = FAMILIES["t5-text-to-text"].write(tmp_path, TEXTS)
    with pytest.raises(ValueError, match=r"one label per text, but y has several.*OneVsRest"):
        quick(writer).fit(TEXTS[SMALL], LABELS[SMALL])
    classifier = quick(writer, head="classification", max_epochs=1)
    assert classifier.fit(TEXTS[SMALL], LABELS[SMALL]).multilabel_


def test_a_student_learns_from_it(learned):
    student = DistilledMLPClassifier(
        FrozenEstimator(learned), max_epochs=20, lr=0.03, random_state=0
    ).fit(TEXTS, LABELS, X_unlabeled=NEW_TEXTS)
    assert f1_score(NEW_LABELS, student.predict(NEW_TEXTS), average="micro") > 0.95
    known = np.clip(learned.predict_proba(NEW_TEXTS), 1e-3, 1 - 1e-3)
    found = np.clip(student.predict_proba(NEW_TEXTS), 1e-3, 1 - 1e-3)
    assert np.corrcoef(logit(known).ravel(), logit(found).ravel())[0, 1] > 0.9
