"""Addresses: which are free, which may be asked for, whose they are. The name of an allocation is its lock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Network, ip_address, ip_network
from typing import Literal

from drover.api.network import Subnet
from drover.planning import names
from drover.planning.resolve import Effective, EffectiveInterface
from drover.planning.view import AddressView, NetworkView
from drover.state.resource import Meta

Family = Literal[4, 6]
"""Version of the Internet Protocol: an interface gets an address of each that its network has."""
FAMILIES: tuple[Family, ...] = (4, 6)


@dataclass(frozen=True, slots=True)
class Window:
    """The numbers from which a subnet's addresses are given out."""

    first: int
    last: int
    reserved: frozenset[int]
    """Network, broadcast (IPv4 alone has one) and gateway: nobody's."""

    @property
    def size(self) -> int:
        """How many can be given out."""
        return self.last - self.first + 1 - sum(self.first <= number <= self.last for number in self.reserved)


def windows(network: NetworkView, family: Family = 4) -> tuple[Window, ...]:
    """Find where a network's addresses of one family come from, in the order in which they are used up."""
    return tuple(window(subnet) for subnet in network.spec.subnets or () if family_of(subnet.cidr) == family)


def window(subnet: Subnet) -> Window:
    """Find where a subnet's addresses come from."""
    range_ = subnet.allocation
    start, end = (range_.start, range_.end) if range_ else ("", "")
    return _window_of(subnet.cidr, subnet.gateway or "", start, end)


@lru_cache(maxsize=256)
def _window_of(cidr: str, gateway: str, start: str, end: str) -> Window:
    subnet = ip_network(cidr)
    nobodys = {int(subnet.network_address)} | ({int(ip_address(gateway))} if gateway else set())
    if not isinstance(subnet, IPv6Network):
        nobodys.add(int(subnet.broadcast_address))
    first = ip_address(start) if start else subnet.network_address
    last = ip_address(end) if end else subnet.broadcast_address
    return Window(int(first), int(last), frozenset(nobodys))


def family_of(address: str) -> Family:
    """Tell the family of an address or a network."""
    return 6 if ":" in address else 4


class Book:
    """Which addresses of each network are taken, and the lowest that may be free: giving one out costs no search."""

    def __init__(self) -> None:
        self._taken: dict[str, set[int]] = {}
        self._lowest: dict[str, dict[Window, int]] = {}
        """By network: everything in the window below the number is taken or reserved."""

    def take(self, network: str, address: int) -> None:
        """Note that an address is somebody's."""
        self._taken.setdefault(network, set()).add(address)

    def release(self, network: str, address: int) -> None:
        """Note that an address is nobody's any more."""
        taken = self._taken.get(network, set())
        taken.discard(address)
        if not taken:
            self._taken.pop(network, None)
        lowest = self._lowest.get(network, {})
        for window, number in lowest.items():
            if window.first <= address < number:
                lowest[window] = address

    def count(self, network: str) -> int:
        """Tell how many of a network's addresses are somebody's."""
        return len(self._taken.get(network, ()))

    def lowest(self, network: str, windows: Iterable[Window]) -> int | None:
        """Find the lowest free address of the first window that has one, ``None`` when none has."""
        found = (self._lowest_of(network, window) for window in windows)
        return next((number for number in found if number is not None), None)

    def _lowest_of(self, network: str, window: Window) -> int | None:
        taken, lowest = self._taken.get(network, set()), self._lowest.setdefault(network, {})
        number = lowest.get(window, window.first)
        while number in taken or number in window.reserved:
            number += 1
        lowest[window] = number
        return number if number <= window.last else None

    def observe(self, old: AddressView | None, new: AddressView | None) -> None:
        """Follow a change of the allocations."""
        if old is not None and old.spec.address:
            self.release(old.spec.network, number(old.spec.address))
        if new is not None and new.spec.address:
            self.take(new.spec.network, number(new.spec.address))


@dataclass(frozen=True, slots=True)
class Claim:
    """An allocation to make: of the address given, or of the lowest free one when it is empty."""

    interface: str
    network: str
    address: str
    mac: str
    reserve_mac: bool = False
    """Whether it is the hardware address that is reserved, and no address."""
    family: Family = 4
    overlay: bool = False
    """Whether every node has the network."""


