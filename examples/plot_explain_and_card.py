"""
Explain predictions and write a model card
==========================================

In an MLP without hidden layers, each logit is a sum over the words of the text. ``explain`` returns
these contributions. ``to_html`` writes a page on which anyone can explore them with their own
texts.
"""

# %%
# Train a student
# ---------------

from skdistill import DistilledMLPClassifier, TextPool, load_docstrings, make_tfidf_baseline

data = load_docstrings(n_labeled=1500, n_test=1000)
teacher = make_tfidf_baseline(C=10).fit(data.X_train, data.y_train)
student = DistilledMLPClassifier(teacher, random_state=0)
student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled[:5000]))

# %%
# Explain two predictions
# -----------------------
# Words with a solid blue underline support the predicted class. Words with a dotted orange
# underline oppose it.

texts = [
    "Return the shortest path between two nodes of a graph.",
    "Solve a sparse linear system with the conjugate gradient method.",
]
student.explain(texts)

# %%
# The colours show the contribution of each word to each class. Together with the bias, the
# contributions sum to the logits.

import numpy as np

first = student.explain(texts)[0]
print(first)
print(f"contributions: {first.contributions.shape}, classes: {first.classes}")
print(f"with predict_proba: {np.ptp(first.proba - student.predict_proba(texts)[0]):.0e} apart")

# %%
# Find the most important words
# -----------------------------
# Averaged over the test texts predicted as a class, the contributions show what the student has
# learned about that class.

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
# Write a model card
# ------------------
# The card is one HTML file with evaluation figures, limits and an input box. It contains the
# student, which answers at each keystroke without a server. `Here is one <../card.html>`__.

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
        limits=["It only knows docstrings; its answer to any other text is meaningless."],
        license="BSD-3-Clause",
        example=texts[0],
    )
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
