"""What SSH runs on a device to learn what it is. The standard library alone; sent as text."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import platform
import struct
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

MARK = "scunext-edge:"  # before an answer: a login shell may print things of its own
NEEDED = ("numpy", "PIL")
ENGINES = ("onnxruntime", "openvino")
_ELF_MACHINES = {
    "x86_64": 62, "i686": 3, "aarch64": 183, "armv7l": 40, "armv6l": 40, "riscv64": 243,
    "ppc64le": 21, "s390x": 22, "loongarch64": 258,
}  # fmt: skip


def look(command: str) -> dict[str, Any]:
    """Facts about this device; ``command`` is what this Python was started with."""
    return {
        "python": command,
        "worker_python": sys.executable if _starts(sys.executable) else command,
        "version": platform.python_version(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "packages": [name for name in (*NEEDED, *ENGINES) if _has(name)],
        "machine_id": machine_id(),
        "emulated": is_emulated(),
    }


def _starts(executable: str) -> bool:
    """Whether this interpreter can be started without what started us, e.g. an emulator."""
    try:
        done = subprocess.run([executable, "-c", ""], stdin=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _has(name: str) -> bool:
    """Whether a package can be imported; engines are only looked for, since they take seconds."""
    if name not in NEEDED:
        return importlib.util.find_spec(name) is not None
    try:
        importlib.import_module(name)
    except Exception:  # whatever it is, it is of no use
        return False
    return True


def machine_id() -> str:
    """The same for two names of one running machine; says nothing else about it."""
    try:
        told = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        told = str(uuid.getnode())
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def is_emulated() -> bool | None:
    """Whether this process runs on another processor than it believes; None: cannot be told.

    An emulator hides its own program from the process it runs, and not from that one's parent.
    """
    own = _ELF_MACHINES.get(platform.machine())
    if own is None or not Path("/proc/self/exe").exists():
        return None
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)  # until the parent has looked, or is gone
        os._exit(0)
    try:
        found = _elf_machine(Path(f"/proc/{child}/exe"))
    finally:
        os.close(reading)
        os.close(writing)
        os.waitpid(child, 0)
    return None if found is None else found != own


def _elf_machine(path: Path) -> int | None:
    try:
        with path.open("rb") as stream:
            head = stream.read(20)
    except OSError:
        return None
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    return int(struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])[0])


if __name__ == "__main__":
    sys.stdout.write(MARK + json.dumps(look(sys.argv[1])) + "\n")
