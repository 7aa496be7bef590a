"""Who is silent and who is off: by our own clock, and by what the API server itself says at that moment."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest
from tests.support.machines import make_machine
from tests.unit.controllers.cosmos import Controller, Cosmos

from drover.api import kinds
from drover.api.kinds import Kind
from drover.controllers import node as nodes
from drover.controllers.hypervisor import Heartbeats
from drover.controllers.node import Watcher
from drover.errors import Unavailable
from drover.planning.node import Lost
from drover.state.clusternode import OUT_OF_SERVICE
from drover.state.lease import Lease, read_lease
from drover.state.resource import Key

N1 = Key("", "n1")
LEASE = Key("drover-system", "drover-node-n1")
TAINT = {"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}


def run(story: Coroutine[Any, Any, None]) -> None:
    """Tell a story to its end."""
    asyncio.run(story)


class Hours:
    """A clock that goes on when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _lease(node: str, renewed: str) -> Lease:
    metadata = {"name": f"drover-node-{node}", "namespace": "drover-system"}
    return read_lease({"metadata": metadata, "spec": {"renewTime": renewed}})


def _wait(beats: Heartbeats, clock: Hours, seconds: int) -> None:
    """Pass time awake."""
    for _ in range(seconds):
        clock.now += 1.0
        beats.look()


def test_a_node_is_quiet_when_its_lease_stands_still_by_our_own_clock() -> None:
    clock = Hours()
    beats = Heartbeats(40.0, clock)
    beats.observe(None, _lease("n1", "a"))
    _wait(beats, clock, 41)
    beats.observe(_lease("n1", "a"), _lease("n1", "b"))
    beats.observe(_lease("n2", "a"), _lease("n2", "a"))
    beats.observe(_lease("n2", "a"), None)
    assert (beats.is_quiet("n1"), beats.is_quiet("n2")) == (False, True)
    assert (beats.is_heard("n1"), beats.is_heard("n2")) == (True, False)


@pytest.mark.parametrize("blind", ["asleep", "cut off"])
def test_nobody_is_quiet_while_we_could_not_have_heard(blind: str) -> None:
    clock = Hours()
    beats = Heartbeats(40.0, clock)
    _wait(beats, clock, 30)
    if blind == "asleep":
        clock.now += 60.0
        assert not beats.is_quiet("n1")
    else:
        beats.interrupt()
    _wait(beats, clock, 39)
    assert not beats.is_quiet("n1")
    _wait(beats, clock, 3)
    assert beats.is_quiet("n1")


def test_a_node_that_was_silent_is_told_of_once_when_it_is_heard() -> None:
    clock = Hours()
    beats = Heartbeats(40.0, clock)
    _wait(beats, clock, 41)
    beats.confirm("n1")
    assert beats.silent == {"n1"}
    beats.observe(_lease("n1", "a"), _lease("n1", "b"))
    assert not beats.silent
    assert [sorted(beats.look()), sorted(beats.look())] == [["n1"], []]


# --- what the API server says ----------------------------------------------------------------------------------------


async def _begin(*, renewed: str = "a") -> tuple[Cosmos, Controller, Hours]:
    """A cluster and a controller whose own clock and ears count."""
    cosmos = Cosmos(Random(0))
    await cosmos.furnish()
    controller, clock = cosmos.controllers[0], Hours()
    object.__setattr__(controller.world, "heartbeats", Heartbeats(40.0, clock))
    controller.caches.store(kinds.LEASE).subscribe(controller.world.heartbeats.observe)
    _renew(cosmos, renewed)
    controller.caches.hear()
    return cosmos, controller, clock


def _renew(cosmos: Cosmos, renewed: str) -> None:
    metadata = {"name": LEASE.name, "namespace": LEASE.namespace, "uid": "uid-lease"}
    cosmos.etcd.put(kinds.LEASE, LEASE, {"metadata": metadata, "spec": {"renewTime": renewed}})


