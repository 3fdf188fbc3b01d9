"""What a wheel needs beside it on a device, by its own metadata."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.message import Message
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from scunext_edge.deploy.targets import Target
from scunext_edge.errors import ConfigError

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def metadata_of(wheel: Path) -> Message:
    """What a wheel says of itself."""
    with zipfile.ZipFile(wheel) as opened:
        name = next(it for it in opened.namelist() if it.endswith(".dist-info/METADATA"))
        return Parser().parsestr(opened.read(name).decode("utf-8"))


def extra(wheel: Path, name: str, target: Target, python: str) -> list[Requirement]:
    """What the extra ``name`` of a wheel asks for on a device; no such extra: ``ConfigError``."""
    metadata = metadata_of(wheel)
    if name not in metadata.get_all("Provides-Extra", []):
        raise ConfigError(
            f"{wheel.name} has no extra {name!r}", hint="give a wheel of a version that has it"
        )
    without = {str(it) for it in _required(metadata, _environment(target, python))}
    found = _required(metadata, {**_environment(target, python), "extra": name})
    return [it for it in found if str(it) not in without]


def missing(wheels: Sequence[Path], target: Target, python: str) -> list[Requirement]:
    """What ``wheels`` ask for on a device and is not among them.

    pip judges such conditions by the Python that runs it, and not by that of the device.
    """
    from packaging.utils import canonicalize_name

    there = {canonicalize_name(path.name.split("-")[0]) for path in wheels}
    environment = _environment(target, python)
    needed = {
        str(it): it
        for path in wheels
        for it in _required(metadata_of(path), environment)
        if canonicalize_name(it.name) not in there
    }
    return list(needed.values())


def for_pip(requirement: Requirement, *, is_here: bool) -> str:
    """As pip takes it; ``is_here``: in the version that is installed here, if that is allowed."""
    asked = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    number = None
    if is_here:
        with suppress(PackageNotFoundError):
            number = version(requirement.name)
    if number is None or not requirement.specifier.contains(number, prereleases=True):
        return f"{requirement.name}{asked}{requirement.specifier}"
    return f"{requirement.name}{asked}=={number}"


def _required(metadata: Message, environment: Mapping[str, str]) -> Iterator[Requirement]:
    from packaging.requirements import Requirement

    for line in metadata.get_all("Requires-Dist", []):
        found = Requirement(line)
        if found.marker is None or found.marker.evaluate(dict(environment)):
            yield found


def _environment(target: Target, python: str) -> dict[str, str]:
    """Of the device, as far as conditions of requirements ask."""
    return {
        "extra": "",
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
