"""No text's result depends on the texts beside it: to the bit, on several kinds of processors."""

import os
import subprocess
import sys

import alone
import numpy as np
import pytest

from skdistill.runtime._products import RowProduct


@pytest.mark.parametrize(
    ("n_classes", "multilabel"), [(2, False), (64, False), (7, True)], ids=["two", "many", "labels"]
)
@pytest.mark.parametrize("name", alone.ARCHITECTURES)
def test_a_text_gets_the_same_bits_in_any_company(name, n_classes, multilabel):
    assert alone.differing_texts(name, n_classes, multilabel) == {}


@pytest.mark.parametrize(
    "processor",
    [
        {"OPENBLAS_CORETYPE": "Haswell"},
        {"OPENBLAS_CORETYPE": "Nehalem"},
        {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL"},
    ],
    ids=lambda variables: " ".join(variables.values()),
)
def test_on_other_processors(processor):
    done = subprocess.run(
        [sys.executable, alone.__file__],
        env=os.environ | processor,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (100, 1), (5, 2), (64, 96), (300, 7)])
def test_products_are_those_of_the_matrix(shape):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=shape).astype(np.float32)
    product = RowProduct(matrix)
    for n_rows in (0, 1, 7, 8, 9, 100):
        rows = rng.normal(size=(n_rows, shape[0])).astype(np.float32)
        expected = rows.astype(np.float64) @ matrix.astype(np.float64)
        found = product(rows)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_rows_are_multiplied_alone_where_their_place_matters(monkeypatch):
    def rough(left, right):
        """Round differently in the second half of a block, as some kernels do."""
        result = np.asarray(left, np.float64) @ np.asarray(right, np.float64)
        result[..., 4:, :] += 1e-3
        return result.astype(np.float32)

    class Matrix(np.ndarray):
        def __rmatmul__(self, left):
            return rough(left, self.view(np.ndarray))

        __array_priority__ = 100

        def __array_ufunc__(self, ufunc, method, *inputs, **options):
            plain = [np.asarray(value) for value in inputs]
            return rough(*plain) if ufunc is np.matmul else getattr(ufunc, method)(*plain)

    monkeypatch.setattr(np, "ascontiguousarray", lambda array: array)
    product = RowProduct(np.eye(3, dtype=np.float32).view(Matrix))
    rows = np.arange(30, dtype=np.float32).reshape(10, 3)
    np.testing.assert_array_equal(product(rows), rows)
