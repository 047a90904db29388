"""
Explain predictions, and hand out a page to try
===============================================

The logits of an MLP without hidden layers are sums over the words of a text. ``explain`` takes them
apart, exactly; ``to_html`` writes a page in which anybody can do so with texts of their own.
"""

# %%
# A student
# ---------

from skdistill import DistilledMLPClassifier, TextPool, load_docstrings, make_tfidf_baseline

data = load_docstrings(n_labeled=1500, n_test=1000)
teacher = make_tfidf_baseline(C=10).fit(data.X_train, data.y_train)
student = DistilledMLPClassifier(teacher, random_state=0)
student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled[:5000]))

# %%
# What the words say
# ------------------
# A notebook shows the texts in colour: words with solid blue lines speak for the predicted class,
# those with dotted orange ones against it.

texts = [
    "Return the shortest path between two nodes of a graph.",
    "Solve a sparse linear system with the conjugate gradient method.",
]
student.explain(texts)

# %%
# The numbers behind the colours: contributions of each word to each class, which with the bias sum
# to the logits.

import numpy as np

first = student.explain(texts)[0]
print(first)
print(f"contributions: {first.contributions.shape}, classes: {first.classes}")
print(f"with predict_proba: {np.ptp(first.proba - student.predict_proba(texts)[0]):.0e} apart")

# %%
# The words that count
# --------------------
# Summed over the test texts that are given the class, contributions tell what a class looks like to
# the student.

from collections import Counter

import matplotlib.pyplot as plt

figure, all_axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
predicted = student.predict(data.X_test)
for axes, class_ in zip(all_axes, ("networkx", "sympy", "torch"), strict=True):
    counts = Counter()
    for explanation in student.explain(np.asarray(data.X_test)[predicted == class_]):
        for word, part in zip(explanation.units, explanation.towards(class_), strict=True):
            counts[word] += part / sum(predicted == class_)
    words, parts = zip(*reversed(counts.most_common(12)), strict=True)
    axes.barh(words, parts, color="#0072b2")
    axes.set(title=class_, xlabel="contribution, mean over texts")
plt.show()

# %%
# A page with the student in it
# -----------------------------
# One HTML file: figures on the texts that it is given, limits, and a box to type into. The student
# in it answers at each keystroke, and the page asks nothing of any server. `One like this
# <../card.html>`__ was written with this documentation.

from pathlib import Path
from tempfile import TemporaryDirectory

with TemporaryDirectory() as folder:
    path = Path(folder, "card.html")
    student.to_html(
        path,
        data.X_test,
        data.y_test,
        teacher=teacher,
        title="Which library is this docstring from?",
        limits=["Docstrings alone: to any other text the answer means nothing."],
        license="BSD-3-Clause",
        example=texts[0],
    )
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
