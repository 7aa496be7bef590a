"""The sweep: every now and then, addresses whose machine is gone are freed; it should never find one."""

import asyncio
from functools import partial

import structlog

from drover.api.kinds import ADDRESS, VIRTUALMACHINE
from drover.controllers.act import do
from drover.controllers.world import World
from drover.metrics.controller import address_abandoned
from drover.planning.action import Delete
from drover.planning.sweep import abandoned, machine, suspects
from drover.planning.view import AddressView, view
from drover.runtime.patience import patiently
from drover.state.resource import Key, read_meta

EVERY_SECONDS = 600.0
log = structlog.stdlib.get_logger(__name__)


async def run(world: World, every: float = EVERY_SECONDS) -> None:
    """Sweep until cancelled."""
    while True:
        await asyncio.sleep(every)
        await patiently("sweep the addresses", partial(sweep, world))


async def sweep(world: World) -> None:
    """Free the addresses whose machine is gone, by the word of the API server and not only of the cache."""

    def uid_of(key: Key) -> str | None:
        found = world.stores.machines.get(key)
        return found.meta.uid if found else None

    for address in list(suspects((view(each) for each in world.stores.addresses.values()), uid_of)):
        # Of a machine that is gone while its guest runs on the addresses are in use still.
        if address.spec.virtual_machine.uid not in world.orphans.uids():
            await _free(address, world)


async def _free(address: AddressView, world: World) -> None:
    found = await world.cluster.get(VIRTUALMACHINE, machine(address))
    if not abandoned(address, read_meta(found).uid if found else None):
        return
    owner = address.spec.virtual_machine
    log.error("an address was left behind", address=address.meta.key.name, namespace=owner.namespace, name=owner.name)
    address_abandoned()
    await do(Delete(ADDRESS, address.meta), world)
