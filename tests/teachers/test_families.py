"""What every family of transformers does as a teacher."""

import pickle
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from transformers import AutoModelForSequenceClassification, AutoTokenizer, GPT2Tokenizer

from skdistill import DistilledMLPClassifier, TransformerTeacherClassifier
from skdistill.labelling._description import describe
from skdistill.teachers._transformer import is_finetuned
from skdistill.teachers.huggingface import _inference as _inference
from skdistill.teachers.huggingface import _int8 as _int8
from skdistill.teachers.huggingface import _trainer as _trainer
from tiny_families import FAMILIES

# GPT-2 has convolutions in the place of linear layers.
WITHOUT_INT8 = {"gpt2"}


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory, topics):
    """The folders of random models as they are published, by family."""
    root = tmp_path_factory.mktemp("families")
    return {name: family.write(root / name, topics[0]) for name, family in FAMILIES.items()}


@pytest.fixture(scope="module")
def rows(topics):
    return topics[0][:48], topics[1][:48]


@pytest.fixture(scope="module")
def odd_texts(topics):
    return [*topics[0][:30], "WIND and Sail", "zzz?", "</s> a <s> rail [SEP]", "wind " * 200]


@pytest.fixture(scope="module", params=FAMILIES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def teacher(name, checkpoints, topics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("epochs")
    teacher = quick(checkpoints[name], lr=0.02, max_epochs=8, checkpoint_dir=folder)
    return teacher.fit(topics[0][:96], topics[1][:96])


def quick(checkpoint, **params):
    settings = {"lr": 0.01, "max_epochs": 1, "batch_size": 16, "random_state": 0}
    settings |= {"device": "cpu", "precision": "fp32"}
    return TransformerTeacherClassifier(checkpoint, **settings | params)


def finetuned(folder, **params):
    return TransformerTeacherClassifier.from_finetuned(folder, device="cpu", **params)


def reference_logits(folder, texts, max_length):
    """Ask transformers itself, text by text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    accepted = {"input_ids", "attention_mask"}
    with torch.no_grad():
        logits = []
        for text in texts:
            inputs = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
            inputs = {k: v for k, v in inputs.items() if k in accepted}
            logits.append(model(**inputs).logits[0].numpy())
    return np.array(logits)


class TestEveryFamily:
    def test_learns_and_gives_probabilities(self, name, teacher, topics, odd_texts):
        assert type(teacher.model_).__name__ == FAMILIES[name].finetuned
        assert teacher.classes_.tolist() == ["cooking", "sailing", "trains"]
        assert teacher.score(topics[0][:96], topics[1][:96]) > 0.6
        proba = teacher.predict_proba([*odd_texts, ""])
        assert proba.shape == (len(odd_texts) + 1, 3)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)

    def test_pretrained_weights_are_those_of_the_checkpoint(self, name, checkpoints, rows):
        teacher = quick(checkpoints[name], lr=1e-30, weight_decay=0).fit(*rows)
        words = ["wind", "oven"]
        before = quick(checkpoints[name]).word_vectors(words)
        np.testing.assert_allclose(teacher.word_vectors(words), before, atol=1e-7)
        assert np.ptp(before) > 0

    def test_company_of_texts_does_not_matter(self, teacher, odd_texts, monkeypatch):
        together = teacher.decision_function([*odd_texts, ""])
        alone = [teacher.decision_function([text])[0] for text in [*odd_texts, ""]]
        np.testing.assert_allclose(alone, together, rtol=0, atol=1e-5)
        monkeypatch.setitem(_inference._BATCH_TOKENS, "cpu", 40)
        by_few = teacher.decision_function([*odd_texts, ""])
        np.testing.assert_allclose(by_few, together, rtol=0, atol=1e-5)

    def test_pickle(self, teacher, odd_texts):
        again = pickle.loads(pickle.dumps(teacher))
        np.testing.assert_array_equal(
            again.predict_proba(odd_texts), teacher.predict_proba(odd_texts)
        )
        assert describe(again) == describe(teacher)

    def test_saved_folder(self, name, teacher, odd_texts, tmp_path):
        teacher.save_pretrained(tmp_path)
        again = finetuned(tmp_path)
        assert is_finetuned(tmp_path)
        assert again.classes_.tolist() == teacher.classes_.tolist()
        assert describe(again) == describe(teacher)
        np.testing.assert_array_equal(
            again.predict_proba(odd_texts), teacher.predict_proba(odd_texts)
        )
        if FAMILIES[name].finetuned != "T5ForConditionalGeneration":
            texts = odd_texts[:30]
            logits = reference_logits(tmp_path, texts, teacher.max_length_)
            np.testing.assert_allclose(
                again.predict_proba(texts), softmax(logits, axis=1), rtol=0, atol=1e-5
            )

    def test_a_finished_training_is_only_loaded(self, teacher, topics, monkeypatch):
        monkeypatch.setattr(_trainer.WeightedTrainer, "train", None)
        again = clone(teacher).fit(topics[0][:96], topics[1][:96])
        assert again.history_ == teacher.history_
        assert describe(again) == describe(teacher)

    @pytest.mark.parametrize("precision", ["bf16", "int8"])
    def test_other_precisions(self, name, teacher, odd_texts, precision, request):
        rounded = pickle.loads(pickle.dumps(teacher)).set_params(precision=precision)
        if precision == "int8":
            try:
                _int8.check_int8_device(torch.device("cpu"))
            except ValueError:
                pytest.skip("needs an x86 processor and oneDNN")
            if name in WITHOUT_INT8:
                with pytest.raises(
                    ValueError, match="quantizes linear layers, but GPT2Model has no"
                ):
                    rounded.predict(odd_texts)
                return
        if precision == "bf16":
            request.getfixturevalue("bf16")
        exact = teacher.predict_proba(odd_texts)
        error = np.abs(rounded.predict_proba(odd_texts) - exact).max()
        assert 0 < error < 0.05

    def test_teaches(self, teacher, rows):
        student = DistilledMLPClassifier(FrozenEstimator(teacher), max_epochs=2, random_state=0)
        proba = student.fit(*rows).predict_proba(rows[0])
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-6)
        assert student.classes_.tolist() == teacher.classes_.tolist()


@pytest.mark.parametrize("name", ["albert", "t5", "t5-text-to-text", "gpt2"])
def test_resumes_an_interrupted_training(name, checkpoints, rows, tmp_path, monkeypatch):
    begin_epoch = _trainer.Epochs.on_epoch_begin

    def begin(self, args, state, control, **kwargs):
        if round(state.epoch or 0) == 1:
            raise KeyboardInterrupt
        begin_epoch(self, args, state, control, **kwargs)

    straight = quick(checkpoints[name], max_epochs=2).fit(*rows)
    unfinished = clone(straight).set_params(checkpoint_dir=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(_trainer.Epochs, "on_epoch_begin", begin)
        with pytest.raises(KeyboardInterrupt):
            unfinished.fit(*rows)
    resumed = clone(unfinished).fit(*rows)
    assert resumed.history_ == straight.history_
    assert describe(resumed) == describe(straight)


class TestPadding:
    def test_the_end_of_text_pads_where_nothing_else_does(self, checkpoints, rows):
        teacher = quick(checkpoints["gpt2"])
        assert AutoTokenizer.from_pretrained(checkpoints["gpt2"]).pad_token is None
        teacher.fit(*rows)
        assert teacher.tokenizer_.pad_token == teacher.tokenizer_.eos_token == "<|endoftext|>"
        assert teacher.model_.config.pad_token_id == teacher.tokenizer_.eos_token_id

    @pytest.mark.parametrize("name", ["bert", "t5", "gpt2", "llama"])
    def test_a_tokenizer_that_pads_left_changes_nothing(self, name, checkpoints, rows, tmp_path):
        right = quick(checkpoints[name]).fit(*rows)
        right.save_pretrained(tmp_path)
        left = finetuned(tmp_path)
        left.tokenizer_.padding_side = "left"
        right.tokenizer_.padding_side = "right"
        np.testing.assert_array_equal(
            left.predict_proba([*rows[0], ""]), right.predict_proba([*rows[0], ""])
        )

    def test_a_padding_token_that_the_model_does_not_know(self, checkpoints, rows, tmp_path):
        teacher = quick(checkpoints["gpt2"]).fit(*rows)
        teacher.save_pretrained(tmp_path)
        tokenizer = GPT2Tokenizer.from_pretrained(tmp_path)
        tokenizer.add_special_tokens({"pad_token": "[PAD]"})
        tokenizer.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match=r"'\[PAD\]' has the id .*resize_token_embeddings"):
            finetuned(tmp_path)

    @pytest.mark.parametrize("name", ["t5", "t5-text-to-text"])
    def test_an_encoder_decoder_needs_a_padding_token(self, name, checkpoints, rows, tmp_path):
        tokenizer = AutoTokenizer.from_pretrained(checkpoints[name])
        teacher = quick(checkpoints[name]).fit(*rows)
        teacher.save_pretrained(tmp_path)
        tokenizer.pad_token = None
        tokenizer.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match=r"looks for the end of each text. Set tokenizer.pad"):
            finetuned(tmp_path)


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="needs it to be missing")
@pytest.mark.parametrize("name", ["albert", "deberta-v2", "t5", "xlm-roberta"])
def test_a_tokenizer_that_takes_another_package(name, checkpoints, rows, tmp_path):
    folder = shutil.copytree(checkpoints[name], tmp_path / name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (folder / "tokenizer.json").unlink()
    (folder / tokenizer.vocab_files_names["vocab_file"]).write_bytes(b"\n\x0e\n\x05<unk>")
    with pytest.raises(ImportError, match=r"no tokenizer\.json.*pip install sentencepiece"):
        quick(folder).fit(*rows)


class TestEncoderDecoder:
    def test_the_end_of_text_within_a_text_is_passed_over(self, checkpoints, rows):
        teacher = quick(checkpoints["t5"]).fit(*rows)
        proba = teacher.predict_proba(["wind </s> and sail </s>", "wind and sail"])
        np.testing.assert_allclose(proba[0], proba[1], rtol=0, atol=1e-6)

    def test_a_text_ends_where_the_tokenizer_leaves_its_end_open(self, checkpoints, rows):
        teacher = quick(checkpoints["t5"], max_length=8).fit(*rows)
        texts = [*rows[0], "wind " * 20, ""]
        expected = teacher.predict_proba(texts)
        teacher.tokenizer_.backend_tokenizer.post_processor = None
        teacher.tokenizer_(texts[0])
        np.testing.assert_array_equal(teacher.predict_proba(texts), expected)
