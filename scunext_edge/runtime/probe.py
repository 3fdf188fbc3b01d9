"""The child process of ``registry.status``: import one engine and say what it offers here."""

from __future__ import annotations

from typing import Any

from scunext_edge import isolate
from scunext_edge.runtime.registry import backend_module


def probe(job: dict[str, Any]) -> dict[str, Any]:
    """``{"backend": name}`` in; the engine's version and devices out."""
    version, devices = backend_module(job["backend"]).offers()
    return {"version": version, "devices": list(devices)}


if __name__ == "__main__":
    isolate.serve(probe)
