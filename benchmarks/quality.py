"""Accuracy of students, of their twins on hard labels, and of their peers, on five data sets.

    SKDISTILL_DATA=folder python benchmarks/quality.py --teacher emotion=folder/of/a/teacher

For each data set a MiniLM teacher is fine-tuned on the training part (or read, with `--teacher`)
and labels all texts once. Then each student is trained from each seed on hard labels; on soft
labels; on soft labels and augmented texts; on soft labels and unlabelled texts, where there are
any; and on all of these. A run is written down when it ends and is not repeated: a benchmark that
was interrupted goes on where it stopped.

Options were chosen on validation rows, which nothing is trained on. Test rows are predicted once
for each figure.
"""

import argparse
import time
from functools import cache
from pathlib import Path

import numpy as np
import torch
from common.corpora import load_corpus
from common.peers import DETERMINISTIC, PEERS
from common.setting import CORPORA, Results, SoftLabels, load_teacher
from common.students import STUDENTS, members_of
from sklearn import set_config
from sklearn.base import clone
from sklearn.metrics import f1_score

from skdistill.metrics._bootstrap import paired_bootstrap
from skdistill.metrics._calibration import expected_calibration_error

HERE = Path(__file__).parent
ARMS = ("hard", "soft", "soft + augmented", "soft + unlabelled", "all")
# Soft + augmented, labelled by the mean of the teacher and of three recurrent students of its own.
ASSISTED = "assisted"
N_ASSISTANTS = 3


def score(model, data, seconds, **figures):
    """Return a run's figures; which test rows were right goes with them, for paired intervals."""
    predicted = model.predict(data.X_test)
    right = np.asarray(predicted) == data.y_test
    if hasattr(model, "predict_proba"):
        proba = model.predict_proba(data.X_test)
        error = expected_calibration_error(data.y_test, proba, model.classes_)
        figures["calibration_error"] = 100 * error
    return {
        "accuracy": 100 * right.mean(),
        "macro_f1": 100 * f1_score(data.y_test, predicted, average="macro"),
        "seconds": seconds,
        **figures,
        "right": np.packbits(right).tobytes().hex(),
    }


@cache
def assist(soft):
    """Let recurrent students of the teacher's label the texts with it."""
    data, extra = soft.data, soft.extra("soft + augmented")
    labelled, augmented = [soft.train], [extra["unlabeled_proba"]]
    for number in range(N_ASSISTANTS):
        student = clone(STUDENTS["RNN"]).set_params(random_state=100 + number)
        student.fit(data.X_train, data.y_train, teacher_proba=soft.train, **extra)
        labelled.append(student.predict_proba(data.X_train))
        augmented.append(student.predict_proba(extra["X_unlabeled"]))
    return {
        "teacher_proba": np.mean(labelled, axis=0),
        "X_unlabeled": extra["X_unlabeled"],
        "unlabeled_proba": np.mean(augmented, axis=0),
    }


def run_student(student, arm, seed, data, soft):
    """Train one student, or a committee of them, and score it."""
    student = clone(student)
    for number, member in enumerate(members_of(student)):
        member.set_params(random_state=seed + 1000 * number)
        if arm == "hard":
            member.set_params(temperature=1, embedding_init="random")
        else:
            member.set_params(teacher=soft.teacher)
    given = {}
    if arm == ASSISTED:
        given = assist(soft)
    elif arm != "hard":
        given = {"teacher_proba": soft.train}
    if arm in ARMS[2:]:
        given |= soft.extra(arm)
    start = time.perf_counter()
    student.fit(data.X_train, data.y_train, **given)
    seconds = time.perf_counter() - start
    members = members_of(student)
    return score(
        student,
        data,
        seconds,
        n_parameters=sum(member.n_parameters_ for member in members),
        n_texts=members[0].transfer_size_,
        n_epochs=members[0].n_iter_,
    )


def run_peer(make, seed, data):
    """Fit a peer and score it."""
    start = time.perf_counter()
    model, n_parameters = make(data, seed)
    seconds = time.perf_counter() - start
    return score(model, data, seconds, n_parameters=n_parameters)


def applies(arm, data):
    """Tell whether a data set has what an arm needs."""
    return bool(data.X_unlabeled) or arm not in ("soft + unlabelled", "all")


