"""Counters as libvirt lists them."""

from drover.hypervisor.stats import sample
from drover.state.host import DiskSample, GuestSample, InterfaceSample

FULL: dict[str, int | str] = {
    "cpu.time": 2_500_000_000,
    "balloon.current": 98304,
    "balloon.rss": 200,
    "net.count": 1,
    "net.0.name": "vnet0",
    "net.0.rx.bytes": 1,
    "net.0.rx.pkts": 2,
    "net.0.tx.bytes": 3,
    "net.0.tx.pkts": 4,
    "block.count": 1,
    "block.0.name": "vda",
    "block.0.rd.reqs": 5,
    "block.0.rd.bytes": 6,
    "block.0.wr.reqs": 7,
    "block.0.wr.bytes": 8,
    "block.0.allocation": 9,
}


def test_all_counters_are_read() -> None:
    disk = DiskSample("vda", read_bytes=6, write_bytes=8, read_requests=5, write_requests=7, allocated_bytes=9)
    interface = InterfaceSample("vnet0", received_bytes=1, sent_bytes=3, received_packets=2, sent_packets=4)

    assert sample("u", FULL) == GuestSample("u", 2.5, 98304 << 10, 200 << 10, (disk,), (interface,))


def test_what_libvirt_does_not_tell_is_unknown_and_not_zero() -> None:
    assert sample("u", {}) == GuestSample("u", None, None, None, (), ())
    assert sample("u", {"block.count": 1, "block.0.name": "vda"}).disks[0].read_bytes is None
