from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from skorch.callbacks import Callback, EarlyStopping

from skdistill.students.training._loop import Batches, TransferDataset, train
from skdistill.students.training._losses import DistillationLoss
from skdistill.students.training._mlp import MLPNetwork
from skdistill.students.training._rnn import RNNNetwork
from skdistill.text._ragged import Ragged

N_FEATURES, N_CLASSES = 12, 3
LOG_PRIOR = torch.full((N_CLASSES,), 1 / N_CLASSES).log()


def make_dataset(n=80, seed=0, **weights):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, n)
    ids = Ragged.from_lengths(rng.integers(1, N_FEATURES, lengths.sum()).astype(np.int32), lengths)
    proba = rng.dirichlet(np.ones(N_CLASSES), n).astype(np.float32)
    targets = {
        "proba": proba,
        "label": proba.argmax(axis=1),
        "hard_weight": np.zeros(n, np.float32),
        "sample_weight": np.ones(n, np.float32),
    }
    return TransferDataset(ids, targets | weights)


def fit(dataset, **options):
    defaults = {
        "held_out": None,
        "loss": "kl",
        "temperature": 1.0,
        "max_epochs": 4,
        "batch_size": 16,
        "lr": 0.05,
        "patience": 2,
        "seed": 0,
        "device": torch.device("cpu"),
        "callbacks": None,
        "verbose": 0,
    }
    make_network = partial(MLPNetwork, LOG_PRIOR, N_FEATURES, pooling=("mean", "attention"))
    return train(make_network, dataset, **defaults | options)


def test_batches_cover_each_row_once_an_epoch_in_new_order():
    dataset = make_dataset(23)
    batches = Batches(dataset, 5, np.random.default_rng(0))
    epochs = [torch.cat([targets["proba"] for _, targets in batches]) for _ in range(2)]
    assert len(batches) == 5
    assert not torch.equal(*epochs)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == sorted(dataset.targets["proba"].tolist())
    in_order = torch.cat([targets["proba"] for _, targets in Batches(dataset, 5)])
    assert torch.equal(in_order, dataset.targets["proba"])


def test_batches_hold_the_rows_own_ids():
    dataset = make_dataset(23)
    start = 0
    for batch, _ in Batches(dataset, 5):
        expected = dataset.ids.take(np.arange(start, start + len(batch)))
        assert batch.ids.tolist() == expected.values.tolist()
        assert batch.offsets.tolist() == expected.offsets.tolist()
        start += len(batch)


def lengths_of(batches):
    return [batch.offsets.diff().tolist() for batch, _ in batches]


def test_batches_by_length_cover_each_row_once_an_epoch_in_new_order():
    dataset = make_dataset(230)
    batches = Batches(dataset, 10, np.random.default_rng(0), by_length=True)
    again = Batches(dataset, 10, np.random.default_rng(0), by_length=True)
    epochs = [torch.cat([targets["proba"] for _, targets in batches]) for _ in range(2)]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == sorted(dataset.targets["proba"].tolist())
        assert torch.equal(epoch, torch.cat([targets["proba"] for _, targets in again]))
    assert not torch.equal(*epochs)
    first_of_batches = [epoch[::10].tolist() for epoch in epochs]
    assert not set(map(tuple, first_of_batches[0])) <= set(map(tuple, first_of_batches[1]))
    for batch, targets in batches:
        for i in range(len(batch)):
            row = (dataset.targets["proba"] == targets["proba"][i]).all(dim=1).nonzero().item()
            own = batch.ids[batch.offsets[i] : batch.offsets[i + 1]]
            assert own.tolist() == dataset.ids.take(np.array([row])).values.tolist()


def test_batches_by_length_hold_texts_of_like_length_and_come_in_any_order():
    batches = Batches(make_dataset(230), 10, np.random.default_rng(0), by_length=True)
    lengths = lengths_of(batches)
    assert len(lengths) == len(batches) == 23
    # Put in order, no batch overlaps the next: within a hundred batches texts are sorted.
    assert all(one[-1] <= other[0] for one, other in pairwise(sorted(lengths)))
    assert lengths != sorted(lengths)
    assert lengths != lengths_of(batches)
    mixed = lengths_of(Batches(make_dataset(230), 10, np.random.default_rng(0)))
    assert sum(map(np.ptp, lengths)) < sum(map(np.ptp, mixed)) / 5


