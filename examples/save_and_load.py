"""Save a student with joblib, and serve it from a process that never loads torch."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib

from skdistill import DistilledMLPClassifier, TextPool, load_docstrings, make_tfidf_baseline

data = load_docstrings(n_labeled=1000, n_test=500)
student = DistilledMLPClassifier(make_tfidf_baseline(C=10), random_state=0)
student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled[:5000]))

SERVE = """
import sys, joblib
student = joblib.load("student.joblib")
for text, label in zip(sys.argv[1:], student.predict(sys.argv[1:])):
    print(f"{label:16} {text}")
print("torch was loaded:", "torch" in sys.modules)
"""

with TemporaryDirectory() as folder:
    path = Path(folder) / "student.joblib"
    joblib.dump(student, path)
    print(f"{student.n_parameters_:,} parameters, {path.stat().st_size / 1000:.0f} kB on disk")
    texts = [
        "Solve a sparse linear system with the conjugate gradient method.",
        "Return the shortest path between two nodes of a graph.",
        "Simplify a symbolic expression.",
    ]
    subprocess.run([sys.executable, "-c", SERVE, *texts], cwd=folder, check=True)
