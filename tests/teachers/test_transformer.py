import copy
import errno
import gc
import json
import logging
import os
import pickle
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from weakref import WeakKeyDictionary, ref

import joblib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import log_softmax, softmax
from sklearn.base import clone, is_classifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import (
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
)
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    pipeline,
)
from transformers.utils import logging as transformers_logging

from conftest import make_checkpoint
from skdistill import DistilledMLPClassifier, TransformerTeacherClassifier
from skdistill.labelling._description import describe
from skdistill.labelling._fingerprint import teacher_fingerprint
from skdistill.teachers import _base as _transformer
from skdistill.teachers import _transformer as teacher_module
from skdistill.teachers._doubts import warn_of_doubts
from skdistill.teachers._transformer import is_finetuned
from skdistill.teachers.huggingface import _checkpoints as _checkpoints
from skdistill.teachers.huggingface import _finetune as _finetune
from skdistill.teachers.huggingface import _int8 as _int8
from skdistill.teachers.huggingface import _losses as _losses
from skdistill.teachers.huggingface import _trainer as _trainer
from skdistill.teachers.huggingface._checkpoints import Progress
from skdistill.teachers.huggingface._examples import Examples
from skdistill.teachers.huggingface._inference import TokenisedTexts, tokenise
from skdistill.text._ragged import Ragged

FAMILIES = ["bert", "roberta", "distilbert"]
TOPICS = ["cooking", "sailing", "trains"]


@pytest.fixture(scope="module", params=FAMILIES)
def family_checkpoint(request, tmp_path_factory, topics):
    folder = tmp_path_factory.mktemp(request.param)
    return make_checkpoint(folder, topics[0], family=request.param, head=TOPICS)


@pytest.fixture(scope="module")
def finetuned_checkpoint(tmp_path_factory, topics):
    """A classifier of random weights, its classes in no particular order."""
    folder = tmp_path_factory.mktemp("finetuned")
    return make_checkpoint(folder, topics[0], head=["trains", "cooking", "sailing"])


@pytest.fixture(scope="module")
def without_dropout(tmp_path_factory, topics):
    folder = tmp_path_factory.mktemp("without-dropout")
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return make_checkpoint(folder, topics[0], **no_dropout)


@pytest.fixture(scope="module")
def rows(topics):
    """Texts and labels for fits whose outcome, not quality, is looked at."""
    texts, labels = topics
    return texts[:48], labels[:48]


@pytest.fixture(scope="module")
def learned(tiny_checkpoint, topics):
    texts, labels = topics
    # One of the seeds from which so small a model learns with old and new versions of torch.
    return quick(tiny_checkpoint, max_epochs=3, random_state=2).fit(texts[:400], labels[:400])


@pytest.fixture
def interrupt():
    """Stop a training, as a user would, when an epoch begins."""

    original = _trainer.Epochs.on_epoch_begin

    @contextmanager
    def at(epoch):
        def begin(self, args, state, control, **kwargs):
            original(self, args, state, control, **kwargs)
            if round(state.epoch or 0) == epoch:
                raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_trainer.Epochs, "on_epoch_begin", begin)
            yield

    return at


def quick(checkpoint, **params):
    settings = {"lr": 0.01, "max_epochs": 2, "batch_size": 16, "random_state": 0}
    settings |= {"device": "cpu", "precision": "fp32"}  # for numbers that can be compared
    return TransformerTeacherClassifier(checkpoint, **settings | params)


def has_int8():
    try:
        _int8.check_int8_device(torch.device("cpu"))
    except ValueError:
        return False
    return True


def in_precision(teacher, precision):
    """Return a copy that shares the model."""
    return copy.copy(teacher).set_params(precision=precision)


def weights(teacher):
    return {name: value.numpy() for name, value in teacher.model_.state_dict().items()}


