"""An engine that needs no engine: lesion is what is brighter than half. For tests and trials."""

from __future__ import annotations

import numpy as np

from scunext_edge import __version__
from scunext_edge.artifacts import Artifact
from scunext_edge.errors import BackendUnavailable
from scunext_edge.runtime.precision import Census, Work
from scunext_edge.runtime.runner import closed, nothing_to
from scunext_edge.spec import Array, Arrays, ModelSpec

_HALF = 127.5


def offers() -> tuple[str, tuple[str, ...]]:
    """The package's own version; the CPU."""
    return __version__, ("cpu",)


def open_runner(artifact: Artifact, *, device: str, threads: int) -> FakeRunner:
    """Any artifact will do: only its spec is used. ``threads`` has no effect: it uses one."""
    if device != "cpu":
        raise BackendUnavailable(f"fake cannot run on {device!r}", hint="it offers: cpu")
    return FakeRunner(artifact.spec)


class FakeRunner:
    """The logit of a pixel is (mean of its three channels - 127.5) / 127.5."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._is_open = True
        self._image: Array | None = None
        self._logits: Array | None = None

    def put(self, inputs: Arrays) -> None:
        self._check_open()
        (image,) = self.spec.inputs
        self._image, self._logits = inputs[image.name], None

    def execute(self) -> None:
        self._check_open()
        if self._image is None:
            raise nothing_to("execute", "put")
        mean = self._image.mean(axis=-1, dtype=np.float32)
        self._logits = (mean[:, None] - np.float32(_HALF)) / np.float32(_HALF)

    def get(self) -> dict[str, Array]:
        self._check_open()
        if self._logits is None:
            raise nothing_to("get", "execute")
        (logits,) = self.spec.outputs
        return {logits.name: self._logits.copy()}

    def census(self) -> Census:
        self._check_open()
        return Census(work=(Work(name="mean", precision="fp32", macs=3 * self.spec.size**2),))

    def close(self) -> None:
        self._is_open, self._image, self._logits = False, None, None

    def _check_open(self) -> None:
        if not self._is_open:
            raise closed()
