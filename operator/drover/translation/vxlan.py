"""The link of an overlay to the other nodes, in the words of the programs ``ip`` and ``bridge``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drover.state.host import Overlay

PORT = 4789
"""UDP port of VXLAN, as registered."""
EVERYBODY = "00:00:00:00:00:00"
"""Stands for the addresses that are not known yet: frames to them go to every peer."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it is."""

    vni: int
    local: str


def link(shown: Sequence[Mapping[str, Any]]) -> Link:
    """Read what ``ip`` shows of a link; one that is no VXLAN is none of ours and fits nothing."""
    data = shown[0].get("linkinfo", {}).get("info_data", {}) if shown else {}
    return Link(int(data.get("id", 0)), str(data.get("local") or data.get("local6") or ""))


def fits(known: Link, overlay: Overlay) -> bool:
    """Tell whether a link can stay as it is."""
    return known == Link(overlay.vni, overlay.local)


def make(overlay: Overlay) -> str:
    """Commands that make the link and plug it into the bridge."""
    options = f"id {overlay.vni} local {overlay.local} dstport {PORT}"
    return f"link add {overlay.trunk} type vxlan {options}\n{plug(overlay)}"


def plug(overlay: Overlay) -> str:
    """Commands that plug the link into the bridge, and have the node speak to guests by an address of its own.

    The gateway's address is that of every node: a guest elsewhere would answer the node that it is on.
    """
    four = ":" not in overlay.local
    routes = (
        f"route replace {cidr} dev {overlay.bridge} proto static scope link src {overlay.local}\n"
        for cidr in overlay.cidrs
        if four
    )
    return f"link set {overlay.trunk} mtu {overlay.mtu} master {overlay.bridge} up\n{''.join(routes)}"


def delete(trunk: str) -> str:
    """Command that takes the link down."""
    return f"link delete {trunk}\n"


def peers(shown: str) -> frozenset[str]:
    """Nodes to which frames for everybody go, from what ``bridge`` shows."""
    entries = json.loads(shown or "[]")
    return frozenset(each["dst"] for each in entries if each.get("mac") == EVERYBODY and "dst" in each)


def flood(overlay: Overlay, known: frozenset[str]) -> str:
    """Commands that make the other nodes the peers."""
    wanted = frozenset(overlay.peers)
    gone = (f"fdb del {EVERYBODY} dev {overlay.trunk} dst {each}\n" for each in sorted(known - wanted))
    new = (f"fdb append {EVERYBODY} dev {overlay.trunk} dst {each}\n" for each in sorted(wanted - known))
    return "".join((*gone, *new))
