"""A fitted student as an object of its own: NumPy and SciPy alone, no torch, no scikit-learn.

Processes that only predict import this module and load a file that a student's `save` wrote.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skdistill._core.multilabel import share_of_equal
from skdistill._core.texts import check_texts
from skdistill.runtime._explanation import Explanations, explain
from skdistill.runtime._model_file import StoredModel, read_model, write_model
from skdistill.runtime._network import CompiledNetwork
from skdistill.runtime._quantization import Precision
from skdistill.text._vocabulary import slices

_CHARACTERS_A_JOB = 2**20


class CompiledClassifier:
    """A student that does nothing but predict.

    Parameters
    ----------
    model : StoredModel
        What a student's `compile` or a file gives; see `load` for the usual way.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels; for several labels a text, the columns' numbers.
    multilabel_ : bool
        Whether a text may have several labels.

    See Also
    --------
    DistilledMLPClassifier : Whose `compile` and `save` make one.
    parity_report : Tells what rounded weights change.
    export_onnx : For programs that run no Python.

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
    >>> served.predict(["hot soup", "my bus"])
    array(['food', 'travel'], dtype='<U6')
    """

    def __init__(self, model: StoredModel):
        self.classes_ = model.classes
        self.multilabel_ = model.multilabel
        self._model = model
        self._network = model.compile()

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "CompiledClassifier":
        """Read a file that a student's `save` wrote; nothing in it is run.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        CompiledClassifier
            What was in it.

        Raises
        ------
        ModelFileError
            If the file is no model of this package, is damaged, or of a later version.
        OSError
            If it cannot be read.
        """
        return cls(read_model(Path(path)))

    @property
    def n_parameters_(self) -> int:
        """Trained parameters."""
        return self._model.n_parameters

    def save(self, path: str | PathLike[str], *, precision: Precision = "float32") -> None:
        """Write the student into one file, without the parameters of its training.

        Parameters
        ----------
        path : path-like
            An earlier file is replaced once the new one is complete.
        precision : {"float32", "float16", "int8"}, default="float32"
            How weights are stored; see `skdistill.runtime._quantization.quantize`.
        """
        write_model(self._model, Path(path), precision)

    def decision_function(self, X: Iterable[str], *, n_jobs: int | None = None) -> np.ndarray:
        """Compute the logits.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.
        n_jobs : int or None, default=None
            Threads; see `predict_proba`.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
            Logarithms of probabilities, up to a constant a text; columns follow `classes_`.
        """
        return compute(self._network.decision_function, check_texts(X), n_jobs)

    def predict_proba(self, X: Iterable[str], *, n_jobs: int | None = None) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts. One without any known feature gets the classes' shares among the training
            labels.
        n_jobs : int or None, default=None
            Threads among which texts are divided, some thousands at a time, through joblib; -1
            takes all processors.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
            Columns follow `classes_`.

        Raises
        ------
        ValueError
            If `X` is a bare string, a table, has no rows, or holds a missing value.
        TypeError
            If `X` holds something else than text.
        """
        return compute(self._network.predict_proba, check_texts(X), n_jobs)

    def predict(self, X: Iterable[str], *, n_jobs: int | None = None) -> np.ndarray:
        """Predict the most probable class of each text, or all labels more likely than not.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.
        n_jobs : int or None, default=None
            Threads; see `predict_proba`.

        Returns
        -------
        ndarray of shape (n_texts,) or (n_texts, n_labels)
            Labels out of `classes_`; ones and zeros where a text may have several.
        """
        winners = compute(self._network.predict, check_texts(X), n_jobs)
        return winners if self.multilabel_ else self.classes_[winners]

    def predict_proba_iter(
        self,
        X: Iterable[str],
        *,
        chunk_size: int = 10_000,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> Iterator[np.ndarray]:
        """Predict class probabilities of a stream of texts, some thousands at a time.

        Parameters
        ----------
        X : iterable of str
            The texts, such as the lines of a file; read only as far as predictions are asked for.
        chunk_size : int, default=10_000
            Texts in memory at a time.
        n_jobs : int or None, default=None
            Threads; see `predict_proba`.
        verbose : int, default=0
            Whether to show a progress bar, in texts.

        Returns
        -------
        iterator of ndarray of shape (chunk_size, n_classes), dtype float32
            Probabilities of the next texts; the last array may be shorter.

        Raises
        ------
        ValueError, TypeError
            If `X` is a bare string, or a row is no text: the message gives its number.

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
        """Tell what each word, n-gram or character of a text contributes to each class.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            The texts.

        Returns
        -------
        list of Explanation, of length n_texts
            In the order of the texts; a notebook shows them as marked text.

        Raises
        ------
        ValueError
            If the student is no MLP, or has hidden layers: its words do not add up.
        """
        return explain(self._network, self.classes_, check_texts(X))

    def to_html(
        self,
        path: str | PathLike[str],
        X: Iterable[str] | None = None,
        y: ArrayLike | None = None,
        **options: Any,
    ) -> None:
        """Write a model card with the model in it: one page, in which one tries the student.

        Parameters
        ----------
        path : path-like
            The HTML file; an earlier one is replaced once the new one is complete.
        X : iterable of str, of length n_texts, default=None
            Texts that the student was not trained on, for the figures.
        y : array-like of shape (n_texts,) or (n_texts, n_labels), default=None
            Their labels.
        **options
            What else :meth:`DistilledMLPClassifier.to_html` takes. Of the training the page tells
            what is in the file.

        Raises
        ------
        TypeError, ValueError, OSError
            As there.
        """
        # Here, so that a process that predicts starts without it.
        from skdistill.card._page import write_card

        write_card(path, self._model, X=X, y=y, **options)


def parity_report(
    student: Any, X: Iterable[str], y: ArrayLike | None = None, *, precision: Precision = "int8"
) -> dict[str, Any]:
    """Tell what rounding a student's weights changes on some texts.

    Parameters
    ----------
    student : fitted student or CompiledClassifier
        Whose weights are rounded.
    X : iterable of str, of length n_texts
        The texts.
    y : array-like of shape (n_texts,) or (n_texts, n_labels), default=None
        Gold labels; with them accuracies are given. Where a text may have several labels, it is
        right if all of them are.
    precision : {"float16", "int8"}, default="int8"
        What weights are rounded to.

    Returns
    -------
    dict
        ``"n_texts"``; ``"largest_difference"`` between probabilities; ``"agreement"``, the share of
        texts whose class stays the same; and with `y` ``"accuracy"``, ``"rounded_accuracy"`` and
        ``"accuracy_change"``. Shares lie between 0 and 1.

    See Also
    --------
    CompiledClassifier : What predicts from rounded weights.

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
        labels = np.asarray(y)
        if labels.shape != predicted.shape:
            raise ValueError(
                f"y must hold the labels of the {len(texts)} texts, in an array of shape "
                f"{predicted.shape}, but has shape {labels.shape}."
            )
        report["accuracy"] = share_of_equal(predicted, labels)
        report["rounded_accuracy"] = share_of_equal(rounded_predicted, labels)
        report["accuracy_change"] = report["rounded_accuracy"] - report["accuracy"]
    return report


def as_compiled(student: Any) -> CompiledClassifier:
    """Compile a student, unless it is compiled.

    Parameters
    ----------
    student : fitted student or CompiledClassifier

    Returns
    -------
    CompiledClassifier

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(student, CompiledClassifier):
        return student
    # Not by `compile`, which torch's modules have too.
    if not hasattr(student, "predict_proba_iter"):
        raise TypeError(
            f"{type(student).__name__} is no student: pass a fitted student or a "
            "CompiledClassifier; a committee's members one by one."
        )
    compiled: CompiledClassifier = student.compile()
    return compiled


def compute(
    method: Callable[..., np.ndarray], texts: list[str], n_jobs: int | None = None
) -> np.ndarray:
    """Call a network's method for checked texts, in several threads if that was asked for.

    Parameters
    ----------
    method : bound method of a CompiledNetwork
    texts : list of str, of length n_texts
    n_jobs : int or None, default=None

    Returns
    -------
    ndarray of length n_texts
    """
    if n_jobs in (None, 1):
        return method(texts)
    from joblib import Parallel, delayed

    # Each of NumPy's calls ends with a wait for Python's lock: let them be few and long.
    runs = slices(texts, _CHARACTERS_A_JOB)
    work = (delayed(method)(texts[rows], n_characters=_CHARACTERS_A_JOB) for rows in runs)
    return np.concatenate(Parallel(n_jobs=n_jobs, require="sharedmem")(work))


def iterate_proba(
    network: CompiledNetwork,
    X: Iterable[str],
    chunk_size: int,
    n_jobs: int | None,
    verbose: int,
) -> Iterator[np.ndarray]:
    """Do what `CompiledClassifier.predict_proba_iter` says; arguments are checked at once."""
    if isinstance(X, str | bytes) or not isinstance(X, Iterable):
        check_texts(X)
    if not isinstance(chunk_size, int | np.integer) or chunk_size < 1:
        raise ValueError(f"chunk_size={chunk_size!r} must be a positive integer.")
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
            yield compute(network.predict_proba, texts, n_jobs)
            n_done += len(texts)
            if bar is not None:
                bar.update(len(texts))
    finally:
        if bar is not None:
            bar.close()
