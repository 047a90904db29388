"""How much `calibrate` reduces the calibration error, beside scikit-learn's calibration.

    SKDISTILL_DATA=folder python benchmarks/calibration.py

A temperature is fitted on the validation part and measured on the test part, for students of gold
labels and of a TF-IDF teacher. scikit-learn's is `CalibratedClassifierCV(FrozenEstimator(student),
method="temperature", ensemble=False)` on the same texts. A cell shows the calibration
error in % and, in brackets, the log loss; both are means over the seeds.
"""

import argparse

import numpy as np
from common.corpora import load_corpus
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from skdistill import DistilledMLPClassifier, make_tfidf_baseline
from skdistill.metrics import expected_calibration_error

TEACHERS = {"gold labels": None, "TF-IDF teacher": make_tfidf_baseline(C=10)}


def measure(model, data):
    """Return accuracy, calibration error and log loss on the test part, in per cent and nats."""
    proba = np.asarray(model.predict_proba(data.X_test), float)
    proba /= proba.sum(axis=1, keepdims=True)  # of float32, to please log_loss
    return (
        100 * model.score(data.X_test, data.y_test),
        100 * expected_calibration_error(data.y_test, proba, model.classes_),
        log_loss(data.y_test, proba, labels=model.classes_),
    )


def run(data, teacher, seed):
    """Train a student, calibrate it both ways, and measure the three models."""
    student = DistilledMLPClassifier(teacher, random_state=seed).fit(data.X_train, data.y_train)
    reference = CalibratedClassifierCV(
        FrozenEstimator(student), method="temperature", ensemble=False
    ).fit(data.X_val, data.y_val)
    measured = [measure(student, data), measure(reference, data)]
    student.calibrate(data.X_val, data.y_val)
    return [*measured, measure(student, data)], student.calibration_["temperature"]


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", default=["emotion", "trec6"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print("| data | student | accuracy | temperature | before | scikit-learn | calibrate |")
    print("|---|---|---|---|---|---|---|")
    for name in options.data:
        data = load_corpus(name)
        for words, teacher in TEACHERS.items():
            runs = [run(data, teacher, seed) for seed in range(options.seeds)]
            figures = np.mean([measured for measured, _ in runs], axis=0)
            temperature = np.mean([temperature for _, temperature in runs])
            errors = " | ".join(f"{error:.2f} ({loss:.3f})" for _, error, loss in figures)
            row = f"{figures[2][0]:.2f} | {temperature:.2f} | {errors}"
            print(f"| {name} | {words} | {row} |", flush=True)


if __name__ == "__main__":
    main()
