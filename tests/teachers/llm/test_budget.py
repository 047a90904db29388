import threading

import numpy as np
import pytest

from skdistill.teachers.llm._budget import (
    Budget,
    BudgetError,
    check_prices,
    estimate_tokens,
    most_tokens,
    read_usage,
)

MESSAGES = [{"role": "user", "content": "naïve text"}]


def test_tokens_are_estimated_from_bytes():
    assert estimate_tokens(MESSAGES) == round(11 / 4) + 4
    assert most_tokens(MESSAGES) == 11 + 16 + 64


def test_what_an_answer_does_not_say_counts_as_the_most():
    assert read_usage({"usage": {"prompt_tokens": 7, "completion_tokens": 0}}, (9, 9)) == (7, 0)
    assert read_usage({"usage": None}, (9, 8)) == (9, 8)
    assert read_usage({"usage": {"prompt_tokens": 7}}, (9, 8)) == (7, 8)


@pytest.mark.parametrize("prices", [(1,), (1, -1), ("1", 2), "12"])
def test_prices_are_two_numbers(prices):
    with pytest.raises(ValueError, match="prices must be two numbers"):
        check_prices(prices, None)


def test_prices_may_be_numbers_of_numpy():
    check_prices((np.float32(0.1), np.int64(2)), None)


def test_a_limit_needs_prices():
    with pytest.raises(ValueError, match="max_cost needs prices"):
        check_prices(None, 1.0)
    check_prices(None, None)
    check_prices((0, 0.5), 1.0)


def test_a_budget_is_never_exceeded():
    budget = Budget((1e6, 1e6), max_cost=5.0, spent=(1, 1))
    budget.reserve((1, 1))
    budget.settle((1, 1), (1, 0))
    assert budget.cost == 3.0
    with pytest.raises(BudgetError, match=r"max_cost=5 .* cost 3, and the next one can cost 3"):
        budget.reserve((2, 1))
    budget.reserve((1, 1))


def test_a_request_waits_for_those_under_way_to_cost_less():
    budget = Budget((1e6, 0.0), max_cost=5.0)
    budget.reserve((4, 0))
    reserved = threading.Event()
    thread = threading.Thread(target=lambda: (budget.reserve((4, 0)), reserved.set()))
    thread.start()
    assert not reserved.wait(0.05)
    budget.settle((4, 0), (1, 0))
    assert reserved.wait(5)
    thread.join()


def test_without_a_limit_only_the_cost_is_counted():
    budget = Budget(None, None)
    budget.reserve((10**9, 0))
    budget.settle((10**9, 0), (5, 6))
    assert budget.spent == (5, 6)
    assert budget.cost is None
