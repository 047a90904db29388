"""Time and memory of labels from the cache, of training and of prediction, as texts grow.

    SKDISTILL_DATA=folder python benchmarks/scaling.py

Emotion's training texts are drawn anew, with replacement, as often as it takes. Each number of
texts has a process of its own, whose peak memory is read at the end of each step. The teacher is
TF-IDF and logistic regression: its labels come from the cache, so its kind does not matter. One
pass is trained; `--largest` bounds the number of texts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from common.corpora import load_corpus
from sklearn.frozen import FrozenEstimator

from skdistill import DistilledMLPClassifier, TextPool, make_tfidf_baseline
from skdistill.labelling._labeler import SoftLabeler

HERE = Path(__file__).parent
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
STEPS = ("look up labels", "train", "predict")


def peak_mb():
    """Return the most memory that this process has held, in megabytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def run_one(n_texts, folder):
    """Go through all steps with so many texts, and return seconds and peak memory of each."""
    torch.set_num_threads(1)
    data = load_corpus("emotion")
    teacher = FrozenEstimator(make_tfidf_baseline().fit(data.X_train, data.y_train))
    labeler = SoftLabeler(teacher, data.X_train, data.y_train, memory=folder)
    labelled = labeler.label(data.X_train)
    rows = np.random.default_rng(0).integers(0, len(data.X_train), n_texts)
    texts = [data.X_train[row] for row in rows]
    figures = {"start": {"seconds": 0.0, "peak_mb": peak_mb()}}

    def record(step, work):
        start = time.perf_counter()
        result = work()
        figures[step] = {"seconds": time.perf_counter() - start, "peak_mb": peak_mb()}
        return result

    proba = record("look up labels", lambda: labeler.label(texts))
    student = DistilledMLPClassifier(
        n_parameters=80_000,
        pooling=("mean", "attention"),
        max_epochs=1,
        batch_size=256,
        random_state=0,
    )
    record(
        "train",
        lambda: student.fit(
            data.X_train,
            data.y_train,
            teacher_proba=labelled,
            X_unlabeled=TextPool(texts),
            unlabeled_proba=proba,
        ),
    )
    record("predict", lambda: student.predict(texts))
    return figures


def print_table(results):
    """Print microseconds a text, and memory."""
    print("| texts | " + " | ".join(f"{step}, us a text" for step in STEPS) + " | peak, MB |")
    print("|---|" + "---|" * (len(STEPS) + 1))
    for n_texts, figures in results.items():
        cells = [f"{1e6 * figures[step]['seconds'] / int(n_texts):.2f}" for step in STEPS]
        print(f"| {int(n_texts):,} | {' | '.join(cells)} | {figures['predict']['peak_mb']:,.0f} |")


def plot(results, path):
    """Draw seconds and memory against the number of texts."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sizes = [*map(int, results)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for step in STEPS:
        left.loglog(sizes, [row[step]["seconds"] for row in results.values()], "o-", label=step)
    left.set(xlabel="texts", ylabel="seconds", title="Time, one thread")
    left.legend()
    right.loglog(sizes, [row["predict"]["peak_mb"] for row in results.values()], "o-", color="k")
    right.set(xlabel="texts", ylabel="MB", title="Peak memory of all steps")
    figure.savefig(path, dpi=90)


def main():
    """Run all sizes, print the table, draw the plot and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--output", type=Path, default=HERE / "results" / "scaling.json")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        n_texts, folder = options.one
        print(json.dumps(run_one(int(n_texts), folder)))
        return
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for n_texts in filter(lambda size: size <= options.largest, SIZES):
            command = [sys.executable, __file__, "--one", str(n_texts), folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results[str(n_texts)] = json.loads(done.stdout.splitlines()[-1])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    plot(results, options.output.with_suffix(".png"))
    print_table(results)


if __name__ == "__main__":
    main()
