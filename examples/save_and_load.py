"""Save a student, and serve it from a process that loads neither torch nor scikit-learn."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib

from skdistill import (
    DistilledMLPClassifier,
    TextPool,
    load_docstrings,
    make_tfidf_baseline,
    parity_report,
)

data = load_docstrings(n_labeled=1000, n_test=500)
student = DistilledMLPClassifier(make_tfidf_baseline(C=10), random_state=0)
student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled[:5000]))

SERVE = """
import sys
from skdistill import CompiledClassifier
student = CompiledClassifier.load("student-int8.skd")
for text, label in zip(sys.argv[1:], student.predict(sys.argv[1:])):
    print(f"{label:16} {text}")
print("torch or scikit-learn were loaded:", not {"torch", "sklearn"}.isdisjoint(sys.modules))
"""

print(f"{student.n_parameters_:,} parameters; int8 changes", end=" ")
print(parity_report(student, data.X_test, data.y_test, precision="int8"))
with TemporaryDirectory() as folder:
    joblib.dump(student, Path(folder, "student.joblib"))
    for precision in ("float32", "float16", "int8"):
        student.save(Path(folder, f"student-{precision}.skd"), precision=precision)
    for path in sorted(Path(folder).iterdir()):
        print(f"{path.name:22} {path.stat().st_size / 1000:4.0f} kB")
    texts = [
        "Solve a sparse linear system with the conjugate gradient method.",
        "Return the shortest path between two nodes of a graph.",
        "Simplify a symbolic expression.",
    ]
    subprocess.run([sys.executable, "-c", SERVE, *texts], cwd=folder, check=True)
