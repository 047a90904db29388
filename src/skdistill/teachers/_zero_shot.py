"""A teacher that needs no labels, only the names of the classes."""

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from skdistill._core.estimators import fit_context
from skdistill._core.label_columns import find_labels
from skdistill._core.labels import check_label_column
from skdistill._core.texts import check_texts, plain
from skdistill.teachers._base import TransformerClassifier, package_versions
from skdistill.teachers.huggingface._heads import check_classifier, inference_outputs
from skdistill.teachers.huggingface._inference import TokenisedTexts, tokenise_pairs
from skdistill.teachers.huggingface._loading import (
    load_config,
    load_finetuned,
    load_token_embeddings,
    quiet,
    usable_length,
)


class ZeroShotTeacherClassifier(TransformerClassifier):
    r"""A teacher that needs no labelled text, only the names of the classes.

    It uses a model for natural language inference, which predicts whether a text entails a
    hypothesis. Each class becomes a hypothesis about the text, and the one with the highest score
    wins [1]_. The pipeline ``"zero-shot-classification"`` of transformers [2]_ works the same way.

    Parameters
    ----------
    model_name : str or path-like
        A folder with a checkpoint (``config.json``, safetensors and the tokenizer's files) that was
        fine-tuned for natural language inference, or the name of one on the Hugging Face Hub. One
        of its outputs must be called ``"entailment"``. Checkpoints with pickled weights or with
        their own code are refused.
    candidate_labels : sequence of str, or dict of str or int to str
        The names of the classes. A dict maps each class label to the phrase that describes it in
        the hypothesis, as in ``{0: "about sports", 1: "about politics"}``.
    hypothesis_template : str, default="This example is {}."
        The hypothesis, with ``{}`` in place of the phrase.
    multi_label : bool, default=False
        Whether a text may have several of the labels, or none. Each label is then scored
        independently.
    revision : str, default=None
        Branch, tag or commit on the Hub; None is the latest.
    max_length : int, default=256
        Maximum number of tokens of text and hypothesis together, special tokens included; longer
        texts are truncated, and a warning says so if they are a tenth or more of the texts. The
        model's own limit applies if it is lower.
    device : str, default="auto"
        Name of a torch device. ``"auto"`` takes an accelerator if there is one, else the CPU. It is
        resolved at each use.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}, default="auto"
        Precision of matrix products. ``"auto"`` is float32. ``"int8"`` works on x86 CPUs only.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar for predicting, which counts pairs of text and
        hypothesis, 2 also shows the log messages of Hugging Face libraries.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels; with `multi_label`, the candidates in the given order, or their numbers
        if they are not strings.
    multilabel_ : bool
        Whether a text may have several labels.
    hypotheses_ : list of str, of length n_classes
        The hypothesis of each class.
    model_ : transformers.PreTrainedModel
        The model, in float32.
    tokenizer_ : transformers.PreTrainedTokenizerBase
        Its tokenizer.
    max_length_ : int
        Maximum number of tokens per pair: `max_length`, or the model's own limit if lower.
    n_parameters_ : int
        Number of weights, embeddings included.

    See Also
    --------
    TransformerTeacherClassifier : A teacher that is trained on labelled texts.
    DistilledMLPClassifier : A student that you can fit with this teacher and no labels.

    Notes
    -----
    Let :math:`e_{ij}` and :math:`c_{ij}` be the logits of entailment and contradiction for text
    :math:`i` and hypothesis :math:`j`. The probability of class :math:`j` is
    :math:`\mathrm{softmax}_j(e_{ij})`; with `multi_label`, the probability of label :math:`j` is
    :math:`1 / (1 + \exp(c_{ij} - e_{ij}))`. If no output is called contradiction, it is the first
    one, or the last one if entailment is the first.

    The model reads each distinct text once per class, so labelling time grows with the number of
    classes. Because `fit` trains nothing, a student's `memory` can reuse the answers after any
    `fit`.

    Pickles store the weights as safetensors. To load one, you need neither the checkpoint nor a
    GPU. The loaded teacher predicts exactly the same probabilities on the same machine.

    References
    ----------
    .. [1] W. Yin, J. Hay and D. Roth, "Benchmarking Zero-shot Text Classification: Datasets,
       Evaluation and Entailment Approach", EMNLP 2019. https://arxiv.org/abs/1909.00161
    .. [2] ZeroShotClassificationPipeline, in the documentation of transformers.
       https://huggingface.co/docs/transformers/main_classes/pipelines

    Examples
    --------
    This example uses a checkpoint with random weights, so its answers mean nothing. The student is
    fitted on texts alone:

    >>> from tempfile import TemporaryDirectory
    >>> from transformers import BertConfig, BertForSequenceClassification, BertTokenizer
    >>> from skdistill import DistilledMLPClassifier, ZeroShotTeacherClassifier
    >>> vocabulary = "[PAD] [UNK] [CLS] [SEP] [MASK] a good bad film this example is .".split()
    >>> config = BertConfig(
    ...     vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1,
    ...     num_attention_heads=2, intermediate_size=32,
    ...     id2label={0: "contradiction", 1: "neutral", 2: "entailment"},
    ...     label2id={"contradiction": 0, "neutral": 1, "entailment": 2})
    >>> texts = ["a good film", "a bad film", "good", "bad", "this film is good", "this is bad"]
    >>> with TemporaryDirectory() as folder:
    ...     BertForSequenceClassification(config).save_pretrained(folder)
    ...     tokenizer = BertTokenizer({word: i for i, word in enumerate(vocabulary)})
    ...     _ = tokenizer.save_pretrained(folder)
    ...     teacher = ZeroShotTeacherClassifier(folder, {"+": "good", "-": "bad"})
    ...     student = DistilledMLPClassifier(teacher, max_epochs=1).fit(texts)
    ...     _ = teacher.fit(texts)
    >>> teacher.hypotheses_
    ['This example is good.', 'This example is bad.']
    >>> teacher.predict_proba(texts).shape
    (6, 2)
    >>> student.classes_
    array(['+', '-'], dtype='<U1')
    """

    # The answers depend on the parameters only, not on the rows passed to `fit`.
    _learns_nothing = True

    _unit = "pair"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model_name": [str, os.PathLike],
        "candidate_labels": [dict, "array-like"],
        "hypothesis_template": [str],
        "multi_label": ["boolean"],
        "revision": [str, None],
        "max_length": [Interval(Integral, 3, None, closed="left")],
        "device": [str],
        "precision": [StrOptions({"auto", "fp32", "bf16", "fp16", "int8"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model_name: str | os.PathLike[str],
        candidate_labels: Sequence[str] | Mapping[Any, str],
        hypothesis_template: str = "This example is {}.",
        *,
        multi_label: bool = False,
        revision: str | None = None,
        max_length: int = 256,
        device: str = "auto",
        precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto",
        verbose: int = 0,
    ) -> None:
        self.model_name = model_name
        self.candidate_labels = candidate_labels
        self.hypothesis_template = hypothesis_template
        self.multi_label = multi_label
        self.revision = revision
        self.max_length = max_length
        self.device = device
        self.precision = precision
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Iterable[str], y: ArrayLike | None = None) -> Self:
        """Load the model, without training it.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts. They are checked but not used.
        y : array-like of shape (n_texts,) or (n_texts, n_labels), default=None
            Labels. They are checked but not used: each must be one of the candidates. With
            `multi_label`, an array with one column per candidate and the values 0 and 1.

        Returns
        -------
        self : object
            The fitted teacher.

        Raises
        ------
        ValueError
            If an input or a parameter is invalid, if there are fewer than two distinct candidates,
            if the template has no ``{}``, if a hypothesis is too long for `max_length`, or if the
            model has no output for entailment.
        OSError
            If the checkpoint cannot be found.
        ImportError
            If its tokenizer needs a package that is not installed.
        """
        texts = check_texts(X)
        classes, hypotheses = self._candidates()
        if y is not None:
            self._check_known(y, classes, len(texts))
        name = os.fspath(self.model_name)
        with quiet(self.verbose):
            config = load_config(name, self.revision)
            check_classifier(name, config)
            outputs = inference_outputs(name, config)
            model, tokenizer = load_finetuned(name, self.revision)
            max_length = usable_length(model, tokenizer, self.max_length)
            _check_room(hypotheses, model, tokenizer, max_length)
        self.model_ = model.eval()
        self.tokenizer_ = tokenizer
        self.classes_ = classes
        self.multilabel_ = bool(self.multi_label)
        self.hypotheses_ = hypotheses
        self.max_length_ = max_length
        self.n_parameters_ = sum(weight.numel() for weight in model.parameters())
        # The model's outputs for contradiction and entailment.
        self._outputs = outputs
        self._identity = self._identify()
        return self

    def _pretrained_embeddings(self) -> tuple[np.ndarray, Any]:
        return load_token_embeddings(os.fspath(self.model_name), self.revision)

    def _candidates(self) -> tuple[np.ndarray, list[str]]:
        """Return the classes and the hypothesis of each."""
        phrases = _phrases(self.candidate_labels)
        if "{}" not in self.hypothesis_template:
            raise ValueError(
                f"hypothesis_template={self.hypothesis_template!r:.200} has no placeholder for the "
                "candidate; "
                'add {}, as in "This example is {}."'
            )
        labels = [*phrases] if self.multi_label else sorted(phrases)
        hypotheses = [self.hypothesis_template.replace("{}", phrases[label]) for label in labels]
        if self.multi_label and not isinstance(labels[0], str):
            return np.arange(len(labels)), hypotheses
        return np.asarray(labels), hypotheses

    def _check_known(self, y: Any, classes: np.ndarray, n_rows: int) -> None:
        if self.multi_label:
            find_labels(
                y, classes, n_rows=n_rows, multilabel=True, names=("X", "y", "candidate_labels")
            )
            return
        known = set(classes.tolist())
        for row, label in enumerate(check_label_column(y, n_rows=n_rows).tolist()):
            if label not in known:
                raise ValueError(
                    f"y[{row}] is {label!r:.200}, which is not one of the classes in "
                    f"candidate_labels: {classes.tolist()!s:.200}."
                )

    def _tokenise(self, texts: list[str]) -> TokenisedTexts:
        return tokenise_pairs(
            self.tokenizer_, self.model_, texts, self.hypotheses_, self.max_length_
        )

    def _class_logits(self, outputs: np.ndarray) -> np.ndarray:
        contradiction, entailment = self._outputs
        logits = outputs[:, entailment]
        if self.multilabel_:
            logits = logits - outputs[:, contradiction]
        return logits.reshape(-1, len(self.hypotheses_))

    def _reading(self) -> Any:
        return self.hypotheses_, self._outputs, self.multilabel_

    def __skdistill_fingerprint__(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return what the probabilities depend on: the model and the hypotheses, but no rows.

        It is the same before and after ``fit``.

        Parameters
        ----------
        X, y, sample_weight : object
            Ignored, because nothing is learned from them.

        Returns
        -------
        object
            The value whose hash is the key of a student's `memory`.
        """
        identity = self._identity if self.__sklearn_is_fitted__() else self._identify()
        return (*package_versions(), type(self), *identity, self._products())

    def _identify(self) -> tuple[Any, ...]:
        """Return what is known of the probabilities before the model is loaded."""
        parameters = self.revision, self.max_length, bool(self.multi_label)
        return self._pretrained(), *parameters, *self._candidates()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.classifier_tags.multi_label = bool(self.multi_label)
        tags.classifier_tags.poor_score = True  # nothing is trained
        return tags


def _phrases(candidate_labels: Iterable[str] | Mapping[Any, str]) -> dict[Any, str]:
    """Return the phrase that describes each label in the hypothesis."""
    if isinstance(candidate_labels, dict):
        pairs = [*candidate_labels.items()]
    else:
        pairs = [(label, label) for label in candidate_labels]
    if len(pairs) < 2:
        raise ValueError(
            f"A classifier needs at least 2 classes, but candidate_labels has {len(pairs)}."
        )
    seen: set[str] = set()
    for label, phrase in pairs:
        if not isinstance(phrase, str):
            raise TypeError(
                f"candidate_labels must contain phrases, but contains {phrase!r:.200} for the "
                f"label {label!r:.200}."
            )
        if phrase in seen:
            raise ValueError(
                f"candidate_labels contains {phrase!r:.200} twice, so these classes would get the "
                "same score."
            )
        seen.add(phrase)
    kinds = {
        str if isinstance(label, str) else int if isinstance(label, Integral) else type(label)
        for label, _ in pairs
    }
    if kinds not in ({str}, {int}):
        raise TypeError(
            "The labels in candidate_labels must be all strings or all integers, but are "
            f"{[label for label, _ in pairs]!s:.200}."
        )
    return {
        plain(label) if isinstance(label, str) else label: plain(phrase) for label, phrase in pairs
    }


def _check_room(hypotheses: list[str], model: Any, tokenizer: Any, max_length: int) -> None:
    """Refuse hypotheses that leave no token for the text."""
    lengths = tokenise_pairs(tokenizer, model, [""], hypotheses, np.iinfo(np.int32).max).lengths
    if lengths.max() >= max_length:
        raise ValueError(
            f"The hypothesis {hypotheses[int(lengths.argmax())]!r} has {lengths.max()} tokens, "
            "special tokens included, and leaves no room for a text: the model reads at most "
            f"{max_length}. Raise max_length or shorten the hypothesis."
        )
