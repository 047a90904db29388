"""
Ask the teacher where the student is unsure
===========================================

:class:`~skdistill.CascadeClassifier` answers with a student, and asks its teacher for the texts of
which the student is least sure. The threshold is chosen on texts that neither was trained on.
"""

# %%
# A small student in front of a bigger model
# ------------------------------------------

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
print(f"the teacher is asked for {asked.mean():.1%} of the test texts")
for name, model in (
    ("student", cascade.student_),
    ("cascade", cascade),
    ("teacher", cascade.teacher_),
):
    print(f"{name} {model.score(data.X_test, data.y_test):.1%}")

# %%
# Every threshold
# ---------------
# ``curve`` tells for any labelled texts what each threshold gains and costs.

import matplotlib.pyplot as plt

curve = cascade.curve(data.X_test, data.y_test)
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.plot(curve["teacher_rate"], curve["accuracy"], color="C2")
axes.axvline(asked.mean(), color="gray", linestyle="--", label="the chosen threshold")
axes.set(xlabel="share of the texts that the teacher answers", ylabel="accuracy")
axes.legend()
plt.show()
