"""The rows of a run while they grow: planned first, then filled by one stage after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from scunext_edge.artifacts import Artifact
from scunext_edge.benchmarks.records import Record
from scunext_edge.errors import BackendMissing, BackendUnavailable, ScunextEdgeError
from scunext_edge.evaluation.gate import Verdict
from scunext_edge.evaluation.records import Evaluation
from scunext_edge.pipeline.forms import OFFERED, OUTPUT
from scunext_edge.pipeline.settings import Settings
from scunext_edge.pipeline.subjects import Subject
from scunext_edge.results import Row
from scunext_edge.runtime.registry import BackendStatus


@dataclass(slots=True)
class Entry:
    """A row while it grows."""

    subject: Subject
    row: Row
    artifact: Artifact | None = None
    record: Record | None = None
    evaluation: Evaluation | None = None
    verdict: Verdict | None = None
    is_reference: bool = False

    def fail(self, error: ScunextEdgeError) -> None:
        """Note why there are no numbers: lacking here is skipped, everything else has failed."""
        lacking = isinstance(error, BackendMissing | BackendUnavailable)
        reason = f"{error}" + (f" ({error.hint})" if error.hint else "")
        self.row = replace(self.row, status="skipped" if lacking else "failed", reason=reason)

    def take(self, record: Record) -> None:
        """Take the measurement in; where it failed, with its reason."""
        self.record = record
        if (failure := record.failure) is not None:
            reason = failure.message + (f" ({failure.hint})" if failure.hint else "")
            self.row = replace(self.row, status=failure.status, reason=reason)


def plan(subject: Subject, settings: Settings, engines: Mapping[str, BackendStatus]) -> list[Entry]:
    """A row for everything that was asked for and exists; those that cannot run say why."""
    entries = []
    for backend in settings.backends:
        for device, precision, quantizer in _offered(backend, settings):
            if quantizer == "nncf" and not subject.trained:
                continue  # another quantizer is a question of accuracy
            row = Row(
                model=subject.label,
                backend=backend,
                precision=precision,
                quantizer=quantizer,
                device=device,
                threads=settings.suite.threads,
                input_size=subject.size,
                output=OUTPUT.get(backend, "logits"),
                scenario=settings.suite.scenario,
                status="ok",
            )
            entry = Entry(subject=subject, row=row)
            status = engines[backend]
            if not status.available:
                entry.fail(BackendMissing(status.reason or "not available", hint=status.hint))
            entries.append(entry)
    return entries


def _offered(backend: str, settings: Settings) -> Iterator[tuple[str, str, str | None]]:
    """Device, precision and quantizer of every row that an engine is asked for."""
    device = settings.device
    graphs = ("cuda-graph", "cuda-compile") if (backend, device) == ("torch", "cuda") else ()
    for precision, quantizer in OFFERED[backend]:
        if precision == "fp16" and backend == "torch" and device == "cpu":
            continue  # torch has no half convolutions there
        if precision in settings.precisions or backend == "tensorrt":
            yield from ((each, precision, quantizer) for each in (device, *graphs))
