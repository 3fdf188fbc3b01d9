"""Download the official ISIC challenge archives, resumably, and lay them out for ``open_dataset``.

The addresses are those that https://challenge.isic-archive.com/data/ links to. That page gives no
digests, so none stand here: the SHA-256 of the first download is written beside the archive, and
every later download has to match it.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from scunext_edge.data.datasets import find_files
from scunext_edge.data.transfer import download
from scunext_edge.errors import ConfigError, DataError
from scunext_edge.storage import new_directory, write_text

Name = Literal["isic2018", "isic2017"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a data set lies: (images, masks) archives by part, without ``.zip``; its licence."""

    base_url: str
    archives: Mapping[str, tuple[str, str]]
    licence: str
    licence_url: str


SOURCES: Mapping[str, Source] = {
    "isic2018": Source(
        base_url="https://isic-challenge-data.s3.amazonaws.com/2018",
        archives={
            "train": ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
            "val": ("ISIC2018_Task1-2_Validation_Input", "ISIC2018_Task1_Validation_GroundTruth"),
            "test": ("ISIC2018_Task1-2_Test_Input", "ISIC2018_Task1_Test_GroundTruth"),
        },
        licence="CC BY-NC 4.0 (attribution, not for commercial use)",
        licence_url="https://creativecommons.org/licenses/by-nc/4.0/",
    ),
    "isic2017": Source(
        base_url="https://isic-challenge-data.s3.amazonaws.com/2017",
        archives={
            "train": ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"),
            "val": ("ISIC-2017_Validation_Data", "ISIC-2017_Validation_Part1_GroundTruth"),
            "test": ("ISIC-2017_Test_v2_Data", "ISIC-2017_Test_v2_Part1_GroundTruth"),
        },
        licence="CC0 (no rights reserved)",
        licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """What lies where now, and under which licence the caller may use it."""

    name: str
    folder: Path
    pairs: int
    digests: Mapping[str, str]  # archive -> sha256, of those downloaded in this call
    licence: str
    licence_url: str


def fetch(name: Name, out: Path, *, base_url: str | None = None) -> FetchResult:
    """Download, verify and unpack into ``out``; what is there already is not fetched again.

    ``out`` gets one folder per archive, ``archives/`` (which may be deleted afterwards, except for
    the ``.sha256`` files) and a ``manifest.csv`` with the challenge's own split. After a failure or
    Ctrl-C the next call goes on where this one stopped.
    """
    if name not in SOURCES:
        raise ConfigError(
            f"there is no data set called {name!r}", hint=f"choose one of: {', '.join(SOURCES)}"
        )
    source = SOURCES[name]
    base = (base_url or source.base_url).rstrip("/")
    digests = {}
    for pair in source.archives.values():
        for archive in pair:
            if (out / archive).is_dir():
                continue
            zipped = out / "archives" / f"{archive}.zip"
            digests[zipped.name] = download(f"{base}/{zipped.name}", zipped)
            unpack(zipped, out / archive)
    return FetchResult(
        name=name,
        folder=out,
        pairs=_write_manifest(source, out),
        digests=digests,
        licence=source.licence,
        licence_url=source.licence_url,
    )


def unpack(archive: Path, folder: Path) -> None:
    """Put every file of a zip flat into ``folder``, which appears whole or not at all.

    A member that would leave the folder, a link, or two files of one name make it a ``DataError``.
    """
    try:
        with zipfile.ZipFile(archive) as opened, new_directory(folder) as temporary:
            for member in opened.infolist():
                if not member.is_dir():
                    _unpack_one(opened, member, temporary)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DataError(
            f"{archive} is no sound zip archive: {error}", hint=f"delete {archive} and fetch again"
        ) from error


def _unpack_one(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
    if path.is_absolute() or ".." in path.parts or ":" in path.name or is_link:
        raise DataError(
            f"{opened.filename} holds the unsafe entry {member.filename!r}",
            hint="it is not the official archive: delete it",
        )
    target = folder / path.name
    if target.exists():
        raise DataError(f"{opened.filename} holds two files called {path.name}")
    with opened.open(member) as packed, target.open("wb") as stream:
        shutil.copyfileobj(packed, stream, 1 << 20)


def _write_manifest(source: Source, out: Path) -> int:
    """``manifest.csv`` with name and split of every pair; returns how many there are."""
    rows = []
    for part, (images, _) in source.archives.items():
        found, masks = find_files(out / images)
        rows += [(name, part) for name in sorted(found.keys() & masks.keys())]
    if not rows:
        raise DataError(f"{out}: the archives hold no pairs of image and mask")
    lines = ["name,split", *(f"{name},{part}" for name, part in rows)]
    write_text(out / "manifest.csv", "\n".join(lines) + "\n")
    return len(rows)
