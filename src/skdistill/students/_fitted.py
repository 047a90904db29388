"""Prediction, files and pickles of fitted students, without torch."""

import sys
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skdistill._core.estimators import stamp, unstamp
from skdistill._core.exceptions import ModelFileError
from skdistill._core.texts import check_texts
from skdistill.card._facts import as_plain, describe_parameters, training_parameters
from skdistill.card._page import write_card
from skdistill.labelling._missing_teacher import MissingTeacher
from skdistill.labelling._pool import TextPool, without_texts
from skdistill.labelling._teacher import CloningMixin, unfitted
from skdistill.runtime._explanation import Explanations, explain
from skdistill.runtime._model_file import StoredModel, read_model, write_model
from skdistill.runtime._quantization import Precision
from skdistill.serving import CompiledClassifier, compute, iterate_proba
from skdistill.students._calibration import CalibratableStudent, read_calibration
from skdistill.students._left_out import LeftOut
from skdistill.students._stored_parameters import from_json, to_json, without_removed
from skdistill.text._vocabulary import UNKNOWN

if TYPE_CHECKING:
    from torch import nn

    from skdistill.students.training._network import TextNetwork


class FittedStudent(CloningMixin, CalibratableStudent):
    """Methods of a fitted student, which need a vocabulary, weights and an architecture."""

    # The student's name in `skdistill.runtime._kinds.KINDS` and in model files.
    _kind: ClassVar[str]

    teacher: Any
    unlabeled: TextPool | None
    n_jobs: int | None
    verbose: int
    history_: list[dict[str, float]]
    n_iter_: int
    transfer_size_: int
    n_parameters_: int
    _record: dict[str, Any]
    # Attributes with dates and clock times, which do not change predictions.
    _records: ClassVar = ("history_", "_record")
    _trained_with: dict[str, Any]
    _counts: np.ndarray | None
    _fitted_architecture: dict[str, Any]

    @classmethod
    @abstractmethod
    def _make_network(
        cls, log_prior: np.ndarray, n_features: int, **architecture: Any
    ) -> "TextNetwork":
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
            estimator={"record": self._record, "calibration": self.calibration_},
        )

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Predict class probabilities, using only NumPy and SciPy.

        For a text without known features, the student predicts the class frequencies of the
        training labels. If it was trained without labels, it predicts the mean of the teacher's
        probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes), dtype float32
            Probabilities. Columns follow `classes_`. Rows sum to 1 unless a text may have several
            labels.
        """
        return self._compute("predict_proba", X)

    def _logits(self, X: Iterable[str]) -> NDArray[np.float32]:
        return self._compute("decision_function", X)

    def _winners(self, X: Iterable[str]) -> np.ndarray:
        return self._compute("predict", X)

    def _compute(self, method: str, X: Iterable[str]) -> np.ndarray:
        # check_is_fitted takes half of the time of predicting one text.
        if "_runtime" not in vars(self):
            check_is_fitted(self)
        return compute(self._runtime, method, X, self.n_jobs)

    def predict_proba_iter(
        self, X: Iterable[str], *, chunk_size: int = 10_000
    ) -> Iterator[NDArray[np.float32]]:
        """Predict class probabilities of a stream of texts, in chunks.

        Parameters
        ----------
        X : iterable of str
            The texts, such as the lines of a file. They are read lazily.
        chunk_size : int, default=10_000
            Number of texts in memory at a time.

        Returns
        -------
        iterator of ndarray of shape (chunk_size, n_classes), dtype float32
            Probabilities of the next texts. The last array may be shorter. With `verbose`, a
            progress bar counts texts.

        Raises
        ------
        ValueError, TypeError
            If `X` is a single string, or if a row is not a string. The message gives its number.
        """
        check_is_fitted(self)
        return iterate_proba(self._runtime, X, chunk_size, self.n_jobs, self.verbose)

    def explain(self, X: Iterable[str]) -> Explanations:
        """Compute how much each word, n-gram or character contributes to each class.

        The logits of an MLP without hidden layers are sums over words, weighted by attention, so
        the decomposition is exact.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        list of Explanation, of length n_texts
            Spans in the text, contributions and bias: see
            :class:`~skdistill.runtime.Explanation`. Contributions have one column for each of
            `classes_`. With two classes, the decision function is the sum of the second column
            minus the sum of the first. A notebook shows the texts with the contributions in colour.

        Raises
        ------
        ValueError
            If the student is not an MLP, if it has hidden layers, or if `X` is invalid.

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
        """Return an object that only predicts and is faster on single texts.

        Parameters
        ----------
        precision : {"float32", "float16", "int8"}, default="float32"
            Precision to round the weights to, as in a file of that precision. Predictions are
            always computed in float32.

        Returns
        -------
        CompiledClassifier
            It makes the same predictions as the student, up to the rounding of `precision`.
        """
        check_is_fitted(self)
        return CompiledClassifier(self._stored().rounded(precision))

    def save(self, path: str | PathLike[str], *, precision: Precision = "float32") -> None:
        """Save the fitted student in one file, which contains neither a pickle nor the teacher.

        :meth:`load` reads the file as an estimator. :meth:`CompiledClassifier.load` reads it
        without scikit-learn.

        Parameters
        ----------
        path : path-like
            The file to write. An existing file is replaced once the new one is complete.
        precision : {"float32", "float16", "int8"}, default="float32"
            Precision of the stored weights. :func:`~skdistill.parity_report` measures the effect
            of rounding. A student loaded from an ``"int8"`` file cannot be pruned.

        Raises
        ------
        TypeError
            If the analyzer is a function, or the labels are objects.
        """
        check_is_fitted(self)
        # int8 files should be small, so they leave out the counts, which only pruning needs.
        counts = None if precision == "int8" else self._counts
        write_model(replace(self._described(), counts=counts), Path(path), precision)

    def _described(self) -> StoredModel:
        """Return the stored model with its parameters and training history."""
        figures = {
            "history": self.history_,
            "n_iter": self.n_iter_,
            "transfer_size": self.transfer_size_,
        }
        now = {name: as_plain(value) for name, value in self.get_params(deep=False).items()}
        parameters = to_json(now | self._trained_with)
        stored = self._stored()
        estimator = stored.estimator | {"parameters": parameters, "figures": figures}
        return replace(stored, estimator=estimator)

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
        """Write a model card that runs the student: a single HTML page.

        The page [1]_ describes the student, its training, its accuracy and its limits. It contains
        the weights as 8-bit integers. It predicts at each keystroke, with the same results as
        ``compile("int8")``. For an MLP without hidden layers, it also shows the contribution of
        each word. The page needs neither a server nor network access, and its content security
        policy forbids both. Sections that you pass no data for are left out.

        Parameters
        ----------
        path : path-like
            The HTML file to write. An existing file is replaced once the new one is complete.
        X : iterable of str, of length n_texts, default=None
            Evaluation texts that the student was not trained on.
        y : array-like of shape (n_texts,) or (n_texts, n_labels), default=None
            Labels of `X`.
        teacher : classifier or array-like of shape (n_texts, n_classes), default=None
            The teacher to compare the student with: a fitted classifier with ``predict_proba``, or
            its probabilities for `X`.
        controls : dict of str to such classifiers or arrays, default=None
            Other models to compare with, by the names to show.
        report : DistillationReport, default=None
            The result of :func:`~skdistill.distillation_report`.
        title : str, default=None
            Title of the page. If None, it names the kind of student and the classes.
        description : str, default=""
            What the model is for, in a sentence or two.
        class_names : sequence of str, of length n_classes, default=None
            Names of `classes_` on the page. If None, the labels are shown.
        limits : iterable of str, default=()
            Sentences about what the model cannot do or must not be used for. The page always lists
            the limits that follow from the student's architecture.
        license : str, default=""
            Terms of use.
        example : str, default=""
            Initial text in the input box.

        Raises
        ------
        TypeError
            If the analyzer is a function, which the page cannot call.
        ValueError
            If data for the evaluation is passed without `X`, or if labels, classes or shapes do
            not match.
        OSError
            If the file cannot be written.

        Notes
        -----
        The page contains the whole student, including its vocabulary, which consists of words from
        the training texts. It does not contain `X`.

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
            training=describe_parameters(type(self), self._trained_with),
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Load a fitted student from a file written by :meth:`save`, without running code from it.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        student : object
            The fitted student. Parameters that are objects (such as augmenter and callbacks) have
            their defaults. If the student had a teacher, `fit` raises an error until you set
            `teacher` to an estimator, or to None to train on the gold labels.

        Raises
        ------
        ModelFileError
            If the file is damaged, is not a skdistill model, or contains another kind of student.

        Warns
        -----
        UserWarning
            If the student was trained with an option that this version no longer has. Its
            predictions do not change.
        """
        model = read_model(Path(path))
        if model.kind != cls._kind:
            raise ModelFileError(
                f"{path} contains a student of kind {model.kind!r}, but {cls.__name__} loads kind "
                f"{cls._kind!r}; use the class for {model.kind!r}, or CompiledClassifier.load."
            )
        if not {"parameters", "figures"} <= model.estimator.keys():
            raise ModelFileError(
                f"{path} was saved for prediction only; load it with CompiledClassifier.load."
            )
        try:
            parameters, figures = model.estimator["parameters"], model.estimator["figures"]
            parameters = from_json(without_removed(parameters))
            student = cls(**parameters)
            student._validate_params()
            student.history_ = [dict(epoch) for epoch in figures["history"]]
            student.n_iter_ = int(figures["n_iter"])
            student.transfer_size_ = int(figures["transfer_size"])
            student._record = dict(model.estimator.get("record", {}))
            student.calibration_ = read_calibration(model.estimator.get("calibration"))
            student._trained_with = training_parameters(student)
            if "teacher" not in parameters:  # files contain None, but no estimators
                student.teacher = MissingTeacher(student._record.get("teacher"))
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
        """Keep the most important features and treat the others as unknown.

        The importance of a feature is its number of occurrences in the transfer set times the
        distance of its embedding from that of unknown features. This approximates the loss of
        information when the feature is removed.

        Parameters
        ----------
        n_features : int
            Number of rows of the embedding to keep, including the row for unknown features. Rows
            for `hash_buckets` are always kept and not counted.

        Returns
        -------
        self : object
            The pruned student.

        Raises
        ------
        ValueError
            If `n_features` is less than 2 or exceeds the current number, or if the student was
            loaded from an int8 file.
        """
        check_is_fitted(self)
        if self._counts is None:
            raise ValueError(
                "This student cannot be pruned: it was loaded from an int8 file, which has no "
                "feature counts. Prune it before you save it, or save it with another precision."
            )
        n_listed = len(self._vocabulary.features) + 1
        if not isinstance(n_features, int | np.integer) or not 2 <= n_features <= n_listed:
            raise ValueError(
                f"n_features={n_features!r:.60} must be an integer from 2 to {n_listed}, the "
                "student's current number of features without hash buckets."
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
        """The known features and their rows in the embedding; row 0 is for unknown features."""
        check_is_fitted(self)
        return {feature: row for row, feature in enumerate(self._vocabulary.features, start=1)}

    @property
    def network_(self) -> "nn.Module":
        """The trained torch module in evaluation mode; each access builds a new one."""
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
        # scikit-learn's `__dir__` and HTML representation read every attribute, and reading
        # `network_` would import torch.
        names = set(object.__dir__(self))
        if "torch" not in sys.modules:
            names.remove("network_")
        return [name for name in names if hasattr(self, name)]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_runtime" in state:
            del state["_runtime"]
            state["teacher"] = None if self.teacher is None else unfitted(self.teacher)
            state["unlabeled"] = without_texts(self.unlabeled)
        return stamp(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(unstamp(state, type(self).__name__))
        if hasattr(self, "_weights"):
            # Pickles of earlier versions lack these.
            self._record = getattr(self, "_record", {})
            self.calibration_ = getattr(self, "calibration_", None)
            self.unlabeled = getattr(self, "unlabeled", None)
            if not hasattr(self, "_trained_with"):
                self._trained_with = training_parameters(self)
            self._compile()

    def __reduce_ex__(self, protocol: Any) -> Any:
        constructor, arguments, state, *others = super().__reduce_ex__(protocol)
        if "_runtime" in vars(self):
            for name in ("teacher", "unlabeled"):
                state[name] = LeftOut(getattr(self, name), state[name])
        return constructor, arguments, state, *others

    def __copy__(self) -> Self:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied
