"""Whole transactions of the packet filter, as they are sent; run again with ``--regenerate`` after a wished change."""

from pathlib import Path

import pytest

from drover.state.firewall import Port, Rule, Trunk
from drover.translation import nft

FOLDER = Path(__file__).parent / "nft"
TAP = "dt0123456789ab"
ALL = ("0.0.0.0/0", "::/0")
OWN = ("10.20.0.5", "fd00:20::5")
MAC = "02:00:00:00:00:01"
RULES = (
    Rule("web/not", "Ingress", allow=False, protocol="Any", ports=(), peers=("10.9.0.0/16",)),
    Rule("web/mail", "Egress", allow=False, protocol="TCP", ports=((25, 25),), peers=ALL, log=True),
    Rule("web/all", "Egress", allow=True, protocol="Any", ports=(), peers=("10.0.0.0/8",)),
    Rule("web/dns", "Ingress", allow=True, protocol="UDP", ports=((53, 53),), peers=("10.0.0.0/8",)),
    Rule(
        "web/http",
        "Ingress",
        allow=True,
        protocol="TCP",
        ports=((8005, 8020), (80, 80), (8000, 8010)),
        peers=ALL,
        log=True,
    ),
    Rule("web/ping", "Ingress", allow=True, protocol="ICMP", ports=(), peers=ALL),
    Rule("web/tcp", "Ingress", allow=True, protocol="TCP", ports=(), peers=("fd00::/8",)),
    Rule("web/whatever", "Ingress", allow=True, protocol="Any", ports=(), peers=("10.1.0.1/32",)),
)
CASES = {
    "open": nft.put(TAP, Port(MAC, OWN)),
    "unmanaged": nft.put(TAP, Port(MAC)),
    "only-ipv6": nft.put(TAP, Port(MAC, OWN[1:])),
    "free": nft.put(TAP, Port(MAC, OWN, bound=False, bytes_per_second=10_000_000)),
    "guarded": nft.put(TAP, Port(MAC, OWN, guarded=True, hosts=("10.20.0.1",), rules=RULES[:1])),
    "closed": nft.put(TAP, Port(MAC, OWN, guarded=True, hosts=("10.20.0.1", "fd00:20::1"), rules=RULES)),
    "trunk": nft.put_trunk("dv0123456789ab", Trunk(("10.20.0.1", "fd00:20::1"))),
    "removed": nft.remove(TAP),
    "masquerade": nft.masquerade("dv0123456789ab", ["10.20.0.0/24"]),
    "unmasquerade": nft.unmasquerade("dv0123456789ab"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_transaction_is_as_it_was(case: str, *, regenerate: bool) -> None:
    written = FOLDER / f"{case}.nft"
    if regenerate:
        written.write_text(CASES[case])

    assert CASES[case] == written.read_text()
