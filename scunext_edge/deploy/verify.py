"""Is a bundle, to the byte, what the holder of a key has signed?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.deploy.manifest import MANIFEST, SIGNATURE, Finding, compare
from scunext_edge.deploy.signing import PublicKey, check
from scunext_edge.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found; nothing means that every byte is as it was signed."""

    bundle_id: str | None  # of what the manifest says; null: there is none
    findings: tuple[Finding, ...]


def verify(bundle: Path, key: PublicKey) -> Verified:
    """Compare every file with the manifest, and the manifest with its signature."""
    manifest, signature = (_plain(bundle, name) for name in (MANIFEST, SIGNATURE))
    findings = []
    if manifest is None:
        findings.append(Finding(file=MANIFEST, problem="is missing, or no plain file"))
    if signature is None:
        findings.append(Finding(file=SIGNATURE, problem="is missing: the bundle is not signed"))
    if manifest is not None:
        if signature is not None and (wrong := check(manifest, signature, key)):
            findings.append(wrong)
        findings += compare(bundle, manifest)
    return Verified(
        bundle_id=None if manifest is None else id_of(manifest), findings=tuple(findings)
    )


def id_of(manifest: bytes) -> str:
    """A bundle's id: the first 16 hexadecimal digits of its manifest's SHA-256."""
    return hashlib.sha256(manifest).hexdigest()[:16]


def _plain(bundle: Path, name: str) -> bytes | None:
    """The content of a regular file; None for a link or where there is nothing."""
    if not bundle.is_dir():
        raise ConfigError(
            f"{bundle} is no bundle: there is no such folder",
            hint="give the folder that `scunext-edge bundle` wrote",
        )
    path = bundle / name
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None
