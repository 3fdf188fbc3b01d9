"""What is refused before anything is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from scunext_edge.errors import ConfigError
from scunext_edge.serve.settings import Settings, check, is_loopback, read_token


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_alone_is_loopback(host):
    assert is_loopback(host)
    check(Settings(state=Path("s"), host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_a_network_is_not_served_without_a_token(host):
    with pytest.raises(ConfigError, match="there is no token"):
        check(Settings(state=Path("s"), host=host))
    check(Settings(state=Path("s"), host=host, token="x" * 16))


def test_a_name_that_stands_for_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"no\.such\.invalid is no address"):
        is_loopback("no.such.invalid")


def test_a_token_comes_from_a_file_that_others_cannot_read(tmp_path):
    path = tmp_path / "token"
    path.write_text("0123456789abcdef\n")
    for mode in (0o600, 0o400, 0o440):
        path.chmod(mode)
        assert read_token(path) == "0123456789abcdef"
    for mode in (0o644, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(ConfigError, match="by others") as refused:
            read_token(path)
        assert refused.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("text", ["", "short", "with a space in it", "é" * 20])
def test_what_is_no_token_is_refused_and_not_shown(tmp_path, text):
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as refused:
        read_token(path)
    assert not text or text not in f"{refused.value} {refused.value.hint}"


def test_a_certificate_has_to_be_there(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        check(Settings(state=Path("s"), tls=(tmp_path / "a", tmp_path / "b")))
