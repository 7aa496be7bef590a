"""Addresses: allocation never gives out what is reserved or taken, and a machine keeps what it has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.machines import MAC, SUBNET, UID, make_address, make_catalog, make_machine, make_network

from drover.planning.address import Book, Claim, allocation, allot, body, number, text, windows
from drover.planning.resolve import Effective, Policy, resolve

POLICY = Policy(anchor_image="")
LAN = [{"name": "lan"}]
OTHER_MAC = "02:00:00:00:00:02"


def _effective(interfaces: object) -> Effective:
    return resolve("web", make_machine(interfaces=interfaces).spec, make_catalog(), POLICY)


def test_a_window_leaves_out_network_broadcast_and_gateway() -> None:
    (found,) = windows(make_network())
    assert (text(found.first), text(found.last), found.size) == ("10.20.0.0", "10.20.0.7", 5)


def test_a_window_is_the_allocation_range_when_there_is_one() -> None:
    (found,) = windows(make_network(subnet={"allocation": {"start": "10.20.0.3", "end": "10.20.0.4"}}))
    assert (text(found.first), text(found.last), found.size) == ("10.20.0.3", "10.20.0.4", 2)


def test_the_book_counts_what_is_taken_of_each_network() -> None:
    book = Book()
    book.take("default", 1)
    book.take("default", 2)
    book.release("default", 1)

    assert (book.count("default"), book.count("other")) == (1, 0)


def test_the_book_gives_the_lowest_free_address_until_there_is_none() -> None:
    book, room = Book(), windows(make_network())
    given_out = []
    while (lowest := book.lowest("default", room)) is not None:
        book.take("default", lowest)
        given_out.append(text(lowest))
    assert given_out == [f"10.20.0.{last}" for last in range(2, 7)]


def test_a_network_that_comes_back_with_another_window_is_searched_from_its_start() -> None:
    book = Book()
    high = windows(make_network(subnet={"allocation": {"start": "10.20.0.5", "end": "10.20.0.6"}}))
    assert text(book.lowest("default", high) or 0) == "10.20.0.5"
    assert text(book.lowest("default", windows(make_network())) or 0) == "10.20.0.2"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7)), max_size=60))
def test_the_book_agrees_with_a_plain_search(steps: list[tuple[bool, int]]) -> None:
    book, room, taken = Book(), windows(make_network()), set[int]()
    for take, offset in steps:
        (book.take if take else book.release)("default", room[0].first + offset)
        (taken.add if take else taken.discard)(room[0].first + offset)
        free = (each for each in range(room[0].first, room[0].last + 1) if each not in taken | room[0].reserved)
        assert book.lowest("default", room) == next(free, None)


def test_the_book_follows_the_allocations() -> None:
    book, room = Book(), windows(make_network())
    book.observe(None, make_address("10.20.0.2"))
    book.observe(None, make_address(None))
    assert text(book.lowest("default", room) or 0) == "10.20.0.3"
    book.observe(make_address("10.20.0.2"), None)
    book.observe(make_address(None), None)
    assert text(book.lowest("default", room) or 0) == "10.20.0.2"


@pytest.mark.parametrize(
    ("interface", "held", "claims"),
    [
        pytest.param({}, ["10.20.0.2"], [], id="it keeps what it has"),
        pytest.param({}, [], [""], id="it asks for any"),
        pytest.param({"address": "10.20.0.3"}, ["10.20.0.2"], ["10.20.0.3"], id="it asks for another"),
        pytest.param({"address": "10.20.0.3"}, ["10.20.0.2", "10.20.0.3"], [], id="it has got the other"),
        pytest.param({"network": "shop"}, ["10.20.0.2"], [""], id="it moved to another network"),
    ],
)
def test_an_interface_claims_what_it_lacks(interface: dict[str, str], held: list[str], claims: list[str]) -> None:
    found = allot(UID, _effective([{"name": "lan", **interface}]), [make_address(ip) for ip in held])
    assert [claim.address for claim in found.claims] == claims


def test_a_hardware_address_that_is_asked_for_is_reserved_too() -> None:
    asked = _effective([{"name": "lan", "macAddress": OTHER_MAC}])
    found = allot(UID, asked, [make_address()])
    assert found.claims == (Claim("lan", "default", "", OTHER_MAC, reserve_mac=True),)
    reserved = make_address(None, macAddress=OTHER_MAC)
    again = allot(UID, asked, [make_address(), reserved])
    assert (again.claims, again.surplus) == ((), ())


@pytest.mark.parametrize(
    ("present", "kept"),
    [
        pytest.param(frozenset(), "10.20.0.2", id="the lowest when none is known to be in use"),
        pytest.param(frozenset({"10.20.0.3"}), "10.20.0.3", id="the one that is in use"),
        pytest.param(frozenset({"10.20.0.6"}), "10.20.0.2", id="the lowest when the one in use is lost"),
    ],
)
def test_of_two_allocations_one_is_kept_and_the_other_is_surplus(present: frozenset[str], kept: str) -> None:
    mine = [make_address("10.20.0.3"), make_address("10.20.0.2")]
    found = allot(UID, _effective(LAN), mine, present)
    assert (found.held["lan", 4].spec.address, len(found.surplus)) == (kept, 1)


def test_an_allocation_that_is_going_is_not_used() -> None:
    going = make_address(meta={"deleting": "2026-11-21T12:00:00Z"})
    assert len(allot(UID, _effective(LAN), [going]).claims) == 1


def test_an_allocation_is_called_by_what_it_locks() -> None:
    claim, owner = Claim("lan", "default", "", MAC), make_machine().meta
    reserve = Claim("lan", "default", "", MAC, reserve_mac=True)
    assert allocation(claim, "10.20.0.9") == "default-10-20-0-9"
    assert allocation(reserve, "") == "default-mac-02-00-00-00-00-01"
    assert "address" not in body(reserve, "", owner)["spec"]  # type: ignore[operator]
    assert number("10.20.0.9") == number("10.20.0.8") + 1


SIX = {"name": "v6", "cidr": "fd00:20::/64", "gateway": "fd00:20::1"}
MORE = {"name": "more", "cidr": "10.21.0.0/29", "gateway": "10.21.0.1"}


def _dual(**interface: object) -> Effective:
    catalog = make_catalog(networks={"default": make_network(subnets=[SUBNET, SIX])})
    return resolve("web", make_machine(interfaces=[{"name": "lan", **interface}]).spec, catalog, POLICY)


def test_a_full_subnet_is_followed_by_the_next() -> None:
    book, room = Book(), windows(make_network(subnets=[SUBNET, MORE]))
    for last in range(2, 7):
        book.take("default", number(f"10.20.0.{last}"))
    assert text(book.lowest("default", room) or 0) == "10.21.0.2"


def test_an_ipv6_subnet_has_no_broadcast_address_and_a_bridged_one_needs_no_gateway() -> None:
    open_ended = {"name": "v6", "cidr": "fd00:20::/120"}
    (room,) = windows(make_network(type="Bridge", bridge={"name": "br0"}, subnets=[open_ended]), 6)
    assert (text(room.last), set(room.reserved)) == ("fd00:20::ff", {number("fd00:20::")})


def test_an_interface_gets_an_address_of_each_family_for_one_hardware_address() -> None:
    four, six = allot(UID, _dual(), []).claims
    assert (four.family, six.family, four.mac == six.mac) == (4, 6, True)
    held = allot(UID, _dual(), [make_address("10.20.0.2", macAddress=OTHER_MAC)])
    assert [(each.family, each.mac) for each in held.claims] == [(6, OTHER_MAC)]


def test_an_address_that_is_asked_for_is_ipv4_and_the_other_is_given() -> None:
    four, six = allot(UID, _dual(address="10.20.0.5"), []).claims
    assert (four.address, six.address) == ("10.20.0.5", "")
    found = allot(UID, _dual(address="10.20.0.5"), [make_address("fd00:20::2"), make_address("10.20.0.5")])
    assert (found.claims, found.surplus) == ((), ())


def test_an_unmanaged_interface_gets_none() -> None:
    assert allot(UID, _dual(addressMode="Unmanaged"), []).claims == ()


def test_every_node_hears_of_an_allocation_of_an_overlay() -> None:
    claim = Claim("lan", "over", "", MAC, overlay=True)
    assert body(claim, "10.30.0.2", make_machine().meta)["metadata"] == {
        "name": "over-10-30-0-2",
        "labels": {"drover.dev/overlay": "true"},
    }
