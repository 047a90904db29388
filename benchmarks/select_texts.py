"""Accuracy against the number of labels bought, for each method of selecting the texts.

    SKDISTILL_DATA=folder nice python benchmarks/select_texts.py

It replays the answers of a fine-tuned MiniLM to the training texts of four data sets. Every method
starts from the same 200 random texts. It then selects texts up to 400, 800, 1,600 and 3,200, each
time with the student that learned from the answers bought so far. Students are default MLPs; their
accuracy is that on the test rows.

The answers come from the work folder of `article.py` if it contains them; if not, MiniLM is
fine-tuned and asked first, and its answers are kept. A curve is written down when it is complete,
so an interrupted benchmark resumes.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from common.answers import answers_of_minilm
from common.corpora import load_corpus
from common.setting import Results
from sklearn.utils import Bunch

from skdistill import DistilledMLPClassifier, FunctionTeacherClassifier, select_texts

HERE = Path(__file__).parent
CORPORA = ("emotion", "trec6", "agnews", "sst2")
METHODS = ("random", "uncertainty", "diversity", "mixed")
N_LABELS = (200, 400, 800, 1600, 3200)


def run(data: Bunch, answers: np.ndarray, method: str, seed: int) -> dict:
    """Buy labels in batches, and return the accuracy after each."""
    known = dict(zip(data.X_train, answers, strict=True))
    teacher = FunctionTeacherClassifier(
        lambda texts: [known[text] for text in texts],
        classes=np.unique(data.y_train),
        batch_size=10_000,
    )
    pool = [*known]
    bought: list[str] = []
    student, accuracies, seconds = None, [], 0.0
    for n in N_LABELS:
        start = time.perf_counter()
        rows = select_texts(
            student,
            pool,
            n - len(bought),
            method="random" if student is None else method,
            random_state=seed + n,
        )
        seconds += time.perf_counter() - start
        bought += [pool[row] for row in rows]
        chosen = {*rows.tolist()}
        pool = [text for row, text in enumerate(pool) if row not in chosen]
        student = DistilledMLPClassifier(teacher, random_state=seed, device="cpu").fit(bought)
        accuracies.append(100 * float(np.mean(student.predict(data.X_test) == data.y_test)))
    mean = float(np.mean(accuracies[1:]))
    return {"accuracy": mean, "accuracies": accuracies, "seconds": seconds}


def print_tables(results: Results) -> None:
    """Print the mean accuracies, and the mean gain of each method over random texts."""
    curves: dict[tuple[str, str], dict[int, list[float]]] = {}
    for key, found in results.runs.items():
        name, method, seed = key.split(" | ")
        curves.setdefault((name, method), {})[int(seed)] = found["accuracies"]
    names = [name for name in CORPORA if (name, "random") in curves]
    print("| data | labels | " + " | ".join(METHODS) + " |\n|---|---" + "|---" * len(METHODS) + "|")
    for name in names:
        for place, n in enumerate(N_LABELS):
            cells = [
                f"{np.mean([curve[place] for curve in curves[name, method].values()]):.1f}"
                for method in METHODS
                if (name, method) in curves
            ]
            print(f"| {name} | {n:,} | " + " | ".join(cells) + " |")
    print("\nMean gain over random from 400 labels on, and its standard error over the seeds:\n")
    for method in METHODS[1:]:
        for name in names:
            pairs = curves.get((name, method), {}), curves[name, "random"]
            gains = [
                np.mean(np.subtract(pairs[0][seed], pairs[1][seed])[1:])
                for seed in pairs[0].keys() & pairs[1].keys()
            ]
            if len(gains) > 1:
                error = np.std(gains, ddof=1) / len(gains) ** 0.5
                print(f"{method}, {name}: {np.mean(gains):+.2f} ± {error:.2f}")


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=CORPORA, default=CORPORA)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("article-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "select_texts.json")
    parser.add_argument("--table", action="store_true", help="only print what was run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = Results(options.output)
    for seed in () if options.table else range(options.seeds):
        for name in options.data:
            data = load_corpus(name)
            answers = answers_of_minilm(name, data, options.work).train
            for method in options.methods:
                results.record(
                    (name, method, seed),
                    lambda m=method, d=data, a=answers, s=seed: run(d, a, m, s),
                )
    print_tables(results)


if __name__ == "__main__":
    main()
