"""Is `recommend_student` right? Its advice against what `quality.py` measured.

    SKDISTILL_DATA=folder python benchmarks/recommendation.py --teacher emotion=folder/of/a/teacher

Needs the results of `quality.py`. The teachers' word-order sensitivity is measured on validation
rows. The share of a teacher's lead over the most frequent class that each kind of student loses,
for the square of the sensitivity, is fitted by least squares: on all data sets on which some
student keeps half of the lead, and for each data set on the others alone, which tells what the
advice would be worth on one that it has not seen.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from common.corpora import load_corpus
from common.setting import CORPORA, Results, load_teacher

from skdistill import recommend_student
from skdistill.evaluation import _recommendation as recommendation

HERE = Path(__file__).parent
KINDS = {"bag": "MLP, mean", "window": "MLP", "recurrent": "RNN"}
ARMS = ("all", "soft + augmented")
# A recommended student may be so much below the best one; a teacher to be kept is above all of
# them by more.
TOLERANCE = 1.0


def measured(results, name):
    """Return the teacher's accuracy and each kind's, with most texts, in per cent."""
    teacher = results.of(name, "teacher")[0]["accuracy"]
    students = {}
    for kind, student in KINDS.items():
        runs = next(filter(None, (results.of(name, student, arm) for arm in ARMS)))
        students[kind] = np.mean([run["accuracy"] for run in runs])
    return teacher, students


def fit_losses(rows):
    """Fit the share of the lead that each kind loses at a sensitivity of 1."""
    lost = {kind: np.array([(r["teacher"] - r[kind]) / r["lead"] for r in rows]) for kind in KINDS}
    squares = np.array([row["sensitivity"] for row in rows]) ** 2
    distillable = np.min([*lost.values()], axis=0) < 0.5
    squares = squares[distillable]
    return {
        kind: max(0.0, float(squares @ lost[kind][distillable] / (squares @ squares)))
        for kind in KINDS
    }


def advise(row, losses):
    """Apply the rule of `recommend_student` with other factors."""
    losses = {kind: min(1.0, losses[kind] * row["sensitivity"] ** 2) for kind in KINDS}
    if min(losses.values()) > 0.5:
        return "teacher"
    gaps = {kind: row["lead"] * loss for kind, loss in losses.items()}
    return next(kind for kind in KINDS if gaps[kind] <= min(gaps.values()) + 1.0)


def is_right(row, advice):
    """Tell whether the advice is the best student, within a point, or none comes near."""
    best = max(row[kind] for kind in KINDS)
    if advice == "teacher":
        return row["teacher"] - best > TOLERANCE
    return row[advice] >= best - TOLERANCE


def main():
    """Measure, fit, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=CORPORA, default=CORPORA)
    parser.add_argument("--teacher", nargs="+", default=[], metavar="DATA=FOLDER")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rows", type=int, default=1000, help="validation rows to shuffle")
    parser.add_argument("--work", type=Path, default=Path("quality-work"))
    parser.add_argument("--quality", type=Path, default=HERE / "results" / "quality.json")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "recommendation.json")
    options = parser.parse_args()
    results = Results(options.quality)
    ready = dict(pair.split("=", 1) for pair in options.teacher)
    rows = []
    for name in options.data:
        data = load_corpus(name)
        teacher = load_teacher(name, data, options.work / "teachers", ready, options.precision)
        advice = recommend_student(
            teacher, data.X_val[: options.rows], data.y_val[: options.rows], n_shuffles=3
        )
        accuracy, students = measured(results, name)
        most_frequent = 100 * np.unique(data.y_test, return_counts=True)[1].max()
        rows.append(
            {
                "data": name,
                "sensitivity": advice.word_order_sensitivity,
                "advice": advice.kind,
                "gap_expected": 100 * advice.predicted_gap,
                "teacher": accuracy,
                "lead": accuracy - most_frequent / len(data.y_test),
                **students,
            }
        )
    print("| data | sensitivity | teacher | bag | window | recurrent | advice | right | unseen |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        others = fit_losses([other for other in rows if other is not row])
        row["advice_unseen"] = advise(row, others)
        row["right"] = bool(is_right(row, row["advice"]))
        row["right_unseen"] = bool(is_right(row, row["advice_unseen"]))
        students = " | ".join(f"{row[kind]:.2f}" for kind in KINDS)
        print(
            f"| {row['data']} | {row['sensitivity']:.2f} | {row['teacher']:.2f} | {students} | "
            f"{row['advice']} | {row['right']} | {row['advice_unseen']}: {row['right_unseen']} |"
        )
    losses = fit_losses(rows)
    used = recommendation._LOSS
    print("\nfactors:", {kind: round(loss, 2) for kind, loss in losses.items()}, "in use:", used)
    options.output.write_text(json.dumps({"rows": rows, "factors": losses}, indent=1))


if __name__ == "__main__":
    main()
