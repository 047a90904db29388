"""Several labels a text: losses, teachers, students, their files and reports."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from scipy.special import expit, logit
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from several_labels import LABELS, NEW_LABELS, NEW_TEXTS, TEXTS
from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    FunctionTeacherClassifier,
    distillation_report,
    make_tfidf_baseline,
    parity_report,
)
from skdistill._core.labels import check_labels, check_probabilities
from skdistill._core.multilabel import (
    as_questions,
    has_labels,
    join_columns,
    share_of_equal,
    write_labels,
)
from skdistill.metrics._fidelity import fidelity
from skdistill.students.training._batches import TransferDataset
from skdistill.students.training._criterion import DistillationLoss
from skdistill.students.training._mlp import MLPNetwork

KINDS = [DistilledMLPClassifier, DistilledCNNClassifier, DistilledRNNClassifier]


def make_student(kind=DistilledMLPClassifier, teacher=None, **params):
    return kind(teacher, **{"max_epochs": 20, "lr": 0.03, "random_state": 0} | params)


def make_teacher():
    return OneVsRestClassifier(make_tfidf_baseline(C=30))


@pytest.mark.parametrize("kind", KINDS)
def test_rare_labels_are_learned_by_default(kind):
    labels = np.eye(40, dtype=int)[np.arange(320) % 40]
    fillers = np.random.default_rng(0).integers(30, size=(320, 6))
    texts = [
        f"topic{label} " + " ".join(f"filler{number}" for number in numbers)
        for label, numbers in zip(labels.argmax(axis=1), fillers, strict=True)
    ]
    student = kind(random_state=0).fit(texts, labels)
    assert f1_score(labels, student.predict(texts), average="micro") > 0.95


def test_the_output_starts_at_the_mean_probabilities():
    network = MLPNetwork(torch.zeros(3), 5, embedding_dim=2)
    network.start_at(torch.tensor([0.25, 1.0, 1e-7]))
    expected = [logit(0.25), logit(0.999), logit(0.001)]
    np.testing.assert_allclose(network.layers[-1].bias.detach(), expected, rtol=1e-4)


def test_a_label_without_gold_is_learned_from_the_teacher():
    proba = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.9]] * 20)
    texts = ["warm soup", "late train", "soup on a train"] * 20
    gold = np.array([[1, 0], [0, 0], [1, 0]] * 20)
    student = DistilledMLPClassifier(random_state=0).fit(texts, gold, teacher_proba=proba)
    assert student.predict(texts[:3]).tolist() == [[1, 0], [0, 1], [1, 1]]


@pytest.fixture(scope="module")
def student():
    return make_student().fit(TEXTS, LABELS)


def test_each_label_is_a_question_of_no_and_yes():
    proba = np.random.default_rng(0).random((5, 3))
    questions = as_questions(proba)
    np.testing.assert_allclose(questions.sum(axis=1), 1)
    np.testing.assert_array_equal(questions[4], [1 - proba[1, 1], proba[1, 1]])


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_kl_is_the_sum_of_binary_cross_entropies_less_the_teachers_entropy(temperature):
    rng = np.random.default_rng(0)
    logits, proba = torch.from_numpy(rng.normal(size=(4, 3))), rng.random((4, 3))
    weight = torch.tensor([2.0, 1.0, 0.5, 0.5])
    found = DistillationLoss("kl", temperature, multilabel=True)(
        logits,
        {
            "proba": torch.from_numpy(proba),
            "label": torch.zeros(4, 3, dtype=torch.int64),
            "hard_weight": torch.zeros(4),
            "sample_weight": weight,
        },
    )
    soft = expit(logit(proba) / temperature)
    cross_entropy = F.binary_cross_entropy_with_logits(
        logits / temperature, torch.from_numpy(soft), reduction="none"
    )
    entropy = -soft * np.log(soft) - (1 - soft) * np.log(1 - soft)
    by_row = (cross_entropy - torch.from_numpy(entropy)).sum(1) * temperature**2
    torch.testing.assert_close(found, (weight * by_row).mean())


def test_hard_and_soft_losses_mix():
    rng = np.random.default_rng(1)
    logits = torch.from_numpy(rng.normal(size=(4, 3)))
    label = torch.from_numpy(rng.integers(0, 2, size=(4, 3)))
    share = torch.tensor([0.0, 0.25, 1.0, 0.5])
    proba = torch.full((4, 3), 0.5, dtype=torch.float64)
    targets = {"proba": proba, "label": label, "hard_weight": share, "sample_weight": torch.ones(4)}
    found = DistillationLoss("mse", multilabel=True)(logits, targets)
    # The logits of no and yes, each half of the label's away from their mean.
    soft = (logits / 2).square().sum(1)
    hard = F.binary_cross_entropy_with_logits(logits, label.double(), reduction="none").sum(1)
    torch.testing.assert_close(found, ((1 - share) * soft + share * hard).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_students_learn_and_their_methods_agree(kind):
    student = make_student(kind).fit(TEXTS, LABELS)
    assert student.multilabel_
    assert student.classes_.tolist() == [0, 1, 2]
    assert f1_score(NEW_LABELS, student.predict(NEW_TEXTS), average="micro") > 0.95
    logits, proba = student.decision_function(NEW_TEXTS), student.predict_proba(NEW_TEXTS)
    np.testing.assert_allclose(proba, expit(logits.astype(np.float64)), rtol=1e-5)
    np.testing.assert_allclose(student.predict_log_proba(NEW_TEXTS), np.log(proba), atol=1e-5)
    np.testing.assert_array_equal(student.predict(NEW_TEXTS), proba > 0.5)
    torch_logits = student.network_(*_as_tensors(student, NEW_TEXTS)).detach().numpy()
    np.testing.assert_allclose(logits, torch_logits, atol=1e-5)


def _as_tensors(student, texts):
    ids = student._vocabulary.encode(texts)
    return torch.from_numpy(ids.values), torch.from_numpy(ids.offsets)


def test_a_text_without_a_known_word_gets_the_labels_shares(student):
    share = np.clip(LABELS.mean(axis=0), 1e-6, 1 - 1e-6)
    np.testing.assert_allclose(student.predict_proba([""])[0], share, rtol=1e-5)
    weights = np.arange(len(TEXTS)) % 4
    weighted = make_student(max_epochs=1).fit(TEXTS, LABELS, sample_weight=weights)
    share = np.average(LABELS, axis=0, weights=weights)
    np.testing.assert_allclose(weighted.predict_proba([""])[0], share, rtol=1e-5)


@pytest.mark.parametrize(
    "indicators",
    [LABELS.tolist(), LABELS.astype(float), LABELS.astype(bool), csr_array(LABELS)],
    ids=["lists", "float", "bool", "sparse"],
)
def test_forms_of_labels_are_equal(student, indicators):
    other = make_student().fit(TEXTS, indicators)
    np.testing.assert_array_equal(other.predict_proba(TEXTS), student.predict_proba(TEXTS))


@pytest.mark.parametrize(
    "teacher",
    [
        make_teacher(),
        make_pipeline(TfidfVectorizer(), RandomForestClassifier(30, random_state=0)),
        make_pipeline(TfidfVectorizer(), MultiOutputClassifier(LogisticRegression(C=30))),
        make_pipeline(
            TfidfVectorizer(), MLPClassifier((8,), alpha=0.1, solver="lbfgs", random_state=0)
        ),
    ],
    ids=["one-vs-rest", "forest", "multi-output", "perceptron"],
)
def test_all_of_scikit_learns_ways_to_give_probabilities_are_read(teacher):
    teacher.fit(TEXTS, LABELS)
    proba = join_columns(teacher.predict_proba(NEW_TEXTS))
    assert has_labels(teacher, np.arange(3))
    assert not has_labels(teacher, np.arange(2))
    assert f1_score(NEW_LABELS, proba > 0.5, average="micro") > 0.9
    student = make_student(teacher=teacher).fit(TEXTS, LABELS, X_unlabeled=NEW_TEXTS)
    assert fidelity(proba, student.predict_proba(NEW_TEXTS), multilabel=True) > 0.9


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (pd.DataFrame, [1, 0]),
        (pd.DataFrame, [True, False]),
        (pl.DataFrame, ["1", "0"]),
        (lambda table: pa.table({name: table[name] for name in table}), ["1", "0"]),
    ],
    ids=["numbers", "booleans", "polars", "pyarrow"],
)
def test_probabilities_in_a_list_of_tables_are_found_by_name(make, names):
    expected = np.array([[0.9, 0.2], [0.6, 0.1]])
    answers = [make({names[0]: yes, names[1]: 1 - yes}) for yes in expected.T]
    np.testing.assert_array_equal(join_columns(answers), expected)
    arrays = [np.column_stack([1 - yes, yes]) for yes in expected.T]
    np.testing.assert_array_equal(join_columns([pd.DataFrame(a) for a in arrays]), expected)
    with pytest.raises(ValueError, match=r"for one label has the columns .*not the classes"):
        join_columns([pd.DataFrame(arrays[0], columns=["no", "yes"])])


class AnswersInTables(RandomForestClassifier):
    """A forest whose answers are tables with the columns 1 and 0."""

    def predict_proba(self, X):
        return [pd.DataFrame(a)[[1, 0]] for a in super().predict_proba(X)]


def test_a_teacher_may_answer_with_a_list_of_tables():
    plain, tables = (
        make_pipeline(TfidfVectorizer(), forest(30, random_state=0)).fit(TEXTS, LABELS)
        for forest in (RandomForestClassifier, AnswersInTables)
    )
    students = [
        make_student(teacher=FrozenEstimator(teacher), max_epochs=1).fit(TEXTS, LABELS)
        for teacher in (plain, tables)
    ]
    np.testing.assert_array_equal(*(student.predict_proba(NEW_TEXTS) for student in students))


@pytest.mark.parametrize(
    "params",
    [
        {"teacher_cv": 3},
        {"early_stopping": True, "max_epochs": 40},
        {"gold_epochs": 2},
        {"loss": "mse"},
        {"temperature": 2.0},
        {"hard_label_weight": 0.5},
        {"n_parameters": 300},
    ],
    ids=str,
)
def test_every_option_learns_from_a_teacher(params):
    student = make_student(teacher=make_teacher(), **params).fit(TEXTS, LABELS)
    assert f1_score(NEW_LABELS, student.predict(NEW_TEXTS), average="micro") > 0.9


def test_early_stopping_counts_labels(monkeypatch):
    held_out = []
    hold_out = TransferDataset.hold_out

    def remember(dataset, fraction, seed):
        held_out.extend(np.random.default_rng(seed).permutation(300)[: int(fraction * 300)])
        return hold_out(dataset, fraction, seed)

    monkeypatch.setattr(TransferDataset, "hold_out", remember)
    # After one epoch of few steps, some logits are between the two thresholds.
    student = make_student(early_stopping=True, max_epochs=1, lr=0.1).fit(TEXTS, LABELS)
    predicted = student.predict([TEXTS[row] for row in held_out])
    expected = (predicted == LABELS[held_out]).mean()
    assert len(held_out) == 30
    assert student.history_[0]["valid_fidelity"] == pytest.approx(expected)
    proba = student.predict_proba([TEXTS[row] for row in held_out])
    # Neither a threshold of 0.5 on logits nor equality of all labels gives this share.
    assert ((logit(proba) > 0.5) == LABELS[held_out]).mean() != pytest.approx(expected)
    assert (predicted == LABELS[held_out]).all(axis=1).mean() != pytest.approx(expected)


ASKED: list[str] = []


def ask(texts):
    ASKED.extend(texts)
    return [[0.9 * ("bread" in text), 0.2, 0.7] for text in texts]


def test_memory_keeps_the_probabilities(tmp_path):
    ASKED.clear()
    teacher = FunctionTeacherClassifier(ask)
    for _ in range(2):
        student = make_student(teacher=teacher, memory=tmp_path, pooling="mean")
        student.fit(TEXTS, LABELS)
    assert len(ASKED) == len(set(TEXTS))
    assert teacher.fit(TEXTS, LABELS).predict(["bread"]).tolist() == [[1, 0, 1]]
    assert student.predict(["bread bread", "bus"])[:, 2].tolist() == [1, 1]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_files_hold_it(student, tmp_path, precision):
    student.save(tmp_path / "student.skd", precision=precision)
    expected = student.compile(precision)
    for read in (CompiledClassifier.load, DistilledMLPClassifier.load):
        other = read(tmp_path / "student.skd")
        assert other.multilabel_
        np.testing.assert_array_equal(
            other.predict_proba(NEW_TEXTS), expected.predict_proba(NEW_TEXTS)
        )
        np.testing.assert_array_equal(other.predict(NEW_TEXTS), student.predict(NEW_TEXTS))


def test_parity_report_counts_texts_with_all_labels_right(student):
    report = parity_report(student, NEW_TEXTS, NEW_LABELS)
    assert report["accuracy"] == student.score(NEW_TEXTS, NEW_LABELS)
    with pytest.raises(ValueError, match=r"y must have shape \(100, 3\), .* has shape \(100,\)"):
        parity_report(student, NEW_TEXTS, NEW_LABELS[:, 0])


def test_a_grid_is_searched():
    search = GridSearchCV(make_student(), {"embedding_dim": [1, 8]}, cv=2, scoring="f1_micro")
    assert search.fit(TEXTS, LABELS).best_score_ > 0.9


def test_the_report_compares_by_the_definitions():
    student = make_student(teacher=make_teacher())
    texts, test, y, y_test = train_test_split(TEXTS, LABELS, random_state=0)
    report = distillation_report(
        student, texts, y, X_unlabeled=NEW_TEXTS, X_test=test, y_test=y_test, n_seeds=2
    )
    teacher = make_teacher().fit(texts, y)
    expected = f1_score(y_test, teacher.predict(test), average="micro")
    assert report.teacher.micro_f1 == pytest.approx(expected)
    assert report.teacher.accuracy == pytest.approx(teacher.score(test, y_test))
    assert report.teacher.fidelity == 1
    assert 0.9 < report.student.micro_f1 <= 1
    assert report.student.micro_f1_std is not None
    assert "micro F1" in repr(report)
    held_out = distillation_report(student, TEXTS, LABELS, n_seeds=1)
    assert held_out.n_test == 60


def test_bad_labels_are_refused():
    with pytest.raises(ValueError, match=r"ones and zeros, but they are \[0, 2\]"):
        check_labels([[0, 2], [2, 0]], n_rows=2, multilabel=True)
    with pytest.raises(ValueError, match="same number of rows"):
        check_labels(LABELS, n_rows=2, multilabel=True)
    with pytest.raises(ValueError, match="should be a 1d array"):
        check_labels(LABELS, n_rows=len(LABELS))
    with pytest.raises(ValueError, match=r"y_test must have shape \(300, 3\), .* shape \(300,\)"):
        distillation_report(
            make_student(teacher=make_teacher()), TEXTS, LABELS, X_test=TEXTS, y_test=LABELS[:, 0]
        )


def test_bad_probabilities_are_refused():
    with pytest.raises(ValueError, match=r"teacher_proba\[1\] contains a number above 1"):
        check_probabilities(
            [[0, 1], [0, 1.5]], n_rows=2, n_classes=2, name="teacher_proba", multilabel=True
        )
    proba = np.full((len(TEXTS), 3), 0.7)
    student = make_student(max_epochs=30).fit(TEXTS, LABELS, teacher_proba=proba)
    np.testing.assert_allclose(student.predict_proba(TEXTS), 0.7, atol=0.05)


def test_what_cannot_be_says_why():
    with pytest.raises(ValueError, match="Use sample_weight instead"):
        make_student(class_weight="balanced").fit(TEXTS, LABELS)
    single = make_tfidf_baseline().fit(TEXTS, LABELS[:, 0])
    with pytest.raises(ValueError, match="fit the teacher on the same columns"):
        make_student(teacher=FrozenEstimator(single)).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("labels", "others", "share"),
    [
        (["a", "b", "a"], ["a", "b", "b"], 2 / 3),
        (["a", "b"], [1, 2], 0),
        ([[1, 0], [1, 1]], [[1, 0], [1, 0]], 0.5),
    ],
)
def test_all_labels_of_a_text_must_be_equal(labels, others, share):
    assert share_of_equal(np.array(labels), np.array(others)) == share


@pytest.mark.parametrize("name", ["b|c", "", " a"])
def test_names_that_cannot_be_listed_are_refused(name):
    labels = np.array(["a", name])
    with pytest.raises(ValueError, match=r"The label '.*' cannot be listed in a column"):
        write_labels(np.eye(2), labels)


def test_a_teacher_with_its_columns_in_another_order_is_warned_of():
    teacher = FrozenEstimator(make_teacher().fit(TEXTS, LABELS))
    student = make_student(teacher=teacher, max_epochs=1)
    with pytest.warns(UserWarning, match=r"little better than by chance \(mean ROC AUC 0\.[0-5]"):
        student.fit(TEXTS, LABELS[:, [1, 2, 0]])
    student.fit(TEXTS, LABELS)
