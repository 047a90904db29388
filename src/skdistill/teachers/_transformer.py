"""A teacher that fine-tunes a pretrained transformer to classify texts."""

import os
from collections.abc import Iterable, Sequence
from functools import partial
from math import ceil
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skdistill._core.epoch_tasks import EpochTasks
from skdistill._core.estimators import all_or_nothing, fit_context
from skdistill._core.labels import check_labels
from skdistill._core.texts import check_texts
from skdistill._core.torch import resolve_device
from skdistill.teachers._base import (
    TransformerClassifier,
    hash_of,
    warn_of_cut_texts,
)
from skdistill.teachers._doubts import warn_of_doubts
from skdistill.teachers.huggingface._checkpoints import Checkpoints
from skdistill.teachers.huggingface._examples import Examples, row_weights, split
from skdistill.teachers.huggingface._heads import (
    Outputs,
    choose_head,
    finetuned_labels,
    has_several_labels,
    label_entries,
    record_label_type,
    record_max_length,
    recorded_params,
)
from skdistill.teachers.huggingface._inference import TokenisedTexts, tokenise, whole_words
from skdistill.teachers.huggingface._loading import (
    is_finetuned,
    load_config,
    load_finetuned,
    load_pretrained,
    load_token_embeddings,
    load_tokenizer,
    quiet,
    usable_length,
)
from skdistill.teachers.huggingface._text_to_text import LabelTexts, label_texts_of

# Passes over the labelled texts, and the fewest steps. Validation accuracy of MiniLM with 1,000
# labels of Emotion after 160 / 300 / 600 steps: 67.6 / 85.1 / 85.7.
_EPOCHS, _MIN_STEPS = 4, 300

__all__ = ["TransformerTeacherClassifier", "is_finetuned"]


