"""The whole passport: complete, private, and null where nothing is known."""

from __future__ import annotations

import getpass
import json
import os
import platform

from scunext_edge.benchmarks.passport import Window, conditions, machine, versions


def test_nothing_names_the_user_the_host_or_a_folder():
    text = json.dumps({**machine(), **Window().close()}).replace("GNU/Linux", "")
    assert "/" not in text
    strings = {json.dumps(name) for name in (platform.node(), getpass.getuser())}
    assert not [string for string in strings if string in text]


def test_it_is_what_json_makes_of_it(nobody):
    """Stored machines are compared with this one, so nothing may change on the way."""
    found = {**machine(ask=nobody), **conditions(ask=nobody)}
    assert json.loads(json.dumps(found)) == found


def test_an_empty_machine_is_null_and_no_error(tmp_path, nobody):
    found = machine(tmp_path, ask=nobody)
    here = {"architecture", "cores_logical", "os", "kernel", "python", "isa"}
    assert {name for name, value in found.items() if value is not None} == here
    here = {"monotonic_s", "own_cpu_s", "cpus_allowed", "cpus_allowed_list", "thread_settings"}
    found = conditions(tmp_path, ask=nobody)
    assert {name for name, value in found.items() if value is not None} == here


def test_a_window_tells_who_was_busy_meanwhile(write, nobody):
    def stat(ticks):
        fields = f"S 1 1 1 0 -1 4194560 9 9 9 9 {ticks} 0 77 77 20 0 1 0 50 1 2 3"
        return {"proc/77/stat": f"77 (indexer) {fields}\n"}

    window = Window(write(stat(10)), ask=nobody)
    write(stat(10 + 2 * os.sysconf("SC_CLK_TCK")))
    found = window.close()
    assert set(found) == {"before", "after", "versions"}
    assert found["after"]["foreign_processes"] == [{"name": "indexer", "cpu_s": 2.0}]
    assert found["before"]["monotonic_s"] <= found["after"]["monotonic_s"]
    assert "foreign_processes" not in found["before"]


def test_versions_are_those_of_what_is_installed():
    import numpy

    found = versions()
    assert found["numpy"] == numpy.__version__
    assert found["scunext-edge"]
    assert found["tensorrt"] is None or isinstance(found["tensorrt"], str)
