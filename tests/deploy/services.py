"""The server of a bundle, by the commands that stand in its Dockerfile and in its unit of systemd.

Neither Docker nor systemd is needed: what they would run is run here, with the paths of a trial.
"""

from __future__ import annotations

import ctypes
import json
import re
import secrets
import shlex
import socket
import subprocess
import sys
import time

PATIENCE_S = 120.0
_MDWE, _REFUSE = 65, 1  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN: MemoryDenyWriteExecute=


def trial(bundle, out, key, env, say):
    """What is not as promised, one sentence each."""
    token = out / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32), encoding="ascii")
    dockerfile = joined((bundle / "docker" / "Dockerfile").read_text(encoding="utf-8"))
    unit = joined((bundle / "systemd" / "scunext.service").read_text(encoding="utf-8"))
    port = free_port()
    moved = {
        "/opt/scunext/bundle": bundle,
        "/opt/scunext/site": out / "site",
        "/etc/scunext/key.pub": f"{key}.pub",
        "/etc/scunext/token": token,
        "${CREDENTIALS_DIRECTORY}/token": token,
        "0.0.0.0": "127.0.0.1",
        "8000": port,
        "python3": sys.executable,
    }
    (install,) = (it for it in found(dockerfile, "RUN ") if "pip install" in it)
    yield from done(["sh", "-c", placed(install, moved)], bundle, env, "the image's installation")
    entry = json.loads(found(dockerfile, "ENTRYPOINT ")[0])
    health = json.loads(found(dockerfile, "HEALTHCHECK .*?CMD ")[0])
    in_image = {**env, "PYTHONPATH": str(out / "site")}
    moved["/var/lib/scunext"] = out / "image-state"
    asked = [placed(word, moved) for word in health]
    yield from answers([placed(it, moved) for it in entry], asked, in_image, say, "the image")
    moved["/var/lib/scunext"] = out / "unit-state"
    for part in ("ExecStartPre=", "ExecStart="):
        command = [placed(word, moved) for word in shlex.split(found(unit, part)[0])]
        if part == "ExecStartPre=":
            yield from done(command, "/", env, "the unit's preparation")
        else:
            yield from answers(command, asked, env, say, "the unit")


def joined(text):
    """Without comments, with continued lines in one."""
    return re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")


def found(text, start):
    """What stands after ``start`` in the lines that begin with it."""
    return re.findall(rf"^{start}(.+)$", text, flags=re.MULTILINE)


def placed(text, moved):
    """With the paths of this trial."""
    for word, meaning in moved.items():
        text = text.replace(word, str(meaning))
    return text


def free_port():
    """One that nobody listens at just now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def done(command, folder, env, what):
    """Run to the end; a failure is a sentence."""
    ended = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, preexec_fn=no_new_code
    )
    if ended.returncode:
        yield f"{what} ended with {ended.returncode}: {ended.stdout[-500:]}{ended.stderr[-1500:]}"


def answers(command, asked, env, say, what):
    """Start a server, ask by its own health check until it is well, and stop it."""
    with subprocess.Popen(
        command,
        cwd="/",
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=no_new_code,
    ) as server:
        began, well = time.monotonic(), False
        while not well and server.poll() is None and time.monotonic() - began < PATIENCE_S:
            well = subprocess.run(asked, env=env, capture_output=True).returncode == 0
            time.sleep(0.1)
        spent = time.monotonic() - began
        server.terminate()
        told = server.communicate(timeout=60)[0]
    if not well:
        yield f"{what}: the server is not well after {spent:.0f} s: {told[-1500:]}"
    elif server.returncode not in (0, -15):
        yield f"{what}: the server ended with {server.returncode}: {told[-500:]}"
    else:
        say(f"{what}: the server is well after {spent:.1f} s")


def no_new_code():
    """As the unit has it where Linux can: no memory that was written to is executed."""
    ctypes.CDLL(None).prctl(_MDWE, _REFUSE, 0, 0, 0)
