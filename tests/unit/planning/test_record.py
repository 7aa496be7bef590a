"""How the record of a guest changes."""

from typing import Any

import pytest
from tests.support.domains import BACK_OFF, BOOT, NOW, make_off, make_record, make_spec

from drover.api.virtualmachine import LastStop
from drover.planning import live
from drover.planning import record as records
from drover.planning.record import Moment, Terms
from drover.translation import record as translation

AT_ONCE = "2026-11-21T12:00:00Z"
MOMENT = Moment(NOW, BOOT)


def stop(reason: Any) -> LastStop:
    return LastStop(reason=reason, time="2026-11-21T12:00:00Z")


def ended(reason: str, ran_for: float = 1.0, policy: str = "Always", **record: Any) -> Any:
    terms = Terms(make_spec(restartPolicy=policy), BACK_OFF, ran_for, NOW)
    return records.ended(make_record(**record), stop(reason), terms)


def test_a_start_is_only_attempted_until_somebody_saw_it() -> None:
    attempted = records.attempted(make_off(), make_spec(), MOMENT, "Wish")

    assert not records.is_confirmed(attempted)
    assert records.is_confirmed(records.confirmed(attempted, make_spec(), MOMENT, ready=False))


@pytest.mark.parametrize(("cause", "restarts", "failures"), [("Policy", 3, 2), ("Wish", 2, 0), ("Request", 2, 0)])
def test_only_a_start_by_the_policy_is_counted(cause: Any, restarts: int, failures: int) -> None:
    record = records.attempted(make_off(restarts=2, failures=2), make_spec(), MOMENT, cause)

    assert (record.restarts, record.failures) == (restarts, failures)


@pytest.mark.parametrize(
    ("failures", "ran_for", "expected"),
    [
        (0, 1.0, (1, "2026-11-21T12:00:00Z")),
        (1, 1.0, (2, "2026-11-21T12:00:10Z")),
        (5, 600.0, (1, "2026-11-21T12:00:00Z")),
    ],
)
def test_short_runs_add_up_and_long_ones_start_over(failures: int, ran_for: float, expected: Any) -> None:
    record = ended("GuestPanic", ran_for, failures=failures)

    assert (record.failures, record.next_restart) == expected


def test_a_stop_that_was_asked_for_forgets_the_failures() -> None:
    record = ended("Requested", failures=4)

    assert (record.failures, record.next_restart, record.resting) == (0, None, False)


def test_a_guest_somebody_started_after_a_boot_runs_since_then() -> None:
    record = records.confirmed(make_record(boot_id="earlier"), make_spec(), MOMENT, ready=True)

    assert (record.boot_id, record.last_start) == (BOOT, "2026-11-21T12:00:00Z")


def test_a_guest_is_ready_for_the_first_time_only_once() -> None:
    record = records.served(make_record(), NOW)

    assert record.timeline is not None
    assert record.timeline.ready == "2026-11-21T12:00:00.000000Z"


def test_the_live_machine_names_what_a_start_gave_it() -> None:
    kernel = {"image": "shop/tiny", "kernel": {"url": "http://web/vmlinuz"}, "arguments": "quiet"}
    found = live.machine(make_spec(kernel=kernel))

    assert (found.cores, found.kernel) == (1, "shop/tiny quiet")
    assert [text.split()[:2] for text in found.disks] == [["root", "web.root"]]
    assert [text.split()[:2] for text in found.interfaces] == [["default", "default"]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"ip": "10.20.0.5"}, "10.20.0.5", id="ipv4"),
        pytest.param({"ip": "10.20.0.5", "ipv6": "fd00::5"}, "10.20.0.5,fd00::5", id="both"),
        pytest.param({}, "-", id="none"),
        pytest.param({"model": "E1000E"}, "- E1000E", id="another-card"),
    ],
)
def test_an_interface_in_flight_is_told_in_words(fields: dict[str, Any], words: str) -> None:
    interface = {"name": "lan", "network": "n", "mac": "02:00:00:00:00:01", **fields}
    assert live.machine(make_spec(interfaces=[interface])).interfaces == [f"lan n 02:00:00:00:00:01 {words}"]


def test_libvirt_gives_a_record_back_as_it_was() -> None:
    record = ended("GuestPanic", failures=1)

    assert translation.from_text(translation.to_text(record)) == record
