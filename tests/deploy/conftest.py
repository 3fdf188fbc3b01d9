"""Keys, folders that are signed as bundles are, and one whole bundle on made-up evidence."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from scunext_edge import __version__
from scunext_edge.errors import BackendMissing
from scunext_edge.kernels.native import find_library
from scunext_edge.results import Latency, Row, to_json
from scunext_edge.storage import write_json
from scunext_edge.weights.shipped import shipped

HERE = Path(__file__).parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TARGET = {"x86_64": "x86-cpu", "aarch64": "arm64"}.get(platform.machine())


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
def key(keys):
    from scunext_edge.deploy.signing import public_key

    return public_key(keys[0].with_name("ours.pub"))


@pytest.fixture
def sign_again(keys):
    """Sign a bundle that was changed on purpose, with the key that is trusted."""
    from scunext_edge.deploy.manifest import write_manifest
    from scunext_edge.deploy.signing import private_key, sign

    return lambda bundle: sign(bundle, write_manifest(bundle).encode(), private_key(keys[0]))


@pytest.fixture
def signed(tmp_path, sign_again):
    """The shape of a bundle with made-up content, signed with the first key."""
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
    sign_again(bundle)
    return bundle


def row(backend, precision, artifact, **facts):
    """A row of a benchmark, as far as a bundle reads it."""
    latency = Latency(region="compute", median=2.0, mad=0.1, p90=2.1, p99=2.2, n=20, processes=5)
    return Row(
        **{
            "model": "scunext",
            "backend": backend,
            "precision": precision,
            "quantizer": "qdq" if precision == "int8" else None,
            "device": "cpu",
            "threads": 1,
            "input_size": 256,
            "status": "ok",
            "artifact_id": artifact.id,
            "latency_ms": latency,
            "stability": "stable",
            "dice": 0.8,
            "gate": "passed",
            "worst_image": "patient_17",
            **facts,
        }
    )


@pytest.fixture(scope="session")
def make_row():
    return row


@pytest.fixture(scope="session")
def native_rows():
    return [
        row("native", "fp32", shipped("scunext", "native-fp32"), gate="reference"),
        row("native", "int8", shipped("scunext", "native-int8")),
    ]


@pytest.fixture(scope="session")
def write_run():
    """``write_run(folder, rows)``: what `bench` leaves, as far as a bundle reads it."""

    def write(folder, rows):
        content = to_json(
            rows,
            created="2026-01-01T00:00:00+00:00",
            tool={},
            environment={},
            data={"name": "made up", "split": "test", "images": 9, "hash": "0"},
        )
        gate = {"limits": {"dice": 0.005}, "confidence": 0.95}
        write_json(folder / "results.json", {**content, "gate": gate, "suite": "default"})
        return folder

    return write


def wheel(folder, name, number, *, tag="py3-none-any", files=(), metadata=""):
    """The least that pip takes for a wheel."""
    stem = name.replace("-", "_")
    info = f"{stem}-{number}.dist-info"
    path = folder / f"{stem}-{number}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as opened:
        for file in files:
            opened.writestr(file, b"")
        opened.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n{metadata}",
        )
        opened.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        opened.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="session")
def make_wheel():
    return wheel


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """A folder of empty wheels, called as those that a bundle asks for."""
    from scunext_edge.deploy.wheels import NEEDED

    folder = tmp_path_factory.mktemp("wheels")
    for name in (*NEEDED, "onnxruntime", "cuda-bindings", "tomli", "backport"):
        try:
            number = "13.0" if name == "cuda-bindings" else version(name)
        except PackageNotFoundError:
            number = "1.0"
        wheel(folder, name, number, metadata="License-Expression: MIT\nSummary: empty\n")
    # pip asks the Python that runs it about such a condition, and not the one of the device.
    needs = "Requires-Dist: backport; python_version < '3.11'\n"
    wheel(folder, "answering", "1.0", metadata=needs)
    return folder


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """``own(machine)``: a wheel called as ours, with an empty library."""
    folder = tmp_path_factory.mktemp("own")

    def build(machine):
        library = "scunext_edge/kernels/libscunext.so"
        tag = f"py3-none-linux_{machine}"
        return wheel(
            folder,
            "scunext-edge",
            __version__,
            tag=tag,
            files=[library],
            metadata="Provides-Extra: serve\nRequires-Dist: answering>=1; extra == 'serve'\n",
        )

    return build


@pytest.fixture(scope="session")
def settings(tmp_path_factory, keys, wheels, own, native_rows, write_run):
    """``settings(out, **changes)`` for a bundle for this machine that needs no network."""
    pytest.importorskip("cyclonedx")
    from scunext_edge.deploy.make import Settings

    if TARGET is None:
        pytest.skip("no target is a machine like this one")
    try:
        find_library()
    except BackendMissing as error:
        pytest.skip(str(error))
    run = write_run(tmp_path_factory.mktemp("run"), native_rows)

    def build(out, **changes):
        asked = {
            "artifact": "scunext",
            "target": TARGET,
            "out": out,
            "key": keys[0],
            "run": run,
            "wheel": own(platform.machine()),
            "wheels": wheels,
            "python": PYTHON,
            # Tests run on machines that do other things as well.
            "limit_ms": 60_000.0,
        }
        return Settings(**{**asked, **changes})

    return build


@pytest.fixture(scope="session")
def made(tmp_path_factory, settings):
    """A bundle of the native forms; not to be changed."""
    from scunext_edge.deploy.make import make

    out = tmp_path_factory.mktemp("made") / "bundle"
    assert make(settings(out)).refusal is None
    return out


@pytest.fixture
def bundle(made, tmp_path):
    """A copy, to do harm to."""
    return Path(shutil.copytree(made, tmp_path / "bundle"))
