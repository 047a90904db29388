import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skdistill.students.training import _rnn as rnn_module
from skdistill.students.training._cnn import CNNNetwork, convolve_within_rows
from skdistill.students.training._mlp import MLPNetwork, score_windows, softmax_within_rows
from skdistill.students.training._network import part_by_zeros, pool
from skdistill.students.training._rnn import RNNNetwork, pool_steps

TEXTS = [[3, 1, 4, 1, 5], [9], [], [2, 6, 5, 3, 5, 8, 9, 7], [0, 0], [0, 4, 0]]
LOG_PRIOR = torch.tensor([0.5, 0.3, 0.2]).log()


def flat(texts):
    offsets = np.cumsum([0, *map(len, texts)])
    return torch.tensor([i for text in texts for i in text]), torch.from_numpy(offsets)


def bag(network, vectors):
    pooled = []
    for how in network.pooling:
        if how == "attention":
            kernel = network.window.T[None].contiguous()
            scores = F.conv1d(vectors.T[None], kernel, padding=kernel.shape[2] // 2)[0, 0]
            pooled.append(F.softmax(scores, dim=0) @ vectors)
        else:
            pooled.append(reduce(how, vectors))
    return pooled


def convolutions(network, vectors):
    outputs = []
    for kernel, bias in zip(network.kernels, network.biases, strict=True):
        padded = F.pad(vectors.T[None], around(kernel.shape[1]))
        outputs.append(F.relu(F.conv1d(padded, kernel.transpose(1, 2), bias))[0].T)
    return [reduce(how, output) for how in network.pooling for output in outputs]


def states(network, vectors):
    forwards, *rest = network.directions
    read = [forwards(vectors)[0], *(layer(vectors.flip(0))[0].flip(0) for layer in rest)]
    return [reduce(how, torch.cat(read, dim=1)) for how in network.pooling]


def around(size):
    return size // 2, size - 1 - size // 2


def reduce(how, vectors):
    return vectors.mean(dim=0) if how == "mean" else vectors.amax(dim=0)


REPRESENT = {MLPNetwork: bag, CNNNetwork: convolutions, RNNNetwork: states}


def reference(network, text):
    """Compute one text's logits with torch's own functions, on that text alone."""
    if not any(text):
        return LOG_PRIOR
    vectors = network.embedding(torch.tensor(text))
    hidden = torch.cat(REPRESENT[type(network)](network, vectors))
    for layer in network.layers[:-1]:
        hidden = F.relu(layer(hidden))
    return network.layers[-1](hidden)


def make(network_class, **options):
    torch.manual_seed(0)
    network = network_class(LOG_PRIOR, 10, **options)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return network


OTHERS = [
    (CNNNetwork, {"kernel_sizes": (1,), "n_filters": 4}),
    (CNNNetwork, {"kernel_sizes": (3,), "n_filters": 4, "hidden_layer_sizes": (5,)}),
    (CNNNetwork, {"kernel_sizes": (4, 2), "n_filters": 3, "pooling": ("mean",)}),
    (CNNNetwork, {"kernel_sizes": (9, 3), "n_filters": 2, "pooling": ("mean", "max")}),
    (RNNNetwork, {"cell": "gru", "hidden_dim": 4}),
    (RNNNetwork, {"cell": "lstm", "hidden_dim": 4, "pooling": ("max", "mean")}),
    (RNNNetwork, {"cell": "gru", "hidden_dim": 5, "bidirectional": False}),
    (RNNNetwork, {"cell": "lstm", "hidden_dim": 3, "bidirectional": False}),
    (RNNNetwork, {"cell": "gru", "pooling": ("mean",), "hidden_layer_sizes": (4, 5)}),
]


@pytest.mark.parametrize("pooling", [("mean",), ("max",), ("attention",), ("mean", "attention")])
@pytest.mark.parametrize("hidden_layer_sizes", [(), (7,), (7, 4)])
def test_forward_equals_torch_text_by_text(pooling, hidden_layer_sizes):
    torch.manual_seed(0)
    network = MLPNetwork(
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


@pytest.mark.parametrize(("network_class", "options"), OTHERS, ids=str)
def test_convolutions_and_recurrent_layers_equal_torch_text_by_text(network_class, options):
    network = make(network_class, embedding_dim=6, **options)
    expected = torch.stack([reference(network, text) for text in TEXTS])
    torch.testing.assert_close(network(*flat(TEXTS)), expected, rtol=1e-5, atol=1e-5)
    for text, logits in zip(TEXTS, expected, strict=True):
        torch.testing.assert_close(network(*flat([text]))[0], logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("network_class", "options"), OTHERS, ids=str)
def test_their_gradients_equal_torch_text_by_text(network_class, options):
    network = make(network_class, embedding_dim=6, **options)
    check_gradients(network)


@pytest.mark.parametrize("pooling", [("mean",), ("max",), ("attention", "mean")])
def test_gradients_equal_torch_text_by_text(pooling):
    torch.manual_seed(0)
    network = MLPNetwork(LOG_PRIOR, 10, embedding_dim=4, pooling=pooling, context_window=3)
    torch.nn.init.normal_(network.embedding.weight)
    check_gradients(network)


def check_gradients(network):
    network(*flat(TEXTS)).square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    torch.stack([reference(network, text) for text in TEXTS]).square().sum().backward()
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network_class", REPRESENT)
def test_batch_without_a_known_feature_gives_the_prior(network_class):
    network = network_class(LOG_PRIOR, 10)
    logits = network(*flat([[], [0, 0]]))
    torch.testing.assert_close(logits, LOG_PRIOR.expand(2, 3))


@pytest.mark.parametrize("network_class", REPRESENT)
def test_dropouts_act_in_training_only(network_class):
    torch.manual_seed(0)
    network = network_class(LOG_PRIOR, 10, dropout=0.5, word_dropout=0.5)
    batch = flat(TEXTS)
    assert not torch.equal(network(*batch), network(*batch))
    network.eval()
    assert torch.equal(network(*batch), network(*batch))


@pytest.mark.parametrize("rate", [0.15, 0.6])
def test_word_dropout_makes_each_word_unknown_at_the_given_rate(rate):
    torch.manual_seed(0)
    network = MLPNetwork(LOG_PRIOR, 10, word_dropout=rate)
    seen = []
    network.embedding.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    ids, offsets = torch.arange(1, 9).repeat(5_000), torch.arange(0, 40_001, 8)
    network(ids, offsets)
    dropped = seen[0] == 0
    assert torch.equal(seen[0][~dropped], ids[~dropped])
    # By position within a text, and so independent of words and of their neighbours.
    deviation = (rate * (1 - rate) / 5_000) ** 0.5
    by_position = dropped.view(5_000, 8).double()
    assert (by_position.mean(dim=0) - rate).abs().max() < 4 * deviation
    together = (by_position[:, :-1] * by_position[:, 1:]).mean()
    assert together == pytest.approx(rate**2, abs=4 * deviation)
    network.eval()
    network(ids, offsets)
    assert torch.equal(seen[1], ids)


@pytest.mark.parametrize("network_class", REPRESENT)
def test_full_word_dropout_leaves_only_the_unknown_feature(network_class):
    network = network_class(LOG_PRIOR, 10, word_dropout=1.0)
    logits = network(*flat([[3, 4], [5, 6]]))
    torch.testing.assert_close(logits[0], logits[1])


def test_softmax_within_rows_withstands_large_scores():
    rows = torch.tensor([0, 0, 1, 3, 3])
    scores = torch.tensor([1e4, 1e4 + 1, -1e4, 0.0, 1.0])
    expected = torch.cat([scores[:2].softmax(0), torch.ones(1), scores[3:].softmax(0)])
    torch.testing.assert_close(softmax_within_rows(scores, rows), expected)


def ragged_vectors(lengths, width):
    offsets = torch.from_numpy(np.cumsum([0, *lengths]))
    rows = torch.repeat_interleave(torch.arange(len(lengths)), offsets.diff())
    return torch.randn(len(rows), width), rows, offsets


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 10])
def test_convolutions_do_not_see_the_next_row(size):
    torch.manual_seed(0)
    vectors, rows, offsets = ragged_vectors([4, 1, 0, 9, 2, 0, 1], 3)
    kernel = torch.randn(5, size, 3)
    outputs = convolve_within_rows(vectors, kernel, rows, offsets)
    expected = [
        F.conv1d(F.pad(row.T[None], around(size)), kernel.transpose(1, 2))[0].T
        for row in vectors.split(offsets.diff().tolist())
        if len(row)
    ]
    torch.testing.assert_close(outputs, torch.cat(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 4, 13])
