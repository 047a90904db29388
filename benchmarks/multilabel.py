"""Several labels a text: a distilled student beside its twin on hard labels.

    SKDISTILL_DATA=folder python benchmarks/multilabel.py --teacher emotion=folder/of/a/teacher

Two tweets of Emotion are joined into one text, whose labels are the emotions of both. The teacher
is a MiniLM that knows single tweets: it is asked for both halves, and a text has a label if one of
them has it. Student and twin see the joined text alone. The labelled texts hold each training tweet
once, so that the twin is told all gold labels that the teacher was trained on; the student also
learns from other pairs of the same tweets, which the teacher labels.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from common.corpora import load_corpus
from common.setting import SoftLabels, load_teacher

from skdistill import (
    DistilledMLPClassifier,
    FunctionTeacherClassifier,
    TextPool,
    distillation_report,
)

HERE = Path(__file__).parent
SEPARATOR = " . "  # no tweet of Emotion holds a punctuation mark


def join_pairs(texts, y, pairs):
    """Join pairs of texts; tell of each label whether one of the two has it."""
    labels, codes = np.unique(y, return_inverse=True)
    indicators = np.zeros((len(pairs), len(labels)), dtype=int)
    np.put_along_axis(indicators, codes[pairs], 1, axis=1)
    return [f"{texts[a]}{SEPARATOR}{texts[b]}" for a, b in pairs], indicators


def make_teacher(labeler, texts):
    """Make a teacher for pairs of the given texts out of one that knows single ones."""
    known = dict(zip(texts, labeler.label(texts), strict=True))

    def ask(pairs):
        halves = [pair.split(SEPARATOR) for pair in pairs]
        neither = [np.prod([1 - known[half] for half in pair], axis=0) for pair in halves]
        return 1 - np.array(neither)

    return FunctionTeacherClassifier(ask)


def main():
    """Train students and twins; print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--unlabeled", type=int, default=30_000)
    parser.add_argument("--test", type=int, default=4_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--teacher", nargs="+", default=[], metavar="DATA=FOLDER")
    parser.add_argument("--precision", default="auto", help="of the teacher; bf16 where it pays")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("quality-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "multilabel.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load_corpus("emotion")
    rng = np.random.default_rng(0)
    n_train, n_test = len(data.X_train), len(data.X_test)
    X, Y = join_pairs(data.X_train, data.y_train, rng.permutation(n_train).reshape(-1, 2))
    others = rng.integers(n_train, size=(options.unlabeled, 2))
    pool, _ = join_pairs(data.X_train, data.y_train, others)
    tested = rng.integers(n_test, size=(options.test, 2))
    X_test, Y_test = join_pairs(data.X_test, data.y_test, tested)
    ready = dict(pair.split("=", 1) for pair in options.teacher)
    single = load_teacher("emotion", data, options.work / "teachers", ready, options.precision)
    labeler = SoftLabels("emotion", data, single, options.work / "soft_labels").labeler
    teacher = make_teacher(labeler, [*data.X_train, *data.X_test])
    report = distillation_report(
        DistilledMLPClassifier(
            teacher, n_parameters=80_000, pooling=("mean", "attention"), augmenter=None
        ),
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
