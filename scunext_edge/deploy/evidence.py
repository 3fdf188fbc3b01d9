"""What is known of a network's forms: the rows of a benchmark, the record of a verification.

Names of images stay outside: in a hospital's own data set they may name people.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.pipeline.verify import verify as verification
from scunext_edge.results import Row, rows_from_json
from scunext_edge.storage import read_json, read_record

_OF_A_RUN = ("created", "tool", "environment", "data", "gate", "suite")
_OF_A_VERIFICATION = ("tool", "verdict", "candidate", "reference", "dataset", "criteria", "checks")
_OF_AN_ACCEPTANCE = ("images", "dice", "loss", "worst_decile", "below_floor", "outline", "groups")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one source says of a form on an engine."""

    model: str
    backend: str
    device: str
    threads: int
    precision: str
    quantizer: str | None
    artifact_id: str
    gate: str | None  # "passed", "failed", "reference"; null: nobody looked
    latency_ms: float | None  # median, of the network alone
    stability: str | None
    dice: float | None
    dice_drop_upper: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Claims to choose from, and the documents that they were read from, fit to be bundled."""

    claims: tuple[Claim, ...]
    run: Mapping[str, Any] | None  # what ``results.json`` says of the whole run
    rows: tuple[Row, ...]  # of the run
    verification: Mapping[str, Any] | None
    artifacts: tuple[Path, ...]  # folders in which forms may lie

    def to_json(self, artifact_ids: Collection[str]) -> dict[str, Any]:
        """The content of ``evidence.json``: of the rows, those of these artifacts."""
        rows = [row for row in self.rows if row.artifact_id in artifact_ids]
        return {
            "schema": 1,
            "kind": "evidence",
            "run": self.run,
            "rows": [asdict(replace(row, worst_image=None)) for row in rows],
            "verification": self.verification,
        }

    @property
    def data(self) -> Mapping[str, Any]:
        """The images that the scores are about; those of the verification where there is one."""
        if self.verification is not None:
            found: Mapping[str, Any] = self.verification["dataset"]
            return found
        assert self.run is not None
        of: Mapping[str, Any] = self.run["data"]
        return of


def gather(run: Path | None, verified: Path | None) -> Evidence:
    """Read a folder that ``bench`` wrote, a record that ``verify`` wrote, or both."""
    if run is None and verified is None:
        raise ConfigError(
            "a bundle rests on evidence, and none was given",
            hint="--run FOLDER of `bench`, or --verified FOLDER of `verify`",
        )
    told, rows = _run(run) if run else (None, [])
    proof, claims = _verification(verified) if verified else (None, [])
    return Evidence(
        claims=(*(_claim(row) for row in rows if row.status == "ok" and row.artifact_id), *claims),
        run=told,
        rows=tuple(rows),
        verification=proof,
        artifacts=tuple(sorted((run / "artifacts").glob("*"))) if run else (),
    )


def _run(folder: Path) -> tuple[dict[str, Any], list[Row]]:
    content = read_json(folder / "results.json")
    if not isinstance(content, dict) or not isinstance(content.get("data"), dict):
        raise ArtifactError(
            f"{folder / 'results.json'} holds no results of a benchmark",
            hint="give the folder that `bench` wrote to",
        )
    rows = rows_from_json(content)
    return {name: content.get(name) for name in _OF_A_RUN}, rows


def _claim(row: Row) -> Claim:
    return Claim(
        model=row.model,
        backend=row.backend,
        device=row.device,
        threads=row.threads,
        precision=row.precision,
        quantizer=row.quantizer,
        artifact_id=str(row.artifact_id),
        gate=row.gate,
        latency_ms=row.latency_ms.median if row.latency_ms else None,
        stability=row.stability,
        dice=row.dice,
        dice_drop_upper=row.dice_drop_upper,
    )


def _verification(path: Path) -> tuple[dict[str, Any], list[Claim]]:
    file = path / "verify.json" if path.is_dir() else path
    content = read_record(file, kind=verification.KIND, schema=verification.SCHEMA)
    try:
        scores = content["acceptance"]["dice"]
        gate = "passed" if content["verdict"] == "passed" else "failed"
        claims = [
            _side(content["candidate"], gate, scores["candidate"]),
            _side(content["reference"], "reference", scores["reference"]),
        ]
        acceptance = {name: content["acceptance"][name] for name in _OF_AN_ACCEPTANCE}
        told = {name: content[name] for name in _OF_A_VERIFICATION}
        # The message of a check may name images: its verdict is enough.
        told["checks"] = [{name: it[name] for name in ("name", "verdict")} for it in told["checks"]]
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"{file} is no complete verification: {error!r}", hint="run `verify` again"
        ) from error
    return {**told, "acceptance": acceptance}, claims


def _side(side: Mapping[str, Any], gate: str, dice: float | None) -> Claim:
    return Claim(
        model=side["model"],
        backend=side["backend"],
        device=side["device"],
        threads=1,
        precision=side["precision"],
        quantizer=side["quantizer"],
        artifact_id=side["artifact_id"],
        gate=gate,
        latency_ms=None,
        stability=None,
        dice=dice,
        dice_drop_upper=None,
    )
