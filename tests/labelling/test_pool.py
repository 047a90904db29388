import pytest

from skdistill import TextPool
from skdistill.labelling._pool import as_pool, check_unlabeled


def test_equal_lengths_warn_because_cross_validation_cuts():
    with pytest.warns(UserWarning, match="exactly as many rows as X"):
        check_unlabeled(["a", "b"], n_labeled=2)
    assert check_unlabeled(TextPool(["a", "b"]), n_labeled=2) == ["a", "b"]
    assert check_unlabeled(["a", "b"], n_labeled=3) == ["a", "b"]
    assert check_unlabeled(None, n_labeled=0) == []


def test_pool_has_no_length_and_can_be_read_twice():
    pool = TextPool(["a", "b"])
    assert not hasattr(pool, "__len__")
    assert list(pool) == list(pool) == ["a", "b"]
    with pytest.raises(TypeError, match="read more than once"):
        TextPool(text for text in ["a"])


def test_what_is_no_pool_becomes_one():
    pool = TextPool(["one", "two"])
    assert as_pool(None) is None
    assert as_pool(pool) is pool
    assert list(as_pool(iter(["one", "two"]))) == ["one", "two"]
    with pytest.raises(ValueError, match=r"X_unlabeled\[1\] is missing"):
        as_pool(["one", None])
