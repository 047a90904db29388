from dataclasses import asdict

import pytest

from skdistill.students.training._schedule import fit_budget, make_schedule


def bag(rows, dim):
    return rows * dim + 13 * dim + 2 * dim * 4 + 4


def convolution(rows, dim):
    return rows * dim + 3 * dim * 20 + 20 + 20 * 4 + 4


def recurrent(rows, dim):
    return rows * dim + 2 * (3 * 8 * (dim + 8) + 48) + 16 * 4 + 4


@pytest.mark.parametrize("count", [bag, convolution, recurrent])
@pytest.mark.parametrize("budget", [2_000, 5_000, 80_000, 314_159])
@pytest.mark.parametrize("n_available", [2, 3, 50, 4_000, 10**6])
@pytest.mark.parametrize("hash_buckets", [0, 1_000])
def test_a_budget_is_kept_and_used_up(count, budget, n_available, hash_buckets):
    n_listed, dim = fit_budget(budget, count, n_available=n_available, hash_buckets=hash_buckets)
    rows = n_listed + hash_buckets
    assert 2 <= n_listed <= n_available
    assert count(rows, dim) <= budget
    if n_listed < n_available:
        assert count(rows + 1, dim) > budget
    else:
        assert count(rows, dim + 1) > budget


def test_few_features_widen_the_embedding_and_many_do_not():
    widths = [fit_budget(80_000, bag, n_available=n)[1] for n in (100, 1_000, 20_000, 10**6)]
    assert widths[0] > widths[1] > widths[2] == widths[3]


def test_larger_budgets_give_more_rows_and_wider_ones():
    sizes = [fit_budget(n, bag, n_available=10**6) for n in (3_000, 30_000, 300_000, 3_000_000)]
    rows, widths = zip(*sizes, strict=True)
    assert sorted(set(rows)) == list(rows)
    assert sorted(set(widths)) == list(widths)


@pytest.mark.parametrize(
    ("n_parameters", "n_classes", "width"),
    [(3_200, 1, 2), (4_000, 7, 7), (4_000, 64, 10), (400_000, 64, 64), (400_000, 500, 64)],
)
def test_many_classes_widen_the_embedding_as_far_as_the_budget_has_rows(
    n_parameters, n_classes, width
):
    _, dim = fit_budget(n_parameters, bag, n_available=10**6, n_classes=n_classes)
    assert dim == width


@pytest.mark.parametrize("count", [bag, convolution, recurrent])
@pytest.mark.parametrize("hash_buckets", [0, 30])
def test_a_budget_below_two_narrow_rows_is_refused(count, hash_buckets):
    least = count(2 + hash_buckets, 1)
    options = {"n_available": 100, "hash_buckets": hash_buckets}
    assert fit_budget(least, count, **options) == (2, 1)
    message = f"n_parameters={least - 1} is too small; this network needs at least {least}"
    with pytest.raises(ValueError, match=message):
        fit_budget(least - 1, count, **options)


def test_networks_are_counted_a_few_times_even_where_the_texts_have_few_features():
    calls = 0

    def counted(rows, dim):
        nonlocal calls
        calls += 1
        return bag(rows, dim)

    fit_budget(300_000, counted, n_available=10)
    # A count builds a network, which takes about a millisecond.
    assert calls < 500


def schedule(**given):
    return make_schedule(**{"n_texts": 100} | given)


GIVEN = {"max_epochs": 7, "batch_size": 3, "lr": 0.123, "dropout": 0.45, "word_dropout": 0.0}


def test_given_values_pass_unchanged():
    assert asdict(schedule(**GIVEN)).items() >= GIVEN.items()


@pytest.mark.parametrize("name", sorted(GIVEN.keys() - {"batch_size"}))  # passes depend on it
def test_one_given_value_changes_no_other(name):
    automatic, given = asdict(schedule()), asdict(schedule(**{name: GIVEN[name]}))
    assert given == automatic | {name: GIVEN[name]}


@pytest.mark.parametrize(
    ("n_texts", "max_epochs", "batch_size", "lr", "word_dropout"),
    [
        (1, 150, 64, 0.01, 0.15),
        (960, 10, 64, 0.01, 0.15),
        (10_000, 10, 64, 0.01, 0.15),
        (10_001, 10, 64, 0.005, 0.15),
        (50_000, 10, 64, 0.005, 0.15),
        (50_001, 10, 64, 0.005, 0.05),
        (100_000, 6, 64, 0.005, 0.05),
        (100_001, 6, 128, 0.005, 0.05),
        (10**7, 2, 128, 0.005, 0.05),
    ],
)
def test_auto_depends_on_the_number_of_texts(n_texts, max_epochs, batch_size, lr, word_dropout):
    assert asdict(schedule(n_texts=n_texts)) == {
        "max_epochs": max_epochs,
        "batch_size": batch_size,
        "lr": lr,
        "dropout": 0.0,
        "word_dropout": word_dropout,
    }


@pytest.mark.parametrize("n_passes", range(3, 10))
def test_a_training_sees_560_000_texts(n_passes):
    fewest, most = (560_000 / (n_passes + half) for half in (0.5, -0.5))
    for n_texts in (1.001 * fewest, 560_000 / n_passes, 0.999 * most):
        assert schedule(n_texts=round(n_texts)).max_epochs == n_passes


def test_passes_fall_with_the_number_of_texts_between_their_bounds():
    passes = [schedule(n_texts=n).max_epochs for n in (1, 100, 300, 2_000, 40_000, 150_000, 10**7)]
    assert passes == [150, 75, 30, 10, 10, 4, 2]
    assert schedule(n_texts=300, batch_size=10).max_epochs == 10
    assert schedule(n_texts=10, batch_size=10).max_epochs == 150


def test_many_texts_need_less_noise_and_smaller_steps():
    few, some, many = (schedule(n_texts=n) for n in (10_000, 50_000, 150_000))
    assert few.lr > some.lr == many.lr
    assert few.word_dropout == some.word_dropout > many.word_dropout > 0
    assert few.batch_size == some.batch_size < many.batch_size
