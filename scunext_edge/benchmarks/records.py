"""A measurement as it is stored: raw nanoseconds, and the conditions they were taken under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from scunext_edge import __version__
from scunext_edge.benchmarks.caches import PageCache
from scunext_edge.benchmarks.energy import Energy, Unreadable
from scunext_edge.benchmarks.energy import from_json as energy_from_json
from scunext_edge.benchmarks.measure import Plan, Soak, Window
from scunext_edge.errors import ArtifactError
from scunext_edge.results import Region
from scunext_edge.storage import read_record, write_json

# 1: first form
# 2: ``control`` and ``plan.duration_s``; scenarios: ``scenario``, ``interval_s`` and ``burst`` of
#    the plan, ``masks_ns``, ``evicted_bytes`` and ``soak`` of a run, ``unfinished``; ``cold``; the
#    device's part of ``memory``; ``energy``. All of them may be absent, so 1 is still read
SCHEMA = 2
OLDEST = 1
KIND = "measurement"
TOOL = {"name": "scunext-edge", "version": __version__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was measured. Fields that only the engine knows are null until it has run."""

    artifact_id: str
    backend: str
    backend_version: str | None = None
    device: str
    threads: int
    cpus: tuple[int, ...] = ()  # pinned to these; empty: wherever the scheduler put it
    precision: str  # of the artifact
    precision_ran: str | None = None  # what the engine says it ran
    input_shape: tuple[int, ...]  # [N, H, W, 3]
    batch: int

    def asked(self) -> tuple[Any, ...]:
        """The part that is known before anything has run."""
        return (
            *(self.artifact_id, self.backend, self.device, self.threads, self.cpus),
            *(self.precision, self.input_shape, self.batch),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One fresh process."""

    started: str  # UTC, ISO 8601
    environment: Mapping[str, Any]  # {"machine": ..., "before": ..., "after": ...}
    warmup_ns: tuple[int, ...]
    values_ns: tuple[int, ...]
    open_ms: float  # from artifact to runner, engine imports included
    harness_ns: int  # what measuring itself adds to a value
    masks_ns: tuple[tuple[int, ...], ...] = ()  # burst: from its arrival to the end of each call
    evicted_bytes: int | None = None  # of the buffer that emptied the caches before each value
    soak: Soak | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident set of a process of its own, in bytes; no time is taken in it."""

    peak_bytes: int
    baseline_bytes: int  # after all imports, before the model was opened
    method: str  # how the peak was read
    device_allocator_bytes: int | None = None  # peak of the engine's allocator on a GPU
    device_driver_bytes: int | None = None  # what the driver holds for the process at its end
    device_method: str | None = None  # how the driver's figure was read


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """One process from its start to its first mask, in milliseconds; the parts are the total."""

    interpreter_ms: float  # from asking the system for a process to our first line
    import_ms: float  # the package, numpy, Pillow, the engine
    load_ms: float  # from the artifact on disk to a model that can run
    first_run_ms: float  # from the bytes of an image file to its mask
    total_ms: float
    page_cache: PageCache  # of the model's and the engine's files, before the process began


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a case has no numbers, or not all of them; ``kind`` names the class of the error."""

    kind: str
    message: str
    hint: str | None = None

    @property
    def status(self) -> Literal["skipped", "failed"]:
        """What this machine lacks is skipped; everything else has failed."""
        return "skipped" if self.kind in {"BackendMissing", "BackendUnavailable"} else "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is known about one case; grows by a run per round."""

    subject: Subject
    region: Region
    plan: Plan
    runs: tuple[Run, ...] = ()
    control: Run | None = None  # one more process after all others: has the machine drifted?
    memory: Memory | None = None
    cold: tuple[ColdStart, ...] = ()
    energy: Energy | Unreadable | None = None  # null: nobody asked for it
    unfinished: Soak | None = None  # the windows of a soak that was interrupted or has failed
    failure: Failure | None = None
    tool: Mapping[str, str] = field(default_factory=lambda: dict(TOOL))

    def agrees_with(self, other: Record) -> bool:
        """Whether runs of both may stand in one record."""
        return self.subject.asked() == other.subject.asked() and self.plan == other.plan


def file_name(case: str, region: Region, scenario: str = "single-stream") -> str:
    """Where a case's record lies in the folder of records."""
    ending = "" if scenario == "single-stream" else f"--{scenario}"
    return f"{case}--{region}{ending}.measurement.json"


def save(path: Path, record: Record) -> None:
    """Write one JSON file, atomically."""
    write_json(path, {"schema": SCHEMA, "kind": KIND, **asdict(record)})


def load(path: Path) -> Record:
    """Read what :func:`save` wrote. Another schema, or no record at all, is an ArtifactError."""
    data = read_record(path, kind=KIND, schema=SCHEMA, oldest=OLDEST)
    try:
        return _from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"{path} is not a complete measurement: {error!r}",
            hint="remove it, and the case is measured again",
        ) from error


def _from_json(data: Mapping[str, Any]) -> Record:
    if data["region"] not in get_args(Region) or data["region"] != data["plan"]["region"]:
        raise ValueError(f"region {data['region']!r}")
    return Record(
        subject=Subject(**{**data["subject"], **_tuples(data["subject"], "cpus", "input_shape")}),
        region=data["region"],
        plan=Plan(**data["plan"]),
        runs=tuple(run_from_json(run) for run in data["runs"]),
        control=run_from_json(data["control"]) if data.get("control") else None,
        memory=Memory(**data["memory"]) if data["memory"] else None,
        cold=tuple(ColdStart(**cold) for cold in data.get("cold", ())),
        energy=energy_from_json(data["energy"]) if data.get("energy") else None,
        unfinished=_soak(data.get("unfinished")),
        failure=Failure(**data["failure"]) if data["failure"] else None,
        tool=dict(data["tool"]),
    )


def run_from_json(data: Mapping[str, Any]) -> Run:
    """A run from the fields of :class:`Run`; those of later schemas may be absent."""
    masks = tuple(tuple(int(end) for end in ends) for ends in data.get("masks_ns", ()))
    numbers = _tuples(data, "warmup_ns", "values_ns")
    return Run(**{**data, **numbers, "masks_ns": masks, "soak": _soak(data.get("soak"))})


def window_from_json(data: Mapping[str, Any]) -> Window:
    """A window of a soak from its fields."""
    return Window(**{**data, **_tuples(data, "resident_bytes")})


def _soak(data: Mapping[str, Any] | None) -> Soak | None:
    if data is None:
        return None
    return Soak(**{**data, "windows": tuple(window_from_json(it) for it in data["windows"])})


def _tuples(data: Mapping[str, Any], *names: str) -> dict[str, tuple[int, ...]]:
    return {name: tuple(int(value) for value in data[name]) for name in names}
