"""
Ask the teacher when the student is unsure
==========================================

:class:`~skdistill.CascadeClassifier` predicts with a student and passes the texts it is least sure
of on to the teacher. It chooses the threshold on texts that neither model was trained on.
"""

# %%
# Fit a small student and a larger teacher
# ----------------------------------------

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdistill import CascadeClassifier, DistilledMLPClassifier, load_docstrings

data = load_docstrings(n_labeled=2000, n_test=2000)
teacher = make_pipeline(
    TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
    LogisticRegression(C=30, max_iter=1000),
)
student = DistilledMLPClassifier(teacher, n_parameters=10_000, random_state=0)
cascade = CascadeClassifier(student, max_teacher_rate=0.3, random_state=0)
cascade.fit(data.X_train, data.y_train)

asked = cascade.asks_teacher(data.X_test)
print(f"the teacher labels {asked.mean():.1%} of the test texts")
for name, model in (
    ("student", cascade.student_),
    ("cascade", cascade),
    ("teacher", cascade.teacher_),
):
    print(f"{name} {model.score(data.X_test, data.y_test):.1%}")

# %%
# Look at every threshold
# -----------------------
# ``curve`` returns the accuracy and the cost of each threshold on any labelled texts.

import matplotlib.pyplot as plt

curve = cascade.curve(data.X_test, data.y_test)
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.plot(curve["teacher_rate"], curve["accuracy"], color="C2")
axes.axvline(asked.mean(), color="gray", linestyle="--", label="chosen threshold")
axes.set(xlabel="share of texts passed to the teacher", ylabel="accuracy")
axes.legend()
plt.show()
