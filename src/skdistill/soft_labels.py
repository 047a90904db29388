"""The teacher's probabilities: fitted once, asked once for each text, kept on disk."""

import hashlib
import json
import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from filelock import FileLock, Timeout
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter
from tqdm.auto import tqdm

from skdistill._files import replacing
from skdistill._validation import check_probabilities
from skdistill.multilabel import gives_several_labels, join_columns, knows_labels

# Texts that the teacher labels between two writes to disk: what an interruption can cost.
_SHARD = 8192
# Parameters that tell how a teacher works, not what it learns.
_WITHOUT_EFFECT = frozenset({"verbose", "n_jobs", "memory"})


class SoftLabelStore:
    """Probabilities on disk, by teacher and by the content of each text.

    A store may be shared by processes: every write is a new file, renamed into place when whole.
    Labelled texts are known by a hash; only a process that waits for its turn leaves the texts
    themselves there, until it has it.

    Parameters
    ----------
    location : str or path-like
        The store's folder; made when first written to.

    Examples
    --------
    >>> import tempfile
    >>> from skdistill.soft_labels import SoftLabelStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = SoftLabelStore(folder)
    ...     store.write("teacher-1", {"a text": [0.25, 0.75]})
    ...     store.read("teacher-1", ["a text", "another"])
    {'a text': array([0.25, 0.75], dtype=float32)}
    """

    def __init__(self, location: str | os.PathLike):
        self.location = Path(location)

    @contextmanager
    def turn(self, teacher_key: str, texts: list[str]) -> Iterator[None]:
        """Wait until no other process labels with the same teacher.

        The texts are written down meanwhile, so that the other one can label them as well.
        """
        folder = self._folder(teacher_key)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            request = folder / f"{uuid.uuid4().hex}.request"
            with replacing(request) as file:
                file.write(json.dumps(texts).encode())
            try:
                lock.acquire()
            finally:
                request.unlink(missing_ok=True)
        try:
            yield
        finally:
            lock.release()

    def take_requests(self, teacher_key: str) -> list[str]:
        """Return the texts for which other processes wait, each once, and that are not labelled."""
        wanted: dict[str, None] = {}
        for path in sorted(self._folder(teacher_key).glob("*.request")):
            # Its process may have its turn by now, and no more need of it.
            with suppress(FileNotFoundError):
                wanted |= dict.fromkeys(json.loads(path.read_bytes()))
                path.unlink()
        known = self.read(teacher_key, [*wanted])
        return [text for text in wanted if text not in known]

    def read(self, teacher_key: str, texts: list[str]) -> dict[str, np.ndarray]:
        """Return the probabilities of those texts that the store knows."""
        wanted = {_digest(text): text for text in texts}
        found = {}
        for path in sorted(self._folder(teacher_key).glob("*.npz")):
            with np.load(path, allow_pickle=False) as shard:
                digests, proba = shard["digests"], shard["proba"]
            for digest, row in zip(digests, proba, strict=True):
                text = wanted.get(digest.tobytes())
                if text is not None:
                    found[text] = row
        return found

    def write(self, teacher_key: str, labelled: dict[str, np.ndarray]) -> None:
        """Add the probabilities of some texts."""
        folder = self._folder(teacher_key)
        folder.mkdir(parents=True, exist_ok=True)
        digests = np.frombuffer(b"".join(map(_digest, labelled)), dtype=np.uint8).reshape(-1, 16)
        with replacing(folder / f"{uuid.uuid4().hex}.npz") as file:
            np.savez(file, digests=digests, proba=np.asarray([*labelled.values()], np.float32))

    def _folder(self, teacher_key: str) -> Path:
        return self.location / "soft_labels" / teacher_key


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


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
    verbose : int, default=0
        1 shows a progress bar.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.soft_labels import SoftLabeler
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
        memory: str | os.PathLike | joblib.Memory | None = None,
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
            return _own_classes(self._fitted_teacher(), self.X[0])
        multilabel = self.y.ndim == 2
        return np.arange(self.y.shape[1]) if multilabel else np.unique(self.y), multilabel

    def label(self, texts: list[str]) -> np.ndarray:
        """Return the teacher's probabilities; it is fitted only if they are not known yet.

        Parameters
        ----------
        texts : list of str, of length n_texts

        Returns
        -------
        ndarray of shape (n_texts, n_classes), dtype float32
            Columns in the sorted order of the labels.

        Raises
        ------
        ValueError
            If the teacher's classes are not those of `y`, or its probabilities do not sum to 1.
        """
        unique = list(dict.fromkeys(texts))
        location = check_memory_location(self.memory)
        labelled: dict[str, np.ndarray] = {}
        if not unique:
            return np.empty((0, len(self.classes)), dtype=np.float32)
        if location is None:
            for shard in self._ask(unique):
                labelled |= shard
            return np.asarray([labelled[text] for text in texts])
        store = SoftLabelStore(location)
        key = teacher_fingerprint(self.teacher, self.X, self.y, self.sample_weight)
        with store.turn(key, unique):
            labelled = store.read(key, unique)
            missing = [text for text in unique if text not in labelled]
            for shard in self._ask(missing):
                store.write(key, shard)
                labelled |= shard
            # Who waits would have to fit the teacher again, which is at hand here.
            while missing and (wanted := store.take_requests(key)):
                for shard in self._ask(wanted):
                    store.write(key, shard)
        return np.asarray([labelled[text] for text in texts])

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
                "A frozen teacher cannot be fitted without some of its rows, which teacher_cv and "
                "calibrate_teacher need. Pass it unfrozen; or calibrate it beforehand with "
                'CalibratedClassifierCV(FrozenEstimator(teacher), method="temperature") on rows '
                "that it has not seen."
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

    def _ask(self, texts: list[str]) -> Iterator[dict[str, np.ndarray]]:
        if texts:
            teacher = self._fitted_teacher()
            yield from _label(teacher, texts, self.classes, self.multilabel, self.verbose)

    def _fitted_teacher(self) -> BaseEstimator:
        if self._fitted is None:
            self._fitted = _fit(self.teacher, self.X, self.y, self.sample_weight)
        return self._fitted


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
    >>> from skdistill.soft_labels import needs_no_labels
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
    if sample_weight is None or isinstance(teacher, FrozenEstimator) or _learns_nothing(teacher):
        return teacher.fit(X, y)
    if has_fit_parameter(teacher, "sample_weight"):
        return teacher.fit(X, y, sample_weight=sample_weight)
    warnings.warn(
        f"The teacher {type(teacher).__name__} takes no sample_weight in fit; the weights act on "
        "the student alone.",
        stacklevel=2,
    )
    return teacher.fit(X, y)


