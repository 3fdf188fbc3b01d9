"""Devices: real sshd processes on loopback, each with an environment and a Python of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scunext_edge.artifacts import Card, load, new_artifact
from scunext_edge.pipeline.remote.archive import write_archive
from scunext_edge.pipeline.remote.hosts import Host
from scunext_edge.pipeline.remote.probe import probe
from scunext_edge.pipeline.remote.session import Session, Work
from scunext_edge.pipeline.remote.ssh import Link
from scunext_edge.spec import ModelSpec

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
CASE = "tiny--fake--fp32--cpu--32"
RECORD = f"{CASE}--compute.measurement.json"


class Machine:
    """An sshd, and what its sessions find: PATH, HOME, TMPDIR."""

    def __init__(self, folder, name, port, environment):
        self.folder, self.name, self.port = folder, name, port
        self.tmp = folder / "tmp"
        self.tmp.mkdir(parents=True)
        environment = {"HOME": folder, "TMPDIR": self.tmp, **environment}
        lines = [
            f"Port {port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {folder.parent / 'host_key'}",
            f"AuthorizedKeysFile {folder.parent / 'user_key.pub'}",
            *("UsePAM no", "StrictModes no", "PasswordAuthentication no", "PidFile none"),
            "SetEnv " + " ".join(f'"{key}={value}"' for key, value in environment.items()),
        ]
        (folder / "sshd_config").write_text("\n".join(lines) + "\n")
        self.log = folder / "sshd.log"
        self.start()

    def start(self):
        """Listen."""
        command = [sshd_program(), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def drop(self):
        """Break every connection, as a network would; what was started there goes on."""
        self._end(self._sessions())

    def stop(self):
        """Be gone."""
        sessions = self._sessions()
        self.process.kill()
        self.process.wait()
        self._end(sessions)

    def _sessions(self):
        first = children(self.process.pid)
        both = [*first, *(child for each in first for child in children(each))]
        return [each for each in both if command_of(each) == "sshd"]

    def _end(self, processes):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    @property
    def connections(self):
        """How many were let in so far."""
        return self.log.read_text().count("Accepted publickey")

    @property
    def work_folders(self):
        """What is left of ours."""
        return sorted(self.tmp.glob("scunext-remote-*"))

    @property
    def runner(self):
        """The number of the process that measures."""
        (folder,) = self.work_folders
        return json.loads((folder / "status.json").read_text())["pid"]

    def close(self):
        """Leave nothing running."""
        if self.process.poll() is None:
            self.stop()
        with contextlib.suppress(ValueError, OSError):
            os.killpg(self.runner, signal.SIGKILL)


def children(process):
    """Numbers of a process's children."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def command_of(process):
    """The name of what a process runs; null where it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text().strip()


def sshd_program():
    """The server; sshd wants to be called by its whole path."""
    return shutil.which("sshd", path=f"{os.environ['PATH']}:{SBIN}")


@pytest.fixture(scope="session")
def _keys(tmp_path_factory):
    if sshd_program() is None or shutil.which("ssh") is None:
        if os.environ.get("SCUNEXT_REQUIRE_SSHD"):
            pytest.fail("there is no sshd: apt-get install openssh-server")
        pytest.skip("there is no sshd here: apt-get install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # what its service would make
    folder = tmp_path_factory.mktemp("devices")
    for name in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    return folder


@pytest.fixture
def network(_keys, tmp_path):
    """Make devices; the ssh configuration that knows them is ``network.config``."""
    made = Network(_keys, tmp_path)
    yield made
    for machine in made.machines:
        machine.close()


class Network:
    """The devices of one test."""

    def __init__(self, keys, folder):
        self.keys, self.folder, self.machines = keys, folder, []
        self.config = folder / "ssh_config"
        self.config.write_text("")

    def device(self, name="pi", *, python=None, **environment):
        """Start one; ``python`` is the folder of its python3."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        folder = self.folder / name
        for key in ("host_key", "user_key", "user_key.pub"):
            if not (self.folder / key).exists():
                shutil.copy(self.keys / key, self.folder / key)
        if python is not None:
            environment["PATH"] = f"{python}:/usr/bin:/bin"
        machine = Machine(folder, name, port, environment)
        self.machines.append(machine)
        self.know(name, port)
        return machine

    def know(self, name, port):
        """Add a name to the ssh configuration."""
        lines = [
            f"Host {name}",
            *("HostName 127.0.0.1", f"Port {port}", f"IdentityFile {self.folder / 'user_key'}"),
            *("IdentitiesOnly yes", "StrictHostKeyChecking no", "LogLevel ERROR"),
            f"UserKnownHostsFile {self.folder / 'known_hosts'}",
        ]
        self.config.write_text(self.config.read_text() + "\n".join(lines) + "\n")

    def link(self, machine):
        """How to reach it."""
        host = Host(target=machine.name, name=machine.name)
        return Link(host=host, config=self.config, stop=threading.Event())


@pytest.fixture(scope="session")
def make_python(tmp_path_factory):
    """The ``bin`` of a virtual environment with these packages of ours, and nothing else."""

    def make(name, *packages):
        folder = tmp_path_factory.mktemp("python") / name
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        (site,) = folder.glob("lib/python*/site-packages")
        for package in packages:
            (there,) = importlib.util.find_spec(package).submodule_search_locations
            owner = {"PIL": "pillow"}.get(package, package)
            for path in (Path(there), *Path(there).parent.glob(f"{owner}.libs")):
                (site / path.name).symlink_to(path)
        return folder / "bin"

    return make


@pytest.fixture(scope="session")
def python(make_python):
    """A Python that has what the runner needs, and no engine."""
    return make_python("lean", "numpy", "PIL")


@pytest.fixture(scope="session")
def bare_python(make_python):
    """A Python with nothing installed."""
    return make_python("bare")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """An artifact for the fake engine."""
    card = Card(model="tiny", format="onnx", precision="fp32", spec=ModelSpec(size=32))
    folder = tmp_path_factory.mktemp("tiny") / "artifact"
    with new_artifact(folder, card) as made:
        (made / "model.onnx").write_bytes(b"the fake engine reads none of this")
    return load(folder)


@pytest.fixture
def record(tmp_path):
    """Where the measurement of :func:`open_session` arrives."""
    return tmp_path / "here" / "records" / RECORD


@pytest.fixture
def open_session(network, tiny, tmp_path):
    """A session that measures the fake engine ``rounds`` times for ``duration_s`` each."""

    def make(machine, *, rounds=3, duration_s=0.2, waits_s=(0.1,) * 8, advance=None, python=None):
        link = network.link(machine)
        facts = probe(link, python)
        suite = {
            "name": "quick", "rounds": rounds, "warmup": 1, "values": 5, "memory": False,
            "duration_s": duration_s,
        }  # fmt: skip
        case = {"name": CASE, "artifact": "artifacts/tiny", "backend": "fake", "device": "cpu"}
        job = {"backends": ["fake"], "suite": suite, "cases": [case]}
        archive = tmp_path / "archive.tar"
        digest = write_archive(archive, job, {"artifacts/tiny": tiny}, facts)
        work = Work(
            archive=archive,
            digest=digest,
            folder=tmp_path / "here",
            records=frozenset({RECORD}),
        )
        ignore = lambda what, done, of: None  # noqa: E731
        return Session(link, facts, work, waits_s=waits_s, advance=advance or ignore)

    return make
