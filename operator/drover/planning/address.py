"""Addresses: which are free, which may be asked for, whose they are. The name of an allocation is its lock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from drover.api.network import Subnet
from drover.planning import names
from drover.planning.resolve import Effective, EffectiveInterface
from drover.planning.view import AddressView, NetworkView
from drover.state.resource import Meta


@dataclass(frozen=True, slots=True)
class Window:
    """The numbers from which a network's addresses are given out."""

    first: int
    last: int
    reserved: frozenset[int]
    """Network, broadcast and gateway: nobody's."""

    @property
    def size(self) -> int:
        """How many can be given out."""
        return self.last - self.first + 1 - sum(self.first <= number <= self.last for number in self.reserved)


def window(network: NetworkView) -> Window:
    """Find where a network's addresses come from."""
    return _window(network.spec.subnets[0])


@lru_cache(maxsize=256)
def _window_of(cidr: str, gateway: str, start: str, end: str) -> Window:
    subnet = IPv4Network(cidr)
    reserved = frozenset(int(each) for each in (subnet.network_address, subnet.broadcast_address, IPv4Address(gateway)))
    first = IPv4Address(start) if start else subnet.network_address
    last = IPv4Address(end) if end else subnet.broadcast_address
    return Window(int(first), int(last), reserved)


def _window(subnet: Subnet) -> Window:
    range_ = subnet.allocation
    return _window_of(subnet.cidr, subnet.gateway, range_.start if range_ else "", range_.end if range_ else "")


class Book:
    """Which addresses of each network are taken, and the lowest that may be free: giving one out costs no search."""

    def __init__(self) -> None:
        self._taken: dict[str, set[int]] = {}
        self._lowest: dict[str, tuple[Window, int]] = {}
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
        if network in self._lowest:
            window, lowest = self._lowest[network]
            self._lowest[network] = (window, max(window.first, min(address, lowest)))

    def count(self, network: str) -> int:
        """Tell how many of a network's addresses are somebody's."""
        return len(self._taken.get(network, ()))

    def lowest(self, network: str, window: Window) -> int | None:
        """Find the lowest free address, ``None`` when there is none."""
        taken = self._taken.get(network, set())
        known, number = self._lowest.get(network, (window, window.first))
        if known != window:
            number = window.first
        while number in taken or number in window.reserved:
            number += 1
        self._lowest[network] = (window, number)
        return number if number <= window.last else None

    def observe(self, old: AddressView | None, new: AddressView | None) -> None:
        """Follow a change of the allocations."""
        if old is not None and old.spec.address:
            self.release(old.spec.network, int(IPv4Address(old.spec.address)))
        if new is not None and new.spec.address:
            self.take(new.spec.network, int(IPv4Address(new.spec.address)))


@dataclass(frozen=True, slots=True)
class Claim:
    """An allocation to make: of the address given, or of the lowest free one when it is empty."""

    interface: str
    network: str
    address: str
    mac: str
    reserve_mac: bool = False
    """Whether it is the hardware address that is reserved, and no address."""


@dataclass(frozen=True, slots=True)
class Allotment:
    """How a machine's interfaces and its allocations fit."""

    held: Mapping[str, AddressView] = field(default_factory=dict)
    """By interface: the allocation it uses."""
    claims: tuple[Claim, ...] = ()
    """Allocations to make."""
    surplus: tuple[Meta, ...] = ()
    """Allocations that nothing asks for any more."""


def allot(
    uid: str, effective: Effective, allocations: Iterable[AddressView], present: Mapping[str, str] | None = None
) -> Allotment:
    """Match interfaces with the machine's allocations; `present` tells the address each interface has, where known."""
    mine = list(allocations)
    known = present or {}
    held = {each.name: found for each in effective.interfaces if (found := _held(each, mine, known))}
    reserved = {(each.spec.network, each.spec.mac_address): each for each in mine if not each.spec.address}
    claims = [_claim(uid, each) for each in effective.interfaces if each.name not in held]
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
    return {
        "metadata": {"name": allocation(claim, address)},
        "spec": spec | ({} if claim.reserve_mac else {"address": address}),
    }


def allocation(claim: Claim, address: str) -> str:
    """Name of the allocation that satisfies a claim."""
    return (
        names.hardware_address(claim.network, claim.mac) if claim.reserve_mac else names.address(claim.network, address)
    )


def number(address: str) -> int:
    """Read an IPv4 address as a number."""
    return int(IPv4Address(address))


def text(number: int) -> str:
    """Write a number as the IPv4 address it is."""
    return str(IPv4Address(number))


def _held(interface: EffectiveInterface, mine: list[AddressView], present: Mapping[str, str]) -> AddressView | None:
    """Choose among several, which two controllers may have made: the one that is in use, else the lowest."""
    fitting = [each for each in mine if _fits(interface, each)]
    in_use = [each for each in fitting if each.spec.address == present.get(interface.name)]
    return min(in_use or fitting, key=lambda each: number(each.spec.address or ""), default=None)


def _fits(interface: EffectiveInterface, found: AddressView) -> bool:
    spec = found.spec
    return (
        spec.address is not None
        and not found.meta.deleting
        and (spec.interface, spec.network) == (interface.name, interface.network)
        and interface.address in {"", spec.address}
    )


def _claim(uid: str, interface: EffectiveInterface) -> Claim:
    mac = interface.mac or names.mac(uid, interface.name)
    return Claim(interface.name, interface.network, interface.address, mac)
