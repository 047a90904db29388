"""
Serve a student with NumPy and SciPy alone
==========================================

A saved student does not contain its teacher's weights. A process that serves it loads neither torch
nor scikit-learn.
"""

# %%
# Fit and save
# ------------
# joblib pickles the estimator. ``save`` writes the ``.skd`` format, which contains no pickle, in
# one of three precisions.

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import matplotlib.pyplot as plt

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

directory = TemporaryDirectory()
folder = Path(directory.name)
joblib.dump(student, folder / "student.joblib")
for precision in ("float32", "float16", "int8"):
    student.save(folder / f"student-{precision}.skd", precision=precision)

sizes = {path.name: path.stat().st_size / 1000 for path in sorted(folder.iterdir())}
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.bar_label(axes.barh(list(sizes), list(sizes.values())), fmt="%.0f kB", padding=3)
axes.set(title=f"{student.n_parameters_:,} parameters", xlabel="kB")
axes.margins(x=0.15)
plt.show()

# %%
# Measure the effect of rounding
# ------------------------------

print(parity_report(student, data.X_test, data.y_test, precision="int8"))

# %%
# Load and predict
# ----------------
# We run this program in a separate process to show which libraries it loads.

SERVE = """
import sys
from skdistill import CompiledClassifier
student = CompiledClassifier.load("student-int8.skd")
for text, label in zip(sys.argv[1:], student.predict(sys.argv[1:])):
    print(f"{label:16} {text}")
print("torch or scikit-learn were loaded:", not {"torch", "sklearn"}.isdisjoint(sys.modules))
"""
texts = [
    "Solve a sparse linear system with the conjugate gradient method.",
    "Return the shortest path between two nodes of a graph.",
    "Simplify a symbolic expression.",
]
served = subprocess.run(
    [sys.executable, "-c", SERVE, *texts], cwd=folder, check=True, capture_output=True, text=True
)
directory.cleanup()
print(served.stdout)
