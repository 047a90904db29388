import numpy as np  # noqa: F401  (its library of threads is limited)
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from skdistill._core.threads import at_most


def threads():
    return [pool["num_threads"] for pool in threadpool_info()]


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    with threadpool_limits(2):
        torch.set_num_threads(2)
        yield
    torch.set_num_threads(before)


def test_threads_are_limited_and_given_back(two_threads):
    before = threads()
    assert max(before) == 2
    with at_most(1):
        assert torch.get_num_threads() == 1
        assert {*threads()} == {1}
    assert torch.get_num_threads() == 2
    assert threads() == before


def test_a_lower_limit_stays(two_threads):
    before = threads()
    with at_most(3):
        assert torch.get_num_threads() == 2
        assert threads() == before
