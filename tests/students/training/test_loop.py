from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping

from skdistill.students.training._batches import TransferDataset
from skdistill.students.training._criterion import DistillationLoss
from skdistill.students.training._loop import (
    FidelityEarlyStopping,
    Progress,
    Recipe,
    StopTraining,
    train,
)
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


RECIPE = Recipe(
    max_epochs=4, batch_size=16, lr=0.05, seed=0, device=torch.device("cpu"), patience=2
)


def fit(dataset, *, held_out=None, initial_weights=None, **options):
    make_network = partial(MLPNetwork, LOG_PRIOR, N_FEATURES, pooling=("mean", "attention"))
    return train(
        make_network,
        dataset,
        replace(RECIPE, **options),
        held_out=held_out,
        initial_weights=initial_weights,
    )


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
    (one, history), (same, _), (other, _) = (
        train(
            make_network, make_dataset(), replace(RECIPE, max_epochs=8, by_length=True, seed=seed)
        )
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


@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_weight_two_equals_the_row_twice_in_full_batches(loss):
    once = make_dataset()
    twice = once.take(np.repeat(np.arange(80), np.where(np.arange(80) < 20, 2, 1)))
    weights = np.where(np.arange(80) < 20, 2.0, 1.0)
    weighted = make_dataset(sample_weight=(weights / weights.mean()).astype(np.float32))
    a, _ = fit(weighted, batch_size=1000, lr=0.01, loss=loss)
    b, _ = fit(twice, batch_size=1000, lr=0.01, loss=loss)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, atol=1e-6)


def test_early_stopping_keeps_the_epoch_with_the_lowest_loss_of_those_that_agreed(monkeypatch):
    monkeypatch.setattr("skdistill.students.training._loop.MIN_STEPS", 0)
    dataset, held_out = make_dataset(), make_dataset(40, seed=1)
    weights, history = fit(dataset, held_out=held_out, max_epochs=50, patience=3)
    agreements = np.array([epoch["valid_fidelity"] for epoch in history])
    losses = np.array([epoch["valid_loss"] for epoch in history])
    # The last epoch with better fidelity, or with a lower loss than all before it.
    lowest = np.minimum.accumulate(losses)
    last = max(np.argmax(agreements), *np.flatnonzero(losses == lowest))
    assert len(history) == last + 1 + 3 < 50
    highest = agreements.max()
    near = agreements >= highest - np.sqrt(highest * (1 - highest) / 40)
    assert not near.all()
    best = int(np.argmin(np.where(near, losses, np.inf)))
    network = MLPNetwork(LOG_PRIOR, N_FEATURES, pooling=("mean", "attention"))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    batch, targets = held_out.batch(np.arange(40))
    logits = network(batch.ids, batch.offsets)
    agreed = logits.argmax(1) == targets["proba"].argmax(1)
    assert agreed.float().mean().item() == pytest.approx(agreements[best])
    assert DistillationLoss()(logits, targets).item() == pytest.approx(losses[best])


def follow(n_agreed, losses, *, patience=99, n_ignored=0):
    """Return the number of epochs run and the epoch kept, given those of 100 held-out texts."""
    module = torch.nn.Linear(1, 1)
    net = SimpleNamespace(module_=module, history=SimpleNamespace(record=lambda *pair: None))
    stopping = FidelityEarlyStopping(patience)
    stopping.on_train_begin(net)
    weights = torch.tensor([2.0] * 100 + [0.0] * n_ignored)
    proba = torch.tensor([[0.9, 0.1]]).repeat(len(weights), 1)
    for epoch, (n, loss) in enumerate(zip(n_agreed, losses, strict=True)):
        torch.nn.init.constant_(module.bias, epoch)
        logits = -proba
        logits[:n] *= -1
        batch = (None, {"proba": proba, "sample_weight": weights})
        stopping.on_epoch_begin(net)
        stopping.on_batch_end(net, batch, training=False, loss=loss, y_pred=logits)
        try:
            stopping.on_epoch_end(net)
        except StopTraining:
            break
    stopping.on_train_end(net)
    return epoch + 1, module.bias.item()


@pytest.mark.parametrize("n_ignored", [0, 900])
@pytest.mark.parametrize(
    ("n_agreed", "losses", "kept"),
    [
        ([50, 80, 80], [3, 2, 1], 2),
        ([50, 80, 80], [1, 1, 1], 2),
        ([80, 83], [1.0, 1.1], 0),  # a standard error of 83 of 100 is 3.8
        ([79, 83], [1.0, 1.1], 1),
        ([83, 80, 79], [1.0, 0.9, 0.8], 1),
        ([80, 83, 84], [1.0, 1.1, 1.2], 2),
        ([100, 99], [2, 1], 0),
        ([0, 0, 0], [1, 2, 1.5], 0),
    ],
)
def test_the_kept_epoch_by_hand(n_agreed, losses, kept, n_ignored):
    assert follow(n_agreed, losses, n_ignored=n_ignored)[1] == kept


