"""What a bundle is made for: devices with a Python runtime, and browsers."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from scunext_edge.errors import ConfigError

_GLIBC = (17, 24, 26, 27, 28, 31, 34, 35)  # minor versions that wheels are tagged with


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of device: its processor, and the engines that a ladder may climb there."""

    name: str
    machine: str  # as ``platform.machine()`` says it
    backends: tuple[str, ...]  # the preferred one first
    usual: tuple[str, ...]  # those that a bundle holds unless others are asked for
    precisions: tuple[str, ...] = ("int8", "fp16", "fp32")  # the ladder, from its top
    is_page: bool = False  # a page for browsers, without Python

    @property
    def platforms(self) -> tuple[str, ...]:
        """Tags of the wheels that install there: glibc 2.35 or newer (Debian 12, JetPack 6)."""
        tags = [f"manylinux_2_{minor}_{self.machine}" for minor in _GLIBC]
        return (*tags, f"manylinux2014_{self.machine}", f"linux_{self.machine}")


TARGETS = {
    it.name: it
    for it in (
        Target(
            name="x86-cpu",
            machine="x86_64",
            backends=("native", "onnxruntime"),
            usual=("native",),
        ),
        Target(
            name="arm64",
            machine="aarch64",
            backends=("native", "onnxruntime"),
            usual=("native",),
        ),
        Target(
            name="jetson",
            machine="aarch64",
            backends=("tensorrt", "native", "onnxruntime"),
            usual=("tensorrt", "native"),
        ),
        Target(
            name="web",
            machine="wasm32",
            backends=("native",),
            usual=("native",),
            precisions=("int8",),  # the same mask in every browser, to the pixel
            is_page=True,
        ),
    )
}


def target(name: str) -> Target:
    """The target of that name, or a ``ConfigError`` that lists them."""
    if name in TARGETS:
        return TARGETS[name]
    near = difflib.get_close_matches(name.lower(), TARGETS, n=1)
    asked = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"there is no target {name!r}", hint=f"{asked}choose one of: {', '.join(TARGETS)}"
    )
