"""Tokens and what they cost; a budget that is never exceeded."""

import threading
from numbers import Real
from typing import Any

# Bytes of text per token, on average; chat templates add some tokens per message.
_BYTES_PER_TOKEN, _TOKENS_PER_MESSAGE = 4, 4
# A token has at least one byte. Templates of some models are long.
_MOST_PER_MESSAGE, _MOST_PER_REQUEST = 16, 64


def check_prices(prices: Any, max_cost: float | None) -> None:
    """Refuse prices that are not two numbers, and a limit without prices."""
    if max_cost is not None and prices is None:
        raise ValueError(
            "max_cost needs prices: those of a million input and output tokens, as in "
            "prices=(0.15, 0.60)."
        )
    if prices is not None and not (
        len(prices) == 2 and all(isinstance(price, Real) and float(price) >= 0 for price in prices)
    ):
        raise ValueError(
            "prices must be two numbers, the prices of a million input and output tokens, but is "
            f"{prices!r}."
        )


class BudgetError(ValueError):
    """The next request could exceed the budget."""


def estimate_tokens(messages: list[dict[str, str]]) -> int:
    """Return about how many tokens messages have."""
    n_bytes = sum(len(message["content"].encode(errors="replace")) for message in messages)
    return round(n_bytes / _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE * len(messages)


def most_tokens(messages: list[dict[str, str]]) -> int:
    """Return a number of tokens that messages do not exceed."""
    n_bytes = sum(len(message["content"].encode(errors="replace")) for message in messages)
    return n_bytes + _MOST_PER_MESSAGE * len(messages) + _MOST_PER_REQUEST


def read_usage(answer: dict[str, Any], most: tuple[int, int]) -> tuple[int, int]:
    """Return the tokens of an answer, input and output; if it does not say, the most they can be.

    Examples
    --------
    >>> from skdistill.teachers.llm._budget import read_usage
    >>> read_usage({"usage": {"prompt_tokens": 30, "completion_tokens": 1}}, (100, 4))
    (30, 1)
    >>> read_usage({}, (100, 4))
    (100, 4)
    """
    usage = answer.get("usage") or {}
    found = usage.get("prompt_tokens"), usage.get("completion_tokens")
    n_input, n_output = (most[i] if value is None else int(value) for i, value in enumerate(found))
    return n_input, n_output


class Budget:
    """What was spent, and what requests under way may cost at most.

    Parameters
    ----------
    prices : tuple of (float, float) or None
        Prices of a million tokens, input and output.
    max_cost : float or None
        The most that may be spent.
    spent : tuple of (int, int), default=(0, 0)
        Tokens that earlier calls have paid for.

    Examples
    --------
    >>> from skdistill.teachers.llm._budget import Budget
    >>> budget = Budget((1.0, 2.0), max_cost=1.0, spent=(500_000, 0))
    >>> budget.reserve((100, 10))
    >>> budget.settle((100, 10), (80, 1))
    >>> budget.cost
    0.500082
    """

    def __init__(
        self,
        prices: tuple[float, float] | None,
        max_cost: float | None,
        spent: tuple[int, int] = (0, 0),
    ):
        self._prices = prices
        self._max_cost = max_cost
        self.spent = spent
        self._reserved = 0.0
        self._n_under_way = 0
        self._changed = threading.Condition()

    @property
    def cost(self) -> float | None:
        """What was spent; None if there are no prices."""
        return None if self._prices is None else self.price(self.spent)

    def price(self, tokens: tuple[int, int]) -> float:
        """Return what tokens cost, input and output; 0 if there are no prices."""
        prices = self._prices or (0.0, 0.0)
        return (prices[0] * tokens[0] + prices[1] * tokens[1]) / 1e6

    def reserve(self, most: tuple[int, int]) -> None:
        """Reserve the most that a request can cost; wait for those under way if it is too much.

        Raises
        ------
        BudgetError
            If it could exceed the budget, and no request is under way that may cost less.
        """
        if self._max_cost is None:
            return
        price = self.price(most)
        with self._changed:
            while self.price(self.spent) + self._reserved + price > self._max_cost:
                if not self._n_under_way:
                    raise BudgetError(
                        f"max_cost={self._max_cost:g} is nearly spent: answers have cost "
                        f"{self.price(self.spent):.6g}, and the next one can cost {price:.2g}."
                    )
                self._changed.wait()
            self._reserved += price
            self._n_under_way += 1

    def settle(self, most: tuple[int, int], used: tuple[int, int]) -> None:
        """Replace a reservation by the tokens that were used."""
        with self._changed:
            self.spent = self.spent[0] + used[0], self.spent[1] + used[1]
            if self._max_cost is not None:
                self._reserved = max(0.0, self._reserved - self.price(most))
                self._n_under_way -= 1
                self._changed.notify_all()
