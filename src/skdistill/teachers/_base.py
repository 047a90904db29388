"""Prediction, pickling and fingerprints for all classifiers that use a transformer."""

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

import skdistill
from skdistill._core.estimators import LogitClassifier, stamp, unstamp
from skdistill._core.exceptions import warn
from skdistill._core.files import filling
from skdistill._core.texts import check_texts
from skdistill._core.torch import free_memory, resolve_device
from skdistill.teachers.huggingface._arguments import check_bf16_device
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

# The data type of matrix products in prediction, if it is not float32.
_PRODUCTS = {"bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}

# There is a warning if this share of texts is cut.
_MANY_CUT = 0.1

# Parameters that do not change what a model predicts.
_WITHOUT_EFFECT = {"checkpoint_dir", "device", "model_name", "verbose"}


def warn_of_cut_texts(lengths: np.ndarray, limit: int, max_length: int) -> None:
    """Warn if many texts were cut to `limit` tokens, which is `max_length` or the model's own."""
    share = np.count_nonzero(lengths >= limit) / max(1, len(lengths))
    if share < _MANY_CUT:
        return
    remedy = "raise max_length" if limit == max_length else "divide them, or use another model"
    warn(
        # Rounded, so that Python shows the message once if texts come in batches.
        f"About {round(share, 1):.0%} of the texts have {limit} tokens or more, of which the "
        f"teacher reads only the first {limit}. If the ends of texts matter, {remedy}.",
    )


class TransformerClassifier(LogitClassifier):
    """Base class for classifiers that compute logits with a transformer.

    Subclasses have the parameters `model_name`, `revision`, `max_length`, `device`, `precision` and
    `verbose`.
    Their `fit` sets `model_`, `tokenizer_`, `max_length_`, `classes_` and `multilabel_`.
    """

    # The unit of the progress bar.
    _unit: ClassVar[str] = "text"

    @abstractmethod
    def _tokenise(self, texts: list[str]) -> TokenisedTexts:
        """Return the model's inputs for distinct texts."""

    @abstractmethod
    def _class_logits(self, outputs: np.ndarray) -> np.ndarray:
        """Turn the model's outputs into logits of shape (n_texts, n_classes)."""

    @abstractmethod
    def _reading(self) -> Any:
        """Return everything that `_class_logits` depends on, as values with a stable `repr`."""

    @abstractmethod
    def _pretrained_embeddings(self) -> tuple[np.ndarray, Any]:
        """Return the token embeddings that ``fit`` starts from, and their tokenizer."""

    def _label_texts(self) -> LabelTexts | None:
        """Return the label texts of a text-to-text model, else None."""
        return None

    def _logits(self, X: Iterable[str]) -> np.ndarray:
        check_is_fitted(self)
        texts = check_texts(X)
        device = resolve_device(self.device)
        products = _PRODUCTS.get(self.precision)
        if products is torch.int8:
            check_int8_device(device)
        if products is torch.bfloat16:
            check_bf16_device(device)
        # Distinct texts in sorted order, so that a prediction does not depend on the rest of X.
        unique = sorted(set(texts))
        position = {text: row for row, text in enumerate(unique)}
        rows = np.fromiter((position[text] for text in texts), dtype=np.intp, count=len(texts))
        tokens = self._tokenise(unique)
        warn_of_cut_texts(tokens.lengths[rows], self.max_length_, self.max_length)
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
        return self._class_logits(outputs)[rows].astype(np.float64)

    def release_memory(self) -> None:
        """Move the model to the CPU and free the device; the next prediction moves it back."""
        check_is_fitted(self)
        device = self.model_.device
        self.model_.to("cpu")
        free_memory(device)

    def word_vectors(self, words: list[str]) -> NDArray[np.float32]:
        """Return a vector for each word from the token embeddings, without running the model.

        Parameters
        ----------
        words : list of str, of length n_words
            The words.

        Returns
        -------
        vectors : ndarray of shape (n_words, width), dtype float32
            The mean of each word's token embeddings, in the fitted model or, before ``fit``, in the
            pretrained checkpoint. A word without tokens has a vector of zeros.
        """
        if self.__sklearn_is_fitted__():
            tokenizer = self.tokenizer_
            table = self.model_.get_input_embeddings().weight.detach().cpu().float().numpy()
        else:
            with quiet(self.verbose):
                table, tokenizer = self._pretrained_embeddings()
        return mean_token_vectors(tokenizer, table, words)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Save model and tokenizer as a checkpoint that transformers can load.

        Parameters
        ----------
        folder : str or path-like
            The folder, which is created if it does not exist. An existing checkpoint is replaced
            once all new files are complete.

        Raises
        ------
        OSError
            If the disk is full or the folder is not writable. The message names the folder.
        """
        check_is_fitted(self)
        with explaining_saves(folder), filling(folder) as draft:
            save_checkpoint(self.model_, self.tokenizer_, draft)

    def __skdistill_fingerprint__(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return what the probabilities depend on: a student's `memory` hashes it.

        Parameters
        ----------
        X, y, sample_weight : object
            The rows that an unfitted teacher will be fitted on.

        Returns
        -------
        object
            Versions of packages, with the fitted model or, before ``fit``, how it will be trained.
        """
        if not self.__sklearn_is_fitted__():
            return (
                *package_versions(),
                type(self),
                self._pretrained(),
                self._settings(),
                X,
                y,
                sample_weight,
            )
        return (
            *package_versions(),
            hash_checkpoint(self.model_, self.tokenizer_),
            self.max_length_,
            self.classes_.tolist(),
            self._reading(),
            self._products(),
        )

    def _products(self) -> str:
        """Return the data type of matrix products, as far as it changes probabilities."""
        return str(_PRODUCTS.get(self.precision))

    def _pretrained(self) -> str:
        """Return the name of the pretrained model or, if it is a folder, a hash of its content."""
        name = os.fspath(self.model_name)
        return hash_folder(name) if os.path.isdir(name) else name

    def _settings(self) -> dict[str, Any]:
        return {k: v for k, v in self.get_params().items() if k not in _WITHOUT_EFFECT}

    def _recipe(self) -> str:
        """Return a hash of the parameters and the pretrained model, but not of the data."""
        parts = type(self).__module__, type(self).__qualname__, self._pretrained()
        return hash_of((*parts, joblib.hash(self._settings())))

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


def package_versions() -> tuple[str, str, str]:
    """Return the versions of the packages that compute probabilities."""
    return skdistill.__version__, torch.__version__, transformers.__version__


def hash_of(value: Any) -> str:
    """Return a hash of a value's `repr`, as 32 hexadecimal digits."""
    return hashlib.blake2b(repr(value).encode(), digest_size=16).hexdigest()
