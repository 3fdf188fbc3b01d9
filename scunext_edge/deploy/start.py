"""A first start on a device: check the bundle, try every rung, activate the fastest that passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.deploy import acceptance
from scunext_edge.deploy.acceptance import Acceptance, Trial, fastest
from scunext_edge.deploy.bundle import Bundle, Rung, read
from scunext_edge.deploy.manifest import Finding
from scunext_edge.deploy.signing import PublicKey
from scunext_edge.deploy.targets import target
from scunext_edge.deploy.verify import verify
from scunext_edge.errors import (
    BackendMissing,
    BackendUnavailable,
    ConfigError,
    ScunextEdgeError,
)

WORKER = "scunext_edge.deploy.selfcheck"
_TIMEOUT_S = 300.0
_BUILD_TIMEOUT_S = 3600.0  # of a small Jetson that builds an engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The record, or what is wrong with the bundle."""

    findings: tuple[Finding, ...]
    acceptance: Acceptance | None

    @property
    def exit_code(self) -> int:
        """0 where a form is in use."""
        return 0 if self.acceptance and self.acceptance.activated else 1


def start(
    directory: Path,
    state: Path,
    key: PublicKey,
    *,
    told: Callable[[Trial], None] = lambda trial: None,
) -> Started:
    """Write the acceptance record to ``state``; ``told`` hears of each rung as it ends.

    A bundle that is not as it was signed leaves everything as it is, an earlier acceptance too.
    """
    checked = verify(directory, key)
    if checked.findings:
        return Started(findings=checked.findings, acceptance=None)
    bundle = read(directory)
    if target(bundle.target).is_page:
        raise ConfigError(
            f"{directory} is a page for browsers, and there is nothing to start",
            hint="put its folder page/ on a web server, or open page.html",
        )
    trials = []
    for rung in bundle.rungs:
        trials.append(_try(bundle, rung, state))
        told(trials[-1])
    machine, identity = acceptance.this_machine()
    record = Acceptance(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bundle=str(directory.resolve()),
        bundle_id=bundle.id,
        key_id=key.id,
        machine=machine,
        identity=identity,
        versions=acceptance.these_versions(),
        trials=tuple(trials),
        activated=fastest(tuple(trials)),
    )
    acceptance.save(state, record)
    return Started(findings=(), acceptance=record)


def _try(bundle: Bundle, rung: Rung, state: Path) -> Trial:
    """In a process of its own: what an engine does there happens to that process alone."""
    job = {
        "bundle": str(bundle.directory),
        "rung": asdict(rung),
        "golden": list(bundle.golden),
        "limit_ms": bundle.limit_ms,
        "engines": str(state / acceptance.ENGINES),
    }
    timeout_s = _BUILD_TIMEOUT_S if rung.is_built_on_device else _TIMEOUT_S
    try:
        answer = isolate.call(
            WORKER, job, timeout_s=timeout_s, env={"OMP_NUM_THREADS": str(rung.threads)}
        )
    except ScunextEdgeError as error:
        lacking = isinstance(error, BackendMissing | BackendUnavailable)
        outcome: acceptance.Outcome = "unavailable" if lacking else "failed"
        return Trial(name=rung.name, outcome=outcome, reason=str(error), claim_ms=rung.claim_ms)
    return _judged(rung, answer)


def _judged(rung: Rung, answer: dict[str, Any]) -> Trial:
    wrong = [it for it in answer["checks"] if not it["passed"]]
    return Trial(
        name=rung.name,
        outcome="failed" if wrong else "passed",
        reason="; ".join(f"{it['name']}: {it['message']}" for it in wrong) or None,
        checks=tuple(answer["checks"]),
        times_ms=answer["times_ms"],
        claim_ms=rung.claim_ms,
        artifact_id=answer["artifact_id"],
        version=answer["version"],
    )
