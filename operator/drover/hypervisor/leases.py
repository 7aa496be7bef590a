"""Reservations and names of a network, as files that its dnsmasq reads the moment they change.

dnsmasq takes in by itself what is new, but keeps a removed reservation until SIGHUP, and refuses to give an address to
anybody while the lease of a former guest runs. So a forgotten reservation is followed by a SIGHUP, and a lease that
stands in the way is given back in the former guest's name.
"""

import contextlib
import os
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

from drover.state.host import Reservation
from drover.translation import dhcp
from drover.translation import network as translation

RUNTIME = Path("/run/libvirt/network")
"""Where libvirt keeps the process ids of its dnsmasqs."""
PROC = Path("/proc")
"""Where the kernel tells of processes; of the same process ids that libvirt writes down."""


@dataclass(frozen=True, slots=True)
class Leases:
    """The reservations of one network."""

    network: str
    directory: Path
    """Holds hosts/ and names/, which dnsmasq reads as a user of its own."""
    runtime: Path = field(default_factory=lambda: RUNTIME)
    proc: Path = field(default_factory=lambda: PROC)

    def prepare(self) -> None:
        """Make the directories."""
        for part in (translation.HOSTS, translation.NAMES):
            (self.directory / part).mkdir(mode=0o755, parents=True, exist_ok=True)

    def reserve(self, reservation: Reservation, zone: str) -> None:
        """Give the address to the hardware address, taking it from any other."""
        path = self._hosts(reservation.mac)
        line = "" if reservation.silent else translation.reservation(reservation)
        if _read(path) != line:
            self._forget(*(mac for mac, ip in self.reserved() if mac == reservation.mac or ip == reservation.ip))
        if line:
            self._write(path, line)
        self._write(self._names(reservation.mac), translation.names(reservation, zone))

    def release(self, mac: str) -> None:
        """Forget the reservation of a hardware address."""
        if self._hosts(mac).exists() or self._names(mac).exists():
            self._forget(mac)

    def reserved(self) -> tuple[tuple[str, str], ...]:
        """List hardware addresses and the addresses that they get."""
        lines = (_read(path) for path in (self.directory / translation.HOSTS).glob("*"))
        return tuple((line.split(",")[0], translation.reserved_address(line)) for line in lines if line)

    def known(self) -> tuple[str, ...]:
        """List the hardware addresses that have an address or a name."""
        files = (
            path.name for part in (translation.HOSTS, translation.NAMES) for path in (self.directory / part).glob("*")
        )
        return tuple(dict.fromkeys(name.replace("-", ":") for name in files))

    def alive(self) -> bool:
        """Whether the network's dnsmasq runs."""
        return self._process() is not None

    def _forget(self, *macs: str) -> None:
        for mac in macs:
            self._names(mac).unlink(missing_ok=True)
            self._hosts(mac).unlink(missing_ok=True)
        # One that does not run reads everything when it starts.
        process = self._process() if macs else None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGHUP)

    def _process(self) -> int | None:
        """Number of the network's dnsmasq; None when it does not run.

        The file with its number outlives it, and the number may be a stranger's by now, whom SIGHUP would end.
        """
        name = translation.name(self.network)
        number = _read(self.runtime / f"{name}.pid").strip()
        if not number.isdecimal():
            return None
        program, *arguments = _read(self.proc / number / "cmdline").split("\0")
        ours = Path(program).name == "dnsmasq" and any(one.endswith(f"/{name}.conf") for one in arguments)
        return int(number) if ours else None

    def _hosts(self, mac: str) -> Path:
        return self.directory / translation.HOSTS / mac.replace(":", "-")

    def _names(self, mac: str) -> Path:
        return self.directory / translation.NAMES / mac.replace(":", "-")

    def _write(self, path: Path, line: str) -> None:
        """Put a file in place whole: dnsmasq reads it at once."""
        if _read(path) == line:
            return
        part = self.directory / f".{path.parent.name}-{path.name}"
        part.write_text(line)
        part.chmod(0o644)
        part.replace(path)


def give_back(bridge: str, server: str, mac: str, ip: str) -> None:
    """End a lease in the name of a guest that cannot do it any more; heard only by the server on `bridge`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        speaker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        with contextlib.suppress(OSError):
            speaker.sendto(dhcp.release(mac, ip, server), (server, dhcp.SERVER_PORT))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    # A process may end while its command line is read.
    except (FileNotFoundError, ProcessLookupError):
        return ""
