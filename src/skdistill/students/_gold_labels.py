"""What a student is told about the classes of its texts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from skdistill._core.labels import check_labels
from skdistill.metrics._losses import Loss


@dataclass(frozen=True)
class Labels:
    """The classes and, where they are known, those of each text.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted; for several labels a text, the numbers of the columns.
    codes : ndarray of shape (n_texts,) or (n_texts, n_labels), dtype int64
        Positions in `classes`, or ones and zeros for several labels a text; all 0 if not known.
    known : bool
        Whether `codes` are gold labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.students._gold_labels import Labels
    >>> Labels.gold(["no", "yes", "no"], n_rows=3).codes
    array([0, 1, 0])
    """

    classes: np.ndarray
    codes: np.ndarray
    known: bool

    @classmethod
    def gold(cls, y: Any, *, n_rows: int) -> "Labels":
        """Read gold labels; raises as `check_labels` does."""
        classes, codes = check_labels(y, n_rows=n_rows, multilabel=True)
        return cls(classes, codes, known=True)

    @classmethod
    def unknown(cls, classes: np.ndarray, multilabel: bool, *, n_rows: int) -> "Labels":
        """Name the classes of texts of which it is not known which they belong to."""
        shape = (n_rows, len(classes)) if multilabel else (n_rows,)
        return cls(classes, np.zeros(shape, dtype=np.int64), known=False)

    @property
    def multilabel(self) -> bool:
        """Whether a text may have several labels."""
        return self.codes.ndim == 2

    @property
    def y(self) -> np.ndarray | None:
        """The gold labels, which a teacher is fitted on, as they are written; None if not known."""
        if not self.known:
            return None
        return self.codes if self.multilabel else self.classes[self.codes]

    def check_enough_for(self, loss: Loss) -> None:
        """Refuse a loss that needs more classes than a text is told from."""
        n_classes = 2 if self.multilabel else len(self.classes)
        if n_classes < loss.min_classes:
            raise ValueError(
                f"loss={loss.name!r} needs at least {loss.min_classes} classes, but there are "
                f"{n_classes}" + (" for each label." if self.multilabel else ".")
            )

    def log_prior(self, proba: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray:
        """Compute the logits of the classes' shares, or of the share of texts with each label.

        Parameters
        ----------
        proba : ndarray of shape (n_texts, n_classes)
            The teacher's probabilities, which stand in for labels that are not known.
        sample_weight : ndarray of shape (n_texts,) or None

        Returns
        -------
        ndarray of shape (n_classes,), dtype float32
        """
        if not self.known:
            shares = np.average(proba, axis=0, weights=sample_weight)
        elif self.multilabel:
            shares = np.average(self.codes, axis=0, weights=sample_weight)
        else:
            counts = np.bincount(self.codes, weights=sample_weight, minlength=len(self.classes))
            shares = counts / counts.sum()
        floor = np.finfo(np.float32).eps
        if self.multilabel:
            return logit(np.clip(shares, floor, 1 - floor)).astype(np.float32)
        return np.log(np.maximum(shares, floor)).astype(np.float32)
