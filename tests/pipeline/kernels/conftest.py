"""Rows as a measurement makes them, and a companion that runs nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.errors import EngineError
from scunext_edge.pipeline.kernels.settings import Form


class Fake:
    """Answers as a child does: a run takes ``ms``, and the burst numbered ``dies`` is its last."""

    def __init__(self, job, log, *, ms, dies, refuses):
        self.name = (job["engine"], job["precision"])
        self.job, self.log, self.ms, self.dies, self.refuses = job, log, ms, dies, refuses
        self.bursts = 0

    def opened(self):
        if self.refuses:
            raise EngineError(f"{self.name[0]} does not open")
        size = self.job["size"]
        mask = np.zeros((size, size), bool)
        mask[: size // 2] = True
        if self.name[0] == "mnn":
            mask[0, 0] = False  # one pixel of its own
        Path(self.job["mask"]).write_bytes(np.packbits(mask).tobytes())
        return {
            "version": "1", "ran": None, "open_ms": 1.0, "pinned": False,
            "typical_ns": self.ms * 1e6,
        }  # fmt: skip

    def burst(self, runs):
        self.log.append(self.name)
        self.bursts += 1
        if self.bursts == self.dies:
            raise EngineError(f"{self.name[0]} ended without an answer: segmentation fault")
        return {
            "values_ns": [int(self.ms * 1e6) + self.bursts] * runs,
            "cores_used": 1.0,
            "cpu_s": 0.001 * self.bursts,
        }


@pytest.fixture
def fakes():
    """``start`` for ``measure_group``, with what was asked for and the order of the bursts."""

    class Fakes:
        def __init__(self):
            self.log, self.envs, self.jobs, self.closed = [], {}, {}, []
            self.facts = {}  # engine -> ms, dies, refuses

        @contextlib.contextmanager
        def start(self, job, env):
            self.envs[job["engine"]], self.jobs[job["engine"]] = env, job
            facts = {"ms": 1.0, "dies": None, "refuses": False, **self.facts.get(job["engine"], {})}
            try:
                yield Fake(job, self.log, **facts)
            finally:
                self.closed.append(job["engine"])

    return Fakes()


@pytest.fixture
def make_row():
    """``make_row("native", "fp32", ms)``: a row of ``unext`` at 256 on one thread."""

    def make(engine, precision, ms, variant=None, **changes):
        return {
            "model": "unext", "size": 256, "threads": 1, "engine": engine, "precision": precision,
            "variant": variant, "includes": "", "version": "1", "ran": precision, "rounds": 5,
            "runs_per_round": 3, "cores_used": 1.0, "same_pixels": 1.0, "ms_min": ms,
            "ms_median": 2 * ms, **changes,
        }  # fmt: skip

    return make


@pytest.fixture
def forms():
    """Three engines, the reference among them."""
    return Form("native", "fp32"), Form("onnxruntime", "fp32"), Form("mnn", "fp32")
