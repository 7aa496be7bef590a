"""A node agent's Lease as the cache holds it: only that it changed matters, never what time it names."""

from dataclasses import dataclass

from drover.state.resource import Body, Meta, read_meta

NODE_PREFIX = "drover-node-"
"""Start of the names of the agents' Leases; the node's name follows."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Whose heartbeat it is and its last word."""

    meta: Meta
    renewed: str
    """renewTime, by the holder's clock."""

    @property
    def node(self) -> str:
        """Node whose agent renews it, empty when it is another kind of Lease."""
        return self.meta.key.name.removeprefix(NODE_PREFIX) if self.meta.key.name.startswith(NODE_PREFIX) else ""


def read_lease(body: Body) -> Lease:
    """Read a Lease."""
    return Lease(read_meta(body), (body.get("spec") or {}).get("renewTime") or "")
