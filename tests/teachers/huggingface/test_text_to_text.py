import pickle
import platform
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import log_softmax, softmax
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from conftest import make_checkpoint
from skdistill import TransformerTeacherClassifier
from skdistill.labelling._description import describe
from skdistill.teachers._transformer import is_finetuned
from skdistill.teachers.huggingface import _examples as _examples
from skdistill.teachers.huggingface import _int8 as _int8
from skdistill.teachers.huggingface import _losses as _losses
from skdistill.teachers.huggingface._inference import tokenise
from skdistill.teachers.huggingface._text_to_text import LabelTexts
from tiny_families import FAMILIES

TOPICS = ["cooking", "sailing", "trains"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, topics):
    """The folder of a T5 of random weights, as it is published."""
    return FAMILIES["t5-text-to-text"].write(tmp_path_factory.mktemp("t5"), topics[0])


@pytest.fixture(scope="module")
def rows(topics):
    return topics[0][:48], topics[1][:48]


@pytest.fixture(scope="module")
def learned(checkpoint, topics):
    texts, labels = topics
    return quick(checkpoint, max_epochs=6).fit(texts[:400], labels[:400])


def quick(checkpoint, **params):
    settings = {"lr": 0.01, "max_epochs": 1, "batch_size": 16, "random_state": 0}
    settings |= {"device": "cpu", "precision": "fp32"}
    return TransformerTeacherClassifier(checkpoint, **settings | params)


def finetuned(folder, classes=None, **params):
    return TransformerTeacherClassifier.from_finetuned(folder, classes, device="cpu", **params)


