"""The teacher's probabilities: fitted once, asked once for each text, kept on disk."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter
from tqdm import tqdm

from skdistill._core.labels import check_probabilities
from skdistill._core.multilabel import gives_several_labels, knows_labels
from skdistill._core.progress import progress_bar
from skdistill.labelling._fingerprint import learns_nothing, teacher_fingerprint
from skdistill.labelling._store import SoftLabelStore, digest_texts
from skdistill.labelling._workers import count_workers, label_here, label_in_workers
from skdistill.text._streams import Texts

# Texts that the teacher labels between two writes to disk: what an interruption can cost.
_SHARD = 8192


def check_memory_location(memory: Any) -> Path | None:
    """Return the folder that a `memory` parameter names.

    Parameters
    ----------
    memory : str, path-like, joblib.Memory or None

    Returns
    -------
    Path or None

    Raises
    ------
    TypeError
        If `memory` is something else.
    """
    if isinstance(memory, joblib.Memory):
        memory = memory.location
    if memory is None:
        return None
    if not isinstance(memory, str | os.PathLike):
        raise TypeError(f"memory must be a folder or a joblib.Memory, not {type(memory).__name__}.")
    return Path(memory)


class SoftLabeler:
    """A teacher together with the rows it learns from: asked for the probabilities of texts.

    The teacher is fitted when a text first needs it, and kept; identical texts are labelled once.
    Where joblib's active backend has several workers, as within
    ``joblib.parallel_config("loky", n_jobs=2)`` or ``("dask")``, they label shards of the texts
    side by side. What they finish is kept even if a worker dies; others label the rest.

    Parameters
    ----------
    teacher : classifier with `predict_proba`
        Cloned before it is fitted; a `FrozenEstimator` is used as it is.
    X : list of str, of length n_labeled
        The teacher's training texts.
    y : ndarray of shape (n_labeled,) or (n_labeled, n_labels), or None
        Their labels; ones and zeros where a text may have several. None for a teacher that needs
        none: see `needs_no_labels`.
    sample_weight : ndarray of shape (n_labeled,) or None, default=None
        Passed to the teacher's `fit`.
    memory : folder, joblib.Memory or None, default=None
        Where probabilities are kept from one call, process or session to the next, under the
        teacher's parameters, training rows and weights, and each text's content. Of several
        processes that need the same teacher, one fits it and labels for the others, which wait.
        Workers on several machines need a folder that all of them see.
    verbose : int, default=0
        1 shows a progress bar; with `memory` it also tells how many texts were found there
        (hits), and how many the teacher was asked for (misses).

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
        sample_weight: np.ndarray | None = None,
        memory: str | os.PathLike[str] | joblib.Memory | None = None,
        verbose: int = 0,
    ):
        self.teacher = teacher
        self.X = X
        self.y = None if y is None else np.asarray(y)
        self.sample_weight = sample_weight
        self.memory = memory
        self.verbose = verbose
        self._fitted: BaseEstimator | None = None

    @property
    def classes(self) -> np.ndarray:
        """The sorted labels; for several labels a text, the columns' numbers."""
        return self._form[0]

    @property
    def multilabel(self) -> bool:
        """Whether a text may have several labels."""
        return self._form[1]

    @cached_property
    def _form(self) -> tuple[np.ndarray, bool]:
        if self.y is None:
            return _own_classes(self.fitted_teacher(), self.X[0])
        multilabel = self.y.ndim == 2
        return np.arange(self.y.shape[1]) if multilabel else np.unique(self.y), multilabel

    def label(self, texts: Texts) -> np.ndarray:
        """Return the teacher's probabilities; it is fitted only if they are not known yet.

        Parameters
        ----------
        texts : collection of str, of length n_texts
            Gone through more than once.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
            Columns in the sorted order of the labels.

        Raises
        ------
        ValueError
            If the teacher's classes are not those of `y`, or its probabilities do not sum to 1.
        RuntimeError
            If workers that label die again and again.
        """
        answers = _Answers(texts, len(self.classes))
        location = check_memory_location(self.memory)
        if location is None:
            if answers.wanted.any():
                self.fitted_teacher()  # before the bar, which tells the rate of labelling
            with self._progress(answers) as bar, tempfile.TemporaryDirectory() as folder:
                for rows, shard in self._ask(texts, answers.wanted, Path(folder)):
                    answers.add(rows, [*shard.values()])
                    bar.update(len(rows))
            return answers.of_all()
        store = SoftLabelStore(location)
        key = teacher_fingerprint(self.teacher, self.X, self.y, self.sample_weight)
        answers.look_up(store, key)
        n_missing = int(np.count_nonzero(answers.wanted))
        turn = store.turn(key, compress(texts, answers.wanted)) if n_missing else nullcontext()
        with turn:
            if n_missing:  # when its turn came, others may have labelled them
                answers.look_up(store, key)
                n_missing = int(np.count_nonzero(answers.wanted))
            if n_missing:
                self.fitted_teacher()
            with self._progress(answers, n_known=len(answers) - n_missing) as bar:
                for rows, shard in self._ask(texts, answers.wanted, store.folder(key)):
                    store.write(key, shard)
                    answers.add(rows, [*shard.values()])
                    bar.update(len(rows))
            # Who waits would have to fit the teacher again, which is at hand here.
            while n_missing and (wanted := store.take_requests(key)):
                everything = np.ones(len(wanted), dtype=bool)
                for _, shard in self._ask(wanted, everything, store.folder(key)):
                    store.write(key, shard)
        return answers.of_all()

    def _progress(self, answers: "_Answers", n_known: int | None = None) -> "tqdm[Any]":
        """Make a bar of distinct texts; with a store, it tells what was found there."""
        n_texts, found = len(answers), None
        if n_known is not None:
            found = {"hits": n_known, "misses": n_texts - n_known}
        return progress_bar(
            total=n_texts,
            initial=n_known or 0,
            desc="labelling",
            unit="text",
            postfix=found,
            disable=not self.verbose,
        )

    def label_held_out(self, cv: Any) -> tuple[np.ndarray, np.ndarray]:
        """Label training rows by teachers that have not seen them.

        Parameters
        ----------
        cv : int, cross-validation generator or iterable of (train, held-out) rows
            An int makes so many stratified folds.

        Returns
        -------
        rows : ndarray of shape (n_held_out,)
            The held-out rows, ascending.
        proba : ndarray of shape (n_held_out, n_classes), dtype float32

        Raises
        ------
        ValueError
            If the teacher is frozen, a row is held out twice, or there are no labels.
        """
        if self.y is None:
            raise ValueError("Without y, no teacher can be fitted on some of the rows alone.")
        if _has_frozen_part(self.teacher):
            raise ValueError(
                "A frozen teacher cannot be fitted without some of its rows, which teacher_cv "
                "needs; pass it unfrozen."
            )
        rows, parts = [], []
        folds = check_cv(cv, self.y, classifier=True).split(self.X, self.y)
        for number, (train, held_out) in enumerate(folds):
            lacking = np.setdiff1d(np.unique(self.y), self.y[train])
            if len(lacking):
                raise ValueError(
                    f"The training part of fold {number} has no text of the class "
                    f"{lacking[0]!r}; use stratified folds, fewer of them, or drop rare classes."
                )
            fold = SoftLabeler(
                self.teacher,
                [self.X[row] for row in train],
                self.y[train],
                sample_weight=None if self.sample_weight is None else self.sample_weight[train],
                memory=self.memory,
                verbose=self.verbose,
            )
            rows.append(held_out)
            parts.append(fold.label([self.X[row] for row in held_out]))
        order = np.argsort(np.concatenate(rows), kind="stable")
        held_out = np.concatenate(rows)[order]
        if len(np.unique(held_out)) < len(held_out):
            raise ValueError(f"teacher_cv={cv!r} holds some row out twice; it must hold each once.")
        return held_out, np.concatenate(parts)[order]

    def _ask(
        self, texts: Texts, wanted: np.ndarray, folder: Path
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Have the wanted texts labelled, shard by shard; yield their row numbers and answers."""
        if not wanted.any():
            return
        teacher = self.fitted_teacher()
        _check_classes(teacher, self.classes, self.multilabel)
        n_workers = count_workers()
        if n_workers > 1:
            shards = label_in_workers(teacher, texts, wanted, _SHARD, n_workers, folder)
        else:
            shards = label_here(teacher, texts, wanted, _SHARD)
        for rows, shard, answer in shards:
            proba = check_probabilities(
                answer,
                n_rows=len(shard),
                n_classes=len(self.classes),
                name="teacher.predict_proba(texts)",
                rows="texts",
                multilabel=self.multilabel,
            )
            yield rows, dict(zip(shard, proba, strict=True))
        _release_memory(teacher)

    def fitted_teacher(self) -> BaseEstimator:
        """Return the teacher, which is fitted now if nothing has needed it yet."""
        if self._fitted is None:
            self._fitted = _fit(self.teacher, self.X, self.y, self.sample_weight)
        return self._fitted


def _release_memory(teacher: BaseEstimator) -> None:
    """Let a transformer leave its GPU, where students are to be trained."""
    if isinstance(teacher, FrozenEstimator):
        teacher = teacher.estimator
    if hasattr(teacher, "release_memory"):
        teacher.release_memory()


class _Answers:
    """Which of some texts, of which identical ones count once, have got their probabilities."""

    def __init__(self, texts: Texts, n_classes: int):
        self._digests, self._first, self._number = np.unique(
            digest_texts(texts), return_index=True, return_inverse=True
        )
        self._proba = np.empty((len(self._digests), n_classes), dtype=np.float32)
        # Of each text: whether it is the first of its content, and has no answer.
        self.wanted = np.zeros(len(self._number), dtype=bool)
        self.wanted[self._first] = True

    def __len__(self) -> int:
        return len(self._digests)

    def look_up(self, store: SoftLabelStore, teacher_key: str) -> None:
        """Take what a store knows of those that have no answer."""
        asked = np.flatnonzero(self.wanted[self._first])
        numbers, proba = store.find(teacher_key, self._digests[asked])
        if len(numbers):
            self._proba[asked[numbers]] = proba
            self.wanted[self._first[asked[numbers]]] = False

    def add(self, rows: np.ndarray, proba: list[np.ndarray]) -> None:
        """Take the answers for some rows."""
        self._proba[self._number[rows]] = proba
        self.wanted[rows] = False

    def of_all(self) -> np.ndarray:
        """Return the probabilities of all texts, in their order."""
        return self._proba[self._number]


def needs_no_labels(teacher: BaseEstimator | None) -> bool:
    """Tell whether a teacher gives probabilities without having been shown labels here.

    Parameters
    ----------
    teacher : estimator or None
        A fitted classifier in a `FrozenEstimator` needs none, nor does a classifier whose tags say
        that it does not. scikit-learn's meta-estimators do not pass that tag on: of theirs, every
        classifier inside has to say so.

    Returns
    -------
    bool

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.labelling._labeler import needs_no_labels
    >>> teacher = make_tfidf_baseline().fit(["good", "bad"], ["+", "-"])
    >>> needs_no_labels(FrozenEstimator(teacher)), needs_no_labels(teacher)
    (True, False)
    """
    if teacher is None:
        return False
    if isinstance(teacher, FrozenEstimator):
        return hasattr(teacher, "classes_")
    parts = [teacher, *teacher.get_params().values()]
    classifiers = [
        part for part in parts if isinstance(part, BaseEstimator) and is_classifier(part)
    ]
    required = [get_tags(classifier).target_tags.required for classifier in classifiers]
    return bool(required) and not any(required)


def _own_classes(teacher: Any, text: str) -> tuple[np.ndarray, bool]:
    """Return the classes that a fitted teacher knows, and whether a text may have several."""
    if gives_several_labels(teacher, text):
        return np.arange(len(teacher.classes_)), True
    classes = np.asarray(teacher.classes_)
    if len(classes) < 2 or not np.array_equal(np.unique(classes), classes):
        raise ValueError(
            f"The teacher's classes {classes.tolist()} must be at least two, and sorted, for a "
            "student to learn them without y."
        )
    return classes, False


def _has_frozen_part(teacher: BaseEstimator) -> bool:
    parts = teacher.get_params().values()
    return isinstance(teacher, FrozenEstimator) or any(
        isinstance(part, FrozenEstimator) for part in parts
    )


def _fit(
    teacher: BaseEstimator, X: list[str], y: np.ndarray | None, sample_weight: np.ndarray | None
) -> BaseEstimator:
    teacher = clone(teacher)
    if sample_weight is None or isinstance(teacher, FrozenEstimator) or learns_nothing(teacher):
        return teacher.fit(X, y)
    if has_fit_parameter(teacher, "sample_weight"):
        return teacher.fit(X, y, sample_weight=sample_weight)
    warnings.warn(
        f"The teacher {type(teacher).__name__} takes no sample_weight in fit; the weights act on "
        "the student alone.",
        stacklevel=2,
    )
    return teacher.fit(X, y)


def _check_classes(teacher: BaseEstimator, classes: np.ndarray, multilabel: bool) -> None:
    if multilabel and not knows_labels(teacher, len(classes)):
        raise ValueError(
            f"The teacher's classes {teacher.classes_!r} are not those of y, which has "
            f"{len(classes)} labels of which a text may have several; fit the teacher on labels of "
            "that form."
        )
    if not multilabel and not np.array_equal(teacher.classes_, classes):
        raise ValueError(
            f"The teacher's classes {np.asarray(teacher.classes_).tolist()} are not those of y, "
            f"{classes.tolist()}; a teacher must know exactly the student's classes, sorted."
        )


def unfitted(teacher: BaseEstimator) -> BaseEstimator:
    """Clone a teacher without anything it has learned, not even inside a `FrozenEstimator`.

    Parameters
    ----------
    teacher : estimator

    Returns
    -------
    estimator

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdistill.labelling._labeler import unfitted
    >>> frozen = FrozenEstimator(LogisticRegression().fit([[0], [1]], [0, 1]))
    >>> hasattr(unfitted(frozen), "coef_")
    False
    """
    if isinstance(teacher, FrozenEstimator):
        return FrozenEstimator(clone(teacher.estimator))
    copy = clone(teacher)
    for name, param in copy.get_params().items():
        if isinstance(param, FrozenEstimator):
            copy.set_params(**{name: FrozenEstimator(clone(param.estimator))})
    return copy
