"""What a spec refers to, and which object of a kind is the default."""

import pytest
from tests.support.machines import make_machine, make_pool

from drover.planning.catalog import claims, default, wanted
from drover.planning.view import PoolView

DISKS = [
    {"name": "root", "image": "debian", "pool": "fast"},
    {"name": "data", "image": "library/alpine", "size": "1Gi"},
    {"name": "old", "volume": "kept"},
]


def test_a_spec_names_what_it_refers_to() -> None:
    spec = make_machine(disks=DISKS, kernel={"image": "tiny"}, interfaces=[{"name": "lan", "network": "shop"}]).spec
    found = wanted("web", "shop", spec)
    assert found.images == {"shop/debian", "library/alpine", "shop/tiny"}
    assert found.pools == {"fast"}
    assert found.networks == {"shop"}
    assert found.volumes == {"web.root", "web.data", "kept"}


def test_a_spec_without_anything_refers_to_nothing() -> None:
    found = wanted("web", "shop", make_machine(interfaces=...).spec)
    assert not (found.images | found.pools | found.networks | found.volumes)


@pytest.mark.parametrize(
    ("interface", "default_network", "names"),
    [
        pytest.param({"address": "10.20.0.5"}, "default", {"default-10-20-0-5"}, id="an address"),
        pytest.param(
            {"network": "shop", "macAddress": "02:00:00:00:00:09"},
            "",
            {"shop-mac-02-00-00-00-00-09"},
            id="a hardware address",
        ),
        pytest.param({"address": "10.20.0.5"}, "", set(), id="no network to have it on"),
        pytest.param({}, "default", set(), id="nothing in particular"),
    ],
)
def test_a_spec_claims_what_it_asks_for(interface: dict[str, str], default_network: str, names: set[str]) -> None:
    assert claims(make_machine(interfaces=[{"name": "lan", **interface}]).spec, default_network) == names


@pytest.mark.parametrize(
    ("pools", "name"),
    [
        pytest.param([], "", id="none"),
        pytest.param([make_pool("a", default=False)], "", id="none is marked"),
        pytest.param([make_pool("b", {"created": "2"}), make_pool("a", {"created": "3"})], "b", id="the oldest wins"),
        pytest.param([make_pool("b", {"created": "2"}), make_pool("a", {"created": "2"})], "a", id="then the name"),
        pytest.param([make_pool("a", {"deleting": "now"})], "", id="it is going"),
    ],
)
def test_the_default_is_the_oldest_that_is_marked(pools: list[PoolView], name: str) -> None:
    assert default(pools) == name
