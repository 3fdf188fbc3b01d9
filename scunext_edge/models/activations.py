"""What a forward pass keeps in memory, and which operators it runs."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """One forward pass, as torch's dispatcher saw it.

    ``peak_bytes`` is the largest sum of bytes of tensors alive at one time in eager execution
    without gradients, sampled after every operator: the image, the logits and everything between
    them. Views share their bytes and count once. Parameters, buffers and what an operator
    allocates and frees within itself do not count; the index tensor that torch's max pooling
    writes (8 bytes per element) does.
    """

    peak_bytes: int
    peak_operator: str  # the operator after which the peak was reached
    operators: Mapping[str, int]  # how often each operator ran


def trace_activations(network: nn.Module, image: Tensor) -> Activations:
    """Run ``network`` on ``image`` [N, 3, H, W] once, in evaluation mode."""
    recorder = _Recorder()
    for tensor in (*network.parameters(), *network.buffers()):
        recorder.ignore(tensor)
    recorder.watch(image, "input")
    with torch.no_grad(), recorder:
        network(image)
    return Activations(
        peak_bytes=recorder.peak,
        peak_operator=recorder.peak_operator,
        operators=dict(recorder.operators),
    )


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds a storage's bytes when an operator first returns it, and takes them off at its death."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators: Counter[str] = Counter()
        self.peak = 0
        self.peak_operator = ""
        self._live = 0
        self._known = WeakIdKeyDictionary()

    def ignore(self, tensor: Tensor) -> None:
        self._known[tensor.untyped_storage()] = True

    def watch(self, tensor: Tensor, operator: str) -> None:
        storage = tensor.untyped_storage()
        if storage not in self._known:
            self._known[storage] = True
            self._live += storage.nbytes()
            weakref.finalize(storage, self._free, storage.nbytes()).atexit = False
        if self._live > self.peak:
            self.peak, self.peak_operator = self._live, operator

    def _free(self, size: int) -> None:
        self._live -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        name = str(func.overloadpacket)
        self.operators[name] += 1
        for leaf in tree_leaves(results):
            if isinstance(leaf, Tensor):
                self.watch(leaf, name)
        return results