def same_weights(one, other):
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def reference_logits(folder, texts, max_length):
    """Ask transformers itself, text by text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = [
            model(
                **tokenizer(
                    text,
                    truncation=True,
                    max_length=max_length,
                    return_tensors="pt",
                    return_token_type_ids=False,
                )
            ).logits[0]
            for text in texts
        ]
    return np.array([row.numpy() for row in logits])


class TestPrediction:
    def test_equals_transformers_text_by_text(self, family_checkpoint, topics):
        texts = [*topics[0][:40], "", "rail " * 200, "unknown"]
        teacher = TransformerTeacherClassifier.from_finetuned(
            family_checkpoint, max_length=512, device="cpu"
        )
        logits = reference_logits(family_checkpoint, texts, teacher.max_length_)
        np.testing.assert_allclose(
            teacher.predict_proba(texts), softmax(logits, axis=1), rtol=0, atol=1e-5
        )
        np.testing.assert_allclose(
            teacher.predict_log_proba(texts), log_softmax(logits, axis=1), rtol=0, atol=1e-5
        )
        np.testing.assert_allclose(teacher.decision_function(texts), logits, rtol=0, atol=1e-5)
        assert teacher.predict(texts).tolist() == [TOPICS[i] for i in logits.argmax(axis=1)]

    @pytest.mark.parametrize(("n_long", "share"), [(1, None), (2, "10%"), (5, "20%"), (20, "100%")])
    def test_says_how_many_texts_it_cuts(self, tiny_checkpoint, topics, n_long, share):
        texts = [
            f"{text} {'rail ' * 30 * (row < n_long)}" for row, text in enumerate(topics[0][:20])
        ]
        teacher = quick(tiny_checkpoint, max_length=24, max_epochs=1)
        calls = [teacher.fit, lambda X, y: teacher.predict_proba(X)]
        for call in calls:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                call(texts, topics[1][:20])
            found = [w for w in caught if "reads only the first" in str(w.message)]
            if share is None:
                assert not found
                continue
            assert str(found[0].message) == (
                f"About {share} of the texts have 24 tokens or more, of which the teacher reads "
                "only the first 24. If the ends of texts matter, raise max_length."
            )
            assert found[0].filename == __file__
        if share == "100%":
            teacher.set_params(max_length=500).max_length_ = 24
            with pytest.warns(UserWarning, match="divide them, or use another model"):
                teacher.predict(texts)

    def test_texts_that_repeat_count_as_often_where_texts_are_cut(self, tiny_checkpoint, topics):
        teacher = quick(tiny_checkpoint, max_length=24, max_epochs=1).fit(*topics)
        long = [f"{text} {'rail ' * 30}" for text in topics[0][:2]]
        with pytest.warns(UserWarning, match="About 10% of the texts have 24 tokens or more"):
            teacher.predict(long + topics[0][2:3] * 18)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            teacher.predict(long[:1] + topics[0][2:3] * 18)

    def test_a_frozen_teacher_says_how_many_texts_of_its_user_it_cuts(
        self, tiny_checkpoint, topics
    ):
        # The student makes more texts beside these, most of them short.
        texts = [f"{text} {'rail ' * 30}" for text in topics[0][:60]]
        teacher = quick(tiny_checkpoint, max_length=24, max_epochs=1).fit(*topics)
        student = DistilledMLPClassifier(FrozenEstimator(teacher), max_epochs=1, random_state=0)
        with pytest.warns(UserWarning, match="About 100% of the texts have 24 tokens or more"):
            student.fit(texts, topics[1][:60])
        assert student.transfer_size_ > 2 * len(texts)

    def test_length_limit_of_each_family(self, family_checkpoint):
        teacher = TransformerTeacherClassifier.from_finetuned(family_checkpoint, max_length=512)
        is_roberta = AutoConfig.from_pretrained(family_checkpoint).model_type == "roberta"
        assert teacher.max_length_ == (63 if is_roberta else 64)
        assert teacher.set_params(max_length=512).max_length == 512

    def test_shape_and_sum(self, learned, topics):
        proba = learned.predict_proba(topics[0])
        assert proba.shape == (600, 3)
        assert proba.dtype == np.float64
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)

    def test_order_and_company_of_texts_do_not_matter(self, learned, topics):
        texts = topics[0][:100]
        order = np.random.default_rng(0).permutation(100)
        proba = learned.predict_proba(texts)
        shuffled = learned.predict_proba([texts[i] for i in order] + texts[:7])
        np.testing.assert_array_equal(shuffled[:100], proba[order])
        np.testing.assert_array_equal(shuffled[100:], proba[:7])

    def test_two_classes_have_log_odds(self, tiny_checkpoint, tmp_path, topics):
        folder = make_checkpoint(tmp_path, topics[0], head=["no", "yes"])
        teacher = TransformerTeacherClassifier.from_finetuned(folder, device="cpu")
        proba = teacher.predict_proba(topics[0][:20])
        decision = teacher.decision_function(topics[0][:20])
        assert decision.shape == (20,)
        np.testing.assert_allclose(decision, np.log(proba[:, 1] / proba[:, 0]), atol=1e-9)
        assert np.array_equal(teacher.predict(topics[0][:20]) == "yes", decision > 0)

    def test_containers(self, learned, topics):
        datasets = pytest.importorskip("datasets")
        pandas = pytest.importorskip("pandas")
        texts = topics[0][:5]
        expected = learned.predict_proba(texts)
        column = datasets.Dataset.from_dict({"text": texts})["text"]
        for X in (tuple(texts), np.array(texts), pandas.Series(texts), column, iter(texts)):
            np.testing.assert_array_equal(learned.predict_proba(X), expected)

    def test_half_a_surrogate_pair_is_no_reason_to_stop(self, learned):
        odd = learned.predict_proba(["wind \ud83d sail"])
        np.testing.assert_array_equal(odd, learned.predict_proba(["wind ? sail"]))

    def test_left_padding(self, finetuned_checkpoint, topics):
        teacher = TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, device="cpu")
        expected = teacher.tokenizer_(topics[0][:3], padding=True, padding_side="left")
        tokens = tokenise(teacher.tokenizer_, teacher.model_, topics[0][:3], 64)
        padded = replace(tokens, padding_side="left").pad(np.arange(3))
        for name, values in padded.items():
            np.testing.assert_array_equal(values.numpy(), expected[name])

    @pytest.mark.parametrize("family", ["bert", "gpt2"])
    def test_padding_on_the_left_moves_no_positions(self, family, tmp_path, topics):
        size = {"n_embd": 32, "n_layer": 1, "n_head": 2} if family == "gpt2" else {}
        folder = make_checkpoint(tmp_path, topics[0], family=family, head=TOPICS, **size)
        teacher = TransformerTeacherClassifier.from_finetuned(folder, device="cpu")
        teacher.tokenizer_.padding_side = "left"
        logits = reference_logits(folder, topics[0][:20], 64)
        np.testing.assert_allclose(teacher.decision_function(topics[0][:20]), logits, atol=1e-5)

    def test_identical_texts_are_computed_once(self, learned, topics, monkeypatch):
        computed = []
        original = _transformer.compute_logits
        monkeypatch.setattr(
            _transformer,
            "compute_logits",
            lambda model, tokens, **rest: (
                computed.append(len(tokens)) or original(model, tokens, **rest)
            ),
        )
        proba = learned.predict_proba([*topics[0][:5] * 40, topics[0][0]])
        assert computed == [len(set(topics[0][:5]))]
        np.testing.assert_array_equal(proba[::5], np.tile(proba[0], (41, 1)))

    def test_batches_shrink_where_memory_is_short(self, learned, topics, monkeypatch, caplog):
        expected = learned.predict_proba(topics[0])
        forward, sizes = type(learned.model_).forward, []

        @wraps(forward)
        def short_of_memory(self, input_ids, **inputs):
            sizes.append(input_ids.numel())
            if input_ids.numel() > 200:
                raise torch.OutOfMemoryError("out of memory")
            return forward(self, input_ids=input_ids, **inputs)

        monkeypatch.setattr(type(learned.model_), "forward", short_of_memory)
        with caplog.at_level("INFO", "skdistill"):
            proba = learned.predict_proba(topics[0])
        np.testing.assert_allclose(proba, expected, atol=1e-6)
        too_large = [row for row, size in enumerate(sizes) if size > 200]
        # All later batches are smaller at once, not each after a failure of its own.
        assert 1 <= len(too_large) == too_large[-1] + 1 < 5
        assert caplog.text.count("do not fit in the memory of cpu") == len(too_large)

    def test_a_text_that_fits_nowhere_says_what_to_do(self, learned, monkeypatch):
        def fail(self, input_ids, attention_mask=None, token_type_ids=None):
            raise torch.OutOfMemoryError("out of memory")

        monkeypatch.setattr(type(learned.model_), "forward", fail)
        with pytest.raises(torch.OutOfMemoryError) as caught:
            learned.predict_proba(["bread and salt", "wind"])
        assert "choose a lower max_length" in caught.value.__notes__[0]

    def test_no_rows(self, learned):
        with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
            learned.predict_proba([])

    def test_not_fitted(self, tiny_checkpoint):
        with pytest.raises(NotFittedError):
            TransformerTeacherClassifier(tiny_checkpoint).predict(["a text"])


class TestLearning:
    def test_learns(self, learned, topics):
        texts, labels = topics
        assert learned.score(texts[400:], labels[400:]) > 0.9
        assert learned.classes_.tolist() == TOPICS
        assert [entry["epoch"] for entry in learned.history_] == [1, 2, 3]
        assert learned.history_[-1]["train_loss"] < learned.history_[0]["train_loss"]
        assert not hasattr(learned, "n_features_in_")

    def test_counts_parameters(self, learned):
        assert learned.n_parameters_ == sum(values.size for values in weights(learned).values())

    @pytest.mark.parametrize("family", ["roberta", "distilbert"])
    def test_fits_other_families(self, family, tmp_path, rows):
        folder = make_checkpoint(tmp_path, rows[0], family=family)
        teacher = quick(folder, max_length=512).fit([*rows[0], "oven " * 100], [*rows[1], "trains"])
        assert teacher.predict(rows[0]).shape == (48,)

    def test_labels_of_any_type(self, tiny_checkpoint, rows):
        texts, labels = rows
        numbers = np.searchsorted(TOPICS, labels) * 10
        by_number = quick(tiny_checkpoint).fit(texts, numbers)
        by_name = quick(tiny_checkpoint).fit(texts, labels)
        assert by_number.classes_.tolist() == [0, 10, 20]
        np.testing.assert_array_equal(by_number.predict_proba(texts), by_name.predict_proba(texts))
        assert by_name.model_.config.id2label == dict(enumerate(TOPICS))
        assert by_number.model_.config.label2id == {"0": 0, "10": 1, "20": 2}

    def test_same_seed_same_weights(self, tiny_checkpoint, rows):
        one, same = (quick(tiny_checkpoint).fit(*rows) for _ in range(2))
        assert same_weights(one, same)
        assert one.history_ == same.history_
        assert not same_weights(one, quick(tiny_checkpoint, random_state=1).fit(*rows))

    def test_no_seed_is_a_fresh_seed(self, tiny_checkpoint, rows):
        one, other = (quick(tiny_checkpoint, random_state=None).fit(*rows) for _ in range(2))
        assert not same_weights(one, other)

    def test_threads_train_one_after_the_other(self, tiny_checkpoint, rows):
        fits = joblib.Parallel(n_jobs=2, backend="threading")(
            joblib.delayed(quick(tiny_checkpoint).fit)(*rows) for _ in range(2)
        )
        assert same_weights(*fits)

    def test_leaves_global_state_alone(self, tiny_checkpoint, finetuned_checkpoint, rows):
        def state():
            return (
                random.getstate(),
                np.random.get_state()[1].tolist(),
                torch.get_rng_state().tolist(),
                dict(os.environ),
                transformers_logging.get_verbosity(),
                transformers_logging.is_progress_bar_enabled(),
                [logging.getLogger(n).level for n in ("accelerate", "huggingface_hub")],
            )

        before = state()
        quick(tiny_checkpoint).fit(*rows).predict(rows[0])
        loaded = TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint)
        pickle.loads(pickle.dumps(loaded))
        assert state() == before

    def test_weights_are_float32_whatever_lies_on_disk(self, tmp_path, rows):
        folder = make_checkpoint(tmp_path, rows[0], head=TOPICS)
        halve(folder)
        loaded = TransformerTeacherClassifier.from_finetuned(folder, device="cpu")
        fitted = quick(folder).fit(*rows)
        for teacher in (loaded, fitted):
            assert {value.dtype for value in teacher.model_.parameters()} == {torch.float32}

    def test_accumulated_batches_are_one_batch(self, without_dropout, rows):
        sample_weight = np.linspace(0.5, 2, len(rows[0]))
        plain = {"optim": "sgd", "max_grad_norm": 0.0}  # unlike Adam, tells how big a loss is
        options = {"precision": "fp32", "lr": 0.5, "batch_size": 16, "trainer_args": plain}
        whole = quick(without_dropout, **options)
        halves = clone(whole).set_params(
            batch_size=8, trainer_args=plain | {"gradient_accumulation_steps": 2}
        )
        for teacher in (whole, halves):
            teacher.fit(*rows, sample_weight=sample_weight)
        for name, values in weights(whole).items():
            np.testing.assert_allclose(weights(halves)[name], values, atol=1e-5, err_msg=name)

    @pytest.mark.usefixtures("bf16")
    def test_bfloat16_leaves_a_model_in_float32(self, tiny_checkpoint, rows):
        half = quick(tiny_checkpoint, precision="bf16").fit(*rows)
        full = quick(tiny_checkpoint, precision="fp32").fit(*rows)
        assert {value.dtype for value in half.model_.parameters()} == {torch.float32}
        assert not same_weights(half, full)
        rounded = half.predict_proba(rows[0])
        exact = half.set_params(precision="auto").predict_proba(rows[0])
        assert 0 < np.abs(rounded - exact).max() < 0.05
        state = pickle.loads(pickle.dumps(half))
        np.testing.assert_array_equal(state.predict_proba(rows[0]), exact)


@pytest.mark.skipif(not has_int8(), reason="needs an x86 processor and oneDNN")
class TestInt8:
    def test_layer_adds_integers_up_without_error(self):
        rng = np.random.default_rng(0)
        weight = rng.integers(-64, 65, size=(20, 48))
        inputs = rng.integers(-127, 128, size=(2, 7, 48))
        weight[:, 0], inputs[..., 0] = 64, 127  # so that each scale is known
        weight[0], inputs[0, 0] = 64, 127  # the largest sum there is
        linear = torch.nn.Linear(48, 20)
        scales = rng.uniform(0.5, 2, size=(20, 1))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight * scales))
        exact = inputs @ (weight * scales).T * 0.25 + linear.bias.detach().numpy()
        layer = _int8.Int8Linear(linear)
        inputs = torch.from_numpy(inputs * 0.25).float()
        np.testing.assert_allclose(layer(inputs), exact, rtol=1e-5, atol=1e-2)
        turned = inputs.transpose(0, 1)  # of other strides
        np.testing.assert_array_equal(layer(turned), layer(inputs).transpose(0, 1))

    def test_layer_does_not_overflow_on_older_processors(self):
        code = """if True:
            import torch
            from skdistill.teachers.huggingface._int8 import Int8Linear
            linear = torch.nn.Linear(64, 8)
            torch.nn.init.ones_(linear.weight), torch.nn.init.zeros_(linear.bias)
            print(Int8Linear(linear)(torch.full((3, 64), 0.5)).unique().tolist())
            """
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert json.loads(done.stdout) == pytest.approx([32])

    def test_layer_without_bias_and_without_input(self):
        linear = torch.nn.Linear(8, 3, bias=False)
        inputs = torch.stack([torch.zeros(8), torch.full((8,), 1e-42), torch.ones(8)])
        result = _int8.Int8Linear(linear)(inputs)
        np.testing.assert_allclose(result, linear(inputs).detach(), atol=0.02)
        assert not result[0].any()

    def test_predicts_nearly_as_float32(self, learned, topics):
        rounded = in_precision(learned, "int8").predict_proba(topics[0])
        exact = learned.predict_proba(topics[0])
        assert 0 < np.abs(rounded - exact).max() < 0.1
        assert (rounded.argmax(axis=1) == exact.argmax(axis=1)).mean() >= 0.99

    def test_company_of_texts_does_not_matter(self, learned, topics):
        teacher = in_precision(learned, "int8")
        alone = teacher.predict_proba(topics[0][:1])
        np.testing.assert_allclose(teacher.predict_proba(topics[0])[:1], alone, atol=1e-6)

    @pytest.mark.parametrize("family", ["roberta", "distilbert", "t5"])
    def test_other_families(self, family, tmp_path, topics):
        size = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
        tokens = {"eos_token_id": 3, "decoder_start_token_id": 0}
        config = size | tokens if family == "t5" else {}
        folder = make_checkpoint(tmp_path, topics[0], family=family, head=TOPICS, **config)
        teacher = TransformerTeacherClassifier.from_finetuned(folder, device="cpu")
        exact = teacher.decision_function(topics[0][:50])
        rounded = teacher.set_params(precision="int8").decision_function(topics[0][:50])
        assert 0 < np.abs(rounded - exact).max() < 0.1 * np.abs(exact).max()

    def test_nothing_to_round(self, tmp_path, topics):
        size = {"n_embd": 32, "n_layer": 1, "n_head": 2}
        folder = make_checkpoint(tmp_path, topics[0], family="gpt2", head=TOPICS, **size)
        teacher = TransformerTeacherClassifier.from_finetuned(
            folder, device="cpu", precision="int8"
        )
        with pytest.raises(ValueError, match="quantizes linear layers, but GPT2Model has none"):
            teacher.predict(topics[0][:3])

    def test_rounded_once_and_beside_the_model(self, learned, topics, monkeypatch):
        before = learned.predict_proba(topics[0][:20])
        made, make = [], _int8.Int8Linear
        monkeypatch.setattr(_int8, "_QUANTISED", WeakKeyDictionary())
        monkeypatch.setattr(_int8, "Int8Linear", lambda linear: made.append(1) or make(linear))
        teacher = in_precision(learned, "int8")
        for _ in range(2):
            teacher.predict(topics[0][:20])
        linear = [m for m in teacher.model_.bert.modules() if isinstance(m, torch.nn.Linear)]
        assert len(made) == len(linear) == 13
        twin = _int8.quantised(teacher.model_)
        assert twin.get_input_embeddings().weight is teacher.model_.get_input_embeddings().weight
        np.testing.assert_array_equal(
            teacher.set_params(precision="fp32").predict_proba(topics[0][:20]), before
        )

    def test_is_never_saved_and_goes_with_the_model(self, learned, topics, tmp_path):
        teacher = in_precision(learned, "int8")
        size = len(pickle.dumps(teacher))
        rounded = teacher.predict_proba(topics[0][:20])
        state = pickle.dumps(teacher)
        assert len(state) == size
        loaded = pickle.loads(state)
        assert same_weights(loaded, teacher)
        np.testing.assert_array_equal(loaded.predict_proba(topics[0][:20]), rounded)
        teacher.save_pretrained(tmp_path)
        saved = TransformerTeacherClassifier.from_finetuned(tmp_path, device="cpu")
        assert same_weights(saved, teacher)
        twin = ref(_int8.quantised(loaded.model_))
        del loaded
        gc.collect()
        assert twin() is None

    def test_other_weights_are_rounded_anew(self, tiny_checkpoint, rows):
        teacher = quick(tiny_checkpoint, precision="int8").fit(*rows)
        first = teacher.predict_proba(rows[0])
        second = teacher.set_params(random_state=1).fit(*rows).predict_proba(rows[0])
        assert not np.array_equal(first, second)
        exact = teacher.set_params(precision="fp32").predict_proba(rows[0])
        np.testing.assert_allclose(second, exact, atol=0.05)

    def test_trains_as_auto_does(self, tiny_checkpoint, rows):
        one, other = (
            quick(tiny_checkpoint, precision=precision).fit(*rows) for precision in ("int8", "auto")
        )
        assert same_weights(one, other)
        assert {value.dtype for value in one.model_.parameters()} == {torch.float32}

    def test_has_soft_labels_of_its_own(self, learned):
        names = {
            teacher_fingerprint(FrozenEstimator(in_precision(learned, precision)), [], [])
            for precision in ("auto", "fp32", "bf16", "int8")
        }
        assert len(names) == 3


class TestInt8Elsewhere:
    def test_an_accelerator_is_refused_before_any_work(self, learned, rows, monkeypatch):
        monkeypatch.setattr(_transformer, "compute_logits", None)
        monkeypatch.setattr(_finetune, "fine_tune", None)
        for module in (teacher_module, _transformer):
            monkeypatch.setattr(module, "resolve_device", lambda name: torch.device("cuda"))
        teacher = in_precision(learned, "int8")
        with pytest.raises(ValueError, match=r"only on the CPU, but the device is 'cuda'.*bf16"):
            teacher.predict(rows[0])
        with pytest.raises(ValueError, match="only on the CPU, but the device is 'cuda'"):
            clone(teacher).fit(*rows)

    def test_another_processor_is_refused(self, learned, rows, monkeypatch):
        monkeypatch.setattr(platform, "machine", lambda: "arm64")
        with pytest.raises(ValueError, match=r"x86 processor.*\(arm64\) lacks.*\"auto\""):
            in_precision(learned, "int8").predict(rows[0])


class TestWeights:
    def test_training_loss_is_the_weighted_mean(self, without_dropout, rows):
        texts, labels = rows
        sample_weight = np.random.default_rng(0).uniform(0.1, 3, len(texts))
        teacher = quick(without_dropout, lr=1e-12, max_epochs=1)
        teacher.fit(texts, labels, sample_weight=sample_weight)
        log_proba = teacher.predict_log_proba(texts)
        losses = -log_proba[np.arange(len(texts)), np.searchsorted(TOPICS, labels)]
        expected = np.average(losses, weights=sample_weight)
        assert teacher.history_[0]["train_loss"] == pytest.approx(expected, abs=1e-5)

    def test_a_weight_of_zero_is_no_row(self, tiny_checkpoint, rows):
        texts, labels = rows
        sample_weight = np.ones(len(texts))
        sample_weight[::3] = 0
        kept = sample_weight > 0
        weighted = quick(tiny_checkpoint).fit(texts, labels, sample_weight=sample_weight)
        fewer = quick(tiny_checkpoint).fit(np.array(texts)[kept], labels[kept])
        assert same_weights(weighted, fewer)

    def test_a_class_of_weight_zero_stays_a_class(self, tiny_checkpoint, rows):
        texts, labels = rows
        teacher = quick(tiny_checkpoint, class_weight="balanced")
        teacher.fit(texts, labels, sample_weight=(labels != "trains").astype(float))
        assert teacher.classes_.tolist() == TOPICS
        assert teacher.predict_proba(texts).shape == (48, 3)

    def test_scale_does_not_matter_but_ratios_do(self, tiny_checkpoint, rows):
        sample_weight = np.where(rows[1] == "trains", 4.0, 1.0)
        one = quick(tiny_checkpoint).fit(*rows, sample_weight=sample_weight)
        scaled = quick(tiny_checkpoint).fit(*rows, sample_weight=sample_weight * 8)
        assert same_weights(one, scaled)
        assert not same_weights(one, quick(tiny_checkpoint).fit(*rows))

    def test_numbers_may_be_those_of_numpy(self, tiny_checkpoint, rows, tmp_path):
        params = {"max_length": 16, "batch_size": 8, "max_epochs": 1, "random_state": 0, "lr": 0.01}
        as_numpy = {name: np.array(value)[()] for name, value in params.items()}
        assert not isinstance(as_numpy["max_length"], int)
        found = TransformerTeacherClassifier(
            tiny_checkpoint, **as_numpy, checkpoint_dir=tmp_path / "epochs", precision="fp32"
        ).fit(*rows)
        found.save_pretrained(tmp_path / "saved")
        assert TransformerTeacherClassifier.from_finetuned(tmp_path / "saved").max_length == 16
        expected = TransformerTeacherClassifier(tiny_checkpoint, **params, precision="fp32")
        assert same_weights(found, expected.fit(*rows))

    def test_weights_that_are_all_zero_together_are_refused(self, tiny_checkpoint, rows):
        weights = np.where(rows[1] == "trains", 1.0, 0.0)
        teacher = quick(tiny_checkpoint, class_weight={"trains": 0})
        with pytest.raises(ValueError, match="sample_weight times class_weight, are 0"):
            teacher.fit(*rows, sample_weight=weights)

    @pytest.mark.parametrize("class_weight", [{"trains": 5}, "balanced"])
    def test_class_weight_is_a_weight_of_rows(self, tiny_checkpoint, rows, class_weight):
        by_class = quick(tiny_checkpoint, class_weight=class_weight).fit(*rows)
        by_row = quick(tiny_checkpoint).fit(
            *rows, sample_weight=compute_sample_weight(class_weight, rows[1])
        )
        assert same_weights(by_class, by_row)

    @pytest.mark.parametrize(
        ("sample_weight", "message"),
        [
            (np.ones(7), "sample_weight"),
            (np.zeros(48), "zero"),
            (-np.ones(48), "Negative"),
            (np.full(48, np.nan), "NaN"),
        ],
    )
    def test_wrong_weights(self, tiny_checkpoint, rows, sample_weight, message):
        with pytest.raises(ValueError, match=message):
            quick(tiny_checkpoint).fit(*rows, sample_weight=sample_weight)


class TestNumberOfSteps:
    @pytest.mark.parametrize(
        ("n_texts", "batch_size", "n_epochs"), [(40, 8, 60), (41, 8, 50), (593, 8, 4), (600, 8, 4)]
    )
    def test_few_texts_are_read_more_often(
        self, tiny_checkpoint, topics, monkeypatch, n_texts, batch_size, n_epochs
    ):
        chosen = {}

        def fine_tune(model, training, validation, setting):
            chosen.update(setting.arguments)
            return Progress()

        monkeypatch.setattr(_finetune, "fine_tune", fine_tune)
        rows = topics[0][:n_texts], topics[1][:n_texts]
        quick(tiny_checkpoint, max_epochs="auto", batch_size=batch_size).fit(*rows)
        assert chosen["num_train_epochs"] == n_epochs
        quick(tiny_checkpoint, max_epochs=2, batch_size=batch_size).fit(*rows)
        assert chosen["num_train_epochs"] == 2

    def test_a_teacher_that_learned_nothing_says_so(self, tiny_checkpoint, topics, recwarn):
        texts, labels = topics
        message = "little better than by chance.* Raise max_epochs, or choose another lr"
        with pytest.warns(UserWarning, match=message) as caught:
            quick(tiny_checkpoint, max_epochs=1, lr=1e-9).fit(texts[:100], labels[:100])
        assert caught[0].filename == __file__
        recwarn.clear()
        warnings.simplefilter("always")
        quick(tiny_checkpoint, max_epochs=3, random_state=2).fit(texts[:400], labels[:400])
        assert not recwarn.list

    def test_little_agreement_is_below_a_fifth(self):
        with pytest.warns(UserWarning, match=r"better than by chance \(Cohen's kappa 0\.19\)"):
            warn_of_doubts(0.19, [], None, None, Progress())
        for kappa in (0.2, np.nan):
            warn_of_doubts(kappa, [], None, None, Progress())

    @staticmethod
    def agreement(monkeypatch, targets, logits, weights):
        """Return the agreement of texts with these logits, numbered by their only token."""
        monkeypatch.setattr(
            _losses,
            "compute_logits",
            lambda model, tokens, **options: logits[tokens.fields["input_ids"].values],
        )
        n_texts = len(targets)
        ids = Ragged.from_lengths(np.arange(n_texts), np.ones(n_texts, int))
        examples = Examples(TokenisedTexts({"input_ids": ids}, {}, "right"), targets, weights)
        return _losses.agreement(torch.nn.Identity(), examples, torch.device("cpu"))

    def test_agreement_is_cohens_kappa(self, monkeypatch):
        rng = np.random.default_rng(0)
        targets, weights = rng.integers(0, 3, 300), rng.random(300)
        logits = rng.normal(size=(300, 3)) + np.eye(3)[targets]
        rows = np.unique(np.linspace(0, 299, 256).astype(int))
        expected = cohen_kappa_score(
            targets[rows], logits[rows].argmax(axis=1), sample_weight=weights[rows]
        )
        assert self.agreement(monkeypatch, targets, logits, weights) == pytest.approx(expected)
        assert np.isnan(self.agreement(monkeypatch, np.zeros_like(targets), logits, weights))

    def test_agreement_on_labels_is_by_label(self, monkeypatch):
        rng = np.random.default_rng(0)
        targets = (rng.random((200, 3)) < [0.9, 0.1, 0.4]).astype(np.int64)
        logits = rng.normal(size=(200, 3)) + targets - 0.5
        weights = rng.random(200)
        above, below = 0.0, 0.0
        for target, label in zip(targets.T, (logits > 0).T, strict=True):
            kappa = cohen_kappa_score(target, label, sample_weight=weights)
            by_no_chance = np.average(target != label, weights=weights) / (1 - kappa)
            above += kappa * by_no_chance
            below += by_no_chance
        found = self.agreement(monkeypatch, targets, logits, weights)
        assert found == pytest.approx(above / below)
        always = np.tile([5.0, -5.0, -5.0], (200, 1))
        assert self.agreement(monkeypatch, targets, always, weights) == pytest.approx(0)
        alike = np.tile([1, 0, 0], (200, 1))
        assert np.isnan(self.agreement(monkeypatch, alike, logits, weights))


class TestEarlyStopping:
    def test_measures_on_rows_set_aside(self, tiny_checkpoint, topics):
        texts, labels = topics
        teacher = quick(tiny_checkpoint, max_epochs=3, early_stopping=True)
        teacher.fit(texts[:300], labels[:300])
        best = min(teacher.history_, key=lambda entry: entry["valid_loss"])
        assert teacher.history_[0].keys() == {
            "epoch",
            "train_loss",
            "valid_loss",
            "valid_accuracy",
        }
        assert best["valid_accuracy"] > 0.5

    def test_keeps_the_best_epoch_and_stops_after_two_worse(
        self, tiny_checkpoint, rows, monkeypatch
    ):
        losses, seen = iter([0.5, 0.3, 0.4, 0.35, 0.1]), []

        def validate(model, examples, device):
            seen.append(model.classifier.weight.detach().clone().numpy())
            assert len(examples) == 12
            return {"valid_loss": next(losses), "valid_accuracy": 0.5}

        monkeypatch.setattr(_trainer, "validate", validate)
        monkeypatch.setattr(teacher_module, "_MIN_STEPS", 0)
        teacher = quick(
            tiny_checkpoint, max_epochs=5, early_stopping=True, validation_fraction=0.25
        ).fit(*rows)
        assert len(teacher.history_) == 4
        np.testing.assert_array_equal(weights(teacher)["classifier.weight"], seen[1])
        assert not np.array_equal(seen[1], seen[3])

    @pytest.mark.parametrize(
        ("least", "n_epochs", "kept"), [(12, 4, 2), (13, 6, 4), (24, 6, 4), (49, 9, 9), (300, 9, 9)]
    )
    def test_epochs_before_the_least_number_of_steps_do_not_count(
        self, tiny_checkpoint, rows, monkeypatch, least, n_epochs, kept
    ):
        # Of epochs of six steps, the second one has the lowest loss.
        losses, seen = iter([0.5, 0.1, 0.5, 0.3, *[0.5] * 5]), []

        def validate(model, examples, device):
            seen.append(model.classifier.weight.detach().clone().numpy())
            return {"valid_loss": next(losses), "valid_accuracy": 0.5}

        monkeypatch.setattr(_trainer, "validate", validate)
        monkeypatch.setattr(teacher_module, "_MIN_STEPS", least)
        # The length that `trainer_args` sets is not that of `max_epochs`.
        length = {"max_epochs": 1, "trainer_args": {"max_steps": 54}}
        teacher = quick(tiny_checkpoint, batch_size=8, early_stopping=True, **length)
        assert len(teacher.fit(*rows).history_) == n_epochs
        np.testing.assert_array_equal(weights(teacher)["classifier.weight"], seen[kept - 1])

    def test_few_texts_are_learned_as_without_it(self, tiny_checkpoint, topics):
        texts, labels = topics
        params = {"lr": 1e-3, "max_epochs": "auto", "batch_size": 32}
        teacher = quick(tiny_checkpoint, early_stopping=True, **params)
        teacher.fit(texts[:120], labels[:120])
        assert len(teacher.history_) == 75  # of four steps
        assert teacher.score(texts[300:600], labels[300:600]) > 0.9

    def test_a_teacher_that_learned_nothing_names_it(self, tiny_checkpoint, topics, monkeypatch):
        losses = iter([0.1, 0.2, 0.3, 0.4])
        monkeypatch.setattr(_trainer, "validate", lambda *_: {"valid_loss": next(losses)})
        monkeypatch.setattr(teacher_module, "_MIN_STEPS", 0)
        teacher = quick(tiny_checkpoint, max_epochs=4, lr=1e-9, early_stopping=True)
        message = "early_stopping kept the weights of epoch 1 of 3, which .* set it to False, or ch"
        with pytest.warns(UserWarning, match=message) as caught:
            teacher.fit(topics[0][:100], topics[1][:100])
        assert caught[0].filename == __file__

    def test_warnings_of_a_teacher_name_the_line_that_fits_its_student(
        self, tiny_checkpoint, topics
    ):
        teacher = quick(tiny_checkpoint, max_epochs=1, lr=1e-9, max_length=4)
        student = DistilledMLPClassifier(teacher, max_epochs=1, random_state=0)
        model = make_pipeline(student)
        for estimator in (student, model):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                estimator.fit(topics[0][:60], topics[1][:60])
            found = {str(warning.message)[:24]: warning.filename for warning in caught}
            assert found["The teacher has hardly l"] == __file__
            assert found["About 100% of the texts "] == __file__

    def test_a_teacher_worse_than_counting_words_says_so(
        self, tiny_checkpoint, topics, monkeypatch, recwarn
    ):
        generator = np.random.default_rng(0)
        texts, labels = np.array(topics[0][:500]), np.array(topics[1][:500])
        shuffled = generator.random(500) < 0.3
        labels[shuffled] = generator.permutation(labels[shuffled])
        weights = generator.uniform(0.5, 3, 500)
        sets, reached = [], []

        def validate(model, examples, device):
            sets.append(examples)
            return {"valid_loss": 1 / len(sets), "valid_accuracy": reached[-1]}

        monkeypatch.setattr(_trainer, "validate", validate)
        # Whether so small a model learns from these labels depends on the processor.
        monkeypatch.setattr(_losses, "agreement", lambda *_: 0.5)
        teacher = quick(tiny_checkpoint, max_epochs=3, random_state=2, early_stopping=True)

        def fit(n_texts, accuracy):
            reached.append(accuracy)
            recwarn.clear()
            warnings.simplefilter("always")
            teacher.fit(texts[:n_texts], labels[:n_texts], sample_weight=weights[:n_texts])
            return [warning for warning in recwarn.list if "logistic" in str(warning.message)]

        assert not fit(490, 0.0)  # 49 texts are set aside
        assert len(sets[-1]) == 49
        assert not fit(500, 1.0)
        held_out = sets[-1].rows
        learned_from = np.setdiff1d(np.arange(500), held_out)
        counts = TfidfVectorizer()
        baseline = LogisticRegression(C=10, max_iter=1000).fit(
            counts.fit_transform(texts[learned_from]),
            labels[learned_from],
            sample_weight=weights[learned_from] / weights[learned_from].mean(),
        )
        expected = baseline.score(
            counts.transform(texts[held_out]), labels[held_out], sample_weight=weights[held_out]
        )
        assert 0.5 < expected < 0.9
        assert not fit(500, expected + 1e-6)
        (warning,) = fit(500, expected - 1e-6)
        assert warning.filename == __file__
        assert (
            f"On the 50 texts set aside, the teacher's accuracy is {expected - 1e-6:.1%}; that of "
            f"TF-IDF and logistic regression is {expected:.1%}."
        ) in str(warning.message)

    def test_validation_loss_is_weighted(self, tiny_checkpoint, rows, monkeypatch):
        sets = []
        original = _losses.validate
        monkeypatch.setattr(
            _trainer, "validate", lambda m, e, d: sets.append(e) or original(m, e, d)
        )
        sample_weight = np.linspace(1, 3, 48)
        teacher = quick(tiny_checkpoint, max_epochs=1, early_stopping=True)
        teacher.fit(*rows, sample_weight=sample_weight)
        by_text = {
            tuple(teacher.tokenizer_(text)["input_ids"]): (text, weight)
            for text, weight in zip(rows[0], sample_weight, strict=True)
        }
        ids = sets[0].tokens.fields["input_ids"]
        texts, row_weights = zip(
            *(by_text[tuple(ids.take(np.array([i])).values)] for i in range(len(ids))), strict=True
        )
        log_proba = teacher.predict_log_proba(texts)
        losses = -log_proba[np.arange(len(texts)), sets[0].targets]
        expected = np.average(losses, weights=row_weights)
        assert teacher.history_[0]["valid_loss"] == pytest.approx(expected, abs=1e-5)

    def test_too_few_rows_of_a_class(self, tiny_checkpoint, rows):
        labels = np.array(["a"] * 47 + ["b"])
        with pytest.raises(
            ValueError, match="at least 2 texts of each class, but the class 'b' has 1"
        ):
            quick(tiny_checkpoint, early_stopping=True).fit(rows[0], labels)

    @pytest.mark.parametrize("fraction", [0.2, 0.8])
    def test_more_classes_than_texts_held_out(self, tiny_checkpoint, rows, fraction):
        labels = np.arange(48) % 12
        teacher = quick(tiny_checkpoint, early_stopping=True, validation_fraction=fraction)
        message = rf"validation_fraction={fraction} of 48 texts, .* 12 classes .* from 0.25 to 0.75"
        with pytest.raises(ValueError, match=message):
            teacher.fit(rows[0][:48], labels)
        teacher.set_params(validation_fraction=0.25).fit(rows[0][:48], labels)


class TestFromFinetuned:
    def test_sorts_the_classes(self, finetuned_checkpoint, topics):
        teacher = TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, device="cpu")
        assert teacher.classes_.tolist() == TOPICS
        assert teacher.history_ == []
        logits = reference_logits(finetuned_checkpoint, topics[0][:30], 64)
        np.testing.assert_allclose(
            teacher.predict_proba(topics[0][:30]), softmax(logits, axis=1)[:, [1, 2, 0]], atol=1e-5
        )
        names = np.array(["trains", "cooking", "sailing"])
        assert teacher.predict(topics[0][:30]).tolist() == names[logits.argmax(axis=1)].tolist()

    def test_given_classes(self, finetuned_checkpoint, topics, tmp_path):
        default = TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint)
        numbered = TransformerTeacherClassifier.from_finetuned(
            finetuned_checkpoint, classes=[30, 10, 20], device="cpu", max_length=32
        )
        assert numbered.classes_.tolist() == [10, 20, 30]
        assert numbered.max_length_ == 32
        X = topics[0][:30]
        np.testing.assert_array_equal(default.predict_proba(X), numbered.predict_proba(X))
        numbered.save_pretrained(tmp_path)
        again = TransformerTeacherClassifier.from_finetuned(tmp_path, device="cpu")
        assert again.classes_.tolist() == [10, 20, 30]
        assert again.max_length == again.max_length_ == 32
        shorter = TransformerTeacherClassifier.from_finetuned(tmp_path, max_length=8)
        assert shorter.max_length == shorter.max_length_ == 8
        np.testing.assert_array_equal(again.predict_proba(X), numbered.predict_proba(X))

    @pytest.mark.parametrize("dtype", ["int8", "uint64"])
    def test_the_type_of_labels_is_saved(self, dtype, finetuned_checkpoint, rows, tmp_path):
        labels = np.array([3, 7, 3, 7], dtype=dtype)
        teacher = quick(finetuned_checkpoint, max_epochs=1, max_length=4).fit(rows[0][:4], labels)
        for folder in (tmp_path / "a", tmp_path / "b"):
            teacher.save_pretrained(folder)
            teacher = TransformerTeacherClassifier.from_finetuned(folder)
            assert teacher.classes_.dtype == dtype
        # The file of an earlier version does not name the type.
        config = json.loads((folder / "config.json").read_text())
        del config["skdistill_label_dtype"]
        (folder / "config.json").write_text(json.dumps(config))
        assert TransformerTeacherClassifier.from_finetuned(folder).classes_.tolist() == [3, 7]

    def test_generic_names_are_integers(self, tmp_path, rows):
        folder = make_checkpoint(tmp_path, rows[0], head=["LABEL_0", "LABEL_1", "LABEL_2"])
        teacher = TransformerTeacherClassifier.from_finetuned(folder)
        assert teacher.classes_.tolist() == [0, 1, 2]

    def test_labels_that_a_teacher_was_fitted_on_keep_generic_names(
        self, tiny_checkpoint, rows, tmp_path
    ):
        labels = np.where(rows[1] == rows[1][0], "LABEL_0", "LABEL_1")
        teacher = quick(tiny_checkpoint, max_epochs=1).fit(rows[0], labels)
        for folder in (tmp_path / "a", tmp_path / "b"):
            teacher.save_pretrained(folder)
            teacher = TransformerTeacherClassifier.from_finetuned(folder)
            assert teacher.classes_.tolist() == ["LABEL_0", "LABEL_1"]

    def test_of_a_saved_teacher(self, learned, topics, tmp_path):
        learned.save_pretrained(tmp_path)
        again = TransformerTeacherClassifier.from_finetuned(tmp_path, device="cpu")
        assert again.classes_.tolist() == learned.classes_.tolist()
        np.testing.assert_array_equal(
            again.predict_proba(topics[0]), learned.predict_proba(topics[0])
        )
        assert describe(again) == describe(learned)
        direct = pipeline("text-classification", model=str(tmp_path), device=-1)
        assert [row["label"] for row in direct(topics[0][:9])] == learned.predict(
            topics[0][:9]
        ).tolist()

    def test_a_checkpoint_that_cannot_be_saved_leaves_the_earlier_one(
        self, learned, tmp_path, monkeypatch
    ):
        learned.save_pretrained(tmp_path)
        (tmp_path / "model.safetensors").write_bytes(b"an earlier one")

        def fail(tokenizer, folder):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(type(learned.tokenizer_), "save_pretrained", fail)
        names = sorted(os.listdir(tmp_path))
        with pytest.raises(OSError, match=f"'{tmp_path}' could not be written: No space left"):
            learned.save_pretrained(tmp_path)
        assert sorted(os.listdir(tmp_path)) == names
        assert (tmp_path / "model.safetensors").read_bytes() == b"an earlier one"

    @pytest.mark.parametrize(("family", "use_cache"), [("distilbert", None), ("gpt2", True)])
    def test_configuration_is_the_model_s_own(self, tmp_path, rows, family, use_cache):
        size = {"n_embd": 32, "n_layer": 1, "n_head": 2} if family == "gpt2" else {}
        folder = make_checkpoint(tmp_path / "encoder", rows[0], family=family, **size)
        teacher = quick(folder, max_epochs=1).fit(*rows)
        assert getattr(teacher.model_.config, "use_cache", None) is use_cache
        teacher.save_pretrained(tmp_path / "saved")
        saved = TransformerTeacherClassifier.from_finetuned(tmp_path / "saved")
        assert describe(saved) == describe(teacher)

    def test_may_be_fitted_further(self, finetuned_checkpoint, rows):
        teacher = TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, max_epochs=1)
        labels = np.where(rows[1] == "trains", "rail", "other")
        assert teacher.fit(rows[0], labels).classes_.tolist() == ["other", "rail"]

    def test_an_encoder(self, tiny_checkpoint):
        with pytest.raises(ValueError, match=r"no classification layer .*'BertModel'.* Fine-tune"):
            TransformerTeacherClassifier.from_finetuned(tiny_checkpoint)

    def test_weights_of_the_head_are_missing(self, finetuned_checkpoint, tmp_path):
        folder = shutil.copytree(finetuned_checkpoint, tmp_path / "headless")
        file = folder / "model.safetensors"
        tensors = {k: v for k, v in load_file(file).items() if not k.startswith("classifier")}
        save_file(tensors, file, metadata={"format": "pt"})
        with pytest.raises(ValueError, match=r"lacks weights .* classifier\.bias, classifier\.wei"):
            TransformerTeacherClassifier.from_finetuned(folder)

    @pytest.mark.parametrize("classes", [["a", "b"], list("abcd")])
    def test_wrong_number_of_classes(self, finetuned_checkpoint, classes):
        with pytest.raises(ValueError, match=f"has {len(classes)} labels, but .* 3 outputs"):
            TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, classes=classes)

    def test_classes_must_differ(self, finetuned_checkpoint):
        with pytest.raises(ValueError, match="must be distinct"):
            TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, classes=list("aab"))

    @pytest.mark.parametrize(
        ("head", "problem_type"),
        [(["score"], None), (TOPICS, "regression")],
    )
    def test_other_kinds_of_heads(self, tmp_path, rows, head, problem_type):
        folder = make_checkpoint(tmp_path, rows[0], head=head, problem_type=problem_type)
        with pytest.raises(ValueError, match=f"not supported: .* {problem_type or 'regression'}"):
            TransformerTeacherClassifier.from_finetuned(folder)

    def test_wrong_parameter(self, finetuned_checkpoint):
        with pytest.raises(ValueError, match="max_length"):
            TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, max_length=0)

    def test_is_finetuned(self, tiny_checkpoint, finetuned_checkpoint):
        assert is_finetuned(finetuned_checkpoint)
        assert not is_finetuned(Path(tiny_checkpoint))


class TestPickle:
    def test_in_a_new_process_without_the_checkpoint(self, topics, tmp_path):
        texts, labels = topics[0][:48], topics[1][:48]
        folder = make_checkpoint(tmp_path / "checkpoint", texts)
        teacher = quick(folder).fit(texts, labels)
        proba = teacher.predict_proba(texts)
        shutil.rmtree(folder)
        joblib.dump((teacher, texts), tmp_path / "teacher.joblib")
        script = (
            "import sys, joblib, torch; torch.set_num_threads(1);"
            "from skdistill.labelling._description import describe;"
            "teacher, texts = joblib.load(sys.argv[1]);"
            "joblib.dump((teacher.predict_proba(texts), joblib.hash(teacher),"
            " describe(teacher)), sys.argv[2])"
        )
        files = [str(tmp_path / "teacher.joblib"), str(tmp_path / "answer.joblib")]
        subprocess.run([sys.executable, "-W", "error", "-c", script, *files], check=True)
        answer, hash_there, fingerprint_there = joblib.load(files[1])
        np.testing.assert_array_equal(answer, proba)
        assert hash_there == joblib.hash(teacher)
        assert fingerprint_there == describe(teacher)

    def test_hash_depends_on_weights_alone(self, tiny_checkpoint, rows):
        one, same = (quick(tiny_checkpoint).fit(*rows) for _ in range(2))
        before = joblib.hash(one)
        one.predict(rows[0])
        assert joblib.hash(one) == joblib.hash(same) == before
        other = quick(tiny_checkpoint, random_state=1).fit(*rows).set_params(random_state=0)
        assert joblib.hash(other) != before

    def test_of_a_permuted_one(self, finetuned_checkpoint, topics):
        teacher = TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, device="cpu")
        again = pickle.loads(pickle.dumps(teacher))
        X = topics[0][:30]
        np.testing.assert_array_equal(again.predict_proba(X), teacher.predict_proba(X))
        assert again.model_.device.type == "cpu"
        assert clone(again).get_params() == teacher.get_params()

    def test_unfitted_is_small(self, tiny_checkpoint):
        teacher = TransformerTeacherClassifier(tiny_checkpoint, lr=1e-5)
        content = pickle.dumps(teacher)
        assert len(content) < 2_000
        assert pickle.loads(content).get_params() == teacher.get_params()

    def test_says_what_it_was_made_with(self, learned):
        made_with = learned.__getstate__()["_made_with"]
        assert made_with.keys() == {"torch", "transformers"}

    def test_other_version(self, learned, monkeypatch):
        content = pickle.dumps(learned)
        monkeypatch.setattr("skdistill.__version__", "999.0")
        with pytest.warns(InconsistentVersionWarning, match="TransformerTeacherClassifier"):
            pickle.loads(content)


class TestFingerprint:
    def test_of_a_recipe(self, tiny_checkpoint, tmp_path):
        teacher = TransformerTeacherClassifier(tiny_checkpoint)
        fingerprint = describe(teacher)
        assert int(fingerprint, 16) > 0
        moved = shutil.copytree(tiny_checkpoint, tmp_path / "moved")
        same = {"model_name": moved, "verbose": 1, "device": "cpu", "checkpoint_dir": "somewhere"}
        assert describe(clone(teacher).set_params(**same)) == fingerprint
        for change in ({"lr": 1e-5}, {"random_state": 0}, {"model_name": "other"}):
            assert describe(clone(teacher).set_params(**change)) != fingerprint
        halve(moved)
        assert describe(teacher.set_params(model_name=moved)) != fingerprint

    def test_of_a_fitted_one(self, tiny_checkpoint, rows):
        teacher = quick(tiny_checkpoint).fit(*rows)
        fingerprint = describe(teacher)
        teacher.predict(rows[0])
        assert describe(teacher) == fingerprint
        assert describe(pickle.loads(pickle.dumps(teacher))) == fingerprint
        assert fingerprint != describe(quick(tiny_checkpoint))
        other = quick(tiny_checkpoint, random_state=1).fit(*rows)
        assert describe(other) != fingerprint

    def test_of_other_classes(self, finetuned_checkpoint):
        fingerprints = {
            describe(TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, **params))
            for params in ({}, {"classes": list("abc")}, {"max_length": 16}, {"precision": "bf16"})
        }
        assert len(fingerprints) == 4


# transformers 5.0 takes epochs of under a second for a broken clock.
def newest_checkpoint(folder):
    return max(folder.glob("*/checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


class TestCheckpoints:
    @pytest.mark.parametrize("early_stopping", [False, True])
    @pytest.mark.parametrize("random_state", [0, None])
    def test_resumes_as_if_nothing_had_happened(
        self, tiny_checkpoint, rows, tmp_path, interrupt, early_stopping, random_state
    ):
        params = {"max_epochs": 3, "early_stopping": early_stopping, "random_state": random_state}
        teacher = quick(tiny_checkpoint, checkpoint_dir=tmp_path, **params)
        with interrupt(epoch=1), pytest.raises(KeyboardInterrupt):
            teacher.fit(*rows)
        with interrupt(epoch=0):  # which a training from the start would not survive
            resumed = clone(teacher).set_params(verbose=2).fit(*rows)
        assert [entry["epoch"] for entry in resumed.history_] == [1, 2, 3]
        if random_state is not None:
            straight = quick(tiny_checkpoint, **params).fit(*rows)
            assert same_weights(resumed, straight)
            assert resumed.history_ == straight.history_

    @pytest.mark.parametrize(("share", "saved"), [(1e-9, [1, 4]), (1, [1, 2, 3, 4])])
    def test_saving_takes_a_bounded_share_of_the_time(
        self, tiny_checkpoint, rows, tmp_path, monkeypatch, share, saved
    ):
        monkeypatch.setattr(_checkpoints, "SAVING_SHARE", share)
        complete, epochs = _checkpoints.Checkpoints.complete, []

        def spy(self, checkpoint, progress, best, model):
            epochs.append(progress.epoch)
            complete(self, checkpoint, progress, best, model)

        monkeypatch.setattr(_checkpoints.Checkpoints, "complete", spy)
        teacher = quick(tiny_checkpoint, max_epochs=4, checkpoint_dir=tmp_path).fit(*rows)
        assert epochs == saved
        assert same_weights(clone(teacher).fit(*rows), teacher)
        assert epochs == saved

    def test_a_checkpoint_is_due_after_nine_times_as_long_as_saving_took(
        self, tmp_path, monkeypatch
    ):
        clock = iter([10.0, 12.0, 29.9, 30.0, 30.0])
        monkeypatch.setattr(_checkpoints, "SAVING_SHARE", 0.1)
        monkeypatch.setattr(_checkpoints.time, "perf_counter", lambda: next(clock))
        checkpoints = _checkpoints.Checkpoints(tmp_path, "0" * 32)
        checkpoints.open(0)
        assert checkpoints.are_due()
        (checkpoints.folder / "checkpoint-1").mkdir()
        checkpoints.complete(checkpoints.folder / "checkpoint-1", Progress(), None, None)
        assert not checkpoints.are_due()
        assert checkpoints.are_due()

    def test_keeps_the_best_weights_across_an_interruption(
        self, tiny_checkpoint, rows, tmp_path, interrupt, monkeypatch
    ):
        losses, seen = iter([0.2, 0.3, 0.4]), []

        def validate(model, examples, device):
            seen.append(model.classifier.weight.detach().clone().numpy())
            return {"valid_loss": next(losses), "valid_accuracy": 0.5}

        monkeypatch.setattr(_trainer, "validate", validate)
        monkeypatch.setattr(teacher_module, "_MIN_STEPS", 0)
        teacher = quick(tiny_checkpoint, max_epochs=5, early_stopping=True, checkpoint_dir=tmp_path)
        with interrupt(epoch=2), pytest.raises(KeyboardInterrupt):
            teacher.fit(*rows)
        for _ in range(2):  # to go on, and to load what is finished
            again = clone(teacher).fit(*rows)
            assert len(again.history_) == 3
            np.testing.assert_array_equal(weights(again)["classifier.weight"], seen[0])

    def test_a_finished_training_is_only_loaded(self, tiny_checkpoint, rows, tmp_path, interrupt):
        teacher = quick(tiny_checkpoint, checkpoint_dir=tmp_path).fit(*rows)
        with interrupt(epoch=0):
            again = clone(teacher).fit(*rows)
        assert same_weights(again, teacher)
        assert again.history_ == teacher.history_

    @pytest.mark.parametrize("change", ["texts", "labels", "weights", "lr"])
    def test_never_resumes_another_training(self, tiny_checkpoint, rows, tmp_path, change):
        texts, labels = rows
        quick(tiny_checkpoint, checkpoint_dir=tmp_path).fit(texts, labels)
        params = {"lr": 0.005} if change == "lr" else {}
        X = [*texts[:-1], "oven"] if change == "texts" else texts
        y = labels[::-1] if change == "labels" else labels
        sample_weight = np.linspace(1, 2, 48) if change == "weights" else None
        other = quick(tiny_checkpoint, checkpoint_dir=tmp_path, **params)
        with pytest.warns(UserWarning, match="none of this one. This fit starts from the"):
            other.fit(X, y, sample_weight=sample_weight)
        expected = quick(tiny_checkpoint, **params).fit(X, y, sample_weight=sample_weight)
        assert same_weights(other, expected)

    def test_a_half_written_checkpoint_does_not_count(self, tiny_checkpoint, rows, tmp_path):
        teacher = quick(tiny_checkpoint, checkpoint_dir=tmp_path).fit(*rows)
        newest = newest_checkpoint(tmp_path)
        (newest / "epochs.json").unlink()
        (newest / "model.safetensors").write_bytes(b"")
        assert same_weights(clone(teacher).fit(*rows), teacher)

    @pytest.mark.parametrize("name", ["epochs.json", "model.safetensors", "optimizer.pt"])
    @pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b""])
    def test_the_one_before_a_damaged_one_is_taken(
        self, tiny_checkpoint, rows, tmp_path, interrupt, name, damage
    ):
        teacher = quick(tiny_checkpoint, max_epochs=3, checkpoint_dir=tmp_path).fit(*rows)
        newest = newest_checkpoint(tmp_path)
        (newest / name).write_bytes(damage((newest / name).read_bytes()))
        with (
            pytest.warns(UserWarning, match=rf"'{newest}' is damaged \(.*back to checkpoint-\d+\."),
            interrupt(epoch=1),  # the third one is trained again
        ):
            again = clone(teacher).fit(*rows)
        assert same_weights(again, teacher)
        assert again.history_ == teacher.history_
        assert newest.with_name(f"damaged-{newest.name}").is_dir()
        with interrupt(epoch=0):
            assert same_weights(clone(teacher).fit(*rows), teacher)

    def test_a_finished_training_needs_its_weights_alone(
        self, tiny_checkpoint, rows, tmp_path, interrupt
    ):
        teacher = quick(tiny_checkpoint, checkpoint_dir=tmp_path).fit(*rows)
        states = [*tmp_path.glob("*/checkpoint-*/*.pt*")]
        assert {path.name for path in states} >= {"optimizer.pt", "scheduler.pt"}
        for path in states:
            path.unlink()
        with interrupt(epoch=0):
            assert same_weights(clone(teacher).fit(*rows), teacher)

    def test_goes_on_from_no_checkpoint_without_its_state(
        self, tiny_checkpoint, rows, tmp_path, interrupt
    ):
        teacher = quick(tiny_checkpoint, checkpoint_dir=tmp_path)
        with interrupt(epoch=1), pytest.raises(KeyboardInterrupt):
            teacher.fit(*rows)
        (newest_checkpoint(tmp_path) / "optimizer.pt").unlink()
        with pytest.warns(UserWarning, match="is damaged .optimizer.pt is missing"):
            resumed = clone(teacher).fit(*rows)
        assert same_weights(resumed, quick(tiny_checkpoint).fit(*rows))

    def test_starts_again_where_all_are_damaged(self, tiny_checkpoint, rows, tmp_path):
        teacher = quick(tiny_checkpoint, checkpoint_dir=tmp_path).fit(*rows)
        for path in tmp_path.glob("*/checkpoint-*/config.json"):
            path.unlink()
        with pytest.warns(UserWarning, match="is damaged") as caught:
            again = clone(teacher).fit(*rows)
        newer, older = (str(one.message) for one in caught if "damaged" in str(one.message))
        assert "config.json is missing" in newer
        assert newer.endswith("fine-tuning goes back to checkpoint-3.")
        assert older.endswith("fine-tuning starts from the beginning.")
        assert same_weights(again, teacher)

    @pytest.mark.parametrize("content", ["", "[]", '{"seed": null}', '{"fingerprint": "a"}'])
    def test_starts_again_where_the_seed_is_damaged(self, tiny_checkpoint, rows, tmp_path, content):
        teacher = quick(tiny_checkpoint, checkpoint_dir=tmp_path).fit(*rows)
        (about,) = tmp_path.glob("training-*/training.json")
        about.write_text(content)
        with pytest.warns(UserWarning, match="is damaged") as caught:
            assert same_weights(clone(teacher).fit(*rows), teacher)
        assert not [one for one in caught if "of other fits" in str(one.message)]
        assert (tmp_path / f"damaged-{about.parent.name}").is_dir()

    def test_says_what_it_belongs_to(self, tiny_checkpoint, rows, tmp_path):
        quick(tiny_checkpoint, checkpoint_dir=tmp_path).fit(*rows)
        (about,) = tmp_path.glob("training-*/training.json")
        entries = json.loads(about.read_text())
        assert about.parent.name == f"training-{entries['fingerprint'][:16]}"


class TestLeavesNothingBehind:
    def test_no_files(self, tiny_checkpoint, rows, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        pickle.loads(pickle.dumps(quick(tiny_checkpoint, early_stopping=True).fit(*rows)))
        assert list(tmp_path.iterdir()) == []

    def test_no_files_after_an_error(self, tiny_checkpoint, rows, tmp_path, monkeypatch, interrupt):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with interrupt(epoch=1), pytest.raises(KeyboardInterrupt):
            quick(tiny_checkpoint).fit(*rows)
        assert list(tmp_path.iterdir()) == []

    def test_silent(self, tiny_checkpoint, rows, capfd):
        teacher = quick(tiny_checkpoint, early_stopping=True).fit(*rows)
        pickle.loads(pickle.dumps(teacher)).predict(rows[0])
        assert capfd.readouterr() == ("", "")

    def test_one_bar(self, tiny_checkpoint, rows, capfd):
        teacher = quick(tiny_checkpoint, verbose=1).fit(*rows)
        out, err = capfd.readouterr()
        assert out == ""
        assert "fine-tuning: 100%" in err
        assert "6/6" in err
        assert "batch/s" in err
        assert all(line.startswith("fine-tuning: ") for line in err.splitlines())
        teacher.predict(rows[0])
        assert "predicting: 100%" in capfd.readouterr().err


class TestErrors:
    def test_no_such_model(self, rows):
        teacher = TransformerTeacherClassifier("nobody/nothing")
        with pytest.raises(
            OSError, match=r"'nobody/nothing' could not.*local folder.*OFFLINE"
        ) as e:
            teacher.fit(*rows)
        assert isinstance(e.value.__cause__, OSError)
        with pytest.raises(OSError, match="'nobody/nothing' could not be loaded"):
            TransformerTeacherClassifier.from_finetuned("nobody/nothing")
        with pytest.raises(OSError, match="'/no/such/folder' could not be loaded"):
            is_finetuned("/no/such/folder")

    def test_a_folder_without_a_model(self, rows, tmp_path):
        with pytest.raises((OSError, ValueError), match="could not be loaded"):
            TransformerTeacherClassifier(tmp_path).fit(*rows)

    def test_a_torn_file(self, finetuned_checkpoint, tmp_path):
        folder = shutil.copytree(finetuned_checkpoint, tmp_path / "torn")
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:1000])
        with pytest.raises(ValueError, match="could not be loaded"):
            TransformerTeacherClassifier.from_finetuned(folder)

    def test_pickled_weights_are_refused(self, finetuned_checkpoint, rows, tmp_path):
        folder = shutil.copytree(finetuned_checkpoint, tmp_path / "pickled")
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        with pytest.raises(OSError, match="could not be loaded"):
            TransformerTeacherClassifier(folder).fit(*rows)

    def test_remote_code_is_refused(self, finetuned_checkpoint, rows, tmp_path):
        folder = shutil.copytree(finetuned_checkpoint, tmp_path / "remote")
        config = json.loads((folder / "config.json").read_text())
        config |= {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config"}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "code.py").write_text("raise SystemExit('this must never run')")
        with pytest.raises(ValueError, match="with their own code are refused"):
            TransformerTeacherClassifier(folder).fit(*rows)

    def test_one_class(self, tiny_checkpoint):
        with pytest.raises(ValueError, match="needs at least 2 classes"):
            quick(tiny_checkpoint).fit(["a", "b"], ["x", "x"])

    @pytest.mark.parametrize(
        ("X", "y", "message"),
        [
            (["a", "b", "c"], ["x", "y"], "same number of rows"),
            (["a", None], ["x", "y"], r"X\[1\] is missing"),
            ("a text", ["x"], "single string"),
            ([], [], "0 sample"),
            (["a", "b"], [0.5, 1.5], "label type"),
            (["a", "b"], None, "y"),
        ],
    )
    def test_wrong_rows(self, tiny_checkpoint, X, y, message):
        with pytest.raises(ValueError, match=message):
            quick(tiny_checkpoint).fit(X, y)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"lr": 0}, "lr"),
            ({"precision": "int4"}, "precision"),
            ({"precision": "fp16"}, "precision=\"fp16\" is not available on the device 'cpu'"),
            ({"device": "abacus"}, "device='abacus'"),
            ({"trainer_args": {"learnin_rate": 1}}, r"\['learnin_rate'\], which"),
            ({"warmup_ratio": 1.0}, "warmup_ratio"),
        ],
    )
    def test_wrong_parameters(self, tiny_checkpoint, rows, params, message):
        with pytest.raises(ValueError, match=message):
            quick(tiny_checkpoint, **params).fit(*rows)

    def test_divergence(self, tiny_checkpoint, rows):
        with pytest.raises(ValueError, match=r"diverged: .* Use a lower lr than 1e\+25"):
            quick(tiny_checkpoint, lr=1e25).fit(*rows)

    def test_trainer_args_override(self, tiny_checkpoint, rows):
        teacher = quick(tiny_checkpoint, trainer_args={"num_train_epochs": 1}).fit(*rows)
        assert len(teacher.history_) == 1

    def test_padding_by_the_end_of_text(self, finetuned_checkpoint, tmp_path, topics):
        folder = shutil.copytree(finetuned_checkpoint, tmp_path / "unpadded")
        change_json(folder / "tokenizer_config.json", pad_token=None, eos_token="[SEP]")
        change_json(folder / "config.json", pad_token_id=None)
        teacher = TransformerTeacherClassifier.from_finetuned(folder, device="cpu")
        assert teacher.tokenizer_.pad_token == "[SEP]"
        assert teacher.model_.config.pad_token_id == 3
        original = TransformerTeacherClassifier.from_finetuned(finetuned_checkpoint, device="cpu")
        np.testing.assert_allclose(
            teacher.predict_proba(topics[0][:20]), original.predict_proba(topics[0][:20]), atol=1e-6
        )

    def test_nothing_to_pad_with(self, finetuned_checkpoint, tmp_path):
        folder = shutil.copytree(finetuned_checkpoint, tmp_path / "unpadded")
        change_json(folder / "tokenizer_config.json", pad_token=None)
        with pytest.raises(ValueError, match="neither a padding nor an end-of-text token"):
            TransformerTeacherClassifier.from_finetuned(folder)


class TestScikitLearn:
    def test_conventions(self):
        teacher = TransformerTeacherClassifier()
        tags = get_tags(teacher)
        assert is_classifier(teacher)
        assert tags.input_tags.string
        assert not tags.input_tags.two_d_array
        check_parameters_default_constructible("teacher", teacher)
        check_no_attributes_set_in_init("teacher", teacher)
        assert teacher.get_metadata_routing().fit.requests == {"sample_weight": True}

    def test_search(self, tiny_checkpoint, topics):
        texts, labels = topics
        search = GridSearchCV(quick(tiny_checkpoint), {"max_epochs": [1, 6]}, cv=2)
        search.fit(texts[:160], labels[:160])
        assert search.best_params_ == {"max_epochs": 6}
        assert search.predict_proba(texts[:3]).shape == (3, 3)

    def test_cross_validation_of_a_pipeline(self, tiny_checkpoint, topics):
        texts, labels = topics
        scores = cross_val_score(
            make_pipeline("passthrough", quick(tiny_checkpoint, max_epochs=3, random_state=2)),
            np.array(texts[:320]),
            labels[:320],
            cv=2,
            scoring="neg_log_loss",
        )
        assert (scores > -np.log(3)).all()  # better than knowing the shares of the topics

    def test_refit_forgets(self, tiny_checkpoint, rows):
        teacher = quick(tiny_checkpoint).fit(*rows)
        other = np.where(rows[1] == "trains", 1, 0)
        assert same_weights(teacher.fit(rows[0], other), quick(tiny_checkpoint).fit(rows[0], other))
        assert teacher.classes_.tolist() == [0, 1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestCuda:
    def test_fits_on_a_gpu_and_predicts_anywhere(self, tiny_checkpoint, topics):
        texts, labels = topics
        teacher = quick(tiny_checkpoint, max_epochs=3, device="auto", precision="auto").fit(
            texts[:400], labels[:400]
        )
        assert teacher.model_.device.type == "cuda"
        proba = teacher.predict_proba(texts)
        on_cpu = pickle.loads(pickle.dumps(teacher.set_params(device="cpu")))
        assert on_cpu.model_.device.type == "cpu"
        np.testing.assert_allclose(on_cpu.predict_proba(texts), proba, atol=1e-4)


@pytest.mark.data
def test_a_real_teacher_on_emotion_and_its_labels_in_int8(data_folder):
    model = data_folder.parent / "models" / "minilm-emotion"
    lines = (data_folder / "emotion" / "test.jsonl").read_text().splitlines()[:1000]
    rows = [json.loads(line) for line in lines]
    texts, labels = [row["text"] for row in rows], np.array([row["label"] for row in rows])
    teacher = TransformerTeacherClassifier.from_finetuned(model, device="cpu")
    exact = teacher.predict(texts)
    assert (exact == labels).mean() == pytest.approx(0.921, abs=1.5e-3)
    if has_int8():  # an x86 processor and oneDNN
        rounded = teacher.set_params(precision="int8").predict(texts[:500])
        assert (exact[:500] == rounded).mean() >= 0.99


def halve(folder):
    """Turn the weights of a checkpoint into float16, on disk."""
    file = Path(folder, "model.safetensors")
    save_file({k: v.half() for k, v in load_file(file).items()}, file, metadata={"format": "pt"})
    change_json(Path(folder, "config.json"), dtype="float16")


def change_json(path, **entries):
    content = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


@pytest.mark.parametrize(
    ("capabilities", "used", "expected"),
    [
        ({}, "AVX512", "fp32"),
        ({"avx512_bf16": True}, "AVX512", "bf16"),
        ({"amx_bf16": True}, "AVX512", "bf16"),
        ({"avx512_bf16": True}, "AVX2", "fp32"),  # ATEN_CPU_CAPABILITY=avx2
    ],
)
def test_automatic_precision_follows_the_processor(monkeypatch, capabilities, used, expected):
    from skdistill.teachers.huggingface._arguments import training_precision

    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: used)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert training_precision("auto", torch.device("cpu")) == expected
    assert training_precision("fp32", torch.device("cpu")) == "fp32"


def test_bf16_says_what_it_needs_if_only_torch_is_limited(learned, topics, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    limited = copy.copy(learned).set_params(precision="bf16", device="cpu")
    for call in (limited.predict_proba, lambda X: clone(limited).fit(X, topics[1][:20])):
        with pytest.raises(ValueError, match=r"limited to AVX2\. Unset .* ATEN_CPU_CAPABILITY"):
            call(topics[0][:20])