def test_batches_by_length_are_sorted_within_pools_of_some_batches(monkeypatch):
    monkeypatch.setattr("skdistill.students.training._loop._POOL", 4)
    dataset = make_dataset(237)
    batches = Batches(dataset, 10, np.random.default_rng(0), by_length=True)
    epochs = [torch.cat([targets["proba"] for _, targets in batches]) for _ in range(2)]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == sorted(dataset.targets["proba"].tolist())
    lengths = lengths_of(batches)
    assert sorted(map(len, lengths)) == [7] + 23 * [10]
    # Six pools: each holds texts of all lengths, so only what straddles two pools is mixed.
    assert sum(np.ptp(row) > 4 for row in lengths) <= 5
    assert sum(1 in row for row in lengths) >= 6


def test_texts_of_one_length_keep_their_shuffled_order_on_every_machine():
    # NumPy's default sort differs between processors where keys are equal.
    dataset = make_dataset(230)
    batches = Batches(dataset, 1000, np.random.default_rng(0), by_length=True)
    rows = np.arange(230)
    np.random.default_rng(0).shuffle(rows)
    expected = sorted(rows, key=lambda row: dataset.ids.lengths[row])
    for _, targets in batches:
        assert torch.equal(targets["proba"], dataset.targets["proba"][expected])


def test_training_equals_a_bare_torch_loop():
    dataset = make_dataset()
    weights, history = fit(dataset)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MLPNetwork(LOG_PRIOR, N_FEATURES, pooling=("mean", "attention"))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
        rng = np.random.default_rng(0)
        losses = []
        for step in range(4 * 5):
            if step % 5 == 0:
                rows = np.arange(80)
                rng.shuffle(rows)
            batch, targets = dataset.batch(rows[16 * (step % 5) : 16 * (step % 5 + 1)])
            optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 20)
            optimizer.zero_grad()
            loss = DistillationLoss()(network(batch.ids, batch.offsets), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    for name, value in network.state_dict().items():
        np.testing.assert_allclose(weights[name], value.numpy(), atol=1e-6)
    means = np.reshape(losses, (4, 5)).mean(axis=1)
    np.testing.assert_allclose([epoch["train_loss"] for epoch in history], means, rtol=1e-5)
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4]


def test_same_seed_same_weights_and_no_global_state():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, _ = fit(make_dataset())
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(4)
    second, _ = fit(make_dataset())
    other, _ = fit(make_dataset(), seed=1)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert not np.array_equal(first["window"], other["window"])


def test_training_by_length_is_seeded_and_learns():
    make_network = partial(RNNNetwork, LOG_PRIOR, N_FEATURES, hidden_dim=4)
    options = {"max_epochs": 8, "batch_size": 16, "lr": 0.05, "device": torch.device("cpu")}
    (one, history), (same, _), (other, _) = (
        train(make_network, make_dataset(), by_length=True, seed=seed, **options)
        for seed in (0, 0, 1)
    )
    for name in one:
        np.testing.assert_array_equal(one[name], same[name])
    assert not np.array_equal(one["embedding.weight"], other["embedding.weight"])
    assert history[-1]["train_loss"] < 0.9 * history[0]["train_loss"]


@pytest.mark.parametrize("names", [["window"], ["layers.0.bias", "embedding.weight"], None])
def test_training_starts_from_given_weights(names):
    earlier, _ = fit(make_dataset(), seed=5)
    given = {name: earlier[name] for name in names or earlier}
    weights, _ = fit(make_dataset(), max_epochs=1, lr=1e-9, initial_weights=given)
    unaided, _ = fit(make_dataset(), max_epochs=1, lr=1e-9)
    for name in weights:
        expected = given if name in given else unaided
        np.testing.assert_allclose(weights[name], expected[name], atol=1e-7)
    assert not np.allclose(earlier["window"], unaided["window"], atol=1e-2)


