"""What a device needs that runs the native engine and nothing else: bytes, memory, time to a mask.

The example program of the engine's C interface is compiled and run: no Python is in what is told.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from scunext_edge.errors import BackendError, BackendMissing, EngineError
from scunext_edge.kernels import native
from scunext_edge.pipeline.kernels.peer import picture

_EXAMPLE = Path(native.__file__).parent / "csrc" / "example" / "segment_ppm.c"
_HEADERS = Path(native.__file__).parent / "csrc" / "include"
_LAUNCH = Path(__file__).with_name("launch.c")
_RUNS = 5
_COMPILE_S = 60.0
_RUN_S = 60.0


def footprint(
    model: str, size: int, precision: str, file: Path, *, stages: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """A row; what needs a C compiler is null without one, with the reason in ``remark``."""
    library = native.find_library()
    row = {
        "model": model,
        "size": size,
        "precision": precision,
        "library_bytes": library.stat().st_size,
        "model_bytes": file.stat().st_size,
        "arena_bytes": stages["arena_bytes"],
        "peak_rss_bytes": None,
        "load_to_first_mask_ms": None,
        "remark": None,
    }
    try:
        programs = _programs(library, folder)
        runs = [_run(programs, file, size, folder) for _ in range(_RUNS)]
    except BackendError as error:
        return {**row, "remark": str(error)}
    return {
        **row,
        "peak_rss_bytes": max(peak for peak, _ in runs),
        "load_to_first_mask_ms": min(ns for _, ns in runs) / 1e6,
    }


def _programs(library: Path, folder: Path) -> tuple[Path, Path]:
    """The launcher and the example, linked with the library that Python uses."""
    launch, example = folder / "launch", folder / "segment_ppm"
    if not launch.exists():
        _compile([_LAUNCH], launch)
    if not example.exists():
        linked = [library, f"-Wl,-rpath,{library.parent}"]
        _compile(["-I", _HEADERS, _EXAMPLE, *linked], example)
    return launch, example


def _compile(arguments: list[Any], out: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        raise BackendMissing("there is no C compiler to build the example program with")
    _call([compiler, "-O2", *map(str, arguments), "-o", str(out)], _COMPILE_S)


def _run(programs: tuple[Path, Path], file: Path, size: int, folder: Path) -> tuple[int, int]:
    """Peak resident set in bytes and nanoseconds of a whole process, from exec to exit."""
    image, mask = folder / f"image-{size}.ppm", folder / "mask.pgm"
    if not image.exists():
        PillowImage.fromarray(picture(size)).save(image)
    launch, example = programs
    peak, ns = _call([str(launch), str(example), str(file), str(image), str(mask)], _RUN_S).split()
    if not mask.is_file():
        raise EngineError("the example program wrote no mask")
    mask.unlink()
    return int(peak), int(ns)


def _call(command: list[str], timeout_s: float) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{Path(command[0]).name} did not run: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()[:1] or [f"exit code {done.returncode}"]
        raise EngineError(f"{Path(command[0]).name} failed: {said[0]}")
    return done.stdout
