"""
Search for the smallest sufficient student
==========================================

With ``memory``, a grid search fits the teacher once per fold, no matter how many sizes you try. A
second search over other sizes does not use the teacher at all.
"""

# %%
# Search over sizes
# -----------------
# Cross-validation never splits a ``TextPool``, whereas it splits a list that is as long as ``X``.

from tempfile import TemporaryDirectory
from time import perf_counter

import pandas as pd
from sklearn.model_selection import GridSearchCV, cross_val_score

from skdistill import DistilledMLPClassifier, TextPool, load_docstrings, make_tfidf_baseline

data = load_docstrings(n_labeled=1500, n_test=1000)
pool = TextPool(data.X_unlabeled[:3000])
teacher = make_tfidf_baseline(C=10)

columns = ["param_embedding_dim", "param_vocabulary_size", "mean_test_score"]
tables = []
with TemporaryDirectory() as folder:
    student = DistilledMLPClassifier(teacher, memory=folder, max_epochs=5, random_state=0)
    for sizes in (
        {"embedding_dim": [2, 8], "vocabulary_size": [500, 2000]},
        {"embedding_dim": [4], "vocabulary_size": [1000, 4000]},
    ):
        start = perf_counter()
        search = GridSearchCV(student, sizes, cv=3)
        search.fit(data.X_train, data.y_train, X_unlabeled=pool)
        tables.append(pd.DataFrame(search.cv_results_)[columns])
        print(f"{len(tables[-1])} sizes in {perf_counter() - start:.0f} s")

results = pd.concat(tables, ignore_index=True)
print(results.to_string(index=False))

# %%
# Draw accuracy against size
# --------------------------
# For each student on the line, no other one is both smaller and more accurate. The dashed line
# shows the teacher in the same folds.

import matplotlib.pyplot as plt

results["size"] = results["param_embedding_dim"] * results["param_vocabulary_size"]
results = results.sort_values(["size", "mean_test_score"], ascending=[True, False])
is_best = results["mean_test_score"] > results["mean_test_score"].cummax().shift(fill_value=0)
teacher_score = cross_val_score(teacher, data.X_train, data.y_train, cv=3).mean()

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.axhline(teacher_score, color="gray", linestyle="--", label="teacher")
axes.scatter(results["size"], results["mean_test_score"], color="gray", label="students")
axes.plot(results["size"][is_best], results["mean_test_score"][is_best], "o-", label="Pareto front")
for _, row in results.iterrows():
    name = f"{row['param_vocabulary_size']:.0f} x {row['param_embedding_dim']:.0f}"
    axes.annotate(
        name,
        (row["size"], row["mean_test_score"]),
        xytext=(0, -14),
        textcoords="offset points",
        ha="center",
    )
axes.set(xscale="log", xlabel="weights of the embedding", ylabel="accuracy in cross-validation")
axes.margins(x=0.12, y=0.15)
axes.legend()
plt.show()

# %%
# Test the best student of the second search on new texts:

best = search.best_estimator_
accuracy = best.score(data.X_test, data.y_test)
print(f"best of the second search: {best.n_parameters_:,} parameters, {accuracy:.1%} on test")
