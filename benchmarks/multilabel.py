"""Several labels a text: a distilled student beside its twin on hard labels.

    SKDISTILL_DATA=folder python benchmarks/multilabel.py

Two tweets of Emotion are joined into one text, whose labels are the emotions of both. A MiniLM is
fine-tuned on some thousand such texts; the student also learns from pairs whose labels nobody
knows. The twin is the same student, trained on the gold labels alone.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from _corpora import load_corpus
from _setting import base_model
from sklearn.frozen import FrozenEstimator

from skdistill import (
    DistilledMLPClassifier,
    TextPool,
    TransformerTeacherClassifier,
    distillation_report,
)

HERE = Path(__file__).parent


def join_pairs(texts, y, n_pairs, rng):
    """Join random pairs of texts; tell of each label whether one of the two has it."""
    labels, codes = np.unique(y, return_inverse=True)
    rows = rng.integers(len(texts), size=(n_pairs, 2))
    indicators = np.zeros((n_pairs, len(labels)), dtype=int)
    np.put_along_axis(indicators, codes[rows], 1, axis=1)
    return [f"{texts[a]} . {texts[b]}" for a, b in rows], indicators


def main():
    """Fine-tune the teacher, or read it; train students and twins; print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--labeled", type=int, default=4_000)
    parser.add_argument("--unlabeled", type=int, default=30_000)
    parser.add_argument("--test", type=int, default=4_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("quality-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "multilabel.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load_corpus("emotion")
    rng = np.random.default_rng(0)
    X, Y = join_pairs(data.X_train, data.y_train, options.labeled, rng)
    pool, _ = join_pairs(data.X_train, data.y_train, options.unlabeled, rng)
    X_test, Y_test = join_pairs(data.X_test, data.y_test, options.test, rng)
    folder = options.work / "teachers" / f"pairs-{options.labeled}"
    if not (folder / "config.json").exists():
        teacher = TransformerTeacherClassifier(base_model(), random_state=0, verbose=1)
        teacher.fit(X, Y).save_pretrained(folder)
    teacher = TransformerTeacherClassifier.from_finetuned(folder, precision="auto")
    student = DistilledMLPClassifier(
        FrozenEstimator(teacher), memory=options.work / "soft_labels", n_parameters=80_000
    )
    report = distillation_report(
        student,
        X,
        Y,
        X_unlabeled=TextPool(pool),
        X_test=X_test,
        y_test=Y_test,
        n_seeds=options.seeds,
        verbose=1,
    )
    print(report)
    options.output.write_text(json.dumps(asdict(report), indent=1) + "\n")


if __name__ == "__main__":
    main()
