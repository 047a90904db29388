"""A teacher made from any function that labels texts."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdistill._core.estimators import TextClassifier, fit_context
from skdistill._core.label_columns import as_labels, names_or_numbers
from skdistill._core.labels import check_labels
from skdistill._core.texts import check_texts
from skdistill.teachers._answers import AnswerReader
from skdistill.teachers._given_classes import check_given_classes, check_known

_logger = logging.getLogger(__name__)

# The longest time between two attempts, in seconds.
_LONGEST_WAIT = 60
# Number of odd answers that an error message shows, and that are odd enough to stop if no answer is
# usable.
_SHOWN, _TOO_MANY = 3, 10
# What an answer should be, if a text has one label, and if it may have several.
_WANTED = (
    "a label, the probabilities of all classes, or a dict of labels and probabilities",
    "the probability of each label, or a dict of labels and probabilities",
)
_NUMBERED = (
    "If a VotingClassifier or StackingClassifier has numbered the labels, leave classes out and "
    "let func return probabilities in the order of the sorted labels."
)

# Row numbers, their probabilities, and what is wrong with the odd ones among the rows.
_Batch = tuple[np.ndarray, np.ndarray, dict[int, str]]


class FunctionTeacherClassifier(TextClassifier):
    """A teacher made from a function, such as a call to a web service or to a language model.

    The function labels one batch of texts after another. With a student's `memory`, each batch is
    on disk as soon as it is labelled, so an error, Ctrl-C or a crash costs you one batch at most.

    Parameters
    ----------
    func : callable
        Maps a list of ``str`` to one answer per text. An answer is one of:

        - probabilities, in the order of `classes` or, by default, of the sorted labels in `y`;
        - a dict that maps labels to probabilities; those that are missing are 0;
        - a label, which gets the probability 1.

        An array of shape (n_texts, n_classes) is fine, too. Rounded probabilities are normalised:
        their sum may differ from 1 by 0.05. If a text may have several labels, an answer contains
        the probability of each, by position or by the names of the columns of `y`. Inside a
        ``VotingClassifier`` or ``StackingClassifier``, which number the labels, return
        probabilities. The function is never trained.
    classes : array-like of shape (n_classes,), default=None
        The labels, in the order of the function's columns. With them, `fit` needs no `y`. None
        takes the sorted labels in `y`.
    batch_size : int, default=32
        Number of texts per call of the function. An interruption loses at most the batches that are
        being answered. Use a large number for a fast local function.
    n_jobs : int, default=1
        Number of calls at the same time, each in a thread of its own. The function must then be
        thread-safe.
    max_retries : int, default=0
        How often a batch is asked again if the function raises an ``Exception``, with waiting times
        of 1, 2, 4, ... and at most 60 seconds. Unusable answers are asked for again, too, without
        the rest of their batch. The clients of many services retry by themselves.
    version : str or int, default=None
        A name for the function's answers in `memory`. By default, `memory` identifies the function
        by its code, so if you edit it, all texts are asked again. With a version, they are asked
        again only if you change the version or the function's name.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels; if a text may have several, the names of the columns of `y`, or their
        numbers if `y` has no names.
    multilabel_ : bool
        Whether a text may have several labels.

    See Also
    --------
    sklearn.preprocessing.FunctionTransformer : The same idea for transformers.

    Notes
    -----
    The code of a function is its bytecode, with constants, defaults, closure variables, and the
    global variables, functions, classes and modules that it refers to. Code of installed packages
    counts by name and version. Comments, docstrings of functions, and what the function itself
    changes, do not count, nor do files and environment variables that it reads. With a method, as
    in ``func=client.ask``, that includes attributes that it changes, such as ``self.n_calls``,
    unless ``__init__`` sets them from its arguments. If the function refers to an object with
    unknown content, such as the client of a service, `memory` requires a `version`.

    `fit` and `memory` depend on the labels but not on the texts, so the folds of a cross-validation
    share their answers.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, FunctionTeacherClassifier
    >>> def ask(texts):
    ...     return ["loud" if "!" in text else {"calm": 0.8, "loud": 0.2} for text in texts]
    >>> teacher = FunctionTeacherClassifier(ask, classes=["calm", "loud"])
    >>> teacher.fit(["so what", "wow !"]).predict_proba(["yes !", "oh"])
    array([[0. , 1. ],
           [0.8, 0.2]], dtype=float32)
    >>> student = DistilledMLPClassifier(teacher, max_epochs=50, random_state=0)
    >>> student.fit(["so what", "wow !", "yes !", "oh", "no"]).predict(["what !"])
    array(['loud'], dtype='<U4')
    """

    # The answers depend on the function and the labels only.
    _learns_nothing = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "func": [callable],
        "classes": ["array-like", None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Interval(Integral, 1, None, closed="left")],
        "max_retries": [Interval(Integral, 0, None, closed="left")],
        "version": [str, Integral, None],
    }

    def __init__(
        self,
        func: Callable[[list[str]], Any],
        *,
        classes: ArrayLike | None = None,
        batch_size: int = 32,
        n_jobs: int = 1,
        max_retries: int = 0,
        version: str | int | None = None,
    ) -> None:
        self.func = func
        self.classes = classes
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.max_retries = max_retries
        self.version = version

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Iterable[str],
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Store the labels, without calling the function.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,) or (n_texts, n_labels), default=None
            Their labels. If a text may have several, an array with one column per label and the
            values 0 and 1. Not needed with `classes`.
        sample_weight : array-like of shape (n_texts,), default=None
            Checked but not used, because nothing is trained.

        Returns
        -------
        self : object
            The fitted teacher.

        Raises
        ------
        ValueError
            If `y` and `classes` are both missing, contradict each other, or are invalid.
        """
        texts = check_texts(X)
        if self.classes is None:
            classes, codes = check_labels(y, n_rows=len(texts), multilabel=True)
            columns, multilabel = classes.tolist(), codes.ndim == 2
        else:
            given = check_given_classes(self.classes)
            columns, multilabel, classes = given.tolist(), False, np.sort(given)
            if y is not None:
                check_known(y, classes, len(texts), _NUMBERED)
        if sample_weight is not None:
            _check_sample_weight(sample_weight, texts)
        self.classes_ = classes
        self.multilabel_ = multilabel
        self._columns = columns
        return self

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Call the function batch by batch, and check what it answers.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes), dtype float32
            Class probabilities; columns follow `classes_`.

        Raises
        ------
        ValueError
            If some answers are neither labels nor probabilities. The message names the texts. All
            other texts have been asked by then, and a student's `memory` keeps their answers. If no
            answer is usable, the function is called no further.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        proba = np.empty((len(texts), len(self.classes_)), dtype=np.float32)
        for rows, answers in self._predict_in_parts(texts):
            proba[rows] = answers
        return proba

    @property
    def _texts_at_a_time(self) -> int:
        return self.batch_size * self.n_jobs

    def _predict_in_parts(self, texts: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield row numbers and their probabilities, one batch after another."""
        starts = range(self.batch_size, len(texts), self.batch_size)
        batches = np.split(np.arange(len(texts)), starts)
        order = [self._columns.index(label) for label in self.classes_.tolist()]
        odd: dict[int, str] = {}
        n_good = 0
        for rows, proba, reasons in self._in_batches(texts, batches):
            good = np.isin(rows, [*reasons], invert=True)
            odd |= reasons
            n_good += int(np.count_nonzero(good))
            if good.any():
                yield rows[good], proba[good][:, order].astype(np.float32)
            elif not n_good and len(odd) >= _TOO_MANY:
                break
        if odd:
            wanted = _WANTED[self.multilabel_]
            raise ValueError(_complaint(odd, texts, wanted, n_asked=len(odd) + n_good))

    def _in_batches(self, texts: list[str], batches: list[np.ndarray]) -> Iterator[_Batch]:
        if self.n_jobs > 1:
            yield from self._in_threads(texts, batches)
        for rows in batches if self.n_jobs == 1 else ():
            yield self._ask(texts, rows)

    def _in_threads(self, texts: list[str], batches: list[np.ndarray]) -> Iterator[_Batch]:
        """Ask for several batches at the same time; after an error, wait for those under way."""
        waiting = iter(batches)
        failure: BaseException | None = None
        running: set[Future[_Batch]] = set()
        pool = ThreadPoolExecutor(self.n_jobs)
        try:
            while True:
                while failure is None and len(running) < self.n_jobs:
                    rows = next(waiting, None)
                    if rows is None:
                        break
                    running.add(pool.submit(self._ask, texts, rows))
                if not running:
                    break
                try:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                except KeyboardInterrupt as interrupt:
                    if failure is not None:
                        raise
                    failure = interrupt
                    continue
                for future in done:
                    error = future.exception()
                    if error is None:
                        yield future.result()
                    failure = failure or error
            if failure is not None:
                raise failure
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, texts: list[str], rows: np.ndarray) -> _Batch:
        """Ask for one batch, and again for what fails; return also the odd rows."""
        reader = AnswerReader(self._columns, multilabel=self.multilabel_)
        proba = np.zeros((len(rows), len(self._columns)))
        missing, reasons = np.arange(len(rows)), {}
        for attempt in range(self.max_retries + 1):
            if attempt:
                time.sleep(min(2 ** (attempt - 1), _LONGEST_WAIT))
            try:
                answers = self.func([texts[row] for row in rows[missing]])
                if isinstance(answers, Iterator):
                    answers = [*answers]
            except Exception as error:
                if attempt < self.max_retries:
                    _logger.warning("func raised %s; retrying", repr(error))
                    continue
                if len(missing) == len(rows):
                    # It would end the loop of the caller; in a generator, it is the cause.
                    if isinstance(error.__cause__ or error, StopIteration):
                        raise RuntimeError(
                            "func raised StopIteration, because an iterator that it uses has no "
                            "more items; make a new one in each call."
                        ) from error
                    raise
                reasons = dict.fromkeys(range(len(missing)), f"func raised {error!r:.200}")
                break
            proba[missing], reasons = reader.read(answers, len(missing))
            missing = missing[[*reasons]]
            if not reasons:
                break
            reasons = dict(enumerate(reasons.values()))
        return rows, proba, {int(rows[missing[i]]): reason for i, reason in reasons.items()}

    def __sklearn_clone__(self) -> Self:
        # The function may hold a connection, which cannot be copied, or count its calls.
        return type(self)(**self.get_params(deep=False))

    def __skdistill_fingerprint__(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return what the answers depend on: the function or its version, and the labels.

        Parameters
        ----------
        X, sample_weight : object
            Ignored, because nothing is learned from them.
        y : array-like of shape (n_texts,) or (n_texts, n_labels), or None
            The labels that an unfitted teacher will be fitted on.

        Returns
        -------
        object
            The value whose hash is the key of a student's `memory`.
        """
        func: Any = self.func
        if self.version is not None:
            func = getattr(func, "__qualname__", type(func).__qualname__), self.version
        if hasattr(self, "classes_"):
            return "function", func, self._columns, self.multilabel_
        if self.classes is not None:
            return "function", func, check_given_classes(self.classes).tolist(), False
        if y is None:
            return "function", func
        labels = as_labels(y)
        is_table = labels.ndim == 2
        columns = names_or_numbers(y, labels.shape[1]) if is_table else np.unique(labels)
        return "function", func, columns.tolist(), is_table

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.classes is None
        tags.classifier_tags.poor_score = True  # nothing is trained
        tags.classifier_tags.multi_label = self.classes is None
        return tags


def _complaint(odd: dict[int, str], texts: list[str], wanted: str, *, n_asked: int) -> str:
    rows = sorted(odd)
    names = {row: f"texts[{row}], {texts[row][:40]!r}" for row in rows[:_SHOWN]}
    more = f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    if len({*odd.values()}) == 1:
        shown = f"{'; '.join(names.values())}{more}: {odd[rows[0]]}"
    else:
        shown = "; ".join(f"{name}: {odd[row]}" for row, name in names.items()) + more
    return (
        f"func returned no usable answer for {len(rows)} of the {n_asked} texts passed to it "
        f"({shown}). For each text, return {wanted}."
    )
