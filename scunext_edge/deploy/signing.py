"""Ed25519 keys as PEM files, and a signature over a manifest; all cryptography is the library's.

The signed bytes are the manifest's own, so that ``openssl pkeyutl`` can check them, too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scunext_edge.deploy.manifest import MANIFEST, SIGNATURE, Finding
from scunext_edge.errors import ConfigError, StorageError, require
from scunext_edge.storage import new_file, storage_errors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

# 1: first form
SCHEMA = 1
KIND = "signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that checks signatures."""

    id: str  # the first 16 hexadecimal digits of the SHA-256 of its 32 bytes
    key: Ed25519PublicKey


def make_keys(private: Path) -> Path:
    """Write a new private key, readable by its owner alone, and ``<private>.pub`` beside it.

    Returns the path of the public key. A file that exists is never overwritten.
    """
    require("cryptography", "bundle", needed_for="making keys")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = private.with_name(f"{private.name}.pub")
    for path in (private, public):
        if path.exists():
            raise StorageError(f"{path} exists already", hint="keep it, and choose another name")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with storage_errors(private):
        private.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secret)
    with new_file(public) as temporary:
        temporary.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    return public


def private_key(path: Path) -> Ed25519PrivateKey:
    """Read a key that :func:`make_keys` wrote; one that others can read is refused."""
    require("cryptography", "bundle", needed_for="signing a bundle")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _content(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"{path} can be read by others", hint=f"chmod 600 {path}")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "private") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private")
    return key


def public_key(path: Path) -> PublicKey:
    """Read the public half of a pair."""
    require("cryptography", "bundle", needed_for="checking a signature")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_content(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "public") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public")
    return _identified(key)


def sign(bundle: Path, manifest: bytes, key: Ed25519PrivateKey) -> str:
    """Write the signature of ``manifest`` into ``bundle`` and return the key's id."""
    key_id = _identified(key.public_key()).id
    with new_file(bundle / SIGNATURE) as temporary:
        temporary.write_bytes(_document(manifest, key_id, key.sign(manifest)))
    return key_id


def check(manifest: bytes, signature: bytes, key: PublicKey) -> Finding | None:
    """What is wrong with ``signature``, the content of its file, or None."""
    try:
        stated = json.loads(signature)
        raw = base64.b64decode(stated["signature"], validate=True)
        key_id, digest = stated["key_id"], stated["manifest_sha256"]
    except (ValueError, KeyError, TypeError):
        return Finding(file=SIGNATURE, problem="is no signature of a bundle")
    if key_id != key.id:
        return Finding(
            file=SIGNATURE, problem=f"was made with another key: {key_id!r}, not {key.id}"
        )
    if digest != hashlib.sha256(manifest).hexdigest():
        return Finding(file=MANIFEST, problem="was altered after it was signed")
    if signature != _document(manifest, key.id, raw) or not _is_signed(manifest, raw, key):
        return Finding(file=SIGNATURE, problem="was altered: it does not hold for this key")
    return None


def _is_signed(manifest: bytes, signature: bytes, key: PublicKey) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.key.verify(signature, manifest)
    except InvalidSignature:
        return False
    return True


def _document(manifest: bytes, key_id: str, signature: bytes) -> bytes:
    """The one way in which a signature is written: no byte of it may differ."""
    content = {
        "schema": SCHEMA,
        "kind": KIND,
        "algorithm": "ed25519",
        "key_id": key_id,
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "signature": base64.b64encode(signature).decode(),
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def _identified(key: Ed25519PublicKey) -> PublicKey:
    return PublicKey(id=hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16], key=key)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the key {path} cannot be read: {error.strerror}",
            hint="scunext-edge bundle keygen --out KEY makes a pair",
        ) from error


def _no_key(path: Path, half: str) -> ConfigError:
    return ConfigError(
        f"{path} is no {half} Ed25519 key",
        hint="scunext-edge bundle keygen --out KEY makes KEY, which is private, and KEY.pub",
    )
