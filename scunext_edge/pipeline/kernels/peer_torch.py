"""torch.compile at its defaults, on the layout that suits it best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scunext_edge import artifacts
from scunext_edge.errors import require
from scunext_edge.pipeline.kernels.peer import Peer
from scunext_edge.spec import Image


def open_peer(job: dict[str, Any], image: Image) -> Peer:
    """The shipped checkpoint with its contract, channels last; compiling takes half a minute."""
    require("torch", "torch", needed_for="the comparison with torch.compile")
    import torch

    from scunext_edge.models.checkpoint import load_network

    torch.set_num_threads(job["threads"])
    network: Any = load_network(artifacts.load(Path(job["file"])))
    network = network.to(memory_format=torch.channels_last)
    compiled: Any = torch.compile(network)
    pixels = torch.from_numpy(image[None].copy())
    logits: list[Any] = []

    @torch.inference_mode()
    def run() -> None:
        logits[:] = [compiled(pixels)]

    return Peer(
        run=run,
        mask=lambda: logits[0][0, 0].numpy() >= 0,
        facts={"version": torch.__version__, "ran": "fp32"},
    )
