from __future__ import annotations

import json

import pytest
import torch
from safetensors import SafetensorError

from scunext_edge import artifacts
from scunext_edge.artifacts import load
from scunext_edge.errors import ArtifactError, ConfigError, StorageError
from scunext_edge.models import registry
from scunext_edge.models.checkpoint import WEIGHTS, load_network, random_network, save_network
from scunext_edge.spec import ModelSpec
from scunext_edge.storage import read_json, sha256_of, write_json

OPTIONS = {"skip": False, "fuse": True}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return registry.build("scunext", **OPTIONS).eval()


@pytest.fixture
def saved(network, tmp_path):
    return save_network(
        network,
        tmp_path / "net",
        model="scunext",
        spec=ModelSpec(size=64),
        options=OPTIONS,
        details={"training": {"epoch": 3}},
    )


def resign(directory):
    """Make the card fit the altered bytes, so that only the content is wrong."""
    card = read_json(directory / artifacts.CARD)
    card["digests"] = {name: sha256_of(directory / name) for name in card["digests"]}
    write_json(directory / artifacts.CARD, card)


def change_card(directory, **changes):
    write_json(directory / artifacts.CARD, {**read_json(directory / artifacts.CARD), **changes})


def test_a_network_comes_back_bit_by_bit(network, saved):
    back = load_network(load(saved.directory))
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    assert not back.training
    with torch.no_grad():
        expected = network(back.normalise(image.float().permute(0, 3, 1, 2)))
        assert torch.equal(back(image), expected)


def test_the_card_says_what_the_network_is(saved):
    card = load(saved.directory).card
    assert (card.model, card.options, card.format) == ("scunext", OPTIONS, "safetensors")
    assert card.precision == "fp32"
    assert card.spec.size == 64
    assert card.details == {"training": {"epoch": 3}}


def test_weights_in_another_memory_layout_are_stored_alike(network, saved, tmp_path):
    moved = network.to(memory_format=torch.channels_last)
    again = save_network(
        moved, tmp_path / "moved", model="scunext", spec=ModelSpec(size=64), options=OPTIONS
    )
    assert again.id == saved.id


def test_a_file_cut_in_half_is_noticed_by_its_digest(saved):
    path = saved.directory / WEIGHTS
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ArtifactError, match="altered"):
        load(saved.directory)


def test_a_file_cut_in_half_is_noticed_even_with_a_fitting_digest(saved):
    path = saved.directory / WEIGHTS
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    resign(saved.directory)
    with pytest.raises(ArtifactError, match=f"{WEIGHTS} does not hold the weights of scunext"):
        load_network(load(saved.directory))


@pytest.mark.parametrize("changes", [{"model": "unext", "options": {}}, {"options": {}}])
def test_weights_of_another_network_are_refused(saved, changes):
    change_card(saved.directory, **changes)
    with pytest.raises(ArtifactError, match="does not hold the weights") as caught:
        load_network(load(saved.directory))
    assert caught.value.hint


def test_a_card_that_names_no_network_of_ours_is_refused(saved):
    change_card(saved.directory, model="scunexxt")
    with pytest.raises(ConfigError, match="scunexxt"):
        load_network(load(saved.directory))


def test_other_formats_are_no_checkpoints(saved):
    change_card(saved.directory, format="onnx")
    with pytest.raises(ArtifactError, match="onnx artifact, not a checkpoint"):
        load_network(load(saved.directory))


def test_nothing_is_left_of_a_network_that_could_not_be_written(network, tmp_path, monkeypatch):
    def fail(state, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr("scunext_edge.models.checkpoint.save_file", fail)
    with pytest.raises(StorageError, match="No space left"):
        save_network(network, tmp_path / "net", model="scunext", spec=ModelSpec(size=64))
    assert list(tmp_path.iterdir()) == []


def test_random_weights_follow_from_the_seed_and_leave_torchs_alone(tmp_path):
    before = torch.random.get_rng_state()
    ids = [random_network("unext", tmp_path / str(s), size=32, seed=s % 2).id for s in (0, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert ids[0] == ids[2] != ids[1]
    note = json.loads((tmp_path / "0" / artifacts.CARD).read_text())["details"]
    assert note["training"] is None
