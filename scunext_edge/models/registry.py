"""Name -> network. Other packages add theirs by the entry point ``scunext_edge.models``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from scunext_edge.errors import ConfigError
from scunext_edge.models import catalogue
from scunext_edge.models.egeunet import EGEUNet
from scunext_edge.models.malunet import MALUNet
from scunext_edge.models.resunetpp import ResUNetPP
from scunext_edge.models.scunext import SCUNeXt
from scunext_edge.models.unet import UNet
from scunext_edge.models.unext import LARGE, SMALL, UNeXt

Builder = Callable[..., nn.Module]

_OURS: dict[str, Builder] = {
    "scunext": SCUNeXt,
    "unext": partial(UNeXt, SMALL),
    "unext-l": partial(UNeXt, LARGE),
    "unet": partial(UNet, (32, 64, 128, 256, 512)),
    "unet-paper": partial(UNet, (48, 96, 176, 288, 464)),
    "resunetpp": partial(ResUNetPP, (16, 32, 64, 128, 256)),
    "resunetpp-paper": partial(ResUNetPP, (24, 24, 52, 136, 436)),
    "malunet": MALUNet,
    "egeunet": EGEUNet,
}


def names() -> tuple[str, ...]:
    """Every network that can be built here, ours first."""
    return catalogue.names()


def build(name: str, **options: Any) -> nn.Module:
    """A fresh network with random weights: float32 [N, 3, H, W] to logits [N, 1, H, W].

    The sides of its input are multiples of 32. ``options`` are the network's own switches, e.g.
    ``skip`` and ``fuse`` of ``scunext``.
    """
    catalogue.check_known(name)
    builder = _OURS[name] if name in _OURS else _foreign(name)
    try:
        return builder(**options)
    except TypeError as error:
        raise ConfigError(f"{name} cannot be built with {options}: {error}") from error


def _foreign(name: str) -> Builder:
    point = catalogue.foreign()[name]
    try:
        builder: Builder = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the network {name} of another package cannot be imported: {error}",
            hint=f"repair or remove the package with the entry point {point.value}",
        ) from error
    return builder
