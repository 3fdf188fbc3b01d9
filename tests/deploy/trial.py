"""A bundle from the shipped weights, from the command that makes it to a mask on a device.

``python trial.py --out FOLDER``: makes one for this machine with a server, installs it without a
network or torch, times its first start, compiles its example in C, runs its server by the commands
of its Dockerfile and its unit, and spoils it in ten ways. Makes one for browsers, and has one for
arm64 accepted by an emulated processor where the tools for that are there. Ends with 1 where
anything is not as promised.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import services
from alterations import planted

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"x86_64": "x86-cpu", "aarch64": "arm64"}
LIMIT_S = 2.0  # from the first start to the first mask
TRIES = 3
ARM64_TOOLS = ("qemu-aarch64-static", "aarch64-linux-gnu-g++", "apt-get", "dpkg")
ARM64_PYTHON = "3.11"  # of tests/arm64/root.sh
FORMS = ("-b", "native", "-b", "onnxruntime", "-p", "fp32", "-p", "int8")

failures = []


def main():
    """All parts in order; the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bundle-trial")
    asked = parser.parse_args()
    out = asked.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    keys = [out / "keys" / name for name in ("ours", "theirs")]
    for key in keys:
        ours("bundle", "keygen", "--out", key)
    ours("bench", "scunext", *FORMS, "--images", "24", "--out", out / "run")
    target = TARGETS[platform.machine()]
    bundle = made(target, out / f"scunext-{target}", out, keys[0], "--serve")
    first_start(bundle, out, keys[0])
    in_c(bundle, out)
    for failure in services.trial(bundle, out, keys[0], offline(), say):
        expect(False, failure)
    alterations(bundle, out, keys)
    for_browsers(out, keys)
    if platform.machine() == "x86_64":
        emulated(ROOT / "build" / "arm64", out, keys[0])
    for failure in failures:
        say(f"FAILED: {failure}")
    say("everything is as promised" if not failures else f"{len(failures)} failures")
    return 1 if failures else 0


def made(target, bundle, out, key, *options):
    """The one command."""
    began = time.perf_counter()
    ours("bundle", "scunext", "--target", target, "--run", out / "run", "--key", key,
         "--out", bundle, *options)  # fmt: skip
    spent = time.perf_counter() - began
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    say(f"{target}: a bundle of {size / 1e6:.1f} MB in {spent:.0f} s")
    expect(verified(bundle, key)[0] == 0, f"{target}: the fresh bundle is not verified")
    return bundle


def first_start(bundle, out, key):
    """``run.sh`` into an empty environment, then the first start alone, with a clock."""
    state = out / "device"
    began = time.perf_counter()
    done = run([bundle / "run.sh", "--key", f"{key}.pub", "--state", state], env=offline())
    say(f"installed and started in {time.perf_counter() - began:.1f} s:")
    say(indented(done.stdout))
    expect(done.returncode == 0, f"run.sh ended with {done.returncode}: {done.stderr.strip()}")
    python = state / "venv" / "bin" / "python"
    expect(run([python, "-c", "import torch"]).returncode == 1, "torch is in the environment")
    check = run([python, "-m", "pip", "check"])
    expect(check.returncode == 0, f"pip check: {check.stdout.strip()}")
    image = sorted((bundle / "golden" / "images").iterdir())[-1]
    spent = []
    for number in range(TRIES):
        fresh = out / f"state-{number}"
        began = time.perf_counter()
        start = device(python, "start", bundle, "--key", f"{key}.pub", "--state", fresh)
        between = time.perf_counter()
        segment = device(python, "segment", image, "--state", fresh, "--out", out / "masks")
        ended = time.perf_counter()
        expect(start.returncode == segment.returncode == 0, f"first start: {segment.stderr}")
        spent.append(ended - began)
        say(
            f"first start {number + 1}: accepted after {between - began:.2f} s, mask after "
            f"{ended - began:.2f} s"
        )
    expect(min(spent) <= LIMIT_S, f"the first mask took {min(spent):.2f} s, not {LIMIT_S:g}")


def alterations(bundle, out, keys):
    """Each on a copy; the file must be named by ``bundle verify`` and by the device."""
    python = out / "device" / "venv" / "bin" / "python"
    for name, spoil in planted(keys[1]).items():
        copy = out / "spoiled"
        shutil.copytree(bundle, copy)
        file = spoil(copy)
        code, told = verified(copy, keys[0])
        named = any(line.startswith(f"refused: {file}: ") for line in told.splitlines())
        start = device(python, "start", copy, "--key", f"{keys[0]}.pub", "--state", out / "s")
        refused = start.returncode == 1 and f"refused: {file}: " in start.stdout
        expect(code == 1 and named and refused, f"{name}: not refused, or {file} not named")
        say(f"{name}: {next(iter(told.splitlines()), 'nothing was said')}")
        shutil.rmtree(copy)


