"""Guests whose memory takes long to be saved: nobody waits for them, not even who wants them gone."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.system import iohelper
from tests.system.world import BOOT, Machine, Tenant, World, eventually, make_machine

HELPER = "/usr/lib/libvirt/libvirt_iohelper"
ON_N1: dict[str, Any] = {"nodeSelector": {"kubernetes.io/hostname": "n1"}}
pytestmark = pytest.mark.long


@pytest.fixture
def saved(tenant: Tenant, world: World) -> Iterator[Machine]:
    """A machine whose memory is being saved on n1, which would take minutes."""
    stand_in = world.state / "iohelper"
    stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} {iohelper.__file__} "$@"\n')
    stand_in.chmod(0o755)
    world.node("n1", "cp", "--remove-destination", "--", HELPER, iohelper.REAL)
    world.node("n1", "rm", "-f", "--", str(iohelper.HURRY))
    world.node("n1", "mount", "--bind", "--", str(stand_in), HELPER)
    try:
        yield being_saved(tenant.start("sleepy", **ON_N1))
    finally:
        world.node("n1", "umount", "--", HELPER)
        world.node("n1", "touch", "--", str(iohelper.HURRY))


def being_saved(machine: Machine) -> Machine:
    """Hibernate a machine, and wait until its memory is on its way."""
    machine.patch(powerState="Hibernated")
    eventually("Hibernating", lambda: machine.condition("Running").get("reason") == "Hibernating", 30)
    eventually("its memory to be written", lambda: "saving" in machine.virsh("domstate", "--reason"), 30)
    return machine


def test_others_start_and_it_is_deleted_by_force_while_its_memory_is_being_saved(saved: Machine) -> None:
    saved.tenant.apply(make_machine("other", **ON_N1))
    saved.tenant.machine("other").ready()
    assert "its memory is being saved" in saved.condition("Running")["message"]

    saved.patch(terminationGracePeriodSeconds=0)
    saved.tenant.kubectl("delete", "vm", "sleepy", "--timeout=20s")

    assert "sleepy" not in saved.tenant.world.node("n1", "virsh", "list", "--all", "--name")


def test_who_changes_his_mind_has_the_machine_at_once(saved: Machine) -> None:
    saved.patch(powerState="Running")

    saved.reach("Running", 30).ready(30)

    assert saved.boots() == 1
    eventually("Running", lambda: saved.condition("Running").get("reason") == "Running", 30)


def test_an_agent_that_dies_meanwhile_finds_the_memory_saved(saved: Machine) -> None:
    world = saved.tenant.world
    world.sandbox("kill", "agent-n1")
    eventually("Hibernating", lambda: saved.condition("Running").get("reason") == "Hibernating", 30)
    assert "saving" in saved.virsh("domstate", "--reason")
    world.node("n1", "touch", "--", str(iohelper.HURRY))

    saved.reach("Hibernated", 60)
    saved.patch(powerState="Running")

    assert saved.reach("Running", BOOT).ready().boots() == 1
