import numpy as np
import pytest

from skdistill.runtime._quantization import dequantize, quantize


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(500, 4)).astype(np.float32)
    table *= 10.0 ** rng.integers(-6, 3, size=(500, 1)).astype(np.float32)
    table[3] = 0
    return {
        "table": table,
        "kernel": rng.normal(size=(20, 10, 8)).astype(np.float32),
        "bias": rng.normal(size=5000).astype(np.float32),
        "small": rng.normal(size=(10, 10)).astype(np.float32),
    }


def test_float32_is_left_alone(weights):
    assert quantize(weights, "float32") == weights
    restored = dequantize(quantize(weights, "float32"))
    for name, array in weights.items():
        np.testing.assert_array_equal(restored[name], array)


def test_half_precision_is_numpys_own(weights):
    stored = quantize(weights, "float16")
    np.testing.assert_array_equal(stored["table"], weights["table"].astype(np.float16))
    assert stored["bias"].dtype == stored["small"].dtype == np.float32
    restored = dequantize(stored)
    assert all(array.dtype == np.float32 for array in restored.values())
    np.testing.assert_array_equal(restored["kernel"], weights["kernel"].astype(np.float16))


@pytest.mark.parametrize("name", ["table", "kernel"])
def test_eight_bits_are_off_by_half_a_step_of_their_row(weights, name):
    stored = quantize(weights, "int8")
    assert stored[name].dtype == np.int8
    rows = weights[name].reshape(len(weights[name]), -1)
    restored = dequantize(stored)[name].reshape(rows.shape)
    steps = np.abs(rows).max(axis=1, keepdims=True) / 127
    # Scales are rounded to 11 bits, or are subnormal: the largest number may be cut by that.
    slack = steps * (0.5 + 127 * 2**-11) + 127 * 2.0**-25
    assert (np.abs(restored - rows) <= slack).all()
    assert (restored[np.abs(rows).max(axis=1) == 0] == 0).all()


def test_large_weights_are_refused_with_their_name():
    weights = {"table": np.full((64, 64), 1e6, dtype=np.float32)}
    with pytest.raises(ValueError, match="'table' are too large for half precision"):
        quantize(weights, "float16")
    assert np.abs(dequantize(quantize(weights, "int8"))["table"] / 1e6 - 1).max() < 1e-2


@pytest.mark.parametrize("scales", [None, np.ones(3, np.float16)])
def test_whole_numbers_need_a_scale_for_each_row(scales):
    stored = {"table": np.ones((2, 2), np.int8)}
    if scales is not None:
        stored["table.scale"] = scales
    with pytest.raises(ValueError, match="not have one scale per row"):
        dequantize(stored)


def test_unknown_precision():
    with pytest.raises(ValueError, match="'int4' must be one of"):
        quantize({}, "int4")


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_matrices_of_1024_weights_are_rounded_and_smaller_ones_are_not(precision):
    weights = {
        "large": np.ones((32, 32), np.float32),
        "small": np.ones((33, 31), np.float32),
        "bias": np.ones(1024, np.float32),
    }
    stored = quantize(weights, precision)
    assert stored["large"].dtype == precision
    assert stored["small"].dtype == stored["bias"].dtype == np.float32


def test_the_largest_half_is_not_too_large():
    largest = np.full((32, 32), np.finfo(np.float16).max, np.float32)
    restored = dequantize(quantize({"table": largest}, "float16"))["table"]
    np.testing.assert_array_equal(restored, largest)


def test_eight_bits_by_hand():
    row = np.array([2.54, -2.54, 1.266, 0.02, 0.034, 0], np.float32)
    stored = quantize({"table": np.tile(row, (200, 1))}, "int8")
    assert stored["table"][0].tolist() == [127, -127, 63, 1, 2, 0]  # steps of 0.02
    np.testing.assert_allclose(stored["table.scale"], 0.02, rtol=1e-3)
    np.testing.assert_allclose(dequantize(stored)["table"][0, :2], [2.54, -2.54], rtol=1e-3)


def test_a_name_that_ends_like_that_of_scales_is_kept():
    stored = {"own.scale": np.ones(3, np.float32), "vector": np.ones(2, np.int8)}
    assert dequantize({"own.scale": stored["own.scale"]}).keys() == {"own.scale"}
    with pytest.raises(ValueError, match="not have one scale per row"):
        dequantize({"vector": stored["vector"], "vector.scale": np.ones(2, np.float16)})
