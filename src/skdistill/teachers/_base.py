"""What classifiers made of a transformer share: prediction, pickling, and a name for the memory."""

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import joblib
import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skdistill._core.estimators import LogitClassifier, stamp, unstamp
from skdistill._core.files import filling
from skdistill._core.texts import check_texts
from skdistill._core.torch import free_memory, resolve_device
from skdistill.teachers.huggingface._checkpoints import explaining_saves
from skdistill.teachers.huggingface._contents import (
    checkpoint_from_bytes,
    checkpoint_to_bytes,
    hash_checkpoint,
    hash_folder,
    save_checkpoint,
)
from skdistill.teachers.huggingface._inference import (
    TokenisedTexts,
    compute_logits,
    mean_token_vectors,
)
from skdistill.teachers.huggingface._int8 import check_int8_device, quantised
from skdistill.teachers.huggingface._loading import quiet
from skdistill.teachers.huggingface._text_to_text import LabelTexts

# What predictions are multiplied in, where it is not float32.
_PRODUCTS = {"bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}

# Parameters that say where and how loudly a model works, not what it answers.
_WITHOUT_EFFECT = {"checkpoint_dir", "device", "model_name", "verbose"}


class TransformerClassifier(LogitClassifier):
    """Base class of what asks a transformer for the logits of classes.

    A subclass has the parameters `model_name`, `revision`, `device`, `precision` and `verbose`, and
    learns `model_`, `tokenizer_`, `max_length_`, `classes_` and `multilabel_`.
    """

    # What the model reads at a time, for the progress bar.
    _unit: ClassVar[str] = "text"

    @abstractmethod
    def _tokenise(self, texts: list[str]) -> TokenisedTexts:
        """Return what the model reads, for distinct texts."""

    @abstractmethod
    def _class_logits(self, outputs: np.ndarray) -> np.ndarray:
        """Return logits of shape (n_texts, n_classes) from what the model makes of its inputs."""

    @abstractmethod
    def _reading(self) -> Any:
        """Return what tells how outputs become logits of classes, as values that have a `repr`."""

    @abstractmethod
    def _pretrained_embeddings(self) -> tuple[np.ndarray, Any]:
        """Return the token embeddings that ``fit`` begins with, and their tokenizer."""

    def _label_texts(self) -> LabelTexts | None:
        """Return the labels of a model that writes them."""
        return None

    def _logits(self, X: Iterable[str]) -> np.ndarray:
        check_is_fitted(self)
        texts = check_texts(X)
        device = resolve_device(self.device)
        products = _PRODUCTS.get(self.precision)
        if products is torch.int8:
            check_int8_device(device)
        # Each text once and in an order of its own, so that what surrounds it in X does not matter.
        unique = sorted(set(texts))
        tokens = self._tokenise(unique)
        with torch.inference_mode():
            model = self.model_.to(device)
            outputs = compute_logits(
                quantised(model) if products is torch.int8 else model,
                tokens,
                device=device,
                label_texts=self._label_texts(),
                autocast=None if products is torch.int8 else products,
                unit=self._unit,
                verbose=self.verbose,
            )
        position = {text: row for row, text in enumerate(unique)}
        rows = np.fromiter((position[text] for text in texts), dtype=np.intp, count=len(texts))
        return self._class_logits(outputs)[rows].astype(np.float64)

    def release_memory(self) -> None:
        """Leave the device on which the model has predicted; the next prediction moves it back."""
        check_is_fitted(self)
        device = self.model_.device
        self.model_.to("cpu")
        free_memory(device)

    def word_vectors(self, words: list[str]) -> NDArray[np.float32]:
        """Look words up in the token embeddings, without running the model.

        Parameters
        ----------
        words : list of str, of length n_words
            The words.

        Returns
        -------
        vectors : ndarray of shape (n_words, width), dtype float32
            The mean of each word's token embeddings: the fitted model's or, before ``fit``, those
            of the pretrained checkpoint. Zeros for a word without any token.
        """
        if self.__sklearn_is_fitted__():
            tokenizer = self.tokenizer_
            table = self.model_.get_input_embeddings().weight.detach().cpu().float().numpy()
        else:
            with quiet(self.verbose):
                table, tokenizer = self._pretrained_embeddings()
        return mean_token_vectors(tokenizer, table, words)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write model and tokenizer as a checkpoint that transformers loads.

        Parameters
        ----------
        folder : str or path-like
            Made if need be. An earlier checkpoint is replaced once all new files are complete.

        Raises
        ------
        OSError
            If the disk is full, or writing is not allowed; the message names the folder.
        """
        check_is_fitted(self)
        with explaining_saves(folder), filling(folder) as draft:
            save_checkpoint(self.model_, self.tokenizer_, draft)

    def _fingerprint(self) -> str:
        """Return a hash that names the predictions or, before ``fit``, their recipe."""
        if not self.__sklearn_is_fitted__():
            return self._recipe()
        return hash_of(
            (
                hash_checkpoint(self.model_, self.tokenizer_),
                self.max_length_,
                self.classes_.tolist(),
                self._reading(),
                str(_PRODUCTS.get(self.precision)),
            )
        )

    def _recipe(self) -> str:
        """Hash what ``fit`` depends on beside the data: parameters and the pretrained model."""
        params = {k: v for k, v in self.get_params().items() if k not in _WITHOUT_EFFECT}
        name = os.fspath(self.model_name)
        origin = hash_folder(name) if os.path.isdir(name) else name
        return hash_of(
            (type(self).__module__, type(self).__qualname__, origin, joblib.hash(params))
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            state["_checkpoint"] = checkpoint_to_bytes(state.pop("model_"), state.pop("tokenizer_"))
            state["_made_with"] = {
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            }
        return stamp(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = unstamp(state, type(self).__name__)
        state.pop("_made_with", None)
        if "_checkpoint" in state:
            model, tokenizer = checkpoint_from_bytes(state.pop("_checkpoint"))
            state |= {"model_": model, "tokenizer_": tokenizer}
        super().__setstate__(state)


def hash_of(value: Any) -> str:
    """Return a hash of a value's `repr`, 32 hexadecimal digits."""
    return hashlib.blake2b(repr(value).encode(), digest_size=16).hexdigest()
