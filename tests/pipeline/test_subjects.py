"""What a name or a path stands for; nothing is guessed."""

from __future__ import annotations

import pytest

from scunext_edge.artifacts import Card, load, new_artifact
from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.pipeline.subjects import resolve
from scunext_edge.spec import ModelSpec
from scunext_edge.weights import shipped


@pytest.fixture
def make(tmp_path):
    """``make(name, content, ...)``: an artifact whose bytes are its name unless said otherwise."""

    def artifact(name, content=None, *, model="unext", format="safetensors", size=64, **card):
        fields = {"model": model, "format": format, "precision": "fp32", **card}
        with new_artifact(tmp_path / name, Card(spec=ModelSpec(size=size), **fields)) as folder:
            (folder / "weights.bin").write_bytes((content or name).encode())
        return load(tmp_path / name)

    return artifact


@pytest.fixture
def nothing_ships(monkeypatch):
    monkeypatch.setattr(shipped, "names", lambda: ())


@pytest.fixture
def ships(monkeypatch, make):
    """A package that ships one network, ``scunext`` at 64."""
    forms = {
        "checkpoint": make("checkpoint", model="scunext"),
        "onnx-fp32": make("onnx-fp32", model="scunext", format="onnx"),
        "onnx-int8": make("onnx-int8", model="scunext", format="onnx", precision="int8"),
        "native-fp32": make("native-fp32", model="scunext", format="native"),
        "native-int8": make("native-int8", model="scunext", format="native", precision="int8"),
    }
    monkeypatch.setattr(shipped, "names", lambda: ("scunext",))
    monkeypatch.setattr(shipped, "shipped", lambda model, form: forms[form])
    return forms


def test_a_name_without_shipped_weights_is_an_untrained_network(nothing_ships):
    (subject,) = resolve(["unet"], None)
    assert (subject.label, subject.model, subject.size) == ("unet", "unet", 256)
    assert not subject.trained
    assert subject.known is None


def test_a_name_with_shipped_weights_is_all_its_forms(ships):
    (subject,) = resolve(["scunext"], None)
    assert subject.trained
    assert (subject.label, subject.size) == ("scunext", 64)
    assert (subject.checkpoint, subject.onnx_fp32, subject.onnx_int8) == tuple(ships.values())[:3]
    assert subject.native == {it: ships[f"native-{it}"] for it in ("fp32", "int8")}


def test_at_another_size_only_the_shipped_checkpoint_is_of_use(ships):
    (subject,) = resolve(["scunext"], 96)
    assert (subject.size, subject.checkpoint) == (96, ships["checkpoint"])
    assert subject.onnx_fp32 is subject.onnx_int8 is None
    assert not subject.native


def test_a_path_is_the_artifact_there(make, nothing_ships):
    artifact = make("mine")
    for path in (artifact.directory, artifact.file(".bin")):
        (subject,) = resolve([str(path)], None)
        assert (subject.label, subject.model, subject.size) == ("unext", "unext", 64)
        assert subject.checkpoint == subject.known == artifact


def test_a_folder_in_the_working_directory_is_an_artifact_by_its_plain_name(
    make, monkeypatch, tmp_path, nothing_ships
):
    artifact = make("mine")
    monkeypatch.chdir(tmp_path)
    (subject,) = resolve(["mine"], None)
    assert subject.known is not None
    assert subject.known.id == artifact.id


def test_the_name_of_a_network_wins_over_a_folder_of_that_name(
    make, monkeypatch, tmp_path, nothing_ships
):
    make("unext")
    monkeypatch.chdir(tmp_path)
    assert not resolve(["unext"], None)[0].trained
    assert resolve(["./unext"], None)[0].trained


@pytest.mark.parametrize(
    ("details", "trained"),
    [({}, True), ({"training": {"epoch": 1}}, True), ({"training": None}, False)],
)
def test_an_artifact_is_trained_unless_its_card_says_that_it_is_not(
    make, nothing_ships, details, trained
):
    (subject,) = resolve([str(make("mine", details=details).directory)], None)
    assert subject.trained is trained


def test_an_onnx_artifact_can_be_measured_at_its_own_size_only(make, nothing_ships):
    path = str(make("mine", format="onnx").directory)
    (subject,) = resolve([path], None)
    assert subject.onnx_fp32 is not None
    assert subject.checkpoint is None
    with pytest.raises(ConfigError, match="onnx fp32 at 64: a benchmark at 128") as caught:
        resolve([path], 128)
    assert "give a checkpoint" in caught.value.hint


def test_an_artifact_that_nothing_can_be_made_from_is_refused(make, nothing_ships):
    path = str(make("mine", format="onnx", precision="int8").directory)
    with pytest.raises(ConfigError, match="is onnx int8 at 64"):
        resolve([path], None)


def test_two_of_the_same_network_get_labels_of_their_own(make, nothing_ships):
    one, two = make("one"), make("two")
    names = [str(one.directory), str(two.directory), "unet"]
    labels = [subject.label for subject in resolve(names, None)]
    assert labels == [f"unext-{one.id[:6]}", f"unext-{two.id[:6]}", "unet"]


def test_a_shipped_network_beside_an_artifact_of_it_can_be_told_apart(make, ships):
    labels = [s.label for s in resolve(["scunext", str(make("x", model="scunext").directory)], 64)]
    assert len(set(labels)) == 2


def test_the_same_network_twice_is_refused(make, nothing_ships):
    path = str(make("mine").directory)
    for names in (["unet", "unet"], [path, path]):
        with pytest.raises(ConfigError, match="is asked for twice"):
            resolve(names, None)


def test_a_misspelled_name_is_refused_with_the_nearest(nothing_ships):
    with pytest.raises(ConfigError, match="no network called 'sunext'") as caught:
        resolve(["sunext"], None)
    assert caught.value.hint == "did you mean scunext?"


@pytest.mark.parametrize("name", ["runs/nothing", "nothing.onnx", "./unext/"])
def test_a_path_where_nothing_is_says_so(name, tmp_path, monkeypatch, nothing_ships):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="is no artifact"):
        resolve([name], None)


@pytest.mark.parametrize("size", [100, 0, -32])
def test_a_size_that_the_networks_do_not_take_is_refused(size, ships, make):
    for name in ("unet", "scunext", str(make("mine").directory)):
        with pytest.raises(ConfigError, match=f"multiples of 32, not {size}"):
            resolve([name], size)