@pytest.mark.parametrize(
    ("n_agreed", "losses", "n_epochs"),
    [
        ([50] * 5, [5, 4, 3, 2, 1], 5),
        ([50, 51, 52, 53, 54], [1, 2, 3, 4, 5], 5),
        ([50] * 5, [1] * 5, 3),
        ([50, 49, 51, 49, 48], [1, 1, 1, 1, 1], 5),
        ([50, 49, 50, 49, 48], [1, 2, 1, 0.5, 0.5], 3),
        ([50, 49, 48, 47, 46], [1, 2, 0.5, 0.6, 0.5], 5),
    ],
)
def test_the_last_epoch_by_hand(n_agreed, losses, n_epochs, monkeypatch):
    monkeypatch.setattr("skdistill.students.training._loop.MIN_STEPS", 0)
    assert follow(n_agreed, losses, patience=2)[0] == n_epochs


def test_early_stopping_goes_on_while_a_tie_in_fidelity_hides_progress(monkeypatch):
    monkeypatch.setattr("skdistill.students.training._loop.MIN_STEPS", 0)
    # The teacher always prefers the first class, so a student soon agrees with it everywhere.
    proba = np.tile(np.array([0.98, 0.01, 0.01], np.float32), (80, 1))
    dataset = make_dataset(proba=proba)
    weights, history = fit(dataset, held_out=dataset, max_epochs=12, patience=2, lr=0.01)
    assert [epoch["valid_fidelity"] for epoch in history][-6:] == [1.0] * 6
    losses = [epoch["valid_loss"] for epoch in history]
    assert losses == sorted(losses, reverse=True)
    alone, _ = fit(dataset, max_epochs=12, lr=0.01)
    for name, value in alone.items():
        np.testing.assert_array_equal(weights[name], value)


@pytest.mark.parametrize(("batch_size", "n_epochs"), [(16, 30), (15, 25), (1, 2)])
def test_early_stopping_waits_for_150_steps(batch_size, n_epochs):
    # Nothing improves: the rate is too low to change a prediction.
    options = {"max_epochs": 60, "patience": 1, "lr": 1e-20, "batch_size": batch_size}
    dataset = make_dataset()
    _, history = fit(dataset, held_out=dataset, **options)
    assert len({epoch["valid_loss"] for epoch in history}) == 1
    assert len(history) == n_epochs


@pytest.mark.parametrize(("multilabel", "expected"), [(True, 11 / 12), (False, 3 / 4)])
def test_fidelity_by_hand(multilabel, expected):
    logits = torch.tensor([[0.3, 0.0, -9], [0.1, 0.2, 0.4]])
    proba = torch.tensor([[0.6, 0.5, 0.0], [0.9, 0.4, 0.7]])
    batch = (None, {"proba": proba, "sample_weight": torch.tensor([3.0, 1.0])})
    module, found = torch.nn.Linear(1, 1), {}
    net = SimpleNamespace(module_=module, history=SimpleNamespace(record=found.__setitem__))
    stopping = FidelityEarlyStopping(patience=1, multilabel=multilabel)
    stopping.on_train_begin(net)
    stopping.on_epoch_begin(net)
    stopping.on_batch_end(net, batch, training=True, loss=9, y_pred=logits)
    stopping.on_batch_end(net, batch, training=False, loss=1, y_pred=logits)
    stopping.on_epoch_end(net)
    assert found["valid_fidelity"] == pytest.approx(expected)


def test_early_stopping_weighs_held_out_texts():
    held_out = make_dataset(40, seed=1)
    doubled = np.random.default_rng(2).integers(1, 3, 40)
    repeated = held_out.take(np.repeat(np.arange(40), doubled))
    weighted = held_out.take(np.arange(40))
    weighted.targets["sample_weight"] = torch.from_numpy(doubled.astype(np.float32))
    histories = [fit(make_dataset(), held_out=rows)[1] for rows in (repeated, weighted)]
    fidelities = [[epoch["valid_fidelity"] for epoch in history] for history in histories]
    assert fidelities[0] == pytest.approx(fidelities[1])
    assert len({*fidelities[0]}) > 1


def test_early_stopping_bears_rounded_sums_of_weights():
    history = SimpleNamespace(record=lambda name, value: None)
    net = SimpleNamespace(history=history, module_=SimpleNamespace(state_dict=dict))
    watch = FidelityEarlyStopping(patience=2)
    watch.on_train_begin(net)
    watch.on_epoch_begin(net)
    weights = torch.linspace(0.5, 2, 999)
    logits, proba = torch.eye(2).repeat(500, 1)[:999], torch.eye(2).repeat(500, 1)[:999]
    for rows in torch.arange(999).split(64):  # all agree
        batch = None, {"proba": proba[rows], "sample_weight": weights[rows]}
        watch.on_batch_end(net, batch, False, loss=0.1, y_pred=logits[rows])
    watch.seen_ = np.nextafter(watch.seen_, 0)
    watch.on_epoch_end(net)
    assert watch.highest_fidelity_ == 1


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


def test_a_small_loss_is_not_shown_as_zero():
    shown = []
    bar = SimpleNamespace(set_postfix=shown.append)
    history = {(-1, "train_loss"): 0.00034567, -1: {"train_loss": 0.00034567}}
    Progress(bar).on_epoch_end(SimpleNamespace(history=history))
    assert shown == [{"train_loss": "0.000346"}]
