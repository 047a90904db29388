"""Teachers that answer in parts, so that an interruption loses few answers that were paid for."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skdistill._core.labels import check_same_length
from skdistill.labelling._teacher import last_step

# Positions in texts, with the probabilities of these texts.
Parts = Iterator[tuple[np.ndarray, np.ndarray]]
PredictInParts = Callable[[list[str]], Parts]


def answers_in_parts(teacher: Any) -> PredictInParts | None:
    """Return what yields the answers of a teacher as they come, or None.

    It takes texts and yields positions in them, with the probabilities of these texts. Teachers
    that are asked in this way are asked in this process. A pipeline answers so if its last step
    does; an ensemble that votes is asked for as few texts at a time as one of its members.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skdistill import FunctionTeacherClassifier, make_tfidf_baseline
    >>> from skdistill.labelling._parts import answers_in_parts
    >>> paid = FunctionTeacherClassifier(lambda texts: ["a"] * len(texts), classes=["a", "b"])
    >>> teacher = make_pipeline(FunctionTransformer(), paid.set_params(batch_size=2)).fit(["x"])
    >>> [rows.tolist() for rows, proba in answers_in_parts(teacher)(["one", "two", "three"])]
    [[0, 1], [2]]
    >>> answers_in_parts(make_tfidf_baseline()) is None
    True
    """
    if isinstance(teacher, FrozenEstimator):
        return answers_in_parts(teacher.estimator)
    if isinstance(teacher, Pipeline) and teacher.steps:
        last = answers_in_parts(teacher.steps[-1][1])
        if last is not None and len(teacher.steps) > 1:
            return partial(_after_transformers, teacher[:-1], last)
        return last
    if isinstance(teacher, VotingClassifier):
        size = _size_of_parts(teacher)
        return None if size is None else partial(_in_slices, teacher, size)
    return getattr(teacher, "_predict_in_parts", None)


def shows_progress(teacher: Any) -> bool:
    """Return whether a teacher that answers in parts has a progress bar of its own."""
    teacher = last_step(teacher)
    return hasattr(teacher, "_predict_in_parts") and bool(getattr(teacher, "verbose", 0))


def _after_transformers(
    transformers: Pipeline, predict_in_parts: PredictInParts, texts: list[str]
) -> Parts:
    transformed = transformers.transform(texts)
    check_same_length(len(texts), len(transformed), names=("texts", "texts after the pipeline"))
    yield from predict_in_parts(transformed)


def _size_of_parts(teacher: Any) -> int | None:
    """Return the least number of texts that a part of a teacher is asked for at a time."""
    teacher = last_step(teacher)
    if isinstance(teacher, VotingClassifier):
        parts = getattr(teacher, "estimators_", None) or [part for _, part in teacher.estimators]
        sizes = [size for size in map(_size_of_parts, parts) if size is not None]
        return min(sizes, default=None)
    return getattr(teacher, "_texts_at_a_time", None)


def _in_slices(teacher: Any, size: int, texts: list[str]) -> Parts:
    for start in range(0, len(texts), size):
        part = texts[start : start + size]
        yield np.arange(start, start + len(part)), teacher.predict_proba(part)
