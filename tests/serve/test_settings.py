"""What is refused before anything is served."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from scunext_edge.data.images import MAX_PIXELS
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


def pair(folder, name, password=None):
    """A certificate and its key, as files."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder(who, who, key.public_key(), 1, now, now + timedelta(days=1))
    locked = serialization.BestAvailableEncryption(password) if password else None
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            locked or serialization.NoEncryption(),
        )
    )
    return paths


def test_a_certificate_is_tried_with_its_key_before_anything_is_served(tmp_path):
    one, other = pair(tmp_path, "one"), pair(tmp_path, "other")
    locked = pair(tmp_path, "locked", b"secret")
    check(Settings(state=Path("s"), tls=one))
    for path in (tmp_path / "no.crt", tmp_path / "no.key"):
        path.write_text("no PEM\n")
    for tls in ((tmp_path / "no.crt", tmp_path / "no.key"), (one[0], other[1]), locked):
        with pytest.raises(ConfigError, match="cannot be used for TLS") as refused:
            check(Settings(state=Path("s"), tls=tls))
        assert all(str(path) in str(refused.value) for path in tls)


def test_no_more_pixels_are_promised_than_are_decoded():
    check(Settings(state=Path("s"), max_pixels=MAX_PIXELS))
    with pytest.raises(ConfigError, match=r"is 90 megapixels.* than 89\.48 is decoded"):
        check(Settings(state=Path("s"), max_pixels=90_000_000))
