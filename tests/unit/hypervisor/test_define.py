"""Defining a guest: what its firmware remembers goes with that firmware, what its TPM does with the TPM."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.blueprints import UUID, make_blueprint, make_record
from tests.support.fake_libvirt import make_error

import libvirt
from drover.hypervisor import domain as guests
from drover.translation import record
from drover.translation.domain.document import document

PLAIN = {"firmware": "UEFI"}
SECURE = PLAIN | {"secure_boot": "Enabled"}
SEALED = PLAIN | {"tpm": "Enabled"}
KEPT = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
WIPED = libvirt.VIR_DOMAIN_UNDEFINE_TPM | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
BOTH = libvirt.VIR_DOMAIN_UNDEFINE_TPM | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM


@dataclass
class FakeDomain:
    """A guest as it was defined; remembers how it was undefined."""

    document: str
    active: bool = False
    saved: bool = False
    undefined: list[int] = field(default_factory=list)

    def isActive(self) -> bool:  # noqa: N802
        return self.active

    def isPersistent(self) -> bool:  # noqa: N802
        return True

    def hasManagedSaveImage(self) -> bool:  # noqa: N802
        return self.saved

    def metadata(self, *_about: object) -> str:
        return record.to_text(make_record())

    def XMLDesc(self, _flags: int = 0) -> str:  # noqa: N802
        return self.document

    def undefineFlags(self, flags: int) -> None:  # noqa: N802
        self.undefined.append(flags)


@dataclass
class FakeConnection:
    """A connection that knows one guest."""

    known: FakeDomain
    defined: list[str] = field(default_factory=list)

    def lookupByName(self, _name: str) -> None:  # noqa: N802
        raise make_error(libvirt.VIR_ERR_NO_DOMAIN)

    def lookupByUUIDString(self, uuid: str) -> FakeDomain:  # noqa: N802
        assert uuid == UUID
        return self.known

    def defineXML(self, text: str) -> None:  # noqa: N802
        self.defined.append(text)


@pytest.mark.parametrize(
    ("before", "after", "state", "dropped"),
    [
        pytest.param(PLAIN, SECURE, {}, [KEPT], id="without keys nothing would be checked"),
        pytest.param(PLAIN, {}, {}, [KEPT], id="a BIOS has none"),
        pytest.param(SECURE, SECURE | {"cores": 2}, {}, [], id="the same firmware"),
        pytest.param({}, SECURE, {}, [], id="there are none yet"),
        pytest.param(SEALED, PLAIN, {}, [WIPED], id="the TPM is taken away"),
        pytest.param(SEALED, {}, {}, [BOTH], id="TPM and firmware"),
        pytest.param(SEALED, SECURE | {"tpm": "Enabled"}, {}, [KEPT], id="the TPM stays"),
        pytest.param(SEALED, SEALED | {"cores": 2}, {}, [], id="the same TPM"),
        pytest.param(PLAIN, SEALED, {}, [], id="it had no TPM"),
        pytest.param(PLAIN, SECURE, {"active": True}, [], id="it runs"),
        pytest.param(PLAIN, SECURE, {"saved": True}, [], id="its memory is saved"),
    ],
)
def test_variables_go_with_the_firmware_that_made_them_and_content_with_its_tpm(
    before: dict[str, Any], after: dict[str, Any], state: dict[str, Any], dropped: list[int]
) -> None:
    connection: Any = FakeConnection(FakeDomain(document(make_blueprint(**before)), **state))

    guests.define(connection, make_blueprint(**after))

    assert connection.known.undefined == dropped
    assert len(connection.defined) == 1


@pytest.mark.parametrize(("spec", "more"), [(SEALED, BOTH), ({}, 0)])
def test_a_guest_that_is_forgotten_leaves_nothing(spec: dict[str, Any], more: int) -> None:
    connection: Any = FakeConnection(FakeDomain(document(make_blueprint(**spec))))

    guests.undefine(connection, UUID)

    assert connection.known.undefined == [libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | more]
