"""The students of the benchmarks of quality."""

from sklearn.ensemble import VotingClassifier

from skdistill import DistilledCNNClassifier, DistilledMLPClassifier, DistilledRNNClassifier

SMALL = {"n_parameters": 80_000, "temperature": 4}
LARGE = {"n_parameters": 660_000, "temperature": 4, "lr": 0.002, "embedding_init": "teacher"}


def make_committee(*students):
    """Let students of a like size vote, which have the size of one of them together."""
    members = []
    for number, student in enumerate(students):
        student.set_params(n_parameters=student.n_parameters // len(students))
        members.append((f"member{number}", student))
    return VotingClassifier(members, voting="soft")


def members_of(model):
    """Return a committee's students, or the student itself."""
    if not isinstance(model, VotingClassifier):
        return [model]
    return getattr(model, "estimators_", [student for _, student in model.estimators])


STUDENTS = {
    "MLP, mean": DistilledMLPClassifier(pooling="mean"),
    "MLP": DistilledMLPClassifier(pooling=("mean", "attention"), **SMALL),
    "CNN": DistilledCNNClassifier(**SMALL),
    "RNN": DistilledRNNClassifier(cell="lstm", hidden_dim=48, **SMALL),
    "MLP, 0.66M": DistilledMLPClassifier(
        pooling=("mean", "attention"), dropout=0.3, word_dropout=0.3, **LARGE
    ),
    "CNN, 0.66M": DistilledCNNClassifier(n_filters=100, kernel_sizes=(2, 3, 4), **LARGE),
    "RNN, 0.66M": DistilledRNNClassifier(cell="lstm", hidden_dim=96, **LARGE),
    # Committees: students of half the size, whose probabilities are averaged.
    "RNN + RNN": make_committee(
        DistilledRNNClassifier(cell="lstm", hidden_dim=36, **SMALL),
        DistilledRNNClassifier(cell="lstm", hidden_dim=36, **SMALL),
    ),
    "CNN + RNN, 0.66M": make_committee(
        DistilledCNNClassifier(n_filters=100, kernel_sizes=(2, 3, 4), **LARGE),
        DistilledRNNClassifier(cell="lstm", hidden_dim=80, **LARGE),
    ),
}
