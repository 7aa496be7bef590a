"""The kernel's side of networks: the real programs, in a network namespace that nobody else sees, and what they say."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drover.errors import NotReady, Unsupported
from drover.hypervisor import wires
from drover.hypervisor.wires import Wires, run
from drover.state.firewall import Port
from drover.state.host import Overlay

PORT = Port("02:00:00:00:00:01", ("10.30.0.5",))
DEADLINE = 10.0


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator["Namespace"]:
    """Every program runs in a namespace of the test's own, with a bridge."""
    holder = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo there; exec sleep 600"],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    enter = ("nsenter", f"--target={holder.pid}", "--user", "--net", "--preserve-credentials", "--")
    subprocess.run([*enter, "ip", "link", "add", "br0", "type", "bridge"], check=True, timeout=DEADLINE)
    there = asyncio.create_subprocess_exec

    async def inside(*command: str, **options: Any) -> asyncio.subprocess.Process:
        return await there(*enter, *command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", inside)
    yield Namespace(Wires(), enter)
    holder.kill()
    holder.communicate()


def overlay(vni: int = 77, peers: tuple[str, ...] = ("192.0.2.2",)) -> Overlay:
    return Overlay("dv1", "br0", vni, 1450, "192.0.2.1", peers, (), ("10.30.0.1",))


@dataclass(frozen=True)
class Namespace:
    """A network namespace that nobody else sees."""

    wires: Wires
    enter: tuple[str, ...]

    def shown(self, *command: str) -> Any:
        done = subprocess.run([*self.enter, *command], check=True, capture_output=True, text=True, timeout=DEADLINE)
        return json.loads(done.stdout)


async def test_a_filter_is_put_up_listed_and_taken_down(namespace: Namespace) -> None:
    assert await namespace.wires.guarded() == frozenset()
    for _ in range(2):
        await namespace.wires.guard("dt1", PORT)
    assert await namespace.wires.guarded() == {"dt1"}
    for _ in range(2):
        await namespace.wires.unguard("dt1")
    assert await namespace.wires.guarded() == frozenset()


async def test_an_overlay_is_connected_changed_and_disconnected(namespace: Namespace, tmp_path: Path) -> None:
    known = Wires(devices=tmp_path)
    await known.connect(overlay())
    (tmp_path / "dv1").mkdir()
    await known.connect(overlay(peers=("192.0.2.3",)))
    entries = [each["dst"] for each in namespace.shown("bridge", "-j", "fdb", "show", "dev", "dv1") if "dst" in each]
    assert entries == ["192.0.2.3"]
    await known.connect(overlay(vni=78))
    (link,) = namespace.shown("ip", "-j", "-d", "link", "show", "dev", "dv1")
    assert (link["linkinfo"]["info_data"]["id"], link["master"], link["mtu"]) == (78, "br0", 1450)
    await known.disconnect("dv1")
    assert await namespace.wires.guarded() == frozenset()


async def test_an_overlay_that_is_not_there_needs_no_disconnecting(tmp_path: Path) -> None:
    await Wires(devices=tmp_path).disconnect("dv1")


async def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(Unsupported, match="no-such-program is not installed"):
        await run("no-such-program")


async def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(NotReady, match=r"cat: .*no-such-file"):
        await run("cat", "/no-such-file")


async def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "SECONDS", 0.05)
    with pytest.raises(NotReady, match="sleep does not answer"):
        await run("sleep", "30")


def test_the_host_is_asked_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "br0" / "bridge").mkdir(parents=True)
    (tmp_path / "eth1").mkdir()
    found = Wires(devices=tmp_path)
    assert (found.has_bridge("br0"), found.has_bridge("eth1"), found.has_device("eth1")) == (True, False, True)
    assert found.filters_vlans("br0") is False
    (tmp_path / "br0" / "bridge" / "vlan_filtering").write_text("1\n")
    assert found.filters_vlans("br0") is True
