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
# Promise an agreement
# --------------------
# With ``target_agreement``, the cascade passes on as many texts as it takes to predict the
# teacher's class for that share of all texts. ``confidence`` is the probability that the promise is
# kept, over random draws of the texts on which the threshold is chosen. As the models are frozen
# here, these can be any texts that they were not trained on; labels are not needed.

from sklearn.frozen import FrozenEstimator

n_train = 1400
teacher.fit(data.X_train[:n_train], data.y_train[:n_train])
student = DistilledMLPClassifier(FrozenEstimator(teacher), n_parameters=10_000, random_state=0)
student.fit(data.X_train[:n_train], data.y_train[:n_train])

print("promised  agreement on test texts  labelled by the teacher")
for target in (0.8, 0.9, 0.95):
    strict = CascadeClassifier(
        FrozenEstimator(student), FrozenEstimator(teacher), target_agreement=target, confidence=0.95
    )
    strict.fit(data.X_train[n_train:])
    agreement = (strict.predict(data.X_test) == teacher.predict(data.X_test)).mean()
    share = strict.asks_teacher(data.X_test).mean()
    print(f"{target:8.0%}  {agreement:23.1%}  {share:23.1%}")

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