def _mark(cosmos: Cosmos, *, fenced: str = "", about: str = "", tainted: bool = False) -> None:
    found = cosmos.etcd.objects[kinds.NODE, N1]
    notes = {"drover.dev/fenced": fenced, "drover.dev/out-of-service": about}
    metadata = {**found["metadata"], "annotations": {name: value for name, value in notes.items() if value}}
    cosmos.etcd.put(kinds.NODE, N1, {**found, "metadata": metadata, "spec": {"taints": [TAINT] if tainted else []}})


def _notes(cosmos: Cosmos) -> dict[str, str]:
    found: dict[str, str] = cosmos.etcd.objects[kinds.NODE, N1]["metadata"].get("annotations", {})
    return found


@pytest.mark.parametrize(
    ("marks", "fenced"),
    [
        pytest.param({}, False, id="no mark"),
        pytest.param({"fenced": "n1"}, True, id="this boot"),
        pytest.param({"fenced": "another"}, False, id="another boot"),
        pytest.param({"tainted": True, "about": "n1"}, True, id="taint"),
        pytest.param({"tainted": True, "about": "void"}, False, id="taint, but it came back"),
    ],
)
def test_what_is_said_of_a_silent_node_is_read_afresh(marks: dict[str, Any], fenced: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        cosmos, controller, clock = await _begin()
        _wait(controller.world.heartbeats, clock, 41)
        _mark(cosmos, **marks)
        uid = cosmos.etcd.objects[kinds.NODE, N1]["metadata"]["uid"]
        assert await nodes.ask("n1", controller.world) == Lost(uid, fenced=fenced)

    run(story())


def test_a_lease_that_was_renewed_unheard_voids_every_mark() -> None:
    async def story() -> None:
        cosmos, controller, clock = await _begin()
        _wait(controller.world.heartbeats, clock, 41)
        _mark(cosmos, fenced="n1", tainted=True)
        _renew(cosmos, "b")
        assert controller.world.heartbeats.is_quiet("n1")
        assert await nodes.ask("n1", controller.world) is None
        assert not controller.world.heartbeats.is_quiet("n1")

    run(story())


def test_a_node_is_not_asked_about_while_we_could_not_have_heard() -> None:
    async def story() -> None:
        cosmos, controller, clock = await _begin()
        _wait(controller.world.heartbeats, clock, 41)
        _mark(cosmos, fenced="n1")
        clock.now += 60.0
        assert await nodes.ask("n1", controller.world) is None

    run(story())


def test_a_node_whose_object_was_removed_is_gone() -> None:
    async def story() -> None:
        cosmos, controller, clock = await _begin()
        _wait(controller.world.heartbeats, clock, 41)
        cosmos.etcd.drop(kinds.NODE, N1)
        assert await nodes.ask("n1", controller.world) == Lost("", fenced=True)

    run(story())


def test_silence_is_announced_once_the_api_server_confirms_it() -> None:
    async def story() -> None:
        cosmos, controller, clock = await _begin()
        turned: list[str] = []
        watcher = Watcher(controller.world, turned.append)
        _wait(controller.world.heartbeats, clock, 41)
        _renew(cosmos, "b")
        await watcher.look()
        assert turned == ["n2"]
        _wait(controller.world.heartbeats, clock, 41)
        await watcher.look()
        await watcher.look()
        assert turned == ["n2", "n1"]

    run(story())


@pytest.mark.parametrize(
    ("marks", "left"),
    [
        pytest.param({"fenced": "n1"}, {}, id="annotation"),
        pytest.param({"fenced": "another"}, {}, id="another boot"),
        pytest.param({"tainted": True}, {"drover.dev/out-of-service": "void"}, id="taint"),
    ],
)
def test_a_mark_is_void_after_the_first_sign_of_life_that_follows_it(marks: dict[str, Any], left: Any) -> None:
    async def story() -> None:
        cosmos, controller, _ = await _begin()
        watcher = Watcher(controller.world, lambda _: None)
        _renew(cosmos, "before the mark, heard after it")
        _mark(cosmos, **marks)
        controller.caches.hear()
        for _ in range(3):
            before = _notes(cosmos)
            await watcher.look()
            controller.caches.hear()
            assert _notes(cosmos) == before
        _renew(cosmos, "after")
        controller.caches.hear()
        await watcher.look()
        assert _notes(cosmos) == left

    run(story())


def test_a_taint_is_about_the_boot_that_was_silent_when_it_was_seen() -> None:
    async def story() -> None:
        cosmos, controller, clock = await _begin()
        watcher = Watcher(controller.world, lambda _: None)
        _mark(cosmos, tainted=True)
        _wait(controller.world.heartbeats, clock, 41)
        controller.caches.hear()
        await watcher.look()
        assert _notes(cosmos) == {"drover.dev/out-of-service": "n1"}
        _mark(cosmos, about="n1")
        controller.caches.hear()
        await watcher.look()
        assert _notes(cosmos) == {}

    run(story())


@pytest.mark.parametrize("pause", [False, True], ids=["within one look", "over two looks"])
def test_a_taint_counts_again_when_it_was_taken_off_were_it_for_a_moment(pause: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        cosmos, controller, clock = await _begin()
        watcher = Watcher(controller.world, lambda _: None)
        _mark(cosmos, tainted=True, about="void")
        _wait(controller.world.heartbeats, clock, 41)
        await _look(controller, watcher)
        assert _notes(cosmos) == {"drover.dev/out-of-service": "void"}
        _mark(cosmos, about="void")
        await _look(controller, watcher if pause else None)
        _mark(cosmos, tainted=True, about=_notes(cosmos).get("drover.dev/out-of-service", ""))
        await _look(controller, watcher)
        await _look(controller, watcher)
        assert _notes(cosmos) == {"drover.dev/out-of-service": "n1"}

    run(story())


def test_a_taint_that_is_set_again_before_its_node_is_heard_is_void_all_the_same() -> None:
    async def story() -> None:
        cosmos, controller, _ = await _begin()
        watcher = Watcher(controller.world, lambda _: None)
        for tainted in (True, False, True):
            _mark(cosmos, tainted=tainted)
            await _look(controller, None)
        await _look(controller, watcher)
        _renew(cosmos, "after")
        await _look(controller, watcher)
        assert _notes(cosmos) == {"drover.dev/out-of-service": "void"}

    run(story())


async def _look(controller: Controller, watcher: Watcher | None) -> None:
    """Have the news heard and, by a watcher, looked at."""
    controller.caches.hear()
    if watcher is not None:
        await watcher.look()
        controller.caches.hear()


def test_an_api_server_that_does_not_answer_makes_nobody_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        _, controller, clock = await _begin()
        beats = controller.world.heartbeats

        async def refuse(_kind: Kind, _key: Key) -> None:
            raise Unavailable("no answer")

        monkeypatch.setattr(controller.cluster, "get", refuse)
        monkeypatch.setattr(nodes, "CHECK_SECONDS", 0.001)
        _wait(beats, clock, 41)
        looking = asyncio.create_task(Watcher(controller.world, lambda _: None).run())
        async with asyncio.timeout(10):
            while beats.is_quiet("n1"):  # noqa: ASYNC110 - another task looks
                await asyncio.sleep(0.01)
        looking.cancel()
        assert beats.silent == frozenset()

    run(story())


def test_a_machine_that_was_lost_stays_so_until_its_node_is_heard() -> None:
    async def story() -> None:
        cosmos, controller, clock = await _begin()
        told = {"nodeName": "n1", "conditions": [{**_condition(), "type": "Running", "reason": "NodeLost"}]}
        machine = make_machine(status=told)
        assert set(nodes.lost(controller.world, machine)) == {"n1"}
        _renew(cosmos, "b")
        controller.caches.hear()
        assert nodes.lost(controller.world, machine) == {}
        assert clock.now == 0.0

    run(story())


def _condition() -> dict[str, str]:
    return {"status": "Unknown", "message": "", "lastTransitionTime": "2026-11-21T12:00:00Z"}
