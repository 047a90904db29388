import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skdistill.networks import BagNetwork, softmax_within_rows

TEXTS = [[3, 1, 4, 1, 5], [9], [], [2, 6, 5, 3, 5, 8, 9, 7], [0, 0], [0, 4, 0]]
LOG_PRIOR = torch.tensor([0.5, 0.3, 0.2]).log()


def flat(texts):
    offsets = np.cumsum([0, *map(len, texts)])
    return torch.tensor([i for text in texts for i in text]), torch.from_numpy(offsets)


def reference(network, text):
    """Compute one text's logits with torch's own convolution, softmax and linear layers."""
    if not any(text):
        return LOG_PRIOR
    vectors = network.embedding(torch.tensor(text))
    pooled = []
    for how in network.pooling:
        if how == "mean":
            pooled.append(vectors.mean(dim=0))
        elif how == "max":
            pooled.append(vectors.amax(dim=0))
        else:
            kernel = network.window.T[None].contiguous()
            scores = F.conv1d(vectors.T[None], kernel, padding=kernel.shape[2] // 2)[0, 0]
            pooled.append(F.softmax(scores, dim=0) @ vectors)
    hidden = torch.cat(pooled)
    for layer in network.layers[:-1]:
        hidden = F.relu(layer(hidden))
    return network.layers[-1](hidden)


@pytest.mark.parametrize("pooling", [("mean",), ("max",), ("attention",), ("mean", "attention")])
@pytest.mark.parametrize("hidden_layer_sizes", [(), (7,), (7, 4)])
def test_forward_equals_torch_text_by_text(pooling, hidden_layer_sizes):
    torch.manual_seed(0)
    network = BagNetwork(
        LOG_PRIOR,
        10,
        embedding_dim=6,
        pooling=pooling,
        context_window=5,
        hidden_layer_sizes=hidden_layer_sizes,
    )
    torch.nn.init.normal_(network.embedding.weight)
    logits = network(*flat(TEXTS))
    expected = torch.stack([reference(network, text) for text in TEXTS])
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", [("mean",), ("max",), ("attention", "mean")])
def test_gradients_equal_torch_text_by_text(pooling):
    torch.manual_seed(0)
    network = BagNetwork(LOG_PRIOR, 10, embedding_dim=4, pooling=pooling, context_window=3)
    torch.nn.init.normal_(network.embedding.weight)
    network(*flat(TEXTS)).square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    torch.stack([reference(network, text) for text in TEXTS]).square().sum().backward()
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-5)


def test_batch_without_a_known_feature_gives_the_prior():
    network = BagNetwork(LOG_PRIOR, 10)
    logits = network(*flat([[], [0, 0]]))
    torch.testing.assert_close(logits, LOG_PRIOR.expand(2, 3))


def test_dropouts_act_in_training_only():
    torch.manual_seed(0)
    network = BagNetwork(LOG_PRIOR, 10, dropout=0.5, word_dropout=0.5)
    batch = flat(TEXTS)
    assert not torch.equal(network(*batch), network(*batch))
    network.eval()
    assert torch.equal(network(*batch), network(*batch))


def test_full_word_dropout_leaves_only_the_unknown_feature():
    network = BagNetwork(LOG_PRIOR, 10, word_dropout=1.0)
    logits = network(*flat([[3, 4], [5]]))
    torch.testing.assert_close(logits[0], logits[1])


def test_softmax_within_rows_withstands_large_scores():
    rows = torch.tensor([0, 0, 1, 3, 3])
    scores = torch.tensor([1e4, 1e4 + 1, -1e4, 0.0, 1.0])
    expected = torch.cat([scores[:2].softmax(0), torch.ones(1), scores[3:].softmax(0)])
    torch.testing.assert_close(softmax_within_rows(scores, rows), expected)
