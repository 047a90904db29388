"""
Compare classifiers, and look at them
=====================================

:func:`~skdistill.compare` trains classifiers on the same texts and measures what each gives and
costs. Its table is drawn as the article's figure and as a Pareto front; two more figures ask
whether the probabilities can be trusted, and what is taken for what.
"""

# %%
# A table
# -------
# Anything over raw texts can stand in it. The teacher is trained once, before, and goes in frozen;
# it is the ``reference`` that the others are compared with. Students get the unlabelled texts.

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdistill import (
    DistilledMLPClassifier,
    TextPool,
    compare,
    load_docstrings,
    make_tfidf_baseline,
)

data = load_docstrings(n_labeled=1500, n_test=1500)
teacher = FrozenEstimator(
    make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
        LogisticRegression(C=30, max_iter=1000),
    ).fit(data.X_train, data.y_train)
)
estimators = {
    "teacher": teacher,
    "TF-IDF + LR": make_tfidf_baseline(C=10),
    "MLP, hard labels": DistilledMLPClassifier(random_state=0),
    "MLP": DistilledMLPClassifier(teacher, random_state=0),
    "MLP, small": DistilledMLPClassifier(teacher, n_parameters=15_000, random_state=0),
    "MLP, mean pooling": DistilledMLPClassifier(teacher, pooling="mean", random_state=0),
}
table, models = compare(
    estimators,
    data.X_train,
    data.y_train,
    data.X_test,
    data.y_test,
    reference="teacher",
    X_unlabeled=TextPool(data.X_unlabeled[:4000]),
    return_estimators=True,
)
table.drop(columns=["kind", "calibration_error", "fit_seconds"]).round(3)

# %%
# The article's figure
# --------------------
# Accuracy, in % of the teacher's, against size.

import matplotlib.pyplot as plt

from skdistill import RetentionDisplay

RetentionDisplay.from_comparison(table)
plt.show()

# %%
# What is worth considering
# -------------------------
# Filled models lie on the Pareto front: no other one is both faster and more accurate.

from skdistill import ParetoDisplay

ParetoDisplay.from_comparison(table, against="texts_per_second")
plt.show()

# %%
# Can the probabilities be trusted?
# ---------------------------------
# Under the diagonal a model is too sure. The ``ax_`` of one display goes to the next.

from skdistill import ReliabilityDisplay

axes = None
for name in ("teacher", "MLP", "MLP, hard labels"):
    display = ReliabilityDisplay.from_estimator(
        models[name], data.X_test, data.y_test, name=name, ax=axes
    )
    axes = display.ax_
plt.show()

# %%
# What is taken for what
# ----------------------
# A student makes its teacher's errors, too.

from skdistill import ConfusionMatricesDisplay

compared = {name: models[name] for name in ("teacher", "MLP")}
ConfusionMatricesDisplay.from_estimators(compared, data.X_test, data.y_test)
plt.show()

print(table[["name", "kind", "accuracy", "fidelity"]].round(3).to_string(index=False))
