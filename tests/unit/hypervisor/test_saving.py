"""A save of a guest's memory that is given up."""

from dataclasses import dataclass, field
from typing import cast

import pytest
from tests.support.blueprints import UUID, make_record
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import NotReady
from drover.hypervisor import domain as guests
from drover.translation import record

SAVING = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE]
DUMPING = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_DUMP]
RUNNING = [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_SAVE_CANCELED]


@dataclass
class FakeDomain:
    """A guest that is in one state after the other, and in the last for ever."""

    states: list[list[int]]
    refuses: bool = False
    aborted: list[None] = field(default_factory=list)

    def isPersistent(self) -> bool:  # noqa: N802
        return True

    def metadata(self, *_about: object) -> str:
        return record.to_text(make_record())

    def state(self) -> list[int]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def abortJob(self) -> None:  # noqa: N802
        self.aborted.append(None)
        if self.refuses:
            raise make_error(libvirt.VIR_ERR_OPERATION_INVALID)


def stop(domain: FakeDomain | None) -> None:
    def look(_uuid: str) -> FakeDomain:
        if domain is None:
            raise make_error(libvirt.VIR_ERR_NO_DOMAIN)
        return domain

    guests.stop_saving(
        cast("libvirt.virConnect", type("Connection", (), {"lookupByUUIDString": lambda *a: look(a[1])})()), UUID
    )


@pytest.mark.parametrize(
    ("states", "refuses", "aborted"),
    [
        pytest.param([RUNNING], False, 0, id="nothing is saved"),
        pytest.param([SAVING, RUNNING], False, 1, id="it is given up"),
        pytest.param([DUMPING, RUNNING], False, 1, id="so is a dump"),
        pytest.param([SAVING, RUNNING], True, 1, id="it had just ended"),
    ],
)
def test_a_save_is_given_up(states: list[list[int]], aborted: int, *, refuses: bool) -> None:
    domain = FakeDomain(states, refuses)

    stop(domain)

    assert len(domain.aborted) == aborted
    stop(None)


@pytest.mark.parametrize(("refuses", "error"), [(False, NotReady), (True, libvirt.libvirtError)])
def test_a_save_that_goes_on_is_waited_for(error: type[Exception], *, refuses: bool) -> None:
    with pytest.raises(error):
        stop(FakeDomain([SAVING], refuses))
