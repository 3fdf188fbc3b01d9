"""Keys, and a folder that is signed as a bundle is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def load(name):
    """A module that lies beside the tests."""
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def planted():
    pytest.importorskip("cryptography")
    return load("alterations").planted


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Two private keys; ``NAME.pub`` lies beside each."""
    pytest.importorskip("cryptography")
    from scunext_edge.deploy.signing import make_keys

    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        make_keys(folder / name)
    return folder / "ours", folder / "theirs"


@pytest.fixture
def signed(tmp_path, keys):
    """The shape of a bundle with made-up content, signed with the first key."""
    from scunext_edge.deploy.manifest import write_manifest
    from scunext_edge.deploy.signing import private_key, sign

    bundle = tmp_path / "bundle"
    for name in (
        "bundle.json",
        "model-card.md",
        "golden/images/a.png",
        "golden/masks/native-int8/a.png",
        "models/native-int8/model.scx",
        "wheels/one-1-py3-none-any.whl",
        "wheels/two-1-py3-none-any.whl",
    ):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text(f"content of {name}\n")
    sign(bundle, write_manifest(bundle).encode(), private_key(keys[0]))
    return bundle
