"""Students in files of other people's formats: skops and joblib."""

import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TextAugmenter,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)
from skdistill.text._vocabulary import Vocabulary

SMALL = {"max_epochs": 2, "random_state": 0, "vocabulary_size": 60}
STUDENTS = [
    DistilledMLPClassifier(**SMALL),
    DistilledMLPClassifier(
        ngram_range=(1, 2),
        hash_buckets=50,
        hidden_layer_sizes=[4],
        pooling=["mean", "max", "attention"],
        class_weight="balanced",
        early_stopping=True,
        **SMALL,
    ),
    DistilledCNNClassifier(**SMALL),
    DistilledRNNClassifier(**SMALL),
    DistilledRNNClassifier(cell="lstm", bidirectional=False, **SMALL),
]
TEACHERS = {
    "tfidf": make_tfidf_baseline(),
    "frozen": FrozenEstimator(make_tfidf_baseline()),
    "transformer": TransformerTeacherClassifier("a-name", max_epochs=1),
}


def name_of(kind):
    return f"{kind.__module__}.{kind.__qualname__}"


def round_trip(model):
    """Send a model through a skops file, trusting this package's types alone."""
    data = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith("skdistill.") for name in untrusted)
    return skops.io.loads(data, trusted=untrusted), untrusted


@pytest.fixture(scope="module", params=STUDENTS, ids=str)
def student(request, topics):
    return request.param.fit(*topics)


@pytest.fixture(scope="module")
def texts(topics):
    return [*topics[0], "", "unheard-of", "Ünicode 🙂 the"]


def test_skops_loads_a_student_bit_for_bit(student, texts):
    loaded, untrusted = round_trip(student)
    assert untrusted == sorted(map(name_of, [type(student), Vocabulary]))
    np.testing.assert_array_equal(loaded.predict_proba(texts), student.predict_proba(texts))
    np.testing.assert_array_equal(loaded.predict(texts), student.predict(texts))
    assert loaded.get_params() == student.get_params()
    assert loaded.history_ == student.history_
    # Whatever a student can do later, a loaded one can.
    assert loaded.prune_vocabulary(20).n_parameters_ < student.n_parameters_


def test_skops_loads_a_pipeline(student, texts):
    pipeline = make_pipeline(FunctionTransformer(), student)
    loaded, _ = round_trip(pipeline)
    np.testing.assert_array_equal(loaded.predict_proba(texts), pipeline.predict_proba(texts))


@pytest.mark.parametrize("name", TEACHERS)
def test_skops_loads_a_teacher_without_what_it_learned(name, topics, texts):
    X, y = topics
    teacher = TEACHERS[name]
    if name == "frozen":
        teacher.estimator.fit(X, y)
    # The transformer need not be there: given probabilities spare it.
    given = np.full((100, 3), 1 / 3) if name == "transformer" else None
    augmenter = TextAugmenter(random_state=0) if given is None else None
    student = DistilledMLPClassifier(teacher, augmenter=augmenter, **SMALL)
    student.set_params(random_state=np.random.RandomState(0))
    student.fit(X[:100], y[:100], teacher_proba=given)
    loaded, _ = round_trip(student)
    np.testing.assert_array_equal(loaded.predict_proba(texts), student.predict_proba(texts))
    assert type(loaded.teacher) is type(teacher)
    assert type(loaded.augmenter) is type(augmenter)
    if name == "frozen":
        assert not hasattr(loaded.teacher.estimator[-1], "coef_")


def test_skops_is_asked_to_trust_the_student(student):
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException, match="skdistill"):
        skops.io.loads(skops.io.dumps(student))


# skops walks through scikit-learn, parts of which import torch where it is installed.
WITHOUT_TORCH = """
import sys

class Nowhere:
    def find_spec(self, name, *args):
        if name.partition(".")[0] in {"torch", "skorch", "transformers"}:
            raise ImportError(name)

sys.meta_path.insert(0, Nowhere())
import numpy as np, skops.io
trusted = skops.io.get_untrusted_types(file="students.skops")
students = skops.io.load("students.skops", trusted=trusted)
texts = np.load("texts.npy")
np.save("proba.npy", [student.predict_proba(texts) for student in students])
"""


def test_a_process_without_torch_reads_a_skops_file(topics, texts, tmp_path):
    students = [clone(student).fit(topics[0][:60], topics[1][:60]) for student in STUDENTS]
    skops.io.dump(students, tmp_path / "students.skops")
    np.save(tmp_path / "texts.npy", texts)
    command = [sys.executable, "-c", WITHOUT_TORCH]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    expected = [student.predict_proba(texts) for student in students]
    np.testing.assert_array_equal(np.load(tmp_path / "proba.npy"), expected)


@pytest.mark.parametrize("package", ["skdistill", "sklearn"])
def test_skops_and_joblib_files_of_other_versions_warn(package, student, monkeypatch):
    buffer = io.BytesIO()
    joblib.dump(student, buffer)
    data = skops.io.dumps(student)
    monkeypatch.setattr(f"{package}.__version__", "99.0")
    name = {"skdistill": "skdistill", "sklearn": "scikit-learn"}[package]
    expected = rf"{type(student).__name__} \({name}\)"
    with pytest.warns(InconsistentVersionWarning, match=expected):
        joblib.load(io.BytesIO(buffer.getvalue()))
    with pytest.warns(InconsistentVersionWarning, match=expected):
        skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


class Inspector(pickle.Unpickler):
    """Notes the packages whose code a pickle calls for."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.packages = set()

    def find_class(self, module, name):
        self.packages.add(module.partition(".")[0])
        return super().find_class(module, name)


def test_nothing_in_a_pickle_is_bound_to_the_device_of_the_training(student):
    inspector = Inspector(pickle.dumps(student))
    inspector.load()
    assert "numpy" in inspector.packages
    assert inspector.packages <= {"skdistill", "numpy", "_codecs", "copyreg"}


def test_the_inspector_sees_a_tensors_storage():
    import torch

    inspector = Inspector(pickle.dumps({"weights": torch.zeros(2)}))
    inspector.load()
    assert "torch" in inspector.packages
