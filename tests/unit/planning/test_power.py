"""Power: the rules of the place, as tables."""

import pytest
from tests.support.machines import make_domain, make_machine, make_off, notes

from drover.planning.power import (
    Wish,
    current,
    first_wish,
    has_memory,
    has_tpm,
    is_off,
    requested,
    rests,
    wants_place,
    wish,
)
from drover.planning.view import DomainView

RESTING = make_domain(status={"state": "Stopped", "reason": "RestartPolicy", "handledStart": "1"})
BACKING_OFF = make_domain(status={"state": "Stopped", "reason": "BackOff", "nextRestart": "2026-11-21T12:01:00Z"})
STALE = {"generation": 2}


@pytest.mark.parametrize(
    ("domain", "off"),
    [
        pytest.param(make_domain(), False, id="it runs"),
        pytest.param(make_off(), True, id="stopped as told"),
        pytest.param(make_off(power="Hibernated"), True, id="hibernated as told"),
        pytest.param(make_off(STALE), False, id="the report is about an older order"),
        pytest.param(RESTING, True, id="it rests"),
        pytest.param(BACKING_OFF, False, id="it will be started again"),
        pytest.param(make_domain(status={"state": "Stopped", "reason": "Requested"}), False, id="told to run"),
        pytest.param(make_domain(status={"state": "Running"}, powerState="Stopped"), False, id="still on"),
    ],
)
def test_a_guest_is_off_only_when_nothing_will_start_it(domain: DomainView, *, off: bool) -> None:
    assert is_off(domain) is off


@pytest.mark.parametrize(
    ("domain", "resting"),
    [
        pytest.param(RESTING, True, id="by its policy"),
        pytest.param(BACKING_OFF, False, id="backing off"),
        pytest.param(make_off(), False, id="stopped by the spec"),
        pytest.param(make_domain(STALE, {"state": "Stopped", "reason": "RestartPolicy"}), False, id="old news"),
    ],
)
def test_a_guest_rests_when_its_policy_leaves_it(domain: DomainView, *, resting: bool) -> None:
    assert rests(domain) is resting


def test_a_report_is_current_when_it_is_about_this_generation() -> None:
    assert current(make_domain())
    assert not current(make_domain(STALE))
    assert not current(make_domain(status={"observedGeneration": None}))


@pytest.mark.parametrize(
    ("domain", "kept"),
    [
        pytest.param(make_domain(), True, id="in flight"),
        pytest.param(make_off(power="Hibernated"), True, id="saved"),
        pytest.param(make_off(), False, id="stopped"),
        pytest.param(make_off(reason="ResumeFailed"), True, id="a save that cannot be restored"),
        pytest.param(make_off(STALE), True, id="nobody knows"),
    ],
)
def test_memory_keeps_a_machine_on_its_node(domain: DomainView, *, kept: bool) -> None:
    assert has_memory(domain) is kept


TPM = {"cores": 1, "memoryBytes": 512 << 20, "firmware": "UEFI", "tpm": "Enabled"}


@pytest.mark.parametrize(
    ("domain", "kept"),
    [
        pytest.param(
            make_domain(machine=TPM, status={"state": "Stopped", "machineType": "pc-q35-7.2"}), True, id="off"
        ),
        pytest.param(make_domain(machine=TPM), True, id="in flight"),
        pytest.param(make_domain(machine=TPM, status={"state": "Pending"}), False, id="it never began"),
        pytest.param(make_domain(), False, id="without one"),
    ],
)
def test_the_content_of_a_tpm_is_on_the_node_from_the_first_start_on(domain: DomainView, *, kept: bool) -> None:
    assert has_tpm(domain) is kept


@pytest.mark.parametrize(
    ("annotations", "handled", "new"),
    [
        pytest.param({}, {}, False, id="nothing asked"),
        pytest.param({"restartedAt": "1"}, {}, True, id="a first restart"),
        pytest.param({"restartedAt": "1"}, {"handledRestart": "1"}, False, id="a restart that was done"),
        pytest.param({"startedAt": "2"}, {"handledStart": "1"}, True, id="another start"),
        pytest.param({"startedAt": "1"}, {"handledStart": "1"}, False, id="a start that was done"),
    ],
)
def test_a_request_is_new_until_it_was_acted_on(
    annotations: dict[str, str], handled: dict[str, str], *, new: bool
) -> None:
    assert requested(make_machine({"annotations": notes(**annotations)}), make_domain(status=handled)) is new


@pytest.mark.parametrize(
    ("power", "domain", "annotations", "wanted"),
    [
        ("Running", None, {}, True),
        ("Paused", None, {}, True),
        ("Stopped", None, {}, False),
        ("Hibernated", make_domain(), {}, False),
        ("Running", make_domain(), {}, True),
        ("Running", RESTING, {"startedAt": "1"}, False),
        ("Running", RESTING, {"startedAt": "2"}, True),
    ],
)
def test_a_machine_wants_a_place_when_it_should_be_on(
    power: str, domain: DomainView | None, annotations: dict[str, str], *, wanted: bool
) -> None:
    machine = make_machine({"annotations": notes(**annotations)}, powerState=power)
    assert wants_place(machine, domain) is wanted


@pytest.mark.parametrize(
    ("desired", "domain", "place", "expected", "reason"),
    [
        pytest.param("Running", make_off(), "held", "Running", None, id="it starts in its place"),
        pytest.param("Paused", make_domain(), "held", "Paused", None, id="it pauses in its place"),
        pytest.param("Running", make_off(), "", "Stopped", None, id="nothing starts without a place"),
        pytest.param("Running", make_domain(), "", "Running", None, id="what runs goes on without a place"),
        pytest.param("Running", make_domain(), "evicted", "Stopped", "Evicted", id="an eviction stops it"),
        pytest.param("Running", make_off(), "evicted", "Stopped", None, id="an eviction of a stopped one is nothing"),
        pytest.param("Stopped", make_domain(), "held", "Stopped", None, id="the spec stops it"),
        pytest.param("Stopped", make_domain(), "", "Stopped", None, id="the spec stops it without a place"),
        pytest.param("Hibernated", make_domain(), "held", "Hibernated", None, id="it is saved"),
        pytest.param("Hibernated", make_off(), "", "Stopped", None, id="a stopped one has nothing to save"),
    ],
)
def test_a_domain_is_told_what_its_place_allows(
    desired: str, domain: DomainView, place: str, expected: str, reason: str | None
) -> None:
    found = wish(make_machine(powerState=desired), domain, held=place == "held", evicted=place == "evicted")
    assert (found.power_state, found.stop_reason) == (expected, reason)


def test_requests_reach_the_domain_only_with_a_place() -> None:
    machine = make_machine({"annotations": notes(restartedAt="2", startedAt="3")})
    domain = make_domain(restartedAt="1")
    assert wish(machine, domain, held=True, evicted=False) == first_wish(machine) == Wish("Running", None, "2", "3")
    assert wish(machine, domain, held=False, evicted=False).restarted_at == "1"