def test_scores_of_windows_are_a_convolution_with_one_output(size):
    torch.manual_seed(0)
    vectors, rows, offsets = ragged_vectors([4, 1, 0, 9, 2, 0, 1], 3)
    window = torch.randn(size, 3)
    expected = convolve_within_rows(vectors, window[None], rows, offsets)[:, 0]
    scores = score_windows(vectors, window, rows, offsets)
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-5)


def test_rows_are_parted_by_as_few_zeros_as_a_window_needs():
    vectors, rows = torch.tensor([[1.0], [2], [3]]), torch.tensor([0, 0, 2])
    padded, starts = part_by_zeros(vectors, rows, n_rows=3, size=3)
    assert padded.squeeze().tolist() == [0, 1, 2, 0, 0, 0, 0, 3, 0]
    assert starts.tolist() == [0, 1, 6]


@pytest.mark.parametrize("how", ["mean", "max"])
def test_pooled_steps_leave_out_what_is_behind_a_texts_end(how):
    torch.manual_seed(0)
    lengths = torch.tensor([4, 1, 3])
    states = torch.randn(4, 3, 5) - 5
    expected = [reduce(how, states[:n, text]) for text, n in enumerate(lengths.tolist())]
    torch.testing.assert_close(pool_steps(how, states, lengths), torch.stack(expected))


