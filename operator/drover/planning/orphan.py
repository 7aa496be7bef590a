"""Guests of ours for which no Domain speaks: they keep running, and are told."""

from collections.abc import Iterable, Mapping

from drover.api.hypervisor import Orphan
from drover.state.guest import Guest, GuestState

LIMIT = 500
"""How many are told of."""
STATES: Mapping[GuestState, str] = {"Running": "Running", "Paused": "Paused", "Off": "Stopped"}


def orphans(guests: Iterable[Guest], spoken_for: Mapping[str, int]) -> tuple[Orphan, ...]:
    """Tell the guests that belong to no Domain; `spoken_for`: the epoch of the Domain of each uuid.

    A Domain speaks for guests of its own epoch, and for those of earlier ones, which it takes over.
    """
    found = (
        Orphan(
            uuid=guest.uuid,
            name=guest.name,
            epoch=guest.record.epoch,
            machine_uid=guest.record.uid,
            state=STATES[guest.state],
        )
        for guest in guests
        if spoken_for.get(guest.uuid, 0) < guest.record.epoch
    )
    return tuple(sorted(found, key=lambda orphan: orphan.uuid)[:LIMIT])
