"""Destinations: what ssh takes, and nothing that it would take for an option."""

from __future__ import annotations

import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.pipeline.remote.hosts import hosts


def test_a_destination_has_a_name_fit_for_a_folder():
    found = hosts(["pi@raspberrypi.local", "jetson", "ssh://me@10.0.0.7:2222", "u@[fe80::1]"])
    assert [(host.target, host.name) for host in found] == [
        ("pi@raspberrypi.local", "pi@raspberrypi.local"),
        ("jetson", "jetson"),
        ("ssh://me@10.0.0.7:2222", "me@10.0.0.7_2222"),
        ("u@[fe80::1]", "u@_fe80__1"),
    ]


def test_a_file_names_many(tmp_path):
    path = tmp_path / "hosts.txt"
    path.write_text("# the ward\npi-1\n\npi-2 ~/venv/bin/python3  # by the window\n")
    found = hosts([f"@{path}", "pi-3"])
    assert [host.target for host in found] == ["pi-1", "pi-2", "pi-3"]
    assert [host.python for host in found] == [None, "~/venv/bin/python3", None]
    path.write_text("pi-1 -o ProxyCommand=id\n")
    with pytest.raises(ConfigError, match="more than a machine and its Python"):
        hosts([f"@{path}"])
    with pytest.raises(ConfigError, match="cannot be read"):
        hosts([f"@{tmp_path / 'none'}"])


@pytest.mark.parametrize(
    "text",
    ["-oProxyCommand=id", "me@-oProxyCommand=id", "a b", "host;id", "$(id)", "", "../up", "a/b"],
)
def test_what_ssh_or_a_shell_could_misread_is_refused(text):
    with pytest.raises(ConfigError, match="no machine that ssh could reach"):
        hosts([text])


def test_a_machine_is_named_once():
    with pytest.raises(ConfigError, match="pi is there twice"):
        hosts(["pi", "pi"])
    with pytest.raises(ConfigError, match="no machine is named"):
        hosts([])
