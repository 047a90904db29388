"""Any classifier with `predict_proba` over texts can teach: here a big voting ensemble.

The teacher is a vote of two linear models over words and over characters, some hundred thousand
weights. Unlabelled text carries what it knows into a student a fraction of its size.
"""

from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdistill import DistilledMLPClassifier, TextPool, load_docstrings

data = load_docstrings(n_labeled=3000, n_test=2000)
words = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=1000))
characters = make_pipeline(
    TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)),
    LogisticRegression(C=10, max_iter=1000),
)
teacher = VotingClassifier([("words", words), ("characters", characters)], voting="soft")
teacher.fit(data.X_train, data.y_train)

student = DistilledMLPClassifier(FrozenEstimator(teacher), max_epochs=5, random_state=0)
student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled))
control = DistilledMLPClassifier(random_state=0).fit(data.X_train, data.y_train)


def count_weights(voting):
    return sum(part[-1].coef_.size + part[-1].intercept_.size for part in voting.estimators_)


print(f"{'model':20}{'accuracy':>10}{'parameters':>14}")
for name, model, size in (
    ("teacher", teacher, count_weights(teacher)),
    ("student", student, student.n_parameters_),
    ("without a teacher", control, control.n_parameters_),
):
    print(f"{name:20}{model.score(data.X_test, data.y_test):10.1%}{size:14,}")
agreement = (student.predict(data.X_test) == teacher.predict(data.X_test)).mean()
print(f"\nthe student gives the teacher's answer on {agreement:.1%} of the test texts")
