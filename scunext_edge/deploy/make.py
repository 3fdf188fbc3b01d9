"""One artifact that passed becomes one signed folder for one kind of device."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from scunext_edge import provenance
from scunext_edge.deploy import bundle, card, example, golden, page, wheels
from scunext_edge.deploy.bundle import Rung
from scunext_edge.deploy.contract import contract
from scunext_edge.deploy.evidence import Evidence, gather
from scunext_edge.deploy.ladder import Form, Ladder, climb
from scunext_edge.deploy.manifest import write_manifest
from scunext_edge.deploy.serving import write_serving
from scunext_edge.deploy.signing import private_key, sign
from scunext_edge.deploy.targets import Target, target
from scunext_edge.deploy.verify import id_of
from scunext_edge.errors import ConfigError, StorageError, require
from scunext_edge.progress import Advance
from scunext_edge.quality.limits import FILE, Limits, save_limits
from scunext_edge.storage import new_directory, write_json, write_text
from scunext_edge.web.build import ENGINE
from scunext_edge.weights.shipped import limits_of

RUN = Path(__file__).with_name("run.sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is to be bundled, on what grounds, for what, and who signs it."""

    artifact: str  # a network that ships, or an artifact's folder
    target: str
    out: Path
    key: Path  # private
    run: Path | None = None  # that `bench` wrote
    verified: Path | None = None  # that `verify` wrote
    backends: tuple[str, ...] = ()  # none: the target's usual ones
    allow_failed: bool = False
    python: str = ".".join(platform.python_version_tuple()[:2])  # of the device
    wheel: Path | None = None  # this package's; null: built from its source
    wheels: Path | None = None  # folder of the others; null: from pip's index
    online: bool = False  # the device fetches the others itself, by their hashes
    limit_ms: float = 1000.0
    serve: bool = False  # the runtime of a server too, and how to run it
    limits: Path | None = None  # of quality; null: those that ship for the network


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A bundle, or why there is none."""

    bundle_id: str | None
    key_id: str | None
    rungs: tuple[Rung, ...]
    left_out: tuple[str, ...]
    did_not_pass: tuple[str, ...]
    refusal: str | None


def make(settings: Settings, *, advance: Advance = lambda what, done, of: None) -> Made:
    """Write the bundle to ``settings.out``, whole or not at all."""
    for package in ("cryptography", "cyclonedx", "packaging"):
        require(package, "bundle", needed_for="making a bundle")
    device = target(settings.target)
    backends = _backends(settings, device)
    _check_page(settings, device)
    wheels.check_python(settings.python)
    key = private_key(settings.key)
    if settings.out.exists():
        raise StorageError(f"{settings.out} exists already", hint="choose another --out")
    evidence = gather(settings.run, settings.verified)
    ladder = climb(
        settings.artifact,
        evidence,
        backends=backends,
        precisions=device.precisions,
        allow_failed=settings.allow_failed,
    )
    if device.is_page:
        ladder = page.in_browsers(ladder)
    if ladder.refusal is not None:
        return _refused(ladder)
    rungs = tuple(_rung(form, device) for form in ladder.forms)
    with new_directory(settings.out) as folder:
        _fill(folder, settings, device, ladder, rungs, evidence, advance)
        manifest = write_manifest(folder).encode()
        key_id = sign(folder, manifest, key)
    return Made(
        bundle_id=id_of(manifest),
        key_id=key_id,
        rungs=rungs,
        left_out=ladder.left_out,
        did_not_pass=ladder.failed,
        refusal=None,
    )


def _fill(
    folder: Path,
    settings: Settings,
    device: Target,
    ladder: Ladder,
    rungs: tuple[Rung, ...],
    evidence: Evidence,
    advance: Advance,
) -> None:
    """Everything but the manifest and its signature."""
    created = datetime.now(timezone.utc).replace(microsecond=0)
    model = ladder.forms[0].artifact.card.model
    _write_models(ladder, folder)
    advance("drawing golden masks", 0, 1)
    limit_ms = None if device.is_page else settings.limit_ms
    names = golden.make_golden(
        ladder.forms,
        folder / bundle.GOLDEN_IMAGES,
        folder / bundle.GOLDEN_MASKS,
        sizes=golden.PAGE_SIZES if device.is_page else golden.SIZES,
    )
    advance("drawing golden masks", 1, 1)
    described = bundle.describe(
        target=device.name,
        model=model,
        golden=names,
        rungs=rungs,
        limit_ms=limit_ms,
        allow_failed=settings.allow_failed,
    )
    about = {
        "created": created.isoformat(),
        "tool": provenance.tool(),
        "python": None if device.is_page else settings.python,
        "serves": settings.serve,
    }
    write_json(folder / bundle.BUNDLE, {**described, **about})
    write_json(folder / "contract.json", contract(ladder.forms[0].artifact.spec))
    limits = _write_limits(ladder, settings, folder)
    ids = {form.claim.artifact_id for form in ladder.forms}
    write_json(folder / "evidence.json", evidence.to_json(ids))
    when = created.isoformat()
    told = card.model_card(
        model, device.name, ladder, rungs, evidence, created=when, limit_ms=limit_ms, limits=limits
    )
    write_json(folder / "model-card.json", told)
    write_text(folder / "model-card.md", card.to_markdown(told))
    images = [folder / bundle.GOLDEN_IMAGES / name for name in names]
    if device.is_page:
        masks = folder / rungs[0].masks
        form = ladder.forms[0]
        page.write_page(folder, form, evidence, images=images, masks=masks, limits=limits)
        _write_bill(folder, ladder, device, created, engine=ENGINE)
        return
    if native := [rung for rung in rungs if rung.name == example.FORM]:
        example.write_example(folder, images, folder / native[0].masks)
    advance("collecting wheels", 0, 1)
    backends = tuple(dict.fromkeys(rung.backend for rung in rungs))
    _write_runtime(settings, device, ladder, backends, created, folder)
    advance("collecting wheels", 1, 1)


def _check_page(settings: Settings, device: Target) -> None:
    if not device.is_page:
        return
    given = {
        "--wheel": settings.wheel,
        "--wheels": settings.wheels,
        "--online": settings.online,
        "--serve": settings.serve,
    }
    if wrong := [option for option, value in given.items() if value]:
        raise ConfigError(
            f"a bundle for {device.name} has no Python: {', '.join(wrong)} means nothing there",
            hint=f"leave {', '.join(wrong)} out",
        )


def _backends(settings: Settings, device: Target) -> tuple[str, ...]:
    for backend in settings.backends:
        if backend not in device.backends:
            raise ConfigError(
                f"a bundle for {device.name} holds no {backend}",
                hint=f"choose of: {', '.join(device.backends)}",
            )
    asked = settings.backends or device.usual
    return tuple(backend for backend in device.backends if backend in asked)


def _refused(ladder: Ladder) -> Made:
    return Made(
        bundle_id=None,
        key_id=None,
        rungs=(),
        left_out=ladder.left_out,
        did_not_pass=ladder.failed,
        refusal=ladder.refusal,
    )


def _rung(form: Form, device: Target) -> Rung:
    claim, card = form.claim, form.artifact.card
    is_own = form.gate_of is None  # else the claim is about another engine's time
    return Rung(
        name=form.name,
        backend=form.backend,
        device="cuda" if form.backend == "tensorrt" else claim.device,
        threads=claim.threads,
        precision=card.precision,
        quantizer=card.quantizer,
        artifact_id=form.artifact.id,
        gate=form.gate,
        gate_of=form.gate_of,
        claim_ms=claim.latency_ms if is_own else None,
        stability=claim.stability if is_own else None,
        most_flipped=0.0 if device.is_page else golden.most_flipped(form),
    )


def _write_limits(ladder: Ladder, settings: Settings, folder: Path) -> Limits | None:
    limits = limits_of(ladder.forms[0].artifact, settings.limits)
    if limits is not None:
        save_limits(folder / FILE, limits)
    return limits


def _write_models(ladder: Ladder, folder: Path) -> None:
    for form in ladder.forms:
        place = folder / "models" / form.name
        place.mkdir(parents=True)
        for name in ("card.json", *form.artifact.digests):
            shutil.copyfile(form.artifact.directory / name, place / name)


def _write_runtime(
    settings: Settings,
    device: Target,
    ladder: Ladder,
    backends: Sequence[str],
    created: datetime,
    folder: Path,
) -> None:
    """Wheels, the requirements that name them, their bill of materials, and what installs them."""
    place = folder / "wheels"
    wheels.own_wheel(device, settings.wheel, place)
    own = {it.path for it in wheels.found_in(place)}
    extras = ("serve",) if settings.serve else ()
    wheels.download(device, settings.python, backends, settings.wheels, place, extras=extras)
    found = wheels.found_in(place)
    write_text(folder / "requirements.txt", wheels.requirements(found))
    _write_bill(folder, ladder, device, created, found=found)
    text = RUN.read_text(encoding="utf-8")
    # JetPack's TensorRT is a package of the system's Python.
    text = text.replace("@VENV@", "--system-site-packages " if "tensorrt" in backends else "")
    index = "" if settings.online else "--no-index "
    write_text(folder / "run.sh", text.replace("@INDEX@", index))
    (folder / "run.sh").chmod(0o755)
    if settings.serve:
        write_serving(folder, device, python=settings.python, online=settings.online)
    if settings.online:  # their hashes stay in the requirements
        for path in {it.path for it in found} - own:
            path.unlink()


def _write_bill(
    folder: Path,
    ladder: Ladder,
    device: Target,
    created: datetime,
    *,
    found: Sequence[wheels.Wheel] = (),
    engine: Path | None = None,
) -> None:
    from scunext_edge.deploy.sbom import bill

    name = f"{ladder.forms[0].artifact.card.model}-{device.name}"
    text = bill(name, ladder.forms, found, created=created, engine=engine)
    write_text(folder / "sbom.cdx.json", text)
