"""A guest's life under everything that can happen to a node: nothing starts unasked, and all ends as the spec says."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.domains import BACK_OFF, DISK, NIC, make_spec
from tests.unit.planning.simulation import Died, Node

POLICIES = st.sampled_from(["Always", "OnFailure", "Never"])
DATA = DISK | {"name": "data", "volume": "web.data", "volumeUid": "v2"}
OTHER = DATA | {"volume": "web.other", "volumeUid": "v3"}
LAN = NIC | {"name": "lan", "mac": "02:00:00:00:00:02", "ip": "10.20.0.11"}
WAN = LAN | {"mac": "02:00:00:00:00:03"}
DEVICES = st.sampled_from([([], []), ([DATA], []), ([OTHER], [LAN]), ([DATA, OTHER | {"name": "more"}], [WAN])])
POWER = st.sampled_from(["Running", "Paused", "Hibernated", "Stopped"])


class Life(RuleBasedStateMachine):
    """Orders, accidents and deaths of the agent in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.node = Node()
        self.requests = 0

    @rule(lives=st.integers(0, 12))
    def agent_works_and_may_die(self, lives: int) -> None:
        with suppress(Died), self.node.mortal(lives):
            self.node.run_agent()

    @rule()
    def agent_works(self) -> None:
        self.node.run_agent()

    @rule(power=POWER)
    def user_sets_power(self, power: Any) -> None:
        self.order(power_state=power)

    @rule(policy=POLICIES)
    def user_sets_policy(self, policy: Any) -> None:
        self.order(restart_policy=policy)

    @rule(devices=DEVICES)
    def user_changes_devices(self, devices: Any) -> None:
        self.order_devices(*devices)

    def order_devices(self, disks: Any, interfaces: Any) -> None:
        spec = make_spec(disks=[DISK, *disks], interfaces=[NIC, *interfaces])
        self.order(disks=spec.disks, interfaces=spec.interfaces)

    @rule(kind=st.sampled_from(["restarted_at", "started_at"]))
    def user_requests(self, kind: str) -> None:
        self.requests += 1
        self.order(**{kind: f"r{self.requests}"})

    def order(self, **changes: Any) -> None:
        node = self.node
        node.spec = node.spec.model_copy(update=changes)
        node.meta = replace(node.meta, generation=node.meta.generation + 1)

    @precondition(lambda self: self.node.guest and self.node.guest.active)
    @rule(reason=st.sampled_from(["Shutdown", "Destroyed", "Crashed"]))
    def guest_goes_off(self, reason: str) -> None:
        self.node.stop_by_itself(reason)

    @precondition(lambda self: self.node.guest and self.node.guest.state == "Running")
    @rule()
    def somebody_suspends_it(self) -> None:
        self.node.set("Paused", "User")

    @precondition(lambda self: self.node.guest and self.node.guest.state == "Running")
    @rule()
    def somebody_undefines_it(self) -> None:
        self.node.guest = replace(self.node.guest, persistent=False)  # type: ignore[type-var]

    @precondition(lambda self: self.node.guest)
    @rule(primed=st.booleans())
    def node_reboots(self, *, primed: bool) -> None:
        node = self.node
        assert node.guest is not None
        if node.guest.active:
            node.boot += 1
            node.stop_by_itself("Unknown")
        else:
            node.boot += 1
        node.memory, node.primed = {}, primed

    @rule()
    def api_is_read(self) -> None:
        self.node.primed = True

    @rule(seconds=st.sampled_from([1.0, 9.0, 61.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.node.pass_time(seconds)

    @rule(hours=st.sampled_from([-1, 1]))
    def clock_jumps(self, hours: int) -> None:
        self.node.now += timedelta(hours=hours)

    @invariant()
    def a_domain_that_is_wanted_is_never_released(self) -> None:
        assert not self.node.released

    @invariant()
    def nothing_is_plugged_in_that_nobody_knows_of(self) -> None:
        self.node.check_plugged()

    def teardown(self) -> None:
        """Left in peace, it becomes what the spec says; deleted, it is gone."""
        self.node.primed = True
        self.come_to_rest()
        self.check_end()
        boots = self.node.boots
        self.come_to_rest()
        assert self.node.boots == boots
        self.node.meta = replace(self.node.meta, deleting="2026-11-21T12:00:00Z")
        self.come_to_rest()
        assert self.node.released
        assert self.node.guest is None

    def come_to_rest(self) -> None:
        for _ in range(4):
            self.node.run_agent()
            self.node.pass_time(BACK_OFF.limit + 1)

    def check_end(self) -> None:
        node, wish = self.node, self.node.spec.power_state
        state, reason = node.status.state, node.status.reason
        allowed = {wish} | ({"Stopped"} if wish == "Hibernated" else set())
        assert state in allowed or (state, reason) == ("Stopped", "RestartPolicy"), (wish, state, reason)
        assert (state in {"Running", "Paused"}) is bool(node.guest and node.guest.active)
        if state == "Running":
            assert node.plugged.keys() == {each.name for each in (*node.spec.disks, *node.spec.interfaces)}
        if state in {"Running", "Paused"}:
            handled = (node.status.handled_restart, node.status.handled_start)
            assert handled == (node.spec.restarted_at, node.spec.started_at)


DEVICE_SETS: list[Any] = [([], []), ([DATA], [LAN]), ([OTHER], [WAN])]
LONGEST_PLUG = 14
"""More steps than it takes to plug in a disk and an interface."""


@pytest.mark.parametrize("after", DEVICE_SETS, ids=["nothing", "the-same", "others-of-the-name"])
@pytest.mark.parametrize(("before", "meant"), list(permutations(DEVICE_SETS, 2)))
def test_whenever_the_agent_dies_the_guest_gets_what_is_ordered_then(before: Any, meant: Any, after: Any) -> None:
    for lives in range(LONGEST_PLUG):
        life = Life()
        life.order_devices(*before)
        life.come_to_rest()
        life.order_devices(*meant)
        with suppress(Died), life.node.mortal(lives):
            life.come_to_rest()
        life.order_devices(*after)
        life.come_to_rest()
        life.check_end()


def test_what_goes_wrong_while_the_agent_may_die_is_not_taken_for_its_death_at_the_end() -> None:
    life = Life()
    with pytest.raises(KeyboardInterrupt), life.node.mortal(0):
        raise KeyboardInterrupt
    life.teardown()


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=300, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
