"""The result of a distillation report: three models' scores and a verdict."""

from dataclasses import dataclass, fields

import pandas as pd


@dataclass(frozen=True)
class Scores:
    """The scores of one model on the test texts, averaged over the seeds.

    Parameters
    ----------
    accuracy, macro_f1 : float
        Between 0 and 1. In multilabel data, all labels of a text must be correct for it to count
        towards the accuracy.
    fidelity : float
        The share of texts for which the model and the teacher predict the same.
    calibration_error : float
        See `skdistill.metrics.expected_calibration_error`.
    scaled_calibration_error : float
        The calibration error after temperature scaling. The temperature for each half of the test
        texts is fitted on the other half.
    accuracy_std, macro_f1_std : float or None
        Standard deviations over the seeds; None for a single seed and for the teacher.
    n_epochs : float or None
        Number of epochs; None for the teacher.
    micro_f1, micro_f1_std : float or None
        Only for multilabel data; otherwise micro F1 equals accuracy.
    """

    accuracy: float
    macro_f1: float
    fidelity: float
    calibration_error: float
    scaled_calibration_error: float
    accuracy_std: float | None = None
    macro_f1_std: float | None = None
    n_epochs: float | None = None
    micro_f1: float | None = None
    micro_f1_std: float | None = None


@dataclass(frozen=True, repr=False)
class DistillationReport:
    """The result of :func:`~skdistill.distillation_report`; printing it shows table and verdict.

    Shares are between 0 and 1. All values are plain Python numbers, so you can write
    `dataclasses.asdict` of a report as JSON.

    Parameters
    ----------
    teacher, student, twin : Scores
        The twin is the same network as the student, trained on hard labels only.
    baseline : Scores or None
        TF-IDF and logistic regression with ``C=10``, trained on the labelled texts; None if they
        contain no words.
    retention : float
        The student's accuracy divided by the teacher's.
    difference : float
        The student's accuracy minus the twin's.
    interval : tuple (low, high) of float
        Confidence interval of `difference`.
    confidence_level : float
        Level of `interval`.
    n_seeds : int
        Number of times student and twin were trained.
    n_labeled : int
        Number of training texts with gold labels, the same for all three models.
    n_transfer : int
        Number of texts in the student's transfer set: labelled, unlabelled and augmented.
    n_test : int
        Number of test texts.
    """

    teacher: Scores
    student: Scores
    twin: Scores
    baseline: Scores | None
    retention: float
    difference: float
    interval: tuple[float, float]
    confidence_level: float
    n_seeds: int
    n_labeled: int
    n_transfer: int
    n_test: int

    @property
    def helped(self) -> bool | None:
        """True if `interval` is above 0, False if it is below 0, None if it contains 0."""
        low, high = self.interval
        if low > 0:
            return True
        return False if high < 0 else None

    @property
    def verdict(self) -> str:
        """One sentence: distillation helped, it hurt, or there are too few test texts to tell."""
        outcome, link, reading = {
            True: ("Distillation helped", "and", "is above 0"),
            False: ("Distillation hurt", "and", "is below 0"),
            None: (f"Cannot tell with {self.n_test:,} test texts", "but", "contains 0"),
        }[self.helped]
        points = 100 * self.difference
        direction = "less" if points < 0 else "more"
        low, high = (f"{100 * bound:+.2f}" for bound in self.interval)
        level = f"{100 * self.confidence_level:g} %"
        return (
            f"{outcome}: the student is {abs(points):.2f} points {direction} accurate than its "
            f"twin, {link} the {level} confidence interval ({low} to {high}) {reading}."
        )

    def as_frame(self) -> pd.DataFrame:
        """Return the scores as a table.

        Returns
        -------
        DataFrame
            One row each for ``"teacher"``, ``"student"``, ``"twin"`` and, if there is one,
            ``"baseline"``, with the columns of :class:`Scores`.
        """
        names = ["teacher", "student", "twin", "baseline"]
        scores = {name: found for name in names if (found := getattr(self, name)) is not None}
        columns = [field.name for field in fields(Scores)]
        rows = [[getattr(found, column) for column in columns] for found in scores.values()]
        return pd.DataFrame(rows, index=[*scores], columns=columns, dtype=float)

    def __repr__(self) -> str:
        n_seeds, kept = self.n_seeds, 100 * self.retention
        runs = "1 seed" if n_seeds == 1 else f"mean ± standard deviation over {n_seeds} seeds"
        return "\n".join(
            [
                f"Scores on {self.n_test:,} test texts in per cent, {runs}",
                "",
                *self._table(),
                "",
                f"Retention: the student keeps {kept:.2f} % of the teacher's accuracy.",
                self.verdict,
                *self._warnings(),
            ]
        )

    def _warnings(self) -> list[str]:
        """Say which of teacher and student is no better than the baseline."""
        if self.baseline is None or self.student.accuracy > self.baseline.accuracy:
            return []
        if self.teacher.accuracy > self.baseline.accuracy:
            return ["The student is no better than TF-IDF + LR, the baseline."]
        return ["Teacher and student are no better than TF-IDF + LR, the baseline: do not distil."]

    def _table(self) -> list[str]:
        measures = ["accuracy", "macro F1", "fidelity", "calibration error", "scaled"]
        if self.teacher.micro_f1 is not None:
            measures.append("micro F1")
        rows = [["", "texts", "epochs", *measures]]
        for name, n_texts, scores in [
            ("teacher", self.n_labeled, self.teacher),
            ("student, distilled", self.n_transfer, self.student),
            ("twin, hard labels", self.n_labeled, self.twin),
            ("TF-IDF + LR", self.n_labeled, self.baseline),
        ]:
            if scores is None:
                continue
            cells = [
                _percent(scores.accuracy, scores.accuracy_std),
                _percent(scores.macro_f1, scores.macro_f1_std),
                _percent(scores.fidelity),
                _percent(scores.calibration_error),
                _percent(scores.scaled_calibration_error),
            ]
            if scores.micro_f1 is not None:
                cells.append(_percent(scores.micro_f1, scores.micro_f1_std))
            n_epochs = "" if scores.n_epochs is None else f"{scores.n_epochs:.3g}"
            rows.append([name, f"{n_texts:,}", n_epochs, *cells])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, ["-" * width for width in widths])
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]


def _percent(share: float, std: float | None = None) -> str:
    return f"{100 * share:6.2f}" + ("" if std is None else f" ± {100 * std:.2f}")
