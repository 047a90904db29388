"""The columns that predictions add to a table."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdistill._core.multilabel import write_labels
from skdistill.serving import CompiledClassifier

_HALF = 0.5


@dataclass(frozen=True)
class Choice:
    """Which columns to add.

    `column` holds the label, with `top_k` also those of the next labels. `proba` adds a column for
    each class. Labels with a probability below the threshold are left empty, or the first one is
    replaced by `reject`.
    """

    column: str = "label"
    proba: bool = False
    top_k: int | None = None
    threshold: float | None = None
    reject: str | None = None


class Columns:
    """The columns that a classifier adds to a table of texts.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier
    >>> from skdistill.cli.prediction._columns import Choice, Columns
    >>> X, y = ["warm soup", "fresh bread", "fast train"], ["food", "food", "travel"]
    >>> student = DistilledMLPClassifier(max_epochs=50, random_state=0).fit(X, y)
    >>> columns = Columns(student.compile(), Choice(proba=True))
    >>> columns.names
    ['label', 'proba_food', 'proba_travel']
    >>> columns.of(["soup", "train"])["label"]
    ['food', 'travel']
    """

    def __init__(self, classifier: CompiledClassifier, choice: Choice):
        self.classifier = classifier
        self.choice = choice
        self.rejected = _like_labels(choice.reject, classifier.classes_, classifier.multilabel_)
        # Those names of columns that --output-column changes.
        self.chosen: list[str]
        classes = [f"proba_{name}" for name in classifier.classes_.tolist()]
        if choice.top_k is not None:
            self.n_ranked = min(choice.top_k, len(classes))
            ranks = range(1, self.n_ranked + 1)
            self.chosen = [f"{choice.column}_{rank}" for rank in ranks]
            self.names = [
                name for rank in ranks for name in (f"{choice.column}_{rank}", f"proba_{rank}")
            ]
            if len({*self.names}) < len(self.names):
                raise _same_name(choice.column)
            return
        if choice.proba and choice.column in classes:
            raise _same_name(choice.column)
        self.chosen = [choice.column]
        self.names = [choice.column, *(classes if choice.proba else [])]

    def of(self, texts: list[str]) -> dict[str, list[Any]]:
        """Return the columns for some texts; None is a label that is left empty.

        For multilabel models, a cell is a string of all labels of the text.
        """
        choice, classifier = self.choice, self.classifier
        if choice.top_k is None and choice.threshold is None and not choice.proba:
            return {self.names[0]: self._written(classifier.predict(texts))}
        proba = classifier.predict_proba(texts)
        if choice.top_k is not None:
            return self._ranked(proba)
        columns = [self._labels(proba), *(proba.T.tolist() if choice.proba else [])]
        return dict(zip(self.names, columns, strict=True))

    def _labels(self, proba: np.ndarray) -> list[Any]:
        threshold = self.choice.threshold
        if self.classifier.multilabel_:
            labels = self._written(proba > _HALF if threshold is None else proba >= threshold)
            return [label or self.rejected or "" for label in labels]
        labels = self._written(self.classifier.classes_[proba.argmax(axis=1)])
        if threshold is None:
            return labels
        is_sure = (proba.max(axis=1) >= threshold).tolist()
        return _sure(labels, is_sure, self.rejected)

    def _ranked(self, proba: np.ndarray) -> dict[str, list[Any]]:
        order = np.argsort(-proba, axis=1, kind="stable")[:, : self.n_ranked]
        best = np.take_along_axis(proba, order, axis=1)
        threshold = self.choice.threshold or 0
        columns: list[list[Any]] = []
        for rank in range(self.n_ranked):
            labels = self.classifier.classes_[order[:, rank]].tolist()
            shares = best[:, rank].tolist()
            is_sure = (best[:, rank] >= threshold).tolist()
            columns += [_sure(labels, is_sure, None if rank else self.rejected), shares]
        return dict(zip(self.names, columns, strict=True))

    def _written(self, predicted: np.ndarray) -> list[Any]:
        if self.classifier.multilabel_:
            return write_labels(predicted, self.classifier.classes_)
        return predicted.tolist()


def _sure(labels: list[Any], is_sure: list[bool], otherwise: Any) -> list[Any]:
    return [label if sure else otherwise for label, sure in zip(labels, is_sure, strict=True)]


def _like_labels(reject: str | None, classes: np.ndarray, multilabel: bool) -> Any:
    """Return the label of rejected texts, in the type of the classes."""
    if reject is None or multilabel or classes.dtype.kind == "U":
        return reject
    try:
        return (float if classes.dtype.kind == "f" else int)(reject)
    except ValueError as error:
        raise ValueError(
            f"The labels are numbers, but --reject is {reject!r}; pass a number, such as -1."
        ) from error


def _same_name(column: str) -> ValueError:
    return ValueError(
        f"{column!r} is the name of a probability column; choose another name for the label with "
        "--output-column."
    )
