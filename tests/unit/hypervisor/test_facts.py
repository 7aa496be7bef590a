"""KVM counts when a probe guest ran with it, and not because it is advertised."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_libvirt import FakeLibvirt, make_error
from tests.unit.translation.test_capabilities import make_document

import libvirt
from drover.hypervisor import facts
from drover.translation.xml import attribute, parse

BOTH = "<domain type='qemu'/><domain type='kvm'/>"
ADVERTISED = make_document(domains=BOTH)
ARM = make_document("aarch64", "<machine>virt-7.2</machine>", BOTH)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "PROBE_SECONDS", 0.1)


def answer(document: str) -> None:
    """A probe guest that gets through."""
    Path(attribute(parse(document), "devices/serial/source", "path")).write_bytes(b"OK\n")


def hang(document: str) -> None:
    """A probe guest that does not."""


def fail(document: str) -> None:
    """A probe guest that does not even start."""
    raise make_error(libvirt.VIR_ERR_INTERNAL_ERROR)


@pytest.mark.parametrize(
    ("capabilities", "probe", "accelerator", "detail"),
    [
        pytest.param(ADVERTISED, answer, "KVM", "a probe guest ran", id="works"),
        pytest.param(ADVERTISED, hang, "TCG", "did not get through", id="advertised-but-hangs"),
        pytest.param(ADVERTISED, fail, "TCG", "did not start", id="advertised-but-fails"),
        pytest.param(make_document(), answer, "TCG", "offers no KVM", id="not-advertised"),
        pytest.param(ARM, answer, "TCG", "no probe guest", id="untried"),
    ],
)
def test_the_accelerator_is_what_was_proved(
    tmp_path: Path, capabilities: str, probe: Any, accelerator: str, detail: str
) -> None:
    connection: Any = FakeLibvirt(capabilities=capabilities, probe=probe)
    found = facts.facts(connection, tmp_path, "boot-1")

    assert found.accelerator == accelerator
    assert detail in found.accelerator_detail


def test_the_verdict_holds_for_one_boot(tmp_path: Path) -> None:
    connection: Any = FakeLibvirt(capabilities=ADVERTISED, probe=answer)
    first, second, third = (facts.facts(connection, tmp_path, boot) for boot in ("boot-1", "boot-1", "boot-2"))

    assert first == second
    assert third.accelerator == "KVM"
    assert connection.probes == 2


def test_a_verdict_that_cannot_be_read_is_found_anew(tmp_path: Path) -> None:
    (tmp_path / "accelerator.json").write_text("broken")
    connection: Any = FakeLibvirt(capabilities=ADVERTISED, probe=answer)

    assert facts.facts(connection, tmp_path, "boot-1").accelerator == "KVM"


def test_versions_are_told_as_people_write_them(tmp_path: Path) -> None:
    connection: Any = FakeLibvirt(capabilities=make_document())
    found = facts.facts(connection, tmp_path, "boot-1")

    assert (found.libvirt_version, found.qemu_version, found.platform) == ("9.0.0", "7.2.22", "amd64")
