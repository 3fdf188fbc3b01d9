"""What a run directory holds, read into plain data; records that belong to no row are left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks import records as measurement
from scunext_edge.benchmarks import stats
from scunext_edge.benchmarks.verdict import judge
from scunext_edge.errors import ArtifactError
from scunext_edge.evaluation import records as evaluation
from scunext_edge.results import Row, rows_from_json
from scunext_edge.storage import read_json

_INTERVALS_SINCE = 2  # the schema of ``results.json`` whose rows hold intervals and a verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image that was chosen for the report, and the masks that rows drew on it."""

    id: str
    why: str
    image: Path
    truth: Path
    masks: Mapping[str, Path]  # row key -> 8-bit mask, 0 or 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that a report is made from. Empty or ``None`` where the run stored nothing."""

    directory: Path
    rows: Sequence[Row]
    created: str
    tool: Mapping[str, Any]
    environment: Mapping[str, Any]
    data: Mapping[str, Any]
    gate: Mapping[str, Any]  # metric, limit, confidence
    complexity: Sequence[Mapping[str, Any]]
    harness_cost_ns: float | Mapping[str, float] | None
    command: str | None
    measurements: Mapping[str, measurement.Record]  # by row key
    dice: Mapping[str, Mapping[str, float]]  # row key -> image id -> Dice
    pictures: Sequence[Picture]
    trainings: Sequence[Mapping[str, Any]] = ()  # accuracy from experiments, one for each file

    @property
    def values_ns(self) -> Mapping[str, Sequence[Sequence[int]]]:
        """By row key, one sequence per process."""
        return {
            key: [run.values_ns for run in record.runs if run.values_ns]
            for key, record in self.measurements.items()
        }


def read_run(directory: Path) -> Run:
    """Read ``results.json``, the records of its rows and the chosen pictures."""
    path = directory / "results.json"
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist", hint="give the folder that `bench` wrote to")
    content = read_json(path)
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} holds no results", hint="`scunext-edge bench` writes them")
    try:
        rows = rows_from_json(content)
        measurements = _read_measurements(directory, rows)
        if content["schema"] < _INTERVALS_SINCE:
            rows = [_summarized(row, measurements.get(row.key)) for row in rows]
        command = content.get("command") or content.get("tool", {}).get("command")
        return Run(
            directory=directory,
            rows=tuple(rows),
            created=str(content["created"]),
            tool=content["tool"],
            environment=content["environment"],
            data=content["data"],
            gate=content.get("gate") or {},
            complexity=tuple(content.get("complexity") or ()),
            harness_cost_ns=content.get("harness_cost_ns"),
            command=_command(command),
            measurements=measurements,
            dice=_read_dice(directory, rows),
            pictures=_read_pictures(directory),
            trainings=tuple(content.get("trainings") or ()),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ArtifactError(
            f"{path} or a record beside it is incomplete: {error!r}",
            hint="run `scunext-edge bench` again with the same --out",
        ) from error


def _summarized(row: Row, record: measurement.Record | None) -> Row:
    """An older row with the intervals and the verdict that its raw values give today."""
    found = stats.latency(record) if record else None
    if record is None or found is None or row.latency_ms is None:
        return row
    names = ("median_interval", "p90_interval", "p99_interval", "p99_bound")
    latency = replace(row.latency_ms, **{name: getattr(found, name) for name in names})
    row = replace(row, latency_ms=latency)
    if verdict := judge(record):
        row = replace(row, stability=verdict.result, stability_reasons=verdict.reasons)
    return row


def _command(command: Any) -> str | None:
    """A command line as one string; a list is quoted word by word."""
    if isinstance(command, list):
        return " ".join(
            word if word.isprintable() and " " not in word else json.dumps(word)
            for word in map(str, command)
        )
    return str(command) if command else None


def _read_measurements(directory: Path, rows: Sequence[Row]) -> dict[str, measurement.Record]:
    found = {}
    for row in rows:
        if row.latency_ms is None:
            continue
        name = measurement.file_name(row.key, row.latency_ms.region, row.scenario)
        path = directory / "records" / name
        if row.status == "ok" and path.is_file():
            found[row.key] = measurement.load(path)
            _check_artifact(path, row, found[row.key].subject.artifact_id)
    return found


def _read_dice(directory: Path, rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    found = {}
    for row in rows:
        path = directory / "records" / f"{row.key}.evaluation.json"
        if row.status == "ok" and path.is_file():
            record = evaluation.load(path)
            _check_artifact(path, row, record.subject.get("artifact_id"))
            found[row.key] = {name: scores.dice for name, scores in record.scores.items()}
    return found


def _check_artifact(path: Path, row: Row, measured: str | None) -> None:
    if measured and row.artifact_id and measured != row.artifact_id:
        raise ArtifactError(
            f"{path} is about artifact {measured}, but results.json says {row.artifact_id}",
            hint="the folder mixes two runs: run `scunext-edge bench` again with the same --out",
        )


def _read_pictures(directory: Path) -> list[Picture]:
    folder = directory / "pictures"
    if not (folder / "index.json").is_file():
        return []
    return [
        Picture(
            id=str(entry["id"]),
            why=str(entry["why"]),
            image=_inside(folder, entry["image"]),
            truth=_inside(folder, entry["truth"]),
            masks={key: _inside(folder, name) for key, name in entry["masks"].items()},
        )
        for entry in read_json(folder / "index.json")
    ]


def _inside(folder: Path, name: str) -> Path:
    """A file of the index: it must lie in the folder, and be there."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArtifactError(f"{folder / 'index.json'} points outside its folder: {name}")
    if not path.is_file():
        raise ArtifactError(
            f"{path} is missing, though index.json names it",
            hint="run `scunext-edge bench` again with the same --out",
        )
    return path
