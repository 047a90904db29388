"""The article's table with teachers of 22.7 and 109 million parameters, on four data sets.

    SKDISTILL_DATA=folder python benchmarks/article.py --mpnet folder/of/mpnet-base

For each data set: TF-IDF and logistic regression; an MLP on gold labels with average pooling;
MiniLM (22.7 million parameters) and MPNet (109 million), each fine-tuned from several seeds; and
students of 80,000 and 660,000 parameters, distilled from one MiniLM, from one MPNet, and from the
mean of these two, with and without augmentation.

Everything resumes. Answers of teachers are files in the work folder, so `--only-teachers` can run
on another machine, with a GPU. On two CPU cores, fine-tuning MPNet on Emotion takes less than an
hour where they have AMX, and hours elsewhere; with `--precision bf16`, answers are faster there,
too. What was chosen was chosen on validation rows; `--split validation` repeats that.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from common.answers import ask, load_texts
from common.peers import tuned_tfidf
from common.setting import Results, base_model
from common.students import STUDENTS, members_of
from sklearn import set_config
from sklearn.base import clone
from sklearn.utils import Bunch

from skdistill import TextPool, TransformerTeacherClassifier

HERE = Path(__file__).parent
CORPORA = ("emotion", "trec6", "agnews", "sst2")
# MPNet's learning rates: on Emotion's validation rows 5e-5 reached 94.35 %, 3e-5 94.15, 2e-5 93.6;
# on TREC-6's 5e-5 96.4, 1e-4 95.6.
RATES = {"emotion": 5e-5, "trec6": 5e-5, "agnews": 3e-5, "sst2": 3e-5}
# What a student learns from beside labelled texts. "Words" are those of the teacher's vocabulary;
# with "more", there are four times as many augmented texts.
ARMS = {
    "soft": (),
    "soft + augmented": ("unlabeled", "augmented"),
    "soft + augmented + words": ("unlabeled", "augmented", "words"),
    "soft + more augmented": ("unlabeled", "augmented", "more"),
}
# Passes over these. On SST-2's validation rows, the RNN of 0.66 million parameters reached 92.3 %
# with the two of the default, and 93.8 with six.
EPOCHS_WITH_MORE = 6


class Answers:
    """What the teachers of a data set answer, and means of several."""

    def __init__(self, name: str, data: Bunch, options: argparse.Namespace):
        def answers_of(encoder, folder, n_seeds, **settings):
            return [
                ask(
                    name,
                    data,
                    folder,
                    seed,
                    work / f"{name}_{encoder}_{seed}.npz",
                    precision=options.precision,
                    **settings,
                )
                for seed in range(n_seeds)
            ]

        work = options.work / "answers"
        minilm = answers_of("minilm", base_model(), options.minilm_seeds)
        mpnet = answers_of("mpnet", options.mpnet, options.mpnet_seeds, lr=RATES[name])
        # The mean is always of one of each, so that a result means the same with any options.
        self.teachers = {"MiniLM": minilm[:1], "MPNet": mpnet[:1], "mean": minilm[:1] + mpnet[:1]}
        self.single = {"MiniLM": minilm, "MPNet": mpnet}

    def of(self, teacher: str, part: str) -> np.ndarray:
        """Return a teacher's probabilities for a part of the texts."""
        return np.mean([found[part] for found in self.teachers[teacher]], axis=0)


def accuracy(predicted: np.ndarray, data: Bunch, part: str) -> float:
    """Return the accuracy in per cent."""
    return 100 * float(np.mean(predicted == data[f"y_{part}"]))


