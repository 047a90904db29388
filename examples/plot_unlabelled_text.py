"""
Distil with unlabelled text
===========================

Any classifier with ``predict_proba`` over texts can be a teacher. In this example it is a vote of
two linear models, one over words and one over characters, with more than 100,000 weights each.
The more texts it labels, the closer a student of 80,000 parameters comes to it.
"""

# %%
# Fit the teacher
# ---------------
# We fit it once and freeze it. It is so fast that we do not need ``memory``.

from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdistill import DistilledMLPClassifier, TextPool, load_docstrings

data = load_docstrings(n_labeled=1000, n_test=2000)
words = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=1000))
characters = make_pipeline(
    TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)),
    LogisticRegression(C=10, max_iter=1000),
)
teacher = VotingClassifier([("words", words), ("characters", characters)], voting="soft")
teacher.fit(data.X_train, data.y_train)

# %%
# Train students on more and more text
# ------------------------------------

accuracy, agreement = {}, {}
teacher_labels = teacher.predict(data.X_test)
for n_texts in (0, 1000, 3000, 9000):
    student = DistilledMLPClassifier(FrozenEstimator(teacher), random_state=0)
    student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled[:n_texts]))
    labels = student.predict(data.X_test)
    accuracy[n_texts] = (labels == data.y_test).mean()
    agreement[n_texts] = (labels == teacher_labels).mean()

twin = DistilledMLPClassifier(random_state=0).fit(data.X_train, data.y_train)

# %%
# Draw the gain
# -------------
# Each point is a single student. With 2,000 test texts the standard error is about one percentage
# point, so small differences may be chance.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.axhline(
    teacher.score(data.X_test, data.y_test), color="C0", linestyle="--", label="teacher's accuracy"
)
axes.plot(range(len(accuracy)), accuracy.values(), "D-", color="C2", label="student's accuracy")
axes.plot(
    range(len(agreement)), agreement.values(), "s:", color="C4", label="agreement with the teacher"
)
axes.axhline(
    twin.score(data.X_test, data.y_test),
    color="C1",
    linestyle="--",
    label="twin on gold labels",
)
axes.set_xticks(range(len(accuracy)), [f"{n:,}" for n in accuracy])
axes.set(xlabel="unlabelled texts", ylabel="share of test texts")
axes.legend()
plt.show()

print(f"{'unlabelled':>12}{'accuracy':>10}{'agreement':>11}")
for n_texts in accuracy:
    print(f"{n_texts:12,}{accuracy[n_texts]:10.1%}{agreement[n_texts]:11.1%}")
