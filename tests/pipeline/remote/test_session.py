"""One device over a real sshd: what comes back, what survives, and what is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

import scunext_edge
from scunext_edge.benchmarks import records
from scunext_edge.errors import ArtifactError, ConfigError, MeasurementError, StorageError
from scunext_edge.pipeline.remote.ssh import Interrupted

pytestmark = pytest.mark.slow  # real daemons and processes that are killed: `make test-long`


def after(rounds, act, record):
    """A progress callback that acts once, when the record here holds so many runs."""
    done = []

    def advance(what, at, of):
        if not done and record.is_file() and len(records.load(record).runs) >= rounds:
            done.append(True)
            act()

    return advance


def runs_in(record):
    return len(records.load(record).runs)


def is_alive(process):
    """Whether it runs; one that has ended may wait to be asked how."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_the_records_come_back_and_nothing_stays_there(network, python, open_session, record):
    machine = network.device(python=python)
    assert open_session(machine).run(keep=False) is None
    found = records.load(record)
    assert (runs_in(record), found.failure) == (3, None)
    assert found.control is not None
    assert (found.subject.backend, found.subject.precision_ran) == ("fake", "fp32")
    assert (record.parent.parent / "device.json").is_file()
    assert list(machine.tmp.iterdir()) == []
    assert not (record.parent.parent / "remote.json").exists()


def test_what_is_asked_to_stay_stays_and_is_used_again(network, python, open_session, record):
    machine = network.device(python=python)
    open_session(machine).run(keep=True)
    (folder,) = machine.work_folders
    assert oct(folder.stat().st_mode & 0o777) == "0o700" or folder.stat().st_uid == os.geteuid()
    made, first = (folder / "job.json").stat().st_mtime_ns, records.load(record).runs
    open_session(machine).run(keep=True)
    assert (folder / "job.json").stat().st_mtime_ns == made  # sent once
    assert records.load(record).runs == first  # measured once
    open_session(machine, rounds=4).run(keep=False)  # another job: another archive
    assert machine.work_folders == []
    assert records.load(record).runs[:3] == first


def test_a_dropped_connection_is_taken_up_again(network, python, open_session, record):
    machine = network.device(python=python)
    seen = []

    def drop():
        seen.append(machine.runner)
        machine.drop()

    session = open_session(machine, rounds=4, advance=after(1, drop, record))
    session.run(keep=True)
    assert seen == [machine.runner]  # the same process went on meanwhile
    assert "closed by" in machine.log.read_text() or machine.connections > 5
    assert (runs_in(record), machine.connections) == (4, 6)  # probe, find, push, start, follow x 2


def test_a_process_that_was_killed_goes_on_from_its_records(network, python, open_session, record):
    machine = network.device(python=python)
    kept = []

    def kill():
        kept.extend(records.load(record).runs)
        os.kill(machine.runner, signal.SIGKILL)

    open_session(machine, advance=after(1, kill, record)).run(keep=False)
    assert kept
    assert runs_in(record) == 3
    assert records.load(record).runs[: len(kept)] == tuple(kept)
    assert machine.work_folders == []


def test_a_process_that_dies_again_and_again_is_given_up(network, python, open_session, record):
    machine = network.device(python=python)

    def kill(what, at, of):
        if "timed" in what:
            with contextlib.suppress(ValueError, OSError):
                os.kill(machine.runner, signal.SIGKILL)

    session = open_session(machine, rounds=50, duration_s=0.01, advance=kill)
    with pytest.raises(MeasurementError, match="its process ended 3 times without a word"):
        session.run(keep=False)
    assert machine.work_folders == []


