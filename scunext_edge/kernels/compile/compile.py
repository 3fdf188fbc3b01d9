"""An ONNX file made by this package's exports becomes a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scunext_edge.errors import ExportError
from scunext_edge.kernels.compile import patterns, storage
from scunext_edge.kernels.compile.emit import Writer
from scunext_edge.kernels.compile.graph import read_graph
from scunext_edge.kernels.compile.operators import read_network
from scunext_edge.kernels.plan import Plan, Precision, check


def compile_plan(model: bytes, *, precision: Precision, contract: Mapping[str, Any]) -> Plan:
    """Compile the FP32 ONNX file (fp32, bf16), or the one with Q/DQ pairs (int8).

    ``contract`` goes into the file as it is. An operator that the engine does not have, or not
    where it stands, is ``ExportError`` with its name.
    """
    graph = read_graph(model)
    if graph.is_quantized != (precision == "int8"):
        found = "is quantized" if graph.is_quantized else "is not quantized"
        raise ExportError(f"{precision} cannot be compiled from an ONNX file that {found}")
    network = read_network(graph)
    patterns.join(network)
    plan = Plan(
        precision=precision,
        height=graph.height,
        width=graph.width,
        contract=json.dumps(contract, sort_keys=True),
    )
    Writer(plan, storage.choose(network)).write(network)
    check(plan)
    return plan
