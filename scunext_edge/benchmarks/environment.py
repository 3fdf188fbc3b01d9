"""The names under which :mod:`scunext_edge.benchmarks.passport` was first known."""

from scunext_edge.benchmarks.passport import conditions, machine

__all__ = ["conditions", "machine"]
