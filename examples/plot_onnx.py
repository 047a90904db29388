"""
Export a student to ONNX
========================

There are two kinds of graph. A graph of strings runs in any program that has ONNX Runtime. A graph
of ids is exact for every text. This example needs ``pip install "skdistill[onnx]"``.
"""

# %%
# Fit and export
# --------------
# ``export_onnx`` compares the graph's probabilities with the student's before it writes the file.

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from onnxruntime import InferenceSession

from skdistill import (
    DistilledMLPClassifier,
    OnnxTextEncoder,
    TextPool,
    export_onnx,
    load_docstrings,
    make_tfidf_baseline,
)

data = load_docstrings(n_labeled=1000, n_test=500)
student = DistilledMLPClassifier(make_tfidf_baseline(C=10), random_state=0)
student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled[:5000]))

directory = TemporaryDirectory()
folder = Path(directory.name)
for inputs in ("ids", "strings"):
    path = folder / f"student-{inputs}.onnx"
    report = export_onnx(student, path, inputs=inputs, texts=data.X_test)
    print(
        f"{path.name:22} {path.stat().st_size / 1000:4.0f} kB, differs by at most "
        f"{report['largest_difference']:.0e} on {report['n_texts']} of {len(data.X_test)} texts"
    )

# %%
# Run the graph of ids
# --------------------
# The file contains all you need: the encoder is built from the graph's metadata.

session = InferenceSession(folder / "student-ids.onnx")
encoder = OnnxTextEncoder(session.get_modelmeta().custom_metadata_map)
(labels,) = session.run(["label"], {"ids": encoder.encode(data.X_test)})
print(f"accuracy of the graph of ids: {np.mean(labels == data.y_test):.1%}")

# %%
# Run the graph of strings without skdistill
# ------------------------------------------
# For each text, the graph reports whether it tokenises the text exactly as the student does.

SERVE = """
import sys
import numpy as np
from onnxruntime import InferenceSession
session = InferenceSession("student-strings.onnx")
labels, exact = session.run(["label", "exact"], {"texts": np.array(sys.argv[1:], dtype=object)})
for text, label, is_exact in zip(sys.argv[1:], labels, exact):
    print(f"{label if is_exact else '?':16} {text}")
print("skdistill was loaded:", "skdistill" in sys.modules)
"""
texts = [
    "Solve a sparse linear system with the conjugate gradient method.",
    "Return the shortest path between two nodes of a graph.",
    "Simplify an expression named Ω.",
]
served = subprocess.run(
    [sys.executable, "-c", SERVE, *texts],
    cwd=folder,
    check=True,
    capture_output=True,
    encoding="utf-8",
)
directory.cleanup()
print(served.stdout)
