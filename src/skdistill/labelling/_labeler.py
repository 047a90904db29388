"""Labelling of texts with a teacher that is fitted once, and caching of its probabilities."""

import logging
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from itertools import chain, compress
from numbers import Integral
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, PredefinedSplit, check_cv
from tqdm import tqdm

from skdistill._core.labels import check_probabilities
from skdistill._core.multilabel import LabelTable
from skdistill._core.progress import progress_bar
from skdistill.labelling._fingerprint import (
    fitted_fingerprint,
    note_changes,
    teacher_fingerprint,
)
from skdistill.labelling._pace import Pace
from skdistill.labelling._parts import answers_in_parts, shows_progress
from skdistill.labelling._teacher import (
    check_classes,
    explain_errors,
    fit_teacher,
    has_frozen_part,
    last_step,
    learns_nothing,
    own_classes,
    release_memory,
)
from skdistill.labelling._workers import Shard, count_workers, label_here, label_in_workers
from skdistill.storage._store import SoftLabelStore, check_memory_location, digest_texts
from skdistill.text._streams import JoinedTexts, Texts

_logger = logging.getLogger(__name__)


class SoftLabeler:
    """Compute soft labels with a teacher and its training rows.

    The teacher is fitted once, when a text first needs it. Identical texts are labelled once. If
    joblib's active backend has several workers, as within
    ``joblib.parallel_config("loky", n_jobs=2)`` or ``("dask")``, they label shards of the texts in
    parallel. If a worker dies, finished shards are kept and other workers label the rest.

    Parameters
    ----------
    teacher : classifier with `predict_proba`
        The teacher. It is cloned before it is fitted. A `FrozenEstimator` is used as it is.
    X : list of str, of length n_labeled
        The teacher's training texts.
    y : ndarray of shape (n_labeled,) or (n_labeled, n_labels), or None
        Labels of `X`: ones and zeros in the multilabel case, None for a teacher that needs no
        labels (see `needs_no_labels`).
    classes : ndarray of shape (n_labels,) or None, default=None
        The labels of the columns of `y` in the multilabel case; None numbers them. Without `y`,
        those of a teacher that gives one label per text, which is then not asked for them.
    sample_weight : ndarray of shape (n_labeled,) or None, default=None
        Weights to pass to the teacher's `fit`.
    memory : folder, joblib.Memory or None, default=None
        Folder that caches probabilities, by the teacher's fingerprint and the content of each text.
        If several processes need the same teacher, one of them fits it and labels the texts of
        the others, which wait. Workers on several machines need a folder that all can access.
    verbose : int, default=0
        1 shows a progress bar. With `memory`, it also counts the texts that were found there
        (hits) and those that the teacher labels (misses).

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.labelling._labeler import SoftLabeler
    >>> X, y = ["good film", "bad film", "good", "bad"], np.array(["pos", "neg", "pos", "neg"])
    >>> labeler = SoftLabeler(make_tfidf_baseline(), X, y)
    >>> proba = labeler.label(["very good", "so bad", "very good"])
    >>> proba.shape, proba.argmax(axis=1).tolist()
    ((3, 2), [1, 0, 1])
    """

    def __init__(
        self,
        teacher: BaseEstimator,
        X: list[str],
        y: np.ndarray | None,
        *,
        classes: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        memory: str | os.PathLike[str] | joblib.Memory | None = None,
        verbose: int = 0,
    ):
        self.teacher = teacher
        self.X = X
        self.y = None if y is None else np.asarray(y)
        self._columns = classes
        self.sample_weight = sample_weight
        self.memory = memory
        self.verbose = verbose
        self._fitted: BaseEstimator | None = None

    @property
    def classes(self) -> np.ndarray:
        """The sorted labels; in the multilabel case, the labels of the columns."""
        return self._form[0]

    @property
    def multilabel(self) -> bool:
        """Whether a text may have several labels."""
        return self._form[1]

    @cached_property
    def _form(self) -> tuple[np.ndarray, bool]:
        if self.y is None and self._columns is not None:
            return self._columns, False
        if self.y is None:
            teacher = self.fitted_teacher()
            with explain_errors(teacher):
                return own_classes(teacher, self.X[0])
        if self.y.ndim == 1:
            return np.unique(self.y), False
        return np.arange(self.y.shape[1]) if self._columns is None else self._columns, True

    @property
    def _lesson(self) -> Any:
        """The labels to fit the teacher on; with their names, if it only reads the names."""
        if self.y is None or self._columns is None or self._columns.dtype.kind != "U":
            return self.y
        is_table = self.y.ndim == 2 and learns_nothing(last_step(self.teacher))
        return LabelTable(self.y, self._columns) if is_table else self.y

    def label(self, texts: Texts) -> np.ndarray:
        """Return the teacher's probabilities; fit the teacher only if some are not cached.

        Parameters
        ----------
        texts : collection of str, of length n_texts
            The texts. They are read more than once.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
            Columns follow the sorted labels.

        Raises
        ------
        ValueError
            If the teacher's classes differ from those of `y`, or its probabilities do not sum to 1.
        RuntimeError
            If workers die repeatedly while labelling.
        """
        answers = _Answers(texts, len(self.classes))
        location = check_memory_location(self.memory)
        if location is not None:
            self._label_with_memory(answers, texts, SoftLabelStore(location))
            return answers.of_all()
        if answers.wanted.any():
            self.fitted_teacher()  # now, to keep fitting out of the bar
        with self._progress(answers) as bar, tempfile.TemporaryDirectory() as folder:
            for rows, shard in self._ask(texts, answers.wanted, Path(folder), is_kept=False):
                answers.add(rows, [*shard.values()])
                bar.update(len(rows))
        return answers.of_all()

    def _label_with_memory(self, answers: "_Answers", texts: Texts, store: SoftLabelStore) -> None:
        """Take answers from a store; ask the teacher for the others, and store them."""
        key = teacher_fingerprint(self.teacher, self.X, self._lesson, self.sample_weight)
        is_complete = self._look_up(answers, store, key)
        if not is_complete:
            with store.turn(key, compress(texts, answers.wanted)):
                # Other processes may have labelled them meanwhile.
                is_complete = self._look_up(answers, store, key)
                if not is_complete:
                    self._ask_and_keep(answers, texts, store, key)
        if is_complete:
            self._progress(answers, n_known=len(answers)).close()

    def _look_up(self, answers: "_Answers", store: SoftLabelStore, key: str) -> bool:
        """Look up answers of any fit or, if there is one, of this; return whether all are known."""
        if self._fitted is None:
            return answers.look_up_all(store, key)
        answers.look_up(store, key, self._fit_fingerprint)
        return answers.n_known == len(answers)

    def _ask_and_keep(
        self, answers: "_Answers", texts: Texts, store: SoftLabelStore, key: str
    ) -> None:
        """Fit the teacher, ask it for the texts that this fit has not labelled, and keep answers.

        If a fit is random, the next one is another teacher, whose answers must not be mixed in.
        """
        fit = self._fit_fingerprint
        answers.look_up(store, key, fit)
        ask = partial(self._ask, folder=store.folder(key), is_kept=True)
        try:
            with self._progress(answers, n_known=answers.n_known) as bar:
                for rows, shard in ask(texts, answers.wanted):
                    store.append(key, shard, fit)
                    answers.add(rows, [*shard.values()])
                    bar.update(len(rows))
            # Waiting processes would have to fit the teacher again, so label their texts here.
            while wanted := store.take_requests(key, fit):
                for _, shard in ask(wanted, np.ones(len(wanted), dtype=bool)):
                    store.append(key, shard, fit)
        except BaseException as error:
            may_differ = fit != "" and _has_no_seed(self.teacher)
            unless = ", unless its random_state makes another teacher" if may_differ else ""
            error.add_note(
                f"{answers.n_known} of {len(answers)} answers are kept in {str(store.location)!r}; "
                f"repeat the call to request only the rest{unless}."
            )
            raise
        finally:
            note_changes(key, self.teacher, self.X, self._lesson, self.sample_weight)

    @cached_property
    def _fit_fingerprint(self) -> str:
        """Fit the teacher, and return what tells this fit from others."""
        fit = fitted_fingerprint(self.fitted_teacher())
        return uuid.uuid4().hex[:16] if fit is None else fit

    def _progress(self, answers: "_Answers", n_known: int | None = None) -> "tqdm[Any]":
        """Make a progress bar over distinct texts; with a store, it shows hits and misses."""
        n_texts, found = len(answers), None
        if n_known is not None:
            found = {"hits": n_known, "misses": n_texts - n_known}
        return progress_bar(
            total=n_texts,
            initial=n_known or 0,
            desc="labelling",
            unit="text",
            postfix=found,
            disable=not self.verbose or shows_progress(self.teacher),
        )

    def _check_fold(self, number: int, train: np.ndarray) -> None:
        """Refuse training rows without a class or label that other rows have."""
        assert self.y is not None
        if self.y.ndim == 1:
            kind, others = "class", "classes"
            members = self.y[:, None] == self.classes
        else:
            kind, others = "label", "labels"
            members = self.y > 0
        lacking = np.flatnonzero(members.any(axis=0) & ~members[train].any(axis=0))
        if len(lacking):
            is_single = np.count_nonzero(members[:, lacking[0]]) == 1
            advice = f"use stratified folds, use fewer folds, or drop rare {others}"
            raise ValueError(
                f"The training part of fold {number} has no text of {kind} "
                f"{self.classes.tolist()[lacking[0]]!r}"
                f"{', which has only one' if is_single else ''}; "
                f"{f'add texts of this {kind}, or drop it' if is_single else advice}."
            )

    def label_held_out(self, cv: Any) -> np.ndarray:
        """Compute out-of-fold probabilities of the training rows.

        Parameters
        ----------
        cv : int, cross-validation generator or iterable of (train, held-out) rows
            An int is the number of stratified folds; with several labels, texts with the same
            rarest label are dealt out to the folds one after the other.

        Returns
        -------
        proba : ndarray of shape (n_labeled, n_classes), dtype float32

        Raises
        ------
        ValueError
            If the teacher is frozen, there are no labels, a row is held out twice or never, or a
            fold lacks a class.
        """
        if self.y is None:
            raise ValueError(
                "teacher_cv needs labels, but y is None; pass y, or set teacher_cv=None."
            )
        if has_frozen_part(self.teacher):
            raise ValueError(
                "teacher_cv fits the teacher on parts of the rows, but the teacher is frozen. Pass "
                "it without FrozenEstimator, or leave teacher_cv at None."
            )
        splitter = check_cv(cv, self.y, classifier=True)
        if self.y.ndim == 2 and isinstance(cv, Integral):  # a KFold, which would not shuffle
            splitter = _deal_out(self.y, splitter)
        folds = [*splitter.split(self.X, self.y)]
        for number, (train, _) in enumerate(folds):
            self._check_fold(number, train)
        rows = np.concatenate([held_out for _, held_out in folds])
        n_distinct, reason = len(np.unique(rows)), "it must hold out each row once, as KFold does"
        if n_distinct < len(rows):
            raise ValueError(f"teacher_cv={cv!r} holds out a row twice; {reason}.")
        if n_distinct < len(self.X):
            raise ValueError(
                f"teacher_cv={cv!r} holds out only {n_distinct} of the {len(self.X)} rows; "
                f"{reason}."
            )
        parts = []
        for train, held_out in folds:
            fold = SoftLabeler(
                self.teacher,
                [self.X[row] for row in train],
                self.y[train],
                classes=self._columns,
                sample_weight=None if self.sample_weight is None else self.sample_weight[train],
                memory=self.memory,
                verbose=self.verbose,
            )
            parts.append(fold.label([self.X[row] for row in held_out]))
        return np.concatenate(parts)[np.argsort(rows)]

    def _ask(
        self, texts: Texts, wanted: np.ndarray, folder: Path, *, is_kept: bool
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Label the wanted texts; yield row numbers and probabilities by text, as they come."""
        if not wanted.any():
            return
        teacher = self.fitted_teacher()
        check_classes(teacher, self.classes, self.multilabel)
        _logger.info("the teacher labels %s texts", f"{int(wanted.sum()):,}")
        n_workers, pace = count_workers(), Pace(is_kept=is_kept)
        label: Callable[..., Iterator[Shard]] = label_here
        if n_workers > 1 and answers_in_parts(teacher) is None:
            label = partial(label_in_workers, n_workers=n_workers, folder=folder)
        shards = (label(teacher, texts, block, pace) for block in _by_block(texts, wanted))
        with explain_errors(teacher):
            for rows, shard, answer in chain.from_iterable(shards):
                proba = check_probabilities(
                    answer,
                    n_rows=len(shard),
                    n_classes=len(self.classes),
                    classes=self.classes,
                    name="teacher.predict_proba(texts)",
                    rows="texts",
                    multilabel=self.multilabel,
                )
                yield rows, dict(zip(shard, proba, strict=True))
        release_memory(teacher)

    def fitted_teacher(self) -> BaseEstimator:
        """Return the fitted teacher; fit it at the first call."""
        if self._fitted is None:
            self._fitted = fit_teacher(self.teacher, self.X, self._lesson, self.sample_weight)
        return self._fitted


def _has_no_seed(teacher: BaseEstimator) -> bool:
    """Return whether a teacher, or a part of it, has a random state that is no number."""
    return any(
        name.rpartition("__")[2] == "random_state" and not isinstance(value, Integral)
        for name, value in teacher.get_params().items()
    )


def _by_block(texts: Texts, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the wanted texts of each block, as a mask over all texts.

    What a teacher says of the texts that it is asked for, such as how many it cuts, is then not
    about texts of several kinds.
    """
    blocks = texts.blocks if isinstance(texts, JoinedTexts) else [texts]
    ends = np.cumsum([len(block) for block in blocks])
    number = np.searchsorted(ends, np.arange(len(wanted)), side="right")
    for block in np.unique(number[wanted]):
        yield wanted & (number == block)


def _deal_out(y: np.ndarray, splitter: BaseCrossValidator) -> PredefinedSplit:
    """Divide rows with several labels so that each fold has its share of the rare ones."""
    next(splitter.split(y))  # refuses more folds than rows
    n_texts = y.sum(axis=0)
    rarest = np.where(y > 0, n_texts, len(y) + 1).argmin(axis=1)
    folds = np.empty(len(y), dtype=int)
    folds[np.lexsort((*y.T, rarest))] = np.arange(len(y)) % splitter.get_n_splits()
    return PredefinedSplit(folds)


class _Answers:
    """The probabilities of texts known so far; identical texts count once."""

    def __init__(self, texts: Texts, n_classes: int):
        self._digests, self._first, self._number = np.unique(
            digest_texts(texts), return_index=True, return_inverse=True
        )
        self._proba = np.empty((len(self._digests), n_classes), dtype=np.float32)
        # For each text: whether it is the first with its content and has no probabilities yet.
        self.wanted = np.zeros(len(self._number), dtype=bool)
        self.wanted[self._first] = True

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def n_known(self) -> int:
        """The number of distinct texts whose probabilities are known."""
        return len(self) - int(np.count_nonzero(self.wanted))

    def look_up_all(self, store: SoftLabelStore, teacher_key: str) -> bool:
        """Look up all probabilities, of one fit of the teacher; return whether all are known."""
        for fit in store.fits(teacher_key):
            self.look_up(store, teacher_key, fit)
            if not self.wanted.any():
                return True
            self.wanted[self._first] = True
        return not len(self)

    def look_up(self, store: SoftLabelStore, teacher_key: str, fit: str) -> None:
        """Look up the missing probabilities in a store, of one fit of the teacher."""
        asked = np.flatnonzero(self.wanted[self._first])
        digests, n_classes = self._digests[asked], self._proba.shape[1]
        numbers, proba = store.find(teacher_key, digests, fit, n_classes)
        if len(numbers):
            self._proba[asked[numbers]] = proba
            self.wanted[self._first[asked[numbers]]] = False

    def add(self, rows: np.ndarray, proba: list[np.ndarray]) -> None:
        """Add the probabilities of some rows."""
        self._proba[self._number[rows]] = proba
        self.wanted[rows] = False

    def of_all(self) -> np.ndarray:
        """Return the probabilities of all texts, in order."""
        return self._proba[self._number]
