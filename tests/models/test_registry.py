from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

from scunext_edge.errors import ConfigError
from scunext_edge.models import catalogue, registry


class Foreign(nn.Module):
    """A network of another package."""

    def __init__(self, *, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)
        self.width = width


@pytest.fixture
def install(monkeypatch):
    """Pretend that another package brings networks: install(name="module:attribute")."""

    def make(**values):
        points = [EntryPoint(name, value, catalogue.GROUP) for name, value in values.items()]
        monkeypatch.setattr(catalogue, "entry_points", lambda *, group: points)

    return make


@pytest.fixture
def foreign(install, monkeypatch):
    monkeypatch.setattr(nn, "Foreign", Foreign, raising=False)
    install(foreign="torch.nn:Foreign")


def test_networks_of_other_packages_come_after_ours(foreign):
    assert registry.names() == (*catalogue.OURS, "foreign")


def test_a_network_of_another_package_is_built_with_its_options(foreign):
    network = registry.build("foreign", width=7)
    assert isinstance(network, Foreign)
    assert network.width == 7


def test_a_network_of_another_package_cannot_take_the_name_of_ours(install):
    install(unet="torch.nn:Identity")
    assert registry.names() == catalogue.OURS
    assert not isinstance(registry.build("unet"), nn.Identity)


def test_a_network_that_cannot_be_imported_names_its_entry_point(install):
    install(broken="no_such_package.networks:Net")
    with pytest.raises(ConfigError, match=r"broken.*no_such_package") as caught:
        registry.build("broken")
    assert "no_such_package.networks:Net" in caught.value.hint


def test_catalogue_and_registry_name_the_same_networks():
    assert set(catalogue.OURS) == set(registry._OURS)


def test_a_misspelled_name_is_refused_and_the_nearest_suggested():
    with pytest.raises(ConfigError, match="'scunet'") as caught:
        registry.build("scunet")
    assert caught.value.hint == "did you mean scunext?"
    assert caught.value.exit_code == 2


def test_a_name_like_none_lists_them_all():
    with pytest.raises(ConfigError) as caught:
        registry.build("transformer")
    assert all(name in caught.value.hint for name in catalogue.OURS)


@pytest.mark.parametrize("name", ["scunext", "unext", "unet"])
def test_an_option_that_the_network_does_not_have_is_refused(name):
    with pytest.raises(ConfigError, match=rf"{name} cannot be built with .*'depth'"):
        registry.build(name, depth=3)


@pytest.mark.parametrize("value", ["false", 0, None, 1])
def test_a_switch_is_true_or_false_and_nothing_that_looks_like_it(value):
    with pytest.raises(ConfigError, match="skip"):
        registry.build("scunext", skip=value)


def test_weights_follow_from_torchs_seed():
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(registry.build("scunext").state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
