import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from skdistill.teachers.huggingface import _head_start
from skdistill.teachers.huggingface._examples import Examples
from skdistill.teachers.huggingface._head_start import start_head
from skdistill.teachers.huggingface._inference import compute_logits, tokenise

CPU = torch.device("cpu")


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr(_head_start, "_MANY_CLASSES", 2)


@pytest.fixture
def make(tiny_checkpoint, topics):
    """Return a function that makes a model of some labels, and examples with the given targets."""

    def make(targets, n_labels):
        tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
        model = AutoModelForSequenceClassification.from_pretrained(
            tiny_checkpoint, num_labels=n_labels
        )
        tokens = tokenise(tokenizer, model, topics[0][: len(targets)], 32)
        weights = np.linspace(0.5, 1.5, len(targets)).astype(np.float32)
        return model, Examples(tokens, np.asarray(targets), weights)

    return make


def features_of(model, examples):
    """What the classification layer of a BERT receives."""
    found = []
    hook = model.classifier.register_forward_pre_hook(lambda _, args: found.append(args[0]))
    with torch.no_grad():
        for row in range(len(examples)):
            model.eval()(**examples.tokens.pad(np.array([row])))
    hook.remove()
    return torch.cat(found).double().numpy()


def logits_of(model, examples):
    with torch.no_grad():
        return compute_logits(model, examples.tokens, device=CPU)


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_layer_is_a_logistic_regression_on_its_features(make, topics, n_classes):
    codes = np.unique(topics[1][:48], return_inverse=True)[1] % n_classes
    model, examples = make(codes, n_classes)
    features = features_of(model, examples)
    others = {k: v.clone() for k, v in model.state_dict().items() if "classifier" not in k}
    start_head(model, examples, CPU)
    scaled = (features - features.mean(axis=0)) / features.std()
    expected = LogisticRegression(C=0.1, max_iter=200).fit(scaled, codes, examples.weights)
    proba = torch.from_numpy(logits_of(model, examples)).softmax(dim=1).numpy()
    np.testing.assert_allclose(proba, expected.predict_proba(scaled), atol=1e-3)
    for name, value in others.items():
        assert torch.equal(model.state_dict()[name], value)


@pytest.mark.usefixtures("few_are_many")
def test_classes_without_texts_start_at_zero(make, topics):
    codes = np.unique(topics[1][:60], return_inverse=True)[1]
    codes = np.where(codes == 1, 3, codes)
    model, examples = make(codes, 4)
    features = features_of(model, examples)
    start_head(model, examples, CPU)
    assert not model.classifier.weight[1].any()
    scaled = (features - features.mean(axis=0)) / features.std()
    expected = LogisticRegression(C=0.1, max_iter=200).fit(scaled, codes, examples.weights)
    proba = torch.from_numpy(logits_of(model, examples)[:, [0, 2, 3]]).softmax(dim=1).numpy()
    np.testing.assert_allclose(proba, expected.predict_proba(scaled), atol=1e-3)


@pytest.mark.usefixtures("few_are_many")
def test_each_of_several_labels_has_its_own_regression(make, topics):
    codes = np.unique(topics[1][:60], return_inverse=True)[1]
    several = np.stack([codes == 0, codes < 9, codes > 9, codes == 2], axis=1).astype(np.int64)
    model, examples = make(several, 4)
    features = features_of(model, examples)
    start_head(model, examples, CPU)
    assert model.classifier.weight.any(dim=1).tolist() == [True, False, False, True]
    scaled = (features - features.mean(axis=0)) / features.std()
    for label in (0, 3):
        expected = LogisticRegression(C=0.1, max_iter=200)
        expected.fit(scaled, several[:, label], examples.weights)
        score = logits_of(model, examples)[:, label]
        np.testing.assert_allclose(score, expected.decision_function(scaled), atol=1e-3)


@pytest.mark.parametrize(
    ("targets", "n_classes", "is_fitted"),
    [
        (np.arange(48) % 16, 16, True),
        (np.arange(48) % 15, 15, False),
        (np.zeros(10, dtype=np.int64), 16, False),
    ],
    ids=["many classes", "few classes", "texts of a single class"],
)
def test_few_classes_and_texts_of_one_leave_the_layer_alone(make, targets, n_classes, is_fitted):
    model, examples = make(targets, n_classes)
    before = model.classifier.weight.clone()
    start_head(model, examples, CPU)
    assert torch.equal(model.classifier.weight, before) is not is_fitted


@pytest.mark.usefixtures("few_are_many")
def test_a_model_without_such_a_layer_is_left_alone(make):
    model, examples = make(np.arange(10) % 2, 2)
    model.classifier = torch.nn.Sequential(torch.nn.Linear(32, 2), torch.nn.Linear(2, 5))
    before = [weight.clone() for weight in model.classifier.parameters()]
    start_head(model, examples, CPU)
    assert all(map(torch.equal, before, model.classifier.parameters()))
