"""What replaced words are worth, by learned roles or by word vectors, on validation rows.

    SKDISTILL_DATA=folder python benchmarks/replacements.py --teacher emotion=folder/of/a/teacher

An MLP with default parameters learns from few labelled texts and from copies of them; each row of
the table is one augmenter. With the seed, the student and the copies change. Teachers that are not
given are fine-tuned on the same labelled texts. Test rows are not touched.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from common.corpora import load_corpus
from common.setting import Results, base_model, load_teacher
from sklearn.frozen import FrozenEstimator

from skdistill import DistilledMLPClassifier, TextAugmenter

HERE = Path(__file__).parent
DATA = ("emotion", "trec6")
AUGMENTERS = {
    "no copies": None,
    "defaults": {},
    "replace_p=0.3": {"replace_p": 0.3},
    "replace_p=0.3, word_vectors": {"replace_p": 0.3, "word_vectors": base_model()},
}


def run(name, seed, data, teacher, options):
    """Train the student on labelled texts and their copies; score it on the validation part."""
    rules = AUGMENTERS[name]
    student = DistilledMLPClassifier(
        FrozenEstimator(teacher),
        pooling=("mean", "attention"),
        temperature=1,
        augmenter=None,
        random_state=seed,
        memory=options.work / "soft_labels",
    )
    if rules is not None:
        copies = {"n_copies": options.n_copies, "random_state": seed}
        student.set_params(augmenter=TextAugmenter(**copies, **rules))
    student.fit(data.X_train, data.y_train)
    return {"accuracy": 100 * float(student.score(data.X_val, data.y_val))}


def main():
    """Run what is missing, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--augmenters", nargs="+", choices=AUGMENTERS, default=[*AUGMENTERS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-labelled", type=int, default=2_000)
    parser.add_argument("--n-copies", type=int, default=4)
    parser.add_argument("--teacher", nargs="+", default=[], metavar="DATA=FOLDER")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("replacements-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "replacements.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = Results(options.output)
    ready = dict(pair.split("=", 1) for pair in options.teacher)
    for corpus in options.data:
        data = load_corpus(corpus)
        data.X_train = data.X_train[: options.n_labelled]
        data.y_train = data.y_train[: options.n_labelled]
        teacher = load_teacher(corpus, data, options.work / "teachers", ready, options.precision)
        print(f"{corpus}, teacher: {100 * teacher.score(data.X_val, data.y_val):.2f}", flush=True)
        for seed in range(options.seeds):
            for name in options.augmenters:
                results.record(
                    (corpus, name, seed),
                    lambda n=name, s=seed, d=data, t=teacher: run(n, s, d, t, options),
                )
    print("| augmenter | " + " | ".join(options.data) + " |")
    print("|---|" + "---|" * len(options.data))
    for name in options.augmenters:
        cells = []
        for corpus in options.data:
            scores = [one["accuracy"] for one in results.of(corpus, name)]
            cells.append(f"{np.mean(scores):.2f} ± {np.std(scores):.2f}" if scores else "")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
