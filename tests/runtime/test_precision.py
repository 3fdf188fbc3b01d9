"""MACs decide what a network ran in."""

from __future__ import annotations

import pytest

from scunext_edge.runtime.precision import (
    Census,
    Work,
    conv_macs,
    matmul_macs,
    sums_saturate,
    transposed_conv_macs,
)


def test_much_work_in_few_layers_outweighs_many_small_layers():
    work = [("int8", 970), ("fp32", 10), ("fp32", 10), ("fp32", 10)]
    census = Census(work=tuple(Work(name="", precision=it, macs=n) for it, n in work))
    assert census.dominant == "int8"
    assert census.shares == {"int8": 0.97, "fp32": 0.03}


def test_nothing_that_multiplies_says_nothing():
    assert Census(work=()).dominant is None
    assert Census(work=()).shares == {}


def test_the_macs_of_a_convolution():
    assert conv_macs([16, 3, 3, 3], [2, 16, 8, 8]) == 2 * 16 * 8 * 8 * 27


def test_a_depthwise_convolution_counts_the_same_in_both_ways_of_writing_it():
    assert conv_macs([16, 1, 3, 3], [1, 16, 8, 8]) == 16 * 64 * 9
    assert conv_macs([16, 1, 1, 3, 3], [1, 16, 8, 8]) == 16 * 64 * 9


def test_a_transposed_convolution_is_counted_at_its_input():
    assert transposed_conv_macs([8, 4, 2, 2], [1, 8, 5, 5]) == 8 * 25 * 4 * 4
    assert transposed_conv_macs([2, 4, 4, 2, 2], [1, 8, 5, 5]) == 8 * 25 * 4 * 4


def test_a_matrix_product_counts_its_inner_dimension():
    assert matmul_macs([1, 5, 7], [1, 5, 2]) == 70


@pytest.mark.parametrize("wide", ["avx512_vnni", "avx_vnni", "amx_int8"])
def test_openvinos_int8_sums_saturate_on_x86_without_instructions_for_them(wide):
    assert sums_saturate("openvino", "int8", ["avx2", "avx512f"])
    assert not sums_saturate("openvino", "int8", ["avx2", "avx512f", wide])
    assert not sums_saturate("openvino", "int8", ["asimd"])
    assert not sums_saturate("openvino", "fp32", ["avx2"])
    assert not sums_saturate("onnxruntime", "int8", ["avx2"])
