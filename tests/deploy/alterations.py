"""Ten ways in which a bundle may be spoiled: each makes its change and says which file it is in."""

from __future__ import annotations

from scunext_edge.deploy.manifest import MANIFEST, SIGNATURE
from scunext_edge.deploy.signing import private_key, sign


def planted(other_key):
    """Name to a function that spoils the bundle it is given; ``other_key``: a stranger's."""
    return {
        "a file was added": lambda bundle: _write(bundle, "models/extra.bin", b"extra"),
        "a file was removed": lambda bundle: _remove(bundle, "golden/images/*.png"),
        "one byte of a model": lambda bundle: _flip(bundle, "models/*/model.*"),
        "one byte of a golden mask": lambda bundle: _flip(bundle, "golden/masks/*/*.png"),
        "one byte of the manifest": lambda bundle: _flip(bundle, MANIFEST, at=3),
        "one byte of the signature": lambda bundle: _flip(bundle, SIGNATURE, at=-20),
        "signed again with another key": lambda bundle: _sign_again(bundle, other_key),
        "a model became a link": lambda bundle: _link(bundle, "models/*/model.*"),
        "the model card was edited": lambda bundle: _edit(bundle, "model-card.md"),
        "a wheel was swapped": lambda bundle: _swap(bundle, "wheels/*.whl"),
    }


def _first(bundle, pattern):
    return sorted(bundle.glob(pattern))[0]


def _write(bundle, name, content):
    (bundle / name).write_bytes(content)
    return name


def _remove(bundle, pattern):
    path = _first(bundle, pattern)
    path.unlink()
    return path.relative_to(bundle).as_posix()


def _flip(bundle, pattern, at=None):
    path = _first(bundle, pattern)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    path.write_bytes(content)
    return path.relative_to(bundle).as_posix()


def _sign_again(bundle, other_key):
    sign(bundle, (bundle / MANIFEST).read_bytes(), private_key(other_key))
    return SIGNATURE


def _link(bundle, pattern):
    """The same bytes by way of a link, which can lead elsewhere tomorrow."""
    path = _first(bundle, pattern)
    outside = bundle.parent / f"{bundle.name}-outside"
    path.replace(outside)
    path.symlink_to(outside)
    return path.relative_to(bundle).as_posix()


def _edit(bundle, name):
    path = bundle / name
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "It has been validated clinically.\n", encoding="utf-8")
    return name


def _swap(bundle, pattern):
    """The content of one wheel under the name of another."""
    first, second = sorted(bundle.glob(pattern))[:2]
    first.write_bytes(second.read_bytes())
    return first.relative_to(bundle).as_posix()
