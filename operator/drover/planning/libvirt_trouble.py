"""Why libvirt does not answer, in words that say what to do."""

from collections.abc import Sequence

UNKNOWN = "LibvirtUnavailable"
TABLE: Sequence[tuple[str, str, str]] = (
    (
        "no such file or directory",
        "SocketMissing",
        "install and start libvirtd on the node; in a pod its socket's folder, /run/libvirt, must be mounted",
    ),
    (
        "permission denied",
        "SocketForbidden",
        "let the agent run as root, or as a user whom libvirt lets manage machines",
    ),
    (
        "authentication",
        "SocketForbidden",
        'let libvirt trust the socket: auth_unix_rw = "none" in its configuration, or run the agent as root',
    ),
    ("connection refused", "LibvirtStopped", "start libvirtd on the node: its socket is there, nobody listens"),
)
"""What libvirt's words hold, the reason in one word, and what to do."""


def reason(trouble: str) -> str:
    """Give the reason in one word."""
    return next((word for sign, word, _ in TABLE if sign in trouble.lower()), UNKNOWN)


def advice(trouble: str) -> str:
    """Say what to do."""
    return next((what for sign, _, what in TABLE if sign in trouble.lower()), "read libvirtd's log on the node")


def explain(trouble: str) -> str:
    """Give libvirt's words and what to do."""
    known = any(sign in trouble.lower() for sign, _, _ in TABLE)
    return f"{trouble}; {advice(trouble)}" if known else trouble
