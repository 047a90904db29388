"""
Compare classifiers
===================

:func:`~skdistill.compare` trains classifiers on the same texts and measures their accuracy, size
and speed. This example draws the result as the article's figure and as a Pareto front. Two more
figures show calibration and confused classes.
"""

# %%
# Make the table
# --------------
# ``compare`` accepts any estimator over raw texts. We fit the teacher once and pass it frozen. It
# is the ``reference`` for the other models. Students also get the unlabelled texts.

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
# Draw the article's figure
# -------------------------
# It shows accuracy relative to the teacher's, in %, against size.

import matplotlib.pyplot as plt

from skdistill import RetentionDisplay

RetentionDisplay.from_comparison(table)
plt.show()

# %%
# Draw the Pareto front
# ---------------------
# Filled markers are on the Pareto front: no other model is both faster and more accurate.

from skdistill import ParetoDisplay

ParetoDisplay.from_comparison(table, against="texts_per_second")
plt.show()

# %%
# Check calibration
# -----------------
# Below the diagonal, a model is overconfident. To draw several models in one figure, pass the
# ``ax_`` of one display to the next.

from skdistill import ReliabilityDisplay

axes = None
for name in ("teacher", "MLP", "MLP, hard labels"):
    display = ReliabilityDisplay.from_estimator(
        models[name], data.X_test, data.y_test, name=name, ax=axes
    )
    axes = display.ax_
plt.show()

# %%
# Find confused classes
# ---------------------
# The student also learns its teacher's errors.

from skdistill import ConfusionMatricesDisplay

compared = {name: models[name] for name in ("teacher", "MLP")}
ConfusionMatricesDisplay.from_estimators(compared, data.X_test, data.y_test)
plt.show()

print(table[["name", "kind", "accuracy", "fidelity"]].round(3).to_string(index=False))
