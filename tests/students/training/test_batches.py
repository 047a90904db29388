from itertools import pairwise

import numpy as np
import pytest
import torch

from skdistill.students.training._batches import Batches, TransferDataset, make_datasets
from skdistill.text._ragged import Ragged

N_FEATURES, N_CLASSES = 12, 3


def make_dataset(n=80, seed=0):
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
    return TransferDataset(ids, targets)


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
    monkeypatch.setattr("skdistill.students.training._batches._POOL", 4)
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


def test_texts_without_a_known_feature_are_left_out():
    ids = Ragged(np.array([0, 0, 4, 0, 5, 6]), np.array([0, 2, 3, 5, 5, 6]))
    targets = {"label": np.arange(5), "sample_weight": np.array([9.0, 2.0, 1.0, 7.0, 3.0])}
    dataset, gold = make_datasets(ids, targets, n_labeled=3)
    texts, known = dataset.batch(np.arange(3))
    assert known["label"].tolist() == [1, 2, 4]
    assert known["sample_weight"].tolist() == [1.0, 0.5, 1.5]
    assert texts.ids.tolist() == [4, 0, 5, 6]
    assert (len(dataset), len(gold)) == (3, 2)
    texts, known = gold.batch(np.arange(2))
    assert known["label"].tolist() == [1, 2]
    assert texts.ids.tolist() == [4, 0, 5]
    assert gold.lengths.tolist() == [1, 2]


def labels_of(dataset):
    return dataset.batch(np.arange(len(dataset)))[1]["label"].tolist()


def test_parts_of_a_data_set_share_its_arrays():
    ids = Ragged(np.array([1, 0, 4, 0, 5, 6]), np.array([0, 2, 3, 5, 5, 6]))
    proba = np.full((5, 3), 1 / 3, dtype=np.float32)
    targets = {"proba": proba, "label": np.arange(5) % 3, "sample_weight": np.ones(5)}
    dataset, gold = make_datasets(ids, targets, n_labeled=3)
    for part in (dataset, gold, *dataset.hold_out(0.5, seed=0), gold.take(np.array([1]))):
        assert np.shares_memory(part.targets["proba"].numpy(), proba)
    own = gold.take(np.array([1, 0])).with_gold_labels()
    assert own.targets["proba"].tolist() == np.eye(3)[[1, 0]].tolist()
    assert own.ids.values.tolist() == [4, 1, 0]
    assert (proba == np.float32(1 / 3)).all()


@pytest.mark.parametrize("by_length", [False, True])
def test_batches_with_many_features_are_divided(by_length):
    lengths = np.array([3, 1, 1, 9, 1, 1, 1, 1, 30, 1])
    dataset = make_dataset(10)
    dataset = TransferDataset(
        Ragged.from_lengths(np.ones(lengths.sum(), np.int32), lengths),
        {"label": np.arange(10)},
    )
    batches = Batches(dataset, 6, by_length=by_length, n_features=8)
    rows = [targets["label"].tolist() for _, targets in batches]
    assert sorted(row for batch in rows for row in batch) == [*range(10)]
    # As many as fit, and one more: the text that crosses the bound.
    assert all(lengths[batch].sum() < 8 + lengths[batch].max() for batch in rows)
    assert rows == [[0, 1, 2], [3, 4], [5], [6, 7], [8, 9]] or by_length
    assert len([*Batches(dataset, 6, by_length=by_length)]) == 2


def test_rows_are_held_out_at_random_and_trained_on_no_more():
    dataset = make_dataset(23)
    dataset.targets["label"] = torch.arange(23)
    kept, held_out = dataset.hold_out(0.2, seed=0)
    labels = [labels_of(part) for part in (kept, held_out)]
    assert [*map(len, labels)] == [18, 5]
    assert sorted(labels[0] + labels[1]) == [*range(23)]
    assert labels[1] != labels_of(dataset.hold_out(0.2, seed=1)[1])
    with pytest.raises(ValueError, match="holds out 23 of 23 texts"):
        dataset.hold_out(0.99, seed=0)


def test_the_only_text_of_a_class_is_trained_on():
    dataset = make_dataset(30)
    numbers = np.minimum(np.arange(30), 10)  # ten classes of one text, and one of twenty
    dataset.targets["label"] = torch.arange(30)
    dataset.targets["proba"] = torch.eye(11)[numbers]
    kept, held_out = dataset.hold_out(0.5, seed=0)
    assert len(held_out) == 15
    assert min(labels_of(held_out)) >= 10
    assert sorted(labels_of(kept) + labels_of(held_out)) == [*range(30)]
    dataset.targets["proba"] = torch.eye(30)
    with pytest.raises(ValueError, match="each of 30 texts is the only one of its class"):
        dataset.hold_out(0.5, seed=0)
    # With several labels a text, no label is a class.
    dataset.targets["label"] = torch.eye(30)
    assert len(dataset.hold_out(0.5, seed=0)[1]) == 15


def test_rows_without_weight_are_not_held_out():
    dataset = make_dataset(20)
    dataset.targets["label"] = torch.arange(20)
    dataset.targets["sample_weight"] = (torch.arange(20) >= 10).float()
    kept, held_out = dataset.hold_out(0.3, seed=0)
    assert len(held_out) == 3
    assert min(labels_of(held_out)) >= 10
    assert sorted(labels_of(kept) + labels_of(held_out)) == [*range(20)]
    dataset.targets["sample_weight"] = (torch.arange(20) == 7).float()
    with pytest.raises(ValueError, match=r"holds out 1 of 1 texts with .* and a weight"):
        dataset.hold_out(0.3, seed=0)


def test_the_mean_probability_is_weighted_and_of_the_own_rows():
    dataset = make_dataset(20)
    dataset.targets["sample_weight"] = torch.linspace(0, 2, 20)
    rows = np.array([3, 7, 19])
    proba, weight = (dataset.targets[name].numpy()[rows] for name in ("proba", "sample_weight"))
    expected = np.average(proba, axis=0, weights=weight)
    np.testing.assert_allclose(dataset.take(rows).mean_proba(), expected, rtol=1e-6)