def _label(
    teacher: BaseEstimator, texts: list[str], classes: np.ndarray, multilabel: bool, verbose: int
) -> Iterator[dict[str, np.ndarray]]:
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
    with tqdm(total=len(texts), desc="labelling", unit="text", disable=not verbose) as bar:
        for start in range(0, len(texts), _SHARD):
            shard = texts[start : start + _SHARD]
            proba = check_probabilities(
                join_columns(teacher.predict_proba(shard)),
                n_rows=len(shard),
                n_classes=len(classes),
                name="teacher.predict_proba(texts)",
                rows="texts",
                multilabel=multilabel,
            )
            yield dict(zip(shard, proba, strict=True))
            bar.update(len(shard))


def _learns_nothing(teacher: BaseEstimator) -> bool:
    """Tell whether a teacher answers the same whatever rows it is fitted on."""
    return getattr(teacher, "_learns_nothing", False)


def teacher_fingerprint(
    teacher: BaseEstimator,
    X: list[str],
    y: np.ndarray | None,
    sample_weight: np.ndarray | None = None,
) -> str:
    """Name what a teacher's probabilities depend on.

    Parameters
    ----------
    teacher : estimator
        For an unfitted one its class, parameters and training rows count, for a `FrozenEstimator`
        what it has learned. The rows do not count for one that learns nothing from them.
    X : list of str, of length n_labeled
    y : ndarray of shape (n_labeled,) or (n_labeled, n_labels), or None
    sample_weight : ndarray of shape (n_labeled,) or None, default=None

    Returns
    -------
    str, 32 hexadecimal digits
    """
    if isinstance(teacher, FrozenEstimator):
        return joblib.hash(_identity(teacher))
    identity = _identity(clone(teacher))
    if _learns_nothing(teacher):
        return joblib.hash(identity)
    return joblib.hash((identity, X, y, sample_weight))


def _identity(value: Any) -> Any:
    """Describe a parameter so that equal descriptions mean equal behaviour."""
    if isinstance(value, FrozenEstimator):
        return "frozen", _fitted_identity(value.estimator)
    if hasattr(value, "_fingerprint"):
        return value._fingerprint()
    if isinstance(value, BaseEstimator):
        params = value.get_params(deep=False)
        return (
            type(value).__module__,
            type(value).__qualname__,
            {
                name: _identity(param)
                for name, param in params.items()
                if name not in _WITHOUT_EFFECT
            },
        )
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    return value


def _fitted_identity(estimator: BaseEstimator) -> Any:
    return estimator._fingerprint() if hasattr(estimator, "_fingerprint") else estimator


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
    >>> from skdistill.soft_labels import unfitted
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
