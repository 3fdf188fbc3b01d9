"""The reference against torch, and against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scunext_edge.kernels import reference
from scunext_edge.kernels.plan import (
    Act,
    BlobType,
    Gather,
    Kind,
    Op,
    Plan,
    Tensor,
    TensorType,
    make_blob,
)
from scunext_edge.kernels.reference import arithmetic

F32, Q8, Q16 = TensorType.F32, TensorType.Q8, TensorType.Q16
CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # sums of some hundred float32 numbers of about 1


def run(kind, inputs, weights=(), outputs=((F32, 1.0),), image=None, channels=8, **facts):
    """One operation on arrays [H, W, C]; blobs by their dtype, outputs as (type, scale)."""
    blob_types = {"f": BlobType.F32, "i": BlobType.INT32, "b": BlobType.INT8, "h": BlobType.INT16}
    plan = Plan(precision="fp32", height=32, width=32, contract="{}")
    stored = {}
    for values in inputs:
        types = {"f": F32, "b": Q8, "h": Q16}
        type = types[values.dtype.char]
        scale = 1.0 if type is F32 else 0.5
        plan.tensors.append(
            Tensor(type=type, channels=values.shape[-1], down_h=0, down_w=0, scale=scale)
        )
        stored[len(stored)] = values
    for type, scale in outputs:
        plan.tensors.append(Tensor(type=type, channels=channels, down_h=0, down_w=0, scale=scale))
    plan.blobs = [make_blob(it, blob_types[it.dtype.char]) for it in weights]
    op = Op(
        kind=kind,
        inputs=tuple(range(len(inputs))),
        outputs=tuple(range(len(inputs), len(plan.tensors))),
        blobs=tuple(range(len(weights))),
        **facts,
    )
    return reference.run_op(plan, op, stored, image)


@pytest.fixture
def normal(random):
    return lambda *shape: random.normal(size=shape).astype(np.float32)


def nchw(array):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(array.transpose(2, 0, 1)[None].copy())


def hwc(tensor):
    return tensor[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        *[(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (126.6, 127), (1e9, 127)],
        *[(-1e9, -128), (math.nan, -128), (math.inf, 127), (-math.inf, -128)],
    ],
)
def test_q8_rounds_to_nearest_with_ties_to_even(value, stored):
    (out,) = run(Kind.MAX_POOL, [np.full((2, 2, 8), value, np.float32)], outputs=[(Q8, 1.0)])
    assert out.dtype == np.int8
    assert (out == stored).all()


def test_q16_ends_at_2047(normal):
    x = np.array([1e9, -1e9, math.nan, 1.25, 0, 0, 0, 0], np.float32).reshape(1, 1, 8)
    (out,) = run(Kind.MAX_POOL, [x.repeat(2, 0).repeat(2, 1)], outputs=[(Q16, 0.5)])
    assert out.tolist() == [[[2047, -2047, -2047, 2, 0, 0, 0, 0]]]


def test_two_outputs_take_the_same_value(normal):
    x = normal(4, 4, 8)
    whole, small = run(Kind.MAX_POOL, [x], outputs=[(F32, 1.0), (Q8, 0.03)])
    np.testing.assert_array_equal(small, np.rint(whole / np.float32(0.03)).clip(-128, 127))


def test_a_fold_adds_up_in_halves():
    big = np.float32(2**24)
    x = np.array([big, 0, 0, 0, 1, 0, 0, 0, -big], np.float32)
    # lane 0: big - big = 0, then + 1; one after the other big + 1 would round to big
    assert arithmetic.fold(x, 8) == 1
    x = np.array([1, 0, 0, 0, big, 0, 0, 0, 0, 0, 0, 0, -big], np.float32)
    assert arithmetic.fold(x, 8) == 1  # lane 4: big - big
    assert arithmetic.fold(np.array([big, 1, -big], np.float32), 8) == 1  # (big - big) + 1
    assert arithmetic.fold(np.array([big, -big, 1, 0], np.float32), 8) == 0  # (big + 1) - big


def test_functions_are_those_of_mathematics():
    x = np.linspace(-20, 20, 4001).astype(np.float32)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(arithmetic.exp(x), np.exp(wide), rtol=2e-7)
    # the clamp at 4 and the minimax fit: a few 1e-7
    erf = np.array([math.erf(it) for it in wide])
    np.testing.assert_allclose(arithmetic.erf(x), erf, atol=4e-7)
    np.testing.assert_allclose(arithmetic.sigmoid(x), 1 / (1 + np.exp(-wide)), rtol=3e-7)
    gelu = wide * 0.5 * (1 + np.array([math.erf(it / 2**0.5) for it in wide]))
    np.testing.assert_allclose(arithmetic.gelu(x), gelu, atol=4e-6)


@pytest.mark.parametrize(
    ("logit", "score"),
    [
        *[(0, 128), (-0.0, 128), (-1e-30, 127), (1 / 16, 129), (0.0624, 128)],
        *[(100, 255), (-100, 0), (math.nan, 0)],
    ],
)
def test_the_score_is_128_or_more_exactly_where_the_logit_is_not_negative(logit, score):
    assert arithmetic.score(np.array([logit], np.float32)) == [score]


@pytest.mark.parametrize(
    ("stride", "dilation", "pool"), [(1, 1, False), (2, 1, False), (1, 3, False), (1, 1, True)]
)
def test_conv(normal, stride, dilation, pool):
    from torch.nn import functional

    x, weights, bias = normal(8, 10, 16), normal(3, 3, 16, 8) / 12, normal(8)
    facts = {"stride": stride, "dilation": dilation, "pool": pool, "act": Act.RELU}
    (out,) = run(Kind.CONV, [x], [weights, bias], **facts)
    kernel = nchw(np.zeros((1, 1, 1), np.float32)).new_tensor(weights.transpose(3, 2, 0, 1))
    expected = functional.conv2d(
        nchw(x), kernel, kernel.new_tensor(bias), stride, dilation, dilation
    )
    expected = functional.max_pool2d(expected, 2) if pool else expected
    np.testing.assert_allclose(out, hwc(functional.relu(expected)), **CLOSE)


def test_a_q8_conv_sums_integers_and_scales_once(random):
    x = random.integers(-128, 128, (5, 6, 8), dtype=np.int8)
    weights = random.integers(-127, 128, (3, 3, 8, 8), dtype=np.int8)
    bias = random.integers(-1000, 1000, 8, dtype=np.int32)
    multiplier = random.uniform(1e-4, 1e-3, 8).astype(np.float32)
    (out,) = run(Kind.CONV, [x], [weights, bias, multiplier])
    padded = np.pad(x, [(1, 1), (1, 1), (0, 0)]).astype(int)
    for y, column, channel in np.ndindex(out.shape):
        window = padded[y : y + 3, column : column + 3]
        total = int((window * weights[..., channel].astype(int)).sum()) + int(bias[channel])
        assert out[y, column, channel] == np.float32(total) * multiplier[channel]


@pytest.mark.parametrize(("gather", "axis"), [(Gather.ROWS, 1), (Gather.COLUMNS, 2)])
@pytest.mark.parametrize("count", [24, 64, 160])
def test_shifts_are_those_of_the_networks(normal, gather, axis, count):
    torch = pytest.importorskip("torch")
    from scunext_edge.models.blocks import shift

    x = normal(5, 7, count)
    weights, bias = np.eye(count, dtype=np.float32), np.zeros(count, np.float32)
    (out,) = run(Kind.LINEAR, [x], [weights, bias], gather=gather)
    np.testing.assert_array_equal(out, shift(torch.from_numpy(x[None]), axis)[0].numpy())


def test_linear_gathers_before_it_multiplies(normal):
    x, weights, bias = normal(4, 6, 8), normal(8, 16), normal(16)
    (out,) = run(Kind.LINEAR, [x], [weights, bias], gather=Gather.SKIP)
    np.testing.assert_allclose(out, x[::2, ::2] @ weights + bias, **CLOSE)
    (out,) = run(Kind.LINEAR, [x], [weights, bias], gather=Gather.POOL)
    pooled = x.reshape(2, 2, 3, 2, 8).max((1, 3))
    np.testing.assert_allclose(out, pooled @ weights + bias, **CLOSE)


def test_depthwise_and_layernorm(normal):
    from torch.nn import functional

    x, weights, bias = normal(5, 6, 24), normal(3, 3, 24), normal(24)
    (out,) = run(Kind.DEPTHWISE, [x], [weights, bias], act=Act.GELU)
    kernel = nchw(x).new_tensor(weights.transpose(2, 0, 1)[:, None])
    expected = functional.conv2d(nchw(x), kernel, kernel.new_tensor(bias), 1, 1, groups=24)
    np.testing.assert_allclose(out, hwc(functional.gelu(expected)), **CLOSE)
    (out,) = run(Kind.LAYERNORM, [x], [weights[0, 0], bias], values=(1e-5,))
    tensor = kernel.new_tensor
    expected = functional.layer_norm(tensor(x), (24,), tensor(weights[0, 0]), tensor(bias), 1e-5)
    np.testing.assert_allclose(out, expected.numpy(), **CLOSE)


@pytest.mark.parametrize("sides", [(1, 1), (3, 4), (5, 2)])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_upsample(normal, mode, sides):
    from torch.nn import functional

    x = normal(*sides, 8)
    how = [{"mode": "bilinear"}, {"mode": "bilinear", "align_corners": True}, {"mode": "nearest"}]
    (out,) = run(Kind.UPSAMPLE, [x], mode=mode)
    expected = functional.interpolate(nchw(x), scale_factor=2, **how[mode])
    np.testing.assert_allclose(out, hwc(expected), **CLOSE)


def test_deconv_sums_its_sources(normal):
    from torch.nn import functional

    sources, total, weights = [normal(3, 4, n) for n in (8, 16, 24)], 0, []
    nothing = np.zeros(0, np.float32)
    for x in sources:
        weights += [normal(2, 2, x.shape[-1], 8) / 5, normal(8), nothing]
        kernel = nchw(x).new_tensor(weights[-3].transpose(2, 3, 0, 1))
        bias = kernel.new_tensor(weights[-2])
        total = total + functional.conv_transpose2d(nchw(x), kernel, bias, 2)
    (out,) = run(Kind.DECONV, sources, weights)
    np.testing.assert_allclose(out, hwc(total), **CLOSE)


def test_attention_is_that_of_the_networks(normal):
    torch = pytest.importorskip("torch")
    from scunext_edge.models.blocks import CBAM

    x, block = normal(6, 7, 16), CBAM(16)
    to_numpy = lambda it: it.detach().numpy()  # noqa: E731
    (stats,) = run(Kind.CHANNEL_STATS, [x])
    np.testing.assert_allclose(stats[:, 0, :16], x.sum(1), **CLOSE)
    weights = [
        to_numpy(block.squeeze.weight)[:, :, 0, 0].T.copy(),
        to_numpy(block.squeeze.bias),
        to_numpy(block.excite.weight)[:, :, 0, 0].T.copy(),
        to_numpy(block.excite.bias),
    ]
    (gate,) = run(Kind.CHANNEL_GATE, [stats, x], weights)
    mean, peak = run(Kind.SPATIAL_SUMMARY, [x, gate], outputs=[(F32, 1.0)] * 2)
    taps = [to_numpy(block.spatial.weight)[0], to_numpy(block.spatial.bias)]
    (spatial,) = run(Kind.SPATIAL_GATE, [mean, peak], taps, act=Act.SIGMOID)
    (out,) = run(Kind.CROSS, [x, gate, spatial])
    with torch.no_grad():
        np.testing.assert_allclose(out, hwc(block(nchw(x))), **CLOSE)


def test_one_branch_of_a_channel_gate(normal):
    stats, x = normal(4, 1, 16), normal(4, 5, 8)
    weights = [normal(8, 2), normal(2), normal(2, 8), normal(8)]
    (gate,) = run(Kind.CHANNEL_GATE, [stats, x], weights, mode=1)
    hidden = np.maximum(stats[:, 0, :8].sum(0) / 20 @ weights[0] + weights[1], 0)
    expected = 1 / (1 + np.exp(-(hidden @ weights[2] + weights[3])))
    np.testing.assert_allclose(gate[0, 0], expected, **CLOSE)


def test_cross_eltwise_and_concat(normal):
    c, z, x = normal(3, 4, 8), normal(3, 4, 8), normal(3, 4, 8)
    gate, spatial, offset = normal(1, 1, 8), normal(3, 4, 1), normal(8)
    (out,) = run(Kind.CROSS, [c, gate, spatial, z, x])
    np.testing.assert_allclose(out, (c * gate * spatial + z) * x + z, **CLOSE)
    (out,) = run(Kind.ELTWISE, [c, z], mode=0)
    np.testing.assert_array_equal(out, c + z)
    (out,) = run(Kind.ELTWISE, [c, z], mode=1)
    np.testing.assert_array_equal(out, c * z)
    (out,) = run(Kind.ELTWISE, [c], [offset, offset], mode=2)
    np.testing.assert_array_equal(out, c * offset + offset)
    (out,) = run(Kind.CONCAT, [c, z, x])
    np.testing.assert_array_equal(out, np.concatenate([c, z, x], axis=2))


def test_normalize_gives_q8_a_fourth_channel(random):
    image = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    scale, offset = np.array([0.1, 0.2, 0.3], np.float32), np.array([1, 2, 3], np.float32)
    (out,) = run(Kind.NORMALIZE, [], [scale, offset], image=image, channels=3)
    np.testing.assert_array_equal(out, image * scale + offset)
    (out,) = run(Kind.NORMALIZE, [], [scale, offset], [(Q8, 0.5)], image=image, channels=4)
    assert out.shape == (4, 5, 4)
    assert not out[..., 3].any()


def test_an_addend_comes_after_the_activation(normal):
    x, addend = normal(3, 4, 8), np.full((3, 4, 8), -7, np.int8)
    weights, bias = np.eye(8, dtype=np.float32), np.zeros(8, np.float32)
    (out,) = run(Kind.LINEAR, [x, addend], [weights, bias], act=Act.RELU)
    np.testing.assert_array_equal(out, np.maximum(x, 0) - np.float32(3.5))


def test_tails(normal, random):
    x, weights, bias = normal(3, 4, 16), normal(16), normal(1)
    (logits,) = run(Kind.TAIL, [x], [weights, bias], outputs=())
    np.testing.assert_allclose(logits, x @ weights + bias, **CLOSE)
    (larger,) = run(Kind.UPSAMPLE, [x])
    (logits,) = run(Kind.TAIL_UPSAMPLE, [x], [weights, bias], outputs=())
    np.testing.assert_allclose(logits, np.maximum(larger, 0) @ weights + bias, **CLOSE)

    stored = random.integers(-2047, 2048, (3, 4, 16), dtype=np.int16)
    small = random.integers(-100, 100, 16, dtype=np.int16)
    (larger,) = run(Kind.UPSAMPLE, [stored.astype(np.float32)])
    (logits,) = run(Kind.TAIL_UPSAMPLE, [stored], [small, bias], outputs=(), values=(2.0**-20,))
    expected = 16 * np.maximum(larger, 0).astype(np.float64) @ small * 2.0**-20 + bias
    np.testing.assert_allclose(logits, expected, **CLOSE)


def test_the_tail_of_a_transposed_convolution(normal, random):
    x, taps, between, weights, bias = (
        *(normal(3, 4, 16), normal(2, 2, 16, 8) / 4, normal(8)),
        *(normal(8), normal(1)),
    )
    (larger,) = run(Kind.DECONV, [x], [taps, between], act=Act.RELU)
    (logits,) = run(Kind.TAIL_DECONV, [x], [taps, between, weights, bias], outputs=())
    np.testing.assert_allclose(logits, larger @ weights + bias, **CLOSE)
    stored = random.integers(-128, 128, x.shape, dtype=np.int8)
    taps = random.integers(-127, 128, taps.shape, dtype=np.int8)
    between = random.integers(-999, 999, 8, dtype=np.int32)
    (larger,) = run(
        Kind.DECONV, [stored], [taps, between, np.full(8, 1e-4, np.float32)], act=Act.RELU
    )
    scaled = weights * np.float32(1e-4)
    (logits,) = run(Kind.TAIL_DECONV, [stored], [taps, between, scaled, bias], outputs=())
    np.testing.assert_allclose(logits, larger @ weights + bias, **CLOSE)
