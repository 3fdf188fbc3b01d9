"""Which forms of a network go into a bundle, and in which order a device falls back on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.artifacts import CARD, Artifact, load
from scunext_edge.deploy.bundle import Gate
from scunext_edge.deploy.evidence import Claim, Evidence
from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.weights import shipped

_WORST_FIRST: tuple[Gate, ...] = ("failed", "none", "passed", "reference")
_PASSED = ("passed", "reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that was found and may go in."""

    artifact: Artifact
    claim: Claim
    backend: str
    gate: Gate
    gate_of: str | None = None

    @property
    def name(self) -> str:
        """Of its rung: engine and precision."""
        return f"{self.backend}-{self.artifact.card.precision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Forms in order, and those that stay outside with the reason."""

    forms: tuple[Form, ...]
    left_out: tuple[str, ...]
    refusal: str | None = None  # why there is to be no bundle

    @property
    def failed(self) -> tuple[str, ...]:
        """Rungs that are inside without having passed."""
        return tuple(form.name for form in self.forms if form.gate not in _PASSED)


def climb(
    asked: str,
    evidence: Evidence,
    *,
    backends: Sequence[str],
    precisions: Sequence[str],
    allow_failed: bool,
) -> Ladder:
    """The forms of the network ``asked`` (a shipped name, or an artifact's folder).

    ``backends`` and ``precisions`` have the preferred one first.

    Without ``allow_failed`` only those that passed their gate, or are its reference, come in, and
    a folder that was asked for and did not pass is a refusal.
    """
    own = _asked(asked)
    known = {artifact.id for artifact in own}
    label = next((it.model for it in evidence.claims if it.artifact_id in known), None)
    if label is None:
        raise ConfigError(
            f"the evidence says nothing of {asked}",
            hint="give the run or the verification in which this artifact was scored",
        )
    found = _Shelf(own, evidence.artifacts)
    forms: dict[str, Form] = {}
    left_out: list[str] = []
    for form in _candidates(evidence.claims, label, backends, precisions, found, left_out):
        if form.name in forms:
            continue
        if form.gate in _PASSED or allow_failed:
            forms[form.name] = form
        else:
            left_out.append(f"{form.name}: {_why_not(form.gate)}")
    refusal = _refusal(forms.values(), own, evidence.claims, left_out, allow_failed)
    return Ladder(forms=tuple(forms.values()), left_out=tuple(left_out), refusal=refusal)


class _Shelf:
    """Artifacts by id: those given, those of the run, those that ship."""

    def __init__(self, own: Sequence[Artifact], folders: Sequence[Path]) -> None:
        self._by_id = {artifact.id: artifact for artifact in own}
        for folder in folders:
            if (folder / CARD).is_file():
                artifact = load(folder)
                self._by_id.setdefault(artifact.id, artifact)
        for artifact in _all_shipped():
            self._by_id.setdefault(artifact.id, artifact)

    def get(self, artifact_id: str | None) -> Artifact:
        if artifact_id not in self._by_id:
            raise ArtifactError(f"the files of artifact {artifact_id} are not at hand")
        return self._by_id[artifact_id]


def _asked(asked: str) -> list[Artifact]:
    if asked in shipped.names():
        return [shipped.shipped(asked, form) for form in shipped.FORMS]
    return [load(Path(asked))]


def _all_shipped() -> Iterable[Artifact]:
    return (shipped.shipped(name, form) for name in shipped.names() for form in shipped.FORMS)


def _candidates(
    claims: Sequence[Claim],
    label: str,
    backends: Sequence[str],
    precisions: Sequence[str],
    found: _Shelf,
    left_out: list[str],
) -> Iterable[Form]:
    of_network = [it for it in claims if it.model == label and it.precision in precisions]
    for precision in precisions:
        for backend in backends:
            alike = [it for it in of_network if it.precision == precision]
            same = [it for it in alike if it.backend == backend]
            try:
                if backend == "tensorrt":
                    yield from _for_tensorrt(same, alike, found)
                else:
                    for claim in same:
                        artifact = found.get(claim.artifact_id)
                        gate = _gate(claims, claim)
                        yield Form(artifact=artifact, claim=claim, backend=backend, gate=gate)
            except ArtifactError as error:
                left_out.append(f"{backend}-{precision}: {error}")


def _for_tensorrt(same: list[Claim], alike: list[Claim], found: _Shelf) -> Iterable[Form]:
    """The typed ONNX that the device builds from.

    Measured where there was a GPU, it is the source of the engine that was. Otherwise FP16 is the
    file that ONNX Runtime was judged with: the same weights, and the device judges the engine.
    """
    for claim in same:
        source = found.get(found.get(claim.artifact_id).card.parent)
        yield Form(artifact=source, claim=claim, backend="tensorrt", gate=_gate(same, claim))
    for claim in alike:
        if claim.backend == "onnxruntime" and claim.precision == "fp16":
            yield Form(
                artifact=found.get(claim.artifact_id),
                claim=claim,
                backend="tensorrt",
                gate=_gate(alike, claim),
                gate_of="the same ONNX file on onnxruntime",
            )


def _gate(claims: Sequence[Claim], of: Claim) -> Gate:
    """The worst that any source says of this artifact on this engine."""
    said = {
        it.gate or "none"
        for it in claims
        if (it.artifact_id, it.backend) == (of.artifact_id, of.backend)
    }
    return next(gate for gate in _WORST_FIRST if gate in said)


def _why_not(gate: Gate) -> str:
    return "its accuracy gate failed" if gate == "failed" else "no accuracy gate judged it"


def _refusal(
    forms: Iterable[Form],
    own: Sequence[Artifact],
    claims: Sequence[Claim],
    left_out: Sequence[str],
    allow_failed: bool,
) -> str | None:
    if len(own) == 1 and not allow_failed:  # one folder was asked for
        said = [_gate(claims, it) for it in claims if it.artifact_id == own[0].id]
        if bad := [gate for gate in said if gate not in _PASSED]:
            return f"{own[0].directory}: {_why_not(bad[0])}"
    if not any(True for _ in forms):
        reasons = "; ".join(left_out) or "no form was scored on these engines"
        return f"no form may go in: {reasons}"
    return None
