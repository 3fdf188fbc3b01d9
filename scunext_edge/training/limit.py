"""The least time that a training step can take on this device: its operations against its rates.

Every operation takes at least as long as its products at the rate of a large matrix product, and
at least as long as its bytes at the speed of a copy (the roofline model of S. Williams, A.
Waterman and D. Patterson, Communications of the ACM 52(4), 2009). The rates are those that torch
reaches here, with the threads of this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
_SIDES = {"cpu": (256, 1024), "cuda": (4096, 8192)}  # of the matrices; the best of them counts
_COPIES = {"cpu": (18, 20, 22, 24, 27), "cuda": (24, 28, 31)}  # bytes read and written: 2 ** these
_RATE_S, _COPY_S = 0.1, 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call of a step: its multiply-adds, twice; what they are taken in; what it moves."""

    name: str
    flops: int
    precision: str
    moved_bytes: int  # inputs and outputs, each once


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What this device reaches: FLOP/s by precision; by size of a copy, bytes read and written."""

    flops_per_s: Mapping[str, float]
    bytes_per_s: Mapping[int, float]

    def bandwidth(self, moved: int) -> float:
        """Of the largest copy that moves no more, or of a larger one if that was faster."""
        start = max((size for size in self.bytes_per_s if size <= moved), default=0)
        return max(rate for size, rate in self.bytes_per_s.items() if size >= start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """The least time of a step, by what its operations are bound by."""

    compute_ns: float
    memory_ns: float


def operations(step: Callable[[], object]) -> list[Operation]:
    """What one call of ``step`` runs, backward and optimizer included."""
    heard = _Listening()
    with heard:
        step()
    return heard.found


def least(found: Iterable[Operation], rates: Rates) -> Least:
    """The sum over operations that run one after the other; nothing can be shorter."""
    compute = memory = 0.0
    for it in found:
        products = 1e9 * it.flops / rates.flops_per_s[it.precision]
        moved = 1e9 * it.moved_bytes / rates.bandwidth(it.moved_bytes)
        if products >= moved:
            compute += products
        else:
            memory += moved
    return Least(compute_ns=compute, memory_ns=memory)


def rates_of(device: torch.device) -> Rates:
    """Measure them: less than a second."""
    kind = device.type
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # as convolutions do
    try:
        flops = {
            name: max(_product_rate(device, dtype, side) for side in _SIDES[kind])
            for name, dtype in PRECISIONS.items()
        }
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return Rates(
        flops_per_s=flops,
        bytes_per_s={1 << it: _copy_rate(device, 1 << it) for it in _COPIES[kind]},
    )


def _product_rate(device: torch.device, dtype: torch.dtype, side: int) -> float:
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / _shortest(lambda: one @ other, device, _RATE_S)


def _copy_rate(device: torch.device, moved: int) -> float:
    source = torch.ones(moved // 2, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return moved / _shortest(lambda: target.copy_(source), device, _COPY_S)


def _shortest(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The shortest of the calls that fit into ``seconds``, and of two at least."""
    call()
    best, until, calls = float("inf"), time.perf_counter() + seconds, 0
    while calls < 2 or time.perf_counter() < until:
        settle(device)
        start = time.perf_counter()
        call()
        settle(device)
        best, calls = min(best, time.perf_counter() - start), calls + 1
    return best


def settle(device: torch.device) -> None:
    """Wait for what was begun on a device that works on its own."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class _Listening(TorchDispatchMode):
    """Writes down every operation that reads or writes memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if not func.is_view and not name.startswith(("empty", "new_empty")):
            inputs, outputs = list(_tensors((args, kwargs))), list(_tensors(answer))
            moved = sum(map(_bytes, inputs)) + sum(map(_bytes, outputs))
            half = any(it.dtype == torch.bfloat16 for it in inputs)
            flops = _flops(name, args, answer)
            if moved or flops:
                self.found.append(
                    Operation(
                        name=name,
                        flops=flops,
                        precision="bf16" if half else "fp32",
                        moved_bytes=moved,
                    )
                )
        return answer


def _tensors(tree: Any) -> Iterator[Tensor]:
    seen: set[int] = set()
    for leaf in tree_leaves(tree):
        if isinstance(leaf, Tensor) and id(leaf) not in seen:
            seen.add(id(leaf))
            yield leaf


def _bytes(tensor: Tensor) -> int:
    """What an expanded tensor repeats is read once."""
    return min(tensor.nbytes, tensor.untyped_storage().nbytes())


def _flops(name: str, args: Any, answer: Any) -> int:
    """Of convolutions and matrix products; what else is computed takes no time here."""
    if name == "convolution":
        image, weight, transposed = args[0], args[1], args[6]
        return _convolved(image if transposed else answer, weight)
    if name == "convolution_backward":
        gradient, image, weight, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
        return int(sum(wanted[:2])) * _convolved(image if transposed else gradient, weight)
    if name in ("mm", "bmm"):
        return 2 * int(prod(args[0].shape)) * int(args[1].shape[-1])
    if name in ("addmm", "baddbmm"):
        return 2 * int(prod(args[1].shape)) * int(args[2].shape[-1])
    return 0


def _convolved(places: Tensor, weight: Tensor) -> int:
    """``places``: [N, weight.shape[0], H, W], each of which meets one kernel."""
    return 2 * places.numel() * weight[0].numel()
