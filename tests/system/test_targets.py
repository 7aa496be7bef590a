"""LUNs of an iSCSI target as disks: carried from node to node, and wiped when they are let go."""

from pathlib import Path

import pytest
from tests.system.services.target import PORT, target
from tests.system.test_volumes import ON, holder, reason, said, say
from tests.system.world import Tenant, World, eventually

MIB = 1 << 20


def lent(world: World, tenant: Tenant) -> dict[str, str]:
    """What the example has to say here: our target, this tenant's volume, wiped in the end, and the first node."""
    return {
        "san.example.com": f"{world.address}\n    port: {PORT}",
        "default/archive": f"{tenant.namespace}/archive",
        "source: {type: Existing}": "source: {type: Existing}\n  wipe: Enabled",
        "  memory:": "  nodeSelector: {kubernetes.io/hostname: n1}\n  memory:",
    }


@pytest.mark.long
def test_a_lun_moves_with_its_machine_and_is_wiped_when_it_is_let_go(
    tenant: Tenant, world: World, tmp_path: Path
) -> None:
    lun = tmp_path / "lun"
    lun.write_bytes(bytes(64 * MIB))
    machine = tenant.machine("keeper")
    tenant.example("pool-iscsi", lent(world, tenant))
    eventually("PoolUnusable", lambda: reason(machine) == "PoolUnusable", 60)
    with target(world, lun):
        say(machine.ready(), "carried")
        assert b"carried" in lun.read_bytes()

        machine.patch(powerState="Stopped")
        machine.reach("Stopped")
        machine.patch(powerState="Running", nodeSelector=ON["n2"])
        machine.ready()
        assert (machine.node, said(machine), machine.boots()) == ("n2", "carried", 2)
        eventually("the volume to be n2's", lambda: holder(tenant, "archive") == "n2", 30)

        machine.delete()
        eventually("the volume to be let go", lambda: tenant.try_kubectl("delete", "vol", "archive").returncode == 0)
        assert not lun.read_bytes().strip(b"\0")
        world.kubectl("delete", "pool", "san")
