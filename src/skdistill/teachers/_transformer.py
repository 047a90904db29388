"""The teacher: a pretrained transformer that is fine-tuned to classify texts."""

import os
from collections.abc import Iterable, Sequence
from functools import partial
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
from skdistill.teachers._base import TransformerClassifier, hash_of
from skdistill.teachers.huggingface._checkpoints import Checkpoints
from skdistill.teachers.huggingface._examples import Examples, row_weights, split
from skdistill.teachers.huggingface._heads import (
    Outputs,
    choose_head,
    finetuned_labels,
    has_several_labels,
    label_entries,
)
from skdistill.teachers.huggingface._inference import TokenisedTexts, tokenise
from skdistill.teachers.huggingface._loading import (
    is_finetuned,
    load_config,
    load_finetuned,
    load_pretrained,
    load_token_embeddings,
    quiet,
    usable_length,
)
from skdistill.teachers.huggingface._text_to_text import LabelTexts, label_texts_of

__all__ = ["TransformerTeacherClassifier", "is_finetuned"]


class TransformerTeacherClassifier(CallbackSupportMixin, TransformerClassifier):
    r"""A pretrained transformer, fine-tuned to classify texts.

    A classification layer on top of a pretrained model, all of it trained on the labelled texts
    [1]_ with the Hugging Face ``Trainer`` [2]_: AdamW, the learning rate rising linearly for the
    first part of the steps and then falling linearly to zero, batches of texts of like length. A
    text-to-text model such as T5 [3]_ gets no such layer: it learns to write the label.

    Parameters
    ----------
    model_name : str or path-like, default="sentence-transformers/all-MiniLM-L6-v2"
        A folder with a checkpoint (``config.json``, safetensors and the tokenizer's files), or the
        name of one on the Hugging Face Hub. A model without a classification layer gets a new,
        random one, unless it writes its answer (see `head`); so does a classifier with another
        number of classes. Code that comes with a checkpoint is never run, and weights in pickle
        files are refused.
    revision : str, default=None
        Branch, tag or commit on the Hub; None is the latest.
    head : {"auto", "classification", "text-to-text"}, default="auto"
        How the model answers: by a classification layer, or by writing the text of the label, for
        which it needs a decoder beside its encoder. ``"auto"`` follows the architecture in the
        checkpoint's ``config.json``: ``T5ForConditionalGeneration``, which the plain ``t5-small``
        is as well, and its like write; all others get, or have, a classification layer.
    max_length : int, default=128
        Longer texts are cut after so many tokens, special tokens included; fewer, if the model has
        no more positions.
    max_epochs : int, default=4
        Passes over the labelled texts.
    batch_size : int, default=32
        Texts a step, on each accelerator.
    lr : float, default=1e-4
        The highest learning rate. The usual range is 2e-5 to 1e-4, the lower the bigger the model.
    weight_decay : float, default=0.01
        AdamW's weight decay.
    warmup_ratio : float, default=0.1
        The share of the steps in which the learning rate rises.
    early_stopping : bool, default=False
        Set rows aside, measure the loss on them after each epoch, keep the weights of the best
        epoch, and stop after two epochs in a row without improvement.
    validation_fraction : float, default=0.1
        The share of rows set aside, stratified by class where a text has one; used with
        `early_stopping` only.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by label. They multiply `sample_weight`. Not for several labels a
        text.
    device : str, default="auto"
        The name of a torch device; ``"auto"`` takes an accelerator if there is one, else the CPU.
        Looked up at each use, so that a model fitted on a GPU predicts anywhere.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}, default="auto"
        The precision of matrix products; `model_` is float32 in any case. ``"auto"`` trains in
        bfloat16 where the hardware multiplies it (CUDA devices from Ampere on, CPUs with AVX-512
        BF16 or AMX: some 1.7 times as fast), and predicts in float32. ``"int8"`` trains as
        ``"auto"`` does and predicts in 8-bit integers, on x86 CPUs alone: about as fast as
        bfloat16 where the hardware has that, faster than float32 where it has VNNI. The encoder's
        linear layers are rounded in a copy, made at the first prediction and never saved. GPT-2,
        which has none, is refused.
    checkpoint_dir : str or path-like, default=None
        A folder where each epoch is saved. Another ``fit`` with the same texts, labels, weights and
        parameters goes on from there, or only loads the result if nothing is left to do. None
        leaves nothing on disk.
    trainer_args : dict, default=None
        More ``TrainingArguments``, which override those of this class.
    random_state : int, RandomState instance or None, default=None
        Seeds the classification layer, dropout, the batches and the validation rows; pass an int
        for the same weights at each call on the same kind of machine. Global generators are left
        as they were.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar for fitting and predicting, 2 also lets Hugging Face
        libraries log.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for several labels a text, the columns' numbers.
    multilabel_ : bool
        Whether a text may have several labels.
    model_ : transformers.PreTrainedModel
        The fine-tuned model, in float32.
    tokenizer_ : transformers.PreTrainedTokenizerBase
        Its tokenizer.
    max_length_ : int
        Tokens after which texts are cut: `max_length`, or the model's own limit if lower.
    n_parameters_ : int
        Number of weights, embeddings included.
    history_ : list of dict
        One entry an epoch: ``"epoch"``, ``"train_loss"`` (the weighted mean cross-entropy, in
        nats, while the weights were changing; of a text-to-text model, that of the label's tokens,
        in nats a token) and, with `early_stopping`, ``"valid_loss"`` and ``"valid_accuracy"`` (of
        the classes, or the share of all labels that are right).

    See Also
    --------
    DistilledMLPClassifier : The tiny classifier that learns from this one.

    Notes
    -----
    The loss of a batch :math:`B` is :math:`\frac{1}{|B|} \sum_{i \in B} w_i \ell_i`, where
    :math:`\ell_i` is the cross-entropy, and :math:`w_i` the weight of the row times that of its
    class, scaled to a mean of 1 over all training rows. Rows of weight 0 are left out from the
    start: fitting with them is fitting without them. Where a text may have several labels,
    :math:`\ell_i` is the mean of their binary cross-entropies, so that their number does not change
    what `lr` means, and each label's probability is the logistic function of its logit.

    A text-to-text model reads text :math:`x` once and scores each class by the text of its label,
    ``str(label)``, which is tokens :math:`t_1, \ldots, t_n`, the end-of-text token included:
    :math:`\frac{1}{n} \sum_i \log p(t_i \mid t_1, \ldots, t_{i-1}, x)`. The softmax of these scores
    gives the probabilities. In training, :math:`\ell_i` is the score of the right label with the
    sign turned. Nothing is put before a text: where a model was fine-tuned with a prefix such as
    ``"sst2 sentence: "``, add it in front of the teacher, in a pipeline.

    Where a tokenizer has no padding token, as GPT-2's and Llama's, the end-of-text token takes its
    place, in `tokenizer_` and in the configuration of `model_`. Whatever side a tokenizer pads on,
    a text's prediction does not depend on the texts beside it: models that count positions from
    the first column, and decoders, are padded on the right.

    A pickle holds the weights as safetensors, needs neither the checkpoint nor a GPU to load, and
    predicts bit for bit the same on the same machine.

    Callbacks of scikit-learn, given to :meth:`set_callbacks`, are told of each epoch that is
    trained: not of those that a checkpoint spares.

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

    Examples
    --------
    A checkpoint of random weights stands in for a pretrained one:

    >>> from tempfile import TemporaryDirectory
    >>> from transformers import BertConfig, BertModel, BertTokenizer
    >>> from skdistill import TransformerTeacherClassifier
    >>> vocabulary = "[PAD] [UNK] [CLS] [SEP] [MASK] a good bad film".split()
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

    # A request that is on by default: searches and pipelines pass the weights without more ado.
    __metadata_request__fit = {"sample_weight": True}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model_name": [str, os.PathLike],
        "revision": [str, None],
        "head": [StrOptions({"auto", "classification", "text-to-text"})],
        "max_length": [Interval(Integral, 3, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
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
        max_epochs: int = 4,
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
            Class labels of any type that can be sorted. Ones and zeros in several columns say of
            each label whether a text has it.
        sample_weight : array-like of shape (n_texts,), default=None
            What each text counts in the loss, not negative; None is 1 each.

        Returns
        -------
        self : object
            The fitted teacher.

        Raises
        ------
        ValueError
            If an input or a parameter is wrong, or the training diverges.
        OSError
            If the checkpoint cannot be found.
        ImportError
            If its tokenizer takes a package that is not installed.
        """
        # Here, because the Trainer alone takes seconds to import.
        from skdistill.teachers.huggingface._arguments import training_precision
        from skdistill.teachers.huggingface._finetune import Setting, fine_tune, seeded

        texts = check_texts(X)
        classes, codes = check_labels(y, n_rows=len(texts), multilabel=True)
        weights = row_weights(sample_weight, self.class_weight, classes, codes)
        device = resolve_device(self.device)
        precision = training_precision(self.precision, device)
        checkpoints, seed = self._open_checkpoints(texts, classes, codes, weights)
        outputs = Outputs(classes, np.arange(len(classes)), codes.ndim == 2)
        with quiet(self.verbose), seeded(seed):
            model, tokenizer = load_pretrained(
                os.fspath(self.model_name), self.revision, self.head, outputs
            )
            max_length = usable_length(model, tokenizer, self.max_length)
            tokens = tokenise(tokenizer, model, texts, max_length)
            training, validation = split(
                Examples(tokens, codes, weights, label_texts_of(model, tokenizer)),
                self.validation_fraction if self.early_stopping else 0,
                seed,
            )
            learned = partial(self._learned, tokenizer, outputs)
            tasks = EpochTasks(
                self,
                self._n_epochs(),
                learned,
                X=texts,
                y=codes if outputs.multilabel else classes[codes],
                sample_weight=sample_weight,
            )
            arguments = self._trainer_arguments(seed, precision)
            setting = Setting(arguments, device, checkpoints, tasks, self.verbose)
            history = fine_tune(model, training, validation, setting)
        self.__dict__.update(learned(model, history))
        tasks.close()
        return self

    def _open_checkpoints(self, *data: Any) -> tuple[Checkpoints | None, int]:
        """Return where epochs are saved, if they are, and the seed that the training has."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        if self.checkpoint_dir is None:
            return None, seed
        fingerprint = hash_of((self._recipe(), joblib.hash(data)))
        checkpoints = Checkpoints(self.checkpoint_dir, fingerprint)
        return checkpoints, checkpoints.open(seed)

    def _n_epochs(self) -> int | None:
        """Return the number of epochs, or None where `trainer_args` sets the length."""
        overridden = {"max_steps", "num_train_epochs"} & (self.trainer_args or {}).keys()
        return None if overridden else self.max_epochs

    def _trainer_arguments(self, seed: int, precision: str) -> dict[str, Any]:
        return {
            "num_train_epochs": self.max_epochs,
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
        return {
            "model_": model.eval(),
            "tokenizer_": tokenizer,
            "classes_": outputs.classes,
            "multilabel_": outputs.multilabel,
            "max_length_": usable_length(model, tokenizer, self.max_length),
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
        """Return a fitted teacher from a checkpoint that is a text classifier already.

        Parameters
        ----------
        path_or_name : str or path-like
            The checkpoint's folder, or its name on the Hub.
        classes : sequence of labels, default=None
            The labels in the order of the model's outputs. None takes the names in the
            checkpoint's configuration, or the integers 0 to n_classes - 1 where it has none. Of a
            model for several labels a text, whose `classes_` are the outputs' numbers, the names
            that its configuration is to have. Of a text-to-text model, the labels whose texts it
            was fine-tuned to write, in any order; None takes the names in the configuration, which
            that of a teacher saved by `save_pretrained` has.
        **params
            Other parameters of the constructor, such as `max_length` or `device`.

        Returns
        -------
        TransformerTeacherClassifier
            Nothing was trained; wrap it in ``sklearn.frozen.FrozenEstimator`` where it must not be
            refitted.

        Raises
        ------
        ValueError
            If the checkpoint has no classification layer or one for regression, `classes` does not
            fit it, or nothing says which labels a text-to-text model writes.
        OSError
            If the checkpoint cannot be found.
        ImportError
            If its tokenizer takes a package that is not installed.
        """
        teacher = cls(path_or_name, **params)
        teacher._validate_params()
        name = os.fspath(path_or_name)
        with quiet(teacher.verbose):
            config = load_config(name, teacher.revision)
            head = choose_head(name, config, teacher.head)
            labels = finetuned_labels(name, config, head, classes)
            multilabel = head == "classification" and has_several_labels(config)
            outputs = Outputs.of(labels, multilabel)
            renamed = head == "text-to-text" or (multilabel and classes is not None)
            model, tokenizer = load_finetuned(
                name, teacher.revision, head, **(label_entries(labels) if renamed else {})
            )
        teacher.__dict__.update(teacher._learned(tokenizer, outputs, model, []))
        return teacher

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
