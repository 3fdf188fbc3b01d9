"""How large and how costly a network is: parameters, MACs by two counters, memory, per module."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from scunext_edge.models import registry
from scunext_edge.models.activations import Activations, trace_activations
from scunext_edge.models.breakdown import ModuleRow, elements, module_rows
from scunext_edge.models.counters import (
    Count,
    ThopAccount,
    count_by_fvcore,
    count_by_thop,
    count_by_torch,
)
from scunext_edge.spec import check_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One network at one input size, batch 1. ``dataclasses.asdict`` turns it into JSON."""

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    size: int  # input side in pixels
    params: int
    buffers: int  # floating-point elements that are stored but not trained: BatchNorm's statistics
    float32_bytes: int  # 4 x (params + buffers): the weights in float32, without any file header
    macs: int  # convolutions, linear layers and matrix products, by torch's counter
    flops: int  # 2 x macs
    fvcore: Count
    torch: Count
    difference: int  # macs by torch - macs by fvcore
    difference_reason: str | None  # in words, null when they agree
    thop: ThopAccount
    modules: tuple[ModuleRow, ...]
    activation_peak_bytes: int  # float32; defined in models/activations.py
    activation_peak_operator: str


def profile(
    model_name: str, *, size: int = 256, options: Mapping[str, Any] | None = None
) -> Profile:
    """Profile a network of the registry for images of ``size`` x ``size`` pixels.

    Needs fvcore and thop (``BackendMissing`` otherwise). Takes about as long as one forward pass
    on the CPU: fvcore's tracer computes, the other counters only follow the shapes.
    """
    options = dict(options or {})
    network = registry.build(model_name, **options)
    return profile_network(network, size=size, name=model_name, options=options)


def profile_network(
    network: nn.Module, *, size: int, name: str, options: Mapping[str, Any] | None = None
) -> Profile:
    """Profile any network that takes [1, 3, size, size]; ``network`` itself is not altered."""
    check_size(size)
    network = copy.deepcopy(network).eval().cpu()
    by_fvcore = count_by_fvcore(network, torch.zeros(1, 3, size, size))
    network, image = network.to("meta"), torch.zeros(1, 3, size, size, device="meta")
    by_torch, macs_inside = count_by_torch(network, image)
    activations = trace_activations(network, image)
    by_torch = replace(by_torch, uncounted=_uncounted(by_torch, activations))
    params = elements(network.parameters())
    buffers = elements(b for b in network.buffers() if b.is_floating_point())
    return Profile(
        model=name,
        options=dict(options or {}),
        size=size,
        params=params,
        buffers=buffers,
        float32_bytes=4 * (params + buffers),
        macs=by_torch.macs,
        flops=2 * by_torch.macs,
        fvcore=by_fvcore,
        torch=by_torch,
        difference=by_torch.macs - by_fvcore.macs,
        difference_reason=difference_reason(by_torch, by_fvcore),
        thop=count_by_thop(network, image, macs=by_torch.macs),
        modules=module_rows(network, image, macs_inside),
        activation_peak_bytes=activations.peak_bytes,
        activation_peak_operator=activations.peak_operator,
    )


def difference_reason(by_torch: Count, by_fvcore: Count) -> str | None:
    """Why the two counters disagree, operator by operator; None when they agree."""
    if by_torch.macs == by_fvcore.macs:
        return None
    pairs = (
        ("convolutions", _sum(by_torch, "conv"), _sum(by_fvcore, "conv")),
        ("matrix products", _sum(by_torch, ""), _sum(by_fvcore, "")),
    )
    parts = [
        f"{kind}: torch {ours:,}, fvcore {theirs:,}"
        for kind, ours, theirs in pairs
        if ours != theirs
    ]
    skipped = (("torch", by_torch.uncounted), ("fvcore", by_fvcore.uncounted))
    parts += [
        f"{counter} has no rule for {', '.join(sorted(names))}"
        for counter, names in skipped
        if names
    ]
    return "; ".join(parts)


def _sum(count: Count, kind: str) -> int:
    """MACs of the convolutions ("conv"), or of all that is none ("")."""
    return sum(n for name, n in count.by_operator.items() if ("conv" in name) == bool(kind))


def _uncounted(by_torch: Count, activations: Activations) -> dict[str, int]:
    return {
        name: calls
        for name, calls in activations.operators.items()
        if name not in by_torch.by_operator
    }
