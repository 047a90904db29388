"""Serve a fitted student with NumPy and SciPy only, without torch or scikit-learn.

Processes that only predict import this module and load a file written by a student's `save`.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skdistill._core.label_columns import find_labels
from skdistill._core.lazy import naming_what_needs
from skdistill._core.multilabel import share_of_equal
from skdistill._core.texts import check_texts
from skdistill.runtime._explanation import Explanations, explain
from skdistill.runtime._model_file import StoredModel, read_model, write_model
from skdistill.runtime._network import CompiledNetwork
from skdistill.runtime._quantization import Precision
from skdistill.text._vocabulary import slices

_CHARACTERS_A_JOB = 2**20


class CompiledClassifier:
    """A fitted student for prediction only.

    You usually get one from a student's `compile` or from `load`.

    Parameters
    ----------
    model : StoredModel
        The model to serve.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels, or the column numbers if a text may have several labels.
    multilabel_ : bool
        Whether a text may have several labels.

    See Also
    --------
    DistilledMLPClassifier : Create a compiled student with `compile` or `save`.
    parity_report : Measure how rounded weights change predictions.
    export_onnx : Write a student for programs in other languages.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from skdistill import CompiledClassifier, DistilledMLPClassifier
    >>> X = ["a warm soup", "fresh bread", "warm bread", "a fast train", "late train", "fast bus"]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"]
    >>> student = DistilledMLPClassifier(max_epochs=50, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     student.save(f"{folder}/student.skd")
    ...     served = CompiledClassifier.load(f"{folder}/student.skd")
    >>> served
    CompiledClassifier(mlp, 2 classes, 466 parameters, ...)
    >>> served.predict(["hot soup", "my bus"])
    array(['food', 'travel'], dtype='<U6')
    """

    # As in `TextClassifier`, which needs scikit-learn.
    _keeps_names = True

    def __init__(self, model: StoredModel):
        self.classes_ = model.classes
        self.multilabel_ = model.multilabel
        self._model = model
        self._network = model.compile()

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "CompiledClassifier":
        """Read a file written by a student's `save`.

        Reading the file runs no code.

        Parameters
        ----------
        path : path-like
            The file to read.

        Returns
        -------
        CompiledClassifier
            The student in the file.

        Raises
        ------
        ModelFileError
            If the file is not a skdistill model, is damaged, or was written by a later version.
        OSError
            If the file cannot be read.
        """
        return cls(read_model(Path(path)))

    @property
    def n_parameters_(self) -> int:
        """Number of trained parameters."""
        return self._model.n_parameters

    def __repr__(self) -> str:
        noun = "labels" if self.multilabel_ else "classes"
        return (
            f"CompiledClassifier({self._model.kind}, {len(self.classes_)} {noun}, "
            f"{self.n_parameters_:,} parameters, {self._network.engine})"
        )

    def save(self, path: str | PathLike[str], *, precision: Precision = "float32") -> None:
        """Write the student to a file, without its training parameters.

        Parameters
        ----------
        path : path-like
            The file to write. An existing file is replaced once the new one is complete.
        precision : {"float32", "float16", "int8"}, default="float32"
            Precision of the stored weights. ``"float16"`` and ``"int8"`` round them.
        """
        write_model(self._model, Path(path), precision)

    def decision_function(self, X: Iterable[str], *, n_jobs: int | None = None) -> np.ndarray:
        """Compute the logits.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.
        n_jobs : int or None, default=None
            Number of threads; see `predict_proba`.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
            Logarithms of probabilities, up to a constant per text. Columns follow `classes_`.
        """
        return compute(self._network, "decision_function", X, n_jobs)

    def predict_proba(self, X: Iterable[str], *, n_jobs: int | None = None) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts. A text without any known feature gets the class frequencies of the training
            labels.
        n_jobs : int or None, default=None
            Number of joblib threads that share the texts. -1 uses all processors.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
            Class probabilities. Columns follow `classes_`.

        Raises
        ------
        ValueError
            If `X` is a bare string or a table, has no rows, or contains a missing value.
        TypeError
            If `X` contains anything other than text.
        """
        return compute(self._network, "predict_proba", X, n_jobs)

    def predict(self, X: Iterable[str], *, n_jobs: int | None = None) -> np.ndarray:
        """Predict the most probable class of each text, or all labels more likely than not.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.
        n_jobs : int or None, default=None
            Number of threads; see `predict_proba`.

        Returns
        -------
        ndarray of shape (n_texts,) or (n_texts, n_labels)
            Labels from `classes_`, or ones and zeros if a text may have several labels.
        """
        winners = compute(self._network, "predict", X, n_jobs)
        return winners if self.multilabel_ else self.classes_[winners]

    def predict_proba_iter(
        self,
        X: Iterable[str],
        *,
        chunk_size: int = 10_000,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> Iterator[np.ndarray]:
        """Predict class probabilities of a stream of texts, chunk by chunk.

        Parameters
        ----------
        X : iterable of str
            The texts, such as the lines of a file. They are read only as you consume predictions.
        chunk_size : int, default=10_000
            Number of texts per chunk.
        n_jobs : int or None, default=None
            Number of threads; see `predict_proba`.
        verbose : int, default=0
            Whether to show a progress bar that counts texts.

        Returns
        -------
        iterator of ndarray of shape (chunk_size, n_classes), dtype float32
            Probabilities of each chunk. The last array may be shorter.

        Raises
        ------
        ValueError, TypeError
            If `X` is a bare string, or a row is not text. The message gives the row number.

        Examples
        --------
        >>> from skdistill import DistilledMLPClassifier
        >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
        >>> served = DistilledMLPClassifier(random_state=0).fit(X, y).compile()
        >>> stream = (text for text in X)
        >>> [proba.shape for proba in served.predict_proba_iter(stream, chunk_size=2)]
        [(2, 2), (1, 2)]
        """
        return iterate_proba(self._network, X, chunk_size, n_jobs, verbose)

    def explain(self, X: Iterable[str]) -> Explanations:
        """Compute how much each word, n-gram or character contributes to each class.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        list of Explanation, of length n_texts
            One explanation per text. A notebook shows them as highlighted text.

        Raises
        ------
        ValueError
            If the student is not an MLP, or has hidden layers. Its logits are then not sums over
            words.
        """
        return explain(self._network, self.classes_, check_texts(X))

    def to_html(
        self,
        path: str | PathLike[str],
        X: Iterable[str] | None = None,
        y: ArrayLike | None = None,
        **options: Any,
    ) -> None:
        """Write a model card that contains the model: an HTML page where anyone can try it.

        The page describes the training as far as the model file does.

        Parameters
        ----------
        path : path-like
            The HTML file. An existing file is replaced once the new one is complete.
        X : iterable of str, of length n_texts, default=None
            Test texts that the student was not trained on, for the results on the card.
        y : array-like of shape (n_texts,) or (n_texts, n_labels), default=None
            Labels of the test texts.
        **options
            Further arguments of :meth:`DistilledMLPClassifier.to_html`.

        Raises
        ------
        TypeError, ValueError, OSError
            See :meth:`DistilledMLPClassifier.to_html`.
        """
        # Imported here to keep prediction-only processes fast to start.
        with naming_what_needs("A model card"):
            from skdistill.card._page import write_card

        write_card(path, self._model, X=X, y=y, **options)


def parity_report(
    student: Any, X: Iterable[str], y: ArrayLike | None = None, *, precision: Precision = "int8"
) -> dict[str, Any]:
    """Measure how rounding a student's weights changes its predictions.

    Parameters
    ----------
    student : fitted student or CompiledClassifier
        The student to round. It is not changed.
    X : iterable of str, of length n_texts
        The texts.
    y : array-like of shape (n_texts,) or (n_texts, n_labels), default=None
        Gold labels, needed for the accuracies. If a text may have several labels, all of them must
        be correct.
    precision : {"float16", "int8"}, default="int8"
        Precision of the rounded weights.

    Returns
    -------
    dict
        Always ``"n_texts"``, ``"largest_difference"`` between probabilities, and ``"agreement"``,
        the share of texts with an unchanged prediction. With `y` also ``"accuracy"``,
        ``"rounded_accuracy"`` and ``"accuracy_change"``. Shares are between 0 and 1.

    See Also
    --------
    CompiledClassifier : Load a student saved with rounded weights.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, parity_report
    >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
    >>> report = parity_report(DistilledMLPClassifier(random_state=0).fit(X, y), X, y)
    >>> report["agreement"], report["accuracy_change"]
    (1.0, 0.0)
    """
    exact = as_compiled(student)
    rounded = CompiledClassifier(exact._model.rounded(precision))
    texts = check_texts(X)
    before, after = exact.predict_proba(texts), rounded.predict_proba(texts)
    predicted, rounded_predicted = exact.predict(texts), rounded.predict(texts)
    report = {
        "n_texts": len(texts),
        "largest_difference": float(np.abs(before - after).max()),
        "agreement": share_of_equal(predicted, rounded_predicted),
    }
    if y is not None:
        multilabel = exact.multilabel_
        codes = find_labels(y, exact.classes_, n_rows=len(texts), multilabel=multilabel)
        labels = codes if multilabel else exact.classes_[codes]
        report["accuracy"] = share_of_equal(predicted, labels)
        report["rounded_accuracy"] = share_of_equal(rounded_predicted, labels)
        report["accuracy_change"] = report["rounded_accuracy"] - report["accuracy"]
    return report


def as_compiled(student: Any) -> CompiledClassifier:
    """Compile a student, unless it is already compiled.

    Parameters
    ----------
    student : fitted student or CompiledClassifier

    Returns
    -------
    CompiledClassifier

    Raises
    ------
    TypeError
        If `student` is neither a student nor a CompiledClassifier.
    """
    if isinstance(student, CompiledClassifier):
        return student
    # Do not test for `compile`: torch modules have it too.
    if not hasattr(student, "predict_proba_iter"):
        raise TypeError(
            f"{type(student).__name__} is not a student: pass a fitted student or a "
            "CompiledClassifier. For an ensemble, pass its members one by one."
        )
    compiled: CompiledClassifier = student.compile()
    return compiled


def compute(
    network: CompiledNetwork, method: str, X: Iterable[str], n_jobs: int | None = None
) -> np.ndarray:
    """Check texts and call a network's method on them, with several threads if requested.

    Parameters
    ----------
    network : CompiledNetwork
    method : {"decision_function", "predict_proba", "predict"}
    X : iterable of str, of length n_texts
    n_jobs : int or None, default=None

    Returns
    -------
    ndarray of length n_texts
    """
    kernel = network.kernel
    if kernel is not None:
        if type(X) is list and X:
            try:
                return kernel.answer(method, X, n_jobs)
            except TypeError:  # a row is not a str: convert it, or say which one
                pass
        return kernel.answer(method, check_texts(X), n_jobs)
    texts, call = check_texts(X), getattr(network, method)
    if n_jobs in (None, 1):
        return call(texts)
    from joblib import Parallel, delayed

    # Each NumPy call ends by waiting for the GIL, so make few, long calls.
    runs = slices(texts, _CHARACTERS_A_JOB)
    work = (delayed(call)(texts[rows], n_characters=_CHARACTERS_A_JOB) for rows in runs)
    return np.concatenate(Parallel(n_jobs=n_jobs, require="sharedmem")(work))


def iterate_proba(
    network: CompiledNetwork,
    X: Iterable[str],
    chunk_size: int,
    n_jobs: int | None,
    verbose: int,
) -> Iterator[np.ndarray]:
    """Check the arguments, then predict as `CompiledClassifier.predict_proba_iter` describes."""
    if isinstance(X, str | bytes) or not isinstance(X, Iterable):
        check_texts(X)
    if not isinstance(chunk_size, int | np.integer) or chunk_size < 1:
        raise ValueError(f"chunk_size must be a positive integer, but is {chunk_size!r:.200}.")
    return _iterate(network, iter(X), chunk_size, n_jobs, verbose)


def _iterate(
    network: CompiledNetwork,
    rows: Iterator[str],
    chunk_size: int,
    n_jobs: int | None,
    verbose: int,
) -> Iterator[np.ndarray]:
    bar: Any = None
    if verbose:
        from skdistill._core.progress import progress_bar

        bar = progress_bar(desc="predicting", unit="text")
    n_done = 0
    try:
        while chunk := list(islice(rows, chunk_size)):
            texts = check_texts(chunk, first_row=n_done)
            yield compute(network, "predict_proba", texts, n_jobs)
            n_done += len(texts)
            if bar is not None:
                bar.update(len(texts))
    finally:
        if bar is not None:
            bar.close()