def logits_of(weights, dataset):
    network = MLPNetwork(LOG_PRIOR, N_FEATURES, pooling=("mean", "attention"))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    batch, _ = dataset.batch(np.arange(len(dataset)))
    return network(batch.ids, batch.offsets).detach().numpy().astype(np.float64)


@pytest.mark.parametrize("weighted", [False, True])
def test_standardized_kl_ends_with_the_scale_that_fits_the_teacher(weighted):
    weight = np.linspace(0, 2, 80) ** 4 if weighted else np.ones(80)
    dataset = make_dataset(sample_weight=(weight / weight.mean()).astype(np.float32))
    weights, _ = fit(dataset, loss="standardized_kl", max_epochs=30, lr=0.02)
    logits, proba = logits_of(weights, dataset), dataset.targets["proba"].numpy()

    def divergence(factor):
        rows = rel_entr(proba, softmax(factor * logits, axis=1)).sum(axis=1)
        return np.average(rows, weights=weight)

    assert divergence(1) < min(divergence(0.99), divergence(1.01))


def test_gold_labels_take_the_place_of_probabilities():
    dataset = make_dataset(label=np.arange(80) % 3)
    gold = dataset.with_gold_labels()
    np.testing.assert_array_equal(
        gold.targets["proba"], np.eye(3, dtype=np.float32)[np.arange(80) % 3]
    )
    assert gold.targets["proba"].dtype == torch.float32
    weights, _ = fit(gold, max_epochs=60)
    assert (logits_of(weights, dataset).argmax(axis=1) == np.arange(80) % 3).mean() > 0.7
    assert not np.array_equal(dataset.targets["proba"], gold.targets["proba"])


@pytest.mark.parametrize("loss", ["kl", "mse", "standardized_kl"])
def test_weight_two_equals_the_row_twice_in_full_batches(loss):
    once = make_dataset()
    twice = once.take(np.repeat(np.arange(80), np.where(np.arange(80) < 20, 2, 1)))
    weights = np.where(np.arange(80) < 20, 2.0, 1.0)
    weighted = make_dataset(sample_weight=(weights / weights.mean()).astype(np.float32))
    a, _ = fit(weighted, batch_size=1000, lr=0.01, loss=loss)
    b, _ = fit(twice, batch_size=1000, lr=0.01, loss=loss)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, atol=1e-6)


def test_early_stopping_keeps_the_epoch_that_agreed_most():
    dataset, held_out = make_dataset(), make_dataset(40, seed=1)
    weights, history = fit(dataset, held_out=held_out, max_epochs=50, patience=3)
    agreements = [epoch["valid_fidelity"] for epoch in history]
    best = int(np.argmax(agreements))
    assert len(history) == best + 1 + 3 < 50
    network = MLPNetwork(LOG_PRIOR, N_FEATURES, pooling=("mean", "attention"))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    batch, targets = held_out.batch(np.arange(40))
    agreed = network(batch.ids, batch.offsets).argmax(1) == targets["proba"].argmax(1)
    assert agreed.float().mean().item() == pytest.approx(agreements[best])


def test_skorch_callbacks_work_and_may_stop():
    patience = EarlyStopping("train_loss", patience=2, threshold=0.99, sink=lambda message: None)
    _, history = fit(make_dataset(), max_epochs=50, callbacks=[patience])
    assert len(history) < 50


def test_a_training_that_diverges_says_so_at_the_first_epoch():
    advice = r"loss was nan in epoch 1: training diverged. Choose a smaller lr than 1e\+30\."
    with pytest.raises(ValueError, match=advice):
        fit(make_dataset(), lr=1e30)


def test_ctrl_c_is_not_taken_for_early_stopping():
    class CtrlC(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make_dataset(), callbacks=[CtrlC()])


def test_verbose_shows_one_bar_and_silence_is_silent(capsys):
    fit(make_dataset())
    assert capsys.readouterr() == ("", "")
    fit(make_dataset(), verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "training student: 100%" in err
    assert "20/20" in err