Held = Mapping[tuple[str, Family], AddressView]
"""By interface and family: the allocation that it uses."""


@dataclass(frozen=True, slots=True)
class Allotment:
    """How a machine's interfaces and its allocations fit."""

    held: Held = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    """Allocations to make."""
    surplus: tuple[Meta, ...] = ()
    """Allocations that nothing asks for any more."""


def allot(
    uid: str, effective: Effective, allocations: Iterable[AddressView], present: frozenset[str] = frozenset()
) -> Allotment:
    """Match interfaces with the machine's allocations; `present` are the addresses that are known to be in use."""
    mine = list(allocations)
    wanted = [(each, family) for each in effective.interfaces for family in each.families]
    held = {(each.name, family): found for each, family in wanted if (found := _held(each, family, mine, present))}
    reserved = {(each.spec.network, each.spec.mac_address): each for each in mine if not each.spec.address}
    claims = [_claim(uid, each, family, held) for each, family in wanted if (each.name, family) not in held]
    claims += [
        Claim(each.name, each.network, "", each.mac, reserve_mac=True)
        for each in effective.interfaces
        if each.mac and (each.network, each.mac) not in reserved
    ]
    used = {found.meta.key for found in held.values()}
    used |= {
        found.meta.key
        for each in effective.interfaces
        if each.mac and (found := reserved.get((each.network, each.mac)))
    }
    return Allotment(held, tuple(claims), tuple(each.meta for each in mine if each.meta.key not in used))


def body(claim: Claim, address: str, owner: Meta) -> Mapping[str, object]:
    """Build the allocation of `address` to a machine; a reservation of a hardware address has none."""
    spec = {
        "network": claim.network,
        "macAddress": claim.mac,
        "virtualMachine": {"namespace": owner.key.namespace, "name": owner.key.name, "uid": owner.uid},
        "interface": claim.interface,
    }
    labels = {names.LABEL_OVERLAY: "true"} if claim.overlay and not claim.reserve_mac else {}
    return {
        "metadata": {"name": allocation(claim, address)} | ({"labels": labels} if labels else {}),
        "spec": spec | ({} if claim.reserve_mac else {"address": address}),
    }


def allocation(claim: Claim, address: str) -> str:
    """Name of the allocation that satisfies a claim."""
    return (
        names.hardware_address(claim.network, claim.mac) if claim.reserve_mac else names.address(claim.network, address)
    )


def number(address: str) -> int:
    """Read an address as a number."""
    return int(ip_address(address))


def text(number: int) -> str:
    """Write a number as the address it is; no IPv6 address of ours is as small as an IPv4 address."""
    return str(ip_address(number))


def _held(
    interface: EffectiveInterface, family: Family, mine: list[AddressView], present: frozenset[str]
) -> AddressView | None:
    """Choose among several, which two controllers may have made: the one that is in use, else the lowest."""
    fitting = [each for each in mine if _fits(interface, family, each)]
    in_use = [each for each in fitting if each.spec.address in present]
    return min(in_use or fitting, key=lambda each: number(each.spec.address or ""), default=None)


def _fits(interface: EffectiveInterface, family: Family, found: AddressView) -> bool:
    spec = found.spec
    return (
        spec.address is not None
        and not found.meta.deleting
        and (spec.interface, spec.network) == (interface.name, interface.network)
        and family_of(spec.address) == family
        and _asked(interface, family) in {"", spec.address}
    )


def _asked(interface: EffectiveInterface, family: Family) -> str:
    """The address of a family that the machine asks for; addresses of its own choice are IPv4."""
    return interface.address if family == FAMILIES[0] else ""


def _claim(uid: str, interface: EffectiveInterface, family: Family, held: Held) -> Claim:
    """Build a claim; both addresses of an interface belong to one hardware address."""
    other = next((found for (name, _), found in held.items() if name == interface.name), None)
    mac = interface.mac or (other.spec.mac_address if other else names.mac(uid, interface.name))
    return Claim(
        interface.name,
        interface.network,
        _asked(interface, family),
        mac,
        family=family,
        overlay=interface.mtu is not None,
    )
