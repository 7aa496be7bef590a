"""The one DHCP message that the host says in a guest's name: that an address is free again (RFC 2131)."""

import struct
from ipaddress import IPv4Address

SERVER_PORT = 67
_REQUEST, _ETHERNET, _ADDRESS_BYTES = 1, 1, 6
_COOKIE = bytes((99, 130, 83, 99))
_MESSAGE_TYPE, _SERVER, _END = 53, 54, 255
_RELEASE = 7
_HEADER = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_NOWHERE = bytes(4)


def release(mac: str, ip: str, server: str) -> bytes:
    """A DHCPRELEASE of `ip` from the hardware address `mac`."""
    header = _HEADER.pack(
        *(_REQUEST, _ETHERNET, _ADDRESS_BYTES, 0, 0, 0, 0),
        *(IPv4Address(ip).packed, _NOWHERE, _NOWHERE, _NOWHERE),
        *(bytes.fromhex(mac.replace(":", "")), b"", b""),
    )
    kind = bytes((_MESSAGE_TYPE, 1, _RELEASE))
    return header + _COOKIE + kind + bytes((_SERVER, 4)) + IPv4Address(server).packed + bytes((_END,))
