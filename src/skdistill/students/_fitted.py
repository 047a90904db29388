"""A student once it is fitted: prediction, files, pickles. torch is not loaded here."""

import sys
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skdistill._core.estimators import LogitClassifier, stamp, unstamp
from skdistill._core.exceptions import ModelFileError
from skdistill._core.texts import check_texts
from skdistill.card._facts import as_plain, describe_training
from skdistill.card._page import write_card
from skdistill.labelling._teacher import unfitted
from skdistill.runtime._explanation import Explanations, explain
from skdistill.runtime._model_file import StoredModel, read_model, write_model
from skdistill.runtime._quantization import Precision
from skdistill.serving import CompiledClassifier, compute, iterate_proba
from skdistill.text._vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from torch import nn


class FittedStudent(LogitClassifier):
    """What a student does after `fit`, from a vocabulary, weights and an architecture."""

    # What `skdistill.runtime._kinds.KINDS` and model files call it.
    _kind: ClassVar[str]

    teacher: Any
    n_jobs: int | None
    verbose: int
    history_: list[dict[str, float]]
    n_iter_: int
    transfer_size_: int
    n_parameters_: int
    _vocabulary: Vocabulary
    _counts: np.ndarray | None
    _weights: dict[str, np.ndarray]
    _fitted_architecture: dict[str, Any]

    @classmethod
    @abstractmethod
    def _make_network(
        cls, log_prior: np.ndarray, n_features: int, **architecture: Any
    ) -> "nn.Module":
        """Build the torch module."""

    def _compile(self) -> None:
        self._runtime = self._stored().compile()

    def _stored(self) -> StoredModel:
        return StoredModel(
            self._kind,
            self.classes_,
            self._vocabulary,
            self._weights,
            self._fitted_architecture,
            multilabel=self.multilabel_,
        )

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Predict class probabilities, with NumPy and SciPy alone.

        A text without any known feature gets the classes' shares among the training labels or,
        where there were none, the mean of the teacher's probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes), dtype float32
            Probabilities; columns follow `classes_`. Rows sum to 1 unless a text may have several
            labels.
        """
        return self._compute("predict_proba", X)

    def _logits(self, X: Iterable[str]) -> NDArray[np.float32]:
        return self._compute("decision_function", X)

    def _winners(self, X: Iterable[str]) -> np.ndarray:
        return self._compute("predict", X)

    def _compute(self, method: str, X: Iterable[str]) -> np.ndarray:
        # check_is_fitted alone takes half of the time in which one text is predicted.
        if "_runtime" not in vars(self):
            check_is_fitted(self)
        return compute(getattr(self._runtime, method), check_texts(X), self.n_jobs)

    def predict_proba_iter(
        self, X: Iterable[str], *, chunk_size: int = 10_000
    ) -> Iterator[NDArray[np.float32]]:
        """Predict class probabilities of a stream of texts, some thousands at a time.

        Parameters
        ----------
        X : iterable of str
            The texts, such as the lines of a file; read only as far as predictions are asked for.
        chunk_size : int, default=10_000
            Texts in memory at a time.

        Returns
        -------
        iterator of ndarray of shape (chunk_size, n_classes), dtype float32
            Probabilities of the next texts; the last array may be shorter. With `verbose`, a
            progress bar counts texts.

        Raises
        ------
        ValueError, TypeError
            If `X` is a bare string, or a row is no text: the message gives its number.
        """
        check_is_fitted(self)
        return iterate_proba(self._runtime, X, chunk_size, self.n_jobs, self.verbose)

    def explain(self, X: Iterable[str]) -> Explanations:
        """Tell what each word, n-gram or character of a text contributes to each class.

        An MLP without hidden layers adds up what its words look up, weighed by the attention that
        they get: its logits come apart exactly.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        list of Explanation, of length n_texts
            With spans in the text, contributions and bias: see
            :class:`~skdistill.runtime.Explanation`. There is one column for each of
            `classes_`, also where there are two: the decision function is then the second one's
            sum minus the first one's. A notebook shows the texts with the words' parts in colour.

        Raises
        ------
        ValueError
            If the student is no MLP, or has hidden layers; or as in `predict_proba`.

        Examples
        --------
        >>> from skdistill import DistilledMLPClassifier
        >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
        >>> student = DistilledMLPClassifier(max_epochs=50, random_state=0).fit(X, y)
        >>> (explanation,) = student.explain(["Fast bread"])
        >>> explanation.units, explanation.contributions.shape
        (['fast', 'bread'], (2, 2))
        """
        check_is_fitted(self)
        return explain(self._runtime, self.classes_, check_texts(X))

    def compile(self, precision: Precision = "float32") -> CompiledClassifier:
        """Return an object that does nothing but predict, faster for single texts.

        Parameters
        ----------
        precision : {"float32", "float16", "int8"}, default="float32"
            What the weights are rounded to, as they are in a file of that precision. Predictions
            are computed in float32 in any case.

        Returns
        -------
        CompiledClassifier
            It predicts what the student does, up to the rounding of `precision`.
        """
        check_is_fitted(self)
        return CompiledClassifier(self._stored().rounded(precision))

    def save(self, path: str | PathLike[str], *, precision: Precision = "float32") -> None:
        """Write the fitted student into one file, with no pickle and no teacher in it.

        :meth:`load` makes an estimator of it again, and :meth:`CompiledClassifier.load` what
        predicts without scikit-learn.

        Parameters
        ----------
        path : path-like
            An earlier file is replaced once the new one is complete.
        precision : {"float32", "float16", "int8"}, default="float32"
            How weights are stored; :func:`~skdistill.parity_report` tells what rounding changes.
            A student loaded from an ``"int8"`` file cannot be pruned.

        Raises
        ------
        TypeError
            If the analyzer is a function, or the labels are objects.
        """
        check_is_fitted(self)
        # What an int8 file is for is size; without them the vocabulary can no longer be pruned.
        counts = None if precision == "int8" else self._counts
        write_model(replace(self._described(), counts=counts), Path(path), precision)

    def _described(self) -> StoredModel:
        """Return what is stored, with the parameters and figures of the training."""
        figures = {
            "history": self.history_,
            "n_iter": self.n_iter_,
            "transfer_size": self.transfer_size_,
        }
        given = {name: as_plain(value) for name, value in self.get_params(deep=False).items()}
        parameters = {name: value for name, value in given.items() if _is_plain(value)}
        return replace(self._stored(), estimator={"parameters": parameters, "figures": figures})

    def to_html(
        self,
        path: str | PathLike[str],
        X: Iterable[str] | None = None,
        y: ArrayLike | None = None,
        *,
        teacher: Any = None,
        controls: Mapping[str, Any] | None = None,
        report: Any = None,
        title: str | None = None,
        description: str = "",
        class_names: Sequence[str] | None = None,
        limits: Iterable[str] = (),
        license: str = "",
        example: str = "",
    ) -> None:
        """Write a model card with the model in it: one page, in which one tries the student.

        The page [1]_ says what the student is, how it was trained, how well it does and what it
        cannot do. It holds the weights in eight bits, and predicts at each keystroke what
        ``compile("int8")`` predicts; of an MLP without hidden layers it also shows what each word
        contributes. It needs no server and no network, and its own policy forbids both. What is
        not given is left out.

        Parameters
        ----------
        path : path-like
            The HTML file; an earlier one is replaced once the new one is complete.
        X : iterable of str, of length n_texts, default=None
            Texts that the student was not trained on, for the figures.
        y : array-like of shape (n_texts,) or (n_texts, n_labels), default=None
            Their labels.
        teacher : classifier or array-like of shape (n_texts, n_classes), default=None
            Fitted, with ``predict_proba``; or its probabilities for `X`. Compared with the student.
        controls : dict of str to such classifiers or arrays, default=None
            Other models in the comparison, by the names to be shown.
        report : DistillationReport, default=None
            What :func:`~skdistill.distillation_report` has found.
        title : str, default=None
            None takes the student's kind and its classes.
        description : str, default=""
            What the model is for, in a sentence or two.
        class_names : sequence of str, of length n_classes, default=None
            How `classes_` are called on the page; None calls them as they are.
        limits : iterable of str, default=()
            Sentences on what the model cannot do or must not be used for, beside those that the
            student's own make-up tells.
        license : str, default=""
            Under what terms it may be used.
        example : str, default=""
            The text in the box at first.

        Raises
        ------
        TypeError
            If the analyzer is a function, which no page can call.
        ValueError
            If there are figures to be measured but no `X`, or labels, classes or shapes do not fit.
        OSError
            If the file cannot be written.

        Notes
        -----
        Whoever has the page has the student, its vocabulary included: words of the texts that it
        learned from. `X` itself is not in it.

        References
        ----------
        .. [1] Mitchell et al. (2019), "Model Cards for Model Reporting", FAT*.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from skdistill import DistilledMLPClassifier
        >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
        >>> student = DistilledMLPClassifier(max_epochs=50, random_state=0).fit(X, y)
        >>> with TemporaryDirectory() as folder:
        ...     student.to_html(f"{folder}/card.html", ["warm bread"], ["food"])
        ...     page = Path(folder, "card.html").read_text(encoding="utf-8")
        >>> page.startswith("<!DOCTYPE html>"), len(page) < 100_000
        (True, True)
        """
        check_is_fitted(self)
        write_card(
            path,
            self._described(),
            X=X,
            y=y,
            teacher=teacher,
            controls=controls,
            report=report,
            title=title,
            description=description,
            class_names=class_names,
            limits=limits,
            license=license,
            example=example,
            training=describe_training(self),
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a fitted student from a file that :meth:`save` wrote; nothing in it is run.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        student : object
            Fitted. Parameters that are objects (teacher, augmenter, callbacks) have their defaults.

        Raises
        ------
        ModelFileError
            If the file is damaged, no model of this package, or of another kind of student.

        Warns
        -----
        UserWarning
            If the student was trained with an option that this version no longer has. It predicts
            as it did.
        """
        model = read_model(Path(path))
        if model.kind != cls._kind:
            raise ModelFileError(
                f"{path} holds a student of kind {model.kind!r}, but {cls.__name__} is of kind "
                f"{cls._kind!r}."
            )
        if not {"parameters", "figures"} <= model.estimator.keys():
            raise ModelFileError(
                f"{path} was saved for prediction alone; read it with CompiledClassifier.load."
            )
        try:
            parameters, figures = model.estimator["parameters"], model.estimator["figures"]
            parameters = _without_removed(parameters)
            student = cls(**{name: _as_tuple(value) for name, value in parameters.items()})
            student._validate_params()
            student.history_ = [dict(epoch) for epoch in figures["history"]]
            student.n_iter_ = int(figures["n_iter"])
            student.transfer_size_ = int(figures["transfer_size"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path} is damaged: {error!s:.200}") from error
        student.classes_ = model.classes
        student.multilabel_ = model.multilabel
        student.n_parameters_ = model.n_parameters
        student._vocabulary = model.vocabulary
        student._counts = model.counts
        student._weights = model.weights
        student._fitted_architecture = model.architecture
        student._compile()
        return student

    def prune_vocabulary(self, n_features: int) -> Self:
        """Keep the features that matter most; the others become unknown ones.

        A feature matters by how often it occurred in the transfer set, times how far its
        embedding is from that of unknown features: roughly, how much is lost without it.

        Parameters
        ----------
        n_features : int
            Rows that the embedding keeps, with the one for unknown features; rows of
            `hash_buckets` are kept in any case and do not count.

        Returns
        -------
        self : object
            The student, which is smaller now.

        Raises
        ------
        ValueError
            If `n_features` is below 2 or above what there is, or the student was loaded from a
            file of int8 weights.
        """
        check_is_fitted(self)
        if self._counts is None:
            raise ValueError(
                "This student was loaded from a file of int8 weights, which does not hold how "
                "often each feature occurred; prune before saving, or save in another precision."
            )
        n_listed = len(self._vocabulary.features) + 1
        if not isinstance(n_features, int | np.integer) or not 2 <= n_features <= n_listed:
            raise ValueError(
                f"n_features={n_features!r} must be an integer from 2 to {n_listed}, the rows of "
                "the embedding that stand for listed features."
            )
        embedding = self._weights["embedding.weight"]
        distances = np.linalg.norm(embedding[1:n_listed] - embedding[UNKNOWN], axis=1)
        importance = distances * self._counts[1:n_listed]
        kept = 1 + np.sort(np.argsort(-importance, kind="stable")[: n_features - 1])
        rows = np.concatenate([[UNKNOWN], kept, np.arange(n_listed, len(embedding))])
        self._vocabulary = self._vocabulary.select(kept)
        self._counts = self._counts[rows]
        self._weights = {**self._weights, "embedding.weight": embedding[rows]}
        self.n_parameters_ -= (n_listed - n_features) * embedding.shape[1]
        self._compile()
        return self

    @property
    def vocabulary_(self) -> dict[str, int]:
        """The listed features and their rows of the embedding; row 0 is for unknown ones."""
        check_is_fitted(self)
        return {feature: row for row, feature in enumerate(self._vocabulary.features, start=1)}

    @property
    def network_(self) -> "nn.Module":
        """The trained torch module, in evaluation mode; built anew at each access."""
        check_is_fitted(self)
        import torch

        weights = {name: torch.from_numpy(array.copy()) for name, array in self._weights.items()}
        network = self._make_network(
            self._weights["log_prior"],
            n_features=len(self._vocabulary),
            **self._fitted_architecture,
        )
        network.load_state_dict(weights)
        return network.eval()

    def __dir__(self) -> list[str]:
        # scikit-learn's own reads each attribute, and its HTML shows what is listed: `network_`
        # would load torch only to be looked at.
        names = set(object.__dir__(self))
        if "torch" not in sys.modules:
            names.remove("network_")
        return [name for name in names if hasattr(self, name)]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_runtime" in state:
            del state["_runtime"]
            state["teacher"] = None if self.teacher is None else unfitted(self.teacher)
        return stamp(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(unstamp(state, type(self).__name__))
        if hasattr(self, "_weights"):
            self._compile()


def _without_removed(parameters: dict[str, Any]) -> dict[str, Any]:
    """Leave out training options of earlier versions, and warn if one of them was in use."""
    removed = {"calibrate_teacher": True, "loss": "standardized_kl"}
    used = [name for name, value in removed.items() if parameters.get(name) == value]
    if used:
        options = " and ".join(f"{name}={removed[name]!r}" for name in used)
        warnings.warn(
            f"This student was trained with {options}, which this version no longer has: it "
            "predicts as before, but a new fit would train without.",
            stacklevel=3,
        )
    return {
        name: value
        for name, value in parameters.items()
        if name not in used and name != "calibrate_teacher"
    }


def _is_plain(value: Any) -> bool:
    """Tell whether JSON can hold a parameter."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