def right_rows(runs, n_rows):
    """Return which test rows each run had right: an array of shape (n_seeds, n_rows)."""
    packed = [np.frombuffer(bytes.fromhex(run["right"]), dtype=np.uint8) for run in runs]
    return np.array([np.unpackbits(row, count=n_rows) for row in packed], dtype=float)


def print_tables(results, corpora):
    """Print a Markdown table for each data set."""
    for name in corpora:
        teacher = results.of(name, "teacher")
        if not teacher:
            continue
        runs = {
            (student, arm): results.of(name, student, arm)
            for student in STUDENTS
            for arm in (*ARMS, ASSISTED)
        }
        arms = [arm for arm in (*ARMS, ASSISTED) if any(runs[student, arm] for student in STUDENTS)]
        n_rows = len(load_corpus(name).X_test)
        print(f"\n### {name}: teacher {teacher[0]['accuracy']:.2f}\n")
        print("| model | parameters | " + " | ".join(arms) + " | gain over hard |")
        print("|---|---|" + "---|" * (len(arms) + 1))
        for peer in PEERS:
            if found := results.of(name, peer):
                blank = " |" * len(arms)
                print(f"| {peer} | {found[0]['n_parameters']:,} | {mean_and_std(found)} |{blank}")
        for student in STUDENTS:
            by_arm = {arm: runs[student, arm] for arm in arms}
            if not any(by_arm.values()):
                continue
            size = max(run["n_parameters"] for found in by_arm.values() for run in found)
            cells = [mean_and_std(found) if found else "" for found in by_arm.values()]
            print(f"| {student} | {size:,} | {' | '.join(cells)} | {gain(by_arm, n_rows)} |")


def mean_and_std(runs):
    """Write accuracies as mean and standard deviation over the seeds."""
    values = [run["accuracy"] for run in runs]
    return (
        f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
        if len(values) > 1
        else (f"{values[0]:.2f}")
    )


def gain(by_arm, n_rows):
    """Write the paired difference between the arm with most texts and the twin on hard labels."""
    arm = next((arm for arm in reversed(ARMS) if by_arm.get(arm)), "hard")
    n_seeds = min(len(by_arm[arm]), len(by_arm.get("hard", ())))
    if arm == "hard" or not n_seeds:
        return ""
    difference = right_rows(by_arm[arm], n_rows)[:n_seeds]
    difference = difference - right_rows(by_arm["hard"], n_rows)[:n_seeds]
    low, high = (100 * bound for bound in paired_bootstrap(difference))
    return f"{100 * difference.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


def main():
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=CORPORA, default=CORPORA)
    parser.add_argument("--students", nargs="*", choices=STUDENTS, default=[*STUDENTS])
    parser.add_argument("--arms", nargs="+", choices=(*ARMS, ASSISTED), default=ARMS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--teacher", nargs="+", default=[], metavar="DATA=FOLDER")
    parser.add_argument("--precision", default="auto", help="of the teachers; bf16 where it pays")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("quality-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "quality.json")
    parser.add_argument("--table", action="store_true", help="only print what was run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    set_config(enable_metadata_routing=True)
    results = Results(options.output)
    if not options.table:
        ready = dict(pair.split("=", 1) for pair in options.teacher)
        for name in options.data:
            data = load_corpus(name)
            teacher = load_teacher(name, data, options.work / "teachers", ready, options.precision)
            results.record((name, "teacher", 0), lambda t=teacher, d=data: score(t, d, None))
            for peer, make in {} if options.no_peers else PEERS.items():
                for seed in range(1 if peer in DETERMINISTIC else options.seeds):
                    results.record(
                        (name, peer, seed), lambda m=make, s=seed, d=data: run_peer(m, s, d)
                    )
            if not options.students:
                continue
            soft = SoftLabels(name, data, teacher, options.work / "soft_labels")
            for arm in filter(lambda arm: applies(arm, data), options.arms):
                for student in options.students:
                    for seed in range(options.seeds):
                        results.record(
                            (name, student, arm, seed),
                            lambda n=student, a=arm, s=seed, d=data, t=soft: run_student(
                                STUDENTS[n], a, s, d, t
                            ),
                        )
    print_tables(results, options.data)


if __name__ == "__main__":
    main()
