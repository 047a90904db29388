"""How many texts a cascade passes on to its teacher to guarantee their agreement.

    SKDISTILL_DATA=folder nice python benchmarks/agreement.py

A default MLP learns MiniLM's probabilities of the training rows of four data sets. The cascade's
threshold is chosen on validation rows, which neither was trained on; share and agreement are
measured on test rows. Teachers' answers come from the same work folder as in `select_texts.py`.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from common.answers import answers_of_minilm
from common.corpora import load_corpus
from common.setting import Results
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch

from skdistill import CascadeClassifier, DistilledMLPClassifier, FunctionTeacherClassifier

HERE = Path(__file__).parent
CORPORA = ("emotion", "trec6", "agnews", "sst2")
TARGETS = (0.9, 0.95, 0.97, 0.99)


def run(data: Bunch, answers: Bunch) -> dict:
    """Fit a student, and the cascade for each target."""
    known = {
        text: row
        for part in ("val", "test")
        for text, row in zip(data[f"X_{part}"], answers[part], strict=True)
    }
    teacher = FunctionTeacherClassifier(
        lambda texts: [known[text] for text in texts],
        classes=np.unique(data.y_train),
        batch_size=10_000,
    ).fit(data.X_val)
    student = DistilledMLPClassifier(random_state=0, device="cpu")
    student.fit(data.X_train, data.y_train, teacher_proba=answers.train)
    expected = teacher.predict(data.X_test)
    alone, on_validation = (
        100 * float(np.mean(student.predict(texts) == teacher.predict(texts)))
        for texts in (data.X_test, data.X_val)
    )
    rows = []
    for target in TARGETS:
        cascade = CascadeClassifier(
            FrozenEstimator(student), FrozenEstimator(teacher), target_agreement=target
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No threshold guarantees", UserWarning)
            cascade.fit(data.X_val)
        rows.append(
            {
                "target": target,
                "asked": 100 * float(cascade.asks_teacher(data.X_test).mean()),
                "agreement": 100 * float(np.mean(cascade.predict(data.X_test) == expected)),
            }
        )
    return {
        "accuracy": alone,
        "on_validation": on_validation,
        "n_validation": len(data.X_val),
        "targets": rows,
    }


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=CORPORA, default=CORPORA)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("article-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "agreement.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = Results(options.output)
    for name in options.data:
        data = load_corpus(name)
        answers = answers_of_minilm(name, data, options.work)
        results.record((name,), lambda d=data, a=answers: run(d, a))
    print("| data | validation texts | student, validation | test | target | asked | agreement |")
    print("|---|---|---|---|---|---|---|")
    for name, found in results.runs.items():
        for row in found["targets"]:
            print(
                f"| {name} | {found['n_validation']:,} | {found['on_validation']:.1f} "
                f"| {found['accuracy']:.1f} "
                f"| {row['target']:.0%} | {row['asked']:.1f} % | {row['agreement']:.1f} % |"
            )


if __name__ == "__main__":
    main()
