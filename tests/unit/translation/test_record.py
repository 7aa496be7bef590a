"""The record survives its journey through libvirt's XML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.blueprints import make_record

from drover.api.domain import DomainTimeline, LiveMachine
from drover.api.virtualmachine import LastStop
from drover.state.guest import Record, Stopping
from drover.translation import record as records

FULL = make_record(
    boot_id="b",
    handled_restart="1",
    handled_start="2",
    restarts=3,
    failures=1,
    last_start="2026-01-01T00:00:00Z",
    next_restart="2026-01-01T00:00:10Z",
    resting=True,
    stopping=Stopping("Evicted", "scheduler", "2026-01-01T00:00:00Z"),
    last_stop=LastStop(reason="GuestPanic", actor="guest", time="2026-01-01T00:00:00Z", detail="x"),
    live=LiveMachine(cores=1, memory_bytes=5, disks=["root"], interfaces=["lan"], kernel="k"),
    timeline=DomainTimeline(prepared="2026-01-01T00:00:00Z"),
    panicked=True,
    problem="ResumeFailed",
)


@pytest.mark.parametrize("record", [make_record(), FULL], ids=["plain", "full"])
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert records.from_text(records.to_text(record)) == record


@given(st.text())
def test_any_message_survives(detail: str) -> None:
    record = make_record(stopping=Stopping("Requested", detail, ""))

    assert records.from_text(records.to_text(record)) == record


def test_fields_of_a_newer_version_are_ignored() -> None:
    text = records.to_text(make_record()).replace('{"', '{"invented_later":1,"', 1)

    assert records.from_text(text) == make_record()


@pytest.mark.parametrize("text", ["<record/>", "<record>no JSON</record>", '<record>{"epoch":1}</record>'])
def test_what_is_no_record_of_ours_is_none(text: str) -> None:
    assert records.from_text(text) is None