def log_likelihoods(folder, texts, labels):
    """Ask transformers itself, a text and a label at a time; also count each label's tokens."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()

    def read(text):
        return tokenizer(text, return_tensors="pt").input_ids

    targets = [read(label) for label in labels]
    n_tokens = np.array([target.shape[1] for target in targets])
    with torch.no_grad():
        means = [
            [-float(model(read(text), labels=target).loss) for target in targets] for text in texts
        ]
    return np.array(means) * n_tokens, n_tokens


class TestScores:
    def test_equal_transformers_text_by_text_and_label_by_label(self, checkpoint, topics):
        labels = ["trains", "cooking", "old wind", "a", "sailing ropes"]
        texts = [*topics[0][:20], "zzz?", "wind"]
        expected, n_tokens = log_likelihoods(checkpoint, texts, labels)
        assert len(set(n_tokens)) >= 3
        teacher = finetuned(checkpoint, labels)
        order = np.argsort(labels)
        assert teacher.classes_.tolist() == sorted(labels)
        scores = teacher.decision_function(texts)
        np.testing.assert_allclose(scores, (expected / n_tokens)[:, order], rtol=0, atol=1e-5)
        np.testing.assert_allclose(
            scores * n_tokens[order], expected[:, order], rtol=0, atol=1e-5 * n_tokens.max()
        )
        np.testing.assert_allclose(
            teacher.predict_proba(texts),
            softmax((expected / n_tokens)[:, order], axis=1),
            atol=1e-5,
        )
        np.testing.assert_allclose(
            teacher.predict_log_proba(texts),
            log_softmax((expected / n_tokens)[:, order], axis=1),
            rtol=0,
            atol=1e-5,
        )

    def test_of_a_fine_tuned_model(self, learned, topics, tmp_path):
        learned.save_pretrained(tmp_path)
        texts = topics[0][400:430]
        expected, n_tokens = log_likelihoods(tmp_path, texts, TOPICS)
        np.testing.assert_allclose(
            learned.decision_function(texts), expected / n_tokens, rtol=0, atol=1e-5
        )

    def test_each_text_is_encoded_once(self, learned, topics):
        calls = Counter()
        for part in ("encoder", "decoder"):
            getattr(learned.model_, part).register_forward_hook(
                lambda *_, part=part: calls.update([part])
            )
        learned.predict(topics[0][:5])
        for part in ("encoder", "decoder"):
            getattr(learned.model_, part)._forward_hooks.clear()
        assert calls == {"encoder": 1, "decoder": 3}

    @pytest.mark.skipif(platform.machine().lower() not in _int8._PROCESSORS, reason="needs x86")
    def test_int8_leaves_the_last_layer_as_it_is(self, learned):
        twin = _int8.quantised(learned.model_)
        assert twin.lm_head.weight is learned.model_.shared.weight
        rounded = [m for m in twin.modules() if isinstance(m, _int8.Int8Linear)]
        assert len(rounded) == 6 + 10  # four of an attention, two behind it

    def test_large_vocabularies_make_small_batches(self):
        label_texts = LabelTexts(
            torch.zeros((3, 4), dtype=torch.int64), torch.zeros((3, 4), dtype=torch.int64), 32_768
        )
        assert label_texts.sizes(np.array([5, 32, 40])).tolist() == [32, 32, 40]

    def test_a_label_ends_where_the_tokenizer_leaves_its_end_open(self, learned, topics):
        again = pickle.loads(pickle.dumps(learned))
        again.tokenizer_.backend_tokenizer.post_processor = None
        np.testing.assert_array_equal(
            again.predict_proba(topics[0][:20]), learned.predict_proba(topics[0][:20])
        )


class TestLearning:
    def test_learns_to_write_the_label(self, learned, topics):
        texts, labels = topics
        assert learned.score(texts[400:], labels[400:]) > 0.95
        inputs = learned.tokenizer_(texts[400:420], padding=True, return_tensors="pt")
        with torch.no_grad():
            written = learned.model_.generate(**inputs, max_new_tokens=5)
        assert (
            learned.tokenizer_.batch_decode(written, skip_special_tokens=True)
            == learned.predict(texts[400:420]).tolist()
        )

    def test_loss_is_that_of_the_label_s_tokens(self, tmp_path, rows):
        family = FAMILIES["t5-text-to-text"]
        folder = Path(family.write(tmp_path, rows[0]))
        change = (
            (folder / "config.json")
            .read_text()
            .replace('"dropout_rate": 0.1', '"dropout_rate": 0.0')
        )
        (folder / "config.json").write_text(change)
        sample_weight = np.linspace(0.5, 2, len(rows[0]))
        teacher = quick(folder, lr=1e-12).fit(*rows, sample_weight=sample_weight)
        expected, n_tokens = log_likelihoods(folder, rows[0], TOPICS)
        mean = (expected / n_tokens)[np.arange(48), np.searchsorted(TOPICS, rows[1])]
        assert teacher.history_[0]["train_loss"] == pytest.approx(
            -np.average(mean, weights=sample_weight), abs=1e-5
        )

    def test_early_stopping_measures_classes(self, learned, rows):
        texts, codes = rows[0], np.searchsorted(TOPICS, rows[1])
        weights = np.linspace(0.5, 2, len(texts))
        model, tokenizer = learned.model_, learned.tokenizer_
        measured = _losses.validate(
            model,
            _examples.Examples(
                tokenise(tokenizer, model, texts, 64),
                codes,
                weights,
                LabelTexts.of(model, tokenizer),
            ),
            torch.device("cpu"),
        )
        losses = -learned.predict_log_proba(texts)[np.arange(48), codes]
        correct = learned.predict(texts) == rows[1]
        assert measured == {
            "valid_loss": pytest.approx(np.average(losses, weights=weights), abs=1e-6),
            "valid_accuracy": pytest.approx(np.average(correct, weights=weights)),
        }

    def test_numbers_are_written_in_digits(self, tmp_path, rows):
        texts = [*rows[0], "0 1 2 3"]
        folder = FAMILIES["t5-text-to-text"].write(tmp_path / "digits", texts)
        codes = np.searchsorted(TOPICS, rows[1])
        teacher = quick(folder).fit(rows[0], codes)
        assert teacher.classes_.tolist() == [0, 1, 2]
        assert teacher.model_.config.id2label == {0: "0", 1: "1", 2: "2"}
        again = pickle.loads(pickle.dumps(teacher))
        assert again.predict(rows[0]).dtype == codes.dtype

    def test_label_smoothing(self, checkpoint, rows):
        plain, smooth = (
            quick(checkpoint, trainer_args={"label_smoothing_factor": factor}).fit(*rows)
            for factor in (0.0, 0.5)
        )
        assert describe(plain) != describe(smooth)


class TestChoiceOfHead:
    def test_follows_the_checkpoint(self, checkpoint, learned):
        assert type(learned.model_).__name__ == "T5ForConditionalGeneration"
        assert not is_finetuned(checkpoint)

    def test_a_classification_layer_instead(self, checkpoint, rows):
        teacher = quick(checkpoint, head="classification", lr=1e-30).fit(*rows)
        assert type(teacher.model_).__name__ == "T5ForSequenceClassification"
        before = load_file(Path(checkpoint, "model.safetensors"))
        after = teacher.model_.transformer.state_dict()
        shared = before.keys() & after.keys()
        assert len(shared) > 20
        for name in shared:
            torch.testing.assert_close(after[name], before[name], msg=name)
        assert type(pickle.loads(pickle.dumps(teacher)).model_) is type(teacher.model_)

    def test_writing_instead(self, rows, tmp_path):
        folder = FAMILIES["t5"].write(tmp_path / "t5", rows[0])
        teacher = quick(folder, head="text-to-text", lr=1e-30).fit(*rows)
        assert type(teacher.model_).__name__ == "T5ForConditionalGeneration"
        torch.testing.assert_close(
            teacher.model_.shared.weight.detach(),
            load_file(Path(folder, "model.safetensors"))["shared.weight"],
        )

    def test_an_encoder_cannot_write(self, tiny_checkpoint, rows):
        with pytest.raises(ValueError, match=r'"text-to-text" needs an encoder-decoder .*\'bert\''):
            quick(tiny_checkpoint, head="text-to-text").fit(*rows)

    def test_a_wrong_name(self, checkpoint, rows):
        with pytest.raises(ValueError, match="head"):
            quick(checkpoint, head="regression").fit(*rows)

    def test_a_classification_layer_that_is_not_there(self, checkpoint):
        with pytest.raises(ValueError, match=r"no classification layer"):
            finetuned(checkpoint, ["a", "b"], head="classification")


class TestLabels:
    def test_of_a_saved_teacher(self, learned, topics, tmp_path):
        learned.save_pretrained(tmp_path)
        assert is_finetuned(tmp_path)
        again = finetuned(tmp_path)
        assert again.classes_.tolist() == TOPICS
        assert describe(again) == describe(learned)
        other_order = finetuned(tmp_path, ["trains", "cooking", "sailing"])
        np.testing.assert_array_equal(
            other_order.predict_proba(topics[0][:20]), learned.predict_proba(topics[0][:20])
        )
        fewer = finetuned(tmp_path, ["trains", "cooking"])
        np.testing.assert_allclose(
            fewer.predict_proba(topics[0][:20]),
            softmax(learned.decision_function(topics[0][:20])[:, [0, 2]], axis=1),
            atol=1e-6,
        )

    def test_must_be_known(self, checkpoint):
        with pytest.raises(ValueError, match=r"does not list the labels .*classes=\['negative'"):
            finetuned(checkpoint)

    @pytest.mark.parametrize(
        ("classes", "message"),
        [
            (["a"], r"at least 2 labels, but contains \['a'\]"),
            (["a", "a"], "must be distinct"),
            (["Ö", "Ü", "a"], r"labels \['Ö', 'Ü'\] as the same tokens"),
        ],
    )
    def test_must_differ(self, checkpoint, classes, message):
        with pytest.raises(ValueError, match=message):
            finetuned(checkpoint, classes).predict(["wind"])


def test_other_encoder_decoders(tmp_path, topics):
    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32}
    size |= {"decoder_ffn_dim": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    tokens = {"bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}
    folder = make_checkpoint(tmp_path / "bart", topics[0], family="bart", **size | tokens)
    labels = ["old rope", "wind"]
    teacher = quick(folder, head="text-to-text")
    teacher.fit(topics[0][:48], [labels["t" in topic] for topic in topics[1][:48]])
    teacher.save_pretrained(tmp_path / "saved")
    expected, n_tokens = log_likelihoods(tmp_path / "saved", topics[0][:20], labels)
    log_odds = np.diff(expected / n_tokens, axis=1)[:, 0]
    np.testing.assert_allclose(
        teacher.decision_function(topics[0][:20]), log_odds, rtol=0, atol=1e-5
    )