def in_c(bundle, out, *options):
    """``make -C c check``, and the bundle is as it was signed afterwards."""
    build = out / f"{bundle.name}-c"
    check = ["make", "-C", bundle / "c", f"BUILD={build}", *options, "check"]
    done = run(check)
    say(indented("\n".join(it for it in done.stdout.splitlines() if "every pixel" in it)))
    expect(done.returncode == 0, f"{bundle.name}: C: {done.stdout[-500:]}{done.stderr[-500:]}")
    expect(verified(bundle, out / "keys" / "ours")[0] == 0, "make -C c altered the bundle")


def for_browsers(out, keys):
    """The page, verified and spoiled. tests/deploy/test_page.py opens one in Chromium."""
    page = made("web", out / "scunext-web", out, keys[0])
    with (page / "page" / "index.html").open("a", encoding="utf-8") as stream:
        stream.write("<!-- -->")
    code, told = verified(page, keys[0])
    named = told.startswith("refused: page/index.html: was altered")
    expect(code == 1 and named, f"an altered index.html is not named: {told}")
    say(f"a page was edited: {told.strip()}")


def emulated(root, out, key):
    """An arm64 bundle's wheels in a folder, and its first start on QEMU's processor."""
    missing = [tool for tool in ARM64_TOOLS if shutil.which(tool) is None]
    if missing:
        say(f"skipped: arm64 needs {', '.join(missing)}")
        return
    if run([ROOT / "tests" / "arm64" / "root.sh", root]).returncode:
        say("skipped: the arm64 system cannot be set up here")
        return
    bundle = made("arm64", out / "scunext-arm64", out, key, "--python", ARM64_PYTHON,
                  "-b", "native", "-b", "onnxruntime", "--limit-ms", "600000")  # fmt: skip
    emulate = "qemu-aarch64-static -L /usr/aarch64-linux-gnu"
    in_c(bundle, out, "CC=aarch64-linux-gnu-gcc", f"RUN={emulate}")
    site = out / "arm64-site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps"]
    install += ["--require-hashes", "--no-index", "--find-links", bundle / "wheels"]
    install += ["--python-version", ARM64_PYTHON, "--implementation", "cp", "--target", site]
    for path in (bundle / "wheels").iterdir():
        tag = path.stem.split("-")[-1]
        install += [word for one in tag.split(".") for word in ("--platform", one)]
    done = run([*install, "--only-binary=:all:", "--requirement", bundle / "requirements.txt"])
    expect(done.returncode == 0, f"arm64: the wheels do not install: {done.stderr[-500:]}")
    python = emulator(root, site, out / "arm64-python")
    state = out / "arm64-state"
    began = time.perf_counter()
    arguments = ["start", str(bundle), "--key", f"{key}.pub", "--state", str(state)]
    done = run([python, "-c", under(python, arguments)], env=offline())
    say(f"arm64, emulated, in {time.perf_counter() - began:.0f} s:")
    say(indented(done.stdout))
    expect(done.returncode == 0, f"arm64: no form was accepted: {done.stderr.strip()[-500:]}")
    if done.returncode == 0:
        record = json.loads((state / "acceptance.json").read_text(encoding="utf-8"))
        for trial in record["trials"]:
            expect(trial["outcome"] == "passed", f"arm64: {trial['name']}: {trial['reason']}")


def emulator(root, site, path):
    """A command that runs Python with these packages alone."""
    path.write_text(
        f'#!/bin/sh\nexport PYTHONPATH="{site}" PYTHONDONTWRITEBYTECODE=1\n'
        f'exec qemu-aarch64-static -cpu max,sve=off -L "{root}/root" '
        f'"{root}/root/usr/bin/python3.11" "$@"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def under(python, arguments):
    """The device's program, whose children have to be emulated as well."""
    return (
        f"import runpy, sys; sys.executable = {str(python)!r}; "
        f"sys.argv = ['deploy', *{arguments!r}]; "
        "runpy.run_module('scunext_edge.deploy', run_name='__main__')"
    )


def ours(*arguments):
    """A command of the package; its failure ends the trial."""
    command = [sys.executable, "-m", "scunext_edge", *map(str, arguments)]
    done = run(command)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def verified(bundle, key):
    """Exit code and words of ``bundle verify``."""
    done = run([sys.executable, "-m", "scunext_edge", "bundle", "verify", bundle,
                "--key", f"{key}.pub"])  # fmt: skip
    return done.returncode, done.stdout


def device(python, *arguments):
    """The device's program in its own environment."""
    return run([python, "-m", "scunext_edge.deploy", *arguments], env=offline())


def offline():
    """pip may not look anywhere, and nothing of this checkout is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}


def run(command, env=None):
    """In a folder that is not the checkout's, so that the installed package is what runs."""
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env=env, cwd="/"
    )


def expect(holds, failure):
    """Note what does not hold, and go on."""
    if not holds:
        failures.append(failure)


def indented(text):
    """Two spaces in."""
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


def say(text):
    """At once, for those who watch."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    raise SystemExit(main())
