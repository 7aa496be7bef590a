"""The node's kernel as far as it moves guests' packets: packet filters, and the links of overlays between nodes.

Everything is idempotent and survives the agent: what it puts up stays until it is taken down or the node boots.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from drover.errors import NotReady, Unsupported
from drover.state.firewall import Port, Trunk
from drover.state.host import Overlay
from drover.translation import nft
from drover.translation import vxlan as translation

SECONDS = 20.0
"""How long a program may take: they answer within milliseconds."""
SHOWN = 500
DEVICES = Path("/sys/class/net")
"""Where the kernel tells of network interfaces."""
Complain = Callable[[str], NotReady]


async def run(*command: str, text: str = "", complain: Complain = NotReady) -> str:
    """Run a program to its end, without a shell; a failure is what `complain` makes of what it said."""
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise Unsupported(f"{command[0]} is not installed on this node", reason="ProgramMissing") from error
    try:
        async with asyncio.timeout(SECONDS):
            output, complaint = await child.communicate(text.encode())
    except TimeoutError as error:
        raise complain(f"{command[0]} does not answer") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise complain(f"{command[0]}: {complaint.decode(errors='replace').strip()[:SHOWN]}")
    return output.decode(errors="replace")


def _filter_failed(words: str) -> NotReady:
    return NotReady(words, reason="FilterFailed")


def _link_failed(words: str) -> NotReady:
    return NotReady(words, reason="OverlayUnusable")


@dataclass(frozen=True, slots=True)
class Wires:
    """The node's kernel."""

    devices: Path = field(default_factory=lambda: DEVICES)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    # --- packet filters ---------------------------------------------------------------------------------------------

    async def guard(self, interface: str, port: Port) -> None:
        """Put up the filter of a guest's interface, in one transaction; the interface may come later."""
        await self._nft(nft.put(interface, port))

    async def unguard(self, interface: str) -> None:
        """Take a filter down; done if there is none."""
        await self._nft(nft.remove(interface))

    async def guarded(self) -> frozenset[str]:
        """Interfaces that have a filter."""
        listed = await run("nft", "-j", "list", "tables", "bridge", complain=_filter_failed)
        if not nft.has_table(listed):
            return frozenset()
        return nft.interfaces(await run("nft", "-j", "list", "map", *nft.MAP, complain=_filter_failed))

    async def _nft(self, transaction: str) -> None:
        # A transaction that another one overtakes is begun again by nft: one after the other is quicker.
        async with self._lock:
            await run("nft", "-f", "-", text=transaction, complain=_filter_failed)

    # --- overlays ---------------------------------------------------------------------------------------------------

    async def connect(self, overlay: Overlay) -> None:
        """Connect a bridge with the other nodes, guard the link, and let the guests out through this node."""
        known = await self._link(overlay.trunk)
        if known is not None and not translation.fits(known, overlay):
            await self._ip(translation.delete(overlay.trunk))
            known = None
        await self._nft(nft.put_trunk(overlay.trunk, Trunk(overlay.gateways)) + _way_out(overlay))
        await self._ip(translation.make(overlay) if known is None else translation.plug(overlay))
        shown = await run("bridge", "-j", "fdb", "show", "dev", overlay.trunk, complain=_link_failed)
        await self._batch("bridge", translation.flood(overlay, translation.peers(shown)))

    async def disconnect(self, trunk: str) -> None:
        """Take the link of an overlay down; done if there is none."""
        if await self._link(trunk) is not None:
            await self._ip(translation.delete(trunk))
            await self._nft(nft.remove(trunk) + nft.unmasquerade(trunk))

    async def _link(self, name: str) -> translation.Link | None:
        if not (self.devices / name).exists():
            return None
        shown = await run("ip", "-j", "-d", "link", "show", "dev", name, complain=_link_failed)
        return translation.link(json.loads(shown))

    async def _ip(self, commands: str) -> None:
        await self._batch("ip", commands)

    async def _batch(self, program: str, commands: str) -> None:
        if commands:
            await run(program, "-batch", "-", text=commands, complain=_link_failed)

    # --- what the node has ------------------------------------------------------------------------------------------

    def has_bridge(self, name: str) -> bool:
        """Whether an interface is there and is a bridge."""
        return (self.devices / name / "bridge").is_dir()

    def has_device(self, name: str) -> bool:
        """Whether an interface is there."""
        return (self.devices / name).exists()

    def filters_vlans(self, bridge: str) -> bool:
        """Whether a bridge keeps VLANs apart."""
        with suppress(OSError):
            return (self.devices / bridge / "bridge" / "vlan_filtering").read_text().strip() == "1"
        return False


def _way_out(overlay: Overlay) -> str:
    return nft.masquerade(overlay.trunk, overlay.cidrs)