@pytest.mark.parametrize("how", ["mean", "max"])
def test_pool_equals_a_loop(how):
    torch.manual_seed(0)
    vectors, rows, offsets = ragged_vectors([4, 1, 0, 9, 0], 3)
    vectors -= 5  # a maximum below zero is not taken for an empty row's
    expected = [
        reduce(how, row) if len(row) else torch.zeros(3)
        for row in vectors.split(offsets.diff().tolist())
    ]
    torch.testing.assert_close(pool(how, vectors, rows, offsets), torch.stack(expected))


@pytest.mark.parametrize("pooling", [("max",), ("mean",), ("mean", "max")])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("longest_piece", [3, 4])
def test_training_reads_long_texts_in_pieces(pooling, bidirectional, longest_piece, monkeypatch):
    network = make(RNNNetwork, hidden_dim=4, pooling=pooling, bidirectional=bidirectional)
    ids, offsets = flat(TEXTS)
    vectors, rows = network.embedding(ids), torch.repeat_interleave(offsets.diff())
    longest = []
    original = rnn_module.read_side_by_side
    monkeypatch.setattr(
        rnn_module,
        "read_side_by_side",
        lambda *arguments: longest.append(arguments[-1]) or original(*arguments),
    )
    network.train()
    whole = network.represent(vectors, rows, offsets)
    assert max(longest) == 8
    longest.clear()
    monkeypatch.setattr(rnn_module, "_LONGEST_PIECE", longest_piece)
    in_pieces = network.represent(vectors, rows, offsets)
    assert len(in_pieces) == len(offsets) - 1
    assert max(longest) == longest_piece
    for row, text in enumerate(TEXTS):
        if not text:
            assert not in_pieces[row].any()
            continue
        pieces = network.embedding(torch.tensor(text)).split(longest_piece)
        read = [states(network, piece) for piece in pieces]
        sizes = torch.tensor([len(piece) for piece in pieces])[:, None]
        expected = [
            (torch.stack(parts) * sizes / len(text)).sum(dim=0)
            if how == "mean"
            else torch.stack(parts).amax(dim=0)
            for how, parts in zip(pooling, zip(*read, strict=True), strict=True)
        ]
        torch.testing.assert_close(in_pieces[row], torch.cat(expected))
    network.eval()
    torch.testing.assert_close(network.represent(vectors, rows, offsets), whole, rtol=0, atol=0)
