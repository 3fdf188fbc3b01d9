"""What each convolution and matrix product of an ONNX file costs."""

from __future__ import annotations

from scunext_edge.benchmarks.costs import PRODUCTS, layers_of


def macs_by_layer(model: bytes) -> dict[str, int]:
    """MACs of one image, by name of the node."""
    layers = layers_of(model, precision="fp32")  # they do not depend on it
    return {layer.name: layer.macs for layer in layers if layer.op in PRODUCTS}
