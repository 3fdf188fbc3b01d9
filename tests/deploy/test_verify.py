"""A bundle is what was signed, to the byte, or the file that is not is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from scunext_edge.deploy.manifest import MANIFEST, SIGNATURE, write_manifest
from scunext_edge.deploy.signing import make_keys, private_key, public_key, sign
from scunext_edge.deploy.verify import verify
from scunext_edge.errors import ConfigError, StorageError

ALTERATIONS = [
    "a file was added",
    "a file was removed",
    "one byte of a model",
    "one byte of a golden mask",
    "one byte of the manifest",
    "one byte of the signature",
    "signed again with another key",
    "a model became a link",
    "the model card was edited",
    "a wheel was swapped",
]


def named(bundle, key):
    return {found.file: found.problem for found in verify(bundle, key).findings}


def test_an_untouched_bundle_has_no_findings_and_an_id(signed, key):
    found = verify(signed, key)
    assert found.findings == ()
    assert len(found.bundle_id) == 16


def test_the_ten_alterations_are_these(planted, keys):
    assert list(planted(keys[1])) == ALTERATIONS


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_planted_alteration_is_refused_and_its_file_named(signed, key, keys, planted, name):
    file = planted(keys[1])[name](signed)
    assert file in named(signed, key)


def test_a_strangers_signature_is_told_from_an_altered_one(signed, key, keys):
    sign(signed, (signed / MANIFEST).read_bytes(), private_key(keys[1]))
    assert "was made with another key" in named(signed, key)[SIGNATURE]


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE])
def test_without_manifest_or_signature_nothing_is_believed(signed, key, name):
    (signed / name).unlink()
    assert "missing" in named(signed, key)[name]


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE])
def test_every_byte_of_manifest_and_signature_counts(signed, key, name):
    path = signed / name
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert verify(signed, key).findings
    for longer in (content + b"\n", b" " + content):
        path.write_bytes(longer)
        assert verify(signed, key).findings


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/passwd", "models//x", "models/../bundle.json", ".hidden", "a b"]
)
def test_a_manifest_with_a_path_that_leads_elsewhere_is_no_manifest(signed, key, keys, path):
    """Even when it is signed: whoever signed it did not use this tool."""
    text = (signed / MANIFEST).read_text() + f"{'0' * 64}  {path}\n"
    (signed / MANIFEST).write_text(text)
    sign(signed, text.encode(), private_key(keys[0]))
    assert named(signed, key) == {MANIFEST: "is no manifest of a bundle"}


def test_an_empty_folder_a_pipe_and_a_linked_folder_are_refused(signed, key, tmp_path):
    (signed / "empty").mkdir()
    os.mkfifo(signed / "pipe")
    (tmp_path / "elsewhere").mkdir()
    (signed / "linked").symlink_to(tmp_path / "elsewhere")
    found = named(signed, key)
    assert set(found) == {"empty", "pipe", "linked"}
    assert "symbolic link" in found["linked"]


def test_a_manifest_that_is_a_link_is_not_read(signed, key, tmp_path):
    (signed / MANIFEST).replace(tmp_path / "m")
    (signed / MANIFEST).symlink_to(tmp_path / "m")
    assert MANIFEST in named(signed, key)


def test_what_a_manifest_cannot_name_is_not_bundled(signed):
    (signed / "a b.txt").touch()
    with pytest.raises(ConfigError, match=r"cannot hold 'a b\.txt'"):
        write_manifest(signed)


def test_sha256sum_reads_the_manifest(signed):
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum here")
    command = ["sha256sum", "--check", "--strict", "--quiet", MANIFEST]
    assert subprocess.run(command, cwd=signed).returncode == 0
    (signed / "model-card.md").write_text("edited")
    done = subprocess.run(command, cwd=signed, capture_output=True, text=True)
    assert done.returncode == 1
    assert "model-card.md" in done.stdout


def test_openssl_checks_the_signature(signed, keys, tmp_path):
    """So that a bundle can be checked with nothing of ours."""
    import base64

    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    stated = json.loads((signed / SIGNATURE).read_text())
    (tmp_path / "raw").write_bytes(base64.b64decode(stated["signature"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", f"{keys[0]}.pub", "-rawin"]
    command += ["-in", str(signed / MANIFEST), "-sigfile", str(tmp_path / "raw")]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_a_private_key_is_its_owners_alone_and_is_never_overwritten(tmp_path):
    pytest.importorskip("cryptography")
    public = make_keys(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert b"PUBLIC KEY" in public.read_bytes()
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(StorageError, match="exists already"):
        make_keys(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        private_key(tmp_path / "key")


def test_another_file_is_no_key(tmp_path, keys):
    (tmp_path / "text").write_text("no key")
    (tmp_path / "text").chmod(0o600)
    for read, path in ((private_key, tmp_path / "text"), (public_key, tmp_path / "text")):
        with pytest.raises(ConfigError, match="Ed25519 key"):
            read(path)
    with pytest.raises(ConfigError, match="no public Ed25519 key"):
        public_key(keys[0])
    with pytest.raises(ConfigError, match="cannot be read"):
        public_key(tmp_path / "absent")
    with pytest.raises(ConfigError, match="no such folder"):
        verify(tmp_path / "absent", public_key(keys[0].with_name("ours.pub")))
