"""Controllers reduced to giving out addresses on a real API server, each with a book and a cache of its own."""

from contextlib import suppress

from drover.api.kinds import ADDRESS
from drover.api.network import Subnet
from drover.controllers.act import do
from drover.controllers.hypervisor import Heartbeats
from drover.controllers.watches import stores, watches
from drover.controllers.world import World
from drover.kube.client import Cluster
from drover.kube.errors import AlreadyExists
from drover.planning import names
from drover.planning.action import Allocate
from drover.planning.address import Claim, Window, window
from drover.planning.resolve import Policy
from drover.planning.view import view
from drover.runtime.informer import Informer
from drover.runtime.settings import ControllerSettings
from drover.state.resource import Key, Meta

TRIES = 20


def make_writer(cluster: Cluster) -> World:
    """A controller that hears of nothing but the answers to its own calls: its view is as stale as can be."""
    informer = Informer(cluster, watches("drover-system"), resync=3600.0)
    world = World(
        cluster=cluster,
        settings=ControllerSettings(),
        caches=informer,
        stores=stores(informer),
        policy=Policy(anchor_image="none"),
        heartbeats=Heartbeats(40.0),
    )
    world.stores.addresses.subscribe(
        lambda old, new: world.book.observe(view(old) if old else None, view(new) if new else None)
    )
    return world


def make_window(cidr: str, gateway: str) -> tuple[Window, ...]:
    """Where the addresses of a network of one subnet come from."""
    return (window(Subnet(name="v4", cidr=cidr, gateway=gateway)),)


def make_owner(number: int) -> Meta:
    """A machine that wants an address."""
    return Meta(Key("shop", f"m{number}"), f"uid-{number}", "1", 1, "", "", (), "", (), (), "")


async def allocate(world: World, network: str, number: int, windows: tuple[Window, ...]) -> None:
    """Get the machine of a number an address; what is in the way may go meanwhile, so try again as the queue would."""
    owner = make_owner(number)
    claim = Claim("lan", network, "", names.mac(owner.uid, "lan"))
    for _ in range(TRIES):
        with suppress(AlreadyExists):
            await do(Allocate(claim, owner, windows), world)
            return
    raise AssertionError(f"{owner.key} got no address in {TRIES} tries")


async def clear(cluster: Cluster, network: str) -> None:
    """Delete all allocations of a network."""
    for found in (await cluster.list(ADDRESS)).items:
        if found["spec"]["network"] == network:
            await cluster.delete(ADDRESS, Key("", found["metadata"]["name"]), uid=found["metadata"]["uid"])
