"""Which files a bundle holds: their SHA-256, one line each, as ``sha256sum --check`` reads them.

The manifest and its signature are the only two files that it does not name.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scunext_edge.errors import ConfigError
from scunext_edge.storage import sha256_of, write_text

MANIFEST = "manifest.sha256"
SIGNATURE = "signature.json"
_UNLISTED = (MANIFEST, SIGNATURE)

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"  # so neither absolute nor "..", hidden or quoted
_PATH = re.compile(rf"{_NAME}(/{_NAME})*")
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it was signed."""

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


def write_manifest(bundle: Path) -> str:
    """Hash every file in ``bundle``, write the manifest there, and return its text.

    A name that a manifest cannot hold is a ``ConfigError``.
    """
    digests = {}
    for path, mode in _walk(bundle):
        if stat.S_ISDIR(mode) or path in _UNLISTED:
            continue
        if not stat.S_ISREG(mode) or not _PATH.fullmatch(path):
            raise ConfigError(
                f"a bundle cannot hold {path!r}",
                hint="plain files named with letters, digits and . _ + - only",
            )
        digests[path] = sha256_of(bundle / path)
    text = "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))
    write_text(bundle / MANIFEST, text)
    return text


def compare(bundle: Path, manifest: bytes) -> list[Finding]:
    """Everything by which the files in ``bundle`` differ from ``manifest``; follows no link."""
    listed = _read(manifest)
    if listed is None:
        return [Finding(file=MANIFEST, problem="is no manifest of a bundle")]
    findings, present = [], set()
    folders = {parent.as_posix() for path in listed for parent in Path(path).parents}
    for path, mode in _walk(bundle):
        present.add(path)
        expected = listed.get(path)
        if stat.S_ISDIR(mode) and expected is None:
            problem = None if path in folders else "was added: a folder that was not signed"
        elif not stat.S_ISREG(mode):
            problem = f"is {_kind(mode)}, not a file"
        elif path in _UNLISTED:
            problem = None
        elif expected is None:
            problem = "was added: it was not signed"
        else:
            problem = _altered(bundle / path, expected)
        if problem:
            findings.append(Finding(file=path, problem=problem))
    gone = [Finding(file=path, problem="is missing") for path in listed if path not in present]
    return [*findings, *gone]


def _read(manifest: bytes) -> Mapping[str, str] | None:
    """Path to digest; None unless it is exactly what :func:`write_manifest` writes."""
    try:
        lines = manifest.decode("ascii").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
    found = [_LINE.fullmatch(line.removesuffix("\n")) for line in lines]
    listed = {match[2]: match[1] for match in found if match}
    written = "".join(f"{listed[path]}  {path}\n" for path in sorted(listed))
    plain = all(_PATH.fullmatch(path) and path not in _UNLISTED for path in listed)
    return listed if listed and plain and written.encode() == manifest else None


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Path below ``folder`` and mode of everything in it, in order; links are not followed."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        mode = entry.stat(follow_symlinks=False).st_mode
        yield f"{prefix}{entry.name}", mode
        if stat.S_ISDIR(mode):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")


def _altered(path: Path, expected: str) -> str | None:
    try:
        return None if sha256_of(path) == expected else "was altered"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
