"""Fine-tuning gives back what coarse weights cost, stores as it goes, and can be gone on with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scunext_edge.errors import ConfigError, ExportError
from scunext_edge.models import registry
from scunext_edge.models.checkpoint import load_network
from scunext_edge.models.contract import Deployable
from scunext_edge.spec import ModelSpec
from scunext_edge.training import qat
from scunext_edge.training.fake_quantization import FakeQuantized
from scunext_edge.training.folding import fold
from scunext_edge.training.losses import joint_loss
from scunext_edge.training.passes import validated
from scunext_edge.training.placement import Placed
from scunext_edge.training.prepare import prepare
from scunext_edge.training.recipe import preset
from scunext_edge.training.train import Job, train

SIZE = 64


@pytest.fixture(scope="module")
def checkpoint(lesions, tmp_path_factory):
    """A network that has learned what drawn lesions are, in a few seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    trained = train(
        Job(
            model="unext",
            recipe=preset(
                "fast", epochs=12, batch=4, size=SIZE, precision="fp32", average=0.5, lr=3e-3
            ),
            train=lesions,
            val=lesions,
            out=tmp_path_factory.mktemp("trained"),
            data={"left_out": ["train1"]},
        )
    )
    torch.set_num_threads(threads)
    return trained


@pytest.fixture(scope="module")
def placed(checkpoint):
    """Every convolution and product, weights in two bits and per tensor: a hard setting."""
    network = load_network(checkpoint).network
    found, norms = [], dict(network.named_modules())
    for name, layer in network.named_modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            weight = layer.weight.detach()
            norm = norms.get(f"{name.removesuffix('conv')}bn") if name.endswith("conv") else None
            if isinstance(norm, torch.nn.BatchNorm2d) and not name.endswith("dwconv"):
                factor = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
                weight = weight * factor.view(-1, 1, 1, 1)
            found.append(
                Placed(node=name, weight=weight.numpy(), axis=None, top=1, input_scale=0.05)
            )
    return found


@pytest.fixture
def tuning(checkpoint, placed, tmp_path):
    return qat.Tuning(
        checkpoint=checkpoint,
        placed=placed,
        size=SIZE,
        epochs=3,
        out=tmp_path / "run",
        start={"int8": "0123", "weights": {"bits": 2, "per_channel": False}},
    )


def loss_of(network, packed):
    with torch.inference_mode():
        truth = packed.masks[:, None].float()
        return float(joint_loss(network(packed.images), truth, edge_weight=0.5))


def rounded(artifact, placed):
    network = load_network(artifact)
    layers = fold(network.network, placed_for(network.network, placed))
    return Deployable(FakeQuantized(network.network, layers), ModelSpec(size=SIZE)).eval()


def placed_for(network, placed):
    """The same places with the weights that ``network`` has now; its norms are folded."""
    layers = dict(network.named_modules())
    return [replace(it, weight=layers[it.node].weight.detach().numpy()) for it in placed]


def test_what_was_lost_by_rounding_is_learned_back(tuning, placed, folder, monkeypatch):
    monkeypatch.setattr(qat, "RATE", 1e-3)  # so that a few steps suffice
    data = folder(train=48, val=8)
    val = prepare(data, size=SIZE).val
    plain, before = load_network(tuning.checkpoint), qat.network(tuning)
    tuned = qat.tune(tuning, data)
    after = rounded(tuned, placed)
    lost = loss_of(before, val) - loss_of(plain, val)
    assert lost > 0.05
    assert loss_of(after, val) < loss_of(before, val) - lost / 2


def test_the_best_epoch_is_that_of_the_rounded_network(tuning, placed, folder):
    data = folder(train=16, val=8)
    tuned = qat.tune(tuning, data)
    account = tuned.card.details["tuning"]
    packed = prepare(data, size=SIZE).val
    dice, _ = validated(rounded(tuned, placed).network, packed)
    assert account["val_dice"] == pytest.approx(dice, abs=1e-6)


def test_what_comes_out_is_a_checkpoint_like_any_other(tuning, folder):
    tuned = qat.tune(tuning, folder(train=9, val=2))
    assert list(load_network(tuned).state_dict()) == list(
        load_network(tuning.checkpoint).state_dict()
    )
    for name, module in load_network(tuned).named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight)), name


def test_the_card_says_how_it_was_made(tuning, folder):
    data = folder(train=9, val=2)
    tuned = qat.tune(tuning, data)
    account = tuned.card.details["tuning"]
    assert account["start"] == tuning.start
    assert (account["recipe"]["epochs"], account["recipe"]["seed"]) == (3, 0)
    assert (account["recipe"]["lr"], account["recipe"]["precision"]) == (qat.RATE, "fp32")
    assert account["data"]["train_hash"]
    assert account["data"]["left_out"] == ["train1"]
    assert account["data"]["train"] == 8
    assert tuned.card.details["training"] == tuning.checkpoint.card.details["training"]


def test_the_same_call_gives_the_same_bytes(tuning, folder):
    data = folder(train=9, val=2)
    one = qat.tune(tuning, data)
    assert qat.tune(replace(tuning, out=tuning.out.with_name("two")), data).id == one.id


def test_an_interrupted_run_goes_on_after_the_last_epoch(tuning, folder):
    class Stop(Exception):
        pass

    def stop():
        raise Stop

    data, heard = folder(train=9, val=2), []
    with pytest.raises(Stop):
        qat.tune(tuning, data, on_epoch=stop)
    again = qat.tune(tuning, data, advance=lambda what, done, of: heard.append((what, done, of)))
    assert [it for it in heard if it[0] == "epochs of tuning"] == [
        ("epochs of tuning", 2, 3),
        ("epochs of tuning", 3, 3),
    ]
    assert again.id == qat.tune(replace(tuning, out=tuning.out.with_name("two")), data).id


def test_a_run_does_not_go_on_from_other_ranges(tuning, folder):
    data = folder(train=9, val=2)
    qat.tune(tuning, data)
    with pytest.raises(ConfigError, match="start: "):
        qat.tune(replace(tuning, start={"int8": "4567"}), data)


def test_a_checkpoint_that_was_not_exported_is_refused(tuning, placed):
    other = registry.build("unext")
    with pytest.raises(ExportError, match="no layer of the checkpoint"):
        fold(other, placed)
