"""Search for the smallest student that is good enough.

With `memory` the teacher is fitted and asked once for each fold, however many sizes are tried; a
second search over other sizes asks it nothing.
"""

from tempfile import TemporaryDirectory
from time import perf_counter

import pandas as pd
from sklearn.model_selection import GridSearchCV, cross_val_score

from skdistill import DistilledMLPClassifier, TextPool, load_docstrings, make_tfidf_baseline

data = load_docstrings(n_labeled=1500, n_test=1000)
pool = TextPool(data.X_unlabeled[:3000])  # a pool is never cut to a fold
teacher = make_tfidf_baseline(C=10)

with TemporaryDirectory() as folder:
    student = DistilledMLPClassifier(teacher, memory=folder, max_epochs=5, random_state=0)
    for sizes in (
        {"embedding_dim": [2, 8], "vocabulary_size": [500, 2000]},
        {"embedding_dim": [4], "vocabulary_size": [1000, 4000]},
    ):
        start = perf_counter()
        search = GridSearchCV(student, sizes, cv=3)
        search.fit(data.X_train, data.y_train, X_unlabeled=pool)
        print(f"\n{len(search.cv_results_['params'])} sizes in {perf_counter() - start:.0f} s")
        columns = ["param_embedding_dim", "param_vocabulary_size", "mean_test_score"]
        print(pd.DataFrame(search.cv_results_)[columns].to_string(index=False))

best = search.best_estimator_
accuracy = best.score(data.X_test, data.y_test)
print(f"\nbest of the second search: {best.n_parameters_:,} parameters, {accuracy:.1%} on test")

scores = cross_val_score(teacher, data.X_train, data.y_train, cv=3)
print(f"beside it, the teacher: {scores.mean():.1%} in the same cross-validation")
