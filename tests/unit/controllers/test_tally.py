"""Who uses what is shared."""

from typing import Any

import pytest
from tests.support.machines import make_domain

from drover.api import kinds
from drover.controllers.tally import TELL_SECONDS, TURN_SECONDS, Tally, callbacks
from drover.runtime.workqueue import WorkQueue
from drover.state.objects import read_address, read_domain, read_machine, read_volume
from drover.state.resource import Body, Key

DOMAIN = make_domain().spec.model_dump(mode="json", by_alias=True, exclude_none=True)
DEBIAN = ("virtualmachineimages", "shop/debian")
TINY = ("virtualmachineimages", "library/tiny")


class Scene:
    """Objects come, change and go; time passes by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tally = Tally()
        shared = (kinds.IMAGE, kinds.POOL, kinds.NETWORK)
        self.queues = {kind: WorkQueue[Key](clock=lambda: self.now) for kind in shared}
        self.changed = callbacks(self.tally, self.queues)

    def see(self, kind: kinds.Kind, read: Any, old: Body | None, new: Body | None) -> None:
        self.changed[kind](read(old) if old else None, read(new) if new else None)

    def due(self, kind: kinds.Kind) -> Key | None:
        self.now += TELL_SECONDS
        return self.queues[kind].take()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def machine(**spec: Any) -> Body:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


def volume(named: str | None, **status: str) -> Body:
    spec = {"pool": named} if named else {}
    return {"metadata": {"name": "web.root", "namespace": "shop"}, "spec": spec, "status": status}


def address(ip: str, interface: str = "lan") -> Body:
    owner = {"namespace": "shop", "name": "web", "uid": "uid-web"}
    spec = {"network": "default", "address": ip, "macAddress": "02:00:00:00:00:01", "interface": interface}
    return {"metadata": {"name": f"default-{ip}"}, "spec": spec | {"virtualMachine": owner}}


def test_a_machine_uses_the_images_that_its_spec_names(scene: Scene) -> None:
    spec = {"disks": [{"name": "root", "image": "debian"}], "kernel": {"image": "library/tiny"}}
    scene.see(kinds.VIRTUALMACHINE, read_machine, None, machine(**spec))

    assert scene.tally.use(kinds.IMAGE, Key("shop", "debian")).names == ("shop/web",)
    assert {scene.due(kinds.IMAGE), scene.due(kinds.IMAGE)} == {Key("shop", "debian"), Key("library", "tiny")}


def test_a_machine_that_changes_or_goes_uses_its_images_no_more(scene: Scene) -> None:
    before, after = machine(kernel={"image": "library/tiny"}), machine()
    scene.see(kinds.VIRTUALMACHINE, read_machine, None, before)
    scene.see(kinds.VIRTUALMACHINE, read_machine, before, after)

    assert scene.tally.use(kinds.IMAGE, Key("library", "tiny")).count == 0


def test_a_machine_uses_what_its_domain_names(scene: Scene) -> None:
    source = {"source": {"url": "http://x/tiny"}}
    kernel = {"image": "library/tiny", "kernel": {"url": "http://x/k"}, "arguments": ""}
    disk = {"name": "root", "volume": "web.root", "volumeUid": "u", "pool": "p"}
    given = [disk | {"image": {"image": "library/debian", **source}}, disk | {"name": "data"}]
    plug = {"name": "lan", "network": "open", "mac": "02:00:00:00:00:01"}
    body = {
        "metadata": {"name": "web-1", "namespace": "shop"},
        "spec": DOMAIN | {"kernel": kernel, "disks": given, "interfaces": [plug]},
    }
    scene.see(kinds.DOMAIN, read_domain, None, body)
    shared = (
        (kinds.IMAGE, Key("library", "tiny")),
        (kinds.IMAGE, Key("library", "debian")),
        (kinds.NETWORK, Key("", "open")),
    )
    assert [scene.tally.use(*each).names for each in shared] == [("shop/web",)] * 3


def test_a_status_alone_is_no_news_of_a_machine(scene: Scene) -> None:
    known = machine(kernel={"image": "library/tiny"})
    scene.see(kinds.VIRTUALMACHINE, read_machine, known, {**known, "status": {"phase": "Running"}})

    assert scene.due(kinds.IMAGE) is None


def test_a_volume_is_in_the_pool_that_it_says(scene: Scene) -> None:
    scene.see(kinds.VOLUME, read_volume, None, volume(None))
    assert scene.due(kinds.POOL) is None

    scene.see(kinds.VOLUME, read_volume, volume(None), volume(None, pool="fast"))

    assert scene.tally.use(kinds.POOL, Key("", "fast")).names == ("shop/web.root",)
    assert scene.due(kinds.POOL) == Key("", "fast")


def test_what_comes_into_use_or_out_of_it_is_told_sooner_than_a_count(scene: Scene) -> None:
    waits = []
    for number in (1, 2):
        before, scene.now = scene.now, scene.now + 100
        made = {**volume("fast"), "metadata": {"name": str(number), "namespace": "a"}}
        scene.see(kinds.VOLUME, read_volume, None, made)
        while scene.queues[kinds.POOL].take() is None:
            scene.now += 1
        scene.queues[kinds.POOL].done(Key("", "fast"))
        waits.append(scene.now - before - 100)

    assert waits == [TURN_SECONDS, TELL_SECONDS]


def test_a_machine_with_two_addresses_is_one_user(scene: Scene) -> None:
    scene.see(kinds.ADDRESS, read_address, None, address("10.20.0.2"))
    scene.see(kinds.ADDRESS, read_address, None, address("10.20.0.3", "wan"))
    scene.see(kinds.ADDRESS, read_address, address("10.20.0.2"), None)

    assert scene.tally.use(kinds.NETWORK, Key("", "default")).names == ("shop/web",)
    scene.see(kinds.ADDRESS, read_address, address("10.20.0.3", "wan"), None)
    assert scene.tally.use(kinds.NETWORK, Key("", "default")).count == 0


def test_that_nobody_uses_it_any_more_is_told_at_once(scene: Scene) -> None:
    scene.see(kinds.VOLUME, read_volume, None, volume("fast"))
    scene.see(kinds.VOLUME, read_volume, volume("fast"), None)

    assert scene.queues[kinds.POOL].take() == Key("", "fast")
