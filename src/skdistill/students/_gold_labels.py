"""The classes and gold labels of a student's training texts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from skdistill._core.exceptions import warn
from skdistill._core.labels import check_labels
from skdistill.metrics._fidelity import cohens_kappa
from skdistill.metrics._losses import Loss

# Cohen's kappa of the teacher and the gold labels below which the teacher may as well guess: less
# is "slight" agreement to Landis and Koch (1977).
_LITTLE_AGREEMENT = 0.2
# With fewer texts, a good teacher may agree so little by chance.
_ENOUGH_TEXTS = 50
# But not by chance say the contrary.
_FEW_TEXTS, _CONTRARY = 10, -0.5


@dataclass(frozen=True)
class Labels:
    """The classes and, if known, the gold labels of each text.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted; in the multilabel case, the column numbers.
    codes : ndarray of shape (n_texts,) or (n_texts, n_labels), dtype int64
        Positions in `classes`, or ones and zeros in the multilabel case; all 0 if unknown.
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
        """Read and check gold labels."""
        classes, codes = check_labels(y, n_rows=n_rows, multilabel=True)
        return cls(classes, codes, known=True)

    @classmethod
    def unknown(cls, classes: np.ndarray, multilabel: bool, *, n_rows: int) -> "Labels":
        """Make labels of unlabelled texts, for which only the set of classes is known."""
        shape = (n_rows, len(classes)) if multilabel else (n_rows,)
        return cls(classes, np.zeros(shape, dtype=np.int64), known=False)

    @property
    def multilabel(self) -> bool:
        """Whether a text may have several labels."""
        return self.codes.ndim == 2

    @property
    def y(self) -> np.ndarray | None:
        """The gold labels in the user's form, to fit a teacher on; None if unknown."""
        if not self.known:
            return None
        return self.codes if self.multilabel else self.classes[self.codes]

    def check_enough_for(self, loss: Loss) -> None:
        """Raise an error if the loss needs more classes than there are."""
        n_classes = 2 if self.multilabel else len(self.classes)
        if n_classes < loss.min_classes:
            raise ValueError(
                f"loss={loss.name!r} needs at least {loss.min_classes} classes, but there are "
                f"{n_classes}" + (" for each label." if self.multilabel else ".")
            )

    def warn_of_chance(self, proba: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Warn if probabilities agree with the labels of the texts little better than by chance.

        Labels of which a text may have several are compared by rank, without a threshold. Fewer
        than 50 texts are too few to tell, unless all get the same probabilities, or most of ten or
        more another label than their own.
        """
        if not self.known:
            return
        is_clear = len(self.codes) >= _ENOUGH_TEXTS or bool((proba == proba[:1]).all())
        weights = np.ones(len(proba)) if sample_weight is None else sample_weight
        if self.multilabel:
            area = _mean_area(self.codes, proba, weights)
            is_chance = area < 0.5 + _LITTLE_AGREEMENT / 2
            found = (
                f"probabilities agree with y little better than by chance (mean ROC AUC {area:.2f})"
            )
        else:
            kappa = cohens_kappa(self.codes[:, None], proba.argmax(axis=1)[:, None], weights)
            is_chance = kappa < _LITTLE_AGREEMENT
            is_clear |= len(self.codes) >= _FEW_TEXTS and kappa < _CONTRARY
            found = (
                "most probable classes agree with y little better than by chance (Cohen's kappa "
                f"{kappa:z.2f})"
            )
        if is_chance and is_clear:
            warn(
                f"On the labelled texts, the teacher's {found}, and the student learns what it "
                "says. Check that its columns are in the order of classes_, or use another teacher."
            )

    def log_prior(self, proba: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray:
        """Compute the logits of the class frequencies or, if multilabel, of each label's.

        Parameters
        ----------
        proba : ndarray of shape (n_texts, n_classes)
            The teacher's probabilities, used if the labels are unknown.
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


def _mean_area(codes: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean area under the ROC curve of the labels that some texts have and some lack."""
    counted = weights > 0
    codes, proba, weights = codes[counted], proba[counted], weights[counted]
    areas = [
        roc_auc_score(code, column, sample_weight=weights)
        for code, column in zip(codes.T, proba.T, strict=True)
        if 0 < code.sum() < len(code)
    ]
    return float(np.mean(areas)) if areas else 1.0
