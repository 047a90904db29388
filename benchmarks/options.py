"""What each option of a student is worth, one at a time, on validation rows of five data sets.

    SKDISTILL_DATA=folder python benchmarks/options.py --teacher emotion=folder/of/a/teacher

The student is the MLP of `quality.py`, on labelled and augmented texts; each row of the table
changes one parameter. Teachers and soft labels are those of `quality.py`, in the same `--work`.
Test rows are not touched.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from common.corpora import load_corpus
from common.setting import CORPORA, TEACHERS, Results, SoftLabels, base_model, load_teacher

from skdistill import DistilledMLPClassifier, TransformerTeacherClassifier
from skdistill.labelling._labeler import SoftLabeler

HERE = Path(__file__).parent
BASE = {"n_parameters": 80_000, "pooling": ("mean", "attention"), "temperature": 4}
OPTIONS = {
    "as it is": {},
    "temperature 1": {"temperature": 1},
    "temperature 2": {"temperature": 2},
    "MSE": {"loss": "mse"},
    "hard labels 0.3": {"hard_label_weight": 0.3},
    "gold epoch": {"gold_epochs": 1},
    "out-of-fold labels": {},
    "teacher's embedding": {"embedding_init": "teacher"},
    "hashed bigrams": {"ngram_range": (1, 2), "hash_buckets": 2_000},
    "hidden layer": {"hidden_layer_sizes": (32,)},
    "5,000 x 16": {"n_parameters": None},
    "pruned to half": {},
}
# A teacher is fitted three times for these; so on two data sets alone.
OUT_OF_FOLD = ("emotion", "trec6")


def run(option, seed, data, soft, labels):
    """Train the student with one option and score it on the validation part."""
    student = DistilledMLPClassifier(soft.teacher, random_state=seed)
    student.set_params(**BASE).set_params(**OPTIONS[option])
    given = {"teacher_proba": labels(option), **soft.extra("soft + augmented")}
    student.fit(data.X_train, data.y_train, **given)
    if option == "pruned to half":
        student.prune_vocabulary(len(student.vocabulary_) // 2 + 1)
    return {
        "accuracy": 100 * float(student.score(data.X_val, data.y_val)),
        "n_parameters": student.n_parameters_,
    }


def main():
    """Run what is missing, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=CORPORA, default=CORPORA)
    parser.add_argument("--options", nargs="+", choices=OPTIONS, default=[*OPTIONS])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--teacher", nargs="+", default=[], metavar="DATA=FOLDER")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("quality-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "options.json")
    parser.add_argument("--table", action="store_true", help="only print what was run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = Results(options.output)
    ready = dict(pair.split("=", 1) for pair in options.teacher)
    for name in () if options.table else options.data:
        data = load_corpus(name)
        teacher = load_teacher(name, data, options.work / "teachers", ready, options.precision)
        soft = SoftLabels(name, data, teacher, options.work / "soft_labels")

        def labels(option, soft=soft, data=data, name=name):
            if option != "out-of-fold labels":
                return soft.train
            unfitted = TransformerTeacherClassifier(base_model(), random_state=0, verbose=1)
            folds = SoftLabeler(
                unfitted.set_params(**TEACHERS[name]),
                data.X_train,
                data.y_train,
                memory=options.work / "soft_labels",
            )
            return folds.label_held_out(3)[1]

        for option in options.options:
            if option == "out-of-fold labels" and name not in OUT_OF_FOLD:
                continue
            for seed in range(options.seeds):
                results.record(
                    (name, option, seed),
                    lambda o=option, s=seed, d=data, t=soft, g=labels: run(o, s, d, t, g),
                )
    print("| option | " + " | ".join(options.data) + " |")
    print("|---|" + "---|" * len(options.data))
    for option in OPTIONS:
        cells = []
        for name in options.data:
            runs = results.of(name, option)
            cells.append(f"{np.mean([run['accuracy'] for run in runs]):.2f}" if runs else "")
        print(f"| {option} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