class TransformerTeacherClassifier(CallbackSupportMixin, TransformerClassifier):
    r"""A teacher that fine-tunes a pretrained transformer.

    It puts a classification layer on top of the model and trains all weights on the labelled texts
    [1]_ with the Hugging Face ``Trainer`` [2]_. With 16 classes or more, a new layer starts from a
    logistic regression on the features of the pretrained model [4]_, otherwise from random weights.
    The optimizer is AdamW. The learning rate rises linearly, then falls linearly to zero. Each
    batch holds texts of similar length. A text-to-text model such as T5 [3]_ gets no
    classification layer: it learns to write the label.

    Parameters
    ----------
    model_name : str or path-like, default="sentence-transformers/all-MiniLM-L6-v2"
        A folder with a checkpoint (``config.json``, safetensors and the tokenizer's files), or the
        name of one on the Hugging Face Hub. If the model has no classification layer, or one for
        another number of classes, it gets a new one. Models that write the label need none
        (see `head`). Checkpoints with pickled weights or with their own code are refused.
    revision : str, default=None
        Branch, tag or commit on the Hub; None is the latest.
    head : {"auto", "classification", "text-to-text"}, default="auto"
        How the model answers: with a classification layer, or by writing the label as text. The
        latter needs an encoder and a decoder. ``"auto"`` follows the architecture in the
        checkpoint's ``config.json``: models such as ``T5ForConditionalGeneration``, and so the
        plain ``t5-small``, write the label; all others use a classification layer.
    max_length : int, default=128
        Maximum number of tokens per text, special tokens included; longer texts are truncated. A
        warning says so if a tenth of the texts or more have so many tokens. The model's own limit
        applies if it is lower.
    max_epochs : int or "auto", default="auto"
        Maximum number of passes over the labelled texts. ``"auto"`` makes 4, or more if these have
        fewer than 300 steps: a pretrained model learns little from fewer, whatever the texts.
    batch_size : int, default=32
        Texts per step, on each accelerator.
    lr : float, default=1e-4
        The highest learning rate. Usual values lie between 2e-5 and 1e-4; bigger models need lower
        ones.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    warmup_ratio : float, default=0.1
        Share of the steps in which the learning rate rises.
    early_stopping : bool, default=False
        Whether to set rows aside and measure the loss on them after each epoch. Training stops
        after two epochs in a row without improvement, and the model keeps the weights of the best
        epoch. Epochs that end before 300 steps do not count: of a shorter training, the last one is
        kept.
    validation_fraction : float, default=0.1
        Share of rows to set aside, stratified by class unless a text may have several labels. Used
        only with `early_stopping`.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, by label. It multiplies `sample_weight`. Not available if a text may
        have several labels.
    device : str, default="auto"
        Name of a torch device. ``"auto"`` takes an accelerator if there is one, else the CPU. It is
        resolved at each use, so a model fitted on a GPU can predict on a CPU.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}, default="auto"
        Precision of matrix products; `model_` is always float32. ``"auto"`` predicts in float32. It
        trains in bfloat16, about 1.7 times as fast, if the hardware supports it: CUDA devices since
        Ampere and CPUs with AVX-512 BF16 or AMX. ``"int8"`` trains as ``"auto"`` does and predicts
        in 8-bit integers, on x86 CPUs only. It is about as fast as bfloat16 on hardware that
        supports bfloat16, and faster than float32 on CPUs with VNNI. It rounds the encoder's linear
        layers in a copy, which is made at the first prediction and never saved. GPT-2 has no linear
        layers and is refused.
    checkpoint_dir : str or path-like, default=None
        Folder in which to save epochs, in a tenth of the time at most. If you call ``fit`` again
        with the same texts, labels, weights and parameters, it resumes from the last one saved, or
        loads the result if training was complete. None saves nothing.
    trainer_args : dict, default=None
        Additional ``TrainingArguments``; they override those of this class.
    random_state : int, RandomState instance or None, default=None
        Seeds the classification layer, dropout, batches and validation rows. Pass an int to get
        the same weights at each call on the same kind of machine. Global random generators are
        left unchanged.
    verbose : int, default=0
        0 is silent, 1 shows progress bars for fitting and predicting, 2 also shows the log messages
        of Hugging Face libraries.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels; if a text may have several, the column numbers of `y`.
    multilabel_ : bool
        Whether a text may have several labels.
    model_ : transformers.PreTrainedModel
        The fine-tuned model, in float32.
    tokenizer_ : transformers.PreTrainedTokenizerBase
        Its tokenizer.
    max_length_ : int
        Maximum number of tokens per text: `max_length`, or the model's own limit if lower.
    n_parameters_ : int
        Number of weights, embeddings included.
    history_ : list of dict
        One entry per epoch, with ``"epoch"`` and ``"train_loss"``, the weighted mean cross-entropy
        in nats, computed while the weights change. For a text-to-text model it is the cross-entropy
        of the label's tokens, in nats per token. With `early_stopping`, entries also have
        ``"valid_loss"`` and ``"valid_accuracy"``, the accuracy on validation rows. If a text may
        have several labels, it is the share of all labels that are correct.

    See Also
    --------
    DistilledMLPClassifier : The small student that you distil from this teacher.

    Notes
    -----
    The loss of a batch :math:`B` is :math:`\frac{1}{|B|} \sum_{i \in B} w_i \ell_i`, where
    :math:`\ell_i` is the cross-entropy. The weight :math:`w_i` is the weight of the row times the
    weight of its class, scaled to a mean of 1 over all training rows. Rows of weight 0 are left
    out. If a text may have several labels, :math:`\ell_i` is the mean of their binary
    cross-entropies, so the best `lr` does not depend on their number. The probability of each label
    is then the logistic function of its logit.

    A text-to-text model reads each text :math:`x` once. It scores each class by the text of its
    label, ``str(label)``. If this text has the tokens :math:`t_1, \ldots, t_n`, the last of them
    the end-of-text token, the score is
    :math:`\frac{1}{n} \sum_i \log p(t_i \mid t_1, \ldots, t_{i-1}, x)`. The softmax of the scores
    is the vector of probabilities. In training, :math:`\ell_i` is minus the score of the correct
    label. The teacher adds no prefix to a text. If your model was fine-tuned with one, such as
    ``"sst2 sentence: "``, add it in a pipeline step before the teacher.

    If the tokenizer has no padding token, as in GPT-2 and Llama, `tokenizer_` and the configuration
    of `model_` use the end-of-text token instead. The prediction for a text never depends on the
    other texts. For this reason, decoders and models that count positions from the first column
    are padded on the right, whatever the tokenizer's own setting.

    Pickles store the weights as safetensors. To load one, you need neither the checkpoint nor a
    GPU. The loaded teacher predicts exactly the same probabilities on the same machine.

    Callbacks of scikit-learn that you pass to :meth:`set_callbacks` are called after each trained
    epoch, but not for epochs that were loaded from a checkpoint.

    References
    ----------
    .. [1] J. Devlin, M.-W. Chang, K. Lee and K. Toutanova, "BERT: Pre-training of Deep
       Bidirectional Transformers for Language Understanding", NAACL 2019.
       https://aclanthology.org/N19-1423
    .. [2] Trainer, in the documentation of transformers.
       https://huggingface.co/docs/transformers/main_classes/trainer
    .. [3] C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
       Transformer", Journal of Machine Learning Research 21, 2020.
       https://jmlr.org/papers/v21/20-074.html
    .. [4] A. Kumar, A. Raghunathan, R. Jones, T. Ma and P. Liang, "Fine-Tuning can Distort
       Pretrained Features and Underperform Out-of-Distribution", ICLR 2022.
       https://arxiv.org/abs/2202.10054

    Examples
    --------
    This example uses a checkpoint with random weights instead of a pretrained one:

    >>> from tempfile import TemporaryDirectory
    >>> from transformers import BertConfig, BertModel, BertTokenizer, set_seed
    >>> from skdistill import TransformerTeacherClassifier
    >>> vocabulary = "[PAD] [UNK] [CLS] [SEP] [MASK] a good bad film".split()
    >>> set_seed(0)
    >>> config = BertConfig(
    ...     vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1,
    ...     num_attention_heads=2, intermediate_size=32)
    >>> with TemporaryDirectory() as folder:
    ...     BertModel(config).save_pretrained(folder)
    ...     tokenizer = BertTokenizer({word: i for i, word in enumerate(vocabulary)})
    ...     _ = tokenizer.save_pretrained(folder)
    ...     teacher = TransformerTeacherClassifier(folder, lr=0.01, batch_size=4, random_state=0)
    ...     _ = teacher.fit(["a good film", "a bad film"] * 40, ["+", "-"] * 40)
    >>> teacher.predict(["a good film", "a bad film"])
    array(['+', '-'], dtype='<U1')
    """

    # Requested by default, so that searches and pipelines pass the weights on.
    __metadata_request__fit = {"sample_weight": True}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model_name": [str, os.PathLike],
        "revision": [str, None],
        "head": [StrOptions({"auto", "classification", "text-to-text"})],
        "max_length": [Interval(Integral, 3, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "warmup_ratio": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "device": [str],
        "precision": [StrOptions({"auto", "fp32", "bf16", "fp16", "int8"})],
        "checkpoint_dir": [str, os.PathLike, None],
        "trainer_args": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model_name: str | os.PathLike[str] = "sentence-transformers/all-MiniLM-L6-v2",
        *,
        revision: str | None = None,
        head: Literal["auto", "classification", "text-to-text"] = "auto",
        max_length: int = 128,
        max_epochs: int | Literal["auto"] = "auto",
        batch_size: int = 32,
        lr: float = 1e-4,
        weight_decay: float = 0.01,
        warmup_ratio: float = 0.1,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        device: str = "auto",
        precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto",
        checkpoint_dir: str | os.PathLike[str] | None = None,
        trainer_args: dict[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.model_name = model_name
        self.revision = revision
        self.head = head
        self.max_length = max_length
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.warmup_ratio = warmup_ratio
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.device = device
        self.precision = precision
        self.checkpoint_dir = checkpoint_dir
        self.trainer_args = trainer_args
        self.random_state = random_state
        self.verbose = verbose

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Iterable[str], y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fine-tune the pretrained model on labelled texts.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,) or (n_texts, n_labels)
            Class labels. If a text may have several, ones and zeros with one column per label.
        sample_weight : array-like of shape (n_texts,), default=None
            Weight of each text in the loss, not negative. None gives each text the weight 1.

        Returns
        -------
        self : object
            The fitted teacher.

        Raises
        ------
        ValueError
            If an input or a parameter is invalid, or if training diverges.
        OSError
            If the checkpoint cannot be found.
        ImportError
            If its tokenizer needs a package that is not installed.

        Warns
        -----
        UserWarning
            If a tenth of the texts or more are longer than `max_length`. If the fitted teacher
            answers little better than by chance on its own training texts, of which 256 are tried.
            If TF-IDF and logistic regression are better than the teacher on the texts that
            `early_stopping` sets aside, of which there must be 50 or more.
        """
        # Imported here because the Trainer takes seconds to import.
        from skdistill.teachers.huggingface._arguments import training_precision
        from skdistill.teachers.huggingface._finetune import Setting, fine_tune, seeded
        from skdistill.teachers.huggingface._head_start import start_head
        from skdistill.teachers.huggingface._losses import agreement

        texts = check_texts(X)
        classes, codes = check_labels(y, n_rows=len(texts), multilabel=True)
        weights = row_weights(sample_weight, self.class_weight, classes, codes)
        device = resolve_device(self.device)
        precision = training_precision(self.precision, device)
        checkpoints, seed = self._open_checkpoints(texts, classes, codes, weights)
        outputs = Outputs(classes, np.arange(len(classes)), codes.ndim == 2)
        with quiet(self.verbose), seeded(seed):
            model, tokenizer, is_new = load_pretrained(
                os.fspath(self.model_name), self.revision, self.head, outputs
            )
            max_length = usable_length(model, tokenizer, self.max_length)
            tokens = tokenise(tokenizer, model, texts, max_length)
            warn_of_cut_texts(tokens.lengths, max_length, self.max_length)
            training, validation = split(
                Examples(tokens, codes, weights, label_texts_of(model, tokenizer)),
                self.validation_fraction if self.early_stopping else 0,
                seed,
                classes,
            )
            learned = partial(self._learned, tokenizer, outputs)
            arguments = self._trainer_arguments(len(training), seed, precision)
            tasks = EpochTasks(
                self,
                self._n_epochs(arguments),
                learned,
                X=texts,
                y=codes if outputs.multilabel else classes[codes],
                sample_weight=sample_weight,
            )
            if is_new:
                start_head(model, training, device)
            setting = Setting(arguments, device, checkpoints, tasks, _MIN_STEPS, self.verbose)
            progress = fine_tune(model, training, validation, setting)
            kappa = agreement(model, training, device)
        warn_of_doubts(kappa, texts, training, validation, progress)
        self.__dict__.update(learned(model, progress.history))
        tasks.close()
        return self

    def _open_checkpoints(self, *data: Any) -> tuple[Checkpoints | None, int]:
        """Return the store for checkpoints, if there is one, and the seed of the training."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        if self.checkpoint_dir is None:
            return None, seed
        fingerprint = hash_of((self._recipe(), joblib.hash(data)))
        checkpoints = Checkpoints(self.checkpoint_dir, fingerprint)
        return checkpoints, checkpoints.open(seed)

    def _n_epochs(self, arguments: dict[str, Any]) -> int | None:
        """Return the number of epochs, or None where `trainer_args` sets the length."""
        overridden = {"max_steps", "num_train_epochs"} & (self.trainer_args or {}).keys()
        return None if overridden else arguments["num_train_epochs"]

    def _trainer_arguments(self, n_texts: int, seed: int, precision: str) -> dict[str, Any]:
        own_epochs = max(_EPOCHS, ceil(_MIN_STEPS / ceil(n_texts / self.batch_size)))
        return {
            "num_train_epochs": own_epochs if self.max_epochs == "auto" else self.max_epochs,
            "per_device_train_batch_size": self.batch_size,
            "learning_rate": self.lr,
            "weight_decay": self.weight_decay,
            "warmup_steps": self.warmup_ratio,
            "bf16": precision == "bf16",
            "fp16": precision == "fp16",
            "seed": seed,
            **(self.trainer_args or {}),
        }

    def _learned(
        self, tokenizer: Any, outputs: Outputs, model: Any, history: list[dict[str, float]]
    ) -> dict[str, Any]:
        max_length = usable_length(model, tokenizer, self.max_length)
        record_max_length(model.config, max_length)
        return {
            "model_": model.eval(),
            "tokenizer_": tokenizer,
            "classes_": outputs.classes,
            "multilabel_": outputs.multilabel,
            "max_length_": max_length,
            "n_parameters_": sum(weight.numel() for weight in model.parameters()),
            "history_": history,
            "_columns": outputs.columns,
        }

    @classmethod
    def from_finetuned(
        cls,
        path_or_name: str | os.PathLike[str],
        classes: Sequence[Any] | None = None,
        **params: Any,
    ) -> Self:
        """Load a fitted teacher from a checkpoint that is already a text classifier.

        Parameters
        ----------
        path_or_name : str or path-like
            The checkpoint's folder, or its name on the Hub.
        classes : sequence of labels, default=None
            The labels, in the order of the model's outputs. None takes the names in the
            checkpoint's configuration or, if it has none, the integers 0 to n_classes - 1. For a
            text-to-text model, the labels that it was fine-tuned to write, in any order; None takes
            the names in the configuration, which a teacher saved by `save_pretrained` has.
        **params
            Other parameters of the constructor; `max_length` is by default the saved teacher's.

        Returns
        -------
        TransformerTeacherClassifier
            The fitted teacher; nothing is trained. Wrap it in ``sklearn.frozen.FrozenEstimator`` to
            prevent refitting.

        Raises
        ------
        ValueError
            If the checkpoint has no classification layer or one for regression, if `classes` does
            not match its outputs, or if the labels of a text-to-text model are unknown.
        OSError
            If the checkpoint cannot be found.
        ImportError
            If its tokenizer needs a package that is not installed.
        """
        teacher = cls(path_or_name, **params)
        teacher._validate_params()
        name = os.fspath(path_or_name)
        with quiet(teacher.verbose):
            config = load_config(name, teacher.revision)
            head = choose_head(name, config, teacher.head)
            teacher.set_params(**recorded_params(config) | params)
            labels = finetuned_labels(name, config, head, classes)
            multilabel = head == "classification" and has_several_labels(config)
            outputs = Outputs.of(labels, multilabel)
            renamed = head == "text-to-text" or classes is not None
            model, tokenizer = load_finetuned(
                name, teacher.revision, head, **(label_entries(labels) if renamed else {})
            )
            if renamed:
                record_label_type(model.config, labels)
        teacher.__dict__.update(teacher._learned(tokenizer, outputs, model, []))
        return teacher

    def known_words(self) -> list[str]:
        """Return the whole words of the tokenizer's vocabulary, without running the model.

        Returns
        -------
        words : list of str
            The words in the vocabulary's order, in which frequent ones often come first.
        """
        with quiet(self.verbose):
            if self.__sklearn_is_fitted__():
                tokenizer = self.tokenizer_
            else:
                tokenizer = load_tokenizer(os.fspath(self.model_name), self.revision)
        return list(dict.fromkeys(whole_words(tokenizer).values()))

    def _tokenise(self, texts: list[str]) -> TokenisedTexts:
        return tokenise(self.tokenizer_, self.model_, texts, self.max_length_)

    def _label_texts(self) -> LabelTexts | None:
        return label_texts_of(self.model_, self.tokenizer_)

    def _class_logits(self, outputs: np.ndarray) -> np.ndarray:
        return outputs[:, self._columns]

    def _reading(self) -> Any:
        return self._columns.tolist()

    def _pretrained_embeddings(self) -> tuple[np.ndarray, Any]:
        return load_token_embeddings(os.fspath(self.model_name), self.revision, self.head)
