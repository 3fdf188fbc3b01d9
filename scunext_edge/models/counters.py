"""Three counters of operations, and what each of them leaves out or adds.

One MAC is one multiplication with its addition. Only convolutions, linear layers and matrix
products count as MACs here; norms, activations and interpolation do not. Every function takes a
network in evaluation mode and an image [1, 3, H, W] on the same device, "meta" included.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from scunext_edge.errors import missing_extra

EXTRA = "profile"
FVCORE_MACS = frozenset({"conv", "linear", "addmm", "mm", "bmm", "matmul", "einsum"})

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.LayerNorm),
)
# what thop charges for one element that nn.Upsample writes
_UPSAMPLE_OPS = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One counter's result over a whole forward pass."""

    macs: int
    by_operator: Mapping[str, int]  # the MACs by operator, in the counter's own names
    not_macs: Mapping[str, int]  # what it counted besides: operations that are no MACs
    uncounted: Mapping[str, int]  # how often it met operators that it has no rule for


@dataclass(frozen=True, slots=True, kw_only=True)
class ThopAccount:
    """thop's total, taken apart by rules of our own.

    ``total`` = MACs of the network - ``macs_missed`` + every field from ``norm_ops`` to
    ``remainder``.
    """

    total: int
    macs_missed: int  # matrix products called as functions: thop sees modules only
    norm_ops: int  # 4 per element that enters a norm layer with weights, 2 without
    transposed_overcount: int  # it multiplies by the output's pixels: stride^2 times too many
    upsample_ops: int  # nn.Upsample: 11 per bilinear element; functional interpolation: 0
    pooling_ops: int  # average pooling modules
    activation_ops: int  # PReLU and softmax modules
    remainder: int  # 0 unless thop did something that these rules do not know


def count_by_fvcore(network: nn.Module, image: Tensor) -> Count:
    """MACs by fvcore, which traces the network.

    Operators that fvcore passes over on purpose (reshaping, padding, concatenation, ReLU) are
    not among its ``uncounted`` ones.
    """
    with _quiet():
        try:
            from fvcore.nn import FlopCountAnalysis
        except ModuleNotFoundError as error:
            raise missing_extra("fvcore", EXTRA, needed_for="counting MACs") from error
        analysis = FlopCountAnalysis(network, image)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        found = {name: int(count) for name, count in analysis.by_operator().items()}
        uncounted = dict(analysis.unsupported_ops())
    macs = {name: count for name, count in found.items() if name in FVCORE_MACS}
    others = {name: count for name, count in found.items() if name not in FVCORE_MACS}
    return Count(macs=sum(macs.values()), by_operator=macs, not_macs=others, uncounted=uncounted)


def count_by_torch(network: nn.Module, image: Tensor) -> tuple[Count, dict[str, int]]:
    """MACs by torch's FlopCounterMode (its FLOPs / 2), whole and per module.

    The second result maps a module's dotted name ("" is the network) to the MACs inside it; a
    container that is never called itself is missing. ``uncounted`` is left empty: the counter
    does not report what it skips.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(image)
    flops = counter.get_flop_counts()
    whole = {str(operator): int(count) // 2 for operator, count in flops["Global"].items()}
    root = type(network).__name__
    per_module = {
        name.removeprefix(root).removeprefix("."): sum(counts.values()) // 2
        for name, counts in flops.items()
        if name != "Global"
    }
    count = Count(macs=sum(whole.values()), by_operator=whole, not_macs={}, uncounted={})
    return count, per_module


def count_by_thop(network: nn.Module, image: Tensor, *, macs: int) -> ThopAccount:
    """thop's total and why it is not ``macs``, the true number."""
    with _quiet():
        try:
            import thop
        except ModuleNotFoundError as error:
            package = "setuptools" if error.name == "distutils" else "thop"
            raise missing_extra(package, EXTRA, needed_for="counting by thop") from error
        # thop leaves buffers and hooks behind
        total, _ = thop.profile(copy.deepcopy(network), inputs=(image,), verbose=False)
    shares = _thop_shares(network, image)
    missed = macs - shares["macs"]
    explained = macs - missed + sum(shares[kind] for kind in _KINDS)
    return ThopAccount(
        total=int(total),
        macs_missed=missed,
        norm_ops=shares["norm"],
        transposed_overcount=shares["transposed"],
        upsample_ops=shares["upsample"],
        pooling_ops=shares["pooling"],
        activation_ops=shares["activation"],
        remainder=int(total) - explained,
    )


_KINDS = ("norm", "transposed", "upsample", "pooling", "activation")


def _thop_shares(network: nn.Module, image: Tensor) -> Counter[str]:
    """What thop's rules charge, by kind, computed from the shapes that pass each module."""
    shares: Counter[str] = Counter()

    def charge(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        shares.update(_charges(module, inputs[0], output))

    leaves = [module for module in network.modules() if not any(module.children())]
    handles = [leaf.register_forward_hook(charge) for leaf in leaves]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    return shares


def _charges(module: nn.Module, given: Tensor, output: Tensor) -> dict[str, int]:
    if isinstance(module, nn.Linear):
        return {"macs": output.numel() * module.in_features}
    if isinstance(module, _CONVOLUTIONS):
        kernel = math.prod(module.kernel_size)
        return {"macs": output.numel() * (module.in_channels // module.groups) * kernel}
    if isinstance(module, _TRANSPOSED):
        kernel = math.prod(module.kernel_size)
        true = given.numel() * (module.out_channels // module.groups) * kernel
        charged = output.numel() * (module.in_channels // module.groups) * kernel
        return {"macs": true, "transposed": charged - true}
    if isinstance(module, _NORMS):
        affine = module.elementwise_affine if isinstance(module, nn.LayerNorm) else module.affine
        return {"norm": given.numel() * (4 if affine else 2)}
    if isinstance(module, nn.Upsample):
        return {"upsample": output.numel() * _UPSAMPLE_OPS.get(module.mode, 0)}
    return _pooling_charges(module, given, output)


def _pooling_charges(module: nn.Module, given: Tensor, output: Tensor) -> dict[str, int]:
    if isinstance(module, (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)):
        return {"pooling": given.numel() + output.numel()}
    if isinstance(module, (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)):
        return {"pooling": output.numel()}
    if isinstance(module, nn.PReLU):
        return {"activation": given.numel()}
    if isinstance(module, nn.Softmax) and module.dim is not None:
        return {"activation": 3 * given.numel() - given.numel() // given.shape[module.dim]}
    return {}


@contextmanager
def _quiet() -> Iterator[None]:
    """Both packages warn about Python's and torch's old interfaces that they still use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