def test_a_device_that_stays_away_keeps_measuring_and_the_next_run_fetches_it(
    network, python, open_session, record
):
    machine = network.device(python=python)
    session = open_session(machine, waits_s=(0.01, 0.01), advance=after(1, machine.stop, record))
    with pytest.raises(MeasurementError, match="pi cannot be reached") as caught:
        session.run(keep=False)
    assert "is sshd running there" in caught.value.hint
    assert 1 <= runs_in(record) < 3
    first = records.load(record).runs[0]
    runner = machine.runner
    while is_alive(runner):
        time.sleep(0.05)
    machine.start()
    open_session(machine).run(keep=False)
    assert runs_in(record) == 3
    assert records.load(record).runs[0] == first
    assert machine.work_folders == []


def test_what_was_measured_before_goes_along_to_an_empty_device(
    network, python, open_session, record
):
    """As after a reboot that emptied /tmp."""
    machine = network.device(python=python)
    open_session(machine, rounds=2).run(keep=False)
    first = records.load(record).runs
    open_session(machine, rounds=3).run(keep=False)
    assert records.load(record).runs[:2] == first
    assert runs_in(record) == 3


def test_ctrl_c_ends_the_process_there_and_keeps_what_came(network, python, open_session, record):
    machine = network.device(python=python)
    runners = []

    def interrupt():
        runners.append(machine.runner)
        session.link.stop.set()

    session = open_session(machine, rounds=50, advance=after(1, interrupt, record))
    with pytest.raises(Interrupted):
        session.run(keep=False)
    assert not is_alive(*runners)
    assert runs_in(record) >= 1
    assert list(machine.tmp.iterdir()) == []


def test_a_disk_that_is_full_is_told_and_nothing_half_unpacked_stays(
    network, python, open_session, tmp_path
):
    """No file may be larger than 8 KiB there, which is how it looks when there is no room."""
    small = tmp_path / "bin"
    small.mkdir()
    (small / "python3").write_text(f'#!/bin/sh\nulimit -f 16\nexec {python}/python3 "$@"\n')
    (small / "python3").chmod(0o755)
    machine = network.device(python=small)
    with pytest.raises(StorageError, match=r"pi: cannot write to .*: File too large") as caught:
        open_session(machine).run(keep=False)
    assert "make room there" in caught.value.hint
    assert list(machine.tmp.iterdir()) == []


def test_a_home_that_cannot_be_written_to_does_not_matter(network, python, open_session, record):
    """Nobody can make a folder in /proc, not even root."""
    machine = network.device(python=python, HOME="/proc", TMPDIR="/proc")
    session = open_session(machine, rounds=1)
    session.run(keep=False)
    assert runs_in(record) == 1


def test_an_editable_installation_there_is_refused(network, python, open_session, tmp_path):
    """Its finder comes before all paths: it would measure with its own code."""
    other = tmp_path / "other"
    (other / "scunext_edge").mkdir(parents=True)
    (other / "sitecustomize.py").write_text(
        "import sys, importlib.machinery as m\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        return m.PathFinder.find_spec(name, [{str(tmp_path / 'src')!r}])"
        " if name == 'scunext_edge' else None\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    source = tmp_path / "src"
    source.mkdir()
    (source / "scunext_edge").symlink_to(Path(scunext_edge.__file__).parent)
    machine = network.device(python=python, PYTHONPATH=other)
    with pytest.raises(ConfigError, match="hides what was sent"):
        open_session(machine).run(keep=False)
    assert machine.work_folders == []


def test_files_that_nobody_asked_for_are_not_written(network, python, open_session, tmp_path):
    machine = network.device(python=python)
    session = open_session(machine)
    for name in ("../escaped.measurement.json", "/tmp/x", "other--compute.measurement.json"):
        with pytest.raises(MeasurementError, match="which nobody asked for"):
            session._store(name, "{}")
    before = sorted(tmp_path.rglob("*"))
    for text in ("[]", '{"engines": 1}', '{"engines": {"native": {"available": true}}}'):
        with pytest.raises(ArtifactError, match="does not say which engines"):
            session._store("device.json", text)
    (name,) = session.work.records
    with pytest.raises(ArtifactError):
        session._store(name, "half a rec")
    left = set(tmp_path.rglob("*")) - set(before)
    assert not [path for path in left if path.is_file()]