def run_student(name, teacher, arm, seed, data, answers, part) -> dict:
    """Train a student, or a committee, on a teacher's answers, or its twin on gold labels."""
    student = clone(STUDENTS[name])
    # The embedding of large students starts from MiniLM's.
    source = TransformerTeacherClassifier(base_model())
    for number, member in enumerate(members_of(student)):
        member.set_params(random_state=seed + 1000 * number, augmenter=None, device="cpu")
        if "more" in ARMS.get(arm, ()):
            member.set_params(max_epochs=EPOCHS_WITH_MORE)
        if teacher is None:
            member.set_params(temperature=1, embedding_init="random")
        elif member.embedding_init == "teacher":
            member.set_params(teacher=source)
    given = {}
    if teacher is not None:
        given = {"teacher_proba": answers.of(teacher, "train")}
    if teacher is not None and ARMS[arm]:
        given["X_unlabeled"] = TextPool([text for p in ARMS[arm] for text in data[f"X_{p}"]])
        given["unlabeled_proba"] = np.vstack([answers.of(teacher, p) for p in ARMS[arm]])
    start = time.perf_counter()
    student.fit(data.X_train, data.y_train, **given)
    members = members_of(student)
    return {
        "accuracy": accuracy(student.predict(data[f"X_{part}"]), data, part),
        "seconds": time.perf_counter() - start,
        "n_parameters": sum(member.n_parameters_ for member in members),
        "n_texts": members[0].transfer_size_,
    }


def run_corpus(name: str, results: Results, options: argparse.Namespace) -> None:
    """Run what is missing of a data set."""
    data = load_texts(name, options.work)
    answers = Answers(name, data, options)
    part = "val" if options.split == "validation" else "test"
    classes = np.unique(data.y_train)

    def record(*key, run):
        results.record((options.split, name, *key), run)

    def score(proba, **figures):
        return {"accuracy": accuracy(classes[proba.argmax(axis=1)], data, part), **figures}

    for encoder, found in answers.single.items():
        for seed, one in enumerate(found):
            size = int(one.n_parameters)
            record(
                encoder, "teacher", seed, run=lambda p=one[part], n=size: score(p, n_parameters=n)
            )
    if len(answers.teachers["mean"]) > 1:
        record("mean", "teacher", 0, run=lambda: score(answers.of("mean", part)))
    if options.only_teachers:
        return

    def run_tfidf():
        model, n_weights = tuned_tfidf(data, 0)
        predicted = model.predict(data[f"X_{part}"])
        return {"accuracy": accuracy(predicted, data, part), "n_parameters": n_weights}

    record("gold", "TF-IDF + LR, tuned", 0, run=run_tfidf)
    for seed in range(options.seeds):
        arms = [(None, "hard")]
        # Work folders from before these texts were made, with answers that took hours, lack them.
        given = [arm for arm in options.arms if "more" not in ARMS[arm] or data.get("X_more")]
        arms += [(teacher, arm) for teacher in options.teachers for arm in given]
        for teacher, arm in arms:
            for student in options.students:
                record(
                    teacher or "gold",
                    f"{student}, {arm}",
                    seed,
                    run=lambda s=student, t=teacher, a=arm, n=seed: run_student(
                        s, t, a, n, data, answers, part
                    ),
                )


def print_table(results: Results) -> None:
    """Print each model's mean and standard deviation over the seeds."""
    rows: dict[str, list[dict]] = {}
    for key, run in results.runs.items():
        rows.setdefault(key.rpartition(" | ")[0], []).append(run)
    print("| split | data | learned from | model | parameters | accuracy |")
    print("|---|---|---|---|---|---|")
    for key, runs in sorted(rows.items()):
        values = [run["accuracy"] for run in runs]
        spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
        size = max(run.get("n_parameters", 0) for run in runs)
        print(f"| {key} | {size:,} | {np.mean(values):.2f}{spread} |")


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mpnet", type=Path, help="folder of the pretrained MPNet-base")
    parser.add_argument("--data", nargs="+", choices=CORPORA, default=CORPORA)
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=[*STUDENTS])
    teachers = ("MiniLM", "MPNet", "mean")
    parser.add_argument(
        "--teachers", nargs="*", choices=teachers, default=teachers, help="none: labels alone"
    )
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=[*ARMS])
    parser.add_argument("--only-teachers", action="store_true")
    parser.add_argument("--minilm-seeds", type=int, default=1)
    parser.add_argument("--mpnet-seeds", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5, help="of the students")
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--precision", default="auto", help="of teachers' answers, such as bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("article-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "article.json")
    parser.add_argument("--table", action="store_true", help="only print what was run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # Committees pass the teacher's probabilities on to their students.
    set_config(enable_metadata_routing=True)
    results = Results(options.output)
    for name in () if options.table else options.data:
        run_corpus(name, results, options)
    print_table(results)


if __name__ == "__main__":
    main()
