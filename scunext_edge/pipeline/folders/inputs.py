"""Which files of folders are pictures, and what they are called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from scunext_edge.data.dicom import is_dicom
from scunext_edge.errors import ConfigError, DataError
from scunext_edge.pipeline.folders.job import Input

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".dcm", ".dicom")


def find_inputs(paths: Sequence[Path], out: Path) -> list[Input]:
    """Every picture below the folders among ``paths``, and the files among them, by name.

    In a folder, a picture is a file with one of ``SUFFIXES`` or with a DICOM preamble, or one that
    cannot be opened; hidden files, links to folders, DICOMDIR and what lies in ``out`` are passed
    over. A picture's name is its path below what all ``paths`` have in common. A folder that is
    missing, holds no picture, or cannot be read wherever it lies is a ``DataError``; an ``out``
    that holds one of the folders is a ``ConfigError``.
    """
    for path in paths:
        if path.is_dir():
            _check_apart(path, out)
        elif not path.exists():
            raise DataError(f"{path} does not exist", hint="check the path")
    base = _common(paths)
    found = {
        _full(file): file
        for path in paths
        for file in (_walk(path, out) if path.is_dir() else [path])
    }
    if not found:
        raise DataError(
            f"no picture in {', '.join(map(str, paths))}",
            hint=f"a picture ends in one of {', '.join(SUFFIXES)}, or is a DICOM file",
        )
    named = [Input(file, full.relative_to(base).as_posix()) for full, file in found.items()]
    return sorted(named, key=lambda one: one.name)


def _common(paths: Sequence[Path]) -> Path:
    tops = [_full(path if path.is_dir() else path.parent) for path in paths]
    try:
        return Path(os.path.commonpath(tops))
    except ValueError as error:  # two drives of Windows
        raise ConfigError(
            "the pictures have no folder in common", hint="call the command once for each drive"
        ) from error


def _full(path: Path) -> Path:
    """Absolute and without "..", but as it is named: a link to a picture keeps its own name."""
    return Path(os.path.normpath(path.absolute()))


def _check_apart(folder: Path, out: Path) -> None:
    """Masks among the pictures would be segmented by the next run."""
    if out.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise ConfigError(
            f"--out {out} holds the pictures of {folder}", hint="choose another folder for --out"
        )


def _walk(folder: Path, out: Path) -> Iterator[Path]:
    unwanted = out.resolve()
    for here, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and Path(here, name).resolve() != unwanted
        )
        for name in names:
            path = Path(here, name)
            if not name.startswith(".") and name != "DICOMDIR" and _is_picture(path):
                yield path


def _unreadable(error: OSError) -> None:
    """What lies in such a folder would be missing from the table without a word."""
    raise DataError(
        f"the folder {error.filename} cannot be read: {error.strerror or error}",
        hint="make it readable for this user, or name only the folders that are meant",
    ) from error


def _is_picture(path: Path) -> bool:
    """A file that cannot be opened may be one: its row will say why it was not segmented."""
    try:
        if not path.is_file():
            return False
        if path.suffix.lower() in SUFFIXES:
            return True
        with path.open("rb") as stream:
            return is_dicom(stream.read(132))
    except OSError:
        return True
