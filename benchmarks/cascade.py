"""Accuracy and cost of a student that asks its teacher where it is unsure.

    SKDISTILL_DATA=folder python benchmarks/cascade.py --teacher emotion=folder/of/a/teacher

Student and teacher are those of `quality.py` or, for data that it lacks, the defaults. The
threshold is chosen on validation rows, which neither was trained on; accuracies are those of the
test rows, the means over seeds. A text's cost is the time of its answer, in units of the student's,
both measured here on the same texts.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from common.corpora import load_corpus
from common.setting import TEACHERS, SoftLabels, load_teacher
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skdistill import CascadeClassifier, DistilledMLPClassifier

HERE = Path(__file__).parent
STUDENT = DistilledMLPClassifier(n_parameters=80_000, pooling=("mean", "attention"), temperature=4)
RATES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


def seconds_a_text(model, texts, repeats):
    """Return the median time of a text's answer."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.predict_proba(texts)
        times.append((time.perf_counter() - start) / len(texts))
    return float(np.median(times))


def run(student, teacher, data, rates):
    """Choose a threshold for each rate on validation rows, and apply it to test rows."""
    teacher_cost = seconds_a_text(teacher, data.X_test, 1) / seconds_a_text(student, data.X_test, 9)
    rows = []
    for rate in rates:
        cascade = CascadeClassifier(
            FrozenEstimator(student),
            teacher,
            max_teacher_rate=rate,
            teacher_cost=teacher_cost,
        ).fit(data.X_val, data.y_val)
        asked = float(cascade.asks_teacher(data.X_test).mean())
        rows.append(
            {
                "max_teacher_rate": rate,
                "validation_rate": cascade.teacher_rate_,
                "test_rate": asked,
                "accuracy": 100 * cascade.score(data.X_test, data.y_test),
                "cost": 1 + asked * teacher_cost,
            }
        )
    return {
        "student": 100 * student.score(data.X_test, data.y_test),
        "teacher": 100 * float((teacher.predict(data.X_test) == data.y_test).mean()),
        "teacher_cost": teacher_cost,
        "curve": rows,
    }


def print_table(runs):
    """Print the means over the seeds as a Markdown table."""
    student, teacher, cost = (
        np.mean([run[name] for run in runs]) for name in ("student", "teacher", "teacher_cost")
    )
    print(f"\nstudent {student:.2f}, teacher {teacher:.2f}, at {cost:,.0f} times the cost\n")
    print("| teacher asked at most | asked, validation | asked, test | accuracy | cost |")
    print("|---|---|---|---|---|")
    for rows in zip(*(run["curve"] for run in runs), strict=True):
        mean = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
        std = np.std([row["accuracy"] for row in rows], ddof=min(1, len(rows) - 1))
        print(
            f"| {mean['max_teacher_rate']:.0%} | {mean['validation_rate']:.1%} | "
            f"{mean['test_rate']:.1%} | {mean['accuracy']:.2f} ± {std:.2f} | {mean['cost']:,.0f} |"
        )


def main():
    """Train the students, run the cascades, print and write the curve."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="emotion")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--teacher", nargs="+", default=[], metavar="DATA=FOLDER")
    parser.add_argument("--precision", default="auto", help="of the teacher; bf16 where it pays")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("quality-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "cascade.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load_corpus(options.data)
    ready = dict(pair.split("=", 1) for pair in options.teacher)
    teacher = load_teacher(options.data, data, options.work / "teachers", ready, options.precision)
    frozen, memory = FrozenEstimator(teacher), options.work / "soft_labels"
    student, given = DistilledMLPClassifier(frozen, memory=memory, verbose=1), {}
    if options.data in TEACHERS:
        soft = SoftLabels(options.data, data, teacher, memory)
        student = clone(STUDENT)
        given = {"teacher_proba": soft.train, **soft.extra("soft + augmented")}
    runs = []
    for seed in range(options.seeds):
        student = clone(student).set_params(random_state=seed)
        student.fit(data.X_train, data.y_train, **given)
        runs.append(run(student, frozen, data, RATES))
    print_table(runs)
    options.output.write_text(json.dumps({"data": options.data, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
